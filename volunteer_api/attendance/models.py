"""Attendances: who came when, on what evidence."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core.database import JSON_TYPE, Base, Identified


class State(StrEnum):
    """Where an attendance stands."""

    OPEN = "open"
    CREDITED = "credited"
    HELD = "held"
    REJECTED = "rejected"


class Grade(StrEnum):
    """How far one end's evidence can be trusted."""

    STRONG = "strong"
    MEDIUM = "medium"
    WEAK = "weak"


class Reason(StrEnum):
    """Why an attendance is held for review."""

    WEAK_EVIDENCE = "weak_evidence"
    NOT_SIGNED_UP = "not_signed_up"
    OUTSIDE_WINDOW = "outside_window"
    CLOCK_ODD = "clock_odd"
    DAILY_LIMIT = "daily_limit"
    OVERLAPPING = "overlapping"
    CHECKED_IN_ELSEWHERE = "checked_in_elsewhere"
    CODE_ELSEWHERE = "code_elsewhere"
    IMPOSSIBLE_TRAVEL = "impossible_travel"
    BELOW_MINIMUM = "below_minimum"
    NEEDS_ORGANIZER = "needs_organizer"
    SAMPLED = "sampled"


class Remark(StrEnum):
    """What was seen in the evidence of one end; it explains the grade and decides nothing by itself."""

    OWN_CODE = "own_code"
    CODE_OF_ANOTHER = "code_of_another"
    CODE_OF_ANOTHER_TIME = "code_of_another_time"
    CODE_WRONG = "code_wrong"
    PLACE_UNUSABLE = "place_unusable"
    PLACE_WITHOUT_ACCURACY = "place_without_accuracy"
    PLACE_OUTSIDE = "place_outside"
    PLACE_OF_ANOTHER_DATUM = "place_of_another_datum"
    TOLD_LATE = "told_late"
    SCANNED = "scanned"


class ScanKind(StrEnum):
    """Which end of an attendance a desk's scan is."""

    CHECK_IN = "check_in"
    CHECK_OUT = "check_out"


_FLAGGED = text("flagged")
_SCANNED_IN, _SCANNED_OUT = text("check_in_scanned_by IS NOT NULL"), text("check_out_scanned_by IS NOT NULL")


class Attendance(Identified, Base):
    """A check-in and its check-out.

    `grade` is the weaker of the graded ends. `reasons` are codes of Reason, in the order of that enumeration; while the
    attendance is open they are the check-in's. `created_at` is when the check-in was received, `checked_in_at` when
    it happened.

    A duty (`station_id`) counts inside its frame: the station's opening hours as they were at the check-in. The frame
    of a shift is the shift, which a leader may extend. Each end has its `remarks` (codes of Remark), the place where
    the volunteer was known to be, in WGS-84 degrees, and who scanned her own code at a desk, if somebody did.
    `flagged`: credited, but a reviewer should look at it. `conflicts_with_id` is the attendance that can't be true
    beside this one.
    """

    __tablename__ = "attendances"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'credited', 'held', 'rejected')", name="state"),
        CheckConstraint("grade IN ('strong', 'medium', 'weak')", name="grade"),
        CheckConstraint("check_in_grade IN ('strong', 'medium', 'weak')", name="check_in_grade"),
        CheckConstraint("check_out_grade IN ('strong', 'medium', 'weak')", name="check_out_grade"),
        CheckConstraint("credited_minutes >= 0 AND held_minutes >= 0", name="minutes"),
        CheckConstraint("(shift_id IS NULL) <> (station_id IS NULL)", name="target"),
        CheckConstraint(
            "(station_id IS NULL) = (frame_starts_at IS NULL) AND (station_id IS NULL) = (frame_ends_at IS NULL)",
            name="duty_has_frame",
        ),
        CheckConstraint("frame_starts_at <= frame_ends_at", name="frame"),
        CheckConstraint(
            "(check_in_scanned_by IS NULL OR check_in_scanned_by <> volunteer_id) AND"
            " (check_out_scanned_by IS NULL OR check_out_scanned_by <> volunteer_id)",
            name="own_scan",
        ),
        # At most one open attendance per volunteer.
        Index(
            "uq_attendances_volunteer_id_open",
            "volunteer_id",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        Index("ix_attendances_volunteer_id_id", "volunteer_id", "id"),
        Index("ix_attendances_shift_id_id", "shift_id", "id"),
        Index("ix_attendances_volunteer_id_checked_in_at", "volunteer_id", "checked_in_at"),
        Index("ix_attendances_station_id_checked_in_at", "station_id", "checked_in_at"),
        Index("ix_attendances_flagged", "id", sqlite_where=_FLAGGED, postgresql_where=_FLAGGED),
        Index(
            "ix_attendances_check_in_scanned_by",
            "check_in_scanned_by",
            sqlite_where=_SCANNED_IN,
            postgresql_where=_SCANNED_IN,
        ),
        Index(
            "ix_attendances_check_out_scanned_by",
            "check_out_scanned_by",
            sqlite_where=_SCANNED_OUT,
            postgresql_where=_SCANNED_OUT,
        ),
    )

    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    shift_id: Mapped[UUID | None] = mapped_column(ForeignKey("shifts.id"))
    station_id: Mapped[UUID | None] = mapped_column(ForeignKey("stations.id"))
    state: Mapped[str] = mapped_column(default=State.OPEN.value)
    grade: Mapped[str]
    check_in_grade: Mapped[str]
    check_out_grade: Mapped[str | None]
    checked_in_at: Mapped[datetime]
    checked_out_at: Mapped[datetime | None]
    credited_minutes: Mapped[int] = mapped_column(default=0)
    held_minutes: Mapped[int] = mapped_column(default=0)
    reasons: Mapped[list[Any]] = mapped_column(default=list)
    check_in_evidence: Mapped[dict[str, Any]]
    check_out_evidence: Mapped[dict[str, Any] | None] = mapped_column(JSON_TYPE)
    frame_starts_at: Mapped[datetime | None]
    frame_ends_at: Mapped[datetime | None]
    check_in_remarks: Mapped[list[Any]] = mapped_column(default=list)
    check_out_remarks: Mapped[list[Any]] = mapped_column(default=list)
    check_in_latitude: Mapped[float | None]
    check_in_longitude: Mapped[float | None]
    check_out_latitude: Mapped[float | None]
    check_out_longitude: Mapped[float | None]
    check_in_scanned_by: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    check_out_scanned_by: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    flagged: Mapped[bool] = mapped_column(default=False)
    conflicts_with_id: Mapped[UUID | None] = mapped_column(ForeignKey("attendances.id"))
