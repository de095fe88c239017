"""Routes of stations' stock, its months and recalls."""

from typing import Any

from volunteer_api.catalog.access import require_adder, to_see_item
from volunteer_api.catalog.models import Item
from volunteer_api.core.access import Principal, signed_in
from volunteer_api.core.downloads import PDF, XLSX, Download
from volunteer_api.core.endpoint import REQUIRED, endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import PageQuery, page_of
from volunteer_api.core.tables import Table
from volunteer_api.inventory import (
    access,
    book_files,
    imports,
    months,
    queries,
    recall_queries,
    recalls,
    service,
    whereabouts,
)
from volunteer_api.inventory.models import Movement, Recall
from volunteer_api.inventory.schemas import (
    BookQuery,
    ClosedMonthRead,
    EntryFilter,
    EntryRead,
    FreeAtRead,
    FreeFilter,
    LedgerFilter,
    LedgerRowRead,
    MovementCreate,
    MovementRead,
    OpeningCreate,
    RecallCreate,
    RecallEnd,
    RecallFilter,
    RecallIssueRead,
    RecallRead,
    RecallStationRead,
    ReversalCreate,
    StockFilter,
    StockImportQuery,
    StockImportRead,
    StockRowRead,
)
from volunteer_api.organizations.models import Organization
from volunteer_api.stations.models import Station

# Of one address.
BOOKS = "120/10 minutes"

blueprint = feature_blueprint("inventory", __name__, "The ledger of stations' stock")


@endpoint(
    blueprint,
    "GET",
    "/stations/<uuid:station_id>/stock",
    access=access.to_read_stock,
    query=StockFilter,
    returns=page_of(StockRowRead),
)
def list_stock(station: Station, query: dict[str, Any]) -> Page:
    """List what a station has on its shelf, by the item's spelling and lot."""
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
    """Record a receipt, an issue, a write-off or a quarantine."""
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


@endpoint(
    blueprint,
    "POST",
    "/stations/<uuid:station_id>/stock/openings",
    access=access.to_move_stock,
    body=OpeningCreate,
    returns=MovementRead,
    status=201,
    idempotency=REQUIRED,
)
def open_stock(principal: Principal, station: Station, body: dict[str, Any]) -> queries.Document:
    """Record that something was opened: from then on it is good for a shorter time."""
    return service.open_stock(station_id=station.id, actor_id=principal.volunteer_id, **body)


@endpoint(
    blueprint,
    "POST",
    "/organizations/<uuid:organization_id>/stock-months/<month>/closing",
    access=access.to_close_month,
    returns=ClosedMonthRead,
    status=201,
    idempotency=REQUIRED,
)
def close_month(principal: Principal, organization_and_month: tuple[Organization, str]) -> queries.ClosedMonth:
    """Close a local month that is over, for all stations below: nothing is recorded in it any more."""
    return months.close_month(*organization_and_month, by=principal.volunteer_id)


@endpoint(
    blueprint,
    "GET",
    "/organizations/<uuid:organization_id>/stock-months",
    access=access.to_read_stock_below,
    query=PageQuery,
    returns=page_of(ClosedMonthRead),
)
def list_closed_months(organization: Organization, query: dict[str, Any]) -> Page:
    """List the months that an organization closed, the latest first."""
    return queries.list_closed_months(organization.id, query)


@endpoint(
    blueprint,
    "POST",
    "/organizations/<uuid:organization_id>/recalls",
    access=access.to_approve_below,
    body=RecallCreate,
    returns=RecallRead,
    status=201,
    idempotency=REQUIRED,
)
def recall_lot(principal: Principal, organization: Organization, body: dict[str, Any]) -> recall_queries.RecallView:
    """Recall a lot: quarantine it at every station below, and let none of it in or out."""
    return recalls.recall_lot(organization=organization, by=principal.volunteer_id, **body)


@endpoint(
    blueprint,
    "GET",
    "/organizations/<uuid:organization_id>/recalls",
    access=access.to_read_stock_below,
    query=RecallFilter,
    returns=page_of(RecallRead),
)
def list_recalls(organization: Organization, query: dict[str, Any]) -> Page:
    """List the recalls of an organization and of those above it, the latest first."""
    return recall_queries.list_recalls(organization.id, query)


@endpoint(
    blueprint,
    "GET",
    "/stations/<uuid:station_id>/recalls",
    access=access.to_read_stock,
    query=RecallFilter,
    returns=page_of(RecallRead),
)
def list_station_recalls(station: Station, query: dict[str, Any]) -> Page:
    """List the recalls of lots that a station has or had, the latest first."""
    return recall_queries.list_station_recalls(station, query)


@endpoint(blueprint, "GET", "/recalls/<uuid:recall_id>", access=access.to_read_recall, returns=RecallRead)
def read_recall(recall: Recall) -> recall_queries.RecallView:
    """Read a recall and how far it is."""
    return recall_queries.read_recall(recall.id)


@endpoint(
    blueprint,
    "GET",
    "/recalls/<uuid:recall_id>/stations",
    access=access.to_read_whole_recall,
    query=PageQuery,
    returns=page_of(RecallStationRead),
)
def list_recall_stations(recall: Recall, query: dict[str, Any]) -> Page:
    """List what each station has of a recalled lot."""
    return recall_queries.list_recall_stations(recall, query)


@endpoint(
    blueprint,
    "GET",
    "/recalls/<uuid:recall_id>/issues",
    access=access.to_read_whole_recall,
    query=PageQuery,
    returns=page_of(RecallIssueRead),
)
def list_recall_issues(recall: Recall, query: dict[str, Any]) -> Page:
    """List where a recalled lot went before: what was handed out, lent or sent on, the latest first."""
    return recall_queries.list_recall_issues(recall, query)


@endpoint(
    blueprint,
    "POST",
    "/recalls/<uuid:recall_id>/cancellation",
    access=access.to_end_recall,
    body=RecallEnd,
    returns=RecallRead,
)
def end_recall(principal: Principal, recall: Recall, body: dict[str, Any]) -> recall_queries.RecallView:
    """End a recall."""
    return recalls.end_recall(recall, by=principal.volunteer_id, **body)


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
        require_adder(principal)
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


@endpoint(
    blueprint,
    "GET",
    "/items/<uuid:item_id>/stations",
    access=to_see_item,
    query=FreeFilter,
    returns=page_of(FreeAtRead),
)
def list_free_stations(item: Item, query: dict[str, Any]) -> Page:
    """List the stations where an item is free now, the nearest first."""
    return whereabouts.free_at(item.id, query)
