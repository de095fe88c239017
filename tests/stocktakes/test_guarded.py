"""Counts of what nobody alone says how many there are of, and of what is handed over."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.inventory.factories import Depot, make_depot, make_item, move
from tests.stocktakes.test_stocktakes import Counter, balance, line, sound
from volunteer_api.catalog.models import ItemKind
from volunteer_api.core import clock

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def depot(unit: Unit) -> Depot:
    made: Depot = unit(make_depot)
    return made


def test_nobody_alone_counts_a_found_drug_away(client: Any, unit: Unit, depot: Depot) -> None:
    drug = unit(lambda: make_item(prohibited=True))
    unit(lambda: move(depot, "quarantine", {"item_id": drug, "quantity": 3}, witness="刘所长"))
    count = Counter(client, depot)
    answer = count.count(line(drug, 2, quarantined=True, reason="lost"))
    assert answer.status_code == 200
    assert count.read()["second_person_needed"] is True
    refused = count.approve()
    assert (refused.status_code, refused.get_json()["code"]) == (409, "second_person_needed")
    assert count.approve(count.approver).status_code == 200
    assert balance(unit, depot) == {drug: 2}
    assert sound(unit, depot)


def test_nobody_hands_over_to_herself(client: Any, unit: Unit, depot: Depot) -> None:
    item = unit(make_item)
    unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 3}))
    manager, path = client.as_(depot.manager_id), f"/stations/{depot.station_id}/stocktakes"
    body = {"kind": "handover", "scope": "all", "to_volunteer_id": str(depot.manager_id)}
    both = {"from_volunteer_id": str(depot.auditor_id), "to_volunteer_id": str(depot.auditor_id)}
    for key, given in (("1", body), ("2", body | both)):
        answer = manager.post(path, json=given, key=key)
        assert (answer.status_code, answer.get_json().get("code")) == (409, "handover_to_oneself")
    assert manager.post(path, json=body | {"to_volunteer_id": str(depot.auditor_id)}, key="3").status_code == 201


def test_something_medical_without_a_lot_is_one_of_the_sheet(client: Any, unit: Unit, depot: Depot) -> None:
    swabs = unit(lambda: make_item(name="棉签", kind=ItemKind.MEDICAL))
    day = unit(clock.today) + timedelta(days=400)
    unit(lambda: move(depot, "receipt", {"item_id": swabs, "quantity": 3, "lot_number": "A1", "expires_on": day}))
    counter = Counter(client, depot)
    refused = counter.count(line(swabs, 3)).get_json()
    assert (refused["code"], refused["lot_numbers"]) == ("lot_not_chosen", ["A1"])
    assert refused["detail"] == "请选择所盘点棉签的批号，盘点表中有：A1。"
    assert counter.count(line(swabs, 3, lot_number="a1")).status_code == 200
