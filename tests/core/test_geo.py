"""Distances, against geodesics that GeographicLib gave."""

import math

import pytest
from hypothesis import given
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
