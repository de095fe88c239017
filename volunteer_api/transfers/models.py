"""Transfers: what one station asked of another, what was sent by lot, what arrived, and what did not."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core.database import Base, Identified, one_of


class TransferState(StrEnum):
    """Where a transfer stands; `received` once nothing of it is under way any more."""

    REQUESTED = "requested"
    APPROVED = "approved"
    SHIPPED = "shipped"
    RECEIVED = "received"
    REJECTED = "rejected"
    CANCELED = "canceled"


class StepKind(StrEnum):
    """What somebody did to a transfer; several receipts may follow one shipment."""

    REQUESTED = "requested"
    APPROVED = "approved"
    SHIPPED = "shipped"
    RECEIVED = "received"
    REJECTED = "rejected"
    CANCELED = "canceled"


class ShortfallReason(StrEnum):
    """Why something that was shipped did not arrive. What is returned is under way to its sender."""

    LOST = "lost"
    DAMAGED = "damaged"
    RETURNED = "returned"
    OTHER = "other"


OPEN_STATES = (TransferState.REQUESTED, TransferState.APPROVED, TransferState.SHIPPED)


class Transfer(Identified, Base):
    """Stock that goes from one station to another.

    `needs_organizer`: the sender's desk alone asked for it, so that its own managers can't be the second signature.
    `returns_id`: it brings back what another transfer shipped, and was never on the shelf that it comes from.
    """

    __tablename__ = "transfers"
    __table_args__ = (
        CheckConstraint(one_of("state", TransferState), name="state_known"),
        CheckConstraint("from_station_id <> to_station_id", name="two_stations"),
        Index("ix_transfers_from_station_id_id", "from_station_id", "id"),
        Index("ix_transfers_to_station_id_id", "to_station_id", "id"),
        Index("ix_transfers_returns_id", "returns_id"),
    )

    from_station_id: Mapped[UUID] = mapped_column(ForeignKey("stations.id"))
    to_station_id: Mapped[UUID] = mapped_column(ForeignKey("stations.id"))
    state: Mapped[str]
    needs_organizer: Mapped[bool] = mapped_column(default=False, server_default=false())
    note: Mapped[str | None]
    returns_id: Mapped[UUID | None] = mapped_column(ForeignKey("transfers.id"))


class TransferLine(Identified, Base):
    """What was asked for, in its order; `approved` is None until somebody decides, 0 where a line is turned down.

    Without a lot ("") the sender sends what expires first.
    """

    __tablename__ = "transfer_lines"
    __table_args__ = (
        UniqueConstraint("transfer_id", "item_id", "lot_number"),
        UniqueConstraint("transfer_id", "position"),
        Index("ix_transfer_lines_item_id", "item_id"),
        CheckConstraint("requested > 0", name="requested_positive"),
        CheckConstraint("approved BETWEEN 0 AND requested", name="approved_not_more"),
    )

    transfer_id: Mapped[UUID] = mapped_column(ForeignKey("transfers.id"))
    position: Mapped[int]
    item_id: Mapped[UUID] = mapped_column(ForeignKey("items.id"))
    lot_number: Mapped[str] = mapped_column(default="", server_default="")
    expires_on: Mapped[date | None]
    requested: Mapped[int] = mapped_column(BigInteger)
    approved: Mapped[int | None] = mapped_column(BigInteger)


class TransferLot(Identified, Base):
    """What was shipped of one item and lot, and what became of it; the rest is under way.

    `short` was lost, damaged or is otherwise missing, `returned` goes back to the sender as a transfer of its own.
    """

    __tablename__ = "transfer_lots"
    __table_args__ = (
        UniqueConstraint("transfer_id", "item_id", "lot_number"),
        Index("ix_transfer_lots_item_id", "item_id"),
        CheckConstraint("shipped > 0", name="shipped_positive"),
        CheckConstraint("received >= 0 AND short >= 0 AND returned >= 0", name="not_negative"),
        CheckConstraint("received + short + returned <= shipped", name="not_more_than_shipped"),
    )

    transfer_id: Mapped[UUID] = mapped_column(ForeignKey("transfers.id"))
    item_id: Mapped[UUID] = mapped_column(ForeignKey("items.id"))
    lot_number: Mapped[str] = mapped_column(default="", server_default="")
    expires_on: Mapped[date | None]
    shipped: Mapped[int] = mapped_column(BigInteger)
    received: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    short: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    returned: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    expired_on_arrival: Mapped[bool] = mapped_column(default=False, server_default=false())

    @property
    def in_transit(self) -> int:
        """What is still on its way."""
        return self.shipped - self.received - self.short - self.returned


class TransferStep(Identified, Base):
    """Who did what to a transfer, when, and by which document of the ledger. Append-only; the first began it."""

    __tablename__ = "transfer_steps"
    __table_args__ = (
        UniqueConstraint("transfer_id", "sequence"),
        Index("ix_transfer_steps_actor_id", "actor_id"),
        Index("ix_transfer_steps_movement_id", "movement_id"),
        CheckConstraint(one_of("kind", StepKind), name="kind_known"),
    )

    transfer_id: Mapped[UUID] = mapped_column(ForeignKey("transfers.id"))
    sequence: Mapped[int]
    kind: Mapped[str]
    actor_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    note: Mapped[str | None]
    movement_id: Mapped[UUID | None] = mapped_column(ForeignKey("movements.id"))


class TransferArrival(Base):
    """What a receipt took in of a lot, in good order. Append-only."""

    __tablename__ = "transfer_arrivals"
    __table_args__ = (
        Index("ix_transfer_arrivals_lot_id", "lot_id"),
        CheckConstraint("quantity > 0", name="quantity_positive"),
    )

    step_id: Mapped[UUID] = mapped_column(ForeignKey("transfer_steps.id"), primary_key=True)
    lot_id: Mapped[UUID] = mapped_column(ForeignKey("transfer_lots.id"), primary_key=True)
    quantity: Mapped[int] = mapped_column(BigInteger)


class ReceiptReversal(Base):
    """A receipt that was a mistake was taken back, once: nothing of it counts any more."""

    __tablename__ = "receipt_reversals"
    __table_args__ = (Index("ix_receipt_reversals_actor_id", "actor_id"),)

    step_id: Mapped[UUID] = mapped_column(ForeignKey("transfer_steps.id"), primary_key=True)
    actor_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    note: Mapped[str | None]
    reversed_at: Mapped[datetime]


class TransferShortfall(Identified, Base):
    """What a step found missing of a lot, and why. Append-only.

    What is lost or damaged stands in the ledger as a write-off at the receiver; what is returned, as a transfer back.
    """

    __tablename__ = "transfer_shortfalls"
    __table_args__ = (
        Index("ix_transfer_shortfalls_step_id", "step_id"),
        Index("ix_transfer_shortfalls_lot_id", "lot_id"),
        Index("ix_transfer_shortfalls_movement_id", "movement_id"),
        Index("ix_transfer_shortfalls_return_id", "return_id"),
        CheckConstraint(one_of("reason", ShortfallReason), name="reason_known"),
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint(
            "(reason = 'returned') = (return_id IS NOT NULL) AND (return_id IS NULL) = (movement_id IS NOT NULL)",
            name="goes_somewhere",
        ),
    )

    step_id: Mapped[UUID] = mapped_column(ForeignKey("transfer_steps.id"))
    lot_id: Mapped[UUID] = mapped_column(ForeignKey("transfer_lots.id"))
    quantity: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str]
    note: Mapped[str | None]
    movement_id: Mapped[UUID | None] = mapped_column(ForeignKey("movements.id"))
    return_id: Mapped[UUID | None] = mapped_column(ForeignKey("transfers.id"))
