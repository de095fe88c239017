"""The verbs of the stock ledger: record a movement, open something, undo a movement.

Entries only grow; balances follow in the same unit.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import NotRequired, TypedDict
from uuid import UUID

from sqlalchemy import select

from volunteer_api.accounts.models import Volunteer
from volunteer_api.catalog.models import Item, ItemKind
from volunteer_api.catalog.problems import ItemArchived
from volunteer_api.catalog.service import named, prohibited_item
from volunteer_api.core import clock, events
from volunteer_api.core.database import db
from volunteer_api.core.settings import rules
from volunteer_api.inventory import ledger
from volunteer_api.inventory.events import MovementReversed, MovementReversing
from volunteer_api.inventory.ledger import Posting
from volunteer_api.inventory.losses import tell_of_loss
from volunteer_api.inventory.models import (
    INSIDE_A_LOT,
    NEEDED,
    NEEDED_FOR_PROHIBITED,
    QUARANTINED,
    REVERSIBLE,
    SEALED,
    Evidence,
    Movement,
    MovementKind,
    MovementReason,
    RecordableKind,
    StockEntry,
    name_of_lot,
    names_another_day,
)
from volunteer_api.inventory.problems import (
    AlreadyReversed,
    BeforeLastCount,
    CounterpartyMissing,
    ExpiryDateMissing,
    ExpiryTooFar,
    LotIsAnotherDay,
    NotReversibleByHand,
    OpeningChangesNothing,
    ReceiptOfExpired,
    ReversalNotExplained,
    ReversalNotReversible,
    StockTooLow,
    WitnessIsHandler,
    WitnessMissing,
)
from volunteer_api.inventory.queries import Document, Entry
from volunteer_api.inventory.receipts import opened_with, require_first_opening
from volunteer_api.inventory.releases import plan_release
from volunteer_api.inventory.shelf import Change, Shelf


class Line(TypedDict):
    """One item of a movement. `quantity` is positive; without a lot, what expires first is taken.

    `quarantined` writes off what is in quarantine; a release takes from nowhere else, and its `opened_on` says on which
    day this was opened.
    """

    item_id: UUID
    quantity: int
    lot_number: NotRequired[str]
    expires_on: NotRequired[date]
    quarantined: NotRequired[bool]
    opened_on: NotRequired[date]


def record_movement(
    *,
    station_id: UUID,
    actor_id: UUID,
    kind: RecordableKind,
    reason: MovementReason,
    lines: Sequence[Line],
    note: str | None = None,
    occurred_at: datetime | None = None,
    counterparty: str | None = None,
    witness: str | None = None,
) -> Document:
    """Record a receipt, an issue, a write-off, a quarantine or a release, with everything on its lines or nothing.

    What is quarantined stays on the shelf, in a portion that nothing is issued from. A release takes some of it back
    into use, or the quarantine's reversal all that it took. A prohibited item that is found and was never booked comes
    into the books by its quarantine.

    Raises ItemUnknown, ProhibitedItem, ReceiptOfExpired, ExpiryDateMissing, ExpiryTooFar, OpeningRepeated,
    StockTooLow, NotExpired, LotExpired, LotRecalled, LotIsAnotherDay, LotExpiryDiffers, OccurredInFuture, TooFarBack,
    LaterBalanceNegative, MonthClosed, BeforeLastCount, OpenedInQuarantine, OpeningChangesNothing,
    CounterpartyMissing, WitnessMissing or WitnessIsHandler (409).
    """
    posting = ledger.begin(station_id, [line["item_id"] for line in lines], occurred_at=occurred_at)
    movement_kind = MovementKind(kind)
    given = {Evidence.COUNTERPARTY: counterparty, Evidence.WITNESS: witness}
    _require_evidence(movement_kind, reason, posting.items.values(), {name for name, value in given.items() if value})
    if witness is not None:
        _require_another(witness, actor_id)
    changes = [
        change
        for line in _with_dates(lines)
        for change in _plan(kind, reason, posting, posting.items[line["item_id"]], line)
    ]
    if reason == MovementReason.OPENING:
        opened = opened_with(posting)
        for change in changes:
            require_first_opening(change, opened)
    document = posting.write(
        changes,
        actor_id=actor_id,
        kind=movement_kind,
        reason=reason,
        note=note,
        counterparty=counterparty,
        witness=witness,
    )
    if (movement_kind, reason) == (MovementKind.WRITE_OFF, MovementReason.LOST):
        tell_of_loss(document, by=actor_id)
    return document


def open_stock(
    *,
    station_id: UUID,
    actor_id: UUID,
    item_id: UUID,
    quantity: int = 1,
    lot_number: str | None = None,
    expires_on: date | None = None,
    opened_on: date | None = None,
    note: str | None = None,
) -> Document:
    """Record that something was opened, today or on a day gone by: from then on it is good for a shorter time.

    Without a lot, what expires first is taken. What is open expires `days_once_opened` after its day, or with its lot
    where that is sooner. Raises OpeningChangesNothing, ProhibitedItem and what `record_movement` raises (409).
    """
    moment = None if opened_on is None or opened_on == clock.today() else _end_of(opened_on)
    posting = ledger.begin(station_id, [item_id], occurred_at=moment)
    item, day = posting.items[item_id], posting.shelf.day
    if item.prohibited:
        raise prohibited_item(item)
    if item.days_once_opened is None:
        raise OpeningChangesNothing(members={"item": named(item)}, item=item.name)
    last = day + timedelta(days=item.days_once_opened)
    taken = posting.shelf.take(
        item, quantity, lot_number=lot_number, expires_on=expires_on, expired_too=False, portion=SEALED
    )
    opened = [
        posting.shelf.put(
            item,
            -change.quantity,
            lot_number=change.lot_number,
            expires_on=min(last, change.expires_on or last),
            portion=day.isoformat(),
        )
        for change in taken
    ]
    return posting.write(
        [*taken, *opened], actor_id=actor_id, kind=MovementKind.UNSEALING, reason=MovementReason.USED, note=note
    )


def reverse_movement(
    movement: Movement,
    *,
    actor_id: UUID,
    reason: MovementReason,
    note: str | None = None,
    witness: str | None = None,
) -> Document:
    """Undo a movement, once, by a movement of now with the opposite entries. That of a quarantine is its release.

    What never happened (a mistake) is not undone behind a count that found the shelf without it; what really came back
    or went since says so in its note. Who takes away what a
    document brought of a prohibited item needs a witness, as for its write-off: it may have come into the books by that
    document alone, as what is found does.
    Raises ReversalNotReversible, NotReversibleByHand, AlreadyReversed, BeforeLastCount, ReversalNotExplained,
    WitnessMissing, WitnessIsHandler, ProhibitedItem, LotRecalled, StockTooLow where what came is no longer there (409),
    or what a feature to the right says against it.
    """
    if movement.kind == MovementKind.REVERSAL:
        raise ReversalNotReversible()
    events.publish(MovementReversing(movement_id=movement.id))
    if movement.kind not in REVERSIBLE:
        raise NotReversibleByHand(members={"kind": movement.kind})
    posting = ledger.begin(movement.station_id, [entry.item_id for entry in _entries_of(movement)])
    if movement.kind not in INSIDE_A_LOT and not (reason == MovementReason.OTHER and note):
        try:
            ledger.require_uncounted_since(posting, movement)
        except BeforeLastCount as problem:
            if reason != MovementReason.MISTAKE:
                raise ReversalNotExplained(members=problem.members) from problem
            problem.is_undoing = True
            raise
    document = write_reversal(posting, movement, actor_id=actor_id, reason=reason, note=note, witness=witness)
    events.publish(MovementReversed(movement_id=movement.id, station_id=movement.station_id))
    return document


def write_reversal(
    posting: Posting,
    movement: Movement,
    *,
    actor_id: UUID,
    reason: MovementReason,
    note: str | None = None,
    witness: str | None = None,
    changes: Sequence[Change] | None = None,
) -> Document:
    """Undo a movement of the ledger that is held by `changes`, else by what is opposite to its entries.

    For whoever has judged that it may be undone. Raises AlreadyReversed, WitnessMissing, WitnessIsHandler,
    ProhibitedItem, LotRecalled or StockTooLow (409).
    """
    reversal_id = db.session.scalar(select(Movement.id).where(Movement.reverses_id == movement.id))
    if reversal_id is not None:
        raise AlreadyReversed(members={"reversal_id": str(reversal_id)})
    entries = _entries_of(movement)
    if witness is not None:
        _require_another(witness, actor_id)
    else:
        _require_none_prohibited([posting.items[entry.item_id] for entry in entries if entry.quantity > 0])
    if changes is None:
        try:
            changes = [
                change
                for entry in entries
                for change in _plan_reversed(posting.shelf, posting.items[entry.item_id], entry)
            ]
        except StockTooLow as problem:
            problem.is_undoing = True
            raise
    return posting.write(
        changes,
        actor_id=actor_id,
        kind=MovementKind.REVERSAL,
        reason=reason,
        note=note,
        reverses_id=movement.id,
        witness=witness,
    )


def opposite(entry: Entry, item: Item) -> Change:
    """What takes away again what an entry brought, from where that went: a recalled lot goes into quarantine."""
    portion = QUARANTINED if entry.quarantined else SEALED
    return Change(item, entry.lot_number or "", entry.expires_on, -entry.quantity, portion)


def quarantine(
    shelf: Shelf, item: Item, quantity: int, *, lot_number: str | None, expires_on: date | None = None
) -> list[Change]:
    """Plan that `quantity` goes from the shelf into the quarantined portions of its lots. Raises as `Shelf.take`."""
    if quantity == 0:
        return []
    taken = shelf.take(item, quantity, lot_number=lot_number, expires_on=expires_on, expired_too=True)
    return [
        *taken,
        *(
            shelf.put(
                item,
                -change.quantity,
                lot_number=change.lot_number,
                expires_on=change.expires_on,
                portion=QUARANTINED,
            )
            for change in taken
        ),
    ]


def _entries_of(movement: Movement) -> Sequence[StockEntry]:
    return db.session.scalars(
        select(StockEntry).where(StockEntry.movement_id == movement.id).order_by(StockEntry.sequence)
    ).all()


def _require_evidence(
    kind: MovementKind, reason: MovementReason, items: Collection[Item], given: Collection[Evidence]
) -> None:
    prohibited = next((item for item in items if item.prohibited), None)
    needed = NEEDED.get((kind, reason), ())
    if prohibited is not None:
        needed = (*needed, *NEEDED_FOR_PROHIBITED.get(kind, ()))
    missing = [name for name in needed if name not in given]
    item = prohibited or next(iter(items))
    if Evidence.COUNTERPARTY in missing:
        raise CounterpartyMissing(members={"item": named(item)}, item=item.name)
    if Evidence.WITNESS in missing:
        raise WitnessMissing(members={"item": named(item)}, item=item.name)


def _require_none_prohibited(items: Collection[Item]) -> None:
    """Raise WitnessMissing (409) where one of these is prohibited."""
    item = next((item for item in items if item.prohibited), None)
    if item is not None:
        raise WitnessMissing(members={"item": named(item)}, item=item.name)


def _require_another(witness: str, actor_id: UUID) -> None:
    if db.session.scalar(select(Volunteer.name).where(Volunteer.id == actor_id)) == witness:
        raise WitnessIsHandler()


def _end_of(day: date) -> datetime:
    # What happened on that day came before it, as far as anybody knows.
    _, after = clock.days_between(day, day)
    return after - timedelta(seconds=1)


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


def _plan(kind: RecordableKind, reason: MovementReason, posting: Posting, item: Item, line: Line) -> list[Change]:
    shelf = posting.shelf
    # What is found nevertheless has to leave the shelf somehow: only quarantine and write-off take a prohibited item.
    if item.prohibited and kind not in (RecordableKind.WRITE_OFF, RecordableKind.QUARANTINE):
        raise prohibited_item(item)
    if kind == RecordableKind.RECEIPT:
        return [plan_receipt(shelf, item, line)]
    if kind == RecordableKind.QUARANTINE:
        return _plan_quarantine(shelf, item, line)
    if kind == RecordableKind.RELEASE:
        return plan_release(
            posting,
            item,
            line["quantity"],
            lot_number=line.get("lot_number"),
            expires_on=line.get("expires_on"),
            opened_on=line.get("opened_on"),
        )
    return shelf.take(
        item,
        line["quantity"],
        lot_number=line.get("lot_number"),
        expires_on=line.get("expires_on"),
        expired_too=kind == RecordableKind.WRITE_OFF,
        expired_only=kind == RecordableKind.WRITE_OFF and reason == MovementReason.EXPIRED,
        portion=QUARANTINED if line.get("quarantined") else None,
    )


def plan_receipt(shelf: Shelf, item: Item, line: Line) -> Change:
    """Plan that a line comes onto the shelf.

    Raises ProhibitedItem, LotIsAnotherDay, LotExpiryDiffers, ExpiryDateMissing, ReceiptOfExpired, ExpiryTooFar (409).
    """
    if item.prohibited:
        raise prohibited_item(item)
    if item.archived:
        raise ItemArchived(members={"item": named(item)}, item=item.name)
    lot_number, expires_on = line.get("lot_number"), line.get("expires_on")
    # More of what lies there with this number and date is not mistyped.
    is_more = shelf.holds(item, lot_number=lot_number, expires_on=expires_on)
    if names_another_day(lot_number, expires_on) and not is_more:
        raise LotIsAnotherDay(
            members={"item": named(item), "lot_number": lot_number}, item=item.name, lot_number=lot_number
        )
    change = shelf.put(item, line["quantity"], lot_number=lot_number, expires_on=expires_on)
    _check_received(change, shelf.day, is_more=is_more)
    return change


def _plan_quarantine(shelf: Shelf, item: Item, line: Line) -> list[Change]:
    lot_number, expires_on, quantity = line.get("lot_number"), line.get("expires_on"), line["quantity"]
    # A prohibited item may never have been booked: then it comes in here, and only here.
    unbooked = (
        max(0, quantity - shelf.booked(item, lot_number=lot_number, expires_on=expires_on)) if item.prohibited else 0
    )
    changes = quarantine(shelf, item, quantity - unbooked, lot_number=lot_number, expires_on=expires_on)
    if unbooked:
        changes.append(shelf.put(item, unbooked, lot_number=lot_number, expires_on=expires_on, portion=QUARANTINED))
    return changes


def _check_received(change: Change, day: date, *, is_more: bool) -> None:
    # By the lot's date, which a line need not repeat where the lot is known.
    item, expires_on = change.item, change.expires_on
    if expires_on is None:
        if item.kind == ItemKind.MEDICAL:
            raise ExpiryDateMissing(members={"item": named(item)}, item=item.name)
    elif not is_more and expires_on > (latest := date(day.year + rules().expiry_years, 12, 31)):
        raise ExpiryTooFar(
            members={"item": named(item), "expires_on": expires_on.isoformat(), "latest": latest.isoformat()},
            item=item.name,
            expires_on=expires_on.isoformat(),
            years=rules().expiry_years,
        )
    elif expires_on < day:
        raise ReceiptOfExpired(
            members={"item": named(item), "expires_on": expires_on.isoformat(), "occurred_on": day.isoformat()},
            item=item.name,
            expires_on=expires_on.isoformat(),
        )


def _plan_reversed(shelf: Shelf, item: Item, entry: StockEntry) -> list[Change]:
    if entry.quantity < 0 and entry.portion == SEALED:
        # The lot's date may have been corrected since: what really comes back is never refused for that.
        return [shelf.put_anywhere(Change(item, entry.lot_number, entry.expires_on, entry.quantity), -entry.quantity)]
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
        # Portions that came together may have got an earlier day since.
        expires_on=entry.expires_on if entry.portion == SEALED else None,
        expired_too=True,
        portion=entry.portion,
    )
