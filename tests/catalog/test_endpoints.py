"""The catalogue over HTTP."""

from collections.abc import Callable
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.catalog.factories import make_owner
from tests.factories import make_volunteer
from tests.inventory.factories import Depot, make_depot, make_item, move
from tests.organizations.factories import make_grant
from volunteer_api.catalog.models import ItemKind
from volunteer_api.core import ids
from volunteer_api.core.audit import AuditAction, AuditEntry
from volunteer_api.core.database import db
from volunteer_api.organizations.models import Role

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


def test_items_are_changed_by_those_whose_the_catalogue_is(client: Any, unit: Unit, depot: Depot) -> None:
    item = unit(lambda: make_item(name="处方药物"))
    owner_id = unit(make_owner)
    path, body = f"/items/{item}", {"name": "药物", "unit": "盒"}
    assert client.patch(path, json=body, version=1).status_code == 401
    for other in (depot.manager_id, depot.auditor_id, depot.organizer_id, unit(make_volunteer)):
        assert client.as_(other).patch(path, json=body, version=1).status_code == 403
    owner = client.as_(owner_id)
    assert owner.patch(f"/items/{ids.new_id()}", json=body, version=1).status_code == 404
    assert owner.patch(path, json=body).status_code == 428
    assert owner.patch(path, json=body, version=2).status_code == 412
    for wrong in ({"kind": "medical"}, {"name": None}, {"name": ""}, {"prohibited": "yes"}, {"version": 2}):
        assert owner.patch(path, json=wrong, version=1).status_code == 422
    changed = owner.patch(path, json=body, version=1)
    assert changed.status_code == 200
    known = changed.get_json()
    assert (known["name"], known["unit"], known["prohibited"], known["version"]) == ("药物", "盒", False, 2)
    assert client.get(path).get_json() == known
    assert owner.patch(path, json=body, version=1).status_code == 412


def test_a_changed_item_is_judged_like_a_new_one(client: Any, unit: Unit, depot: Depot) -> None:
    item, taken = unit(lambda: make_item(name="药物")), unit(lambda: make_item(name="棉签"))
    unit(lambda: make_item(name="处方药", prohibited=True))
    owner, path = client.as_(unit(make_owner)), f"/items/{item}"

    def code(body: dict[str, Any], version: int) -> Any:
        answer = owner.patch(path, json=body, version=version)
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
    assert owner.get(f"/items/{taken}").get_json()["version"] == 1


def test_who_added_an_item_mends_it_while_it_is_hers_alone(client: Any, unit: Unit, depot: Depot) -> None:
    organizer, manager = client.as_(depot.organizer_id), client.as_(depot.manager_id)
    mask = {"name": "口罩", "kind": "consumable", "unit": "个"}
    refused = manager.post("/items", json=mask)
    assert (refused.status_code, refused.get_json()["code"]) == (403, "items_by_organizers")
    made = organizer.post("/items", json=mask).get_json()
    path, item = f"/items/{made['id']}", UUID(made["id"])
    assert organizer.patch(path, json={"unit": "只", "barcodes": ["6901234567892"]}, version=1).status_code == 200
    colleague = client.as_(unit(lambda: make_organizer(depot.office_id)))
    assert colleague.patch(path, json={"name": "面罩"}, version=2).get_json()["code"] == "item_of_all"
    # Her own station counts it; then another office's does.
    unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 5}))
    assert organizer.patch(path, json={"name": "医用口罩"}, version=2).status_code == 200
    assert organizer.patch(path, json={"unit": "盒"}, version=3).get_json()["code"] == "item_in_use"
    assert organizer.patch(path, json={"prohibited": True}, version=3).status_code == 403
    unit(lambda: move(make_depot(), "receipt", {"item_id": item, "quantity": 1}))
    answer = organizer.patch(path, json={"name": "口罩"}, version=3)
    assert (answer.status_code, answer.get_json()["code"]) == (403, "item_of_all")


def make_organizer(office_id: UUID) -> UUID:
    colleague = make_volunteer()
    make_grant(colleague, Role.ORGANIZER, office_id)
    return colleague.id


def test_who_manages_a_part_adds_items_and_rules_over_none(client: Any, unit: Unit, depot: Depot) -> None:
    elsewhere = unit(make_depot)
    organizer, owner = client.as_(depot.organizer_id), client.as_(unit(make_owner))
    towel = {"name": "毛巾", "kind": "consumable", "unit": "条"}
    made = organizer.post("/items", json=towel).get_json()
    unit(lambda: move(elsewhere, "receipt", {"item_id": UUID(made["id"]), "quantity": 1}))
    banned = {"name": "一", "kind": "medical", "unit": "盒", "prohibited": True}
    assert organizer.post("/items", json=banned).status_code == 403
    for change in ({"prohibited": True}, {"archived": True}, {"name": "手帕"}, {"unit": "块"}, {"barcodes": []}):
        assert organizer.patch(f"/items/{made['id']}", json=change, version=1).status_code == 403
        assert client.get(f"/items/{made['id']}").get_json() == made
    assert owner.post("/items", json=banned).status_code == 201
    # Who manages one root of two does not manage what the other one uses.
    unit(make_depot)
    assert owner.patch(f"/items/{made['id']}", json={"archived": True}, version=1).status_code == 403
    assert (
        client.as_(unit(make_owner)).patch(f"/items/{made['id']}", json={"archived": True}, version=1).json["archived"]
    )


def test_a_table_of_who_manages_a_part_prohibits_nothing(client: Any, unit: Unit, depot: Depot) -> None:
    unit(lambda: make_item(name="安定", kind=ItemKind.MEDICAL, prohibited=True))
    rows = ["名称,类别,单位,禁止存放", "安定,药械,件,是", "抗生素,药械,盒,是", "毛巾,消耗品,条,否"]

    def send(phone: Any) -> Any:
        return phone.post("/items/import", data={"file": (BytesIO("\n".join(rows).encode()), "目录.csv")})

    refused = send(client.as_(depot.organizer_id))
    assert refused.status_code == 422
    assert [(one["cell"], one["code"]) for one in refused.get_json()["errors"]] == [("D3", "prohibiting_refused")]
    assert send(client.as_(unit(make_owner))).get_json()["created"] == 2


def test_the_audit_log_keeps_what_was_before(client: Any, unit: Unit, depot: Depot) -> None:
    owner_id = unit(make_owner)
    made = client.as_(depot.organizer_id).post("/items", json={"name": "毛巾", "kind": "consumable", "unit": "条"}).json
    change = {"name": "手帕", "unit": "条", "prohibited": True, "barcodes": ["6901234567892"]}
    client.as_(owner_id).patch(f"/items/{made['id']}", json=change, version=1)
    client.as_(owner_id).patch(f"/items/{made['id']}", json={"archived": False}, version=2)

    def kept() -> list[tuple[Any, ...]]:
        chosen = (AuditAction.ITEM_ADDED, AuditAction.ITEM_CHANGED)
        found = db.session.scalars(select(AuditEntry).where(AuditEntry.action.in_(chosen)).order_by(AuditEntry.id))
        return [(entry.action, entry.actor_id, entry.details) for entry in found]

    assert unit(kept) == [
        ("item_added", depot.organizer_id, {"item_id": made["id"], "name": "毛巾"}),
        (
            "item_changed",
            owner_id,
            {
                "item_id": made["id"],
                "name_before": "毛巾",
                "name": "手帕",
                "prohibited_before": False,
                "prohibited": True,
                "barcodes_before": "",
                "barcodes": "6901234567892",
            },
        ),
    ]
