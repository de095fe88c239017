"""What features to the right must hear of a person."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class PhoneProven:
    """Somebody proved by a code that an E.164 number is hers: what waits for that number takes effect."""

    volunteer_id: UUID
    phone: str


@dataclass(frozen=True)
class VolunteerErased:
    """A person is made anonymous now. `name` is what she was called until this moment."""

    volunteer_id: UUID
    name: str


@dataclass(frozen=True)
class ErasureRequested:
    """Somebody asked for her erasure, which comes at `erases_at` unless she takes that back.

    A child whose guardian withdrew can't: only a guardian's consent keeps the account.
    """

    volunteer_id: UUID
    erases_at: datetime
    can_be_taken_back: bool = True


@dataclass(frozen=True)
class ErasureTakenBack:
    """An erasure that was asked for does not come."""

    volunteer_id: UUID


@dataclass(frozen=True)
class TokenReused:
    """Somebody held a copy of a refresh token of this account; the session that it was of is ended."""

    volunteer_id: UUID
    session_id: UUID


@dataclass(frozen=True)
class SignedInElsewhere:
    """An account that is signed in on a device was opened on one on which it never was."""

    volunteer_id: UUID
    session_id: UUID


@dataclass(frozen=True)
class ErasureIsNear:
    """A day is left, or less, to take an erasure back. Published again and again until then."""

    volunteer_id: UUID
    erases_at: datetime


@dataclass(frozen=True)
class PhoneChanged:
    """An account has another number now, in E.164."""

    volunteer_id: UUID
    phone: str


@dataclass(frozen=True)
class PhoneReleased:
    """The number of an account, in E.164, belongs to a new owner's account now."""

    volunteer_id: UUID
    phone: str


@dataclass(frozen=True)
class PasswordChanged:
    """An account has another password, or its first one."""

    volunteer_id: UUID


@dataclass(frozen=True)
class SessionsEnded:
    """Whoever had got into an account is out: its sessions are ended, save perhaps the one that asked for it."""

    volunteer_id: UUID


@dataclass(frozen=True)
class DeviceSessionEnded:
    """Nobody is signed in by this session any more, for whatever reason; its row stays for a while.

    With `account_changed` by something of the account, like its password, of which the events came before.
    """

    session_id: UUID
    account_changed: bool


@dataclass(frozen=True)
class ConsentWithdrawn:
    """Somebody took a consent back, and gave none of the same kind in its place; `kind` is a ConsentKind's."""

    volunteer_id: UUID
    kind: str


@dataclass(frozen=True)
class GuardianWithdrew:
    """A guardian ended her consent for somebody.

    Without another guardian's the account goes at `erases_at`, where it goes; `somebody_is_missing` where a minor has
    nobody left who can be called.
    """

    volunteer_id: UUID
    erases_at: datetime | None = None
    somebody_is_missing: bool = False
