"""`python -m benchmarks.rankings`: every kind of ranking page at 100,000 records and at 10,000,000, as a ratio.

Two districts are simulated in one PostgreSQL, with a gunicorn each, and asked in turns by HTTP. Plans of the main pages
go to benchmarks/results/. What took long when it was first asked is kept before it is measured, as the worker does.
RANKINGS_RECORDS and RANKINGS_SMALL_RECORDS ask for other sizes (ten for each volunteer); RANKINGS_LARGE_URL and
RANKINGS_SMALL_URL name districts that were simulated before, RANKINGS_PAGES by a regular expression some of the pages.
Then a shift ends, and every worker is asked whether it counts.
"""

import http.client
import math
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
import psycopg
from flask import Flask
from rich.console import Console
from rich.table import Table
from sqlalchemy import event, func, select
from sqlalchemy.engine import make_url

from benchmarks.figures import note
from benchmarks.people import signed_in
from benchmarks.server import ROOT, gunicorn, postgresql
from volunteer_api.accounts.service import find_by_phone
from volunteer_api.activities import service as activities
from volunteer_api.activities.models import Campaign
from volunteer_api.activities.queries import shift_ids_of
from volunteer_api.app import create_app
from volunteer_api.attendance import presence_code
from volunteer_api.attendance import service as attendance
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.tasks import run_task
from volunteer_api.core.tokens import issue_access_token
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.demo.stage import ADMINISTRATOR, VOLUNTEER
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.organizations.models import Organization, OrganizationKind
from volunteer_api.rankings.kept import KEEP
from volunteer_api.rankings.models import RankingNamed
from volunteer_api.rankings.spans import Unit
from volunteer_api.sign_ups import service as sign_ups
from volunteer_api.stations.models import Station
from volunteer_api.teams.models import Team

SIZES = {
    "small": int(os.environ.get("RANKINGS_SMALL_RECORDS", "100000")),
    "large": int(os.environ.get("RANKINGS_RECORDS", "10000000")),
}
PAGES = re.compile(os.environ.get("RANKINGS_PAGES", ""))
RECORDS_EACH = 10
TURNS = 25
SECONDS_A_PAGE = 12.0
NOTED_AFTER_SECONDS = 0.3
DEEP = 10
OVER_THE_LIMIT = 503
AIM = 1.5
METRICS = ("activity_count", "attendance_count", "volunteer_count", "credited_minutes")


@dataclass
class District:
    """A simulated district that is served: what pages name, and a connection to ask them by."""

    url: str
    token: str
    center: UUID
    office: UUID
    team: UUID
    station: UUID
    campaign: UUID
    fallen: UUID
    last_on: date
    app: Flask
    port: int = 0
    connection: http.client.HTTPConnection | None = None

    def get(self, path: str) -> tuple[float, Any, str]:
        """Milliseconds until the whole answer was there, the answer, and the worker that gave it.

        Without end where the database gave up after its thirty seconds (503).
        """
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        begun = time.perf_counter()
        self.connection.request("GET", f"/api/v1{path}", headers={"Authorization": f"Bearer {self.token}"})
        answer = self.connection.getresponse()
        content = answer.read()
        took = (time.perf_counter() - begun) * 1000
        if answer.status == OVER_THE_LIMIT:
            took = math.inf
        elif answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {content[:500]!r}")
        return took, orjson.loads(content), answer.getheader("X-Worker", "")


def main() -> None:
    """Build both, measure, explain, and hold a shift."""
    os.environ.update(LIMITS="0", LOG_LEVEL="WARNING")
    with ExitStack() as stack:
        urls = stack.enter_context(databases())
        found = {name: stack.enter_context(served(url)) for name, url in urls.items()}
        title = " against ".join(f"{n:,}" for n in SIZES.values())
        table = Table("page", "first of large ms", "small ms", "large ms", "ratio", title=title)
        size = f"{SIZES['large']:,} records against {SIZES['small']:,}"
        slow = []
        for what, paths in pages(found):
            if not PAGES.search(what):
                continue
            first = ask_first(found, paths)
            small, large = measure(found, paths)
            table.add_row(what, f"{first:,.0f}", f"{small:,.1f}", f"{large:,.1f}", f"{large / small:.2f}")
            if math.isfinite(large):
                note(
                    what,
                    large / small,
                    "× small",
                    size=f"{size}; {small:.1f} and {large:.1f} ms, at first {first:,.0f}",
                )
            if large > AIM * small:
                slow.append(what)
        Console().print(table)
        print(f"more than {AIM} ×: {', '.join(slow) or 'none'}")
        explain(found["large"])
        hold_a_shift(found["large"])


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """The URLs of both districts, made where the environment names none."""
    given = {name: os.environ.get(f"RANKINGS_{name.upper()}_URL") for name in SIZES}
    with ExitStack() as stack:
        server = None if all(given.values()) else stack.enter_context(postgresql())
        yield {name: given[name] or simulated(str(server), name, records) for name, records in SIZES.items()}


def simulated(server: str, name: str, records: int) -> str:
    """The URL of a new database on the server, with a district of so many records."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = make_url(server).set(database=name).render_as_string(hide_password=False)
    command = [sys.executable, "-m", "volunteer_api.cli", "simulate", "--no-seal"]
    sizes = [f"--volunteers={max(500, records // RECORDS_EACH)}", f"--records={records}"]
    subprocess.run([*command, *sizes], cwd=ROOT, check=True, env={**os.environ, "DATABASE_URL": url})
    return url


@contextmanager
def served(url: str) -> Iterator[District]:
    """A district under its own gunicorn."""
    os.environ["DATABASE_URL"] = url
    app = create_app()
    with app.app_context():
        district = run_unit(lambda: known(url, app), writes=True)
    with gunicorn() as port:
        district.port = port
        yield district


def known(url: str, app: Flask) -> District:
    """What the pages name, the same in each district, and the demo's volunteer, signed in."""
    person = find_by_phone(VOLUNTEER)
    first = select(Organization.id).order_by(Organization.division_code)
    last_on = db.session.scalar(select(func.max(ServiceRecord.on)))
    office = db.session.scalars(first.where(Organization.kind == OrganizationKind.PRACTICE_OFFICE)).first()
    return District(
        url=url,
        token=issue_access_token(signed_in(person.id)),
        center=db.session.scalars(first.where(Organization.kind == OrganizationKind.PRACTICE_CENTER)).one(),
        office=office,
        team=db.session.scalars(select(Team.id).where(Team.organization_id == office)).first(),
        station=db.session.scalars(select(Station.id).order_by(Station.code)).first(),
        campaign=db.session.scalars(select(Campaign.id).order_by(Campaign.starts_on, Campaign.id)).first(),
        fallen=who_fell(last_on),
        last_on=last_on,
        app=app,
    )


def who_fell(last_on: date) -> UUID:
    """A named volunteer who did most in the month before the one that pages ask about."""
    month = (last_on - timedelta(days=31)).replace(day=1)
    before = (month - timedelta(days=1)).replace(day=1)
    did = select(RankingNamed.volunteer_id).where(RankingNamed.unit == Unit.MONTH, RankingNamed.starts_on == before)
    found: UUID = db.session.scalars(did.order_by(RankingNamed.credited_minutes.desc()).limit(1)).one()
    return found


def pages(found: dict[str, District]) -> Iterator[tuple[str, dict[str, str]]]:
    """What is asked: a name, and the path in each district."""

    def each(what: str, path: str = "/rankings", **query: Any) -> tuple[str, dict[str, str]]:
        return what, {name: path_of(district, path, query) for name, district in found.items()}

    for subject in ("organization", "team", "station", "volunteer"):
        level = {"level": "practice_station"} if subject == "organization" else {}
        for metric in METRICS:
            if (subject, metric) == ("volunteer", "volunteer_count"):
                continue
            asked = {"subject": subject, "metric": metric, **level}
            yield each(f"{subject} by {metric}, all time", **asked)
            if subject == "volunteer":
                for period in ("day", "month", "year"):
                    yield each(f"{subject} by {metric}, {period}", **asked, period=period)
            yield each(f"{subject} by {metric}, month, in a district", **asked, scope="center", period="month")
            yield each(f"{subject} by {metric}, year, in an office", **asked, scope="office", period="year")
            if subject == "volunteer":
                yield each(f"{subject} by {metric}, free range", **asked, period="free")
    children = {"subject": "organization", "scope": "center"}
    for metric in METRICS:
        for period in ("day", "week", "quarter", "free"):
            yield each(f"children by {metric}, {period}", **children, metric=metric, period=period)
    for metric in ("activity_count", "volunteer_count", "credited_minutes"):
        yield each(f"stations by {metric}, free range", subject="station", metric=metric, period="free")
        yield each(
            f"children by {metric}, a category", **children, metric=metric, period="month", category="elderly_care"
        )
        yield each(f"children by {metric}, a category, all time", **children, metric=metric, category="elderly_care")
        yield each(f"children by {metric}, a campaign", **children, metric=metric, campaign_id="campaign")
        both = {"category": "elderly_care", "campaign_id": "campaign"}
        yield each(f"children by {metric}, a category in a campaign", **children, metric=metric, **both)
        yield each(
            f"children by {metric}, per volunteer", **children, metric=metric, basis="per_volunteer", period="year"
        )
        yield each(f"children by {metric}, growth", **children, metric=metric, basis="growth", period="month")
    minutes = {"subject": "volunteer", "metric": "credited_minutes"}
    grown = {**minutes, "basis": "growth", "period": "month"}
    for where in (
        {},
        {"scope": "center"},
        {"category": "elderly_care"},
        {"scope": "center", "campaign_id": "campaign"},
    ):
        yield each(", ".join(["volunteers, growth by month", *where]), **grown, **where)
    for where in ({}, {"scope": "center"}):
        yield each(
            ", ".join(["volunteers, growth by month around who fell", *where]), **grown, **where, around="fallen"
        )
    yield each("volunteers, a category", **minutes, category="elderly_care", period="month")
    yield each("teams per volunteer", subject="team", metric="credited_minutes", basis="per_volunteer", period="year")
    yield f"volunteers, page {DEEP + 1}", {name: deep_path(one, minutes) for name, one in found.items()}
    yield each("stations around one", subject="station", metric="credited_minutes", around="station")
    yield each("teams around one, month", subject="team", metric="activity_count", around="team", period="month")
    for metric in ("credited_minutes", "attendance_count", "activity_count"):
        for period in ("all", "month", "year", "free"):
            yield each(f"my rank by {metric}, {period}", "/me/ranking", metric=metric, period=period)
    yield each("my rank in a district", "/me/ranking", scope="center", period="month")
    for period in ("day", "month", "year", "all"):
        yield each(f"statistics, {period}", "/statistics", scope="center", period=period)


def path_of(district: District, path: str, query: dict[str, Any]) -> str:
    """The path with the district's ids and days in the place of their names."""
    last = district.last_on
    values = dict(query)
    for name in ("scope", "campaign_id", "around"):
        if name in values:
            values[name] = getattr(district, values[name])
    match values.pop("period", "all"):
        case "day":
            values["period"] = last.isoformat()
        case "week":
            values["period"] = f"{last:%G-W%V}"
        case "month":
            values["period"] = f"{last - timedelta(days=31):%Y-%m}"
        case "quarter":
            before = last - timedelta(days=92)
            values["period"] = f"{before.year}-Q{(before.month + 2) // 3}"
        case "year":
            values["period"] = f"{last:%Y}"
        case "free":
            values |= {"from": last - timedelta(days=400), "to": last - timedelta(days=17)}
    return f"{path}?{urlencode(values)}"


def deep_path(district: District, query: dict[str, Any]) -> str:
    """The path of a page far down."""
    path = path_of(district, "/rankings", query | {"limit": 100})
    cursor = ""
    for _ in range(DEEP):
        _, answer, _ = district.get(path + cursor)
        if answer.get("next_cursor") is None:
            break
        cursor = f"&{urlencode({'cursor': answer['next_cursor']})}"
    return path + cursor


def ask_first(found: dict[str, District], paths: dict[str, str]) -> float:
    """The milliseconds that it took the large district to count; what took long the worker keeps, as it would."""
    took = {}
    for name, district in found.items():
        took[name], _, _ = district.get(paths[name])
        # It is noted when the answer is on its way.
        time.sleep(NOTED_AFTER_SECONDS)
        run_task(district.app, KEEP)
    for district in found.values():
        # Who keeps for a minute loses the connection, which nobody used meanwhile.
        district.connection = None
    return took["large"]


def measure(found: dict[str, District], paths: dict[str, str]) -> tuple[float, float]:
    """The median milliseconds of both, asked in turns for some seconds."""
    times: dict[str, list[float]] = {name: [] for name in found}
    deadline = time.perf_counter() + SECONDS_A_PAGE
    for turn in range(TURNS + 2):
        for name, district in found.items():
            took, _, _ = district.get(paths[name])
            # The first fill the caches.
            if turn >= 2 or took > 2000:
                times[name].append(took)
        if time.perf_counter() > deadline and all(times.values()):
            break
    return statistics.median(times["small"]), statistics.median(times["large"])


EXPLAINED = {
    "organizations by activities, month": (
        "/rankings",
        {"subject": "organization", "scope": "center", "period": "month"},
    ),
    "stations by volunteers, all": ("/rankings", {"subject": "station", "metric": "volunteer_count"}),
    "volunteers by minutes, all": ("/rankings", {"subject": "volunteer", "metric": "credited_minutes"}),
    "volunteers by minutes, month": (
        "/rankings",
        {"subject": "volunteer", "metric": "credited_minutes", "period": "month"},
    ),
    "children by volunteers, free": (
        "/rankings",
        {"subject": "organization", "metric": "volunteer_count", "scope": "center", "period": "free"},
    ),
    "children by minutes, a category": (
        "/rankings",
        {"subject": "organization", "metric": "credited_minutes", "scope": "center", "category": "elderly_care"},
    ),
    "my rank, all": ("/me/ranking", {"metric": "credited_minutes"}),
    "my rank, free": ("/me/ranking", {"metric": "credited_minutes", "period": "free"}),
    "statistics, month": ("/statistics", {"scope": "center", "period": "month"}),
}


def explain(district: District) -> None:
    """Write the plans of the main pages, with what each statement read."""
    os.environ["DATABASE_URL"] = district.url
    target = Path(__file__).parent / "results" / "ranking-plans"
    target.mkdir(parents=True, exist_ok=True)
    app = create_app()
    for what, (path, query) in EXPLAINED.items():
        asked = path_of(district, path, query)
        text = "\n\n".join(plans_of(app, district, asked))
        (target / f"{what.replace(', ', '-').replace(' ', '-')}.txt").write_text(f"GET {asked}\n\n{text}\n", "utf-8")
    print(f"plans written to {target.relative_to(ROOT)}")


def plans_of(app: Flask, district: District, path: str) -> Iterator[str]:
    """Each statement of an answer with its plan, the slowest first."""
    seen: list[tuple[str, Any]] = []
    with app.app_context():
        engine = db.engine

    def remember(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", remember)
    app.test_client().get(f"/api/v1{path}", headers={"Authorization": f"Bearer {district.token}"})
    event.remove(engine, "before_cursor_execute", remember)
    with engine.connect() as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        for statement, parameters in seen:
            if statement.lstrip("( \n").startswith(("SELECT", "WITH")):
                rows = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS) {statement}", parameters)
                yield f"{statement}\n\n" + "\n".join(row[0] for row in rows)
        connection.rollback()


def hold_a_shift(district: District) -> None:
    """Let a shift end by the clock alone, and ask every worker what the ranking of the day says then."""
    os.environ["DATABASE_URL"] = district.url
    with create_app().app_context():
        ends_at = run_unit(lambda: last_minutes(district), writes=True)
    path = f"/rankings?subject=organization&metric=activity_count&scope={district.center}&period={clock_day(ends_at)}"
    # The one that was there lay idle while plans were explained.
    district.connection = None
    before = value_of(district, path)
    time.sleep(max(0.0, (ends_at - datetime.now(ends_at.tzinfo)).total_seconds()) + 0.05)
    answers: dict[str, list[int]] = {}
    deadline = time.perf_counter() + 20
    while time.perf_counter() < deadline and (len(answers) < 2 or min(map(len, answers.values())) < 3):
        # Another connection, which another worker may take.
        district.connection = None
        _, answer, worker = district.get(path)
        answers.setdefault(worker, []).append(office_value(answer, district))
    for worker, values in answers.items():
        note(
            f"a shift that ended is in the next {len(values)} answers of worker {worker}",
            min(values) - before,
            "more",
            size="1",
        )
    if len(answers) < 2 or any(value != before + 1 for values in answers.values() for value in values):
        raise SystemExit(f"before {before}, afterwards by worker {answers}")


def last_minutes(district: District) -> datetime:
    """A shift of the office with one volunteer in it; returns when it ends, some seconds from now."""
    now = clock.now()
    ends_at = (now + timedelta(seconds=6)).replace(microsecond=0)
    administrator, volunteer = find_by_phone(ADMINISTRATOR), find_by_phone(VOLUNTEER)
    with clock.at(now - timedelta(hours=3)):
        activity = activities.create_activity(
            by=administrator.id,
            title="清洁家园",
            category="environment_protection",
            organization_id=district.office,
            shifts=[{"starts_at": now - timedelta(hours=1), "ends_at": ends_at}],
        )
        activities.publish(activity)
    (shift_id,) = shift_ids_of(activity.id)
    with clock.at(now - timedelta(hours=2)):
        sign_ups.sign_up(shift_id=shift_id, volunteer_id=volunteer.id)
    for minutes, step in ((55, "in"), (1, "out")):
        moment = now - timedelta(minutes=minutes)
        evidence = {"client_time": moment, "code": presence_code.code_at(shift_id, moment).code}
        with clock.at(moment):
            if step == "in":
                attended = attendance.check_in(volunteer_id=volunteer.id, shift_id=shift_id, evidence=evidence)
            else:
                attendance.check_out(attendance=attended, evidence=evidence)
    return ends_at


def clock_day(moment: datetime) -> date:
    """The local day of a moment where the simulated district lies."""
    return (moment + timedelta(hours=8)).date()


def value_of(district: District, path: str) -> int:
    """The office's value in an answer."""
    return office_value(district.get(path)[1], district)


def office_value(answer: Any, district: District) -> int:
    """The same, of an answer that is there."""
    return next(item["value"] for item in answer["items"] if item["subject"]["id"] == str(district.office))


if __name__ == "__main__":
    main()
