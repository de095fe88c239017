"""What was reached on each local day, by the rule of the rankings."""

from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, cast, distinct, func, select, union_all

from volunteer_api.activities.models import Shift
from volunteer_api.attendance.models import Attendance
from volunteer_api.core.database import db
from volunteer_api.rankings import changes, headcounts, sums
from volunteer_api.rankings.facts import Question, Rows, activity_days, attended_shifts, in_scope, records
from volunteer_api.rankings.local_days import local_day
from volunteer_api.rankings.minutes import minutes
from volunteer_api.rankings.models import RankingHeadcount, RankingHistogram
from volunteer_api.rankings.schemas import Metric, Subject
from volunteer_api.rankings.spans import days, within
from volunteer_api.rankings.turnout import turnout


def values_by_day(question: Question) -> dict[date, int]:
    """The value of each day of the question's period that has any, in its scope. One statement.

    The days add up to the ranking's own value, but for volunteers: who comes on two days is one volunteer.
    """
    # What a scope has is what its paths have, whatever is ranked in it.
    question = replace(question, subject=Subject.ORGANIZATION)
    # SQLite tells the day of a moment as a text.
    found = {date.fromisoformat(str(row.day)): int(row.value) for row in db.session.execute(_by_day(question))}
    return {day: found[day] for day in sorted(found) if found[day]}


def _by_day(question: Question) -> Rows:
    if sums.can_tell(question):
        rows = sums.by_span(question, [question.metric], days(question.first, question.last)).subquery("by_day")
        return select(rows.c.starts_on.label("day"), rows.c[question.metric].label("value"))
    if not question.additive and headcounts.can_tell(replace(question, first=None, last=None)):
        return _volunteers(question)
    day, value, facts = _counted(question)
    statement: Rows = select(day.label("day"), cast(value, BigInteger).label("value")).select_from(facts)
    return in_scope(statement, facts, question).group_by(day)


def _counted(question: Question) -> tuple[Any, Any, Any]:
    """The day, what is counted on it, and of which facts."""
    is_folded = sums.is_folded()
    match question.metric:
        # Only of a campaign or a category, which no duty has, is it asked here.
        case Metric.CREDITED_MINUTES if is_folded:
            rows = minutes(question)
            return rows.c.on, func.sum(rows.c.credited_minutes), rows
        case Metric.CREDITED_MINUTES:
            ledger = records(question)
            return ledger.c.on, func.coalesce(func.sum(ledger.c.minutes), 0), ledger
        case Metric.ACTIVITY_COUNT if is_folded:
            held = changes.activity_days(question)
            return held.c.on, func.count(), held
        case Metric.ACTIVITY_COUNT:
            held = activity_days(question)
            return held.c.day, func.count(), held
        case Metric.ATTENDANCE_COUNT if is_folded:
            held = changes.shifts(question)
            return held.c.on, func.sum(held.c.attended), held
        case _ if is_folded:
            present = changes.presences(question)
            return present.c.on, func.count(distinct(present.c.volunteer_id)), present
        case _:
            day = local_day(Shift.starts_at).label("day")
            present = attended_shifts(question, Shift.id, Attendance.volunteer_id, day)
            value = func.count() if question.additive else func.count(distinct(present.c.volunteer_id))
            return present.c.day, value, present


def _volunteers(question: Question) -> Rows:
    """How many different ones on each day: as it is folded, and for each of whom something changed what it changes."""
    unit, starts_on, count = RankingHeadcount.unit, RankingHeadcount.starts_on, RankingHeadcount.volunteer_count
    folded: Rows = select(starts_on.label("day"), count.label("value")).where(
        RankingHeadcount.kind == question.subject.value, RankingHeadcount.ranked_id == question.scope
    )
    if question.scope is None:
        # Everybody who attended has a number of attendances.
        unit, starts_on, count = RankingHistogram.unit, RankingHistogram.starts_on, RankingHistogram.volunteer_count
        folded = select(starts_on.label("day"), count.label("value")).where(
            RankingHistogram.metric == Metric.ATTENDANCE_COUNT
        )
    folded = folded.where(within(unit, starts_on, days(question.first, question.last)))
    rows = turnout(changes.marked(question.now))
    changed: Rows = select(rows.c.on.label("day"), (func.max(rows.c.now) - func.max(rows.c.was)).label("value"))
    changed = in_scope(changed.select_from(rows), rows, question).where(*changes.in_period(question, rows.c.on))
    both = union_all(folded, changed.group_by(rows.c.volunteer_id, rows.c.on)).subquery("counts")
    return select(both.c.day, cast(func.sum(both.c.value), BigInteger).label("value")).group_by(both.c.day)
