"""Routes of the catalogue."""

from typing import Any

from volunteer_api.catalog import access, imports, kits, queries, service, standards
from volunteer_api.catalog.models import Item, KitStandard
from volunteer_api.catalog.schemas import (
    ItemCreate,
    ItemFilter,
    ItemImportQuery,
    ItemImportRead,
    ItemRead,
    ItemUpdate,
    KitStandardCreate,
    KitStandardFilter,
    KitStandardRead,
    KitVersionCreate,
    KitVersionRead,
)
from volunteer_api.core.access import Principal, public, signed_in
from volunteer_api.core.downloads import XLSX, Download
from volunteer_api.core.endpoint import endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import PageQuery, page_of
from volunteer_api.core.tables import Table

blueprint = feature_blueprint("catalog", __name__, "The catalogue of items, and the kits that stations must keep")


@endpoint(blueprint, "GET", "/items", access=public, query=ItemFilter, returns=page_of(ItemRead))
def list_items(query: dict[str, Any]) -> Page:
    """List the catalogue by name, or find an item by its barcode."""
    return queries.list_items(query)


@endpoint(blueprint, "POST", "/items", access=access.to_add_items, body=ItemCreate, returns=ItemRead, status=201)
def create_item(principal: Principal, body: dict[str, Any]) -> queries.ItemView:
    """Add an item to the catalogue. Only who manages all organizations may list a prohibited one."""
    if body["prohibited"]:
        access.require_owner(principal)
    return queries.item_view(service.create_item(**body, by=principal))


@endpoint(blueprint, "GET", "/items/<uuid:item_id>", access=access.to_see_item, returns=ItemRead)
def read_item(item: Item) -> queries.ItemView:
    """Read an item of the catalogue."""
    return queries.item_view(item)


@endpoint(
    blueprint,
    "PATCH",
    "/items/<uuid:item_id>",
    access=access.to_change_item,
    body=ItemUpdate,
    returns=ItemRead,
    edits=True,
)
def change_item(principal: Principal, item: Item, body: dict[str, Any]) -> queries.ItemView:
    """Change an item of the catalogue, for all who use it: its name, unit, offer, barcodes and photos.

    Who added it may as long as it is counted nowhere but at stations that she manages; all but prohibit it.
    """
    if body.get("prohibited", item.prohibited) != item.prohibited:
        access.require_owner(principal)
    return queries.item_view(service.change_item(item, **body, by=principal))


@endpoint(
    blueprint,
    "GET",
    "/kit-standards",
    access=signed_in,
    query=KitStandardFilter,
    returns=page_of(KitStandardRead),
)
def list_kit_standards(query: dict[str, Any]) -> Page:
    """List what organizations ask their stations to hold."""
    return standards.list_standards(query)


@endpoint(
    blueprint,
    "POST",
    "/kit-standards",
    access=signed_in,
    body=KitStandardCreate,
    returns=KitStandardRead,
    status=201,
)
def create_kit_standard(principal: Principal, body: dict[str, Any]) -> standards.StandardView:
    """Issue a kit standard, from lines or from a template of the product."""
    access.require_issuer(principal, body["organization_id"])
    issue = kits.issue_template if "template" in body else kits.issue_standard
    return standards.standard_view(issue(**body, issued_by=principal.volunteer_id))


@endpoint(
    blueprint,
    "GET",
    "/kit-standards/<uuid:standard_id>",
    access=access.to_see_standard,
    returns=KitStandardRead,
)
def read_kit_standard(standard: KitStandard) -> standards.StandardView:
    """Read a kit standard."""
    return standards.standard_view(standard)


@endpoint(
    blueprint,
    "GET",
    "/kit-standards/<uuid:standard_id>/versions",
    access=access.to_see_standard,
    query=PageQuery,
    returns=page_of(KitVersionRead),
)
def list_kit_versions(standard: KitStandard, query: dict[str, Any]) -> Page:
    """List all versions of a kit standard, the newest first."""
    return standards.list_versions(standard.id, query)


@endpoint(
    blueprint,
    "POST",
    "/kit-standards/<uuid:standard_id>/versions",
    access=access.to_issue_version,
    body=KitVersionCreate,
    returns=KitStandardRead,
    status=201,
)
def create_kit_version(principal: Principal, standard: KitStandard, body: dict[str, Any]) -> standards.StandardView:
    """Issue the next version of a kit standard, or withdraw it."""
    kits.issue_version(standard, **body, issued_by=principal.volunteer_id)
    return standards.standard_view(standard)


@endpoint(blueprint, "GET", "/items-import-template.xlsx", access=signed_in, produces=XLSX)
def read_items_template() -> Download:
    """Fetch the empty workbook that an import of items takes."""
    return imports.template()


@endpoint(
    blueprint,
    "POST",
    "/items/import",
    access=access.to_add_items,
    query=ItemImportQuery,
    returns=ItemImportRead,
    upload=True,
    prepare=imports.receive_items,
)
def import_items(principal: Principal, query: dict[str, Any], upload: Table) -> imports.Imported:
    """Add the items of an xlsx or csv table, all or none; a dry run names each bad cell and changes nothing."""
    may_prohibit = access.owns_catalog(principal)
    return imports.import_items(upload, **query, by=principal.volunteer_id, may_prohibit=may_prohibit)
