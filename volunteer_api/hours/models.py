"""The hours ledger. It only grows: the migration's triggers refuse every UPDATE and DELETE."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
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
