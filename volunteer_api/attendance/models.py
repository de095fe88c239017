"""Attendances: who came when, on what evidence."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core.database import JSON_TYPE, Base, Identified, one_of


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
    FORGOTTEN_CHECK_OUT = "forgotten_check_out"
    CLAIMED = "claimed"
    MARKED_ABSENT = "marked_absent"
    REJECTED_BEFORE = "rejected_before"
    EARLIER_CHECK_IN = "earlier_check_in"
    LATER_CHECK_OUT = "later_check_out"


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
    NOTHING_SENT = "nothing_sent"
    PLACE_NOT_EXPECTED = "place_not_expected"
    PLACE_NOT_KEPT = "place_not_kept"
    OWN_PLACE = "own_place"
    EVIDENCE_CUT = "evidence_cut"


class ScanKind(StrEnum):
    """Which end of an attendance a desk's scan is."""

    CHECK_IN = "check_in"
    CHECK_OUT = "check_out"


class Decision(StrEnum):
    """What comes of a review."""

    CREDIT = "credit"
    REJECT = "reject"


class RollCallStatus(StrEnum):
    """What a leader says of somebody at a roll-call. Who is excused did not come, and it is no no-show."""

    PRESENT = "present"
    ABSENT = "absent"
    EXCUSED = "excused"


_HELD = text("state = 'held'")
_REVIEWED = text("reviewed_by IS NOT NULL")
_STANDING = text("state <> 'rejected' AND reviewed_by IS NULL")
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
    What each end alone gives a reviewer to look at is in `check_in_reasons` and `check_out_reasons`, and
    `check_out_tapped_at` is the volunteer's own check-out, whatever closed the attendance before: timeline.py needs
    them to tell again what an attendance is when an earlier tap arrives late. Of an end with several taps, `taps` has
    all (see taps.py); where they do not prove the whole of it, what lies before `counts_from_at` or after
    `counts_until_at` waits for a review. Of a volunteer who does not consent to it, no place that her phone told is
    kept in any of these (whereabouts.py).
    `flagged`: credited, but a reviewer should look at it. `conflicts_with_id` is the attendance that can't be true
    beside this one.

    `check_in_recorder_id` and `check_out_recorder_id` name the leader on whose roll-call that end stands. `closed_at`
    is when it was closed because nobody had checked out; `claimed_left_at` is when the volunteer says that she left.
    `reviewed_by` decided last, with `decision_reason`; both are empty while nobody has. Nobody reviews or records her
    own, and nobody credits what rests on her own word (`vouched_by`).
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
        CheckConstraint("reviewed_by <> volunteer_id", name="own_review"),
        CheckConstraint(
            "check_in_recorder_id <> volunteer_id AND check_out_recorder_id <> volunteer_id", name="own_roll_call"
        ),
        # Two people stand behind minutes that a roll-call alone did not settle.
        CheckConstraint(
            "state <> 'credited' OR (reviewed_by <> check_in_recorder_id AND reviewed_by <> check_out_recorder_id)",
            name="second_person",
        ),
        # At most one open attendance per volunteer.
        Index(
            "uq_attendances_volunteer_id_open",
            "volunteer_id",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        # At most one per volunteer and shift that nobody decided on: two that are told at once would both begin. One
        # that was rejected may be opened again beside one that came after it.
        Index(
            "uq_attendances_volunteer_id_shift_id_standing",
            "volunteer_id",
            "shift_id",
            unique=True,
            sqlite_where=_STANDING,
            postgresql_where=_STANDING,
        ),
        Index("ix_attendances_volunteer_id_id", "volunteer_id", "id"),
        Index("ix_attendances_shift_id_id", "shift_id", "id"),
        Index("ix_attendances_volunteer_id_checked_in_at", "volunteer_id", "checked_in_at"),
        Index("ix_attendances_station_id_checked_in_at", "station_id", "checked_in_at"),
        # What waits for a review is little beside what is settled.
        Index("ix_attendances_held", "shift_id", sqlite_where=_HELD, postgresql_where=_HELD),
        Index("ix_attendances_reviewed_by", "reviewed_by", sqlite_where=_REVIEWED, postgresql_where=_REVIEWED),
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
    check_in_reasons: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'"))
    check_out_reasons: Mapped[list[Any] | None] = mapped_column(JSON_TYPE)
    check_out_tapped_at: Mapped[datetime | None]
    counts_from_at: Mapped[datetime | None]
    counts_until_at: Mapped[datetime | None]
    taps: Mapped[list[Any] | None] = mapped_column(JSON_TYPE)
    check_in_recorder_id: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    check_out_recorder_id: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    closed_at: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    claimed_left_at: Mapped[datetime | None]
    claim_reason: Mapped[str | None]
    reviewed_by: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    reviewed_at: Mapped[datetime | None]
    decision_reason: Mapped[str | None]

    @property
    def vouched_by(self) -> list[UUID]:
        """Who said that the volunteer was there, each once: at a roll-call, or by reading her code at a desk."""
        said = (
            self.check_in_recorder_id,
            self.check_out_recorder_id,
            self.check_in_scanned_by,
            self.check_out_scanned_by,
            *(UUID(tap["scanned_by"]) for tap in self.taps or () if tap["scanned_by"] is not None),
        )
        return list(dict.fromkeys(one for one in said if one is not None))


class WaitingCheckOut(Base):
    """A check-out that came before the check-in that it names, as it was sent; it goes when that arrives.

    `key` is its own, `check_in_key` that of the check-in, `received_at` when the server had it. Where the place that
    it told may not be kept, `inside` has the shifts and stations inside whose fences that was, and the evidence nothing
    of it; else it is None.
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
    inside: Mapped[list[Any] | None] = mapped_column(JSON_TYPE)


class GivenCodes(Base):
    """That somebody was given presence codes of a shift or a station to show, and until when these are good.

    Or that she added the shift when it had begun, as who leads it.

    What she could have kept is no evidence for her, whoever she is by the time she uses it.
    """

    __tablename__ = "given_codes"
    __table_args__ = (
        Index("ix_given_codes_good_until", "good_until"),
        {"sqlite_with_rowid": False},
    )

    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"), primary_key=True)
    target_id: Mapped[UUID] = mapped_column(primary_key=True)
    good_until: Mapped[datetime]


class RollCallMark(Identified, Base):
    """What the last roll-call of a shift said of a volunteer; the attendance that it made or strengthened stands apart.

    `arrived_at` and `left_at` are what the leader named, None where she named nothing. `taken_at` is when the list was
    written, `marked_at` when it came; of those of earlier releases only that is known.
    """

    __tablename__ = "roll_call_marks"
    __table_args__ = (
        UniqueConstraint("shift_id", "volunteer_id"),
        CheckConstraint(one_of("status", RollCallStatus), name="status"),
        CheckConstraint("marked_by <> volunteer_id", name="own_mark"),
        Index("ix_roll_call_marks_volunteer_id", "volunteer_id"),
        Index("ix_roll_call_marks_marked_by", "marked_by"),
    )

    shift_id: Mapped[UUID] = mapped_column(ForeignKey("shifts.id"))
    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    status: Mapped[str]
    arrived_at: Mapped[datetime | None]
    left_at: Mapped[datetime | None]
    marked_by: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    marked_at: Mapped[datetime]
    taken_at: Mapped[datetime | None]
