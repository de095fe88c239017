"""Who waits beside a free place, and can have it since something of hers changed: she is called, or asks for it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from tests.activities.factories import MadeActivity, make_activity, make_scene, make_volunteers
from tests.sign_ups.factories import HOUR, kinds, make_person, post, row
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities import shifts
from volunteer_api.activities.models import Shift, ShiftRole
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.tasks import TaskRun, run_task
from volunteer_api.sign_ups import places, service
from volunteer_api.sign_ups.tasks import CALL_WHO_WAITS
from volunteer_api.teams.service import add_member

AID = ["急救"]


def know(unit: Any, volunteer_id: UUID, skills: list[str]) -> None:
    def change() -> None:
        db.session.get_one(Volunteer, volunteer_id).skills = skills

    unit(change)


def beside_a_place(
    unit: Any, waiting: int = 1, free: int = 1, **values: Any
) -> tuple[MadeActivity, list[UUID], list[UUID]]:
    """So many wait, in their order, for a shift with free places: none of them could have one, and all can by now."""

    def prepare() -> Any:
        made = make_activity(capacity=free, starts_at=clock.now() + timedelta(days=1), required_skills=AID, **values)
        people = [make_person(skills=AID) for _ in range(free + waiting)]
        return made, people, [service.sign_up(shift_id=made.shift_id, volunteer_id=one).id for one in people]

    made, people, ids = unit(prepare)
    for one in people[free:]:
        know(unit, one, [])
    for one in ids[:free]:
        unit(lambda one=one: service.withdraw(sign_up_id=one))
    for one in people[free:]:
        know(unit, one, AID)
    assert {row(unit, one).state for one in ids[free:]} == {"waitlisted"}
    return made, people[free:], ids[free:]


def shown(client: Any, volunteer_id: UUID, made: MadeActivity) -> Any:
    seen = client.as_(volunteer_id).get(f"/shifts/{made.shift_id}").get_json()
    return seen["would_be"] or seen["refusal"]["code"]


@pytest.mark.both_databases
def test_within_the_hour_she_is_called(app: Flask, client: Any, unit: Any) -> None:
    made, people, ids = beside_a_place(unit, waiting=3, free=2)
    know(unit, people[0], [])
    run_task(app, CALL_WHO_WAITS)
    assert [row(unit, one).state for one in ids] == ["waitlisted", "confirmed", "confirmed"]
    assert [kinds(client, one) for one in people] == [[], ["sign_up_promoted"], ["sign_up_promoted"]]
    run_task(app, CALL_WHO_WAITS)
    assert kinds(client, people[1]) == ["sign_up_promoted"]
    shift = unit(lambda: db.session.get_one(Shift, made.shift_id))
    assert (shift.confirmed_count, shift.waitlisted_count) == (2, 1)


@pytest.mark.both_databases
@pytest.mark.parametrize("several", [False, True])
def test_her_own_word_gives_her_the_place_that_the_page_announces(client: Any, unit: Any, several: bool) -> None:
    made, (mine, other), (my_id, _) = beside_a_place(unit, waiting=2)
    assert shown(client, mine, made) == "confirmed"
    # It is not the turn of who waits behind her.
    assert shown(client, other, made) == "already_signed_up"
    refused = post(client, other, f"/shifts/{made.shift_id}/sign-ups")
    assert (refused.status_code, refused.get_json()["code"]) == (409, "already_signed_up")
    if several:
        (given,) = post(client, mine, f"/activities/{made.id}/sign-ups", all=True).get_json()["results"]
        assert (given["status"], given["sign_up_id"], given["state"]) == (201, str(my_id), "confirmed")
    else:
        answer = post(client, mine, f"/shifts/{made.shift_id}/sign-ups")
        given = answer.get_json()
        assert (answer.status_code, given["id"], given["state"]) == (201, str(my_id), "confirmed")
    assert shown(client, mine, made) == "already_signed_up"
    shift = unit(lambda: db.session.get_one(Shift, made.shift_id))
    assert (shift.confirmed_count, shift.waitlisted_count) == (1, 1)


def test_of_all_shifts_of_a_list_it_is_told_in_as_many_statements_as_of_one(
    client: Any, unit: Any, statements: Any
) -> None:
    start = clock.now() + timedelta(days=1)
    spent = {}
    for count in (1, 5):
        times = [{"starts_at": start + n * 3 * HOUR, "ends_at": start + (n * 3 + 1) * HOUR} for n in range(count)]

        def prepare(times: Any = times) -> Any:
            made = make_activity(shifts=[one | {"capacity": 1} for one in times], required_skills=AID)
            first, mine = make_person(skills=AID), make_person(skills=AID)
            ids = [service.sign_up(shift_id=one, volunteer_id=first).id for one in made.shift_ids]
            for one in made.shift_ids:
                service.sign_up(shift_id=one, volunteer_id=mine)
            return made, mine, ids

        made, mine, ids = unit(prepare)
        know(unit, mine, [])
        for one in ids:
            unit(lambda one=one: service.withdraw(sign_up_id=one))
        know(unit, mine, AID)
        phone = client.as_(mine)
        phone.get("/me")
        with statements() as seen:
            seen_by_her = phone.get(f"/activities/{made.id}").get_json()
        assert [one["would_be"] for one in seen_by_her["shifts"]] == ["confirmed"] * count
        spent[count] = len(seen)
    assert spent[1] == spent[5], spent


def test_she_names_a_team_and_a_role_with_it(client: Any, unit: Any) -> None:
    start = clock.now() + timedelta(days=1)
    scene = unit(make_scene)
    roles = [{"name": "讲解", "capacity": 1}]
    times = {"starts_at": start, "ends_at": start + HOUR, "capacity": 1, "roles": roles}
    made, (mine,), (my_id,) = beside_a_place(unit, scene=scene, shifts=[times])
    role_id = unit(lambda: db.session.query(ShiftRole).filter_by(shift_id=made.shift_id).one().id)
    wanted = {"role_id": str(role_id), "team_id": str(scene.team_id)}
    strange = post(client, mine, f"/shifts/{made.shift_id}/sign-ups", **wanted).get_json()
    assert [one["code"] for one in strange["reasons"]] == ["team"]
    assert row(unit, my_id).state == "waitlisted"
    unit(lambda: add_member(team_id=scene.team_id, volunteer_id=mine))
    given = post(client, mine, f"/shifts/{made.shift_id}/sign-ups", **wanted).get_json()
    assert (given["id"], given["state"], given["role"]["id"]) == (str(my_id), "confirmed", str(role_id))
    assert given["team_id"] == str(scene.team_id)
    role = unit(lambda: db.session.get_one(ShiftRole, role_id))
    assert (role.confirmed_count, role.waitlisted_count) == (1, 0)


def test_too_late_to_be_called_she_hears_of_the_place_once(app: Flask, client: Any, unit: Any) -> None:
    made, (mine,), (my_id,) = beside_a_place(unit)
    with clock.at(unit(lambda: db.session.get_one(Shift, made.shift_id)).starts_at - HOUR):
        for _ in range(2):
            run_task(app, CALL_WHO_WAITS)
        assert kinds(client, mine) == ["sign_up_place_free"]
        assert row(unit, my_id).state == "waitlisted"
        assert post(client, mine, f"/shifts/{made.shift_id}/sign-ups").get_json()["state"] == "confirmed"


def test_only_shifts_with_somebody_to_call_are_held(app: Flask, unit: Any, statements: Any) -> None:
    """Of a full shift, or one for which nobody waits, or that is over, nothing is looked at; of others, who waits."""
    full, people, _ = beside_a_place(unit)
    unit(lambda: service.sign_up(shift_id=full.shift_id, volunteer_id=people[0]))
    waiting, others, _ = beside_a_place(unit)
    know(unit, others[0], [])
    with statements() as seen:
        run_task(app, CALL_WHO_WAITS)
    assert unit(lambda: list(places.queries.shifts_to_fill(None, 50))) == [waiting.shift_id]
    assert not [one for one in seen if "FOR NO KEY UPDATE" in one or one.startswith("UPDATE shifts")]
    assert sum("sign_ups" in one for one in seen) <= 3, seen


def test_one_that_can_not_be_looked_at_holds_up_no_other(
    app: Flask, unit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [beside_a_place(unit) for _ in range(3)]
    call = places.call_waiting
    bad = sorted(one.shift_id for one, _, _ in made)[0]

    def look(shift_id: UUID) -> None:
        if shift_id == bad:
            raise ValueError("this one can't be looked at")
        call(shift_id)

    with monkeypatch.context() as patched:
        patched.setattr(places, "call_waiting", look)
        patched.setattr("volunteer_api.sign_ups.tasks.SHIFTS_AT_ONCE", 1)
        run_task(app, CALL_WHO_WAITS)
    states = {one.shift_id: row(unit, ids[0]).state for one, _, ids in made}
    assert {shift_id for shift_id, state in states.items() if state == "waitlisted"} == {bad}
    assert unit(lambda: db.session.get_one(TaskRun, CALL_WHO_WAITS).error) is not None
    run_task(app, CALL_WHO_WAITS)
    assert unit(lambda: list(places.queries.shifts_to_fill(None, 50))) == []


def test_who_was_busy_is_called_at_once_when_the_other_shift_is_canceled(unit: Any) -> None:
    def prepare() -> Any:
        made = make_activity(capacity=1, starts_at=clock.now() + timedelta(days=1))
        other = make_activity(scene=made.scene, starts_at=clock.now() + timedelta(days=1))
        first, second = make_volunteers(2)
        ids = [service.sign_up(shift_id=made.shift_id, volunteer_id=one).id for one in (first, second)]
        service.sign_up(shift_id=other.shift_id, volunteer_id=second)
        service.withdraw(sign_up_id=ids[0])
        return other, ids[1]

    other, my_id = unit(prepare)
    assert row(unit, my_id).state == "waitlisted"
    unit(lambda: shifts.cancel_shift(db.session.get_one(Shift, other.shift_id), reason="下雨"))
    assert row(unit, my_id).state == "confirmed"


@pytest.mark.both_databases
def test_a_place_beside_which_somebody_busy_waits_is_found_as_free(client: Any, unit: Any) -> None:
    """The page of the shift says `confirmed` to a newcomer; a list of what has a free place says no less."""
    made, (waiting,), _ = beside_a_place(unit)
    know(unit, waiting, [])
    newcomer = unit(lambda: make_person(skills=AID))
    assert shown(client, newcomer, made) == "confirmed"
    found = client.as_(newcomer).get("/activities?free=true").get_json()["items"]
    assert [one["id"] for one in found] == [str(made.id)]
    assert client.as_(newcomer).get("/activities?free=false").get_json()["items"] == []
