"""Who may do what to a station."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.core.access import Principal, for_signed_in, open_to_all
from volunteer_api.core.database import db
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.organizations import access as organizations
from volunteer_api.organizations import scopes
from volunteer_api.organizations.access import Permission
from volunteer_api.organizations.models import Organization, ScopeType
from volunteer_api.stations.models import Station, StationStatus

scopes.register_places(ScopeType.STATION, lambda: select(Station.id, Station.organization_id, Station.name))

# What a station is to others, and what evidence of presence is judged by: not for who is judged by it.
ORGANIZERS_MEMBERS = ("code", "name", "kind", "organization_id", "place")
# What a manager may make of a station, from what it is.
MANAGERS_STATUSES = {StationStatus.OPEN: StationStatus.PAUSED, StationStatus.PAUSED: StationStatus.OPEN}


@open_to_all
def to_see(principal: Principal | None, station_id: UUID) -> Station:
    """Anybody sees a station."""
    return load_station(station_id)


@open_to_all
def to_see_page(principal: Principal | None, station_id: UUID, code: str = "") -> Station:
    """Anybody sees a station's page, with or without a presence code behind it: the code is the app's to read."""
    return load_station(station_id)


@for_signed_in
def to_manage(principal: Principal, station_id: UUID) -> Station:
    """Its managers and the organizers above it."""
    station = load_station(station_id)
    require_at(principal, Permission.STATION_MANAGE, station)
    return station


@for_signed_in
def to_see_history(principal: Principal, station_id: UUID) -> Station:
    """Whoever reads its stock: its managers, the organizers above, inspectors and auditors."""
    station = load_station(station_id)
    require_at(principal, Permission.STOCK_READ, station)
    return station


def require_members(principal: Principal, station: Station, changes: Mapping[str, Any]) -> None:
    """Let pass what a manager may change, and anything for organizers; also for those of where it shall belong to.

    A member that has the value already is no change. Raises Forbidden with the `members` that are not the caller's to
    change, NotFound or Forbidden for another organization.
    """
    kept = sorted(name for name in ORGANIZERS_MEMBERS if name in changes and changes[name] != getattr(station, name))
    status = changes.get("status", station.status)
    if status != station.status and MANAGERS_STATUSES.get(StationStatus(station.status)) != status:
        kept.append("status")
    if not kept:
        return
    organizes = organizations.can(
        principal.volunteer_id, Permission.ORGANIZATION_MANAGE, organization_id=station.organization_id
    )
    if not organizes:
        raise Forbidden(members={"members": kept})
    if "organization_id" in kept:
        organizations.require(principal, Permission.ORGANIZATION_MANAGE, organization_id=changes["organization_id"])


@for_signed_in
def to_set_up(principal: Principal, organization_id: UUID) -> Organization:
    """Whoever sets up stations in the organization and below it, and changes of them what their managers may not."""
    for permission in (Permission.STATION_MANAGE, Permission.ORGANIZATION_MANAGE):
        organizations.require(principal, permission, organization_id=organization_id)
    return organizations.load_organization(organization_id)


@for_signed_in
def to_export(principal: Principal, organization_id: UUID) -> Organization:
    """Whoever reads the stock of all stations of the organization, and with it who manages them."""
    organizations.require(principal, Permission.STOCK_READ, organization_id=organization_id)
    return organizations.load_organization(organization_id)


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
