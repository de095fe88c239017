"""What transfers hear of stations that close and of erasure, and hold about a person."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.core.database import db
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.inventory.events import MovementReversing
from volunteer_api.inventory.retained_names import retain_name_since
from volunteer_api.inventory.verification import MOST_FAULTS, Fault, register_check
from volunteer_api.stations.events import StationClosing
from volunteer_api.stations.problems import StationNotEmpty
from volunteer_api.transfers import check_queries, queries
from volunteer_api.transfers.models import ReceiptReversal, Transfer, TransferStep
from volunteer_api.transfers.problems import UndoneByTransfer


@on(StationClosing)
def refuse_while_transfers_are_open(event: StationClosing) -> None:
    """What is asked for is canceled first, what is under way arrives or goes back. Raises StationNotEmpty."""
    unfinished = queries.unfinished_at(event.station_id)
    if unfinished is not None:
        route = f"{unfinished.sender_name} → {unfinished.receiver_name}"
        members = {"what": "transfers", "id": str(unfinished.id), "transfers": unfinished.count}
        raise StationNotEmpty(name=route, count=unfinished.count, members=members)


@on(MovementReversing)
def refuse_reversal(event: MovementReversing) -> None:
    """What a receipt took in and wrote off is undone together. Raises UndoneByTransfer."""
    receipt = db.session.scalar(queries.receipt_with_document(event.movement_id))
    if receipt is not None:
        raise UndoneByTransfer(members={"transfer_id": str(receipt.transfer_id), "receipt_id": str(receipt.id)})


@register_check
def in_transit_is_what_is_under_way(station_id: UUID) -> Iterator[Fault]:
    """What a station counts as under way, against the open shipments to it."""
    for row in check_queries.differences(MOST_FAULTS, station_id=station_id):
        details = {"counted": int(row.counted), "under_way": int(row.under_way)}
        yield Fault("in_transit_differs", f"{row.item_id} {row.lot_number}", details)


@on(VolunteerErased)
def keep_name_on_transfers(event: VolunteerErased) -> None:
    """Who asked for a transfer or approved it signed a stock document, too."""
    for moment, actor in (
        (TransferStep.created_at, TransferStep.actor_id),
        (ReceiptReversal.reversed_at, ReceiptReversal.actor_id),
    ):
        last = db.session.scalar(select(func.max(moment)).where(actor == event.volunteer_id))
        if last is not None:
            retain_name_since(event.volunteer_id, event.name, last)


@exported("transfers")
def transfers(volunteer_id: UUID) -> list[dict[str, Any]]:
    """What the person did to transfers, the latest first."""
    return rows(
        select(
            TransferStep.id,
            TransferStep.transfer_id,
            Transfer.from_station_id,
            Transfer.to_station_id,
            TransferStep.kind,
            TransferStep.note,
            TransferStep.created_at,
        )
        .join(Transfer, Transfer.id == TransferStep.transfer_id)
        .where(TransferStep.actor_id == volunteer_id)
        .order_by(TransferStep.created_at.desc(), TransferStep.id)
    )


@exported("receipts_reversed")
def receipts_reversed(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The receipts of transfers that the person took back, the latest first."""
    return rows(
        select(
            ReceiptReversal.step_id.label("id"),
            TransferStep.transfer_id,
            ReceiptReversal.note,
            ReceiptReversal.reversed_at,
        )
        .join(TransferStep, TransferStep.id == ReceiptReversal.step_id)
        .where(ReceiptReversal.actor_id == volunteer_id)
        .order_by(ReceiptReversal.reversed_at.desc(), ReceiptReversal.step_id)
    )
