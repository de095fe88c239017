"""The only place that begins, commits and rolls back: for requests, tasks and commands alike."""

import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from flask import current_app, g
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError

from volunteer_api.core import metrics
from volunteer_api.core.database import BEGIN_IMMEDIATE, db
from volunteer_api.core.logs import logger
from volunteer_api.core.problems import Busy, Conflict, OutcomeUnknown, Problem, Unavailable

Result = TypeVar("Result")
Work = TypeVar("Work")

TOLD = "volunteer_api.outage_told_at"
TOLD_SECONDS = 60.0
PATIENCE_SECONDS = 8.0
ATTEMPTS = 12
# How long SQLite's busy handler sleeps between two looks at the most.
LONGEST_LOOK_SECONDS = 0.1
# PostgreSQL: serialization failure, deadlock. https://www.postgresql.org/docs/current/errcodes-appendix.html
UNIQUE_VIOLATION = "23505"
RERUN_STATES = {"40001", "40P01"}
# Lock not available, query canceled by a time limit, too many connections: waiting in the same request won't help.
BUSY_STATES = {"55P03", "57014", "53300"}
OUTAGE_CLASSES = ("08", "57P", "53")


class Rerun(Exception):
    """The unit lost a race that its own look-ups could not see; run again, it will see the winner."""


# What a unit can fail of without a fault of its own; `judge` tells what follows.
LOST = (Rerun, StaleDataError, DBAPIError, PoolTimeout)


def run_unit(work: Callable[[], Result], *, writes: bool, loose: bool = False, at_one_moment: bool = False) -> Result:
    """Run `work` in one transaction and commit it if it `writes`.

    `loose` is for what only reads, and holds no lock from one statement to the next: on PostgreSQL, where each
    statement of a transaction has a snapshot of its own anyway, it runs without one and saves two round trips.

    `at_one_moment` has all statements see the rows of one moment, for figures that must add up; SQLite's do anyway.

    The whole of `work` runs again, after a rollback, where the database says that another transaction came between
    (serialization failure, deadlock, SQLite's busy), where a connection was found broken before COMMIT, or where a
    unique constraint judged a race: the second look finds the winner's row and names the conflict. What `after_commit`
    collected runs once, after the commit.

    Raises what `work` raises; Busy or Unavailable (503) where the database can't serve; Conflict (409) where a
    constraint keeps refusing.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    for attempt in range(1, ATTEMPTS + 1):
        g.after_commit = []
        try:
            result = _run_once(work, writes, loose, at_one_moment)
        except Problem as problem:
            if problem.keeps_writes and writes:
                _call_back()
            raise
        except LOST as error:
            judge(error)
            if attempt == ATTEMPTS or time.monotonic() > deadline:
                raise (Conflict() if isinstance(error, IntegrityError) else Busy()) from error
            metrics.RERUNS.labels(type(error).__name__).inc()
            # Several losers of one race must not meet again in step.
            time.sleep(random.uniform(0, 0.01 * 2 ** min(attempt, 5)))
            continue
        _call_back()
        return result
    raise Busy()


def run_units(some: Callable[[Work], Work | None], work: Work) -> None:
    """Do work in units, one after another: `some` does a part of it, and returns what is left, or None.

    What it returned of a unit that did not come about is lost with it: it changes nothing of what it was given. On
    SQLite, which has one writer, the others come in between two units: who waits looks each tenth of a second.
    """
    left: Work | None = work
    while left is not None:
        left = run_unit(partial(some, left), writes=True)
        if left is not None and db.engine.dialect.name == "sqlite":
            time.sleep(LONGEST_LOOK_SECONDS)


def sees_one_moment() -> bool:
    """Whether all statements of this unit see the rows of one moment."""
    connection = db.session.connection()
    return (
        connection.dialect.name != "postgresql"
        or connection.get_execution_options().get("isolation_level") == "REPEATABLE READ"
    )


def after_commit(callback: Callable[[], None]) -> None:
    """Have `callback` called once this unit is committed, and never if it is not. It must not touch the database."""
    g.after_commit.append(callback)


def attempt(work: Callable[[], Result]) -> Result:
    """Run `work` as a part of the unit that may fail alone: what it wrote is undone, and the rest of the unit stands.

    For a request that carries many operations. Raises what `work` raises; a problem that keeps its writes keeps them
    here too. A failure that `concerns_whole_unit` is to be let through: the unit then runs again, or gives up.
    """
    savepoint = db.session.begin_nested()
    try:
        result = work()
        db.session.flush()
    except Exception as error:
        if isinstance(error, Problem) and error.keeps_writes:
            savepoint.commit()
        elif not concerns_whole_unit(error):
            savepoint.rollback()
        raise
    savepoint.commit()
    return result


def concerns_whole_unit(error: Exception) -> bool:
    """Whether a failure of one part is one of the unit: a race, a lock, the database gone; not values it refuses."""
    if isinstance(error, IntegrityError):
        return _is_unique_violation(error)
    if isinstance(error, DataError):
        return False
    return isinstance(error, LOST)


def outside(work: Callable[[], Result]) -> Result:
    """Run slow `work` (a password's hash) within a unit, but with no transaction open: others may write meanwhile.

    The unit begins anew after it: what was read before must be read again, and nothing may be written before.
    """
    options = db.session.connection().get_execution_options()
    writes = bool(options.get(BEGIN_IMMEDIATE))
    db.session.expunge_all()
    db.session.rollback()
    try:
        return work()
    finally:
        db.session.connection(execution_options={BEGIN_IMMEDIATE: writes})


def _call_back() -> None:
    # What is committed stays committed: a callback that fails must neither hide that nor stop the next.
    for callback in g.pop("after_commit"):
        try:
            callback()
        except Exception as error:
            current_app.extensions["volunteer_api.log"].error("after_commit_failed", error=type(error).__name__)


def _commit() -> None:
    try:
        db.session.commit()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise OutcomeUnknown() from error
        raise


def _run_once(work: Callable[[], Result], writes: bool, loose: bool, at_one_moment: bool) -> Result:
    options: dict[str, Any] = {BEGIN_IMMEDIATE: writes}
    if (loose or at_one_moment) and db.engine.dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ" if at_one_moment else "AUTOCOMMIT"
    try:
        db.session.connection(execution_options=options)
        result = work()
        if writes:
            db.session.flush()
            _commit()
        return result
    except Problem as problem:
        if problem.keeps_writes and writes:
            _commit()
        raise
    finally:
        # Detached before the rollback, which would expire what the caller was given.
        db.session.expunge_all()
        db.session.rollback()


def judge(error: Exception) -> None:
    """Return where the unit should run again; raise the problem that its failure is where it should not, or itself."""
    if isinstance(error, PoolTimeout):
        raise Busy() from error
    if not isinstance(error, DBAPIError):
        return
    state = getattr(error.orig, "sqlstate", None)
    message = str(error.orig).lower()
    if isinstance(error, IntegrityError):
        if _is_unique_violation(error):
            return
        raise Conflict() from error
    if state in RERUN_STATES or "database is locked" in message or "database is busy" in message:
        return
    if state in BUSY_STATES:
        raise Busy() from error
    if error.connection_invalidated:
        # What ran on it is rolled back, or is found by its key; a server that is gone refuses the next connection.
        return
    if isinstance(error, InterfaceError) or _is_outage(error, state):
        _tell_why(error)
        raise Unavailable() from error
    raise error


def _tell_why(error: DBAPIError) -> None:
    """Log what the driver says of an outage, once a minute: that the disk is full, or who refused the connection."""
    moment = time.monotonic()
    told_at = current_app.extensions.get(TOLD)
    if told_at is not None and moment - told_at < TOLD_SECONDS:
        return
    current_app.extensions[TOLD] = moment
    lines = str(error.orig).strip().splitlines() or ["no answer"]
    logger().error("database_failed", reason=lines[0])


def _is_unique_violation(error: IntegrityError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    return state == UNIQUE_VIOLATION or "unique constraint failed" in str(error.orig).lower()


def _is_outage(error: DBAPIError, state: str | None) -> bool:
    if state is not None:
        return state.startswith(OUTAGE_CLASSES)
    # Without a state the server never answered (PostgreSQL), or the file can't be used: disk full, read-only, missing.
    return isinstance(error, OperationalError)
