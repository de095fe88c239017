"""What each volunteer did, by the rule of the rankings, and where one of them stands among all."""

from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    select,
    true,
    union_all,
)

from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance.models import Attendance
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.rankings import changes, histograms
from volunteer_api.rankings.changes import once
from volunteer_api.rankings.facts import Question, Rows, attended_shifts, in_scope, records
from volunteer_api.rankings.local_days import local_day
from volunteer_api.rankings.schemas import Metric
from volunteer_api.rankings.sums import is_folded

NEIGHBORS = 2
OWN, ABOVE, BELOW = "own", "above", "below"


def values(question: Question) -> Subquery:
    """`subject_id`, `value` and `own` (null) of every volunteer who has any, whether she may be named or not."""
    facts = _facts(question).subquery("facts")
    value = func.sum(facts.c.amount)
    statement: Rows = select(
        facts.c.volunteer_id.label("subject_id"), cast(value, BigInteger).label("value"), null().label("own")
    )
    # Minutes that were all taken back are none.
    return statement.group_by(facts.c.volunteer_id).having(value != 0).subquery("by_volunteer")


def _facts(question: Question) -> Rows:
    """What is counted of each in the question's scope: `volunteer_id` and `amount`."""
    if question.metric is Metric.CREDITED_MINUTES:
        ledger = records(question, ServiceRecord.volunteer_id)
        return in_scope(select(ledger.c.volunteer_id, ledger.c.minutes.label("amount")), ledger, question)
    if is_folded():
        rows = changes.presences(question)
    else:
        day = local_day(Shift.starts_at).label("on")
        each = (Shift.id, Activity.id.label("activity_id"), day)
        rows = attended_shifts(question, Attendance.volunteer_id, *each)
    each_once: Rows = select(rows.c.volunteer_id, literal(1).label("amount"))
    if question.metric is Metric.ACTIVITY_COUNT:
        # It counts once for each day, however many of its shifts she attended.
        each_once = each_once.add_columns(rows.c.activity_id, rows.c.on).distinct()
    return in_scope(each_once, rows, question)


def standing(question: Question, volunteer_id: UUID) -> Rows:
    """Where one volunteer stands among all, from one count of these.

    A row of the side OWN: her `value`, `ahead` how many have more, `ranked` how many have any. And rows of the sides
    ABOVE and BELOW: the next larger and the next smaller or equal values of others, two at most; without a name.
    """
    found = values(question)
    mine = func.coalesce(
        select(found.c.value).where(found.c.subject_id == volunteer_id).scalar_subquery(), literal(0, BigInteger)
    )
    own = once(select(mine.label("value")))
    numbers = histograms.counts(question) if histograms.can_tell(question) else _counted(found)
    counts = once(select(numbers.c.value, numbers.c.number))
    ahead = func.sum(case((counts.c.value > own.c.value, counts.c.number), else_=0))
    place: Rows = (
        select(
            literal(OWN).label("side"),
            own.c.value,
            cast(func.coalesce(ahead, 0), BigInteger).label("ahead"),
            cast(func.coalesce(func.sum(counts.c.number), 0), BigInteger).label("ranked"),
        )
        .select_from(own)
        .outerjoin(counts, true())
        .group_by(own.c.value)
    )
    # She is one of those who have her value, unless that is nothing.
    others = counts.c.number - case((and_(counts.c.value == own.c.value, own.c.value != 0), 1), else_=0)
    places = select(literal(1).label("place")).union_all(select(literal(2))).subquery("places")
    each = select(counts.c.value).select_from(counts).join(own, true()).join(places, others >= places.c.place)
    above = each.where(counts.c.value > own.c.value).order_by(counts.c.value)
    below = each.where(counts.c.value <= own.c.value).order_by(counts.c.value.desc())
    nothing = cast(null(), BigInteger)
    near = [
        select(literal(name), side.c.value, nothing, nothing)
        for name, side in ((ABOVE, above.limit(NEIGHBORS).subquery()), (BELOW, below.limit(NEIGHBORS).subquery()))
    ]
    rows = union_all(place, *near).subquery("standing")
    return select(rows.c.side, rows.c.value, rows.c.ahead, rows.c.ranked)


def _counted(found: Subquery) -> Subquery:
    every = found.alias("every")
    return select(every.c.value, func.count().label("number")).group_by(every.c.value).subquery("counts")
