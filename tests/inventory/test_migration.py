"""The versions of the ledger go back and come again with everything in their tables, and the triggers stay."""

from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.factories import unit_of
from tests.inventory.factories import make_depot, make_item, move
from tests.servers import migrate
from volunteer_api.cli import common
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.inventory import months, recalls, service
from volunteer_api.organizations.models import Organization
from volunteer_api.stocktakes import service as stocktakes
from volunteer_api.stocktakes.models import Stocktake

BEFORE = "2026_11_25_3_catalog"


def furnish() -> Any:
    """Something in each table: portions, a recall, a closed month, a count."""
    depot, item = make_depot(), make_item(days_once_opened=9)
    move(depot, "receipt", {"item_id": item, "quantity": 9, "lot_number": "A"})
    service.open_stock(station_id=depot.station_id, actor_id=depot.manager_id, item_id=item)
    seen = {"counterparty": "供货商", "witness": "李督导"}
    office = db.session.get_one(Organization, depot.office_id)
    recalls.recall_lot(organization=office, item_id=item, lot_number="A", reason="召回", by=depot.organizer_id)
    line = {"item_id": item, "quantity": 2, "quarantined": True}
    move(depot, "write_off", line, reason="handed_over", **seen)
    last_month = clock.start_of(clock.today().replace(day=1)) - timedelta(hours=1)
    months.close_month(office, months.month_of(last_month), by=depot.organizer_id)
    stocktake_id = stocktakes.start_stocktake(station_id=depot.station_id, by=depot.manager_id, item_ids=[item])
    stocktake = db.session.get_one(Stocktake, stocktake_id)
    counted = {"item_id": item, "quantity": 6, "lot_number": "A", "quarantined": True}
    stocktakes.count_lines(stocktake, [counted], by=depot.manager_id)
    body: Any = {"reason": "lost", "skip_uncounted": True}
    stocktakes.approve(stocktake, by=depot.organizer_id, may_approve=True, **body)
    umbrella = make_item()
    for kind in ("receipt", "quarantine", "release"):
        move(depot, kind, {"item_id": umbrella, "quantity": 3})
    return item


def test_down_and_up_with_rows(own_app: Flask) -> None:
    unit = unit_of(own_app)
    unit(furnish)
    migrate(own_app, BEFORE, down=True)
    with own_app.app_context(), db.engine.connect() as connection:
        left = text("SELECT lot_number, quantity FROM stock_balances ORDER BY lot_number DESC")
        held = connection.execute(left).all()
        words = connection.execute(text("SELECT kind, reason FROM movements ORDER BY document_number")).all()
        refuse_changes(connection)
    assert [(row.lot_number, row.quantity) for row in held] == [("A", 6), ("", 3)]
    assert [(row.kind, row.reason) for row in words] == [
        ("receipt", "other"),
        ("quarantine", "used"),
        ("quarantine", "other"),
        ("write_off", "other"),
        ("stocktake", "lost"),
        ("receipt", "other"),
        ("quarantine", "other"),
        ("quarantine", "other"),
    ]
    migrate(own_app)
    with own_app.app_context(), db.engine.connect() as connection:
        refuse_changes(connection)
    unit(furnish)


def refuse_changes(connection: Any) -> None:
    for table in ("movements", "stock_entries"):
        for statement in (f"UPDATE {table} SET created_at = created_at", f"DELETE FROM {table}"):
            with pytest.raises(DBAPIError, match=f"{table} is append-only"):
                connection.execute(text(statement))
            connection.rollback()


def test_the_command_tells_what_does_not_add_up(own_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "ready_app", lambda: own_app)
    unit = unit_of(own_app)
    unit(furnish)
    fine = CliRunner().invoke(common.group, ["stock", "verify"])
    assert (fine.exit_code, fine.output) == (0, "The ledger adds up.\n")
    unit(lambda: db.session.execute(text("UPDATE stock_balances SET quantity = 7 WHERE portion = 'quarantined'")))
    broken = CliRunner().invoke(common.group, ["stock", "verify"])
    assert broken.exit_code == 1
    assert "balance" in broken.output
    assert "expected=6 found=7" in broken.output
