"""What a campaign reached, counted by the rule of the rankings: in all, by organization, by day."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Subquery,
    and_,
    case,
    cast,
    distinct,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.orm import aliased

from volunteer_api.activities.models import Shift
from volunteer_api.attendance.models import Attendance
from volunteer_api.organizations.models import Organization, PathMember
from volunteer_api.organizations.queries import subtree_ids
from volunteer_api.rankings.facts import Question, Rows, activity_days, attended_shifts, records
from volunteer_api.rankings.local_days import local_day


@dataclass(frozen=True)
class Counted:
    """One kind of facts of a campaign, and what is counted of them, by the names of what is counted."""

    facts: Subquery
    day: ColumnElement[Any]
    measures: Mapping[str, ColumnElement[Any]]


def counted(question: Question) -> list[Counted]:
    """What is counted, before it is grouped; every group takes one statement for each of these."""
    days = activity_days(question)
    attended = attended_shifts(question, Shift.id, Attendance.volunteer_id, local_day(Shift.starts_at).label("day"))
    ledger = records(question)
    return [
        Counted(days, days.c.day, {"activity_count": func.count()}),
        Counted(
            attended,
            attended.c.day,
            {"attendance_count": func.count(), "volunteer_count": func.count(distinct(attended.c.volunteer_id))},
        ),
        Counted(ledger, ledger.c.on, {"credited_minutes": func.coalesce(func.sum(ledger.c.minutes), 0)}),
    ]


def in_all(what: Counted) -> Rows:
    """One row."""
    return select(*_whole(what)).select_from(what.facts)


def by_day(what: Counted, most: int) -> Rows:
    """A row with its `day` for each of the last `most` days that have any, the latest first."""
    return (
        select(what.day.label("day"), *_whole(what))
        .select_from(what.facts)
        .group_by(what.day)
        .order_by(what.day.desc())
        .limit(most)
    )


def by_organization(what: Counted, scope: UUID, level: str | None) -> Rows:
    """A row for each organization that has any: the children of `scope`, or those of the level below it.

    The row whose `organization_id` is the scope's own is what was published for the scope itself. What was recorded
    keeps its path; of two of one level on a path the upper one counts, so that nothing is counted twice.
    """
    member, top, organization = aliased(PathMember), aliased(PathMember), aliased(Organization)
    own = and_(member.ancestor_id == scope, member.depth == 0)
    if level is None:
        listed: ColumnElement[bool] = top.depth - member.depth == 1
    else:
        between, other = aliased(PathMember), aliased(Organization)
        upper = exists().where(
            between.path_id == what.facts.c.path_id,
            between.depth > member.depth,
            between.depth < top.depth,
            other.id == between.ancestor_id,
            other.kind == level,
        )
        listed = and_(organization.kind == level, member.depth < top.depth, ~upper)
    return (
        select(member.ancestor_id.label("organization_id"), *_whole(what))
        .select_from(what.facts)
        .join(member, member.path_id == what.facts.c.path_id)
        .join(top, and_(top.path_id == what.facts.c.path_id, top.ancestor_id == scope))
        .join(organization, organization.id == member.ancestor_id)
        .where(or_(own, listed))
        .group_by(member.ancestor_id)
    )


def organizations(scope: UUID, level: str | None, counted_ids: list[UUID], most: int) -> Select[UUID, str, str]:
    """Id, name and kind of those that are listed: first those that have any, then those that have not begun."""
    found = Organization.id.in_(counted_ids)
    now = Organization.parent_id == scope
    if level is not None:
        now = and_(Organization.kind == level, Organization.id.in_(subtree_ids(scope)), Organization.id != scope)
    return (
        select(Organization.id, Organization.name, Organization.kind)
        .where(or_(found, and_(now, Organization.closed_at.is_(None))))
        .order_by(case((found, 0), else_=1), Organization.id)
        .limit(most)
    )


def _whole(what: Counted) -> list[ColumnElement[Any]]:
    # PostgreSQL sums whole numbers to a decimal.
    return [cast(measure, BigInteger).label(name) for name, measure in what.measures.items()]
