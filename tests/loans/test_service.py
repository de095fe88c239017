"""The rules of lending and taking back, below HTTP."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.factories import make_volunteer
from tests.inventory.factories import make_item, move
from tests.loans.factories import (
    PASSER_BY,
    Desk,
    add_up,
    bring_back,
    documents,
    extend,
    lend,
    make_desk,
    number,
    outstanding,
    read,
    shelf,
    state_of,
)
from volunteer_api.catalog.models import Item, ItemKind
from volunteer_api.catalog.problems import ItemUnknown, ProhibitedItem
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound, Problem
from volunteer_api.inventory import service as inventory
from volunteer_api.inventory.models import Movement, MovementReason, StockBalance
from volunteer_api.inventory.problems import LotExpired, StockTooLow
from volunteer_api.loans import checks, news, problems, queries, service
from volunteer_api.loans.models import LendingDocument, Loan
from volunteer_api.notifications.models import Notification
from volunteer_api.stations.models import Station, StationStatus
from volunteer_api.stations.problems import StationPaused

Unit = Callable[[Callable[[], Any]], Any]
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


@pytest.fixture
def desk(unit: Unit) -> Desk:
    made: Desk = unit(make_desk)
    return made


def refused(unit: Unit, work: Callable[[], Any], problem: type[Problem]) -> Problem:
    with pytest.raises(problem) as caught:
        unit(work)
    return caught.value


def test_a_loan_leaves_the_shelf_and_is_counted_beside_it(unit: Unit, desk: Desk) -> None:
    loan = unit(lambda: lend(desk, 3))
    assert unit(lambda: shelf(desk.station_id, desk.item_id)) == (7, 0, 3)
    assert unit(lambda: documents(desk.station_id)) == [("loan_out", "other", -3)]
    assert (loan.state, loan.quantity, loan.outstanding, loan.overdue) == ("open", 3, 3, False)
    assert (loan.borrower.kind, loan.borrower.name, loan.borrower.phone) == ("passer_by", "王*", "137****5678")
    # In a week, at the end of that day: the desk has no hours.
    assert loan.due_at == unit(lambda: in_a_week(loan, time(23, 59)))
    (document,) = loan.documents
    assert (document.kind, document.station_id) == ("loan_out", desk.station_id)
    unit(add_up)


def test_slip_numbers_can_be_read_aloud_and_not_guessed(unit: Unit, desk: Desk) -> None:
    slips = {unit(lambda: lend(desk)).slip_number for _ in range(5)}
    assert len(slips) == 5
    assert all(len(slip) == service.SLIP_LENGTH and set(slip) <= set(ids.READABLE) for slip in slips)


def test_what_comes_back_good_is_on_the_shelf_again(unit: Unit, desk: Desk) -> None:
    loan = unit(lambda: lend(desk, 3))
    back = unit(lambda: bring_back(desk, loan.id, 2))
    assert (back.state, back.outstanding, back.returned, back.lost) == ("open", 1, 2, 0)
    assert unit(lambda: shelf(desk.station_id, desk.item_id)) == (9, 0, 1)
    closed = unit(lambda: bring_back(desk, loan.id))
    assert (closed.state, closed.outstanding, closed.returned) == ("closed", 0, 3)
    assert closed.closed_at is not None
    assert unit(lambda: shelf(desk.station_id, desk.item_id)) == (10, 0, 0)
    assert [(one.quantity, one.condition) for one in closed.returns] == [(2, "good"), (1, "good")]
    assert unit(lambda: documents(desk.station_id))[1:] == [("loan_return", "other", 2), ("loan_return", "other", 1)]


def test_a_return_elsewhere_goes_onto_the_shelf_there(unit: Unit, desk: Desk) -> None:
    loan = unit(lambda: lend(desk, 3))
    unit(lambda: bring_back(desk, loan.id, 2, elsewhere=True))
    assert unit(lambda: shelf(desk.station_id, desk.item_id)) == (7, 0, 1)
    assert unit(lambda: shelf(desk.other_station_id, desk.item_id)) == (2, 0, 0)
    assert unit(lambda: documents(desk.other_station_id)) == [("loan_return", "other", 2)]
    (document,) = [one for one in unit(lambda: read(desk, loan.id)).documents if one.kind == "loan_return"]
    assert unit(lambda: db.session.get_one(Movement, document.id).counterparty) == desk.depot.code
    assert unit(lambda: db.session.get_one(Movement, document.id).note) == loan.slip_number
    unit(add_up)


def test_damaged_pieces_wait_in_quarantine(unit: Unit, desk: Desk) -> None:
    loan = unit(lambda: lend(desk, 2))
    back = unit(lambda: bring_back(desk, loan.id, 1, condition="damaged", elsewhere=True))
    assert (back.returned, back.damaged, back.lost, back.outstanding) == (1, 1, 0, 1)
    assert unit(lambda: shelf(desk.other_station_id, desk.item_id)) == (0, 1, 0)
    assert unit(lambda: documents(desk.other_station_id)) == [("loan_return", "damaged", 1)]


def test_damaged_pieces_are_written_off_where_they_come_back(unit: Unit, desk: Desk) -> None:
    loan = unit(lambda: lend(desk, 2))
    unit(lambda: bring_back(desk, loan.id, condition="damaged", write_off=True, elsewhere=True))
    assert unit(lambda: shelf(desk.other_station_id, desk.item_id)) == (0, 0, 0)
    assert unit(lambda: documents(desk.other_station_id)) == [
        ("loan_return", "damaged", 2),
        ("write_off", "damaged", -2),
    ]
    assert unit(lambda: shelf(desk.station_id, desk.item_id)) == (8, 0, 0)


def test_a_loss_is_on_paper_and_leaves_the_shelf_as_it_is(unit: Unit, desk: Desk) -> None:
    loan = unit(lambda: lend(desk, 3))
    lost = unit(lambda: bring_back(desk, loan.id, 2, condition="lost"))
    assert (lost.lost, lost.returned, lost.outstanding) == (2, 0, 1)
    assert unit(lambda: shelf(desk.station_id, desk.item_id)) == (7, 0, 1)
    assert unit(lambda: documents(desk.station_id))[1:] == [("loan_return", "lost", 2), ("write_off", "lost", -2)]
    unit(add_up)


def test_only_the_lending_station_gives_up(unit: Unit, desk: Desk) -> None:
    loan = unit(lambda: lend(desk))
    problem = refused(unit, lambda: bring_back(desk, loan.id, condition="lost", elsewhere=True), problems.LostElsewhere)
    assert problem.members == {"station_id": str(desk.station_id)}


def test_a_second_return_is_refused_by_name(unit: Unit, desk: Desk) -> None:
    loan = unit(lambda: lend(desk, 2))
    problem = refused(unit, lambda: bring_back(desk, loan.id, 3), problems.MoreThanOutstanding)
    assert problem.members == {"outstanding": 2, "requested": 3}
    unit(lambda: bring_back(desk, loan.id))
    problem = refused(unit, lambda: bring_back(desk, loan.id), problems.AlreadyReturned)
    assert problem.members["closed_at"].endswith("Z")
    refused(unit, lambda: bring_back(desk, loan.id, condition="lost"), problems.AlreadyReturned)
    assert unit(lambda: shelf(desk.station_id, desk.item_id)) == (10, 0, 0)


def test_stock_too_low_names_the_balance(unit: Unit, desk: Desk) -> None:
    problem = refused(unit, lambda: lend(desk, 11), StockTooLow)
    assert (problem.members["balance"], problem.members["requested"]) == (10, 11)
    assert unit(lambda: db.session.scalar(select(Loan.id))) is None


def test_only_durables_that_exist_and_are_allowed_are_lent(unit: Unit, desk: Desk) -> None:
    for kind in (ItemKind.CONSUMABLE, ItemKind.MEDICAL):
        item = unit(lambda kind=kind: make_item(kind=kind))
        refused(unit, lambda item=item: lend(desk, item_id=item), problems.NotLendable)
    refused(unit, lambda: lend(desk, item_id=ids.new_id()), ItemUnknown)
    unit(lambda: setattr(db.session.get_one(Item, desk.item_id), "prohibited", True))
    refused(unit, lambda: lend(desk), ProhibitedItem)


def test_what_has_expired_is_not_lent(unit: Unit, desk: Desk) -> None:
    item = unit(lambda: make_item(kind=ItemKind.DURABLE))
    with clock.at(NOON):
        unit(lambda: move(desk.depot, "receipt", {"item_id": item, "quantity": 2, "expires_on": date(2026, 11, 23)}))
    with clock.at(NOON + timedelta(days=1)):
        refused(unit, lambda: lend(desk, item_id=item), LotExpired)


def test_a_loan_of_two_lots_comes_back_to_both(unit: Unit, desk: Desk) -> None:
    item = unit(lambda: make_item(kind=ItemKind.DURABLE))
    lots = {"A": date(2038, 1, 1), "B": date(2038, 2, 1)}
    for lot_number, expires_on in lots.items():
        line = {"item_id": item, "quantity": 2, "lot_number": lot_number, "expires_on": expires_on}
        unit(lambda line=line: move(desk.depot, "receipt", line))
    loan = unit(lambda: lend(desk, 3, item_id=item))
    assert unit(lambda: outstanding(loan.id)) == (3, 3)
    unit(lambda: bring_back(desk, loan.id, 1, elsewhere=True))
    unit(add_up)
    unit(lambda: bring_back(desk, loan.id))
    rows = unit(
        lambda: {
            (row.station_id == desk.station_id, row.lot_number): (row.quantity, row.on_loan, row.expires_on)
            for row in db.session.scalars(select(StockBalance).where(StockBalance.item_id == item))
        }
    )
    assert rows == {
        (True, "A"): (1, 0, lots["A"]),
        (True, "B"): (2, 0, lots["B"]),
        (False, "A"): (1, 0, lots["A"]),
    }


def test_a_lot_with_another_expiry_elsewhere_refuses_no_return(unit: Unit, desk: Desk) -> None:
    item = unit(lambda: make_item(kind=ItemKind.DURABLE))
    line = {"item_id": item, "quantity": 1, "lot_number": "A", "expires_on": date(2038, 1, 1)}
    unit(lambda: move(desk.depot, "receipt", line))
    unit(
        lambda: inventory.record_movement(
            station_id=desk.other_station_id,
            actor_id=desk.other_manager_id,
            kind=inventory.RecordableKind.RECEIPT,
            reason=MovementReason.OTHER,
            lines=[line | {"expires_on": date(2038, 3, 3)}],
        )
    )
    loan = unit(lambda: lend(desk, item_id=item))
    unit(lambda: bring_back(desk, loan.id, elsewhere=True))
    lots = unit(
        lambda: set(
            db.session.scalars(
                select(StockBalance.lot_number).where(
                    StockBalance.station_id == desk.other_station_id, StockBalance.quantity > 0
                )
            )
        )
    )
    assert lots == {"A", "2038-01-01"}


def test_documents_of_loans_are_undone_by_returns_only(unit: Unit, desk: Desk) -> None:
    loan = unit(lambda: lend(desk, 2))
    unit(lambda: bring_back(desk, loan.id, 1))
    unit(lambda: bring_back(desk, loan.id, 1, condition="lost"))
    documents_of_loan = unit(lambda: list(db.session.scalars(select(LendingDocument.movement_id))))
    assert len(documents_of_loan) == 4
    for movement_id in documents_of_loan:
        lends = unit(lambda movement_id=movement_id: db.session.get_one(Movement, movement_id).kind) == "loan_out"
        refusal = problems.UndoneByReturn if lends else problems.UndoneWithReturn
        problem = refused(unit, lambda movement_id=movement_id: reverse(movement_id, desk), refusal)
        assert problem.members["loan_id"] == str(loan.id)


def reverse(movement_id: UUID, desk: Desk) -> Any:
    return inventory.reverse_movement(
        db.session.get_one(Movement, movement_id), actor_id=desk.manager_id, reason=MovementReason.MISTAKE
    )


def test_due_dates_have_their_bounds(unit: Unit, desk: Desk) -> None:
    now = clock.now()
    refused(unit, lambda: lend(desk, due_at=now - timedelta(minutes=1)), problems.DueInPast)
    problem = refused(unit, lambda: lend(desk, due_at=now + timedelta(days=31)), problems.DueTooLate)
    assert problem.members["latest"] > now.isoformat()
    loan = unit(lambda: lend(desk, due_at=now + timedelta(hours=2)))
    assert loan.due_at == now + timedelta(hours=2)


def test_it_is_due_when_the_desk_closes(unit: Unit, desk: Desk) -> None:
    hours = [{"weekday": day, "opens": "08:30", "closes": "18:00"} for day in range(1, 8)]
    unit(lambda: setattr(db.session.get_one(Station, desk.station_id), "opening_hours", hours))
    volunteer = unit(make_volunteer)
    loan = unit(lambda: lend(desk, borrower={"volunteer_id": volunteer.id}))
    assert loan.due_at == unit(lambda: in_a_week(loan, time(18)))
    told = unit(lambda: db.session.scalars(select(Notification).where(Notification.volunteer_id == volunteer.id)).one())
    assert told.values["day"].endswith(" 18:00")


def in_a_week(loan: Any, told: time) -> datetime:
    return clock.at_local(clock.local_date(loan.lent_at + timedelta(days=7)), told)


def heard_last(volunteer_id: UUID) -> str:
    heard = select(Notification.kind).where(Notification.volunteer_id == volunteer_id)
    return str(db.session.scalars(heard.order_by(Notification.id.desc())).first())


def test_an_extension_makes_it_due_later(unit: Unit, desk: Desk) -> None:
    volunteer = unit(make_volunteer)
    loan = unit(lambda: lend(desk, borrower={"volunteer_id": volunteer.id}))

    def later(days: int) -> Any:
        return extend(desk, loan.id, clock.now() + timedelta(days=days))

    extended = unit(lambda: later(20))
    assert (extended.extended_count, extended.due_at > loan.due_at) == (1, True)
    assert unit(lambda: heard_last(volunteer.id)) == "loan_extended"
    refused(unit, lambda: later(10), problems.DueNotLater)
    refused(unit, lambda: later(31), problems.DueTooLate)
    refused(unit, lambda: later(-1), problems.DueInPast)
    unit(lambda: bring_back(desk, loan.id))
    refused(unit, lambda: later(25), problems.AlreadyReturned)


def test_borrowers_are_accounts_or_passers_by(unit: Unit, desk: Desk) -> None:
    volunteer = unit(lambda: make_volunteer(name="李志愿"))
    by_id = unit(lambda: lend(desk, borrower={"volunteer_id": volunteer.id}))
    by_number = unit(lambda: lend(desk, borrower={"volunteer_number": volunteer.volunteer_number.lower()}))
    for loan in (by_id, by_number):
        assert (loan.borrower.kind, loan.borrower.volunteer.id) == ("volunteer", volunteer.id)
        assert loan.borrower.name == "李志愿"
    mine = unit(lambda: queries.loans_of(volunteer.id, {})).items
    assert [loan.id for loan in mine] == [by_number.id, by_id.id]
    refused(unit, lambda: lend(desk, borrower={"volunteer_id": ids.new_id()}), problems.BorrowerUnknown)
    refused(unit, lambda: lend(desk, borrower={"volunteer_number": "NOBODY"}), problems.BorrowerUnknown)


def test_a_borrower_may_be_bound(app: Any, change_rules: Any, unit: Unit, desk: Desk) -> None:
    change_rules(loans_per_borrower=2)
    first = unit(lambda: lend(desk))
    unit(lambda: lend(desk))
    problem = refused(unit, lambda: lend(desk), problems.TooManyLoans)
    assert problem.members == {"open_loans": 2}
    unit(lambda: lend(desk, borrower=PASSER_BY | {"phone": "+8613712345679"}))
    unit(lambda: bring_back(desk, first.id))
    unit(lambda: lend(desk))
    volunteer = unit(make_volunteer)
    for _ in range(2):
        unit(lambda: lend(desk, borrower={"volunteer_id": volunteer.id}))
    refused(unit, lambda: lend(desk, borrower={"volunteer_id": volunteer.id}), problems.TooManyLoans)


def test_a_volunteer_hears_of_loans_in_her_name(unit: Unit, desk: Desk) -> None:
    volunteer = unit(make_volunteer)
    loan = unit(lambda: lend(desk, 3, borrower={"volunteer_id": volunteer.id}))
    unit(lambda: bring_back(desk, loan.id, 1))
    unit(lambda: bring_back(desk, loan.id, 1))
    unit(lambda: bring_back(desk, loan.id, 1, condition="lost"))
    told = unit(
        lambda: list(
            db.session.scalars(
                select(Notification.kind)
                .where(Notification.volunteer_id == volunteer.id)
                .order_by(Notification.created_at, Notification.id)
            )
        )
    )
    assert told == ["loan_made", "loan_returned", "loan_returned", "loan_lost"]


def test_nowhere_is_nothing_lent(unit: Unit, desk: Desk) -> None:
    def elsewhere() -> Any:
        return service.lend(station_id=ids.new_id(), actor_id=desk.manager_id, borrower=PASSER_BY, item_id=desk.item_id)

    refused(unit, elsewhere, NotFound)


def faults(unit: Unit, station_id: UUID) -> list[tuple[str, str]]:
    return [(fault.kind, fault.subject) for fault in unit(lambda: list(checks.check_loans(station_id)))]


def test_the_check_finds_what_somebody_changed(unit: Unit, desk: Desk) -> None:
    loan = unit(lambda: lend(desk, 2))
    unit(add_up)

    def count_one_more() -> None:
        balance = db.session.scalars(select(StockBalance).where(StockBalance.item_id == desk.item_id)).one()
        balance.on_loan += 1

    unit(count_one_more)
    assert faults(unit, desk.station_id) == [("on_loan", f"{desk.item_id}/")]
    assert faults(unit, desk.other_station_id) == []
    unit(lambda: setattr(db.session.get_one(Loan, loan.id), "outstanding", 1))
    assert ("loan_sum", str(loan.id)) in faults(unit, desk.station_id)


def test_the_check_finds_more_numbers_than_pieces(unit: Unit, desk: Desk) -> None:
    unit(lambda: number(desk))
    unit(add_up)

    def empty_shelf() -> None:
        db.session.scalars(select(StockBalance).where(StockBalance.item_id == desk.item_id)).one().quantity = 0

    unit(empty_shelf)
    assert faults(unit, desk.station_id) == [("numbered_pieces", str(desk.item_id))]
    assert faults(unit, desk.other_station_id) == []


def test_a_numbered_piece_that_is_out_is_named(unit: Unit, desk: Desk) -> None:
    asset = unit(lambda: number(desk))
    unit(lambda: lend(desk, asset_id=asset.id))
    assert unit(lambda: state_of(asset.id)) == ("on_loan", desk.station_id)
    problem = refused(unit, lambda: lend(desk, asset_id=asset.id), problems.AssetNotInStock)
    assert problem.members["state"] == "on_loan"
    assert problem.members["due_at"].endswith("Z")
    refused(unit, lambda: lend(desk, asset_id=ids.new_id()), problems.AssetUnknown)


@pytest.mark.either_database
def test_the_lender_hears_where_its_piece_is(unit: Unit, desk: Desk) -> None:
    asset = unit(lambda: number(desk, code="LY-102"))
    loan = unit(lambda: lend(desk, asset_id=asset.id))
    plain = unit(lambda: lend(desk))
    for one in (loan, plain):
        unit(lambda one=one: bring_back(desk, one.id, elsewhere=True))
    statement = select(Notification.values).where(
        Notification.volunteer_id == desk.manager_id, Notification.kind == news.LENT_PIECE_ELSEWHERE
    )
    (told,) = unit(lambda: db.session.scalars(statement).all())
    assert (told["code"], told["station_id"]) == ("LY-102", str(desk.other_station_id))


@pytest.mark.either_database
def test_a_paused_station_takes_back_and_lends_nothing(unit: Unit, desk: Desk) -> None:
    loan = unit(lambda: lend(desk))
    unit(lambda: setattr(db.session.get_one(Station, desk.station_id), "status", StationStatus.PAUSED))
    refused(unit, lambda: lend(desk), StationPaused)
    unit(lambda: bring_back(desk, loan.id))
    unit(lambda: move(desk.depot, "receipt", {"item_id": desk.item_id, "quantity": 1}))
