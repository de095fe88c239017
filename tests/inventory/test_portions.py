"""What is in quarantine and what is open: portions of a lot that the shelf keeps apart."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.inventory.factories import make_depot, make_item, move, reverse
from volunteer_api.accounts.models import Volunteer
from volunteer_api.catalog import service as catalog
from volunteer_api.catalog.models import Item, ItemKind
from volunteer_api.catalog.problems import ProhibitedItem
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.inventory import problems, queries, service
from volunteer_api.inventory.models import MovementKind

Unit = Callable[[Callable[[], Any]], Any]
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
A = {"lot_number": "A", "expires_on": date(2027, 6, 30)}
B = {"lot_number": "B", "expires_on": date(2026, 12, 31)}


def line(item_id: Any, quantity: int, **lot: Any) -> dict[str, Any]:
    return {"item_id": item_id, "quantity": quantity} | lot


def shelf(unit: Unit, depot: Any) -> dict[tuple[str | None, str], int]:
    """What is there by lot and state or day of opening."""
    rows = unit(lambda: queries.list_stock(depot.station_id, {})).items
    return {
        (row.lot_number, row.opened_on.isoformat() if row.opened_on else str(row.state)): row.quantity
        for row in rows
        if row.quantity
    }


def open_stock(depot: Any, item_id: Any, **options: Any) -> queries.Document:
    return service.open_stock(station_id=depot.station_id, actor_id=depot.manager_id, item_id=item_id, **options)


def test_quarantine_keeps_things_on_the_shelf_and_out_of_use(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(make_item)
    with clock.at(NOON):
        unit(lambda: move(depot, "receipt", line(item, 5, **A), line(item, 3, **B)))
        kept = unit(lambda: move(depot, "quarantine", line(item, 4), reason="damaged"))
        # What expires first goes first; each lot leaves and comes, and the sum is nothing.
        assert sorted((entry.lot_number, entry.quarantined, entry.quantity) for entry in kept.entries) == [
            ("A", False, -1),
            ("A", True, 1),
            ("B", False, -3),
            ("B", True, 3),
        ]
        assert shelf(unit, depot) == {("A", "ok"): 4, ("A", "quarantined"): 1, ("B", "quarantined"): 3}
        with pytest.raises(problems.StockTooLow) as caught:
            unit(lambda: move(depot, "issue", line(item, 5)))
        assert caught.value.members["balance"] == 4
        # Only what is in quarantine, and only by saying so.
        with pytest.raises(problems.StockTooLow):
            unit(lambda: move(depot, "write_off", line(item, 4, quarantined=True, lot_number="A")))
        gone = unit(
            lambda: move(
                depot,
                "write_off",
                line(item, 2, quarantined=True, lot_number="B"),
                reason="handed_over",
                counterparty="市场监管所",
                witness="李督导",
            )
        )
        assert [(entry.quarantined, entry.quantity) for entry in gone.entries] == [(True, -2)]
        assert (gone.counterparty, gone.witness) == ("市场监管所", "李督导")
        # What is gone can't be released.
        with pytest.raises(problems.StockTooLow):
            unit(lambda: reverse(depot, kept.id, "other"))
        unit(lambda: reverse(depot, gone.id))
        unit(lambda: reverse(depot, kept.id, "other"))
        assert shelf(unit, depot) == {("A", "ok"): 5, ("B", "ok"): 3}
        ledger = unit(lambda: queries.list_ledger(depot.station_id, {})).items
        # Quarantine and release are neither coming nor going; the write-off and its reversal are.
        assert [(row.opening, row.incoming, row.outgoing, row.closing) for row in ledger] == [(0, 10, 2, 8)]


def test_a_prohibited_item_is_found_quarantined_and_handed_over(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(lambda: make_item(prohibited=True, kind=ItemKind.MEDICAL))
    for kind in ("receipt", "issue"):
        with pytest.raises(ProhibitedItem):
            unit(lambda kind=kind: move(depot, kind, line(item, 1), witness="李督导"))
    with pytest.raises(problems.WitnessMissing):
        unit(lambda: move(depot, "quarantine", line(item, 3)))
    name = unit(lambda: db.session.get_one(Volunteer, depot.manager_id).name)
    with pytest.raises(problems.WitnessIsHandler):
        unit(lambda: move(depot, "quarantine", line(item, 3), witness=name))
    found = unit(lambda: move(depot, "quarantine", line(item, 3, lot_number="X"), witness="李督导"))
    assert [(entry.quarantined, entry.quantity) for entry in found.entries] == [(True, 3)]
    with pytest.raises(problems.WitnessMissing):
        unit(lambda: move(depot, "write_off", line(item, 3, quarantined=True)))
    with pytest.raises(problems.CounterpartyMissing):
        unit(lambda: move(depot, "write_off", line(item, 3, quarantined=True), reason="handed_over", witness="李督导"))
    seen = {"counterparty": "市场监管所", "witness": "李督导"}
    unit(lambda: move(depot, "write_off", line(item, 3, quarantined=True), reason="handed_over", **seen))
    assert shelf(unit, depot) == {}


def test_of_a_prohibited_item_the_booked_ones_are_taken_first(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(make_item)
    unit(lambda: move(depot, "receipt", line(item, 2)))
    unit(lambda: catalog.change_item(db.session.get_one(Item, item), prohibited=True))
    kept = unit(lambda: move(depot, "quarantine", line(item, 3), witness="李督导"))
    assert sorted((entry.quarantined, entry.quantity) for entry in kept.entries) == [(False, -2), (True, 1), (True, 2)]
    assert shelf(unit, depot) == {(None, "quarantined"): 3}
    # What is not prohibited comes in by a receipt, never by a quarantine.
    with pytest.raises(problems.StockTooLow):
        unit(lambda: move(depot, "quarantine", line(make_item(), 1)))


def test_what_is_open_expires_sooner(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(lambda: make_item(days_once_opened=30))
    with clock.at(NOON):
        lots = [line(item, 3, **A), line(item, 1, **B)]
        unit(lambda: move(depot, "receipt", *lots, occurred_at=NOON - timedelta(days=28)))
        opened = unit(lambda: open_stock(depot, item))
        assert opened.kind == MovementKind.UNSEALING
        # The lot that expires first is opened, and thirty days are sooner than its own day.
        assert sorted(
            (entry.lot_number, entry.opened_on, entry.quantity, entry.expires_on)
            for entry in opened.entries
            if entry.quantity > 0
        ) == [("B", date(2026, 11, 23), 1, date(2026, 12, 23))]
        unit(lambda: open_stock(depot, item, lot_number="A", quantity=2, opened_on=date(2026, 10, 30)))
        assert shelf(unit, depot) == {("A", "ok"): 1, ("A", "2026-10-30"): 2, ("B", "2026-11-23"): 1}


def test_openings_follow_the_rules_of_the_ledger(unit: Unit) -> None:
    depot, item, plain = unit(make_depot), unit(lambda: make_item(days_once_opened=30)), unit(make_item)
    with clock.at(NOON):
        with pytest.raises(problems.OpeningChangesNothing):
            unit(lambda: open_stock(depot, plain))
        unit(lambda: move(depot, "receipt", line(item, 3, **A), occurred_at=NOON - timedelta(days=20)))
        with pytest.raises(problems.StockTooLow):
            unit(lambda: open_stock(depot, item, quantity=4))
        with pytest.raises(problems.OccurredInFuture):
            unit(lambda: open_stock(depot, item, opened_on=date(2026, 11, 24)))
        with pytest.raises(problems.TooFarBack):
            unit(lambda: open_stock(depot, item, opened_on=date(2026, 10, 20)))
        with pytest.raises(problems.LaterBalanceNegative):
            unit(lambda: open_stock(depot, item, opened_on=date(2026, 11, 1)))
        long_ago = unit(lambda: open_stock(depot, item, opened_on=date(2026, 11, 3)))
        today = unit(lambda: open_stock(depot, item))
        # Of what expires on one day the open one goes first, else what expires first.
        issued = unit(lambda: move(depot, "issue", line(item, 1)))
        assert [entry.opened_on for entry in issued.entries] == [date(2026, 11, 3)]
        with pytest.raises(problems.StockTooLow):
            unit(lambda: reverse(depot, long_ago.id))
        unit(lambda: reverse(depot, today.id))
        assert shelf(unit, depot) == {("A", "ok"): 2}
    # What is open and past its days is not issued, whatever its lot says.
    unit_at = NOON + timedelta(days=31)
    with clock.at(NOON):
        unit(lambda: open_stock(depot, item, quantity=2))
    with clock.at(unit_at), pytest.raises(problems.LotExpired):
        unit(lambda: move(depot, "issue", line(item, 1)))


def test_transfers_and_loans_are_not_undone_in_the_ledger(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(make_item)
    unit(lambda: move(depot, "receipt", line(item, 3)))

    def lend() -> queries.Document:
        posting = service.ledger.begin(depot.station_id, [item])
        changes = posting.shelf.take(posting.items[item], 1, lot_number=None, expires_on=None, expired_too=False)
        return posting.write(
            changes, actor_id=depot.manager_id, kind=MovementKind.LOAN_OUT, reason=service.MovementReason.OTHER
        )

    lent = unit(lend)
    with pytest.raises(problems.NotReversibleByHand):
        unit(lambda: reverse(depot, lent.id))


def test_over_http(client: Any, unit: Unit) -> None:
    depot, item = unit(make_depot), unit(lambda: make_item(days_once_opened=30))
    manager, path = client.as_(depot.manager_id), f"/stations/{depot.station_id}"
    lot = {"item_id": str(item), "quantity": 3, "lot_number": "A", "expires_on": "2038-01-01"}
    body = {"kind": "receipt", "reason": "donation", "lines": [lot]}
    receipt = body | {"counterparty": "红十字会"}
    assert manager.post(f"{path}/movements", json=receipt, key="r").get_json()["counterparty"] == "红十字会"
    opened = manager.post(f"{path}/stock/openings", json={"item_id": str(item)}, key="o")
    assert (opened.status_code, opened.get_json()["kind"]) == (201, "unsealing")
    again = manager.post(f"{path}/stock/openings", json={"item_id": str(item)}, key="o")
    assert (again.headers["Idempotency-Replayed"], again.get_json()) == ("true", opened.get_json())
    rows = manager.get(f"{path}/stock").get_json()["items"]
    assert [(row["opened_on"] is not None, row["quantity"]) for row in rows] == [(False, 2), (True, 1)]
    for change, pointer, code in (
        ({"kind": "write_off", "reason": "handed_over", "witness": "李"}, "/counterparty", "required"),
        ({"kind": "write_off", "reason": "handed_over", "counterparty": "所"}, "/witness", "required"),
        ({"kind": "issue", "reason": "used", "lines": [lot | {"quarantined": True}]}, "/lines", "only_written_off"),
        ({"kind": "quarantine", "reason": "lost"}, "/reason", "reason_of_another_kind"),
        ({"lines": [lot | {"quantity": 0}]}, "/lines/0/quantity", "min"),
        ({"lines": [lot | {"quantity": -1}]}, "/lines/0/quantity", "min"),
        ({"lines": [lot | {"quantity": 1.5}]}, "/lines/0/quantity", "not_whole"),
    ):
        answer = manager.post(f"{path}/movements", json=body | change, key="x")
        assert answer.status_code == 422
        assert [(error["pointer"], error["code"]) for error in answer.get_json()["errors"]] == [(pointer, code)]
