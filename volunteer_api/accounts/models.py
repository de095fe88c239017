"""Volunteers, their devices, their one-time codes and their consents."""

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.accounts.consent_texts import ConsentKind
from volunteer_api.core.database import Base, Identified, Versioned


class CodePurpose(StrEnum):
    """What a one-time code opens."""

    ACCESS = "access"


def one_of(column: str, choices: Iterable[str]) -> str:
    """The SQL condition that a text column holds one of the choices."""
    return f"{column} IN ({', '.join(repr(str(choice)) for choice in choices)})"


class Volunteer(Identified, Versioned, Base):
    """An account. `phone` is E.164; `home_division` is an official division code of 4 to 12 digits."""

    __tablename__ = "volunteers"
    __table_args__ = (
        UniqueConstraint("volunteer_number", name="uq_volunteers_volunteer_number"),
        UniqueConstraint("phone", name="uq_volunteers_phone"),
        Index("ix_volunteers_home_division", "home_division"),
    )

    volunteer_number: Mapped[str]
    name: Mapped[str]
    phone: Mapped[str]
    birth_date: Mapped[date | None]
    home_division: Mapped[str | None]


class DeviceSession(Identified, Base):
    """One device on which somebody is signed in.

    Refresh tokens are numbered; `used_generation` is the highest number that was ever handed in (0: none yet).
    """

    __tablename__ = "device_sessions"
    __table_args__ = (
        CheckConstraint("used_generation >= 0", name="used_generation"),
        Index("ix_device_sessions_volunteer_id_device_id", "volunteer_id", "device_id"),
        Index(
            "ix_device_sessions_open",
            "volunteer_id",
            "last_used_at",
            "id",
            postgresql_where=text("ended_at IS NULL"),
            sqlite_where=text("ended_at IS NULL"),
        ),
    )

    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    device_id: Mapped[str]
    device_name: Mapped[str]
    platform: Mapped[str]
    used_generation: Mapped[int] = mapped_column(default=0)
    last_used_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class SignInCode(Identified, Base):
    """The one code that a phone has for a purpose; the next one takes its place in the same row.

    `code_hash` is a keyed digest. `session_id` is the session that the code opened, so that a lost answer can be
    repeated.
    """

    __tablename__ = "sign_in_codes"
    __table_args__ = (
        UniqueConstraint("phone", "purpose", name="uq_sign_in_codes_phone_purpose"),
        CheckConstraint(one_of("purpose", CodePurpose), name="purpose"),
        CheckConstraint("tries >= 0", name="tries"),
        Index("ix_sign_in_codes_expires_at", "expires_at"),
        Index("ix_sign_in_codes_session_id", "session_id"),
    )

    phone: Mapped[str]
    purpose: Mapped[str]
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime]
    tries: Mapped[int] = mapped_column(default=0)
    used_at: Mapped[datetime | None]
    session_id: Mapped[UUID | None] = mapped_column(ForeignKey("device_sessions.id", ondelete="SET NULL"))


class Consent(Identified, Base):
    """That somebody consented to one version of one text, and when it was taken back. Kept as proof [PIPL 14, 15]."""

    __tablename__ = "consents"
    __table_args__ = (
        CheckConstraint(one_of("kind", ConsentKind), name="kind"),
        Index(
            "uq_consents_live",
            "volunteer_id",
            "kind",
            unique=True,
            postgresql_where=text("withdrawn_at IS NULL"),
            sqlite_where=text("withdrawn_at IS NULL"),
        ),
    )

    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    kind: Mapped[str]
    version: Mapped[str]
    given_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
