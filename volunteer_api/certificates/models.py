"""Certificates of service, star levels, and what was handed to the national system."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core.database import Base, Identified, one_of


class Revocation(StrEnum):
    """Why a certificate is good no more."""

    REVERSED = "reversed"
    ERASED = "erased"


class StarState(StrEnum):
    """Of an application for a star level, and of the level once it is granted."""

    PENDING = "pending"
    GRANTED = "granted"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class Certificate(Identified, Base):
    """What an organization certified of its own records, as it was at that moment [order 67, art. 14-17].

    `number` is read aloud in three groups of four. `starts_on` and `ends_on` are the days of the first and the last
    record. The name is the holder's then, cleared when she is erased;
    the records are CertificateRecords, and their rows in the ledger never change. `root` is that of the day,
    `sealed_on`, by whose seal all of them were sealed; null until then.
    """

    __tablename__ = "certificates"
    __table_args__ = (
        UniqueConstraint("number"),
        CheckConstraint("starts_on <= ends_on", name="period"),
        CheckConstraint("minutes > 0", name="minutes"),
        CheckConstraint("(root IS NULL) = (sealed_on IS NULL)", name="sealed"),
        CheckConstraint("(revoked_at IS NULL) = (revocation IS NULL)", name="revoked"),
        CheckConstraint(one_of("revocation", Revocation), name="revocation"),
        CheckConstraint("name IS NOT NULL OR revoked_at IS NOT NULL", name="named"),
        Index("ix_certificates_volunteer_id_id", "volunteer_id", "id"),
        Index(
            "ix_certificates_unsealed",
            "id",
            sqlite_where=text("root IS NULL"),
            postgresql_where=text("root IS NULL"),
        ),
    )

    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    number: Mapped[str] = mapped_column(String(12))
    name: Mapped[str | None]
    volunteer_number: Mapped[str | None]
    masked_resident_id: Mapped[str | None]
    organization_name: Mapped[str]
    # Who goes on with the work of an organization that was merged.
    successor_name: Mapped[str | None]
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    minutes: Mapped[int]
    root: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed_on: Mapped[date | None]
    revoked_at: Mapped[datetime | None]
    revocation: Mapped[str | None] = mapped_column(String(20))


class CertificateRecord(Base):
    """That a certificate certifies a row of the ledger."""

    __tablename__ = "certificate_records"
    __table_args__ = (Index("ix_certificate_records_record_id", "record_id"),)

    certificate_id: Mapped[UUID] = mapped_column(ForeignKey("certificates.id"), primary_key=True)
    record_id: Mapped[UUID] = mapped_column(ForeignKey("service_records.id"), primary_key=True)


class StarLevel(Identified, Base):
    """A star level (1 to 5) that somebody applied for, and what became of it [2012].

    `minutes` were credited when it was applied for, `decided_minutes` when it was decided.
    """

    __tablename__ = "star_levels"
    __table_args__ = (
        CheckConstraint("level BETWEEN 1 AND 5", name="level"),
        CheckConstraint(one_of("state", StarState), name="state"),
        # Nobody grants her own.
        CheckConstraint("decided_by <> volunteer_id", name="dual_control"),
        CheckConstraint("(state = 'pending') = (decided_at IS NULL)", name="decided"),
        CheckConstraint("(decided_at IS NULL) = (decided_by IS NULL)", name="decided_by_somebody"),
        CheckConstraint("(state = 'withdrawn') = (withdrawn_at IS NOT NULL)", name="withdrawn"),
        Index(
            "uq_star_levels_pending",
            "volunteer_id",
            unique=True,
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "uq_star_levels_granted",
            "volunteer_id",
            "level",
            unique=True,
            sqlite_where=text("state = 'granted'"),
            postgresql_where=text("state = 'granted'"),
        ),
        Index("ix_star_levels_organization_id_state_id", "organization_id", "state", "id"),
        Index("ix_star_levels_volunteer_id_id", "volunteer_id", "id"),
    )

    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    level: Mapped[int]
    state: Mapped[str] = mapped_column(String(20), default=StarState.PENDING)
    minutes: Mapped[int]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    decided_at: Mapped[datetime | None]
    decided_minutes: Mapped[int | None]
    reason: Mapped[str | None] = mapped_column(String(500))
    withdrawn_at: Mapped[datetime | None]


class NationalExport(Identified, Base):
    """A batch of records for the national system; its file can be made again at any time.

    `synced_at` is when somebody said that the system has it.
    """

    __tablename__ = "national_exports"
    __table_args__ = (
        CheckConstraint("record_count > 0", name="record_count"),
        CheckConstraint("(synced_at IS NULL) = (synced_by IS NULL)", name="synced_by_somebody"),
        Index("ix_national_exports_organization_id_id", "organization_id", "id"),
    )

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    created_by: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    record_count: Mapped[int]
    with_resident_ids: Mapped[bool]
    synced_at: Mapped[datetime | None]
    synced_by: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))


class NationalExportRecord(Base):
    """That a row of the ledger is in a batch; it is in one only, whoever makes batches at the same time."""

    __tablename__ = "national_export_records"
    __table_args__ = (Index("ix_national_export_records_export_id", "export_id"),)

    record_id: Mapped[UUID] = mapped_column(ForeignKey("service_records.id"), primary_key=True)
    export_id: Mapped[UUID] = mapped_column(ForeignKey("national_exports.id"))
