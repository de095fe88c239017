"""The nearest first: exact against a plain sort, by an index on both databases, also while rows go away."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, insert, select, text

from tests.conftest import share_of
from tests.factories import unit_of
from tests.organizations.factories import make_district
from volunteer_api.core import geo, ids
from volunteer_api.core.database import db
from volunteer_api.core.nearby import Nearest, _circles, distance_to
from volunteer_api.core.paging import Key, Wanted, page
from volunteer_api.stations import queries
from volunteer_api.stations.models import SPOT, Station

pytestmark = pytest.mark.both_databases

# Dense spots, lonely ones, both sides of the curve's great borders, the ends of the world, and twice the same place.
PLACES = [(33.735, 113.33), (0.0, 0.0), (45.0, 90.0), (45.0, -90.0), (-0.0001, -0.0001), (89.9, 179.9), (-33.9, 151.2)]
near_one = st.tuples(st.sampled_from(PLACES), st.floats(-0.1, 0.1), st.floats(-0.1, 0.1)).map(
    # As a request's places are rounded.
    lambda drawn: (round(min(drawn[0][0] + drawn[1], 90.0), 9), round(min(drawn[0][1] + drawn[2], 180.0), 9))
)


def rows_at(places: list[geo.Place], organization_id: UUID, kinds: tuple[str, ...] = ("desk",)) -> list[dict[str, Any]]:
    return [
        {
            "id": ids.new_id(),
            "code": f"N{number:06d}",
            "name": f"站{number}",
            "initials": "z",
            "pinyin": "zhan",
            "kind": kinds[number % len(kinds)],
            "organization_id": organization_id,
            "latitude": latitude,
            "longitude": longitude,
            "address": "1 号",
            "opening_hours": [],
            "services": [],
        }
        for number, (latitude, longitude) in enumerate(places)
    ]


@cache
def stations_of(kind: str | None) -> Any:
    """One statement for all readers, as lists have it: what was told of their circles is kept with it."""
    of_kind = Station.kind == kind if kind else Station.kind.is_not(None)
    return select(Station.id, distance_to(SPOT).label("square")).where(of_kind)


def all_pages(statement: Any, narrow: Nearest, limit: int) -> list[tuple[float, UUID]]:
    keys = [Key(narrow.distance, read=lambda row: row.square), Key(Station.id, read=lambda row: row.id)]
    found: list[tuple[float, UUID]] = []
    cursor = None
    while True:
        query = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        part = page(statement, keys, query, narrow=narrow, values=narrow.values)
        found += [(row.square, row.id) for row in part.items]
        cursor = part.next_cursor
        if cursor is None:
            return found


@settings(max_examples=share_of(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    places=st.lists(near_one, max_size=40),
    origin=near_one,
    limit=st.integers(1, 9),
    radius_m=st.sampled_from([None, 1.0, 499.0, 3_000.0, 60_000.0]),
    kind=st.sampled_from([None, "post"]),
)
def test_the_pages_are_a_plain_sort(
    app: Flask, places: list[geo.Place], origin: geo.Place, limit: int, radius_m: float | None, kind: str | None
) -> None:
    def work() -> None:
        organization_id = make_district().center.id
        db.session.execute(Station.__table__.delete())
        if places:
            db.session.execute(insert(Station), rows_at([*places, places[0]], organization_id, ("desk", "post")))
        narrow = Nearest(SPOT, Station.id, origin, radius_m)
        statement = stations_of(kind)
        everything = sorted((row.square, row.id) for row in db.session.execute(statement, narrow.values))
        wanted = [one for one in everything if radius_m is None or one[0] <= radius_m**2]
        # With the circles that other examples told of.
        assert all_pages(statement, narrow, limit) == wanted
        db.session.rollback()

    unit_of(app)(work)


def crowd(app: Flask, number: int) -> None:
    """Many stations in one city, and what the planner knows of them."""
    chance = random.Random(7)
    places = [(chance.gauss(33.75, 0.03), chance.gauss(113.3, 0.03)) for _ in range(number)]

    def build() -> None:
        db.session.execute(insert(Station), rows_at(places, make_district().center.id))
        db.session.execute(text("ANALYZE"))

    unit_of(app)(build)


def test_both_statements_use_the_index(app: Flask, client: Any) -> None:
    crowd(app, 20_000)
    for circle in ("", "&radius_m=5000", "&radius_m=500"):
        look_at_plans(app, client, circle)


def look_at_plans(app: Flask, client: Any, circle: str) -> None:
    # As where nobody asked yet: no page of one told which circle serves the next.
    queries.listed.cache_clear()
    path = f"/stations?near=33.7512,113.3034{circle}"
    seen: list[tuple[str, Any]] = []
    with app.app_context():
        engine = db.engine

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        first = client.get(path).json
        second = client.get(f"{path}&cursor={first['next_cursor']}").json
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert len(second["items"]) == 20
    found = [one for one in seen if one[0].startswith("SELECT") and "stations" in one[0]]
    assert len(found) == (2 if circle == "&radius_m=500" else 4)
    with engine.connect() as connection:
        for statement, parameters in found:
            prefix = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
            plan = "\n".join(str(row) for row in connection.exec_driver_sql(prefix + statement, parameters))
            assert "ix_stations_cell" in plan, plan
            assert "SCAN stations" not in plan, plan
            assert "Seq Scan on stations" not in plan, plan


def test_a_row_that_goes_between_the_two_statements_ends_no_list(unit: Callable[[Callable[[], Any]], Any]) -> None:
    def work() -> Any:
        places = [(33.7 + number / 1000, 113.3) for number in range(6)]
        rows = rows_at(places, make_district().center.id)
        db.session.execute(insert(Station), rows)
        narrow = Nearest(SPOT, Station.id, (33.7, 113.3))
        statement = select(Station.id).add_columns(narrow.distance.label("square"))

        def slow(wanted: Wanted) -> Any:
            def late(circle: Any, values: Any) -> Any:
                db.session.execute(Station.__table__.delete().where(Station.__table__.c.id == rows[1]["id"]))
                return wanted.first_rows(circle, values)

            return narrow(replace(wanted, first_rows=late))

        keys = [Key(narrow.distance, read=lambda row: row.square), Key(Station.id, read=lambda row: row.id)]
        found = page(statement, keys, {"limit": 3}, narrow=slow, values=narrow.values)
        return [row.id for row in found.items], found.next_cursor, [row["id"] for row in rows]

    items, cursor, made = unit(work)
    assert items == [made[0], made[2], made[3]]
    assert cursor is not None


def test_the_next_reader_nearby_needs_no_walk(unit: Callable[[Callable[[], Any]], Any], statements: Any) -> None:
    statement = stations_of("post")

    def read(latitude: float) -> list[UUID]:
        narrow = Nearest(SPOT, Station.id, (latitude, 113.3))
        keys = [Key(narrow.distance, read=lambda row: row.square), Key(Station.id, read=lambda row: row.id)]
        return [row.id for row in page(statement, keys, {"limit": 2}, narrow=narrow, values=narrow.values).items]

    def work() -> tuple[list[int], list[list[UUID]], list[UUID]]:
        places = [(33.7 + number / 1000, 113.3) for number in range(6)]
        rows = rows_at(places, make_district().center.id, ("post",))
        db.session.execute(insert(Station), rows)
        spent, found = [], []
        for step in range(3):
            if step == 2:
                # Fewer are left inside the circle that was told of.
                gone = [row["id"] for row in rows[1:4]]
                db.session.execute(Station.__table__.delete().where(Station.__table__.c.id.in_(gone)))
            with statements() as seen:
                found.append(read(33.7 + step / 100_000))
            spent.append(len(seen))
        return spent, found, [row["id"] for row in rows]

    _circles(statement).clear()
    spent, found, made = unit(work)
    assert spent == [2, 1, 3]
    assert found == [made[:2], made[:2], [made[0], made[4]]]


def test_only_readers_amid_the_places_tell_others_of_them(
    unit: Callable[[Callable[[], Any]], Any], statements: Any
) -> None:
    """From far off, the circle that holds enough holds nearly all; and lists of other rows lie otherwise."""
    statement = stations_of("post")

    def spent(origin: geo.Place, filters: tuple[str, ...] = ()) -> int:
        narrow = Nearest(SPOT, Station.id, origin, filters=filters)
        keys = [Key(narrow.distance, read=lambda row: row.square), Key(Station.id, read=lambda row: row.id)]
        with statements() as seen:
            page(statement, keys, {"limit": 2}, narrow=narrow, values=narrow.values)
        return len(seen)

    def work() -> list[int]:
        places = [(33.7 + number / 1000, 113.3) for number in range(6)]
        db.session.execute(insert(Station), rows_at(places, make_district().center.id, ("post",)))
        here, beijing = (33.7, 113.3), (39.9, 116.4)
        return [spent(beijing), spent(beijing), spent(here, ("a",)), spent(here, ("b",)), spent(here, ("a",))]

    _circles(statement).clear()
    assert unit(work) == [2, 2, 2, 2, 1]
