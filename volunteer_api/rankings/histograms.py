"""How many volunteers have which value: enough to tell somebody where she stands among a million, and no name."""

from sqlalchemy import BigInteger, Subquery, cast, func, literal, select, union_all

from volunteer_api.rankings.changes import marked
from volunteer_api.rankings.facts import Question
from volunteer_api.rankings.kept import span_of
from volunteer_api.rankings.models import RankingHistogram
from volunteer_api.rankings.schemas import Subject
from volunteer_api.rankings.sums import is_folded
from volunteer_api.rankings.turnout import values_of_volunteers


def can_tell(question: Question) -> bool:
    """Whether what it asks about is folded."""
    return question.subject is Subject.VOLUNTEER and is_folded() and span_of(question) is not None


def counts(question: Question) -> Subquery:
    """Each `value` that anybody has, and the `number` of those who have it."""
    span = span_of(question)
    if span is None:
        raise ValueError("a histogram is of one span")
    folded = select(RankingHistogram.value, RankingHistogram.volunteer_count.label("number")).where(
        RankingHistogram.metric == question.metric.value,
        RankingHistogram.unit == span[0],
        RankingHistogram.starts_on == span[1],
    )
    changed = values_of_volunteers(question, marked(question.now))
    differs = changed.c.was != changed.c.now
    rows = union_all(
        folded,
        select(changed.c.was, literal(-1)).where(differs, changed.c.was != 0),
        select(changed.c.now, literal(1)).where(differs, changed.c.now != 0),
    ).subquery("values")
    number = func.sum(rows.c.number)
    return (
        select(cast(rows.c.value, BigInteger).label("value"), cast(number, BigInteger).label("number"))
        .group_by(rows.c.value)
        .having(number != 0)
        .subquery("counts")
    )
