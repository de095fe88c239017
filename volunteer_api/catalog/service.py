"""The verbs of the catalogue: list what stations may keep, and what they must not."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, or_, select
from sqlalchemy.orm.attributes import flag_modified

from volunteer_api.accounts.problems import PhotoNotFound
from volunteer_api.catalog import queries
from volunteer_api.catalog.events import ItemOfferChanged
from volunteer_api.catalog.models import FormerItemName, Item, ItemBarcode, ItemPhoto
from volunteer_api.catalog.problems import BarcodeTaken, ItemExists, ItemInUse, ItemUnknown, ProhibitedItem
from volunteer_api.core import audit, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.codes import folded
from volunteer_api.core.database import db
from volunteer_api.core.events import publish
from volunteer_api.core.problems import NotFound
from volunteer_api.files.service import load_own_files
from volunteer_api.files.uses import register_use

register_use("catalog.item_photos", lambda: select(ItemPhoto.file_id))


def create_item(
    *,
    name: str,
    kind: str,
    unit: str,
    prohibited: bool = False,
    days_once_opened: int | None = None,
    barcodes: Sequence[str] = (),
    photo_ids: Sequence[UUID] = (),
    by: Principal | None = None,
) -> Item:
    """Add an item to the catalogue; its photos are ones that `by` sent.

    Raises ItemExists, BarcodeTaken, PhotoNotFound, or ProhibitedItem where the name has that of a prohibited one in it
    (409).
    """
    _check_name(name, prohibited=prohibited)
    item = new_item(name=name, kind=kind, unit=unit, prohibited=prohibited, days_once_opened=days_once_opened)
    add_items([item], by=None if by is None else by.volunteer_id)
    if barcodes:
        _set_barcodes(item, barcodes)
    if photo_ids:
        _set_photos(item, photo_ids, by)
    return item


def new_item(*, name: str, kind: str, unit: str, prohibited: bool = False, days_once_opened: int | None = None) -> Item:
    """An item with its id that no session knows yet, and whose name nobody has checked."""
    return Item(
        id=ids.new_id(),
        name=name,
        folded_name=folded(name),
        kind=kind,
        unit=unit,
        prohibited=prohibited,
        days_once_opened=days_once_opened,
    )


def add_items(items: Sequence[Item], *, by: UUID | None) -> None:
    """Put new items into the catalogue, whose names somebody has checked; the audit log keeps who added them."""
    db.session.add_all(items)
    for item in items:
        item.added_by = by
        audit.record(AuditAction.ITEM_ADDED, actor_id=by, item_id=str(item.id), name=item.name)
    db.session.flush()


def change_item(item: Item, *, by: Principal | None = None, **changes: Any) -> Item:
    """Change what is given: name, unit, prohibited, archived, days_once_opened, barcodes, photo_ids.

    Barcodes and photos are replaced by those given; the audit log keeps what was before. Raises ItemExists,
    BarcodeTaken, PhotoNotFound, ItemInUse where something is counted in the unit, or ProhibitedItem where the name has
    that of another, prohibited one in it (409).
    """
    before = _state(item, changes)
    offered = (item.archived, item.prohibited)
    name, prohibited = changes.pop("name", item.name), changes.get("prohibited", item.prohibited)
    if (name, prohibited) != (item.name, item.prohibited):
        _check_name(name, prohibited=prohibited, besides=item.id)
    if changes.get("unit", item.unit) != item.unit:
        _require_unused(item)
    if name != item.name:
        db.session.add(FormerItemName(item_id=item.id, name=item.name))
        item.rename(name)
    if "barcodes" in changes:
        _set_barcodes(item, changes.pop("barcodes"))
    if "photo_ids" in changes:
        _set_photos(item, changes.pop("photo_ids"), by)
    # They stand in tables of their own; the item's version must still move.
    flag_modified(item, "name")
    for member, value in changes.items():
        setattr(item, member, value)
    db.session.flush()
    _record_change(item, before, by)
    if offered != (item.archived, item.prohibited):
        publish(ItemOfferChanged(item.id))
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


def _state(item: Item, members: Iterable[str]) -> dict[str, Any]:
    """What these members of an item are, as the audit log names them."""
    lists = {
        "barcodes": select(ItemBarcode.barcode).where(ItemBarcode.item_id == item.id).order_by(ItemBarcode.barcode),
        "photo_ids": select(ItemPhoto.file_id).where(ItemPhoto.item_id == item.id).order_by(ItemPhoto.position),
    }
    return {
        member: " ".join(map(str, db.session.scalars(lists[member]))) if member in lists else getattr(item, member)
        for member in members
    }


def _record_change(item: Item, before: dict[str, Any], by: Principal | None) -> None:
    after = _state(item, before)
    changed = [member for member in before if before[member] != after[member]]
    if changed:
        details = {f"{member}_before": before[member] for member in changed} | {one: after[one] for one in changed}
        actor_id = None if by is None else by.volunteer_id
        audit.record(AuditAction.ITEM_CHANGED, actor_id=actor_id, item_id=str(item.id), **details)


def _require_unused(item: Item) -> None:
    """Raises ItemInUse (409) where books, shelves or kits name a quantity of it."""
    # Whoever is just about to be the first waits for this, or this for her: her row refers to this one.
    db.session.execute(select(Item.id).where(Item.id == item.id).with_for_update())
    if queries.is_used(item.id):
        raise ItemInUse(members={"item": named(item)}, item=item.name, unit=item.unit)


def _set_barcodes(item: Item, barcodes: Sequence[str]) -> None:
    wanted = sorted(set(barcodes))
    others = select(ItemBarcode.barcode, Item).join(Item).where(ItemBarcode.barcode.in_(wanted), Item.id != item.id)
    taken = db.session.execute(others.order_by(ItemBarcode.barcode).limit(1)).first()
    if taken is not None:
        code, other = taken
        raise BarcodeTaken(members={"barcode": code, "item": named(other)}, barcode=code, item=other.name)
    db.session.execute(delete(ItemBarcode).where(ItemBarcode.item_id == item.id))
    if wanted:
        db.session.execute(insert(ItemBarcode), [{"barcode": code, "item_id": item.id} for code in wanted])


def _set_photos(item: Item, photo_ids: Sequence[UUID], by: Principal | None) -> None:
    wanted = list(dict.fromkeys(photo_ids))
    shown = set(db.session.scalars(select(ItemPhoto.file_id).where(ItemPhoto.item_id == item.id)))
    new = [file_id for file_id in wanted if file_id not in shown]
    if new:
        _require_own(new, by)
    db.session.execute(delete(ItemPhoto).where(ItemPhoto.item_id == item.id))
    if wanted:
        rows = [{"item_id": item.id, "position": place, "file_id": one} for place, one in enumerate(wanted)]
        db.session.execute(insert(ItemPhoto), rows)


def _require_own(file_ids: Sequence[UUID], by: Principal | None) -> None:
    """What another keeper put there may stay; what is new must be the caller's own."""
    if by is None:
        raise PhotoNotFound()
    try:
        load_own_files(by, file_ids)
    except NotFound as error:
        raise PhotoNotFound() from error


def _check_name(name: str, *, prohibited: bool, besides: UUID | None = None) -> None:
    wanted = folded(name)
    known = [
        item
        for item in db.session.scalars(
            select(Item).where(or_(Item.folded_name == wanted, Item.prohibited)).order_by(Item.name, Item.id)
        )
        if item.id != besides
    ]
    for item in known:
        # To list a kind of what is prohibited as prohibited, too, is welcome.
        if item.prohibited and not prohibited and item.folded_name in wanted:
            raise prohibited_item(item)
    for item in known:
        if item.folded_name == wanted:
            raise ItemExists(members={"item": named(item)}, item=item.name)
