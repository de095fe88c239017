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


class Attendance(Identified, Base):
    """A check-in and its check-out.

    `grade` is the weaker of the graded ends. `reasons` are codes of Reason, in the order of that enumeration; while the
    attendance is open they are the check-in's. `created_at` is when the check-in was received, `checked_in_at` when
    it happened. What each end alone gives a reviewer to look at is in `check_in_reasons` and `check_out_reasons`, and
    `check_out_tapped_at` is the volunteer's own check-out, whatever closed the attendance before: timeline.py needs
    them to tell again what an attendance is when an earlier tap arrives late.
    """

    __tablename__ = "attendances"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'credited', 'held', 'rejected')", name="state"),
        CheckConstraint("grade IN ('strong', 'medium', 'weak')", name="grade"),
        CheckConstraint("check_in_grade IN ('strong', 'medium', 'weak')", name="check_in_grade"),
        CheckConstraint("check_out_grade IN ('strong', 'medium', 'weak')", name="check_out_grade"),
        CheckConstraint("credited_minutes >= 0 AND held_minutes >= 0", name="minutes"),
        CheckConstraint("(shift_id IS NULL) <> (station_id IS NULL)", name="target"),
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
    check_in_reasons: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'"))
    check_out_reasons: Mapped[list[Any] | None] = mapped_column(JSON_TYPE)
    check_out_tapped_at: Mapped[datetime | None]


class WaitingCheckOut(Base):
    """A check-out that came before the check-in that it names, as it was sent; it goes when that arrives.

    `key` is its own, `check_in_key` that of the check-in, `received_at` when the server had it.
    """

    __tablename__ = "waiting_check_outs"
    __table_args__ = (
        Index("ix_waiting_check_outs_volunteer_id_check_in_key", "volunteer_id", "check_in_key"),
        Index("ix_waiting_check_outs_received_at", "received_at"),
    )

    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    check_in_key: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    received_at: Mapped[datetime]
