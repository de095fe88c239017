"""Which minutes of an attendance count, and which of them wait for review."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from volunteer_api.hours.days import MINUTE, minutes_by_day


@dataclass(frozen=True)
class Counted:
    """The part of an attendance that lies inside its shift, in whole minutes, and its bounds.

    `within_limit` is what a day's limit leaves room for, `over_limit` the rest; `within` is when that was.
    """

    starts_at: datetime
    ends_at: datetime
    within_limit: int
    over_limit: int
    within: tuple[datetime, datetime]

    @property
    def minutes(self) -> int:
        return self.within_limit + self.over_limit


def clip(
    checked_in_at: datetime, checked_out_at: datetime, shift_starts_at: datetime, shift_ends_at: datetime
) -> tuple[datetime, datetime]:
    """The part of the attendance inside the shift; an empty interval inside the shift where there is none."""
    starts_at = min(max(checked_in_at, shift_starts_at), shift_ends_at)
    return starts_at, max(min(checked_out_at, shift_ends_at), starts_at)


def count(
    starts_at: datetime, ends_at: datetime, *, already: Mapping[date, int], limit: int, zone: ZoneInfo
) -> Counted:
    """The minutes of an interval, against what each local day already holds and may hold at most."""
    by_day = minutes_by_day(starts_at, ends_at, zone)
    within = {day: min(minutes, max(0, limit - already.get(day, 0))) for day, minutes in by_day.items()}
    within_limit = sum(within.values())
    return Counted(
        starts_at=starts_at,
        ends_at=ends_at,
        within_limit=within_limit,
        over_limit=sum(by_day.values()) - within_limit,
        within=_around_midnight(starts_at, ends_at, by_day, within, zone),
    )


def _around_midnight(
    starts_at: datetime, ends_at: datetime, by_day: Mapping[date, int], within: Mapping[date, int], zone: ZoneInfo
) -> tuple[datetime, datetime]:
    """When the minutes within the limit were: of a night, those around midnight, so that each day has its own."""
    if len(by_day) != 2:
        return starts_at, ends_at
    first, second = by_day
    midnight = datetime.combine(second, time.min, zone).astimezone(UTC)
    return (
        starts_at if within[first] == by_day[first] else midnight - within[first] * MINUTE,
        ends_at if within[second] == by_day[second] else midnight + within[second] * MINUTE,
    )
