"""What each volunteer did, by the rule of the rankings, and where one of them stands among all."""

from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    FromClause,
    Subquery,
    case,
    cast,
    false,
    func,
    literal,
    null,
    or_,
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
    """`subject_id`, `value` and `own` (null) of every volunteer who has any, whether she may be named or not.

    Of growth it is what she has less what she had; in a part of all that counts also 0 of those who have as much.
    """
    facts = _facts(question.raw).subquery("facts")
    if question.before is not None:
        now, before = facts, _facts(question.earlier).subquery("earlier")
        has = select(now.c.volunteer_id, now.c.amount, now.c.amount.label("has"))
        had = select(before.c.volunteer_id, -before.c.amount, literal(0))
        facts = union_all(has, had).subquery("both")
    value = func.sum(facts.c.amount)
    statement: Rows = select(
        facts.c.volunteer_id.label("subject_id"), cast(value, BigInteger).label("value"), null().label("own")
    )
    # Minutes that were all taken back are none.
    has_any = value != 0
    if question.before is not None and question.is_part:
        has_any = or_(has_any, func.sum(facts.c.has) != 0)
    return statement.group_by(facts.c.volunteer_id).having(has_any).subquery("by_volunteer")


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
    """Where one volunteer stands among all, from how many have which value.

    A row of the side OWN: her `value`, `ahead` how many have more, `ranked` how many have any. And rows of the sides
    ABOVE and BELOW: the next larger and the next smaller or equal values of others, at most two of each; no names.
    """
    found = values(question)
    mine = func.coalesce(
        select(found.c.value).where(found.c.subject_id == volunteer_id).scalar_subquery(), literal(0, BigInteger)
    )
    own = once(select(mine.label("value")))
    numbers = _numbers(question, found)
    counts = union_all(*(select(one.c.value, one.c.number) for one in numbers)).subquery("counts")
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
    nothing = cast(null(), BigInteger)
    sides = {name: _neighbors(name, own, *numbers) for name in (ABOVE, BELOW)}
    near = [select(literal(name), side.c.value, nothing, nothing) for name, side in sides.items()]
    rows = union_all(place, *near).subquery("standing")
    return select(rows.c.side, rows.c.value, rows.c.ahead, rows.c.ranked)


def _numbers(question: Question, found: Subquery) -> tuple[FromClause, FromClause]:
    """How many have which `value`: the `number` as it was folded, and by how many it changed since."""
    if histograms.can_tell(question):
        return histograms.folded(question).subquery("folded"), once(histograms.changed(question))
    with_any = select(found.c.value, func.count().label("number")).where(found.c.value != 0)
    counted = once(with_any.group_by(found.c.value))
    return counted, select(counted).where(false()).subquery("unchanged")


def _neighbors(side: str, own: FromClause, folded: FromClause, changed: FromClause) -> Subquery:
    """The values of the two others who are next to hers. Of many values as folded it reads but the nearest."""
    hers = select(own.c.value).scalar_subquery()

    def others(value: Any, number: Any) -> Rows:
        # She is one of those who have her value; nothing is none of these values.
        besides = number - case((value == hers, 1), else_=0)
        lies = value > hers if side == ABOVE else value <= hers
        return select(value.label("value"), besides.label("number")).where(lies, besides > 0)

    def nearest(rows: Rows, value: Any) -> Rows:
        return rows.order_by(value if side == ABOVE else value.desc()).limit(NEIGHBORS)

    settled = others(folded.c.value, folded.c.number).where(folded.c.value.not_in(select(changed.c.value)))
    moved = others(changed.c.value, changed.c.number + func.coalesce(folded.c.number, 0)).outerjoin_from(
        changed, folded, folded.c.value == changed.c.value
    )
    each = union_all(select(nearest(settled, folded.c.value).subquery()), moved).subquery("each")
    # Who share a value stand beside each other.
    places = select(literal(1).label("place")).union_all(select(literal(2))).subquery("places")
    placed: Rows = select(each.c.value).join(places, each.c.number >= places.c.place)
    return nearest(placed, each.c.value).subquery(side)
