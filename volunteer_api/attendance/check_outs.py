"""Check-out: nothing weak is credited unseen."""

from datetime import UTC, datetime, timedelta
from typing import Any

from volunteer_api.attendance import queries, scene, timeline
from volunteer_api.attendance.evidence import usable
from volunteer_api.attendance.grading import weaker
from volunteer_api.attendance.judging import doubts_of, grade_of, tapped
from volunteer_api.attendance.models import Attendance, Grade, Reason
from volunteer_api.attendance.problems import AlreadyCheckedOut
from volunteer_api.attendance.settling import in_order
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.sign_ups.queries import lock_volunteer

CHECK_OUT_CLOSES = timedelta(hours=2)
EVER = datetime.min.replace(tzinfo=UTC)


def check_out(*, attendance: Attendance, evidence: dict[str, Any], received_at: datetime | None = None) -> Attendance:
    """End an attendance: credit its minutes, or hold them for review with the reasons.

    One that a check-in elsewhere closed takes its check-out still. `received_at` is when the server had it, by default
    now. Raises AlreadyCheckedOut (409); of two check-outs the earlier counts, whichever came first.
    """
    received_at = received_at or clock.now()
    volunteer_id = attendance.volunteer_id
    lock_volunteer(volunteer_id)
    row = db.session.execute(queries.scene_of_check_out(volunteer_id, attendance.id)).one()
    here = scene.of_shift(row)
    given = usable(evidence)
    moment = tapped(given, received_at)
    known_at = attendance.check_out_tapped_at
    if known_at is None:
        refused = timeline.is_fixed(attendance)
    else:
        refused = not timeline.precedes(attendance, known_at, moment.moment)
    if refused:
        raise AlreadyCheckedOut(attendance)
    graded = grade_of(here, given, moment)
    # Whether it was before the check-in is seen by the timeline: that one may move still.
    doubts = doubts_of(here, graded, moment, (EVER, here.ends_at + CHECK_OUT_CLOSES))
    if here.canceled:
        doubts.add(Reason.OUTSIDE_WINDOW)
    attendance.check_out_tapped_at = moment.moment
    attendance.check_out_evidence = evidence
    attendance.check_out_grade = graded
    attendance.check_out_reasons = in_order(doubts)
    attendance.grade = weaker(Grade(attendance.check_in_grade), graded)
    timeline.put_in_order(attendance, since=attendance.checked_in_at, here=here, alone=not row.others)
    if known_at is not None:
        raise AlreadyCheckedOut(attendance)
    return attendance
