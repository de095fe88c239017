"""What counts hold about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from volunteer_api.core.personal_data import exported, rows
from volunteer_api.stocktakes.models import Stocktake, StocktakeLine


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
