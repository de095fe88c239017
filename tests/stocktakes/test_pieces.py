"""Numbered pieces that are marked as lost while the count of their item waits to be posted."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.loans.factories import Desk, bring_back, lend, make_desk, number, shelf
from tests.stocktakes.test_stocktakes import Counter, line, sound
from volunteer_api.core.database import db
from volunteer_api.loans import assets
from volunteer_api.loans.models import Asset, AssetState

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def desk(unit: Unit) -> Desk:
    """A desk with ten umbrellas."""
    made: Desk = unit(make_desk)
    return made


def lose(desk: Desk, asset_id: Any) -> None:
    assets.change_asset(db.session.get_one(Asset, asset_id), actor_id=desk.manager_id, state=AssetState.LOST)


def test_no_piece_is_lost_twice(client: Any, unit: Unit, desk: Desk) -> None:
    pieces = [unit(partial(number, desk)).id for _ in range(5)]
    count = Counter(client, desk.depot)
    count.count(line(desk.item_id, 8, reason="lost"))
    # She looks which ones are missing, and marks them.
    for piece in pieces[:2]:
        unit(partial(lose, desk, piece))
    answer = count.approve()
    assert (answer.status_code, answer.get_json()["code"]) == (409, "stocktake_outdated")
    assert unit(lambda: shelf(desk.station_id, desk.item_id)) == (8, 0, 0)
    count.count(line(desk.item_id, 8))
    assert count.approve().status_code == 200
    assert unit(lambda: shelf(desk.station_id, desk.item_id)) == (8, 0, 0)
    assert sound(unit, desk.depot)


def test_a_piece_that_was_counted_and_then_lost_holds_nothing_up(client: Any, unit: Unit, desk: Desk) -> None:
    piece = unit(lambda: number(desk)).id
    loan = unit(lambda: lend(desk, 2))
    count = Counter(client, desk.depot)
    count.count(line(desk.item_id, 8))
    unit(lambda: lose(desk, piece))
    unit(lambda: bring_back(desk, loan.id, condition="lost"))
    assert count.approve().status_code == 200
    assert unit(lambda: shelf(desk.station_id, desk.item_id)) == (7, 0, 0)
    assert sound(unit, desk.depot)
