"""The database: one declarative base, the column types, and how SQLite and PostgreSQL are opened."""

import sqlite3
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import orjson
import psycopg
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import JSON, DateTime, Engine, MetaData, String, TypeDecorator, event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection, Dialect, make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column, registry
from sqlalchemy.pool import ConnectionPoolEntry

from volunteer_api.config import Settings
from volunteer_api.core import clock, codes, ids, metrics
from volunteer_api.core.json_provider import written

try:
    # Carries a SQLite past 3.51.2: older libraries can corrupt a database in WAL mode (the WAL-reset bug).
    from pysqlite3 import dbapi2 as driver
except ImportError:  # no wheel for this platform
    driver = sqlite3

sqlite_driver = driver
BEGIN_IMMEDIATE = "volunteer_api_begin_immediate"
LAST_USED = "volunteer_api_last_used"
PING_AFTER_SECONDS = 1.0


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment in UTC. A naive one is refused when it is bound: the clock never makes one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime was bound; use clock.now()")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        # PostgreSQL's are read in UTC, the connection's zone: to look at each of them would be a list's dearest loop.
        return None if dialect.name == "postgresql" else super().result_processor(dialect, coltype)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# What is None is not there: no JSON null in a column that may be NULL.
JSON_TYPE = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class Base(DeclarativeBase):
    """Every table's base. Constraints have names, so that migrations and messages can name them."""

    registry = registry(
        metadata=MetaData(
            naming_convention={
                "ix": "ix_%(table_name)s_%(column_0_N_name)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "fk": "fk_%(table_name)s_%(column_0_N_name)s",
                "pk": "pk_%(table_name)s",
            }
        ),
        type_annotation_map={datetime: UtcDateTime(), dict[str, Any]: JSON_TYPE, list[Any]: JSON_TYPE, str: String()},
    )


def one_of(column: str, values: Iterable[str]) -> str:
    """The SQL condition that a column holds one of the values, for CHECK constraints and partial indexes."""
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


class Identified:
    """A row with a UUIDv7 key and the moment of its creation."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=ids.new_id)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class Versioned:
    """An editable row: every UPDATE names the version that it changes, so two editors can't both win."""

    version: Mapped[int] = mapped_column(default=1)

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.version}


db = SQLAlchemy(model_class=Base, session_options={"autoflush": False, "expire_on_commit": False})


class LeanCursor(psycopg.Cursor[Any]):
    """A cursor that describes a column by its name and type, which is all that SQLAlchemy reads.

    psycopg makes an object for each column of each statement: a list has sixty of them.
    """

    @property
    def description(self) -> Any:
        result = self.pgresult
        if result is None or not result.nfields:
            return None
        return [
            ((result.fname(number) or b"").decode(), result.ftype(number), None, None, None, None, None)
            for number in range(result.nfields)
        ]


def engine_options(settings: Settings) -> dict[str, Any]:
    """SQLAlchemy's engine options for the configured database."""
    if make_url(settings.database_url).get_backend_name() == "sqlite":
        return {
            "module": sqlite_driver,
            # An error's text must not carry a person's data into the log.
            "hide_parameters": True,
            "connect_args": {"timeout": 5, "check_same_thread": False, "isolation_level": None},
            "json_serializer": _dump_json,
            "json_deserializer": orjson.loads,
        }
    return {
        "hide_parameters": True,
        # At least as many connections as threads in a worker, so that no request waits for one.
        "pool_size": 8,
        "max_overflow": 8,
        "pool_timeout": 5,
        "pool_recycle": 1800,
        # What only reads has no transaction to end, and psycopg locks its connection to find that out.
        "skip_autocommit_rollback": True,
        "connect_args": {
            "cursor_factory": LeanCursor,
            "connect_timeout": 5,
            # jit: a kept plan is estimated for any values, and compiling it would outlast all of its statements.
            "options": "-c timezone=UTC -c jit=off -c lock_timeout=5000 -c statement_timeout=30000 "
            "-c idle_in_transaction_session_timeout=60000",
        },
        "json_serializer": _dump_json,
        "json_deserializer": orjson.loads,
    }


def configure_engine(app: Flask) -> None:
    """Give SQLite its pragmas and explicit transactions, and PostgreSQL its look at connections that lay idle.

    Needs an application context.
    """
    engine = db.engine
    # Looked up once: this is done twice for each request.
    in_use = metrics.CONNECTIONS.labels(engine.dialect.name)
    # As the pool counts them; a count of ours would drift where connections break. Who comes in is not out yet.
    event.listen(engine, "checkout", lambda *_: in_use.set(engine.pool.checkedout()))  # type: ignore[attr-defined]  # both databases have this pool
    event.listen(engine, "checkin", lambda *_: in_use.set(engine.pool.checkedout() - 1))  # type: ignore[attr-defined]  # as above
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _open_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return
    event.listen(engine, "connect", _speak_in_utc)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", partial(_ping_after_rest, engine.dialect))


def library_version(engine: Engine) -> str:
    """The version of the database library or server, for the log and `/readyz`."""
    if engine.dialect.name == "sqlite":
        return f"SQLite {sqlite_driver.sqlite_version}"
    with engine.connect() as connection:
        return f"PostgreSQL {connection.exec_driver_sql('SHOW server_version').scalar_one()}"


def has_wal_reset_bug(engine: Engine) -> bool:
    """Whether this is a SQLite library (3.7.0 to 3.51.2) that can corrupt a database in WAL mode."""
    return engine.dialect.name == "sqlite" and (3, 7, 0) <= sqlite_driver.sqlite_version_info <= (3, 51, 2)


def _speak_in_utc(connection: Any, _entry: ConnectionPoolEntry) -> None:
    """Moments are taken as they come. A pooler between may have dropped what the connection asked for."""
    if connection.info.parameter_status("TimeZone") != "UTC":
        connection.autocommit = True
        connection.execute("SET TIME ZONE 'UTC'")
        connection.autocommit = False


def _note_use(_connection: Any, entry: ConnectionPoolEntry) -> None:
    entry.info[LAST_USED] = time.monotonic()


def _ping_after_rest(dialect: Dialect, connection: Any, entry: ConnectionPoolEntry, _proxy: Any) -> None:
    """Look whether a connection that lay idle is still there, or the pool is replaced.

    SQLAlchemy's own ping before every use costs a busy server one round trip in five; one that breaks within the
    second is found by the unit that uses it, which then runs again.
    """
    rested = time.monotonic() - entry.info.get(LAST_USED, time.monotonic())
    if rested < PING_AFTER_SECONDS:
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError() from error


def _dump_json(value: Any) -> str:
    return written(value).decode()


def _open_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        # Without it INSERT OR REPLACE deletes a ledger row without asking its trigger.
        "recursive_triggers = ON",
        "busy_timeout = 5000",
        # What was erased must not stand in the file's free pages. FAST leaves it there.
        "secure_delete = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
    connection.create_function("fold_code", 1, codes.fold, deterministic=True)


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that turns to writing fails at once when another writer is active, without waiting.
    immediate = connection.get_execution_options().get(BEGIN_IMMEDIATE)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
