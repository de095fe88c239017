"""Numbered pieces of durables, and loans with what came back of them."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core.database import Base, Identified, Versioned, one_of


class AssetState(StrEnum):
    """Where a numbered piece is: in stock and in repair it is on the shelf, the latter in quarantine."""

    IN_STOCK = "in_stock"
    ON_LOAN = "on_loan"
    REPAIR = "repair"
    RETIRED = "retired"
    LOST = "lost"


class AssetCondition(StrEnum):
    GOOD = "good"
    WORN = "worn"
    DAMAGED = "damaged"


class ReturnCondition(StrEnum):
    """How something came back; `lost` did not."""

    GOOD = "good"
    DAMAGED = "damaged"
    LOST = "lost"


class Asset(Identified, Versioned, Base):
    """One numbered piece of a durable.

    It belongs to the station where it is, or to the one that it was lent or lost from. Whoever changes its state or its
    station holds that station's ledger: of a station, never more pieces are in stock, and in repair, than are on its
    shelf, and in quarantine.
    """

    __tablename__ = "assets"
    __table_args__ = (
        UniqueConstraint("code"),
        Index("ix_assets_station_id_item_id", "station_id", "item_id", "state"),
        Index("ix_assets_item_id", "item_id"),
        CheckConstraint(one_of("state", AssetState), name="state_known"),
        CheckConstraint(one_of("condition", AssetCondition), name="condition_known"),
    )

    code: Mapped[str]
    item_id: Mapped[UUID] = mapped_column(ForeignKey("items.id"))
    station_id: Mapped[UUID] = mapped_column(ForeignKey("stations.id"))
    state: Mapped[str] = mapped_column(default=AssetState.IN_STOCK)
    condition: Mapped[str] = mapped_column(default=AssetCondition.GOOD)
    note: Mapped[str | None]


class Loan(Identified, Base):
    """So many pieces of one durable, or one numbered piece, lent by a station to one borrower.

    `outstanding` is what is neither back nor given up; the loan is closed when that is 0. The borrower is an account,
    or a name and a phone: `borrower` is sealed by the key ring for "borrowers", `phone_digest` is what it is found by.
    All three are empty once the borrower is forgotten.
    """

    __tablename__ = "loans"
    __table_args__ = (
        UniqueConstraint("slip_number"),
        # One numbered piece can't be out twice.
        Index(
            "uq_loans_asset_id_open",
            "asset_id",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("ix_loans_asset_id", "asset_id"),
        Index("ix_loans_item_id", "item_id"),
        Index("ix_loans_station_id", "station_id", "id"),
        Index("ix_loans_volunteer_id", "volunteer_id", "id"),
        Index("ix_loans_phone_digest", "phone_digest"),
        Index("ix_loans_lent_by", "lent_by"),
        Index(
            "ix_loans_due_at_open",
            "due_at",
            "id",
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index(
            "ix_loans_remind_at",
            "remind_at",
            "id",
            sqlite_where=text("remind_at IS NOT NULL"),
            postgresql_where=text("remind_at IS NOT NULL"),
        ),
        Index(
            "ix_loans_closed_at_known",
            "closed_at",
            sqlite_where=text("forgotten_at IS NULL"),
            postgresql_where=text("forgotten_at IS NULL"),
        ),
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("outstanding BETWEEN 0 AND quantity", name="outstanding"),
        CheckConstraint("(outstanding = 0) = (closed_at IS NOT NULL)", name="closed_when_settled"),
        CheckConstraint("asset_id IS NULL OR quantity = 1", name="one_numbered_piece"),
        CheckConstraint("lent_at < due_at", name="due_after_lending"),
        CheckConstraint("volunteer_id IS NULL OR borrower IS NULL", name="one_borrower"),
        CheckConstraint(
            "(forgotten_at IS NOT NULL) = (volunteer_id IS NULL AND borrower IS NULL)", name="borrower_known"
        ),
    )

    slip_number: Mapped[str]
    station_id: Mapped[UUID] = mapped_column(ForeignKey("stations.id"))
    item_id: Mapped[UUID] = mapped_column(ForeignKey("items.id"))
    asset_id: Mapped[UUID | None] = mapped_column(ForeignKey("assets.id"))
    quantity: Mapped[int] = mapped_column(BigInteger)
    outstanding: Mapped[int] = mapped_column(BigInteger)
    volunteer_id: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    borrower: Mapped[bytes | None] = mapped_column(LargeBinary)
    phone_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    forgotten_at: Mapped[datetime | None]
    lent_by: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    lent_at: Mapped[datetime]
    due_at: Mapped[datetime]
    extended_count: Mapped[int] = mapped_column(default=0)
    # When the next stage of being overdue is reached; None where there is none any more.
    remind_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class LoanLine(Base):
    """What a loan took of one lot."""

    __tablename__ = "loan_lines"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("outstanding BETWEEN 0 AND quantity", name="outstanding"),
    )

    loan_id: Mapped[UUID] = mapped_column(ForeignKey("loans.id"), primary_key=True)
    lot_number: Mapped[str] = mapped_column(primary_key=True)
    expires_on: Mapped[date | None]
    quantity: Mapped[int] = mapped_column(BigInteger)
    outstanding: Mapped[int] = mapped_column(BigInteger)


class LoanReturn(Identified, Base):
    """What came back of a loan at one time at one station, or was given up as lost there.

    One that was a mistake is reversed, once; it counts no more. `condition_before` is that of a numbered piece.
    """

    __tablename__ = "loan_returns"
    __table_args__ = (
        Index("ix_loan_returns_loan_id", "loan_id", "id"),
        Index("ix_loan_returns_received_by", "received_by"),
        Index("ix_loan_returns_station_id", "station_id"),
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint(one_of("condition", ReturnCondition), name="condition_known"),
    )

    loan_id: Mapped[UUID] = mapped_column(ForeignKey("loans.id"))
    station_id: Mapped[UUID] = mapped_column(ForeignKey("stations.id"))
    quantity: Mapped[int] = mapped_column(BigInteger)
    condition: Mapped[str]
    written_off: Mapped[bool]
    note: Mapped[str | None]
    received_by: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    returned_at: Mapped[datetime]
    condition_before: Mapped[str | None]
    reversed_at: Mapped[datetime | None]


class LoanReturnLine(Base):
    """What a return took of one line of its loan: what a reversal gives back to it."""

    __tablename__ = "loan_return_lines"
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity"),)

    return_id: Mapped[UUID] = mapped_column(ForeignKey("loan_returns.id"), primary_key=True)
    lot_number: Mapped[str] = mapped_column(primary_key=True)
    quantity: Mapped[int] = mapped_column(BigInteger)


class LoanReturnDocument(Base):
    """A document of the stock ledger that a return made: what came in, and what of it was written off at once."""

    __tablename__ = "loan_return_documents"
    __table_args__ = (Index("ix_loan_return_documents_return_id", "return_id"),)

    movement_id: Mapped[UUID] = mapped_column(ForeignKey("movements.id"), primary_key=True)
    return_id: Mapped[UUID] = mapped_column(ForeignKey("loan_returns.id"))


class LendingDocument(Base):
    """A document of the stock ledger that a loan or a numbered piece made: only its own verbs undo it."""

    __tablename__ = "lending_documents"
    __table_args__ = (
        Index("ix_lending_documents_loan_id", "loan_id"),
        Index("ix_lending_documents_asset_id", "asset_id"),
        CheckConstraint("loan_id IS NOT NULL OR asset_id IS NOT NULL", name="of_something"),
    )

    movement_id: Mapped[UUID] = mapped_column(ForeignKey("movements.id"), primary_key=True)
    loan_id: Mapped[UUID | None] = mapped_column(ForeignKey("loans.id"))
    asset_id: Mapped[UUID | None] = mapped_column(ForeignKey("assets.id"))
