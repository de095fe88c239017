"""What inventory hears of the catalogue, of stations that change and of erasure, and holds about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, union_all

from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.catalog.events import ItemOfferChanged
from volunteer_api.core.database import db
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.inventory import prohibitions, queries, recalls
from volunteer_api.inventory.events import RecalledCameIn
from volunteer_api.inventory.models import Movement, Recall, StockMonth
from volunteer_api.inventory.retained_names import retain_name, retain_name_since
from volunteer_api.stations.events import StationClosing, StationCodeChanging
from volunteer_api.stations.problems import StationCodeInUse, StationNotEmpty


@on(RecalledCameIn)
def tell_of_recalled_arrival(event: RecalledCameIn) -> None:
    """The books have put it into quarantine; somebody has to keep it off the shelf."""
    recalls.tell_of_arrival(**vars(event))


@on(ItemOfferChanged)
def tell_who_has_it(event: ItemOfferChanged) -> None:
    """What is prohibited from now on lies on shelves still."""
    prohibitions.tell_of_prohibited(event.item_id)


@on(StationClosing)
def refuse_while_stock_is_there(event: StationClosing) -> None:
    """What it holds or lent goes first; what is on its way, transfers know. Raises StationNotEmpty."""
    left = queries.left_at(event.station_id)
    if left is not None:
        counts = {"stock_items": left.stock_items, "on_loan": int(left.on_loan), "in_transit": int(left.in_transit)}
        raise StationNotEmpty(name=left.name, count=left.items, members={"what": "stock", "id": str(left.id), **counts})


@on(StationCodeChanging)
def refuse_a_code_on_documents(event: StationCodeChanging) -> None:
    """Documents carry the code in their numbers. Raises StationCodeInUse."""
    if queries.has_documents(event.station_id):
        raise StationCodeInUse(code=event.code)


@on(VolunteerErased)
def keep_name_on_documents(event: VolunteerErased) -> None:
    """Keep the name of somebody who handled stock for as long as stock documents must name their handlers."""
    retain_name(event.volunteer_id, event.name)
    decided = (
        select(StockMonth.closed_at.label("at")).where(StockMonth.closed_by == event.volunteer_id),
        select(Recall.created_at).where(Recall.recalled_by == event.volunteer_id),
        select(Recall.ended_at).where(Recall.ended_by == event.volunteer_id),
    )
    last = db.session.scalar(select(func.max(union_all(*decided).subquery().c.at)))
    if last is not None:
        retain_name_since(event.volunteer_id, event.name, last)


@exported("movements")
def movements(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The stock documents that the person made, the latest first."""
    return rows(
        select(
            Movement.id,
            Movement.document_number,
            Movement.station_id,
            Movement.kind,
            Movement.reason,
            Movement.note,
            Movement.occurred_at,
            Movement.recorded_at,
        )
        .where(Movement.actor_id == volunteer_id)
        .order_by(Movement.recorded_at.desc(), Movement.id)
    )


@exported("stock_decisions")
def decisions(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The months that the person closed and the lots that she recalled, or whose recall she ended."""
    closed = rows(
        select(StockMonth.id, StockMonth.organization_id, StockMonth.month, StockMonth.closed_at)
        .where(StockMonth.closed_by == volunteer_id)
        .order_by(StockMonth.closed_at.desc(), StockMonth.id)
    )
    recalled = rows(
        select(Recall.id, Recall.organization_id, Recall.lot_number, Recall.reason, Recall.created_at)
        .where(or_(Recall.recalled_by == volunteer_id, Recall.ended_by == volunteer_id))
        .order_by(Recall.created_at.desc(), Recall.id)
    )
    return closed + recalled
