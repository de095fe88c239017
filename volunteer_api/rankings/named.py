"""The places of named volunteers: a few of them, in order from anywhere, however many there are.

What they have in each span is folded in that order, and how many have more is told by a histogram. Of any other time
they are counted; then, too, those who have nothing follow one another by their ids.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    SelectBase,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.core.database import db
from volunteer_api.rankings import volunteers
from volunteer_api.rankings.changes import marked, once
from volunteer_api.rankings.facts import Column, Question, Rows
from volunteer_api.rankings.headcounts import NAMED, named_by
from volunteer_api.rankings.histograms import added_up
from volunteer_api.rankings.kept import raw_unit_of, span_of
from volunteer_api.rankings.models import RankingHeadcount, RankingHistogram, RankingNamed
from volunteer_api.rankings.names import adults_born_by, may_be_named, noted
from volunteer_api.rankings.schemas import Basis, Subject
from volunteer_api.rankings.spans import BEGINNING, Unit
from volunteer_api.rankings.sums import all_is_folded
from volunteer_api.rankings.turnout import values_of_volunteers


@dataclass(frozen=True)
class Part:
    """At most so many places: those behind a value and an id, or from the first on."""

    most: int
    behind: tuple[int, UUID] | None = None


@dataclass(frozen=True)
class Source:
    """Of whom places are made, each with `volunteer_id` and `value`.

    Each of `ordered` is to be had in order, and `zeros` by their ids, where these are not among the former; `others`
    are few. `counts` has a `value` and the `number` of those who have it. Of growth, `raw` tells by somebody's id what
    she has before anything is taken away; and as some have less than nothing, `idle` is how many have nothing, whom
    `counts` leaves out.
    """

    ordered: Sequence[Rows]
    zeros: Rows | None
    others: Rows
    counts: Rows
    raw: Callable[[Column], ColumnElement[int]] | None = None
    idle: ColumnElement[int] | None = None


def can_tell(question: Question) -> bool:
    """Whether a few places of named volunteers can be had by themselves, without all others.

    In a scope, of a category or a campaign, and as they grew only where it is kept.
    """
    if question.subject is not Subject.VOLUNTEER or not all_is_folded():
        return False
    return (question.basis is Basis.RAW and not question.is_part) or span_of(question) is not None


def places(question: Question, part: Part) -> Subquery:
    """A part of the ranking: rows as those of `bases.placed`."""
    source = _source(question)
    return _placed(question, source, once(_walk(source, part.most, part.behind)))


def around(question: Question, volunteer_id: UUID, most: int) -> Subquery | None:
    """One volunteer's place and at most so many on each side, as `places`; None where she is not named."""
    value = _value_of(question, volunteer_id)
    if value is None:
        return None
    source, own = _source(question), (value, volunteer_id)
    sides = [_walk(source, most, own, down=down).subquery() for down in (False, True)]
    # Whose id it is, and what she has: as columns, which a bare value is not on every database.
    her = select(Volunteer.id.label("volunteer_id"), cast(literal(value), BigInteger).label("value")).where(
        Volunteer.id == volunteer_id
    )
    return _placed(question, source, once(union_all(her, *(select(side) for side in sides))))


def everybody(question: Question) -> tuple[Subquery, Subquery]:
    """All who are named, with `volunteer_id` and `value`, in no order; and how many have which: to compare them.

    Beside the value stands `raw`, what each has before anything is taken away.
    """
    source = _source(question)
    parts = [*source.ordered, source.others, *([source.zeros] if source.zeros is not None else [])]
    counts = [source.counts, *([select(literal(0), source.idle)] if source.idle is not None else [])]
    every = union_all(*parts).subquery("every")
    raw = source.raw(every.c.volunteer_id) if source.raw is not None else every.c.value
    everybody = select(every.c.volunteer_id, every.c.value, raw.label("raw"))
    return everybody.subquery("everybody"), added_up(union_all(*counts)).subquery("counts")


def _source(question: Question) -> Source:
    span = span_of(question)
    return _folded(question, *span) if span is not None else _counted(question)


def _folded(question: Question, unit: str, starts_on: Any) -> Source:
    own = aliased(RankingNamed)
    metric: Column = getattr(own, question.metric)
    of_span = and_(own.unit == unit, own.starts_on == starts_on)
    changed = values_of_volunteers(question, marked(question.now), noted(question.now))
    may = may_be_named(adults_born_by(question.now))
    # Those of whom something is not folded: what is folded of them is taken away, and what they have now is added.
    # Each is looked up: of a span that was kept just now PostgreSQL expects no row, and would read all of it.
    was = select(metric).where(own.volunteer_id == changed.c.volunteer_id, of_span).scalar_subquery()
    beside = once(
        select(
            changed.c.volunteer_id,
            func.coalesce(was, 0).label("was"),
            case((may, changed.c.now)).label("now"),
            *([changed.c.has] if question.before is not None else []),
        ).join_from(changed, Volunteer, Volunteer.id == changed.c.volunteer_id)
    )
    settled = own.volunteer_id.not_in(select(beside.c.volunteer_id))
    # Judged again, though it was when it was folded: a name is not to be told for want of a mark.
    everybody: Rows = (
        select(own.volunteer_id.label("volunteer_id"), metric.label("value"))
        .join_from(own, Volunteer, Volunteer.id == own.volunteer_id)
        .where(of_span, settled, may)
    )
    folded = select(RankingHistogram.value.label("value"), RankingHistogram.named_count.label("number")).where(
        RankingHistogram.metric == question.metric.value,
        RankingHistogram.unit == unit,
        RankingHistogram.starts_on == starts_on,
    )
    counts = union_all(
        folded,
        select(beside.c.was, literal(-1)).where(beside.c.was != 0),
        select(beside.c.now, literal(1)).where(beside.c.now != 0),
    ).subquery("counts")
    numbers = select(counts.c.value, counts.c.number)
    with_any, has_any = everybody.where(metric != 0), select(own.volunteer_id).where(of_span, metric != 0)
    others = select(beside.c.volunteer_id, beside.c.now.label("value")).where(beside.c.now.is_not(None))
    if question.before is not None:
        return _grown(question, unit, everybody, has_any, beside, numbers)
    if unit == Unit.ALL:
        # Everybody has a row, those with nothing too.
        return Source([everybody], None, others, numbers)
    if question.is_part:
        return Source([with_any], None, others.where(beside.c.now != 0), numbers)
    return Source([with_any], _zeros(question, has_any, select(beside.c.volunteer_id)), others, numbers)


def _grown(question: Question, unit: str, everybody: Rows, has_any: Rows, beside: CTE, numbers: Rows) -> Source:
    """Those who grew and those who fell are the two ends of an index; between them lie those who did as much as before.

    In a part of all that counts, of these only who did something has a place.
    """
    volunteer_id, value = everybody.selected_columns
    others = select(beside.c.volunteer_id, beside.c.now.label("value")).where(beside.c.now.is_not(None))
    folded = partial(_folded_raw, question, raw_unit_of(unit))
    if question.is_part:
        others = others.where(or_(beside.c.now != 0, beside.c.has != 0))
        had_place = or_(beside.c.was != 0, folded(beside.c.volunteer_id) != 0)
        number = _number(named_by(question.metric), unit)
    else:
        every = aliased(RankingNamed)
        is_hers = every.volunteer_id == beside.c.volunteer_id, every.unit == Unit.ALL.value
        had_place = select(every.volunteer_id).where(*is_hers).exists()
        number = _number(NAMED, Unit.ALL.value)
    had = select(func.count()).select_from(beside).where(had_place).scalar_subquery()
    have = select(func.count()).select_from(others.subquery()).scalar_subquery()
    with_other = select(func.coalesce(func.sum(numbers.selected_columns.number), 0)).scalar_subquery()
    idle = number - had + have - with_other
    if question.is_part:
        # Where there is none of them, nobody walks past all who have something by another metric alone.
        zeros = everybody.where(idle > 0, value == 0, folded(volunteer_id) != 0)
    else:
        zeros = _zeros(question, has_any, select(beside.c.volunteer_id))

    def raw(person: Column) -> ColumnElement[int]:
        fresh = select(beside.c.has).where(beside.c.volunteer_id == person).scalar_subquery()
        return func.coalesce(fresh, folded(person), 0)

    ends = [everybody.where(value > 0), everybody.where(value < 0)]
    return Source(ends, zeros, others, numbers, raw, idle)


def _folded_raw(question: Question, unit: str, person: Column) -> ColumnElement[Any]:
    """What somebody has as it was folded, null where that is nothing. Looked up for each, however many there may be."""
    of_hers = aliased(RankingNamed)
    is_hers = of_hers.volunteer_id == person, of_hers.unit == unit, of_hers.starts_on == BEGINNING
    return select(getattr(of_hers, question.metric)).where(*is_hers).scalar_subquery()


def _number(kind: str, unit: str) -> ColumnElement[int]:
    """How many have a place in a ranking by name, as it was folded."""
    count = RankingHeadcount.volunteer_count
    is_so = RankingHeadcount.kind == kind, RankingHeadcount.unit == unit, RankingHeadcount.starts_on == BEGINNING
    # It has one row, or none.
    return select(func.coalesce(func.sum(count), 0)).where(*is_so).scalar_subquery()


def _counted(question: Question) -> Source:
    may = may_be_named(adults_born_by(question.now))
    found = volunteers.values(question)
    named = once(
        select(found.c.subject_id.label("volunteer_id"), found.c.value)
        .join_from(found, Volunteer, Volunteer.id == found.c.subject_id)
        .where(may)
    )
    beside = noted(question.now).subquery("noted")
    others = (
        select(beside.c.volunteer_id, literal(0, BigInteger).label("value"))
        .join_from(beside, Volunteer, Volunteer.id == beside.c.volunteer_id)
        .where(may, beside.c.volunteer_id.not_in(select(named.c.volunteer_id)))
    )
    return Source(
        [select(named.c.volunteer_id, named.c.value)],
        _zeros(question, select(named.c.volunteer_id), select(beside.c.volunteer_id)),
        others,
        select(named.c.value, literal(1).label("number")),
    )


def _zeros(question: Question, with_any: Rows, beside: Rows) -> Rows:
    """Those named who have nothing, but for who stands beside the folded ones. To be had in the order of their ids."""
    every = aliased(RankingNamed)
    [has] = with_any.selected_columns
    nothing = with_any.where(has == every.volunteer_id).correlate(every).exists()
    return (
        select(every.volunteer_id.label("volunteer_id"), literal(0, BigInteger).label("value"))
        .join_from(every, Volunteer, Volunteer.id == every.volunteer_id)
        .where(
            # All of a unit that begins with all time: told of that too, PostgreSQL expects a hundredth, and sorts them.
            every.unit == Unit.ALL.value,
            ~nothing,
            every.volunteer_id.not_in(beside),
            may_be_named(adults_born_by(question.now)),
        )
    )


def _walk(source: Source, most: int, behind: tuple[int, UUID] | None, *, down: bool = True) -> Rows:
    """The next so many behind a value and an id, or up from there; without these, the first of all."""
    # An index is entered by one condition on its value: equal values and others are walked apart.
    parts, others = source.ordered, source.others
    if behind is not None:
        parts = [part.where(one(part, behind, down)) for part in parts for one in (_equal, _further)]
        others = others.where(or_(_equal(others, behind, down), _further(others, behind, down)))
    walked = [once(_first(part, most, down)) for part in parts]
    found: list[Rows] = [select(one.c.volunteer_id, one.c.value) for one in walked]
    if source.zeros is not None and (behind is None or (behind[0] >= 0 if down else behind[0] <= 0)):
        zeros = source.zeros
        if behind is not None and behind[0] == 0:
            zeros = zeros.where(_equal(zeros, behind, down))
        else:
            # Nobody looks for those with nothing while there are enough before them. A limit that is itself counted
            # would have PostgreSQL expect a tenth of all, and sort them.
            before = [select(func.count()).where(one.c.value > 0 if down else one.c.value < 0) for one in walked]
            zeros = zeros.where(sum((one.scalar_subquery() for one in before), literal(0)) < most)
        found.append(select(_first(zeros, most, down).subquery("idle")))
    every = union_all(*found, others).subquery("every")
    return _first(select(every.c.volunteer_id, every.c.value), most, down)


def _equal(rows: Rows, behind: tuple[int, UUID], down: bool) -> ColumnElement[bool]:
    """That a row has the same value, and a later id; an earlier one on the way up."""
    columns, (value, volunteer_id) = rows.selected_columns, behind
    is_behind = columns.volunteer_id > volunteer_id if down else columns.volunteer_id < volunteer_id
    return and_(columns.value == value, is_behind)


def _further(rows: Rows, behind: tuple[int, UUID], down: bool) -> ColumnElement[bool]:
    column, (value, _) = rows.selected_columns.value, behind
    found: ColumnElement[bool] = column < value if down else column > value
    return found


def _first(rows: Rows, most: Any, down: bool) -> Rows:
    columns = rows.selected_columns
    order = (columns.value.desc(), columns.volunteer_id) if down else (columns.value, columns.volunteer_id.desc())
    return rows.order_by(*order).limit(most)


def _placed(question: Question, source: Source, page: CTE) -> Subquery:
    """These rows, which follow one another, with their ranks: from how many are ahead of the first of them."""
    first = select(func.max(page.c.value)).scalar_subquery()
    rows: SelectBase = source.counts
    if source.idle is not None:
        # They are counted only for a page that begins with them, or below, and has somebody below.
        last = select(func.min(page.c.value)).scalar_subquery()
        rows = union_all(rows, select(literal(0), source.idle).where(first <= 0, last < 0))
    counts = rows.subquery("counts")
    numbers = [
        cast(func.coalesce(func.sum(case((is_so, counts.c.number), else_=0)), 0), BigInteger).label(name)
        for name, is_so in (("ahead", counts.c.value > first), ("level", counts.c.value == first))
    ]
    tops = once(select(*numbers).where(counts.c.value >= first))
    # Of those level with the first, some may stand before it; of all others, everybody is among these rows.
    among = func.rank().over(order_by=page.c.value.desc())
    level_here = func.sum(case((page.c.value == first, 1), else_=0)).over()
    rank = 1 + tops.c.ahead + case((page.c.value == first, 0), else_=tops.c.level + among - 1 - level_here)
    nothing: ColumnElement[Any] = cast(null(), BigInteger)
    value: ColumnElement[Any] = cast(page.c.value, BigInteger)
    raw, before = value, nothing
    if source.raw is not None:
        raw = source.raw(page.c.volunteer_id)
        before = raw - value
    return (
        select(
            Volunteer.id.label("id"),
            Volunteer.name.label("name"),
            value.label("value"),
            nothing.label("own"),
            raw.label("raw"),
            nothing.label("registered"),
            before.label("before"),
            cast(rank, BigInteger).label("rank"),
        )
        .select_from(page)
        .join(Volunteer, Volunteer.id == page.c.volunteer_id)
        .join(tops, true())
        .subquery("placed")
    )


def _value_of(question: Question, volunteer_id: UUID) -> int | None:
    """What somebody has, 0 with nothing; None where she is not named."""
    found = volunteers.values(question)
    return db.session.scalars(
        select(func.coalesce(found.c.value, 0))
        .select_from(Volunteer)
        .outerjoin(found, found.c.subject_id == Volunteer.id)
        .where(
            Volunteer.id == volunteer_id,
            may_be_named(adults_born_by(question.now)),
            *([found.c.value.is_not(None)] if question.is_part else []),
        )
    ).one_or_none()
