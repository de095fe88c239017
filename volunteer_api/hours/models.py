"""The hours ledger. It only grows: the migration's triggers refuse every UPDATE and DELETE."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core import clock
from volunteer_api.core.database import Base, Identified


class Source(StrEnum):
    """How the minutes came to be known."""

    ATTENDED = "attended"
    BACKFILLED = "backfilled"


class ServiceRecord(Identified, Base):
    """Whole minutes of service, with what order 67 of the Ministry of Civil Affairs, article 7, asks of a record.

    `minutes` is signed: a reversal takes back exactly what it reverses. Whose activity it was, of which team, and the
    path of organizations above it are frozen here, so that a later move of any of them rewrites no history.
    `on` is the local date of the shift's start; `starts_at` and `ends_at` bound the minutes that were looked at.
    """

    __tablename__ = "service_records"
    __table_args__ = (
        CheckConstraint("source IN ('attended', 'backfilled')", name="source"),
        CheckConstraint("minutes <> 0", name="minutes"),
        CheckConstraint("starts_at <= ends_at", name="interval"),
        # One attendance is credited once, whatever races; its reversal names the same attendance.
        Index(
            "uq_service_records_attendance_id",
            "attendance_id",
            unique=True,
            sqlite_where=text("attendance_id IS NOT NULL AND reverses_id IS NULL"),
            postgresql_where=text("attendance_id IS NOT NULL AND reverses_id IS NULL"),
        ),
        Index("ix_service_records_volunteer_id_on_id", "volunteer_id", "on", "id"),
        Index("ix_service_records_organization_path_id_on", "organization_path_id", "on"),
        Index("ix_service_records_activity_id", "activity_id"),
        # Seals go through the days of recording.
        Index("ix_service_records_recorded_at_id", "recorded_at", "id"),
    )

    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    minutes: Mapped[int]
    source: Mapped[str]
    # No foreign key: attendances stand to the right of this ledger.
    attendance_id: Mapped[UUID | None]
    activity_id: Mapped[UUID | None] = mapped_column(ForeignKey("activities.id"))
    shift_id: Mapped[UUID | None] = mapped_column(ForeignKey("shifts.id"))
    station_id: Mapped[UUID | None] = mapped_column(ForeignKey("stations.id"))
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("teams.id"))
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    organization_path_id: Mapped[UUID] = mapped_column(ForeignKey("organization_paths.id"))
    on: Mapped[date]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    place_name: Mapped[str | None]
    content: Mapped[str]
    leader_id: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    recorder_id: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    approver_id: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    reason: Mapped[str | None]
    reverses_id: Mapped[UUID | None] = mapped_column(ForeignKey("service_records.id"), unique=True)
    recorded_at: Mapped[datetime] = mapped_column(default=clock.now)


class DaySeal(Base):
    """That the rows of the ledger recorded on one local day are what they are: the root of a Merkle tree (RFC 6962).

    Its leaves are the day's rows in the order of their SealLeaf, and at last the day itself with the root of the seal
    before (leaves.closing_leaf), so that one root vouches for everything before it. Seals are numbered without gaps in
    `id`, one for each day, also for a day without rows. `form` is the format of the leaves; `signature` a keyed digest
    of the root, which nobody can make who has the database alone. It only grows.
    """

    __tablename__ = "day_seals"
    __table_args__ = (
        UniqueConstraint("on"),
        UniqueConstraint("previous_root"),
        CheckConstraint("id > 0", name="numbered"),
        CheckConstraint("(id = 1) = (previous_root IS NULL)", name="chained"),
        CheckConstraint("record_count >= 0", name="record_count"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    on: Mapped[date]
    # Rows recorded before this moment and in no seal before are in this one.
    ends_at: Mapped[datetime]
    form: Mapped[int]
    record_count: Mapped[int]
    root: Mapped[bytes] = mapped_column(LargeBinary)
    previous_root: Mapped[bytes | None] = mapped_column(LargeBinary)
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_at: Mapped[datetime] = mapped_column(default=clock.now)


class SealLeaf(Base):
    """Where a row of the ledger stands in its day's seal, and the digest of its leaf. It only grows.

    Without it a changed row would show as a wrong root of its day; with it, it has a name. A row is in one seal.
    """

    __tablename__ = "seal_leaves"
    __table_args__ = (
        UniqueConstraint("seal_id", "position"),
        CheckConstraint("position >= 0", name="position"),
    )

    # The row's own.
    id: Mapped[UUID] = mapped_column(ForeignKey("service_records.id"), primary_key=True)
    # Judged at the commit: the root is known when the last leaf is written.
    seal_id: Mapped[int] = mapped_column(ForeignKey("day_seals.id", deferrable=True, initially="DEFERRED"))
    position: Mapped[int]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
