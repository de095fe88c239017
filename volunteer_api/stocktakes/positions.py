"""What the books say of the moment at which something was counted.

A count is compared with the books of its moment, so that what moves while the others are still counting survives. Three
kinds of entries stand after that moment in the ledger and still belong before it:
- what occurred before the count and was recorded after it (a phone without network): the counter saw its effect;
- the correction by another count: it says that the books were wrong before;
- the undoing of a mistake that was in the books at that moment: what never happened, the counter did not see.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from volunteer_api.core.database import db
from volunteer_api.inventory.ledger import last_sequence
from volunteer_api.inventory.models import Movement, MovementKind, MovementReason, StockEntry

Place = tuple[UUID, str, str]  # item, lot, portion
# These move things between portions: undoing one moves them back.
INSIDE_A_LOT = (MovementKind.QUARANTINE, MovementKind.UNSEALING)


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
        )
        .select_from(StockEntry)
        .join(Movement, Movement.id == StockEntry.movement_id)
        .outerjoin(original, original.id == Movement.reverses_id)
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
