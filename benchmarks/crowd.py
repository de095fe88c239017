"""`python -m benchmarks.crowd`: 1,000 people sign up for 100 places in 10 seconds, on PostgreSQL with two workers.

Every person comes at their own moment, on a connection of their own, whether the server keeps up or not; the latency
counts from that moment. Fails where a place is given twice, an answer is a 5xx, the waitlist is out of order, or the
99th percentile is over 2 seconds.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from rich.console import Console
from sqlalchemy import select

from benchmarks.arrivals import Answer, come
from benchmarks.attendance import prepare
from benchmarks.figures import note
from benchmarks.load import request_bytes
from benchmarks.server import gunicorn, migrated
from volunteer_api.activities import service as activities
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.activities.queries import shift_ids_of
from volunteer_api.app import create_app
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.sign_ups.models import SignUp

PEOPLE, PLACES, SECONDS = 1000, 100, 10.0
SLOWEST_SECONDS = 2.0


def main() -> None:
    """Prepare, let the crowd in, judge."""
    with migrated():
        _, tokens = prepare()
        shift_id = in_a_unit(tomorrow)
        with gunicorn() as port:
            path = f"/api/v1/shifts/{shift_id}/sign-ups"
            requests = [request_bytes("POST", path, token, b"{}", str(ids.new_id())) for token in tokens[:PEOPLE]]
            answers, seconds = asyncio.run(come(port, requests, SECONDS))
        report(answers, seconds, *in_a_unit(lambda: rows_of(shift_id)))


def in_a_unit(work: Callable[[], Any]) -> Any:
    """Run work on the application, in one committed unit."""
    with create_app().app_context():
        return run_unit(work, writes=True)


def tomorrow() -> UUID:
    """A published shift of tomorrow, with the places."""
    known = db.session.scalars(select(Activity)).first()
    if known is None:
        raise SystemExit("nothing was prepared")
    starts_at = clock.now() + timedelta(days=1)
    activity = activities.create_activity(
        by=known.created_by,
        title="Crowd",
        category="environment_protection",
        organization_id=known.organization_id,
        shifts=[{"starts_at": starts_at, "ends_at": starts_at + timedelta(hours=2), "capacity": PLACES}],
    )
    activities.publish(activity)
    return shift_ids_of(activity.id)[0]


def rows_of(shift_id: UUID) -> tuple[Shift, list[SignUp]]:
    """The shift and its sign-ups in the order of the waitlist."""
    statement = select(SignUp).where(SignUp.shift_id == shift_id).order_by(SignUp.position)
    return db.session.get_one(Shift, shift_id), list(db.session.scalars(statement))


def report(answers: list[Answer], seconds: float, shift: Shift, rows: list[SignUp]) -> None:
    """Print the figures; end with 1 where a promise is broken."""
    statuses = Counter(status for status, _, _ in answers)
    slow = sorted(latency for _, _, latency in answers)
    states = Counter(row.state for row in rows)
    waiting = [row for row in rows if row.state == "waitlisted"]
    told = {body["id"]: body["waitlist_position"] for status, body, _ in answers if status == 201}
    promises = {
        "no answer but 201": set(statuses) == {201},
        f"exactly {PLACES} confirmed": states["confirmed"] == PLACES == shift.confirmed_count,
        f"{PEOPLE - PLACES} waitlisted": states["waitlisted"] == PEOPLE - PLACES == shift.waitlisted_count,
        "the waitlist has no gap": [row.position for row in waiting] == list(range(1, len(waiting) + 1)),
        "everybody was told their own place": all(told.get(str(row.id)) == row.position for row in rows),
        f"p99 at most {SLOWEST_SECONDS} s": slow[int(0.99 * len(slow))] <= SLOWEST_SECONDS,
    }
    console = Console()
    console.print(f"{len(answers)} sign-ups for {PLACES} places within {seconds:.1f} s: {dict(statuses)}")
    for share in (0.5, 0.9, 0.99):
        console.print(f"p{share * 100:.0f}: {slow[int(share * len(slow))] * 1000:.0f} ms")
    console.print(f"slowest: {slow[-1] * 1000:.0f} ms")
    size = f"{PEOPLE:,} sign-ups for {PLACES} places in {SECONDS:.0f} s"
    note("sign-up of a crowd, p99", slow[int(0.99 * len(slow))] * 1000, "ms", size=size)
    note("sign-up of a crowd, broken promises", sum(not kept for kept in promises.values()), "promises", size=size)
    for promise, kept in promises.items():
        console.print(f"{'kept  ' if kept else 'BROKEN'} {promise}")
    if not all(promises.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
