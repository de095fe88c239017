"""The ledger over HTTP."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.factories import make_volunteer
from tests.inventory.factories import Depot, make_depot, make_item, move
from volunteer_api.catalog.models import ItemKind
from volunteer_api.core import clock, ids
from volunteer_api.inventory.models import REASONS, MovementKind, MovementReason

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def depot(unit: Unit) -> Depot:
    made: Depot = unit(make_depot)
    return made


@pytest.fixture
def item(unit: Unit) -> UUID:
    made: UUID = unit(make_item)
    return made


SEEN = {"counterparty": "市场监管所", "witness": "李督导"}


def body_of(item_id: UUID, quantity: Any = 1, *, kind: str = "receipt", **members: Any) -> dict[str, Any]:
    return {"kind": kind, "reason": "other", "lines": [{"item_id": str(item_id), "quantity": quantity}]} | members


def test_manager_receives_and_issues_and_the_ledger_shows_it(client: Any, unit: Unit, depot: Depot, item: UUID) -> None:
    manager = client.as_(depot.manager_id)
    path = f"/stations/{depot.station_id}"
    lot = {"item_id": str(item), "lot_number": "A1", "expires_on": "2038-01-31", "quantity": 10}
    received = manager.post(
        f"{path}/movements",
        json={"kind": "receipt", "reason": "donation", "note": "街道办捐赠", "lines": [lot]},
        key="receipt-1",
    )
    assert received.status_code == 201
    document = received.get_json()
    month = unit(clock.today).strftime("%Y%m")
    assert document["document_number"] == f"{depot.code}-{month}-0001"
    assert document["actor"]["id"] == str(depot.manager_id)
    assert document["occurred_at"] == document["recorded_at"]
    assert document["reverses_id"] is None
    (entry,) = document["entries"]
    assert (entry["quantity"], entry["balance"], entry["lot_number"]) == (10, 10, "A1")
    issued = manager.post(
        f"{path}/movements", json=body_of(item, 4, kind="issue", reason="handed_out"), key="issue-1"
    ).get_json()
    assert manager.get(f"/movements/{issued['id']}").get_json() == issued
    (row,) = manager.get(f"{path}/stock").get_json()["items"]
    assert row == {
        "item": {"id": str(item), "name": row["item"]["name"], "unit": "件", "kind": "consumable"},
        "lot_number": "A1",
        "expires_on": "2038-01-31",
        "opened_on": None,
        "quarantined": False,
        "quantity": 6,
        "on_loan": 0,
        "in_transit": 0,
        "minimum": None,
        "state": "ok",
    }
    (line,) = manager.get(f"{path}/ledger").get_json()["items"]
    assert [line[name] for name in ("opening", "incoming", "outgoing", "closing")] == [0, 10, 4, 6]
    undone = manager.post(f"/movements/{issued['id']}/reversal", json={"reason": "mistake"}, key="undo-1")
    assert undone.status_code == 201
    assert undone.get_json()["reverses_id"] == issued["id"]
    again = manager.post(f"/movements/{issued['id']}/reversal", json={"reason": "mistake"}, key="undo-2")
    assert (again.status_code, again.get_json()["code"]) == (409, "already_reversed")
    entries = manager.get(f"{path}/stock/entries").get_json()["items"]
    assert [(entry["kind"], entry["quantity"], entry["balance"]) for entry in entries] == [
        ("reversal", 4, 10),
        ("issue", -4, 6),
        ("receipt", 10, 10),
    ]


def test_a_repeated_tap_changes_nothing(client: Any, depot: Depot, item: UUID) -> None:
    manager = client.as_(depot.manager_id)
    path = f"/stations/{depot.station_id}/movements"
    first = manager.post(path, json=body_of(item, 5), key="tap")
    second = manager.post(path, json=body_of(item, 5), key="tap")
    assert second.get_json() == first.get_json()
    assert second.headers["Idempotency-Replayed"] == "true"
    other = manager.post(path, json=body_of(item, 6), key="tap")
    assert (other.status_code, other.get_json()["code"]) == (422, "idempotency_key_reused")
    # A refusal is remembered too, although the stock has come since.
    refused = manager.post(path, json=body_of(item, 6, kind="issue"), key="too-much")
    assert (refused.status_code, refused.get_json()["balance"]) == (409, 5)
    manager.post(path, json=body_of(item, 5), key="more")
    assert manager.post(path, json=body_of(item, 6, kind="issue"), key="too-much").status_code == 409
    assert manager.post(path, json=body_of(item, 6)).get_json()["code"] == "idempotency_key_missing"
    (row,) = manager.get(f"/stations/{depot.station_id}/stock").get_json()["items"]
    assert row["quantity"] == 10


@pytest.mark.parametrize("quantity", [0, -1, 1.5, "3", True, None, 1_000_001])
def test_quantity_is_a_positive_whole_number(client: Any, depot: Depot, item: UUID, quantity: Any) -> None:
    answer = client.as_(depot.manager_id).post(
        f"/stations/{depot.station_id}/movements", json=body_of(item, quantity), key="k"
    )
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["pointer"] == "/lines/0/quantity"


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "reversal"},
        {"kind": "transfer_in"},
        {"reason": "because"},
        {"lines": []},
        {"lines": None},
        {"occurred_at": "2026-11-23T12:00:00"},
        {"document_number": "X-202611-0001"},
        {"actor_id": "0190a5a0-0000-7000-8000-000000000000"},
    ],
)
def test_payloads_are_judged(client: Any, depot: Depot, item: UUID, change: dict[str, Any]) -> None:
    answer = client.as_(depot.manager_id).post(
        f"/stations/{depot.station_id}/movements", json=body_of(item) | change, key="k"
    )
    assert answer.status_code == 422


def test_reasons_belong_to_kinds(client: Any, unit: Unit, depot: Depot, item: UUID) -> None:
    manager = client.as_(depot.manager_id)
    path = f"/stations/{depot.station_id}/movements"
    first = unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 9}))
    for kind in MovementKind:
        for reason in MovementReason if kind in REASONS else ():
            if kind == MovementKind.REVERSAL:
                document = unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 1}))
                answer = manager.post(f"/movements/{document.id}/reversal", json={"reason": reason}, key=f"x-{reason}")
            else:
                answer = manager.post(path, json=body_of(item, kind=kind, reason=reason) | SEEN, key=f"{kind}-{reason}")
            # What is there has not expired.
            taken = 409 if (kind, reason) == ("write_off", "expired") else 201
            assert answer.status_code == (taken if reason in REASONS[kind] else 422), (kind, reason)
            if reason not in REASONS[kind]:
                (error,) = answer.get_json()["errors"]
                assert (error["pointer"], error["code"]) == ("/reason", "reason_of_another_kind")
    # By name, so that the table itself is held to something.
    for moved, given in (("write_off", "donation"), ("receipt", "expired"), ("issue", "mistake")):
        assert manager.post(path, json=body_of(item, kind=moved, reason=given), key="by-name").status_code == 422
    assert manager.post(f"/movements/{first.id}/reversal", json={"reason": "lost"}, key="r").status_code == 422


def test_one_lot_has_one_date(client: Any, depot: Depot, item: UUID) -> None:
    path = f"/stations/{depot.station_id}/movements"
    named = {"item_id": str(item), "quantity": 1, "lot_number": "2030-01-31", "expires_on": "2031-01-31"}
    unnamed = {"item_id": str(item), "quantity": 1, "expires_on": "2030-01-31"}
    two = [named | {"lot_number": "A"}, named | {"lot_number": "A", "expires_on": "2032-01-31"}]
    for lines in ([unnamed, named], two):
        answer = client.as_(depot.manager_id).post(path, json=body_of(item, lines=lines), key="k")
        assert answer.status_code == 422
        assert answer.get_json()["errors"][0]["code"] == "two_expiry_dates"


def test_refusals_have_names(client: Any, unit: Unit, depot: Depot, item: UUID) -> None:
    manager = client.as_(depot.manager_id)
    prohibited = unit(lambda: make_item(name="违禁品", prohibited=True))
    medical = unit(lambda: make_item(kind=ItemKind.MEDICAL))
    today = unit(clock.today)

    def code(body: dict[str, Any]) -> str:
        answer = manager.post(f"/stations/{depot.station_id}/movements", json=body, key=str(ids.new_id()))
        assert answer.status_code == 409
        return str(answer.get_json()["code"])

    lot = {
        "item_id": str(item),
        "quantity": 2,
        "lot_number": "A",
        "expires_on": (today - timedelta(days=5)).isoformat(),
    }
    back_then = (clock.now() - timedelta(days=10)).isoformat().replace("+00:00", "Z")
    received = manager.post(
        f"/stations/{depot.station_id}/movements", json=body_of(item, lines=[lot], occurred_at=back_then), key="old"
    )
    assert received.status_code == 201
    assert code(body_of(item, lines=[lot])) == "receipt_of_expired"
    assert code(body_of(medical)) == "expiry_date_missing"
    long_ago = (clock.now() - timedelta(days=40)).isoformat()
    tomorrow = (clock.now() + timedelta(days=1)).isoformat()
    assert code(body_of(prohibited)) == "prohibited_item"
    assert code(body_of(ids.new_id())) == "item_unknown"
    assert code(body_of(item, kind="issue")) == "lot_expired"
    assert code(body_of(item, 3, kind="write_off")) == "stock_too_low"
    assert code(body_of(item, occurred_at=long_ago)) == "too_far_back"
    assert code(body_of(item, occurred_at=tomorrow)) == "occurred_in_future"
    earlier = (clock.now() - timedelta(days=20)).isoformat()
    assert code(body_of(item, 2, kind="issue", occurred_at=earlier)) == "later_balance_negative"
    lines = [{"item_id": str(item), "quantity": 1, "lot_number": "A", "expires_on": "2038-02-01"}]
    assert code(body_of(item, lines=lines)) == "lot_expiry_differs"


def test_reads_are_for_those_who_may(client: Any, unit: Unit, depot: Depot, item: UUID) -> None:
    document = unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 1}))
    stranger = unit(make_volunteer)
    paths = [f"/stations/{depot.station_id}/{end}" for end in ("stock", "stock/entries", "ledger")]
    for path in [*paths, f"/movements/{document.id}"]:
        assert client.get(path).status_code == 401
        assert client.as_(depot.outsider_id).get(path).status_code == 404
        assert client.as_(stranger).get(path).status_code == 404
        for reader in (depot.manager_id, depot.organizer_id, depot.auditor_id):
            assert client.as_(reader).get(path).status_code == 200
    manager = client.as_(depot.manager_id)
    nowhere = ids.new_id()
    assert manager.get(f"/stations/{nowhere}/stock").status_code == 404
    assert manager.get(f"/movements/{nowhere}").status_code == 404


def test_moves_are_for_those_who_may(client: Any, unit: Unit, depot: Depot, item: UUID) -> None:
    document = unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 1}))
    calls: list[tuple[str, dict[str, Any]]] = [
        (f"/stations/{depot.station_id}/movements", body_of(item)),
        (f"/movements/{document.id}/reversal", {"reason": "mistake"}),
    ]
    for path, body in calls:
        assert client.post(path, json=body, key="k").status_code == 401
        assert client.as_(depot.outsider_id).post(path, json=body, key="k").status_code == 404
        assert client.as_(depot.auditor_id).post(path, json=body, key="k").status_code == 403
        assert client.as_(depot.organizer_id).post(path, json=body, key=path[-20:]).status_code == 201


def test_entries_are_paged_and_filtered(client: Any, unit: Unit, depot: Depot, item: UUID, statements: Any) -> None:
    other = unit(make_item)
    for number in range(1, 6):
        unit(lambda n=number: move(depot, "receipt", {"item_id": item if n % 2 else other, "quantity": n}))
    manager = client.as_(depot.manager_id)
    path = f"/stations/{depot.station_id}/stock/entries"
    seen, cursor = [], ""
    while cursor is not None:
        page = manager.get(f"{path}?limit=2{cursor and '&cursor=' + cursor}").get_json()
        seen += [entry["quantity"] for entry in page["items"]]
        cursor = page["next_cursor"]
    assert seen == [5, 4, 3, 2, 1]
    with statements() as sent:
        page = manager.get(f"{path}?item_id={other}").get_json()
    assert [entry["quantity"] for entry in page["items"]] == [4, 2]
    # The session, the station with the grants that reach it, the page.
    assert len(sent) == 3
    this_month = unit(clock.today).strftime("%Y-%m")
    assert len(manager.get(f"{path}?month={this_month}").get_json()["items"]) == 5
    assert manager.get(f"{path}?month=2020-01").get_json()["items"] == []
    for month in ("2026-13", "2026-1", "2026", "0000-01"):
        assert manager.get(f"{path}?month={month}").status_code == 422
        assert manager.get(f"/stations/{depot.station_id}/ledger?month={month}").status_code == 422


def test_a_movement_costs_few_statements(client: Any, depot: Depot, item: UUID, statements: Any) -> None:
    manager = client.as_(depot.manager_id)
    path = f"/stations/{depot.station_id}/movements"
    manager.post(path, json=body_of(item, 5), key="one")
    with statements() as sent:
        manager.post(path, json=body_of(item, 1, kind="issue"), key="two")
    # Session with key, station and grants; lock, items, recalls, lots, later days; then the balance, the order, the
    # number, the document, the entries, the mark that compliance looks again, the document read, and the key.
    assert len(sent) == 15
