"""What features to the right must hear of the ledger; a handler may refuse by raising, and nothing is written then."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class LedgerMismatchFound:
    """The check of a station's ledger found something that does not add up and that was not known.

    `kind`, `subject` and `details` are those of its row in `ledger_faults`. Published in the unit that writes the row.
    """

    station_id: UUID
    kind: str
    subject: str
    details: Mapping[str, Any]


@dataclass(frozen=True)
class StockMoved:
    """What a station has on its shelf, has lent or awaits has changed, in this unit, which holds the station."""

    station_id: UUID


@dataclass(frozen=True)
class PastCorrected:
    """A document was written that may belong before what was counted already, in the unit that holds the station.

    It is dated earlier than it is recorded, undoes another, or is a count's correction.
    """

    station_id: UUID
    item_ids: frozenset[UUID]


@dataclass(frozen=True)
class LedgerChecked:
    """The ledger of a station was replayed; so many `mismatches` were found, known ones included."""

    station_id: UUID
    mismatches: int


@dataclass(frozen=True)
class DurablesTaken:
    """A movement that is being written takes some of these durables off a portion of a station's shelf.

    `reason` is the movement's. The balances are those after it, and the caller holds the station's ledger.
    """

    station_id: UUID
    item_ids: frozenset[UUID]
    reason: str


@dataclass(frozen=True)
class MovementReversed:
    """A movement was undone by hand, in the unit that holds the station."""

    movement_id: UUID
    station_id: UUID


@dataclass(frozen=True)
class RecalledCameIn:
    """Something of a recalled lot came to a station and went into quarantine, by a document of this unit."""

    station_id: UUID
    item_id: UUID
    lot_number: str
    quantity: int
    document_number: str


@dataclass(frozen=True)
class MovementReversing:
    """Somebody is about to reverse a movement by hand: what another verb has to undo is refused."""

    movement_id: UUID
