"""What the hours ledger tells features to its right, in the transaction that writes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID


@dataclass(frozen=True)
class HoursRecorded:
    """Somebody recorded hours of others; they wait for a second person."""

    backfill_ids: tuple[UUID, ...]


@dataclass(frozen=True)
class RecordWritten:
    """Minutes were credited."""

    record_id: UUID
    volunteer_id: UUID


@dataclass(frozen=True)
class RecordReversed:
    """A record was taken back, by the row `reversal_id`; minutes that take its place follow in the same unit.

    `attendance_id` is the attendance that it credited and that does not know of it yet: None where there is none, or
    where that took it back itself.
    """

    record_id: UUID
    reversal_id: UUID
    volunteer_id: UUID
    minutes_to_follow: int
    attendance_id: UUID | None


@dataclass(frozen=True)
class DaySealed:
    """The rows recorded on a local day have a seal now."""

    seal_id: int
    on: date


@dataclass(frozen=True)
class MinutesFolded:
    """The totals have further minutes, by volunteer: how many credited ones each has more or less."""

    changes: Mapping[UUID, int]
