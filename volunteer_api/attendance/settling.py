"""What an attendance comes to: its minutes are credited, or held for review."""

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from volunteer_api.attendance import minutes
from volunteer_api.attendance.models import Attendance, Reason, State
from volunteer_api.attendance.scene import Scene
from volunteer_api.core import clock, texts
from volunteer_api.core.database import db
from volunteer_api.core.settings import rules, settings
from volunteer_api.hours import service as hours
from volunteer_api.hours.days import MINUTE, whole_minutes


def settle(
    attendance: Attendance,
    scene: Scene,
    left_at: datetime,
    doubts: Iterable[Reason],
    *,
    besides: Collection[UUID] = (),
) -> None:
    """Credit or hold what the attendance was worth until `left_at`; without doubts it is credited.

    What the ledger holds of it already stays where it is the same, and is taken back where it is not. `besides` are the
    attendances that come after it: they find what it leaves of a day's limit, and not the other way around.
    """
    reasons = set(doubts)
    starts_at, ends_at = minutes.clip(attendance.checked_in_at, left_at, scene.starts_at, scene.ends_at)
    known = hours.credited_on(
        attendance.volunteer_id,
        clock.local_date(starts_at),
        clock.local_date(ends_at),
        besides={attendance.id, *besides},
    )
    counted = minutes.count(
        starts_at,
        ends_at,
        already=hours.minutes_by_day(known),
        limit=rules().credited_minutes_a_day,
        zone=settings().zone,
    )
    if any(whole_minutes(max(record.starts_at, starts_at), min(record.ends_at, ends_at)) for record in known):
        reasons.add(Reason.OVERLAPPING)
    credited = 0 if reasons else counted.within_limit
    attendance.state = State.HELD if reasons or counted.over_limit else State.CREDITED
    attendance.held_minutes = counted.minutes - credited
    if counted.over_limit:
        reasons.add(Reason.DAILY_LIMIT)
    attendance.reasons = in_order(reasons)
    _credit(attendance, scene, credited, starts_at, ends_at)
    db.session.flush()


def hold(attendance: Attendance, reasons: Iterable[Reason], minutes: int) -> None:
    """Hold an attendance for review with these reasons beside its own; `minutes` are what a review may credit."""
    attendance.state, attendance.held_minutes = State.HELD, minutes
    attendance.reasons = in_order({*reasons, *map(Reason, attendance.reasons)})


def reopen(attendance: Attendance) -> None:
    """Let an attendance be open again: what closed it was told out of turn."""
    attendance.state, attendance.held_minutes, attendance.checked_out_at = State.OPEN, 0, None
    attendance.reasons = list(attendance.check_in_reasons)


def _credit(attendance: Attendance, scene: Scene, credited: int, starts_at: datetime, ends_at: datetime) -> None:
    """Let the ledger hold these minutes of the attendance, and nothing else of it."""
    if attendance.credited_minutes:
        standing = hours.standing_of(attendance.id)
        if standing is not None:
            moved = max(abs(standing.starts_at - starts_at), abs(standing.ends_at - ends_at))
            if standing.minutes == credited and moved < MINUTE:
                return  # two phones a moment apart, and the same minutes
            reason = texts.translate("A check-in or check-out that was made earlier arrived later.")
            hours.take_back(attendance_id=attendance.id, reason=reason, actor_id=None)
    attendance.credited_minutes = credited
    hours.credit(
        volunteer_id=attendance.volunteer_id,
        minutes=credited,
        activity=scene.activity,
        shift=scene.shift,
        starts_at=starts_at,
        ends_at=ends_at,
        attendance_id=attendance.id,
        team_id=scene.team_id,
        leader_id=scene.leader_id,
    )


def in_order(reasons: Iterable[Reason]) -> list[str]:
    """The codes of reasons as an attendance keeps them: each once, in the order of the enumeration."""
    chosen = set(reasons)
    return [reason.value for reason in Reason if reason in chosen]
