"""Counts of a station's stock, line by line."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core.database import Base, Identified, one_of
from volunteer_api.inventory.models import MovementReason


class StocktakeKind(StrEnum):
    """A count of stock, or what one shift hands over to the next."""

    COUNT = "count"
    HANDOVER = "handover"


class StocktakeScope(StrEnum):
    """Everything that the books say is there, or some items."""

    ALL = "all"
    ITEMS = "items"


class StocktakeState(StrEnum):
    """Being counted, posted to the ledger, or given up."""

    COUNTING = "counting"
    APPROVED = "approved"
    CANCELED = "canceled"


class VarianceReason(StrEnum):
    """Why a count differs from the books; each is a reason of the ledger too."""

    LOST = MovementReason.LOST.value
    DAMAGED = MovementReason.DAMAGED.value
    EXPIRED = MovementReason.EXPIRED.value
    USED = MovementReason.USED.value
    HANDED_OUT = MovementReason.HANDED_OUT.value
    DONATION = MovementReason.DONATION.value
    MISTAKE = MovementReason.MISTAKE.value
    OTHER = MovementReason.OTHER.value


class Stocktake(Identified, Base):
    """A count at a station. It is approved once, or canceled; both are final.

    `version` grows with each batch of lines that says something new, and with what is recorded later of the time before
    they were counted. `told_version` is the one of which those who may approve heard that it is complete: from then on
    one of them decides, whatever is counted or recorded since.
    A hand-over without a variance closes itself: `decided_by` is then who counted the last of it.
    """

    __tablename__ = "stocktakes"
    __table_args__ = (
        CheckConstraint(one_of("kind", StocktakeKind), name="kind_known"),
        CheckConstraint(one_of("scope", StocktakeScope), name="scope_known"),
        CheckConstraint(one_of("state", StocktakeState), name="state_known"),
        CheckConstraint("(state = 'counting') = (decided_at IS NULL)", name="decided"),
        CheckConstraint("(kind = 'handover') = (to_volunteer_id IS NOT NULL)", name="handover_names_people"),
        Index("ix_stocktakes_station_id", "station_id", "created_at"),
        Index("ix_stocktakes_started_by", "started_by"),
        Index("ix_stocktakes_decided_by", "decided_by"),
        Index("ix_stocktakes_from_volunteer_id", "from_volunteer_id"),
        Index("ix_stocktakes_to_volunteer_id", "to_volunteer_id"),
    )

    station_id: Mapped[UUID] = mapped_column(ForeignKey("stations.id"))
    kind: Mapped[str]
    scope: Mapped[str]
    blind: Mapped[bool]
    state: Mapped[str]
    note: Mapped[str | None]
    started_by: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    from_volunteer_id: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    to_volunteer_id: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    decision_note: Mapped[str | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    told_version: Mapped[int | None]


class StocktakeLine(Identified, Base):
    """An item, lot and portion of a count. `listed` ones were on the sheet when it began; others were found.

    `position` is the station's last entry at the moment of counting, `book` what the books say of that moment: of the
    beginning while nothing is counted, corrected for what is recorded late. `book_at_start` stays what the sheet said,
    `book_when_counted` what they said as it was counted (None of lines from before these were kept). `delta` is what
    the approval posted by `movement_id`.
    """

    __tablename__ = "stocktake_lines"
    __table_args__ = (
        UniqueConstraint("stocktake_id", "item_id", "lot_number", "portion"),
        Index("ix_stocktake_lines_item_id", "item_id"),
        Index("ix_stocktake_lines_counted_by", "counted_by"),
        Index("ix_stocktake_lines_movement_id", "movement_id"),
        CheckConstraint("counted >= 0", name="counted_not_negative"),
        CheckConstraint(
            "(counted IS NULL) = (counted_at IS NULL) AND (counted IS NULL) = (counted_by IS NULL) "
            "AND (counted IS NULL) = (position IS NULL)",
            name="counted_at_a_position",
        ),
    )

    stocktake_id: Mapped[UUID] = mapped_column(ForeignKey("stocktakes.id"))
    item_id: Mapped[UUID] = mapped_column(ForeignKey("items.id"))
    lot_number: Mapped[str]
    portion: Mapped[str]
    expires_on: Mapped[date | None]
    listed: Mapped[bool]
    book: Mapped[int] = mapped_column(BigInteger)
    book_at_start: Mapped[int | None] = mapped_column(BigInteger)
    book_when_counted: Mapped[int | None] = mapped_column(BigInteger)
    counted: Mapped[int | None] = mapped_column(BigInteger)
    counted_at: Mapped[datetime | None]
    counted_by: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    position: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str | None]
    note: Mapped[str | None]
    delta: Mapped[int | None] = mapped_column(BigInteger)
    movement_id: Mapped[UUID | None] = mapped_column(ForeignKey("movements.id"))

    @property
    def place(self) -> tuple[UUID, str, str]:
        """Item, lot and portion."""
        return self.item_id, self.lot_number, self.portion
