"""The rules of transfers, below HTTP."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from tests.inventory.factories import make_item
from tests.transfers.factories import (
    Pair,
    approve,
    ask,
    balances,
    cancel,
    make_pair,
    receive,
    send,
    ship,
    stock,
    use,
)
from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.catalog.models import Item, ItemKind
from volunteer_api.catalog.problems import ItemUnknown, ProhibitedItem
from volunteer_api.core import clock, events, ids
from volunteer_api.core.database import db
from volunteer_api.core.problems import Problem
from volunteer_api.inventory import queries as inventory
from volunteer_api.inventory.ledger import begin
from volunteer_api.inventory.models import (
    QUARANTINED,
    Movement,
    MovementKind,
    MovementReason,
    RetainedName,
    StockBalance,
)
from volunteer_api.inventory.problems import LotExpired, NotReversibleByHand, StockTooLow
from volunteer_api.inventory.retained_names import retain_name_since
from volunteer_api.inventory.service import reverse_movement
from volunteer_api.inventory.shelf import Change
from volunteer_api.notifications.models import Notification
from volunteer_api.organizations import structure
from volunteer_api.organizations.models import Organization
from volunteer_api.stations.events import StationClosing
from volunteer_api.stations.models import Station, StationStatus
from volunteer_api.stations.problems import StationClosed, StationNotEmpty
from volunteer_api.transfers import check_queries, handlers, problems, queries, service, tasks
from volunteer_api.transfers.handlers import in_transit_is_what_is_under_way
from volunteer_api.transfers.models import ShortfallReason, Transfer
from volunteer_api.transfers.problems import UndoneByTransfer

Unit = Callable[[Callable[[], Any]], Any]
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def line(item_id: UUID, quantity: int, **lot: Any) -> dict[str, Any]:
    return {"item_id": item_id, "quantity": quantity} | lot


def short(quantity: int, reason: ShortfallReason, note: str | None = None) -> dict[str, Any]:
    return {"quantity": quantity, "reason": reason} | ({"note": note} if note else {})


def refused(unit: Unit, work: Callable[[], Any], problem: type[Problem]) -> Problem:
    with pytest.raises(problem) as caught:
        unit(work)
    return caught.value


def read(unit: Unit, transfer_id: UUID) -> queries.Whole:
    return unit(lambda: queries.read_transfer(transfer_id))  # type: ignore[no-any-return]  # a fixture


def quarantine(pair: Pair, item_id: UUID, lot_number: str, quantity: int) -> None:
    posting = begin(pair.sender.station_id, [item_id])
    lot = posting.shelf.lots[item_id][lot_number, ""]
    item = posting.items[item_id]
    posting.write(
        [
            Change(item, lot_number, lot.expires_on, -quantity),
            Change(item, lot_number, lot.expires_on, quantity, QUARANTINED),
        ],
        actor_id=pair.sender.manager_id,
        kind=MovementKind.QUARANTINE,
        reason=MovementReason.OTHER,
    )


@pytest.fixture
def pair(unit: Unit) -> Pair:
    made: Pair = unit(make_pair)
    return made


@pytest.fixture
def item(unit: Unit) -> UUID:
    made: UUID = unit(make_item)
    return made


def test_stock_goes_from_shelf_to_shelf(unit: Unit, pair: Pair, item: UUID) -> None:
    sender, receiver = pair.sender, pair.receiver
    unit(lambda: stock(sender, item, 10, lot_number="A", expires_on=date(2038, 1, 31)))
    transfer_id = unit(lambda: ask(pair, line(item, 6)))
    assert read(unit, transfer_id).state == "requested"
    unit(lambda: approve(pair, transfer_id, line(item, 5)))
    assert [(one.requested, one.approved) for one in read(unit, transfer_id).lines] == [(6, 5)]
    unit(lambda: ship(pair, transfer_id))
    assert unit(lambda: balances(sender.station_id)) == {("A", ""): (5, 0)}
    assert unit(lambda: balances(receiver.station_id)) == {("A", ""): (0, 5)}
    # It lies on nobody's shelf, and the receiver sees it.
    (row,) = unit(lambda: inventory.list_stock(receiver.station_id, {})).items
    assert (row.quantity, row.in_transit, row.state, row.expires_on) == (0, 5, "empty", date(2038, 1, 31))
    unit(lambda: receive(pair, transfer_id))
    assert unit(lambda: balances(receiver.station_id)) == {("A", ""): (5, 0)}
    whole = read(unit, transfer_id)
    assert (whole.state, whole.lots[0].shipped, whole.lots[0].received, whole.lots[0].in_transit) == (
        "received",
        5,
        5,
        0,
    )
    assert [step.kind for step in whole.steps] == ["requested", "approved", "shipped", "received"]
    assert [step.actor.id for step in whole.steps] == [
        receiver.manager_id,
        pair.administrator_id,
        sender.manager_id,
        receiver.manager_id,
    ]
    out, into = whole.steps[2].movement, whole.steps[3].movement
    assert out is not None
    assert into is not None
    sent, came = (unit(lambda one=one: inventory.read_movement(one.id)) for one in (out, into))
    assert (sent.kind, sent.station_id, sent.counterparty) == ("transfer_out", sender.station_id, receiver.name)
    assert (came.kind, came.station_id, came.counterparty) == ("transfer_in", receiver.station_id, sender.name)
    assert [(entry.quantity, entry.lot_number) for entry in (*sent.entries, *came.entries)] == [(-5, "A"), (5, "A")]
    assert out.document_number.startswith(sender.code)


def test_what_expires_first_goes_first(unit: Unit, pair: Pair, item: UUID) -> None:
    with clock.at(NOON):
        unit(lambda: stock(pair.sender, item, 4, lot_number="late", expires_on=date(2027, 5, 1)))
        unit(lambda: stock(pair.sender, item, 3, lot_number="soon", expires_on=date(2026, 12, 1)))
        transfer_id = unit(lambda: send(pair, line(item, 5)))
        lots = {lot.lot_number: lot.shipped for lot in read(unit, transfer_id).lots}
        assert lots == {"soon": 3, "late": 2}
        # Lots named go whatever expires first, and the rest leaves them alone.
        unit(lambda: stock(pair.sender, item, 3, lot_number="soon"))
        second = unit(lambda: ask(pair, line(item, 3), line(item, 2, lot_number="soon")))
        unit(lambda: approve(pair, second))
        unit(lambda: ship(pair, second))
        assert {lot.lot_number: lot.shipped for lot in read(unit, second).lots} == {"soon": 3, "late": 2}


def test_the_sender_sends_less_or_other_lots(unit: Unit, pair: Pair, item: UUID) -> None:
    other, stranger = unit(make_item), unit(make_item)
    for lot in "AB":
        unit(lambda lot=lot: stock(pair.sender, item, 5, lot_number=lot, expires_on=date(2038, 1, 1)))
    unit(lambda: stock(pair.sender, other, 5))
    transfer_id = unit(lambda: ask(pair, line(item, 4), line(other, 2)))
    unit(lambda: approve(pair, transfer_id, line(item, 3)))
    problem = refused(
        unit,
        lambda: ship(pair, transfer_id, line(item, 2, lot_number="A"), line(item, 2, lot_number="B")),
        problems.MoreThanApproved,
    )
    assert (problem.members["approved"], problem.members["quantity"]) == (3, 4)
    refused(unit, lambda: ship(pair, transfer_id, line(stranger, 1)), problems.NotInTransfer)
    unit(lambda: ship(pair, transfer_id, line(item, 1, lot_number="B"), line(item, 1, lot_number="A")))
    assert {lot.lot_number: lot.shipped for lot in read(unit, transfer_id).lots} == {"A": 1, "B": 1}
    unit(lambda: receive(pair, transfer_id))
    assert read(unit, transfer_id).state == "received"


def test_nothing_moves_where_one_line_is_too_much(unit: Unit, pair: Pair, item: UUID) -> None:
    scarce = unit(make_item)
    unit(lambda: stock(pair.sender, item, 5))
    unit(lambda: stock(pair.sender, scarce, 1))
    transfer_id = unit(lambda: ask(pair, line(item, 5), line(scarce, 2)))
    unit(lambda: approve(pair, transfer_id))
    refused(unit, lambda: ship(pair, transfer_id), StockTooLow)
    assert read(unit, transfer_id).state == "approved"
    assert unit(lambda: balances(pair.receiver.station_id)) == {}


def test_receipts_in_part_and_what_is_missing(unit: Unit, pair: Pair, item: UUID) -> None:
    receiver = pair.receiver
    unit(lambda: stock(pair.sender, item, 10, lot_number="A", expires_on=date(2038, 1, 31)))
    transfer_id = unit(lambda: send(pair, line(item, 10)))
    unit(lambda: receive(pair, transfer_id, [line(item, 3)]))
    assert read(unit, transfer_id).state == "shipped"
    assert unit(lambda: balances(receiver.station_id)) == {("A", ""): (3, 7)}
    problem = refused(unit, lambda: receive(pair, transfer_id, [line(item, 8)]), problems.MoreThanShipped)
    assert (problem.members["in_transit"], problem.members["quantity"]) == (7, 8)
    refused(unit, lambda: cancel(pair, transfer_id), problems.TransferPartlyReceived)
    missing = [
        short(1, ShortfallReason.LOST, "路上丢失"),
        short(1, ShortfallReason.DAMAGED),
        short(2, ShortfallReason.RETURNED, "包装破损"),
    ]
    unit(lambda: receive(pair, transfer_id, [line(item, 3, shortfalls=missing)]))
    whole = read(unit, transfer_id)
    (lot,) = whole.lots
    assert (whole.state, lot.received, lot.short, lot.returned, lot.in_transit) == ("received", 6, 2, 2, 0)
    assert unit(lambda: balances(receiver.station_id)) == {("A", ""): (6, 0)}
    assert [(one.reason, one.quantity, one.note) for one in whole.shortfalls] == [
        ("lost", 1, "路上丢失"),
        ("damaged", 1, None),
        ("returned", 2, "包装破损"),
    ]
    # An auditor finds each loss in the ledger, with its reason.
    for one in whole.shortfalls[:2]:
        assert one.movement is not None
        document = unit(lambda one=one: inventory.read_movement(one.movement.id))
        assert (document.kind, document.reason, document.entries[0].quantity) == ("write_off", one.reason, -1)
    # What is returned is under way to its sender.
    back_id = whole.shortfalls[2].return_id
    assert back_id is not None
    back = read(unit, back_id)
    assert (back.state, back.returns_id, back.from_station.id) == ("shipped", transfer_id, receiver.station_id)
    assert unit(lambda: balances(pair.sender.station_id)) == {("A", ""): (0, 2)}
    refused(unit, lambda: cancel(pair, back_id), problems.ReturnNotReturned)
    again = [line(item, 1, shortfalls=[short(1, ShortfallReason.RETURNED)])]
    refused(unit, lambda: receive(pair, back_id, again), problems.ReturnNotReturned)
    unit(lambda: receive(pair, back_id))
    assert unit(lambda: balances(pair.sender.station_id)) == {("A", ""): (2, 0)}
    assert read(unit, back_id).state == "received"


def test_everything_lost_stands_in_the_ledger(unit: Unit, pair: Pair, item: UUID) -> None:
    unit(lambda: stock(pair.sender, item, 2))
    transfer_id = unit(lambda: send(pair, line(item, 2)))
    unit(lambda: receive(pair, transfer_id, [line(item, 0, shortfalls=[short(2, ShortfallReason.LOST)])]))
    assert read(unit, transfer_id).state == "received"
    entries = unit(lambda: inventory.list_entries(pair.receiver.station_id, {})).items
    assert [(entry.kind, entry.quantity, entry.reason) for entry in entries] == [
        ("write_off", -2, "lost"),
        ("transfer_in", 2, "other"),
    ]


def test_cancellation(unit: Unit, pair: Pair, item: UUID) -> None:
    unit(lambda: stock(pair.sender, item, 9, lot_number="A"))
    first = unit(lambda: ask(pair, line(item, 2)))
    unit(lambda: cancel(pair, first))
    second = unit(lambda: ask(pair, line(item, 2)))
    unit(lambda: approve(pair, second))
    unit(lambda: cancel(pair, second))
    for transfer_id in (first, second):
        assert read(unit, transfer_id).state == "canceled"
        for verb in (approve, ship, receive, cancel):
            refused(unit, partial(verb, pair, transfer_id), problems.TransferCanceled)
    # After the shipment it comes back.
    third = unit(lambda: send(pair, line(item, 4)))
    unit(lambda: cancel(pair, third))
    whole = read(unit, third)
    assert (whole.state, whole.lots[0].returned) == ("canceled", 4)
    refused(unit, lambda: receive(pair, third), problems.TransferCanceled)
    assert unit(lambda: balances(pair.receiver.station_id)) == {("A", ""): (0, 0)}
    assert unit(lambda: balances(pair.sender.station_id)) == {("A", ""): (5, 4)}
    back = whole.shortfalls[0].return_id
    assert back is not None
    unit(lambda: receive(pair, back))
    assert unit(lambda: balances(pair.sender.station_id)) == {("A", ""): (9, 0)}


def test_each_step_is_taken_once_and_in_order(unit: Unit, pair: Pair, item: UUID) -> None:
    unit(lambda: stock(pair.sender, item, 9))
    transfer_id = unit(lambda: ask(pair, line(item, 2)))
    refused(unit, lambda: ship(pair, transfer_id), problems.TransferNotApproved)
    refused(unit, lambda: receive(pair, transfer_id), problems.TransferNotShipped)
    unit(lambda: approve(pair, transfer_id))
    refused(unit, lambda: approve(pair, transfer_id), problems.TransferAlreadyApproved)
    refused(unit, lambda: receive(pair, transfer_id), problems.TransferNotShipped)
    unit(lambda: ship(pair, transfer_id))
    refused(unit, lambda: ship(pair, transfer_id), problems.TransferAlreadyShipped)
    refused(unit, lambda: approve(pair, transfer_id), problems.TransferAlreadyShipped)
    unit(lambda: receive(pair, transfer_id))
    for verb in (approve, ship, receive, cancel):
        refused(unit, partial(verb, pair, transfer_id), problems.TransferAlreadyReceived)
    turned_down = unit(lambda: ask(pair, line(item, 2)))
    unit(lambda: reject(pair.administrator_id, turned_down))
    for verb in (approve, ship, receive, cancel):
        refused(unit, partial(verb, pair, turned_down), problems.TransferRejected)
    assert read(unit, turned_down).steps[-1].note == "自己也不够"


def reject(actor_id: UUID, transfer_id: UUID) -> None:
    service.reject(db.session.get_one(Transfer, transfer_id), actor_id=actor_id, reason="自己也不够")


def test_nobody_decides_about_their_own_request(unit: Unit, pair: Pair, item: UUID) -> None:
    def ask_as(actor_id: UUID) -> UUID:
        return service.request(
            actor_id=actor_id,
            from_station_id=pair.sender.station_id,
            to_station_id=pair.receiver.station_id,
            lines=[{"item_id": item, "quantity": 1}],
            needs_organizer=False,
        ).id

    transfer_id = unit(lambda: ask_as(pair.administrator_id))
    refused(unit, lambda: approve(pair, transfer_id), problems.OwnTransferRequest)
    refused(unit, lambda: reject(pair.administrator_id, transfer_id), problems.OwnTransferRequest)
    unit(lambda: reject(pair.sender.manager_id, transfer_id))


def test_an_approval_only_lowers(unit: Unit, pair: Pair, item: UUID) -> None:
    other = unit(make_item)
    transfer_id = unit(lambda: ask(pair, line(item, 2), line(other, 3)))
    problem = refused(unit, lambda: approve(pair, transfer_id, line(item, 3)), problems.MoreThanRequested)
    assert (problem.members["requested"], problem.members["quantity"]) == (2, 3)
    refused(unit, lambda: approve(pair, transfer_id, line(item, 1, lot_number="A")), problems.NotInTransfer)
    refused(unit, lambda: approve(pair, transfer_id, line(item, 0), line(other, 0)), problems.NothingApproved)
    unit(lambda: approve(pair, transfer_id, line(item, 0)))
    assert [one.approved for one in read(unit, transfer_id).lines] == [0, 3]


def test_what_must_not_go(unit: Unit, pair: Pair, item: UUID) -> None:
    prohibited = unit(lambda: make_item(name="头孢", prohibited=True))
    refused(unit, lambda: ask(pair, line(prohibited, 1)), ProhibitedItem)
    refused(unit, lambda: ask(pair, line(ids.new_id(), 1)), ItemUnknown)
    with clock.at(NOON):
        unit(lambda: stock(pair.sender, item, 2, lot_number="A", expires_on=NOON.date() + DAY))
        unit(lambda: stock(pair.sender, item, 3, lot_number="B", expires_on=NOON.date() + 90 * DAY))
        unit(lambda: quarantine(pair, item, "B", 2))
        transfer_id = unit(lambda: ask(pair, line(item, 2)))
        unit(lambda: approve(pair, transfer_id))
    with clock.at(NOON + 2 * DAY):
        refused(unit, lambda: ship(pair, transfer_id, line(item, 1, lot_number="A")), LotExpired)
        problem = refused(unit, lambda: ship(pair, transfer_id, line(item, 2, lot_number="B")), problems.LotQuarantined)
        assert problem.members["quarantined"] == 2
        unit(lambda: db.session.execute(update(Item).where(Item.id == item).values(prohibited=True)))
        refused(unit, lambda: ship(pair, transfer_id, line(item, 1, lot_number="B")), ProhibitedItem)
        unit(lambda: db.session.execute(update(Item).where(Item.id == item).values(prohibited=False)))
        unit(lambda: ship(pair, transfer_id, line(item, 1, lot_number="B")))


def test_what_expires_on_its_way_is_received_and_marked(unit: Unit, pair: Pair) -> None:
    item = unit(lambda: make_item(kind=ItemKind.MEDICAL))
    with clock.at(NOON):
        unit(lambda: stock(pair.sender, item, 4, lot_number="A", expires_on=NOON.date() + DAY))
        transfer_id = unit(lambda: send(pair, line(item, 4)))
    with clock.at(NOON + 5 * DAY):
        unit(lambda: receive(pair, transfer_id, [line(item, 3, shortfalls=[short(1, ShortfallReason.DAMAGED)])]))
        (lot,) = read(unit, transfer_id).lots
        assert (lot.received, lot.short, lot.expired_on_arrival) == (3, 1, True)
        (row,) = unit(lambda: inventory.list_stock(pair.receiver.station_id, {})).items
        assert (row.quantity, row.state) == (3, "expired")
        refused(unit, lambda: use(pair.receiver, item, 1), LotExpired)


def test_what_is_prohibited_by_now_arrives_in_quarantine(unit: Unit, pair: Pair, item: UUID) -> None:
    unit(lambda: stock(pair.sender, item, 4, lot_number="A"))
    transfer_id = unit(lambda: send(pair, line(item, 4)))
    unit(lambda: db.session.execute(update(Item).where(Item.id == item).values(prohibited=True)))
    unit(lambda: receive(pair, transfer_id, [line(item, 3, shortfalls=[short(1, ShortfallReason.LOST)])]))
    found = unit(lambda: balances(pair.receiver.station_id))
    assert found == {("A", ""): (0, 0), ("A", QUARANTINED): (3, 0)}


def test_lots_are_named_where_several_are_under_way(unit: Unit, pair: Pair, item: UUID) -> None:
    for lot in ("A", "B"):
        unit(lambda lot=lot: stock(pair.sender, item, 3, lot_number=lot))
    unit(lambda: stock(pair.sender, item, 1))
    transfer_id = unit(lambda: send(pair, line(item, 7)))
    lots = {lot.lot_number: lot.id for lot in read(unit, transfer_id).lots}
    assert lots.keys() == {None, "A", "B"}
    problem = refused(unit, lambda: receive(pair, transfer_id, [line(item, 3)]), problems.LotNotNamed)
    assert set(problem.members["lots"]) == {str(lot_id) for lot_id in lots.values()}
    unit(lambda: receive(pair, transfer_id, [{"lot_id": lots[None], "quantity": 1}]))
    refused(unit, lambda: receive(pair, transfer_id, [line(item, 1, lot_number="C")]), problems.NotInTransfer)
    unit(lambda: receive(pair, transfer_id, [line(item, 2, lot_number="B")]))
    # All of what is left needs no lot.
    unit(lambda: receive(pair, transfer_id, [line(item, 4)]))
    assert read(unit, transfer_id).state == "received"
    found = unit(lambda: balances(pair.receiver.station_id))
    assert found == {("", ""): (1, 0), ("A", ""): (3, 0), ("B", ""): (3, 0)}


def test_two_lines_of_one_lot_count_together(unit: Unit, pair: Pair, item: UUID) -> None:
    unit(lambda: stock(pair.sender, item, 3, lot_number="A"))
    transfer_id = unit(lambda: send(pair, line(item, 3)))
    refused(unit, lambda: receive(pair, transfer_id, [line(item, 2), line(item, 2)]), problems.MoreThanShipped)
    unit(lambda: receive(pair, transfer_id, [line(item, 2), line(item, 1)]))


def test_documents_of_transfers_are_not_undone_by_hand(unit: Unit, pair: Pair, item: UUID) -> None:
    unit(lambda: stock(pair.sender, item, 3))
    transfer_id = unit(lambda: send(pair, line(item, 3)))
    unit(lambda: receive(pair, transfer_id, [line(item, 2, shortfalls=[short(1, ShortfallReason.LOST)])]))
    whole = read(unit, transfer_id)

    def reverse(movement_id: UUID) -> Any:
        movement = db.session.get_one(Movement, movement_id)
        return reverse_movement(movement, actor_id=pair.sender.manager_id, reason=MovementReason.MISTAKE)

    sent, received = (step.movement for step in whole.steps[2:])
    lost = whole.shortfalls[0].movement
    assert sent is not None
    assert received is not None
    assert lost is not None
    assert refused(unit, lambda: reverse(sent.id), NotReversibleByHand).members == {"kind": "transfer_out"}
    for document in (received, lost):
        problem = refused(unit, lambda document=document: reverse(document.id), UndoneByTransfer)
        assert problem.members == {"transfer_id": str(transfer_id), "receipt_id": str(whole.steps[-1].id)}
    assert unit(lambda: balances(pair.receiver.station_id)) == {("", ""): (2, 0)}
    # What was lost and is found again comes onto the shelf of the receiver by a document of its own.
    unit(lambda: stock(pair.receiver, item, 1))
    assert unit(lambda: balances(pair.receiver.station_id)) == {("", ""): (3, 0)}


def test_the_nightly_check_finds_what_differs(app: Flask, unit: Unit, pair: Pair, item: UUID) -> None:
    unit(lambda: stock(pair.sender, item, 9, lot_number="A"))
    unit(lambda: send(pair, line(item, 3)))
    done = unit(lambda: send(pair, line(item, 2)))
    unit(lambda: receive(pair, done))

    def kinds() -> list[str]:
        return [fault.kind for fault in in_transit_is_what_is_under_way(pair.receiver.station_id)]

    assert unit(kinds) == []
    here = StockBalance.station_id == pair.receiver.station_id
    for wrong in (4, 0):
        unit(lambda wrong=wrong: db.session.execute(update(StockBalance).where(here).values(in_transit=wrong)))
        (row,) = unit(lambda: check_queries.differences(10))
        assert (row.counted, row.under_way, row.lot_number) == (wrong, 3, "A")
        assert unit(kinds) == ["in_transit_differs"]
    unit(lambda: db.session.execute(update(StockBalance).where(here).values(in_transit=3)))
    unit(lambda: db.session.execute(update(StockBalance).where(~here).values(in_transit=1)))
    (row,) = unit(lambda: check_queries.differences(10))
    assert (row.counted, row.under_way, row.station_id) == (1, 0, pair.sender.station_id)
    assert unit(lambda: check_queries.differences(10, station_id=pair.receiver.station_id)) == []
    assert len(unit(lambda: check_queries.differences(10, station_id=pair.sender.station_id))) == 1


def test_what_does_not_arrive_is_asked_after(app: Flask, unit: Unit, pair: Pair, item: UUID) -> None:
    def reminders() -> list[tuple[UUID, str]]:
        rows = db.session.scalars(select(Notification).where(Notification.kind == "transfer_overdue"))
        return sorted((row.volunteer_id, row.values["days"]) for row in rows)

    both = sorted([pair.sender.manager_id, pair.receiver.manager_id])
    with clock.at(NOON):
        unit(lambda: stock(pair.sender, item, 9))
        unit(lambda: send(pair, line(item, 3)))
        arrived = unit(lambda: send(pair, line(item, 3)))
        unit(lambda: receive(pair, arrived))
        unit(lambda: ask(pair, line(item, 3)))
    for days, expected in ((6.9, 0), (7, 1), (8, 1), (13.9, 1), (14, 2)):
        with clock.at(NOON + days * DAY), app.app_context():
            tasks.remind()
        assert unit(reminders) == sorted((one, str(7 * turn)) for one in both for turn in range(1, expected + 1))
    # One by one, each once.
    with clock.at(NOON):
        second = unit(lambda: send(pair, line(item, 3)))
    with clock.at(NOON + 14 * DAY):
        first = unit(lambda: tasks.remind_some(most=1))
        assert unit(lambda: tasks.remind_some(first, most=1)) == second
        assert unit(lambda: tasks.remind_some(second, most=1)) is None


def test_a_merged_office_brings_its_transfers_along(unit: Unit, pair: Pair, item: UUID) -> None:
    unit(lambda: stock(pair.sender, item, 3))
    transfer_id = unit(lambda: send(pair, line(item, 3)))
    unit(
        lambda: structure.merge(
            db.session.get_one(Organization, pair.sender.office_id), into_id=pair.receiver.office_id
        )
    )
    unit(lambda: receive(pair, transfer_id))
    assert read(unit, transfer_id).state == "received"


def test_a_station_closes_once_its_transfers_are_over(unit: Unit, pair: Pair, item: UUID) -> None:
    def close(station_id: UUID) -> None:
        events.publish(StationClosing(station_id=station_id))
        db.session.get_one(Station, station_id).status = StationStatus.CLOSED

    unit(lambda: stock(pair.sender, item, 9))
    here, there = pair.sender.station_id, pair.receiver.station_id
    asked, sent = unit(lambda: ask(pair, line(item, 1))), unit(lambda: send(pair, line(item, 1)))
    # The sender's shelf is not empty either, and the ledger is asked first.
    assert refused(unit, partial(close, here), StationNotEmpty).members["what"] == "stock"
    problem = refused(unit, partial(close, there), StationNotEmpty)
    assert problem.members == {"what": "transfers", "id": str(asked), "transfers": 2}
    unit(lambda: cancel(pair, asked))
    assert refused(unit, partial(close, there), StationNotEmpty).members["id"] == str(sent)
    unit(lambda: receive(pair, sent))
    assert refused(unit, partial(close, there), StationNotEmpty).members["what"] == "stock"
    unit(lambda: setattr(db.session.get_one(Station, there), "status", StationStatus.CLOSED))
    refused(unit, lambda: ask(pair, line(item, 1)), StationClosed)


def test_who_signed_stays_named_for_as_long_as_documents_must_name(unit: Unit, pair: Pair, item: UUID) -> None:
    transfer_id = unit(lambda: ask(pair, line(item, 1)))
    unit(lambda: approve(pair, transfer_id))
    event = VolunteerErased(volunteer_id=pair.administrator_id, name="周文明")
    unit(lambda: handlers.keep_name_on_transfers(event))
    assert [step.actor.name for step in read(unit, transfer_id).steps][1:] == ["周文明"]


def test_a_retained_name_stays_for_the_longer_time(unit: Unit, pair: Pair) -> None:
    first, second = NOON, NOON + 30 * DAY
    with clock.at(NOON + 40 * DAY):
        for moment in (first, second, first):
            unit(lambda moment=moment: retain_name_since(pair.sender.manager_id, "赵站长", moment))
        kept = unit(lambda: db.session.scalars(select(RetainedName)).one())
    assert kept.kept_until - second > 5 * 365 * DAY
    assert kept.name == "赵站长"


@pytest.mark.parametrize("table", ["transfer_steps", "transfer_shortfalls"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET created_at = created_at", "DELETE FROM {}"])
@pytest.mark.both_databases
def test_the_journal_only_grows(app: Flask, unit: Unit, pair: Pair, item: UUID, table: str, verb: str) -> None:
    unit(lambda: stock(pair.sender, item, 1))
    transfer_id = unit(lambda: send(pair, line(item, 1)))
    unit(lambda: receive(pair, transfer_id, [line(item, 0, shortfalls=[short(1, ShortfallReason.LOST)])]))
    # Beside the unit of work, which takes a constraint's refusal for a lost race.
    with app.app_context(), db.engine.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.exec_driver_sql(verb.format(table))
