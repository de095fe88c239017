"""`python -m benchmarks.footprint`: how soon a start answers, and what a worker holds after 100,000 requests.

Starts of `volunteer-api serve` on a SQLite file: the first one, which makes it, and the median of later ones, from the
command to the first answer of a list. Memory on PostgreSQL, two gunicorn workers with the demo district: a mixture of
what phones ask for, with a check-in and its check-out in each round. The resident set counts what a worker shares with
its parent; beside it stands what is the worker's own.
"""

import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

from sqlalchemy import select

from benchmarks.figures import note
from benchmarks.load import request_bytes, send
from benchmarks.people import signed_in
from benchmarks.server import ROOT, gunicorn_process, migrated
from volunteer_api.accounts.service import find_by_phone
from volunteer_api.app import create_app
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.tokens import issue_access_token
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.demo import load_demo
from volunteer_api.demo.stage import VOLUNTEER
from volunteer_api.stations.models import Station

REQUESTS = int(os.environ.get("FOOTPRINT_REQUESTS", "100000"))
STEPS = 5
STARTS = 3
CONNECTIONS = 8
PATIENCE_SECONDS = 60.0
READS = (
    "/activities?near={near}",
    "/activities?near={near}&open=true&limit=5",
    "/activities",
    "/activities?q=" + quote("清洁"),
    "/stations?near={near}",
    "/stations/{station}",
    "/me/home?near={near}",
    "/me/sign-ups",
    "/me/tally?period=2026-11",
    "/me/recommended-activities?near={near}",
    "/me/notifications",
    "/me/ranking?metric=credited_minutes&period=all",
    "/rankings?subject=organization&level=practice_office&metric=activity_count&period=all",
    "/rankings?subject=team&metric=credited_minutes&period=all",
    "/organizations",
    "/items",
)


@dataclass(frozen=True)
class Held:
    """Megabytes of memory of the largest worker: its resident set, and what of it no other process shares."""

    resident: float
    own: float


def main() -> None:
    """Measure both and print."""
    starts()
    memory()


def starts() -> None:
    """Note the seconds of a first start and of later ones."""
    with tempfile.TemporaryDirectory(prefix="volunteer-bench-") as folder:
        first, *later = (start(folder) for _ in range(1 + STARTS))
    note("start to first answer, the database new", first, "s", size="SQLite")
    note("start to first answer", statistics.median(later), "s", size="SQLite")


def start(folder: str) -> float:
    """Seconds from the command to the first answer; the server is ended again."""
    port = 8000 + os.getpid() % 1000
    environment = {**os.environ, "VAR_DIR": folder, "PORT": str(port), "LOG_LEVEL": "WARNING"}
    environment.pop("DATABASE_URL", None)
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "volunteer_api.cli", "serve"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    try:
        while not answers(port):
            if process.poll() is not None or time.perf_counter() - begun > PATIENCE_SECONDS:
                raise SystemExit("the server did not start")
            time.sleep(0.01)
        return time.perf_counter() - begun
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def answers(port: int) -> bool:
    """Whether a list is answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/api/v1/organizations")
        return connection.getresponse().status == 200
    except ConnectionError:
        return False
    finally:
        connection.close()


def memory() -> None:
    """Note what the workers hold at the beginning, after each step, and how much of it came in the second half."""
    with migrated():
        station_id, token = prepare()
        with gunicorn_process() as (port, master):
            held = [measure(master)]
            for _ in range(STEPS):
                take(port, station_id, token, REQUESTS // STEPS)
                held.append(measure(master))
    note("memory of a worker at its start, resident", held[0].resident, "MB", size="demo district")
    for step, now in enumerate(held[1:], start=1):
        size = f"after {REQUESTS // STEPS * step:,} requests"
        note("memory of a worker, resident", now.resident, "MB", size=size)
        note("memory of a worker, its own", now.own, "MB", size=size)


def prepare() -> tuple[UUID, str]:
    """The demo district; a station, and the token of its volunteer."""
    with create_app().app_context():
        run_unit(lambda: load_demo(lambda _done, _whole: None), writes=True)

        def sign_in() -> tuple[UUID, str]:
            volunteer = find_by_phone(VOLUNTEER)
            assert volunteer is not None
            station_id = db.session.scalars(select(Station.id).order_by(Station.id)).first()
            assert station_id is not None
            return station_id, issue_access_token(signed_in(volunteer.id))

        return run_unit(sign_in, writes=True)


def take(port: int, station_id: UUID, token: str, count: int) -> None:
    """Send so many requests in rounds, each of all reads and a batch of a check-in with its check-out."""
    chance = random.Random(count)
    for first in range(0, count, 1000):
        made = [request(number, chance, station_id, token) for number in range(first, min(first + 1000, count))]
        outcome = send(port, made, CONNECTIONS, limit_seconds=300)
        assert set(outcome.statuses) <= {200}, outcome.statuses


def request(number: int, chance: random.Random, station_id: UUID, token: str) -> bytes:
    """One request of the mixture."""
    kind = number % (len(READS) + 1)
    if kind == len(READS):
        return request_bytes("POST", "/api/v1/attendances/batch", token, duty(station_id))
    near = f"{chance.gauss(33.75, 0.05):.5f},{chance.gauss(113.3, 0.06):.5f}"
    return request_bytes("GET", "/api/v1" + READS[kind].format(near=near, station=station_id), token)


def duty(station_id: UUID) -> bytes:
    """A duty of a minute at the station, as a phone hands it in afterwards."""
    check_in = str(ids.new_id())
    evidence = {"client_time": clock.now().isoformat().replace("+00:00", "Z"), "delay_ms": 60_000}
    operations = [
        {"key": check_in, "kind": "check_in", "station_id": str(station_id), "evidence": evidence},
        {
            "key": str(ids.new_id()),
            "kind": "check_out",
            "check_in_key": check_in,
            "evidence": evidence | {"delay_ms": 0},
        },
    ]
    return json.dumps({"operations": operations}).encode()


def measure(master: int) -> Held:
    """What the largest of the master's workers holds."""
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    return max((held_by(int(child)) for child in children), key=lambda held: held.resident)


def held_by(process_id: int) -> Held:
    """What the kernel says of a process; Linux only."""
    lines = Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines()[1:]
    kilobytes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    own = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
    return Held(resident=kilobytes["Rss"] / 1000, own=own / 1000)


if __name__ == "__main__":
    main()
