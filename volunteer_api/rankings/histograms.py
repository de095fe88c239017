"""How many volunteers have which value: enough to tell somebody where she stands among a million, and no name."""

from typing import Any

from sqlalchemy import BigInteger, CompoundSelect, Subquery, cast, func, literal, select, union_all

from volunteer_api.rankings.changes import marked
from volunteer_api.rankings.facts import Question, Rows
from volunteer_api.rankings.kept import span_of
from volunteer_api.rankings.models import RankingHistogram
from volunteer_api.rankings.schemas import Subject
from volunteer_api.rankings.sums import is_folded
from volunteer_api.rankings.turnout import values_of_volunteers


def can_tell(question: Question) -> bool:
    """Whether what it asks about is folded."""
    return question.subject is Subject.VOLUNTEER and is_folded() and span_of(question) is not None


def folded(question: Question) -> Rows:
    """Each `value` that somebody had when it was folded, and the `number` who had it; an index has them in order."""
    span = span_of(question)
    if span is None:
        raise ValueError("a histogram is of one span")
    return select(RankingHistogram.value, RankingHistogram.volunteer_count.label("number")).where(
        RankingHistogram.metric == question.metric.value,
        RankingHistogram.unit == span[0],
        RankingHistogram.starts_on == span[1],
    )


def changed(question: Question) -> Rows:
    """How many more, or fewer, have a `value` now than had it when it was folded: `number`."""
    changes = values_of_volunteers(question, marked(question.now))
    differs = changes.c.was != changes.c.now
    rows = union_all(
        select(changes.c.was.label("value"), literal(-1).label("number")).where(differs, changes.c.was != 0),
        select(changes.c.now, literal(1)).where(differs, changes.c.now != 0),
    )
    return added_up(rows)


def counts(question: Question) -> Subquery:
    """Each `value` that anybody has, and the `number` of those who have it."""
    return added_up(union_all(folded(question), changed(question))).subquery("counts")


def added_up(several: Rows | CompoundSelect[Any]) -> Rows:
    """Each `value` of these rows once, with the sum of its `number`, unless that is none."""
    rows = several.subquery("values")
    number = func.sum(rows.c.number)
    return (
        select(cast(rows.c.value, BigInteger).label("value"), cast(number, BigInteger).label("number"))
        .group_by(rows.c.value)
        .having(number != 0)
    )
