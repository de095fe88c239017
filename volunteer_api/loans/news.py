"""What borrowers and desks hear of loans."""

from uuid import UUID

from volunteer_api.catalog.models import Item
from volunteer_api.core.database import db
from volunteer_api.core.settings import settings
from volunteer_api.inventory.keepers import keepers_of
from volunteer_api.inventory.recall_queries import name_of_station
from volunteer_api.loans.models import Asset, Loan, LoanReturn, ReturnCondition
from volunteer_api.notifications import templates
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.service import notify, notify_each

LOAN_MADE = templates.register(
    "loan_made",
    "You borrowed something",
    "%(quantity)s of %(item)s are lent to you until %(day)s. Slip %(slip)s.",
    Group.LOANS,
)
LOAN_EXTENDED = templates.register(
    "loan_extended",
    "You may keep longer what you borrowed",
    "%(quantity)s of %(item)s are lent to you until %(day)s now. Slip %(slip)s.",
    Group.LOANS,
)
LOAN_RETURNED = templates.register(
    "loan_returned", "Your loan came back", "%(quantity)s of %(item)s were taken back. Slip %(slip)s.", Group.LOANS
)
LOAN_LOST = templates.register(
    "loan_lost",
    "Your loan was given up as lost",
    "%(quantity)s of %(item)s were recorded as lost. Slip %(slip)s.",
    Group.LOANS,
)
LOAN_RETURN_REVERSED = templates.register(
    "loan_return_reversed",
    "Your loan is open again",
    "That %(quantity)s of %(item)s came back was recorded by mistake; due on %(day)s. Slip %(slip)s.",
    Group.LOANS,
)
LOAN_OVERDUE = templates.register(
    "loan_overdue",
    "Please bring back what you borrowed",
    "%(quantity)s of %(item)s were due on %(day)s. Any station takes them back. Slip %(slip)s.",
    Group.LOANS,
)
LOANS_OVERDUE_AT_DESK = templates.register(
    "loans_overdue_at_desk",
    "Loans are overdue",
    "%(count)s loans of %(station)s have become overdue. Call the passers-by among the borrowers.",
    Group.LOANS,
)
LOAN_AT_ERASURE = templates.register(
    "loan_at_erasure",
    "Something is still lent to you",
    "%(count)s loans of yours are open. Until they are back, your name and phone stay with them, sealed.",
    Group.LOANS,
)

LENT_PIECE_ELSEWHERE = templates.register(
    "lent_piece_elsewhere",
    "A piece came back elsewhere",
    "%(item)s %(code)s, lent by %(lender)s, was taken back at %(station)s and is kept there now: fetch it, or let it "
    "be sent.",
    Group.STOCK,
)


def tell_borrower(loan: Loan, item: Item, kind: str, *, quantity: int | None = None, stage: str = "") -> None:
    """Tell a volunteer of her loan; a passer-by has no inbox."""
    if loan.volunteer_id is None:
        return
    notify(
        volunteer_id=loan.volunteer_id,
        kind=kind,
        values={
            "loan_id": str(loan.id),
            "slip": loan.slip_number,
            "item": item.name,
            "quantity": str(quantity or loan.outstanding),
            # With the hour: what is due before a day would seem to be due the day before.
            "day": f"{loan.due_at.astimezone(settings().zone):%Y-%m-%d %H:%M}",
        },
        dedup_key=f"{kind}:{loan.id}:{stage}",
    )


def tell_of_return(loan: Loan, item: Item, found: LoanReturn) -> None:
    """Tell a volunteer what was taken back or given up, and the desk that lent a piece that it is elsewhere now."""
    if loan.asset_id is not None and found.station_id != loan.station_id:
        _tell_lender(loan, item, found)
    kind = LOAN_LOST if found.condition == ReturnCondition.LOST else LOAN_RETURNED
    tell_borrower(loan, item, kind, quantity=found.quantity, stage=str(found.id))


def _tell_lender(loan: Loan, item: Item, found: LoanReturn) -> None:
    """Tell the keepers of the desk that lent a numbered piece where it is now."""
    values = {
        "item": item.name,
        "code": db.session.get_one(Asset, loan.asset_id).code,
        "lender": name_of_station(loan.station_id),
        "station": name_of_station(found.station_id),
        "station_id": str(found.station_id),
        "loan_id": str(loan.id),
    }
    keepers = sorted(keepers_of([loan.station_id])[loan.station_id])
    notify_each(keepers, LENT_PIECE_ELSEWHERE, values, once=str(found.id))


def tell_manager(volunteer_id: UUID, *, station_id: UUID, station: str, count: int, first: UUID, stage: str) -> None:
    """Tell somebody who manages a desk that loans have become overdue, or a stage more so."""
    notify(
        volunteer_id=volunteer_id,
        kind=LOANS_OVERDUE_AT_DESK,
        values={"station_id": str(station_id), "station": station, "count": str(count)},
        dedup_key=f"{LOANS_OVERDUE_AT_DESK}:{volunteer_id}:{station_id}:{first}:{stage}",
    )
