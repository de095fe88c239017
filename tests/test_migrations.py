"""The schema is what the migrations build: one line of versions, there and back, equal to the models, ledgers closed."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from tests.factories import make_volunteer, unit_of
from tests.servers import Databases, close, make_settings, migrate
from volunteer_api.app import create_app
from volunteer_api.config import PROJECT_DIRECTORY
from volunteer_api.core.database import db

MIGRATIONS = PROJECT_DIRECTORY / "migrations"
LEDGERS = ("movements", "stock_entries", "service_records")


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_app(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Flask]:
    """An application on a database without a table."""
    url = databases.empty_sqlite() if request.param == "sqlite" else databases.empty_postgresql()
    app = create_app(make_settings(url, databases.own))
    yield app
    close(app)


def tables(app: Flask) -> set[str]:
    with app.app_context():
        return set(inspect(db.engine).get_table_names()) - {"alembic_version"}


def test_there_is_one_head() -> None:
    assert len(ScriptDirectory(str(MIGRATIONS)).get_heads()) == 1


def test_versions_import_nothing_of_ours() -> None:
    for version in sorted((MIGRATIONS / "versions").glob("*.py")):
        assert not re.search(r"^\s*(from|import)\s+volunteer_api", version.read_text(), re.MULTILINE), version.name


def test_models_are_what_the_migrations_build(app: Flask) -> None:
    with app.app_context(), db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, db.metadata) == []


def test_up_down_up_with_rows(empty_app: Flask) -> None:
    migrate(empty_app)
    built = tables(empty_app)
    assert "volunteers" in built
    unit_of(empty_app)(lambda: make_volunteer(name="王大妈"))
    migrate(empty_app, "base", down=True)
    assert tables(empty_app) == set()
    migrate(empty_app)
    assert tables(empty_app) == built
    unit_of(empty_app)(lambda: make_volunteer(name="李大爷"))


def test_each_step_can_be_taken_back_with_rows(empty_app: Flask) -> None:
    versions = [step.revision for step in ScriptDirectory(str(MIGRATIONS)).walk_revisions()][::-1]
    migrate(empty_app)
    unit_of(empty_app)(lambda: make_volunteer(name="王大妈"))
    for earlier in reversed(versions[:-1]):
        migrate(empty_app, earlier, down=True)
        migrate(empty_app, "+1")
        migrate(empty_app, earlier, down=True)
    migrate(empty_app)
    with empty_app.app_context():
        flask_migrate.check(directory=str(MIGRATIONS))


def test_a_second_upgrade_changes_nothing(app: Flask) -> None:
    before = tables(app)
    migrate(app)
    assert tables(app) == before


def test_sqlite_has_its_foreign_keys_on_after_a_migration(databases: Databases) -> None:
    app = create_app(make_settings(databases.sqlite(), databases.own))
    migrate(app)
    with app.app_context(), db.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
    close(app)


@pytest.mark.parametrize("ledger", LEDGERS)
@pytest.mark.parametrize("action", ["UPDATE", "DELETE", "REPLACE"])
def test_ledgers_only_grow(app: Flask, ledger: str, action: str) -> None:
    """A row is put in with foreign keys aside; the trigger alone must refuse what is tried on it."""
    with app.app_context():
        insert_row(ledger)
        try:
            with pytest.raises(DBAPIError, match=r"(?i)append|ledger|only grow"), db.engine.begin() as connection:
                for statement in ATTACKS[action](ledger, db.engine.dialect.name):
                    connection.execute(text(statement))
        finally:
            with db.engine.connect() as connection:
                assert connection.execute(text(f"SELECT count(*) FROM {ledger}")).scalar_one() == 1


def insert_row(ledger: str) -> None:
    """One row with values of the right kind in every column that needs one."""
    table = db.metadata.tables[ledger]
    sample: dict[str, Any] = {}
    for column in table.columns:
        if column.nullable:
            continue
        kind = column.type.python_type.__name__ if hasattr(column.type, "python_type") else ""
        sample[column.name] = SAMPLES.get((ledger, column.name), KINDS.get(kind, "x"))
    values = {name: value for name, value in sample.items() if value is not None}
    names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    with db.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        if db.engine.dialect.name == "sqlite":
            driver.execute("PRAGMA foreign_keys = OFF")
            driver.execute("PRAGMA ignore_check_constraints = ON")
        else:
            connection.execute(text("SET session_replication_role = replica"))
            for check in inspect(connection).get_check_constraints(ledger):
                connection.execute(text(f'ALTER TABLE {ledger} DROP CONSTRAINT "{check["name"]}"'))
        connection.execute(text(f"INSERT INTO {ledger} ({names}) VALUES ({marks})"), values)
        connection.commit()
        if db.engine.dialect.name == "sqlite":
            driver.execute("PRAGMA foreign_keys = ON")
            driver.execute("PRAGMA ignore_check_constraints = OFF")
        else:
            connection.execute(text("SET session_replication_role = origin"))
            connection.commit()


KINDS: dict[str, Any] = {
    "UUID": "01a20a6aba4372a8989cd7c5fdb9ef11",
    "datetime": "2026-11-23 10:00:00.000000",
    "date": "2026-11-23",
    "int": 1,
    "str": "x",
    "bool": False,
}
SAMPLES: dict[tuple[str, str], Any] = {}


def replace(ledger: str, dialect: str) -> list[str]:
    if dialect == "sqlite":
        return [f"INSERT OR REPLACE INTO {ledger} SELECT * FROM {ledger}"]
    return [f"TRUNCATE {ledger} CASCADE"]


ATTACKS: dict[str, Callable[[str, str], list[str]]] = {
    "UPDATE": lambda ledger, _: [f"UPDATE {ledger} SET id = id"],
    "DELETE": lambda ledger, _: [f"DELETE FROM {ledger}"],
    "REPLACE": replace,
}


def test_every_ledger_is_tested() -> None:
    text_of_versions = "".join(path.read_text() for path in sorted(Path(MIGRATIONS / "versions").glob("*.py")))
    for ledger in LEDGERS:
        assert ledger in text_of_versions
