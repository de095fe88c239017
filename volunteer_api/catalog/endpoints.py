"""Routes of the catalogue."""

from typing import Any

from volunteer_api.catalog import access, queries, service
from volunteer_api.catalog.models import Item
from volunteer_api.catalog.schemas import ItemCreate, ItemFilter, ItemRead, ItemUpdate
from volunteer_api.core.access import public
from volunteer_api.core.endpoint import endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import page_of

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
