"""On which day a station will hold too little of an item if nothing is done.

The model, day by day: on each day some of the item is used up at a steady rate, by then `floor(rate x days)` in whole
units, from what expires first; at midnight what expired on the day before is no longer usable. The day on which what is
left is first less than the minimum is the day of failure; today already where it is less now.

Worked out from one expiry to the next, not day by day: within such a span only use counts, and its day follows from a
division.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum


class Because(StrEnum):
    """Why a station fails: it holds too little already, or for what is announced, or will by expiry, use, or both."""

    MISSING = "missing"
    EXPIRY = "expiry"
    CONSUMPTION = "consumption"
    EXPIRY_AND_CONSUMPTION = "expiry_and_consumption"


@dataclass(frozen=True)
class Portion:
    """So many, usable to the end of that day; for ever where there is none."""

    quantity: int
    expires_on: date | None


@dataclass(frozen=True)
class Rate:
    """How many were used up in how many days."""

    quantity: int
    days: int

    def used(self, days: int) -> int:
        """Whole units used up by the end of so many days."""
        return self.quantity * days // self.days

    def days_to_use(self, quantity: int) -> int | None:
        """After how many days that many are used up; None where it never is."""
        return None if self.quantity == 0 else -(-quantity * self.days // self.quantity)


@dataclass(frozen=True)
class Failure:
    """The day, and why."""

    day: date
    because: Because


def forecast(
    portions: Sequence[Portion], rate: Rate, minimum: int, *, today: date, horizon_days: int
) -> Failure | None:
    """When less than `minimum` (at least 1) will be left; None where that is not within `horizon_days` from today."""
    usable = [portion for portion in portions if portion.expires_on is None or portion.expires_on >= today]
    if sum(portion.quantity for portion in usable) < minimum:
        return Failure(today, Because.MISSING)
    both = _days_left(usable, rate, minimum, today, horizon_days)
    if both is None:
        return None
    by_expiry = _days_left(usable, Rate(0, 1), minimum, today, horizon_days)
    by_use = _days_left([Portion(one.quantity, None) for one in usable], rate, minimum, today, horizon_days)
    because = Because.EXPIRY_AND_CONSUMPTION
    if by_expiry == both:
        because = Because.EXPIRY
    elif by_use == both:
        because = Because.CONSUMPTION
    return Failure(today + timedelta(days=both), because)


def forecast_all(
    portions: Sequence[Portion],
    rate: Rate,
    minimums: Sequence[tuple[date, int]],
    *,
    today: date,
    horizon_days: int,
) -> Failure | None:
    """The first day on which less than the minimum of that day will be left; None where not within the horizon.

    `minimums` are asked for from days on, in their order, the first from today; 0 asks for nothing.
    """
    over = today + timedelta(days=horizon_days + 1)
    ends = [min(day, over) for day, _ in minimums[1:]] + [over]
    for (begin, minimum), end in zip(minimums, ends, strict=True):
        if minimum:
            found = forecast(portions, rate, minimum, today=today, horizon_days=horizon_days)
            # Nothing comes back: what is too little on one day is so on each after it.
            if found is not None and max(found.day, begin) < end:
                return Failure(max(found.day, begin), found.because)
    return None


def _days_left(portions: Iterable[Portion], rate: Rate, minimum: int, today: date, horizon: int) -> int | None:
    """After how many days less than the minimum is left; None where not within the horizon."""
    left = sorted(
        (
            [horizon + 1 if one.expires_on is None else (one.expires_on - today).days + 1, one.quantity]
            for one in portions
        ),
        key=lambda portion: portion[0],
    )
    since = 0
    for gone in sorted({portion[0] for portion in left if portion[0] <= horizon} | {horizon + 1}):
        held = sum(quantity for _, quantity in left)
        failing = rate.days_to_use(rate.used(since) + held - minimum + 1)
        if failing is not None and failing < gone:
            return failing
        if gone > horizon:
            return None
        used = rate.used(gone) - rate.used(since)
        for portion in left:
            taken = min(used, portion[1])
            portion[1] -= taken
            used -= taken
        left = [portion for portion in left if portion[0] > gone]
        if sum(quantity for _, quantity in left) < minimum:
            return gone
        since = gone
    return None
