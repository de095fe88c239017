"""Teams and memberships. A membership is never deleted: it has a history."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, query_expression

from volunteer_api.accounts.models import Volunteer
from volunteer_api.core.database import Base, Identified, Versioned
from volunteer_api.organizations.models import Organization


class MembershipRole(StrEnum):
    LEADER = "leader"
    DEPUTY = "deputy"
    MEMBER = "member"


class MembershipState(StrEnum):
    """requested waits for a leader, invited for the volunteer; active is a member; rejected and left are over."""

    REQUESTED = "requested"
    INVITED = "invited"
    ACTIVE = "active"
    REJECTED = "rejected"
    LEFT = "left"


LEADING_ROLES = (MembershipRole.LEADER, MembershipRole.DEPUTY)
OPEN_STATES = (MembershipState.REQUESTED, MembershipState.INVITED, MembershipState.ACTIVE)


class Team(Identified, Versioned, Base):
    """A volunteer team of an organization."""

    __tablename__ = "teams"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    name: Mapped[str] = mapped_column(String(100))
    organization_id: Mapped[UUID] = mapped_column(ForeignKey(Organization.id))
    description: Mapped[str | None] = mapped_column(Text)
    # Filled by the reads that say so; None elsewhere.
    member_count: Mapped[int | None] = query_expression()


class Membership(Identified, Base):
    """One volunteer's time with one team; at most one of the two is open."""

    __tablename__ = "memberships"
    __table_args__ = (
        CheckConstraint("role IN ('leader', 'deputy', 'member')", name="role"),
        CheckConstraint("state IN ('requested', 'invited', 'active', 'rejected', 'left')", name="state"),
        CheckConstraint("state <> 'active' OR joined_at IS NOT NULL", name="active_has_joined"),
        CheckConstraint("state <> 'left' OR left_at IS NOT NULL", name="left_has_moment"),
        Index(
            "uq_memberships_open",
            "team_id",
            "volunteer_id",
            unique=True,
            sqlite_where=text("state IN ('requested', 'invited', 'active')"),
            postgresql_where=text("state IN ('requested', 'invited', 'active')"),
        ),
        Index("ix_memberships_team_id_state", "team_id", "state"),
        Index("ix_memberships_volunteer_id_state", "volunteer_id", "state"),
    )

    team_id: Mapped[UUID] = mapped_column(ForeignKey(Team.id))
    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey(Volunteer.id))
    role: Mapped[str] = mapped_column(String(20), default=MembershipRole.MEMBER)
    state: Mapped[str] = mapped_column(String(20))
    joined_at: Mapped[datetime | None]
    left_at: Mapped[datetime | None]
