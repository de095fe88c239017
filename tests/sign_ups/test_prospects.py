"""What a shift and its roles announce is what a sign-up made then gets, be it for a role or for none."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.activities.factories import MadeActivity, make_activity, make_scene, make_volunteers
from tests.conftest import share_of
from tests.sign_ups.factories import HOUR, post
from volunteer_api.activities import queries
from volunteer_api.activities.models import Activity, Shift, ShiftRole
from volunteer_api.activities.prospects import caller_facts, facts_values, prospects
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.problems import Conflict
from volunteer_api.sign_ups import service
from volunteer_api.sign_ups.models import SignUp, SignUpState

PEOPLE, WANTED = st.integers(0, 4), st.integers(0, 2)
WORDS = st.tuples(st.sampled_from(["sign_up", "sign_up", "sign_up", "withdraw", "busy"]), PEOPLE, WANTED)


class Undone(Exception):
    """Raised to roll back what was only tried."""


@pytest.mark.parametrize("minutes_before", [600, 60])
@given(words=st.lists(WORDS, min_size=4, max_size=12), capacity=st.integers(2, 4))
@settings(max_examples=share_of(7), deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_announced_comes(
    unit: Any, words: list[tuple[str, int, int]], capacity: int, minutes_before: int
) -> None:
    """With free places still promoting (ten hours before the start), and no longer (one hour before)."""
    start = clock.now() + timedelta(days=2)

    def prepare() -> tuple[MadeActivity, MadeActivity, list[UUID]]:
        roles = [{"name": "急救", "capacity": 1}, {"name": "讲解", "capacity": min(2, capacity)}]
        given = [{"starts_at": start, "ends_at": start + 2 * HOUR, "capacity": capacity, "roles": roles}]
        made = make_activity(shifts=given)
        return made, make_activity(scene=made.scene, starts_at=start + HOUR, duration=2 * HOUR), make_volunteers(6)

    made, other, people = unit(prepare)
    roles: list[UUID | None] = [None, *unit(lambda: role_ids(made.shift_id))]
    # Somebody waits for a full role from the beginning.
    for verb, person, wanted in [("sign_up", 4, 1), ("sign_up", 5, 1), *words]:
        try:
            unit(lambda v=verb, p=person, w=wanted: act(v, people[p], made, other, roles[w]))
        except Conflict:
            continue
    moment = start - timedelta(minutes=minutes_before)
    for person in people:
        for role_id in roles:
            announced, outcome, expected = unit(lambda p=person, r=role_id: both(made.shift_id, p, r, moment))
            assert announced == outcome, (person, role_id)
            if outcome in ("confirmed", "waitlisted", "shift_full"):
                assert (outcome == "confirmed") == expected, (person, role_id)


def act(verb: str, person: UUID, made: MadeActivity, other: MadeActivity, role_id: UUID | None) -> None:
    if verb == "withdraw":
        mine = [one for one in made_by(person, made.shift_id) if one.state in ("confirmed", "waitlisted")]
        if mine:
            service.withdraw(sign_up_id=mine[0].id)
    else:
        shift_id, role_id = (made.shift_id, role_id) if verb == "sign_up" else (other.shift_id, None)
        service.sign_up(shift_id=shift_id, volunteer_id=person, role_id=role_id)


def made_by(person: UUID, shift_id: UUID) -> list[Any]:
    statement = select(SignUp).where(SignUp.volunteer_id == person, SignUp.shift_id == shift_id)
    return list(db.session.scalars(statement))


def role_ids(shift_id: UUID) -> list[UUID]:
    return list(db.session.scalars(select(ShiftRole.id).where(ShiftRole.shift_id == shift_id).order_by(ShiftRole.name)))


def has_place(shift: Shift, person: UUID, role: ShiftRole | None, *, promotes: bool) -> bool:
    """Whether a place must be had: counted from the sign-ups themselves."""
    rows = list(db.session.scalars(select(SignUp).where(SignUp.shift_id == shift.id)))
    parts = {one.id: one for one in db.session.scalars(select(ShiftRole).where(ShiftRole.shift_id == shift.id))}
    confirmed = [one for one in rows if one.state == "confirmed"]
    left = {key: one.capacity - sum(row.role_id == key for row in confirmed) for key, one in parts.items()}
    free = (shift.capacity or 0) - len(confirmed)
    own = [one for one in rows if one.volunteer_id == person and one.state == "waitlisted"]
    if own:
        return free > 0 and (own[0].role_id is None or left[own[0].role_id] > 0)
    free_in_role = left[role.id] if role is not None else free
    if promotes:
        return free > 0 and free_in_role > 0
    # Nothing is kept for who is busy then: in these plans the one other shift is in the way.
    busy = set(
        db.session.scalars(
            select(SignUp.volunteer_id).where(SignUp.shift_id != shift.id, SignUp.state == SignUpState.CONFIRMED)
        )
    )
    waiting = [one for one in rows if one.state == "waitlisted" and one.volunteer_id not in busy]
    for one in waiting:
        if one.role_id is None or left[one.role_id] > 0:
            free -= 1
            if one.role_id is not None:
                left[one.role_id] -= 1
    if role is not None:
        free_in_role -= sum(one.role_id == role.id for one in waiting)
    return free > 0 and free_in_role > 0


def both(shift_id: UUID, person: UUID, role_id: UUID | None, moment: datetime) -> tuple[str | None, str | None, bool]:
    """What is announced at the moment, what comes of a sign-up then, which is undone, and whether a place must."""
    with clock.at(moment):
        shift = db.session.get_one(Shift, shift_id)
        activity = db.session.get_one(Activity, shift.activity_id)
        role = db.session.get_one(ShiftRole, role_id) if role_id is not None else None
        (prospect,) = prospects(person, [(activity, shift)], moment, [role])
        announced = prospect.refusal.code if prospect.refusal is not None else prospect.would_be
        facts = db.session.execute(select(caller_facts()), facts_values(person, moment)).scalar_one()
        (informed,) = prospects(person, [(activity, shift)], moment, [role], facts)
        assert repr(informed) == repr(prospect)
        promotes = moment < shift.starts_at - 2 * HOUR
        expected = has_place(shift, person, role, promotes=promotes)
        outcome: str | None = None
        try:
            with db.session.begin_nested():
                made = service.sign_up(shift_id=shift_id, volunteer_id=person, role_id=role_id)
                outcome = made.state
                assert role_id in (None, made.role_id)
                raise Undone
        except Undone:
            pass
        except Conflict as refusal:
            outcome = refusal.code
        db.session.expire_all()
        return announced, outcome, expected


def test_a_full_role_keeps_nobody_from_the_free_places(client: Any, unit: Any) -> None:
    """Somebody waits for the one guide's place; the shift has another one, and says so until it begins."""
    start = clock.now() + timedelta(days=1)
    times = {"starts_at": start, "ends_at": start + 2 * HOUR}
    scene = unit(make_scene)
    roles = [{"name": "讲解", "capacity": 1}]
    made = unit(lambda: make_activity(scene=scene, shifts=[times | {"capacity": 2, "roles": roles}]))
    role_id = unit(lambda: role_ids(made.shift_id))[0]
    first, second, third = unit(lambda: make_volunteers(3))
    path = f"/shifts/{made.shift_id}"
    tapped = [post(client, one, f"{path}/sign-ups", role_id=str(role_id)).get_json() for one in (first, second)]
    assert [one["state"] for one in tapped] == ["confirmed", "waitlisted"]
    shown = client.as_(third).get(path).get_json()
    assert (shown["would_be"], shown["roles"][0]["would_be"]) == ("confirmed", "waitlisted")
    with clock.at(start - HOUR):
        # One place is taken, and whoever waits for the full role could not have the other.
        later = unit(lambda: queries.read_shift(db.session.get_one(Shift, made.shift_id), third))
        assert (later["would_be"], later["roles"][0]["refusal"]["code"]) == ("confirmed", "shift_full")
        assert unit(lambda: service.sign_up(shift_id=made.shift_id, volunteer_id=third)).state == "confirmed"
    listed = client.as_(third).get(f"/activities/{made.id}").get_json()["shifts"][0]
    assert listed["roles"][0]["refusal"]["code"] == "already_signed_up"


def test_who_waits_for_any_place_takes_one_in_a_role_that_she_names(client: Any, unit: Any) -> None:
    """A guide leaves too late to call anybody; the page of the role says that its place can be had."""
    start = clock.now() + timedelta(days=1)
    roles = [{"name": "急救", "capacity": 1}, {"name": "讲解", "capacity": 1}]
    given = [{"starts_at": start, "ends_at": start + HOUR, "capacity": 2, "roles": roles}]

    def prepare() -> tuple[UUID, list[UUID], UUID, UUID]:
        made, (first, second, waits) = make_activity(shifts=given), make_volunteers(3)
        parts = role_ids(made.shift_id)
        service.sign_up(shift_id=made.shift_id, volunteer_id=first, role_id=parts[0])
        leaving = service.sign_up(shift_id=made.shift_id, volunteer_id=second, role_id=parts[1]).id
        assert service.sign_up(shift_id=made.shift_id, volunteer_id=waits).state == "waitlisted"
        return made.shift_id, parts, leaving, waits

    shift_id, parts, leaving, waits = unit(prepare)
    with clock.at(start - HOUR):
        unit(lambda: service.withdraw(sign_up_id=leaving))
        phone, path = client.as_(waits), f"/shifts/{shift_id}"
        shown = {one["id"]: one for one in phone.get(path).get_json()["roles"]}
        full, free = (shown[str(part)] for part in parts)
        assert (full["refusal"]["code"], free["would_be"]) == ("already_signed_up", "confirmed")
        refused = phone.post(f"{path}/sign-ups", json={"role_id": str(parts[0])}, key="a")
        assert refused.get_json()["code"] == "already_signed_up"
        taken = phone.post(f"{path}/sign-ups", json={"role_id": str(parts[1])}, key="b").get_json()
        assert (taken["state"], taken["role"]["name"]) == ("confirmed", "讲解")
        counted = client.get(path).get_json()
        assert (counted["confirmed_count"], counted["waitlisted_count"]) == (2, 0)
        assert [(one["confirmed_count"], one["waitlisted_count"]) for one in counted["roles"]] == [(1, 0)] * 2


def test_who_waits_for_one_role_gets_no_other_by_asking_for_it(client: Any, unit: Any) -> None:
    """Both roles came free too late to call anybody: the word for the other one must not bring the first one."""
    start = clock.now() + timedelta(days=1)
    roles = [{"name": "急救", "capacity": 1}, {"name": "讲解", "capacity": 1}]
    given = [{"starts_at": start, "ends_at": start + HOUR, "capacity": 2, "roles": roles}]

    def prepare() -> tuple[UUID, list[UUID], list[UUID], UUID]:
        made, (first, second, waits) = make_activity(shifts=given), make_volunteers(3)
        parts = role_ids(made.shift_id)
        leaving = [
            service.sign_up(shift_id=made.shift_id, volunteer_id=one, role_id=part).id
            for one, part in zip((first, second), parts, strict=True)
        ]
        service.sign_up(shift_id=made.shift_id, volunteer_id=waits, role_id=parts[0])
        return made.shift_id, parts, leaving, waits

    shift_id, parts, leaving, waits = unit(prepare)
    with clock.at(start - HOUR):
        for one in leaving:
            unit(lambda one=one: service.withdraw(sign_up_id=one))
        phone = client.as_(waits)
        shown = {one["id"]: one for one in phone.get(f"/shifts/{shift_id}").get_json()["roles"]}
        own, other = (shown[str(part)] for part in parts)
        assert (own["would_be"], other["refusal"]["code"]) == ("confirmed", "already_signed_up")
        refused = phone.post(f"/shifts/{shift_id}/sign-ups", json={"role_id": str(parts[1])}, key="a")
        assert refused.get_json()["code"] == "already_signed_up"
        made = phone.post(f"/shifts/{shift_id}/sign-ups", json={"role_id": str(parts[0])}, key="b").get_json()
        assert (made["state"], made["role"]["name"]) == ("confirmed", "急救")


def test_a_refusal_says_beforehand_what_the_button_opens(client: Any, unit: Any) -> None:
    """The sign-up that stands and how it stands, or the shift in the way: in the list, the activity and the shift."""
    made = unit(make_activity)
    times = unit(lambda: db.session.get_one(Shift, made.shift_id).starts_at)
    beside = unit(lambda: make_activity(scene=made.scene, starts_at=times))
    organizer, person = made.scene.organizer_id, made.scene.outsider_id
    invited = post(client, organizer, f"/shifts/{made.shift_id}/sign-ups", volunteer_id=str(person)).json

    def refusals(shift_id: UUID, activity_id: UUID) -> list[dict[str, Any]]:
        phone = client.as_(person)
        listed = next(one for one in phone.get("/activities").json["items"] if one["id"] == str(activity_id))
        whole = phone.get(f"/activities/{activity_id}").json
        shown = [listed["shifts"][0], whole["shifts"][0], phone.get(f"/shifts/{shift_id}").json]
        return [one["refusal"] for one in shown]

    for refusal in refusals(made.shift_id, made.id):
        assert (refusal["code"], refusal["shift_id"]) == ("already_signed_up", None)
        assert (refusal["sign_up_id"], refusal["sign_up_state"]) == (invited["id"], "invited")
        assert refusal["detail"] == "已受邀参加该班次，请接受或谢绝邀请。"
    assert post(client, person, f"/sign-ups/{invited['id']}/acceptance").json["state"] == "confirmed"
    for refusal in refusals(beside.shift_id, beside.id):
        assert (refusal["code"], refusal["shift_id"]) == ("overlapping_shift", str(made.shift_id))
    tapped = post(client, person, f"/shifts/{made.shift_id}/sign-ups").json
    assert (tapped["sign_up_id"], tapped["sign_up_state"], tapped["detail"]) == (
        invited["id"],
        "confirmed",
        "已报名该班次。",
    )
