"""The schema is what the migrations build: one line of versions, there and back, equal to the models, ledgers shut."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from sqlalchemy import JSON, Boolean, Column, Date, Integer, LargeBinary, Table, Uuid, inspect, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from tests.attendance.factories import NEAR, loaded_evidence, make_scene, soon
from tests.conftest import DATABASES, HUNT
from tests.factories import make_volunteer, unit_of
from tests.rankings.test_folding import rows_folded
from tests.rankings.test_kept import keep_all
from tests.rankings.test_kept import serve as serve_office
from tests.rankings.test_service import NOW as RANKED_AT
from tests.servers import MIGRATIONS, Databases, close, make_settings, migrate, versions
from volunteer_api.accounts.models import Consent
from volunteer_api.app import create_app
from volunteer_api.attendance.check_ins import check_in
from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.problems import AlreadyCheckedIn
from volunteer_api.core import clock, ids
from volunteer_api.core.database import UtcDateTime, db
from volunteer_api.rankings import folding, kept, sums
from volunteer_api.rankings.facts import Question
from volunteer_api.rankings.schemas import Basis, Metric, Subject

LEDGERS = (
    "movements",
    "stock_entries",
    "service_records",
    "audit_entries",
    "transfer_steps",
    "transfer_shortfalls",
    "ranking_snapshots",
    "ranking_snapshot_rows",
    "dispute_steps",
    "day_seals",
    "seal_leaves",
)


def tables(app: Flask) -> set[str]:
    with app.app_context():
        return set(inspect(db.engine).get_table_names()) - {"alembic_version"}


def test_there_is_one_head() -> None:
    assert len(versions().get_heads()) == 1


def test_versions_import_nothing_of_ours() -> None:
    for version in sorted((MIGRATIONS / "versions").glob("*.py")):
        assert not re.search(r"^\s*(from|import)\s+volunteer_api", version.read_text(), re.MULTILINE), version.name


def test_models_are_what_the_migrations_build(app: Flask) -> None:
    with app.app_context(), db.engine.connect() as connection:
        # Of SQLite, Alembic takes the default '' for a change of itself.
        options = {"compare_type": True, "compare_server_default": db.engine.dialect.name == "postgresql"}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, db.metadata) == []


# Every step goes down and up on both databases, on one of them each by itself.
@pytest.mark.parametrize("own_app", DATABASES if HUNT else ["sqlite"], indirect=True)
def test_up_down_up_with_rows(own_app: Flask) -> None:
    """The first way up is that of the template."""
    built = tables(own_app)
    assert "volunteers" in built
    unit_of(own_app)(lambda: make_volunteer(name="王大妈"))
    migrate(own_app, "base", down=True)
    assert tables(own_app) == set()
    migrate(own_app)
    assert tables(own_app) == built
    unit_of(own_app)(lambda: make_volunteer(name="李大爷"))


@pytest.mark.parametrize("own_app", DATABASES if HUNT else ["postgresql"], indirect=True)
def test_each_step_can_be_taken_back_with_rows(own_app: Flask) -> None:
    steps = [step.revision for step in versions().walk_revisions()][::-1]
    unit_of(own_app)(lambda: make_volunteer(name="王大妈"))
    for earlier in reversed(steps[:-1]):
        # But for the first, two steps: what was put up again, and the next one.
        migrate(own_app, earlier, down=True)
        migrate(own_app, "+1")
    migrate(own_app)
    with own_app.app_context():
        flask_migrate.check(directory=str(MIGRATIONS))


def test_places_that_nobody_consented_to_are_forgotten(own_app: Flask) -> None:
    """Of a database of an earlier release: coordinates, the evidence's place, and those of several taps."""
    run = unit_of(own_app)

    def attended() -> tuple[Any, Any]:
        scene = make_scene(starts_at=soon())
        for one in (scene.volunteer, scene.leader):
            for minutes in (0, 20):
                with suppress(AlreadyCheckedIn):
                    tapped_at = clock.now() - timedelta(minutes=minutes)
                    evidence = loaded_evidence(tapped_at, place=NEAR, accuracy_m=5, note="x")
                    check_in(volunteer_id=one.id, shift_id=scene.shift.id, evidence=evidence)
        return scene.volunteer.id, scene.leader.id

    asked, silent = run(attended)
    # As a release left it that did not ask for the consent.
    gone = update(Consent).where(Consent.volunteer_id == silent).values(withdrawn_at=clock.now())
    run(lambda: db.session.execute(gone))
    migrate(own_app, "2026_11_28_7_stock", down=True)
    migrate(own_app)
    rows = {row.volunteer_id: row for row in run(lambda: db.session.scalars(select(Attendance)).all())}
    assert rows[asked].check_in_latitude == NEAR["lat"]
    assert rows[asked].check_in_evidence["place"] == NEAR
    assert rows[silent].check_in_latitude is None
    assert {"place", "accuracy_m"}.isdisjoint(rows[silent].check_in_evidence)
    assert rows[silent].check_in_evidence["note"] == "x"
    assert rows[asked].taps is not None
    for tap in rows[silent].taps or ():
        assert tap["place"] is None
        assert {"place", "accuracy_m"}.isdisjoint(tap["evidence"])


def test_kept_growth_goes_and_what_else_is_kept_stays(own_app: Flask) -> None:
    """Of a release before it has another form, and one before that does not know it."""
    run = unit_of(own_app)

    def want() -> None:
        sums.forget()
        day, before = RANKED_AT.date(), (RANKED_AT.date() - timedelta(days=1),) * 2
        kept_by_office = Question(Subject.VOLUNTEER, Metric.CREDITED_MINUTES, RANKED_AT, scope=office_id)
        grown = replace(kept_by_office, first=day, last=day, basis=Basis.GROWTH, before=before)
        for one in (kept_by_office, grown, replace(grown, scope=None)):
            kept.want(one)
        kept.note_all(kept.wanted())

    def left() -> tuple[int, dict[str, list[Any]]]:
        return len(db.session.execute(text("SELECT id FROM ranking_kept")).all()), rows_folded()

    with clock.at(RANKED_AT):
        office_id = run(serve_office)
        run(folding.rebuild)
        run(want)
        keep_all(run)
        number, everything = run(left)
        assert number == 3
        for version in ("2026_11_30_9_members", "2026_11_30_7_kept"):
            migrate(own_app, version, down=True)
            migrate(own_app)
            run(folding.fold)
            number, rows = run(left)
            assert number == 1
            for name, found in rows.items():
                # All that is left was there before.
                assert set(found) < set(everything[name]) or found == everything[name]
            run(want)
            keep_all(run)
            number, rows = run(left)
            assert (number, {name: len(found) for name, found in rows.items()}) == (
                3,
                {name: len(found) for name, found in everything.items()},
            )


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


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def ledgers_app(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Flask]:
    """An application on a migrated database of these tests alone: each takes the constraints of its table away."""
    url = databases.sqlite() if request.param == "sqlite" else databases.postgresql()
    app = create_app(make_settings(url, databases.own))
    yield app
    close(app)


@pytest.mark.parametrize("ledger", LEDGERS)
def test_ledgers_only_grow(ledgers_app: Flask, ledger: str) -> None:
    """A row is put in with foreign keys and checks aside; the trigger alone must refuse what is tried on it."""
    with ledgers_app.app_context():
        insert_row(db.metadata.tables[ledger])
        for attack in attacks(ledger, db.engine.dialect.name):
            with db.engine.connect() as connection:
                # The sample row would fail its checks before the trigger is asked.
                if connection.dialect.name == "sqlite":
                    connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
                with pytest.raises(DBAPIError, match=f"{ledger} is append-only"):
                    connection.execute(text(attack))
        with db.engine.connect() as connection:
            assert connection.execute(text(f"SELECT count(*) FROM {ledger}")).scalar_one() == 1


def insert_row(table: Table) -> None:
    """One row with a value of the right kind in every column that needs one."""
    values = {column.name: sample(column) for column in table.columns if not column.nullable}
    with db.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA foreign_keys = OFF")
            driver.execute("PRAGMA ignore_check_constraints = ON")
        else:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            for check in inspect(connection).get_check_constraints(table.name):
                connection.execute(text(f'ALTER TABLE {table.name} DROP CONSTRAINT "{check["name"]}"'))
        connection.execute(table.insert().values(values))
        connection.commit()
        connection.invalidate()


def sample(column: Column[Any]) -> Any:
    """Some value that the column's type takes."""
    samples: list[tuple[type[TypeEngine[Any]], Any]] = [
        (UtcDateTime, clock.now()),
        (Uuid, ids.new_id()),
        (Date, clock.now().date()),
        (Boolean, False),
        (Integer, 1),
        (JSON, []),
        (LargeBinary, b"x"),
    ]
    return next((value for kind, value in samples if isinstance(column.type, kind)), "x")


def attacks(ledger: str, dialect: str) -> list[str]:
    """Every way to change what is written."""
    # INSERT OR REPLACE deletes without asking the trigger where recursive_triggers is off.
    last = (
        f"INSERT OR REPLACE INTO {ledger} SELECT * FROM {ledger}"
        if dialect == "sqlite"
        else f"TRUNCATE {ledger} CASCADE"
    )
    changes = [f"UPDATE {ledger} SET id = id", f"DELETE FROM {ledger}", last]
    if dialect == "sqlite":
        changes.append(f"INSERT INTO {ledger} SELECT * FROM {ledger} WHERE true ON CONFLICT (id) DO UPDATE SET id = id")
    return changes


@pytest.fixture(scope="module")
def strangers_app(databases: Databases) -> Iterator[Flask]:
    """The same on SQLite, for rows that stay."""
    app = create_app(make_settings(databases.sqlite(), databases.own))
    yield app
    close(app)


@pytest.mark.parametrize("ledger", LEDGERS)
def test_no_insert_takes_a_ledger_rows_place(strangers_app: Flask, ledger: str) -> None:
    """On a connection of somebody else's, which asks no DELETE trigger of what it replaces."""
    with strangers_app.app_context():
        insert_row(db.metadata.tables[ledger])
        for columns in ("", "rowid, "):
            with db.engine.connect() as connection:
                for pragma in ("recursive_triggers = OFF", "ignore_check_constraints = ON", "foreign_keys = OFF"):
                    connection.exec_driver_sql(f"PRAGMA {pragma}")
                names = ", ".join(f'"{column.name}"' for column in db.metadata.tables[ledger].columns)
                attack = f"INSERT OR REPLACE INTO {ledger} ({columns}{names}) SELECT {columns}{names} FROM {ledger}"
                with pytest.raises(DBAPIError, match=f"{ledger} is append-only"):
                    connection.execute(text(attack))
                connection.invalidate()


def test_every_ledger_is_tested() -> None:
    written = "".join(path.read_text() for path in sorted((MIGRATIONS / "versions").glob("*.py")))
    named = set(re.findall(r'"(\w+)"', "".join(re.findall(r"(?m)^LEDGERS = \(([^)]*)\)", written))))
    assert named == set(LEDGERS)
