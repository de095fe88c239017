"""What was reached on each local day, by the rule of the rankings."""

from dataclasses import replace
from datetime import date

from sqlalchemy import BigInteger, cast, distinct, func, select, union_all

from volunteer_api.activities.models import Shift
from volunteer_api.core.database import db
from volunteer_api.rankings import changes, headcounts, sums
from volunteer_api.rankings.facets import WHOLE
from volunteer_api.rankings.facts import Question, Rows, in_facet, in_scope
from volunteer_api.rankings.local_days import local_day
from volunteer_api.rankings.models import RankingHeadcount, RankingHistogram
from volunteer_api.rankings.queries import amounts, present
from volunteer_api.rankings.schemas import Metric, Subject
from volunteer_api.rankings.spans import days, within
from volunteer_api.rankings.turnout import turnout


def days_are_read(question: Question) -> bool:
    """Whether the values of days are read from sums."""
    question = replace(question, subject=Subject.ORGANIZATION)
    return sums.can_tell(question) or _can_tell_volunteers(question)


def values_by_day(question: Question) -> dict[date, int]:
    """The value of each day of the question's period that has any, in its scope. One statement.

    The days add up to the ranking's own value, but for volunteers: who comes on two days is one volunteer.
    """
    # What a scope has is what its paths have, whatever is ranked in it.
    question = replace(question, subject=Subject.ORGANIZATION)
    found = {row.day: int(row.value) for row in db.session.execute(_by_day(question))}
    return {day: found[day] for day in sorted(found) if found[day]}


def _by_day(question: Question) -> Rows:
    if sums.can_tell(question):
        rows = sums.by_span(question, [question.metric], days(question.first, question.last)).subquery("by_day")
        return select(rows.c.starts_on.label("day"), rows.c[question.metric].label("value"))
    if _can_tell_volunteers(question):
        return _volunteers(question)
    if question.additive:
        facts, value = amounts(question)
    else:
        facts = present(question, local_day(Shift.starts_at).label("on"))
        value = func.count(distinct(facts.c.volunteer_id))
    statement: Rows = select(facts.c.on.label("day"), cast(value, BigInteger).label("value")).select_from(facts)
    return in_scope(statement, facts, question).group_by(facts.c.on)


def _can_tell_volunteers(question: Question) -> bool:
    # Of a facet nobody counts all, only what each organization has.
    is_somewhere = question.scope is not None or question.facet == WHOLE
    return is_somewhere and headcounts.can_tell(replace(question, first=None, last=None))


def _volunteers(question: Question) -> Rows:
    """How many different ones on each day: as it is folded, and for each of whom something changed what it changes."""
    unit, starts_on, count = RankingHeadcount.unit, RankingHeadcount.starts_on, RankingHeadcount.volunteer_count
    folded: Rows = select(starts_on.label("day"), count.label("value")).where(
        RankingHeadcount.kind == question.subject + question.facet, RankingHeadcount.ranked_id == question.scope
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
    asked = *changes.in_period(question, rows.c.on), *in_facet(question, rows.c)
    changed = in_scope(changed.select_from(rows), rows, question).where(*asked)
    both = union_all(folded, changed.group_by(rows.c.volunteer_id, rows.c.on)).subquery("counts")
    return select(both.c.day, cast(func.sum(both.c.value), BigInteger).label("value")).group_by(both.c.day)
