"""Which minutes of an attendance count, and which of them wait for review."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from volunteer_api.hours.days import minutes_by_day


@dataclass(frozen=True)
class Counted:
    """The part of an attendance that lies inside its shift, in whole minutes, and its bounds.

    `within_limit` is what a day's limit leaves room for, `over_limit` the rest.
    """

    starts_at: datetime
    ends_at: datetime
    within_limit: int
    over_limit: int

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
    within_limit = over_limit = 0
    for day, minutes in minutes_by_day(starts_at, ends_at, zone).items():
        room = max(0, limit - already.get(day, 0))
        within_limit += min(minutes, room)
        over_limit += minutes - min(minutes, room)
    return Counted(starts_at=starts_at, ends_at=ends_at, within_limit=within_limit, over_limit=over_limit)
