"""What is written of each step of a transfer: the step itself, and who hears of it."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from volunteer_api.core.database import db
from volunteer_api.inventory.keepers import approvers_of, keepers_of
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.service import notify
from volunteer_api.notifications.templates import register
from volunteer_api.transfers import queries
from volunteer_api.transfers.models import (
    ShortfallReason,
    StepKind,
    Transfer,
    TransferLot,
    TransferShortfall,
    TransferStep,
)

ROUTE = "%(from_station)s → %(to_station)s"
REQUESTED = register("transfer_requested", "A transfer is asked for", ROUTE, Group.STOCK)
APPROVED = register("transfer_approved", "A transfer is approved and can be sent", ROUTE, Group.STOCK)
REJECTED = register("transfer_rejected", "A transfer was rejected", ROUTE + ": %(reason)s", Group.STOCK)
CANCELED = register("transfer_canceled", "A transfer was canceled", ROUTE + ": %(reason)s", Group.STOCK)
SHIPPED = register("transfer_shipped", "A transfer is under way", ROUTE, Group.STOCK)
RETURNING = register("transfer_returning", "A transfer comes back", ROUTE, Group.STOCK)
RECEIVED = register("transfer_received", "A transfer has arrived", ROUTE, Group.STOCK)
REVERSED = register(
    "transfer_receipt_reversed", "The receipt of a transfer was taken back", ROUTE + ". %(reason)s", Group.STOCK
)
SHORT = register("transfer_short", "A transfer has arrived with a shortfall", ROUTE, Group.STOCK)
OVERDUE = register(
    "transfer_overdue",
    "A transfer has not arrived",
    ROUTE + ": under way for %(days)s days. Record what arrived, and what is missing.",
    Group.STOCK,
)
NOTICES: Mapping[StepKind, str] = {
    StepKind.REQUESTED: REQUESTED,
    StepKind.APPROVED: APPROVED,
    StepKind.REJECTED: REJECTED,
    StepKind.CANCELED: CANCELED,
    StepKind.SHIPPED: SHIPPED,
    StepKind.RECEIVED: RECEIVED,
}


def note(
    transfer: Transfer,
    kind: StepKind,
    *,
    actor_id: UUID,
    text: str | None,
    movement_id: UUID | None = None,
    notice: str | None = None,
) -> TransferStep:
    """Write a step, and let everybody else hear of it whom the transfer concerns. The caller holds the transfer."""
    db.session.flush()
    step = TransferStep(
        transfer_id=transfer.id,
        sequence=queries.last_step(transfer.id) + 1,
        kind=kind,
        actor_id=actor_id,
        note=text,
        movement_id=movement_id,
    )
    db.session.add(step)
    db.session.flush()
    _tell(transfer, kind, notice or NOTICES[kind], actor_id=actor_id, text=text, once=f"{step.sequence}")
    return step


def tell_of_reversal(transfer: Transfer, step: TransferStep, *, actor_id: UUID, text: str | None) -> None:
    """Let everybody whom a receipt concerned hear that it was taken back."""
    _tell(transfer, StepKind.RECEIVED, REVERSED, actor_id=actor_id, text=text, once=f"{step.sequence} reversed")


def note_returned(
    step_id: UUID,
    return_id: UUID,
    lots: Sequence[TransferLot],
    quantities: Mapping[UUID, int],
    notes: Mapping[UUID, str | None],
) -> None:
    """Write what of each lot is returned, by which transfer."""
    db.session.add_all(
        TransferShortfall(
            step_id=step_id,
            lot_id=lot.id,
            quantity=quantities[lot.id],
            reason=ShortfallReason.RETURNED,
            note=notes.get(lot.id),
            return_id=return_id,
        )
        for lot in lots
    )
    db.session.flush()


def remind(transfer: Transfer, *, days: int, turn: int) -> None:
    """Let both sides hear that something has been under way for so many days; once for each turn."""
    values = _values(transfer) | {"days": str(days)}
    for volunteer_id in sorted(_audience(transfer, StepKind.SHIPPED)):
        notify(
            volunteer_id=volunteer_id,
            kind=OVERDUE,
            values=values,
            dedup_key=f"transfer {transfer.id} overdue {turn} {volunteer_id}",
        )


def _tell(transfer: Transfer, kind: StepKind, notice: str, *, actor_id: UUID, text: str | None, once: str) -> None:
    values = _values(transfer) | {"reason": text or ""}
    for volunteer_id in sorted(_audience(transfer, kind) - {actor_id}):
        notify(
            volunteer_id=volunteer_id,
            kind=notice,
            values=values,
            dedup_key=f"transfer {transfer.id} {once} {volunteer_id}",
        )


def _values(transfer: Transfer) -> dict[str, str]:
    route = queries.route_of(transfer)
    return {
        "from_station": route[transfer.from_station_id],
        "to_station": route[transfer.to_station_id],
        "transfer_id": str(transfer.id),
    }


def _audience(transfer: Transfer, kind: StepKind) -> set[UUID]:
    """Who keeps the stock of both stations, and whoever asked; of a request that no manager may approve, who may."""
    keepers = keepers_of((transfer.from_station_id, transfer.to_station_id))
    audience = {queries.requester_of(transfer.id)}.union(*keepers.values())
    if kind == StepKind.REQUESTED and transfer.needs_organizer:
        audience.update(approvers_of(transfer.from_station_id))
    return audience
