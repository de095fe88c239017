"""The verbs of the catalogue: list what stations may keep, and what they must not."""

import unicodedata
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from volunteer_api.catalog.models import Item
from volunteer_api.catalog.problems import ItemExists, ItemUnknown, ProhibitedItem
from volunteer_api.core import ids
from volunteer_api.core.database import db


def create_item(
    *, name: str, kind: str, unit: str, prohibited: bool = False, days_once_opened: int | None = None
) -> Item:
    """Add an item to the catalogue.

    Raises ItemExists, or ProhibitedItem where the name has that of a prohibited one in it (409).
    """
    _check_name(name, prohibited=prohibited)
    item = new_item(name=name, kind=kind, unit=unit, prohibited=prohibited, days_once_opened=days_once_opened)
    db.session.add(item)
    db.session.flush()
    return item


def new_item(*, name: str, kind: str, unit: str, prohibited: bool = False, days_once_opened: int | None = None) -> Item:
    """An item with its id that no session knows yet, and whose name nobody has checked."""
    return Item(
        id=ids.new_id(), name=name, kind=kind, unit=unit, prohibited=prohibited, days_once_opened=days_once_opened
    )


def change_item(item: Item, **changes: Any) -> Item:
    """Change what is given: name, unit, prohibited, days_once_opened.

    Raises ItemExists, or ProhibitedItem where the name has that of another, prohibited one in it (409).
    """
    name, prohibited = changes.get("name", item.name), changes.get("prohibited", item.prohibited)
    if (name, prohibited) != (item.name, item.prohibited):
        _check_name(name, prohibited=prohibited, besides=item.id)
    for member, value in changes.items():
        setattr(item, member, value)
    return item


def load_items(item_ids: Iterable[UUID]) -> dict[UUID, Item]:
    """The items by id. One statement. Raises ItemUnknown (409), which names the first that is missing."""
    asked = list(item_ids)
    found = {item.id: item for item in db.session.scalars(select(Item).where(Item.id.in_(set(asked))))}
    for item_id in asked:
        if item_id not in found:
            raise ItemUnknown(members={"item_id": str(item_id)})
    return found


def named(item: Item) -> dict[str, Any]:
    """An item as a refusal's member names it."""
    return {"id": str(item.id), "name": item.name, "unit": item.unit}


def prohibited_item(item: Item) -> ProhibitedItem:
    """The refusal of something that no station may keep."""
    return ProhibitedItem(members={"item": named(item)}, item=item.name)


def _check_name(name: str, *, prohibited: bool, besides: UUID | None = None) -> None:
    known = [
        item
        for item in db.session.scalars(
            select(Item).where(or_(Item.name == name, Item.prohibited)).order_by(Item.name, Item.id)
        )
        if item.id != besides
    ]
    for item in known:
        # To list a kind of what is prohibited as prohibited, too, is welcome.
        if item.prohibited and not prohibited and plain(item.name) in plain(name):
            raise prohibited_item(item)
    for item in known:
        if item.name == name:
            raise ItemExists(members={"item": named(item)}, item=name)


def plain(name: str) -> str:
    """A name without what a typist may vary: width, case, white space."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())
