"""Check-out: nothing weak is credited unseen."""

from datetime import datetime, timedelta
from typing import Any

from volunteer_api.attendance import queries, scene
from volunteer_api.attendance.evidence import usable
from volunteer_api.attendance.grading import weaker
from volunteer_api.attendance.judging import doubts_of, grade_of, tapped
from volunteer_api.attendance.models import Attendance, Grade, Reason, State
from volunteer_api.attendance.problems import AlreadyCheckedOut
from volunteer_api.attendance.settling import settle
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.sign_ups.queries import lock_volunteer

CHECK_OUT_CLOSES = timedelta(hours=2)


def check_out(*, attendance: Attendance, evidence: dict[str, Any], received_at: datetime | None = None) -> Attendance:
    """End an attendance: credit its minutes, or hold them for review with the reasons.

    One that a check-in elsewhere closed takes its check-out still, once. `received_at` is when the server had it, by
    default now. Raises AlreadyCheckedOut (409).
    """
    received_at = received_at or clock.now()
    volunteer_id = attendance.volunteer_id
    lock_volunteer(volunteer_id)
    here = scene.of_shift(db.session.execute(queries.scene_of_check_out(volunteer_id, attendance.id)).one())
    if attendance.state != State.OPEN and not _waits_for_check_out(attendance):
        raise AlreadyCheckedOut(attendance)
    given = usable(evidence)
    moment = tapped(given, received_at)
    left_at = max(moment.moment, attendance.checked_in_at)
    doubts = {Reason(code) for code in attendance.reasons}
    if attendance.checked_out_at is not None:
        # It was closed by the next check-in: whoever left before that left in good order.
        if left_at <= attendance.checked_out_at:
            doubts.discard(Reason.CHECKED_IN_ELSEWHERE)
        left_at = min(left_at, attendance.checked_out_at)
    graded = grade_of(here, given, moment)
    attendance.checked_out_at = left_at
    attendance.check_out_evidence = evidence
    attendance.check_out_grade = graded
    attendance.grade = weaker(Grade(attendance.check_in_grade), graded)
    doubts |= doubts_of(here, graded, moment, (attendance.checked_in_at, here.ends_at + CHECK_OUT_CLOSES))
    if here.canceled:
        doubts.add(Reason.OUTSIDE_WINDOW)
    settle(attendance, here, left_at, doubts)
    return attendance


def _waits_for_check_out(attendance: Attendance) -> bool:
    """Whether a check-in elsewhere closed it, and its own check-out may still come from a phone without network."""
    return (
        attendance.state == State.HELD
        and Reason.CHECKED_IN_ELSEWHERE in attendance.reasons
        and attendance.check_out_evidence is None
    )
