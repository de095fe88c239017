"""Teams and memberships by HTTP."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import ApiClient
from tests.factories import make_volunteer
from tests.organizations.factories import District, make_district
from tests.teams.factories import make_member, make_team
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.teams.models import MembershipRole, MembershipState, Team

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def district(app: Any) -> District:
    return make_district()


@pytest.fixture
def leader(app: Any) -> Volunteer:
    return make_volunteer(name="王队长")


@pytest.fixture
def team(district: District, leader: Volunteer) -> Team:
    return make_team(organization_id=district.office.id, leader=leader, name="鹰城大妈")


class TestFoundATeam:
    def body(self, district: District, **changes: Any) -> dict[str, Any]:
        return {"name": "夕阳红", "organization_id": str(district.office.id)} | changes

    def test_anonymous(self, client: ApiClient, district: District) -> None:
        assert client.post("/teams", json=self.body(district)).status_code == 401

    @pytest.mark.parametrize("who", ["outsider", "other_organizer"])
    def test_outsider(self, client: ApiClient, district: District, who: str) -> None:
        assert client.as_(getattr(district, who)).post("/teams", json=self.body(district)).status_code == 404

    def test_wrong_role(self, client: ApiClient, district: District) -> None:
        assert client.as_(district.auditor).post("/teams", json=self.body(district)).status_code == 403

    def test_somebody_else_is_asked_to_lead(self, client: ApiClient, district: District, leader: Volunteer) -> None:
        answer = client.as_(district.organizer).post("/teams", json=self.body(district, leader_id=str(leader.id)))
        assert answer.status_code == 201
        assert answer.json == {
            "id": answer.json["id"],
            "version": 1,
            "name": "夕阳红",
            "organization_id": str(district.office.id),
            "description": None,
            "is_recruiting": True,
            "member_count": 0,
            "closed_at": None,
        }
        path = f"/teams/{answer.json['id']}/memberships"
        # Nobody is made to lead: until she accepts she leads nothing.
        assert client.as_(leader).get(path).status_code == 404
        assert client.as_(leader).get("/me/grants").json["items"] == []
        (asked,) = client.as_(leader).get("/me/memberships").json["items"]
        assert (asked["role"], asked["state"]) == ("leader", "invited")
        assert client.as_(leader).get("/me/notifications").json["items"][0]["kind"] == "team_role_offered"
        assert client.as_(leader).post(f"/memberships/{asked['id']}/acceptance").status_code == 200
        members = client.as_(leader).get(path).json["items"]
        assert [(one["volunteer"]["id"], one["role"], one["state"]) for one in members] == [
            (str(leader.id), "leader", "active")
        ]

    def test_who_is_erased_or_unknown_leads_nothing(
        self, client: ApiClient, district: District, leader: Volunteer, unit: Unit
    ) -> None:
        unit(lambda: setattr(db.session.get_one(Volunteer, leader.id), "erased_at", clock.now()))
        for leader_id in (str(leader.id), str(ids.new_id())):
            answer = client.as_(district.organizer).post("/teams", json=self.body(district, leader_id=leader_id))
            assert answer.status_code == 404

    def test_the_organizer_leads_where_nobody_else_is_named(self, client: ApiClient, district: District) -> None:
        organizer = client.as_(district.organizer)
        made = organizer.post("/teams", json=self.body(district)).json
        assert organizer.get("/teams?mine=true").json["items"] == [made]

    def test_a_name_is_taken_once(self, client: ApiClient, district: District, team: Team) -> None:
        answer = client.as_(district.organizer).post("/teams", json=self.body(district, name=team.name))
        assert (answer.status_code, answer.json["code"]) == (409, "team_name_taken")


def test_teams_of_a_subtree_in_two_statements(
    client: ApiClient, district: District, team: Team, statements: Callable[[], Any]
) -> None:
    make_team(organization_id=district.other_office.id)
    outsider = client.as_(district.outsider)
    with statements() as seen:
        answer = outsider.get(f"/teams?organization_id={district.office.id}")
    assert [(item["name"], item["member_count"]) for item in answer.json["items"]] == [("鹰城大妈", 1)]
    # One of them asks whether the session is still open.
    assert len(seen) == 2
    assert len(outsider.get(f"/teams?organization_id={district.center.id}").json["items"]) == 2
    assert len(outsider.get("/teams", query_string={"q": "大妈"}).json["items"]) == 2
    assert outsider.get("/teams?mine=true").json["items"] == []
    assert client.get("/teams").status_code == 401


def test_read_a_team(client: ApiClient, district: District, team: Team) -> None:
    assert client.get(f"/teams/{team.id}").status_code == 401
    assert client.as_(district.outsider).get(f"/teams/{team.id}").json["name"] == "鹰城大妈"
    assert client.as_(district.outsider).get(f"/teams/{district.center.id}").status_code == 404


class TestJoin:
    def test_a_request_waits_for_the_leader(
        self, client: ApiClient, district: District, team: Team, leader: Volunteer
    ) -> None:
        outsider = client.as_(district.outsider)
        asked = outsider.post(f"/teams/{team.id}/memberships", json={})
        assert (asked.status_code, asked.json["state"], asked.json["joined_at"]) == (201, "requested", None)
        again = outsider.post(f"/teams/{team.id}/memberships", json={})
        assert (again.status_code, again.json["code"]) == (409, "already_member")
        path = f"/memberships/{asked.json['id']}/acceptance"
        assert outsider.post(path).status_code == 403
        accepted = client.as_(leader).post(path)
        assert (accepted.status_code, accepted.json["state"]) == (200, "active")
        assert accepted.json["joined_at"].endswith("Z")
        assert client.as_(leader).post(path).json["code"] == "membership_settled"
        assert outsider.get("/teams?mine=true").json["items"][0]["member_count"] == 2

    def test_a_repeated_tap_changes_nothing(self, client: ApiClient, district: District, team: Team) -> None:
        outsider = client.as_(district.outsider)
        first = outsider.post(f"/teams/{team.id}/memberships", json={}, key="one-tap")
        second = outsider.post(f"/teams/{team.id}/memberships", json={}, key="one-tap")
        assert second.headers["Idempotency-Replayed"] == "true"
        assert second.json == first.json

    def test_who_was_turned_down_or_left_may_ask_again(
        self, client: ApiClient, district: District, team: Team, leader: Volunteer
    ) -> None:
        outsider, path = client.as_(district.outsider), f"/teams/{team.id}/memberships"
        asked = outsider.post(path, json={}).json
        assert client.as_(leader).post(f"/memberships/{asked['id']}/rejection").json["state"] == "rejected"
        asked = outsider.post(path, json={}).json
        assert outsider.post(f"/memberships/{asked['id']}/leaving").json["state"] == "left"
        assert outsider.post(f"/memberships/{asked['id']}/leaving").json["code"] == "membership_settled"
        assert outsider.post(path, json={}).status_code == 201

    def test_an_invitation_is_for_the_invited_to_answer(
        self, client: ApiClient, district: District, team: Team, leader: Volunteer
    ) -> None:
        path, body = f"/teams/{team.id}/memberships", {"phone": district.outsider.phone}
        assert client.as_(district.other_organizer).post(path, json=body).status_code == 404
        invited = client.as_(leader).post(path, json=body)
        assert (invited.status_code, invited.json["state"]) == (201, "invited")
        stranger = {
            "id": None,
            "name": None,
            "phone": f"{district.outsider.phone[3:6]}****{district.outsider.phone[-4:]}",
            "volunteer_number": None,
        }
        assert invited.json["volunteer"] == stranger
        listed = client.as_(leader).get(f"{path}?state=invited").json["items"]
        assert [item["volunteer"] for item in listed] == [stranger]
        answer = f"/memberships/{invited.json['id']}/acceptance"
        assert client.as_(leader).post(answer).status_code == 403
        accepted = client.as_(district.outsider).post(answer).json
        assert (accepted["state"], accepted["volunteer"]["name"]) == ("active", district.outsider.name)
        assert accepted["expires_at"] is None

    def test_an_invitation_taken_back_shows_no_name(
        self, client: ApiClient, district: District, team: Team, leader: Volunteer
    ) -> None:
        caller = client.as_(leader)
        invited = caller.post(f"/teams/{team.id}/memberships", json={"phone": district.outsider.phone})
        taken_back = caller.post(f"/memberships/{invited.json['id']}/leaving")
        assert (taken_back.json["state"], taken_back.json["volunteer"]["name"]) == ("left", None)
        listed = caller.get(f"/teams/{team.id}/memberships").json["items"]
        assert [item["role"] for item in listed] == ["leader"]

    def test_a_leader_looks_up_thirty_phones_an_hour(
        self,
        client: ApiClient,
        district: District,
        team: Team,
        leader: Volunteer,
        change_settings: Callable[..., None],
    ) -> None:
        change_settings(client.app, limits=True)
        path, caller = f"/teams/{team.id}/memberships", client.as_(leader)
        start = clock.now()
        with clock.at(start):
            guesses = [{"phone": district.outsider.phone}] * 2 + [{"phone": f"137000000{n}"} for n in range(10, 38)]
            codes = [caller.post(path, json=guess).json.get("code") for guess in guesses]
            assert codes == [None, "already_member"] + [None] * 28
            refused = caller.post(path, json=guesses[-1])
            assert (refused.status_code, refused.json["code"]) == (429, "too_many_requests")
            assert refused.headers["Retry-After"] == "3600"
            assert client.as_(make_volunteer()).post(path, json={}).status_code == 201
        with clock.at(start + timedelta(hours=1)):
            assert client.as_(leader).post(path, json={"phone": "13700000099"}).status_code == 201

    def test_anonymous(self, client: ApiClient, team: Team) -> None:
        assert client.post(f"/teams/{team.id}/memberships", json={}).status_code == 401


class TestLeave:
    @pytest.mark.parametrize(
        ("who", "whom", "status"),
        [
            ("deputy", "member", 200),
            ("deputy", "leader", 403),
            ("deputy", "second_deputy", 403),
            ("deputy", "deputy", 200),
            ("member", "deputy", 403),
            ("member", "member", 200),
            ("leader", "deputy", 200),
            ("organizer", "deputy", 200),
            ("outsider", "deputy", 404),
            ("auditor", "deputy", 403),
        ],
    )
    def test_who_may_end_whose(
        self, client: ApiClient, district: District, team: Team, leader: Volunteer, who: str, whom: str, status: int
    ) -> None:
        roles = {
            "deputy": MembershipRole.DEPUTY,
            "second_deputy": MembershipRole.DEPUTY,
            "member": MembershipRole.MEMBER,
        }
        people = {name: make_volunteer() for name in roles} | {"leader": leader}
        memberships = {name: make_member(team, people[name], role=role).id for name, role in roles.items()}
        listed = client.as_(leader).get(f"/teams/{team.id}/memberships").json["items"]
        memberships["leader"] = next(item["id"] for item in listed if item["role"] == "leader")
        caller = people[who] if who in people else getattr(district, who)
        assert client.as_(caller).post(f"/memberships/{memberships[whom]}/leaving").status_code == status

    def test_a_deputy_above_whom_nobody_stands_but_who_organizes_may(
        self, client: ApiClient, district: District, team: Team
    ) -> None:
        make_member(team, district.organizer, role=MembershipRole.DEPUTY)
        other = make_member(team, make_volunteer(), role=MembershipRole.DEPUTY)
        assert client.as_(district.organizer).post(f"/memberships/{other.id}/leaving").status_code == 200

    def test_the_last_leader_leaves_last(
        self, client: ApiClient, district: District, team: Team, leader: Volunteer
    ) -> None:
        caller = client.as_(leader)
        own = caller.get(f"/teams/{team.id}/memberships").json["items"][0]["id"]
        member = make_member(team, make_volunteer())
        make_member(team, make_volunteer(), state=MembershipState.REQUESTED)
        for one in (caller, client.as_(district.organizer)):
            refused = one.post(f"/memberships/{own}/leaving")
            assert (refused.status_code, refused.json["code"]) == (409, "last_leader")
        assert caller.post(f"/memberships/{member.id}/leaving").status_code == 200
        assert caller.post(f"/memberships/{own}/leaving").json["state"] == "left"

    def test_one_of_two_leaders_may_leave(self, client: ApiClient, team: Team, leader: Volunteer) -> None:
        second = make_volunteer()
        membership = make_member(team, second, role=MembershipRole.LEADER)
        assert client.as_(second).post(f"/memberships/{membership.id}/leaving").status_code == 200


class TestMembers:
    def test_the_four(self, client: ApiClient, district: District, team: Team, leader: Volunteer) -> None:
        path, member = f"/teams/{team.id}/memberships", make_volunteer()
        make_member(team, member)
        assert client.get(path).status_code == 401
        assert client.as_(district.other_organizer).get(path).status_code == 404
        assert client.as_(district.outsider).get(path).status_code == 404
        assert client.as_(district.auditor).get(path).status_code == 403
        assert client.as_(member).get(path).status_code == 403
        for caller in (leader, district.organizer, district.administrator):
            assert client.as_(caller).get(path).status_code == 200

    def test_phones_are_masked_and_states_filtered(
        self, client: ApiClient, district: District, team: Team, leader: Volunteer, statements: Callable[[], Any]
    ) -> None:
        asking = make_volunteer(name="李阿姨", phone="+8613812340001")
        make_member(team, asking, state=MembershipState.REQUESTED)
        deputy = make_volunteer()
        make_member(team, deputy, role=MembershipRole.DEPUTY)
        caller = client.as_(deputy)
        with statements() as seen:
            answer = caller.get(f"/teams/{team.id}/memberships?state=requested")
        assert [item["volunteer"] for item in answer.json["items"]] == [
            {
                "id": str(asking.id),
                "name": "李阿姨",
                "phone": "138****0001",
                "volunteer_number": asking.volunteer_number,
            }
        ]
        # Session, team, the caller's role in it, and the list.
        assert len(seen) == 4


class TestAnswers:
    @pytest.mark.parametrize("verb", ["acceptance", "rejection", "leaving"])
    def test_the_four(self, client: ApiClient, district: District, team: Team, leader: Volunteer, verb: str) -> None:
        asking, member = make_volunteer(), make_volunteer()
        make_member(team, member)
        path = f"/memberships/{make_member(team, asking, state=MembershipState.REQUESTED).id}/{verb}"
        assert client.post(path).status_code == 401
        assert client.as_(district.outsider).post(path).status_code == 404
        assert client.as_(member).post(path).status_code == 403
        assert client.as_(leader).post(path).status_code == 200

    def test_an_organizer_above_may_answer(self, client: ApiClient, district: District, team: Team) -> None:
        asking = make_member(team, make_volunteer(), state=MembershipState.REQUESTED)
        assert client.as_(district.organizer).post(f"/memberships/{asking.id}/acceptance").status_code == 200

    def test_nobody_answers_what_is_not_there(self, client: ApiClient, district: District) -> None:
        path = f"/memberships/{district.center.id}/acceptance"
        assert client.as_(district.organizer).post(path).status_code == 404
