"""Who may do what to a station."""

from uuid import UUID

from sqlalchemy import select

from volunteer_api.core.access import Principal, for_signed_in, open_to_all
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.organizations import access as organizations
from volunteer_api.organizations import scopes
from volunteer_api.organizations.access import Permission
from volunteer_api.organizations.models import Organization, ScopeType
from volunteer_api.stations.models import Station

scopes.register_places(ScopeType.STATION, lambda: select(Station.id, Station.organization_id, Station.name))


@open_to_all
def to_see(principal: Principal | None, station_id: UUID) -> Station:
    """Anybody sees a station."""
    return load_station(station_id)


@for_signed_in
def to_manage(principal: Principal, station_id: UUID) -> Station:
    """Its managers and the organizers above it."""
    station = load_station(station_id)
    require_at(principal, Permission.STATION_MANAGE, station)
    return station


@for_signed_in
def to_label(principal: Principal, organization_id: UUID) -> Organization:
    """Whoever manages all stations of the organization."""
    organizations.require(principal, Permission.STATION_MANAGE, organization_id=organization_id)
    return organizations.load_organization(organization_id)


def require_at(principal: Principal, permission: Permission, station: Station) -> None:
    """`organizations.access.require` at a station: grants on it and on the organizations above it count."""
    organizations.require(principal, permission, organization_id=station.organization_id, station_id=station.id)


def load_station(station_id: UUID) -> Station:
    """The station. Raises NotFound (404)."""
    station = db.session.get(Station, station_id)
    if station is None:
        raise NotFound()
    return station
