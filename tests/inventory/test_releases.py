"""What comes out of quarantine: in part, mended, never what is prohibited, recalled, expired, numbered or opened."""

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from openpyxl import load_workbook

from tests.inventory.factories import Depot, make_depot, make_item, move, reverse
from tests.inventory.test_prohibited import prohibit, states
from tests.inventory.test_recalls import recall
from volunteer_api.catalog.models import ItemKind
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.inventory import queries, recalls, service, verification
from volunteer_api.inventory.models import Recall
from volunteer_api.loans import assets

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def depot(unit: Unit) -> Depot:
    made: Depot = unit(make_depot)
    return made


class Desk:
    """The station's manager at her quarantine."""

    def __init__(self, client: Any, depot: Depot) -> None:
        self.phone, self.depot, self.keys = client.as_(depot.manager_id), depot, iter(range(100))

    def release(self, item: Any, quantity: int, **line: Any) -> Any:
        body = {
            "kind": "release",
            "reason": "other",
            "lines": [{"item_id": str(item), "quantity": quantity} | line],
        }
        path = f"/stations/{self.depot.station_id}/movements"
        return self.phone.post(path, json=body, key=f"r{next(self.keys)}")


def code(answer: Any) -> str:
    return str(answer.get_json()["code"])


def sound(unit: Unit, depot: Depot) -> bool:
    return not unit(lambda: list(verification._finish(depot.station_id, verification._Replay())))


def test_what_was_found_good_comes_back_in_part(client: Any, unit: Unit, depot: Depot) -> None:
    swabs, desk = unit(make_item), Desk(client, depot)
    unit(lambda: move(depot, "receipt", {"item_id": swabs, "quantity": 9}))
    unit(lambda: move(depot, "quarantine", {"item_id": swabs, "quantity": 3}))
    unit(lambda: move(depot, "write_off", {"item_id": swabs, "quantity": 1, "quarantined": True}))
    assert code(desk.release(swabs, 3)) == "stock_too_low"
    answer = desk.release(swabs, 2)
    assert (answer.status_code, answer.get_json()["kind"]) == (201, "release")
    assert states(unit, depot) == {"ok": 8}
    # A wrong tap: back into quarantine, once.
    released = answer.get_json()["id"]
    undone = desk.phone.post(f"/movements/{released}/reversal", json={"reason": "mistake"}, key="u")
    assert undone.status_code == 201
    assert states(unit, depot) == {"ok": 6, "quarantined": 2}
    # It neither came nor went: the books of the month know nothing of it but the document.
    (line,) = desk.phone.get(f"/stations/{depot.station_id}/ledger").get_json()["items"]
    assert (line["incoming"], line["outgoing"], line["closing"]) == (9, 1, 8)
    printed = desk.phone.get(f"/stations/{depot.station_id}/ledger.xlsx").data
    sheets = load_workbook(BytesIO(printed))
    assert any(cell == "解封" for sheet in sheets for row in sheet.values for cell in row)
    assert sound(unit, depot)


def test_nothing_leaves_quarantine_that_must_stay(client: Any, unit: Unit, depot: Depot) -> None:
    desk, today = Desk(client, depot), unit(clock.today)
    drug, lamp, old = unit(make_item), unit(make_item), unit(make_item)
    unit(lambda: move(depot, "receipt", {"item_id": drug, "quantity": 2}))
    unit(lambda: move(depot, "quarantine", {"item_id": drug, "quantity": 2}))
    unit(lambda: prohibit(drug))
    assert code(desk.release(drug, 1)) == "prohibited_item"
    unit(lambda: move(depot, "receipt", {"item_id": lamp, "quantity": 2, "lot_number": "A"}))
    unit(lambda: recall(depot, lamp, "A"))
    assert code(desk.release(lamp, 1)) == "lot_recalled"
    with clock.at(clock.now() - timedelta(days=3)):
        unit(lambda: move(depot, "receipt", {"item_id": old, "quantity": 2, "expires_on": today - timedelta(days=1)}))
        unit(lambda: move(depot, "quarantine", {"item_id": old, "quantity": 2}))
    assert code(desk.release(old, 1)) == "lot_expired"
    # What the recall took is released, station by station, once it is over.
    unit(lambda: recalls.end_recall(db.session.query(Recall).one(), reason="检验合格", by=depot.organizer_id))
    assert desk.release(lamp, 1, lot_number="A").status_code == 201


def test_numbered_pieces_in_repair_are_not_released_by_the_number(client: Any, unit: Unit, depot: Depot) -> None:
    umbrella, desk = unit(lambda: make_item(kind=ItemKind.DURABLE)), Desk(client, depot)
    unit(lambda: move(depot, "receipt", {"item_id": umbrella, "quantity": 3}))
    piece = unit(lambda: assets.number_piece(station_id=depot.station_id, item_id=umbrella))
    path = f"/assets/{piece.id}"
    version = {"If-Match": desk.phone.get(path).headers["ETag"]}
    repair = desk.phone.patch(path, json={"state": "repair"}, headers=version)
    assert repair.status_code == 200
    unit(lambda: move(depot, "quarantine", {"item_id": umbrella, "quantity": 1}))
    assert code(desk.release(umbrella, 2)) == "pieces_numbered"
    assert desk.release(umbrella, 1).status_code == 201
    mended = desk.phone.patch(path, json={"state": "in_stock"}, headers={"If-Match": repair.headers["ETag"]})
    assert mended.status_code == 200
    kinds = {entry.kind for entry in unit(lambda: queries.list_entries(depot.station_id, {})).items}
    assert kinds == {"receipt", "quarantine", "release"}
    assert states(unit, depot) == {"ok": 3}


def test_what_was_opened_does_not_come_back_as_sealed(client: Any, unit: Unit, depot: Depot) -> None:
    """Two bottles of iodophor, one of them open, spent a night in quarantine."""
    iodophor, desk = unit(lambda: make_item(days_once_opened=30)), Desk(client, depot)
    today = unit(clock.today)
    day = today + timedelta(days=400)
    unit(lambda: move(depot, "receipt", {"item_id": iodophor, "quantity": 2, "lot_number": "L", "expires_on": day}))
    opening = {"station_id": depot.station_id, "actor_id": depot.manager_id, "item_id": iodophor}
    unit(lambda: service.open_stock(**opening))
    gone = unit(lambda: move(depot, "quarantine", {"item_id": iodophor, "quantity": 2}))
    refused = desk.release(iodophor, 2)
    assert (code(refused), refused.get_json()["opened"]) == ("opened_in_quarantine", 1)
    assert desk.release(iodophor, 1).status_code == 201
    assert code(desk.release(iodophor, 1)) == "opened_in_quarantine"
    late = (today + timedelta(days=1)).isoformat()
    assert code(desk.release(iodophor, 1, opened_on=late)) == "occurred_in_future"
    assert code(desk.release(iodophor, 1, opened_on=(today - timedelta(days=31)).isoformat())) == "lot_expired"
    assert desk.release(iodophor, 1, opened_on=today.isoformat()).status_code == 201
    rows = unit(lambda: queries.list_stock(depot.station_id, {})).items
    held = {(row.opened_on, row.expires_on) for row in rows if row.quantity}
    assert held == {(None, day), (today, today + timedelta(days=30))}
    with pytest.raises(Exception, match="stock_too_low"):
        unit(lambda: reverse(depot, gone.id))
    assert sound(unit, depot)


def test_what_is_sealed_outlives_what_was_opened_beside_it(client: Any, unit: Unit, depot: Depot) -> None:
    iodophor, desk = unit(lambda: make_item(days_once_opened=30)), Desk(client, depot)
    day = unit(clock.today) + timedelta(days=400)
    with clock.at(clock.now() - timedelta(days=40)):
        unit(lambda: move(depot, "receipt", {"item_id": iodophor, "quantity": 4, "lot_number": "L", "expires_on": day}))
        opening = {"station_id": depot.station_id, "actor_id": depot.manager_id, "item_id": iodophor}
        unit(lambda: service.open_stock(**opening))
        unit(lambda: move(depot, "quarantine", {"item_id": iodophor, "quantity": 3}))
    assert desk.release(iodophor, 1).status_code == 201
    away = {"item_id": iodophor, "quantity": 1, "quarantined": True}
    gone = unit(lambda: move(depot, "write_off", away))
    assert desk.release(iodophor, 1).status_code == 201
    # Empty: nothing of what was opened is there any more, unless it is put back.
    unit(lambda: move(depot, "quarantine", {"item_id": iodophor, "quantity": 1}))
    assert desk.release(iodophor, 1).status_code == 201
    unit(lambda: reverse(depot, gone.id))
    assert sound(unit, depot)


def test_a_write_off_that_is_undone_brings_the_opened_one_back(client: Any, unit: Unit, depot: Depot) -> None:
    iodophor, desk = unit(lambda: make_item(days_once_opened=30)), Desk(client, depot)
    unit(lambda: move(depot, "receipt", {"item_id": iodophor, "quantity": 2}))
    unit(lambda: service.open_stock(station_id=depot.station_id, actor_id=depot.manager_id, item_id=iodophor))
    unit(lambda: move(depot, "quarantine", {"item_id": iodophor, "quantity": 1}))
    gone = unit(lambda: move(depot, "write_off", {"item_id": iodophor, "quantity": 1, "quarantined": True}))
    unit(lambda: reverse(depot, gone.id))
    assert code(desk.release(iodophor, 1)) == "opened_in_quarantine"


def test_what_was_written_off_before_is_not_what_was_opened_since(client: Any, unit: Unit, depot: Depot) -> None:
    iodophor, desk = unit(lambda: make_item(days_once_opened=30)), Desk(client, depot)
    unit(lambda: move(depot, "receipt", {"item_id": iodophor, "quantity": 3}))
    unit(lambda: move(depot, "quarantine", {"item_id": iodophor, "quantity": 2}))
    unit(lambda: move(depot, "write_off", {"item_id": iodophor, "quantity": 1, "quarantined": True}))
    unit(lambda: service.open_stock(station_id=depot.station_id, actor_id=depot.manager_id, item_id=iodophor))
    unit(lambda: move(depot, "quarantine", {"item_id": iodophor, "quantity": 1}))
    assert code(desk.release(iodophor, 2)) == "opened_in_quarantine"
    assert desk.release(iodophor, 1).status_code == 201


def test_only_a_release_names_a_day_of_opening(client: Any, unit: Unit, depot: Depot) -> None:
    item, desk = unit(make_item), Desk(client, depot)
    line = {"item_id": str(item), "quantity": 1, "opened_on": "2026-01-05"}
    path = f"/stations/{depot.station_id}/movements"
    answer = desk.phone.post(path, json={"kind": "issue", "reason": "used", "lines": [line]}, key="1")
    assert answer.get_json()["errors"][0]["code"] == "only_released"
    unknown = desk.phone.post(path, json={"kind": "release", "reason": "lost", "lines": [line]}, key="2")
    assert unknown.get_json()["errors"][0]["detail"].endswith("可用：other。")
    assert code(desk.release(item, 1, opened_on="2026-01-05")) == "opening_changes_nothing"
