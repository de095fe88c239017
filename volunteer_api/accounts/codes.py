"""One-time codes: six digits to a phone, good once, for five minutes, for five tries."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from volunteer_api.accounts import queries, senders
from volunteer_api.accounts.models import CodePurpose, SignInCode
from volunteer_api.accounts.problems import CodeSentRecently, WrongCode
from volunteer_api.core import clock, ids, keys
from volunteer_api.core.database import db
from volunteer_api.core.limits import require_left, spend
from volunteer_api.core.settings import rules, settings
from volunteer_api.core.statements import insert
from volunteer_api.core.unit_of_work import after_commit

# How long a register whose answer was lost gives the same outcome again.
REPEATED_FOR = timedelta(minutes=10)
# Per phone, whatever addresses ask: a million codes must not be tried in a year, nor a phone be flooded.
CODES_SENT = "10/day"
WRONG_TRIES = "20/day"


@dataclass(frozen=True)
class CodeSent:
    """What somebody who asked for a code is told; the same for known and unknown numbers."""

    expires_in_seconds: int
    retry_after_seconds: int


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


def right_code(
    phone: str, code: str, device: Mapping[str, str], purpose: CodePurpose = CodePurpose.ACCESS
) -> SignInCode:
    """The phone's code row, locked, if `code` is right and it is unused or was used in the last ten minutes.

    Raises WrongCode (401), the try counted; TooManyRequests (429) after twenty wrong tries in a day, over all codes.
    """
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


def _sent_recently(phone: str, purpose: CodePurpose, now: datetime, interval: int) -> CodeSentRecently:
    sent_at = db.session.scalar(
        select(SignInCode.created_at).where(SignInCode.phone == phone, SignInCode.purpose == purpose)
    )
    waited = int((now - sent_at).total_seconds()) if sent_at is not None else 0
    seconds = min(max(interval - waited, 1), max(interval, 1))
    return CodeSentRecently(headers={"Retry-After": str(seconds)}, seconds=seconds)


def _digest(phone: str, purpose: str, code: str) -> bytes:
    return keys.sign("sign-in code", phone, purpose, code)
