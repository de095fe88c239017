"""Real threads: against PostgreSQL, where locks are real, and once against a SQLite file too."""

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from tests.activities.factories import make_activity, make_volunteers
from volunteer_api.activities.models import Shift
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.sign_ups import service
from volunteer_api.sign_ups.models import SignUp


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


def test_two_hundred_for_a_hundred_places(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    made = postgresql_unit(lambda: make_activity(capacity=100))
    phones = [postgresql_client.as_(one) for one in postgresql_unit(lambda: make_volunteers(200))]

    def tap(number: int) -> Any:
        answer = phones[number].post(f"/shifts/{made.shift_id}/sign-ups", json={}, key=f"tap-{number}")
        return answer.status_code, answer.get_json()["state"]

    assert Counter(race(200, tap)) == {(201, "confirmed"): 100, (201, "waitlisted"): 100}
    shift, sign_ups = rows_of(postgresql_unit, made.shift_id)
    assert_counts(shift, sign_ups)
    assert [row.position for row in sign_ups if row.state == "waitlisted"] == list(range(1, 101))


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
    states = race(
        40, lambda number: phones[number].post(f"/shifts/{made.shift_id}/sign-ups", json={}, key="tap").get_json()
    )
    assert Counter(state.get("state", state.get("code")) for state in states) == {"confirmed": 20, "waitlisted": 20}
    shift, sign_ups = rows_of(unit, made.shift_id)
    assert_counts(shift, sign_ups)


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
