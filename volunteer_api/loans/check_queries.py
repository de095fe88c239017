"""What the nightly check of loans and numbered pieces compares."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, or_, select, union_all

from volunteer_api.inventory.models import QUARANTINED, SEALED, StockBalance
from volunteer_api.loans.models import Asset, AssetState, Loan, LoanLine, LoanReturn

# One row of several columns, whose types the caller knows.
Rows = Select[*tuple[Any, ...]]


def differences(station_id: UUID | None = None) -> Rows:
    """Station, item and lot where what is counted as on loan is not the sum of what open loans took; and by how much.

    A positive `difference` is counted, but lent by no loan. Of all stations where None is named.
    """
    counted = select(
        StockBalance.station_id,
        StockBalance.item_id,
        StockBalance.lot_number,
        StockBalance.on_loan.label("quantity"),
    ).where(StockBalance.portion == SEALED, StockBalance.on_loan != 0)
    lent = (
        select(Loan.station_id, Loan.item_id, LoanLine.lot_number, (-LoanLine.outstanding).label("quantity"))
        .join(Loan, Loan.id == LoanLine.loan_id)
        .where(LoanLine.outstanding != 0)
    )
    if station_id is not None:
        counted = counted.where(StockBalance.station_id == station_id)
        lent = lent.where(Loan.station_id == station_id)
    both = union_all(counted, lent).subquery()
    total = func.sum(both.c.quantity)
    return (
        select(both.c.station_id, both.c.item_id, both.c.lot_number, total.label("difference"))
        .group_by(both.c.station_id, both.c.item_id, both.c.lot_number)
        .having(total != 0)
        .order_by(both.c.station_id, both.c.item_id, both.c.lot_number)
    )


def torn_loans(station_id: UUID | None = None) -> Select[UUID]:
    """The loans whose lines or returns do not add up to them; of all stations where None is named."""
    lines = select(func.sum(LoanLine.outstanding)).where(LoanLine.loan_id == Loan.id).scalar_subquery()
    returned = (
        select(func.coalesce(func.sum(LoanReturn.quantity), 0))
        .where(LoanReturn.loan_id == Loan.id, LoanReturn.reversed_at.is_(None))
        .scalar_subquery()
    )
    torn = select(Loan.id).where(or_(lines != Loan.outstanding, returned != Loan.quantity - Loan.outstanding))
    if station_id is not None:
        torn = torn.where(Loan.station_id == station_id)
    return torn.order_by(Loan.id)


def overnumbered(station_id: UUID | None = None) -> Select[UUID, UUID]:
    """Station and item where more numbered pieces are in stock, or in repair, than there are on the shelf.

    Of all stations where None is named.
    """

    def of(state: AssetState, *portion: Any) -> Any:
        held = (
            select(func.coalesce(func.sum(StockBalance.quantity), 0))
            .where(StockBalance.station_id == Asset.station_id, StockBalance.item_id == Asset.item_id, *portion)
            .scalar_subquery()
        )
        numbered = select(Asset.station_id, Asset.item_id).where(Asset.state == state)
        if station_id is not None:
            numbered = numbered.where(Asset.station_id == station_id)
        return numbered.group_by(Asset.station_id, Asset.item_id).having(func.count() > held)

    found = union_all(
        of(AssetState.IN_STOCK, StockBalance.portion == SEALED),
        of(AssetState.REPAIR, StockBalance.portion == QUARANTINED),
    ).subquery()
    return select(found.c.station_id, found.c.item_id).distinct().order_by(found.c.station_id, found.c.item_id)
