"""One statement for each part of a screen, built once: `volunteer_id` and `now` are bound to it by name."""

from functools import cache
from typing import Any

from sqlalchemy import Select, Uuid, bindparam, case, exists, func, select
from sqlalchemy.orm import aliased

from volunteer_api.activities.models import Activity, ActivityState, Shift, ShiftRole
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.certificates.queries import star_level_held
from volunteer_api.core.database import UtcDateTime
from volunteer_api.core.periods import ALL_TIME
from volunteer_api.hours import queries as hours
from volunteer_api.hours import tallies
from volunteer_api.hours.models import SubjectKind
from volunteer_api.notifications.models import Notification
from volunteer_api.sign_ups.models import ACTIVE_SIGN_UPS, SignUp, SignUpState
from volunteer_api.stations.models import Station

NEXT_SIGN_UPS = 3
VOLUNTEER_ID: Any = bindparam("volunteer_id", type_=Uuid())
NOW: Any = bindparam("now", type_=UtcDateTime())


@cache
def next_sign_ups() -> Select[Any]:
    """The volunteer's sign-ups for shifts that run or will and that she has not left, the first to start first."""
    ahead = aliased(SignUp)
    place = (
        select(func.count())
        .select_from(ahead)
        .where(
            ahead.shift_id == SignUp.shift_id,
            ahead.state == SignUpState.WAITLISTED,
            ahead.position <= SignUp.position,
        )
        .scalar_subquery()
    )
    has_left = exists().where(
        Attendance.shift_id == SignUp.shift_id,
        Attendance.volunteer_id == SignUp.volunteer_id,
        Attendance.checked_out_at.is_not(None),
    )
    return (
        select(
            SignUp.id,
            SignUp.state,
            SignUp.team_id,
            SignUp.asked_at,
            ShiftRole,
            case((SignUp.state == SignUpState.WAITLISTED, place)).label("waitlist_position"),
            Shift,
            Activity,
        )
        .join(Shift, Shift.id == SignUp.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .outerjoin(ShiftRole, ShiftRole.id == SignUp.role_id)
        .where(
            SignUp.volunteer_id == VOLUNTEER_ID,
            SignUp.state.in_(ACTIVE_SIGN_UPS),
            Shift.canceled_at.is_(None),
            Shift.ends_at > NOW,
            Activity.state == ActivityState.PUBLISHED,
            ~has_left,
        )
        .order_by(Shift.starts_at, SignUp.id)
        .limit(NEXT_SIGN_UPS)
    )


@cache
def open_attendance() -> Select[Any]:
    """The one attendance without a check-out, with what it is at."""
    return (
        select(*Attendance.__table__.columns, Shift, Activity, Station)
        .outerjoin(Shift, Shift.id == Attendance.shift_id)
        .outerjoin(Activity, Activity.id == Shift.activity_id)
        .outerjoin(Station, Station.id == Attendance.station_id)
        .where(Attendance.volunteer_id == VOLUNTEER_ID, Attendance.state == State.OPEN)
    )


@cache
def sums() -> Select[Any]:
    """One row with all that is only a number: the tally of all time, and the unread notifications."""
    mine = tallies.total(SubjectKind.VOLUNTEER, VOLUNTEER_ID).subquery()
    unread = (
        select(func.count())
        .select_from(Notification)
        .where(Notification.volunteer_id == VOLUNTEER_ID, Notification.read_at.is_(None))
    )
    return select(
        mine.c.credited_minutes,
        mine.c.held_minutes,
        hours.activity_count(VOLUNTEER_ID, ALL_TIME).scalar_subquery().label("activity_count"),
        star_level_held(VOLUNTEER_ID).scalar_subquery().label("star_level"),
        unread.scalar_subquery().label("unread_count"),
    )
