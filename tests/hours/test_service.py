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
from tests.conftest import share_of
from tests.factories import make_volunteer
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance import presence_code, views
from volunteer_api.attendance import service as attendance
from volunteer_api.attendance.models import Attendance
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.periods import ALL_TIME, parse_period
from volunteer_api.core.problems import NotFound
from volunteer_api.hours import service
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.hours.problems import HoursAlreadyReversed, OwnHours, ReversalStays
from volunteer_api.sign_ups import service as sign_ups
from volunteer_api.stations.models import Station

pytestmark = pytest.mark.both_databases

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


def reverse(record: ServiceRecord, scene: Scene) -> ServiceRecord:
    """Take a record back."""
    return service.reverse(record_id=record.id, reason="误记", actor_id=scene.organizer.id)


@pytest.fixture
def scene(app: Flask) -> Scene:
    return make_scene(starts_at=FIRST)


HISTORIES = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 600), st.booleans()), max_size=12
)  # day of the record, its minutes, whether it is reversed


@settings(max_examples=share_of(13), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORIES)
def test_the_tally_is_the_sum_of_the_ledger(unit: Unit, scene: Scene, history: list[tuple[int, int, bool]]) -> None:
    def live() -> UUID:
        volunteer_id: UUID = make_volunteer().id
        for day, minutes, is_reversed in history:
            record = credit(scene, volunteer_id, minutes, FIRST + timedelta(days=day))
            if record is not None and is_reversed:
                reverse(record, scene)
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


def test_an_attendance_has_one_credit_that_stands(app: Flask, unit: Unit, scene: Scene) -> None:
    attendance_id, actor_id = ids.new_id(), scene.organizer.id

    def again(minutes: int) -> ServiceRecord:
        record = credit(scene, scene.volunteer.id, minutes, FIRST, attendance_id=attendance_id)
        assert record is not None
        # The database chose what it follows.
        db.session.refresh(record)
        return record

    def take_back() -> ServiceRecord | None:
        return service.take_back(attendance_id=attendance_id, reason="误记", actor_id=actor_id)

    assert unit(take_back) is None
    record = unit(lambda: again(60))
    refused(app, lambda: again(60))
    reversal = unit(take_back)
    assert (reversal.minutes, reversal.reverses_id, reversal.on) == (-60, record.id, record.on)
    assert (reversal.recorder_id, reversal.reason, reversal.attendance_id) == (actor_id, "误记", attendance_id)
    with pytest.raises(HoursAlreadyReversed):
        unit(lambda: reverse(record, scene))
    with pytest.raises(ReversalStays):
        unit(lambda: reverse(reversal, scene))
    assert unit(take_back) is None
    corrected = unit(lambda: again(45))
    assert corrected.follows_id == reversal.id
    refused(app, lambda: again(45))
    assert unit(lambda: service.tally(scene.volunteer.id, ALL_TIME).credited_minutes) == 45
    # And once more: the chain has no end.
    second = unit(take_back)
    assert second.reverses_id == corrected.id
    assert unit(lambda: again(30)).follows_id == second.id
    assert unit(lambda: service.tally(scene.volunteer.id, ALL_TIME).credited_minutes) == 30


def test_nobody_takes_back_their_own(unit: Unit, scene: Scene) -> None:
    record = unit(lambda: credit(scene, scene.volunteer.id, 60, FIRST))
    with pytest.raises(OwnHours):
        unit(lambda: service.reverse(record_id=record.id, reason="误记", actor_id=scene.volunteer.id))
    with pytest.raises(NotFound):
        unit(lambda: service.reverse(record_id=ids.new_id(), reason="误记", actor_id=scene.organizer.id))


@pytest.mark.parametrize("vouching", [("volunteer", None), (None, "volunteer"), ("organizer", "organizer")])
@pytest.mark.both_databases
def test_the_database_knows_dual_control(app: Flask, scene: Scene, vouching: tuple[str | None, str | None]) -> None:
    recorder, approver = ((getattr(scene, name).id if name else None) for name in vouching)
    refused(app, lambda: credit(scene, scene.volunteer.id, 60, FIRST, recorder_id=recorder, approver_id=approver))


def test_a_duty_belongs_to_its_station(unit: Unit, scene: Scene) -> None:
    def serve() -> ServiceRecord | None:
        return service.credit(
            volunteer_id=scene.volunteer.id,
            minutes=30,
            activity=None,
            shift=None,
            station=db.session.get_one(Station, scene.station.id),
            # 2026-01-02 00:30 in Shanghai.
            starts_at=datetime(2026, 1, 1, 16, 30, tzinfo=UTC),
            ends_at=datetime(2026, 1, 1, 17, 0, tzinfo=UTC),
        )

    record = unit(serve)
    assert record.on == date(2026, 1, 2)
    assert record.content == f"{scene.station.name}值守"
    assert (record.activity_id, record.shift_id, record.station_id) == (None, None, scene.station.id)
    assert record.organization_path_id == scene.organization.path_id


@pytest.mark.parametrize("statement", ["UPDATE service_records SET minutes = 1", "DELETE FROM service_records"])
@pytest.mark.both_databases
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
        reverse(taken_back, scene)
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
