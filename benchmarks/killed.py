"""`python -m benchmarks.killed`: 5,000 check-ins while workers are killed, on PostgreSQL with two workers.

Nine in ten are the crowd at the start of a shift: 4,500 volunteers check in to one shift each, by one statement. A
hundred more check in to five shifts each, half of them one call at a time and half in batches of five. Again and again
a worker is ended by SIGKILL; like a phone, the client sends what was not answered again, under the same keys. Fails
where something that was acknowledged is not stored, or anything is stored twice.
"""

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from rich.console import Console
from sqlalchemy import func, select

from benchmarks.attendance import prepare, sign_everybody_up
from benchmarks.crowd import in_a_unit
from benchmarks.server import ROOT, gunicorn_process, postgresql
from volunteer_api.activities import service as activities
from volunteer_api.activities.models import Activity
from volunteer_api.activities.queries import shift_ids_of
from volunteer_api.attendance.models import Attendance
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.idempotency import IdempotencyKey

# Those with one shift, and those with all.
CROWD, OTHERS, SHIFTS, THREADS = 4500, 100, 5, 12
TOTAL = CROWD + OTHERS * SHIFTS
KILL_EVERY, LIMIT_SECONDS = 500, 600.0

# One request: the token, the path, the body, and the key of a single call.
Call = tuple[str, str, bytes, str | None]


def main() -> None:
    """Prepare, send and kill, judge."""
    os.environ.update(LIMITS="0", LOG_LEVEL="ERROR", VAR_DIR=tempfile.mkdtemp(prefix="volunteer-bench-var-"))
    with postgresql() as url:
        os.environ["DATABASE_URL"] = url
        subprocess.run([sys.executable, "-m", "volunteer_api.cli", "migrate"], cwd=ROOT, check=True)
        first, tokens = prepare(volunteers=CROWD + OTHERS)
        shift_ids = [first, *in_a_unit(more_shifts)]
        calls = list(calls_of(shift_ids, tokens))
        random.Random(1).shuffle(calls)
        with gunicorn_process() as (port, master):
            run = Run(port, calls)
            begun = time.monotonic()
            kills = run.go(master)
            seconds = time.monotonic() - begun
            repeated = run.repeat(random.Random(2).sample(calls, 100))
        report(run, kills, seconds, repeated, *in_a_unit(stored))


def more_shifts() -> list[UUID]:
    """Four more shifts that are going on."""
    known = db.session.scalars(select(Activity)).first()
    if known is None:
        raise SystemExit("nothing was prepared")
    starts_at, ends_at = clock.now() - timedelta(minutes=5), clock.now() + timedelta(hours=8)
    made = []
    for number in range(SHIFTS - 1):
        activity = activities.create_activity(
            by=known.created_by,
            title=f"Killed {number}",
            category="environment_protection",
            organization_id=known.organization_id,
            shifts=[{"starts_at": starts_at, "ends_at": ends_at}],
        )
        activities.publish(activity)
        made += shift_ids_of(activity.id)
    sign_everybody_up(made)
    return made


def calls_of(shift_ids: list[UUID], tokens: list[str]) -> Iterator[Call]:
    """The check-ins of each volunteer: that of her shift, or those of all shifts by one call each or in one batch."""
    now = clock.now()
    for person, token in enumerate(tokens):
        chosen = [shift_ids[person % SHIFTS]] if person < CROWD else shift_ids
        lines = [
            {
                "key": f"{person}-{number}",
                "kind": "check_in",
                "shift_id": str(shift_id),
                "evidence": {"client_time": (now + timedelta(seconds=number)).isoformat()},
            }
            for number, shift_id in enumerate(chosen)
        ]
        if person >= CROWD and person % 2:
            yield token, "/api/v1/attendances/batch", json.dumps({"operations": lines}).encode(), None
            continue
        for line in lines:
            body = {name: line[name] for name in ("shift_id", "evidence")}
            yield token, "/api/v1/attendances", json.dumps(body).encode(), str(line["key"])


class Run:
    """What a run of all calls saw."""

    def __init__(self, port: int, calls: list[Call]) -> None:
        self.port = port
        self.calls = calls
        self.queue = iter(calls)
        self.lock = threading.Lock()
        # The attendance that was acknowledged under each volunteer's key.
        self.acknowledged: dict[str, str] = {}
        self.statuses: Counter[int] = Counter()
        self.broken = self.contradictions = 0
        self.until = time.monotonic() + LIMIT_SECONDS

    def go(self, master: int) -> int:
        """Send all calls while workers die; returns how many were killed."""
        threads = [threading.Thread(target=self._work) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        kills, chance, before = 0, random.Random(3), 0
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.02)
            # By what was done, not by time: a machine that starts workers slowly must get on too.
            if len(self.acknowledged) < before + KILL_EVERY:
                continue
            before = len(self.acknowledged)
            workers = Path(f"/proc/{master}/task/{master}/children").read_text(encoding="ascii").split()
            if workers and any(thread.is_alive() for thread in threads):
                os.kill(int(chance.choice(workers)), signal.SIGKILL)
                kills += 1
        return kills

    def repeat(self, calls: list[Call]) -> int:
        """Send some again; returns how many were answered, and counts what contradicts."""
        return sum(self._send_until_answered(call) for call in calls)

    def _work(self) -> None:
        while True:
            with self.lock:
                call = next(self.queue, None)
            if call is None or not self._send_until_answered(call):
                return

    def _send_until_answered(self, call: Call) -> bool:
        while time.monotonic() < self.until:
            try:
                status, content = self._send(call)
            except (OSError, http.client.HTTPException):
                with self.lock:
                    self.broken += 1
                time.sleep(0.05)
                continue
            with self.lock:
                self.statuses[status] += 1
                if status in (200, 201):
                    self._note(call, content)
                    return True
            time.sleep(0.05)
        return False

    def _send(self, call: Call) -> tuple[int, Any]:
        token, path, body, key = call
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def _note(self, call: Call, content: Any) -> None:
        key = call[3]
        results = content["results"] if key is None else [{"key": key, "status": 201, "attendance": content}]
        for result in results:
            made = result["attendance"]["id"] if result["status"] == 201 else f"refused {result['status']}"
            if self.acknowledged.setdefault(result["key"], made) != made:
                self.contradictions += 1


def stored() -> tuple[set[str], int, int, int]:
    """The ids of all attendances; how many places have two, how many people have two open; how many keys are kept."""
    twice = select(Attendance.volunteer_id).group_by(Attendance.volunteer_id, Attendance.shift_id)
    several = select(Attendance.volunteer_id).where(Attendance.state == "open").group_by(Attendance.volunteer_id)
    return (
        {str(one) for one in db.session.scalars(select(Attendance.id))},
        len(db.session.scalars(twice.having(func.count() > 1)).all()),
        len(db.session.scalars(several.having(func.count() > 1)).all()),
        db.session.scalars(select(func.count()).select_from(IdempotencyKey)).one(),
    )


def report(
    run: Run, kills: int, seconds: float, repeated: int, ids: set[str], twice: int, open_twice: int, keys: int
) -> None:
    """Print the figures; end with 1 where a promise is broken."""
    told = set(run.acknowledged.values())
    promises = {
        f"all {TOTAL} operations were acknowledged in the end": len(run.acknowledged) == TOTAL,
        "what was acknowledged is stored": told <= ids,
        "what is stored was acknowledged": ids <= told,
        "nothing is stored twice": twice == 0 and len(ids) == len(told) == TOTAL,
        "each operation has one key": keys == TOTAL,
        "nobody is at two places": open_twice == 0,
        "an outcome repeats": run.contradictions == 0 and repeated == 100,
        "no answer but 200, 201 and 503": set(run.statuses) <= {200, 201, 503},
        "workers were killed": kills > 0,
    }
    console = Console()
    console.print(f"{TOTAL} check-ins in {len(run.calls)} calls, {kills} workers killed, {seconds:.1f} s")
    console.print(f"answers {dict(run.statuses)}, connections broken {run.broken}, repeated afterwards {repeated}")
    for promise, kept in promises.items():
        console.print(f"{'kept  ' if kept else 'BROKEN'} {promise}")
    if not all(promises.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
