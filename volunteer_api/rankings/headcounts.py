"""How many different volunteers attended, from the folded counts of whole subjects.

A count can't be put together from others: it is there for a subject as a whole and for one span. What is asked of a
part of a subject, as of an organization that stood elsewhere for a while, is counted from who attended.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.orm import aliased

from volunteer_api.core.database import db
from volunteer_api.core.unit_of_work import sees_one_moment
from volunteer_api.organizations.models import PathMember
from volunteer_api.rankings.changes import in_period, marked
from volunteer_api.rankings.facts import Column, Question, Rows, in_facet
from volunteer_api.rankings.kept import Span, span_of
from volunteer_api.rankings.models import RankingHeadcount, RankingSum
from volunteer_api.rankings.schemas import Metric, Subject
from volunteer_api.rankings.spans import Unit
from volunteer_api.rankings.sums import SLICES, has_facet
from volunteer_api.rankings.turnout import turnout

OWN = "organization_own"
COLUMNS = ("kind", "unit", "starts_on", "ranked_id", "volunteer_count")
# Of no subject: how many are named.
NAMED, NO_SUBJECT = "named", UUID(int=0)


def named_by(metric: Metric) -> str:
    """The kind of how many have a place by a metric, in what is kept of the growth of those who are named."""
    return f"{NAMED}/{metric.value}"


def can_tell(question: Question) -> bool:
    """Whether the folded counts have the answer, but for subjects that are partly in the scope."""
    return (
        question.metric is Metric.VOLUNTEER_COUNT
        and question.subject in SLICES
        and has_facet(question)
        and span_of(question) is not None
    )


def can_tell_parts(question: Question) -> bool:
    """Whether `parted` and `values` fit together: a fold between the two would part what was whole."""
    return can_tell(question) and (question.scope is None or sees_one_moment())


def parted(question: Question) -> Sequence[UUID]:
    """The subjects that are counted in part: on some of their paths in the scope, on others not. Mostly none."""
    if question.scope is None:
        return ()
    sums, member, scope_member = aliased(RankingSum), aliased(PathMember), aliased(PathMember)
    inside: Column = scope_member.ancestor_id
    statement: Rows
    if question.subject is Subject.ORGANIZATION:
        key: Column = member.ancestor_id
        statement = select(key).join_from(sums, member, member.path_id == sums.path_id)
        inside = case((_below(question, scope_member.depth - member.depth), inside))
    else:
        key = sums.ranked_id
        statement = select(key).select_from(sums)
    statement = (
        statement.outerjoin(
            scope_member, and_(scope_member.path_id == sums.path_id, scope_member.ancestor_id == question.scope)
        )
        .where(
            sums.slice == question.kind_of(SLICES[question.subject]),
            sums.unit == Unit.ALL,
            sums.attendance_count != 0,
        )
        .group_by(key)
        .having(func.count(inside) > 0, func.count() > func.count(inside))
    )
    return db.session.scalars(statement).all()


def values(question: Question, apart: Sequence[UUID]) -> Subquery:
    """`subject_id`, `value` and `own` of the subjects that have any, but for those `apart`."""
    rows = union_all(_folded(question), _changed(question)).subquery("counts")
    value = func.sum(rows.c.value)
    statement: Rows = select(
        rows.c.subject_id,
        cast(value, BigInteger).label("value"),
        cast(func.sum(rows.c.own), BigInteger).label("own"),
    )
    if apart:
        statement = statement.where(rows.c.subject_id.not_in(apart))
    return statement.group_by(rows.c.subject_id).having(value != 0).subquery("by_subject")


def scope_total(question: Question) -> Rows:
    """One row: how many in the whole scope, and how many in what was published for its organization itself."""
    unit, starts_on = _span(question)
    count, own = RankingHeadcount.volunteer_count, question.kind_of(OWN)
    folded = select(
        case((RankingHeadcount.kind == own, 0), else_=count).label("value"),
        case((RankingHeadcount.kind == own, count), else_=0).label("own"),
    ).where(
        RankingHeadcount.kind.in_((question.kind_of(Subject.ORGANIZATION), own)),
        RankingHeadcount.unit == unit,
        RankingHeadcount.starts_on == starts_on,
        RankingHeadcount.ranked_id == question.scope,
    )
    rows, member = turnout(marked(question.now)), aliased(PathMember)
    seen = (
        select(*_flags(rows, member.depth == 0))
        .join_from(rows, member, member.path_id == rows.c.path_id)
        .where(member.ancestor_id == question.scope, *in_period(question, rows.c.on), *in_facet(question, rows.c))
        .group_by(rows.c.volunteer_id)
        .subquery("seen")
    )
    both = union_all(folded, select(seen.c.value, seen.c.own)).subquery("counts")
    return select(
        cast(func.coalesce(func.sum(both.c.value), 0), BigInteger).label("value"),
        cast(func.coalesce(func.sum(both.c.own), 0), BigInteger).label("own"),
    )


def _span(question: Question) -> Span:
    span = span_of(question)
    if span is None:
        raise ValueError("a headcount is of one span")
    return span


def _folded(question: Question) -> Rows:
    """The counts of the subjects that are in the scope: with all of what they did, or they are left out later."""
    unit, starts_on = _span(question)
    whole, own = aliased(RankingHeadcount), aliased(RankingHeadcount)
    statement: Rows = select(whole.ranked_id.label("subject_id"), whole.volunteer_count.label("value"))
    if question.subject is Subject.ORGANIZATION:
        statement = statement.add_columns(func.coalesce(own.volunteer_count, 0).label("own")).outerjoin(
            own,
            and_(
                own.kind == question.kind_of(OWN),
                own.unit == unit,
                own.starts_on == starts_on,
                own.ranked_id == whole.ranked_id,
            ),
        )
    else:
        statement = statement.add_columns(literal(0).label("own"))
    kind = question.kind_of(question.subject)
    statement = statement.where(whole.kind == kind, whole.unit == unit, whole.starts_on == starts_on)
    return statement if question.scope is None else statement.where(whole.ranked_id.in_(_in_scope(question)))


def _in_scope(question: Question) -> Rows:
    """The subjects that ever did something on a path in the scope; who did so elsewhere too is left out later."""
    scope_member, sums = aliased(PathMember), aliased(RankingSum)
    inside = and_(scope_member.path_id == sums.path_id, scope_member.ancestor_id == question.scope)
    if question.subject is Subject.ORGANIZATION:
        member = aliased(PathMember)
        statement: Rows = (
            select(member.ancestor_id)
            .join_from(sums, member, member.path_id == sums.path_id)
            .join(scope_member, and_(inside, _below(question, scope_member.depth - member.depth)))
        )
    else:
        statement = select(sums.ranked_id).join(scope_member, inside)
    return statement.where(
        sums.slice == question.kind_of(SLICES[question.subject]),
        sums.unit == Unit.ALL,
        sums.attendance_count != 0,
    )


def _changed(question: Question) -> Rows:
    """What the counts lack: of each volunteer and subject, whether she counts now, less whether she did."""
    rows, member, scope_member = turnout(marked(question.now)), aliased(PathMember), aliased(PathMember)
    own: ColumnElement[bool] | None = None
    if question.subject is Subject.ORGANIZATION:
        key: Column = member.ancestor_id
        own = member.depth == 0
        statement: Rows = select(key.label("subject_id"), *_flags(rows, own)).join_from(
            rows, member, member.path_id == rows.c.path_id
        )
    else:
        key = rows.c.team_id if question.subject is Subject.TEAM else rows.c.station_id
        statement = select(key.label("subject_id"), *_flags(rows, own)).select_from(rows).where(key.is_not(None))
    if question.scope is not None:
        statement = statement.join(
            scope_member, and_(scope_member.path_id == rows.c.path_id, scope_member.ancestor_id == question.scope)
        )
        if question.subject is Subject.ORGANIZATION:
            statement = statement.where(_below(question, scope_member.depth - member.depth))
    statement = statement.where(*in_period(question, rows.c.on), *in_facet(question, rows.c))
    seen = statement.group_by(key, rows.c.volunteer_id).subquery("seen")
    return select(seen.c.subject_id, seen.c.value, seen.c.own)


def _flags(rows: CTE, own: ColumnElement[bool] | None) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """1 where she counts now and did not, −1 where she did and does not."""
    value = func.max(rows.c.now) - func.max(rows.c.was)
    if own is None:
        return value.label("value"), literal(0).label("own")
    mine = func.max(case((own, rows.c.now), else_=0)) - func.max(case((own, rows.c.was), else_=0))
    return value.label("value"), mine.label("own")


def _below(question: Question, below: ColumnElement[int]) -> ColumnElement[bool]:
    """As in queries: the children of the scope, or whatever is in it where a level is asked for."""
    return below == 1 if question.level is None else below >= 0
