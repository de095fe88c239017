"""What the books say of the moment at which something was counted.

A count is compared with the books of its moment, so that what moves while the others are still counting survives. Three
kinds of entries stand after that moment in the ledger and still belong before it:
- what occurred before the count and was recorded after it (a phone without network): the counter saw its effect;
- the correction by another count: it says that the books were wrong before;
- the undoing of a mistake that was in the books at that moment: what never happened, the counter did not see.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.orm import aliased

from volunteer_api.core.database import db
from volunteer_api.inventory.ledger import last_sequence
from volunteer_api.inventory.models import (
    INSIDE_A_LOT,
    LastCount,
    Movement,
    MovementKind,
    MovementReason,
    StockBalance,
    StockEntry,
    same_lot,
)
from volunteer_api.loans.models import LendingDocument
from volunteer_api.stocktakes.models import StocktakeLine

Place = tuple[UUID, str, str]  # item, lot, portion


def written(known: Collection[Place], place: Place) -> Place:
    """The place as the sheet has it already, in whatever way its lot was typed then."""
    if place in known:
        return place
    same = (one for one in known if one[0] == place[0] and one[2] == place[2] and same_lot(one[1], place[1]))
    return min(same, default=place)


class Compared(NamedTuple):
    """What the books say of a line's moment, what it differs by, and whether it must be counted again."""

    book: int
    delta: int
    is_outdated: bool


@dataclass(frozen=True)
class Later:
    """An entry after some position; of a reversal, also what it undoes."""

    place: Place
    sequence: int
    quantity: int
    kind: str
    reason: str
    occurred_at: datetime
    original_kind: str | None
    original_sequence: int | None
    original_occurred_at: datetime | None
    # A numbered piece that somebody marked as lost.
    loses_a_piece: bool

    def is_after(self, position: int, counted_at: datetime) -> bool:
        """Whether it happened after something was counted at that position and moment."""
        if self.sequence <= position:
            return False
        kind, occurred_at = self.kind, self.occurred_at
        if self._undoes_a_mistake():
            if (self.original_sequence or 0) <= position:
                return False
            kind, occurred_at = self.original_kind or kind, self.original_occurred_at or occurred_at
        return kind != MovementKind.STOCKTAKE and occurred_at > counted_at

    def _undoes_a_mistake(self) -> bool:
        return self.reason == MovementReason.MISTAKE and self.original_kind not in (None, *INSIDE_A_LOT)


def positions(station_id: UUID, moments: Iterable[datetime]) -> dict[datetime, int]:
    """The number of the station's last entry at each moment, by when entries were recorded. Two statements."""
    wanted = set(moments)
    # In this order: an entry that comes in between is after all moments, as it is on the clock.
    last = last_sequence(station_id)
    recorded = db.session.execute(
        select(Movement.recorded_at, func.min(StockEntry.sequence))
        .join(StockEntry, StockEntry.movement_id == Movement.id)
        .where(Movement.station_id == station_id, Movement.recorded_at > min(wanted))
        .group_by(Movement.id, Movement.recorded_at)
        .order_by(func.min(StockEntry.sequence))
    ).all()
    times = [row[0] for row in recorded]
    found = {}
    for moment in wanted:
        place = bisect_right(times, moment)
        found[moment] = last if place == len(times) else min(last, recorded[place][1] - 1)
    return found


def read_later(station_id: UUID, item_ids: Iterable[UUID], position: int) -> list[Later]:
    """The entries of these items after a position. One statement."""
    original = aliased(Movement)
    original_sequence = (
        select(func.min(StockEntry.sequence)).where(StockEntry.movement_id == original.id).correlate(original)
    ).scalar_subquery()
    rows = db.session.execute(
        select(
            StockEntry.item_id,
            StockEntry.lot_number,
            StockEntry.portion,
            StockEntry.sequence,
            StockEntry.quantity,
            Movement.kind,
            Movement.reason,
            StockEntry.occurred_at,
            original.kind.label("original_kind"),
            original_sequence.label("original_sequence"),
            original.occurred_at.label("original_occurred_at"),
            and_(Movement.reason == MovementReason.LOST, LendingDocument.asset_id.is_not(None)).label("loses_a_piece"),
        )
        .select_from(StockEntry)
        .join(Movement, Movement.id == StockEntry.movement_id)
        .outerjoin(original, original.id == Movement.reverses_id)
        .outerjoin(LendingDocument, LendingDocument.movement_id == Movement.id)
        .where(
            StockEntry.station_id == station_id,
            StockEntry.item_id.in_(list(item_ids)),
            StockEntry.sequence > position,
        )
    )
    return [Later((row[0], row[1], row[2]), *row[3:]) for row in rows]


def moved_since(later: Sequence[Later], counted: Mapping[Place, tuple[int, datetime]]) -> dict[Place, int]:
    """How much each place changed after it was counted at that position and moment."""
    moved = dict.fromkeys(counted, 0)
    for entry in later:
        if entry.place in counted and entry.is_after(*counted[entry.place]):
            moved[entry.place] += entry.quantity
    return moved


def pieces_lost_since(later: Sequence[Later], counted: Mapping[Place, tuple[int, datetime]]) -> set[Place]:
    """The places of whose item numbered pieces were marked as lost after it was counted, wherever these lay."""
    lost = [entry for entry in later if entry.loses_a_piece]
    return {
        place
        for place, moment in counted.items()
        if any(entry.place[0] == place[0] and entry.is_after(*moment) for entry in lost)
    }


def compare(station_id: UUID, lines: Iterable[StocktakeLine]) -> dict[Place, Compared]:
    """What counted lines come to now, walking back from the balances.

    Where the ledger is not held, something may come in between: the approval, which holds it, looks again.
    """
    counted = {
        line.place: (line.counted, line.position, line.counted_at)
        for line in lines
        if line.counted is not None and line.position is not None and line.counted_at is not None
    }
    if not counted:
        return {}
    item_ids = {place[0] for place in counted}
    balances = {
        (row.item_id, row.lot_number, row.portion): row.quantity
        for row in db.session.execute(
            select(StockBalance.item_id, StockBalance.lot_number, StockBalance.portion, StockBalance.quantity).where(
                StockBalance.station_id == station_id, StockBalance.item_id.in_(item_ids)
            )
        )
    }
    last_counts = {
        row.item_id: row.counted_at
        for row in db.session.execute(
            select(LastCount.item_id, LastCount.counted_at).where(
                LastCount.station_id == station_id, LastCount.item_id.in_(item_ids)
            )
        )
    }
    moments = {place: (position, counted_at) for place, (_, position, counted_at) in counted.items()}
    later = read_later(station_id, item_ids, min(position for position, _ in moments.values()))
    moved, lost = moved_since(later, moments), pieces_lost_since(later, moments)
    found = {}
    for place, (quantity, _, counted_at) in counted.items():
        balance = balances.get(place, 0)
        book = balance - moved[place]
        delta = quantity - book
        # What the counter missed may be the very pieces that were marked since: it is not taken off twice.
        twice = delta < 0 and place in lost
        counted_since = place[0] in last_counts and last_counts[place[0]] > counted_at
        found[place] = Compared(book, delta, is_outdated=balance + delta < 0 or twice or counted_since)
    return found


def stored_dates(station_id: UUID, items: Iterable[UUID]) -> dict[Place, date | None]:
    """When lots expire that the books know, also where nothing is left of them."""
    rows = db.session.execute(
        select(StockBalance.item_id, StockBalance.lot_number, StockBalance.portion, StockBalance.expires_on).where(
            StockBalance.station_id == station_id, StockBalance.item_id.in_(list(items))
        )
    )
    return {(row.item_id, row.lot_number, row.portion): row.expires_on for row in rows}
