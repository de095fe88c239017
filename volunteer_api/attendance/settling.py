"""What an attendance comes to: its minutes are credited, or held for review."""

from collections.abc import Iterable
from datetime import datetime

from volunteer_api.attendance import minutes
from volunteer_api.attendance.models import Attendance, Reason, State
from volunteer_api.attendance.scene import Scene
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.settings import rules, settings
from volunteer_api.hours import service as hours


def settle(attendance: Attendance, scene: Scene, left_at: datetime, doubts: Iterable[Reason]) -> None:
    """Credit or hold what the attendance was worth until `left_at`; without doubts it is credited."""
    reasons = set(doubts)
    starts_at, ends_at = minutes.clip(attendance.checked_in_at, left_at, scene.starts_at, scene.ends_at)
    known = hours.credited_on(attendance.volunteer_id, clock.local_date(starts_at), clock.local_date(ends_at))
    counted = minutes.count(
        starts_at,
        ends_at,
        already=hours.minutes_by_day(known),
        limit=rules().credited_minutes_a_day,
        zone=settings().zone,
    )
    if any(record.starts_at < ends_at and starts_at < record.ends_at for record in known):
        reasons.add(Reason.OVERLAPPING)
    if reasons:
        attendance.state, attendance.held_minutes = State.HELD, counted.minutes
    else:
        attendance.state = State.HELD if counted.over_limit else State.CREDITED
        attendance.held_minutes, attendance.credited_minutes = counted.over_limit, counted.within_limit
        hours.credit(
            volunteer_id=attendance.volunteer_id,
            minutes=counted.within_limit,
            activity=scene.activity,
            shift=scene.shift,
            starts_at=starts_at,
            ends_at=ends_at,
            attendance_id=attendance.id,
            team_id=scene.team_id,
            leader_id=scene.leader_id,
        )
    if counted.over_limit:
        reasons.add(Reason.DAILY_LIMIT)
    attendance.reasons = in_order(reasons)
    db.session.flush()


def hold(attendance: Attendance, reasons: Iterable[Reason], minutes: int) -> None:
    """Hold an attendance for review with these reasons beside its own; `minutes` are what a review may credit."""
    attendance.state, attendance.held_minutes = State.HELD, minutes
    attendance.reasons = in_order({*reasons, *map(Reason, attendance.reasons)})


def in_order(reasons: Iterable[Reason]) -> list[str]:
    """The codes of reasons as an attendance keeps them: each once, in the order of the enumeration."""
    chosen = set(reasons)
    return [reason.value for reason in Reason if reason in chosen]
