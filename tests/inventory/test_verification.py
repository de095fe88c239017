"""The replay finds whatever does not add up, and changes nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from tests.inventory.factories import make_depot, make_item, move
from volunteer_api.core import events
from volunteer_api.core.database import db
from volunteer_api.inventory import verification
from volunteer_api.inventory.events import LedgerMismatchFound
from volunteer_api.inventory.models import LedgerFault

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def depot(unit: Unit) -> Any:
    """A station with four entries in three documents."""
    made, item = unit(make_depot), unit(make_item)
    for kind, quantity in (("receipt", 9), ("issue", 4), ("quarantine", 2)):
        unit(lambda k=kind, q=quantity: move(made, k, {"item_id": item, "quantity": q, "lot_number": "A"}))
    return made


# A ledger's triggers are off only for this: a fault of the disk, or of somebody with the owner's password.
DAMAGE = {
    "balance": "UPDATE stock_balances SET quantity = quantity + 1 WHERE portion = ''",
    "running_balance": "UPDATE stock_entries SET balance = balance + 1 WHERE sequence = 2",
    "sequence_gap": "UPDATE stock_entries SET sequence = 9 WHERE sequence = 4",
    "document_gap": "UPDATE movements SET document_number = substr(document_number, 1, 14) || '0007' "
    "WHERE kind = 'quarantine'",
    "document_counter": "UPDATE document_counters SET last = 5",
    "day_below_zero": "UPDATE stock_entries SET quantity = -99 WHERE sequence = 2",
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.both_databases
def test_each_kind_of_damage_is_found(app: Flask, client: Any, unit: Unit, depot: Any, kind: str) -> None:
    heard: list[LedgerMismatchFound] = []
    handler = events._handlers.setdefault(LedgerMismatchFound, [])
    handler.append(heard.append)
    try:
        with app.app_context():
            assert verification.verify_all() == 0
            damage(unit, DAMAGE[kind])
            before = unit(everything)
            assert kind in {fault.kind for fault in verification.verify_station(depot.station_id)}
            count = len(heard)
            assert verification.verify_all() == count > 0
            # Known by now.
            assert len(heard) == count
            assert unit(everything) == before
        assert kind in {event.kind for event in heard}
        assert "faults" in client.at_root.get("/readyz").get_json()["warnings"][-1]
    finally:
        handler.remove(heard.append)


def test_a_fault_ends_when_it_is_no_longer_found(app: Flask, unit: Unit, depot: Any) -> None:
    damage(unit, "UPDATE stock_balances SET quantity = quantity + 1 WHERE portion = ''")
    with app.app_context():
        assert verification.verify_all() == 1
        (fault,) = unit(lambda: db.session.scalars(select(LedgerFault)).all())
        assert (fault.kind, fault.details) == ("balance", {"expected": 3, "found": 4})
        damage(unit, "UPDATE stock_balances SET quantity = quantity - 1 WHERE portion = ''")
        assert verification.verify_all() == 0
        (fault,) = unit(lambda: db.session.scalars(select(LedgerFault)).all())
        assert fault.ended_at is not None


def test_features_to_the_right_add_checks(app: Flask, unit: Unit, depot: Any) -> None:
    check = verification.register_check(lambda _station_id: [verification.Fault("on_loan", "雨伞", {"found": 1})])
    try:
        with app.app_context():
            assert [fault.kind for fault in verification.verify_station(depot.station_id)] == ["on_loan"]
    finally:
        verification._checks.remove(check)


def test_chunks_make_no_difference(app: Flask, unit: Unit, depot: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(verification, "CHUNK", 1)
    monkeypatch.setattr(verification, "STATIONS_AT_ONCE", 1)
    with app.app_context():
        assert verification.verify_all() == 0


def damage(unit: Unit, statement: str) -> None:
    def work() -> None:
        if db.engine.dialect.name == "postgresql":
            db.session.execute(text("SET LOCAL session_replication_role = replica"))
            db.session.execute(text(statement))
            return
        triggers = db.session.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
        for name, _ in triggers:
            db.session.execute(text(f"DROP TRIGGER {name}"))
        db.session.execute(text(statement))
        for _, sql in triggers:
            db.session.execute(text(sql))

    unit(work)


def everything() -> list[Any]:
    return [
        sorted(map(str, db.session.execute(text(f"SELECT * FROM {table}")).all()))
        for table in ("stock_entries", "movements", "stock_balances", "document_counters")
    ]
