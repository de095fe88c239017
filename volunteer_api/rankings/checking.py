"""Holding folded sums to a live count, a few days each night; what differs is counted live until it is folded anew.

Nothing should ever differ: triggers mark each change. But rows may be written past the triggers (a restore, a repair by
hand), and a ranking that nobody can stand behind is worse than a slow one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, func, or_, select

from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.logs import logger
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.rankings import folding, named, queries
from volunteer_api.rankings.facts import Question
from volunteer_api.rankings.models import RankingRule
from volunteer_api.rankings.schemas import ADDITIVE, Metric, Subject
from volunteer_api.rankings.spans import Unit, start_of
from volunteer_api.rankings.sums import counting_live

# Yesterday, and days drawn from the last so many: each is looked at about twice a year.
LOOKED_BACK = 400
DRAWN = 4
SUBJECTS = (Subject.ORGANIZATION, Subject.TEAM, Subject.STATION)


def check() -> Sequence[date]:
    """The days, of some, on which folded and live counts differ; all is folded anew then. In units of its own."""
    today = clock.today()
    drawn = Random(today.toordinal()).sample(range(2, LOOKED_BACK), DRAWN)
    wrong = [day for day in (today - timedelta(days=ago) for ago in (1, *drawn)) if differs(day)]
    if wrong:
        logger().error("rankings_differ", days=[day.isoformat() for day in wrong])
        # Until then everything is counted live.
        run_unit(lambda: db.session.execute(delete(RankingRule)), writes=True)
        run_unit(folding.rebuild, writes=True)
    return wrong


def differs(day: date) -> bool:
    """Whether any subject's value of a day is another when it is counted live, or what the named have in its month."""
    return run_unit(lambda: _differs(day) or names_differ(day), writes=False, at_one_moment=True)


def _differs(day: date) -> bool:
    now = clock.now()
    for subject in SUBJECTS:
        for metric in Metric:
            question = Question(subject, metric, now, first=day, last=day)
            folded = _values(question)
            with counting_live():
                if _values(replace(question)) != folded:
                    return True
    return False


def names_differ(day: date) -> bool:
    """Whether in a day's month somebody is named by one count only, or with another value, or counted among others.

    By one metric, each on its own days: a month's named volunteers are many more than a day's subjects.
    """
    first = start_of(Unit.MONTH, day)
    last = start_of(Unit.MONTH, first + timedelta(days=31)) - timedelta(days=1)
    metric = ADDITIVE[day.toordinal() % len(ADDITIVE)]
    question = Question(Subject.VOLUNTEER, metric, clock.now(), first=first, last=last)
    if not named.can_tell(question):
        return False
    everybody, counts = named.everybody(question)
    with counting_live():
        live = queries.ranked(question)
    people = (
        select(everybody.c.volunteer_id, live.c.id)
        .select_from(everybody)
        .join(live, live.c.id == everybody.c.volunteer_id, full=True)
        .where(or_(everybody.c.volunteer_id.is_(None), live.c.id.is_(None), everybody.c.value != live.c.value))
    )
    number = func.count().label("number")
    several = select(live.c.value, number).where(live.c.value != 0).group_by(live.c.value).subquery("several")
    same = and_(several.c.value == counts.c.value, several.c.number == counts.c.number)
    numbers = (
        select(counts.c.value, several.c.value)
        .select_from(counts)
        .join(several, same, full=True)
        .where(or_(counts.c.value.is_(None), several.c.value.is_(None)))
    )
    return any(db.session.execute(found.limit(1)).first() is not None for found in (people, numbers))


def _values(question: Question) -> Mapping[UUID, Any]:
    rows = queries.ranked(question)
    found = db.session.execute(select(rows.c.id, rows.c.value, rows.c.own).where(rows.c.value != 0))
    return {row.id: (row.value, row.own) for row in found}
