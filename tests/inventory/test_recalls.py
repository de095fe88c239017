"""A lot is called back from every station of a subtree."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert

from tests.inventory.factories import Depot, make_depot, make_item, make_station, move, reverse
from volunteer_api.core.database import db
from volunteer_api.inventory import ledger, problems, queries, recall_queries, recalls, service, verification
from volunteer_api.inventory.models import MovementKind, MovementReason, Recall, RecordableKind, StockBalance
from volunteer_api.organizations.models import Organization

Unit = Callable[[Callable[[], Any]], Any]


def receive(station_id: Any, depot: Depot, item_id: Any, quantity: int, lot: str = "A") -> queries.Document:
    return service.record_movement(
        station_id=station_id,
        actor_id=depot.manager_id,
        kind=RecordableKind.RECEIPT,
        reason=MovementReason.OTHER,
        lines=[{"item_id": item_id, "quantity": quantity, "lot_number": lot}],
    )


def recall(depot: Depot, item_id: Any, lot: str = "A") -> recall_queries.RecallView:
    office = db.session.get_one(Organization, depot.office_id)
    return recalls.recall_lot(
        organization=office, item_id=item_id, lot_number=lot, reason="厂家召回", by=depot.organizer_id
    )


def quantities(unit: Unit, station_id: Any) -> dict[tuple[str | None, str], int]:
    rows = unit(lambda: queries.list_stock(station_id, {})).items
    return {(row.lot_number, str(row.state)): row.quantity for row in rows if row.quantity}


def test_a_recall_reaches_the_subtree_and_nothing_else(client: Any, unit: Unit) -> None:
    depot, item = unit(make_depot), unit(make_item)
    second = unit(lambda: make_station(depot.office_id)).id
    other_depot = unit(make_depot)
    for station_id in (depot.station_id, second, other_depot.station_id):
        unit(partial(receive, station_id, depot, item, 5))
        unit(partial(receive, station_id, depot, item, 2, "B"))
    unit(lambda: move(depot, "issue", {"item_id": item, "quantity": 1, "lot_number": "A"}, reason="handed_out"))
    undone = unit(lambda: move(depot, "issue", {"item_id": item, "quantity": 1, "lot_number": "A"}))
    unit(lambda: reverse(depot, undone.id))
    organizer = client.as_(depot.organizer_id)
    body = {"item_id": str(item), "lot_number": "A", "reason": "厂家召回"}
    path = f"/organizations/{depot.office_id}/recalls"
    made = organizer.post(path, json=body, key="r").get_json()
    assert (made["station_count"], made["open_station_count"], made["quarantined"]) == (2, 0, 9)
    assert organizer.post(path, json=body, key="again").get_json()["recall_id"] == made["id"]
    assert quantities(unit, depot.station_id) == {("A", "quarantined"): 4, ("B", "ok"): 2}
    assert quantities(unit, second) == {("A", "quarantined"): 5, ("B", "ok"): 2}
    assert quantities(unit, other_depot.station_id) == {("A", "ok"): 5, ("B", "ok"): 2}
    stations = organizer.get(f"/recalls/{made['id']}/stations").get_json()["items"]
    assert [(row["station"]["code"], row["quarantined"], row["state"]) for row in stations] == [
        (depot.code, 4, "quarantined"),
        (stations[1]["station"]["code"], 5, "quarantined"),
    ]
    issues = organizer.get(f"/recalls/{made['id']}/issues").get_json()["items"]
    assert [(row["kind"], row["quantity"], row["station"]["id"]) for row in issues] == [
        ("issue", -1, str(depot.station_id))
    ]
    manager = client.as_(depot.manager_id)
    (told,) = manager.get("/me/notifications").get_json()["items"]
    assert (told["kind"], told["values"]["recall_id"]) == ("lot_recalled", made["id"])
    (listed,) = manager.get(f"/stations/{depot.station_id}/recalls?open=true").get_json()["items"]
    assert listed["id"] == made["id"]
    assert manager.get(f"/stations/{depot.station_id}/recalls?open=false").get_json()["items"] == []
    # Where the notification leads, she may go; what others have of it, is not hers.
    assert manager.get(f"/recalls/{made['id']}").get_json() == listed
    assert manager.get(f"/recalls/{made['id']}/stations").status_code == 404
    ended = organizer.post(f"/recalls/{made['id']}/cancellation", json={"reason": "批号有误"}, key="e").get_json()
    assert (ended["end_reason"], ended["ended_by"]["id"]) == ("批号有误", str(depot.organizer_id))
    again = organizer.post(f"/recalls/{made['id']}/cancellation", json={"reason": "批号有误"}, key="f")
    assert again.get_json()["code"] == "recall_ended"
    # She hears that it has ended and what she has to do; of the station without a manager, the organizer hears.
    heard = manager.get("/me/notifications").get_json()["items"]
    assert [(note["kind"], note["values"]["quantity"]) for note in heard] == [
        ("recall_ended", "4 件"),
        ("lot_recalled", "4 件"),
    ]
    heard = [note["values"]["station_id"] for note in organizer.get("/me/notifications").get_json()["items"]]
    assert heard == [str(second), str(second)]


def test_nothing_of_a_recalled_lot_comes_in_or_goes_out(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(lambda: make_item(days_once_opened=9))
    issued = unit(lambda: (receive(depot.station_id, depot, item, 5), take(depot, item, 2))[1])
    unit(lambda: recall(depot, item))
    with pytest.raises(problems.LotRecalled):
        unit(lambda: receive(depot.station_id, depot, item, 1))
    unit(lambda: receive(depot.station_id, depot, item, 1, "B"))
    (kept,) = unit(
        lambda: [row.movement_id for row in queries.list_entries(depot.station_id, {}).items if row.quarantined]
    )
    with pytest.raises(problems.LotRecalled):
        unit(lambda: reverse(depot, kept, "other"))
    # What was handed out and comes back goes into quarantine at once.
    unit(lambda: reverse(depot, issued.id))
    assert quantities(unit, depot.station_id) == {("A", "quarantined"): 5, ("B", "ok"): 1}
    recall_id = unit(lambda: recall_queries.list_recalls(depot.office_id, {})).items[0].id
    unit(
        lambda: recalls.end_recall(
            db.session.get_one(recalls.Recall, recall_id), reason="批号有误", by=depot.organizer_id
        )
    )
    unit(lambda: reverse(depot, kept, "other"))
    assert quantities(unit, depot.station_id) == {("A", "quarantined"): 2, ("A", "ok"): 3, ("B", "ok"): 1}


def take(depot: Depot, item_id: Any, quantity: int) -> queries.Document:
    return move(depot, "issue", {"item_id": item_id, "quantity": quantity, "lot_number": "A"})


def test_before_the_worker_came_nothing_is_handed_out(app: Flask, unit: Unit, monkeypatch: Any) -> None:
    """Many stations are done by the worker, and what slips in before it comes is found by the next sweep."""
    monkeypatch.setattr(recalls, "AT_ONCE", 1)
    depot, item = unit(make_depot), unit(make_item)
    others = [unit(lambda: make_station(depot.office_id)).id for _ in range(3)]
    for station_id in (depot.station_id, *others):
        unit(partial(receive, station_id, depot, item, 5))
    made = unit(lambda: recall(depot, item))
    assert (made.station_count, made.open_station_count, made.quarantined) == (4, 3, 5)
    last = max(others)

    def issue() -> queries.Document:
        posting = ledger.begin(last, [item])
        changes = posting.shelf.take(posting.items[item], 1, lot_number="A", expires_on=None, expired_too=False)
        return posting.write(
            changes, actor_id=depot.manager_id, kind=MovementKind.LOAN_OUT, reason=MovementReason.OTHER
        )

    with pytest.raises(problems.LotRecalled):
        unit(issue)
    with app.app_context():
        assert recalls.quarantine_all() == 3
        assert recalls.quarantine_all() == 0
    assert unit(lambda: recall_queries.read_recall(made.id)).quarantined == 20
    for station_id in (depot.station_id, *others):
        assert quantities(unit, station_id) == {("A", "quarantined"): 5}
        assert unit(lambda s=station_id: verification._finish(s, verification._Replay())) == []


def test_a_recall_races_receipts(
    postgresql_client: Any, postgresql_unit: Any, postgresql_app: Flask, race: Any
) -> None:
    depot, item = postgresql_unit(make_depot), postgresql_unit(make_item)
    postgresql_unit(lambda: receive(depot.station_id, depot, item, 5))
    manager, organizer = postgresql_client.as_(depot.manager_id), postgresql_client.as_(depot.organizer_id)
    body = {"kind": "receipt", "reason": "other"}
    body |= {"lines": [{"item_id": str(item), "quantity": 1, "lot_number": "A"}]}

    def act(number: int) -> Any:
        if number < 2:
            recalled = {"item_id": str(item), "lot_number": "A", "reason": "召回"}
            return organizer.post(
                f"/organizations/{depot.office_id}/recalls", json=recalled, key=f"{number}"
            ).status_code
        answer = manager.post(f"/stations/{depot.station_id}/movements", json=body, key=f"{number}")
        return answer.get_json().get("code", answer.status_code)

    outcomes = race(12, act)
    assert sorted(outcomes[:2]) == [201, 409]
    assert set(outcomes[2:]) <= {201, "lot_recalled"}
    with postgresql_app.app_context():
        recalls.quarantine_all()
    received = 5 + outcomes[2:].count(201)
    assert quantities(postgresql_unit, depot.station_id) == {("A", "quarantined"): received}


def test_a_lot_is_one_however_it_was_typed(client: Any, unit: Unit) -> None:
    depot, item = unit(make_depot), unit(make_item)
    manager, organizer = client.as_(depot.manager_id), client.as_(depot.organizer_id)
    # From before numbers were folded.
    unit(partial(receive, depot.station_id, depot, item, 5, "ab 12"))
    unit(partial(receive, depot.station_id, depot, item, 1, "ＡB１3"))
    for key, number in enumerate(("AB12", " ab12", "ＡＢ12")):
        body = {"kind": "receipt", "reason": "donation"}
        body["lines"] = [{"item_id": str(item), "lot_number": number, "quantity": 5}]
        answer = manager.post(f"/stations/{depot.station_id}/movements", json=body, key=f"m{key}")
        # The shelf goes on to call it what it calls it.
        assert [entry["lot_number"] for entry in answer.get_json()["entries"]] == ["ab 12"]
    body["lines"][0]["lot_number"] = "c　7"
    answer = manager.post(f"/stations/{depot.station_id}/movements", json=body, key="new")
    assert [entry["lot_number"] for entry in answer.get_json()["entries"]] == ["C7"]
    body = {"item_id": str(item), "lot_number": "ＡＢ1２", "reason": "厂家召回"}
    made = organizer.post(f"/organizations/{depot.office_id}/recalls", json=body, key="r").get_json()
    assert (made["lot_number"], made["station_count"], made["open_station_count"]) == ("AB12", 1, 0)
    assert made["quarantined"] == 20
    assert quantities(unit, depot.station_id) == {("ab 12", "quarantined"): 20, ("ＡB１3", "ok"): 1, ("C7", "ok"): 5}
    assert [row["quarantined"] for row in organizer.get(f"/recalls/{made['id']}/stations").get_json()["items"]] == [20]
    with pytest.raises(problems.LotRecalled):
        unit(partial(receive, depot.station_id, depot, item, 5, "Ab12"))
    body = {"item_id": str(item), "lot_number": "㈱" * 20, "reason": "厂家召回"}
    refused = organizer.post(f"/organizations/{depot.office_id}/recalls", json=body, key="long")
    assert refused.status_code == 422


def test_a_recall_finds_every_way_in_which_a_lot_was_written(unit: Unit) -> None:
    """Rows from before: two ways to write one lot, at one station."""
    depot, item = unit(make_depot), unit(make_item)
    unit(partial(receive, depot.station_id, depot, item, 5, "ab12"))
    issued = unit(lambda: move(depot, "issue", {"item_id": item, "quantity": 1}, reason="handed_out"))
    with_other_name = {"lot_number": "ＡＢ12", "portion": "", "quantity": 3, "expires_on": None}
    unit(
        lambda: db.session.execute(
            insert(StockBalance).values(station_id=depot.station_id, item_id=item, **with_other_name)
        )
    )
    view = unit(lambda: recall(depot, item, "AB12"))
    assert (view.quarantined, view.open_station_count) == (7, 0)
    issues = unit(lambda: recall_queries.list_recall_issues(db.session.get_one(Recall, view.id), {})).items
    assert [issue.movement_id for issue in issues] == [issued.id]
