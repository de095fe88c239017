"""The nearest first, exactly and page by page, as fast among 100,000 places as among a hundred.

Ordering by a computed distance reads every row. So two statements: the first walks the index on cells from where the
reader stands, up and down the curve, until it has met as many rows as the page needs. They are near, though not always
the nearest; but the page can't reach further than the farthest of them, so the second statement orders only what lies
within that circle. Both apply the list's own filters and start behind the cursor, so the page is exact whatever the
filters leave and however dense the places are.

A statement that many requests share, as it is, is built around once: where the reader stands is bound to it by name.
"""

import math
from collections.abc import Mapping
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
    Select,
    bindparam,
    select,
    union_all,
)

from volunteer_api.core import geo
from volunteer_api.core.database import db
from volunteer_api.core.geo import Column, Place, Spot
from volunteer_api.core.paging import STATEMENTS_KEPT, Narrowed

# A circle so small that sorting all of it is quicker than a walk, which rare rows would make long.
SMALL_M = 500.0
WANTED = bindparam("rows_wanted", type_=Integer())
HERE = bindparam("origin_cell", type_=BigInteger())
SQUARED_LIMIT = bindparam("squared_limit", type_=Float())

Rows = Select[*tuple[Any, ...]]


@dataclass(frozen=True)
class Nearest:
    """A `narrow` for `paging.page` of a list whose keys are `distance` and `key`, the table's unique column.

    `spot` has the table's columns of place, with an index on `cell`; `radius_m` is None where all the world counts.
    `only` is the condition on the column before `cell` in that index, where it has one; the statement has it too.
    """

    spot: Spot
    key: Column
    origin: Place
    radius_m: float | None = None
    only: ColumnElement[bool] | None = None

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

    def __call__(self, statement: Rows, wanted: int, values: Mapping[str, Any]) -> Narrowed:
        """At most one statement. `statement` has its filters and starts behind its cursor; `wanted` rows are needed."""
        limit = math.inf if self.radius_m is None else self.radius_m**2
        if limit <= SMALL_M**2:
            return self._first(statement, wanted, limit, promised=0)
        given = {**values, **self.values, "rows_wanted": wanted, "origin_cell": geo.cell_of(*self.origin)}
        if self.radius_m is not None:
            ranges = geo.cell_ranges(self.origin, self.radius_m)
            given |= {"cell_first": ranges[0][0], "cell_last": ranges[-1][1]}
        walks = _walks(statement, self.spot, self.key, bounded=self.radius_m is not None)
        rows = db.session.connection().execute(walks, given).all()
        found = sorted(rows, key=lambda row: row.square)
        met = [row for row in found[:wanted] if row.square <= limit]
        if len(found) < wanted:
            # Both walks came to their end: there are no others.
            alone = statement.where(self.key.in_([row.key for row in met]))
            return Narrowed(alone, len(met), self._whole(statement), {})
        return self._first(statement, wanted, min(found[wanted - 1].square, limit), promised=len(met))

    def _first(self, statement: Rows, wanted: int, squared_m: float, *, promised: int) -> Narrowed:
        """The same statement with only its first rows inside a circle."""
        ranges = geo.cell_ranges(self.origin, math.sqrt(squared_m))
        given = {"rows_wanted": wanted, "squared_limit": squared_m}
        for number, (first, last) in enumerate(ranges):
            given |= {f"cell_first_{number}": first, f"cell_last_{number}": last}
        circle = _circle(statement, self.spot, self.key, self.only, len(ranges))
        return Narrowed(circle, promised, self._whole(statement), given)

    def _whole(self, statement: Rows) -> Rows:
        if self.radius_m is None:
            return statement
        near = geo.in_cells(self.spot.cell, geo.cell_ranges(self.origin, self.radius_m), self.only)
        return statement.where(near, self.distance <= self.radius_m**2)


@lru_cache(maxsize=STATEMENTS_KEPT)
def distance_to(spot: Spot) -> Any:
    """The squared distance in square meters, as SQL; its origin is bound by `Nearest.values`."""
    latitude, longitude, north, east = (
        bindparam(name, type_=Float())
        for name in ("origin_latitude", "origin_longitude", "meters_north", "meters_east")
    )
    return geo.squared_length(spot.latitude, spot.longitude, (latitude, longitude), (north, east))


# The two below are kept by the statement's identity: one that was built for a single request falls out again.
@lru_cache(maxsize=STATEMENTS_KEPT)
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


@lru_cache(maxsize=STATEMENTS_KEPT)
def _circle(statement: Rows, spot: Spot, key: Column, only: ColumnElement[bool] | None, count: int) -> Rows:
    """What the statement joins is joined to the rows inside alone."""
    ranges = [(_cell(f"cell_first_{number}"), _cell(f"cell_last_{number}")) for number in range(count)]
    distance = distance_to(spot)
    keys = _only(statement, key).where(geo.in_cells(spot.cell, ranges, only), distance <= SQUARED_LIMIT)
    return statement.where(key.in_(keys.order_by(distance, key).limit(WANTED)))


def _only(statement: Rows, *columns: Any) -> Rows:
    # Outer joins that nothing is read of cost nothing: both databases leave them out.
    return statement.with_only_columns(*columns, maintain_column_froms=True)


def _cell(name: str) -> BindParameter[int]:
    return bindparam(name, type_=BigInteger())


def meters(squared_m: float | None) -> int | None:
    """Whole meters from their square, None where nobody asked."""
    return None if squared_m is None else round(math.sqrt(squared_m))
