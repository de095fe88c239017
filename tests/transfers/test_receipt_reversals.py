"""A receipt that was a mistake is undone: everything it spoke of is under way again."""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.inventory.factories import make_item
from tests.transfers.factories import Pair, balances, make_pair, receive, send, stock, undo_receipt, use
from tests.transfers.test_service import line, read, refused, short
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.inventory import ledger, recalls
from volunteer_api.inventory.models import QUARANTINED, Movement
from volunteer_api.inventory.problems import BeforeLastCount, StockTooLow
from volunteer_api.organizations.models import Organization
from volunteer_api.transfers import problems
from volunteer_api.transfers.handlers import in_transit_is_what_is_under_way
from volunteer_api.transfers.models import ShortfallReason

Unit = Callable[[Callable[[], Any]], Any]
LOST, DAMAGED, RETURNED = ShortfallReason.LOST, ShortfallReason.DAMAGED, ShortfallReason.RETURNED


@pytest.fixture
def pair(unit: Unit) -> Pair:
    made: Pair = unit(make_pair)
    return made


@pytest.fixture
def item(unit: Unit) -> UUID:
    made: UUID = unit(make_item)
    return made


def there(unit: Unit, pair: Pair) -> Any:
    """What the receiver has and awaits; fails where the nightly check would find something at one of the two."""
    for side in (pair.sender, pair.receiver):
        assert unit(lambda side=side: list(in_transit_is_what_is_under_way(side.station_id))) == []
    return unit(lambda: balances(pair.receiver.station_id))


def test_all_that_it_spoke_of_is_under_way_again(unit: Unit, pair: Pair, item: UUID) -> None:
    """What arrived, what was written off, and what went back; then it is received as it should have been."""
    unit(lambda: stock(pair.sender, item, 9))
    sent = unit(lambda: send(pair, line(item, 8)))
    missing = [short(1, LOST), short(2, DAMAGED), short(1, RETURNED)]
    unit(lambda: receive(pair, sent, [line(item, 3, shortfalls=missing)]))
    back = next(one.return_id for one in read(unit, sent).shortfalls if one.return_id is not None)
    unit(lambda: undo_receipt(pair, sent, note="数错了"))
    whole = read(unit, sent)
    assert (whole.state, whole.shortfalls, read(unit, back).state) == ("shipped", [], "canceled")
    assert [(lot.received, lot.short, lot.returned, lot.in_transit) for lot in whole.lots] == [(0, 0, 0, 8)]
    assert [step.reversed_at is not None for step in whole.steps] == [False, False, False, True]
    assert there(unit, pair) == {("", ""): (0, 8)}
    assert unit(lambda: balances(pair.sender.station_id)) == {("", ""): (1, 0)}
    kinds = unit(
        lambda: list(
            db.session.scalars(
                select(Movement.kind).where(Movement.station_id == pair.receiver.station_id).order_by(Movement.id)
            )
        )
    )
    assert kinds == ["transfer_in", "write_off", "write_off", "reversal", "reversal", "reversal"]
    problem = refused(unit, lambda: undo_receipt(pair, sent), problems.ReceiptReversed)
    assert str(problem.members["reversed_at"]).endswith("Z")
    unit(lambda: receive(pair, sent))
    assert (read(unit, sent).state, there(unit, pair)) == ("received", {("", ""): (8, 0)})


def test_one_of_several_receipts(unit: Unit, pair: Pair, item: UUID) -> None:
    """By lots, of which one came under another name; the other receipts stand, and what came expired stays marked."""
    expires = date(2038, 1, 1)
    unit(lambda: stock(pair.receiver, item, 1, lot_number="A", expires_on=date(2038, 2, 2)))
    for lot in ("A", "B"):
        unit(lambda lot=lot: stock(pair.sender, item, 4, lot_number=lot, expires_on=expires))
    sent = unit(lambda: send(pair, line(item, 8)))
    by_number = {lot.lot_number: lot.id for lot in read(unit, sent).lots}
    for quantity in (1, 2):
        lines = [{"lot_id": by_number[number], "quantity": quantity} for number in ("A", "B")]
        unit(lambda lines=lines: receive(pair, sent, lines))
    unit(lambda: undo_receipt(pair, sent, 0))
    assert [(lot.lot_number, lot.received, lot.in_transit) for lot in read(unit, sent).lots] == [
        ("A", 2, 2),
        ("B", 2, 2),
    ]
    held = there(unit, pair)
    assert held == {("A", ""): (1, 2), ("B", ""): (2, 2), ("2038-01-01", ""): (2, 0)}
    unit(lambda: receive(pair, sent))
    unit(lambda: undo_receipt(pair, sent))
    assert there(unit, pair) == held


@pytest.mark.either_database
def test_what_was_lost_of_a_recalled_lot(unit: Unit, pair: Pair, item: UUID) -> None:
    """Its reversal passes through quarantine, and takes nothing else off the shelf."""
    unit(lambda: stock(pair.sender, item, 3, lot_number="A", expires_on=date(2038, 1, 1)))
    sent = unit(lambda: send(pair, line(item, 3)))
    unit(lambda: receive(pair, sent, [line(item, 0, shortfalls=[short(3, LOST)])]))
    center, by = pair.center_id, pair.administrator_id
    unit(
        lambda: recalls.recall_lot(
            organization=db.session.get_one(Organization, center), item_id=item, lot_number="A", reason="渗漏", by=by
        )
    )
    unit(lambda: ledger.mark_counted(pair.receiver.station_id, {item: clock.now()}))
    unit(lambda: undo_receipt(pair, sent))
    assert there(unit, pair) == {("A", ""): (0, 3), ("A", QUARANTINED): (0, 0)}


@pytest.mark.either_database
def test_what_stands_against_it(unit: Unit, pair: Pair, item: UUID) -> None:
    """What came was used, or counted; what went back has arrived."""
    unit(lambda: stock(pair.sender, item, 9))
    used = unit(lambda: send(pair, line(item, 3)))
    unit(lambda: receive(pair, used, [line(item, 2, shortfalls=[short(1, LOST)])]))
    unit(lambda: use(pair.receiver, item, 1))
    refused(unit, lambda: undo_receipt(pair, used), StockTooLow)
    returned = unit(lambda: send(pair, line(item, 2)))
    unit(lambda: receive(pair, returned, [line(item, 1, shortfalls=[short(1, RETURNED)])]))
    back = read(unit, returned).shortfalls[0].return_id
    assert back is not None
    unit(lambda: receive(pair, back))
    problem = refused(unit, lambda: undo_receipt(pair, returned), problems.ReturnArrived)
    assert problem.members == {"return_id": str(back)}
    # The receipt of what came back may be the mistake.
    unit(lambda: undo_receipt(pair, back))
    unit(lambda: undo_receipt(pair, returned))
    counted = unit(lambda: send(pair, line(item, 2)))
    unit(lambda: receive(pair, counted))
    unit(lambda: ledger.mark_counted(pair.receiver.station_id, {item: clock.now()}))
    refused(unit, lambda: undo_receipt(pair, counted), BeforeLastCount)
    there(unit, pair)


@pytest.mark.either_database
def test_over_http(client: Any, unit: Unit, pair: Pair, item: UUID) -> None:
    """Once under its key; what is no receipt of this transfer is not found."""
    unit(lambda: stock(pair.sender, item, 5))
    sent, other = unit(lambda: [send(pair, line(item, 2)) for _ in range(2)])
    unit(lambda: receive(pair, sent))
    steps = read(unit, sent).steps
    manager = client.as_(pair.receiver.manager_id)

    def post(transfer_id: UUID, step_id: UUID, key: str) -> Any:
        return manager.post(f"/transfers/{transfer_id}/receipts/{step_id}/reversal", json={"note": "点错"}, key=key)

    assert [post(sent, steps[2].id, "0").status_code, post(other, steps[3].id, "1").status_code] == [404, 404]
    answers = [post(sent, steps[3].id, "2") for _ in range(2)]
    assert [answer.get_json()["state"] for answer in answers] == ["shipped", "shipped"]
    late = post(sent, steps[3].id, "3")
    assert (late.status_code, late.get_json()["code"]) == (409, "receipt_reversed")
    told = client.as_(pair.sender.manager_id).get("/me/notifications").get_json()["items"]
    assert any("点错" in one["body"] for one in told)
