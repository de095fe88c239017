"""The compliance of a station and of a tree, as it is at this moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row

from volunteer_api.catalog.queries import NamedItem
from volunteer_api.catalog.standards import Requirement, standards_around, standards_at
from volunteer_api.compliance import queries
from volunteer_api.compliance.assessment import Assessment, HeldLot, ItemAssessment, assess
from volunteer_api.core import clock
from volunteer_api.core.paging import page_of_rows
from volunteer_api.inventory.models import opened_on
from volunteer_api.organizations.models import Organization
from volunteer_api.stations.models import Station

# What is asked for of more children is answered by asking for one of them.
MOST_CHILDREN = 100
MOST_LOTS = 100
NO_SCORE = 101


class StationName(NamedTuple):
    """A station by its code and name."""

    id: UUID
    code: str
    name: str


class NamedOrganization(NamedTuple):
    """An organization by its name."""

    id: UUID
    name: str


@dataclass(frozen=True)
class Standing:
    """How one station stands: what of its assessment a sum over a tree needs."""

    station: StationName
    organization: NamedOrganization
    score: int | None
    missing_count: int
    critical_missing_count: int
    near_expiry_count: int
    expired_count: int
    fails_on: date | None
    fails_because: str | None
    failing_item: NamedItem | None


@dataclass
class Summary:
    """Stations summed up. The score is the mean of those that have one, to a tenth, rounded down."""

    organization: dict[str, Any] | None = None
    station_count: int = 0
    scored_count: int = 0
    compliant_count: int = 0
    critical_count: int = 0
    missing_count: int = 0
    near_expiry_count: int = 0
    expired_count: int = 0
    fails_on: date | None = None
    points: int = 0

    @property
    def score(self) -> float | None:
        return self.points * 10 // self.scored_count / 10 if self.scored_count else None

    def add(self, one: Standing) -> None:
        """Count a station in."""
        self.station_count += 1
        self.missing_count += one.missing_count
        self.near_expiry_count += one.near_expiry_count
        self.expired_count += one.expired_count
        self.critical_count += one.critical_missing_count > 0
        if one.score is not None:
            self.scored_count += 1
            self.points += one.score
            self.compliant_count += one.missing_count == 0
        if one.fails_on is not None and (self.fails_on is None or one.fails_on < self.fails_on):
            self.fails_on = one.fails_on


@dataclass(frozen=True)
class TreeCompliance:
    """A tree summed up: in all, by child, what stands directly in it, and its stations, the worst first."""

    organization: dict[str, Any]
    as_of: datetime
    total: Summary
    own: Summary
    children: list[Summary]
    child_count: int
    items: Sequence[Standing]
    next_cursor: str | None


@dataclass(frozen=True)
class DatedLot:
    """A portion of a lot that expires soon or has expired."""

    item: NamedItem
    lot_number: str | None
    opened_on: date | None
    expires_on: date | None
    quantity: int


@dataclass(frozen=True)
class StationCompliance:
    """A station's assessment, of this moment."""

    station: dict[str, Any]
    as_of: datetime
    score: int | None
    compliant: bool | None
    fails_on: date | None
    fails_because: str | None
    failing_item: NamedItem | None
    missing: Sequence[ItemAssessment]
    items: Sequence[ItemAssessment]
    near_expiry: Sequence[DatedLot]
    expired: Sequence[DatedLot]


def station_compliance(station: Station) -> StationCompliance:
    """What a station holds against its standards. Two statements."""
    standards, chain, station_kind = standards_at(station.id)
    required = standards.required(chain, station_kind) if chain else {}
    held = queries.holdings([station.id])
    found = assess(
        required,
        held.get(station.id, {}),
        created_at=station.created_at,
        today=clock.today(),
        changes_on=standards.changes_on,
    )
    first = found.first_failure
    return StationCompliance(
        station={"id": station.id, "code": station.code, "name": station.name},
        as_of=clock.now(),
        score=found.score,
        compliant=None if found.score is None else not found.missing,
        fails_on=first.fails_on if first else None,
        fails_because=first.fails_because if first else None,
        failing_item=first.item if first else None,
        missing=found.missing,
        items=found.items,
        near_expiry=_dated(found.near_expiry),
        expired=_dated(found.expired),
    )


def tree_compliance(organization: Organization, query: Mapping[str, Any]) -> TreeCompliance:
    """How all stations of a tree stand: one statement, and two more where stock moved since it was last looked at.

    Raises InvalidCursor (400).
    """
    rows = queries.tree_rows(organization.id)
    parents = {row.organization_id: row.parent_id for row in rows}
    stations = [row for row in rows if row.station_id is not None]
    renewed = _assess_anew(organization.id, parents, [row for row in stations if not row.fresh])
    branches = _Branches(organization.id, parents)
    total, own = Summary(), Summary()
    children = {
        row.organization_id: Summary(
            {"id": row.organization_id, "name": row.organization_name, "kind": row.organization_kind}
        )
        for row in rows
        if row.parent_id == organization.id
    }
    standings = []
    for row in stations:
        one = _standing(row, renewed.get(row.station_id))
        standings.append(one)
        total.add(one)
        branch = branches.of(row.organization_id)
        (own if branch is None else children[branch]).add(one)
    # Chosen before sums are asked for: no list without an end.
    worst = sorted(children.values(), key=_worst_summary)[:MOST_CHILDREN]
    listed = page_of_rows(standings, _worst_first, query, scope=str(organization.id))
    return TreeCompliance(
        organization={"id": organization.id, "name": organization.name, "kind": organization.kind},
        as_of=clock.now(),
        total=total,
        own=own,
        children=worst,
        child_count=len(children),
        items=listed.items,
        next_cursor=listed.next_cursor,
    )


def _dated(lots: Sequence[tuple[NamedItem, HeldLot]]) -> list[DatedLot]:
    return [
        DatedLot(item, lot.lot_number or None, opened_on(lot.portion), lot.expires_on, lot.quantity)
        for item, lot in lots[:MOST_LOTS]
    ]


class _Branches:
    """Under which child of the root an organization lies; None for the root itself."""

    def __init__(self, root: UUID, parents: Mapping[UUID, UUID | None]) -> None:
        self.root, self.parents = root, parents
        self.known: dict[UUID, UUID | None] = {root: None}

    def of(self, organization_id: UUID) -> UUID | None:
        if organization_id not in self.known:
            parent = self.parents[organization_id]
            assert parent is not None  # noqa: S101  # a tree: only its root has none
            self.known[organization_id] = organization_id if parent == self.root else self.of(parent)
        return self.known[organization_id]


def _assess_anew(root: UUID, parents: Mapping[UUID, UUID | None], rows: Sequence[Row[Any]]) -> dict[UUID, Assessment]:
    """The assessments of stations whose stored ones don't hold; two statements, none for none."""
    if not rows:
        return {}
    standards, above = standards_around(root)
    held = queries.holdings([row.station_id for row in rows])
    asked: dict[tuple[UUID, str], dict[UUID, Requirement]] = {}
    today = clock.today()
    found = {}
    for row in rows:
        place = (row.organization_id, row.station_kind)
        if place not in asked:
            asked[place] = standards.required([*_up(row.organization_id, root, parents), *above], row.station_kind)
        found[row.station_id] = assess(
            asked[place], held.get(row.station_id, {}), created_at=row.station_created_at, today=today
        )
    return found


def _up(organization_id: UUID, root: UUID, parents: Mapping[UUID, UUID | None]) -> list[UUID]:
    """From an organization up to the root, both included."""
    chain = [organization_id]
    while chain[-1] != root:
        parent = parents[chain[-1]]
        assert parent is not None  # noqa: S101  # a tree: only its root has none
        chain.append(parent)
    return chain


def _standing(row: Row[Any], renewed: Assessment | None) -> Standing:
    if renewed is None:
        item = row.failing_item_id and NamedItem(
            row.failing_item_id, row.failing_item_name, row.failing_item_unit, row.failing_item_kind
        )
        figures: tuple[Any, ...] = (
            row.score,
            row.missing_count,
            row.critical_missing_count,
            row.near_expiry_count,
            row.expired_count,
            row.fails_on,
            row.fails_because,
            item,
        )
    else:
        first = renewed.first_failure
        figures = (
            renewed.score,
            len(renewed.missing),
            renewed.critical_missing_count,
            *lot_counts(renewed),
            first.fails_on if first else None,
            first.fails_because if first else None,
            first.item if first else None,
        )
    return Standing(
        StationName(row.station_id, row.station_code, row.station_name),
        NamedOrganization(row.organization_id, row.organization_name),
        *figures,
    )


def lot_counts(assessment: Assessment) -> tuple[int, int]:
    """How many items have something near its expiry, and how many something past it."""
    return len({item.id for item, _ in assessment.near_expiry}), len({item.id for item, _ in assessment.expired})


def _worst_first(one: Standing) -> tuple[Any, ...]:
    score = NO_SCORE if one.score is None else one.score
    return (score, -one.critical_missing_count, (one.fails_on or date.max), one.station.id)


def _worst_summary(one: Summary) -> tuple[Any, ...]:
    identity = one.organization or {}
    return (NO_SCORE if one.score is None else one.score, str(identity.get("name")), str(identity.get("id")))
