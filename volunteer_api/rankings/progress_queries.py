"""What a campaign reached, counted by the rule of the rankings: in all, by organization, by day."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    and_,
    case,
    cast,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.orm import aliased

from volunteer_api.activities.models import Shift
from volunteer_api.organizations.models import Organization, PathMember
from volunteer_api.organizations.queries import subtree_ids
from volunteer_api.rankings.facts import Question, Rows
from volunteer_api.rankings.local_days import local_day
from volunteer_api.rankings.queries import facts_of, present
from volunteer_api.rankings.schemas import ADDITIVE, Metric
from volunteer_api.rankings.spans import Unit


@dataclass(frozen=True)
class Counted:
    """One kind of facts of a campaign with their day `on` and `path_id`, and what is counted of them, by its name.

    Where they tell of `different` ones, each of these counts once in whatever the facts are grouped by.
    """

    facts: FromClause
    measures: Mapping[str, ColumnElement[Any]]
    different: ColumnElement[Any] | None = None

    def grouped(self, statement: Rows, *keys: ColumnElement[Any]) -> Rows:
        """A row for each of the keys of a statement about the facts; one row where there are none."""
        if self.different is None:
            # PostgreSQL sums whole numbers to a decimal.
            measures = [cast(measure, BigInteger).label(name) for name, measure in self.measures.items()]
            return statement.add_columns(*keys, *measures).group_by(*keys)
        # To sort them all, as COUNT(DISTINCT) does, takes longer.
        each = statement.add_columns(*keys, self.different).group_by(*keys, self.different).subquery("each")
        names = [each.c[key.name] for key in keys]
        measures = [measure.label(name) for name, measure in self.measures.items()]
        return select(*names, *measures).select_from(each).group_by(*names)


def counted(question: Question) -> list[Counted]:
    """What is counted, before it is grouped; every group takes one statement for each of these."""
    there = present(question, local_day(Shift.starts_at).label("on"))
    volunteers = Counted(there, {Metric.VOLUNTEER_COUNT.value: func.count()}, there.c.volunteer_id)
    return [*(_adding_up(replace(question, metric=metric)) for metric in ADDITIVE), volunteers]


def _adding_up(question: Question) -> Counted:
    days = facts_of(question, Unit.DAY)
    return Counted(days, {question.metric.value: func.coalesce(func.sum(days.c.amount), 0)})


def in_all(what: Counted) -> Rows:
    """One row."""
    return what.grouped(select().select_from(what.facts))


def by_day(what: Counted, most: int) -> Rows:
    """A row with its day `on` for each of the last `most` days that have any, the latest first."""
    day = what.facts.c.on
    rows = what.grouped(select().select_from(what.facts), day).subquery("days")
    return select(rows).order_by(rows.c.on.desc()).limit(most)


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
    rows: Rows = (
        select()
        .select_from(what.facts)
        .join(member, member.path_id == what.facts.c.path_id)
        .join(top, and_(top.path_id == what.facts.c.path_id, top.ancestor_id == scope))
        .join(organization, organization.id == member.ancestor_id)
        .where(or_(own, listed))
    )
    return what.grouped(rows, member.ancestor_id.label("organization_id"))


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
