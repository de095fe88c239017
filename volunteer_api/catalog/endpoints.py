"""Routes of the catalogue."""

from typing import Any

from volunteer_api.catalog import access, imports, queries, service
from volunteer_api.catalog.models import Item
from volunteer_api.catalog.schemas import (
    ItemCreate,
    ItemFilter,
    ItemImportQuery,
    ItemImportRead,
    ItemRead,
    ItemUpdate,
)
from volunteer_api.core.access import public, signed_in
from volunteer_api.core.downloads import XLSX, Download
from volunteer_api.core.endpoint import endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import page_of
from volunteer_api.core.tables import Table

blueprint = feature_blueprint("catalog", __name__, "The catalogue of items, and the kits that stations must keep")


@endpoint(blueprint, "GET", "/items", access=public, query=ItemFilter, returns=page_of(ItemRead))
def list_items(query: dict[str, Any]) -> Page:
    """List the catalogue by name."""
    return queries.list_items(query)


@endpoint(blueprint, "POST", "/items", access=access.to_keep_catalog, body=ItemCreate, returns=ItemRead, status=201)
def create_item(body: dict[str, Any]) -> Item:
    """Add an item to the catalogue."""
    return service.create_item(**body)


@endpoint(blueprint, "GET", "/items/<uuid:item_id>", access=access.to_see_item, returns=ItemRead)
def read_item(item: Item) -> Item:
    """Read an item of the catalogue."""
    return item


@endpoint(
    blueprint,
    "PATCH",
    "/items/<uuid:item_id>",
    access=access.to_change_item,
    body=ItemUpdate,
    returns=ItemRead,
    edits=True,
)
def change_item(item: Item, body: dict[str, Any]) -> Item:
    """Change an item of the catalogue."""
    return service.change_item(item, **body)


@endpoint(blueprint, "GET", "/items-import-template.xlsx", access=signed_in, produces=XLSX)
def read_items_template() -> Download:
    """Fetch the empty workbook that an import of items takes."""
    return imports.template()


@endpoint(
    blueprint,
    "POST",
    "/items/import",
    access=access.to_keep_catalog,
    query=ItemImportQuery,
    returns=ItemImportRead,
    upload=True,
    prepare=imports.receive_items,
)
def import_items(query: dict[str, Any], upload: Table) -> imports.Imported:
    """Add the items of an xlsx or csv table, all or none; a dry run names each bad cell and changes nothing."""
    return imports.import_items(upload, dry_run=query["dry_run"])
