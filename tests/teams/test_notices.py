"""What people hear of teams: by nobody's hand is somebody in, out or leading without a word."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import ApiClient
from tests.factories import make_volunteer
from tests.organizations.factories import District, make_district
from tests.teams.factories import make_member, make_team
from volunteer_api.accounts.models import Volunteer
from volunteer_api.teams.models import MembershipRole, MembershipState, Team

Heard = Callable[[Volunteer], list[tuple[str, str]]]


@pytest.fixture
def district(app: Any) -> District:
    return make_district()


@pytest.fixture
def leader(app: Any) -> Volunteer:
    return make_volunteer(name="王队长")


@pytest.fixture
def team(district: District, leader: Volunteer) -> Team:
    return make_team(organization_id=district.office.id, leader=leader, name="鹰城大妈")


@pytest.fixture
def heard(client: ApiClient) -> Heard:
    """Kinds and sentences of somebody's inbox, the first first."""

    def read(person: Volunteer) -> list[tuple[str, str]]:
        answer = client.as_(person).get("/me/notifications", headers={"Accept-Language": "zh-CN"})
        return [(item["kind"], item["body"]) for item in reversed(answer.json["items"])]

    return read


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (None, "鹰城大妈未同意您入队。"),
        ({"reason": None}, "鹰城大妈未同意您入队。"),
        ({"reason": "本队已满员"}, "鹰城大妈未同意您入队：本队已满员"),
    ],
)
def test_who_is_turned_down(
    client: ApiClient, team: Team, leader: Volunteer, heard: Heard, body: Any, told: str
) -> None:
    person = make_volunteer()
    asked = make_member(team, person, state=MembershipState.REQUESTED)
    answer = client.as_(leader).post(f"/memberships/{asked.id}/rejection", json=body)
    reason = (body or {}).get("reason")
    assert (answer.status_code, answer.json["rejection_reason"]) == (200, reason)
    assert heard(person) == [("membership_rejected", told)]
    assert client.as_(person).get("/me/memberships").json["items"][0]["rejection_reason"] == reason
    assert heard(leader) == []


def test_a_request_that_the_leader_ends_is_turned_down(
    client: ApiClient, team: Team, leader: Volunteer, heard: Heard
) -> None:
    person = make_volunteer()
    asked = make_member(team, person, state=MembershipState.REQUESTED)
    assert client.as_(leader).post(f"/memberships/{asked.id}/leaving").status_code == 200
    assert heard(person) == [("membership_rejected", "鹰城大妈未同意您入队。")]


def test_who_says_no_to_an_invitation_says_why_to_those_who_asked(
    client: ApiClient, team: Team, leader: Volunteer, heard: Heard
) -> None:
    person = make_volunteer()
    invited = make_member(team, person, state=MembershipState.INVITED)
    client.as_(person).post(f"/memberships/{invited.id}/rejection", json={"reason": "在外地带孙子"})
    listed = client.as_(leader).get(f"/teams/{team.id}/memberships?state=rejected").json["items"]
    assert [one["rejection_reason"] for one in listed] == ["在外地带孙子"]
    assert heard(person) == []


def test_whose_membership_somebody_else_ends(client: ApiClient, team: Team, leader: Volunteer, heard: Heard) -> None:
    member, deputy = make_volunteer(name="冯婶"), make_volunteer(name="孙大姐")
    path = f"/memberships/{make_member(team, member).id}/leaving"
    removed = make_member(team, deputy, role=MembershipRole.DEPUTY)
    assert client.as_(deputy).post(path).status_code == 200
    assert client.as_(leader).post(f"/memberships/{removed.id}/leaving").status_code == 200
    told = [("membership_ended", "负责人已将您移出鹰城大妈。")]
    assert (heard(member), heard(deputy), heard(leader)) == (told, told, [])


def test_those_who_lead_hear_who_left(client: ApiClient, team: Team, leader: Volunteer, heard: Heard) -> None:
    member, deputy = make_volunteer(name="郑老师"), make_volunteer(name="孙大姐")
    asked, invited = make_volunteer(), make_volunteer()
    path = f"/memberships/{make_member(team, member).id}/leaving"
    left = make_member(team, deputy, role=MembershipRole.DEPUTY)
    assert client.as_(member).post(path).status_code == 200
    assert client.as_(deputy).post(f"/memberships/{left.id}/leaving").status_code == 200
    # What never began is nothing that ends.
    for person, state in ((asked, MembershipState.REQUESTED), (invited, MembershipState.INVITED)):
        taken_back = make_member(team, person, state=state)
        assert client.as_(person).post(f"/memberships/{taken_back.id}/leaving").status_code == 200
    first, second = ("member_left", "郑老师已离开鹰城大妈。"), ("member_left", "孙大姐已离开鹰城大妈。")
    assert (heard(leader), heard(deputy), heard(member)) == ([first, second], [first], [])


def test_a_closed_team(client: ApiClient, district: District, team: Team, leader: Volunteer, heard: Heard) -> None:
    people = {state: make_volunteer() for state in MembershipState}
    for state, person in people.items():
        if state in (MembershipState.REQUESTED, MembershipState.INVITED, MembershipState.ACTIVE):
            make_member(team, person, state=state)
    assert client.as_(leader).post(f"/teams/{team.id}/closing").status_code == 200
    told = [("team_closed", "鹰城大妈已关闭，以往的服务记录仍然保留。")]
    for state in (MembershipState.REQUESTED, MembershipState.INVITED, MembershipState.ACTIVE):
        assert heard(people[state]) == told
    assert heard(district.organizer) == told
    assert (heard(leader), heard(people[MembershipState.LEFT]), heard(district.outsider)) == ([], [], [])


def test_whose_role_somebody_else_changes_hears_of_it_as_of_her_own(
    client: ApiClient, team: Team, leader: Volunteer, heard: Heard
) -> None:
    person, second = make_volunteer(name="孙大姐"), make_volunteer()
    make_member(team, second, role=MembershipRole.LEADER)
    path = f"/memberships/{make_member(team, person).id}"
    for version, role in enumerate(("deputy", "leader", "member"), start=1):
        assert client.as_(leader).patch(path, json={"role": role}, version=version).status_code == 200
    assert heard(person) == [
        ("team_role_changed", "您现在是鹰城大妈的副队长。"),
        ("team_role_changed", "您现在是鹰城大妈的队长。"),
        ("team_role_changed", "您现在是鹰城大妈的队员。"),
    ]
    assert [kind for kind, _ in heard(second)] == ["deputy_named", "leadership_changed", "lead_ended"]


def test_who_is_to_lead_is_asked_just_that(
    client: ApiClient, district: District, team: Team, leader: Volunteer, heard: Heard
) -> None:
    body = {"name": "夕阳红", "organization_id": str(district.office.id), "leader_id": str(leader.id)}
    assert client.as_(district.organizer).post("/teams", json=body).status_code == 201
    assert heard(leader) == [("team_role_offered", "夕阳红邀请您担任队长，请接受或谢绝。")]


def test_who_asked_is_let_in_by_an_invitation(client: ApiClient, team: Team, leader: Volunteer, heard: Heard) -> None:
    person = make_volunteer()
    asked = make_member(team, person, state=MembershipState.REQUESTED)
    answer = client.as_(leader).post(f"/teams/{team.id}/memberships", json={"phone": person.phone})
    assert (answer.status_code, answer.json["id"], answer.json["state"]) == (201, str(asked.id), "active")
    assert [kind for kind, _ in heard(person)] == ["membership_accepted"]
    again = client.as_(leader).post(f"/teams/{team.id}/memberships", json={"phone": person.phone})
    assert (again.status_code, again.json["code"]) == (409, "already_member")
