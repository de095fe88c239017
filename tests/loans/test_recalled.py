"""Lots of durables that are called back: nothing of them is lent, and what comes back goes out of use."""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.inventory.factories import make_item, move
from tests.loans.factories import Desk, add_up, bring_back, lend, make_desk, shelf, state_of
from tests.loans.test_service import refused
from volunteer_api.catalog.models import ItemKind
from volunteer_api.core.database import db
from volunteer_api.inventory import recalls
from volunteer_api.inventory.problems import LotRecalled
from volunteer_api.loans import assets
from volunteer_api.loans.models import Asset
from volunteer_api.organizations.models import Organization

Unit = Callable[[Callable[[], Any]], Any]
LOT = {"lot_number": "A", "expires_on": date(2038, 1, 1)}


@pytest.fixture
def desk(unit: Unit) -> Desk:
    """A desk with four heaters of one lot, of which two are numbered."""

    def make() -> Desk:
        made = make_desk()
        item_id = make_item(kind=ItemKind.DURABLE)
        move(made.depot, "receipt", {"item_id": item_id, "quantity": 4, **LOT})
        for code in ("H-1", "H-2"):
            assets.number_piece(station_id=made.station_id, item_id=item_id, code=code)
        return Desk(made.depot, made.other_station_id, made.other_manager_id, item_id)

    found: Desk = unit(make)
    return found


def recall(desk: Desk) -> Any:
    office = db.session.get_one(Organization, desk.depot.office_id)
    return recalls.recall_lot(
        organization=office, item_id=desk.item_id, lot_number="A", reason="漏电", by=desk.depot.organizer_id
    )


def piece(unit: Unit, code: str) -> UUID:
    found: UUID = unit(lambda: db.session.scalars(select(Asset.id).where(Asset.code == code)).one())
    return found


def test_numbered_pieces_hold_up_no_recall(unit: Unit, desk: Desk) -> None:
    unit(lambda: recall(desk))
    assert unit(lambda: shelf(desk.station_id, desk.item_id)) == (0, 4, 0)
    assert unit(lambda: set(db.session.scalars(select(Asset.state)))) == {"repair"}
    unit(add_up)
    refused(unit, lambda: assets_back(desk, "H-1"), LotRecalled)


def assets_back(desk: Desk, code: str) -> Any:
    asset = db.session.scalars(select(Asset).where(Asset.code == code)).one()
    return assets.change_asset(asset, actor_id=desk.manager_id, state=assets.AssetState.IN_STOCK)


@pytest.mark.parametrize(
    ("condition", "write_off", "state", "quarantined"),
    [
        ("good", False, "repair", 4),
        ("damaged", False, "repair", 4),
        ("damaged", True, "retired", 3),
        ("lost", False, "lost", 3),
    ],
)
def test_what_comes_back_goes_out_of_use(
    unit: Unit, desk: Desk, condition: str, write_off: bool, state: str, quarantined: int
) -> None:
    asset_id = piece(unit, "H-1")
    loan = unit(lambda: lend(desk, asset_id=asset_id))
    unit(lambda: recall(desk))
    unit(lambda: bring_back(desk, loan.id, condition=condition, write_off=write_off))
    assert unit(lambda: state_of(asset_id))[0] == state
    assert unit(lambda: shelf(desk.station_id, desk.item_id)) == (0, quarantined, 0)
    unit(add_up)


def test_a_recall_reaches_what_comes_back_elsewhere(unit: Unit, desk: Desk) -> None:
    first = unit(lambda: lend(desk, 2))
    unit(lambda: recall(desk))
    unit(lambda: bring_back(desk, first.id, elsewhere=True))
    assert unit(lambda: shelf(desk.other_station_id, desk.item_id)) == (0, 2, 0)
    unit(add_up)
