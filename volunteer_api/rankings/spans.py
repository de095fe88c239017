"""Spans of local days that sums are kept for, and how a period is put together from few of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Date, String, and_, case, cast, func, literal, or_, type_coerce

from volunteer_api.core.database import db

# Where the span of all time begins.
BEGINNING = date(1, 1, 1)


class Unit(StrEnum):
    """How long a span is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    ALL = "all"


# From the longest to the shortest: the first that fits is taken.
CALENDAR = (Unit.YEAR, Unit.QUARTER, Unit.MONTH, Unit.WEEK, Unit.DAY)


@dataclass(frozen=True)
class Run:
    """Spans of one unit in a row: those that begin on the days `first` to `last`, without end where that is None."""

    unit: Unit
    first: date
    last: date | None


def start_of(unit: Unit, day: date) -> date:
    """The first day of the span of a unit that a day is in."""
    match unit:
        case Unit.DAY:
            return day
        case Unit.WEEK:
            return day - timedelta(days=day.weekday())
        case Unit.MONTH:
            return day.replace(day=1)
        case Unit.QUARTER:
            return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
        case Unit.YEAR:
            return date(day.year, 1, 1)
        case Unit.ALL:
            return BEGINNING


def bounds_of(unit: Unit, day: date) -> tuple[date | None, date | None]:
    """The first and the last day of the span of a unit that a day is in; None and None of all time."""
    if unit is Unit.ALL:
        return None, None
    first = start_of(unit, day)
    return first, _end_of(unit, first)


def spans_of(day: date) -> Iterator[tuple[Unit, date]]:
    """The unit and the first day of each span that a day is in."""
    for unit in Unit:
        yield unit, start_of(unit, day)


def start_in_sql(unit: Unit, day: Any) -> ColumnElement[date]:
    """`start_of` in SQL."""
    if unit is Unit.ALL:
        return literal(BEGINNING, Date)
    if unit is Unit.DAY:
        return type_coerce(day, Date)
    if db.engine.dialect.name == "postgresql":
        return cast(func.date_trunc(unit.value, day), Date)
    if unit is Unit.WEEK:
        # The Monday after the sixth day before.
        return type_coerce(func.date(day, "-6 days", "weekday 1"), Date)
    if unit is Unit.QUARTER:
        month = func.strftime("%m", day)
        first = case((month < "04", "-01-01"), (month < "07", "-04-01"), (month < "10", "-07-01"), else_="-10-01")
        return type_coerce(func.strftime("%Y", day, type_=String).concat(first), Date)
    return type_coerce(func.date(day, f"start of {unit.value}"), Date)


def runs(first: date | None, last: date | None) -> list[Run]:
    """The spans that tile a period: a year and a week are three or four runs, not 372 days."""
    if first is None and last is None:
        return [Run(Unit.ALL, BEGINNING, BEGINNING)]
    found: list[Run] = []
    first = first or BEGINNING
    until = last if last is not None else _end_of(Unit.YEAR, first)
    while first <= until:
        unit = next(unit for unit in CALENDAR if _fits(unit, first, until))
        start = first
        if unit is Unit.YEAR and first.year < until.year:
            # All whole years at once: nobody has to walk through two thousand.
            start = date(until.year if _fits(unit, date(until.year, 1, 1), until) else until.year - 1, 1, 1)
        if found and found[-1].unit is unit:
            found[-1] = Run(unit, found[-1].first, start)
        else:
            found.append(Run(unit, first, start))
        first = _end_of(unit, start) + timedelta(days=1)
    if last is None:
        found.append(Run(Unit.YEAR, first, None))
    return found


def days(first: date | None, last: date | None) -> list[Run]:
    """The days of a period, each for itself."""
    return [Run(Unit.DAY, first or BEGINNING, last)]


def whole(unit: Unit, first: date | None, last: date | None) -> list[Run]:
    """The whole spans of a unit in a period, and the days before and after them."""
    first = first or BEGINNING
    begin = start_of(unit, first)
    if begin < first:
        begin = _end_of(unit, begin) + timedelta(days=1)
    end = start_of(unit, last + timedelta(days=1)) if last is not None else None
    if end is not None and last is not None and begin >= end:
        return days(first, last)
    before = [Run(Unit.DAY, first, begin - timedelta(days=1))] if first < begin else []
    between = Run(unit, begin, end - timedelta(days=1) if end is not None else None)
    after = [Run(Unit.DAY, end, last)] if end is not None and last is not None and end <= last else []
    return [*before, between, *after]


def single(first: date | None, last: date | None) -> tuple[Unit, date] | None:
    """The one span that a period is, None where it is several."""
    if last is None and first is not None:
        return None
    tiles = runs(first, last)
    return (tiles[0].unit, tiles[0].first) if len(tiles) == 1 and tiles[0].first == tiles[0].last else None


def within(unit: Any, starts_on: Any, tiles: Sequence[Run]) -> ColumnElement[bool]:
    """The rows whose spans tile the period."""
    return or_(*(_in_run(unit, starts_on, run) for run in tiles))


def _in_run(unit: Any, starts_on: Any, run: Run) -> ColumnElement[bool]:
    begins = and_(unit == run.unit, starts_on >= run.first)
    return begins if run.last is None else and_(begins, starts_on <= run.last)


def _fits(unit: Unit, first: date, last: date) -> bool:
    if start_of(unit, first) != first or _end_of(unit, first) > last:
        return False
    if unit is Unit.WEEK:
        # A week over the end of a month would take away the month that follows.
        end = _end_of(unit, first)
        return end.month == first.month or _end_of(Unit.MONTH, end) > last
    return True


def _end_of(unit: Unit, first: date) -> date:
    """The last day of the span that begins on `first`; of a year also from any other day of it."""
    match unit:
        case Unit.DAY:
            return first
        case Unit.WEEK:
            return first + timedelta(days=6)
        case Unit.MONTH:
            return (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        case Unit.QUARTER:
            return _end_of(Unit.MONTH, first.replace(month=(first.month - 1) // 3 * 3 + 3, day=1))
        case _:
            return date(first.year, 12, 31)
