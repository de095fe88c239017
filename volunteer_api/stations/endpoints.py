"""Routes of stations."""

from typing import Any

from volunteer_api.core.access import Principal, public, signed_in
from volunteer_api.core.downloads import PDF, Download
from volunteer_api.core.endpoint import endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import page_of
from volunteer_api.organizations import access as organizations
from volunteer_api.organizations.access import Permission
from volunteer_api.organizations.models import Organization
from volunteer_api.stations import access, labels, schemas, service
from volunteer_api.stations.models import Station

# Of one address: a sheet of eight hundred costs a core most of a second.
LABELS = "120/10 minutes"

blueprint = feature_blueprint("stations", __name__, "Service stations: where, when, what they offer")


@endpoint(
    blueprint, "GET", "/stations", access=public, query=schemas.StationFilter, returns=page_of(schemas.StationRead)
)
def list_stations(query: dict[str, Any]) -> Page:
    """List stations, the nearest first."""
    return service.list_stations(query)


@endpoint(blueprint, "GET", "/stations/<uuid:station_id>", access=access.to_see, returns=schemas.StationRead)
def read_station(station: Station) -> Station:
    """Read a station."""
    return station


@endpoint(
    blueprint,
    "POST",
    "/stations",
    access=signed_in,
    body=schemas.StationCreate,
    returns=schemas.StationRead,
    status=201,
)
def create_station(principal: Principal, body: dict[str, Any]) -> Station:
    """Set up a station of an organization that you manage."""
    organizations.require(principal, Permission.STATION_MANAGE, organization_id=body["organization_id"])
    return service.create_station(**body)


@endpoint(
    blueprint,
    "PATCH",
    "/stations/<uuid:station_id>",
    access=access.to_manage,
    body=schemas.StationUpdate,
    returns=schemas.StationRead,
    edits=True,
)
def change_station(station: Station, body: dict[str, Any]) -> Station:
    """Change a station."""
    return service.change_station(station, **body)


@endpoint(
    blueprint, "GET", "/stations/<uuid:station_id>/label.pdf", access=access.to_manage, produces=PDF, limit=LABELS
)
def print_label(station: Station) -> Download:
    """Print the QR code that opens a station, as a poster."""
    return labels.label_of(station)


@endpoint(
    blueprint,
    "GET",
    "/organizations/<uuid:organization_id>/station-labels.pdf",
    access=access.to_label,
    produces=PDF,
    limit=LABELS,
)
def print_labels(organization: Organization) -> Download:
    """Print the QR codes of an organization's stations, eight to a page to cut out."""
    return labels.labels_of(organization)
