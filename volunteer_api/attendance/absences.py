"""Who had a place in a shift and did not come, once no phone without network can tell otherwise any more."""

from datetime import timedelta

from sqlalchemy import exists, or_, select

from volunteer_api.activities.models import Shift
from volunteer_api.attendance.models import Attendance, RollCallMark, RollCallStatus, State
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.settings import rules
from volunteer_api.sign_ups import service as sign_ups
from volunteer_api.sign_ups.models import SignUp, SignUpState

# What a review or a late batch changes is seen that long; after it a shift's history is settled.
LOOKED_AT_DAYS = 30
BATCH = 1000


def record_absences() -> int:
    """Record the no-shows of shifts that ended more than 72 hours ago, and take back those of who came after all.

    A rejected attendance is none; whom a leader excused at the roll-call is no no-show. Returns how many sign-ups
    changed, at most 1,000 of either kind in one run.
    """
    latest = clock.now() - timedelta(hours=rules().late_evidence_hours)
    came = exists().where(
        Attendance.shift_id == SignUp.shift_id,
        Attendance.volunteer_id == SignUp.volunteer_id,
        Attendance.state != State.REJECTED,
    )
    excused = exists().where(
        RollCallMark.shift_id == SignUp.shift_id,
        RollCallMark.volunteer_id == SignUp.volunteer_id,
        RollCallMark.status == RollCallStatus.EXCUSED,
    )
    ended = (
        select(SignUp.id)
        .join(Shift, Shift.id == SignUp.shift_id)
        .where(
            SignUp.state == SignUpState.CONFIRMED,
            Shift.canceled_at.is_(None),
            Shift.ends_at <= latest,
            Shift.ends_at > latest - timedelta(days=LOOKED_AT_DAYS),
        )
        .order_by(SignUp.id)
        .limit(BATCH)
    )
    absent = db.session.scalars(ended.where(SignUp.absent_at.is_(None), ~came, ~excused)).all()
    present = db.session.scalars(ended.where(SignUp.absent_at.is_not(None), or_(came, excused))).all()
    sign_ups.record_absences(absent, absent=True)
    sign_ups.record_absences(present, absent=False)
    return len(absent) + len(present)
