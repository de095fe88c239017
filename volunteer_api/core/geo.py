"""Places: where they lie, how far apart they are, and what other maps than the world's call them.

Everything is kept and answered in WGS-84 degrees. Distances count on a plane whose two scales (meters per degree) are
those of the ellipsoid at the origin, without trigonometry in the database. Up to 54 degrees of latitude (China's north
end) the error against the geodesic is at most 0.005 % at 1 km, 0.05 % at 10 km and 0.5 % at 100 km, as measured with
GeographicLib. Places on the other side of the 180th meridian are not found.

A place's `cell` is one integer along a Z-order curve: 24 bits of its latitude and of its longitude, interleaved. Every
square of every size is then one unbroken range of cells, so that a plain index on one integer column finds what lies in
a square, in SQLite and PostgreSQL alike. `core/nearby.py` searches with it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any

import prcoords
from sqlalchemy import ColumnElement, Float, and_, or_, type_coerce
from sqlalchemy.orm import InstrumentedAttribute

Place = tuple[float, float]
"""Latitude and longitude in degrees."""

Column = ColumnElement[Any] | InstrumentedAttribute[Any]

# 2^24 cells each way: at most 1.2 m by 2.4 m.
CELL_BITS = 24
CELLS_EACH_WAY = 1 << CELL_BITS
# Three by three squares cover a circle closely, and are few ranges for the database.
MOST_SQUARES_EACH_WAY = 3


class Datum(StrEnum):
    """What a phone's coordinates mean: GPS gives WGS-84, Amap, Tencent and WeChat GCJ-02, Baidu BD-09."""

    WGS84 = "wgs84"
    GCJ02 = "gcj02"
    BD09 = "bd09"


@dataclass(frozen=True)
class Spot:
    """The columns in which a table keeps the places of its rows."""

    latitude: Column
    longitude: Column
    cell: Column


def to_wgs84(place: Place, datum: Datum) -> Place:
    """The place in WGS-84 degrees, to the centimeter (the inverses of prcoords run until they stand still).

    GCJ-02 shifts nothing outside of the rectangle around China that its authors cut, BD-09 shifts everything.
    """
    found: Any = prcoords.Coords(*place)
    if datum == Datum.BD09:
        found = prcoords.bd_gcj_bored(found)
    if datum != Datum.WGS84 and prcoords.sanity_in_china_p(found):
        found = prcoords.gcj_wgs_bored(found)
    return _clamp(found.lat, 90.0), _clamp(found.lon, 180.0)


def meters_per_degree(latitude: float) -> tuple[float, float]:
    """The lengths, in meters, of one degree of latitude and one of longitude at a latitude.

    Series for the WGS-84 ellipsoid (NGA, Length of a Degree), good to some centimeters per degree.
    """
    angle = math.radians(latitude)
    along_meridian = 111_132.954 - 559.822 * math.cos(2 * angle) + 1.175 * math.cos(4 * angle)
    along_parallel = 111_412.84 * math.cos(angle) - 93.5 * math.cos(3 * angle) + 0.118 * math.cos(5 * angle)
    return along_meridian, max(along_parallel, 0.0)


def squared_distance_m(latitude: Column, longitude: Column, origin: Place) -> ColumnElement[float]:
    """The square of the distance from `origin` in square meters, as SQL: order by it, take its root in Python."""
    return squared_length(latitude, longitude, origin, meters_per_degree(origin[0]))


def squared_length(latitude: Column, longitude: Column, origin: Any, per_degree: Any) -> ColumnElement[float]:
    """The same, with the lengths of a degree at the origin; all of these may be parameters."""
    north = (latitude - origin[0]) * per_degree[0]
    east = (longitude - origin[1]) * per_degree[1]
    return type_coerce(north * north + east * east, Float())


def within(latitude: Column, longitude: Column, origin: Place, radius_m: float) -> ColumnElement[bool]:
    """Whether a place is at most `radius_m` from `origin`, as SQL, for a table without cells."""
    north, east = _half_sides(origin, radius_m)
    return and_(
        latitude.between(origin[0] - north, origin[0] + north),
        longitude.between(origin[1] - east, origin[1] + east),
        squared_distance_m(latitude, longitude, origin) <= radius_m * radius_m,
    )


def in_cells(
    cell: Column, ranges: Iterable[tuple[Any, Any]], only: ColumnElement[bool] | None = None
) -> ColumnElement[bool]:
    """That a cell lies in one of the `cell_ranges`, as SQL that an index on cells serves; the distance is yet to judge.

    `only` is the condition on the index's column before the cell: SQLite looks for it beside each of the ranges.
    """
    beside = () if only is None else (only,)
    return or_(*(and_(cell.between(first, last), *beside) for first, last in ranges))


def cell_of(latitude: float, longitude: float) -> int:
    """The cell in which a place lies, from 0 to 2^48 - 1."""
    return _interleaved(_row(latitude), _column(longitude))


def cell_ranges(origin: Place, radius_m: float) -> list[tuple[int, int]]:
    """Ranges of cells, both ends included, in which everything lies that is at most `radius_m` from `origin`.

    At most nine, in order, none touching the next.
    """
    # A hair more than the circle: what the root rounded off must not be left out.
    north, east = _half_sides(origin, radius_m * (1 + 1e-9) + 1e-6)
    rows = _row(origin[0] - north), _row(origin[0] + north)
    columns = _column(origin[1] - east), _column(origin[1] + east)
    shift = 0
    while any((last >> shift) - (first >> shift) >= MOST_SQUARES_EACH_WAY for first, last in (rows, columns)):
        shift += 1
    squares = sorted(
        _interleaved(row, column)
        for row, column in product(
            range(rows[0] >> shift, (rows[1] >> shift) + 1), range(columns[0] >> shift, (columns[1] >> shift) + 1)
        )
    )
    size = 1 << 2 * shift
    merged: list[tuple[int, int]] = []
    for square in squares:
        first, last = square * size, (square + 1) * size - 1
        if merged and merged[-1][1] + 1 == first:
            first = merged.pop()[0]
        merged.append((first, last))
    return merged


def meters_between(first: Place, second: Place) -> float:
    """The distance in meters, with the scales of the latitude between the two: at most 0.01 % wrong up to 100 km."""
    per_latitude, per_longitude = meters_per_degree((first[0] + second[0]) / 2)
    return math.hypot((first[0] - second[0]) * per_latitude, (first[1] - second[1]) * per_longitude)


def _half_sides(origin: Place, radius_m: float) -> tuple[float, float]:
    """Half the height and half the width, in degrees, of the box around a circle."""
    per_latitude, per_longitude = meters_per_degree(origin[0])
    # At the poles a degree of longitude has no length: the box is open there.
    east = min(radius_m / per_longitude, 360.0) if per_longitude > 1 else 360.0
    return radius_m / per_latitude, east


def _row(latitude: float) -> int:
    return _step((latitude + 90) / 180)


def _column(longitude: float) -> int:
    return _step((longitude + 180) / 360)


def _step(share: float) -> int:
    return min(max(int(share * CELLS_EACH_WAY), 0), CELLS_EACH_WAY - 1)


def _interleaved(row: int, column: int) -> int:
    # Binary digits read to the base of four stand two places apart.
    return int(f"{row:b}", 4) << 1 | int(f"{column:b}", 4)


def _clamp(degrees: float, most: float) -> float:
    return min(max(float(degrees), -most), most)
