"""Whatever a volunteer does at shifts and stations, in whatever order it is told: the sums hold."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.attendance.factories import FAR, NEAR, Scene, loaded_evidence, make_scene, make_shift
from tests.conftest import share_of
from tests.factories import make_volunteer, unit_of
from volunteer_api.attendance import presence_code, service
from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.presence_code import CodeKind
from volunteer_api.attendance.problems import AlreadyCheckedIn, AlreadyCheckedOut, NotYet, TimeIsOver
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.periods import ALL_TIME
from volunteer_api.hours import service as hours
from volunteer_api.hours.days import spread
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.sign_ups import service as sign_ups

MINUTE = timedelta(minutes=1)
# 8:00 in Shanghai.
EIGHT = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
SHIFTS = 3
# Where (a shift, or 3: the station), after how many minutes the next thing is told, how many minutes before that it
# happened, and what the phone shows.
STEPS = st.tuples(
    st.sampled_from(["in", "out"]),
    st.integers(0, SHIFTS),
    st.integers(0, 240),
    st.sampled_from([0, 0, 0, 3, 45, 90]),
    st.sampled_from(["code", "code", "place", "far", "nothing"]),
)


@pytest.fixture
def targets(sqlite_app: Flask) -> list[dict[str, UUID]]:
    """Shifts of five hours one after the other, from 8:00 on, and a station."""
    scene = make_scene(starts_at=EIGHT, hours=5)
    shift_ids = unit_of(sqlite_app)(lambda: make_shifts(scene))
    return [{"shift_id": one} for one in shift_ids] + [{"station_id": scene.station.id}]


def make_shifts(scene: Scene) -> list[UUID]:
    with clock.at(EIGHT - timedelta(days=1)):
        return [
            make_shift(
                organization=scene.organization,
                created_by=scene.organizer,
                starts_at=EIGHT + number * 300 * MINUTE,
                hours=5,
            ).id
            for number in range(SHIFTS)
        ]


@settings(deadline=None, max_examples=share_of(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=4, max_size=14))
def test_the_sums_hold(sqlite_app: Flask, targets: list[dict[str, UUID]], steps: list[Any]) -> None:
    unit = unit_of(sqlite_app)
    volunteer_id = unit(lambda: make_volunteer(name="她").id)

    def sign_up() -> None:
        with clock.at(EIGHT - timedelta(hours=10)):
            for target in targets[:SHIFTS]:
                sign_ups.sign_up(shift_id=target["shift_id"], volunteer_id=volunteer_id)

    unit(sign_up)
    now = EIGHT
    for kind, where, passed, ago, shows in steps:
        now += passed * MINUTE

        def step(
            kind: str = kind,
            target: dict[str, UUID] = targets[where],
            now: datetime = now,
            ago: int = ago,
            shows: str = shows,
        ) -> None:
            moment = now - ago * MINUTE
            with clock.at(now):
                evidence = evidence_of(target, moment, shows)
                if kind == "in":
                    service.check_in(volunteer_id=volunteer_id, evidence=evidence, **target)
                else:
                    found = db.session.query(Attendance).filter_by(volunteer_id=volunteer_id, **target)
                    for attendance in found.order_by(Attendance.id.desc()).limit(1):
                        service.check_out(attendance=attendance, evidence=evidence)

        try:
            unit(step)
        except (AlreadyCheckedIn, AlreadyCheckedOut, NotYet, TimeIsOver):
            continue
    unit(lambda: invariants(volunteer_id))


def evidence_of(target: dict[str, UUID], moment: datetime, shows: str) -> dict[str, Any]:
    """What the phone says of a moment."""
    ((name, target_id),) = target.items()
    kind = CodeKind.SHIFT if name == "shift_id" else CodeKind.STATION
    members: dict[str, dict[str, Any]] = {
        "code": {"code": presence_code.code_at(target_id, moment, kind).code},
        "place": {"place": NEAR, "accuracy_m": 10},
        "far": {"place": FAR, "accuracy_m": 10},
        "nothing": {},
    }
    return loaded_evidence(moment, **members[shows])


def invariants(volunteer_id: UUID) -> None:
    """One open at most; no minute lost, made, or credited twice; no day over its limit; sums equal their parts."""
    attendances = db.session.query(Attendance).filter_by(volunteer_id=volunteer_id).all()
    records = (
        db.session.query(ServiceRecord).filter_by(volunteer_id=volunteer_id).order_by(ServiceRecord.starts_at).all()
    )
    tally = hours.tally(volunteer_id, ALL_TIME)
    assert sum(one.state == "open" for one in attendances) <= 1
    assert tally.credited_minutes == sum(one.minutes for one in records)
    assert tally.credited_minutes == sum(one.credited_minutes for one in attendances)
    assert tally.held_minutes == sum(one.held_minutes for one in attendances if one.state == "held")
    assert all(before.ends_at <= after.starts_at for before, after in pairwise(records))
    days: dict[Any, int] = {}
    for record in records:
        for day, minutes in spread(record.minutes, record.starts_at, record.ends_at, clock.settings().zone).items():
            days[day] = days.get(day, 0) + minutes
    assert all(minutes <= 480 for minutes in days.values())
    for one in attendances:
        assert one.checked_out_at is None or one.checked_in_at <= one.checked_out_at
        assert (one.state == "open") == (one.checked_out_at is None)
        assert one.state != "open" or (one.credited_minutes, one.held_minutes) == (0, 0)
        assert one.state != "credited" or not set(one.reasons) - {"sampled", "impossible_travel"}
        assert one.state != "held" or one.reasons
