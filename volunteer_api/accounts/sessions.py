"""Device sessions: signing in, rotating refresh tokens, signing out."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, bindparam, exists, select, update

from volunteer_api.accounts import guardians, passwords, queries, recycling
from volunteer_api.accounts.codes import unused_code
from volunteer_api.accounts.events import DeviceSessionEnded, SessionsEnded, SignedInElsewhere, TokenReused
from volunteer_api.accounts.models import CodePurpose, DeviceSession, SignInCode, Volunteer
from volunteer_api.accounts.problems import (
    AlreadyRegistered,
    RefreshTokenInvalid,
    RefreshTokenReused,
    RegistrationRequired,
    WrongCode,
)
from volunteer_api.core import audit, clock, events, keys
from volunteer_api.core.access import Principal
from volunteer_api.core.database import UtcDateTime, db
from volunteer_api.core.limits import spend
from volunteer_api.core.problems import SessionEnded
from volunteer_api.core.settings import settings
from volunteer_api.core.tokens import issue_access_token

SIGNATURE_BYTES = 32
FIRST_GENERATION = 1
ACCOUNT_CHANGED = "account_changed"
# An access token lives for fifteen minutes; answers are lost, and phones are restarted.
REFRESHES = "30/10 minutes"
# That the session behind an access token still counts, as SQL of core's `session_values`: one look-up by primary key.
SESSION_IS_OPEN = exists().where(
    DeviceSession.id == bindparam("session_id", type_=Uuid()),
    DeviceSession.volunteer_id == bindparam("session_volunteer_id", type_=Uuid()),
    DeviceSession.ended_at.is_(None),
    DeviceSession.expires_at > bindparam("session_moment", type_=UtcDateTime()),
)


@dataclass(frozen=True)
class Tokens:
    """What a device needs to act for a volunteer. `expires_in` is the access token's life in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    volunteer: Volunteer


def sign_in(
    *,
    device: Mapping[str, str],
    phone: str = "",
    volunteer_number: str | None = None,
    code: str | None = None,
    password: str | None = None,
    second_fact: Mapping[str, Any] | None = None,
    guardian: Mapping[str, str] | None = None,
) -> Tokens:
    """Open a session for `device` {id, name, platform} by exactly one of `code`, which is used up, and `password`.

    A password goes with the `phone` or the `volunteer_number`, which alone an account has whose number is another's
    now. A number that was not proven for long asks for a `second_fact` beside a code; an account under 14 whose
    guardian withdrew the consent for a `guardian` {name, phone, code}. Raises WrongCode, WrongPassword, WrongSecondFact
    (401), TooManyRequests (429), RegistrationRequired, SecondFactRequired, what guardians.require_consent raises (409;
    the codes stay good), Busy (503).
    """
    if password is not None:
        volunteer = passwords.right_owner(volunteer_number or phone, password, device)
        guardians.require_consent(volunteer, guardian, device)
        return open_session(volunteer, device, opened_by=None)
    claim = recycling.weigh(phone, second_fact)
    row = unused_code(phone, code or "", device, CodePurpose.ACCESS)
    known = queries.volunteer_by_phone(phone)
    if known is None:
        raise RegistrationRequired()
    recycling.require_owner(known, device, row, claim)
    guardians.require_consent(known, guardian, device)
    recycling.note_proof(known.id)
    return open_session(known, device, opened_by=row)


def refresh(*, refresh_token: str) -> Tokens:
    """Hand a refresh token in for its successor.

    The same token may come again until its successor was used: its answer may have been lost. An older one is a stolen
    copy, and ends the session. Raises RefreshTokenInvalid, RefreshTokenReused, SessionEnded (401), and TooManyRequests.
    """
    session_id, generation = _open_refresh_token(refresh_token)
    spend(REFRESHES, "refresh", who=str(session_id))
    now = clock.now()
    # Only the first of parallel requests moves the generation; the others then read it as a repetition.
    moved = db.session.scalar(
        update(DeviceSession)
        .where(
            DeviceSession.id == session_id,
            DeviceSession.used_generation == generation - 1,
            DeviceSession.ended_at.is_(None),
            DeviceSession.expires_at > now,
        )
        .values(used_generation=generation, last_used_at=now, expires_at=_idle_end(now))
        .returning(DeviceSession.volunteer_id)
        .execution_options(synchronize_session=False)
    )
    volunteer_id = moved if moved is not None else _judge_repetition(session_id, generation, now)
    volunteer = queries.volunteer_by_id(volunteer_id)
    if volunteer is None:
        raise SessionEnded()
    return _tokens(volunteer, session_id, generation + 1)


def end_session(session_id: UUID, *, reason: str = "signed_out") -> None:
    """End a session; its tokens are refused from the next request on."""
    _end(DeviceSession.id == session_id, reason=reason)


def end_sessions_of(volunteer_id: UUID, *, besides: UUID | None = None) -> None:
    """End every session of an account, save one where it is named, and what else was opened by them.

    What is told of the reason is told before: the devices hear of that, and of nothing more.
    """
    conditions = [DeviceSession.volunteer_id == volunteer_id]
    _end(*conditions, *([DeviceSession.id != besides] if besides is not None else []), reason=ACCOUNT_CHANGED)
    events.publish(SessionsEnded(volunteer_id=volunteer_id))


def open_session(volunteer: Volunteer, device: Mapping[str, str], *, opened_by: SignInCode | None) -> Tokens:
    """Open a session for `device`; `opened_by` is the code that is used up by it, None where a password opened it."""
    now = clock.now()
    is_elsewhere = queries.is_elsewhere(volunteer.id, device["id"])
    # A device has one session: whoever signs in on it again has lost the old one's tokens, or should lose them.
    _end(DeviceSession.volunteer_id == volunteer.id, DeviceSession.device_id == device["id"], reason="replaced")
    session = DeviceSession(
        volunteer_id=volunteer.id,
        device_id=device["id"],
        device_name=device["name"],
        platform=device["platform"],
        used_generation=0,
        last_used_at=now,
        expires_at=_idle_end(now),
    )
    db.session.add(session)
    db.session.flush()
    if opened_by is not None:
        opened_by.used_at = now
        opened_by.session_id = session.id
    way = "code" if opened_by is not None else "password"
    audit.record(audit.AuditAction.SIGNED_IN, actor_id=volunteer.id, subject_id=volunteer.id, by=way)
    if is_elsewhere:
        events.publish(SignedInElsewhere(volunteer_id=volunteer.id, session_id=session.id))
    return _tokens(volunteer, session.id, FIRST_GENERATION)


def repeat_outcome(row: SignInCode, volunteer: Volunteer | None, device: Mapping[str, str]) -> Tokens:
    session = db.session.get(DeviceSession, row.session_id) if row.session_id is not None else None
    if volunteer is None or session is None or session.ended_at is not None:
        raise WrongCode()
    if session.device_id != device["id"]:
        raise AlreadyRegistered()
    return _tokens(volunteer, session.id, session.used_generation + 1)


def _end(*conditions: ColumnElement[bool], reason: str) -> None:
    ended = db.session.execute(
        update(DeviceSession)
        .where(DeviceSession.ended_at.is_(None), *conditions)
        .values(ended_at=clock.now())
        .returning(DeviceSession.id, DeviceSession.volunteer_id)
        .execution_options(synchronize_session=False)
    )
    for row in ended.all():
        audit.record(
            audit.AuditAction.SESSION_ENDED, subject_id=row.volunteer_id, session_id=str(row.id), reason=reason
        )
        events.publish(DeviceSessionEnded(session_id=row.id, account_changed=reason == ACCOUNT_CHANGED))


def _tokens(volunteer: Volunteer, session_id: UUID, generation: int) -> Tokens:
    return Tokens(
        access_token=issue_access_token(Principal(volunteer_id=volunteer.id, session_id=session_id)),
        refresh_token=make_refresh_token(session_id, generation),
        expires_in=settings().access_token_seconds,
        volunteer=volunteer,
    )


def _judge_repetition(session_id: UUID, generation: int, now: datetime) -> UUID:
    """The volunteer whose last used token this is. Ends the family where it is an older one."""
    session = db.session.execute(
        select(
            DeviceSession.volunteer_id,
            DeviceSession.used_generation,
            DeviceSession.ended_at,
            DeviceSession.expires_at,
        ).where(DeviceSession.id == session_id)
    ).one_or_none()
    if session is None or session.ended_at is not None or session.expires_at <= now:
        raise SessionEnded()
    if generation < session.used_generation:
        end_session(session_id, reason="token_reused")
        audit.record(audit.AuditAction.TOKEN_REUSED, subject_id=session.volunteer_id, session_id=str(session_id))
        events.publish(TokenReused(volunteer_id=session.volunteer_id, session_id=session_id))
        raise RefreshTokenReused()
    if generation > session.used_generation:
        raise RefreshTokenInvalid()
    volunteer_id: UUID = session.volunteer_id
    return volunteer_id


def make_refresh_token(session_id: UUID, generation: int) -> str:
    """Nothing of it is stored: session, generation and a signature, so that a repeated hand-in gives the same text."""
    payload = session_id.bytes + generation.to_bytes(4, "big")
    token = payload + keys.sign("refresh token", session_id, generation)
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def _open_refresh_token(text: str) -> tuple[UUID, int]:
    try:
        token = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise RefreshTokenInvalid() from error
    if len(token) != 16 + 4 + SIGNATURE_BYTES:
        raise RefreshTokenInvalid()
    session_id, generation = UUID(bytes=token[:16]), int.from_bytes(token[16:20], "big")
    if not keys.matches(token[20:], "refresh token", session_id, generation):
        raise RefreshTokenInvalid()
    return session_id, generation


def _idle_end(now: datetime) -> datetime:
    return now + timedelta(days=settings().refresh_token_days)
