"""Check-out: nothing weak is credited unseen."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from volunteer_api.attendance import scene
from volunteer_api.attendance.grading import weaker
from volunteer_api.attendance.judging import judge, told
from volunteer_api.attendance.models import Attendance, Grade, Reason, State
from volunteer_api.attendance.problems import AlreadyCheckedOut
from volunteer_api.attendance.settling import settle
from volunteer_api.core import clock
from volunteer_api.sign_ups.queries import lock_volunteer

CHECK_OUT_CLOSES = timedelta(hours=2)


def check_out(
    *,
    attendance: Attendance,
    evidence: dict[str, Any],
    received_at: datetime | None = None,
    scanned_by: UUID | None = None,
) -> Attendance:
    """End an attendance: credit its minutes, or hold them for review with the reasons.

    One that a check-in elsewhere closed takes its check-out still, once. `received_at` is when the server had it, by
    default now. `scanned_by`: who read the volunteer's own code at a desk. Raises AlreadyCheckedOut (409).
    """
    end = told(evidence, received_at or clock.now(), scanned=scanned_by is not None)
    volunteer_id = attendance.volunteer_id
    lock_volunteer(volunteer_id)
    attendance, here = scene.load(volunteer_id, attendance.id)
    if attendance.state != State.OPEN and not _waits_for_check_out(attendance):
        raise AlreadyCheckedOut(attendance)
    left_at = max(end.tapped.moment, attendance.checked_in_at)
    doubts = {Reason(code) for code in attendance.reasons}
    if attendance.checked_out_at is not None:
        # It was closed by the next check-in: whoever left before that left in good order.
        if left_at <= attendance.checked_out_at:
            doubts.discard(Reason.CHECKED_IN_ELSEWHERE)
        left_at = min(left_at, attendance.checked_out_at)
    judged = judge(here, end, (attendance.checked_in_at, here.ends_at + CHECK_OUT_CLOSES))
    attendance.checked_out_at = left_at
    attendance.check_out_evidence = evidence
    attendance.check_out_grade = judged.grade
    attendance.check_out_remarks = judged.remarks
    attendance.check_out_latitude, attendance.check_out_longitude = judged.place or (None, None)
    attendance.check_out_scanned_by = scanned_by
    attendance.grade = weaker(Grade(attendance.check_in_grade), judged.grade)
    settle(attendance, here, left_at, doubts | judged.doubts)
    return attendance


def _waits_for_check_out(attendance: Attendance) -> bool:
    """Whether a check-in elsewhere closed it, and its own check-out may still come from a phone without network."""
    return (
        attendance.state == State.HELD
        and Reason.CHECKED_IN_ELSEWHERE in attendance.reasons
        and attendance.check_out_evidence is None
    )
