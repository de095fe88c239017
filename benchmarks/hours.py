"""`python -m benchmarks.hours`: what a check-out and the tallies cost with 10,000,000 records, against 100,000.

One PostgreSQL: measured with few rows, filled up, measured again; whole requests, without a network between. The rows
lie over three years, ten of each volunteer, all in one organization. HOURS_ROWS asks for another number.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from benchmarks.server import postgresql
from tests.attendance.factories import Scene, evidence, make_scene
from tests.conftest import ApiClient
from tests.factories import current_app_is, make_volunteer, unit_of
from tests.servers import close, make_settings, migrate
from volunteer_api.app import create_app
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.hours import tallies
from volunteer_api.sign_ups import service as sign_ups

SMALL, LARGE = 100_000, int(os.environ.get("HOURS_ROWS", "10000000"))
RECORDS_EACH = 10
YEARS = 3
TURNS = 80
CHUNK = 500_000

RECORDS = """
INSERT INTO service_records (id, created_at, volunteer_id, minutes, source, attendance_id, activity_id, shift_id,
    station_id, organization_id, organization_path_id, "on", starts_at, ends_at, content, recorded_at)
SELECT id_of(1, n), at, CASE WHEN n % 1000 = 0 THEN CAST(:veteran AS uuid) ELSE id_of(2, n / :each) END, 60,
    'attended', id_of(3, n), :activity_id, :shift_id, :station_id, :organization_id, :path_id,
    (at AT TIME ZONE 'Asia/Shanghai')::date, at, at + interval '1 hour', '清洁家园', at
FROM (SELECT n, now() - interval '1 day' - (n % (365 * :years)) * interval '1 day' AS at
    FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n) AS numbered
"""
VOLUNTEERS = """
INSERT INTO volunteers SELECT (jsonb_populate_record(volunteers, jsonb_build_object(
    'id', id_of(2, n), 'volunteer_number', 'B' || n, 'phone', NULL))).*
FROM volunteers, generate_series(CAST(:first AS int), CAST(:last AS int)) AS n WHERE volunteers.id = :veteran
"""
IDS = """
CREATE FUNCTION id_of(kind int, number int) RETURNS uuid LANGUAGE sql IMMUTABLE AS
$$ SELECT ('0190' || lpad(kind::text, 4, '0') || '-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid $$
"""
SUBJECTS = {
    "volunteer": "volunteer_id",
    "station": "station_id",
    "organization_own": "organization_id",
    "organization": "organization_id",
}
TOTALS = """
INSERT INTO tally_totals (subject_kind, subject_id, unit, starts_on, credited_minutes, held_minutes)
SELECT '{kind}', {column}, '{unit}', {start} AS starts_on, sum(minutes), 0 FROM service_records
GROUP BY {column}, starts_on
"""
STARTS = {
    "day": '"on"',
    "month": "date_trunc('month', \"on\")::date",
    "year": "date_trunc('year', \"on\")::date",
    "all": "DATE '0001-01-01'",
}


def main() -> None:
    """Print median milliseconds with few and with many records, and their ratio."""
    with postgresql() as url, tempfile.TemporaryDirectory(prefix="volunteer-bench-") as directory:
        app = create_app(make_settings(url, Path(directory)))
        migrate(app)
        with current_app_is(app):
            unit = unit_of(app)
            scene = make_scene(hours=20)
            veteran = unit(make_volunteer)
            unit(lambda: db.session.execute(text(IDS)))
            found: dict[str, list[float]] = {}
            for before, rows in ((0, SMALL), (SMALL, LARGE)):
                begun = time.perf_counter()
                for first in range(before, rows, CHUNK):
                    unit(partial(fill, scene, veteran.id, first, min(first + CHUNK, rows) - 1))
                unit(sum_up)
                with app.app_context(), db.engine.connect() as connection:
                    connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))
                print(f"{rows} records in {time.perf_counter() - begun:.0f} s", flush=True)
                for what, milliseconds in measure(ApiClient(app), unit, scene, veteran.id).items():
                    found.setdefault(what, []).append(milliseconds)
        print(f"{'':46}{SMALL:>12}{LARGE:>12}   ratio")
        for what, (small, large) in found.items():
            print(f"{what:46}{small:12.2f}{large:12.2f}{large / small:8.2f}")
        close(app)


def fill(scene: Scene, veteran_id: UUID, first: int, last: int) -> None:
    """Records of so many numbers; one of a thousand is the veteran's. What they refer to is not looked up."""
    db.session.execute(text("SET LOCAL session_replication_role = replica"))
    db.session.execute(text("SET LOCAL statement_timeout = 0"))
    people = {"veteran": veteran_id, "first": first // RECORDS_EACH, "last": (last + 1) // RECORDS_EACH - 1}
    db.session.execute(text(VOLUNTEERS), people)
    values = {
        "veteran": veteran_id,
        "each": RECORDS_EACH,
        "years": YEARS,
        "activity_id": scene.activity.id,
        "shift_id": scene.shift.id,
        "station_id": scene.station.id,
        "organization_id": scene.organization.id,
        "path_id": scene.organization.path_id,
    }
    db.session.execute(text(RECORDS), values | {"first": first, "last": last})


def sum_up() -> None:
    """The totals, as the folds of years left them."""
    db.session.execute(text("SET LOCAL statement_timeout = 0"))
    for table in ("tally_totals", "tally_changes"):
        db.session.execute(text(f"DELETE FROM {table}"))
    for kind, column in SUBJECTS.items():
        for unit, start in STARTS.items():
            db.session.execute(text(TOTALS.format(kind=kind, column=column, unit=unit, start=start)))


def measure(
    phone: ApiClient, unit: Callable[[Callable[[], Any]], Any], scene: Scene, veteran_id: UUID
) -> dict[str, float]:
    """Median milliseconds by what was asked."""
    people = [unit(make_volunteer).id for _ in range(TURNS)]
    for volunteer_id in people:
        unit(partial(sign_ups.sign_up, shift_id=scene.shift.id, volunteer_id=volunteer_id))
    organizer, veteran = phone.as_(scene.organizer), phone.as_(veteran_id)
    place = {"place": {"lat": 33.7350, "lng": 113.3300}, "accuracy_m": 10}
    opened = []
    for volunteer_id in people:
        client = phone.as_(volunteer_id)
        body = {"shift_id": str(scene.shift.id), "evidence": evidence(clock_now(unit), **place)}
        opened.append((client, answered(client.post("/attendances", json=body, key=str(ids.new_id())))["id"]))

    def check_out(turn: int) -> Any:
        client, attendance_id = opened[turn]
        body = {"evidence": evidence(clock_now(unit) + timedelta(minutes=2), **place)}
        return client.post(f"/attendances/{attendance_id}/check-out", json=body, key=str(ids.new_id()))

    asked: dict[str, Callable[[int], Any]] = {
        "check-out": check_out,
        "my tally of all time, of 1/1000 of the records": lambda _: veteran.get("/me/tally?period=2026-11-23"),
        "tally of an organization, of all time": lambda _: organizer.get(
            f"/organizations/{scene.organization.id}/tally"
        ),
        "its latest records": lambda _: organizer.get(f"/service-records?organization_id={scene.organization.id}"),
        "records of an activity": lambda _: organizer.get(f"/service-records?activity_id={scene.activity.id}"),
    }
    found = {}
    for what, ask in asked.items():
        times = []
        for turn in range(TURNS):
            begun = time.perf_counter()
            answer = ask(turn)
            times.append(1000 * (time.perf_counter() - begun))
            if answer.status_code != 200:
                raise SystemExit(f"{what}: {answer.text}")
        found[what] = statistics.median(times)
    begun = time.perf_counter()
    folded = unit(tallies.fold)
    found[f"a fold of {folded} changes"] = 1000 * (time.perf_counter() - begun)
    return found


def answered(response: Any) -> Any:
    """What it says."""
    return response.json


def clock_now(unit: Callable[[Callable[[], Any]], Any]) -> Any:
    """The present moment; needs the application."""
    return unit(clock.now)


if __name__ == "__main__":
    main()
