"""The verbs of the stock ledger: record a movement, undo one. Entries only grow; balances follow in the same unit."""

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NotRequired, TypedDict
from uuid import UUID

from sqlalchemy import func, insert, or_, select, update

from volunteer_api.core import clock, ids, statements
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.core.settings import rules
from volunteer_api.inventory import queries
from volunteer_api.inventory.models import (
    DocumentCounter,
    Item,
    ItemKind,
    Movement,
    MovementKind,
    MovementReason,
    RecordableKind,
    StockBalance,
    StockEntry,
    name_of_lot,
)
from volunteer_api.inventory.problems import (
    AlreadyReversed,
    ExpiryDateMissing,
    ItemExists,
    ItemUnknown,
    OccurredInFuture,
    ProhibitedItem,
    ReceiptOfExpired,
    ReversalNotReversible,
    TooFarBack,
)
from volunteer_api.inventory.queries import Document
from volunteer_api.inventory.shelf import Change, Shelf, named, stock_too_low
from volunteer_api.stations.models import Station

# A phone's clock may run ahead of ours by this much.
CLOCK_TOLERANCE = timedelta(minutes=5)


class Line(TypedDict):
    """One item of a movement. `quantity` is positive; without a lot, what expires first is taken."""

    item_id: UUID
    quantity: int
    lot_number: NotRequired[str]
    expires_on: NotRequired[date]


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
    code = _lock_station(station_id)
    # Behind the lock, so that the times of recording follow the order of recording.
    recorded_at = clock.now()
    moment = occurred_at or recorded_at
    _check_moment(moment, recorded_at)
    items = _items([line["item_id"] for line in lines])
    shelf = Shelf(station_id, items, clock.local_date(moment))
    changes = [change for line in _with_dates(lines) for change in _plan(kind, shelf, items[line["item_id"]], line)]
    return _write(
        changes,
        station_id=station_id,
        station_code=code,
        actor_id=actor_id,
        kind=MovementKind(kind),
        reason=reason,
        note=note,
        occurred_at=moment,
        recorded_at=recorded_at,
    )


def reverse_movement(
    movement: Movement, *, actor_id: UUID, reason: MovementReason, note: str | None = None
) -> Document:
    """Undo a movement, once, by a movement of now with the opposite entries.

    Raises ReversalNotReversible, AlreadyReversed, or StockTooLow where what came is no longer there (409).
    """
    if movement.kind == MovementKind.REVERSAL:
        raise ReversalNotReversible()
    code = _lock_station(movement.station_id)
    reversal_id = db.session.scalar(select(Movement.id).where(Movement.reverses_id == movement.id))
    if reversal_id is not None:
        raise AlreadyReversed(members={"reversal_id": str(reversal_id)})
    entries = db.session.scalars(
        select(StockEntry).where(StockEntry.movement_id == movement.id).order_by(StockEntry.sequence)
    ).all()
    items = _items([entry.item_id for entry in entries])
    moment = clock.now()
    shelf = Shelf(movement.station_id, items, clock.local_date(moment))
    changes = [change for entry in entries for change in _plan_reversed(shelf, items[entry.item_id], entry)]
    return _write(
        changes,
        station_id=movement.station_id,
        station_code=code,
        actor_id=actor_id,
        kind=MovementKind.REVERSAL,
        reason=reason,
        note=note,
        occurred_at=moment,
        recorded_at=moment,
        reverses_id=movement.id,
    )


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
            raise _prohibited(item)
    for item in known:
        if item.name == name:
            raise ItemExists(members={"item": named(item)}, item=name)


def _plain(name: str) -> str:
    """A name without what a typist may vary: width, case, white space."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def _check_moment(moment: datetime, now: datetime) -> None:
    if moment > now + CLOCK_TOLERANCE:
        raise OccurredInFuture()
    days = rules().backdating_days
    day = clock.local_date(moment)
    if (clock.local_date(now) - day).days > days:
        raise TooFarBack(members={"occurred_on": day.isoformat()}, days=days)


def _lock_station(station_id: UUID) -> str:
    """Let one movement at a time into a station's ledger, which gives its entries their order; returns its code."""
    # Not a full lock: rows that refer to the station need not wait.
    code = db.session.scalar(select(Station.code).where(Station.id == station_id).with_for_update(key_share=True))
    if code is None:
        raise NotFound()
    return code


def _items(item_ids: Sequence[UUID]) -> dict[UUID, Item]:
    found = {item.id: item for item in db.session.scalars(select(Item).where(Item.id.in_(set(item_ids))))}
    for item_id in item_ids:
        if item_id not in found:
            raise ItemUnknown(members={"item_id": str(item_id)})
    return found


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
        raise _prohibited(item)
    lot_number, expires_on = line.get("lot_number"), line.get("expires_on")
    if kind == RecordableKind.RECEIPT:
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
        return [shelf.put(item, -entry.quantity, lot_number=entry.lot_number, expires_on=entry.expires_on)]
    return shelf.take(item, entry.quantity, lot_number=entry.lot_number, expires_on=entry.expires_on, expired_too=True)


def _prohibited(item: Item) -> ProhibitedItem:
    return ProhibitedItem(members={"item": named(item)}, item=item.name)


def _write(
    changes: Sequence[Change],
    *,
    station_id: UUID,
    station_code: str,
    actor_id: UUID,
    kind: MovementKind,
    reason: MovementReason,
    note: str | None,
    occurred_at: datetime,
    recorded_at: datetime,
    reverses_id: UUID | None = None,
) -> Document:
    """Move the balances, then write the document and its entries."""
    ordered = sorted(changes, key=lambda change: (change.item.id, change.lot_number))
    balances = [_move_balance(station_id, change) for change in ordered]
    last = db.session.scalar(select(func.max(StockEntry.sequence)).where(StockEntry.station_id == station_id)) or 0
    movement_id = ids.new_id()
    movement = {
        "id": movement_id,
        "station_id": station_id,
        "kind": kind,
        "reason": reason,
        "note": note,
        "document_number": _next_document_number(station_id, station_code, occurred_at),
        "actor_id": actor_id,
        "occurred_at": occurred_at,
        "recorded_at": recorded_at,
        "reverses_id": reverses_id,
    }
    entries: list[Mapping[str, Any]] = [
        {
            "movement_id": movement_id,
            "station_id": station_id,
            "item_id": change.item.id,
            "lot_number": change.lot_number,
            "expires_on": change.expires_on,
            "quantity": change.quantity,
            "balance": balance,
            "occurred_at": occurred_at,
            "sequence": sequence,
        }
        for sequence, (change, balance) in enumerate(zip(ordered, balances, strict=True), start=last + 1)
    ]
    db.session.execute(insert(Movement).values(movement))
    db.session.execute(insert(StockEntry), entries)
    return queries.read_movement(movement_id)


def _move_balance(station_id: UUID, change: Change) -> int:
    """Change one balance, and return it. The UPDATE itself refuses to go below zero, whatever was planned."""
    if change.quantity > 0:
        return _raise_balance(station_id, change)
    balance = db.session.scalar(
        update(StockBalance)
        .where(
            StockBalance.station_id == station_id,
            StockBalance.item_id == change.item.id,
            StockBalance.lot_number == change.lot_number,
            StockBalance.quantity + change.quantity >= 0,
        )
        .values(quantity=StockBalance.quantity + change.quantity)
        .returning(StockBalance.quantity)
        .execution_options(synchronize_session=False)
    )
    if balance is None:
        raise stock_too_low(change.item, change.lot_number, balance=0, requested=-change.quantity)
    return balance


def _raise_balance(station_id: UUID, change: Change) -> int:
    balance: int = db.session.execute(
        statements.insert(StockBalance)
        .values(
            station_id=station_id,
            item_id=change.item.id,
            lot_number=change.lot_number,
            quantity=change.quantity,
            expires_on=change.expires_on,
        )
        .on_conflict_do_update(
            index_elements=["station_id", "item_id", "lot_number"],
            # An empty lot takes the date of what comes; another one's change has the lot's own.
            set_={"quantity": StockBalance.quantity + change.quantity, "expires_on": change.expires_on},
        )
        .returning(StockBalance.quantity)
    ).scalar_one()
    return balance


def _next_document_number(station_id: UUID, station_code: str, occurred_at: datetime) -> str:
    """`CODE-YYYYMM-0001` of the local month in which it occurred, so that each month's book is without gaps."""
    month = clock.local_date(occurred_at).strftime("%Y%m")
    number = db.session.execute(
        statements.insert(DocumentCounter)
        .values(station_id=station_id, month=month, last=1)
        .on_conflict_do_update(index_elements=["station_id", "month"], set_={"last": DocumentCounter.last + 1})
        .returning(DocumentCounter.last)
    ).scalar_one()
    return f"{station_code}-{month}-{number:04d}"
