"""Routes of stations' stock."""

from typing import Any

from volunteer_api.catalog.access import require_keeper
from volunteer_api.core.access import Principal, signed_in
from volunteer_api.core.downloads import PDF, XLSX, Download
from volunteer_api.core.endpoint import REQUIRED, endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import PageQuery, page_of
from volunteer_api.core.tables import Table
from volunteer_api.inventory import access, book_files, imports, queries, service
from volunteer_api.inventory.models import Movement
from volunteer_api.inventory.schemas import (
    BookQuery,
    EntryFilter,
    EntryRead,
    LedgerFilter,
    LedgerRowRead,
    MovementCreate,
    MovementRead,
    ReversalCreate,
    StockImportQuery,
    StockImportRead,
    StockRowRead,
)
from volunteer_api.organizations.models import Organization
from volunteer_api.stations.models import Station

# Of one address: a book costs a core up to two seconds.
BOOKS = "120/10 minutes"

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


@endpoint(blueprint, "GET", "/stock-import-template.xlsx", access=signed_in, produces=XLSX)
def read_stock_template() -> Download:
    """Fetch the empty workbook that an import of stock takes."""
    return imports.template()


@endpoint(
    blueprint,
    "POST",
    "/stations/<uuid:station_id>/stock/import",
    access=access.to_move_stock,
    query=StockImportQuery,
    returns=StockImportRead,
    upload=True,
    prepare=imports.receive_stock,
    idempotency=REQUIRED,
)
def import_stock(principal: Principal, station: Station, query: dict[str, Any], upload: Table) -> imports.Imported:
    """Receive the rows of an xlsx or csv table, all or none; a dry run names each bad cell and changes nothing."""
    if query["create_items"]:
        require_keeper(principal)
    return imports.import_stock(upload, station_id=station.id, actor_id=principal.volunteer_id, **query)


@endpoint(
    blueprint,
    "GET",
    "/stations/<uuid:station_id>/ledger.xlsx",
    access=access.to_read_stock,
    query=BookQuery,
    produces=XLSX,
    audits=True,
    limit=BOOKS,
)
def fetch_station_ledger(principal: Principal, station: Station, query: dict[str, Any]) -> Download:
    """Fetch a station's ledger of a month, with its documents, as a workbook."""
    return book_files.station_workbook(station, query.get("month"), by=principal)


@endpoint(
    blueprint,
    "GET",
    "/stations/<uuid:station_id>/ledger.pdf",
    access=access.to_read_stock,
    query=BookQuery,
    produces=PDF,
    audits=True,
    limit=BOOKS,
)
def print_station_ledger(principal: Principal, station: Station, query: dict[str, Any]) -> Download:
    """Print a station's ledger of a month, with its documents, with lines to sign on."""
    return book_files.station_pdf(station, query.get("month"), by=principal)


@endpoint(
    blueprint,
    "GET",
    "/organizations/<uuid:organization_id>/ledger.xlsx",
    access=access.to_read_stock_below,
    query=BookQuery,
    produces=XLSX,
    audits=True,
    limit=BOOKS,
)
def fetch_organization_ledger(principal: Principal, organization: Organization, query: dict[str, Any]) -> Download:
    """Fetch an organization's ledger of a month, by item and by station, as a workbook."""
    return book_files.organization_workbook(organization, query.get("month"), by=principal)


@endpoint(
    blueprint,
    "GET",
    "/organizations/<uuid:organization_id>/ledger.pdf",
    access=access.to_read_stock_below,
    query=BookQuery,
    produces=PDF,
    audits=True,
    limit=BOOKS,
)
def print_organization_ledger(principal: Principal, organization: Organization, query: dict[str, Any]) -> Download:
    """Print an organization's ledger of a month, by item and by station, with lines to sign on."""
    return book_files.organization_pdf(organization, query.get("month"), by=principal)
