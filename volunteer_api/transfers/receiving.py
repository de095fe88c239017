"""Receipts: what of a shipment arrived and what did not, in one go or in several.

What arrives goes on the receiver's shelf by a transfer_in. What is lost or damaged comes and goes there in the same
moment, by the transfer_in and a write-off: so what all stations sent is what all stations received plus what is under
way, and an auditor finds each loss in the ledger with its reason. What is returned is under way to its sender.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NotRequired, TypedDict
from uuid import UUID

from volunteer_api.catalog.models import Item
from volunteer_api.catalog.service import load_items, named
from volunteer_api.core.database import db
from volunteer_api.inventory import ledger
from volunteer_api.inventory.ledger import Posting
from volunteer_api.inventory.models import QUARANTINED, SEALED, MovementKind, MovementReason, same_lot
from volunteer_api.inventory.queries import Document
from volunteer_api.inventory.shelf import Change
from volunteer_api.transfers import journal, problems, queries, service
from volunteer_api.transfers.models import (
    ShortfallReason,
    StepKind,
    Transfer,
    TransferArrival,
    TransferLot,
    TransferShortfall,
    TransferState,
    TransferStep,
)

WRITTEN_OFF_AS: Mapping[ShortfallReason, MovementReason] = {
    ShortfallReason.LOST: MovementReason.LOST,
    ShortfallReason.DAMAGED: MovementReason.DAMAGED,
    ShortfallReason.OTHER: MovementReason.OTHER,
}


class Shortfall(TypedDict):
    """So much did not arrive, and why."""

    quantity: int
    reason: ShortfallReason
    note: NotRequired[str]


class Arrival(TypedDict):
    """What arrived of a lot, by its id or by item and number: `quantity` in good order (0 too), and the shortfalls."""

    quantity: int
    lot_id: NotRequired[UUID]
    item_id: NotRequired[UUID]
    lot_number: NotRequired[str]
    shortfalls: NotRequired[Sequence[Shortfall]]


@dataclass
class Count:
    """What this receipt says of one lot."""

    lot: TransferLot
    received: int = 0
    shortfalls: list[Shortfall] = field(default_factory=list)
    # The number of the lot that it was put into.
    arrived_as: str = ""

    def missing(self, *reasons: ShortfallReason) -> int:
        """How much did not arrive, for one of these reasons."""
        return sum(shortfall["quantity"] for shortfall in self.shortfalls if shortfall["reason"] in reasons)

    @property
    def written_off(self) -> int:
        """What is lost for good."""
        return self.missing(*WRITTEN_OFF_AS)

    @property
    def settled(self) -> int:
        """What is not under way to the receiver any more."""
        return self.received + self.missing(*ShortfallReason)


def receive(
    transfer: Transfer, *, actor_id: UUID, lines: Sequence[Arrival] | None = None, note: str | None = None
) -> Transfer:
    """Take in what arrived; without lines, everything that is under way. What no line speaks of stays under way.

    What expired on its way is received and marked. What is prohibited by now goes into quarantine. A lot whose number
    stands for another day at the receiver's is received under the name of its own day.
    Raises TransferNotShipped, MoreThanShipped, NotInTransfer, LotNotNamed, ReturnNotReturned (409),
    and by its state what `service.REFUSALS` says.
    """
    held = service.hold_stations(transfer.from_station_id, transfer.to_station_id)
    queries.lock(transfer)
    service.require_under_way(transfer)
    lots = queries.lots_of(transfer.id)
    items = load_items(lot.item_id for lot in lots)
    counts = _count(lots, items, lines)
    if transfer.returns_id is not None and any(count.missing(ShortfallReason.RETURNED) for count in counts):
        raise problems.ReturnNotReturned()
    posting = ledger.begin(transfer.to_station_id, {count.lot.item_id for count in counts})
    sender = held[transfer.from_station_id].name
    arrival = _take_in(posting, counts, actor_id=actor_id, note=note, counterparty=sender)
    whole = all(count.received == count.settled for count in counts)
    step = journal.note(
        transfer,
        StepKind.RECEIVED,
        actor_id=actor_id,
        text=note,
        movement_id=None if arrival is None else arrival.id,
        notice=journal.RECEIVED if whole else journal.SHORT,
    )
    db.session.add_all(
        TransferArrival(step_id=step.id, lot_id=count.lot.id, quantity=count.received)
        for count in counts
        if count.received
    )
    if arrival is not None:
        for reason in WRITTEN_OFF_AS:
            _write_off(posting, arrival, step, counts, reason, actor_id=actor_id, note=note, counterparty=sender)
    for count in counts:
        settled = count.received + count.written_off
        if settled:
            ledger.count_beside(transfer.to_station_id, count.lot.item_id, count.lot.lot_number, in_transit=-settled)
    _send_back(transfer, step, counts, lots, items, actor_id=actor_id)
    if not any(lot.in_transit for lot in lots):
        came_back_whole = all(lot.returned == lot.shipped for lot in lots)
        transfer.state = TransferState.CANCELED if came_back_whole else TransferState.RECEIVED
    db.session.flush()
    return transfer


def _count(lots: Sequence[TransferLot], items: Mapping[UUID, Item], lines: Sequence[Arrival] | None) -> list[Count]:
    """What the lines say of each lot, in the order of the lots."""
    counts = {lot.id: Count(lot) for lot in lots}
    if lines is None:
        for count in counts.values():
            count.received = count.lot.in_transit
    for line in lines or ():
        for lot, quantity in _lots_of(lots, items, line):
            counts[lot.id].received += quantity
            counts[lot.id].shortfalls += line.get("shortfalls", ())
    for count in counts.values():
        if count.settled > count.lot.in_transit:
            item = items[count.lot.item_id]
            raise problems.MoreThanShipped(
                members={
                    "item": named(item),
                    "lot_number": count.lot.lot_number or None,
                    "in_transit": count.lot.in_transit,
                    "quantity": count.settled,
                },
                item=item.name,
                in_transit=count.lot.in_transit,
            )
    return [count for count in counts.values() if count.settled]


def _lots_of(lots: Sequence[TransferLot], items: Mapping[UUID, Item], line: Arrival) -> list[tuple[TransferLot, int]]:
    """The lot that a line is about with its quantity; several where all of an item arrived."""
    if "lot_id" in line:
        found = [lot for lot in lots if lot.id == line["lot_id"]]
    else:
        found = [
            lot
            for lot in lots
            if lot.item_id == line["item_id"] and same_lot(line.get("lot_number", lot.lot_number), lot.lot_number)
        ]
    if not found:
        named_by = {name: str(value) for name, value in line.items() if name in ("lot_id", "item_id", "lot_number")}
        raise problems.NotInTransfer(members=named_by)
    under_way = [lot for lot in found if lot.in_transit]
    if len(under_way) <= 1:
        return [((under_way or found)[0], line["quantity"])]
    if not line.get("shortfalls") and line["quantity"] == sum(lot.in_transit for lot in under_way):
        return [(lot, lot.in_transit) for lot in under_way]
    item = items[found[0].item_id]
    raise problems.LotNotNamed(members={"item": named(item), "lots": [str(lot.id) for lot in found]}, item=item.name)


def _take_in(
    posting: Posting, counts: Sequence[Count], *, actor_id: UUID, note: str | None, counterparty: str
) -> Document | None:
    """Put what arrived on the shelf, and what is written off with it; returns the document, None where nothing is."""
    changes = []
    for count in counts:
        quantity = count.received + count.written_off
        if not quantity:
            continue
        lot, item = count.lot, posting.items[count.lot.item_id]
        if item.prohibited or (item.id, lot.lot_number) in posting.recalled:
            # Since it was sent. It has come, but nobody may hand it out; and a recall must find it by its number.
            change = posting.shelf.put(
                item, quantity, lot_number=lot.lot_number, expires_on=lot.expires_on, portion=QUARANTINED
            )
        else:
            change = posting.shelf.put_anywhere(Change(item, lot.lot_number, lot.expires_on, -quantity), quantity)
        changes.append(change)
        count.arrived_as = change.lot_number
        lot.received += count.received
        lot.short += count.written_off
        if count.received and lot.expires_on is not None and lot.expires_on < posting.shelf.day:
            lot.expired_on_arrival = True
    if not changes:
        return None
    return posting.write(
        changes,
        actor_id=actor_id,
        kind=MovementKind.TRANSFER_IN,
        reason=MovementReason.OTHER,
        note=note,
        counterparty=counterparty,
    )


def _write_off(
    posting: Posting,
    arrival: Document,
    step: TransferStep,
    counts: Sequence[Count],
    reason: ShortfallReason,
    *,
    actor_id: UUID,
    note: str | None,
    counterparty: str,
) -> None:
    """Write off what did not arrive for one reason, and note each shortfall with that document."""
    missing = [count for count in counts if count.missing(reason)]
    if not missing:
        return
    came = {(entry.item_id, entry.lot_number or ""): entry for entry in arrival.entries}
    changes = []
    for count in missing:
        # From where the arrival has put it in this very moment, be it the shelf or quarantine.
        entry = came[count.lot.item_id, count.arrived_as]
        changes.append(
            Change(
                posting.items[count.lot.item_id],
                count.arrived_as,
                entry.expires_on,
                -count.missing(reason),
                QUARANTINED if entry.quarantined else SEALED,
            )
        )
    document = posting.write(
        changes,
        actor_id=actor_id,
        kind=MovementKind.WRITE_OFF,
        reason=WRITTEN_OFF_AS[reason],
        note=note,
        counterparty=counterparty,
    )
    db.session.add_all(
        TransferShortfall(
            step_id=step.id,
            lot_id=count.lot.id,
            quantity=shortfall["quantity"],
            reason=reason,
            note=shortfall.get("note"),
            movement_id=document.id,
        )
        for count in missing
        for shortfall in count.shortfalls
        if shortfall["reason"] == reason
    )


def _send_back(
    transfer: Transfer,
    step: TransferStep,
    counts: Sequence[Count],
    lots: Sequence[TransferLot],
    items: Mapping[UUID, Item],
    *,
    actor_id: UUID,
) -> None:
    quantities = {count.lot.id: count.missing(ShortfallReason.RETURNED) for count in counts}
    if not any(quantities.values()):
        return
    notes = {
        count.lot.id: shortfall.get("note")
        for count in counts
        for shortfall in count.shortfalls
        if shortfall["reason"] == ShortfallReason.RETURNED
    }
    text = next((note for note in notes.values() if note), None)
    service.send_back(transfer, step.id, quantities, lots, items, actor_id=actor_id, text=text, notes=notes)
