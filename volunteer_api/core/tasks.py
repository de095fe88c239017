"""Background work: a registry of named functions, one runner that owns their commit, and the worker's two loops.

A sweep (each task's own period, kept in the database) is the guarantee. The queue only nudges: a nudge that is lost, by
a kill or with Valkey gone, costs time and never correctness.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

from flask import Flask, current_app, g
from huey import Huey, RedisHuey
from huey.consumer import Consumer
from huey.serializer import SignedSerializer
from huey.storage import SqliteStorage
from redis.exceptions import RedisError
from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core import clock, idempotency, metrics
from volunteer_api.core.database import Base, db, sqlite_driver
from volunteer_api.core.keys import derive_key
from volunteer_api.core.logs import logger
from volunteer_api.core.problems import Unavailable
from volunteer_api.core.settings import settings
from volunteer_api.core.statements import DELETED_AT_ONCE, insert
from volunteer_api.core.unit_of_work import after_commit, run_unit

QUEUE = "volunteer_api.queue"
HEARTBEAT = "core.heartbeat"
# No task: a command notes that it ran.
BACKUP = "core.backup"
FINDING = ".finding"
# A filter is of one logger, and not of those below it.
CONSUMER_LOGS = ("huey.consumer", "huey.consumer.Worker", "huey.consumer.Scheduler")
SWEEP_SECONDS = 5
RETRY_SECONDS = 300
# By so much the clocks of two hosts may differ.
SKEW = timedelta(seconds=1)

Work = Callable[[], object]


class Every(IntEnum):
    """How often the sweep runs a task, in seconds."""

    MINUTE = 60
    HOUR = 3600
    DAY = 86400


@dataclass(frozen=True)
class Task:
    """A named function that runs in an application context, with no arguments; `unit`: in one committed unit."""

    name: str
    work: Work
    every: Every | None
    unit: bool = True


class TaskRun(Base):
    """The last run of a task: when it began, when it ended, and the error's type where it failed.

    `….finding` is what a check found that ran well (`keep_finding`), in `error`.
    """

    __tablename__ = "task_runs"

    name: Mapped[str] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    error: Mapped[str | None]


REGISTRY: dict[str, Task] = {}


def task(name: str, every: Every | None = None, *, unit: bool = True) -> Callable[[Work], Work]:
    """Register a function as background work.

    It must be safe to run at any time and twice: what is to be done it finds in the database. With `every`, the sweep
    runs it that often; `enqueue(name)` runs it sooner. With `unit=False` it runs in no transaction and calls `run_unit`
    itself, once or often: for work that reaches out of the database, which a rerun would do again.
    """

    def register(work: Work) -> Work:
        if name in REGISTRY:
            raise ValueError(f"two tasks are named {name!r}")
        REGISTRY[name] = Task(name, work, every, unit)
        return work

    return register


@dataclass(frozen=True)
class Nudge:
    """Asks the worker of an application to run a task; two of the same kind are equal."""

    app: Flask
    name: str

    def __call__(self) -> None:
        _nudge(self.app, self.name)


def enqueue(name: str) -> None:
    """Ask the worker to run a task now: after the commit inside a unit, at once outside of one. Never fails."""
    if name not in REGISTRY:
        raise KeyError(name)
    nudge = Nudge(this_application(), name)
    if "after_commit" not in g:
        nudge()
    elif nudge not in g.after_commit:
        # Once is enough for a unit that writes a hundred rows of work.
        after_commit(nudge)


def this_application() -> Flask:
    """The application itself, for what is done when its context is gone, or in other threads."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # werkzeug's proxy hides its own method
    return app


def repeat(some: Callable[[], int]) -> None:
    """Run `some`, which deletes a few thousand rows and tells how many, in units of its own until there are no more."""
    while run_unit(some, writes=True) >= DELETED_AT_ONCE:
        continue


def run_task(app: Flask, name: str, *, asked_at: datetime | None = None) -> None:
    """Run a task once, now; its record is in the same transaction where it runs in a unit.

    Not where it has run well since it was asked for: of a thousand nudges that come while it runs, one more run does
    the work. A failure is logged and recorded, not raised.
    """
    found = REGISTRY[name]
    with app.app_context():
        started_at, begun = clock.now(), time.perf_counter()
        try:
            if asked_at is not None and run_unit(lambda: _has_run_since(name, asked_at), writes=False):
                return
            if found.unit:
                run_unit(lambda: _work_and_record(found, started_at), writes=True)
            else:
                found.work()
                run_unit(lambda: _record(name, started_at, None), writes=True)
            metrics.count_run(name, "done", time.perf_counter() - begun)
        except Exception as error:
            metrics.count_run(name, "failed", time.perf_counter() - begun)
            logger().error("task_failed", task=name, error=type(error).__name__, exc_info=True)
            failure = type(error).__name__
            try:
                run_unit(lambda: _record(name, started_at, failure), writes=True)
            except Exception as second:
                # The database is gone too: the next sweep finds the task unfinished.
                logger().error("task_not_recorded", task=name, error=type(second).__name__)


def sweep(app: Flask) -> list[str]:
    """Run every task whose period has passed; returns their names. Two workers never take the same turn."""
    done = []
    for found in list(REGISTRY.values()):
        try:
            if found.every is not None and _claim(app, found.name, found.every):
                run_task(app, found.name)
                done.append(found.name)
        except Unavailable:
            # None of the others would come further: one line for each of them would hide why.
            break
    return done


def failing() -> list[str]:
    """The names of the tasks whose last run failed. Needs an open session."""
    failed = select(TaskRun.name).where(TaskRun.error.is_not(None), TaskRun.name.in_(list(REGISTRY)))
    return list(db.session.scalars(failed.order_by(TaskRun.name)))


def worker_last_seen() -> datetime | None:
    """When a worker last swept; None where none ever did. Needs an open session."""
    return db.session.scalar(select(TaskRun.finished_at).where(TaskRun.name == HEARTBEAT))


def finding_count() -> int:
    """How many checks found something wrong when they last ran. Needs an open session."""
    wrong = select(func.count()).where(TaskRun.name.endswith(FINDING), TaskRun.error.is_not(None))
    return db.session.scalar(wrong) or 0


def last_run(name: str) -> TaskRun | None:
    """The last run of a task, or of a check's `….finding`: when it was, how it ended. Needs an open session."""
    return db.session.get(TaskRun, name)


def note_run(name: str, started_at: datetime) -> None:
    """Remember a run that ended well of what no worker runs, like a backup. Needs a unit."""
    _record(name, started_at, None)


def keep_finding(check: str, finding: str | None) -> None:
    """Remember what a nightly check found wrong, None for nothing, until it is called again. Needs a unit."""
    _record(check + FINDING, clock.now(), finding)


def finding_of(check: str) -> str | None:
    """What a check found wrong when it last ran, on whichever worker. Needs an open session."""
    return db.session.scalar(select(TaskRun.error).where(TaskRun.name == check + FINDING))


def build_queue(app: Flask) -> Huey:
    """The queue of nudges: in Valkey where that is configured, else in the file `queue.db` of the VAR_DIR folder."""
    existing: Huey | None = app.extensions.get(QUEUE)
    if existing is not None:
        return existing
    with app.app_context():
        chosen = settings()
    options: dict[str, Any] = {
        "name": "volunteer_api",
        "results": False,
        # Messages are pickled: unsigned, whoever can write to the queue could run code in the worker.
        "serializer": SignedSerializer(secret=derive_key(chosen.secret_key, "task queue").hex()),
    }
    if chosen.valkey_url is not None:
        queue = RedisHuey(url=chosen.valkey_url, **options)
    else:
        chosen.var_directory.mkdir(parents=True, exist_ok=True)
        queue = Huey(storage_class=_SqliteQueue, filename=str(chosen.var_directory / "queue.db"), **options)
    app.extensions["volunteer_api.queued_task"] = queue.task(name="run")(
        lambda name, asked_at=None: run_task(app, name, asked_at=asked_at)
    )
    app.extensions[QUEUE] = queue
    return queue


class OneLine(logging.Filter):
    """Of what the consumer says while Valkey is away, a line a minute instead of a traceback for each look."""

    def __init__(self) -> None:
        super().__init__()
        self._said_at: float | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Let other records through as they are."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, RedisError):
            return True
        moment = time.monotonic()
        if self._said_at is not None and moment - self._said_at < Every.MINUTE:
            return False
        self._said_at = moment
        record.msg, record.args = f"Valkey (VALKEY_URL) is not reached ({error}); the sweep does its work.", None
        record.exc_info = record.exc_text = None
        return True


def run_worker(app: Flask) -> None:
    """Serve the queue and sweep until SIGTERM or SIGINT; what is running then is finished first."""
    stop = threading.Event()
    one_line = OneLine()
    for name in CONSUMER_LOGS:
        logging.getLogger(name).addFilter(one_line)
    sweeper = threading.Thread(target=_sweep_until, args=(app, stop), name="sweeper")
    consumer = Consumer(
        build_queue(app), workers=1, periodic=False, initial_delay=0.05, max_delay=0.5, graceful_signal="TERM"
    )
    sweeper.start()
    try:
        consumer.run()
    finally:
        stop.set()
        sweeper.join()


@task(HEARTBEAT, every=Every.MINUTE)
def beat() -> None:
    """Do nothing: the record of the run is what `/readyz` looks at."""


@task("core.forget_idempotency_keys", every=Every.DAY, unit=False)
def forget_idempotency_keys() -> None:
    """Delete the first answers past their 30 days."""
    repeat(idempotency.forget_old_keys)


class _SqliteQueue(SqliteStorage):
    """Huey's file storage on the library that the database uses, not on the interpreter's own."""

    integrity_error = sqlite_driver.IntegrityError
    operational_error = sqlite_driver.OperationalError

    def _create_connection(self) -> Any:
        connection = sqlite_driver.connect(
            self.filename, timeout=self._timeout, check_same_thread=False, isolation_level=None
        )
        self._set_journal_mode(connection)
        # A nudge needs no fsync: in WAL mode the file stays whole, and the sweep makes up for what is lost.
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection


def _nudge(app: Flask, name: str) -> None:
    try:
        build_queue(app)
        app.extensions["volunteer_api.queued_task"](name, clock.now())
    except Exception as error:
        logger().warning("nudge_lost", task=name, error=type(error).__name__)


def _has_run_since(name: str, moment: datetime) -> bool:
    run = last_run(name)
    if run is None or run.finished_at is None or run.error is not None:
        return False
    return moment + SKEW < run.started_at <= clock.now() + SKEW


def _work_and_record(found: Task, started_at: datetime) -> None:
    if db.engine.dialect.name == "postgresql":
        # A nudge and a sweep, or two workers, take turns at one task; SQLite has one writer anyway.
        db.session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": found.name})
    found.work()
    _record(found.name, started_at, None)


def _record(name: str, started_at: datetime, error: str | None) -> None:
    values = {"started_at": started_at, "finished_at": clock.now(), "error": error}
    db.session.execute(
        insert(TaskRun).values(name=name, **values).on_conflict_do_update(index_elements=["name"], set_=values)
    )


def _claim(app: Flask, name: str, every: Every) -> bool:
    """Whether this worker may take the task's turn now: one statement, so that only one of two gets it.

    Raises Unavailable.
    """
    with app.app_context():
        try:
            return run_unit(lambda: _take_turn(name, every), writes=True)
        except Unavailable:
            logger().error("sweep_failed", error=Unavailable.__name__)
            raise
        except Exception as error:
            logger().error("sweep_failed", task=name, error=type(error).__name__)
            return False


def _take_turn(name: str, every: Every) -> bool:
    moment = clock.now()
    unfinished = or_(TaskRun.finished_at.is_(None), TaskRun.error.is_not(None))
    due = or_(
        # A sweep comes every few seconds: without the slack, a minute's task would slip by one sweep each time.
        TaskRun.started_at <= moment - timedelta(seconds=every - SWEEP_SECONDS),
        and_(unfinished, TaskRun.started_at <= moment - timedelta(seconds=RETRY_SECONDS)),
        # Of a clock that was ahead: until it is that time nothing would be done.
        TaskRun.started_at > moment + timedelta(seconds=RETRY_SECONDS),
    )
    fresh = {"started_at": moment, "finished_at": None, "error": None}
    taken = db.session.scalar(
        insert(TaskRun)
        .values(name=name, **fresh)
        .on_conflict_do_update(
            index_elements=["name"],
            # The heartbeat keeps its last end: `/readyz` may look between the claim and the run.
            set_={**fresh, "finished_at": TaskRun.finished_at if name == HEARTBEAT else None},
            where=due,
        )
        .returning(TaskRun.name)
    )
    return taken is not None


def _sweep_until(app: Flask, stop: threading.Event) -> None:
    while True:
        sweep(app)
        if stop.wait(SWEEP_SECONDS):
            return
