"""Check-in: nobody is turned away for weak evidence."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.attendance import minutes, queries, scene
from volunteer_api.attendance.evidence import usable
from volunteer_api.attendance.judging import doubts_of, grade_of, tapped
from volunteer_api.attendance.models import Attendance, Reason
from volunteer_api.attendance.problems import AlreadyCheckedIn
from volunteer_api.attendance.settling import hold, in_order
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.core.settings import rules, settings
from volunteer_api.sign_ups.problems import Canceled, NotPublished
from volunteer_api.sign_ups.queries import lock_volunteer

NOT_YET_PUBLIC = (ActivityState.DRAFT, ActivityState.SUBMITTED)


def check_in(
    *, volunteer_id: UUID, shift_id: UUID, evidence: dict[str, Any], received_at: datetime | None = None
) -> Attendance:
    """Begin an attendance at a shift; of two without a check-out the one begun earlier is closed and held.

    That may be this one, told late by a phone without network. `evidence` has `client_time` as an aware moment;
    `received_at` is when the server had it, by default now. Raises NotFound (404), NotPublished, Canceled or
    AlreadyCheckedIn (409).
    """
    received_at = received_at or clock.now()
    lock_volunteer(volunteer_id)
    row = db.session.execute(queries.scene_of_check_in(volunteer_id, shift_id)).one_or_none()
    if row is None:
        raise NotFound()
    shift: Shift = row.Shift
    _require_open_to_attendance(shift, row.Activity, knows=row.leads or row.Activity.created_by == volunteer_id)
    if row.same is not None:
        raise AlreadyCheckedIn(row.same)
    here = scene.of_shift(row)
    given = usable(evidence)
    moment = tapped(given, received_at)
    graded = grade_of(here, given, moment)
    window = (here.starts_at - timedelta(minutes=rules().check_in_opens_minutes), here.ends_at)
    attendance = Attendance(
        volunteer_id=volunteer_id,
        shift_id=shift_id,
        created_at=received_at,
        checked_in_at=moment.moment,
        check_in_grade=graded,
        grade=graded,
        reasons=in_order(doubts_of(here, graded, moment, window)),
        check_in_evidence=evidence,
    )
    known: Attendance | None = row.Attendance
    if known is not None and moment.moment < known.checked_in_at:
        _close_and_hold(attendance, shift, known.checked_in_at)
    elif known is not None:
        _close_and_hold(known, row.open_shift, moment.moment)
        # Now, or the unit of work inserts the new one first, against the rule of one open attendance.
        db.session.flush()
    db.session.add(attendance)
    db.session.flush()
    return attendance


def _require_open_to_attendance(shift: Shift, activity: Activity, *, knows: bool) -> None:
    # A completed activity takes check-ins still, and one canceled later those of the shifts that were held: a phone
    # without network tells late of what happened in time.
    if activity.state in NOT_YET_PUBLIC:
        raise NotPublished() if knows else NotFound()
    if shift.canceled_at is not None or activity.published_at is None:
        raise Canceled()


def _close_and_hold(attendance: Attendance, shift: Shift | None, next_at: datetime) -> None:
    """End an attendance that nobody checked out of at the check-in elsewhere that came after it."""
    attendance.checked_out_at = next_at
    held_minutes = 0
    if shift is not None:
        starts_at, ends_at = minutes.clip(attendance.checked_in_at, next_at, shift.starts_at, shift.ends_at)
        held_minutes = minutes.count(
            starts_at, ends_at, already={}, limit=rules().credited_minutes_a_day, zone=settings().zone
        ).minutes
    hold(attendance, {Reason.CHECKED_IN_ELSEWHERE}, held_minutes)
