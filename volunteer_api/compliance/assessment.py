"""What a station holds against what it must hold: the score, what is missing, and the day of failure.

An item is covered by what is held of it over its minimum, at most 1. The score is the mean of the coverages in percent,
rounded down, critical items counted twice: so it is 100 only where nothing is missing. Held is what is usable today, in
any portion but quarantined ones, and of a durable also what is lent. A station of which no standard asks anything has
no score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from volunteer_api.catalog.models import ItemKind
from volunteer_api.catalog.queries import NamedItem
from volunteer_api.catalog.standards import Requirement
from volunteer_api.compliance.forecast import Because, Portion, Rate, forecast_all
from volunteer_api.core import clock
from volunteer_api.core.settings import rules
from volunteer_api.inventory.models import QUARANTINED, SEALED

CRITICAL_WEIGHT = 2
# An item that a station has not had for so long is reckoned as if it had: a day's issues say little of a week's.
LEAST_DAYS_OBSERVED = 7


# From that day on a station must hold these, by item.
Coming = tuple[date, Mapping[UUID, Requirement]]


@dataclass(frozen=True)
class HeldLot:
    """A portion of a lot on the shelf."""

    lot_number: str
    portion: str
    expires_on: date | None
    quantity: int


@dataclass
class Holding:
    """What a station has of an item: on the shelf, beside it, and how many were issued lately.

    `since` is the moment of its first entry there, where any were issued; `numbered` is how many of those on the shelf
    are numbered pieces, where somebody asked.
    """

    item: NamedItem
    lots: list[HeldLot] = field(default_factory=list)
    on_loan: int = 0
    in_transit: int = 0
    issued: int = 0
    since: datetime | None = None
    numbered: int = 0

    def add(self, row: Row[Any]) -> None:
        """Take over a row of `queries.holdings`."""
        if row.quantity:
            self.lots.append(HeldLot(row.lot_number, row.portion, row.expires_on, row.quantity))
        self.on_loan += row.on_loan
        self.in_transit += row.in_transit
        self.issued += row.issued
        self.since = self.since or row.since

    @property
    def lent(self) -> int:
        """How many are lent and come back: only durables do."""
        return self.on_loan if self.item.kind == ItemKind.DURABLE else 0

    def usable_lots(self, today: date) -> list[HeldLot]:
        """What may be used today, the soonest to expire first."""
        usable = [
            lot
            for lot in self.lots
            if lot.portion != QUARANTINED and (lot.expires_on is None or lot.expires_on >= today)
        ]
        return sorted(usable, key=lambda lot: (lot.expires_on or date.max, lot.lot_number, lot.portion))

    def expired_lots(self, today: date) -> list[HeldLot]:
        """What has to be written off."""
        return [
            lot
            for lot in self.lots
            if lot.portion != QUARANTINED and lot.expires_on is not None and lot.expires_on < today
        ]

    def held(self, today: date) -> int:
        """What counts against a standard."""
        return self.lent + sum(lot.quantity for lot in self.usable_lots(today))

    def sendable_lots(self, today: date) -> list[HeldLot]:
        """What another station could get: opened portions are used up where they are."""
        return [lot for lot in self.usable_lots(today) if lot.portion == SEALED]

    def sendable(self, today: date) -> int:
        """How many another station could get: a numbered piece goes with nobody who does not name it."""
        return max(0, sum(lot.quantity for lot in self.sendable_lots(today)) - self.numbered)


@dataclass(frozen=True)
class ItemAssessment:
    """One item that a station must hold."""

    item: NamedItem
    kits: tuple[str, ...]
    minimum: int
    critical: bool
    held: int
    missing: int
    near_expiry: int
    expired: int
    issued: int
    issued_days: int
    fails_on: date | None
    fails_because: Because | None


@dataclass(frozen=True)
class Assessment:
    """How a station stands today. Counts are of items; lots near their expiry or past it are of any item."""

    score: int | None
    items: Sequence[ItemAssessment]
    # What is only asked for from a day to come on, with the minimum of that day.
    announced: Sequence[ItemAssessment]
    near_expiry: Sequence[tuple[NamedItem, HeldLot]]
    expired: Sequence[tuple[NamedItem, HeldLot]]
    # The last day on which score and counts still hold if nothing moves.
    valid_through: date

    @property
    def missing(self) -> list[ItemAssessment]:
        return [one for one in self.items if one.missing]

    @property
    def critical_missing_count(self) -> int:
        return sum(one.critical for one in self.missing)

    @property
    def first_failure(self) -> ItemAssessment | None:
        """The item that fails first: of several on one day a critical one, then by name."""
        failing = [one for one in (*self.items, *self.announced) if one.fails_on is not None]
        return min(failing, key=lambda one: (one.fails_on, not one.critical, one.item.name, one.item.id), default=None)


@dataclass(frozen=True)
class _Frame:
    """What all items of a station are judged by."""

    today: date
    near_until: date
    consumption_days: int
    horizon_days: int


def assess(
    required: Mapping[UUID, Requirement],
    holdings: Mapping[UUID, Holding],
    *,
    today: date,
    coming: Sequence[Coming] = (),
) -> Assessment:
    """How a station stands; `coming` is what it must hold from days to come on, in their order."""
    chosen = rules()
    frame = _Frame(
        today, today + timedelta(days=chosen.near_expiry_days), chosen.consumption_days, chosen.forecast_days
    )
    asked = [(today, required), *coming]
    # What is asked for today by its requirement of today, what will be by its first.
    first = {item_id: one for _, requirements in reversed(asked) for item_id, one in requirements.items()}
    assessed = [
        _assess_item(
            one,
            [(day, requirements.get(item_id)) for day, requirements in asked],
            holdings.get(item_id) or Holding(one.item),
            frame,
        )
        for item_id, one in first.items()
    ]
    assessed.sort(key=lambda one: (one.item.name, one.item.id))
    items = [one for one in assessed if one.item.id in required]
    ordered = sorted(holdings.values(), key=lambda one: (one.item.name, one.item.id))
    return Assessment(
        score=score_of(items),
        items=items,
        announced=[one for one in assessed if one.item.id not in required],
        near_expiry=[
            (holding.item, lot)
            for holding in ordered
            for lot in holding.usable_lots(today)
            if lot.expires_on is not None and lot.expires_on <= frame.near_until
        ],
        expired=[(holding.item, lot) for holding in ordered for lot in holding.expired_lots(today)],
        valid_through=_valid_through(assessed, ordered, frame, coming),
    )


def score_of(items: Sequence[ItemAssessment]) -> int | None:
    """0 to 100, as the module says; None where nothing is required."""
    if not items:
        return None
    weights = [CRITICAL_WEIGHT if one.critical else 1 for one in items]
    covered = sum(
        weight * Fraction(min(one.held, one.minimum), one.minimum) for weight, one in zip(weights, items, strict=True)
    )
    return int(100 * covered / sum(weights))


def _assess_item(
    required: Requirement, asked: Sequence[tuple[date, Requirement | None]], holding: Holding, frame: _Frame
) -> ItemAssessment:
    """`required` by itself, with the day of failure by all that is `asked` from days on."""
    usable = holding.usable_lots(frame.today)
    held = holding.lent + sum(lot.quantity for lot in usable)
    portions = [Portion(lot.quantity, lot.expires_on) for lot in usable]
    if holding.lent:
        portions.append(Portion(holding.lent, None))
    rate = Rate(holding.issued, _issued_days(holding, frame))
    failure = forecast_all(
        portions,
        rate,
        [(day, one.minimum if one is not None else 0) for day, one in asked],
        today=frame.today,
        horizon_days=frame.horizon_days,
    )
    return ItemAssessment(
        item=required.item,
        kits=required.kits,
        minimum=required.minimum,
        critical=required.critical,
        held=held,
        missing=max(required.minimum - held, 0) if asked[0][1] is not None else 0,
        near_expiry=sum(
            lot.quantity for lot in usable if lot.expires_on is not None and lot.expires_on <= frame.near_until
        ),
        expired=sum(lot.quantity for lot in holding.expired_lots(frame.today)),
        issued=holding.issued,
        issued_days=rate.days,
        fails_on=failure.day if failure else None,
        fails_because=failure.because if failure else None,
    )


def _issued_days(holding: Holding, frame: _Frame) -> int:
    """In how many days what was issued was: as long as the station has had the item, within bounds."""
    if holding.since is None:
        return frame.consumption_days
    age = (frame.today - clock.local_date(holding.since)).days
    return min(max(age, LEAST_DAYS_OBSERVED), frame.consumption_days)


def _valid_through(
    items: Sequence[ItemAssessment], holdings: Sequence[Holding], frame: _Frame, coming: Sequence[Coming]
) -> date:
    day = timedelta(days=1)
    until_near = frame.near_until - frame.today + day
    ends = [frame.today + timedelta(days=frame.horizon_days)]
    ends += [changes_on - day for changes_on, _ in coming]
    for holding in holdings:
        for lot in holding.lots:
            if lot.portion != QUARANTINED and lot.expires_on is not None:
                ends += [lot.expires_on, lot.expires_on - until_near]
    # What was foreseen of use comes true or not on its day.
    ends += [one.fails_on - day for one in items if one.fails_on is not None]
    return min((end for end in ends if end >= frame.today), default=frame.today)
