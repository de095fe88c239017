"""Who may read and move a station's stock, and who keeps the catalogue."""

from uuid import UUID

from volunteer_api.core.access import Principal, for_signed_in, open_to_all
from volunteer_api.core.database import db
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.inventory.models import Item, Movement
from volunteer_api.organizations.access import Permission, permitted_organization_ids, require
from volunteer_api.stations.models import Station


@open_to_all
def to_see_item(principal: Principal | None, item_id: UUID) -> Item:
    """Anybody sees the catalogue."""
    item = db.session.get(Item, item_id)
    if item is None:
        raise NotFound()
    return item


@for_signed_in
def to_keep_catalog(principal: Principal) -> None:
    """Whoever manages an organization. Not 404: the catalogue itself is public."""
    _keep_catalog(principal)


@for_signed_in
def to_change_item(principal: Principal, item_id: UUID) -> Item:
    """Whoever keeps the catalogue."""
    item = db.session.get(Item, item_id)
    if item is None:
        raise NotFound()
    _keep_catalog(principal)
    return item


@for_signed_in
def to_read_stock(principal: Principal, station_id: UUID) -> Station:
    """The station's manager, and whoever has stock.read above it."""
    return _station(principal, Permission.STOCK_READ, station_id)


@for_signed_in
def to_move_stock(principal: Principal, station_id: UUID) -> Station:
    """The station's manager, and whoever has stock.move above it."""
    return _station(principal, Permission.STOCK_MOVE, station_id)


@for_signed_in
def to_read_movement(principal: Principal, movement_id: UUID) -> Movement:
    """Whoever may read the stock of its station."""
    return _movement(principal, Permission.STOCK_READ, movement_id)


@for_signed_in
def to_reverse(principal: Principal, movement_id: UUID) -> Movement:
    """Whoever may move the stock of its station."""
    return _movement(principal, Permission.STOCK_MOVE, movement_id)


def _keep_catalog(principal: Principal) -> None:
    managed = permitted_organization_ids(principal.volunteer_id, Permission.ORGANIZATION_MANAGE)
    if db.session.scalar(managed.limit(1)) is None:
        raise Forbidden()


def _station(principal: Principal, permission: Permission, station_id: UUID) -> Station:
    station = db.session.get(Station, station_id)
    if station is None:
        raise NotFound()
    require(principal, permission, organization_id=station.organization_id, station_id=station.id)
    return station


def _movement(principal: Principal, permission: Permission, movement_id: UUID) -> Movement:
    movement = db.session.get(Movement, movement_id)
    if movement is None:
        raise NotFound()
    _station(principal, permission, movement.station_id)
    return movement
