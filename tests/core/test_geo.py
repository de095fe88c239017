"""Distances, against geodesics that GeographicLib gave."""

import math
from itertools import pairwise

import prcoords
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from volunteer_api.core import geo

# Origin, the other place, and the geodesic in meters (GeographicLib 2, WGS-84).
GEODESICS = [
    ((33.735, 113.33), (33.736, 113.33), 110.92),
    ((33.735, 113.33), (33.735, 113.34), 926.71),
    ((33.735, 113.33), (33.741, 113.336), 867.20),
    ((33.735, 113.33), (33.79, 113.41), 9599.13),
    ((33.735, 113.33), (34.2, 114.1), 87889.08),
    ((53.48, 122.34), (53.55, 122.45), 10674.28),
    ((18.25, 109.5), (18.31, 109.61), 13393.42),
    ((-33.86, 151.2), (-33.9, 151.26), 7106.15),
]


@pytest.mark.parametrize(("first", "second", "meters"), GEODESICS)
def test_between_is_within_a_ten_thousandth(first: geo.Place, second: geo.Place, meters: float) -> None:
    assert geo.meters_between(first, second) == pytest.approx(meters, rel=1e-4)


@pytest.mark.parametrize(("first", "second", "meters"), GEODESICS)
def test_the_plane_at_the_origin_is_within_its_bound(first: geo.Place, second: geo.Place, meters: float) -> None:
    per_latitude, per_longitude = geo.meters_per_degree(first[0])
    flat = math.hypot((second[0] - first[0]) * per_latitude, (second[1] - first[1]) * per_longitude)
    assert flat == pytest.approx(meters, rel=5e-5 * max(meters / 1000, 1))


@given(st.floats(-90, 90))
def test_no_latitude_breaks_the_scales(latitude: float) -> None:
    along_meridian, along_parallel = geo.meters_per_degree(latitude)
    assert 110_500 < along_meridian < 111_700
    assert 0 <= along_parallel < 111_400


# WGS-84 and GCJ-02 of the same place, as the reference implementation eviltransform tests them.
SHIFTED = [
    ((31.1774276, 121.5272106), (31.17530398364597, 121.531541859215)),
    ((22.543847, 113.912316), (22.540796131694766, 113.9171764808363)),
    ((39.911954, 116.377817), (39.91334545536069, 116.38404722455657)),
]
IN_CHINA = st.tuples(st.floats(18.5, 53), st.floats(74, 134))


@pytest.mark.parametrize(("wgs84", "gcj02"), SHIFTED)
def test_gcj02_is_taken_back(wgs84: geo.Place, gcj02: geo.Place) -> None:
    # 5e-7 degrees are 5 cm; unconverted they lie 400 to 600 m apart.
    assert geo.to_wgs84(gcj02, geo.Datum.GCJ02) == pytest.approx(wgs84, abs=5e-7)
    assert geo.meters_between(wgs84, gcj02) > 400


@given(IN_CHINA)
# Where GCJ-02 shifts least in China, by 17.6 m, as a search of it found.
@example((37.143, 96.601))
def test_both_shifts_are_taken_back_to_the_centimeter(place: geo.Place) -> None:
    for datum, shifted, least_m in (
        (geo.Datum.GCJ02, prcoords.wgs_gcj(place), 17),
        (geo.Datum.BD09, prcoords.wgs_bd(place), 600),
    ):
        assert geo.meters_between(geo.to_wgs84(tuple(shifted), datum), place) < 0.01
        assert geo.meters_between(tuple(shifted), place) > least_m
    assert geo.to_wgs84(place, geo.Datum.WGS84) == place


@given(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), st.sampled_from(geo.Datum))
def test_every_place_of_every_datum_stays_on_the_globe(place: geo.Place, datum: geo.Datum) -> None:
    latitude, longitude = geo.to_wgs84(place, datum)
    assert abs(latitude) <= 90
    assert abs(longitude) <= 180


def test_gcj02_shifts_nothing_abroad() -> None:
    assert geo.to_wgs84((48.8566, 2.3522), geo.Datum.GCJ02) == (48.8566, 2.3522)
    # Baidu's second shift is everywhere.
    assert geo.meters_between(geo.to_wgs84((48.8566, 2.3522), geo.Datum.BD09), (48.8566, 2.3522)) > 500


@given(
    st.tuples(st.floats(-89.9, 89.9), st.floats(-180, 180)),
    st.floats(0, 3_000_000),
    st.floats(0, 1),
    st.floats(0, 2 * math.pi),
)
def test_nothing_inside_a_circle_is_outside_of_its_cells(
    origin: geo.Place, radius_m: float, share: float, direction: float
) -> None:
    per_latitude, per_longitude = geo.meters_per_degree(origin[0])
    latitude = origin[0] + radius_m * share * math.sin(direction) / per_latitude
    longitude = origin[1] + radius_m * share * math.cos(direction) / per_longitude
    ranges = geo.cell_ranges(origin, radius_m)
    assert 1 <= len(ranges) <= 9
    assert all(first <= last for first, last in ranges)
    assert all(earlier[1] + 1 < later[0] for earlier, later in pairwise(ranges))
    if abs(latitude) <= 90 and abs(longitude) <= 180:
        cell = geo.cell_of(latitude, longitude)
        assert any(first <= cell <= last for first, last in ranges)


def test_the_cells_of_a_circle_are_not_much_more_than_the_circle() -> None:
    sizes = [sum(last - first + 1 for first, last in geo.cell_ranges((33.7, 113.3), radius)) for radius in (100, 1000)]
    height, width = (geo.meters_per_degree(33.7)[axis] * size / 2**24 for axis, size in ((0, 180), (1, 360)))
    for radius, cells in zip((100, 1000), sizes, strict=True):
        assert cells * height * width < 10 * math.pi * radius**2


def test_cells_are_kept_apart_to_meters_and_to_the_ends_of_the_world() -> None:
    assert geo.cell_of(-90, -180) == 0
    assert geo.cell_of(90, 180) == 2**48 - 1
    assert geo.cell_of(33.735, 113.33) != geo.cell_of(33.73502, 113.33)
