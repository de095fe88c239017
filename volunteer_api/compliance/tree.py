"""A whole tree of stations in one statement: sums in the database, and only the stations that somebody must see.

A city's thousands of rows would cost more to fetch than to sum up. The statement is built once: building it costs as
much as running it.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    Date,
    Row,
    Select,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    literal,
    not_,
    null,
    select,
    union_all,
)
from sqlalchemy.orm import aliased

from volunteer_api.catalog.models import Item
from volunteer_api.compliance.models import StationAssessment
from volunteer_api.compliance.queries import ASSESSED
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.paging import DEFAULT_LIMIT, Key, cursor_values, lies_behind, marks
from volunteer_api.organizations.models import Organization, PathMember
from volunteer_api.stations.models import Station

# Behind every score.
NO_SCORE = 101
RANKS = ("rank", "critical_rank", "fails_rank", "station_id")
SUMS = (
    "station_count",
    "scored_count",
    "points",
    "compliant_count",
    "critical_count",
    "missing_count",
    "near_expiry_count",
    "expired_count",
)


def tree_rows(organization_id: UUID, query: Mapping[str, Any]) -> tuple[Sequence[Row[*tuple[Any, ...]]], Sequence[Key]]:
    """How the stations of a tree stood. One statement; raises InvalidCursor (400).

    A row without a `station_id` sums up, for one child of the root (`branch_id`, None for the root itself), all
    stations whose assessment is what their shelf says. A row with one and `fresh` is one of them again: the worst that
    the page of `query` needs. A row with one and not `fresh` is a station that has to be assessed anew, in no sum.
    Also the keys by which the worst are ordered.
    """
    keys = _keys()
    values = cursor_values(keys, query, scope=str(organization_id))
    rows = db.session.execute(
        _statement(values is not None),
        {
            "root_id": organization_id,
            "today": clock.today(),
            "wanted": (query.get("limit") or DEFAULT_LIMIT) + 1,
            **marks(values or ()),
        },
    ).all()
    return rows, keys


@cache
def _keys() -> Sequence[Key]:
    reads = (
        lambda one: NO_SCORE if one.score is None else one.score,
        lambda one: -one.critical_missing_count,
        lambda one: one.fails_on or date.max,
        lambda one: one.station.id,
    )
    return [Key(_tree().c[name], read) for name, read in zip(RANKS, reads, strict=True)]


@cache
def _statement(behind: bool) -> CompoundSelect[*tuple[Any, ...]]:
    columns, keys = _tree().c, _keys()
    worst = select(columns.station_id, columns.branch_id).where(columns.fresh)
    if behind:
        worst = worst.where(lies_behind(keys))
    worst = worst.order_by(*(key.column for key in keys)).limit(bindparam("wanted"))
    unsure = select(columns.station_id, columns.branch_id).where(not_(columns.fresh))
    return union_all(_sums(), _singles(worst, fresh=True), _singles(unsure, fresh=False))


@cache
def _tree() -> CTE:
    """Each station in service of a tree with its assessment, and the child of the root that it stands below."""
    # Not by the root's children, which would read better: PostgreSQL could not guess how many rows that gives.
    here, branch = aliased(PathMember), aliased(PathMember)
    assessed = StationAssessment
    return (
        select(
            Station.id.label("station_id"),
            branch.ancestor_id.label("branch_id"),
            is_fresh(bindparam("today", type_=Date())).label("fresh"),
            assessed.score,
            assessed.missing_count,
            assessed.critical_missing_count,
            assessed.near_expiry_count,
            assessed.expired_count,
            assessed.fails_on,
            func.coalesce(assessed.score, NO_SCORE).label("rank"),
            (-assessed.critical_missing_count).label("critical_rank"),
            func.coalesce(assessed.fails_on, date.max).label("fails_rank"),
        )
        .select_from(here)
        .join(Organization, Organization.path_id == here.path_id)
        .join(Station, and_(Station.organization_id == Organization.id, Station.status.in_(ASSESSED)))
        .outerjoin(branch, and_(branch.path_id == here.path_id, branch.depth == here.depth - 1))
        .outerjoin(assessed, assessed.station_id == Station.id)
        .where(here.ancestor_id == bindparam("root_id", type_=Uuid()))
        .cte("stations_of_tree")
    )


def _sums() -> Select[*tuple[Any, ...]]:
    columns = _tree().c

    def count_where(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((condition, 1), else_=0))

    summed = (
        select(
            columns.branch_id,
            func.count().label("station_count"),
            func.count(columns.score).label("scored_count"),
            func.coalesce(func.sum(columns.score), 0).label("points"),
            count_where(and_(columns.score.is_not(None), columns.missing_count == 0)).label("compliant_count"),
            count_where(columns.critical_missing_count > 0).label("critical_count"),
            func.sum(columns.missing_count).label("missing_count"),
            func.sum(columns.near_expiry_count).label("near_expiry_count"),
            func.sum(columns.expired_count).label("expired_count"),
            func.min(columns.fails_on).label("fails_on"),
        )
        .where(columns.fresh)
        .group_by(columns.branch_id)
        .subquery()
    )
    branch = aliased(Organization)
    return (
        select(
            summed.c.branch_id,
            branch.name.label("branch_name"),
            branch.kind.label("branch_kind"),
            *(summed.c[name] for name in SUMS),
            summed.c.fails_on,
            *(cast(null(), column.type).label(column.name) for column in _station_columns(fresh=False)),
        )
        .select_from(summed)
        .outerjoin(branch, branch.id == summed.c.branch_id)
    )


def _singles(chosen: Select[*tuple[Any, ...]], *, fresh: bool) -> Select[*tuple[Any, ...]]:
    found, branch = chosen.subquery(), aliased(Organization)
    assessed = StationAssessment
    figures: dict[str, Any] = {
        "missing_count": assessed.missing_count,
        "near_expiry_count": assessed.near_expiry_count,
        "expired_count": assessed.expired_count,
    }
    return (
        select(
            found.c.branch_id,
            branch.name,
            branch.kind,
            *(func.coalesce(figures[name], 0) if name in figures else literal(0) for name in SUMS),
            assessed.fails_on,
            *_station_columns(fresh=fresh),
        )
        .select_from(found)
        .join(Station, Station.id == found.c.station_id)
        .join(Organization, Organization.id == Station.organization_id)
        .outerjoin(branch, branch.id == found.c.branch_id)
        .outerjoin(assessed, assessed.station_id == Station.id)
        .outerjoin(Item, Item.id == assessed.failing_item_id)
    )


def _station_columns(*, fresh: bool) -> list[ColumnElement[Any]]:
    assessed = StationAssessment
    return [
        Station.id.label("station_id"),
        (not_(false()) if fresh else false()).label("fresh"),
        Station.code.label("station_code"),
        Station.name.label("station_name"),
        Station.kind.label("station_kind"),
        Organization.id.label("organization_id"),
        Organization.name.label("organization_name"),
        Organization.path_id.label("path_id"),
        assessed.score.label("score"),
        assessed.critical_missing_count.label("critical_missing_count"),
        assessed.fails_because.label("fails_because"),
        Item.id.label("item_id"),
        Item.name.label("item_name"),
        Item.unit.label("item_unit"),
        Item.kind.label("item_kind"),
    ]


def is_fresh(today: ColumnElement[date]) -> ColumnElement[bool]:
    """Whether a StationAssessment is what the shelf of its Station, in its Organization, says today."""
    return func.coalesce(
        and_(
            not_(StationAssessment.stale),
            StationAssessment.assessed_on <= today,
            StationAssessment.valid_through >= today,
            StationAssessment.path_id == Organization.path_id,
            StationAssessment.station_kind == Station.kind,
        ),
        false(),
    )
