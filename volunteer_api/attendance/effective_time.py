"""When a tap really happened, whatever the phone's clock says."""

from dataclasses import dataclass
from datetime import datetime, timedelta

# A phone's clock and its delay say the same where they are no further apart: the network takes its time, too.
AGREES = timedelta(seconds=2)


@dataclass(frozen=True)
class EffectiveTime:
    """The moment of the tap; `is_odd` where what the phone says of it can't be taken on its word.

    `moment` is then the time received, so that an odd clock neither orders attendances nor makes minutes. `said_at` is
    what the phone said in any case: a presence code is judged by it.
    """

    moment: datetime
    said_at: datetime
    is_odd: bool


def effective_time(
    *,
    received_at: datetime,
    client_time: datetime,
    delay_ms: float | None,
    late_hours: int,
    future_seconds: int,
    delay_is_odd: bool = False,
) -> EffectiveTime:
    """The moment of a tap: the time received less the phone's monotonic delay, else what the phone's clock said.

    A monotonic delay is trusted before the clock, which people set by hand. Where both agree the clock is as good, and
    knows nothing of how long the network took: of two taps no minute is lost by that. `delay_is_odd` where a delay was
    sent that is none.
    """
    said_at = client_time if delay_ms is None else received_at - timedelta(milliseconds=delay_ms)
    if abs(said_at - client_time) <= AGREES:
        said_at = client_time
    too_old = received_at - said_at > timedelta(hours=late_hours)
    too_new = said_at - received_at > timedelta(seconds=future_seconds)
    is_odd = delay_is_odd or too_old or too_new
    return EffectiveTime(moment=received_at if is_odd else said_at, said_at=said_at, is_odd=is_odd)
