"""`make bench`: every figure as a ratio to the token-only endpoint, as a table and as JSON."""

import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from rich.console import Console
from rich.table import Table

from benchmarks.load import Outcome, request_bytes, send
from benchmarks.server import ROOT, gunicorn, postgresql
from volunteer_api.accounts import service as accounts
from volunteer_api.accounts.models import DeviceSession
from volunteer_api.activities import service as activities
from volunteer_api.activities.queries import shift_ids_of
from volunteer_api.app import create_app
from volunteer_api.core import clock, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.tokens import issue_access_token
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.organizations import grants
from volunteer_api.organizations import service as organizations
from volunteer_api.sign_ups import service as sign_ups

VOLUNTEERS = 1500
ROUNDS = 3


def main() -> None:
    """Prepare, measure in turns, print."""
    os.environ.update(LIMITS="0", LOG_LEVEL="WARNING", VAR_DIR=tempfile.mkdtemp(prefix="volunteer-bench-var-"))
    with postgresql() as url:
        os.environ["DATABASE_URL"] = url
        subprocess.run([sys.executable, "-m", "volunteer_api.cli", "migrate"], cwd=ROOT, check=True)
        shift_id, tokens = prepare()
        with gunicorn() as port:
            report(measure(port, shift_id, tokens))


def prepare() -> tuple[UUID, list[str]]:
    """One published activity with a running shift, and volunteers who signed up, each with a session."""
    app = create_app()
    with app.app_context():
        principals: list[Principal] = []

        def build() -> UUID:
            office = organizations.create_organization(
                parent_id=None, kind="practice_center", name="Bench", division_code=None
            )
            organizer = accounts.create_volunteer(phone="+8613700000000", name="Organizer")
            db.session.flush()
            grants.grant(
                volunteer_id=organizer.id,
                role="administrator",
                scope_type="organization",
                scope_id=office.id,
                granted_by=None,
            )
            db.session.flush()
            activity = activities.create_activity(
                by=organizer.id,
                title="Bench",
                category="environment_protection",
                organization_id=office.id,
                sign_up_mode="open",
                place={"lat": 33.73, "lng": 113.33},
                shifts=[{"starts_at": clock.now() - timedelta(minutes=5), "ends_at": clock.now() + timedelta(hours=8)}],
            )
            db.session.flush()
            activities.publish(activity)
            db.session.flush()
            shift_id: UUID = shift_ids_of(activity.id)[0]
            for number in range(VOLUNTEERS):
                volunteer = accounts.create_volunteer(phone=f"+86138{number:08d}", name=f"V{number}")
                session = DeviceSession(
                    volunteer_id=volunteer.id,
                    device_id=f"bench-{number}",
                    device_name="bench",
                    platform="bench",
                    used_generation=0,
                    last_used_at=clock.now(),
                    expires_at=clock.now() + timedelta(days=1),
                )
                db.session.add(session)
                db.session.flush()
                sign_ups.sign_up(shift_id=shift_id, volunteer_id=volunteer.id)
                principals.append(Principal(volunteer.id, session.id))
            return shift_id

        shift_id = run_unit(build, writes=True)
        return shift_id, [issue_access_token(principal) for principal in principals]


def measure(port: int, shift_id: UUID, tokens: list[str]) -> dict[str, list[Outcome]]:
    """The yardstick and the check-in in turns, so that a drift of the machine meets both."""
    outcomes: dict[str, list[Outcome]] = {"token only": [], "check-in": []}
    send(port, [request_bytes("GET", "/token-only", tokens[0])] * 500)
    share = len(tokens) // ROUNDS
    for turn in range(ROUNDS):
        outcomes["token only"].append(
            send(port, [request_bytes("GET", "/token-only", token) for token in tokens[:2000]])
        )
        body = json.dumps(
            {
                "shift_id": str(shift_id),
                "evidence": {
                    "client_time": clock.now().isoformat(),
                    "place": {"lat": 33.73, "lng": 113.33},
                    "accuracy_m": 20,
                },
            }
        ).encode()
        requests = [
            request_bytes("POST", "/api/v1/attendances", token, body, str(ids.new_id()))
            for token in tokens[turn * share : (turn + 1) * share]
        ]
        outcomes["check-in"].append(send(port, requests))
    return outcomes


def report(outcomes: dict[str, list[Outcome]]) -> None:
    """The table on the console and the same as JSON under benchmarks/results/."""
    base = statistics.median(outcome.per_second for outcome in outcomes["token only"])
    table = Table(title="Requests per second, PostgreSQL, 2 workers × 4 threads, 16 connections (median of 3 turns)")
    for column in ("what", "requests/s", "÷ token only", "p50 ms", "p99 ms", "statuses"):
        table.add_column(column)
    rows = []
    for name, runs in outcomes.items():
        rate = statistics.median(run.per_second for run in runs)
        middle = sorted(runs, key=lambda run: run.per_second)[len(runs) // 2]
        rows.append(
            {
                "what": name,
                "per_second": round(rate, 1),
                "ratio": round(rate / base, 3),
                "p50_ms": round(middle.percentile(0.5), 1),
                "p99_ms": round(middle.percentile(0.99), 1),
                "statuses": {str(status): count for run in runs for status, count in run.statuses.items()},
            }
        )
        table.add_row(*(str(value) for value in rows[-1].values()))
    Console().print(table)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    target = results / f"{clock_stamp()}-{secrets.token_hex(2)}.json"
    target.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    Console().print(f"written to {target.relative_to(ROOT)}")


def clock_stamp() -> str:
    """The present moment as part of a file name."""
    return clock.now().strftime("%Y%m%dT%H%M%SZ")


if __name__ == "__main__":
    main()
