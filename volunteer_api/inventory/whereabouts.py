"""Where an item is free now: at open stations, usable, and neither lent, under way nor in quarantine."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, not_, or_, select

from volunteer_api.catalog.models import Item
from volunteer_api.core import clock
from volunteer_api.core.nearby import Nearest, meters
from volunteer_api.core.paging import Page, page
from volunteer_api.inventory.models import QUARANTINED, StockBalance
from volunteer_api.stations.models import SPOT, Station, StationStatus
from volunteer_api.stations.views import BY_CODE, NEAREST, outlook_of


@dataclass(frozen=True)
class FreeAt:
    """A station that has some of an item; `quantity` is on its shelf, `distance_m` None where nobody asked."""

    station: Mapping[str, Any]
    quantity: int
    distance_m: int | None


def free_at(item_id: UUID, query: Mapping[str, Any]) -> Page:
    """The stations where an item is free now: the nearest first where `near` is given, else by code.

    What is prohibited or archived by now is offered nowhere, whatever is still on shelves.
    Two statements with `near`, one without.
    """
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
    has_it = (
        select(StockBalance.station_id)
        .join(Item, Item.id == StockBalance.item_id)
        .where(StockBalance.item_id == item_id, StockBalance.quantity > 0, not_(Item.prohibited), not_(Item.archived))
    )
    statement = select(Station, on_shelf.label("quantity")).where(
        Station.status == StationStatus.OPEN, Station.id.in_(has_it), on_shelf > 0
    )
    near = query.get("near")
    if near is None:
        found = page(statement, BY_CODE, query, scope=str(item_id))
    else:
        narrow = Nearest(SPOT, Station.id, near)
        measured = statement.add_columns(narrow.distance.label("square"))
        found = page(measured, NEAREST, query, scope=str(item_id), narrow=narrow, values=narrow.values)
    return replace(found, items=[_free_at(row) for row in found.items])


def _free_at(row: Row[Any]) -> FreeAt:
    station = {name: getattr(row.Station, name) for name in ("id", "code", "name", "kind", "place", "address")}
    is_open = outlook_of(row.Station).is_open
    # PostgreSQL sums bigints to a numeric.
    return FreeAt(station | {"open_now": is_open}, int(row.quantity), meters(getattr(row, "square", None)))
