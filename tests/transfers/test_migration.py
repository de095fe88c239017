"""The tables of transfers go and come back with rows in them; what is under way is forgotten with them."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import text

from tests.factories import unit_of
from tests.inventory.factories import make_item
from tests.servers import Databases, close, make_settings, migrate
from tests.transfers.factories import make_pair, receive, send, stock
from volunteer_api.app import create_app
from volunteer_api.core.database import db
from volunteer_api.transfers.models import ShortfallReason

BEFORE = "2026_11_25_6_stocktakes"


@pytest.fixture(params=["sqlite", "postgresql"])
def own_app(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Flask]:
    """An application on a migrated database that no other test sees."""
    url = databases.sqlite() if request.param == "sqlite" else databases.postgresql()
    app = create_app(make_settings(url, databases.own))
    yield app
    close(app)


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
    migrate(own_app, BEFORE, down=True)
    with own_app.app_context(), db.engine.connect() as connection:
        assert connection.execute(text("SELECT sum(in_transit) FROM stock_balances")).scalar_one() == 0
        assert connection.execute(text("SELECT count(*) FROM movements WHERE kind = 'transfer_out'")).scalar_one() == 2
    migrate(own_app)
    unit(lambda: send(pair, {"item_id": item_id, "quantity": 3}))
