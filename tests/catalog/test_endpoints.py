"""The catalogue over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.factories import make_volunteer
from tests.inventory.factories import Depot, make_depot, make_item
from volunteer_api.core import ids

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def depot(unit: Unit) -> Depot:
    made: Depot = unit(make_depot)
    return made


def test_catalogue_is_public_and_kept_by_organizers(client: Any, unit: Unit, depot: Depot) -> None:
    body = {"name": "碘伏", "kind": "medical", "unit": "瓶"}
    assert client.post("/items", json=body).status_code == 401
    assert client.as_(unit(make_volunteer)).post("/items", json=body).status_code == 403
    assert client.as_(depot.manager_id).post("/items", json=body).status_code == 403
    organizer = client.as_(depot.organizer_id)
    made = organizer.post("/items", json=body)
    assert made.status_code == 201
    known = made.get_json()
    assert (known["name"], known["prohibited"], known["version"]) == ("碘伏", False, 1)
    assert organizer.post("/items", json=body).get_json()["code"] == "item_exists"
    organizer.post("/items", json={"name": "打气筒", "kind": "durable", "unit": "个"})
    assert client.get(f"/items/{known['id']}").get_json() == known
    assert client.get(f"/items/{ids.new_id()}").status_code == 404
    assert [found["name"] for found in client.get("/items?kind=medical").get_json()["items"]] == ["碘伏"]
    assert [found["name"] for found in client.get("/items?q=打气").get_json()["items"]] == ["打气筒"]
    assert client.get("/items?q=%25").get_json()["items"] == []


def test_items_are_changed_by_those_who_keep_them(client: Any, unit: Unit, depot: Depot) -> None:
    item = unit(lambda: make_item(name="处方药物"))
    path, body = f"/items/{item}", {"name": "药物", "unit": "盒"}
    assert client.patch(path, json=body, version=1).status_code == 401
    for other in (depot.manager_id, depot.auditor_id, unit(make_volunteer)):
        assert client.as_(other).patch(path, json=body, version=1).status_code == 403
    organizer = client.as_(depot.organizer_id)
    assert organizer.patch(f"/items/{ids.new_id()}", json=body, version=1).status_code == 404
    assert organizer.patch(path, json=body).status_code == 428
    assert organizer.patch(path, json=body, version=2).status_code == 412
    for wrong in ({"kind": "medical"}, {"name": None}, {"name": ""}, {"prohibited": "yes"}, {"version": 2}):
        assert organizer.patch(path, json=wrong, version=1).status_code == 422
    changed = organizer.patch(path, json=body, version=1)
    assert changed.status_code == 200
    known = changed.get_json()
    assert (known["name"], known["unit"], known["prohibited"], known["version"]) == ("药物", "盒", False, 2)
    assert client.get(path).get_json() == known
    assert organizer.patch(path, json=body, version=1).status_code == 412


def test_a_changed_item_is_judged_like_a_new_one(client: Any, unit: Unit, depot: Depot) -> None:
    item, taken = unit(lambda: make_item(name="药物")), unit(lambda: make_item(name="棉签"))
    unit(lambda: make_item(name="处方药", prohibited=True))
    organizer, path = client.as_(depot.organizer_id), f"/items/{item}"

    def code(body: dict[str, Any], version: int) -> Any:
        answer = organizer.patch(path, json=body, version=version)
        return answer.get_json()["code"] if answer.status_code == 409 else answer.status_code

    assert code({"name": "棉签"}, 1) == "item_exists"
    assert code({"name": "处方 药物"}, 1) == "prohibited_item"
    assert code({"name": "处方药物", "prohibited": True}, 1) == 200
    assert code({"prohibited": False}, 2) == "prohibited_item"
    receipt = {"kind": "receipt", "reason": "other", "lines": [{"item_id": str(item), "quantity": 1}]}
    refused = client.as_(depot.manager_id).post(
        f"/stations/{depot.station_id}/movements", json=receipt, key="prohibited-now"
    )
    assert refused.get_json()["code"] == "prohibited_item"
    assert code({"name": "药物", "prohibited": False}, 2) == 200
    assert organizer.get(f"/items/{taken}").get_json()["version"] == 1
