"""When feedback is taken and may be changed: plain arithmetic, without database or clock."""

from collections.abc import Sequence
from datetime import datetime, timedelta


def window(ends: Sequence[datetime], now: datetime, days: int) -> tuple[datetime, datetime]:
    """The half-open time for feedback of somebody who attended shifts that end then, of which there is at least one.

    It opens with the first that has ended, and closes so many days after the last that has.
    """
    over = [end for end in ends if end <= now]
    return min(ends), max(over, default=min(ends)) + timedelta(days=days)


def edit_ends_at(given_at: datetime, days: int) -> datetime:
    """From when on feedback stays as it is."""
    return given_at + timedelta(days=days)
