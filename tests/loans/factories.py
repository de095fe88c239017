"""A desk that lends, another one beside it, and who borrows. Call them inside a unit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from tests.factories import make_volunteer, next_number
from tests.inventory.factories import Depot, make_depot, make_item, make_station, move
from volunteer_api.catalog.models import ItemKind
from volunteer_api.core.database import db
from volunteer_api.inventory.models import QUARANTINED, Movement, StockBalance, StockEntry
from volunteer_api.loans import assets, checks, queries, return_reversals, returns, service
from volunteer_api.loans.models import Asset, Loan, LoanLine, LoanReturn, ReturnCondition
from volunteer_api.loans.queries import AssetView, LoanView
from volunteer_api.organizations.grants import grant
from volunteer_api.organizations.models import Role, ScopeType
from volunteer_api.stations.models import Station

PASSER_BY = {"name": "王大爷", "phone": "+8613712345678"}


@dataclass(frozen=True)
class Desk:
    """A station with durables, and a second station of the same office with its own manager."""

    depot: Depot
    other_station_id: UUID
    other_manager_id: UUID
    item_id: UUID

    @property
    def station_id(self) -> UUID:
        return self.depot.station_id

    @property
    def manager_id(self) -> UUID:
        return self.depot.manager_id


def make_desk(*, quantity: int = 10) -> Desk:
    """A desk with so many umbrellas."""
    depot = make_depot()
    other = make_station(depot.office_id)
    manager = make_volunteer()
    grant(volunteer_id=manager.id, role=Role.STATION_MANAGER, scope_type=ScopeType.STATION, scope_id=other.id)
    item_id = make_item(name=f"雨伞{next_number()}", kind=ItemKind.DURABLE)
    move(depot, "receipt", {"item_id": item_id, "quantity": quantity})
    return Desk(depot, other.id, manager.id, item_id)


def number(desk: Desk, **values: Any) -> AssetView:
    """A piece on the desk's shelf gets a number."""
    return assets.number_piece(station_id=desk.station_id, item_id=desk.item_id, **values)


def lend(desk: Desk, quantity: int = 1, *, borrower: Mapping[str, Any] = PASSER_BY, **values: Any) -> LoanView:
    """The desk lends so many umbrellas, or the piece that `asset_id` names."""
    if "asset_id" not in values:
        values["item_id"] = values.get("item_id", desk.item_id)
    return service.lend(
        station_id=desk.station_id, actor_id=desk.manager_id, borrower=borrower, quantity=quantity, **values
    )


def bring_back(
    desk: Desk,
    loan_id: UUID,
    quantity: int | None = None,
    *,
    condition: str = "good",
    elsewhere: bool = False,
    **values: Any,
) -> LoanView:
    """Somebody brings so many back to the desk, or to the other one."""
    return returns.take_back(
        db.session.get_one(Loan, loan_id),
        station_id=desk.other_station_id if elsewhere else desk.station_id,
        actor_id=desk.other_manager_id if elsewhere else desk.manager_id,
        condition=ReturnCondition(condition),
        quantity=quantity,
        **values,
    )


def undo_return(desk: Desk, return_id: UUID, *, elsewhere: bool = False, **values: Any) -> LoanView:
    """The desk's manager, or the other one's, reverses a return."""
    return return_reversals.reverse(
        db.session.get_one(LoanReturn, return_id),
        actor_id=desk.other_manager_id if elsewhere else desk.manager_id,
        **values,
    )


def read(desk: Desk, loan_id: UUID) -> LoanView:
    """A loan as the desk's manager reads it."""
    return queries.read_loan(loan_id, reader_id=desk.manager_id)


def extend(desk: Desk, loan_id: UUID, due_at: datetime) -> LoanView:
    """The desk's manager lets a loan be due later."""
    return service.extend(db.session.get_one(Loan, loan_id), actor_id=desk.manager_id, due_at=due_at)


def shelf(station_id: UUID, item_id: UUID) -> tuple[int, int, int]:
    """What a station has on its shelf, in quarantine, and lent."""
    rows = db.session.execute(
        select(StockBalance.portion, StockBalance.quantity, StockBalance.on_loan).where(
            StockBalance.station_id == station_id, StockBalance.item_id == item_id
        )
    ).all()
    held = sum(row.quantity for row in rows if row.portion != QUARANTINED)
    quarantined = sum(row.quantity for row in rows if row.portion == QUARANTINED)
    return held, quarantined, sum(row.on_loan for row in rows)


def state_of(asset_id: UUID) -> tuple[str, UUID]:
    """State and station of a numbered piece."""
    row = db.session.execute(select(Asset.state, Asset.station_id).where(Asset.id == asset_id)).one()
    return row.state, row.station_id


def documents(station_id: UUID) -> list[tuple[str, str, int]]:
    """Kind, reason and sum of the documents of a station, in their order, without its first receipt."""
    return [
        (row.kind, row.reason, int(row.total))
        for row in db.session.execute(
            select(Movement.kind, Movement.reason, func.sum(StockEntry.quantity).label("total"))
            .join(StockEntry, StockEntry.movement_id == Movement.id)
            .where(Movement.station_id == station_id)
            .group_by(Movement.id, Movement.kind, Movement.reason)
            .order_by(func.min(StockEntry.sequence))
        )
        if row.reason != "other" or row.kind != "receipt"
    ]


def outstanding(loan_id: UUID) -> tuple[int, int]:
    """What is outstanding by the loan, and by its lines."""
    lines = db.session.scalar(select(func.sum(LoanLine.outstanding)).where(LoanLine.loan_id == loan_id))
    return db.session.get_one(Loan, loan_id).outstanding, int(lines or 0)


def add_up(*station_ids: UUID) -> None:
    """Fail where the nightly check would find something: at these stations, at all where none is named."""
    for station_id in station_ids or db.session.scalars(select(Station.id)).all():
        assert list(checks.check_loans(station_id)) == []
