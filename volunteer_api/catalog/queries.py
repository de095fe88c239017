"""How the catalogue is read."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, func, or_, select

from volunteer_api.catalog.models import FormerItemName, Item, ItemBarcode, ItemPhoto
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.files.models import StoredFile
from volunteer_api.files.queries import FileView, file_view
from volunteer_api.organizations.spelling import is_typed, spelled_like
from volunteer_api.stations.models import Station


@dataclass(frozen=True)
class NamedItem:
    """An item as a row names it."""

    id: UUID
    name: str
    unit: str
    kind: str


@dataclass(frozen=True)
class ItemView:
    """An item with its barcodes in their order and its photos."""

    id: UUID
    version: int
    name: str
    kind: str
    unit: str
    prohibited: bool
    archived: bool
    days_once_opened: int | None
    barcodes: list[str]
    photos: list[FileView]


# What an item is called and looks like; whatever else refers to it says something of a quantity of it.
DESCRIPTIONS = (FormerItemName.__table__, ItemBarcode.__table__, ItemPhoto.__table__)


def is_used(item_id: UUID) -> bool:
    """Whether stock, documents, kits or anything else to the right counts the item. One statement."""
    return bool(db.session.scalar(select(or_(*(use.exists() for _, use in _uses(item_id))))))


def is_used_beyond(item_id: UUID, organization_ids: Select[UUID]) -> bool:
    """Whether anything counts the item but stations of these organizations. One statement."""
    own = select(Station.id).where(Station.organization_id.in_(organization_ids))
    beyond = [
        use.where(table.c.station_id.not_in(own)) if "station_id" in table.c else use for table, use in _uses(item_id)
    ]
    return bool(db.session.scalar(select(or_(*(use.exists() for use in beyond)))))


def _uses(item_id: UUID) -> list[tuple[Table, Select[UUID]]]:
    """The rows that count an item, by table."""
    # By their foreign keys: a feature that comes later can't be forgotten.
    return [
        (table, select(key.parent).where(key.parent == item_id))
        for table in db.metadata.sorted_tables
        for key in table.foreign_keys
        if key.column is Item.__table__.c.id and table not in DESCRIPTIONS
    ]


def name_at(moment: datetime | ColumnElement[datetime | None] | None) -> ColumnElement[str]:
    """What an item was called at a moment; its present name where that is None."""
    if moment is None:
        return Item.name.expression
    former = (
        select(FormerItemName.name)
        .where(FormerItemName.item_id == Item.id, FormerItemName.created_at > moment)
        .order_by(FormerItemName.created_at, FormerItemName.id)
        .limit(1)
        .correlate_except(FormerItemName)
        .scalar_subquery()
    )
    return func.coalesce(former, Item.name)


def items_of_barcodes(barcodes: Collection[str]) -> dict[str, UUID]:
    """The items' ids by barcode, of those that are known. One statement."""
    if not barcodes:
        return {}
    found = select(ItemBarcode.barcode, ItemBarcode.item_id).where(ItemBarcode.barcode.in_(barcodes))
    return {row.barcode: row.item_id for row in db.session.execute(found)}


def list_items(query: Mapping[str, Any]) -> Page:
    """The catalogue by name, without what is no longer offered unless that is asked for. At most three statements.

    `q` is Latin letters as the initials or the pinyin begin, or a part of the name. A barcode finds its item, also
    where it is archived: what was scanned is there.
    """
    statement = select(Item)
    if not query.get("archived") and "barcode" not in query:
        statement = statement.where(Item.archived.is_(False))
    if "kind" in query:
        statement = statement.where(Item.kind == query["kind"])
    if "barcode" in query:
        found = select(ItemBarcode.item_id).where(ItemBarcode.barcode == query["barcode"])
        statement = statement.where(Item.id.in_(found))
    if "q" in query:
        statement = statement.where(named_like(query["q"]))
    listed = page(statement, [Key(Item.name, lambda item: item.name), Key(Item.id, lambda item: item.id)], query)
    return replace(listed, items=item_views(listed.items))


def named_like(text: str) -> ColumnElement[bool]:
    """The items that somebody means who types this: Latin letters as the spelling begins, or a part of the name."""
    named_so = Item.name.icontains(text, autoescape=True)
    return spelled_like(Item, text) | named_so if is_typed(text) else named_so


def item_view(item: Item) -> ItemView:
    """The item as the contract shows it. Two statements."""
    return item_views([item])[0]


def item_views(items: Sequence[Item]) -> list[ItemView]:
    """The items as the contract shows them. Two statements, however many they are; none for none."""
    if not items:
        return []
    asked = [item.id for item in items]
    barcodes: dict[UUID, list[str]] = {item_id: [] for item_id in asked}
    codes = select(ItemBarcode.item_id, ItemBarcode.barcode).where(ItemBarcode.item_id.in_(asked))
    for item_id, code in db.session.execute(codes.order_by(ItemBarcode.barcode)):
        barcodes[item_id].append(code)
    photos: dict[UUID, list[FileView]] = {item_id: [] for item_id in asked}
    files = (
        select(ItemPhoto.item_id, StoredFile)
        .join(StoredFile, StoredFile.id == ItemPhoto.file_id)
        .where(ItemPhoto.item_id.in_(asked))
        .order_by(ItemPhoto.position)
    )
    for item_id, stored in db.session.execute(files):
        photos[item_id].append(file_view(stored))
    return [
        ItemView(
            id=item.id,
            version=item.version,
            name=item.name,
            kind=item.kind,
            unit=item.unit,
            prohibited=item.prohibited,
            archived=item.archived,
            days_once_opened=item.days_once_opened,
            barcodes=barcodes[item.id],
            photos=photos[item.id],
        )
        for item in items
    ]
