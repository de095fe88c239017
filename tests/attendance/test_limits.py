"""What is held or flagged though the evidence of each end is good: travel, long days, short stays, the lot."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from tests.attendance.factories import FAR, NEAR, TWO_KM, Scene, loaded_evidence, make_scene, make_shift
from tests.factories import unit_of
from volunteer_api.attendance import presence_code, review, service
from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.sampling import is_sampled
from volunteer_api.attendance.travel import is_possible
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.periods import ALL_TIME
from volunteer_api.core.settings import EXTENSION
from volunteer_api.hours import service as hours
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.sign_ups import service as sign_ups

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
# 8:00 in Shanghai.
EIGHT = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
# A hundred kilometers to the north.
THERE = {"lat": 34.6370, "lng": 113.3300}


@pytest.fixture
def unit(sqlite_app: Flask) -> Any:
    """The rules are the same on each database; their SQL is played by the tests over HTTP."""
    return unit_of(sqlite_app)


@contextmanager
def rules_are(app: Flask, **changes: Any) -> Iterator[None]:
    """Let the deployment have chosen otherwise."""
    before = app.extensions[EXTENSION]
    app.extensions[EXTENSION] = dataclasses.replace(before, rules=dataclasses.replace(before.rules, **changes))
    try:
        yield
    finally:
        app.extensions[EXTENSION] = before


def serve(
    volunteer_id: UUID,
    shift_id: UUID,
    arrives: datetime,
    leaves: datetime,
    told: datetime | None = None,
    **sent: Any,
) -> Any:
    """Check in and out with codes and what is sent beside; `told` is when the server has both, in one go."""
    with clock.at(told or arrives):
        code = presence_code.code_at(shift_id, arrives).code
        attendance = service.check_in(
            volunteer_id=volunteer_id, shift_id=shift_id, evidence=loaded_evidence(arrives, code=code, **sent)
        )
    with clock.at(told or leaves):
        code = presence_code.code_at(shift_id, leaves).code
        return service.check_out(attendance=attendance, evidence=loaded_evidence(leaves, code=code, **sent))


def another(scene: Scene, starts_at: datetime, hours: float = 2, **values: Any) -> UUID:
    """Another shift, which the volunteer signed up for."""
    with clock.at(starts_at - 12 * HOUR):
        shift = make_shift(
            organization=scene.organization, created_by=scene.organizer, starts_at=starts_at, hours=hours, **values
        )
        sign_ups.sign_up(shift_id=shift.id, volunteer_id=scene.volunteer.id)
    return shift.id


def read(unit: Any, attendance: Attendance) -> Attendance:
    found: Attendance = unit(lambda: db.session.get_one(Attendance, attendance.id))
    return found


@pytest.mark.parametrize(
    ("kilometers", "hours_between", "expected"),
    [(0.9, 0, True), (1.1, 0, False), (120, 1, True), (121.5, 1, False), (60, 0.5, True), (62, 0.5, False)],
)
def test_how_fast_one_travels(kilometers: float, hours_between: float, expected: bool) -> None:
    here, there = (33.735, 113.33), (33.735 + kilometers / 110.9223, 113.33)
    points = (EIGHT, here), (EIGHT + hours_between * HOUR, there)
    assert is_possible(*points, fastest_kmh=120, slack_m=1000) is expected
    assert is_possible(*reversed(points), fastest_kmh=120, slack_m=1000) is expected


def test_two_places_at_once_are_both_held_or_flagged(unit: Any) -> None:
    scene = make_scene(starts_at=EIGHT, hours=1)
    here = unit(lambda: serve(scene.volunteer.id, scene.shift.id, EIGHT, EIGHT + HOUR))
    assert here.state == "credited"
    # A hundred kilometers in ten minutes; an hour later it is possible.
    there_id = unit(lambda: another(scene, EIGHT + HOUR + 10 * MINUTE, place=THERE))
    there = unit(lambda: serve(scene.volunteer.id, there_id, EIGHT + HOUR + 10 * MINUTE, EIGHT + 3 * HOUR))
    here = read(unit, here)
    assert (there.state, there.reasons, there.conflicts_with_id) == ("held", ["impossible_travel"], here.id)
    # Credited minutes stay until a person takes them back.
    assert (here.state, here.flagged, here.conflicts_with_id) == ("credited", True, there.id)
    assert here.reasons == ["impossible_travel"]
    assert unit(lambda: sum(row.minutes for row in db.session.query(ServiceRecord))) == 60
    possible_id = unit(lambda: another(scene, EIGHT + 5 * HOUR))
    possible = unit(lambda: serve(scene.volunteer.id, possible_id, EIGHT + 5 * HOUR, EIGHT + 6 * HOUR))
    assert (possible.state, possible.reasons) == ("credited", [])


def test_what_is_over_twelve_hours_needs_an_organizer(unit: Any) -> None:
    scene = make_scene(starts_at=EIGHT, hours=7)
    first = unit(lambda: serve(scene.volunteer.id, scene.shift.id, EIGHT, EIGHT + 7 * HOUR))
    assert (first.credited_minutes, first.state) == (420, "credited")
    second_id = unit(lambda: another(scene, EIGHT + 8 * HOUR, 4))
    second = unit(lambda: serve(scene.volunteer.id, second_id, EIGHT + 8 * HOUR, EIGHT + 12 * HOUR))
    assert (second.credited_minutes, second.held_minutes, second.reasons) == (60, 180, ["daily_limit"])
    # 11 hours so far, 3 of them waiting: with these two it would be 13.
    third_id = unit(lambda: another(scene, EIGHT + 13 * HOUR, 2))
    third = unit(lambda: serve(scene.volunteer.id, third_id, EIGHT + 13 * HOUR, EIGHT + 15 * HOUR))
    assert (third.held_minutes, third.reasons) == (120, ["daily_limit", "needs_organizer"])
    tally = unit(lambda: hours.tally(scene.volunteer.id, ALL_TIME))
    assert (tally.credited_minutes, tally.held_minutes) == (480, 300)


@pytest.mark.parametrize(("minutes", "state", "reasons"), [(89, "held", ["below_minimum"]), (90, "credited", [])])
def test_a_share_of_the_shift_may_be_asked_for(
    sqlite_app: Flask, unit: Any, minutes: int, state: str, reasons: list[str]
) -> None:
    scene = make_scene(starts_at=EIGHT)
    with rules_are(sqlite_app, minimum_share_percent=75):
        found = unit(lambda: serve(scene.volunteer.id, scene.shift.id, EIGHT, EIGHT + minutes * MINUTE))
    assert (found.state, found.reasons) == (state, reasons)
    assert found.credited_minutes + found.held_minutes == minutes


def test_what_is_drawn_by_lot_is_credited_and_flagged(sqlite_app: Flask, unit: Any) -> None:
    scene = make_scene(starts_at=EIGHT)

    def by_place() -> Attendance:
        ends = [loaded_evidence(moment, place=NEAR, accuracy_m=5) for moment in (EIGHT, EIGHT + HOUR)]
        with clock.at(EIGHT):
            came = service.check_in(volunteer_id=scene.volunteer.id, shift_id=scene.shift.id, evidence=ends[0])
        with clock.at(EIGHT + HOUR):
            return service.check_out(attendance=came, evidence=ends[1])

    with rules_are(sqlite_app, sampled_percent=100):
        drawn = unit(by_place)
        late_id = unit(lambda: another(scene, EIGHT + 3 * HOUR))
        late = unit(
            lambda: serve(
                scene.volunteer.id, late_id, EIGHT + 3 * HOUR, EIGHT + 4 * HOUR, told=EIGHT + 4 * HOUR + 30 * MINUTE
            )
        )
        sent_on_id = unit(lambda: another(scene, EIGHT + 6 * HOUR))
        sent_on = unit(lambda: serve(scene.volunteer.id, sent_on_id, EIGHT + 6 * HOUR, EIGHT + 7 * HOUR))
        there_id = unit(lambda: another(scene, EIGHT + 9 * HOUR))
        here = {"place": NEAR, "accuracy_m": 5}
        there = unit(lambda: serve(scene.volunteer.id, there_id, EIGHT + 9 * HOUR, EIGHT + 10 * HOUR, **here))
    for one in (drawn, late, sent_on):
        assert (one.state, one.reasons, one.flagged, one.credited_minutes) == ("credited", ["sampled"], True, 60)
    assert (there.grade, there.reasons, there.flagged) == ("strong", [], False)


@pytest.mark.parametrize(
    ("sent", "state", "reasons"),
    [
        # Outside of the fence, though not so far off that the code must have been passed on.
        ({"place": FAR, "accuracy_m": 5}, "credited", ["sampled"]),
        ({"place": NEAR, "accuracy_m": 5}, "credited", []),
        ({"place": TWO_KM, "accuracy_m": 5}, "held", ["code_elsewhere"]),
        # Who says that she knows nothing has told no place.
        ({"place": TWO_KM, "accuracy_m": 1e7}, "credited", ["sampled"]),
    ],
)
def test_a_place_outside_spares_no_late_code_the_lot(
    sqlite_app: Flask, unit: Any, sent: dict[str, Any], state: str, reasons: list[str]
) -> None:
    scene = make_scene(starts_at=EIGHT)
    with rules_are(sqlite_app, sampled_percent=100):
        late = unit(
            lambda: serve(
                scene.volunteer.id, scene.shift.id, EIGHT, EIGHT + HOUR, told=EIGHT + HOUR + 30 * MINUTE, **sent
            )
        )
    assert (late.state, late.reasons) == (state, reasons)


def test_the_lot_draws_its_share_and_the_same_each_time(sqlite_app: Flask) -> None:
    with sqlite_app.app_context():
        drawn_from = [Attendance(id=ids.new_id(), grade="medium") for _ in range(2000)]
        first, again = ([is_sampled(one, 20) for one in drawn_from] for _ in range(2))
        # A fifth of 2,000, six standard deviations to either side.
        assert 290 < sum(first) < 510
        assert first == again
        assert not any(is_sampled(one, 0) for one in drawn_from)


def test_what_a_leader_credited_leaves_no_room_for_what_is_told_later(unit: Any) -> None:
    scene = make_scene(starts_at=EIGHT, hours=8)
    evening = unit(lambda: another(scene, EIGHT + 8 * HOUR, 7))

    def weak() -> UUID:
        with clock.at(EIGHT + 8 * HOUR):
            made = service.check_in(
                volunteer_id=scene.volunteer.id, shift_id=evening, evidence=loaded_evidence(clock.now())
            )
        with clock.at(EIGHT + 15 * HOUR):
            service.check_out(attendance=made, evidence=loaded_evidence(clock.now()))
            return made.id

    held = unit(weak)
    unit(lambda: review.decide(attendance_id=held, reviewer_id=scene.leader.id, decision="credit", reason="在的"))
    end = EIGHT + 8 * HOUR
    late = unit(lambda: serve(scene.volunteer.id, scene.shift.id, EIGHT, end, told=EIGHT + 20 * HOUR))
    assert (late.credited_minutes, late.held_minutes) == (60, 420)
    assert late.reasons == ["daily_limit", "needs_organizer"]


def test_of_a_night_each_day_has_its_own_minutes(unit: Any) -> None:
    scene = make_scene(starts_at=EIGHT, hours=6)
    night = unit(lambda: another(scene, EIGHT + 10 * HOUR, 12))
    morning = unit(lambda: another(scene, EIGHT + 22 * HOUR, 4))
    volunteer_id = scene.volunteer.id
    unit(lambda: serve(volunteer_id, scene.shift.id, EIGHT, EIGHT + 6 * HOUR))
    # From six to six: two hours of the first day's eight are left, and all six of the second day count.
    second = unit(lambda: serve(volunteer_id, night, EIGHT + 10 * HOUR, EIGHT + 22 * HOUR))
    assert (second.credited_minutes, second.held_minutes) == (480, 240)
    record = unit(lambda: db.session.query(ServiceRecord).filter_by(attendance_id=second.id).one())
    assert (record.starts_at, record.ends_at) == (EIGHT + 14 * HOUR, EIGHT + 22 * HOUR)
    third = unit(lambda: serve(volunteer_id, morning, EIGHT + 22 * HOUR, EIGHT + 26 * HOUR))
    assert (third.credited_minutes, third.held_minutes) == (120, 120)
