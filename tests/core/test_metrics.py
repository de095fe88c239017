"""What `/metrics` tells, to whom, and what it never does."""

import dataclasses
import re
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.attendance.factories import evidence, make_scene, soon
from tests.factories import make_volunteer
from tests.servers import close, make_settings
from volunteer_api.app import create_app
from volunteer_api.config import PROJECT_DIRECTORY
from volunteer_api.core import clock, ids, metrics, metrics_folder, scrape, tasks
from volunteer_api.core.database import db
from volunteer_api.core.limits import EXTENSION, check_limit
from volunteer_api.core.problems import Busy
from volunteer_api.core.tasks import BACKUP, TaskRun, note_run, run_task, sweep
from volunteer_api.core.unit_of_work import Rerun, run_unit
from volunteer_api.notifications import service as notifications
from volunteer_api.notifications.models import Notification
from volunteer_api.rankings.tasks import FOLD

TOKEN = "a-token-for-tests-that-is-longer-than-thirty-two"


def scraped(app: Flask, **headers: str) -> str:
    answer = app.test_client().get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    return answer.text


def told(app: Flask) -> dict[str, float]:
    """What has no labels, by name."""
    return {name: float(value) for name, value in re.findall(r"^(\w+) (\S+)$", scraped(app), re.MULTILINE)}


def counted(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_request_is_told_by_its_route_and_never_by_its_path(app: Flask, client: Any) -> None:
    strange = ids.new_id()
    route = {"route": "/api/v1/activities/<uuid:activity_id>", "method": "GET"}
    before = counted("volunteer_requests_total", status="4xx", **route)
    lost = counted("volunteer_requests_total", status="4xx", route="none", method="none")
    refused = counted("volunteer_refusals_total", code="not_found")
    client.get(f"/activities/{strange}")
    app.test_client().open("/13800000005/410403199001011234", method="BREW")
    assert counted("volunteer_requests_total", status="4xx", **route) == before + 1
    assert counted("volunteer_request_seconds_count", **route) >= 1
    assert counted("volunteer_requests_total", status="4xx", route="none", method="none") == lost + 1
    assert counted("volunteer_refusals_total", code="not_found") == refused + 2
    text = scraped(app)
    assert "/api/v1/activities/<uuid:activity_id>" in text
    for secret in (str(strange), "13800000005", "410403199001011234", "BREW"):
        assert secret not in text
    # What Prometheus itself asks for.
    asked = {"Accept": "application/openmetrics-text; version=1.0.0"}
    assert app.test_client().get("/metrics", headers=asked).text.endswith("# EOF\n")


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("changes", "environ", "headers", "status"),
    [
        ({}, {}, {}, 200),
        ({}, {"REMOTE_ADDR": "::1"}, {}, 200),
        ({}, {"REMOTE_ADDR": "203.0.113.1"}, {}, 404),
        ({}, {}, {"X-Forwarded-For": "203.0.113.1"}, 404),
        ({"trusted_proxies": 1}, {}, {}, 404),
        ({"environment": "production"}, {}, {}, 404),
        ({"metrics_token": TOKEN}, {}, {}, 401),
        ({"metrics_token": TOKEN}, {}, {"Authorization": f"Bearer {TOKEN[:-1]}"}, 401),
        ({"metrics_token": TOKEN}, {}, {"Authorization": f"Basic {TOKEN}"}, 401),
        ({"metrics_token": TOKEN}, {}, {"Authorization": "Bearer \xe9"}, 401),
        (
            {"metrics_token": TOKEN, "environment": "production", "trusted_proxies": 1},
            {"REMOTE_ADDR": "203.0.113.1"},
            {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": "203.0.113.1"},
            200,
        ),
    ],
)
def test_it_is_not_for_the_public(
    app: Flask,
    change_settings: Callable[..., None],
    changes: dict[str, Any],
    environ: dict[str, str],
    headers: dict[str, str],
    status: int,
) -> None:
    change_settings(app, **changes)
    answer = app.test_client().get("/metrics", environ_overrides=environ, headers=headers)
    assert answer.status_code == status
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_the_database_tells_what_waits(app: Flask, unit: Any, core_tasks: None) -> None:
    before = told(app)
    assert before["volunteer_database_up"] == 1
    assert before["volunteer_notifications_waiting"] == before["volunteer_attendances_held"] == 0
    assert not [name for name in before if name.endswith("_timestamp_seconds")]
    sweep(app)
    run_task(app, FOLD)
    volunteer = make_volunteer()
    now = clock.now()
    unit(lambda: note_run(BACKUP, now))
    unit(lambda: tasks.keep_finding("hours.verify_seals", "one day"))
    unit(
        lambda: notifications.notify(
            volunteer_id=volunteer.id, kind="membership_accepted", values={"team": "鹰城大妈"}, dedup_key="metrics"
        )
    )
    unit(lambda: db.session.query(Notification).update({"next_attempt_at": now - timedelta(hours=1)}))
    after = told(app)
    assert after["volunteer_notifications_waiting"] == 1
    assert after["volunteer_check_findings"] == 1
    moments = {
        "volunteer_notification_due_timestamp_seconds": now - timedelta(hours=1),
        "volunteer_worker_seen_timestamp_seconds": now,
        "volunteer_backup_timestamp_seconds": now,
        "volunteer_rankings_folded_timestamp_seconds": now,
    }
    for name, moment in moments.items():
        assert after[name] == pytest.approx(moment.timestamp(), abs=60), name


def test_a_scrape_costs_few_statements(app: Flask, statements: Any) -> None:
    with statements() as seen:
        scraped(app)
    assert len(seen) <= 13


@pytest.mark.parametrize("url", ["postgresql+psycopg://nobody@127.0.0.1:9/gone", "sqlite:////no/such/folder/gone.db"])
def test_a_database_that_is_gone_hides_only_what_it_knows(tmp_path: Path, url: str) -> None:
    app = create_app(make_settings(url, tmp_path))
    found = told(app)
    assert found["volunteer_database_up"] == 0
    assert "volunteer_requests_total" in scraped(app)
    assert "volunteer_tasks_failing" not in found
    close(app)


@pytest.mark.either_database
def test_a_file_that_cannot_be_read_hides_only_what_others_counted(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "counter_web1.db").write_bytes(b"")
    monkeypatch.setattr(metrics, "is_shared", lambda: True)
    for path in (tmp_path, tmp_path / "swept away"):
        monkeypatch.setattr(metrics_folder, "folder", lambda path=path: path)
        metrics.count_answer("/mine", "GET", 200, 0.1)
        assert 'route="/mine"' in scraped(app)


@pytest.mark.either_database
@pytest.mark.parametrize("how", ["canceled", "out of time"])
def test_a_database_that_is_only_busy_is_there(app: Flask, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    def wait() -> float:
        if how == "canceled":
            raise Busy()
        moment = time.monotonic()
        monkeypatch.setattr(scrape.time, "monotonic", lambda: moment + 60)
        return 1.0

    first, *others = scrape.READINGS
    had = scrape.Reading("volunteer_had", "", lambda: 2.0)
    slow = scrape.Reading("volunteer_slow", "", wait)
    monkeypatch.setattr(scrape, "READINGS", [had, slow, first, *others])
    found = told(app)
    assert found["volunteer_database_up"] == 1
    assert found["volunteer_had"] == 2
    assert "volunteer_notifications_waiting" not in found
    assert ("volunteer_slow" in found) == (how == "out of time")


def test_runs_of_tasks_and_of_units_are_counted(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise LookupError

    name = "accounts.erase"
    done, reruns = (
        counted("volunteer_task_runs_total", task=name, outcome="done"),
        counted("volunteer_unit_reruns_total", error="Rerun"),
    )
    run_task(app, name)
    assert counted("volunteer_task_runs_total", task=name, outcome="done") == done + 1
    assert counted("volunteer_task_seconds_total", task=name) > 0
    monkeypatch.setitem(tasks.REGISTRY, name, dataclasses.replace(tasks.REGISTRY[name], work=fail))
    failed = counted("volunteer_task_runs_total", task=name, outcome="failed")
    run_task(app, name)
    assert counted("volunteer_task_runs_total", task=name, outcome="failed") == failed + 1
    assert told(app)["volunteer_tasks_failing"] == 1
    tries: list[int] = []

    def lose_once() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise Rerun()

    with app.app_context():
        run_unit(lose_once, writes=True)
    assert counted("volunteer_unit_reruns_total", error="Rerun") == reruns + 1


def test_connections_are_counted_as_they_are_taken_and_given_back(app: Flask, unit: Any) -> None:
    def in_use() -> float:
        return counted("volunteer_database_connections", database=db.engine.dialect.name)

    assert unit(lambda: [db.session.get(TaskRun, "x"), in_use()][1]) == 1
    with app.app_context():
        assert in_use() == 0


@pytest.mark.either_database
def test_what_was_not_limited_is_counted(app: Flask, change_settings: Callable[..., None]) -> None:
    change_settings(app, limits=True, valkey_url="redis://127.0.0.1:9/0")
    kept = app.extensions.pop(EXTENSION, None)
    before = counted("volunteer_limits_skipped_total", scope="lost")
    try:
        with app.test_request_context("/"):
            check_limit("3/10 minutes", "lost")
    finally:
        app.extensions.pop(EXTENSION, None)
        if kept is not None:
            app.extensions[EXTENSION] = kept
    assert counted("volunteer_limits_skipped_total", scope="lost") == before + 1


@pytest.mark.either_database
def test_what_came_of_attendances_is_counted_once_it_stands(app: Flask, client: Any) -> None:
    scene = make_scene(starts_at=soon() - timedelta(minutes=30))
    phone = client.as_(scene.volunteer)
    before = counted("volunteer_attendances_settled_total", state="held")
    body = {"shift_id": str(scene.shift.id), "evidence": evidence(clock.now(), delay_ms=600_000)}
    arrived = phone.post("/attendances", json=body, key="in")
    tap = {"evidence": evidence(clock.now())}
    for _ in range(2):
        left = phone.post(f"/attendances/{arrived.json['id']}/check-out", json=tap, key="out")
        assert left.json["state"] == "held"
    # A further tap has it judged anew.
    with clock.at(clock.now() + timedelta(minutes=6)):
        later = {"evidence": evidence(clock.now())}
        again = phone.post(f"/attendances/{arrived.json['id']}/check-out", json=later, key="later")
    assert again.status_code == 200
    assert again.json["state"] == "held"
    assert counted("volunteer_attendances_settled_total", state="held") == before + 1
    assert told(app)["volunteer_attendances_held"] == 1


def test_the_operators_page_names_what_there_is() -> None:
    """And the other way round; its alerts ask for nothing else."""
    suffix = {"counter": "_total", "gauge": "", "histogram": ""}
    there = {family.name + suffix[family.type] for family in metrics.REGISTRY.collect()}
    there |= {"volunteer_database_up", *(one.name for one in scrape.READINGS)}
    page = (PROJECT_DIRECTORY / "docs/operations.md").read_text(encoding="utf-8")
    table, alerts = page.split("## Five alerts")
    rows = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    named = {f"volunteer_{name}" for row in rows for name in re.findall(r"`([a-z_]+)", row)}
    assert named == there
    asked = {name.removesuffix("_bucket") for name in re.findall(r"volunteer_\w+", alerts)}
    assert asked <= there
