"""What the hours ledger tells features to its right, in the transaction that writes it."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class RecordWritten:
    """Minutes were credited."""

    record_id: UUID
    volunteer_id: UUID


@dataclass(frozen=True)
class RecordReversed:
    """A record was taken back, by the row `reversal_id`."""

    record_id: UUID
    reversal_id: UUID
    volunteer_id: UUID
