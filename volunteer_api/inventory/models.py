"""Movements with their ledger entries, and the balances that the entries add up to."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core.codes import fold
from volunteer_api.core.database import JSON_TYPE, Base, Identified, one_of


class MovementKind(StrEnum):
    """What a movement is. The ledger knows all of them; a client posts only some by hand."""

    RECEIPT = "receipt"
    ISSUE = "issue"
    WRITE_OFF = "write_off"
    QUARANTINE = "quarantine"
    TRANSFER_OUT = "transfer_out"
    TRANSFER_IN = "transfer_in"
    STOCKTAKE = "stocktake"
    LOAN_OUT = "loan_out"
    LOAN_RETURN = "loan_return"
    UNSEALING = "unsealing"
    RELEASE = "release"
    REVERSAL = "reversal"


class RecordableKind(StrEnum):
    """The movements that somebody at a station records by hand."""

    RECEIPT = "receipt"
    ISSUE = "issue"
    WRITE_OFF = "write_off"
    QUARANTINE = "quarantine"
    RELEASE = "release"


class StockState(StrEnum):
    """How a lot stands today; `low` needs a kit standard, `quarantined` a quarantine."""

    OK = "ok"
    LOW = "low"
    NEAR_EXPIRY = "near_expiry"
    EXPIRED = "expired"
    QUARANTINED = "quarantined"
    EMPTY = "empty"


class RecallState(StrEnum):
    """How far a station is: something is on its shelf or lent still, all is in quarantine, nothing is there."""

    OPEN = "open"
    QUARANTINED = "quarantined"
    CLEARED = "cleared"


class MovementReason(StrEnum):
    """Why stock moved."""

    DONATION = "donation"
    PURCHASE = "purchase"
    HANDED_OUT = "handed_out"
    USED = "used"
    EXPIRED = "expired"
    DAMAGED = "damaged"
    LOST = "lost"
    MISTAKE = "mistake"
    OPENING = "opening"
    OTHER = "other"
    # A lot that its maker or an authority called back; what an authority or a supplier took away.
    RECALLED = "recalled"
    HANDED_OVER = "handed_over"


# What each kind that a client records may give as its reason. A wrong document is reversed, never corrected in place:
# so a mistake is the reason of reversals only.
REASONS: Mapping[MovementKind, frozenset[MovementReason]] = {
    MovementKind.RECEIPT: frozenset(
        {MovementReason.DONATION, MovementReason.PURCHASE, MovementReason.OPENING, MovementReason.OTHER}
    ),
    MovementKind.ISSUE: frozenset({MovementReason.HANDED_OUT, MovementReason.USED, MovementReason.OTHER}),
    MovementKind.WRITE_OFF: frozenset(
        {
            MovementReason.EXPIRED,
            MovementReason.DAMAGED,
            MovementReason.LOST,
            MovementReason.RECALLED,
            MovementReason.HANDED_OVER,
            MovementReason.OTHER,
        }
    ),
    MovementKind.QUARANTINE: frozenset(
        {MovementReason.EXPIRED, MovementReason.DAMAGED, MovementReason.RECALLED, MovementReason.OTHER}
    ),
    # It was found good, or it is mended.
    MovementKind.RELEASE: frozenset({MovementReason.OTHER}),
    MovementKind.REVERSAL: frozenset({MovementReason.MISTAKE, MovementReason.OTHER}),
}


class Evidence(StrEnum):
    """Who else stands on a document, by name, as on the paper."""

    COUNTERPARTY = "counterparty"
    WITNESS = "witness"


# Who must stand on a document of this kind and reason; on all others both may. What a prohibited item asks for beside
# is in the second table: whoever finds one must not be the only one who saw it go.
NEEDED: Mapping[tuple[MovementKind, MovementReason], tuple[Evidence, ...]] = {
    (MovementKind.WRITE_OFF, MovementReason.HANDED_OVER): (Evidence.COUNTERPARTY, Evidence.WITNESS),
}
NEEDED_FOR_PROHIBITED: Mapping[MovementKind, tuple[Evidence, ...]] = {
    MovementKind.QUARANTINE: (Evidence.WITNESS,),
    MovementKind.WRITE_OFF: (Evidence.WITNESS,),
}
# What may be undone as it is. The rest is undone where it was made: a transfer, a loan.
REVERSIBLE = frozenset(
    {
        MovementKind.RECEIPT,
        MovementKind.ISSUE,
        MovementKind.WRITE_OFF,
        MovementKind.QUARANTINE,
        MovementKind.UNSEALING,
        MovementKind.RELEASE,
        MovementKind.STOCKTAKE,
    }
)
# What goes from one portion of a lot to another: it was really there, and its reversal really moves it back.
INSIDE_A_LOT = (MovementKind.QUARANTINE, MovementKind.UNSEALING, MovementKind.RELEASE)


# A lot at a station is kept in portions. As it came: SEALED; out of use: QUARANTINED; what was opened: the day of the
# opening, YYYY-MM-DD, since from then on it expires on a day of its own.
SEALED = ""
QUARANTINED = "quarantined"


DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def opened_on(portion: str) -> date | None:
    """The day on which the portion was opened; None of any other."""
    return None if portion in (SEALED, QUARANTINED) else date.fromisoformat(portion)


def name_of_lot(lot_number: str | None, expires_on: date | None) -> str | None:
    """The lot that a line means; None where it names neither a lot nor a day."""
    # Things without a printed lot still expire: their day keeps them apart from those that expire on another.
    if lot_number is None and expires_on is not None:
        return expires_on.isoformat()
    return lot_number


def names_another_day(lot_number: str | None, expires_on: date | None) -> bool:
    """Whether the number is a day, and not that of the lot: things without a number that expire then have this name."""
    return (
        lot_number is not None
        and expires_on is not None
        and lot_number != expires_on.isoformat()
        and DAY.fullmatch(lot_number) is not None
    )


def same_lot(one: str, other: str) -> bool:
    """Whether two numbers are those of one lot. What is written now is folded; earlier rows are as they were typed."""
    return one == other or fold(one) == fold(other)


class Movement(Identified, Base):
    """One document of the stock ledger. Append-only: it is undone by a reversal, at most once."""

    __tablename__ = "movements"
    __table_args__ = (
        # Not alone: a code that one station gave up may be another one's later.
        UniqueConstraint("station_id", "document_number"),
        UniqueConstraint("reverses_id"),
        Index("ix_movements_actor_id", "actor_id"),
        Index("ix_movements_station_id", "station_id", "recorded_at"),
        CheckConstraint(one_of("kind", MovementKind), name="kind_known"),
        CheckConstraint(one_of("reason", MovementReason), name="reason_known"),
        CheckConstraint("(kind = 'reversal') = (reverses_id IS NOT NULL)", name="reversal_names_its_movement"),
    )

    station_id: Mapped[UUID] = mapped_column(ForeignKey("stations.id"))
    kind: Mapped[str]
    reason: Mapped[str]
    note: Mapped[str | None]
    document_number: Mapped[str]
    actor_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    reverses_id: Mapped[UUID | None] = mapped_column(ForeignKey("movements.id"))
    # Whom it came from or went to, and who saw it: names, as on the paper.
    counterparty: Mapped[str | None]
    witness: Mapped[str | None]


class StockEntry(Identified, Base):
    """One line of the ledger. Append-only.

    `quantity` is signed; `balance` is what the station held of this item, lot and portion after the entry, in the order
    of recording, which is `sequence` (1, 2, … without gaps in each station). "" is the lot of things without lots.
    A movement between two portions of a lot (quarantine, release, unsealing) has an entry in each, which add up to 0.
    """

    __tablename__ = "stock_entries"
    __table_args__ = (
        UniqueConstraint("station_id", "sequence"),
        Index("ix_stock_entries_movement_id", "movement_id"),
        Index("ix_stock_entries_item_id_lot_number", "item_id", "lot_number"),
        Index("ix_stock_entries_station_id_item_id", "station_id", "item_id", "sequence"),
        # The item last: a movement on a day gone by asks for its own items, a month for all.
        Index("ix_stock_entries_station_id_occurred_at_item_id", "station_id", "occurred_at", "item_id"),
        CheckConstraint("quantity <> 0", name="quantity_moves"),
        CheckConstraint("balance >= 0", name="balance_not_negative"),
    )

    movement_id: Mapped[UUID] = mapped_column(ForeignKey("movements.id"))
    station_id: Mapped[UUID] = mapped_column(ForeignKey("stations.id"))
    item_id: Mapped[UUID] = mapped_column(ForeignKey("items.id"))
    lot_number: Mapped[str] = mapped_column(default="", server_default="")
    portion: Mapped[str] = mapped_column(default=SEALED, server_default=SEALED)
    expires_on: Mapped[date | None]
    quantity: Mapped[int] = mapped_column(BigInteger)
    balance: Mapped[int] = mapped_column(BigInteger)
    occurred_at: Mapped[datetime]
    sequence: Mapped[int] = mapped_column(BigInteger)


class StockBalance(Base):
    """What is on a station's shelf of one item, lot and portion: `quantity` is always the sum of its entries.

    `expires_on` is that of the portion: what is opened may expire before its lot. `on_loan` was lent from here and is
    not back, `in_transit` is on its way here; both are counted beside the shelf and have no entry of their own.
    """

    __tablename__ = "stock_balances"
    __table_args__ = (
        Index("ix_stock_balances_item_id", "item_id"),
        CheckConstraint("quantity >= 0", name="quantity_not_negative"),
        CheckConstraint("on_loan >= 0", name="on_loan_not_negative"),
        CheckConstraint("in_transit >= 0", name="in_transit_not_negative"),
    )

    station_id: Mapped[UUID] = mapped_column(ForeignKey("stations.id"), primary_key=True)
    item_id: Mapped[UUID] = mapped_column(ForeignKey("items.id"), primary_key=True)
    lot_number: Mapped[str] = mapped_column(primary_key=True, default="", server_default="")
    portion: Mapped[str] = mapped_column(primary_key=True, default=SEALED, server_default=SEALED)
    quantity: Mapped[int] = mapped_column(BigInteger)
    expires_on: Mapped[date | None]
    on_loan: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    in_transit: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")


class DocumentCounter(Base):
    """The last document number of a station and local month (`YYYYMM`).

    Every document raises it, so closing the month is a change of this row too: of two at once, one waits for the other.
    """

    __tablename__ = "document_counters"

    station_id: Mapped[UUID] = mapped_column(ForeignKey("stations.id"), primary_key=True)
    month: Mapped[str] = mapped_column(primary_key=True)
    last: Mapped[int]
    closed_at: Mapped[datetime | None]


class StockMonth(Identified, Base):
    """A local month (`YYYY-MM`) that an organization closed for all stations in its subtree. It is never opened again.

    `station_count` is how many stations it closed: those that an organization below had closed are not among them.
    """

    __tablename__ = "stock_months"
    __table_args__ = (UniqueConstraint("organization_id", "month"), Index("ix_stock_months_closed_by", "closed_by"))

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    month: Mapped[str]
    closed_at: Mapped[datetime]
    closed_by: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    station_count: Mapped[int]


class MonthBalance(Base):
    """What a station held of an item, lot and portion at the end of a closed month; nothing where it held none."""

    __tablename__ = "month_balances"
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity"),)

    station_id: Mapped[UUID] = mapped_column(ForeignKey("stations.id"), primary_key=True)
    month: Mapped[str] = mapped_column(primary_key=True)
    item_id: Mapped[UUID] = mapped_column(ForeignKey("items.id"), primary_key=True)
    lot_number: Mapped[str] = mapped_column(primary_key=True)
    portion: Mapped[str] = mapped_column(primary_key=True)
    quantity: Mapped[int] = mapped_column(BigInteger)
    expires_on: Mapped[date | None]


class LastCount(Base):
    """When an item was last counted at a station, by an approved count: before it nothing is recorded any more."""

    __tablename__ = "last_counts"

    station_id: Mapped[UUID] = mapped_column(ForeignKey("stations.id"), primary_key=True)
    item_id: Mapped[UUID] = mapped_column(ForeignKey("items.id"), primary_key=True)
    counted_at: Mapped[datetime]


class Recall(Identified, Base):
    """A lot that an organization calls back from all stations in its subtree, until it ends the recall."""

    __tablename__ = "recalls"
    __table_args__ = (
        Index(
            "uq_recalls_open",
            "organization_id",
            "item_id",
            "lot_number",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_recalls_item_id_lot_number", "item_id", "lot_number"),
        Index("ix_recalls_organization_id", "organization_id", "created_at"),
        Index("ix_recalls_recalled_by", "recalled_by"),
        Index("ix_recalls_ended_by", "ended_by"),
        CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name="ended_by_somebody"),
        CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name="ended_with_reason"),
    )

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    item_id: Mapped[UUID] = mapped_column(ForeignKey("items.id"))
    lot_number: Mapped[str]
    reason: Mapped[str]
    recalled_by: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    end_reason: Mapped[str | None]


class LedgerFault(Identified, Base):
    """Something in the ledger that does not add up: found by the nightly check, never repaired by it.

    `subject` says which item and lot, month or document; `details` have what was expected and what was found. It ends
    when a later check no longer finds it.
    """

    __tablename__ = "ledger_faults"
    __table_args__ = (
        Index(
            "uq_ledger_faults_open",
            "station_id",
            "kind",
            "subject",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    station_id: Mapped[UUID] = mapped_column(ForeignKey("stations.id"))
    kind: Mapped[str]
    subject: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(JSON_TYPE)
    last_seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class RetainedName(Base):
    """What an erased person was called who made stock documents, until the moment at which these need it no more."""

    __tablename__ = "retained_names"
    __table_args__ = (Index("ix_retained_names_kept_until", "kept_until"),)

    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"), primary_key=True)
    name: Mapped[str]
    kept_until: Mapped[datetime]
