"""Real threads: against PostgreSQL, where locks are real, and once against a SQLite file too."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.activities.factories import make_activity, make_volunteers
from tests.sign_ups.factories import move_shift, number_of
from volunteer_api.activities.changes import changing
from volunteer_api.activities.models import Activity, Shift, ShiftRole
from volunteer_api.activities.queries import lock_activity
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.sign_ups import service, stand_ins, unfit
from volunteer_api.sign_ups.models import SignUp
from volunteer_api.sign_ups.problems import OverlappingShift
from volunteer_api.teams.service import add_member


def rows_of(unit: Any, shift_id: UUID) -> tuple[Shift, list[SignUp]]:
    return unit(  # type: ignore[no-any-return]  # a fixture
        lambda: (
            db.session.get(Shift, shift_id),
            list(db.session.scalars(select(SignUp).where(SignUp.shift_id == shift_id).order_by(SignUp.position))),
        )
    )


def assert_counts(shift: Shift, sign_ups: list[SignUp]) -> None:
    states = Counter(row.state for row in sign_ups)
    assert (shift.confirmed_count, shift.waitlisted_count) == (states["confirmed"], states["waitlisted"])
    assert shift.capacity is None or shift.confirmed_count <= shift.capacity


def test_a_double_tap_with_one_key(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    made = postgresql_unit(lambda: make_activity(capacity=5))
    phone = postgresql_client.as_(made.scene.outsider_id)

    def tap(_number: int) -> Any:
        answer = phone.post(f"/shifts/{made.shift_id}/sign-ups", json={}, key="tap")
        return answer.status_code, answer.get_json().get("id")

    outcomes = race(8, tap)
    assert {status for status, _ in outcomes} == {201}
    assert len({sign_up_id for _, sign_up_id in outcomes}) == 1
    shift, sign_ups = rows_of(postgresql_unit, made.shift_id)
    assert (len(sign_ups), shift.confirmed_count) == (1, 1)


def test_forty_for_twenty_places_on_either_database(client: Any, unit: Any, race: Any) -> None:
    made = unit(lambda: make_activity(capacity=20))
    phones = [client.as_(one) for one in unit(lambda: make_volunteers(40))]

    def tap(number: int) -> Any:
        answer = phones[number].post(f"/shifts/{made.shift_id}/sign-ups", json={}, key=f"tap-{number}")
        return answer.status_code, answer.get_json().get("state")

    assert Counter(race(40, tap)) == {(201, "confirmed"): 20, (201, "waitlisted"): 20}
    shift, sign_ups = rows_of(unit, made.shift_id)
    assert_counts(shift, sign_ups)
    assert [row.position for row in sign_ups if row.state == "waitlisted"] == list(range(1, 21))


def test_taps_with_different_keys(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    made = postgresql_unit(lambda: make_activity(capacity=5))
    phone = postgresql_client.as_(made.scene.outsider_id)
    statuses = race(
        8, lambda number: phone.post(f"/shifts/{made.shift_id}/sign-ups", json={}, key=f"{number}").status_code
    )
    assert sorted(statuses) == [201] + [409] * 7


def test_one_volunteer_and_overlapping_shifts(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    start = clock.now() + timedelta(days=1)
    shifts = [{"starts_at": start, "ends_at": start + timedelta(hours=1, minutes=n)} for n in range(6)]
    made = postgresql_unit(lambda: make_activity(shifts=shifts))
    phone = postgresql_client.as_(made.scene.outsider_id)
    statuses = race(
        6, lambda number: phone.post(f"/shifts/{made.shift_ids[number]}/sign-ups", json={}, key=f"{number}").status_code
    )
    assert sorted(statuses) == [201] + [409] * 5


def test_withdrawals_race_sign_ups(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    def prepare() -> Any:
        made = make_activity(capacity=10)
        first = make_volunteers(20)
        sign_ups = [service.sign_up(shift_id=made.shift_id, volunteer_id=one).id for one in first]
        return made, first, sign_ups, make_volunteers(20)

    made, first, sign_ups, newcomers = postgresql_unit(prepare)
    leaving = [postgresql_client.as_(one) for one in first[:10]]
    coming = [postgresql_client.as_(one) for one in newcomers]

    def act(number: int) -> int:
        if number < 10:
            return int(leaving[number].post(f"/sign-ups/{sign_ups[number]}/withdrawal").status_code)
        return int(coming[number - 10].post(f"/shifts/{made.shift_id}/sign-ups", json={}, key=f"{number}").status_code)

    assert Counter(race(30, act)) == {200: 10, 201: 20}
    shift, rows = rows_of(postgresql_unit, made.shift_id)
    assert_counts(shift, rows)
    assert (shift.confirmed_count, shift.waitlisted_count) == (10, 20)
    # Ten left and the ten who had waited longest came in; nobody passed them.
    confirmed = {row.volunteer_id for row in rows if row.state == "confirmed"}
    assert confirmed == set(first[10:])


def test_crossed_waitlists_do_not_lock_each_other_out(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    """Each volunteer holds a place that the other one waits for: the promotions want each other's volunteer."""

    def prepare() -> Any:
        start = clock.now() + timedelta(days=1)
        left = make_activity(capacity=1, starts_at=start)
        right = make_activity(scene=left.scene, capacity=1, starts_at=start + timedelta(days=1))
        one, other = make_volunteers(2)
        held = [
            service.sign_up(shift_id=left.shift_id, volunteer_id=one).id,
            service.sign_up(shift_id=right.shift_id, volunteer_id=other).id,
        ]
        service.sign_up(shift_id=right.shift_id, volunteer_id=one)
        service.sign_up(shift_id=left.shift_id, volunteer_id=other)
        return left, right, (one, other), held

    left, right, people, held = postgresql_unit(prepare)
    phones = [postgresql_client.as_(one) for one in people]
    statuses = race(2, lambda number: phones[number].post(f"/sign-ups/{held[number]}/withdrawal").status_code)
    assert statuses == [200, 200]
    for made in (left, right):
        shift, rows = rows_of(postgresql_unit, made.shift_id)
        assert_counts(shift, rows)
        assert (shift.confirmed_count, shift.waitlisted_count) == (1, 0)


@pytest.mark.parametrize("way", ["a place given back", "more places", "a move"])
def test_a_place_comes_free_while_who_waits_for_it_leaves_another_shift(
    postgresql_unit: Any, race: Any, way: str
) -> None:
    """Whoever frees the place still sees her busy: then who leaves must call her, once it is free."""

    def prepare() -> Any:
        start = clock.now() + timedelta(days=1)
        mine = make_activity(starts_at=start)
        # The shift that is moved has a place already, but is at another time until then.
        full = make_activity(scene=mine.scene, capacity=1, starts_at=start + timedelta(days=way == "a move"))
        person, holder = make_volunteers(2)
        there = service.sign_up(shift_id=full.shift_id, volunteer_id=holder).id
        service.sign_up(shift_id=full.shift_id, volunteer_id=person)
        here = service.sign_up(shift_id=mine.shift_id, volunteer_id=person).id
        return full, person, there, here

    full, person, there, here = postgresql_unit(prepare)
    freed, left = threading.Event(), threading.Event()

    def free() -> None:
        if way == "a place given back":
            service.withdraw(sign_up_id=there)
        else:
            with changing(lock_activity(full.id), shift_ids=[full.shift_id]) as shifts:
                shifts[0].capacity = 2
                if way == "a move":
                    shifts[0].starts_at -= timedelta(days=1)
                    shifts[0].ends_at -= timedelta(days=1)
        freed.set()
        # Who leaves is through meanwhile, or waits for this unit to end.
        left.wait(timeout=0.3)

    def leave() -> None:
        assert freed.wait(timeout=30)
        postgresql_unit(lambda: service.withdraw(sign_up_id=here))
        left.set()

    assert race(2, lambda number: (lambda: postgresql_unit(free), leave)[number]()) == [None, None]
    _, rows = rows_of(postgresql_unit, full.shift_id)
    assert [row.state for row in rows if row.volunteer_id == person] == ["confirmed"]


def test_a_smaller_shift_races_sign_ups(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    """Whichever comes first: the leader hears of those confirmed, or the newcomers wait."""
    made = postgresql_unit(lambda: make_activity(capacity=8))
    people = postgresql_unit(lambda: make_volunteers(14))
    path, wanted = f"/shifts/{made.shift_id}", {2: 5, 6: 3, 9: 4}

    def act(number: int) -> tuple[int, str]:
        if number in wanted:
            leader = postgresql_client.as_(made.scene.organizer_id)
            version = leader.get(path).get_json()["version"]
            answer = leader.patch(path, json={"capacity": wanted[number]}, version=version)
        else:
            answer = postgresql_client.as_(people[number]).post(f"{path}/sign-ups", json={}, key="a")
        body = answer.get_json()
        return answer.status_code, body.get("code") or body.get("state") or "changed"

    outcomes = race(14, act)
    left = [one for number, one in enumerate(outcomes) if number in wanted]
    assert set(left) <= {(200, "changed"), (409, "capacity_below_confirmed"), (412, "precondition_failed")}
    assert {one for number, one in enumerate(outcomes) if number not in wanted} <= {
        (201, "confirmed"),
        (201, "waitlisted"),
    }
    shift, rows = rows_of(postgresql_unit, made.shift_id)
    assert_counts(shift, rows)
    # As many as there are places, whatever came between.
    assert (shift.confirmed_count, len(rows)) == (shift.capacity, 11)


def test_a_cancellation_races_sign_ups(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    made = postgresql_unit(lambda: make_activity(capacity=50))
    organizer = postgresql_client.as_(made.scene.organizer_id)
    people = postgresql_unit(lambda: make_volunteers(12))
    phones = [postgresql_client.as_(one) for one in people]

    def act(number: int) -> int:
        if number == 12:
            return int(organizer.post(f"/activities/{made.id}/cancellation", json={"reason": "下雨"}).status_code)
        return int(phones[number].post(f"/shifts/{made.shift_id}/sign-ups", json={}, key="a").status_code)

    outcomes = race(13, act)
    assert outcomes[12] == 200
    assert set(outcomes[:12]) <= {201, 409}
    # Who got in hears of it; who came later was refused.
    for phone, status in zip(phones, outcomes, strict=False):
        kinds = [item["kind"] for item in phone.get("/me/notifications").get_json()["items"]]
        assert kinds == (["activity_canceled"] if status == 201 else [])


def test_places_in_a_role_and_in_the_shift(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    """Forty, a dozen at a time, every other one as a guide: five guides at most, and twelve people at most."""

    def prepare() -> Any:
        start = clock.now() + timedelta(days=1)
        times = {"starts_at": start, "ends_at": start + timedelta(hours=2)}
        made = make_activity(shifts=[times | {"capacity": 12, "roles": [{"name": "讲解", "capacity": 5}]}])
        return made, db.session.query(ShiftRole).filter_by(shift_id=made.shift_id).one().id, make_volunteers(40)

    made, role_id, people = postgresql_unit(prepare)
    phones = [postgresql_client.as_(one) for one in people]

    def tap(number: int) -> int:
        body = {"role_id": str(role_id)} if number % 2 else {}
        return int(phones[number].post(f"/shifts/{made.shift_id}/sign-ups", json=body, key="a").status_code)

    assert race(40, tap) == [201] * 40
    shift, rows = rows_of(postgresql_unit, made.shift_id)
    assert_counts(shift, rows)
    assert shift.confirmed_count == 12
    assert_role(postgresql_unit, role_id, rows)


def assert_role(unit: Any, role_id: UUID, rows: list[SignUp]) -> None:
    role = unit(lambda: db.session.get(ShiftRole, role_id))
    states = Counter(row.state for row in rows if row.role_id == role_id)
    assert (role.confirmed_count, role.waitlisted_count) == (states["confirmed"], states["waitlisted"])
    assert role.confirmed_count <= role.capacity


def test_guides_leave_while_others_come(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    """Withdrawals race the promotions that they cause, and newcomers, in a role."""

    def prepare() -> Any:
        start = clock.now() + timedelta(days=1)
        times = {"starts_at": start, "ends_at": start + timedelta(hours=2)}
        made = make_activity(shifts=[times | {"capacity": 8, "roles": [{"name": "讲解", "capacity": 4}]}])
        role_id = db.session.query(ShiftRole).filter_by(shift_id=made.shift_id).one().id
        inside = make_volunteers(12)
        ids = [
            service.sign_up(shift_id=made.shift_id, volunteer_id=one, role_id=role_id if number % 2 else None).id
            for number, one in enumerate(inside)
        ]
        return made, role_id, inside, ids, make_volunteers(8)

    made, role_id, inside, ids, coming = postgresql_unit(prepare)
    leaving = [postgresql_client.as_(one) for one in inside]
    entering = [postgresql_client.as_(one) for one in coming]

    def act(number: int) -> int:
        if number < 12:
            return int(leaving[number].post(f"/sign-ups/{ids[number]}/withdrawal").status_code)
        body = {"role_id": str(role_id)} if number % 2 else {}
        return int(entering[number - 12].post(f"/shifts/{made.shift_id}/sign-ups", json=body, key="a").status_code)

    assert Counter(race(20, act)) == {200: 12, 201: 8}
    shift, rows = rows_of(postgresql_unit, made.shift_id)
    assert_counts(shift, rows)
    assert_role(postgresql_unit, role_id, rows)
    # Four came as guides and four without: all of them have places now.
    assert (shift.confirmed_count, shift.waitlisted_count) == (8, 0)


def test_acceptances_race_a_cancellation(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    def prepare() -> Any:
        made = make_activity(capacity=5)
        people = make_volunteers(10)
        return (
            made,
            people,
            [service.invite(by=made.scene.organizer_id, shift_id=made.shift_id, volunteer_id=one).id for one in people],
        )

    made, people, ids = postgresql_unit(prepare)
    organizer = postgresql_client.as_(made.scene.organizer_id)
    phones = [postgresql_client.as_(one) for one in people]

    def act(number: int) -> tuple[int, str | None]:
        if number == 10:
            answer = organizer.post(f"/activities/{made.id}/cancellation", json={"reason": "下雨"})
        else:
            answer = phones[number].post(f"/sign-ups/{ids[number]}/acceptance")
        return int(answer.status_code), answer.get_json().get("code")

    outcomes = race(11, act)
    assert outcomes[10] == (200, None)
    assert set(outcomes[:10]) <= {(200, None), (409, "canceled")}
    shift, rows = rows_of(postgresql_unit, made.shift_id)
    assert_counts(shift, rows)
    assert shift.canceled_at is not None
    # Whatever they had said by then, everybody hears that there is nothing to come to.
    for phone in phones:
        heard = [item["kind"] for item in phone.get("/me/notifications").get_json()["items"]]
        assert "activity_canceled" in heard


def test_a_stand_in_races_the_withdrawal(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    """Either the place is given on, or it goes to who waits; never both, and never to nobody."""
    made, people, ids, waits = postgresql_unit(lambda: offers(6))
    givers = [postgresql_client.as_(one) for one, _ in people]
    takers = [postgresql_client.as_(other) for _, other in people]

    def act(number: int) -> int:
        mine, offer = ids[number // 2]
        if number % 2:
            return int(takers[number // 2].post(f"/sign-ups/{offer}/acceptance").status_code)
        return int(givers[number // 2].post(f"/sign-ups/{mine}/withdrawal").status_code)

    outcomes = race(12, act)
    shift, rows = rows_of(postgresql_unit, made.shift_id)
    assert_counts(shift, rows)
    state = {row.id: row.state for row in rows}
    given_on = 0
    for number, (mine, offer) in enumerate(ids):
        left, taken = outcomes[2 * number], outcomes[2 * number + 1]
        assert sorted([left, taken]) == [200, 409]
        assert state[mine] == "withdrawn"
        assert state[offer] == ("confirmed" if taken == 200 else "withdrawn")
        given_on += taken == 200
    assert shift.confirmed_count == 6
    assert sum(state[one] == "confirmed" for one in waits) == 6 - given_on


def offers(count: int) -> Any:
    """Pairs of a giver's and a stand-in's sign-up for one full shift, and as many others who wait."""
    made = make_activity(capacity=count)
    people = list(zip(make_volunteers(count), make_volunteers(count), strict=True))
    mine = [service.sign_up(shift_id=made.shift_id, volunteer_id=one).id for one, _ in people]
    asked = [
        stand_ins.offer(sign_up_id=one, volunteer_number=number_of(other))
        for one, (_, other) in zip(mine, people, strict=True)
    ]
    ids = [(one, offer.id) for one, offer in zip(mine, asked, strict=True)]
    waits = [service.sign_up(shift_id=made.shift_id, volunteer_id=one).id for one in make_volunteers(count)]
    return made, people, ids, waits


def test_two_take_each_others_places(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    """Each offers the other one a place in another shift: the volunteers are held in one order."""

    def prepare() -> Any:
        start = clock.now() + timedelta(days=1)
        left = make_activity(capacity=1, starts_at=start)
        right = make_activity(scene=left.scene, capacity=1, starts_at=start + timedelta(days=1))
        one, other = make_volunteers(2)
        first = service.sign_up(shift_id=left.shift_id, volunteer_id=one)
        second = service.sign_up(shift_id=right.shift_id, volunteer_id=other)
        asked = [
            stand_ins.offer(sign_up_id=first.id, volunteer_number=number_of(other)).id,
            stand_ins.offer(sign_up_id=second.id, volunteer_number=number_of(one)).id,
        ]
        return (other, one), asked

    people, asked = postgresql_unit(prepare)
    phones = [postgresql_client.as_(one) for one in people]
    assert race(2, lambda number: phones[number].post(f"/sign-ups/{asked[number]}/acceptance").status_code) == [200] * 2


def test_whole_days_race_single_sign_ups(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    """People sign up for all shifts at once, others for one after the other, in any order: nobody locks anybody out."""

    def prepare() -> Any:
        start = clock.now() + timedelta(days=1)
        times = [
            {"starts_at": start + timedelta(hours=n), "ends_at": start + timedelta(hours=n + 1), "capacity": 4}
            for n in range(6)
        ]
        made = make_activity(shifts=times)
        people = make_volunteers(16)
        for one in people[:4]:
            add_member(team_id=made.scene.team_id, volunteer_id=one)
        return made, people

    made, people = postgresql_unit(prepare)
    phones = [postgresql_client.as_(one) for one in people]
    leader = postgresql_client.as_(made.scene.leader_id)
    path = f"/activities/{made.id}/sign-ups"

    def act(number: int) -> list[int]:
        if number == 0:
            body = {"all": True, "whole_team": True, "team_id": str(made.scene.team_id)}
            return [int(leader.post(path, json=body, key="a").status_code)]
        if number % 2:
            shift_ids = [str(one) for one in (made.shift_ids if number % 4 == 1 else reversed(made.shift_ids))]
            return [int(phones[number - 1].post(path, json={"shift_ids": shift_ids}, key="a").status_code)]
        return [
            int(phones[number - 1].post(f"/shifts/{one}/sign-ups", json={}, key=str(one)).status_code)
            for one in made.shift_ids[:: 1 if number % 4 else -1]
        ]

    outcomes = race(17, act)
    assert {status for outcome in outcomes for status in outcome} <= {200, 201, 409}
    for shift_id in made.shift_ids:
        shift, rows = rows_of(postgresql_unit, shift_id)
        assert_counts(shift, rows)
        assert shift.confirmed_count == 4
        assert len({row.volunteer_id for row in rows}) == len(rows)


def test_a_move_races_sign_ups_for_its_new_time(postgresql_unit: Any, race: Any) -> None:
    """Whatever comes first, nobody ends in two shifts at one time."""

    def prepare() -> Any:
        start = clock.now() + timedelta(days=2)
        made = make_activity(starts_at=start)
        other = make_activity(scene=made.scene, starts_at=start + timedelta(days=1))
        people = make_volunteers(8)
        for one in people:
            service.sign_up(shift_id=made.shift_id, volunteer_id=one)
        return made, other, people

    made, other, people = postgresql_unit(prepare)

    def act(number: int) -> str:
        if number == 8:
            postgresql_unit(lambda: move_shift(made.shift_id, made.id, timedelta(days=1)))
            return "moved"
        try:
            return str(
                postgresql_unit(lambda: service.sign_up(shift_id=other.shift_id, volunteer_id=people[number])).state
            )
        except OverlappingShift:
            return "refused"

    outcomes = race(9, act)
    assert outcomes[8] == "moved"
    assert set(outcomes[:8]) <= {"confirmed", "refused"}
    _, here = rows_of(postgresql_unit, made.shift_id)
    _, there = rows_of(postgresql_unit, other.shift_id)
    confirmed = [{row.volunteer_id for row in rows if row.state == "confirmed"} for rows in (here, there)]
    assert confirmed[0] & confirmed[1] == set()
    assert confirmed[0] | confirmed[1] == set(people)
    shift, rows = rows_of(postgresql_unit, made.shift_id)
    assert_counts(shift, rows)


@pytest.mark.parametrize("way", ["a shift canceled", "all of it canceled", "completed", "ended early"])
def test_who_is_free_by_it_is_called_elsewhere_though_she_is_always_busy(
    postgresql_client: Any, postgresql_unit: Any, race: Any, way: str
) -> None:
    """Two dozen wait for places that they could not have; none of them is passed over, and nobody is told to try later.

    What frees them holds them before anything else, as a move does.
    """
    begins = clock.now() + (timedelta(hours=-1) if way in ("completed", "ended early") else timedelta(days=2))

    def prepare() -> Any:
        made = make_activity(starts_at=begins, duration=timedelta(hours=6))
        wanted = make_activity(scene=made.scene, starts_at=begins + timedelta(hours=5), capacity=1)
        other = make_activity(scene=made.scene, starts_at=begins + timedelta(days=1))
        first, *people = make_volunteers(25)
        service.sign_up(shift_id=wanted.shift_id, volunteer_id=first)
        for one in people:
            service.sign_up(shift_id=wanted.shift_id, volunteer_id=one)
            service.sign_up(shift_id=made.shift_id, volunteer_id=one)
        with changing(lock_activity(wanted.id), shift_ids=[wanted.shift_id]) as shifts:
            shifts[0].capacity = 25
        return made, wanted, other, people

    with clock.at(begins - timedelta(hours=1)):
        made, wanted, other, people = postgresql_unit(prepare)
    changed = threading.Event()

    def change() -> int:
        organizer = postgresql_client.as_(made.scene.organizer_id)
        shift, activity = f"/shifts/{made.shift_id}", f"/activities/{made.id}"
        if way == "ended early":
            body = {"ends_at": (begins + timedelta(hours=2)).isoformat()}
            return int(organizer.patch(shift, json=body, version=organizer.get(shift).json["version"]).status_code)
        path, body = {
            "a shift canceled": (f"{shift}/cancellation", {"reason": "下雨"}),
            "all of it canceled": (f"{activity}/cancellation", {"reason": "下雨"}),
            "completed": (f"{activity}/completion", {}),
        }[way]
        return int(organizer.post(path, json=body).status_code)

    assert race(7, among_busy(postgresql_unit, other.shift_id, people, changed, change)) == [200] + [None] * 6
    shift, rows = rows_of(postgresql_unit, wanted.shift_id)
    assert_counts(shift, rows)
    assert shift.confirmed_count == 25


def among_busy(
    unit: Any, shift_id: UUID, people: Sequence[UUID], changed: threading.Event, change: Callable[[], int]
) -> Callable[[int], int | None]:
    """What seven threads do: the first makes a change; until then people sign up for the shift, and leave it again."""

    def come_and_go(volunteer_id: UUID) -> None:
        with suppress(OverlappingShift):
            service.withdraw(sign_up_id=service.sign_up(shift_id=shift_id, volunteer_id=volunteer_id).id)
        # Between what it wrote and its end others are served.
        time.sleep(0.02)

    def act(number: int) -> int | None:
        if number:
            mine = people[number - 1 :: 6]
            for turn in range(1000):
                if changed.is_set():
                    break
                unit(lambda turn=turn: come_and_go(mine[turn % len(mine)]))
            return None
        try:
            return change()
        finally:
            changed.set()

    return act


@pytest.mark.parametrize("way", ["a move", "more places", "another demand", "a look at people"])
def test_a_change_is_made_though_somebody_is_always_busy(
    postgresql_client: Any, postgresql_unit: Any, race: Any, way: str
) -> None:
    """All whose places it touches are waited for: never is there a moment at which nobody does something else."""

    def prepare() -> Any:
        start = clock.now() + timedelta(days=2)
        made = make_activity(starts_at=start, capacity=1 if way == "more places" else 24)
        other = make_activity(scene=made.scene, starts_at=start + timedelta(days=1))
        people = make_volunteers(24)
        for one in people:
            service.sign_up(shift_id=made.shift_id, volunteer_id=one)
        if way == "a look at people":
            db.session.get_one(Activity, made.id).required_skills = ["急救"]
        return made, other, people

    made, other, people = postgresql_unit(prepare)
    organizer, changed = postgresql_client.as_(made.scene.organizer_id), threading.Event()

    def change() -> int:
        if way == "a look at people":
            postgresql_unit(lambda: unfit.look_again([made.shift_id]))
            return 200
        path = f"/activities/{made.id}" if way == "another demand" else f"/shifts/{made.shift_id}"
        seen = organizer.get(path).get_json()
        times = {
            name: (datetime.fromisoformat(seen[name]) + timedelta(days=1)).isoformat()
            for name in ("starts_at", "ends_at")
            if way == "a move"
        }
        body = {"a move": times, "more places": {"capacity": 24}, "another demand": {"required_skills": ["急救"]}}[way]
        return int(organizer.patch(path, json=body, version=seen["version"]).status_code)

    assert race(7, among_busy(postgresql_unit, other.shift_id, people, changed, change)) == [200] + [None] * 6
    shift, rows = rows_of(postgresql_unit, made.shift_id)
    assert_counts(shift, rows)
    _, there = rows_of(postgresql_unit, other.shift_id)
    assert shift.confirmed_count == (24 if way in ("a move", "more places") else 0)
    # Who came there is gone again; nobody is in both.
    assert {row.state for row in there} == {"withdrawn"}
