"""Who sees how stations stand, and who may say that an alert was seen to."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from volunteer_api.compliance.models import StockAlert
from volunteer_api.core.access import Principal, for_signed_in
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.organizations.access import Permission, load_organization, require
from volunteer_api.organizations.models import Organization
from volunteer_api.stations.access import load_station, require_at
from volunteer_api.stations.models import Station


@for_signed_in
def to_read_station(principal: Principal, station_id: UUID) -> Station:
    """Whoever may read its stock."""
    station = load_station(station_id)
    require_at(principal, Permission.STOCK_READ, station)
    return station


@for_signed_in
def to_read_tree(principal: Principal, organization_id: UUID) -> Organization:
    """Whoever has stock.read over the organization."""
    return readable_tree(principal, organization_id)


@for_signed_in
def to_acknowledge(principal: Principal, alert_id: UUID) -> StockAlert:
    """Whoever may move the stock of its station: its managers and the organizers above."""
    alert = db.session.get(StockAlert, alert_id)
    if alert is None:
        raise NotFound()
    require_at(principal, Permission.STOCK_MOVE, load_station(alert.station_id))
    return alert


def readable_tree(principal: Principal, organization_id: UUID) -> Organization:
    """The organization, for who has stock.read over it. Raises Forbidden (403), NotFound (404)."""
    require(principal, Permission.STOCK_READ, organization_id=organization_id)
    return load_organization(organization_id)


def require_alerts(principal: Principal, query: Mapping[str, Any]) -> None:
    """Let pass who may read the stock of the organization and of the station that a filter names.

    Without a filter everybody passes: the list has only what the caller may read. Raises Forbidden, NotFound.
    """
    if "organization_id" in query:
        require(principal, Permission.STOCK_READ, organization_id=query["organization_id"])
    if "station_id" in query:
        require_at(principal, Permission.STOCK_READ, load_station(query["station_id"]))
