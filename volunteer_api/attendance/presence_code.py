"""Presence codes: time-based one-time passwords (RFC 6238), so that a code can be judged long after it was shown.

Nothing is stored: each shift's secret is derived from the application's.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pyotp

from volunteer_api.core import keys
from volunteer_api.core.settings import settings

STEP_SECONDS = 60
DIGITS = 8
# The step before and the one after are accepted too: phones' clocks differ, and a queue moves slowly.
STEPS_AROUND = 1
MAXIMUM_CODES = 24 * 60 + 1
LAST_YEAR = 9000
GIVEN = re.compile(r"(?:\S*/c/s/(?P<shift_id>[0-9A-Fa-f-]{36})/)?(?P<code>[0-9]{8})", re.ASCII)


@dataclass(frozen=True)
class PresenceCode:
    """A code and the moments at which the leader's phone shows it, half-open."""

    code: str
    valid_from: datetime
    valid_until: datetime


def code_at(shift_id: UUID, moment: datetime) -> PresenceCode:
    """The code of a shift at a moment."""
    return _code_of_step(_generator(shift_id), _step(moment))


def codes_between(shift_id: UUID, starts_at: datetime, ends_at: datetime) -> Iterator[PresenceCode]:
    """The codes of a shift from one moment to another, a day's at most."""
    generator = _generator(shift_id)
    first, last = _step(starts_at), _step(ends_at - timedelta(microseconds=1))
    for step in range(first, min(last + 1, first + MAXIMUM_CODES)):
        yield _code_of_step(generator, step)


def is_valid(given: str, shift_id: UUID, moment: datetime) -> bool:
    """Whether a bare code, or the whole text of a QR code, was this shift's at the moment, one step around it."""
    match = GIVEN.fullmatch(given.strip())
    # Clocks before and beyond what a code can be made for.
    if match is None or moment.timestamp() < STEP_SECONDS or moment.year > LAST_YEAR:
        return False
    named = match["shift_id"]
    if named is not None and named.lower() != str(shift_id):
        return False
    verified: bool = _generator(shift_id).verify(match["code"], for_time=moment, valid_window=STEPS_AROUND)
    return verified


def qr_text(shift_id: UUID, code: str) -> str:
    """What the QR code says: an address that any phone's camera can open."""
    return f"{settings().public_base_url}/c/s/{shift_id}/{code}"


def _generator(shift_id: UUID) -> pyotp.TOTP:
    secret = base64.b32encode(keys.sign("presence code", "shift", shift_id)).decode()
    return pyotp.TOTP(secret, digits=DIGITS, digest=hashlib.sha256, interval=STEP_SECONDS)


def _step(moment: datetime) -> int:
    return int(moment.timestamp()) // STEP_SECONDS


def _code_of_step(generator: pyotp.TOTP, step: int) -> PresenceCode:
    starts_at = datetime.fromtimestamp(step * STEP_SECONDS, UTC)
    return PresenceCode(
        code=generator.generate_otp(step), valid_from=starts_at, valid_until=starts_at + timedelta(seconds=STEP_SECONDS)
    )
