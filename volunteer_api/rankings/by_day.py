"""What was reached on each local day, by the rule of the rankings."""

from datetime import date
from typing import Any

from sqlalchemy import BigInteger, cast, distinct, func, select
from sqlalchemy.orm import aliased

from volunteer_api.activities.models import Shift
from volunteer_api.attendance.models import Attendance
from volunteer_api.core.database import db
from volunteer_api.organizations.models import PathMember
from volunteer_api.rankings.facts import Question, Rows, activity_days, attended_shifts, records
from volunteer_api.rankings.local_days import local_day
from volunteer_api.rankings.schemas import Metric


def values_by_day(question: Question) -> dict[date, int]:
    """The value of each day of the question's period that has any, in its scope. One statement.

    The days add up to the ranking's own value, but for volunteers: who comes on two days is one volunteer.
    """
    # SQLite tells the day of a moment as a text.
    return {date.fromisoformat(str(row.day)): int(row.value) for row in db.session.execute(_by_day(question))}


def _by_day(question: Question) -> Rows:
    day, value, facts = _counted(question)
    statement: Rows = select(day.label("day"), cast(value, BigInteger).label("value")).select_from(facts)
    if question.scope is not None:
        member = aliased(PathMember)
        statement = statement.join(member, member.path_id == facts.c.path_id).where(
            member.ancestor_id == question.scope
        )
    return statement.group_by(day).order_by(day)


def _counted(question: Question) -> tuple[Any, Any, Any]:
    """The day, what is counted on it, and of which facts."""
    if question.metric is Metric.CREDITED_MINUTES:
        ledger = records(question)
        return ledger.c.on, func.coalesce(func.sum(ledger.c.minutes), 0), ledger
    if question.metric is Metric.ACTIVITY_COUNT:
        days = activity_days(question)
        return days.c.day, func.count(), days
    attended = attended_shifts(question, Shift.id, Attendance.volunteer_id, local_day(Shift.starts_at).label("day"))
    value = func.count() if question.additive else func.count(distinct(attended.c.volunteer_id))
    return attended.c.day, value, attended
