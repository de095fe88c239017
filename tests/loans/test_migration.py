"""The version of loans can be taken back with loans in the tables."""

from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import inspect, text

from tests.factories import unit_of
from tests.inventory.factories import make_item, move
from tests.loans.factories import Desk, add_up, bring_back, lend, make_desk, number, read, undo_return
from tests.servers import migrate
from volunteer_api.catalog.models import ItemKind
from volunteer_api.core.database import db

BEFORE = "2026_11_25_4_stock"
BEFORE_REVERSALS = "2026_11_27_5_stocktake_versions"


def test_down_and_up_with_loans(own_app: Flask) -> None:
    unit = unit_of(own_app)
    desk = unit(make_desk)
    asset = unit(lambda: number(desk))
    unit(lambda: lend(desk, asset_id=asset.id))
    loan = unit(lambda: lend(desk, 3))
    unit(lambda: bring_back(desk, loan.id, 1))
    check_reversals(own_app, desk)
    migrate(own_app, BEFORE, down=True)
    with own_app.app_context(), db.engine.connect() as connection:
        assert "loans" not in inspect(connection).get_table_names()
        assert connection.execute(text("SELECT sum(on_loan) FROM stock_balances")).scalar_one() == 0
    migrate(own_app)
    second = unit(make_desk)
    unit(lambda: lend(second))


def check_reversals(own_app: Flask, desk: Desk) -> None:
    """What earlier returns took of each line, and their documents, are found out; a reversed one goes back to never."""
    unit = unit_of(own_app)

    def two_lots() -> UUID:
        item_id = make_item(kind=ItemKind.DURABLE)
        for lot in ("A", "B", "C"):
            move(desk.depot, "receipt", {"item_id": item_id, "quantity": 2, "lot_number": lot})
        return item_id

    item_id = unit(two_lots)
    loan = unit(lambda: lend(desk, 6, item_id=item_id))
    for quantity, values in ((1, {"elsewhere": True}), (2, {"condition": "lost"}), (2, {})):
        unit(lambda quantity=quantity, values=values: bring_back(desk, loan.id, quantity, **values))
    before = kept_of(own_app)
    migrate(own_app, BEFORE_REVERSALS, down=True)
    migrate(own_app)
    assert kept_of(own_app) == before
    first, *_ = unit(lambda: read(desk, loan.id)).returns
    unit(lambda: undo_return(desk, first.id, elsewhere=True))
    unit(add_up)
    migrate(own_app, BEFORE_REVERSALS, down=True)
    migrate(own_app)
    assert first.id not in {one.id for one in unit(lambda: read(desk, loan.id)).returns}
    unit(add_up)


def kept_of(own_app: Flask) -> tuple[set[Any], set[Any]]:
    """The lines and the documents of all returns."""
    with own_app.app_context(), db.engine.connect() as connection:
        lines = connection.execute(text("SELECT return_id, lot_number, quantity FROM loan_return_lines"))
        documents = connection.execute(text("SELECT return_id, movement_id FROM loan_return_documents"))
        return {tuple(row) for row in lines}, {tuple(row) for row in documents}
