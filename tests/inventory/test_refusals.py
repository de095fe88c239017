"""Refusals of stock name the true reason: the lot, the balance, its unit, and what lies in quarantine."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.inventory.factories import Depot, make_depot, move
from tests.inventory.test_recalls import recall
from volunteer_api.catalog.models import ItemKind
from volunteer_api.catalog.service import create_item
from volunteer_api.core import clock, ids

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def depot(unit: Unit) -> Depot:
    made: Depot = unit(make_depot)
    return made


@pytest.fixture
def item(unit: Unit, depot: Depot) -> Any:
    """Four bottles of lot A and one of lot B, in days that have no end."""
    made = unit(lambda: create_item(name="碘伏", kind=ItemKind.CONSUMABLE, unit="瓶").id)
    unit(lambda: move(depot, "receipt", {"item_id": made, "quantity": 4, "lot_number": "A"}))
    unit(lambda: move(depot, "receipt", {"item_id": made, "quantity": 1, "lot_number": "B"}))
    return made


def said(client: Any, depot: Depot, kind: str, reason: str, **line: Any) -> tuple[str, str]:
    path, body = f"/stations/{depot.station_id}/movements", {"kind": kind, "reason": reason, "lines": [line]}
    answer = client.as_(depot.manager_id).post(path, json=body, key=ids.new_id().hex)
    assert answer.status_code == 409, answer.get_json()
    return answer.get_json()["code"], answer.get_json()["detail"]


def test_too_little_says_of_what(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    line = {"item_id": str(item)}
    assert said(client, depot, "issue", "used", **line, quantity=6) == ("stock_too_low", "碘伏库存只有5瓶，不足6瓶。")
    assert said(client, depot, "write_off", "lost", **line, quantity=2, lot_number="B") == (
        "stock_too_low",
        "碘伏（批号B）库存只有1瓶，不足2瓶。",
    )
    unit(lambda: move(depot, "quarantine", {"item_id": item, "quantity": 3, "lot_number": "A"}))
    assert said(client, depot, "issue", "used", **line, quantity=3) == (
        "stock_too_low",
        "碘伏库存只有2瓶，不足3瓶。另有3瓶在封存中。",
    )
    assert said(client, depot, "write_off", "lost", **line, quantity=4, quarantined=True) == (
        "stock_too_low",
        "碘伏封存中只有3瓶，不足4瓶。",
    )


def test_a_recalled_lot_is_refused_as_recalled(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    unit(lambda: recall(depot, item, "A"))
    line = {"item_id": str(item), "lot_number": "A", "quantity": 1}
    assert said(client, depot, "issue", "used", **line)[0] == "lot_recalled"
    # On the way out it is only to be named as what it is: in quarantine.
    assert said(client, depot, "write_off", "recalled", **line)[1].endswith("另有4瓶在封存中。")


def test_what_is_partly_gone_is_not_undone(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    received = unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 9, "lot_number": "C"}))
    unit(lambda: move(depot, "issue", {"item_id": item, "quantity": 2, "lot_number": "C"}))
    path = f"/movements/{received.id}/reversal"
    answer = client.as_(depot.manager_id).post(path, json={"reason": "mistake"}, key="1").get_json()
    assert answer["detail"] == "碘伏（批号C）库存只有7瓶，不足9瓶。已用去的部分无法冲销：可将剩余的报损，或盘点更正。"
    english = client.as_(depot.manager_id).post(
        path, json={"reason": "mistake"}, key="2", headers={"Accept-Language": "en"}
    )
    assert "not 9瓶. What is gone" in english.get_json()["detail"]


def test_what_has_expired_is_told_with_its_unit(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    day = unit(clock.today) - timedelta(days=1)
    with clock.at(clock.now() - timedelta(days=3)):
        unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 3, "lot_number": "Z", "expires_on": day}))
    code, detail = said(client, depot, "issue", "used", item_id=str(item), lot_number="Z", quantity=1)
    assert (code, detail) == ("lot_expired", "碘伏中有3瓶已过期；请报损，不要出库。")
