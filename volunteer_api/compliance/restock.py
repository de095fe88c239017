"""Who could give what is missing where: the nearest surplus first, greedily.

Needs are taken one after the other: critical ones first, then the least covered. Each is met from the nearest station
that has more than it must hold, there from what expires first, and then from the next. What is suggested once is given
away: no two needs count on the same pieces, and no station is asked for more than its surplus over its own minimum.
Transfers that are asked for or approved count as done, on both sides: posting a suggestion takes it off the list.
Why not an optimal plan: docs/decisions/0009.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from volunteer_api.catalog.queries import NamedItem
from volunteer_api.catalog.standards import Requirement, standards_on
from volunteer_api.compliance import queries
from volunteer_api.compliance.assessment import HeldLot, Holding
from volunteer_api.core import clock, geo
from volunteer_api.core.problems import InvalidPayload
from volunteer_api.core.schema import Fault, error_list
from volunteer_api.core.settings import rules
from volunteer_api.organizations.models import Organization

MOST_STATIONS = 5000
MOST_NEEDS = 500
MOST_UNMET = 100
# What expires sooner would be of no use by the time it came.
LEAST_DAYS_LEFT = 7


class RestockReason(StrEnum):
    """Why just this: it is more than its station must hold, or besides it should be used soon."""

    SURPLUS = "surplus"
    EXPIRES_SOON = "expires_soon"


@dataclass(frozen=True)
class Place:
    """A station, with its place in meters on a plane."""

    id: UUID
    code: str
    name: str
    latitude: float
    longitude: float
    x: float = 0
    y: float = 0

    def squared_m(self, other: "Place") -> float:
        return (self.x - other.x) ** 2 + (self.y - other.y) ** 2


@dataclass
class Need:
    """So many of an item that a station lacks, without what is on its way there."""

    place: Place
    item: NamedItem
    critical: bool
    quantity: int
    covered: Fraction


@dataclass
class Donor:
    """What a station can spare of an item: never more than `spare`, by lots with the soonest to expire first."""

    place: Place
    spare: int
    lots: list[tuple[HeldLot, int]]

    def promise(self, quantity: int, lot_number: str) -> None:
        """Leave alone what a transfer will take: from the named lot, else from what expires first."""
        self.spare -= quantity
        left = []
        for lot, free in self.lots:
            taken = min(quantity, free) if lot_number in ("", lot.lot_number) else 0
            quantity -= taken
            if free > taken:
                left.append((lot, free - taken))
        self.lots = left

    def give(self, wanted: int) -> list[tuple[HeldLot, int]]:
        """Take up to so many away, lot by lot."""
        given = []
        left = []
        for lot, quantity in self.lots:
            taken = min(wanted, self.spare, quantity)
            if taken:
                given.append((lot, taken))
                wanted -= taken
                self.spare -= taken
            if quantity > taken:
                left.append((lot, quantity - taken))
        self.lots = left
        return given


@dataclass(frozen=True)
class Promise:
    """A line of a transfer that is not shipped yet; without a lot (""), what expires first will go."""

    from_station_id: UUID
    to_station_id: UUID
    item_id: UUID
    lot_number: str
    quantity: int


@dataclass(frozen=True)
class Suggestion:
    """One line that can be asked for as a transfer."""

    from_station: Place
    to_station: Place
    item: NamedItem
    critical: bool
    lot_number: str | None
    expires_on: date | None
    quantity: int
    distance_m: int
    reason: RestockReason


@dataclass
class Restocking:
    """Suggestions in the order of need; `unmet` is what nobody in the tree can spare."""

    as_of: datetime
    need_count: int = 0
    items: list[Suggestion] = field(default_factory=list)
    unmet: list[Need] = field(default_factory=list)


def suggest(organization: Organization, *, limit: int) -> Restocking:
    """Up to `limit` suggestions for the stations of a tree. Four statements.

    The most urgent MOST_NEEDS needs are looked at. Raises InvalidPayload (422) for a tree of more than MOST_STATIONS.
    """
    rows = queries.placed_stations(organization.id, MOST_STATIONS + 1)
    if len(rows) > MOST_STATIONS:
        raise InvalidPayload(error_list({"organization_id": [_too_large()]}))
    places = _places(rows)
    standards, chains = standards_on({row.path_id for row in rows})
    required = {row.id: standards.required(chains[row.path_id], row.kind) for row in rows}
    promises = [Promise(*row) for row in queries.promised(places)]
    return match(places, required, queries.holdings(places), promises, today=clock.today(), limit=limit)


def _too_large() -> Fault:
    return Fault(
        "tree_too_large", "This has more than %(limit)s stations; name an organization below it.", limit=MOST_STATIONS
    )


def match(
    places: dict[UUID, Place],
    required: dict[UUID, dict[UUID, Requirement]],
    held: dict[UUID, dict[UUID, Holding]],
    promises: Sequence[Promise] = (),
    *,
    today: date,
    limit: int,
) -> Restocking:
    """The suggestions for stations by what they must hold and what they hold, all by station and item."""
    coming: Counter[tuple[UUID, UUID]] = Counter()
    for promise in promises:
        coming[promise.to_station_id, promise.item_id] += promise.quantity
    needs = sorted(
        (
            need
            for station_id, items in required.items()
            for item_id, one in items.items()
            if (
                need := _need(
                    places[station_id], one, held[station_id].get(item_id), coming[station_id, item_id], today
                )
            )
            is not None
        ),
        key=lambda need: (not need.critical, need.covered, need.item.name, need.item.id, need.place.id),
    )
    found = Restocking(as_of=clock.now(), need_count=len(needs))
    donors = _donors({need.item.id for need in needs}, places, required, held, today)
    _keep_promises(donors, promises)
    for need in needs[:MOST_NEEDS]:
        near = sorted(donors[need.item.id], key=lambda donor: (donor.place.squared_m(need.place), donor.place.id))
        for donor in near:
            if need.quantity == 0:
                break
            for lot, quantity in donor.give(need.quantity):
                need.quantity -= quantity
                found.items.append(_suggestion(donor.place, need, lot, quantity, today))
        donors[need.item.id] = [donor for donor in donors[need.item.id] if donor.spare and donor.lots]
        if need.quantity and len(found.unmet) < MOST_UNMET:
            found.unmet.append(need)
        if len(found.items) >= limit:
            break
    found.items = found.items[:limit]
    return found


def _keep_promises(donors: dict[UUID, list[Donor]], promises: Sequence[Promise]) -> None:
    by_place = {(item_id, donor.place.id): donor for item_id, found in donors.items() for donor in found}
    # Those that name a lot first: what expires first must leave it to them.
    for promise in sorted(promises, key=lambda one: one.lot_number == ""):
        donor = by_place.get((promise.item_id, promise.from_station_id))
        if donor is not None:
            donor.promise(promise.quantity, promise.lot_number)
    for item_id, found in donors.items():
        donors[item_id] = [donor for donor in found if donor.spare > 0 and donor.lots]


def _need(place: Place, required: Requirement, holding: Holding | None, coming: int, today: date) -> Need | None:
    held = holding.held(today) if holding else 0
    coming += holding.in_transit if holding else 0
    lacking = required.minimum - held - coming
    if lacking <= 0:
        return None
    return Need(place, required.item, required.critical, lacking, Fraction(held + coming, required.minimum))


def _donors(
    item_ids: set[UUID],
    places: dict[UUID, Place],
    required: dict[UUID, dict[UUID, Requirement]],
    held: dict[UUID, dict[UUID, Holding]],
    today: date,
) -> dict[UUID, list[Donor]]:
    donors: dict[UUID, list[Donor]] = defaultdict(list)
    good_until = today + timedelta(days=LEAST_DAYS_LEFT)
    for station_id, place in places.items():
        for item_id in item_ids & held[station_id].keys():
            holding = held[station_id][item_id]
            minimum = required[station_id][item_id].minimum if item_id in required[station_id] else 0
            lots = [
                (lot, lot.quantity)
                for lot in holding.sendable_lots(today)
                if lot.expires_on is None or lot.expires_on >= good_until
            ]
            spare = holding.held(today) - minimum
            if spare > 0 and lots:
                donors[item_id].append(Donor(place, spare, lots))
    return donors


def _suggestion(donor: Place, need: Need, lot: HeldLot, quantity: int, today: date) -> Suggestion:
    soon = today + timedelta(days=rules().near_expiry_days)
    expires_soon = lot.expires_on is not None and lot.expires_on <= soon
    return Suggestion(
        from_station=donor,
        to_station=need.place,
        item=need.item,
        critical=need.critical,
        lot_number=lot.lot_number or None,
        expires_on=lot.expires_on,
        quantity=quantity,
        distance_m=round(
            geo.meters_between((donor.latitude, donor.longitude), (need.place.latitude, need.place.longitude))
        ),
        reason=RestockReason.EXPIRES_SOON if expires_soon else RestockReason.SURPLUS,
    )


def _places(rows: Sequence[Row[*tuple[Any, ...]]]) -> dict[UUID, Place]:
    """The stations on one plane: good enough to say which is nearer within a city."""
    if not rows:
        return {}
    per_latitude, per_longitude = geo.meters_per_degree(sum(row.latitude for row in rows) / len(rows))
    return {
        row.id: Place(
            row.id,
            row.code,
            row.name,
            row.latitude,
            row.longitude,
            row.longitude * per_longitude,
            row.latitude * per_latitude,
        )
        for row in rows
    }
