"""The verbs of the stock ledger: record a movement, undo one. Entries only grow; balances follow in the same unit."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NotRequired, TypedDict
from uuid import UUID

from sqlalchemy import select

from volunteer_api.catalog.models import Item, ItemKind
from volunteer_api.catalog.problems import ItemArchived
from volunteer_api.catalog.service import named, prohibited_item
from volunteer_api.core.database import db
from volunteer_api.inventory import ledger
from volunteer_api.inventory.models import (
    Movement,
    MovementKind,
    MovementReason,
    RecordableKind,
    StockEntry,
    name_of_lot,
)
from volunteer_api.inventory.problems import (
    AlreadyReversed,
    ExpiryDateMissing,
    ReceiptOfExpired,
    ReversalNotReversible,
)
from volunteer_api.inventory.queries import Document
from volunteer_api.inventory.shelf import Change, Shelf


class Line(TypedDict):
    """One item of a movement. `quantity` is positive; without a lot, what expires first is taken."""

    item_id: UUID
    quantity: int
    lot_number: NotRequired[str]
    expires_on: NotRequired[date]


def record_movement(
    *,
    station_id: UUID,
    actor_id: UUID,
    kind: RecordableKind,
    reason: MovementReason,
    lines: Sequence[Line],
    note: str | None = None,
    occurred_at: datetime | None = None,
) -> Document:
    """Record a receipt, an issue or a write-off, with everything on its lines or nothing.

    Raises ItemUnknown, ProhibitedItem, ReceiptOfExpired, ExpiryDateMissing, StockTooLow, LotExpired, LotExpiryDiffers,
    OccurredInFuture, TooFarBack or LaterBalanceNegative (409).
    """
    posting = ledger.begin(station_id, [line["item_id"] for line in lines], occurred_at=occurred_at)
    changes = [
        change
        for line in _with_dates(lines)
        for change in _plan(kind, posting.shelf, posting.items[line["item_id"]], line)
    ]
    return posting.write(changes, actor_id=actor_id, kind=MovementKind(kind), reason=reason, note=note)


def reverse_movement(
    movement: Movement, *, actor_id: UUID, reason: MovementReason, note: str | None = None
) -> Document:
    """Undo a movement, once, by a movement of now with the opposite entries.

    Raises ReversalNotReversible, AlreadyReversed, or StockTooLow where what came is no longer there (409).
    """
    if movement.kind == MovementKind.REVERSAL:
        raise ReversalNotReversible()
    entries = db.session.scalars(
        select(StockEntry).where(StockEntry.movement_id == movement.id).order_by(StockEntry.sequence)
    ).all()
    posting = ledger.begin(movement.station_id, [entry.item_id for entry in entries])
    reversal_id = db.session.scalar(select(Movement.id).where(Movement.reverses_id == movement.id))
    if reversal_id is not None:
        raise AlreadyReversed(members={"reversal_id": str(reversal_id)})
    changes = [
        change for entry in entries for change in _plan_reversed(posting.shelf, posting.items[entry.item_id], entry)
    ]
    return posting.write(
        changes,
        actor_id=actor_id,
        kind=MovementKind.REVERSAL,
        reason=reason,
        note=note,
        reverses_id=movement.id,
    )


def _with_dates(lines: Sequence[Line]) -> list[Line]:
    """The lines, a lot's date on each that names the lot, wherever in the movement the date stands."""
    dates = {
        (line["item_id"], name_of_lot(line.get("lot_number"), line["expires_on"])): line["expires_on"]
        for line in lines
        if "expires_on" in line
    }
    completed = []
    for line in lines:
        expires_on = line.get("expires_on") or dates.get((line["item_id"], line.get("lot_number")))
        copy = line.copy()
        if expires_on is not None:
            copy["expires_on"] = expires_on
        completed.append(copy)
    return completed


def _plan(kind: RecordableKind, shelf: Shelf, item: Item, line: Line) -> list[Change]:
    # What is found nevertheless has to leave the books somehow: only a write-off takes a prohibited item.
    if item.prohibited and kind != RecordableKind.WRITE_OFF:
        raise prohibited_item(item)
    lot_number, expires_on = line.get("lot_number"), line.get("expires_on")
    if kind == RecordableKind.RECEIPT:
        if item.archived:
            raise ItemArchived(members={"item": named(item)}, item=item.name)
        change = shelf.put(item, line["quantity"], lot_number=lot_number, expires_on=expires_on)
        _check_received(change, shelf.day)
        return [change]
    return shelf.take(
        item,
        line["quantity"],
        lot_number=lot_number,
        expires_on=expires_on,
        expired_too=kind == RecordableKind.WRITE_OFF,
    )


def _check_received(change: Change, day: date) -> None:
    # By the lot's date, which a line need not repeat where the lot is known.
    item, expires_on = change.item, change.expires_on
    if expires_on is None:
        if item.kind == ItemKind.MEDICAL:
            raise ExpiryDateMissing(members={"item": named(item)}, item=item.name)
    elif expires_on < day:
        raise ReceiptOfExpired(
            members={"item": named(item), "expires_on": expires_on.isoformat(), "occurred_on": day.isoformat()},
            item=item.name,
            expires_on=expires_on.isoformat(),
        )


def _plan_reversed(shelf: Shelf, item: Item, entry: StockEntry) -> list[Change]:
    if entry.quantity < 0:
        return [
            shelf.put(
                item,
                -entry.quantity,
                lot_number=entry.lot_number,
                expires_on=entry.expires_on,
                portion=entry.portion,
            )
        ]
    return shelf.take(
        item,
        entry.quantity,
        lot_number=entry.lot_number,
        expires_on=entry.expires_on,
        expired_too=True,
        portion=entry.portion,
    )
