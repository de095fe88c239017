"""What features to the right must hear of the ledger; a handler may refuse by raising, and nothing is written then."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class DurablesTaken:
    """A movement that is being written takes some of these durables off a portion of a station's shelf.

    `reason` is the movement's. The balances are those after it, and the caller holds the station's ledger.
    """

    station_id: UUID
    item_ids: frozenset[UUID]
    reason: str


@dataclass(frozen=True)
class MovementReversing:
    """Somebody is about to reverse a movement by hand: what another verb has to undo is refused."""

    movement_id: UUID
