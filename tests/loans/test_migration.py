"""The version of loans can be taken back with loans in the tables."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import inspect, text

from tests.factories import unit_of
from tests.loans.factories import bring_back, lend, make_desk, number
from tests.servers import Databases, close, make_settings, migrate
from volunteer_api.app import create_app
from volunteer_api.core.database import db

BEFORE = "2026_11_25_4_stock"


@pytest.fixture(params=["sqlite", "postgresql"])
def own_app(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Flask]:
    """An application on a database that no other test sees."""
    url = databases.empty_sqlite() if request.param == "sqlite" else databases.empty_postgresql()
    app = create_app(make_settings(url, databases.own))
    migrate(app)
    yield app
    close(app)


def test_down_and_up_with_loans(own_app: Flask) -> None:
    unit = unit_of(own_app)
    desk = unit(make_desk)
    asset = unit(lambda: number(desk))
    unit(lambda: lend(desk, asset_id=asset.id))
    loan = unit(lambda: lend(desk, 3))
    unit(lambda: bring_back(desk, loan.id, 1))
    migrate(own_app, BEFORE, down=True)
    with own_app.app_context(), db.engine.connect() as connection:
        assert "loans" not in inspect(connection).get_table_names()
        assert connection.execute(text("SELECT sum(on_loan) FROM stock_balances")).scalar_one() == 0
    migrate(own_app)
    second = unit(make_desk)
    unit(lambda: lend(second))
