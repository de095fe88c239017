"""Approval, invitation, rejection, roles, and what a moved or canceled shift asks."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from tests.activities.factories import MadeActivity, make_activity, make_scene, make_volunteers
from tests.sign_ups.factories import HOUR, kinds, move_shift, number_of, post, row
from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.activities import service as activities
from volunteer_api.activities.changes import changing
from volunteer_api.activities.models import ActivityLeader, Shift, ShiftRole
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.events import publish
from volunteer_api.core.problems import Problem
from volunteer_api.notifications.models import Notification
from volunteer_api.sign_ups import service, unfit
from volunteer_api.sign_ups.models import SignUp


def counts(unit: Any, shift_id: UUID) -> tuple[int, int]:
    shift = unit(lambda: db.session.get(Shift, shift_id))
    return shift.confirmed_count, shift.waitlisted_count


def test_a_request_waits_for_approval(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(capacity=1, sign_up_mode="approval"))
    first, second = unit(lambda: make_volunteers(2))
    path = f"/shifts/{made.shift_id}"
    assert client.as_(first).get(path).get_json()["would_be"] == "pending"
    asked = [post(client, one, f"{path}/sign-ups").get_json() for one in (first, second)]
    assert [one["state"] for one in asked] == ["pending", "pending"]
    assert counts(unit, made.shift_id) == (0, 0)
    # One piece of news for both.
    assert kinds(client, made.scene.organizer_id) == ["sign_up_requested"]
    organizer = made.scene.organizer_id
    assert post(client, first, f"/sign-ups/{asked[0]['id']}/approval").status_code == 403
    approved = [post(client, organizer, f"/sign-ups/{one['id']}/approval").get_json() for one in asked]
    assert [(one["state"], one["waitlist_position"]) for one in approved] == [("confirmed", None), ("waitlisted", 1)]
    assert counts(unit, made.shift_id) == (1, 1)
    assert (kinds(client, first), kinds(client, second)) == (["sign_up_confirmed"], ["sign_up_waitlisted"])
    again = post(client, organizer, f"/sign-ups/{asked[0]['id']}/approval")
    assert (again.status_code, again.get_json()["code"], again.get_json()["state"]) == (409, "wrong_state", "confirmed")
    # Who was approved moves up without being approved again.
    assert post(client, first, f"/sign-ups/{asked[0]['id']}/withdrawal").status_code == 200
    assert row(unit, asked[1]["id"]).state == "confirmed"


def test_an_approval_judges_again(client: Any, unit: Any) -> None:
    def prepare() -> tuple[MadeActivity, UUID]:
        made = make_activity(sign_up_mode="approval")
        asked = service.sign_up(shift_id=made.shift_id, volunteer_id=made.scene.outsider_id)
        other = make_activity(scene=made.scene)
        service.sign_up(shift_id=other.shift_id, volunteer_id=made.scene.outsider_id)
        return made, asked.id

    made, asked = unit(prepare)
    answer = post(client, made.scene.organizer_id, f"/sign-ups/{asked}/approval")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "overlapping_shift")
    assert row(unit, asked).state == "pending"


def test_an_approval_comes_too_late_for_a_full_shift(unit: Any) -> None:
    start = clock.now() + 24 * HOUR

    def prepare() -> tuple[UUID, UUID]:
        made = make_activity(capacity=1, sign_up_mode="approval", starts_at=start)
        first, second = [service.sign_up(shift_id=made.shift_id, volunteer_id=one).id for one in make_volunteers(2)]
        service.approve(sign_up_id=first, by=made.scene.organizer_id)
        return second, made.scene.organizer_id

    second, organizer = unit(prepare)
    with clock.at(start - HOUR), pytest.raises(Problem, match="shift_full"):
        unit(lambda: service.approve(sign_up_id=second, by=organizer))


@pytest.mark.parametrize("state", ["pending", "waitlisted", "confirmed"])
def test_a_leader_says_no(client: Any, unit: Any, state: str) -> None:
    def prepare() -> tuple[MadeActivity, UUID, UUID | None]:
        made = make_activity(capacity=1, sign_up_mode="approval" if state == "pending" else "open")
        one, other = make_volunteers(2)
        if state == "waitlisted":
            service.sign_up(shift_id=made.shift_id, volunteer_id=other)
        mine = service.sign_up(shift_id=made.shift_id, volunteer_id=one)
        waits = service.sign_up(shift_id=made.shift_id, volunteer_id=other).id if state == "confirmed" else None
        return made, mine.id, waits

    made, mine, waits = unit(prepare)
    assert row(unit, mine).state == state
    volunteer_id = row(unit, mine).volunteer_id
    answer = post(client, made.scene.organizer_id, f"/sign-ups/{mine}/rejection", reason="名额有限")
    assert answer.status_code == 200, answer.get_json()
    assert (answer.get_json()["state"], answer.get_json()["decision_reason"]) == ("rejected", "名额有限")
    assert row(unit, mine).decided_by == made.scene.organizer_id
    heard = client.as_(volunteer_id).get("/me/notifications").get_json()["items"][0]
    assert (heard["kind"], "名额有限" in heard["body"]) == ("sign_up_rejected", True)
    if waits is not None:
        assert row(unit, waits).state == "confirmed"
    assert counts(unit, made.shift_id) == ((1, 0) if state in ("confirmed", "waitlisted") else (0, 0))
    # Turned down is turned down, until a leader asks.
    refused = post(client, volunteer_id, f"/shifts/{made.shift_id}/sign-ups")
    assert [one["code"] for one in refused.get_json()["reasons"]] == ["rejected"]
    path = f"/shifts/{made.shift_id}/sign-ups"
    assert post(client, made.scene.organizer_id, path, volunteer_id=str(volunteer_id)).status_code == 201


def test_an_invitation_that_is_taken_back_turns_nobody_down(client: Any, unit: Any) -> None:
    made = unit(make_activity)
    organizer, person, path = made.scene.organizer_id, made.scene.outsider_id, f"/shifts/{made.shift_id}/sign-ups"
    asked = post(client, organizer, path, volunteer_id=str(person)).get_json()["id"]
    answer = post(client, organizer, f"/sign-ups/{asked}/rejection", reason="名额有限").get_json()
    assert (answer["state"], answer["late"], answer["decision_reason"]) == ("withdrawn", False, "名额有限")
    assert answer["withdrawn_at"] is not None
    heard = client.as_(person).get("/me/notifications").get_json()["items"][0]
    assert (heard["kind"], "名额有限" in heard["body"]) == ("sign_up_invitation_ended", True)
    assert "declined" not in "".join(kinds(client, organizer))
    assert post(client, person, path).get_json()["state"] == "confirmed"


def test_whom_a_leader_turned_down_is_offered_no_place(client: Any, unit: Any) -> None:
    made = unit(make_activity)
    organizer, giver, other = made.scene.organizer_id, made.scene.member_id, made.scene.outsider_id
    mine = post(client, giver, f"/shifts/{made.shift_id}/sign-ups").get_json()["id"]
    offer = {"volunteer_number": unit(lambda: number_of(other))}
    asked = post(client, giver, f"/sign-ups/{mine}/stand-in", **offer).get_json()["id"]
    answer = post(client, organizer, f"/sign-ups/{asked}/rejection", reason="不合适").get_json()
    assert answer["state"] == "rejected"
    again = post(client, giver, f"/sign-ups/{mine}/stand-in", **offer)
    assert (again.status_code, again.get_json()["code"]) == (409, "not_eligible")


def test_who_was_turned_down_stays_so_whatever_invitation_is_taken_back(client: Any, unit: Any) -> None:
    made = unit(make_activity)
    organizer, person, path = made.scene.organizer_id, made.scene.outsider_id, f"/shifts/{made.shift_id}/sign-ups"
    for caller, body in ((person, {}), (organizer, {"volunteer_id": str(person)})):
        asked = post(client, caller, path, **body).get_json()["id"]
        post(client, organizer, f"/sign-ups/{asked}/rejection")
    refused = post(client, person, path).get_json()
    assert [one["code"] for one in refused["reasons"]] == ["rejected"]


def test_who_had_a_place_and_is_asked_again_can_be_turned_down(client: Any, unit: Any) -> None:
    made = unit(make_activity)
    person, path = made.scene.outsider_id, f"/shifts/{made.shift_id}/sign-ups"
    mine = post(client, person, path).get_json()["id"]

    def lose() -> None:
        unfit.invite_anew(db.session.get_one(SignUp, UUID(mine)), db.session.get_one(Shift, made.shift_id), clock.now())

    unit(lose)
    answer = post(client, made.scene.organizer_id, f"/sign-ups/{mine}/rejection").get_json()
    assert answer["state"] == "rejected"
    assert post(client, person, path).status_code == 409


def test_who_serves_is_not_taken_out(unit: Any) -> None:
    start = clock.now() + HOUR

    def prepare() -> tuple[UUID, UUID]:
        made = make_activity(starts_at=start)
        return service.sign_up(shift_id=made.shift_id, volunteer_id=made.scene.member_id).id, made.scene.organizer_id

    mine, organizer = unit(prepare)
    with clock.at(start), pytest.raises(Problem, match="shift_begun"):
        unit(lambda: service.reject(sign_up_id=mine, by=organizer))


@pytest.mark.parametrize("mode", ["open", "approval", "invitation"])
def test_an_invitation_makes_nobody_serve(client: Any, unit: Any, mode: str) -> None:
    made = unit(lambda: make_activity(capacity=1, sign_up_mode=mode))
    one, other, third = unit(lambda: make_volunteers(3))
    organizer, path = made.scene.organizer_id, f"/shifts/{made.shift_id}/sign-ups"
    if mode == "invitation":
        refused = post(client, one, path)
        assert [reason["code"] for reason in refused.get_json()["reasons"]] == ["by_invitation"]
        assert client.get("/activities?open=true").get_json()["items"] == []
    made_ids = []
    for volunteer_id in (one, other, third):
        invited = post(client, organizer, path, volunteer_id=str(volunteer_id))
        assert (invited.status_code, invited.get_json()["state"]) == (201, "invited")
        made_ids.append(invited.get_json()["id"])
    assert counts(unit, made.shift_id) == (0, 0)
    assert kinds(client, one) == ["sign_up_invited"]
    twice = post(client, organizer, path, volunteer_id=str(one))
    assert (twice.status_code, twice.get_json()["sign_up_id"]) == (409, made_ids[0])
    # Only she says yes or no.
    for verb in ("acceptance", "decline"):
        assert post(client, organizer, f"/sign-ups/{made_ids[0]}/{verb}").status_code == 403
    assert post(client, one, f"/sign-ups/{made_ids[0]}/acceptance").get_json()["state"] == "confirmed"
    assert post(client, other, f"/sign-ups/{made_ids[1]}/acceptance").get_json()["state"] == "waitlisted"
    declined = post(client, third, f"/sign-ups/{made_ids[2]}/decline", reason="有事")
    assert (declined.get_json()["state"], declined.get_json()["late"]) == ("declined", False)
    assert kinds(client, organizer) == ["sign_up_declined", "sign_up_accepted_waiting", "sign_up_accepted"]
    assert post(client, third, f"/sign-ups/{made_ids[2]}/acceptance").get_json()["code"] == "wrong_state"


def test_an_invitation_past_a_closed_list(client: Any, unit: Any) -> None:
    start = clock.now() + 5 * HOUR
    closed = {"starts_at": start, "ends_at": start + HOUR, "sign_up_closes_at": clock.now() - HOUR}
    made = unit(lambda: make_activity(shifts=[closed]))
    path = f"/shifts/{made.shift_id}/sign-ups"
    assert post(client, made.scene.member_id, path).get_json()["code"] == "sign_up_closed"
    invited = post(client, made.scene.organizer_id, path, volunteer_id=str(made.scene.member_id)).get_json()
    assert (
        post(client, made.scene.member_id, f"/sign-ups/{invited['id']}/acceptance").get_json()["state"] == "confirmed"
    )


def test_an_acceptance_judges_again(client: Any, unit: Any) -> None:
    def prepare() -> tuple[MadeActivity, UUID, UUID]:
        made = make_activity()
        other = make_activity(scene=made.scene)
        mine = service.invite(by=made.scene.organizer_id, shift_id=made.shift_id, volunteer_id=made.scene.outsider_id)
        elsewhere = service.sign_up(shift_id=other.shift_id, volunteer_id=made.scene.outsider_id)
        return made, mine.id, elsewhere.id

    made, mine, elsewhere = unit(prepare)
    outsider = made.scene.outsider_id
    answer = post(client, outsider, f"/sign-ups/{mine}/acceptance")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "overlapping_shift")
    unit(lambda: service.withdraw(sign_up_id=elsewhere))
    unit(lambda: activities.cancel(activities.queries.lock_activity(made.id), reason="下雨"))
    answer = post(client, outsider, f"/sign-ups/{mine}/acceptance")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "canceled")


def test_nobody_speaks_for_somebody_else(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity())
    path = f"/shifts/{made.shift_id}/sign-ups"
    one, other = made.scene.outsider_id, made.scene.member_id
    answer = post(client, one, path, volunteer_id=str(other))
    assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden")
    # A leader of a team asks its members, and only these.
    team = str(made.scene.team_id)
    assert post(client, made.scene.leader_id, path, volunteer_id=str(other)).status_code == 403
    stranger = post(client, made.scene.leader_id, path, volunteer_id=str(one), team_id=team)
    assert (stranger.status_code, stranger.get_json()["reasons"][0]["code"]) == (409, "team")
    asked = post(client, made.scene.leader_id, path, volunteer_id=str(other), team_id=team)
    assert (asked.get_json()["state"], asked.get_json()["team_id"]) == ("invited", team)
    assert post(client, one, path, volunteer_id=str(one)).get_json()["state"] == "confirmed"
    unknown = post(client, made.scene.organizer_id, path, volunteer_id=str(uuid4()))
    assert (unknown.status_code, unknown.get_json()["errors"][0]["pointer"]) == (422, "/volunteer_id")


def test_a_leader_invites_by_the_number_that_she_is_told(client: Any, unit: Any, statements: Any) -> None:
    leader = unit(lambda: make_volunteers(1))[0]
    made = unit(lambda: make_activity(leader_ids=[leader]))
    number, path = unit(lambda: number_of(made.scene.member_id)), f"/shifts/{made.shift_id}/sign-ups"
    # Whether a number is anybody's is told to nobody who may not ask.
    for named in (number, "000000"):
        answer = post(client, made.scene.outsider_id, path, volunteer_number=named)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden")
    unknown = post(client, leader, path, volunteer_number="000000")
    assert (unknown.status_code, unknown.get_json()["errors"][0]["pointer"]) == (422, "/volunteer_number")
    both = post(client, leader, path, volunteer_number=number, volunteer_id=str(made.scene.member_id))
    assert both.get_json()["errors"][0]["code"] == "one_of"
    with statements() as seen:
        asked = post(client, leader, path, volunteer_number=number).get_json()
    assert (asked["state"], asked["volunteer"]["id"]) == ("invited", str(made.scene.member_id))
    assert sum("WHERE volunteers.volunteer_number" in one for one in seen) == 1


def test_who_names_herself_by_her_number_signs_up(client: Any, unit: Any) -> None:
    made = unit(make_activity)
    number = unit(lambda: number_of(made.scene.outsider_id))
    answer = post(client, made.scene.outsider_id, f"/shifts/{made.shift_id}/sign-ups", volunteer_number=number.lower())
    assert (answer.status_code, answer.get_json().get("state")) == (201, "confirmed")


def shift_with_roles(**values: Any) -> MadeActivity:
    start = clock.now() + 24 * HOUR
    roles = [{"name": "讲解", "capacity": 1}, {"name": "急救", "capacity": 2}]
    return make_activity(shifts=[{"starts_at": start, "ends_at": start + 2 * HOUR, "roles": roles, **values}])


def test_roles_have_places_of_their_own(client: Any, unit: Any) -> None:
    made = unit(lambda: shift_with_roles(capacity=3))
    people = unit(lambda: make_volunteers(5))
    path = f"/shifts/{made.shift_id}"
    guide = next(role for role in client.get(path).get_json()["roles"] if role["name"] == "讲解")
    assert (guide["capacity"], guide["confirmed_count"]) == (1, 0)
    guides = [post(client, one, f"{path}/sign-ups", role_id=guide["id"]).get_json() for one in people[:2]]
    assert [one["state"] for one in guides] == ["confirmed", "waitlisted"]
    assert guides[0]["role"] == {"id": guide["id"], "name": "讲解"}
    # The shift still has places for others.
    states = [post(client, one, f"{path}/sign-ups").get_json()["state"] for one in people[2:]]
    assert states == ["confirmed", "confirmed", "waitlisted"]
    shown = client.get(path).get_json()
    assert (shown["confirmed_count"], shown["waitlisted_count"]) == (3, 2)
    assert [(role["confirmed_count"], role["waitlisted_count"]) for role in shown["roles"]] == [(1, 1), (0, 0)]
    # A place that is no guide's goes past the one who waits to be guide.
    plain = unit(lambda: db.session.query(SignUp).filter_by(volunteer_id=people[2]).one())
    post(client, people[2], f"/sign-ups/{plain.id}/withdrawal")
    assert row(unit, guides[1]["id"]).state == "waitlisted"
    assert unit(lambda: db.session.query(SignUp).filter_by(volunteer_id=people[4]).one()).state == "confirmed"
    post(client, people[0], f"/sign-ups/{guides[0]['id']}/withdrawal")
    assert row(unit, guides[1]["id"]).state == "confirmed"
    shown = client.get(f"/activities/{made.id}").get_json()["shifts"][0]
    assert [(role["confirmed_count"], role["waitlisted_count"]) for role in shown["roles"]] == [(1, 0), (0, 0)]


def test_bad_roles(client: Any, unit: Any) -> None:
    made = unit(lambda: shift_with_roles(capacity=3))
    elsewhere = unit(lambda: shift_with_roles())
    foreign = unit(lambda: db.session.query(ShiftRole).filter_by(shift_id=elsewhere.shift_id).first()).id
    for role_id in (foreign, uuid4()):
        answer = post(client, made.scene.member_id, f"/shifts/{made.shift_id}/sign-ups", role_id=str(role_id))
        assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, "/role_id")
    start = clock.now() + HOUR
    base = {"starts_at": start.isoformat(), "ends_at": (start + HOUR).isoformat(), "capacity": 2}
    for roles in (
        [{"name": "讲解", "capacity": 3}],
        [{"name": "讲解", "capacity": 1}, {"name": "讲解", "capacity": 2}],
    ):
        answer = client.as_(made.scene.organizer_id).post(f"/activities/{made.id}/shifts", json=base | {"roles": roles})
        assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, "/roles")
    good = client.as_(made.scene.organizer_id).post(
        f"/activities/{made.id}/shifts", json=base | {"roles": [{"name": "讲解", "capacity": 2}]}
    )
    assert [role["name"] for role in good.get_json()["roles"]] == ["讲解"]


def test_a_late_place_in_a_role(client: Any, unit: Any) -> None:
    """Once nobody is promoted any more, who waits for the role takes its free place; who waits for another can't."""
    start = clock.now() + 24 * HOUR

    def prepare() -> tuple[MadeActivity, list[UUID], list[UUID]]:
        made = make_activity(
            shifts=[{"starts_at": start, "ends_at": start + HOUR, "roles": [{"name": "讲解", "capacity": 1}]}]
        )
        role = db.session.query(ShiftRole).filter_by(shift_id=made.shift_id).one()
        people = make_volunteers(2)
        ids = [service.sign_up(shift_id=made.shift_id, volunteer_id=one, role_id=role.id).id for one in people]
        return made, people, ids

    made, people, ids = unit(prepare)
    with clock.at(start - HOUR):
        path = f"/shifts/{made.shift_id}/sign-ups"
        assert post(client, people[1], path).get_json()["code"] == "already_signed_up"
        unit(lambda: service.withdraw(sign_up_id=ids[0]))
        taken = post(client, people[1], path).get_json()
        assert (taken["id"], taken["state"]) == (str(ids[1]), "confirmed")


def test_a_moved_shift_asks_again(client: Any, unit: Any) -> None:
    def prepare() -> tuple[MadeActivity, list[UUID]]:
        made = make_activity(capacity=2)
        return made, [service.sign_up(shift_id=made.shift_id, volunteer_id=one).id for one in make_volunteers(3)]

    made, ids = unit(prepare)
    people = [row(unit, one).volunteer_id for one in ids]
    before = unit(lambda: db.session.get(Shift, made.shift_id)).starts_at
    unit(lambda: move_shift(made.shift_id, made.id, timedelta(days=1)))
    # In time for who would get up for the shift as it was.
    assert {one.happens_at for one in unit(lambda: db.session.scalars(select(Notification)).all())} == {before}
    assert [row(unit, one).state for one in ids] == ["confirmed", "confirmed", "waitlisted"]
    assert [row(unit, one).asked_at is not None for one in ids] == [True, True, False]
    assert [kinds(client, one) for one in people] == [["shift_moved"]] * 3
    kept = post(client, people[0], f"/sign-ups/{ids[0]}/acceptance").get_json()
    assert (kept["state"], kept["asked_at"]) == ("confirmed", None)
    assert post(client, people[0], f"/sign-ups/{ids[0]}/acceptance").get_json()["code"] == "wrong_state"
    shift = unit(lambda: db.session.get(Shift, made.shift_id))
    # Even in the last hour it is not late: she was asked.
    with clock.at(shift.starts_at - HOUR):
        given = post(client, people[1], f"/sign-ups/{ids[1]}/decline").get_json()
    assert (given["state"], given["late"]) == ("declined", False)
    # The leader counted on her.
    assert kinds(client, made.scene.organizer_id) == ["sign_up_given_up"]


@pytest.mark.either_database
def test_who_moves_a_shift_herself_is_not_asked(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(capacity=2))
    people = [made.scene.organizer_id, made.scene.member_id]
    ids = [unit(lambda one=one: service.sign_up(shift_id=made.shift_id, volunteer_id=one)).id for one in people]
    organizer, path = client.as_(people[0]), f"/shifts/{made.shift_id}"
    shift = unit(lambda: db.session.get(Shift, made.shift_id))
    times = {name: clock.stamp(getattr(shift, name) + HOUR) for name in ("starts_at", "ends_at")}
    assert organizer.patch(path, json=times, version=shift.version).status_code == 200
    assert [row(unit, one).asked_at is not None for one in ids] == [False, True]
    assert [kinds(client, one) for one in people] == [[], ["shift_moved"]]


@pytest.mark.parametrize(("hours_before", "told"), [(4, []), (2, ["sign_up_given_up"])])
def test_leaders_hear_of_a_late_withdrawal(client: Any, unit: Any, hours_before: int, told: list[str]) -> None:
    start = clock.now() + 24 * HOUR
    made = unit(lambda: make_activity(starts_at=start, leader_ids=make_volunteers(1)))
    leader = UUID(client.get(f"/activities/{made.id}").get_json()["leader_ids"][0])
    mine = [
        unit(lambda one=one: service.sign_up(shift_id=made.shift_id, volunteer_id=one)).id
        for one in (made.scene.outsider_id, leader)
    ]
    with clock.at(start - hours_before * HOUR):
        # Of her own she hears nothing.
        for one in mine:
            unit(lambda one=one: service.withdraw(sign_up_id=one, reason="崴脚了"))
    assert [kind for kind in kinds(client, leader) if kind == "sign_up_given_up"] == told


@pytest.mark.parametrize(("answered", "late"), [(False, False), (True, True)])
def test_a_withdrawal_from_a_moved_shift(client: Any, unit: Any, answered: bool, late: bool) -> None:
    def prepare() -> tuple[MadeActivity, UUID]:
        made = make_activity(capacity=2)
        mine = service.sign_up(shift_id=made.shift_id, volunteer_id=made.scene.member_id)
        move_shift(made.shift_id, made.id, timedelta(hours=1))
        if answered:
            service.accept(sign_up_id=mine.id)
        return made, mine.id

    made, mine = unit(prepare)
    shift = unit(lambda: db.session.get(Shift, made.shift_id))
    with clock.at(shift.starts_at - HOUR):
        unit(lambda: service.withdraw(sign_up_id=mine))
    assert (row(unit, mine).state, row(unit, mine).late) == ("withdrawn", late)
    assert kinds(client, made.scene.organizer_id) == ["sign_up_given_up"]


def test_a_shift_moved_into_another_one_invites_anew(client: Any, unit: Any) -> None:
    start = clock.now() + 48 * HOUR

    def prepare() -> tuple[MadeActivity, UUID, UUID, UUID]:
        made = make_activity(capacity=1, starts_at=start)
        other = make_activity(scene=made.scene, starts_at=start + 24 * HOUR)
        one, waiting = make_volunteers(2)
        mine = service.sign_up(shift_id=made.shift_id, volunteer_id=one)
        waits = service.sign_up(shift_id=made.shift_id, volunteer_id=waiting)
        elsewhere = service.sign_up(shift_id=other.shift_id, volunteer_id=one)
        return made, mine.id, waits.id, elsewhere.id

    made, mine, waits, elsewhere = unit(prepare)
    unit(lambda: move_shift(made.shift_id, made.id, 24 * HOUR))
    # Nobody is in two places: the place goes to who waits.
    assert (row(unit, mine).state, row(unit, waits).state) == ("invited", "confirmed")
    assert counts(unit, made.shift_id) == (1, 0)
    one = row(unit, mine).volunteer_id
    assert post(client, one, f"/sign-ups/{mine}/acceptance").get_json()["code"] == "overlapping_shift"
    unit(lambda: service.withdraw(sign_up_id=elsewhere))
    assert post(client, one, f"/sign-ups/{mine}/acceptance").get_json()["state"] == "waitlisted"


def test_a_canceled_shift_of_an_activity_that_goes_on(client: Any, unit: Any) -> None:
    def prepare() -> tuple[MadeActivity, UUID]:
        start = clock.now() + 24 * HOUR
        times = [{"starts_at": start + n * HOUR, "ends_at": start + (n + 1) * HOUR} for n in range(2)]
        made = make_activity(shifts=times)
        service.sign_up(shift_id=made.shift_ids[0], volunteer_id=made.scene.member_id)
        activity = activities.queries.lock_activity(made.id)
        with changing(activity, shift_ids=[made.shift_ids[0]], reason="大风") as shifts:
            shifts[0].canceled_at = clock.now()
        return made, made.scene.member_id

    made, member = unit(prepare)
    heard = client.as_(member).get("/me/notifications").get_json()["items"]
    assert [(one["kind"], "大风" in one["body"]) for one in heard] == [("shift_canceled", True)]
    begins = unit(lambda: db.session.scalar(select(Notification.happens_at)))
    assert begins == unit(lambda: db.session.get(Shift, made.shift_ids[0])).starts_at


def test_more_places_promote_at_once(unit: Any) -> None:
    def prepare() -> tuple[MadeActivity, list[UUID]]:
        made = make_activity(capacity=1)
        ids = [service.sign_up(shift_id=made.shift_id, volunteer_id=one).id for one in make_volunteers(3)]
        with changing(activities.queries.lock_activity(made.id), shift_ids=[made.shift_id]) as shifts:
            shifts[0].capacity = 2
        return made, ids

    made, ids = unit(prepare)
    assert [row(unit, one).state for one in ids] == ["confirmed", "confirmed", "waitlisted"]
    assert counts(unit, made.shift_id) == (2, 1)


def test_who_waits_must_still_be_eligible(unit: Any) -> None:
    def prepare() -> tuple[list[UUID]]:
        made = make_activity(capacity=1)
        ids = [service.sign_up(shift_id=made.shift_id, volunteer_id=one).id for one in make_volunteers(3)]
        activity = activities.queries.lock_activity(made.id)
        activities.update_activity(activity, required_skills=["急救"])
        third = db.session.get_one(SignUp, ids[2]).volunteer_id
        db.session.get_one(service.queries.Volunteer, third).skills = ["急救"]
        db.session.flush()
        service.withdraw(sign_up_id=ids[0])
        return (ids,)

    (ids,) = unit(prepare)
    assert [row(unit, one).state for one in ids] == ["withdrawn", "waitlisted", "confirmed"]


def test_what_is_asked_for_may_be_changed(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(minimum_age=18, hazardous=True))
    organizer = client.as_(made.scene.organizer_id)
    path = f"/activities/{made.id}"
    shown = organizer.get(path).get_json()
    assert (shown["minimum_age"], shown["hazardous"], shown["required_skills"]) == (18, True, [])
    changed = organizer.patch(
        path, json={"maximum_age": 60, "hazardous": False, "required_skills": ["急救"]}, version=shown["version"]
    ).get_json()
    assert (changed["maximum_age"], changed["hazardous"], changed["required_skills"]) == (60, False, ["急救"])
    for body, pointer in (
        ({"maximum_age": 17}, "/maximum_age"),
        ({"minimum_age": 61}, "/maximum_age"),
        ({"minimum_age": 20, "maximum_age": 10}, "/maximum_age"),
        ({"members_only": True}, "/members_only"),
        ({"required_training_ids": [str(uuid4())]}, "/required_training_ids"),
        ({"minimum_age": 121}, "/minimum_age"),
    ):
        answer = organizer.patch(path, json=body, version=changed["version"])
        assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, pointer)


def test_erasure_takes_every_sign_up_to_come_back(unit: Any) -> None:
    def prepare() -> tuple[UUID, UUID]:
        scene = make_scene()
        asked = make_activity(scene=scene, sign_up_mode="approval")
        pending = service.sign_up(shift_id=asked.shift_id, volunteer_id=scene.outsider_id)
        other = make_activity(scene=scene, starts_at=clock.now() + 72 * HOUR)
        invited = service.invite(by=scene.organizer_id, shift_id=other.shift_id, volunteer_id=scene.outsider_id)
        publish(VolunteerErased(volunteer_id=scene.outsider_id, name="某人"))
        return pending.id, invited.id

    assert [row(unit, one).state for one in unit(prepare)] == ["withdrawn", "withdrawn"]


def test_erasure_forgets_what_a_leader_said(unit: Any) -> None:
    def prepare() -> UUID:
        made = make_activity()
        mine = service.sign_up(shift_id=made.shift_id, volunteer_id=made.scene.outsider_id)
        service.reject(sign_up_id=mine.id, by=made.scene.organizer_id, reason="上次迟到")
        publish(VolunteerErased(volunteer_id=made.scene.outsider_id, name="某人"))
        return mine.id

    assert row(unit, unit(prepare)).decision_reason is None


def test_what_waits_for_nothing_any_more_is_not_listed_as_waiting(client: Any, unit: Any) -> None:
    start = clock.now() + 24 * HOUR
    made = unit(lambda: make_activity(starts_at=start))
    person = made.scene.outsider_id
    mine = unit(lambda: service.invite(by=made.scene.organizer_id, shift_id=made.shift_id, volunteer_id=person).id)

    def listed(query: str = "?state=invited") -> list[str]:
        items = client.as_(person).get(f"/me/sign-ups{query}").get_json()["items"]
        return [one["id"] for one in items]

    assert listed() == [str(mine)]
    with clock.at(start + 2 * HOUR):
        assert (listed(), listed("")) == ([], [str(mine)])


def test_who_invites_the_others_needs_no_invitation(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(capacity=2, sign_up_mode="invitation"))
    leader, other = unit(lambda: make_volunteers(2))
    unit(lambda: db.session.add(ActivityLeader(activity_id=made.id, volunteer_id=leader)))
    path = f"/shifts/{made.shift_id}"
    shift = client.as_(leader).get(path).get_json()
    assert (shift["can_sign_up"], shift["would_be"]) == (True, "confirmed")
    assert post(client, leader, f"{path}/sign-ups").get_json()["state"] == "confirmed"
    assert client.as_(other).get(path).get_json()["refusal"]["code"] == "not_eligible"
    assert post(client, other, f"{path}/sign-ups").status_code == 409
