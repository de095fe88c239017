"""The ledger: what may be written, and that every tally is its exact sum."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.attendance.factories import Scene, make_scene, make_shift
from tests.factories import make_volunteer
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance import presence_code, views
from volunteer_api.attendance import service as attendance
from volunteer_api.attendance.models import Attendance
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.periods import ALL_TIME, parse_period
from volunteer_api.hours import service
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.sign_ups import service as sign_ups

Unit = Callable[[Callable[[], Any]], Any]
FIRST = datetime(2026, 1, 1, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def credit(scene: Scene, volunteer_id: UUID, minutes: int, starts_at: datetime, **values: Any) -> ServiceRecord | None:
    """Credit minutes that began at a moment."""
    activity = db.session.get_one(Activity, scene.activity.id)
    shift = Shift(id=scene.shift.id, activity_id=activity.id, starts_at=starts_at, ends_at=starts_at + 24 * HOUR)
    return service.credit(
        volunteer_id=volunteer_id,
        minutes=minutes,
        activity=activity,
        shift=shift,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=minutes),
        **values,
    )


def reverse(record: ServiceRecord) -> None:
    """Take a record back, as a later release will."""
    columns = [column.key for column in ServiceRecord.__table__.columns if column.key not in ("id", "created_at")]
    copied = {name: getattr(record, name) for name in columns}
    db.session.add(ServiceRecord(**copied | {"minutes": -record.minutes, "reverses_id": record.id, "reason": "误记"}))
    db.session.flush()


@pytest.fixture
def scene(app: Flask) -> Scene:
    return make_scene(starts_at=FIRST)


HISTORIES = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 600), st.booleans()), max_size=12
)  # day of the record, its minutes, whether it is reversed


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORIES)
def test_the_tally_is_the_sum_of_the_ledger(unit: Unit, scene: Scene, history: list[tuple[int, int, bool]]) -> None:
    def live() -> UUID:
        volunteer_id: UUID = make_volunteer().id
        for day, minutes, is_reversed in history:
            record = credit(scene, volunteer_id, minutes, FIRST + timedelta(days=day))
            if record is not None and is_reversed:
                reverse(record)
        return volunteer_id

    volunteer_id = unit(live)
    expected = sum(minutes for _, minutes, is_reversed in history if not is_reversed)
    ledger, all_time, parts = unit(
        lambda: (
            sum(row.minutes for row in db.session.query(ServiceRecord).filter_by(volunteer_id=volunteer_id)),
            service.tally(volunteer_id, ALL_TIME),
            [service.tally(volunteer_id, parse_period(year)) for year in ("2026", "2027")],
        )
    )
    assert ledger == all_time.credited_minutes == expected
    assert sum(part.credited_minutes for part in all_time.by_period) == expected
    assert sum(part.credited_minutes for part in parts) == expected
    assert all_time.activity_count == (1 if expected > 0 else 0)
    months = [part.period for part in all_time.by_period]
    assert all(before < after for before, after in pairwise(months))


def test_periods_take_their_days(unit: Unit, scene: Scene) -> None:
    # 2026-01-31 23:30 in Shanghai: January, although most of it lies in February.
    unit(lambda: credit(scene, scene.volunteer.id, 90, datetime(2026, 1, 31, 15, 30, tzinfo=UTC)))

    def minutes(period: str) -> int:
        return int(unit(lambda: service.tally(scene.volunteer.id, parse_period(period)).credited_minutes))

    periods = ("2026-01-31", "2026-W05", "2026-01", "2026-Q1", "2026", "all")
    assert [minutes(period) for period in periods] == [90] * 6
    assert [minutes(period) for period in ("2026-02-01", "2026-W06", "2026-02", "2026-Q2", "2025")] == [0] * 5
    [part] = unit(lambda: service.tally(scene.volunteer.id, parse_period("2026-01"))).by_period
    assert (part.period, part.credited_minutes) == ("2026-01-31", 90)
    [part] = unit(lambda: service.tally(scene.volunteer.id, parse_period("2026-Q1"))).by_period
    assert part.period == "2026-01"


def test_zero_minutes_are_no_record(unit: Unit, scene: Scene) -> None:
    assert unit(lambda: credit(scene, scene.volunteer.id, 0, FIRST)) is None
    assert unit(lambda: db.session.query(ServiceRecord).count()) == 0


def refused(app: Flask, work: Callable[[], Any]) -> None:
    """See the database itself refuse; the unit of work would try again, as for a race."""
    with app.app_context():
        try:
            with pytest.raises(DBAPIError):
                work()
        finally:
            db.session.rollback()


def test_an_attendance_is_credited_once_and_reversed_once(app: Flask, unit: Unit, scene: Scene) -> None:
    attendance_id = ids.new_id()
    record = unit(lambda: credit(scene, scene.volunteer.id, 60, FIRST, attendance_id=attendance_id))
    refused(app, lambda: credit(scene, scene.volunteer.id, 60, FIRST, attendance_id=attendance_id))
    unit(lambda: reverse(record))
    refused(app, lambda: reverse(record))
    assert unit(lambda: service.tally(scene.volunteer.id, ALL_TIME).credited_minutes) == 0


@pytest.mark.parametrize("statement", ["UPDATE service_records SET minutes = 1", "DELETE FROM service_records"])
def test_the_ledger_refuses_to_be_changed(app: Flask, unit: Unit, scene: Scene, statement: str) -> None:
    unit(lambda: credit(scene, scene.volunteer.id, 60, FIRST))
    refused(app, lambda: db.session.execute(text(statement)))
    assert unit(lambda: service.tally(scene.volunteer.id, ALL_TIME).credited_minutes) == 60


def test_what_a_day_already_holds(unit: Unit, scene: Scene) -> None:
    def fill() -> list[service.Credited]:
        # From 23:00 to 01:00 in Shanghai, and one that was taken back.
        credit(scene, scene.volunteer.id, 120, datetime(2026, 1, 31, 15, 0, tzinfo=UTC))
        taken_back = credit(scene, scene.volunteer.id, 60, datetime(2026, 1, 31, 2, 0, tzinfo=UTC))
        assert taken_back is not None
        reverse(taken_back)
        return service.credited_on(scene.volunteer.id, date(2026, 2, 1), date(2026, 2, 1))

    found = unit(fill)
    with_zone = unit(lambda: service.minutes_by_day(found))
    assert with_zone == {date(2026, 1, 31): 60, date(2026, 2, 1): 60}


def test_random_attendances_and_their_tally(unit: Unit, scene: Scene) -> None:
    """The same law through check-in and check-out: credited in the ledger, held beside it, nothing between."""

    def attend(number: int) -> None:
        at = FIRST + timedelta(hours=3, minutes=number * 20)
        with clock.at(FIRST - HOUR):
            shift = make_shift(
                organization=scene.organization, created_by=scene.organizer, starts_at=at, hours=0.25, place=None
            )
            sign_ups.sign_up(shift_id=shift.id, volunteer_id=scene.volunteer.id)
        with clock.at(at):
            code = presence_code.code_at(shift.id, at).code if number % 3 else "0"
            evidence = {"client_time": at, "code": code}
            opened = attendance.check_in(volunteer_id=scene.volunteer.id, shift_id=shift.id, evidence=evidence)
        with clock.at(at + timedelta(minutes=number)):
            leaving = {"client_time": clock.now(), "code": presence_code.code_at(shift.id, clock.now()).code}
            attendance.check_out(attendance=opened, evidence=leaving)

    for number in range(1, 9):
        unit(partial(attend, number))
    total = unit(lambda: views.tally(scene.volunteer.id, ALL_TIME))
    rows = unit(lambda: db.session.query(Attendance).all())
    assert total.credited_minutes == sum(row.credited_minutes for row in rows) == 1 + 2 + 4 + 5 + 7 + 8
    assert total.held_minutes == sum(row.held_minutes for row in rows) == 3 + 6
