"""One-time codes: six digits to a phone, good once, for five minutes, for five tries."""

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, case, or_, select, update

from volunteer_api.accounts import queries
from volunteer_api.accounts.models import CodeAllowance, CodePurpose, SignInCode
from volunteer_api.accounts.problems import CodeSentRecently, NoMoreCodesToday, WrongCode
from volunteer_api.accounts.senders import outbox
from volunteer_api.core import audit, clock, ids, keys, metrics
from volunteer_api.core.database import db
from volunteer_api.core.limits import caller_address, give_back, require_left, spend, spent
from volunteer_api.core.problems import TooManyRequests
from volunteer_api.core.settings import rules, settings
from volunteer_api.core.statements import delete_some, insert
from volunteer_api.core.unit_of_work import after_commit

# How long a register whose answer was lost gives the same outcome again.
REPEATED_FOR = timedelta(minutes=10)
# Of one address, or of one device that was signed in before. From one address nobody uses up what the owner needs on a
# new device; from all together a million codes must not be tried in a year, nor a phone be flooded.
CODES_A_DAY = 10
CODES_A_DAY_IN_ALL = 20
WRONG_TRIES = "20/day"
WRONG_TRIES_IN_ALL = "60/day"
WRONG_CODES = "wrong codes"
CODES_OF_ADDRESS, CODES_OF_ALL = "codes of an address", "codes of all"
# Carriers give a home line up to a /56, which is 256 networks of one caller.
LINE_BITS = 56
# Of all codes of the day, the last fifth is for addresses that had few: a handful of lines can't close registration.
FEW_OF_ADDRESS = 20
FOR_ALL_ADDRESSES = 0.8
DAY = timedelta(days=1)
# Told from 0 on: an alert asks for its rise.
metrics.REFUSALS.labels(NoMoreCodesToday.code)


@dataclass(frozen=True)
class CodeSent:
    """What somebody who asked for a code is told; the same for known and unknown numbers."""

    expires_in_seconds: int
    retry_after_seconds: int


@dataclass(frozen=True)
class _Allowance:
    """A count of codes: so many in a day, and a pause after each, which may double every time."""

    key: str
    most: int
    grows: bool

    def pause_after(self, sent: int) -> int:
        """Seconds until the next code after so many in a day: 60, or 60, 120, 240 … up to an hour."""
        pause: int = rules().code_interval_seconds * 2 ** (sent - 1 if self.grows else 0)
        return min(pause, rules().code_longest_interval_seconds)


def send_code(*, phone: str, purpose: CodePurpose, device_id: str | None = None) -> CodeSent:
    """Send a fresh six-digit code to `phone` (E.164); the one before for this purpose is no longer good.

    The pause after a code doubles with each of the day from one address, over all purposes; a `device_id` on which the
    phone's owner was signed in before has pauses of its own, so that a stranger can't use them up. A code that the
    provider refused starts no pause and costs the district nothing, but counts for the phone. Raises CodeSentRecently
    (429), TooManyRequests (429) after ten in a day, or twenty from all addresses; NoMoreCodesToday (429) where
    strangers have used up what goes to all numbers.
    """
    now = clock.now()
    is_known = device_id is not None and queries.was_signed_in(phone, device_id)
    allowances = _allowances(phone, device_id if is_known else None)
    # The pause between codes is a rate limit like the others: LIMITS=0 switches it off for load tests.
    seconds = max(_count_send(allowance, now) for allowance in allowances) if settings().limits else 0
    line = None if is_known else caller_address(LINE_BITS)
    if line is not None:
        _spend_ceilings(line)
    code = f"{secrets.randbelow(10**6):06d}"
    fresh = {
        "code_hash": keys.sign("sign-in code", phone, purpose, code),
        "created_at": now,
        "expires_at": now + timedelta(seconds=rules().code_lifetime_seconds),
        "tries": 0,
        "used_at": None,
        "session_id": None,
    }
    db.session.execute(
        insert(SignInCode)
        .values(id=ids.new_id(), phone=phone, purpose=purpose, **fresh)
        .on_conflict_do_update(index_elements=["phone", "purpose"], set_=fresh)
    )
    sender = outbox()
    after_commit(
        lambda: sender.send(phone=phone, code=code, purpose=purpose, if_failed=lambda: _take_back(allowances, line))
    )
    return CodeSent(rules().code_lifetime_seconds, seconds)


def right_code(
    phone: str, code: str, device: Mapping[str, str], purpose: CodePurpose = CodePurpose.ACCESS
) -> SignInCode:
    """The phone's code row, locked, if `code` is right and it is unused or was used in the last ten minutes.

    Raises WrongCode (401), the try counted; TooManyRequests (429) after twenty wrong tries in a day from one address,
    over all codes.
    """
    row = db.session.scalar(
        select(SignInCode).where(SignInCode.phone == phone, SignInCode.purpose == purpose).with_for_update()
    )
    require_tries_left(WRONG_CODES, phone, device)
    if row is None or row.tries >= rules().code_tries:
        raise _wrong(phone, purpose)
    if not keys.matches(row.code_hash, "sign-in code", phone, purpose, code):
        count_wrong_try(row, device)
        raise _wrong(phone, purpose)
    good_until = row.expires_at if row.used_at is None else row.used_at + REPEATED_FOR
    if good_until <= clock.now():
        raise _wrong(phone, purpose)
    return row


def unused_code(phone: str, code: str, device: Mapping[str, str], purpose: CodePurpose) -> SignInCode:
    """`right_code`, but only one that was not used yet. Raises WrongCode (401), TooManyRequests (429)."""
    row = right_code(phone, code, device, purpose)
    if row.used_at is not None:
        raise WrongCode(case=purpose)
    return row


def was_just_used(phone: str, code: str, purpose: CodePurpose) -> bool:
    """Whether it is the phone's code, used in the last ten minutes. Counts nothing: what is not is judged after it."""
    row = db.session.scalar(select(SignInCode).where(SignInCode.phone == phone, SignInCode.purpose == purpose))
    if row is None or row.used_at is None or row.used_at + REPEATED_FOR <= clock.now():
        return False
    return row.tries < rules().code_tries and keys.matches(row.code_hash, "sign-in code", phone, purpose, code)


def count_wrong_try(row: SignInCode, device: Mapping[str, str]) -> None:
    """Count a wrong try of a code, or of what is asked beside it; the refusal must have `keeps_writes`."""
    row.tries += 1
    spend_try(WRONG_CODES, row.phone, device)


def require_tries_left(scope: str, handle: str, device: Mapping[str, str], volunteer_id: UUID | None = None) -> None:
    """Raise TooManyRequests (429) where the day's wrong tries for a phone or volunteer number are used up.

    Where `volunteer_id` says whose handle it is, strangers' tries in all count by the account, over both handles.
    """
    for limit, who in _guessers(handle, device, volunteer_id):
        require_left(limit, scope, who=who)


def spend_try(scope: str, handle: str, device: Mapping[str, str], volunteer_id: UUID | None = None) -> None:
    """Count a wrong try; the refusal must have `keeps_writes`. Raises TooManyRequests (429)."""
    for limit, who in _guessers(handle, device, volunteer_id):
        spend(limit, scope, who=who)


def _guessers(handle: str, device: Mapping[str, str], volunteer_id: UUID | None) -> list[tuple[str, str]]:
    """Whose wrong tries of the day count together, with the limit.

    Those of a device that was signed in before count apart, so that a stranger's guesses don't lock the owner out; all
    others by their address, so that one stranger does not lock the owner's new device out, and all together.
    """
    if queries.was_signed_in(handle, device["id"]):
        return [(WRONG_TRIES, f"{handle} {device['id']}")]
    whose = handle if volunteer_id is None else str(volunteer_id)
    return [(WRONG_TRIES, f"{handle} @{caller_address()}"), (WRONG_TRIES_IN_ALL, whose)]


def forget_codes() -> int:
    """Delete codes that can open and repeat nothing any more, with their phones, some at a time; returns how many."""
    allowances = delete_some(CodeAllowance, CodeAllowance.day_ends_at <= clock.now())
    return max(allowances, delete_some(SignInCode, SignInCode.expires_at < clock.now() - REPEATED_FOR))


def spent_share() -> float:
    """Which share of the day's codes to strangers' devices is spent, 0 to 1. Needs an open session."""
    return spent(CODES_OF_ALL, who="") / settings().codes_a_day


def are_spent() -> bool:
    """Whether no code goes out today any more but to devices that were signed in before. Needs an open session."""
    try:
        require_left(f"{settings().codes_a_day}/day", CODES_OF_ALL, who="")
    except TooManyRequests:
        return True
    return False


def _spend_ceilings(line: str) -> None:
    """Count a code of the day by its line's address, and of all: each costs money, and numbers there are without end.

    Devices that were signed in before are asked neither, or a stranger with many addresses would lock everybody out.
    """
    most = settings().codes_a_day
    try:
        if spend(f"{settings().codes_a_day_per_address}/day", CODES_OF_ADDRESS, who=line) > FEW_OF_ADDRESS:
            most = max(1, int(most * FOR_ALL_ADDRESSES))
        # Last, for all wait for this row.
        spend(f"{most}/day", CODES_OF_ALL, who="")
    except TooManyRequests as refused:
        raise NoMoreCodesToday(headers=refused.headers, seconds=refused.values["seconds"]) from refused


def _allowances(phone: str, device_id: str | None) -> list[_Allowance]:
    """The counts of codes that this request belongs to; `device_id` is one that was signed in before."""
    if device_id is not None:
        return [_Allowance(keys.sign("codes sent", phone, device_id).hex(), CODES_A_DAY, grows=True)]
    address = keys.sign("codes sent from", phone, caller_address()).hex()
    return [
        _Allowance(address, CODES_A_DAY, grows=True),
        _Allowance(keys.sign("codes sent", phone, "").hex(), CODES_A_DAY_IN_ALL, grows=False),
    ]


def _count_send(allowance: _Allowance, now: datetime) -> int:
    """Count a code; returns the seconds until the next one. One statement, so that of two at the same moment one sends.

    Raises CodeSentRecently, TooManyRequests (429).
    """
    over = CodeAllowance.day_ends_at <= now
    rested = [
        and_(
            CodeAllowance.sent == sent,
            CodeAllowance.last_sent_at <= now - timedelta(seconds=allowance.pause_after(sent)),
        )
        for sent in range(1, allowance.most)
    ]
    sent = db.session.scalar(
        insert(CodeAllowance)
        .values(key=allowance.key, sent=1, last_sent_at=now, day_ends_at=now + DAY)
        .on_conflict_do_update(
            index_elements=["key"],
            set_={
                "sent": case((over, 1), else_=CodeAllowance.sent + 1),
                "last_sent_at": now,
                "day_ends_at": case((over, now + DAY), else_=CodeAllowance.day_ends_at),
            },
            where=or_(over, *rested),
        )
        .returning(CodeAllowance.sent)
    )
    if sent is None:
        raise _too_early(allowance, now)
    return allowance.pause_after(sent)


def _too_early(allowance: _Allowance, now: datetime) -> TooManyRequests:
    row = db.session.execute(
        select(CodeAllowance.sent, CodeAllowance.last_sent_at, CodeAllowance.day_ends_at).where(
            CodeAllowance.key == allowance.key
        )
    ).one()
    is_last = row.sent >= allowance.most
    free_at = row.day_ends_at if is_last else row.last_sent_at + timedelta(seconds=allowance.pause_after(row.sent))
    seconds = max(1, math.ceil((free_at - now).total_seconds()))
    return (TooManyRequests if is_last else CodeSentRecently)(headers={"Retry-After": str(seconds)}, seconds=seconds)


def _take_back(allowances: Sequence[_Allowance], line: str | None) -> None:
    """Let the next code go at once, and cost nothing of the day's: the provider took no money for this one.

    It stays counted for its phone: a refusal must open no flood. `line` is None for a device that was signed in before.
    """
    db.session.execute(
        update(CodeAllowance)
        .where(CodeAllowance.key.in_([allowance.key for allowance in allowances]))
        .values(last_sent_at=clock.now() - DAY)
    )
    if line is not None:
        give_back(CODES_OF_ADDRESS, who=line)
        give_back(CODES_OF_ALL, who="")


def _wrong(phone: str, purpose: CodePurpose) -> WrongCode:
    subject_id = queries.id_by_phone(phone)
    audit.record(audit.AuditAction.SIGN_IN_FAILED, subject_id=subject_id, by="code", purpose=str(purpose))
    return WrongCode(case=purpose)
