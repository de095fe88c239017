"""Background work: one unit each, turns that only one takes, nudges that may be lost."""

import functools
import json
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from redis.exceptions import RedisError

from tests.factories import make_volunteer, unit_of
from tests.servers import close, make_settings
from volunteer_api.accounts.models import Volunteer
from volunteer_api.app import create_app
from volunteer_api.core import clock, limits, statements, tasks
from volunteer_api.core.database import db
from volunteer_api.core.settings import EXTENSION as SETTINGS
from volunteer_api.core.tasks import QUEUE, REGISTRY, Every, TaskRun, build_queue, enqueue, run_task, sweep, task
from volunteer_api.core.unit_of_work import run_unit

Unit = Callable[[Callable[[], Any]], Any]
NAME = "tests.work"


@pytest.fixture(autouse=True)
def empty_queue(request: pytest.FixtureRequest) -> None:
    """Other tests nudge too, and nobody drains what they leave."""
    if "app" in request.fixturenames:
        build_queue(request.getfixturevalue("app")).flush()


@pytest.fixture
def done() -> list[str]:
    return []


@pytest.fixture
def work(done: list[str], core_tasks: None) -> Iterator[str]:
    """A task that only notes that it ran."""
    task(NAME, every=Every.MINUTE)(lambda: done.append("ran"))
    yield NAME
    del REGISTRY[NAME]


def run_of(unit: Unit, name: str) -> TaskRun | None:
    found: TaskRun | None = unit(lambda: db.session.get(TaskRun, name))
    return found


def drain(app: Flask) -> None:
    """Do what is queued, as the worker's loop does."""
    queue = build_queue(app)
    while (message := queue.dequeue()) is not None:
        queue.execute(message)


def count_volunteers() -> int:
    return db.session.query(Volunteer).count()


def test_two_tasks_of_one_name_are_refused(work: str) -> None:
    with pytest.raises(ValueError, match=work):
        task(work)(lambda: None)


def test_core_registers_its_own_work() -> None:
    assert {"core.heartbeat", "core.forget_idempotency_keys", "core.forget_rate_counters"} <= REGISTRY.keys()


def test_a_run_is_recorded(app: Flask, unit: Unit, work: str, done: list[str]) -> None:
    run_task(app, work)
    found = run_of(unit, work)
    assert done == ["ran"]
    assert found is not None
    assert found.error is None
    assert found.finished_at is not None
    assert found.finished_at >= found.started_at


def test_a_failure_writes_nothing_but_its_record(
    app: Flask, unit: Unit, work: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_late() -> None:
        make_volunteer()
        db.session.flush()
        raise LookupError("no such thing")

    monkeypatch.setitem(REGISTRY, work, tasks.Task(work, fail_late, Every.MINUTE))
    run_task(app, work)
    found = run_of(unit, work)
    assert found is not None
    assert found.error == "LookupError"
    assert unit(count_volunteers) == 0


def test_a_sweep_runs_what_is_due_once(app: Flask, work: str, done: list[str]) -> None:
    assert work in sweep(app)
    assert work not in sweep(app)
    with clock.at(clock.now() + timedelta(minutes=1)):
        assert work in sweep(app)
    assert done == ["ran", "ran"]


def test_a_clock_that_was_ahead_stops_nothing(app: Flask, unit: Unit, work: str, done: list[str]) -> None:
    with clock.at(clock.now() + timedelta(days=40)):
        sweep(app)
    [ahead, *_] = app.test_client().get("/readyz").get_json()["warnings"]
    assert "which has not come" in ahead
    # A nudge is not taken for one that the run to come has seen to.
    unit(lambda: enqueue(work))
    drain(app)
    assert done == ["ran"] * 2
    with clock.at(clock.now() + timedelta(days=40)):
        run_task(app, work)
    assert work in sweep(app)
    assert app.test_client().get("/readyz").get_json()["warnings"] == []


def test_an_outage_ends_the_sweep_with_one_line_and_its_reason(
    work: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = create_app(make_settings(f"sqlite:///{tmp_path}/gone/x.db", tmp_path, environment="production"))
    for _ in range(2):
        assert sweep(gone) == []
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["database_failed", "sweep_failed", "sweep_failed"]
    assert lines[0]["reason"] == "unable to open database file"
    close(gone)


def test_valkeys_absence_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("tests.consumer")
    log.addFilter(tasks.OneLine())
    for _ in range(3):
        try:
            raise RedisError("Connection refused")
        except RedisError:
            log.exception("Error reading from queue")
    log.error("something else")
    assert [(one.getMessage(), one.exc_info) for one in caplog.records] == [
        ("Valkey (VALKEY_URL) is not reached (Connection refused); the sweep does its work.", None),
        ("something else", None),
    ]


def test_what_was_left_unfinished_is_taken_up_again(app: Flask, unit: Unit, work: str) -> None:
    began = clock.now() - timedelta(minutes=10)
    daily = tasks.Task(work, lambda: None, Every.DAY)
    REGISTRY[work] = daily
    unit(lambda: db.session.add(TaskRun(name=work, started_at=began, finished_at=None, error=None)))
    assert work in sweep(app)
    assert work not in sweep(app)


def test_only_one_of_many_workers_takes_a_turn(
    postgresql_app: Flask, race: Callable[..., list[Any]], work: str, done: list[str]
) -> None:
    outcomes = race(8, lambda _: work in sweep(postgresql_app))
    assert sorted(outcomes) == [False] * 7 + [True]
    assert done == ["ran"]


def test_the_worker_is_seen(app: Flask, unit: Unit, core_tasks: None) -> None:
    assert unit(tasks.worker_last_seen) is None
    sweep(app)
    assert clock.now() - unit(tasks.worker_last_seen) < timedelta(minutes=1)


def test_a_nudge_waits_for_the_commit(app: Flask, unit: Unit, work: str, done: list[str]) -> None:
    def nudge_then_look() -> int:
        enqueue(work)
        return int(build_queue(app).pending_count())

    assert unit(nudge_then_look) == 0
    drain(app)
    assert done == ["ran"]


def test_nudges_that_a_run_has_seen_to_are_folded(app: Flask, unit: Unit, work: str, done: list[str]) -> None:
    unit(lambda: enqueue(work))
    unit(lambda: enqueue(work))
    with clock.at(clock.now() + timedelta(minutes=1)):
        drain(app)
        assert done == ["ran"]
        # What is asked for later is done again, and so is what failed.
        unit(lambda: enqueue(work))
        drain(app)
        assert done == ["ran"] * 2
        unit(lambda: enqueue(work))
    with clock.at(clock.now() + timedelta(minutes=2)):
        unit(lambda: setattr(db.session.get_one(TaskRun, work), "error", "LookupError"))
        drain(app)
    assert done == ["ran"] * 3


def test_a_unit_that_fails_nudges_nobody(app: Flask, unit: Unit, work: str, done: list[str]) -> None:
    def nudge_then_fail() -> None:
        enqueue(work)
        raise LookupError

    with pytest.raises(LookupError):
        unit(nudge_then_fail)
    drain(app)
    assert done == []


def test_an_unknown_name_is_the_programmers_fault(app: Flask) -> None:
    with app.app_context(), pytest.raises(KeyError):
        enqueue("tests.nothing")


@pytest.fixture
def other_queue(sqlite_app: Flask) -> Iterator[Flask]:
    """The application with no queue built yet; its own comes back afterwards."""
    names = (QUEUE, "volunteer_api.queued_task")
    kept = {name: sqlite_app.extensions.pop(name, None) for name in names}
    yield sqlite_app
    built = sqlite_app.extensions.pop(QUEUE, None)
    if built is not None:
        built.storage.close()
    sqlite_app.extensions.update(kept)


def test_valkey_carries_nudges_too(
    other_queue: Flask, change_settings: Callable[..., None], valkey_url: str, work: str, done: list[str]
) -> None:
    change_settings(other_queue, valkey_url=valkey_url)
    unit_of(other_queue)(lambda: enqueue(work))
    assert done == []
    drain(other_queue)
    assert done == ["ran"]
    other_queue.extensions[QUEUE].storage.conn.close()


@pytest.mark.parametrize("fault", ["valkey", "file"])
def test_a_lost_nudge_fails_nobody(
    other_queue: Flask, change_settings: Callable[..., None], work: str, fault: str
) -> None:
    if fault == "valkey":
        change_settings(other_queue, valkey_url="redis://127.0.0.1:9/0")
    else:
        change_settings(other_queue, var_directory=Path("/dev/null/var"))
    unit_of(other_queue)(lambda: enqueue(work))
    assert work in sweep(other_queue)


def test_an_unsigned_message_is_not_opened(app: Flask) -> None:
    queue = build_queue(app)
    queue.storage.enqueue(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ValueError, match="Separator"):
        queue.dequeue()


def test_the_queue_polls_the_library_of_the_database(sqlite_app: Flask) -> None:
    assert sqlite_app.extensions[SETTINGS].valkey_url is None
    connection = build_queue(sqlite_app).storage.conn
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_backlog_goes_in_pieces(
    app: Flask, unit: Unit, change_settings: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "DELETED_AT_ONCE", 2)
    monkeypatch.setattr(tasks, "DELETED_AT_ONCE", 2)
    units = []

    def counted(work: Callable[[], Any], **options: Any) -> Any:
        units.append(work)
        return run_unit(work, **options)

    monkeypatch.setattr(tasks, "run_unit", counted)
    change_settings(app, limits=True)
    for number in range(5):
        unit(functools.partial(limits.spend, "1/minute", "test", who=str(number)))
    with app.app_context(), clock.at(clock.now() + timedelta(hours=1)):
        limits.forget_rate_counters()
    assert unit(lambda: db.session.query(limits.RateCounter).count()) == 0
    assert len(units) == 3
