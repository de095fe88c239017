"""The nearest first, exactly and page by page, as fast among 100,000 places as among a hundred.

Ordering by a computed distance reads every row. So two statements: the first walks the index on cells from where the
reader stands, up and down the curve, until it has met as many rows as the page needs. They are near, though not always
the nearest; but the page can't reach further than the farthest of them, so the second statement orders only what lies
within that circle. Both apply the list's own filters and start behind the cursor, so the page is exact whatever the
filters leave and however dense the places are.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Select, and_, select, union_all

from volunteer_api.core import geo
from volunteer_api.core.database import db
from volunteer_api.core.geo import Column, Place, Spot
from volunteer_api.core.paging import Narrowed

# A circle so small that sorting all of it is quicker than a walk, which rare rows would make long.
SMALL_M = 500.0

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

    @cached_property
    def distance(self) -> Any:
        """The squared distance in square meters, as SQL: the list's first key."""
        return geo.squared_distance_m(self.spot.latitude, self.spot.longitude, self.origin)

    def __call__(self, statement: Rows, wanted: int) -> Narrowed:
        """At most one statement. `statement` has its filters and starts behind its cursor; `wanted` rows are needed."""
        limit = math.inf if self.radius_m is None else self.radius_m**2
        whole = statement if self.radius_m is None else statement.where(self._inside(limit))
        if limit <= SMALL_M**2:
            return Narrowed(self._first(statement, wanted, limit), promised=0, whole=whole)
        found = sorted(db.session.execute(self._walks(statement, wanted)).all(), key=lambda row: row.square)
        met = [row for row in found[:wanted] if row.square <= limit]
        if len(found) < wanted:
            # Both walks came to their end: there are no others.
            return Narrowed(statement.where(self.key.in_([row.key for row in met])), len(met), whole)
        return Narrowed(self._first(statement, wanted, min(found[wanted - 1].square, limit)), len(met), whole)

    def _walks(self, statement: Rows, wanted: int) -> CompoundSelect[Any]:
        here, cell = geo.cell_of(*self.origin), self.spot.cell
        places = self._only(statement, self.distance.label("square"), self.key.label("key"))
        if self.radius_m is not None:
            # What lies inside the radius lies between these, though not all that lies between these is inside.
            ranges = geo.cell_ranges(self.origin, self.radius_m)
            places = places.where(cell.between(ranges[0][0], ranges[-1][1]))
        up = places.where(cell >= here).order_by(cell).limit(wanted)
        down = places.where(cell < here).order_by(cell.desc()).limit(wanted)
        # A compound's parts can't be ordered and limited by themselves: each is a table of its own.
        return union_all(*(select(walk.subquery()) for walk in (up, down)))

    def _first(self, statement: Rows, wanted: int, squared_m: float) -> Rows:
        """The same statement with only its first rows inside a circle; what it joins is joined to these alone."""
        keys = self._only(statement, self.key).where(self._inside(squared_m))
        return statement.where(self.key.in_(keys.order_by(self.distance, self.key).limit(wanted)))

    def _inside(self, squared_m: float) -> Any:
        return and_(
            geo.in_cells(self.spot.cell, self.origin, math.sqrt(squared_m), self.only), self.distance <= squared_m
        )

    def _only(self, statement: Rows, *columns: Any) -> Rows:
        # Outer joins that nothing is read of cost nothing: both databases leave them out.
        return statement.with_only_columns(*columns, maintain_column_froms=True)


def meters(squared_m: float | None) -> int | None:
    """Whole meters from their square, None where nobody asked."""
    return None if squared_m is None else round(math.sqrt(squared_m))
