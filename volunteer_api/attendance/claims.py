"""A volunteer's word for when she left, where she forgot to check out."""

from datetime import datetime

from volunteer_api.attendance import review_notices as notices
from volunteer_api.attendance import review_queries, scene
from volunteer_api.attendance.models import Attendance, Reason, State
from volunteer_api.attendance.problems import LeftBeforeArrival, NothingToClaim, NotYet, TimeIsOver
from volunteer_api.attendance.scene import Scene
from volunteer_api.attendance.settling import hold, minutes_until
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.hours import deadlines
from volunteer_api.sign_ups.queries import lock_volunteer


def claim(*, attendance: Attendance, left_at: datetime, reason: str) -> Attendance:
    """Say when one left an attendance without a check-out; its minutes up to then wait for a leader's review.

    Of one that is open still once its frame is over, that closes it. What lies behind the end of the frame does not
    count. Said again before anybody decided, the last word counts. Raises NothingToClaim, NotYet, LeftBeforeArrival,
    and TimeIsOver once the ten working days are over (409).
    """
    now = clock.now()
    lock_volunteer(attendance.volunteer_id)
    attendance, here = scene.load(attendance.volunteer_id, attendance.id)
    if not _misses_check_out(attendance, here, now):
        raise NothingToClaim(attendance)
    if left_at > now:
        raise NotYet()
    if left_at < attendance.checked_in_at:
        raise LeftBeforeArrival()
    if deadlines.due_on(clock.local_date(here.ends_at)).is_past():
        raise TimeIsOver()
    attendance.claimed_at, attendance.claimed_left_at, attendance.claim_reason = now, left_at, reason
    waits = minutes_until(attendance, here, left_at)
    hold(attendance, {Reason.FORGOTTEN_CHECK_OUT, Reason.CLAIMED}, waits, here)
    db.session.flush()
    for leader_id in review_queries.responsible_for(here):
        if leader_id != attendance.volunteer_id:
            notices.tell_leader(
                notices.CLAIMED,
                leader_id,
                activity=notices.title(here),
                about=notices.about(here),
                once=str(clock.today()),
            )
    return attendance


def _misses_check_out(attendance: Attendance, here: Scene, now: datetime) -> bool:
    if attendance.state == State.OPEN:
        return now >= here.ends_at
    return attendance.state == State.HELD and attendance.checked_out_at is None
