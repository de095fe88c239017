"""Prohibited items: what is found stays in quarantine until it is handed over, with a witness."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.inventory.factories import Depot, make_depot, make_item, move, reverse
from volunteer_api.catalog.models import Item
from volunteer_api.catalog.service import change_item
from volunteer_api.core.database import db
from volunteer_api.inventory import queries
from volunteer_api.inventory.problems import WitnessMissing

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def depot(unit: Unit) -> Depot:
    made: Depot = unit(make_depot)
    return made


def prohibit(item_id: Any) -> None:
    change_item(db.session.get_one(Item, item_id), prohibited=True)


def states(unit: Unit, depot: Depot) -> dict[str, int]:
    rows = unit(lambda: queries.list_stock(depot.station_id, {})).items
    return {str(row.state): row.quantity for row in rows if row.quantity}


def test_nobody_alone_takes_a_found_drug_out_of_the_books(client: Any, unit: Unit, depot: Depot) -> None:
    drug = unit(lambda: make_item(prohibited=True))
    found = unit(lambda: move(depot, "quarantine", {"item_id": drug, "quantity": 3}, witness="刘所长"))
    name = unit(lambda: queries.read_movement(found.id)).actor.name
    manager, path = client.as_(depot.manager_id), f"/movements/{found.id}/reversal"
    alone = manager.post(path, json={"reason": "mistake"}, key="1")
    assert (alone.status_code, alone.get_json()["code"]) == (409, "witness_missing")
    herself = manager.post(path, json={"reason": "mistake", "witness": name}, key="2")
    assert (herself.status_code, herself.get_json()["code"]) == (409, "witness_is_handler")
    assert states(unit, depot) == {"quarantined": 3}
    undone = manager.post(path, json={"reason": "mistake", "witness": "刘所长"}, key="3")
    assert (undone.status_code, undone.get_json()["witness"]) == (201, "刘所长")
    assert states(unit, depot) == {}


def test_what_was_received_before_it_was_prohibited_does_not_vanish_either(unit: Unit, depot: Depot) -> None:
    item = unit(make_item)
    received = unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 3}))
    unit(lambda: prohibit(item))
    with pytest.raises(WitnessMissing):
        unit(lambda: reverse(depot, received.id))


def test_other_reversals_need_no_witness(client: Any, unit: Unit, depot: Depot) -> None:
    item = unit(make_item)
    unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 3}))
    moved = unit(lambda: move(depot, "quarantine", {"item_id": item, "quantity": 3}))
    assert unit(lambda: reverse(depot, moved.id)).witness is None
    assert states(unit, depot) == {"ok": 3}


def test_what_is_prohibited_since_does_not_go_back_to_the_shelf(client: Any, unit: Unit, depot: Depot) -> None:
    item = unit(make_item)
    unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 5}))
    issued = unit(lambda: move(depot, "issue", {"item_id": item, "quantity": 2}))
    moved = unit(lambda: move(depot, "quarantine", {"item_id": item, "quantity": 3}))
    unit(lambda: prohibit(item))
    # What comes back by an undone issue is found: that is what quarantine is for.
    unit(lambda: reverse(depot, issued.id))
    assert states(unit, depot) == {"quarantined": 5}
    path = f"/movements/{moved.id}/reversal"
    answer = client.as_(depot.manager_id).post(path, json={"reason": "other", "witness": "刘所长"}, key="1")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "prohibited_item")
    assert states(unit, depot) == {"quarantined": 5}


@pytest.mark.parametrize("change", [{"prohibited": True}, {"archived": True}])
def test_what_is_prohibited_or_archived_is_free_nowhere(
    client: Any, unit: Unit, depot: Depot, change: dict[str, bool]
) -> None:
    item = unit(make_item)
    unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 5}))
    path = f"/items/{item}/stations"
    assert [row["quantity"] for row in client.get(path).get_json()["items"]] == [5]
    unit(lambda: change_item(db.session.get_one(Item, item), **change))
    assert client.get(path).get_json()["items"] == []
