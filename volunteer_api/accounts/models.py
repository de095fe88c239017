"""Volunteers, their devices, their one-time codes and their consents."""

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.accounts.consent_texts import ConsentKind
from volunteer_api.core.database import Base, Identified, Versioned


class CodePurpose(StrEnum):
    """What a one-time code opens."""

    ACCESS = "access"
    RESET = "reset"
    CHANGE_PHONE = "change_phone"
    ERASE = "erase"
    GUARDIAN = "guardian"
    EXPORT = "export"


def one_of(column: str, choices: Iterable[str]) -> str:
    """The SQL condition that a text column holds one of the choices."""
    return f"{column} IN ({', '.join(repr(str(choice)) for choice in choices)})"


class Volunteer(Identified, Versioned, Base):
    """An account. `home_division` is an official division code of 4 to 12 digits.

    `phone` is E.164; None where the carrier gave the number to somebody else, or the person was erased.
    """

    __tablename__ = "volunteers"
    __table_args__ = (
        UniqueConstraint("volunteer_number", name="uq_volunteers_volunteer_number"),
        UniqueConstraint("phone", name="uq_volunteers_phone"),
        Index("ix_volunteers_birth_date", "birth_date"),
        Index("ix_volunteers_home_division", "home_division"),
        Index("ix_volunteers_photo_id", "photo_id"),
        Index(
            "ix_volunteers_erases_at",
            "erases_at",
            postgresql_where=text("erases_at IS NOT NULL"),
            sqlite_where=text("erases_at IS NOT NULL"),
        ),
    )

    volunteer_number: Mapped[str]
    name: Mapped[str]
    phone: Mapped[str | None]
    # When a code last reached the number and was handed in: only that shows whose number it is.
    phone_proven_at: Mapped[datetime | None]
    birth_date: Mapped[date | None]
    home_division: Mapped[str | None]
    skills: Mapped[list[Any]] = mapped_column(default=list)
    service_categories: Mapped[list[Any]] = mapped_column(default=list)
    photo_id: Mapped[UUID | None] = mapped_column(ForeignKey("files.id"))
    # Sealed by the key ring for "contacts": a name and a phone of somebody who has no account here, perhaps.
    emergency_contact: Mapped[bytes | None] = mapped_column(LargeBinary)
    guardian_contact: Mapped[bytes | None] = mapped_column(LargeBinary)
    # When the account is erased unless that is taken back before, and when it was erased.
    erases_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]


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


class CodeAllowance(Base):
    """How many codes went to a phone in a day that began with the first: asked for by all, or by one known device."""

    __tablename__ = "code_allowances"
    __table_args__ = (
        CheckConstraint("sent > 0", name="sent"),
        Index("ix_code_allowances_day_ends_at", "day_ends_at"),
    )

    # A keyed digest: the table holds no phone number.
    key: Mapped[str] = mapped_column(primary_key=True)
    sent: Mapped[int]
    last_sent_at: Mapped[datetime]
    day_ends_at: Mapped[datetime]


class Password(Base):
    """The password of an account that has one: an Argon2id hash with its parameters and salt, in PHC format."""

    __tablename__ = "passwords"

    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"), primary_key=True)
    hash: Mapped[str]
    changed_at: Mapped[datetime]


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


class ResidentId(Identified, Base):
    """The resident ID that somebody gave: `sealed` by the key ring for "resident id", found by a keyed `digest`."""

    __tablename__ = "resident_ids"
    __table_args__ = (
        UniqueConstraint("volunteer_id", name="uq_resident_ids_volunteer_id"),
        # One ID is one account.
        UniqueConstraint("digest", name="uq_resident_ids_digest"),
    )

    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[bytes] = mapped_column(LargeBinary)


class Guardian(Identified, Base):
    """Who consented for a minor, to which version of the text, by a code to the guardian's own phone [PIPL 31].

    `contact` is name and phone, sealed by the key ring for "contacts"; a guardian that another took the place of is
    kept with its `withdrawn_at`.
    """

    __tablename__ = "guardians"
    __table_args__ = (
        Index("ix_guardians_volunteer_id_consented_at", "volunteer_id", "consented_at"),
        Index("ix_guardians_phone_digest", "phone_digest"),
        Index(
            "uq_guardians_live",
            "volunteer_id",
            unique=True,
            postgresql_where=text("withdrawn_at IS NULL"),
            sqlite_where=text("withdrawn_at IS NULL"),
        ),
    )

    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    contact: Mapped[bytes] = mapped_column(LargeBinary)
    phone_digest: Mapped[bytes] = mapped_column(LargeBinary)
    version: Mapped[str]
    consented_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
