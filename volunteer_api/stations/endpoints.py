"""Routes of stations."""

from typing import Any

from volunteer_api.core.access import Principal, public, signed_in
from volunteer_api.core.downloads import HTML, PDF, XLSX, Download
from volunteer_api.core.endpoint import endpoint, feature_blueprint, page_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import PageQuery, page_of
from volunteer_api.core.tables import Table
from volunteer_api.organizations import access as organizations
from volunteer_api.organizations.access import Permission
from volunteer_api.organizations.models import Organization
from volunteer_api.stations import access, exports, imports, labels, public_page, schemas, service, views
from volunteer_api.stations.models import Station

# Of one address: a sheet of eight hundred costs a core most of a second.
LABELS = "120/10 minutes"
# Whole phones of managers stand in them.
SHEETS = "30/hour"

blueprint = feature_blueprint("stations", __name__, "Service stations: where, when, what they offer")
pages = page_blueprint("station_pages", __name__, "What the QR labels of stations lead to")


@endpoint(
    blueprint, "GET", "/stations", access=public, query=schemas.StationFilter, returns=page_of(schemas.StationSummary)
)
def list_stations(query: dict[str, Any]) -> Page:
    """List stations, the nearest first."""
    return views.page_of_stations(query)


@endpoint(blueprint, "GET", "/stations-import-template.xlsx", access=signed_in, produces=XLSX)
def read_stations_template() -> Download:
    """Fetch the empty workbook that an import of stations takes."""
    return imports.template()


@endpoint(
    blueprint,
    "POST",
    "/organizations/<uuid:organization_id>/stations/import",
    access=access.to_set_up,
    query=schemas.StationImportQuery,
    returns=schemas.StationImportRead,
    upload=True,
    prepare=imports.receive_stations,
)
def import_stations(
    principal: Principal, organization: Organization, query: dict[str, Any], upload: Table
) -> imports.Imported:
    """Set up or change the stations of an xlsx or csv table, all or none; a dry run names each bad cell."""
    return imports.import_stations(organization, upload, by=principal, **query)


@endpoint(
    blueprint,
    "GET",
    "/organizations/<uuid:organization_id>/stations.xlsx",
    access=access.to_export,
    produces=XLSX,
    audits=True,
    limit=SHEETS,
)
def export_stations(principal: Principal, organization: Organization) -> Download:
    """Fetch the stations of an organization and below it as a workbook that an import takes back."""
    return exports.export_stations(organization, by=principal)


@endpoint(blueprint, "GET", "/stations/<uuid:station_id>", access=access.to_see, returns=schemas.StationRead)
def read_station(principal: Principal | None, station: Station) -> dict[str, Any]:
    """Read a station."""
    return views.read_station(station.id, principal)


@endpoint(
    blueprint,
    "POST",
    "/stations",
    access=signed_in,
    body=schemas.StationCreate,
    returns=schemas.StationRead,
    status=201,
)
def create_station(principal: Principal, body: dict[str, Any]) -> dict[str, Any]:
    """Set up a station of an organization that you manage."""
    organizations.require(principal, Permission.STATION_MANAGE, organization_id=body["organization_id"])
    station = service.create_station(by=principal, **body)
    return views.read_station(station.id, principal)


@endpoint(
    blueprint,
    "PATCH",
    "/stations/<uuid:station_id>",
    access=access.to_manage,
    body=schemas.StationUpdate,
    returns=schemas.StationRead,
    edits=True,
)
def change_station(principal: Principal, station: Station, body: dict[str, Any]) -> dict[str, Any]:
    """Change a station, or pause, close and open it again."""
    access.require_members(principal, station, body)
    service.change_station(station, by=principal, **body)
    return views.read_station(station.id, principal)


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


@endpoint(
    blueprint,
    "GET",
    "/stations/<uuid:station_id>/status-changes",
    access=access.to_see_history,
    query=PageQuery,
    returns=page_of(schemas.StatusChangeRead),
)
def list_status_changes(station: Station, query: dict[str, Any]) -> Page:
    """List when a station opened, paused and closed, and why, the latest first."""
    return views.page_of_status_changes(station, query)


@endpoint(pages, "GET", "/c/t/<uuid:station_id>", access=access.to_see_page, produces=HTML)
def read_station_page(station: Station) -> Download:
    """Read a station's page, as anybody who scans its label sees it."""
    return public_page.station_page(station, scanned=False)


@endpoint(pages, "GET", "/c/t/<uuid:station_id>/<string:code>", access=access.to_see_page, produces=HTML)
def read_scanned_station_page(station: Station) -> Download:
    """Read what a camera without the app sees of a presence code: the station's page, and to scan it with the app."""
    return public_page.station_page(station, scanned=True)
