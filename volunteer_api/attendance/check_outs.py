"""Check-out: nothing weak is credited unseen."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from volunteer_api.attendance import scene, timeline
from volunteer_api.attendance.grading import weaker
from volunteer_api.attendance.judging import Told, judge, told
from volunteer_api.attendance.memory import Memory, NotPlain
from volunteer_api.attendance.models import Attendance, Grade
from volunteer_api.attendance.problems import AlreadyCheckedOut, AlreadyReviewed
from volunteer_api.attendance.settling import in_order
from volunteer_api.attendance.timeline import Followers
from volunteer_api.core import clock
from volunteer_api.core.settings import rules
from volunteer_api.sign_ups.queries import lock_volunteer

EVER = datetime.min.replace(tzinfo=UTC)


def check_out(
    *,
    attendance: Attendance,
    evidence: dict[str, Any] | Told,
    received_at: datetime | None = None,
    scanned_by: UUID | None = None,
    memory: Memory | None = None,
    followers: Followers | None = None,
) -> Attendance:
    """End an attendance: credit its minutes, or hold them for review with the reasons.

    One that was closed without the volunteer, by a check-in elsewhere or long after the end, takes its check-out still,
    as long as nobody decided. `received_at` is when the server had it, by default now. `scanned_by`: who read the
    volunteer's own code at a desk. Raises AlreadyReviewed where somebody decided without it, and AlreadyCheckedOut
    (409); of two check-outs the earlier counts, whichever came first. `memory` and `followers`: as of `check_in`.
    """
    end = told(evidence, received_at or clock.now(), scanned=scanned_by is not None)
    if memory is not None:
        attendance, here, others = memory.load_with_others(attendance)
    else:
        lock_volunteer(attendance.volunteer_id)
        attendance, here, others = scene.load_with_others(attendance.volunteer_id, attendance.id)
    known_at = attendance.check_out_tapped_at
    if known_at is None:
        refused = timeline.is_fixed(attendance)
    else:
        refused = not timeline.precedes(attendance, known_at, end.tapped.moment)
    if refused and known_at is None and attendance.reviewed_by is not None:
        raise AlreadyReviewed(attendance)
    if refused:
        raise AlreadyCheckedOut(attendance)
    if memory is not None and (others or known_at is not None):
        raise NotPlain()
    # Whether it was before the check-in is seen by the timeline: that one may move still.
    closes_at = here.ends_at + timedelta(minutes=rules().check_out_closes_minutes)
    judged = judge(here, end, (EVER, closes_at))
    attendance.check_out_tapped_at = end.tapped.moment
    attendance.check_out_evidence = end.evidence
    attendance.check_out_grade = judged.grade
    attendance.check_out_reasons = in_order(judged.doubts)
    attendance.check_out_remarks = judged.remarks
    attendance.check_out_latitude, attendance.check_out_longitude = judged.place or (None, None)
    attendance.check_out_scanned_by = scanned_by
    attendance.grade = weaker(Grade(attendance.check_in_grade), judged.grade)
    timeline.put_in_order(
        attendance,
        since=attendance.checked_in_at,
        here=here,
        alone=not others,
        memory=memory,
        followers=followers,
    )
    if known_at is not None:
        raise AlreadyCheckedOut(attendance)
    return attendance
