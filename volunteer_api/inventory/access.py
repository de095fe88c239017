"""Who may read and move a station's stock."""

from uuid import UUID

from volunteer_api.core.access import Principal, for_signed_in
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.inventory.models import Movement
from volunteer_api.organizations.access import Permission, load_organization, require
from volunteer_api.organizations.models import Organization
from volunteer_api.stations.models import Station


@for_signed_in
def to_read_stock(principal: Principal, station_id: UUID) -> Station:
    """The station's manager, and whoever has stock.read above it."""
    return _station(principal, Permission.STOCK_READ, station_id)


@for_signed_in
def to_read_stock_below(principal: Principal, organization_id: UUID) -> Organization:
    """Whoever has stock.read over the organization."""
    require(principal, Permission.STOCK_READ, organization_id=organization_id)
    return load_organization(organization_id)


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
