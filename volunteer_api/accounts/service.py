"""The verbs of accounts: send a code, sign in, register, refresh, sign out, correct one's data, consent."""

import base64
import binascii
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update

from volunteer_api.accounts import queries, senders
from volunteer_api.accounts.models import CodePurpose, Consent, DeviceSession, SignInCode, Volunteer
from volunteer_api.accounts.problems import (
    AlreadyRegistered,
    CodeSentRecently,
    GuardianNeeded,
    RefreshTokenInvalid,
    RefreshTokenReused,
    RegistrationRequired,
    WrongCode,
)
from volunteer_api.core import clock, ids, keys
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.limits import require_left, spend
from volunteer_api.core.problems import SessionEnded
from volunteer_api.core.settings import rules, settings
from volunteer_api.core.statements import insert
from volunteer_api.core.tokens import issue_access_token
from volunteer_api.core.unit_of_work import after_commit

# How long a register whose answer was lost gives the same outcome again.
REPEATED_FOR = timedelta(minutes=10)
GUARDIAN_AGE = 14
# Per phone, whatever addresses ask: a million codes must not be tried in a year, nor a phone be flooded.
CODES_SENT = "10/day"
WRONG_TRIES = "20/day"
# Per account: who may invite by phone must not learn whose phones are registered.
PHONES_LOOKED_UP = "30/hour"
SIGNATURE_BYTES = 32
FIRST_GENERATION = 1


@dataclass(frozen=True)
class CodeSent:
    """What somebody who asked for a code is told; the same for known and unknown numbers."""

    expires_in_seconds: int
    retry_after_seconds: int


@dataclass(frozen=True)
class Tokens:
    """What a device needs to act for a volunteer. `expires_in` is the access token's life in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    volunteer: Volunteer


def send_code(*, phone: str, purpose: CodePurpose) -> CodeSent:
    """Send a fresh six-digit code to `phone` (E.164); the one before is no longer good.

    Raises CodeSentRecently (429) within `code_interval_seconds` of the code before, TooManyRequests (429) after ten
    in a day.
    """
    now = clock.now()
    # The pause between codes is a rate limit like the others: LIMITS=0 switches it off for load tests.
    interval = rules().code_interval_seconds if settings().limits else 0
    code = f"{secrets.randbelow(10**6):06d}"
    fresh = {
        "code_hash": _digest(phone, purpose, code),
        "created_at": now,
        "expires_at": now + timedelta(seconds=rules().code_lifetime_seconds),
        "tries": 0,
        "used_at": None,
        "session_id": None,
    }
    # One statement, so that of two requests at the same moment only one sends.
    sent = db.session.scalar(
        insert(SignInCode)
        .values(id=ids.new_id(), phone=phone, purpose=purpose, **fresh)
        .on_conflict_do_update(
            index_elements=["phone", "purpose"],
            set_=fresh,
            where=SignInCode.created_at <= now - timedelta(seconds=interval),
        )
        .returning(SignInCode.id)
    )
    if sent is None:
        raise _sent_recently(phone, purpose, now, interval)
    spend(CODES_SENT, "codes sent", who=phone)
    after_commit(lambda: senders.sender.send(phone=phone, code=code, purpose=purpose))
    return CodeSent(rules().code_lifetime_seconds, interval)


def sign_in(*, phone: str, code: str, device: Mapping[str, str]) -> Tokens:
    """Open a session for `device` {id, name, platform}. The code is used up.

    Raises WrongCode (401), TooManyRequests (429), RegistrationRequired (409; the code stays good).
    """
    row = _right_code(phone, code, device)
    if row.used_at is not None:
        raise WrongCode()
    volunteer = find_by_phone(phone)
    if volunteer is None:
        raise RegistrationRequired()
    return _open_session(volunteer, device, opened_by=row)


def register(
    *,
    phone: str,
    code: str,
    name: str,
    consents: Sequence[Mapping[str, str]],
    device: Mapping[str, str],
    birth_date: date | None = None,
    home_division: str | None = None,
) -> Tokens:
    """Make an account for the owner of `phone` and open its first session.

    The same code from the same device gives the same account and session again for ten minutes: the answer may have
    been lost. Raises WrongCode (401), TooManyRequests (429), AlreadyRegistered, GuardianNeeded (409; the code stays
    good).
    """
    row = _right_code(phone, code, device)
    volunteer = find_by_phone(phone)
    if row.used_at is not None:
        return _repeat_outcome(row, volunteer, device)
    if volunteer is not None:
        raise AlreadyRegistered()
    _require_own_consent(birth_date)
    volunteer = create_volunteer(
        phone=phone, name=name, birth_date=birth_date, home_division=home_division, consents=consents
    )
    return _open_session(volunteer, device, opened_by=row)


def create_volunteer(
    *,
    phone: str,
    name: str,
    birth_date: date | None = None,
    home_division: str | None = None,
    consents: Sequence[Mapping[str, str]] = (),
) -> Volunteer:
    """Write the account with its consents [{kind, version}]. The unique phone judges a race."""
    volunteer = Volunteer(
        volunteer_number=ids.readable(10), phone=phone, name=name, birth_date=birth_date, home_division=home_division
    )
    db.session.add(volunteer)
    db.session.flush()
    for consent in consents:
        _give(volunteer.id, consent)
    return volunteer


def find_by_phone(phone: str) -> Volunteer | None:
    """The account of an E.164 number, None where there is none."""
    return queries.volunteer_by_phone(phone)


def look_up(phone: str, *, by: Principal) -> Volunteer | None:
    """`find_by_phone` for somebody who names another's phone: counted, 30 an hour.

    The refusals that follow must have `keeps_writes`, or the count is lost with them. Raises TooManyRequests (429).
    """
    spend(PHONES_LOOKED_UP, "phones looked up", who=str(by.volunteer_id))
    return find_by_phone(phone)


def masked_name(name: str) -> str:
    """A name as those see it whom its owner has not accepted yet: `王*`."""
    return f"{name[:1]}*"


def masked_phone(phone: str) -> str:
    """A phone as others may see it: `138****0001`."""
    local = phone.removeprefix("+86")
    return f"{local[:3]}****{local[-4:]}"


def refresh(*, refresh_token: str) -> Tokens:
    """Hand a refresh token in for its successor.

    The same token may come again until its successor was used: its answer may have been lost. An older one is a stolen
    copy, and ends the session. Raises RefreshTokenInvalid, RefreshTokenReused, SessionEnded (401).
    """
    session_id, generation = _open_refresh_token(refresh_token)
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


def session_is_open(principal: Principal) -> bool:
    """Whether the device session behind an access token still counts: one look-up by primary key."""
    found = db.session.execute(
        select(DeviceSession.volunteer_id, DeviceSession.ended_at, DeviceSession.expires_at).where(
            DeviceSession.id == principal.session_id
        )
    ).one_or_none()
    return (
        found is not None
        and found.volunteer_id == principal.volunteer_id
        and found.ended_at is None
        and found.expires_at > clock.now()
    )


def end_session(session_id: UUID) -> None:
    """End a session; its tokens are refused from the next request on."""
    db.session.execute(
        update(DeviceSession)
        .where(DeviceSession.id == session_id, DeviceSession.ended_at.is_(None))
        .values(ended_at=clock.now())
        .execution_options(synchronize_session=False)
    )


def correct(volunteer: Volunteer, **changes: Any) -> Volunteer:
    """Change `name`, `birth_date` or `home_division`. Raises GuardianNeeded (409) for an age under 14."""
    _require_own_consent(changes.get("birth_date"))
    for name, value in changes.items():
        setattr(volunteer, name, value)
    # The answer shows the version that the UPDATE gave.
    db.session.flush()
    return volunteer


def set_consents(volunteer_id: UUID, *, consents: Sequence[Mapping[str, str]]) -> None:
    """Let `consents` [{kind, version}] be what this volunteer consents to; what is not named is withdrawn."""
    wanted = {(consent["kind"], consent["version"]): consent for consent in consents}
    live = db.session.scalars(
        select(Consent)
        .where(Consent.volunteer_id == volunteer_id, Consent.withdrawn_at.is_(None))
        .order_by(Consent.kind)
        .with_for_update()
    )
    for consent in live:
        if wanted.pop((consent.kind, consent.version), None) is None:
            consent.withdrawn_at = clock.now()
    # The old version must be withdrawn before the new one is given: only one of a kind is live.
    db.session.flush()
    for given in wanted.values():
        _give(volunteer_id, given)
    db.session.flush()


def forget_codes() -> int:
    """Delete codes that can open and repeat nothing any more, with their phones; returns how many."""
    gone = db.session.scalars(
        delete(SignInCode)
        .where(SignInCode.expires_at < clock.now() - REPEATED_FOR)
        .returning(SignInCode.id)
        .execution_options(synchronize_session=False)
    )
    return len(gone.all())


def _guesser(phone: str, device: Mapping[str, str]) -> str:
    """Whose wrong tries of the day count together: all of a phone's, save those of a device that was signed in before.

    Its tries count apart, so that a stranger's guesses don't lock the owner out.
    """
    return f"{phone} {device['id']}" if queries.was_signed_in(phone, device["id"]) else phone


def _right_code(phone: str, code: str, device: Mapping[str, str]) -> SignInCode:
    """The phone's code row, locked, if `code` is right and it is unused or was used in the last ten minutes.

    Raises WrongCode (401), the try counted; TooManyRequests (429) after twenty wrong tries in a day, over all codes.
    """
    purpose = CodePurpose.ACCESS
    digest = _digest(phone, purpose, code)
    row = db.session.scalar(
        select(SignInCode).where(SignInCode.phone == phone, SignInCode.purpose == purpose).with_for_update()
    )
    guesser = _guesser(phone, device)
    require_left(WRONG_TRIES, "wrong codes", who=guesser)
    if row is None or row.tries >= rules().code_tries:
        raise WrongCode()
    if not keys.same(row.code_hash, digest):
        row.tries += 1
        spend(WRONG_TRIES, "wrong codes", who=guesser)
        raise WrongCode()
    good_until = row.expires_at if row.used_at is None else row.used_at + REPEATED_FOR
    if good_until <= clock.now():
        raise WrongCode()
    return row


def _repeat_outcome(row: SignInCode, volunteer: Volunteer | None, device: Mapping[str, str]) -> Tokens:
    session = db.session.get(DeviceSession, row.session_id) if row.session_id is not None else None
    if volunteer is None or session is None or session.ended_at is not None:
        raise WrongCode()
    if session.device_id != device["id"]:
        raise AlreadyRegistered()
    return _tokens(volunteer, session.id, session.used_generation + 1)


def _open_session(volunteer: Volunteer, device: Mapping[str, str], *, opened_by: SignInCode) -> Tokens:
    now = clock.now()
    # A device has one session: whoever signs in on it again has lost the old one's tokens, or should lose them.
    db.session.execute(
        update(DeviceSession)
        .where(
            DeviceSession.volunteer_id == volunteer.id,
            DeviceSession.device_id == device["id"],
            DeviceSession.ended_at.is_(None),
        )
        .values(ended_at=now)
        .execution_options(synchronize_session=False)
    )
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
    opened_by.used_at = now
    opened_by.session_id = session.id
    return _tokens(volunteer, session.id, FIRST_GENERATION)


def _tokens(volunteer: Volunteer, session_id: UUID, generation: int) -> Tokens:
    return Tokens(
        access_token=issue_access_token(Principal(volunteer_id=volunteer.id, session_id=session_id)),
        refresh_token=_make_refresh_token(session_id, generation),
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
        end_session(session_id)
        raise RefreshTokenReused()
    if generation > session.used_generation:
        raise RefreshTokenInvalid()
    volunteer_id: UUID = session.volunteer_id
    return volunteer_id


def _make_refresh_token(session_id: UUID, generation: int) -> str:
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
    if not keys.same(token[20:], keys.sign("refresh token", session_id, generation)):
        raise RefreshTokenInvalid()
    return session_id, generation


def _sent_recently(phone: str, purpose: CodePurpose, now: datetime, interval: int) -> CodeSentRecently:
    sent_at = db.session.scalar(
        select(SignInCode.created_at).where(SignInCode.phone == phone, SignInCode.purpose == purpose)
    )
    waited = int((now - sent_at).total_seconds()) if sent_at is not None else 0
    seconds = min(max(interval - waited, 1), max(interval, 1))
    return CodeSentRecently(headers={"Retry-After": str(seconds)}, seconds=seconds)


def _require_own_consent(birth_date: date | None) -> None:
    if birth_date is None:
        return
    today = clock.today()
    had_birthday = (today.month, today.day) >= (birth_date.month, birth_date.day)
    if today.year - birth_date.year - (not had_birthday) < GUARDIAN_AGE:
        raise GuardianNeeded()


def _give(volunteer_id: UUID, consent: Mapping[str, str]) -> None:
    db.session.add(
        Consent(volunteer_id=volunteer_id, kind=consent["kind"], version=consent["version"], given_at=clock.now())
    )


def _digest(phone: str, purpose: str, code: str) -> bytes:
    return keys.sign("sign-in code", phone, purpose, code)


def _idle_end(now: datetime) -> datetime:
    return now + timedelta(days=settings().refresh_token_days)
