"""What counts hear of the ledger and of erasure, and hold about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, union_all

from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.core.database import db
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.inventory import ledger
from volunteer_api.inventory.events import MovementReversed, PastCorrected
from volunteer_api.inventory.retained_names import retain_name_since
from volunteer_api.stocktakes import queries, service
from volunteer_api.stocktakes.models import Stocktake, StocktakeLine


@on(PastCorrected)
def correct_open_counts(event: PastCorrected) -> None:
    """Let the counts that go on say what the books say now of their moments."""
    service.follow_books(event.station_id, event.item_ids)


@on(MovementReversed)
def uncount(event: MovementReversed) -> None:
    """What a count corrected was undone: its items were last counted by the count before it, or never."""
    items = db.session.scalars(queries.items_corrected_by(event.movement_id)).all()
    if items:
        ledger.recount(event.station_id, queries.last_counted(event.station_id, items))


@on(VolunteerErased)
def keep_name_on_counts(event: VolunteerErased) -> None:
    """Keep the name of somebody who counted, handed over or decided for as long as stock documents must name people."""
    person = event.volunteer_id
    took_part = or_(
        Stocktake.started_by == person,
        Stocktake.from_volunteer_id == person,
        Stocktake.to_volunteer_id == person,
    )
    signed = (
        select(Stocktake.created_at.label("at")).where(took_part),
        select(Stocktake.decided_at).where(Stocktake.decided_by == person),
        select(StocktakeLine.counted_at).where(StocktakeLine.counted_by == person),
    )
    last = db.session.scalar(select(func.max(union_all(*signed).subquery().c.at)))
    if last is not None:
        retain_name_since(person, event.name, last)


@exported("stocktakes")
def stocktakes(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The counts that the person started, made, handed over or decided, the latest first."""
    counted = select(StocktakeLine.stocktake_id).where(StocktakeLine.counted_by == volunteer_id)
    return rows(
        select(
            Stocktake.id,
            Stocktake.station_id,
            Stocktake.kind,
            Stocktake.state,
            Stocktake.note,
            Stocktake.created_at,
            Stocktake.decided_at.label("closed_at"),
        )
        .where(
            or_(
                Stocktake.started_by == volunteer_id,
                Stocktake.from_volunteer_id == volunteer_id,
                Stocktake.to_volunteer_id == volunteer_id,
                Stocktake.decided_by == volunteer_id,
                Stocktake.id.in_(counted),
            )
        )
        .order_by(Stocktake.created_at.desc(), Stocktake.id)
    )
