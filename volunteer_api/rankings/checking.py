"""Holding what is folded to live counts, a part each night; what differs is counted live until it is folded anew.

Nothing should ever differ: triggers mark each change. But rows may be written past the triggers (a restore, a repair by
hand), and a ranking that nobody can stand behind is worse than a slow one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, func, literal, or_, select, union_all

from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.logs import logger
from volunteer_api.core.statements import set_limits
from volunteer_api.core.tasks import keep_finding
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.rankings import folding, histograms, keeping, named, queries, volunteers
from volunteer_api.rankings.belonging import BELONGING, Belonging
from volunteer_api.rankings.facts import Question, Rows
from volunteer_api.rankings.headcounts import NAMED
from volunteer_api.rankings.kept import Counts, kept_questions
from volunteer_api.rankings.locking import FOLDING
from volunteer_api.rankings.minutes import folded_and_recorded
from volunteer_api.rankings.models import (
    RankingHeadcount,
    RankingHistogram,
    RankingNamed,
    RankingRule,
    RankingShift,
    RankingSum,
)
from volunteer_api.rankings.schemas import ADDITIVE, Metric, Subject
from volunteer_api.rankings.shapes import values_of
from volunteer_api.rankings.spans import Unit, bounds_of, start_in_sql
from volunteer_api.rankings.sums import counting_live

CHECK = "rankings.check"
# Yesterday, and days drawn from the last so many: each is looked at about twice a year.
LOOKED_BACK = 400
DRAWN = 4
LONGER = [unit for unit in Unit if unit is not Unit.DAY]
SUBJECTS = (Subject.ORGANIZATION, Subject.TEAM, Subject.STATION)


def check() -> Sequence[str]:
    """What of that which is looked at tonight is folded otherwise than it is live; it is folded anew then.

    Days are named by their dates, else the tables. What was found is kept until the next night. In units of its own.
    """
    today = clock.today()
    drawn = Random(today.toordinal()).sample(range(2, LOOKED_BACK), DRAWN)
    yesterday, *others = (today - timedelta(days=ago) for ago in (1, *drawn))
    wrong = [day.isoformat() for day in (yesterday, *others) if differs(day)]
    wrong += [name for name, differ in WHOLE.items() if _looked(partial(differ, yesterday))]
    if wrong:
        logger().error("rankings_differ", found=wrong)
        # Until then everything is counted live.
        run_unit(lambda: db.session.execute(delete(RankingRule)), writes=True)
        run_unit(folding.rebuild, writes=True)
    for name, belonging in BELONGING.items():
        if _looked(partial(belonging_differs, belonging)):
            wrong.append(name)
            logger().error("belonging_differs", found=name)
            run_unit(belonging.rebuild, writes=True, at_one_moment=True)
    run_unit(partial(keep_finding, CHECK, ", ".join(wrong) or None), writes=True)
    return wrong


def differs(day: date) -> bool:
    """Whether any subject's value of a day is another when it is counted live, or what the named have around it."""
    return _looked(lambda: _any_differ(day, day) or names_differ(day))


def belonging_differs(belonging: Belonging) -> bool:
    """Whether somebody is counted who does not belong there, or somebody who does is not."""
    return _is_any_left(*belonging.counted_and_live(), number_of_keys=1)


def sums_differ(_day: date) -> bool:
    """Whether a longer span's sums are not those of its days."""
    keys = (RankingSum.slice, RankingSum.ranked_id, RankingSum.path_id)
    values = [getattr(RankingSum, metric) for metric in ADDITIVE]
    for unit in LONGER:
        start = start_in_sql(unit, RankingSum.starts_on).label("start")
        parts = select(*keys, start, *values).where(RankingSum.unit == Unit.DAY.value)
        whole = select(*keys, RankingSum.starts_on, *(-value for value in values)).where(RankingSum.unit == unit.value)
        if _is_any_left(parts, whole, number_of_keys=4):
            return True
    return False


def histograms_differ(_day: date) -> bool:
    """Whether those who have a value have less or more together than the organizations have, in any span."""
    for metric in (Metric.ATTENDANCE_COUNT, Metric.CREDITED_MINUTES):
        have = RankingHistogram.value * RankingHistogram.volunteer_count
        # Not those that are kept for questions: these have no sums beside them.
        of_calendar = RankingHistogram.unit.in_([unit.value for unit in Unit])
        people = select(RankingHistogram.unit, RankingHistogram.starts_on, have.label("amount")).where(of_calendar)
        value = getattr(RankingSum, metric)
        subjects = select(RankingSum.unit, RankingSum.starts_on, -value).where(RankingSum.slice == "path")
        if _is_any_left(people.where(RankingHistogram.metric == metric.value), subjects, number_of_keys=2):
            return True
    return False


def minutes_differ(day: date) -> bool:
    """Whether an activity's minutes of a day of this month are not those of the ledger."""
    return _is_any_left(*folded_and_recorded(day), number_of_keys=3)


def heads_differ(day: date) -> bool:
    """Whether different volunteers of a longer span are other than counted live: each night of another one."""
    first, last = bounds_of(LONGER[day.toordinal() % len(LONGER)], day)
    return any(
        _differ(Question(subject, Metric.VOLUNTEER_COUNT, clock.now(), first=first, last=last)) for subject in SUBJECTS
    )


def facets_differ(day: date) -> bool:
    """Whether a category, a campaign or a category in one had another month than is counted live.

    Each night others that have any.
    """
    first, last = bounds_of(Unit.MONTH, day)
    for names in (["category"], ["campaign_id"], ["category", "campaign_id"]):
        columns = [getattr(RankingShift, name) for name in names]
        there = [RankingShift.on.between(first, last), *(column.is_not(None) for column in columns)]
        if found := db.session.execute(select(*columns).where(*there).distinct().order_by(*columns)).all():
            drawn = dict(zip(names, found[day.toordinal() % len(found)], strict=True))
            if _any_differ(first, last, **drawn):
                return True
    return False


def kept_differ(day: date) -> bool:
    """Whether what is kept for a question is not counted so live: each night of another one that is kept."""
    every = kept_questions()
    if not every:
        return False
    number = day.toordinal()
    one = every[number % len(every)]
    if one.counts == Counts.PEOPLE:
        question = keeping.question_of(one, ADDITIVE[number // len(every) % len(ADDITIVE)])
        return _names_differ(question) or _numbers_differ(question)
    return any(_differ(replace(keeping.question_of(one), subject=subject)) for subject in SUBJECTS)


def named_differ(_day: date) -> bool:
    """Whether other many are named than are counted."""
    count, one = RankingHeadcount, RankingNamed
    counted = select(count.unit, count.volunteer_count).where(count.kind == NAMED)
    every = select(one.unit, literal(-1)).where(one.unit == Unit.ALL.value)
    return _is_any_left(counted, every, number_of_keys=1)


# What is not of one day. The tables are held to one another, or to what was recorded.
WHOLE = {
    "sums of longer spans": sums_differ,
    "values of volunteers": histograms_differ,
    "minutes of activities": minutes_differ,
    "different volunteers": heads_differ,
    "categories and campaigns": facets_differ,
    "kept questions": kept_differ,
    "named volunteers": named_differ,
}


def _looked(look: Callable[[], bool]) -> bool:
    def work() -> bool:
        # All that was ever recorded is counted, for nobody who waits.
        set_limits(FOLDING)
        return look()

    return run_unit(work, writes=False, at_one_moment=True)


def _is_any_left(*rows: Rows, number_of_keys: int) -> bool:
    """Whether anything is left of the amounts, which stand behind their keys, when all the rows are added up."""
    every = union_all(*rows).subquery("every")
    keys, amounts = list(every.c)[:number_of_keys], list(every.c)[number_of_keys:]
    left = (
        select(literal(1))
        .select_from(every)
        .group_by(*keys)
        .having(or_(*(func.sum(amount) != 0 for amount in amounts)))
    )
    return db.session.execute(left.limit(1)).first() is not None


def _any_differ(first: date | None, last: date | None, **facet: Any) -> bool:
    now = clock.now()
    return any(
        _differ(Question(subject, metric, now, first=first, last=last, **facet))
        for subject in SUBJECTS
        for metric in Metric
    )


def _differ(question: Question) -> bool:
    folded = _values(question)
    with counting_live():
        return _values(replace(question)) != folded


def names_differ(day: date) -> bool:
    """Whether on a day, in its week or its month, somebody is named by one count only, or with another value.

    By one metric, each on its own days: a month's named volunteers are many more than a day's subjects.
    """
    metric = ADDITIVE[day.toordinal() % len(ADDITIVE)]
    for unit in (Unit.DAY, Unit.WEEK, Unit.MONTH):
        first, last = bounds_of(unit, day)
        if _names_differ(Question(Subject.VOLUNTEER, metric, clock.now(), first=first, last=last)):
            return True
    return False


def _names_differ(question: Question) -> bool:
    if not named.can_tell(question):
        return False
    everybody, counts = named.everybody(question)
    with counting_live():
        live, has = queries.ranked(question), volunteers.values(question.raw)
    people = (
        select(everybody.c.volunteer_id, live.c.id)
        .select_from(everybody)
        .join(live, live.c.id == everybody.c.volunteer_id, full=True)
        .where(or_(everybody.c.volunteer_id.is_(None), live.c.id.is_(None), everybody.c.value != live.c.value))
    )
    number = func.count().label("number")
    # How many have nothing is told where some may have less.
    told = or_(live.c.value != 0, literal(question.before is not None))
    several = select(live.c.value, number).where(told).group_by(live.c.value).subquery("several")
    same = and_(several.c.value == counts.c.value, several.c.number == counts.c.number)
    numbers = (
        select(counts.c.value, several.c.value)
        .select_from(counts)
        .join(several, same, full=True)
        .where(or_(counts.c.value.is_(None), several.c.value.is_(None)))
    )
    differ = [people, numbers]
    if question.before is not None:
        raw = select(everybody.c.volunteer_id, has.c.value).outerjoin_from(
            everybody, has, has.c.subject_id == everybody.c.volunteer_id
        )
        differ.append(raw.where(everybody.c.raw != func.coalesce(has.c.value, 0)))
    return any(db.session.execute(found.limit(1)).first() is not None for found in differ)


def _numbers_differ(question: Question) -> bool:
    """Whether another number of volunteers, named or not, has some value."""
    if not histograms.can_tell(question):
        return False
    counts = histograms.counts(question)
    with counting_live():
        live = volunteers.values(question)
    with_any = select(live.c.value, literal(-1)).where(live.c.value != 0)
    return _is_any_left(select(counts.c.value, counts.c.number), with_any, number_of_keys=1)


def _values(question: Question) -> Mapping[UUID, Any]:
    rows = queries.ranked(question)
    found = db.session.execute(
        select(rows.c.id, rows.c.value, rows.c.own).where(rows.c.value != 0), values_of(question)
    )
    return {row.id: (row.value, row.own) for row in found}
