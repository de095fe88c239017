"""Who may count a station's stock, and read and decide counts."""

from uuid import UUID

from volunteer_api.core.access import Principal, for_signed_in
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.inventory.access import require_station
from volunteer_api.organizations.access import Permission, can
from volunteer_api.stations.models import Station
from volunteer_api.stocktakes import queries
from volunteer_api.stocktakes.models import Stocktake


@for_signed_in
def to_count(principal: Principal, station_id: UUID) -> Station:
    """Whoever may move the stock of the station."""
    return require_station(principal, Permission.STOCK_MOVE, station_id)


@for_signed_in
def to_read_counts(principal: Principal, station_id: UUID) -> Station:
    """Whoever may read the stock of the station."""
    return require_station(principal, Permission.STOCK_READ, station_id)


@for_signed_in
def to_read_count(principal: Principal, stocktake_id: UUID) -> Stocktake:
    """Whoever may read the stock of its station."""
    return _stocktake(principal, Permission.STOCK_READ, stocktake_id)


@for_signed_in
def to_work_on_count(principal: Principal, stocktake_id: UUID) -> Stocktake:
    """Whoever may move the stock of its station; who approves it, the service judges."""
    return _stocktake(principal, Permission.STOCK_MOVE, stocktake_id)


def may_approve(principal: Principal, stocktake: Stocktake) -> bool:
    """Whether the caller may be the second person."""
    station = db.session.get_one(Station, stocktake.station_id)
    return can(principal.volunteer_id, Permission.STOCK_APPROVE, organization_id=station.organization_id)


def hides_books(principal: Principal, stocktake: Stocktake) -> bool:
    """Whether the caller must not see what the books say: see `queries.is_hidden`."""
    return queries.is_hidden(
        stocktake.id,
        blind=stocktake.blind,
        state=stocktake.state,
        by=principal.volunteer_id,
        approves=may_approve(principal, stocktake),
    )


def view(principal: Principal, stocktake_id: UUID) -> queries.StocktakeView:
    """A count as the caller may see it."""
    stocktake = db.session.get_one(Stocktake, stocktake_id)
    return queries.read_stocktake(stocktake_id, by=principal.volunteer_id, approves=may_approve(principal, stocktake))


def _stocktake(principal: Principal, permission: Permission, stocktake_id: UUID) -> Stocktake:
    stocktake = db.session.get(Stocktake, stocktake_id)
    if stocktake is None:
        raise NotFound()
    require_station(principal, permission, stocktake.station_id)
    return stocktake
