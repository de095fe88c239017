"""Taking back: at any station, in part, whole, damaged or not at all."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.inventory import ledger
from volunteer_api.inventory.ledger import Posting
from volunteer_api.inventory.models import QUARANTINED, SEALED
from volunteer_api.inventory.models import MovementKind as Kind
from volunteer_api.inventory.models import MovementReason as Reason
from volunteer_api.inventory.queries import Document
from volunteer_api.inventory.service import opposite
from volunteer_api.inventory.shelf import Change
from volunteer_api.loans import assets, borrowers, news, queries
from volunteer_api.loans.models import (
    Asset,
    AssetCondition,
    AssetState,
    Loan,
    LoanLine,
    LoanReturn,
    LoanReturnDocument,
    LoanReturnLine,
    ReturnCondition,
)
from volunteer_api.loans.places import hold_stations
from volunteer_api.loans.problems import LostElsewhere, MoreThanOutstanding
from volunteer_api.loans.queries import LoanView
from volunteer_api.loans.service import already_returned, lock

REASONS = {
    ReturnCondition.GOOD: Reason.OTHER,
    ReturnCondition.DAMAGED: Reason.DAMAGED,
    ReturnCondition.LOST: Reason.LOST,
}


def take_back(
    loan: Loan,
    *,
    station_id: UUID,
    actor_id: UUID,
    condition: ReturnCondition,
    quantity: int | None = None,
    write_off: bool = False,
    note: str | None = None,
) -> LoanView:
    """Take back so many, or all that is outstanding, at a station.

    good: onto its shelf. damaged: into its quarantine to be repaired, or with `write_off` onto the shelf and written
    off at once. lost: only at the station that lent it, whose ledger books it back and writes it off in one step, so
    that the shelf is as before and the loss is on paper.
    Raises NotFound (404), OwnLoan, StationClosed, LostElsewhere, AlreadyReturned, MoreThanOutstanding (409).
    """
    borrowers.require_another(loan, actor_id)
    if condition == ReturnCondition.LOST and station_id != loan.station_id:
        raise LostElsewhere(members={"station_id": str(loan.station_id)})
    codes = hold_stations(loan.station_id, station_id)
    lock(loan)
    taken = _outstanding(loan, quantity)
    posting = ledger.begin(station_id, [loan.item_id])
    found = LoanReturn(
        loan_id=loan.id,
        station_id=station_id,
        quantity=taken,
        condition=condition,
        written_off=write_off or condition == ReturnCondition.LOST,
        note=note,
        received_by=actor_id,
        returned_at=posting.recorded_at,
    )
    db.session.add(found)
    db.session.flush()
    portion = QUARANTINED if condition == ReturnCondition.DAMAGED and not write_off else SEALED
    changes = [_put(posting, loan, line, portion) for line in _draw(loan, found)]
    counterparty = codes[loan.station_id] if station_id != loan.station_id else None
    document = _post(posting, loan, found, changes, Kind.LOAN_RETURN, counterparty)
    if loan.asset_id is not None:
        _move_piece(loan.asset_id, found, document)
    if found.written_off:
        back = [opposite(entry, posting.items[loan.item_id]) for entry in document.entries]
        _post(posting, loan, found, back, Kind.WRITE_OFF, None)
    _settle(loan, taken)
    news.tell_of_return(loan, posting.items[loan.item_id], found)
    return queries.read_loan(loan.id, reader_id=actor_id)


def _outstanding(loan: Loan, quantity: int | None) -> int:
    if loan.outstanding == 0:
        raise already_returned(loan)
    if quantity is not None and quantity > loan.outstanding:
        raise MoreThanOutstanding(
            members={"outstanding": loan.outstanding, "requested": quantity},
            outstanding=loan.outstanding,
            requested=quantity,
        )
    return quantity or loan.outstanding


def _draw(loan: Loan, found: LoanReturn) -> Sequence[tuple[LoanLine, int]]:
    """Take what came back off the loan's lines, and off what the lending station counts beside its shelf."""
    drawn, quantity = [], found.quantity
    lines = db.session.scalars(
        select(LoanLine)
        .where(LoanLine.loan_id == loan.id)
        .order_by(LoanLine.lot_number)
        .execution_options(populate_existing=True)
    )
    for line in lines:
        part = min(quantity, line.outstanding)
        if part:
            line.outstanding -= part
            quantity -= part
            ledger.count_beside(loan.station_id, loan.item_id, line.lot_number, on_loan=-part)
            db.session.add(LoanReturnLine(return_id=found.id, lot_number=line.lot_number, quantity=part))
            drawn.append((line, part))
    return drawn


def _put(posting: Posting, loan: Loan, drawn: tuple[LoanLine, int], portion: str) -> Change:
    line, quantity = drawn
    given = Change(posting.items[loan.item_id], line.lot_number, line.expires_on, -quantity)
    return posting.shelf.put_anywhere(given, quantity, portion)


def _move_piece(asset_id: UUID, found: LoanReturn, document: Document) -> None:
    asset = db.session.get_one(Asset, asset_id, populate_existing=True)
    found.condition_before = asset.condition
    asset.station_id, asset.state = found.station_id, left_as(found, document)
    if found.condition == ReturnCondition.DAMAGED:
        asset.condition = AssetCondition.DAMAGED
        # Who mends it reads there what is broken.
        asset.note = found.note or asset.note
    db.session.flush()


def left_as(found: LoanReturn, document: Document) -> AssetState:
    """The state that a return, by its document, gave to a numbered piece."""
    if found.condition == ReturnCondition.LOST:
        return AssetState.LOST
    if found.written_off:
        return AssetState.RETIRED
    return AssetState.REPAIR if assets.landed_in_quarantine(document) else AssetState.IN_STOCK


def _post(
    posting: Posting, loan: Loan, found: LoanReturn, changes: Sequence[Change], kind: Kind, counterparty: str | None
) -> Document:
    document = posting.write(
        changes,
        actor_id=found.received_by,
        kind=kind,
        reason=REASONS[ReturnCondition(found.condition)],
        note=loan.slip_number,
        counterparty=counterparty,
    )
    assets.belongs_to(document, loan_id=loan.id)
    db.session.add(LoanReturnDocument(movement_id=document.id, return_id=found.id))
    return document


def _settle(loan: Loan, quantity: int) -> None:
    loan.outstanding -= quantity
    if loan.outstanding == 0:
        loan.closed_at, loan.remind_at = clock.now(), None
    db.session.flush()
