"""Teams and memberships. A membership is never deleted: it has a history. An invitation that nobody took is none."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
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


class CodeState(StrEnum):
    LIVE = "live"
    USED_UP = "used_up"
    EXPIRED = "expired"


LEADING_ROLES = (MembershipRole.LEADER, MembershipRole.DEPUTY)
OPEN_STATES = (MembershipState.REQUESTED, MembershipState.INVITED, MembershipState.ACTIVE)


class Team(Identified, Versioned, Base):
    """A volunteer team of an organization. `search_text` has its name in pinyin; a closed team takes nobody.

    Only open teams of an organization have names of their own: a closed one gives its name free.
    """

    __tablename__ = "teams"
    __table_args__ = (
        Index(
            "uq_teams_open_name",
            "organization_id",
            "name",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
    )

    name: Mapped[str] = mapped_column(String(100))
    organization_id: Mapped[UUID] = mapped_column(ForeignKey(Organization.id))
    description: Mapped[str | None] = mapped_column(Text)
    search_text: Mapped[str]
    is_recruiting: Mapped[bool] = mapped_column(default=True)
    closed_at: Mapped[datetime | None]
    # Filled by the reads that say so; None elsewhere.
    member_count: Mapped[int | None] = query_expression()


class Membership(Identified, Versioned, Base):
    """One volunteer's time with one team; at most one of the two is open.

    `leads_since` is when she first came to lead the team, None of who never did and of those of an earlier release;
    `led_until` when a leader or deputy last became an ordinary member.

    Somebody invited by phone has `phone_digest`, `masked_phone` and `expires_at`, registered or not, so that nothing
    tells the two apart; `volunteer_id` is None until somebody proves to have that phone.
    """

    __tablename__ = "memberships"
    __table_args__ = (
        CheckConstraint("role IN ('leader', 'deputy', 'member')", name="role"),
        CheckConstraint("state IN ('requested', 'invited', 'active', 'rejected', 'left')", name="state"),
        CheckConstraint("state <> 'active' OR joined_at IS NOT NULL", name="active_has_joined"),
        CheckConstraint("state <> 'left' OR left_at IS NOT NULL", name="left_has_moment"),
        CheckConstraint("volunteer_id IS NOT NULL OR joined_at IS NULL", name="member_is_known"),
        CheckConstraint("volunteer_id IS NOT NULL OR phone_digest IS NOT NULL", name="names_somebody"),
        CheckConstraint("state = 'active' OR NOT is_primary", name="primary_is_active"),
        Index(
            "uq_memberships_open",
            "team_id",
            "volunteer_id",
            unique=True,
            sqlite_where=text("state IN ('requested', 'invited', 'active')"),
            postgresql_where=text("state IN ('requested', 'invited', 'active')"),
        ),
        Index(
            "uq_memberships_invited",
            "team_id",
            "phone_digest",
            unique=True,
            sqlite_where=text("state = 'invited'"),
            postgresql_where=text("state = 'invited'"),
        ),
        Index(
            "uq_memberships_primary",
            "volunteer_id",
            unique=True,
            sqlite_where=text("is_primary"),
            postgresql_where=text("is_primary"),
        ),
        Index("ix_memberships_phone_digest", "phone_digest"),
        Index("ix_memberships_expires_at", "expires_at"),
        Index("ix_memberships_team_id_state", "team_id", "state"),
        Index("ix_memberships_volunteer_id_state", "volunteer_id", "state"),
    )

    team_id: Mapped[UUID] = mapped_column(ForeignKey(Team.id))
    volunteer_id: Mapped[UUID | None] = mapped_column(ForeignKey(Volunteer.id))
    role: Mapped[str] = mapped_column(String(20), default=MembershipRole.MEMBER)
    state: Mapped[str] = mapped_column(String(20))
    joined_at: Mapped[datetime | None]
    left_at: Mapped[datetime | None]
    is_primary: Mapped[bool] = mapped_column(default=False)
    phone_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    masked_phone: Mapped[str | None] = mapped_column(String(20))
    expires_at: Mapped[datetime | None]
    rejection_reason: Mapped[str | None]
    leads_since: Mapped[datetime | None]
    led_until: Mapped[datetime | None]

    def take_role(self, role: str, now: datetime) -> None:
        """Have this role from now on."""
        if role in LEADING_ROLES:
            self.leads_since = self.leads_since or now
        elif self.role in LEADING_ROLES:
            self.led_until = now
        self.role = role


class InvitationCode(Identified, Base):
    """A code by which people join a team; only its digest is kept. `uses_left` None: as often as people like."""

    __tablename__ = "team_invitation_codes"
    __table_args__ = (
        CheckConstraint("uses_left >= 0", name="uses_left"),
        UniqueConstraint("code_digest"),
        Index("ix_team_invitation_codes_team_id", "team_id"),
        Index("ix_team_invitation_codes_expires_at", "expires_at"),
    )

    team_id: Mapped[UUID] = mapped_column(ForeignKey(Team.id))
    created_by: Mapped[UUID] = mapped_column(ForeignKey(Volunteer.id))
    code_digest: Mapped[bytes] = mapped_column(LargeBinary)
    needs_acceptance: Mapped[bool]
    uses_left: Mapped[int | None]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
