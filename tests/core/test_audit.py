"""The audit log: what an entry holds, that nothing changes it, and that what is old enough goes."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from tests.factories import unit_of
from volunteer_api.core import audit, clock
from volunteer_api.core.audit import AuditAction, AuditEntry
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.core.settings import rules
from volunteer_api.core.tasks import run_task
from volunteer_api.core.unit_of_work import run_unit

Unit = Callable[[Callable[[], Any]], Any]


def record_at(unit: Unit, moment: datetime) -> None:
    with clock.at(moment):
        unit(lambda: audit.record(AuditAction.GRANTED, actor_id=uuid4()))


def entries(app: Flask) -> list[AuditEntry]:
    with app.app_context():
        return list(db.session.scalars(select(AuditEntry).order_by(AuditEntry.created_at)))


def test_an_entry(app: Flask, unit: Unit) -> None:
    actor, subject, organization = uuid4(), uuid4(), uuid4()
    unit(
        lambda: audit.record(
            AuditAction.GRANTED,
            actor_id=actor,
            subject_id=subject,
            organization_id=organization,
            role="station_manager",
            count=3,
            by_phone=True,
            station_id=None,
        )
    )
    (entry,) = entries(app)
    assert entry.action == "granted"
    assert (entry.actor_id, entry.subject_id, entry.organization_id) == (actor, subject, organization)
    assert entry.details == {"role": "station_manager", "count": 3, "by_phone": True, "station_id": None}
    assert (entry.network, entry.request_id) == (None, None)
    assert abs(entry.created_at - clock.now()) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("", None),
        ("unix:", None),
    ],
)
def test_an_entry_of_a_request_has_its_id_and_a_part_of_the_address(
    app: Flask, address: str, network: str | None
) -> None:
    with app.test_request_context("/", environ_base={"REMOTE_ADDR": address}):
        app.preprocess_request()
        run_unit(lambda: audit.record(AuditAction.SIGN_IN_FAILED), writes=True)
    (entry,) = entries(app)
    assert entry.network == network
    assert entry.request_id


def test_an_entry_falls_with_its_unit(app: Flask) -> None:
    def fail() -> None:
        audit.record(AuditAction.GRANTED)
        raise NotFound()

    with app.app_context(), pytest.raises(NotFound):
        run_unit(fail, writes=True)
    assert entries(app) == []


@pytest.mark.parametrize(
    "change",
    [
        update(AuditEntry).values(action="nothing"),
        update(AuditEntry).values(actor_id=None),
        delete(AuditEntry),
        text("UPDATE audit_entries SET created_at = created_at"),
    ],
)
@pytest.mark.parametrize("age", [timedelta(), timedelta(days=179)])
@pytest.mark.both_databases
def test_the_database_refuses_a_change(app: Flask, unit: Unit, change: Any, age: timedelta) -> None:
    record_at(unit, clock.now() - age)
    with app.app_context():
        with pytest.raises(DBAPIError, match="append-only"):
            db.session.execute(change)
        db.session.rollback()
    assert len(entries(app)) == 1


@pytest.mark.both_databases
def test_an_old_entry_is_not_changed_either(app: Flask, unit: Unit) -> None:
    record_at(unit, clock.now() - timedelta(days=2000))
    with app.app_context():
        with pytest.raises(DBAPIError, match="append-only"):
            db.session.execute(update(AuditEntry).values(action="nothing"))
        db.session.rollback()


def test_nobody_empties_the_table_past_its_trigger(postgresql_app: Flask, postgresql_unit: Unit) -> None:
    record_at(postgresql_unit, clock.now() - timedelta(days=2000))
    with postgresql_app.app_context():
        with pytest.raises(DBAPIError, match="append-only"):
            db.session.execute(text("TRUNCATE audit_entries"))
        db.session.rollback()


@pytest.mark.parametrize("age", [timedelta(), timedelta(days=400)])
@pytest.mark.parametrize(
    "attack",
    [
        "INSERT OR REPLACE INTO audit_entries SELECT * FROM audit_entries",
        "INSERT OR REPLACE INTO audit_entries (rowid, id, action, details, created_at) "
        "SELECT rowid, lower(hex(randomblob(16))), 'nothing', '{}', created_at FROM audit_entries",
        "INSERT INTO audit_entries (id, action, details, created_at) SELECT id, 'nothing', '{}', created_at "
        "FROM audit_entries WHERE true ON CONFLICT (id) DO UPDATE SET action = 'nothing'",
    ],
)
@pytest.mark.parametrize("recursive", ["ON", "OFF"])
def test_no_insert_replaces_an_entry(sqlite_app: Flask, age: timedelta, attack: str, recursive: str) -> None:
    """Not even one that is old enough to be deleted, nor past triggers that are not asked."""
    record_at(unit_of(sqlite_app), clock.now() - age)
    with sqlite_app.app_context(), db.engine.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA recursive_triggers = {recursive}")
        with pytest.raises(DBAPIError, match="append-only"):
            connection.exec_driver_sql(attack)
        connection.invalidate()
    (entry,) = entries(sqlite_app)
    assert entry.action != "nothing"


@pytest.mark.both_databases
def test_entries_past_their_time_are_forgotten(app: Flask, unit: Unit) -> None:
    now = clock.now()
    days = unit(lambda: rules().audit_days)
    for age in (timedelta(days=days, minutes=5), timedelta(days=days) - timedelta(minutes=5), timedelta()):
        record_at(unit, now - age)
    run_task(app, "core.forget_audit_entries")
    assert [(now - entry.created_at).days for entry in entries(app)] == [days - 1, 0]
    run_task(app, "core.forget_audit_entries")
    assert len(entries(app)) == 2
