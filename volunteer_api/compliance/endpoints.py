"""Routes of compliance."""

from typing import Any

from volunteer_api.compliance import access, alerts, queries, restock, service
from volunteer_api.compliance.models import StockAlert
from volunteer_api.compliance.schemas import (
    AcknowledgementCreate,
    AlertFilter,
    RestockQuery,
    RestockRead,
    StationComplianceRead,
    StockAlertRead,
    TreeComplianceRead,
)
from volunteer_api.core.access import Principal, signed_in
from volunteer_api.core.endpoint import endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import PageQuery, page_of
from volunteer_api.organizations.models import Organization
from volunteer_api.stations.models import Station

blueprint = feature_blueprint(
    "compliance", __name__, "What stations lack of their kit standards, alerts and restocking"
)


@endpoint(
    blueprint,
    "GET",
    "/stations/<uuid:station_id>/compliance",
    access=access.to_read_station,
    returns=StationComplianceRead,
)
def read_station_compliance(station: Station) -> service.StationCompliance:
    """Read what a station holds against its kit standards, and when it will fail them."""
    return service.station_compliance(station)


@endpoint(
    blueprint,
    "GET",
    "/organizations/<uuid:organization_id>/compliance",
    access=access.to_read_tree,
    query=PageQuery,
    returns=TreeComplianceRead,
)
def read_tree_compliance(organization: Organization, query: dict[str, Any]) -> service.TreeCompliance:
    """Read how all stations below an organization stand, with the worst of them in pages."""
    return service.tree_compliance(organization, query)


@endpoint(blueprint, "GET", "/stock/alerts", access=signed_in, query=AlertFilter, returns=page_of(StockAlertRead))
def list_alerts(principal: Principal, query: dict[str, Any]) -> Page:
    """List the stock alerts that you may read, the latest first."""
    access.require_alerts(principal, query)
    return queries.list_alerts(query, principal.volunteer_id)


@endpoint(
    blueprint,
    "POST",
    "/stock/alerts/<uuid:alert_id>/acknowledgement",
    access=access.to_acknowledge,
    body=AcknowledgementCreate,
    returns=StockAlertRead,
)
def acknowledge_alert(principal: Principal, alert: StockAlert, body: dict[str, Any]) -> queries.AlertView:
    """Say that an alert is being seen to."""
    alerts.acknowledge(alert.id, by=principal.volunteer_id, **body)
    return queries.read_alert(alert.id)


@endpoint(blueprint, "GET", "/restock-suggestions", access=signed_in, query=RestockQuery, returns=RestockRead)
def suggest_restocking(principal: Principal, query: dict[str, Any]) -> restock.Restocking:
    """Suggest which station could give what another one lacks, the nearest first."""
    organization = access.readable_tree(principal, query["organization_id"])
    return restock.suggest(organization, limit=query["limit"])
