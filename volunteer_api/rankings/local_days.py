"""The local calendar day of a stored moment, in SQL.

PostgreSQL knows the zones. SQLite does not, so it is told the zone's offsets from UTC: one where the clocks were never
changed, a CASE with a branch for each change otherwise.
"""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Date, Integer, String, case, cast, extract, func, literal, type_coerce
from sqlalchemy.orm import InstrumentedAttribute

from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.settings import settings

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def local_day(moment: InstrumentedAttribute[datetime]) -> ColumnElement[date]:
    """The day of `moment` in the deployment's zone.

    The changes of the clocks are known from 1970 to the end of next year; moments beyond take the nearest offset.
    """
    if db.engine.dialect.name == "postgresql":
        return cast(func.timezone(settings().zone.key, moment), Date)
    return type_coerce(func.date(moment, _seconds(moment)), Date)


def local_hour_of_week(moment: InstrumentedAttribute[datetime]) -> ColumnElement[Any]:
    """The hour of the local week in which `moment` lies: 0 for Monday from midnight, 167 for Sunday's last."""
    if db.engine.dialect.name == "postgresql":
        local = func.timezone(settings().zone.key, moment)
        return cast((extract("isodow", local) - 1) * 24 + extract("hour", local), Integer)
    weekday = cast(func.strftime("%w", moment, _seconds(moment)), Integer)
    return (weekday + 6) % 7 * 24 + cast(func.strftime("%H", moment, _seconds(moment)), Integer)


def _seconds(moment: InstrumentedAttribute[datetime]) -> ColumnElement[str]:
    """The zone's offset from UTC at a moment, as SQLite takes it."""
    first, changes = offsets(settings().zone.key, clock.now().year + 1)
    offset: ColumnElement[int] = literal(first)
    if changes:
        # The last change before the moment counts, so they are asked from the latest back.
        branches = [(moment >= at, seconds) for at, seconds in reversed(changes)]
        offset = case(*branches, else_=first)
    return cast(offset, String).concat(" seconds")


@cache
def offsets(key: str, last_year: int) -> tuple[int, tuple[tuple[datetime, int], ...]]:
    """A zone's offset from UTC in 1970, in seconds, and each later (moment, offset from then) through `last_year`."""
    zone = ZoneInfo(key)
    first = known = _offset(zone, EPOCH)
    changes: list[tuple[datetime, int]] = []
    day, end = EPOCH, datetime(last_year + 1, 1, 1, tzinfo=UTC)
    while day < end:
        following = day + timedelta(days=1)
        if _offset(zone, following) != known:
            moment = _change_between(zone, day, following)
            known = _offset(zone, moment)
            changes.append((moment, known))
        day = following
    return first, tuple(changes)


def _change_between(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The second at which the offset of `before` ends; it has ended by `after`."""
    known = _offset(zone, before)
    low, high = 0, int((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, before + timedelta(seconds=middle)) == known:
            low = middle
        else:
            high = middle
    return before + timedelta(seconds=high)


def _offset(zone: ZoneInfo, moment: datetime) -> int:
    offset = moment.astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0
