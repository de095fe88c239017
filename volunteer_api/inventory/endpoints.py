"""Routes of stations' stock."""

from typing import Any

from volunteer_api.catalog.access import to_see_item
from volunteer_api.catalog.models import Item
from volunteer_api.core.access import Principal
from volunteer_api.core.endpoint import REQUIRED, endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import PageQuery, page_of
from volunteer_api.inventory import access, queries, service, whereabouts
from volunteer_api.inventory.models import Movement
from volunteer_api.inventory.schemas import (
    EntryFilter,
    EntryRead,
    FreeAtRead,
    FreeFilter,
    LedgerFilter,
    LedgerRowRead,
    MovementCreate,
    MovementRead,
    ReversalCreate,
    StockRowRead,
)
from volunteer_api.stations.models import Station

blueprint = feature_blueprint("inventory", __name__, "The ledger of stations' stock")


@endpoint(
    blueprint,
    "GET",
    "/stations/<uuid:station_id>/stock",
    access=access.to_read_stock,
    query=PageQuery,
    returns=page_of(StockRowRead),
)
def list_stock(station: Station, query: dict[str, Any]) -> Page:
    """List what a station has on its shelf, by item and lot."""
    return queries.list_stock(station.id, query)


@endpoint(
    blueprint,
    "GET",
    "/stations/<uuid:station_id>/stock/entries",
    access=access.to_read_stock,
    query=EntryFilter,
    returns=page_of(EntryRead),
)
def list_entries(station: Station, query: dict[str, Any]) -> Page:
    """List a station's ledger, newest entry first."""
    return queries.list_entries(station.id, query)


@endpoint(
    blueprint,
    "GET",
    "/stations/<uuid:station_id>/ledger",
    access=access.to_read_stock,
    query=LedgerFilter,
    returns=page_of(LedgerRowRead),
)
def list_ledger(station: Station, query: dict[str, Any]) -> Page:
    """List each item's opening, incoming, outgoing and closing of a month."""
    return queries.list_ledger(station.id, query)


@endpoint(
    blueprint,
    "POST",
    "/stations/<uuid:station_id>/movements",
    access=access.to_move_stock,
    body=MovementCreate,
    returns=MovementRead,
    status=201,
    idempotency=REQUIRED,
)
def record_movement(principal: Principal, station: Station, body: dict[str, Any]) -> queries.Document:
    """Record a receipt, an issue or a write-off."""
    return service.record_movement(station_id=station.id, actor_id=principal.volunteer_id, **body)


@endpoint(blueprint, "GET", "/movements/<uuid:movement_id>", access=access.to_read_movement, returns=MovementRead)
def read_movement(movement: Movement) -> queries.Document:
    """Read a movement with its entries."""
    return queries.read_movement(movement.id)


@endpoint(
    blueprint,
    "POST",
    "/movements/<uuid:movement_id>/reversal",
    access=access.to_reverse,
    body=ReversalCreate,
    returns=MovementRead,
    status=201,
    idempotency=REQUIRED,
)
def reverse_movement(principal: Principal, movement: Movement, body: dict[str, Any]) -> queries.Document:
    """Undo a movement by its reversal."""
    return service.reverse_movement(movement, actor_id=principal.volunteer_id, **body)


@endpoint(
    blueprint,
    "GET",
    "/items/<uuid:item_id>/stations",
    access=to_see_item,
    query=FreeFilter,
    returns=page_of(FreeAtRead),
)
def list_free_stations(item: Item, query: dict[str, Any]) -> Page:
    """List the stations where an item is free now, the nearest first."""
    return whereabouts.free_at(item.id, query)
