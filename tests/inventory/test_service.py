"""The ledger's rules, below HTTP."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from tests.inventory.factories import Depot, make_depot, make_item, move
from volunteer_api.catalog.models import ItemKind
from volunteer_api.catalog.problems import ItemExists, ProhibitedItem
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.problems import Busy, Problem
from volunteer_api.inventory import problems, queries, service
from volunteer_api.inventory.models import Movement, MovementReason, StockBalance, StockEntry

pytestmark = pytest.mark.both_databases

Unit = Callable[[Callable[[], Any]], Any]
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


def line(item_id: UUID, quantity: int, **lot: Any) -> dict[str, Any]:
    return {"item_id": item_id, "quantity": quantity} | lot


def reverse(movement_id: UUID, actor_id: UUID) -> queries.Document:
    movement = db.session.get(Movement, movement_id)
    assert movement is not None
    return service.reverse_movement(movement, actor_id=actor_id, reason=MovementReason.MISTAKE)


def refused(unit: Unit, work: Callable[[], Any], problem: type[Problem]) -> Problem:
    with pytest.raises(problem) as caught:
        unit(work)
    return caught.value


def ledger(depot: Depot, month: str | None = None) -> dict[UUID, tuple[int, int, int, int]]:
    found = queries.list_ledger(depot.station_id, {"month": month} if month else {})
    return {row.item.id: (row.opening, row.incoming, row.outgoing, row.closing) for row in found.items}


def test_balance_follows_the_entries(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(make_item)
    unit(lambda: move(depot, "receipt", line(item, 10)))
    issued = unit(lambda: move(depot, "issue", line(item, 3), line(item, 2)))
    assert [(entry.quantity, entry.balance, entry.sequence) for entry in issued.entries] == [(-3, 7, 2), (-2, 5, 3)]
    stock = unit(lambda: queries.list_stock(depot.station_id, {})).items
    assert [(row.item.id, row.lot_number, row.quantity, row.state) for row in stock] == [(item, None, 5, "ok")]


def test_nothing_moves_where_one_line_is_too_much(unit: Unit) -> None:
    depot, plenty, scarce = unit(make_depot), unit(make_item), unit(make_item)
    unit(lambda: move(depot, "receipt", line(plenty, 10), line(scarce, 1)))
    problem = refused(unit, lambda: move(depot, "issue", line(plenty, 1), line(scarce, 2)), problems.StockTooLow)
    assert problem.members["balance"] == 1
    assert problem.members["requested"] == 2
    assert problem.members["item"]["id"] == str(scarce)
    assert unit(lambda: ledger(depot)) == {plenty: (0, 10, 0, 10), scarce: (0, 1, 0, 1)}
    # Two lines of one movement share one shelf.
    refused(unit, lambda: move(depot, "issue", line(plenty, 6), line(plenty, 5)), problems.StockTooLow)
    refused(unit, lambda: move(depot, "issue", line(plenty, 1, lot_number="A")), problems.StockTooLow)


def test_issue_takes_what_expires_first(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(make_item)
    with clock.at(NOON):
        unit(
            lambda: move(
                depot,
                "receipt",
                line(item, 4, lot_number="late", expires_on=date(2027, 5, 1)),
                line(item, 3, lot_number="soon", expires_on=date(2026, 11, 23)),
                line(item, 2, lot_number="gone", expires_on=date(2026, 11, 22)),
                line(item, 5),
                occurred_at=NOON - timedelta(days=1),
            )
        )
        states = {row.lot_number: row.state for row in unit(lambda: queries.list_stock(depot.station_id, {})).items}
        assert states == {"late": "ok", "soon": "near_expiry", "gone": "expired", None: "ok"}
        issued = unit(lambda: move(depot, "issue", line(item, 8)))
        assert {(entry.lot_number, entry.quantity, entry.balance) for entry in issued.entries} == {
            ("soon", -3, 0),
            ("late", -4, 0),
            (None, -1, 4),
        }
        problem = refused(unit, lambda: move(depot, "issue", line(item, 5)), problems.LotExpired)
        assert (problem.members["balance"], problem.members["expired"]) == (4, 2)
        refused(unit, lambda: move(depot, "issue", line(item, 1, lot_number="gone")), problems.LotExpired)
        # A write-off takes the expired ones first.
        written_off = unit(lambda: move(depot, "write_off", line(item, 3), reason="damaged"))
        assert {(entry.lot_number, entry.quantity) for entry in written_off.entries} == {("gone", -2), (None, -1)}


def test_lot_keeps_its_expiry(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(make_item)
    day = date(2030, 1, 31)
    unit(lambda: move(depot, "receipt", line(item, 4, lot_number="A", expires_on=day)))
    again = unit(lambda: move(depot, "receipt", line(item, 1, lot_number="A")))
    assert (again.entries[0].expires_on, again.entries[0].balance) == (day, 5)
    other = day + timedelta(days=1)
    for kind in ("receipt", "issue"):
        refused(
            unit,
            lambda kind=kind: move(depot, kind, line(item, 1, lot_number="A", expires_on=other)),
            problems.LotExpiryDiffers,
        )
    unmarked = unit(lambda: move(depot, "receipt", line(item, 1, expires_on=other)))
    assert unmarked.entries[0].lot_number == "2030-02-01"


def test_an_issue_is_undone_whatever_became_of_its_lots_date(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(make_item)
    typed, printed = date(2030, 1, 31), date(2030, 3, 31)
    unit(lambda: move(depot, "receipt", line(item, 4, lot_number="A", expires_on=typed)))
    issued = unit(lambda: move(depot, "issue", line(item, 4)))
    unit(lambda: move(depot, "receipt", line(item, 2, lot_number="A", expires_on=printed)))
    undone = unit(lambda: reverse(issued.id, depot.manager_id))
    (entry,) = undone.entries
    assert (entry.lot_number, entry.expires_on, entry.quantity) == ("2030-01-31", typed, 4)


@pytest.mark.parametrize("dated_first", [True, False])
def test_two_lines_of_a_lot_share_its_date_in_either_order(unit: Unit, dated_first: bool) -> None:
    depot, item, other = unit(make_depot), unit(make_item), unit(make_item)
    day = date(2030, 1, 31)
    lines = [line(item, 4, lot_number="A", expires_on=day), line(item, 1, lot_number="A"), line(other, 1)]
    received = unit(lambda: move(depot, "receipt", *(lines if dated_first else reversed(lines))))
    mine = [entry for entry in received.entries if entry.item_id == item]
    assert [(entry.lot_number, entry.expires_on) for entry in mine] == [("A", day)] * 2
    assert mine[-1].balance == 5
    assert [entry.expires_on for entry in received.entries if entry.item_id == other] == [None]


def test_an_empty_lot_takes_the_date_of_what_comes(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(make_item)
    wrong, right = date(2031, 1, 31), date(2030, 1, 31)
    receipt = unit(lambda: move(depot, "receipt", line(item, 4, lot_number="A", expires_on=wrong)))
    unit(lambda: reverse(receipt.id, depot.manager_id))
    unit(lambda: move(depot, "receipt", line(item, 3, lot_number="A", expires_on=right)))
    (row,) = unit(lambda: queries.list_stock(depot.station_id, {})).items
    assert (row.lot_number, row.expires_on, row.quantity) == ("A", right, 3)


def test_what_has_expired_is_not_received(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(make_item)
    day = timedelta(days=1)
    with clock.at(NOON):
        lot = line(item, 2, lot_number="A", expires_on=NOON.date() - day)
        problem = refused(unit, lambda: move(depot, "receipt", lot), problems.ReceiptOfExpired)
        assert problem.members["expires_on"] == "2026-11-22"
        assert problem.members["occurred_on"] == "2026-11-23"
        # A lot is good to the end of its last day.
        unit(lambda: move(depot, "receipt", lot, occurred_at=NOON - day))
        # The lot's date counts, whether the line repeats it or not.
        refused(unit, lambda: move(depot, "receipt", line(item, 1, lot_number="A")), problems.ReceiptOfExpired)
        issued = unit(lambda: move(depot, "issue", line(item, 2), occurred_at=NOON - day))
        # An undone issue puts back what has expired meanwhile.
        unit(lambda: reverse(issued.id, depot.manager_id))
    with clock.at(NOON - 200 * day):
        unit(lambda: move(depot, "receipt", line(item, 1, expires_on=NOON.date() - 100 * day)))


def test_medical_items_come_with_their_date(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(lambda: make_item(kind=ItemKind.MEDICAL))
    for undated in (line(item, 1), line(item, 1, lot_number="A")):
        problem = refused(unit, lambda undated=undated: move(depot, "receipt", undated), problems.ExpiryDateMissing)
        assert problem.members["item"]["id"] == str(item)
    unit(lambda: move(depot, "receipt", line(item, 1, lot_number="A", expires_on=date(2038, 1, 1))))
    again = unit(lambda: move(depot, "receipt", line(item, 1, lot_number="A")))
    assert again.entries[0].expires_on == date(2038, 1, 1)
    unit(lambda: move(depot, "issue", line(item, 2)))


def test_prohibited_items_are_refused(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(lambda: make_item(name="头孢", prohibited=True))
    refused(unit, lambda: move(depot, "receipt", line(item, 1)), ProhibitedItem)
    refused(unit, lambda: move(depot, "issue", line(item, 1)), ProhibitedItem)
    refused(unit, lambda: make_item(name="头孢"), ProhibitedItem)
    unit(lambda: make_item(name="头孢克肟", prohibited=True))
    refused(unit, lambda: make_item(name="头孢", prohibited=True), ItemExists)
    unit(lambda: make_item(name="创可贴"))
    refused(unit, lambda: make_item(name="创可贴"), ItemExists)


def test_document_numbers_follow_the_month_and_the_order_of_recording(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(make_item)
    # 15:59 UTC on the last day is still October in Shanghai, 16:00 is November.
    october, november = datetime(2026, 10, 31, 15, 59, tzinfo=UTC), datetime(2026, 10, 31, 16, 0, tzinfo=UTC)
    with clock.at(NOON):
        moments = [november, october, None, october]
        numbers = [
            unit(lambda moment=moment: move(depot, "receipt", line(item, 1), occurred_at=moment)).document_number
            for moment in moments
        ]
        # A refusal leaves no gap.
        refused(unit, lambda: move(depot, "issue", line(item, 9)), problems.StockTooLow)
        numbers.append(unit(lambda: move(depot, "issue", line(item, 4))).document_number)
    assert numbers == [
        f"{depot.code}-202611-0001",
        f"{depot.code}-202610-0001",
        f"{depot.code}-202611-0002",
        f"{depot.code}-202610-0002",
        f"{depot.code}-202611-0003",
    ]


def test_backdating_has_bounds(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(make_item)
    with clock.at(NOON):
        days = timedelta(days=1)
        unit(lambda: move(depot, "receipt", line(item, 1), occurred_at=NOON - 30 * days))
        problem = refused(
            unit,
            lambda: move(depot, "receipt", line(item, 1), occurred_at=NOON - 31 * days),
            problems.TooFarBack,
        )
        assert problem.members["occurred_on"] == "2026-10-23"
        unit(lambda: move(depot, "receipt", line(item, 1), occurred_at=NOON + timedelta(minutes=5)))
        refused(
            unit,
            lambda: move(depot, "receipt", line(item, 1), occurred_at=NOON + timedelta(minutes=5, seconds=1)),
            problems.OccurredInFuture,
        )


def test_no_day_gone_by_falls_below_zero(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(make_item)
    day = timedelta(days=1)
    with clock.at(NOON):
        unit(lambda: move(depot, "receipt", line(item, 5), occurred_at=NOON - 9 * day))
        unit(lambda: move(depot, "issue", line(item, 4), occurred_at=NOON - 5 * day))
        unit(lambda: move(depot, "receipt", line(item, 10), occurred_at=NOON - 2 * day))
        # Eleven are there now, but only one was from the fifth to the second day ago.
        problem = refused(
            unit, lambda: move(depot, "issue", line(item, 2), occurred_at=NOON - 7 * day), problems.LaterBalanceNegative
        )
        assert (problem.members["free"], problem.members["requested"]) == (1, 2)
        refused(
            unit, lambda: move(depot, "issue", line(item, 2), occurred_at=NOON - 3 * day), problems.LaterBalanceNegative
        )
        refused(
            unit,
            lambda: move(depot, "issue", line(item, 1), occurred_at=NOON - 10 * day),
            problems.LaterBalanceNegative,
        )
        issued = unit(lambda: move(depot, "issue", line(item, 1), occurred_at=NOON - 7 * day))
        assert issued.entries[0].balance == 10
        unit(lambda: move(depot, "issue", line(item, 10), occurred_at=NOON - 2 * day))


def test_reversal_undoes_once(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(make_item)
    lots = [line(item, 3, lot_number="A", expires_on=date(2030, 1, 1)), line(item, 2)]
    receipt = unit(lambda: move(depot, "receipt", *lots))
    issue = unit(lambda: move(depot, "issue", line(item, 4)))
    refused(unit, lambda: reverse(receipt.id, depot.manager_id), problems.StockTooLow)
    reversal = unit(lambda: reverse(issue.id, depot.manager_id))
    assert reversal.reverses_id == issue.id
    assert [(entry.lot_number, entry.quantity) for entry in reversal.entries] == [(None, 1), ("A", 3)]
    assert unit(lambda: queries.read_movement(issue.id)).reversed_by_id == reversal.id
    problem = refused(unit, lambda: reverse(issue.id, depot.manager_id), problems.AlreadyReversed)
    assert problem.members["reversal_id"] == str(reversal.id)
    refused(unit, lambda: reverse(reversal.id, depot.manager_id), problems.ReversalNotReversible)
    unit(lambda: reverse(receipt.id, depot.manager_id))
    assert unit(lambda: ledger(depot)) == {item: (0, 9, 9, 0)}


def test_months_add_up(unit: Unit) -> None:
    depot, item, still = unit(make_depot), unit(make_item), unit(make_item)
    october = datetime(2026, 10, 30, 4, 0, tzinfo=UTC)
    with clock.at(NOON):
        unit(lambda: move(depot, "receipt", line(item, 8), line(still, 1), occurred_at=october))
        unit(lambda: move(depot, "issue", line(item, 3), occurred_at=october + timedelta(days=1)))
        unit(lambda: move(depot, "issue", line(item, 2)))
        unit(lambda: move(depot, "receipt", line(item, 4)))
        assert unit(lambda: ledger(depot, "2026-09")) == {}
        assert unit(lambda: ledger(depot, "2026-10")) == {item: (0, 8, 3, 5), still: (0, 1, 0, 1)}
        assert unit(lambda: ledger(depot)) == {item: (5, 4, 2, 7), still: (1, 0, 0, 1)}
        assert unit(lambda: ledger(depot, "2026-12")) == {item: (7, 0, 0, 7), still: (1, 0, 0, 1)}


@pytest.mark.parametrize("table", ["movements", "stock_entries"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET created_at = created_at", "DELETE FROM {}"])
@pytest.mark.both_databases
def test_the_ledger_only_grows(app: Flask, unit: Unit, table: str, verb: str) -> None:
    depot, item = unit(make_depot), unit(make_item)
    unit(lambda: move(depot, "receipt", line(item, 1)))
    # Beside the unit of work, which takes a constraint's refusal for a lost race.
    with app.app_context(), db.engine.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.exec_driver_sql(verb.format(table))


def test_the_last_one_is_taken_once(unit: Unit, race: Callable[..., list[Any]]) -> None:
    """40 people take one thing each from 20."""
    depot, item = unit(make_depot), unit(make_item)
    unit(lambda: move(depot, "receipt", line(item, 12, lot_number="A"), line(item, 8)))

    def take(_number: int) -> str:
        # A phone waits out a busy database and asks again.
        for _ in range(20):
            try:
                document: queries.Document = unit(lambda: move(depot, "issue", line(item, 1)))
                return document.document_number
            except problems.StockTooLow as problem:
                return problem.code
            except Busy:
                continue
        return "never"

    outcomes = race(40, take)
    numbers = sorted(outcome for outcome in outcomes if outcome.startswith(depot.code))
    month = unit(clock.today).strftime("%Y%m")
    assert numbers == [f"{depot.code}-{month}-{number:04d}" for number in range(2, 22)]
    assert [outcome for outcome in outcomes if outcome not in numbers] == ["stock_too_low"] * 20

    def sums() -> tuple[int, int, list[int]]:
        entries = db.session.scalar(select(func.sum(StockEntry.quantity)))
        balances = db.session.scalar(select(func.sum(StockBalance.quantity)))
        return entries, balances, list(db.session.scalars(select(StockEntry.sequence).order_by(StockEntry.sequence)))

    assert unit(sums) == (0, 0, list(range(1, 23)))


def test_a_movement_is_reversed_once_in_a_race(unit: Unit, race: Callable[..., list[Any]]) -> None:
    depot, item = unit(make_depot), unit(make_item)
    receipt = unit(lambda: move(depot, "receipt", line(item, 10)))
    issue = unit(lambda: move(depot, "issue", line(item, 1)))
    outcomes = race(10, lambda _number: unit(lambda: reverse(issue.id, depot.manager_id)))
    assert sum(isinstance(outcome, queries.Document) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, problems.AlreadyReversed) for outcome in outcomes) == 9
    assert unit(lambda: ledger(depot)) == {item: (0, 11, 1, 10)}
    assert receipt.entries[0].balance == 10
