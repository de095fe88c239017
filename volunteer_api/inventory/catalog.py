"""The catalogue: what stations may keep, and what they must not."""

import unicodedata
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from volunteer_api.core.database import db
from volunteer_api.inventory.models import Item
from volunteer_api.inventory.problems import ItemExists, ProhibitedItem
from volunteer_api.inventory.shelf import named


def create_item(*, name: str, kind: str, unit: str, prohibited: bool = False) -> Item:
    """Add an item to the catalogue.

    Raises ItemExists, or ProhibitedItem where the name has that of a prohibited one in it (409).
    """
    _check_name(name, prohibited=prohibited)
    item = Item(name=name, kind=kind, unit=unit, prohibited=prohibited)
    db.session.add(item)
    db.session.flush()
    return item


def change_item(item: Item, **changes: Any) -> Item:
    """Change what is given: name, unit, prohibited.

    Raises ItemExists, or ProhibitedItem where the name has that of another, prohibited one in it (409).
    """
    name, prohibited = changes.get("name", item.name), changes.get("prohibited", item.prohibited)
    if (name, prohibited) != (item.name, item.prohibited):
        _check_name(name, prohibited=prohibited, besides=item.id)
    for member, value in changes.items():
        setattr(item, member, value)
    return item


def prohibited_item(item: Item) -> ProhibitedItem:
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
        if item.prohibited and not prohibited and _plain(item.name) in _plain(name):
            raise prohibited_item(item)
    for item in known:
        if item.name == name:
            raise ItemExists(members={"item": named(item)}, item=name)


def _plain(name: str) -> str:
    """A name without what a typist may vary: width, case, white space."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())
