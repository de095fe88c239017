"""Check-in: nobody is turned away for weak evidence."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.attendance import queries, scene, timeline
from volunteer_api.attendance.evidence import usable
from volunteer_api.attendance.grading import weaker
from volunteer_api.attendance.judging import doubts_of, grade_of, tapped
from volunteer_api.attendance.models import Attendance, Grade, State
from volunteer_api.attendance.problems import AlreadyCheckedIn
from volunteer_api.attendance.settling import in_order
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.core.settings import rules
from volunteer_api.sign_ups.problems import Canceled, NotPublished
from volunteer_api.sign_ups.queries import lock_volunteer

NOT_YET_PUBLIC = (ActivityState.DRAFT, ActivityState.SUBMITTED)


def check_in(
    *, volunteer_id: UUID, shift_id: UUID, evidence: dict[str, Any], received_at: datetime | None = None
) -> Attendance:
    """Begin an attendance at a shift; of two without a check-out the one begun earlier is closed and held.

    That may be this one, told late by a phone without network. `evidence` has `client_time` as an aware moment;
    `received_at` is when the server had it, by default now. Raises NotFound (404), NotPublished, Canceled or
    AlreadyCheckedIn (409); of two check-ins to one shift the earlier counts, whichever came first.
    """
    received_at = received_at or clock.now()
    lock_volunteer(volunteer_id)
    given = usable(evidence)
    moment = tapped(given, received_at)
    row = db.session.execute(queries.scene_of_check_in(volunteer_id, shift_id, moment.moment)).one_or_none()
    if row is None:
        raise NotFound()
    shift: Shift = row.Shift
    _require_open_to_attendance(shift, row.Activity, knows=row.leads or row.Activity.created_by == volunteer_id)
    here = scene.of_shift(row)
    known: Attendance | None = row.same
    if known is not None and not timeline.precedes(known, known.checked_in_at, moment.moment):
        raise AlreadyCheckedIn(known)
    graded = grade_of(here, given, moment)
    window = (here.starts_at - timedelta(minutes=rules().check_in_opens_minutes), here.ends_at)
    doubts = in_order(doubts_of(here, graded, moment, window))
    attendance = known or Attendance(
        id=ids.new_id(),
        volunteer_id=volunteer_id,
        shift_id=shift_id,
        created_at=received_at,
        state=State.OPEN,
        held_minutes=0,
        credited_minutes=0,
        reasons=doubts,
    )
    attendance.checked_in_at = moment.moment
    attendance.check_in_grade = graded
    attendance.grade = weaker(graded, Grade(attendance.check_out_grade or graded))
    attendance.check_in_reasons = doubts
    attendance.check_in_evidence = evidence
    # Of one that may be settled again, the timeline reads what a check-out looks at.
    timeline.put_in_order(attendance, since=moment.moment, here=here if known is None else None, alone=not row.others)
    if known is not None:
        raise AlreadyCheckedIn(known)
    return attendance


def _require_open_to_attendance(shift: Shift, activity: Activity, *, knows: bool) -> None:
    # A completed activity takes check-ins still, and one canceled later those of the shifts that were held: a phone
    # without network tells late of what happened in time.
    if activity.state in NOT_YET_PUBLIC:
        raise NotPublished() if knows else NotFound()
    if shift.canceled_at is not None or activity.published_at is None:
        raise Canceled()
