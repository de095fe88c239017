"""What loans hear of the ledger and of erasure, and hold about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, select

from volunteer_api.accounts.events import ErasureRequested, VolunteerErased
from volunteer_api.catalog.models import Item
from volunteer_api.core.database import db
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.inventory.events import DurablesTaken, MovementReversing
from volunteer_api.inventory.models import MovementReason
from volunteer_api.loans import assets, borrowers, news
from volunteer_api.loans.models import LendingDocument, Loan, LoanReturn, LoanReturnDocument
from volunteer_api.loans.problems import UndoneByAsset, UndoneByReturn, UndoneWithReturn
from volunteer_api.notifications.service import notify


@on(DurablesTaken)
def keep_numbered_pieces(event: DurablesTaken) -> None:
    """Whatever the movement: numbered pieces are named, or they stay. Raises PiecesNumbered.

    But a recall waits for nobody's number: with a lot that goes into quarantine, the pieces go.
    """
    if event.reason == MovementReason.RECALLED:
        assets.follow_into_quarantine(event.station_id, event.item_ids)
    assets.require_unnumbered(event.station_id, event.item_ids)


@on(MovementReversing)
def refuse_reversal(event: MovementReversing) -> None:
    """A loan is undone by its return, and that as a whole; a piece by its change.

    Raises UndoneByReturn, UndoneWithReturn, UndoneByAsset.
    """
    document = db.session.get(LendingDocument, event.movement_id)
    if document is None:
        return
    if document.loan_id is not None:
        found = db.session.get(LoanReturnDocument, event.movement_id)
        if found is None:
            raise UndoneByReturn(members={"loan_id": str(document.loan_id)})
        raise UndoneWithReturn(members={"loan_id": str(document.loan_id), "return_id": str(found.return_id)})
    raise UndoneByAsset(members={"asset_id": str(document.asset_id)})


@on(ErasureRequested)
def tell_of_open_loans(event: ErasureRequested) -> None:
    """Say what stays known until it is back."""
    count = db.session.scalar(
        select(func.count()).select_from(Loan).where(Loan.volunteer_id == event.volunteer_id, Loan.closed_at.is_(None))
    )
    if count:
        notify(
            volunteer_id=event.volunteer_id,
            kind=news.LOAN_AT_ERASURE,
            values={"count": str(count)},
            dedup_key=f"{news.LOAN_AT_ERASURE}:{event.volunteer_id}:{event.erases_at.isoformat()}",
        )


@on(VolunteerErased)
def release_account(event: VolunteerErased) -> None:
    """What is settled forgets her; what is still out keeps, sealed, whom to ask for it until it is back."""
    borrowers.release_account(event.volunteer_id, event.name)


@exported("loans")
def loans(volunteer_id: UUID) -> list[dict[str, Any]]:
    """What the person borrowed, the latest first."""
    return rows(
        select(
            Loan.id,
            Loan.slip_number,
            Loan.station_id,
            Item.name.label("item"),
            Loan.quantity,
            Loan.outstanding,
            Loan.lent_at,
            Loan.due_at,
            Loan.closed_at,
        )
        .join(Item, Item.id == Loan.item_id)
        .where(Loan.volunteer_id == volunteer_id)
        .order_by(Loan.id.desc())
    )


@exported("loans_handled")
def loans_handled(volunteer_id: UUID) -> list[dict[str, Any]]:
    """What the person lent to others and took back from them, without who they are."""
    lent = rows(
        select(Loan.id, literal("lent").label("action"), Loan.station_id, Loan.quantity, Loan.lent_at)
        .where(Loan.lent_by == volunteer_id)
        .order_by(Loan.id.desc())
    )
    received = rows(
        select(
            LoanReturn.loan_id.label("id"),
            literal("received").label("action"),
            LoanReturn.station_id,
            LoanReturn.quantity,
            LoanReturn.condition,
            LoanReturn.note,
            LoanReturn.returned_at,
            LoanReturn.reversed_at,
        )
        .where(LoanReturn.received_by == volunteer_id)
        .order_by(LoanReturn.id.desc())
    )
    return lent + received
