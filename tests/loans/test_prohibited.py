"""Durables that are prohibited while they are lent or numbered: what comes back goes out of use."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.loans.factories import Desk, add_up, bring_back, lend, make_desk, number, shelf, state_of
from tests.loans.test_service import refused
from volunteer_api.catalog.models import Item
from volunteer_api.catalog.problems import ProhibitedItem
from volunteer_api.catalog.service import change_item
from volunteer_api.core.database import db
from volunteer_api.loans import assets
from volunteer_api.loans.models import Asset, AssetState

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def desk(unit: Unit) -> Desk:
    made: Desk = unit(lambda: make_desk(quantity=4))
    return made


def prohibit(desk: Desk) -> None:
    change_item(db.session.get_one(Item, desk.item_id), prohibited=True)


def change(desk: Desk, asset_id: Any, state: AssetState) -> Any:
    return assets.change_asset(db.session.get_one(Asset, asset_id), actor_id=desk.manager_id, state=state)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_comes_back_goes_into_quarantine(unit: Unit, desk: Desk, elsewhere: bool) -> None:
    loan = unit(lambda: lend(desk, 2))
    unit(lambda: prohibit(desk))
    unit(lambda: bring_back(desk, loan.id, elsewhere=elsewhere))
    there = desk.other_station_id if elsewhere else desk.station_id
    assert unit(lambda: shelf(there, desk.item_id))[:2] == (0 if elsewhere else 2, 2)
    unit(add_up)


def test_a_piece_that_is_found_waits_in_quarantine(unit: Unit, desk: Desk) -> None:
    asset_id = unit(lambda: number(desk)).id
    unit(lambda: change(desk, asset_id, AssetState.LOST))
    unit(lambda: prohibit(desk))
    unit(lambda: change(desk, asset_id, AssetState.IN_STOCK))
    assert unit(lambda: state_of(asset_id))[0] == "repair"
    assert unit(lambda: shelf(desk.station_id, desk.item_id)) == (3, 1, 0)
    refused(unit, lambda: change(desk, asset_id, AssetState.IN_STOCK), ProhibitedItem)
    unit(add_up)
