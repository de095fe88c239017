"""When a tap really happened, whatever the phone's clock says."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class EffectiveTime:
    """The moment of the tap; `is_odd` where it is too old or too far ahead to be taken on the phone's word."""

    moment: datetime
    is_odd: bool


def effective_time(
    *,
    received_at: datetime,
    client_time: datetime,
    delay_ms: int | None,
    late_hours: int,
    future_seconds: int,
) -> EffectiveTime:
    """The moment of a tap: the time received less the phone's monotonic delay, else what the phone's clock said.

    A monotonic delay is trusted before the clock, which people set by hand. Online, both agree.
    """
    moment = client_time if delay_ms is None else received_at - timedelta(milliseconds=delay_ms)
    too_old = received_at - moment > timedelta(hours=late_hours)
    too_new = moment - received_at > timedelta(seconds=future_seconds)
    return EffectiveTime(moment=moment, is_odd=too_old or too_new)
