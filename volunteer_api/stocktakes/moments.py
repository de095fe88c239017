"""When something was counted, whatever the phone's clock says."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NotRequired, TypedDict
from uuid import UUID

from volunteer_api.core.settings import rules
from volunteer_api.inventory.ledger import CLOCK_TOLERANCE
from volunteer_api.stocktakes.problems import CountedInFuture, CountedTooLongAgo


class Counted(TypedDict):
    """What was counted of one line; see CountedLine."""

    item_id: NotRequired[UUID]
    barcode: NotRequired[str]
    quantity: int
    lot_number: NotRequired[str]
    expires_on: NotRequired[date]
    opened_on: NotRequired[date]
    quarantined: NotRequired[bool]
    counted_at: NotRequired[datetime]
    delay_ms: NotRequired[int]
    reason: NotRequired[str]
    note: NotRequired[str]


def moments_of(lines: Sequence[Counted], received_at: datetime) -> list[datetime]:
    """The moment of each line: the time received less the phone's monotonic delay, else what its clock said, else now.

    A monotonic delay is trusted before the clock, which people set by hand.
    Raises CountedInFuture, CountedTooLongAgo (409).
    """
    moments = [_moment(line, received_at) for line in lines]
    if max(moments) > received_at + CLOCK_TOLERANCE:
        raise CountedInFuture()
    hours = rules().late_count_hours
    if min(moments) < received_at - timedelta(hours=hours):
        raise CountedTooLongAgo(hours=hours)
    # A phone's clock that runs ahead must not take in what is recorded in the minutes to come.
    return [min(moment, received_at) for moment in moments]


def same_lines(body: Any, path: dict[str, Any]) -> tuple[Any, ...]:
    """What is compared of two batches under one key: a retry has other delays."""
    lines = body.get("lines") if isinstance(body, dict) else None
    if isinstance(lines, list):
        lines = [line | {"delay_ms": None} if isinstance(line, dict) else line for line in lines]
    return ("count_lines", path["stocktake_id"], lines)


def names_moment(line: Counted) -> bool:
    """Whether the line says when it was counted."""
    return "delay_ms" in line or "counted_at" in line


def is_before_start(counted_at: datetime | None, started_at: datetime) -> bool:
    """Whether it was counted before the count began: on paper, or by a clock that is behind. Nobody alone can say."""
    return counted_at is not None and counted_at < started_at


def _moment(line: Counted, received_at: datetime) -> datetime:
    if "delay_ms" in line:
        return received_at - timedelta(milliseconds=line["delay_ms"])
    return line.get("counted_at", received_at)
