"""How people come to a team: by phone, registered or not, and by code."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from tests.conftest import ApiClient
from tests.factories import make_volunteer
from tests.organizations.factories import District, make_district, make_organization
from tests.teams.factories import make_member, make_team
from volunteer_api.accounts.events import PhoneProven
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock, events
from volunteer_api.core.database import db
from volunteer_api.core.idempotency import IdempotencyKey
from volunteer_api.teams import invitations
from volunteer_api.teams.models import InvitationCode, Membership, MembershipRole, MembershipState, Team

Unit = Callable[[Callable[[], Any]], Any]
PHONE = "+8613712340009"


@pytest.fixture
def district(app: Any) -> District:
    return make_district()


@pytest.fixture
def leader(app: Any) -> Volunteer:
    return make_volunteer(name="王队长")


@pytest.fixture
def team(district: District, leader: Volunteer) -> Team:
    return make_team(organization_id=district.office.id, leader=leader, name="鹰城大妈")


def register(unit: Unit, phone: str) -> Volunteer:
    """Somebody new who has just proven to have this phone."""
    person: Volunteer = make_volunteer(name="新来的", phone=phone)
    unit(lambda: events.publish(PhoneProven(volunteer_id=person.id, phone=phone)))
    return person


class TestByPhone:
    def path(self, team: Team) -> str:
        return f"/teams/{team.id}/memberships"

    def test_nothing_tells_who_is_registered(
        self, client: ApiClient, unit: Unit, district: District, team: Team, leader: Volunteer
    ) -> None:
        """Every answer about both invitations is the same but for ids and the masked phone."""
        caller = client.as_(leader)
        known = make_volunteer(phone="+8613712340008")

        def trace(phone: str) -> list[Any]:
            first = caller.post(self.path(team), json={"phone": phone})
            here = f"/memberships/{first.json['id']}"
            listed = caller.get(self.path(team)).json["items"]
            answers = [
                first,
                caller.post(self.path(team), json={"phone": phone}),
                caller.post(f"{here}/acceptance"),
                caller.post(f"{here}/rejection"),
                caller.post(f"{here}/leadership"),
                caller.get(f"{here}/contact"),
                caller.patch(here, json={"role": "deputy"}, version=1),
                caller.patch(here, json={"role": "deputy"}, version=2),
                client.as_(district.outsider).post(f"{here}/acceptance"),
                client.as_(district.outsider).post(f"{here}/leaving"),
                caller.post(f"{here}/leaving"),
                caller.post(f"{here}/leaving"),
                caller.post(f"{here}/acceptance"),
            ]
            seen: list[Any] = [(answer.status_code, self.anonymous(answer.json)) for answer in answers]
            seen.append(self.anonymous(next(item for item in listed if item["id"] == first.json["id"])))
            seen.append(len(caller.get(self.path(team)).json["items"]))
            return seen

        now = clock.now()
        with clock.at(now):
            assert trace(known.phone) == trace(PHONE)

    def anonymous(self, body: dict[str, Any]) -> dict[str, Any]:
        left = {name: value for name, value in body.items() if name not in ("id", "request_id", "instance")}
        if "volunteer" in left:
            assert left["volunteer"].pop("phone").startswith("137****000")
        return left

    def test_an_invitation_waits_for_the_registration(
        self, client: ApiClient, unit: Unit, team: Team, leader: Volunteer
    ) -> None:
        caller = client.as_(leader)
        invited = caller.post(self.path(team), json={"phone": PHONE}).json
        before = caller.get(self.path(team)).json
        person = register(unit, PHONE)
        # The leader must not see that somebody registered.
        assert caller.get(self.path(team)).json == before
        own = client.as_(person).get("/me/memberships").json["items"]
        assert [(item["id"], item["state"], item["team"]["name"]) for item in own] == [
            (invited["id"], "invited", "鹰城大妈")
        ]
        heard = client.as_(person).get("/me/notifications").json["items"]
        assert [(item["kind"], item["values"]["membership_id"]) for item in heard] == [
            ("membership_invited", invited["id"])
        ]
        accepted = client.as_(person).post(f"/memberships/{invited['id']}/acceptance")
        assert (accepted.status_code, accepted.json["state"]) == (200, "active")
        listed = caller.get(f"{self.path(team)}?state=active&q=新来").json["items"]
        assert [item["volunteer"]["id"] for item in listed] == [str(person.id)]

    def test_who_came_another_way_meanwhile_is_in_once(
        self, client: ApiClient, unit: Unit, team: Team, leader: Volunteer
    ) -> None:
        client.as_(leader).post(self.path(team), json={"phone": PHONE})
        person = make_volunteer()
        make_member(team, person)
        unit(lambda: events.publish(PhoneProven(volunteer_id=person.id, phone=PHONE)))
        assert len(client.as_(person).get("/me/memberships").json["items"]) == 1

    def test_an_invitation_runs_out(
        self, client: ApiClient, unit: Unit, district: District, team: Team, leader: Volunteer
    ) -> None:
        start = clock.now()
        for phone in (district.outsider.phone, PHONE):
            invited = client.as_(leader).post(self.path(team), json={"phone": phone}).json
        answer = client.as_(district.outsider).get("/me/memberships").json["items"][0]
        with clock.at(start + timedelta(days=29)):
            assert unit(invitations.forget_unanswered) == 0
        with clock.at(start + timedelta(days=30, minutes=1)):
            guest = client.as_(district.outsider)
            assert guest.get("/me/memberships").json["items"] == []
            late = guest.post(f"/memberships/{answer['id']}/acceptance")
            assert (late.status_code, late.json["code"]) == (409, "membership_settled")
            # Neither waits for the daily task.
            asked = guest.post(self.path(team), json={})
            assert (asked.status_code, asked.json["state"]) == (201, "requested")
            again = client.as_(leader).post(self.path(team), json={"phone": PHONE})
            assert (again.status_code, again.json["id"] == invited["id"]) == (201, False)
            assert unit(invitations.forget_unanswered) == 0
            assert client.as_(leader).post(f"/memberships/{answer['id']}/leaving").status_code == 404
        person = register(unit, PHONE)
        assert client.as_(person).get("/me/memberships").json["items"][0]["id"] == again.json["id"]

    def test_the_invited_hears_of_it(
        self, client: ApiClient, district: District, team: Team, leader: Volunteer
    ) -> None:
        client.as_(leader).post(self.path(team), json={"phone": district.outsider.phone})
        heard = client.as_(district.outsider).get("/me/notifications", headers={"Accept-Language": "zh-CN"})
        assert heard.json["items"][0]["body"] == "鹰城大妈邀请您加入，请接受或谢绝。"

    def test_one_phone_is_invited_once(
        self, postgresql_client: ApiClient, race: Callable[[int, Callable[[int], Any]], list[Any]]
    ) -> None:
        leader = make_volunteer()
        team = make_team(organization_id=make_organization().id, leader=leader)
        caller = postgresql_client.as_(leader)
        answers = race(10, lambda _: caller.post(self.path(team), json={"phone": PHONE}))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
        assert {answer.json.get("code") for answer in answers} == {None, "already_member"}

    def test_phone_or_code(self, client: ApiClient, team: Team, leader: Volunteer) -> None:
        refused = client.as_(leader).post(self.path(team), json={"phone": PHONE, "invitation_code": "ABC"})
        assert (refused.status_code, refused.json["errors"][0]["code"]) == (422, "one_of")


class TestByCode:
    def path(self, team: Team) -> str:
        return f"/teams/{team.id}/invitation-codes"

    def make(self, client: ApiClient, leader: Any, team: Team, **body: Any) -> dict[str, Any]:
        answer = client.as_(leader).post(self.path(team), json=body)
        assert answer.status_code == 201, answer.json
        made: dict[str, Any] = answer.json
        return made

    def join(self, client: ApiClient, who: Any, team: Team, code: str) -> Any:
        return client.as_(who).post(f"/teams/{team.id}/memberships", json={"invitation_code": code})

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_the_four(self, client: ApiClient, district: District, team: Team, leader: Volunteer, method: str) -> None:
        body: dict[str, Any] = {} if method == "GET" else {"json": {}}
        member = make_volunteer()
        make_member(team, member)
        assert client.open(method, self.path(team), **body).status_code == 401
        for outsider in (district.outsider, district.other_organizer):
            assert client.as_(outsider).open(method, self.path(team), **body).status_code == 404
        for insider in (member, district.auditor):
            assert client.as_(insider).open(method, self.path(team), **body).status_code == 403
        for right in (leader, district.organizer):
            assert client.as_(right).open(method, self.path(team), **body).status_code in (200, 201)

    def test_a_code_is_the_acceptance(
        self, client: ApiClient, district: District, team: Team, leader: Volunteer
    ) -> None:
        made = self.make(client, leader, team)
        assert made["url"].endswith(f"/c/j/{made['code']}")
        assert len(made["code"]) == 10
        seen = client.as_(district.outsider).get(f"/team-invitations/{made['code']}")
        assert (seen.status_code, seen.json["team"]["name"]) == (200, "鹰城大妈")
        joined = self.join(client, district.outsider, team, made["url"])
        assert (joined.status_code, joined.json["state"]) == (201, "active")
        again = self.join(client, district.outsider, team, made["code"])
        assert (again.status_code, again.json["code"]) == (409, "already_member")
        listed = client.as_(leader).get(self.path(team)).json["items"]
        assert [(item["id"], "code" in item) for item in listed] == [(made["id"], False)]

    def test_typed_in_any_way(self, client: ApiClient, district: District, team: Team, leader: Volunteer) -> None:
        code = self.make(client, leader, team)["code"].lower()
        assert self.join(client, district.outsider, team, f" {code[:5]}-{code[5:]} ").status_code == 201

    def test_a_code_that_needs_acceptance(
        self, client: ApiClient, district: District, team: Team, leader: Volunteer
    ) -> None:
        made = self.make(client, leader, team, needs_acceptance=True)
        asked = self.join(client, district.outsider, team, made["code"])
        assert asked.json["state"] == "requested"
        assert self.join(client, district.outsider, team, made["code"]).json["code"] == "already_member"
        accepted = client.as_(leader).post(f"/memberships/{asked.json['id']}/acceptance")
        assert accepted.json["state"] == "active"
        heard = client.as_(district.outsider).get("/me/notifications").json["items"]
        assert [item["kind"] for item in heard] == ["membership_accepted"]

    @pytest.mark.parametrize("state", [MembershipState.REQUESTED, MembershipState.INVITED])
    def test_who_waits_already_is_let_in(
        self, client: ApiClient, district: District, team: Team, leader: Volunteer, state: MembershipState
    ) -> None:
        waiting = make_member(team, district.outsider, state=state)
        made = self.make(client, leader, team, uses=1)
        joined = self.join(client, district.outsider, team, made["code"])
        assert (joined.json["id"], joined.json["state"]) == (str(waiting.id), "active")

    def test_what_opens_nothing(self, client: ApiClient, district: District, team: Team, leader: Volunteer) -> None:
        other = make_team(organization_id=district.office.id)
        start = clock.now()
        once, long, revoked = (
            self.make(client, leader, team, uses=1),
            self.make(client, leader, team, expires_in_days=2),
            self.make(client, leader, team),
        )
        assert self.join(client, district.outsider, other, long["code"]).status_code == 404
        assert self.join(client, make_volunteer(), team, once["code"]).status_code == 201
        gone = f"{self.path(team)}/{revoked['id']}"
        assert client.delete(gone).status_code == 401
        assert client.as_(district.outsider).delete(gone).status_code == 404
        assert client.as_(district.auditor).delete(gone).status_code == 403
        assert client.as_(leader).delete(f"/teams/{other.id}/invitation-codes/{revoked['id']}").status_code == 404
        assert client.as_(leader).delete(gone).status_code == 204
        assert client.as_(leader).delete(gone).status_code == 404
        with clock.at(start + timedelta(days=2, minutes=1)):
            shown = client.as_(leader).get(self.path(team)).json["items"]
            assert [(one["id"], one["state"]) for one in shown] == [(once["id"], "used_up"), (long["id"], "expired")]
            for code in (once["code"], long["code"], revoked["code"], "ABCDEFGHJK", "-"):
                refused = self.join(client, district.outsider, team, code)
                assert (refused.status_code, refused.json["code"]) == (404, "invitation_code_unknown")
                seen = client.as_(district.outsider).get(f"/team-invitations/{code}")
                assert (seen.status_code, seen.json["code"]) == (404, "invitation_code_unknown")
        assert client.get(f"/team-invitations/{long['code']}").status_code == 401

    def test_guesses_are_counted(
        self,
        client: ApiClient,
        district: District,
        team: Team,
        leader: Volunteer,
        change_settings: Callable[..., None],
    ) -> None:
        code = self.make(client, leader, team)["code"]
        change_settings(client.app, limits=True)
        caller = client.as_(district.outsider)
        with clock.at(clock.now()):
            tries = [caller.get(f"/team-invitations/ABCDEFGH{n:02d}").status_code for n in range(15)]
            tries += [self.join(client, district.outsider, team, f"BBCDEFGH{n:02d}").status_code for n in range(15)]
            assert tries == [404] * 30
            assert caller.get(f"/team-invitations/{code}").status_code == 429
            assert self.join(client, district.outsider, team, code).status_code == 429
            assert self.join(client, make_volunteer(), team, code).status_code == 201

    def test_only_the_digest_is_kept(self, client: ApiClient, unit: Unit, team: Team, leader: Volunteer) -> None:
        made = client.as_(leader).post(f"/teams/{team.id}/invitation-codes", json={}, key="made-on-the-phone")
        code = made.json["code"]
        assert unit(lambda: db.session.scalars(select(IdempotencyKey)).all()) == []
        kept = unit(lambda: db.session.scalar(select(InvitationCode.code_digest)))
        assert len(kept) == 32
        assert code.encode() not in kept

    def test_the_last_use_is_used_once(
        self,
        postgresql_client: ApiClient,
        postgresql_unit: Unit,
        race: Callable[[int, Callable[[int], Any]], list[Any]],
    ) -> None:
        leader = make_volunteer()
        team = make_team(organization_id=make_organization().id, leader=leader)
        code = self.make(postgresql_client, leader, team, uses=1)["code"]
        callers = [postgresql_client.as_(make_volunteer()) for _ in range(10)]
        path, body = f"/teams/{team.id}/memberships", {"invitation_code": code}
        answers = race(10, lambda number: callers[number].post(path, json=body))
        assert sorted(answer.status_code for answer in answers) == [201] + [404] * 9
        active = select(func.count()).where(
            Membership.team_id == team.id,
            Membership.state == MembershipState.ACTIVE,
            Membership.role == MembershipRole.MEMBER,
        )
        assert postgresql_unit(lambda: db.session.scalar(active)) == 1

    def test_codes_that_open_nothing_are_forgotten(
        self, client: ApiClient, unit: Unit, team: Team, leader: Volunteer
    ) -> None:
        self.make(client, leader, team, expires_in_days=1)
        kept = UUID(self.make(client, leader, team, expires_in_days=3)["id"])
        with clock.at(clock.now() + timedelta(days=32)):
            unit(invitations.forget_unanswered)
        assert unit(lambda: list(db.session.scalars(select(InvitationCode.id)))) == [kept]


def test_a_team_that_does_not_recruit_takes_the_invited_only(
    client: ApiClient, district: District, team: Team, leader: Volunteer
) -> None:
    caller, path = client.as_(leader), f"/teams/{team.id}/memberships"
    assert caller.patch(f"/teams/{team.id}", json={"is_recruiting": False}, version=1).status_code == 200
    refused = client.as_(district.outsider).post(path, json={})
    assert (refused.status_code, refused.json["code"]) == (409, "team_not_recruiting")
    assert caller.post(path, json={"phone": district.outsider.phone}).status_code == 201
    code = caller.post(f"/teams/{team.id}/invitation-codes", json={}).json["code"]
    joined = client.as_(make_volunteer()).post(path, json={"invitation_code": code})
    assert joined.status_code == 201
