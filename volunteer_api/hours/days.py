"""Whole minutes on local days: plain arithmetic, without database or clock."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)


def whole_minutes(starts_at: datetime, ends_at: datetime) -> int:
    """The whole minutes between two moments, 0 where they are in the wrong order."""
    return max(0, (ends_at - starts_at) // MINUTE)


def minutes_by_day(starts_at: datetime, ends_at: datetime, zone: ZoneInfo) -> dict[date, int]:
    """The whole minutes of an interval on each local day that it touches, in order.

    They add up to `whole_minutes` exactly: a minute that lies across midnight belongs to the day on which it ends.
    """
    minutes: dict[date, int] = {}
    before = 0
    for day, end in _local_days(starts_at, ends_at, zone):
        passed = whole_minutes(starts_at, end)
        minutes[day] = passed - before
        before = passed
    return minutes


def spread(minutes: int, starts_at: datetime, ends_at: datetime, zone: ZoneInfo) -> Mapping[date, int]:
    """A record's signed minutes on the local days of its interval, the earliest filled first; nothing gets lost."""
    sign, left = (1 if minutes >= 0 else -1), abs(minutes)
    shares: dict[date, int] = {}
    for day, room in minutes_by_day(starts_at, ends_at, zone).items():
        shares[day] = sign * min(room, left)
        left -= min(room, left)
    last = max(shares, default=ends_at.astimezone(zone).date())
    shares[last] = shares.get(last, 0) + sign * left
    return shares


def _local_days(starts_at: datetime, ends_at: datetime, zone: ZoneInfo) -> Iterator[tuple[date, datetime]]:
    """Each local day of the interval, with the moment at which the interval leaves it."""
    moment = starts_at
    while moment < ends_at:
        day = moment.astimezone(zone).date()
        midnight = datetime.combine(day + timedelta(days=1), time.min, zone).astimezone(UTC)
        end = min(midnight, ends_at)
        yield day, end
        moment = end
