"""Divisions, organizations with the paths that they had, and grants."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.accounts.models import Volunteer
from volunteer_api.core.database import Base, Identified, Versioned, one_of


class DivisionLevel(StrEnum):
    CITY = "city"
    DISTRICT = "district"
    SUBDISTRICT = "subdistrict"
    COMMUNITY = "community"


class OrganizationKind(StrEnum):
    """Also the `level` of rankings, from the widest to the narrowest; a unit may stand under any of them."""

    CITY_OFFICE = "city_office"
    PRACTICE_CENTER = "practice_center"
    PRACTICE_OFFICE = "practice_office"
    PRACTICE_STATION = "practice_station"
    UNIT = "unit"


class Role(StrEnum):
    ADMINISTRATOR = "administrator"
    ORGANIZER = "organizer"
    INSPECTOR = "inspector"
    AUDITOR = "auditor"
    STATION_MANAGER = "station_manager"


class ScopeType(StrEnum):
    """What a grant reaches: an organization with its whole subtree, or one service station."""

    ORGANIZATION = "organization"
    STATION = "station"


class Division(Base):
    """An official statistical division (National Bureau of Statistics); a code starts with its parent's code."""

    __tablename__ = "divisions"
    __table_args__ = (
        CheckConstraint(one_of("level", DivisionLevel), name="level"),
        Index("ix_divisions_parent_code_code", "parent_code", "code"),
        Index("ix_divisions_initials", "initials"),
        Index("ix_divisions_pinyin", "pinyin"),
    )

    code: Mapped[str] = mapped_column(String(12), primary_key=True)
    parent_code: Mapped[str | None] = mapped_column(ForeignKey("divisions.code"))
    level: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(100))
    # As `queries.spelled` gives them: wyljd and wuyilujiedao for 五一路街道.
    initials: Mapped[str]
    pinyin: Mapped[str]


class OrganizationPath(Identified, Base):
    """Where an organization stood at some time. Records keep its id, so that a move changes nothing recorded."""

    __tablename__ = "organization_paths"
    __table_args__ = (Index("ix_organization_paths_organization_id", "organization_id"),)

    # No foreign key: a path is written before its organization, which names it; its member of depth 0 has one.
    organization_id: Mapped[UUID]


class Organization(Identified, Versioned, Base):
    """A practice center, office or station, the city's office above them, or a unit beside them.

    `resident_count` is how many people live in its area, None where nobody said it.
    One that is merged is closed and stands under `merged_into_id`, whose organizers finish what it left.
    """

    __tablename__ = "organizations"
    __table_args__ = (
        CheckConstraint(one_of("kind", OrganizationKind), name="kind"),
        CheckConstraint("parent_id <> id", name="not_its_own_parent"),
        UniqueConstraint("parent_id", "name"),
        UniqueConstraint("path_id"),
        Index("ix_organizations_kind", "kind"),
        CheckConstraint("merged_into_id IS NULL OR closed_at IS NOT NULL", name="merged_is_closed"),
        CheckConstraint("resident_count >= 0", name="resident_count"),
        Index("ix_organizations_division_code", "division_code"),
        Index("ix_organizations_initials", "initials"),
        Index("ix_organizations_pinyin", "pinyin"),
    )

    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("organizations.id"))
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(100))
    division_code: Mapped[str | None] = mapped_column(ForeignKey("divisions.code"))
    resident_count: Mapped[int | None]
    path_id: Mapped[UUID] = mapped_column(ForeignKey("organization_paths.id"))
    initials: Mapped[str]
    pinyin: Mapped[str]
    closed_at: Mapped[datetime | None]
    closing_reason: Mapped[str | None] = mapped_column(String(500))
    merged_into_id: Mapped[UUID | None] = mapped_column(ForeignKey("organizations.id"))


class PathMember(Base):
    """One organization on a path: depth 0 is the path's own organization, 1 its parent, and so on to the root."""

    __tablename__ = "path_members"
    __table_args__ = (
        CheckConstraint("depth >= 0", name="depth"),
        UniqueConstraint("path_id", "depth"),
        Index("ix_path_members_ancestor_id_path_id", "ancestor_id", "path_id"),
    )

    path_id: Mapped[UUID] = mapped_column(ForeignKey("organization_paths.id"), primary_key=True)
    ancestor_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"), primary_key=True)
    depth: Mapped[int]


class Grant(Identified, Base):
    """A role that somebody holds over a scope, from its creation until it is revoked."""

    __tablename__ = "grants"
    __table_args__ = (
        CheckConstraint(one_of("role", Role), name="role"),
        CheckConstraint(one_of("scope_type", ScopeType), name="scope_type"),
        CheckConstraint("(role = 'station_manager') = (scope_type = 'station')", name="role_fits_scope_type"),
        Index(
            "uq_grants_live",
            "volunteer_id",
            "scope_type",
            "scope_id",
            "role",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
        Index("ix_grants_scope_id", "scope_id"),
    )

    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey(Volunteer.id))
    role: Mapped[str] = mapped_column(String(20))
    scope_type: Mapped[str] = mapped_column(String(20))
    # An organization or a station: no foreign key can say so, the service checks that it exists.
    scope_id: Mapped[UUID]
    granted_by: Mapped[UUID | None] = mapped_column(ForeignKey(Volunteer.id))
    revoked_at: Mapped[datetime | None]


class PendingGrant(Identified, Base):
    """A grant by phone that waits until somebody proves that the phone is hers; then, or at its end, it is deleted.

    `phone_digest` is the keyed look-up of the E.164 number, which itself is kept nowhere.
    """

    __tablename__ = "pending_grants"
    __table_args__ = (
        CheckConstraint(one_of("role", Role), name="role"),
        CheckConstraint(one_of("scope_type", ScopeType), name="scope_type"),
        CheckConstraint("(role = 'station_manager') = (scope_type = 'station')", name="role_fits_scope_type"),
        UniqueConstraint("phone_digest", "scope_type", "scope_id", "role"),
        Index("ix_pending_grants_scope_id", "scope_id"),
        Index("ix_pending_grants_granted_by", "granted_by"),
        Index("ix_pending_grants_expires_at", "expires_at"),
    )

    phone_digest: Mapped[bytes] = mapped_column(LargeBinary)
    masked_phone: Mapped[str] = mapped_column(String(20))
    role: Mapped[str] = mapped_column(String(20))
    scope_type: Mapped[str] = mapped_column(String(20))
    scope_id: Mapped[UUID]
    granted_by: Mapped[UUID] = mapped_column(ForeignKey(Volunteer.id))
    expires_at: Mapped[datetime]
