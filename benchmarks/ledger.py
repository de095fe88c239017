"""`python -m benchmarks.ledger`: what a station's stock costs with 1,000,000 ledger rows, against one with 1,000.

Both stations are on one PostgreSQL, written by COPY, and asked in turns; whole requests, without a network between.
"""

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import text

from benchmarks.figures import note
from benchmarks.server import postgresql
from tests.conftest import ApiClient
from tests.factories import unit_of
from tests.inventory.factories import Depot, make_depot, make_item, make_station
from tests.servers import close, make_settings, migrate
from volunteer_api.app import create_app
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.inventory import months, verification
from volunteer_api.organizations.models import Organization
from volunteer_api.stations.models import Station

LARGE = int(os.environ.get("LEDGER_ROWS", "1000000"))
SMALL = 1_000
ITEMS = 20
YEARS = 3
TURNS = 200
BACKDATED_DAYS = 20
START = 1_000
CHUNK = 10_000


def main() -> None:
    """Print median milliseconds on both stations, and their ratio."""
    with postgresql() as url, tempfile.TemporaryDirectory(prefix="volunteer-bench-") as directory:
        app = create_app(make_settings(url, Path(directory)))
        migrate(app)
        unit = unit_of(app)
        depot, items = unit(make_depot), [unit(make_item) for _ in range(ITEMS)]
        other: Station = unit(lambda: make_station(depot.office_id))
        stations = {"small": depot.station_id, "large": other.id}
        for name, rows in (("small", SMALL), ("large", LARGE)):
            begun = time.perf_counter()
            unit(partial(fill, stations[name], depot.manager_id, items, rows))
            print(f"{name}: {rows} rows in {time.perf_counter() - begun:.0f} s")
        with app.app_context(), db.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))
        phone = ApiClient(app).as_(depot.organizer_id)
        print(f"{'':34}{'small ms':>10}{'large ms':>10}{'ratio':>8}")
        now = unit(clock.now)
        for what, ask in asked(phone, items, now):
            compare(what, ask, stations)
        begun = time.perf_counter()
        for back in range(12 * YEARS, 0, -1):
            unit(partial(close_month, depot, back))
        print(f"{12 * YEARS} months closed in {time.perf_counter() - begun:.0f} s")
        year_ago = f"/stations/%s/ledger?month={now.year - 1}-{now:%m}"
        compare("ledger of a year ago, closed", lambda station_id: phone.get(year_ago % station_id), stations)
        replay(app, stations["large"])
        close(app)


def compare(what: str, ask: "Ask", stations: dict[str, UUID]) -> None:
    """Print the medians of both stations and their ratio."""
    small, large = medians(ask, stations)
    print(f"{what:34}{small:10.2f}{large:10.2f}{large / small:8.2f}")
    note(f"stock: {what}", large / small, f"× at {SMALL:,} rows", size=f"{LARGE:,} rows of the stock ledger")


def close_month(depot: Depot, back: int) -> None:
    """Close the month so many months ago, of both stations."""
    today = clock.today()
    months_since_zero = today.year * 12 + today.month - 1 - back
    month = f"{months_since_zero // 12}-{months_since_zero % 12 + 1:02d}"
    months.close_month(db.session.get_one(Organization, depot.office_id), month, by=depot.organizer_id)


def fill(station_id: UUID, actor_id: UUID, items: list[UUID], count: int) -> None:
    """One document with one entry after the other, evenly over the years: each item begins with 1,000, then −1, +1."""
    driver: Any = db.session.connection().connection.driver_connection
    code = db.session.get_one(Station, station_id).code
    rows = history(station_id, actor_id, items, count, code)
    while chunk := list(itertools.islice(rows, CHUNK)):
        for place, (table, columns) in enumerate((("movements", MOVEMENT), ("stock_entries", ENTRY))):
            with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                copy.write("".join(row[place] for row in chunk))
    for statement in BALANCES:
        db.session.execute(text(statement), {"station_id": station_id})


MOVEMENT = "id, created_at, station_id, kind, reason, document_number, actor_id, occurred_at, recorded_at"
ENTRY = (
    "id, created_at, movement_id, station_id, item_id, lot_number, portion, quantity, balance, occurred_at, sequence"
)
BALANCES = (
    "INSERT INTO stock_balances (station_id, item_id, lot_number, portion, quantity) "
    "SELECT station_id, item_id, lot_number, portion, sum(quantity) FROM stock_entries WHERE station_id = :station_id "
    "GROUP BY station_id, item_id, lot_number, portion",
    "INSERT INTO document_counters (station_id, month, last) "
    "SELECT station_id, split_part(document_number, '-', 2), count(*) FROM movements WHERE station_id = :station_id "
    "GROUP BY station_id, split_part(document_number, '-', 2)",
)


def history(station_id: UUID, actor_id: UUID, items: list[UUID], count: int, code: str) -> Iterator[tuple[str, str]]:
    """A movement and its entry, as lines for COPY."""
    end = clock.now() - timedelta(hours=1)
    step = timedelta(days=365 * YEARS) / count
    numbers: dict[str, int] = {}
    for number in range(count):
        moment: datetime = end - step * (count - number)
        month = f"{clock.local_date(moment):%Y%m}"
        numbers[month] = numbers.get(month, 0) + 1
        turn = number // len(items)
        quantity = START if turn == 0 else (-1 if turn % 2 else 1)
        balance = START if turn == 0 or turn % 2 == 0 else START - 1
        kind = "receipt" if quantity > 0 else "issue"
        movement_id, at = ids.new_id(), moment.isoformat()
        document = f"{code}-{month}-{numbers[month]:04d}"
        yield (
            f"{movement_id}\t{at}\t{station_id}\t{kind}\tother\t{document}\t{actor_id}\t{at}\t{at}\n",
            f"{ids.new_id()}\t{at}\t{movement_id}\t{station_id}\t{items[number % len(items)]}\t\t\t"
            f"{quantity}\t{balance}\t{at}\t{number + 1}\n",
        )


Ask = Callable[[UUID], Any]


def asked(phone: ApiClient, items: list[UUID], now: datetime) -> Iterator[tuple[str, Ask]]:
    """What is measured, by name."""

    def movement(station_id: UUID, **members: Any) -> Any:
        body = {"kind": "issue", "reason": "used", "lines": [{"item_id": str(items[0]), "quantity": 1}]} | members
        return phone.post(f"/stations/{station_id}/movements", json=body, key=str(ids.new_id()))

    yield "movement", movement
    late = (now - timedelta(days=BACKDATED_DAYS)).isoformat()
    yield f"movement {BACKDATED_DAYS} days back", lambda station_id: movement(station_id, occurred_at=late)

    def read(path: str, station_id: UUID) -> Any:
        return phone.get(f"/stations/{station_id}/{path}")

    month = f"{now:%Y-%m}"
    year_ago = f"{now.year - 1}-{now:%m}"
    for what, path in (
        ("stock", "stock"),
        ("entries, first page", "stock/entries"),
        ("entries of an item", f"stock/entries?item_id={items[1]}"),
        ("entries of this month", f"stock/entries?month={month}"),
        ("entries of a year ago", f"stock/entries?month={year_ago}"),
        ("ledger of this month", f"ledger?month={month}"),
        ("ledger of a year ago", f"ledger?month={year_ago}"),
    ):
        yield what, partial(read, path)


def medians(ask: Ask, stations: dict[str, UUID]) -> tuple[float, float]:
    """Milliseconds on the small and on the large station, asked in turns for at most twenty seconds."""
    times: dict[str, list[float]] = {name: [] for name in stations}
    deadline = time.perf_counter() + 20
    for turn in range(TURNS + 5):
        for name, station_id in stations.items():
            begun = time.perf_counter()
            answer = ask(station_id)
            # The first few fill the caches.
            if turn >= 5:
                times[name].append((time.perf_counter() - begun) * 1000)
            if answer.status_code not in (200, 201):
                raise SystemExit(f"{answer.status_code}: {answer.get_json()}")
        if time.perf_counter() > deadline and turn > 6:
            break
    return statistics.median(times["small"]), statistics.median(times["large"])


def replay(app: Flask, station_id: UUID) -> None:
    """How long the nightly check takes."""
    with app.app_context():
        begun = time.perf_counter()
        faults = verification.verify_station(station_id)
        seconds = time.perf_counter() - begun
    print(f"replay of {LARGE} rows: {seconds:.1f} s, {len(faults)} faults")


if __name__ == "__main__":
    main()
