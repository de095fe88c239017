"""The nearest first, exactly and page by page, as fast among 100,000 places as among a hundred.

Ordering by a computed distance reads every row. Inside a circle that holds as many rows as the page needs, only what
lies in it has to be ordered: ranges of an index on cells find that. How wide such a circle is around here, the last
reader's page told; if fewer rows are inside it now, or nobody asked here before, a walk along the index finds one: from
where the reader stands, up and down the curve, until it has met as many rows as the page needs. These are near, though
not always the nearest; but the page can't reach further than the farthest of them. All of these statements apply the
list's own filters and start behind the cursor, so the page is exact whatever the filters leave and however dense the
places are.

A statement that many requests share, as it is, is built around once: where the reader stands is bound to it by name.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Float,
    Integer,
    Row,
    Select,
    bindparam,
    func,
    select,
    true,
    union_all,
)

from volunteer_api.core import geo
from volunteer_api.core.database import db
from volunteer_api.core.geo import Column, Place, Spot
from volunteer_api.core.paging import Wanted
from volunteer_api.core.statements import PlainArray, kept_with_statement

# A circle so small that sorting all of it is quicker than a walk, which rare rows would make long.
SMALL_M = 500.0
# How many bits of a cell don't tell in which square, of about 2.5 km by 3.5 km in China, it lies.
NEIGHBORHOOD = 2 * 11
# Squares of radii. A circle is looked through that is wider than the widest that was needed there of late: one of
# eighty readers finds too few rows in it, and has two statements more. But it is soon forgotten where far more rows
# are inside than before.
WIDER = 2.0
FADING = 0.9
FORGOTTEN = 2.0
AMID = 4.0
CIRCLES_KEPT = 256
# PostgreSQL takes an array that it does not know for so long. With arrays as long as that, a plan for any circle costs
# no more than a plan for this one: it keeps the one, and planning, which takes longer than looking, is done once.
ARRAY_LENGTH = 10
# A range that PostgreSQL need not even look for; an empty one of numbers it would.
NOWHERE = (None, None)
WANTED = bindparam("rows_wanted", type_=Integer())
HERE = bindparam("origin_cell", type_=BigInteger())
SQUARED_LIMIT = bindparam("squared_limit", type_=Float())

Rows = Select[*tuple[Any, ...]]


@dataclass(frozen=True)
class Nearest:
    """A `narrow` for `paging.page` of a list whose keys are `distance` and `key`, the table's unique column.

    `spot` has the table's columns of place, with an index on `cell`; `radius_m` is None where all the world counts.
    `only` is the condition on the column before `cell` in that index, where it has one; the statement has it too.
    `filters` are the values by which lists of one statement differ in how dense their rows lie.
    """

    spot: Spot
    key: Column
    origin: Place
    radius_m: float | None = None
    only: ColumnElement[bool] | None = None
    filters: tuple[Any, ...] = ()

    @property
    def distance(self) -> Any:
        """The squared distance in square meters, as SQL: the list's first key. Its origin is bound by `values`."""
        return distance_to(self.spot)

    @cached_property
    def values(self) -> dict[str, Any]:
        """The values of the parameters in `distance`."""
        return dict(zip(("origin_latitude", "origin_longitude"), self.origin, strict=True)) | dict(
            zip(("meters_north", "meters_east"), geo.meters_per_degree(self.origin[0]), strict=True)
        )

    def __call__(self, wanted: Wanted) -> Sequence[Row[Any]]:
        """One statement where the last reader's circle serves, two or three where it does not.

        Its rows have their distance as `square`.
        """
        limit = math.inf if self.radius_m is None else self.radius_m**2
        told = _circles(wanted.statement)
        around = (wanted.count, geo.cell_of(*self.origin) >> NEIGHBORHOOD, self.filters)
        guess = limit if limit <= SMALL_M**2 else min(WIDER * told.get(around, 0.0), limit)
        found = self._inside(wanted, guess) if guess else []
        if len(found) < wanted.count and guess < limit:
            found = self._after_a_walk(wanted, limit)
        # Who stands far off all of them needs a circle that holds the most of them if it is a bit wider.
        if len(found) == wanted.count and AMID * found[0].square <= found[-1].square:
            if around not in told and len(told) >= CIRCLES_KEPT:
                told.clear()
            needed = found[-1].square
            told[around] = min(max(needed, FADING * told.get(around, 0.0)), FORGOTTEN * needed)
        return found

    def _after_a_walk(self, wanted: Wanted, limit: float) -> Sequence[Row[Any]]:
        given = {**wanted.values, **self.values, "rows_wanted": wanted.count, "origin_cell": geo.cell_of(*self.origin)}
        if self.radius_m is not None:
            ranges = geo.cell_ranges(self.origin, self.radius_m)
            given |= {"cell_first": ranges[0][0], "cell_last": ranges[-1][1]}
        walks = _walks(wanted.statement, self.spot, self.key, bounded=self.radius_m is not None)
        met = sorted(db.session.connection().execute(walks, given).all(), key=lambda row: row.square)
        promised = [row for row in met[: wanted.count] if row.square <= limit]
        if len(met) < wanted.count:
            # Both walks came to their end: there are no others.
            found = wanted.first_rows(wanted.statement.where(self.key.in_([row.key for row in promised])), {})
        else:
            found = self._inside(wanted, min(met[wanted.count - 1].square, limit))
        return wanted.unless_gone(found, len(promised), lambda: self._whole(wanted.statement))

    def _inside(self, wanted: Wanted, squared_m: float) -> Sequence[Row[Any]]:
        """The first rows inside a circle."""
        ranges = geo.cell_ranges(self.origin, math.sqrt(squared_m))
        given: dict[str, Any] = {"rows_wanted": wanted.count, "squared_limit": squared_m}
        if db.engine.dialect.name == "postgresql":
            padded = [*ranges, *[NOWHERE] * (ARRAY_LENGTH - len(ranges))]
            given |= {"cells_first": [first for first, _ in padded], "cells_last": [last for _, last in padded]}
            return wanted.first_rows(_circle_of_arrays(wanted.statement, self.spot, self.key), given)
        for number, (first, last) in enumerate(ranges):
            given |= {f"cell_first_{number}": first, f"cell_last_{number}": last}
        return wanted.first_rows(_circle(wanted.statement, self.spot, self.key, self.only, len(ranges)), given)

    def _whole(self, statement: Rows) -> Rows:
        if self.radius_m is None:
            return statement
        near = geo.in_cells(self.spot.cell, geo.cell_ranges(self.origin, self.radius_m), self.only)
        return statement.where(near, self.distance <= self.radius_m**2)


@lru_cache(maxsize=8)
def distance_to(spot: Spot) -> Any:
    """The squared distance in square meters, as SQL; its origin is bound by `Nearest.values`."""
    latitude, longitude, north, east = (
        bindparam(name, type_=Float())
        for name in ("origin_latitude", "origin_longitude", "meters_north", "meters_east")
    )
    return geo.squared_length(spot.latitude, spot.longitude, (latitude, longitude), (north, east))


@kept_with_statement
def _walks(statement: Rows, spot: Spot, key: Column, *, bounded: bool) -> CompoundSelect[Any]:
    cell = spot.cell
    places = _only(statement, distance_to(spot).label("square"), key.label("key"))
    if bounded:
        # What lies inside the radius lies between these, though not all that lies between these is inside.
        places = places.where(cell.between(_cell("cell_first"), _cell("cell_last")))
    up = places.where(cell >= HERE).order_by(cell).limit(WANTED)
    down = places.where(cell < HERE).order_by(cell.desc()).limit(WANTED)
    # A compound's parts can't be ordered and limited by themselves: each is a table of its own.
    return union_all(*(select(walk.subquery()) for walk in (up, down)))


@kept_with_statement
def _circle(statement: Rows, spot: Spot, key: Column, only: ColumnElement[bool] | None, count: int) -> Rows:
    """What the statement joins is joined to the rows inside alone."""
    ranges = [(_cell(f"cell_first_{number}"), _cell(f"cell_last_{number}")) for number in range(count)]
    distance = distance_to(spot)
    keys = _only(statement, key).where(geo.in_cells(spot.cell, ranges, only), distance <= SQUARED_LIMIT)
    return statement.where(key.in_(keys.order_by(distance, key).limit(WANTED)))


@kept_with_statement
def _circle_of_arrays(statement: Rows, spot: Spot, key: Column) -> Rows:
    """The same for PostgreSQL: its SQL is the same however many ranges there are.

    Each of them is looked through by itself, or the planner, who can't know that they are short, would read the table.
    """
    first, last = (bindparam(name, type_=PlainArray(BigInteger())) for name in ("cells_first", "cells_last"))
    ranges = func.unnest(first, last).table_valued("first", "last").render_derived()
    distance = distance_to(spot)
    square = distance.label("square")
    inside = (
        _only(statement, key.label("key"), square)
        .where(spot.cell.between(ranges.c.first, ranges.c.last), distance <= SQUARED_LIMIT)
        .order_by(square, key)
        .limit(WANTED)
        .lateral()
    )
    keys = select(inside.c.key).select_from(ranges.join(inside, true()))
    return statement.where(key.in_(keys.order_by(inside.c.square, inside.c.key).limit(WANTED)))


@kept_with_statement
def _circles(_statement: Rows) -> dict[tuple[int, int, tuple[Any, ...]], float]:
    """The squared radius that holds so many rows, by their number, neighborhood and filters. No page relies on it."""
    return {}


def _only(statement: Rows, *columns: Any) -> Rows:
    # Outer joins that nothing is read of cost nothing: both databases leave them out.
    return statement.with_only_columns(*columns, maintain_column_froms=True)


def _cell(name: str) -> BindParameter[int]:
    return bindparam(name, type_=BigInteger())


def meters(squared_m: float | None) -> int | None:
    """Whole meters from their square, None where nobody asked."""
    return None if squared_m is None else round(math.sqrt(squared_m))
