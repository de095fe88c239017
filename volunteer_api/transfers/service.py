"""The verbs of transfers: request, approve or reject, ship, receive, cancel.

Locks are taken in one order: both stations in the order of their ids, then the transfer, then what the ledger locks. So
two shipments that cross each other wait and never lock each other out. Each verb judges the state behind the lock.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NotRequired, TypedDict
from uuid import UUID

from volunteer_api.catalog.models import Item
from volunteer_api.catalog.service import load_items, named, prohibited_item
from volunteer_api.core.codes import fold
from volunteer_api.core.database import db
from volunteer_api.core.problems import Conflict
from volunteer_api.inventory import ledger
from volunteer_api.inventory.ledger import Posting
from volunteer_api.inventory.models import (
    QUARANTINED,
    SEALED,
    MovementKind,
    MovementReason,
    name_of_lot,
    same_lot,
)
from volunteer_api.inventory.shelf import Change
from volunteer_api.stations.models import StationStatus
from volunteer_api.stations.problems import StationClosed
from volunteer_api.transfers import journal, problems, queries
from volunteer_api.transfers.models import (
    StepKind,
    Transfer,
    TransferLine,
    TransferLot,
    TransferState,
)
from volunteer_api.transfers.queries import Held

# What each state answers to who wants a transfer in another one.
REFUSALS: Mapping[str, type[Conflict]] = {
    TransferState.APPROVED: problems.TransferAlreadyApproved,
    TransferState.SHIPPED: problems.TransferAlreadyShipped,
    TransferState.RECEIVED: problems.TransferAlreadyReceived,
    TransferState.REJECTED: problems.TransferRejected,
    TransferState.CANCELED: problems.TransferCanceled,
}


class Line(TypedDict):
    """One item of a transfer. `quantity` is positive, in an approval also 0; without a lot, what expires first goes."""

    item_id: UUID
    quantity: int
    lot_number: NotRequired[str]
    expires_on: NotRequired[date]


def request(
    *,
    actor_id: UUID,
    from_station_id: UUID,
    to_station_id: UUID,
    lines: Sequence[Line],
    needs_organizer: bool,
    note: str | None = None,
) -> Transfer:
    """Ask for stock of one station for another. No two lines name the same item and lot.

    What there is at the sender is not judged: whoever approves lowers the quantities, and the shipment tells.
    Raises NotFound (404), StationClosed, ItemUnknown, ProhibitedItem (409).
    """
    require_open(hold_stations(from_station_id, to_station_id))
    for item in load_items(line["item_id"] for line in lines).values():
        _refuse_prohibited(item)
    transfer = Transfer(
        from_station_id=from_station_id,
        to_station_id=to_station_id,
        state=TransferState.REQUESTED,
        needs_organizer=needs_organizer,
        note=note,
    )
    db.session.add(transfer)
    db.session.flush()
    db.session.add_all(
        TransferLine(
            transfer_id=transfer.id,
            position=position,
            item_id=line["item_id"],
            lot_number=lot_of(line) or "",
            expires_on=line.get("expires_on"),
            requested=line["quantity"],
        )
        for position, line in enumerate(lines, start=1)
    )
    journal.note(transfer, StepKind.REQUESTED, actor_id=actor_id, text=note)
    return transfer


def approve(
    transfer: Transfer, *, actor_id: UUID, lines: Sequence[Line] | None = None, note: str | None = None
) -> Transfer:
    """Let a transfer go, with the quantities of `lines` where they are lower; what they don't name goes as asked for.

    Raises OwnTransferRequest, NotInTransfer, MoreThanRequested, NothingApproved, ProhibitedItem, and by its state what
    REFUSALS says (409).
    """
    queries.lock(transfer)
    _require_state(transfer, TransferState.REQUESTED)
    _refuse_own(transfer, actor_id)
    asked = queries.lines_of(transfer.id)
    items = load_items(line.item_id for line in asked)
    by_lot = {(line.item_id, fold(line.lot_number)): line for line in asked}
    for line in asked:
        line.approved = line.requested
    for wanted in lines or ():
        found = by_lot.get((wanted["item_id"], fold(lot_of(wanted) or "")))
        if found is None:
            raise _not_in_transfer(wanted["item_id"], lot_of(wanted))
        if wanted["quantity"] > found.requested:
            item = items[found.item_id]
            raise problems.MoreThanRequested(
                members={"item": named(item), "requested": found.requested, "quantity": wanted["quantity"]},
                item=item.name,
                requested=found.requested,
            )
        found.approved = wanted["quantity"]
    if not any(line.approved for line in asked):
        raise problems.NothingApproved()
    for line in asked:
        if line.approved:
            _refuse_prohibited(items[line.item_id])
    transfer.state = TransferState.APPROVED
    journal.note(transfer, StepKind.APPROVED, actor_id=actor_id, text=note)
    return transfer


def reject(transfer: Transfer, *, actor_id: UUID, reason: str) -> Transfer:
    """Turn a request down. Raises OwnTransferRequest, and by its state what REFUSALS says (409)."""
    queries.lock(transfer)
    _require_state(transfer, TransferState.REQUESTED)
    _refuse_own(transfer, actor_id)
    transfer.state = TransferState.REJECTED
    journal.note(transfer, StepKind.REJECTED, actor_id=actor_id, text=reason)
    return transfer


def ship(
    transfer: Transfer, *, actor_id: UUID, lines: Sequence[Line] | None = None, note: str | None = None
) -> Transfer:
    """Send what was approved, or what `lines` name, from the sender's shelf: what expires first, or the lots named.

    Sealed portions only: an opened one is used up where it is. What is sent is counted as under way to the receiver.
    What is less than approved is not sent later.

    Raises TransferNotApproved, MoreThanApproved, NotInTransfer, ProhibitedItem, LotQuarantined, StockTooLow,
    LotExpired, LotExpiryDiffers, and by its state what REFUSALS says (409).
    """
    held = hold_stations(transfer.from_station_id, transfer.to_station_id)
    queries.lock(transfer)
    _require_state(transfer, TransferState.APPROVED)
    approved = queries.lines_of(transfer.id)
    going = list(lines) if lines else [_line_of(line) for line in approved if line.approved]
    require_open(held)
    sender = ledger.begin(transfer.from_station_id, {line["item_id"] for line in going})
    for item in sender.items.values():
        _refuse_prohibited(item)
    _require_approved(going, approved, sender.items)
    # Those that name their lot first: what expires first for the others must leave it to them.
    ordered = sorted(going, key=lambda line: lot_of(line) is None)
    changes = _merged(change for line in ordered for change in _take(sender, line))
    document = sender.write(
        changes,
        actor_id=actor_id,
        kind=MovementKind.TRANSFER_OUT,
        reason=MovementReason.OTHER,
        note=note,
        counterparty=held[transfer.to_station_id].name,
    )
    _put_under_way(transfer, changes)
    transfer.state = TransferState.SHIPPED
    journal.note(transfer, StepKind.SHIPPED, actor_id=actor_id, text=note, movement_id=document.id)
    return transfer


def cancel(transfer: Transfer, *, actor_id: UUID, reason: str) -> Transfer:
    """Call a transfer off. What is under way already comes back to its sender, as a transfer that it receives.

    Raises TransferPartlyReceived, ReturnNotReturned, and by its state what REFUSALS says (409).
    """
    hold_stations(transfer.from_station_id, transfer.to_station_id)
    queries.lock(transfer)
    if transfer.state not in (TransferState.REQUESTED, TransferState.APPROVED, TransferState.SHIPPED):
        raise REFUSALS[transfer.state]()
    if transfer.state == TransferState.SHIPPED:
        if transfer.returns_id is not None:
            raise problems.ReturnNotReturned()
        lots = queries.lots_of(transfer.id)
        if any(lot.in_transit != lot.shipped for lot in lots):
            raise problems.TransferPartlyReceived()
        transfer.state = TransferState.CANCELED
        step = journal.note(transfer, StepKind.CANCELED, actor_id=actor_id, text=reason)
        items = load_items(lot.item_id for lot in lots)
        send_back(transfer, step.id, {lot.id: lot.shipped for lot in lots}, lots, items, actor_id=actor_id, text=reason)
        return transfer
    transfer.state = TransferState.CANCELED
    journal.note(transfer, StepKind.CANCELED, actor_id=actor_id, text=reason)
    return transfer


def send_back(
    transfer: Transfer,
    step_id: UUID,
    quantities: Mapping[UUID, int],
    lots: Sequence[TransferLot],
    items: Mapping[UUID, Item],
    *,
    actor_id: UUID,
    text: str | None,
    notes: Mapping[UUID, str | None] | None = None,
) -> Transfer:
    """Let so much of each lot go back to where it came from. It was never on the receiver's shelf, so no document.

    The caller holds both stations.
    """
    going = [lot for lot in lots if quantities.get(lot.id)]
    back = Transfer(
        from_station_id=transfer.to_station_id,
        to_station_id=transfer.from_station_id,
        state=TransferState.SHIPPED,
        needs_organizer=False,
        note=text,
        returns_id=transfer.id,
    )
    db.session.add(back)
    db.session.flush()
    for position, lot in enumerate(going, start=1):
        quantity = quantities[lot.id]
        lot.returned += quantity
        ledger.count_beside(transfer.to_station_id, lot.item_id, lot.lot_number, in_transit=-quantity)
        db.session.add(
            TransferLine(
                transfer_id=back.id,
                position=position,
                item_id=lot.item_id,
                lot_number=lot.lot_number,
                expires_on=lot.expires_on,
                requested=quantity,
                approved=quantity,
            )
        )
    changes = [Change(items[lot.item_id], lot.lot_number, lot.expires_on, -quantities[lot.id]) for lot in going]
    _put_under_way(back, changes)
    journal.note_returned(step_id, back.id, going, quantities, notes or {})
    journal.note(back, StepKind.SHIPPED, actor_id=actor_id, text=text, notice=journal.RETURNING)
    return back


def hold_stations(*station_ids: UUID) -> dict[UUID, Held]:
    """Lock stations until this unit ends, in the order of their ids; returns their names and states.

    Raises NotFound (404).
    """
    return {station_id: queries.hold_station(station_id) for station_id in sorted(station_ids)}


def require_open(held: Mapping[UUID, Held]) -> None:
    """Raise StationClosed where one of the stations is closed: it sends nothing and awaits nothing."""
    for station in held.values():
        if station.status == StationStatus.CLOSED:
            raise StationClosed(name=station.name)


def require_under_way(transfer: Transfer) -> None:
    """Raise what keeps a transfer from being received."""
    if transfer.state in (TransferState.REQUESTED, TransferState.APPROVED):
        raise problems.TransferNotShipped()
    _require_state(transfer, TransferState.SHIPPED)


def lot_of(line: Line) -> str | None:
    """The lot that the line means; None where it names neither a lot nor a day."""
    return name_of_lot(line.get("lot_number"), line.get("expires_on"))


def _take(sender: Posting, line: Line) -> list[Change]:
    """What leaves the sender's shelf for a line. Raises what `Shelf.take` raises, LotQuarantined."""
    item, lot_number = sender.items[line["item_id"]], lot_of(line)
    lots = [
        lot for lot in sender.shelf.lots[item.id].values() if lot_number is None or same_lot(lot.number, lot_number)
    ]
    quarantined = sum(lot.balance for lot in lots if lot.portion == QUARANTINED)
    # In sealed portions, past their day or not: of these, and of a recalled lot, the shelf itself says what is wrong.
    sealed = sum(lot.balance for lot in lots if lot.portion == SEALED)
    recalled = lot_number is not None and (item.id, fold(lot_number)) in sender.recalled
    if sealed < line["quantity"] <= sealed + quarantined and not recalled:
        raise problems.LotQuarantined(
            members={"item": named(item), "lot_number": lot_number, "balance": sealed, "quarantined": quarantined},
            item=item.name,
            unit=item.unit,
            balance=sealed,
            quarantined=quarantined,
        )
    return sender.shelf.take(
        item,
        line["quantity"],
        lot_number=lot_number,
        expires_on=line.get("expires_on"),
        expired_too=False,
        portion=SEALED,
    )


def _merged(changes: Iterable[Change]) -> list[Change]:
    """One change for each item and lot, however many lines took of it."""
    sums: dict[tuple[UUID, str], Change] = {}
    for change in changes:
        key = (change.item.id, change.lot_number)
        before = sums[key].quantity if key in sums else 0
        sums[key] = Change(change.item, change.lot_number, change.expires_on, before + change.quantity)
    return [sums[key] for key in sorted(sums)]


def _put_under_way(transfer: Transfer, changes: Sequence[Change]) -> None:
    """Count what left one shelf as under way to the receiver, lot by lot."""
    for change in changes:
        quantity = -change.quantity
        ledger.count_beside(
            transfer.to_station_id,
            change.item.id,
            change.lot_number,
            expires_on=change.expires_on,
            in_transit=quantity,
        )
        db.session.add(
            TransferLot(
                transfer_id=transfer.id,
                item_id=change.item.id,
                lot_number=change.lot_number,
                expires_on=change.expires_on,
                shipped=quantity,
                received=0,
                short=0,
                returned=0,
            )
        )
    db.session.flush()


def _line_of(line: TransferLine) -> Line:
    made = Line(item_id=line.item_id, quantity=line.approved or 0)
    if line.lot_number:
        made["lot_number"] = line.lot_number
    if line.expires_on is not None:
        made["expires_on"] = line.expires_on
    return made


def _require_approved(going: Sequence[Line], approved: Sequence[TransferLine], items: Mapping[UUID, Item]) -> None:
    """Judged by item: which lots go is the sender's to say."""
    allowed: dict[UUID, int] = {}
    for line in approved:
        allowed[line.item_id] = allowed.get(line.item_id, 0) + (line.approved or 0)
    sent: dict[UUID, int] = {}
    for wanted in going:
        sent[wanted["item_id"]] = sent.get(wanted["item_id"], 0) + wanted["quantity"]
    for item_id, quantity in sent.items():
        if item_id not in allowed:
            raise _not_in_transfer(item_id, None)
        if quantity > allowed[item_id]:
            raise problems.MoreThanApproved(
                members={"item": named(items[item_id]), "approved": allowed[item_id], "quantity": quantity},
                item=items[item_id].name,
                approved=allowed[item_id],
            )


def _require_state(transfer: Transfer, state: TransferState) -> None:
    if transfer.state == state:
        return
    if transfer.state == TransferState.REQUESTED:
        raise problems.TransferNotApproved()
    raise REFUSALS[transfer.state]()


def _refuse_own(transfer: Transfer, actor_id: UUID) -> None:
    if queries.requester_of(transfer.id) == actor_id:
        raise problems.OwnTransferRequest()


def _refuse_prohibited(item: Item) -> None:
    if item.prohibited:
        raise prohibited_item(item)


def _not_in_transfer(item_id: UUID, lot_number: str | None) -> problems.NotInTransfer:
    return problems.NotInTransfer(members={"item_id": str(item_id), "lot_number": lot_number})
