"""Where an item is free now: at open stations, usable, and neither lent, under way nor in quarantine."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, or_, select
from sqlalchemy.orm import with_expression

from volunteer_api.core import clock, geo
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.inventory.models import QUARANTINED, StockBalance
from volunteer_api.stations.models import Station, StationStatus


@dataclass(frozen=True)
class FreeAt:
    """A station that has some of an item; `quantity` is on its shelf, `distance_m` None where nobody asked."""

    station: Station
    quantity: int
    distance_m: int | None


def free_at(item_id: UUID, query: Mapping[str, Any]) -> Page:
    """The stations where an item is free now, the nearest first where `near` is given, else by code. One statement."""
    on_shelf = (
        select(func.sum(StockBalance.quantity))
        .where(
            StockBalance.item_id == item_id,
            StockBalance.station_id == Station.id,
            StockBalance.portion != QUARANTINED,
            or_(StockBalance.expires_on.is_(None), StockBalance.expires_on >= clock.today()),
        )
        .correlate(Station)
        .scalar_subquery()
    )
    has_it = select(StockBalance.station_id).where(StockBalance.item_id == item_id, StockBalance.quantity > 0)
    statement = select(Station, on_shelf.label("quantity")).where(
        Station.status == StationStatus.OPEN, Station.id.in_(has_it), on_shelf > 0
    )
    near = query.get("near")
    if near is None:
        keys = [Key(Station.code, lambda row: row.Station.code)]
    else:
        distance = geo.squared_distance_m(Station.latitude, Station.longitude, near)
        statement = statement.options(with_expression(Station.squared_distance_m, distance)).execution_options(
            populate_existing=True
        )
        keys = [Key(distance, lambda row: row.Station.squared_distance_m), Key(Station.id, lambda row: row.Station.id)]
    found = page(statement, keys, query, scope=str(item_id))
    return replace(found, items=[_free_at(row) for row in found.items])


def _free_at(row: Row[Any]) -> FreeAt:
    # PostgreSQL sums bigints to a numeric.
    return FreeAt(row.Station, int(row.quantity), row.Station.distance_m)
