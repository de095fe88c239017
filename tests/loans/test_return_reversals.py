"""A return that was a mistake is undone: the loan, the piece and both ledgers are as if it had never come."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.factories import make_volunteer
from tests.inventory.factories import make_item, move
from tests.loans.factories import (
    Desk,
    add_up,
    bring_back,
    documents,
    lend,
    make_desk,
    number,
    outstanding,
    read,
    shelf,
    state_of,
    undo_return,
)
from tests.loans.test_service import refused
from volunteer_api.catalog.models import ItemKind
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.inventory import ledger, recalls
from volunteer_api.inventory.problems import BeforeLastCount, StockTooLow
from volunteer_api.loans import assets, borrowers, news, problems
from volunteer_api.loans.models import Asset, AssetState, Loan, LoanLine
from volunteer_api.notifications.models import Notification
from volunteer_api.organizations.models import Organization

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def desk(unit: Unit) -> Desk:
    made: Desk = unit(make_desk)
    return made


def returned(unit: Unit, desk: Desk, loan_id: UUID, quantity: int | None = None, **values: Any) -> UUID:
    """Bring so many back; the return's id."""
    loan = unit(lambda: bring_back(desk, loan_id, quantity, **values))
    found: UUID = loan.returns[-1].id
    return found


def test_too_many_were_typed(unit: Unit, desk: Desk) -> None:
    """The loan is open again, due when it was, and the reminders that are still to come come."""
    borrower, due_at = unit(make_volunteer).id, clock.now() + timedelta(days=2)
    loan = unit(lambda: lend(desk, 3, borrower={"volunteer_id": borrower}, due_at=due_at))
    wrong = returned(unit, desk, loan.id)
    noticed_at = due_at + timedelta(days=2)
    with clock.at(noticed_at):
        again = unit(lambda: undo_return(desk, wrong, note="多数了一把"))
        stored = unit(lambda: db.session.get_one(Loan, loan.id))
        unit(lambda: bring_back(desk, loan.id, 2))
    assert (again.state, again.overdue, again.outstanding, again.returned, again.lost) == ("open", True, 3, 0, 0)
    assert stored.remind_at == due_at + timedelta(days=3)
    assert [(one.quantity, one.reversed_at) for one in again.returns] == [(3, noticed_at)]
    assert [one.kind for one in again.documents] == ["loan_out", "loan_return", "reversal"]
    assert unit(lambda: outstanding(loan.id)) == (1, 1)
    assert unit(lambda: shelf(desk.station_id, desk.item_id)) == (9, 0, 1)
    told = unit(
        lambda: list(db.session.scalars(select(Notification.kind).where(Notification.volunteer_id == borrower)))
    )
    assert sorted(told) == [news.LOAN_MADE, news.LOAN_RETURN_REVERSED, news.LOAN_RETURNED, news.LOAN_RETURNED]
    unit(add_up)


@pytest.mark.parametrize(
    ("values", "left"),
    [
        ({"elsewhere": True}, "in_stock"),
        ({"condition": "damaged"}, "repair"),
        ({"condition": "damaged", "write_off": True, "elsewhere": True}, "retired"),
        ({"condition": "lost"}, "lost"),
    ],
)
def test_a_piece_is_out_again(unit: Unit, desk: Desk, values: dict[str, Any], left: str) -> None:
    """Wherever it was booked in, and in whatever condition: that of before comes back too."""
    piece = unit(lambda: number(desk, condition="worn"))
    loan = unit(lambda: lend(desk, asset_id=piece.id))
    wrong = returned(unit, desk, loan.id, **values)
    assert unit(lambda: state_of(piece.id))[0] == left
    unit(lambda: undo_return(desk, wrong, elsewhere=values.get("elsewhere", False)))
    assert unit(lambda: state_of(piece.id)) == ("on_loan", desk.station_id)
    assert unit(lambda: db.session.get_one(Asset, piece.id).condition) == "worn"
    assert unit(lambda: shelf(desk.station_id, desk.item_id)) == (9, 0, 1)
    assert unit(lambda: shelf(desk.other_station_id, desk.item_id)) == (0, 0, 0)
    unit(add_up)
    unit(lambda: bring_back(desk, loan.id))
    assert unit(lambda: state_of(piece.id)) == ("in_stock", desk.station_id)


def test_each_lot_comes_back_to_its_line(unit: Unit, desk: Desk) -> None:
    """Not to the lines in their order: the first return was of the first lot."""

    def two_lots() -> UUID:
        item_id = make_item(kind=ItemKind.DURABLE)
        for lot in ("A", "B"):
            move(desk.depot, "receipt", {"item_id": item_id, "quantity": 2, "lot_number": lot})
        return item_id

    item_id = unit(two_lots)
    loan = unit(lambda: lend(desk, 4, item_id=item_id))
    first = returned(unit, desk, loan.id, 2)
    returned(unit, desk, loan.id, 2, elsewhere=True)
    unit(lambda: undo_return(desk, first))
    lines = select(LoanLine.lot_number, LoanLine.outstanding).where(LoanLine.loan_id == loan.id)
    assert dict(unit(lambda: [tuple(row) for row in db.session.execute(lines)])) == {"A": 2, "B": 0}
    unit(add_up)


@pytest.mark.either_database
def test_what_was_lost_of_a_recalled_lot(unit: Unit, desk: Desk) -> None:
    """Its reversal passes through quarantine, and takes nothing else off the shelf."""
    item_id = unit(lambda: make_item(kind=ItemKind.DURABLE))
    line = {"item_id": item_id, "quantity": 2, "lot_number": "A", "expires_on": date(2038, 1, 1)}
    unit(lambda: move(desk.depot, "receipt", line))
    loan = unit(lambda: lend(desk, 1, item_id=item_id))
    wrong = returned(unit, desk, loan.id, condition="lost")
    office, by = desk.depot.office_id, desk.depot.organizer_id
    unit(
        lambda: recalls.recall_lot(
            organization=db.session.get_one(Organization, office), item_id=item_id, lot_number="A", reason="漏电", by=by
        )
    )
    unit(lambda: undo_return(desk, wrong))
    assert unit(lambda: shelf(desk.station_id, item_id)) == (0, 1, 1)
    unit(add_up)


@pytest.mark.either_database
def test_what_stands_against_it(unit: Unit, desk: Desk) -> None:
    """Twice, by the borrower herself, of somebody forgotten, behind a count, or when the pieces are gone again."""
    loan = unit(lambda: lend(desk, 2))
    done = returned(unit, desk, loan.id, 1)
    unit(lambda: undo_return(desk, done))
    refused(unit, lambda: undo_return(desk, done), problems.ReturnReversed)
    own = unit(lambda: lend(desk, borrower={"volunteer_id": desk.other_manager_id}))
    own_return = returned(unit, desk, own.id)
    refused(unit, lambda: undo_return(desk, own_return, elsewhere=True), problems.OwnLoan)
    gone = returned(unit, desk, loan.id, elsewhere=True)
    unit(lambda: move_away(desk, 2))
    refused(unit, lambda: undo_return(desk, gone, elsewhere=True), StockTooLow)
    with clock.at(clock.now() + timedelta(days=40)):
        unit(borrowers.forget)
        refused(unit, lambda: undo_return(desk, gone, elsewhere=True), problems.BorrowerForgotten)
    counted, lost = unit(lambda: lend(desk, 2)), unit(lambda: lend(desk, 1))
    behind = returned(unit, desk, counted.id)
    afterwards = returned(unit, desk, lost.id, condition="lost")
    unit(lambda: ledger.mark_counted(desk.station_id, {desk.item_id: clock.now()}))
    refused(unit, lambda: undo_return(desk, behind), BeforeLastCount)
    unit(lambda: undo_return(desk, afterwards))
    assert unit(lambda: read(desk, counted.id)).state == "closed"
    unit(add_up)


def move_away(desk: Desk, quantity: int) -> None:
    """The other desk writes off so many umbrellas."""
    posting = ledger.begin(desk.other_station_id, [desk.item_id])
    item = posting.items[desk.item_id]
    changes = posting.shelf.take(item, quantity, lot_number=None, expires_on=None, expired_too=True)
    posting.write(changes, actor_id=desk.other_manager_id, kind="write_off", reason="damaged")


def test_a_piece_that_went_on_stays(unit: Unit, desk: Desk) -> None:
    """Lent again, also when it is back since; carried elsewhere; repaired."""
    piece = unit(lambda: number(desk))
    first = unit(lambda: lend(desk, asset_id=piece.id))
    wrong = returned(unit, desk, first.id, elsewhere=True)
    unit(
        lambda: assets.relocate(
            db.session.get_one(Asset, piece.id), actor_id=desk.depot.organizer_id, station_id=desk.station_id
        )
    )
    problem = refused(unit, lambda: undo_return(desk, wrong, elsewhere=True), problems.PieceChangedSince)
    assert problem.members == {"state": "in_stock", "station_id": str(desk.station_id)}
    second = unit(lambda: lend(desk, asset_id=piece.id))
    early = returned(unit, desk, second.id)
    third = unit(lambda: lend(desk, asset_id=piece.id))
    refused(unit, lambda: undo_return(desk, early), problems.PieceChangedSince)
    mended = returned(unit, desk, third.id, condition="damaged")
    refused(unit, lambda: undo_return(desk, early), problems.PieceChangedSince)
    for state in (AssetState.IN_STOCK, AssetState.REPAIR):
        unit(
            lambda state=state: assets.change_asset(
                db.session.get_one(Asset, piece.id), actor_id=desk.manager_id, state=state
            )
        )
    refused(unit, lambda: undo_return(desk, mended), problems.PieceChangedSince)
    assert unit(lambda: documents(desk.station_id))[-1][0] == "quarantine"
    unit(add_up)


@pytest.mark.either_database
def test_over_http(client: Any, unit: Unit, desk: Desk) -> None:
    """Once under its key; only of this loan; whoever can't write off at the desk undoes no write-off."""
    loan = unit(lambda: lend(desk, 2))
    other = unit(lambda: lend(desk, 2))
    wrong = returned(unit, desk, loan.id, condition="lost")
    manager = client.as_(desk.manager_id)
    path = f"/loans/{loan.id}/returns/{wrong}/reversal"
    assert manager.post(f"/loans/{other.id}/returns/{wrong}/reversal", json={}, key="0").status_code == 404
    assert client.as_(desk.other_manager_id).post(path, json={}, key="1").status_code == 404
    answers = [manager.post(path, json={"note": "找到了"}, key="2") for _ in range(2)]
    assert [answer.get_json()["outstanding"] for answer in answers] == [2, 2]
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    late = manager.post(path, json={}, key="3")
    assert (late.status_code, late.get_json()["code"]) == (409, "return_reversed")
