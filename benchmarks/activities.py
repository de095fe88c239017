"""`python -m benchmarks.activities`: lists of 20 among 100,000 activities, against the yardsticks.

On PostgreSQL, two gunicorn workers. One city, a third of the activities over but never completed; every request for
what is near asks from another place. Each round's yardsticks are measured beside it.
"""

import http.client
import os
import random
import statistics
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

from rich.console import Console
from rich.table import Table
from sqlalchemy import insert, text

from benchmarks.figures import note
from benchmarks.load import YARDSTICKS, Outcome, request_bytes, send
from benchmarks.server import gunicorn, migrated
from benchmarks.stations import place, prepare
from volunteer_api.accounts import service as accounts
from volunteer_api.activities.models import Activity, ActivityGram, ActivityText, Shift
from volunteer_api.activities.search_text import fold, grams_of
from volunteer_api.app import create_app
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.organizations.models import Organization

NUMBER = int(os.environ.get("ACTIVITIES", "100000"))
WARMING, REQUESTS, ROUNDS = 1000, 200, 9
CONNECTIONS = 8
WHAT = ("清洁", "巡查", "慰问", "宣讲", "义诊", "植树", "助学", "劝导")
WHERE = ("湛河", "河西社区", "矿工路", "建设路", "东高皇", "五一路")
CALLS = {
    "near me": "/api/v1/activities?near={}",
    "near me, with a free place": "/api/v1/activities?near={}&open=true",
    "soonest": "/api/v1/activities",
    "rare text": "/api/v1/activities?q=" + quote("第777次"),
    "frequent text": "/api/v1/activities?q=" + quote("清洁"),
    "recommended": "/api/v1/me/recommended-activities?near={}",
}
UNCHANGED = "soonest, unchanged (304)"


def main() -> None:
    """Measure and print."""
    table = Table("call", "p50 ms", "p95 ms", "requests/s", *(f"÷ {name}" for name in YARDSTICKS))
    with migrated():
        organization_id, token = prepare()
        fill(organization_id, NUMBER)
        with gunicorn() as port:
            for row in measure(port, token):
                table.add_row(*row)
                for name, ratio in zip(YARDSTICKS, row[-len(YARDSTICKS) :], strict=True):
                    note(f"list of 20: {row[0]}", float(ratio), f"× {name}", size=f"{NUMBER:,} activities")
    Console().print(table)


def fill(organization_id: UUID, number: int) -> None:
    """Make it so many activities."""
    chance = random.Random(7)
    with create_app().app_context():

        def build(first: int) -> None:
            path_id = db.session.get_one(Organization, organization_id).path_id
            maker = accounts.create_volunteer(phone=f"+86137{first:08d}", name="O")
            db.session.flush()
            values = {"organization_id": organization_id, "organization_path_id": path_id, "created_by": maker.id}
            made = [rows_of(one, chance, values) for one in range(first, min(first + 5000, number))]
            for position, model in enumerate((Activity, Shift, ActivityText, ActivityGram)):
                db.session.execute(insert(model), [row for rows in made for row in rows[position]])

        for first in range(0, number, 5000):
            run_unit(lambda: build(first), writes=True)  # noqa: B023  # called at once
        # As PostgreSQL does by itself, a minute later: it would be in the midst of what is measured, or after it.
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM (ANALYZE)"))


def rows_of(number: int, chance: random.Random, values: dict[str, Any]) -> tuple[list[dict[str, Any]], ...]:
    """The rows of one activity: itself, its two shifts, its text, its grams."""
    activity_id, now = ids.new_id(), clock.now()
    title = f"{chance.choice(WHERE)}{chance.choice(WHAT)}志愿服务第{number}次"
    latitude, longitude = place(chance, dense=bool(number % 2))
    start = now + timedelta(minutes=-5000 if number % 3 == 0 else chance.randrange(60, 80_000))
    shift = {"activity_id": activity_id, "capacity": 20}
    activity = values | {
        "id": activity_id,
        "title": title,
        "category": "environment_protection",
        "latitude": latitude,
        "longitude": longitude,
        "place_name": "湛河公园南门",
        "description": "请穿舒适的鞋，自备饮水。" * 4,
        "state": "published",
        "published_at": now,
        "outcomes": [],
        "recipients": [],
    }
    folded = f"{fold(title)}\n湛河公园南门"
    return (
        [activity],
        [
            shift | {"starts_at": start + day, "ends_at": start + day + timedelta(hours=2)}
            for day in (timedelta(0), timedelta(days=1))
        ],
        [{"activity_id": activity_id, "text": folded, "names": ""}],
        [{"gram": gram, "activity_id": activity_id} for gram in grams_of(folded)],
    )


def measure(port: int, token: str) -> list[tuple[str, ...]]:
    """The yardsticks and each call in turns: name, p50, p95, requests a second, ratio to each yardstick's."""
    chance = random.Random(1)
    names = (*YARDSTICKS, *CALLS, UNCHANGED)
    outcomes: dict[str, list[Outcome]] = {name: [] for name in names}
    tag = etag(port, token, CALLS["soonest"])

    def requests(name: str, count: int) -> list[bytes]:
        path = CALLS["soonest"] if name == UNCHANGED else {**YARDSTICKS, **CALLS}[name]
        places = (place(chance, dense=True) for _ in range(count))
        made = [request_bytes("GET", path.format(f"{one[0]:.5f},{one[1]:.5f}"), token) for one in places]
        condition = f"\r\nIf-None-Match: {tag}\r\n\r\n".encode()
        return [one.removesuffix(b"\r\n\r\n") + condition for one in made] if name == UNCHANGED else made

    # As workers are that have served for a while: they know then how dense the activities lie, and keep the plans.
    for name in names:
        send(port, requests(name, WARMING), CONNECTIONS)
    for _ in range(ROUNDS):
        for name in names:
            outcomes[name].append(send(port, requests(name, REQUESTS), CONNECTIONS))
    for name in names:
        assert all(set(one.statuses) == {304 if name == UNCHANGED else 200} for one in outcomes[name]), name

    def ratio(name: str, yardstick: str) -> float:
        pairs = zip(outcomes[name], outcomes[yardstick], strict=True)
        return statistics.median(one.per_second / other.per_second for one, other in pairs)

    return [
        (
            name,
            *(f"{statistics.median(one.percentile(share) for one in found):.2f}" for share in (0.5, 0.95)),
            f"{statistics.median(one.per_second for one in found):.0f}",
            *(f"{ratio(name, yardstick):.2f}" for yardstick in YARDSTICKS),
        )
        for name, found in outcomes.items()
    ]


def etag(port: int, token: str, path: str) -> str:
    """What a phone that has the list says that it has."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    return connection.getresponse().headers["ETag"]


if __name__ == "__main__":
    main()
