"""What leaders are told of shifts to come before it is too late: too few people, and days off."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import update

from volunteer_api.activities import notices, queries, recurrence
from volunteer_api.activities.leaders import who_hears_of
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.core import clock, holidays
from volunteer_api.core.database import db
from volunteer_api.core.settings import rules
from volunteer_api.core.statements import among
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.templates import register

SHIFT_AT_RISK = register(
    "shift_at_risk",
    "A shift has too few people",
    "%(confirmed)s of the %(minimum)s people that %(activity)s needs have signed up.",
    Group.ACTIVITIES,
)
HOLIDAYS_KNOWN = register(
    "holidays_known",
    "Shifts fall on days to leave out",
    "The public holidays until %(known_through)s are announced: %(count)s shifts of %(activity)s, the first on "
    "%(first_on)s, fall on days that its rule leaves out. Give the rule again to leave them out.",
    Group.ACTIVITIES,
)


def tell_of_risk() -> int:
    """Tell the leaders of every shift that begins soon with fewer people than its minimum, once until it has enough;
    returns of how many.

    It is no change of the shift: its version stays, and a form that a leader has open.
    """
    now = clock.now()
    until = now + timedelta(hours=rules().risk_notice_hours)
    risky = db.session.execute(queries.shifts_at_risk(now, until)).all()
    _note_told([shift.id for shift, _ in risky], now)
    for shift, activity in risky:
        values = {
            "shift_id": str(shift.id),
            "confirmed": str(shift.confirmed_count),
            "minimum": str(shift.minimum),
            "starts_at": clock.stamp(shift.starts_at),
            "ends_at": clock.stamp(shift.ends_at),
        }
        # A shift that was moved, or had enough people since, may be at risk once more.
        once = f"{shift.id}:{now.isoformat()}"
        notices.tell(SHIFT_AT_RISK, activity, who_hears_of(activity), once=once, **values)
    _note_told(db.session.scalars(queries.shifts_out_of_risk(now, until)).all(), None)
    return len(risky)


def _note_told(shift_ids: Sequence[UUID], at: datetime | None) -> None:
    if shift_ids:
        told = update(Shift).where(among(Shift.id, shift_ids)).values(risk_told_at=at)
        db.session.execute(told.execution_options(synchronize_session=False))


def tell_of_holidays() -> int:
    """Tell leaders, once for each announcement, of shifts on days off that were not known when the rule was given.

    The shifts stay: people may have signed up. Who leads gives the rule again, or lets them be. Returns of how many
    activities.
    """
    known_through = holidays.known_through()
    concerned: dict[Activity, list[Shift]] = {}
    for shift, activity in db.session.execute(queries.shifts_by_old_calendars(clock.now(), known_through)):
        if recurrence.is_skipped(clock.local_date(shift.starts_at), activity.recurrence or {}):
            concerned.setdefault(activity, []).append(shift)
    for activity, found in concerned.items():
        values = {
            "count": str(len(found)),
            "first_on": clock.local_date(found[0].starts_at).isoformat(),
            "known_through": known_through.isoformat(),
        }
        once = f"{activity.id}:{known_through}"
        notices.tell(HOLIDAYS_KNOWN, activity, who_hears_of(activity), once=once, **values)
    return len(concerned)
