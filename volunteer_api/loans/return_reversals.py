"""Undoing a return that was recorded by mistake: of too many, in the wrong condition, at the wrong station.

Its documents are reversed where it was recorded, and what it took back is lent again as if it had never come: to the
lines that it took it from, with the due date that the loan had.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import exists, or_, select

from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.inventory import ledger
from volunteer_api.inventory.ledger import Posting
from volunteer_api.inventory.models import Movement
from volunteer_api.inventory.models import MovementReason as Reason
from volunteer_api.inventory.queries import read_movement
from volunteer_api.inventory.service import opposite, write_reversal
from volunteer_api.loans import assets, borrowers, news, queries
from volunteer_api.loans.models import (
    Asset,
    AssetCondition,
    AssetState,
    LendingDocument,
    Loan,
    LoanLine,
    LoanReturn,
    LoanReturnDocument,
    LoanReturnLine,
)
from volunteer_api.loans.places import hold_stations
from volunteer_api.loans.problems import BorrowerForgotten, PieceChangedSince, ReturnReversed
from volunteer_api.loans.queries import LoanView
from volunteer_api.loans.returns import left_as
from volunteer_api.loans.service import lock, next_reminder, told
from volunteer_api.stations import service as stations


def reverse(found: LoanReturn, *, actor_id: UUID, note: str | None = None, witness: str | None = None) -> LoanView:
    """Undo a return, once; the loan is open again with what it took back.

    The reversals are documents of now, so a closed month stays as it is. What a count found on the shelf since is not
    taken from it again; what was lost or written off came onto no shelf, and needs no look at counts.
    Raises OwnLoan, ReturnReversed, BorrowerForgotten, StationClosed, PieceChangedSince, BeforeLastCount, StockTooLow
    where what came is no longer there, PiecesNumbered, WitnessMissing or WitnessIsHandler (409).
    """
    loan = db.session.get_one(Loan, found.loan_id)
    borrowers.require_another(loan, actor_id)
    hold_stations(loan.station_id, found.station_id)
    lock(loan)
    db.session.refresh(found)
    if found.reversed_at is not None:
        raise ReturnReversed(members={"reversed_at": told(found.reversed_at)})
    if loan.forgotten_at is not None:
        raise BorrowerForgotten()
    # A station that is closed has lent nothing.
    stations.hold(loan.station_id)
    posting = ledger.begin(found.station_id, [loan.item_id])
    movements = _documents_of(found)
    if loan.asset_id is not None:
        _lend_piece_again(loan, found, movements[0])
    if not found.written_off:
        ledger.require_uncounted_since(posting, movements[0])
    _reverse_documents(posting, loan, movements, actor_id=actor_id, note=note, witness=witness)
    _open_again(loan, found)
    news.tell_borrower(
        loan,
        posting.items[loan.item_id],
        news.LOAN_RETURN_REVERSED,
        quantity=found.quantity,
        stage=str(found.id),
    )
    return queries.read_loan(loan.id, reader_id=actor_id)


def _documents_of(found: LoanReturn) -> Sequence[Movement]:
    """What came in, and what of it was written off."""
    return db.session.scalars(
        select(Movement)
        .join(LoanReturnDocument, LoanReturnDocument.movement_id == Movement.id)
        .where(LoanReturnDocument.return_id == found.id)
        .order_by(Movement.id)
    ).all()


def _reverse_documents(
    posting: Posting,
    loan: Loan,
    movements: Sequence[Movement],
    *,
    actor_id: UUID,
    note: str | None,
    witness: str | None,
) -> None:
    """The last one first. What a write-off gives back goes from where that is put, be it quarantine by now."""
    changes = None
    for movement in reversed(movements):
        document = write_reversal(
            posting,
            movement,
            actor_id=actor_id,
            reason=Reason.MISTAKE,
            note=note or loan.slip_number,
            witness=witness,
            changes=changes,
        )
        assets.belongs_to(document, loan_id=loan.id)
        changes = [opposite(entry, posting.items[loan.item_id]) for entry in document.entries]


def _lend_piece_again(loan: Loan, found: LoanReturn, movement: Movement) -> None:
    """Let a numbered piece be out by the loan again, if it is still as the return left it. Raises PieceChangedSince."""
    asset = db.session.get_one(Asset, loan.asset_id, populate_existing=True)
    since = or_(
        exists().where(Loan.asset_id == asset.id, Loan.id > loan.id),
        exists().where(LendingDocument.asset_id == asset.id, LendingDocument.movement_id > movement.id),
    )
    as_left = (found.station_id, left_as(found, read_movement(movement.id)))
    if (asset.station_id, asset.state) != as_left or db.session.scalar(select(since)):
        raise PieceChangedSince(members={"state": asset.state, "station_id": str(asset.station_id)}, code=asset.code)
    asset.station_id, asset.state = loan.station_id, AssetState.ON_LOAN
    if found.condition_before is not None and asset.condition == AssetCondition.DAMAGED:
        asset.condition = found.condition_before
    # Before the ledger moves: numbered pieces on the shelf are held against what it leaves there.
    db.session.flush()


def _open_again(loan: Loan, found: LoanReturn) -> None:
    taken = db.session.execute(
        select(LoanLine, LoanReturnLine.quantity)
        .join(LoanReturnLine, LoanReturnLine.lot_number == LoanLine.lot_number)
        .where(LoanLine.loan_id == loan.id, LoanReturnLine.return_id == found.id)
        .order_by(LoanLine.lot_number)
        .execution_options(populate_existing=True)
    ).all()
    for line, quantity in taken:
        line.outstanding += quantity
        ledger.count_beside(
            loan.station_id, loan.item_id, line.lot_number, expires_on=line.expires_on, on_loan=quantity
        )
    loan.outstanding += found.quantity
    found.reversed_at = clock.now()
    if loan.closed_at is not None:
        loan.closed_at, loan.remind_at = None, next_reminder(loan.due_at, found.reversed_at)
    db.session.flush()
