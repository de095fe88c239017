"""Copying a database in use, and filling an empty one: by SQLite's backup API, or by pg_dump and pg_restore."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.engine import URL

from volunteer_api.backups.archive import BackupRefused
from volunteer_api.core.database import db, sqlite_driver

# What phones were told (`phone.models`): it is of this database alone. One that is made of its copy has to begin anew.
NOT_COPIED = ("sync_epochs", "sync_changes")


def kind() -> str:
    """Which database is in use: `sqlite` or `postgresql`."""
    return str(db.engine.dialect.name)


def is_empty() -> bool:
    """Whether there is no table."""
    return not inspect(db.engine).get_table_names()


def dump(path: Path) -> None:
    """Write everything but NOT_COPIED as of one moment to a new file. Whoever writes meanwhile is not held up.

    Raises BackupRefused where that can't be done, or SQLite finds its file damaged.
    """
    if kind() == "postgresql":
        less = [f"--exclude-table-data={name}" for name in NOT_COPIED]
        command = ("pg_dump", "--format=custom", "--no-owner", "--no-privileges", *less)
        _run(*command, f"--file={path}", f"--dbname={_address()}")
        return
    with _copied(db.engine.url.database, path) as target:
        # A damaged file is copied as it is, and would push the last good backup out.
        if fault := _fault(target):
            raise BackupRefused(f"The database is damaged, and no backup of it was made. SQLite says: {fault}")
        with target:
            for name in set(NOT_COPIED).intersection(inspect(db.engine).get_table_names()):
                target.execute(f"DELETE FROM {name}")  # noqa: S608  # names of our own tables
        # One file, without a log beside it.
        target.execute("PRAGMA journal_mode = DELETE")


def load(path: Path) -> None:
    """Fill the empty database from such a file: with all of it, or nothing. Raises BackupRefused."""
    if kind() == "postgresql":
        command = ("pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges")
        _run(*command, f"--dbname={_address()}", str(path))
        return
    with _copied(path, db.engine.url.database):
        return


@contextmanager
def _copied(source: Any, target: Any) -> Iterator[Any]:
    """A connection to the copy."""
    try:
        with closing(sqlite_driver.connect(source)) as one, closing(sqlite_driver.connect(target)) as other:
            one.backup(other)
            yield other
    except sqlite_driver.Error as error:
        raise BackupRefused(f"SQLite can't copy the database to {target}: {error}.") from error


def _fault(connection: Any) -> str | None:
    try:
        first = connection.execute("PRAGMA quick_check").fetchone()[0]
    except sqlite_driver.DatabaseError as error:
        return str(error)
    return None if first == "ok" else str(first)


def _run(*command: str) -> None:
    try:
        # Both are PostgreSQL's own, found as an operator's shell finds them; the password stays out of sight.
        subprocess.run(command, env=_environment(), check=True, capture_output=True, text=True)  # noqa: S603  # no shell
    except FileNotFoundError as error:
        raise BackupRefused(
            f"{command[0]} is not there: install PostgreSQL's client programs, of the server's version or newer."
        ) from error
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.strip()] or ["no reason given"]
        raise BackupRefused(f"{command[0]} failed: {lines[0]}") from error


def _address() -> str:
    url = db.engine.url
    return URL.create(
        "postgresql", username=url.username, host=url.host, port=url.port, database=url.database, query=url.query
    ).render_as_string()


def _environment() -> dict[str, str]:
    password = db.engine.url.password
    return {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
