"""The tables of transfers go and come back with rows in them; what is under way is forgotten with them."""

from datetime import date
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import text

from tests.factories import unit_of
from tests.inventory.factories import make_item
from tests.servers import migrate
from tests.transfers.factories import Pair, make_pair, receive, send, stock, undo_receipt
from volunteer_api.core.database import db
from volunteer_api.transfers.check_queries import differences
from volunteer_api.transfers.models import ShortfallReason
from volunteer_api.transfers.queries import read_transfer

BEFORE = "2026_11_25_6_stocktakes"
BEFORE_REVERSALS = "2026_11_27_5_stocktake_versions"


def test_down_and_up_with_transfers_under_way(own_app: Flask) -> None:
    unit = unit_of(own_app)
    pair, item_id = unit(lambda: (make_pair(), make_item()))

    def fill() -> None:
        stock(pair.sender, item_id, 10)
        send(pair, {"item_id": item_id, "quantity": 3})
        missing = [{"quantity": 1, "reason": ShortfallReason.RETURNED}, {"quantity": 1, "reason": ShortfallReason.LOST}]
        arrived = send(pair, {"item_id": item_id, "quantity": 3})
        receive(pair, arrived, [{"item_id": item_id, "quantity": 1, "shortfalls": missing}])

    unit(fill)
    check_arrivals(own_app, pair)
    migrate(own_app, BEFORE, down=True)
    with own_app.app_context(), db.engine.connect() as connection:
        assert connection.execute(text("SELECT sum(in_transit) FROM stock_balances")).scalar_one() == 0
        assert connection.execute(text("SELECT count(*) FROM movements WHERE kind = 'transfer_out'")).scalar_one() == 3
    migrate(own_app)
    unit(lambda: send(pair, {"item_id": item_id, "quantity": 3}))


def check_arrivals(own_app: Flask, pair: Pair) -> None:
    """What earlier receipts took in of each lot is found out, also of one that came under another name."""
    unit = unit_of(own_app)
    item_id = unit(make_item)

    def fill() -> UUID:
        stock(pair.receiver, item_id, 1, lot_number="A", expires_on=date(2038, 2, 2))
        for lot in ("A", "B"):
            stock(pair.sender, item_id, 4, lot_number=lot, expires_on=date(2038, 1, 1))
        sent = send(pair, {"item_id": item_id, "quantity": 8})
        ids = [lot.id for lot in read_transfer(sent).lots]
        lost = [{"quantity": 1, "reason": ShortfallReason.LOST}]
        receive(pair, sent, [{"lot_id": ids[1], "quantity": 1}, {"lot_id": ids[0], "quantity": 2, "shortfalls": lost}])
        receive(pair, sent, [{"lot_id": ids[1], "quantity": 3, "shortfalls": []}])
        return sent

    sent = unit(fill)

    def kept() -> set[Any]:
        with own_app.app_context(), db.engine.connect() as connection:
            found = connection.execute(text("SELECT step_id, lot_id, quantity FROM transfer_arrivals"))
            return {tuple(row) for row in found}

    before = kept()
    migrate(own_app, BEFORE_REVERSALS, down=True)
    migrate(own_app)
    assert kept() == before
    unit(lambda: undo_receipt(pair, sent, 0))
    migrate(own_app, BEFORE_REVERSALS, down=True)
    migrate(own_app)
    unit(lambda: undo_receipt(pair, sent, 1))
    assert [lot.in_transit for lot in unit(lambda: read_transfer(sent)).lots] == [4, 4]
    assert unit(lambda: differences(10)) == []
