"""Table of who signed up for which shift."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core.database import Base, Identified, one_of


class SignUpState(StrEnum):
    """Where a sign-up stands.

    `pending` waits for a leader, `invited` for the volunteer; neither holds a place. `rejected` is a leader's no to
    whatever it was before, but for an invitation that she takes back: like one that the volunteer leaves, `withdrawn`.
    """

    PENDING = "pending"
    INVITED = "invited"
    CONFIRMED = "confirmed"
    WAITLISTED = "waitlisted"
    WITHDRAWN = "withdrawn"
    DECLINED = "declined"
    REJECTED = "rejected"


ACTIVE_SIGN_UPS = (SignUpState.PENDING, SignUpState.INVITED, SignUpState.CONFIRMED, SignUpState.WAITLISTED)
# These ask somebody for something, or wait for it; once the shift is over nothing comes of them any more.
PLACELESS = (SignUpState.PENDING, SignUpState.INVITED, SignUpState.WAITLISTED)


_ACTIVE = text(one_of("state", ACTIVE_SIGN_UPS))
_ASKED = text("state IN ('pending', 'invited') AND stands_in_for_id IS NOT NULL")
_DECIDED = text("decided_by IS NOT NULL")


class SignUp(Identified, Base):
    """One volunteer's word to come to one shift.

    `position` orders the waitlist (smaller is earlier) and stays as it was given; `decided_at` is the moment at which a
    waitlisted one was given its place, None where the volunteer took it by signing up again, or at which a leader
    (`decided_by`, who invited, approved or rejected it last) decided. `stands_in_for_id` is the confirmed sign-up whose
    place it takes over once it is accepted. `asked_at`: the shift was moved then, and the volunteer has not said yet
    whether she still comes. `absent_at` is when it was recorded that a confirmed volunteer had not come.
    `place_changes` is how often it got or lost a place: a calendar that follows it must see it change. `asked_by_team`:
    who invited leads her team and not the activity, so that where leaders decide who takes part, they still do.
    """

    __tablename__ = "sign_ups"
    __table_args__ = (
        CheckConstraint(one_of("state", SignUpState), name="state"),
        CheckConstraint("state != 'waitlisted' OR position IS NOT NULL", name="waitlisted_with_position"),
        Index(
            "uq_sign_ups_active",
            "shift_id",
            "volunteer_id",
            unique=True,
            sqlite_where=_ACTIVE,
            postgresql_where=_ACTIVE,
        ),
        Index("uq_sign_ups_position", "shift_id", "position", unique=True),
        # One stand-in at a time is asked.
        Index("uq_sign_ups_stand_in", "stands_in_for_id", unique=True, sqlite_where=_ASKED, postgresql_where=_ASKED),
        Index("ix_sign_ups_decided_by", "decided_by", sqlite_where=_DECIDED, postgresql_where=_DECIDED),
        Index("ix_sign_ups_volunteer_id", "volunteer_id", "state"),
    )

    shift_id: Mapped[UUID] = mapped_column(ForeignKey("shifts.id"))
    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("teams.id"))
    role_id: Mapped[UUID | None] = mapped_column(ForeignKey("shift_roles.id"))
    stands_in_for_id: Mapped[UUID | None] = mapped_column(ForeignKey("sign_ups.id"))
    state: Mapped[str]
    late: Mapped[bool] = mapped_column(default=False)
    position: Mapped[int | None] = mapped_column(BigInteger)
    decided_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    withdrawal_reason: Mapped[str | None]
    asked_at: Mapped[datetime | None]
    absent_at: Mapped[datetime | None]
    place_changes: Mapped[int] = mapped_column(default=0, server_default="0")
    asked_by_team: Mapped[bool] = mapped_column(default=False, server_default=false())
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    decision_reason: Mapped[str | None]
