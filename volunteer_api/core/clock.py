"""The only source of time. Moments are aware and in UTC; local days are those of the deployment's zone."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, time, timedelta

from volunteer_api.core.settings import settings

_pinned: ContextVar[datetime | None] = ContextVar("pinned_moment", default=None)


def now() -> datetime:
    """The present moment in UTC, or the one that `at` pinned."""
    return _pinned.get() or datetime.now(UTC)


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Let `now()` answer `moment` inside the block: for the demo's past weeks and for tests."""
    token = _pinned.set(moment.astimezone(UTC))
    try:
        yield
    finally:
        _pinned.reset(token)


def local_date(moment: datetime) -> date:
    """The local calendar day of a moment."""
    return moment.astimezone(settings().zone).date()


def stamp(moment: datetime) -> str:
    """A moment as phones read it: RFC 3339 in UTC, with `Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def today() -> date:
    """The local calendar day of the present moment."""
    return local_date(now())


def start_of(day: date) -> datetime:
    """The moment, in UTC, at which a local day begins."""
    return at_local(day, time.min)


def at_local(day: date, told: time) -> datetime:
    """The moment, in UTC, at which clocks of a local day show this time."""
    return datetime.combine(day, told, settings().zone).astimezone(UTC)


def days_between(first: date, last: date) -> tuple[datetime, datetime]:
    """The half-open moments of the local days `first` to `last`, both included."""
    return start_of(first), start_of(last + timedelta(days=1))


def days_of(starts_at: datetime, ends_at: datetime) -> list[date]:
    """The local days that the half-open moments touch: one that ends at midnight does not touch the next day."""
    first, last = local_date(starts_at), local_date(ends_at - datetime.resolution)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
