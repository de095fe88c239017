"""Changing and closing teams, roles, leadership, primary teams, and what news of other features do."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.conftest import ApiClient
from tests.factories import make_volunteer
from tests.organizations.factories import District, make_district, make_organization
from tests.teams.factories import make_member, make_team
from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import events, ids, personal_data
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.organizations.events import OrganizationClosing, OrganizationMerged
from volunteer_api.teams.models import Membership, MembershipRole, MembershipState, Team
from volunteer_api.teams.problems import TeamNameTaken, TeamsStandInTheWay

Unit = Callable[[Callable[[], Any]], Any]
Race = Callable[[int, Callable[[int], Any]], list[Any]]


@pytest.fixture
def district(app: Any) -> District:
    return make_district()


@pytest.fixture
def leader(app: Any) -> Volunteer:
    return make_volunteer(name="王队长")


@pytest.fixture
def team(district: District, leader: Volunteer) -> Team:
    return make_team(organization_id=district.office.id, leader=leader, name="鹰城大妈")


def own_membership(client: ApiClient, person: Volunteer) -> dict[str, Any]:
    item: dict[str, Any] = client.as_(person).get("/me/memberships").json["items"][0]
    return item


class TestChange:
    def test_the_four(self, client: ApiClient, district: District, team: Team, leader: Volunteer) -> None:
        path, body, member = f"/teams/{team.id}", {"name": "夕阳红"}, make_volunteer()
        make_member(team, member)
        assert client.patch(path, json=body, version=1).status_code == 401
        for outsider in (district.outsider, district.other_organizer):
            assert client.as_(outsider).patch(path, json=body, version=1).status_code == 404
        for insider in (member, district.auditor):
            assert client.as_(insider).patch(path, json=body, version=1).status_code == 403
        changed = client.as_(leader).patch(path, json=body, version=1)
        assert (changed.status_code, changed.json["name"], changed.json["version"]) == (200, "夕阳红", 2)
        assert client.as_(district.organizer).patch(path, json={"description": None}, version=2).status_code == 200

    def test_preconditions_and_names(
        self, client: ApiClient, district: District, team: Team, leader: Volunteer
    ) -> None:
        make_team(organization_id=district.office.id, name="夕阳红")
        caller, path = client.as_(leader), f"/teams/{team.id}"
        assert caller.patch(path, json={"name": "x"}).status_code == 428
        assert caller.patch(path, json={"name": "x"}, version=9).status_code == 412
        taken = caller.patch(path, json={"name": "夕阳红"}, version=1)
        assert (taken.status_code, taken.json["code"]) == (409, "team_name_taken")
        assert caller.patch(path, json={"name": "鹰城大妈"}, version=1).status_code == 200

    def test_pinyin_follows_the_name(self, client: ApiClient, team: Team, leader: Volunteer) -> None:
        caller = client.as_(leader)

        def found(q: str) -> int:
            return len(caller.get("/teams", query_string={"q": q}).json["items"])

        assert [found(q) for q in ("ycdm", "YingCheng da", "dama", "城大", "xyh", "%")] == [1, 1, 1, 1, 0, 0]
        caller.patch(f"/teams/{team.id}", json={"name": "夕阳红", "is_recruiting": False}, version=1)
        assert [found(q) for q in ("ycdm", "xyh", "xiyang")] == [0, 1, 1]
        assert len(caller.get("/teams?recruiting=false").json["items"]) == 1
        assert caller.get("/teams?recruiting=true").json["items"] == []


class TestClose:
    def test_the_four(self, client: ApiClient, district: District, team: Team, leader: Volunteer) -> None:
        path, deputy = f"/teams/{team.id}/closing", make_volunteer()
        make_member(team, deputy, role=MembershipRole.DEPUTY)
        assert client.post(path).status_code == 401
        for outsider in (district.outsider, district.other_organizer):
            assert client.as_(outsider).post(path).status_code == 404
        for insider in (deputy, district.auditor):
            assert client.as_(insider).post(path).status_code == 403
        assert client.as_(leader).post(path).status_code == 200

    def test_a_closed_team_takes_nobody(
        self, client: ApiClient, unit: Unit, district: District, team: Team, leader: Volunteer
    ) -> None:
        member, caller = make_volunteer(), client.as_(district.organizer)
        asked = make_member(team, make_volunteer(), state=MembershipState.REQUESTED)
        make_member(team, member)
        client.as_(member).put("/me/primary-team", json={"team_id": str(team.id)})
        code = caller.post(f"/teams/{team.id}/invitation-codes", json={}).json["code"]
        closed = caller.post(f"/teams/{team.id}/closing")
        assert (closed.status_code, closed.json["member_count"]) == (200, 0)
        assert closed.json["closed_at"] is not None
        own = own_membership(client, member)
        assert (own["state"], own["is_primary"], own["team"]["closed_at"]) == ("left", False, closed.json["closed_at"])
        for body in ({}, {"phone": "13700000001"}):
            refused = caller.post(f"/teams/{team.id}/memberships", json=body)
            assert (refused.status_code, refused.json["code"]) == (409, "team_closed")
        by_code = caller.post(f"/teams/{team.id}/memberships", json={"invitation_code": code})
        assert (by_code.status_code, by_code.json["code"]) == (404, "invitation_code_unknown")
        accepted = caller.post(f"/memberships/{asked.id}/acceptance")
        assert (accepted.status_code, accepted.json["code"]) == (409, "membership_settled")
        for refused in (
            caller.post(f"/teams/{team.id}/closing"),
            caller.patch(f"/teams/{team.id}", json={"name": "x"}, version=2),
            caller.post(f"/teams/{team.id}/invitation-codes", json={}),
        ):
            assert (refused.status_code, refused.json["code"]) == (409, "team_closed")
        assert caller.get(f"/teams/{team.id}").status_code == 200
        assert caller.get("/teams").json["items"] == []
        assert [item["id"] for item in caller.get("/teams?closed=true").json["items"]] == [str(team.id)]
        actions = unit(lambda: list(db.session.scalars(select(AuditEntry.action))))
        assert "team_closed" in actions

    def test_who_joins_while_it_closes_is_out(self, postgresql_client: ApiClient, race: Race) -> None:
        leader = make_volunteer()
        team = make_team(organization_id=make_organization().id, leader=leader)
        caller = postgresql_client.as_(leader)
        code = caller.post(f"/teams/{team.id}/invitation-codes", json={}).json["code"]
        people = [postgresql_client.as_(make_volunteer()) for _ in range(7)]

        def act(number: int) -> Any:
            if number == 3:
                return caller.post(f"/teams/{team.id}/closing")
            return people[number % 7].post(f"/teams/{team.id}/memberships", json={"invitation_code": code})

        answers = race(8, act)
        assert answers[3].status_code == 200
        assert {answer.status_code for answer in answers} <= {200, 201, 404, 409}
        assert caller.get(f"/teams/{team.id}").json["member_count"] == 0


class TestRoles:
    @pytest.mark.parametrize(
        ("who", "status"),
        [
            ("leader", 200),
            ("organizer", 200),
            ("administrator", 200),
            ("deputy", 403),
            ("member", 403),
            ("auditor", 403),
            ("outsider", 404),
            ("other_organizer", 404),
        ],
    )
    def test_who_may(
        self, client: ApiClient, district: District, team: Team, leader: Volunteer, who: str, status: int
    ) -> None:
        people = {"leader": leader, "deputy": make_volunteer(), "member": make_volunteer()}
        make_member(team, people["deputy"], role=MembershipRole.DEPUTY)
        path = f"/memberships/{make_member(team, people['member']).id}"
        caller = people.get(who) or getattr(district, who)
        assert client.patch(path, json={"role": "deputy"}, version=1).status_code == 401
        answer = client.as_(caller).patch(path, json={"role": "deputy"}, version=1)
        assert answer.status_code == status
        if status == 200:
            assert (answer.json["role"], answer.json["version"]) == ("deputy", 2)
            assert answer.headers["ETag"].startswith('"2-')

    def test_preconditions(self, client: ApiClient, team: Team, leader: Volunteer) -> None:
        path = f"/memberships/{make_member(team, make_volunteer()).id}"
        caller = client.as_(leader)
        assert caller.patch(path, json={"role": "deputy"}).status_code == 428
        assert caller.patch(path, json={"role": "deputy"}, version=2).status_code == 412
        assert caller.patch(path, json={"role": "boss"}, version=1).status_code == 422
        asked = make_member(team, make_volunteer(), state=MembershipState.REQUESTED)
        refused = caller.patch(f"/memberships/{asked.id}", json={"role": "deputy"}, version=1)
        assert (refused.status_code, refused.json["code"]) == (409, "membership_settled")

    def test_the_last_leader_does_not_step_down(
        self, client: ApiClient, district: District, team: Team, leader: Volunteer
    ) -> None:
        second = make_member(team, make_volunteer())
        own = own_membership(client, leader)["id"]
        for caller in (client.as_(leader), client.as_(district.organizer)):
            refused = caller.patch(f"/memberships/{own}", json={"role": "member"}, version=1)
            assert (refused.status_code, refused.json["code"]) == (409, "leader_needed")
        caller = client.as_(leader)
        assert caller.patch(f"/memberships/{second.id}", json={"role": "leader"}, version=1).status_code == 200
        assert caller.patch(f"/memberships/{own}", json={"role": "member"}, version=1).status_code == 200
        assert caller.patch(f"/memberships/{own}", json={"role": "leader"}, version=2).status_code == 403

    def test_two_leaders_who_step_down_at_once_leave_one(self, postgresql_client: ApiClient, race: Race) -> None:
        people = [make_volunteer(), make_volunteer()]
        team = make_team(organization_id=make_organization().id, leader=people[0])
        make_member(team, people[1], role=MembershipRole.LEADER)
        callers = [postgresql_client.as_(person) for person in people]
        own = [own_membership(postgresql_client, person)["id"] for person in people]
        answers = race(
            2, lambda number: callers[number].patch(f"/memberships/{own[number]}", json={"role": "member"}, version=1)
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert [answer.json["code"] for answer in answers if answer.status_code == 409] == ["leader_needed"]


class TestLeadership:
    @pytest.mark.parametrize(
        ("who", "status"),
        [("deputy", 403), ("member", 403), ("organizer", 403), ("auditor", 403), ("outsider", 404), ("leader", 200)],
    )
    def test_only_a_leader_hands_over(
        self, client: ApiClient, district: District, team: Team, leader: Volunteer, who: str, status: int
    ) -> None:
        people = {"leader": leader, "deputy": make_volunteer(), "member": make_volunteer()}
        make_member(team, people["deputy"], role=MembershipRole.DEPUTY)
        path = f"/memberships/{make_member(team, people['member']).id}/leadership"
        assert client.post(path).status_code == 401
        assert client.as_(people.get(who) or getattr(district, who)).post(path).status_code == status

    def test_both_change_and_hear_of_it(self, client: ApiClient, unit: Unit, team: Team, leader: Volunteer) -> None:
        successor = make_volunteer(name="李阿姨")
        membership = make_member(team, successor)
        handed = client.as_(leader).post(f"/memberships/{membership.id}/leadership")
        assert (handed.status_code, handed.json["role"]) == (200, "leader")
        assert own_membership(client, leader)["role"] == "member"
        for person, told in (
            (leader, ("leadership_changed", "李阿姨", None)),
            (successor, ("team_role_changed", None, "leader")),
        ):
            (item,) = client.as_(person).get("/me/notifications").json["items"]
            assert (item["kind"], item["values"].get("name"), item["values"].get("team_role")) == told
        assert leadership(unit) == [(leader.id, "member"), (successor.id, "leader")]

    def test_refusals(self, client: ApiClient, team: Team, leader: Volunteer) -> None:
        second = make_member(team, make_volunteer(), role=MembershipRole.LEADER)
        asked = make_member(team, make_volunteer(), state=MembershipState.REQUESTED)
        caller = client.as_(leader)
        assert caller.post(f"/memberships/{second.id}/leadership").json["code"] == "already_leader"
        own = own_membership(client, leader)["id"]
        assert caller.post(f"/memberships/{own}/leadership").json["code"] == "already_leader"
        assert caller.post(f"/memberships/{asked.id}/leadership").json["code"] == "membership_settled"

    def test_handed_to_five_at_once_there_is_one_leader(self, postgresql_client: ApiClient, race: Race) -> None:
        leader = make_volunteer()
        team = make_team(organization_id=make_organization().id, leader=leader)
        paths = [f"/memberships/{make_member(team, make_volunteer()).id}/leadership" for _ in range(5)]
        caller = postgresql_client.as_(leader)
        answers = race(5, lambda number: caller.post(paths[number]))
        assert sorted(answer.status_code for answer in answers) == [200] + [403] * 4


class TestPrimary:
    def test_one_of_several(self, client: ApiClient, district: District, team: Team, leader: Volunteer) -> None:
        other = make_team(organization_id=district.office.id, leader=leader)
        foreign = make_team(organization_id=district.office.id)
        caller = client.as_(leader)

        def primary() -> list[str]:
            return [item["team"]["id"] for item in caller.get("/me/memberships").json["items"] if item["is_primary"]]

        def put(team_id: object) -> Any:
            return caller.put("/me/primary-team", json={"team_id": team_id and str(team_id)})

        assert client.put("/me/primary-team", json={"team_id": None}).status_code == 401
        for chosen in (team, other, other):
            assert put(chosen.id).status_code == 204
            assert primary() == [str(chosen.id)]
        refused = put(foreign.id)
        assert (refused.status_code, refused.json["code"]) == (409, "not_in_team")
        assert put(ids.new_id()).status_code == 404
        assert primary() == [str(other.id)]
        assert put(None).status_code == 204
        assert primary() == []

    def test_it_ends_with_the_membership(self, client: ApiClient, team: Team) -> None:
        member = make_volunteer()
        membership = make_member(team, member)
        caller = client.as_(member)
        caller.put("/me/primary-team", json={"team_id": str(team.id)})
        caller.post(f"/memberships/{membership.id}/leaving")
        own = own_membership(client, member)
        assert (own["state"], own["is_primary"], own["left_at"] is not None) == ("left", False, True)
        assert caller.get("/me/memberships?state=active").json["items"] == []

    def test_chosen_at_once_one_is_it(self, postgresql_client: ApiClient, race: Race) -> None:
        member, organization = make_volunteer(), make_organization()
        teams = [make_team(organization_id=organization.id, leader=member) for _ in range(4)]
        caller = postgresql_client.as_(member)
        answers = race(8, lambda n: caller.put("/me/primary-team", json={"team_id": str(teams[n % 4].id)}))
        assert [answer.status_code for answer in answers] == [204] * 8
        items = caller.get("/me/memberships").json["items"]
        assert sum(item["is_primary"] for item in items) == 1


def leadership(unit: Unit) -> list[tuple[Any, str]]:
    entries = select(AuditEntry).where(AuditEntry.action == "leadership_changed").order_by(AuditEntry.id)
    return unit(lambda: [(entry.subject_id, entry.details["role"]) for entry in db.session.scalars(entries)])


class TestTheLog:
    """That somebody leads no more is as much as that she begins to."""

    def test_a_leader_who_leaves(self, client: ApiClient, unit: Unit, team: Team, leader: Volunteer) -> None:
        second = make_volunteer()
        make_member(team, second, role=MembershipRole.LEADER)
        client.as_(leader).post(f"/memberships/{own_membership(client, leader)['id']}/leaving")
        assert leadership(unit) == [(leader.id, "left")]

    def test_every_move_of_a_deputy_is_recorded_and_heard_of(
        self, client: ApiClient, unit: Unit, team: Team, leader: Volunteer
    ) -> None:
        """A deputy leads too: takes roll-calls, and reads whom to call."""
        named, invited = make_volunteer(name="李阿姨"), make_volunteer(name="王大爷")
        path = f"/memberships/{make_member(team, named).id}"
        caller = client.as_(leader)
        for version, role in enumerate(("deputy", "member"), start=1):
            assert caller.patch(path, json={"role": role}, version=version).status_code == 200
        waiting = make_member(team, invited, role=MembershipRole.DEPUTY, state=MembershipState.INVITED)
        assert client.as_(invited).post(f"/memberships/{waiting.id}/acceptance").status_code == 200
        assert client.as_(invited).post(f"/memberships/{waiting.id}/leaving").status_code == 200
        assert leadership(unit) == [
            (named.id, "deputy"),
            (named.id, "member"),
            (invited.id, "deputy"),
            (invited.id, "left"),
        ]

        def heard(person: Volunteer) -> list[tuple[str, str]]:
            items = client.as_(person).get("/me/notifications").json["items"]
            told = [(item["kind"], item["values"]) for item in reversed(items)]
            return [(kind, values.get("name") or values["team_role"]) for kind, values in told]

        assert heard(named) == [("team_role_changed", "deputy"), ("team_role_changed", "member")]
        assert heard(leader) == [
            ("deputy_named", "李阿姨"),
            ("lead_ended", "李阿姨"),
            ("deputy_named", "王大爷"),
            ("member_left", "王大爷"),
        ]
        assert heard(invited) == []

    def test_a_member_who_leaves_changes_no_lead(self, client: ApiClient, unit: Unit, team: Team) -> None:
        member = make_volunteer()
        membership = make_member(team, member)
        client.as_(member).post(f"/memberships/{membership.id}/leaving")
        assert leadership(unit) == []

    def test_a_leader_who_is_erased(self, unit: Unit, team: Team, leader: Volunteer) -> None:
        unit(lambda: events.publish(VolunteerErased(volunteer_id=leader.id, name="x")))
        assert leadership(unit) == [(leader.id, "left")]


class TestRequests:
    def test_those_who_lead_hear_of_a_request_once_a_day(
        self, client: ApiClient, unit: Unit, team: Team, leader: Volunteer
    ) -> None:
        deputy, member, asking = make_volunteer(), make_volunteer(), make_volunteer(name="李阿姨")
        make_member(team, deputy, role=MembershipRole.DEPUTY)
        make_member(team, member)
        for _ in range(3):
            made = client.as_(asking).post(f"/teams/{team.id}/memberships", json={})
            assert made.status_code == 201, made.json
            client.as_(asking).post(f"/memberships/{made.json['id']}/leaving")
        rows = select(func.count()).where(Membership.volunteer_id == asking.id)
        assert unit(lambda: db.session.scalar(rows)) == 1
        for who, count in ((leader, 1), (deputy, 1), (member, 0), (asking, 0)):
            heard = client.as_(who).get("/me/notifications").json["items"]
            assert [one["kind"] for one in heard] == ["membership_requested"] * count
        assert "李阿姨" in client.as_(leader).get("/me/notifications").json["items"][0]["body"]

    def test_a_code_that_needs_acceptance_asks_too(self, client: ApiClient, team: Team, leader: Volunteer) -> None:
        made = client.as_(leader).post(f"/teams/{team.id}/invitation-codes", json={"needs_acceptance": True}).json
        joined = client.as_(make_volunteer()).post(
            f"/teams/{team.id}/memberships", json={"invitation_code": made["code"]}
        )
        assert joined.json["state"] == "requested"
        assert client.as_(leader).get("/me/notifications").json["items"][0]["kind"] == "membership_requested"

    def test_who_was_turned_down_keeps_her_name(self, client: ApiClient, team: Team, leader: Volunteer) -> None:
        asking = make_volunteer(name="李阿姨")
        made = client.as_(asking).post(f"/teams/{team.id}/memberships", json={}).json
        answer = client.as_(leader).post(f"/memberships/{made['id']}/rejection")
        assert (answer.json["state"], answer.json["volunteer"]["name"]) == ("rejected", "李阿姨")

    def test_an_invited_phone_that_turns_it_down_has_none(
        self, client: ApiClient, team: Team, leader: Volunteer
    ) -> None:
        invited = make_volunteer(name="李阿姨")
        made = client.as_(leader).post(f"/teams/{team.id}/memberships", json={"phone": invited.phone}).json
        client.as_(invited).post(f"/memberships/{made['id']}/rejection")
        listed = client.as_(leader).get(f"/teams/{team.id}/memberships?state=rejected").json["items"]
        assert [(one["volunteer"]["id"], one["volunteer"]["name"]) for one in listed] == [(None, None)]


class TestNews:
    def test_an_erased_volunteer_leaves(
        self, client: ApiClient, unit: Unit, district: District, team: Team, leader: Volunteer
    ) -> None:
        person = make_volunteer(name="李阿姨")
        other = make_team(organization_id=district.office.id, leader=leader)
        membership = make_member(team, person)
        client.as_(person).put("/me/primary-team", json={"team_id": str(team.id)})
        client.as_(leader).post(f"/teams/{other.id}/memberships", json={"phone": person.phone})
        assert len(unit(lambda: personal_data.collect(person.id)["memberships"])) == 2
        unit(lambda: events.publish(VolunteerErased(volunteer_id=person.id, name=person.name)))
        rows = unit(lambda: db.session.scalars(select(Membership).where(Membership.volunteer_id == person.id)).all())
        assert [(row.id, row.state, row.is_primary) for row in rows] == [(membership.id, "left", False)]

    def test_teams_move_with_a_merger(self, client: ApiClient, unit: Unit, district: District, team: Team) -> None:
        merged = OrganizationMerged(organization_id=district.office.id, into_id=district.other_office.id)
        unit(lambda: events.publish(merged))
        read = client.as_(district.outsider).get(f"/teams/{team.id}").json
        assert (read["organization_id"], read["version"]) == (str(district.other_office.id), 2)

    def test_a_merger_needs_different_names(self, unit: Unit, district: District, team: Team) -> None:
        make_team(organization_id=district.other_office.id, name=team.name)
        merged = OrganizationMerged(organization_id=district.office.id, into_id=district.other_office.id)
        with pytest.raises(TeamNameTaken):
            unit(lambda: events.publish(merged))

    def test_open_teams_stand_in_the_way(
        self, client: ApiClient, unit: Unit, district: District, team: Team, leader: Volunteer
    ) -> None:
        closing = OrganizationClosing(organization_id=district.office.id)
        with pytest.raises(TeamsStandInTheWay):
            unit(lambda: events.publish(closing))
        client.as_(leader).post(f"/teams/{team.id}/closing")
        unit(lambda: events.publish(closing))
