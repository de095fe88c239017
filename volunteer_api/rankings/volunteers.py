"""What each volunteer did, by the rule of the rankings, and where one of them stands among all."""

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Subquery, case, cast, func, literal, null, select, true

from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance.models import Attendance
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.rankings import changes, histograms
from volunteer_api.rankings.facts import Question, Rows, attended_shifts, in_scope, records
from volunteer_api.rankings.local_days import local_day
from volunteer_api.rankings.schemas import Metric
from volunteer_api.rankings.sums import is_folded

NEIGHBORS = 2


def values(question: Question) -> Subquery:
    """`subject_id`, `value` and `own` (null) of every volunteer who has any, whether she may be named or not."""
    facts, amount = _facts(question)
    value: ColumnElement[Any] = func.sum(amount) if amount is not None else func.count()
    statement: Rows = select(
        facts.c.volunteer_id.label("subject_id"), cast(value, BigInteger).label("value"), null().label("own")
    ).select_from(facts)
    # Minutes that were all taken back are none.
    return (
        in_scope(statement, facts, question).group_by(facts.c.volunteer_id).having(value != 0).subquery("by_volunteer")
    )


def _facts(question: Question) -> tuple[Subquery, ColumnElement[int] | None]:
    """What is counted, each row with its `volunteer_id` and `path_id`; and what is summed of it, None for the rows."""
    if question.metric is Metric.CREDITED_MINUTES:
        ledger = records(question, ServiceRecord.volunteer_id)
        return ledger, ledger.c.minutes
    is_shift = question.metric is Metric.ATTENDANCE_COUNT
    if not is_folded():
        day = local_day(Shift.starts_at).label("day")
        each = (Shift.id,) if is_shift else (Activity.id, day)
        return attended_shifts(question, Attendance.volunteer_id, *each), None
    present = changes.presences(question)
    if is_shift:
        return present, None
    # An activity counts once for each day, however many of its shifts she attended.
    keys = [present.c[name] for name in ("volunteer_id", "path_id", "activity_id", "on")]
    return select(*keys).distinct().subquery("activity_days"), None


def standing(question: Question, volunteer_id: UUID) -> Rows:
    """One row: `value` of one volunteer, `ahead` how many have more, `ranked` how many have any."""
    found = values(question)
    mine = func.coalesce(
        select(found.c.value).where(found.c.subject_id == volunteer_id).scalar_subquery(), literal(0, BigInteger)
    )
    counts = histograms.counts(question) if histograms.can_tell(question) else _counted(found)
    own = select(mine.label("value")).cte()
    ahead = func.sum(case((counts.c.value > own.c.value, counts.c.number), else_=0))
    return (
        select(
            own.c.value,
            cast(func.coalesce(ahead, 0), BigInteger).label("ahead"),
            cast(func.coalesce(func.sum(counts.c.number), 0), BigInteger).label("ranked"),
        )
        .select_from(own)
        .outerjoin(counts, true())
        .group_by(own.c.value)
    )


def values_beside(question: Question, value: int, volunteer_id: UUID) -> tuple[Rows, Rows]:
    """The next larger and the next smaller values of others, the nearest first; without a name."""
    if histograms.can_tell(question):
        counts = histograms.counts(question)
        # She is one of those who have her value.
        others = counts.c.number - case((counts.c.value == value, 1 if value != 0 else 0), else_=0)
        places = select(literal(1).label("place")).union_all(select(literal(2))).subquery("places")
        each = select(counts.c.value).join_from(counts, places, others >= places.c.place)
        above = each.where(counts.c.value > value).order_by(counts.c.value)
        below = each.where(counts.c.value <= value).order_by(counts.c.value.desc())
        return above.limit(NEIGHBORS), below.limit(NEIGHBORS)
    found = values(question)
    several = select(found.c.value).where(found.c.subject_id != volunteer_id)
    above = several.where(found.c.value > value).order_by(found.c.value, found.c.subject_id)
    below = several.where(found.c.value <= value).order_by(found.c.value.desc(), found.c.subject_id)
    return above.limit(NEIGHBORS), below.limit(NEIGHBORS)


def _counted(found: Subquery) -> Subquery:
    every = found.alias("every")
    return select(every.c.value, func.count().label("number")).group_by(every.c.value).subquery("counts")
