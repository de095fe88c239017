"""Tables of disputes: what is disputed, and the trail of what was done about it, which only grows."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core.database import Base, Identified, one_of


class DisputeState(StrEnum):
    """Where a dispute stands; all but `open` are for ever."""

    OPEN = "open"
    UPHELD = "upheld"
    PARTLY = "partly"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class Decision(StrEnum):
    """How a dispute is decided: all of it, a part of it, nothing of it."""

    UPHELD = "upheld"
    PARTLY = "partly"
    REJECTED = "rejected"


class StepKind(StrEnum):
    """What happened to a dispute."""

    FILED = "filed"
    ASKED = "asked"
    ANSWERED = "answered"
    CONFIRMED = "confirmed"
    DECIDED = "decided"
    WITHDRAWN = "withdrawn"


_OPEN = text("state = 'open'")
_DECIDED = "state IN ('upheld', 'partly', 'rejected')"
# Whoever decides is none of those whose work is disputed. What is not known of them is null, and refuses nothing.
SOMEBODY_ELSE = (
    "decided_by <> volunteer_id AND decided_by <> recorder_id AND decided_by <> approver_id "
    "AND decided_by <> leader_id AND decided_by <> confirmed_by"
)


def _one_open(name: str, *columns: str) -> Index:
    """At most one open dispute of the same."""
    wanted = text(f"state = 'open' AND {columns[-1]} IS NOT NULL")
    return Index(name, *columns, unique=True, sqlite_where=wanted, postgresql_where=wanted)


class Dispute(Identified, Base):
    """A volunteer disputes a service record, an attendance, or that nothing is recorded of a shift: one of the three.

    `matter_shift_id` is the shift that it is about, whichever it names, None for a duty at a station: of one shift she
    has one open dispute. `recorder_id`, `approver_id` and `leader_id` are who recorded, approved or reviewed, and led
    what is disputed, as the decision found them; `confirmed_by` vouches for service that nobody recorded, with
    `confirmed_minutes`. `credited_minutes` is what the service counts for by the decision.
    """

    __tablename__ = "disputes"
    __table_args__ = (
        CheckConstraint(one_of("state", DisputeState), name="state"),
        CheckConstraint(
            "(CASE WHEN service_record_id IS NULL THEN 0 ELSE 1 END) + (CASE WHEN attendance_id IS NULL THEN 0 ELSE 1 "
            "END) + (CASE WHEN shift_id IS NULL THEN 0 ELSE 1 END) = 1",
            name="one_subject",
        ),
        CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="closed"),
        CheckConstraint(f"({_DECIDED}) = (decided_by IS NOT NULL)", name="decided"),
        CheckConstraint("(state IN ('upheld', 'partly')) = (credited_minutes IS NOT NULL)", name="outcome"),
        CheckConstraint("claimed_minutes >= 0 AND credited_minutes >= 0 AND confirmed_minutes > 0", name="minutes"),
        CheckConstraint("(confirmed_by IS NULL) = (confirmed_minutes IS NULL)", name="confirmed"),
        CheckConstraint(SOMEBODY_ELSE, name="decided_by_somebody_else"),
        CheckConstraint("confirmed_by <> volunteer_id", name="confirmed_by_another"),
        _one_open("uq_disputes_open_matter", "volunteer_id", "matter_shift_id"),
        _one_open("uq_disputes_open_attendance_id", "attendance_id"),
        _one_open("uq_disputes_open_service_record_id", "service_record_id"),
        Index("ix_disputes_volunteer_id_id", "volunteer_id", "id"),
        Index("ix_disputes_organization_id_due_on", "organization_id", "due_on", "id"),
        Index("ix_disputes_open_due_on", "due_on", "id", sqlite_where=_OPEN, postgresql_where=_OPEN),
        *(
            Index(f"ix_disputes_{name}", name)
            for name in ("decided_by", "recorder_id", "approver_id", "leader_id", "confirmed_by")
        ),
    )

    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    service_record_id: Mapped[UUID | None] = mapped_column(ForeignKey("service_records.id"))
    attendance_id: Mapped[UUID | None] = mapped_column(ForeignKey("attendances.id"))
    shift_id: Mapped[UUID | None] = mapped_column(ForeignKey("shifts.id"))
    matter_shift_id: Mapped[UUID | None] = mapped_column(ForeignKey("shifts.id"))
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    # What the service was, as the ledger would call it.
    content: Mapped[str]
    claimed_minutes: Mapped[int | None]
    state: Mapped[str] = mapped_column(default=DisputeState.OPEN)
    due_on: Mapped[date]
    reminded_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    credited_minutes: Mapped[int | None]
    recorder_id: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    approver_id: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    leader_id: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    confirmed_by: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    confirmed_minutes: Mapped[int | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))


class DisputeStep(Identified, Base):
    """One step of a dispute's trail. Append-only: its words stand apart, for they may have to be erased."""

    __tablename__ = "dispute_steps"
    __table_args__ = (
        CheckConstraint(one_of("kind", StepKind), name="kind"),
        UniqueConstraint("dispute_id", "sequence"),
        Index("ix_dispute_steps_actor_id", "actor_id"),
    )

    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("disputes.id"))
    sequence: Mapped[int]
    kind: Mapped[str]
    actor_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))


class DisputeWords(Base):
    """What was said in a step: in a dispute of somebody who was erased, nothing is left of it."""

    __tablename__ = "dispute_words"

    step_id: Mapped[UUID] = mapped_column(ForeignKey("dispute_steps.id"), primary_key=True)
    words: Mapped[str]
