"""`python -m benchmarks.stations`: stations near me, among 100 and among 100,000, against the token-only endpoint.

On PostgreSQL and on a SQLite file, two gunicorn workers each. One city of 80 by 60 km, half of its stations in the
dense middle; every request asks from another place.
"""

import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.table import Table
from sqlalchemy import insert, text

from benchmarks.figures import note
from benchmarks.load import Outcome, request_bytes, send
from benchmarks.people import signed_in
from benchmarks.server import gunicorn, migrated, postgresql
from volunteer_api.accounts import service as accounts
from volunteer_api.app import create_app
from volunteer_api.core import ids
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.tokens import issue_access_token
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.organizations import service as organizations
from volunteer_api.stations.models import Station, StationHours

SIZES = (100, int(os.environ.get("STATIONS", "100000")))
REQUESTS = 400
CONNECTIONS = 4
HOURS = [{"weekday": weekday, "opens": "08:00", "closes": "18:00"} for weekday in range(1, 8)]
CALLS = {
    "near me, 20 of them": "/api/v1/stations?near={}",
    "near me, open at ten": "/api/v1/stations?near={}&open_at=2026-11-25T02:00:00Z",
    "near me, within 2 km": "/api/v1/stations?near={}&radius_m=2000",
}


def main() -> None:
    """Measure on both databases and print."""
    table = Table("database", "stations", "call", "p50 ms", "p95 ms", "÷ token only")
    for name, database in (("PostgreSQL", postgresql), ("SQLite", sqlite)):
        with database() as url, migrated(url):
            organization_id, token = prepare()
            for size in SIZES:
                fill(organization_id, size)
                with gunicorn() as port:
                    for row in measure(port, token):
                        table.add_row(name, f"{size:,}", *row)
                        if row[0] != "token only":
                            note(f"{row[0]}, {name}, p50", float(row[-1]), "× token only's", size=f"{size:,} stations")
    Console().print(table)


@contextmanager
def sqlite() -> Iterator[str]:
    """The URL of a new file."""
    with tempfile.TemporaryDirectory(prefix="volunteer-bench-") as directory:
        yield f"sqlite:///{directory}/bench.db"


def prepare() -> tuple[UUID, str]:
    """An organization, and somebody's token."""
    with create_app().app_context():

        def build() -> tuple[UUID, Principal]:
            office = organizations.create_organization(parent_id=None, kind="practice_center", name="Bench")
            volunteer = accounts.create_volunteer(phone="+8613800000000", name="V")
            db.session.flush()
            return office.id, signed_in(volunteer.id)

        organization_id, principal = run_unit(build, writes=True)
        return organization_id, issue_access_token(principal)


def fill(organization_id: UUID, size: int) -> None:
    """Make it `size` stations."""
    with create_app().app_context():

        def build() -> None:
            there = db.session.scalar(text("SELECT count(*) FROM stations")) or 0
            chance = random.Random(there)
            for first in range(there, size, 5000):
                rows = [station(number, organization_id, chance) for number in range(first, min(first + 5000, size))]
                db.session.execute(insert(Station), rows)
                db.session.execute(insert(StationHours), [one for row in rows for one in hours_of(row["id"])])
            db.session.execute(text("ANALYZE"))

        run_unit(build, writes=True)


def station(number: int, organization_id: UUID, chance: random.Random) -> dict[str, Any]:
    """A row of one station."""
    latitude, longitude = place(chance, dense=bool(number % 2))
    return {
        "id": ids.new_id(),
        "code": f"S{number:06d}",
        "name": f"第{number}号志愿服务台",
        "initials": f"d{number}hzyfwt",
        "pinyin": f"di{number}haozhiyuanfuwutai",
        "kind": "desk",
        "organization_id": organization_id,
        "latitude": latitude,
        "longitude": longitude,
        "address": "建设路1号",
        "opening_hours": HOURS,
        "services": ["hot_water", "wifi"],
        "first_minute": 480,
        "last_minute": 1080,
    }


def hours_of(station_id: UUID) -> list[dict[str, Any]]:
    """The rows of its hours."""
    span = {"opens_minute": 480, "closes_minute": 1080}
    return [{"station_id": station_id, "position": day, "weekday": day + 1} | span for day in range(7)]


def place(chance: random.Random, *, dense: bool) -> tuple[float, float]:
    """Somewhere in the city."""
    if dense:
        return chance.gauss(33.75, 0.05), chance.gauss(113.3, 0.06)
    return chance.uniform(33.4, 34.1), chance.uniform(112.8, 113.8)


def measure(port: int, token: str) -> list[tuple[str, str, str, str]]:
    """The yardstick and each call in turns: name, p50, p95, ratio of the p50s."""
    chance = random.Random(1)
    outcomes: dict[str, list[Outcome]] = {"token only": []} | {name: [] for name in CALLS}

    def requests(name: str, count: int) -> list[bytes]:
        path = CALLS.get(name, "/token-only")
        places = (place(chance, dense=True) for _ in range(count))
        return [request_bytes("GET", path.format(f"{one[0]:.5f},{one[1]:.5f}"), token) for one in places]

    for name in outcomes:
        send(port, requests(name, 100), CONNECTIONS)
    for _ in range(3):
        for name, found in outcomes.items():
            found.append(send(port, requests(name, REQUESTS), CONNECTIONS))
    assert all(set(one.statuses) == {200} for found in outcomes.values() for one in found)
    p50, p95 = ({name: median(found, share) for name, found in outcomes.items()} for share in (0.5, 0.95))
    return [(name, f"{p50[name]:.2f}", f"{p95[name]:.2f}", f"{p50[name] / p50['token only']:.1f}") for name in outcomes]


def median(outcomes: list[Outcome], share: float) -> float:
    """The middle one of the rounds' percentiles, in milliseconds."""
    return sorted(outcome.percentile(share) for outcome in outcomes)[len(outcomes) // 2]


if __name__ == "__main__":
    main()
