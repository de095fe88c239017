"""How the catalogue is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.catalog.models import Item
from volunteer_api.core.paging import Key, Page, page


@dataclass(frozen=True)
class NamedItem:
    """An item as a row names it."""

    id: UUID
    name: str
    unit: str
    kind: str


def list_items(query: Mapping[str, Any]) -> Page:
    """The catalogue by name."""
    statement = select(Item)
    if "kind" in query:
        statement = statement.where(Item.kind == query["kind"])
    if "q" in query:
        statement = statement.where(Item.name.icontains(query["q"], autoescape=True))
    return page(statement, [Key(Item.name, lambda item: item.name), Key(Item.id, lambda item: item.id)], query)
