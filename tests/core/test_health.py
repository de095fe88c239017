"""The sites beside the contract, and what every answer carries."""

import dataclasses
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.fault_codes import collect
from tests.servers import Databases, close, make_settings
from volunteer_api.app import create_app
from volunteer_api.core import clock, logs, tasks, texts
from volunteer_api.core.health import openapi_text
from volunteer_api.core.listing import FAULTS
from volunteer_api.core.problems import Problem
from volunteer_api.notifications.templates import TEMPLATES


def test_it_is_alive(app: Flask) -> None:
    assert app.test_client().get("/livez").get_json() == {"status": "alive"}


def test_it_is_ready_and_says_on_what(app: Flask, core_tasks: None) -> None:
    before = app.test_client().get("/readyz").get_json()
    assert before["worker_last_seen_at"] is None
    assert len(before["warnings"]) == 1
    tasks.sweep(app)
    after = app.test_client().get("/readyz").get_json()
    assert after["warnings"] == []
    assert after["worker_last_seen_at"].endswith("Z")
    assert re.match(r"(SQLite|PostgreSQL) \d+\.\d+", after["database"])


def test_it_warns_of_a_worker_that_is_gone_and_of_work_that_fails(
    app: Flask, core_tasks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise LookupError

    name = "core.forget_rate_counters"
    monkeypatch.setitem(tasks.REGISTRY, name, tasks.Task(name, fail, tasks.Every.MINUTE))
    tasks.sweep(app)
    [failed] = app.test_client().get("/readyz").get_json()["warnings"]
    assert name in failed
    with clock.at(clock.now() + timedelta(minutes=16)):
        warnings = app.test_client().get("/readyz").get_json()["warnings"]
        assert warnings[0].startswith("No worker was seen since")
        assert failed in warnings
    monkeypatch.undo()
    with clock.at(clock.now() + timedelta(minutes=16)):
        tasks.sweep(app)
        assert app.test_client().get("/readyz").get_json()["warnings"] == []


def test_a_database_without_tables_is_not_ready(databases: Databases) -> None:
    app = create_app(make_settings(databases.empty_sqlite(), databases.own))
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, answer.get_json()["code"]) == (503, "migrations_missing")
    assert answer.headers["Retry-After"]
    close(app)


@pytest.mark.parametrize("url", ["postgresql+psycopg://nobody@127.0.0.1:9/gone", "sqlite:////no/such/folder/gone.db"])
def test_without_its_database_it_is_alive_but_not_ready(tmp_path: Path, url: str) -> None:
    app = create_app(make_settings(url, tmp_path))
    client = app.test_client()
    assert client.get("/livez").status_code == 200
    for path in ("/readyz", "/api/v1/stations"):
        answer = client.get(path)
        assert (answer.status_code, answer.get_json()["code"]) == (503, "unavailable")
        assert answer.headers["Retry-After"]
    close(app)


def test_the_contract_is_served_as_it_is_written(app: Flask) -> None:
    served = app.test_client().get("/openapi.json")
    assert served.data == openapi_text(app)
    assert json.loads(served.data)["openapi"] == "3.1.0"


def test_the_docs_ask_no_other_host(app: Flask) -> None:
    client = app.test_client()
    page = client.get("/docs/")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    for link in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert link.startswith("/docs/"), link
        with client.get(link) as part:
            assert part.status_code == 200, link
    assert client.get("/docs").location.endswith("/docs/")


def test_every_code_has_its_place_in_the_docs(app: Flask) -> None:
    page = app.test_client().get("/docs/problems").text
    for code in Problem.known:
        assert f'id="{code}"' in page
    for code in ("min_length", "not_day", "consent_required", "heic_not_supported", "one_of"):
        assert f'id="errors-{code}"' in page
    for kind in TEMPLATES:
        assert f'id="notifications-{kind}"' in page
    for code in ("method_not_allowed", "headers_too_large", "internal_error"):
        assert f'id="{code}"' in page
    unknown = app.test_client().get("/nowhere").get_json()
    assert unknown["type"] == "/docs/problems#not_found"
    # In both languages, with names for what is filled in.
    assert "This is shorter than {min} characters or items." in page
    assert texts.in_all_languages("Sign in first.")[0] in page


def test_the_listed_codes_of_payloads_are_the_codes() -> None:
    written = json.loads(FAULTS.read_text(encoding="utf-8"))
    assert written == collect(), "run `python -m tests.fault_codes > volunteer_api/core/fault_codes.json`"


@pytest.mark.parametrize("path", ["/livez", "/nowhere", "/api/v1/me", "/api/v1/stations", "/docs/problems"])
def test_every_answer_has_an_id_and_a_date(app: Flask, path: str) -> None:
    first, second = (app.test_client().get(path, headers={"X-Request-Id": "from-a-stranger"}) for _ in range(2))
    assert first.headers["Date"].endswith("GMT")
    assert first.headers["X-Request-Id"] not in (second.headers["X-Request-Id"], "from-a-stranger")
    if first.is_json and first.status_code >= 400:
        assert first.get_json()["request_id"] == first.headers["X-Request-Id"]


def test_a_trusted_proxys_id_is_kept(app: Flask, change_settings: Callable[..., None]) -> None:
    change_settings(app, trusted_proxies=1)
    ask = app.test_client().get
    assert ask("/livez", headers={"X-Request-Id": "edge-12345678"}).headers["X-Request-Id"] == "edge-12345678"
    assert ask("/livez", headers={"X-Request-Id": "a b"}).headers["X-Request-Id"] != "a b"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("code for +8613800000005 sent", "code for [hidden] sent"),
        ("13800000005,13900000006", "[hidden],[hidden]"),
        ("resident 11010519491231002X!", "resident [hidden]!"),
        ("4104031234567890123456", "4104031234567890123456"),
        ("took 1380 ms", "took 1380 ms"),
        ("of 01a222a7a12b770192986941015264c1", "of 01a222a7a12b770192986941015264c1"),
        ("of 01a222a7-a12b-7701-9298-a13800000005", "of 01a222a7-a12b-7701-9298-a13800000005"),
        ("a13800000005, 01a222a7a12b13800000005", "a[hidden], 01a222a7a12b[hidden]"),
    ],
)
def test_the_log_knows_nobody(text: str, hidden: str) -> None:
    assert logs.mask(text) == hidden


def test_production_logs_one_object_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = make_settings(f"sqlite:///{tmp_path}/gone/x.db", tmp_path)
    app = create_app(dataclasses.replace(settings, environment="production", log_level="INFO"))
    answer = app.test_client().get("/readyz")
    lines: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    failed = next(line for line in lines if line["event"] == "request_failed")
    assert failed["request_id"] == answer.headers["X-Request-Id"]
    assert (failed["status"], failed["rule"], failed["level"]) == (503, "/readyz", "warning")
    close(app)


def test_debug_logs_each_request_with_the_code_of_its_refusal(
    sqlite_app: Flask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = sqlite_app.config["SQLALCHEMY_DATABASE_URI"]
    app = create_app(make_settings(url, tmp_path, environment="production", log_level="DEBUG"))
    refused, good = (app.test_client().get(path) for path in ("/api/v1/me", "/livez"))
    one, other = (json.loads(line) for line in capsys.readouterr().err.splitlines() if '"request"' in line)
    assert (one["request_id"], one["status"], one["code"]) == (refused.headers["X-Request-Id"], 401, "unauthorized")
    assert (other["request_id"], other["status"], "code" in other) == (good.headers["X-Request-Id"], 200, False)
    close(app)
