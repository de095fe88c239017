"""Undoing a receipt that was recorded by mistake: of too much, of the wrong lot, with a shortfall that is none.

Its documents are reversed at the receiver, and all that it spoke of is under way again; what it sent back never left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import select

from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.inventory import ledger
from volunteer_api.inventory.ledger import Posting
from volunteer_api.inventory.models import Movement, MovementReason, StockEntry
from volunteer_api.inventory.service import opposite, write_reversal
from volunteer_api.inventory.shelf import Change
from volunteer_api.transfers import journal, queries, service
from volunteer_api.transfers.models import (
    ReceiptReversal,
    ShortfallReason,
    StepKind,
    Transfer,
    TransferArrival,
    TransferLot,
    TransferShortfall,
    TransferState,
    TransferStep,
)
from volunteer_api.transfers.problems import ReceiptReversed, ReturnArrived

# Of one lot in one portion of it.
Place = tuple[UUID, str, str]


def reverse(receipt: TransferStep, *, actor_id: UUID, note: str | None = None, witness: str | None = None) -> Transfer:
    """Undo a receipt, once; the transfer is under way again with what it spoke of.

    The reversals are documents of now, so a closed month stays as it is. What a count found on the shelf since is not
    taken from it again. Raises ReceiptReversed, ReturnArrived, StationClosed, BeforeLastCount, StockTooLow where what
    came is no longer there, PiecesNumbered, WitnessMissing or WitnessIsHandler (409).
    """
    transfer = db.session.get_one(Transfer, receipt.transfer_id)
    service.require_open(service.hold_stations(transfer.from_station_id, transfer.to_station_id))
    queries.lock(transfer)
    done = db.session.get(ReceiptReversal, receipt.id)
    if done is not None:
        raise ReceiptReversed(members={"reversed_at": clock.stamp(done.reversed_at)})
    shortfalls = db.session.scalars(
        select(TransferShortfall).where(TransferShortfall.step_id == receipt.id).order_by(TransferShortfall.id)
    ).all()
    for return_id in sorted({one.return_id for one in shortfalls if one.return_id is not None}):
        _call_back(return_id, actor_id=actor_id, note=note)
    if receipt.movement_id is not None:
        _reverse_documents(receipt, shortfalls, actor_id=actor_id, note=note, witness=witness)
    _put_under_way(transfer, receipt, shortfalls)
    db.session.add(ReceiptReversal(step_id=receipt.id, actor_id=actor_id, note=note, reversed_at=clock.now()))
    transfer.state = TransferState.SHIPPED
    journal.tell_of_reversal(transfer, receipt, actor_id=actor_id, text=note)
    db.session.flush()
    return transfer


def _call_back(return_id: UUID, *, actor_id: UUID, note: str | None) -> None:
    """End the transfer by which a part went back, if nothing of it has arrived. Raises ReturnArrived."""
    back = db.session.get_one(Transfer, return_id)
    queries.lock(back)
    lots = queries.lots_of(return_id)
    if back.state != TransferState.SHIPPED or any(lot.in_transit != lot.shipped for lot in lots):
        raise ReturnArrived(members={"return_id": str(return_id)})
    for lot in lots:
        lot.returned = lot.shipped
        ledger.count_beside(back.to_station_id, lot.item_id, lot.lot_number, in_transit=-lot.shipped)
    back.state = TransferState.CANCELED
    journal.note(back, StepKind.CANCELED, actor_id=actor_id, text=note)


def _reverse_documents(
    receipt: TransferStep,
    shortfalls: Sequence[TransferShortfall],
    *,
    actor_id: UUID,
    note: str | None,
    witness: str | None,
) -> None:
    """First the write-offs, then what came: what was in good order from where it was put, the rest from where it lands.

    What was written off may land elsewhere than it came from: in quarantine, when its lot was recalled since.
    """
    movement = db.session.get_one(Movement, receipt.movement_id)
    came = _sums(movement)
    written_off = [
        db.session.get_one(Movement, movement_id)
        for movement_id in sorted({one.movement_id for one in shortfalls if one.movement_id is not None})
    ]
    for one in written_off:
        for place, quantity in _sums(one).items():
            came[place] += quantity
    posting = ledger.begin(movement.station_id, {item_id for item_id, _, _ in came})
    kept = {place: quantity for place, quantity in came.items() if quantity}
    counted = {item_id: posting.items[item_id] for item_id, _, _ in kept}
    ledger.require_uncounted_since(replace(posting, items=counted), movement)
    changes = _take_back(posting, kept)
    for one in reversed(written_off):
        document = write_reversal(
            posting, one, actor_id=actor_id, reason=MovementReason.MISTAKE, note=note, witness=witness
        )
        changes += [opposite(entry, posting.items[entry.item_id]) for entry in document.entries]
    write_reversal(
        posting,
        movement,
        actor_id=actor_id,
        reason=MovementReason.MISTAKE,
        note=note,
        witness=witness,
        changes=changes,
    )


def _sums(movement: Movement) -> dict[Place, int]:
    rows = db.session.execute(
        select(StockEntry.item_id, StockEntry.lot_number, StockEntry.portion, StockEntry.quantity).where(
            StockEntry.movement_id == movement.id
        )
    )
    sums: dict[Place, int] = {}
    for row in rows:
        place = (row.item_id, row.lot_number, row.portion)
        sums[place] = sums.get(place, 0) + row.quantity
    return sums


def _take_back(posting: Posting, kept: Mapping[Place, int]) -> list[Change]:
    return [
        change
        for (item_id, lot_number, portion), quantity in sorted(kept.items())
        for change in posting.shelf.take(
            posting.items[item_id],
            quantity,
            lot_number=lot_number,
            expires_on=None,
            expired_too=True,
            portion=portion,
        )
    ]


def _put_under_way(transfer: Transfer, receipt: TransferStep, shortfalls: Sequence[TransferShortfall]) -> None:
    lots = {lot.id: lot for lot in queries.lots_of(transfer.id)}
    back = dict.fromkeys(lots, 0)
    arrivals = db.session.scalars(select(TransferArrival).where(TransferArrival.step_id == receipt.id)).all()
    for arrival in arrivals:
        lots[arrival.lot_id].received -= arrival.quantity
        back[arrival.lot_id] += arrival.quantity
    for one in shortfalls:
        if one.reason == ShortfallReason.RETURNED:
            lots[one.lot_id].returned -= one.quantity
        else:
            lots[one.lot_id].short -= one.quantity
        back[one.lot_id] += one.quantity
    for lot_id, quantity in back.items():
        lot = lots[lot_id]
        if quantity:
            ledger.count_beside(
                transfer.to_station_id,
                lot.item_id,
                lot.lot_number,
                expires_on=lot.expires_on,
                in_transit=quantity,
            )
            lot.expired_on_arrival = lot.expired_on_arrival and _still_came_expired(lot, receipt)


def _still_came_expired(lot: TransferLot, receipt: TransferStep) -> bool:
    """Whether another receipt, which stands, took some of the lot in after its last day."""
    moments = db.session.scalars(
        select(TransferStep.created_at)
        .join(TransferArrival, TransferArrival.step_id == TransferStep.id)
        .outerjoin(ReceiptReversal, ReceiptReversal.step_id == TransferStep.id)
        .where(TransferArrival.lot_id == lot.id, TransferStep.id != receipt.id, ReceiptReversal.step_id.is_(None))
    )
    return any(lot.expires_on is not None and lot.expires_on < clock.local_date(moment) for moment in moments)
