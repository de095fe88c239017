"""What features to the right must hear of the stock."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class StockMoved:
    """What a station has on its shelf, has lent or awaits has changed, in this unit, which holds the station."""

    station_id: UUID


@dataclass(frozen=True)
class LedgerChecked:
    """The ledger of a station was replayed; `mismatches` of its balances are not the sum of their entries."""

    station_id: UUID
    mismatches: int
