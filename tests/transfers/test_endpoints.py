"""Transfers over HTTP: two managers, an organizer, and everybody else."""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from tests.factories import make_volunteer
from tests.inventory.factories import make_item
from tests.transfers.factories import Pair, ask, make_manager, make_pair, send, stock
from volunteer_api.catalog.models import ItemKind
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.organizations.models import Grant

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def pair(unit: Unit) -> Pair:
    made: Pair = unit(make_pair)
    return made


@pytest.fixture
def item(unit: Unit) -> UUID:
    made: UUID = unit(make_item)
    return made


def key() -> str:
    return str(ids.new_id())


def body_of(pair: Pair, *lines: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "from_station_id": str(pair.sender.station_id),
        "to_station_id": str(pair.receiver.station_id),
        "lines": list(lines),
    } | members


def line(item_id: UUID, quantity: Any = 1, **members: Any) -> dict[str, Any]:
    return {"item_id": str(item_id), "quantity": quantity} | members


def retire(manager_id: UUID) -> None:
    """Take all her grants."""
    db.session.execute(update(Grant).where(Grant.volunteer_id == manager_id).values(revoked_at=clock.now()))


def heard(phone: Any) -> list[str]:
    return [item["kind"] for item in phone.get("/me/notifications").get_json()["items"]]


def test_two_managers_from_request_to_receipt(client: Any, unit: Unit, pair: Pair) -> None:
    item = unit(lambda: make_item(kind=ItemKind.MEDICAL))
    unit(lambda: stock(pair.sender, item, 10, lot_number="A1", expires_on=date(2038, 1, 31)))
    sender, receiver = client.as_(pair.sender.manager_id), client.as_(pair.receiver.manager_id)
    asked = receiver.post("/transfers", json=body_of(pair, line(item, 6), note="活动用"), key=key())
    assert asked.status_code == 201
    transfer = asked.get_json()
    assert (transfer["state"], transfer["needs_organizer"], transfer["note"]) == ("requested", False, "活动用")
    assert transfer["from_station"] == {
        "id": str(pair.sender.station_id),
        "code": pair.sender.code,
        "name": pair.sender.name,
    }
    path = f"/transfers/{transfer['id']}"
    assert heard(sender) == ["transfer_requested"]
    approved = sender.post(f"{path}/approval", json={"lines": [line(item, 5)]}, key=key())
    assert (approved.status_code, approved.get_json()["lines"][0]["approved"]) == (200, 5)
    shipped = sender.post(f"{path}/shipment", json={}, key="ship")
    assert shipped.status_code == 200
    (lot,) = shipped.get_json()["lots"]
    assert (lot["lot_number"], lot["shipped"], lot["in_transit"]) == ("A1", 5, 5)
    again = sender.post(f"{path}/shipment", json={}, key="ship")
    assert (again.get_json(), again.headers["Idempotency-Replayed"]) == (shipped.get_json(), "true")
    assert heard(receiver) == ["transfer_shipped", "transfer_approved"]
    (row,) = receiver.get(f"/stations/{pair.receiver.station_id}/stock").get_json()["items"]
    assert (row["quantity"], row["in_transit"]) == (0, 5)
    arrived = line(item, 4, lot_number="A1", shortfalls=[{"quantity": 1, "reason": "damaged", "note": "瓶子碎了"}])
    received = receiver.post(f"{path}/receipt", json={"lines": [arrived], "note": "下午到"}, key=key())
    assert received.status_code == 200
    whole = received.get_json()
    assert whole["state"] == "received"
    assert (whole["shortfalls"][0]["reason"], whole["shortfalls"][0]["note"]) == ("damaged", "瓶子碎了")
    assert whole["shortfalls"][0]["movement"]["document_number"].startswith(pair.receiver.code)
    assert [step["kind"] for step in whole["steps"]] == ["requested", "approved", "shipped", "received"]
    assert heard(sender) == ["transfer_short", "transfer_requested"]
    assert receiver.get(path).get_json() == whole
    (title,) = {item["title"] for item in sender.get("/me/notifications").get_json()["items"]} - {"有新的调拨申请"}
    assert title == "调拨物资已收到，有短缺"
    # The auditor comes from the document.
    movement_id = whole["shortfalls"][0]["movement"]["id"]
    found = client.as_(pair.administrator_id).get(f"/transfers?movement_id={movement_id}").get_json()
    assert [one["id"] for one in found["items"]] == [transfer["id"]]
    undone = sender.post(
        f"/movements/{whole['steps'][2]['movement']['id']}/reversal", json={"reason": "mistake"}, key=key()
    )
    assert (undone.status_code, undone.get_json()["code"]) == (409, "not_reversible_by_hand")


def test_the_senders_desk_alone_does_not_send(client: Any, unit: Unit, pair: Pair, item: UUID) -> None:
    unit(lambda: stock(pair.sender, item, 3))
    manager, organizer = client.as_(pair.sender.manager_id), client.as_(pair.sender.organizer_id)
    offered = manager.post("/transfers", json=body_of(pair, line(item, 2)), key=key()).get_json()
    assert offered["needs_organizer"]
    path = f"/transfers/{offered['id']}"
    assert heard(organizer) == ["transfer_requested"]
    assert heard(client.as_(pair.receiver.manager_id)) == ["transfer_requested"]
    colleague = client.as_(unit(lambda: make_manager(pair.sender.station_id)))
    for phone in (manager, colleague, client.as_(pair.receiver.manager_id), client.as_(pair.receiver.organizer_id)):
        assert phone.post(f"{path}/approval", json={}, key=key()).status_code == 403
        assert phone.post(f"{path}/rejection", json={"reason": "不"}, key=key()).status_code == 403
    assert manager.post(f"{path}/approval", json={}, key=key()).get_json()["code"] == "organizer_approves"
    assert organizer.post(f"{path}/approval", json={}, key=key()).status_code == 200


def test_where_a_side_has_no_manager_its_organizer_hears(client: Any, unit: Unit, pair: Pair, item: UUID) -> None:
    unit(lambda: stock(pair.sender, item, 5))
    unit(lambda: retire(pair.sender.manager_id))
    organizer, receiver = client.as_(pair.sender.organizer_id), client.as_(pair.receiver.manager_id)
    asked = receiver.post("/transfers", json=body_of(pair, line(item, 5)), key=key()).get_json()
    path = f"/transfers/{asked['id']}"
    for step in ("approval", "shipment"):
        assert organizer.post(f"{path}/{step}", json={}, key=key()).status_code == 200
    shortfalls = [{"quantity": 1, "reason": "lost"}, {"quantity": 1, "reason": "returned"}]
    arrived = line(item, 3, shortfalls=shortfalls)
    assert receiver.post(f"{path}/receipt", json={"lines": [arrived]}, key=key()).status_code == 200
    assert sorted(heard(organizer)) == ["transfer_requested", "transfer_returning", "transfer_short"]


def test_nobody_approves_what_they_asked_for(client: Any, unit: Unit, pair: Pair, item: UUID) -> None:
    organizer = client.as_(pair.sender.organizer_id)
    offered = organizer.post("/transfers", json=body_of(pair, line(item)), key=key()).get_json()
    # An organizer asks: the sender's manager is the second person.
    assert not offered["needs_organizer"]
    path = f"/transfers/{offered['id']}"
    own = organizer.post(f"{path}/approval", json={}, key=key())
    assert (own.status_code, own.get_json()["code"]) == (409, "own_transfer_request")
    assert client.as_(pair.sender.manager_id).post(f"{path}/approval", json={}, key=key()).status_code == 200


def test_each_side_does_its_own(client: Any, unit: Unit, pair: Pair, item: UUID) -> None:
    unit(lambda: stock(pair.sender, item, 3))
    transfer_id = unit(lambda: send(pair, {"item_id": item, "quantity": 2}))
    path = f"/transfers/{transfer_id}"
    sender, receiver = client.as_(pair.sender.manager_id), client.as_(pair.receiver.manager_id)
    assert sender.post(f"{path}/receipt", json={}, key=key()).status_code == 403
    assert receiver.post(f"{path}/shipment", json={}, key=key()).status_code == 403
    stranger = client.as_(unit(make_volunteer))
    for verb, body in (("receipt", {}), ("shipment", {}), ("approval", {}), ("cancellation", {"reason": "不"})):
        assert stranger.post(f"{path}/{verb}", json=body, key=key()).status_code == 404
    assert stranger.get(path).status_code == 404
    assert stranger.get("/transfers").get_json()["items"] == []
    assert stranger.get(f"/transfers?station_id={pair.sender.station_id}").status_code == 404
    assert sender.get(f"/transfers?organization_id={pair.sender.office_id}").status_code == 404
    canceled = receiver.post(f"{path}/cancellation", json={"reason": "地方不够"}, key=key())
    assert canceled.get_json()["state"] == "canceled"
    assert heard(sender)[:2] == ["transfer_returning", "transfer_canceled"]
    refused = receiver.post(f"{path}/receipt", json={}, key=key())
    assert (refused.status_code, refused.get_json()["code"]) == (409, "transfer_canceled")
    back = canceled.get_json()["shortfalls"][0]["return_id"]
    assert sender.post(f"/transfers/{back}/receipt", json={}, key=key()).get_json()["state"] == "received"


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"lines": []}, "min_length", "/lines"),
        ({"lines": None}, "null", "/lines"),
        ({"note": 1}, "not_text", "/note"),
        ({"state": "shipped"}, "unknown", "/state"),
        ({"needs_organizer": False}, "unknown", "/needs_organizer"),
    ],
)
def test_requests_are_judged(
    client: Any, pair: Pair, item: UUID, change: dict[str, Any], code: str, pointer: str
) -> None:
    body = body_of(pair, line(item)) | change
    answer = client.as_(pair.receiver.manager_id).post("/transfers", json=body, key=key())
    assert answer.status_code == 422
    assert [(error["code"], error["pointer"]) for error in answer.get_json()["errors"]] == [(code, pointer)]


@pytest.mark.parametrize("quantity", [0, -1, 1.5, "3", True, None, 1_000_001])
def test_quantities_are_positive_whole_numbers(client: Any, pair: Pair, item: UUID, quantity: Any) -> None:
    answer = client.as_(pair.receiver.manager_id).post(
        "/transfers", json=body_of(pair, line(item, quantity)), key=key()
    )
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["pointer"] == "/lines/0/quantity"


def test_what_a_payload_can_get_wrong_by_itself(client: Any, unit: Unit, pair: Pair, item: UUID) -> None:
    receiver = client.as_(pair.receiver.manager_id)

    def code(path: str, body: dict[str, Any]) -> str:
        answer = receiver.post(path, json=body, key=key())
        assert answer.status_code == 422
        return str(answer.get_json()["errors"][0]["code"])

    here = str(pair.receiver.station_id)
    assert code("/transfers", body_of(pair, line(item), from_station_id=here)) == "same_station"
    assert code("/transfers", body_of(pair, line(item), line(item))) == "line_repeated"
    receipt = f"/transfers/{unit(lambda: ask(pair, {'item_id': item, 'quantity': 1}))}/receipt"
    assert code(receipt, {"lines": [{"quantity": 1}]}) == "lot_or_item"
    assert code(receipt, {"lines": [line(item, lot_id=str(item))]}) == "lot_or_item"
    assert code(receipt, {"lines": [{"lot_id": str(item), "lot_number": "A", "quantity": 1}]}) == "lot_or_item"
    assert code(receipt, {"lines": [line(item, 0)]}) == "nothing_said"
    assert code(receipt, {"lines": [line(item, 0, shortfalls=[{"quantity": 1, "reason": "stolen"}])]}) == "not_choice"
    assert code(receipt.replace("receipt", "cancellation"), {}) == "required"


def test_refusals_have_names(client: Any, unit: Unit, pair: Pair, item: UUID) -> None:
    receiver = client.as_(pair.receiver.manager_id)
    prohibited = unit(lambda: make_item(prohibited=True))
    unknown = {"from_station_id": str(ids.new_id())}
    for body, status, code in (
        (body_of(pair, line(prohibited)), 409, "prohibited_item"),
        (body_of(pair, line(ids.new_id())), 409, "item_unknown"),
        (body_of(pair, line(item)) | unknown, 404, "not_found"),
    ):
        answer = receiver.post("/transfers", json=body, key=key())
        assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    assert receiver.post("/transfers", json=body_of(pair, line(item))).get_json()["code"] == "idempotency_key_missing"


def test_lists_are_bounded_filtered_and_cheap(client: Any, unit: Unit, statements: Any, pair: Pair, item: UUID) -> None:
    unit(lambda: stock(pair.sender, item, 50))
    lines = [{"item_id": unit(make_item), "quantity": 1} for _ in range(4)]
    asked = [unit(lambda: ask(pair, *lines)) for _ in range(3)]
    shipped = unit(lambda: send(pair, {"item_id": item, "quantity": 2}))
    other = unit(make_pair)
    unit(lambda: ask(other, {"item_id": item, "quantity": 1}))
    manager = client.as_(pair.sender.manager_id)
    newest = [str(one) for one in (shipped, *reversed(asked))]
    for query in ("", f"?station_id={pair.sender.station_id}", f"?station_id={pair.sender.station_id}&limit=100"):
        manager.get(f"/transfers{query}")
        with statements() as seen:
            found = manager.get(f"/transfers{query}").get_json()
        assert [one["id"] for one in found["items"]] == newest
        # Session, what the caller may read, the page, its lines.
        assert len(seen) <= 5, seen
    assert found["items"][1]["line_count"] == 4
    assert len(found["items"][1]["lines"]) == 3
    first = manager.get("/transfers?limit=3").get_json()
    rest = manager.get(f"/transfers?limit=3&cursor={first['next_cursor']}").get_json()
    assert [one["id"] for one in first["items"] + rest["items"]] == newest
    assert [one["id"] for one in manager.get("/transfers?state=shipped").get_json()["items"]] == [str(shipped)]
    organizer = client.as_(pair.receiver.organizer_id)
    for query in ("", f"?organization_id={pair.receiver.office_id}"):
        assert len(organizer.get(f"/transfers{query}").get_json()["items"]) == 4
    administrator = client.as_(pair.administrator_id)
    both = f"?organization_id={pair.center_id}&station_id={pair.receiver.station_id}"
    assert len(administrator.get(f"/transfers{both}").get_json()["items"]) == 4
    with statements() as seen:
        manager.get(f"/transfers/{shipped}")
    assert len(seen) <= 11, seen
