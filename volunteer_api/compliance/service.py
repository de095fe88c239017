"""The compliance of a station and of a tree, as it is at this moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row

from volunteer_api.catalog.queries import NamedItem
from volunteer_api.catalog.standards import standards_at, standards_on
from volunteer_api.compliance import queries
from volunteer_api.compliance.assessment import Assessment, HeldLot, ItemAssessment, assess
from volunteer_api.compliance.tree import NO_SCORE, tree_rows
from volunteer_api.core import clock
from volunteer_api.core.paging import page_of_rows
from volunteer_api.inventory.models import opened_on
from volunteer_api.organizations.models import Organization
from volunteer_api.stations.models import Station

# What is asked for of more children is answered by asking for one of them.
MOST_CHILDREN = 100
MOST_LOTS = 100


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
        self._fail(one.fails_on)

    def add_all(self, row: Row[*tuple[Any, ...]]) -> None:
        """Count in what the database summed up."""
        self.station_count += row.station_count
        self.scored_count += row.scored_count
        self.points += int(row.points or 0)
        self.compliant_count += int(row.compliant_count)
        self.critical_count += int(row.critical_count)
        self.missing_count += int(row.missing_count)
        self.near_expiry_count += int(row.near_expiry_count)
        self.expired_count += int(row.expired_count)
        self._fail(row.fails_on)

    def _fail(self, day: date | None) -> None:
        if day is not None and (self.fails_on is None or day < self.fails_on):
            self.fails_on = day


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
    held = queries.holdings([station.id])
    found = assess(
        standards.required(chain, station_kind),
        held.get(station.id, {}),
        today=clock.today(),
        coming=standards.coming(chain, station_kind),
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
    rows, keys = tree_rows(organization.id, query)
    renewed = _assess_anew([row for row in rows if row.station_id is not None and not row.fresh])
    total, own = Summary(), Summary()
    children: dict[UUID, Summary] = {}
    standings = []
    for row in rows:
        branch = own
        if row.branch_id is not None:
            named = {"id": row.branch_id, "name": row.branch_name, "kind": row.branch_kind}
            branch = children.setdefault(row.branch_id, Summary(named))
        if row.station_id is None:
            branch.add_all(row)
            total.add_all(row)
        else:
            standing = _standing(row, renewed.get(row.station_id))
            standings.append(standing)
            if not row.fresh:
                branch.add(standing)
                total.add(standing)
    listed = page_of_rows(standings, keys, query, scope=str(organization.id))
    return TreeCompliance(
        organization={"id": organization.id, "name": organization.name, "kind": organization.kind},
        as_of=clock.now(),
        total=total,
        own=own,
        children=sorted(children.values(), key=_worst_summary)[:MOST_CHILDREN],
        child_count=len(children),
        items=listed.items,
        next_cursor=listed.next_cursor,
    )


def _dated(lots: Sequence[tuple[NamedItem, HeldLot]]) -> list[DatedLot]:
    return [
        DatedLot(item, lot.lot_number or None, opened_on(lot.portion), lot.expires_on, lot.quantity)
        for item, lot in lots[:MOST_LOTS]
    ]


def _assess_anew(rows: Sequence[Row[*tuple[Any, ...]]]) -> dict[UUID, Assessment]:
    """The assessments of stations whose stored ones don't hold; two statements, none for none."""
    if not rows:
        return {}
    standards, chains = standards_on({row.path_id for row in rows})
    held = queries.holdings([row.station_id for row in rows])
    today = clock.today()
    return {
        row.station_id: assess(
            standards.required(chains[row.path_id], row.station_kind),
            held.get(row.station_id, {}),
            today=today,
            coming=standards.coming(chains[row.path_id], row.station_kind),
        )
        for row in rows
    }


def _standing(row: Row[*tuple[Any, ...]], renewed: Assessment | None) -> Standing:
    if renewed is None:
        item = row.item_id and NamedItem(row.item_id, row.item_name, row.item_unit, row.item_kind)
        figures: tuple[Any, ...] = (
            row.score,
            int(row.missing_count),
            int(row.critical_missing_count),
            int(row.near_expiry_count),
            int(row.expired_count),
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


def _worst_summary(one: Summary) -> tuple[Any, ...]:
    identity = one.organization or {}
    return (NO_SCORE if one.score is None else one.score, str(identity.get("name")), str(identity.get("id")))
