"""Presence codes: time-based one-time passwords (RFC 6238), so that a code can be judged long after it was shown.

Of three kinds: a shift's, which its leader shows; a station's, which its manager shows; and a volunteer's own, which
she shows to a desk that checks in many. Nothing is stored: each secret is derived from the application's.
"""

import base64
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pyotp

from volunteer_api.core import keys
from volunteer_api.core.settings import settings

STEP_SECONDS = 60
DIGITS = 8
# The step before and the one after are accepted too: phones' clocks differ, and a queue moves slowly.
STEPS_AROUND = 1
MAXIMUM_CODES = 24 * 60 + 1
# For so long after it was shown a code is taken.
LONGEST_GOOD = timedelta(seconds=STEP_SECONDS * STEPS_AROUND)
LAST_YEAR = 9000
# A code that was shown so many steps before, or will be so many after, is told from one that was never shown.
STEPS_BEFORE, STEPS_AFTER = 24 * 60, 2 * 60
GIVEN = re.compile(
    # What messengers and cameras hang to an address says nothing.
    r"(?:\S*/c/(?P<letter>[stv])/(?P<id>[0-9A-Z-]{1,36})/)?(?P<code>[0-9]{8})(?:/?(?:[?#]\S*)?)",
    re.ASCII | re.IGNORECASE,
)
# What keyboards and memos make of a hyphen.
DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"), "-")
# Eight digits are read out in groups.
GROUPED = re.compile(r"[0-9][0-9\s-]*")


class CodeKind(StrEnum):
    """Whose presence a code shows, and for whom."""

    SHIFT = "shift"
    STATION = "station"
    VOLUNTEER = "volunteer"


LETTERS = {CodeKind.SHIFT: "s", CodeKind.STATION: "t", CodeKind.VOLUNTEER: "v"}


class Reading(StrEnum):
    """What a given code is, of one target at one moment."""

    VALID = "valid"
    OF_ANOTHER = "of_another"
    OF_ANOTHER_TIME = "of_another_time"
    WRONG = "wrong"


@dataclass(frozen=True)
class PresenceCode:
    """A code and the moments at which it is shown, half-open."""

    code: str
    valid_from: datetime
    valid_until: datetime


def code_at(target_id: object, moment: datetime, kind: CodeKind = CodeKind.SHIFT) -> PresenceCode:
    """The code of a shift, a station or a volunteer at a moment. A volunteer is named by her volunteer_number."""
    return _code_of_step(_generators(target_id, kind)[0], _step(moment))


def codes_between(
    target_id: object, starts_at: datetime, ends_at: datetime, kind: CodeKind = CodeKind.SHIFT
) -> Iterator[PresenceCode]:
    """The codes from one moment to another, a day's at most."""
    generator = _generators(target_id, kind)[0]
    first, last = _step(starts_at), _step(ends_at - timedelta(microseconds=1))
    for step in range(first, min(last + 1, first + MAXIMUM_CODES)):
        yield _code_of_step(generator, step)


def is_valid(given: str, target_id: object, moment: datetime, kind: CodeKind = CodeKind.SHIFT) -> bool:
    """Whether a bare code, or the whole text of a QR code, was this target's at the moment, one step around it."""
    return _read(given, target_id, moment, kind) is Reading.VALID


def read(given: str, target_id: object, moment: datetime, kind: CodeKind = CodeKind.SHIFT) -> Reading:
    """What a bare code, or the whole text of a QR code, says of this target's presence at a moment.

    Also a code that the former secret made counts: a phone may tell of it after the secret changed.
    """
    reading = _read(given, target_id, moment, kind)
    if reading is not None:
        return reading
    match, present = _match(given), _step(moment)
    steps = range(present - STEPS_BEFORE, present + STEPS_AFTER)
    shown = match is not None and _was_shown(_secrets(target_id, kind)[0], match["code"], steps)
    return Reading.OF_ANOTHER_TIME if shown else Reading.WRONG


def _read(given: str, target_id: object, moment: datetime, kind: CodeKind) -> Reading | None:
    """The same, None where only the codes of other times can tell: a day of them is what costs."""
    match = _match(given)
    if match is None:
        return Reading.WRONG
    if match["letter"] is not None and not (
        match["letter"].lower() == LETTERS[kind] and match["id"].lower() == str(target_id).lower()
    ):
        return Reading.OF_ANOTHER
    # Clocks before and beyond what a code can be made for.
    if moment.timestamp() < (STEPS_BEFORE + 1) * STEP_SECONDS or moment.year > LAST_YEAR:
        return Reading.WRONG
    generators = _generators(target_id, kind)
    valid = any(one.verify(match["code"], for_time=moment, valid_window=STEPS_AROUND) for one in generators)
    return Reading.VALID if valid else None


def volunteer_named(given: str) -> str | None:
    """The volunteer_number in the whole text of a volunteer's own code; None where it is no such text."""
    match = _match(given)
    named = match is not None and (match["letter"] or "").lower() == LETTERS[CodeKind.VOLUNTEER]
    return match["id"].upper() if match is not None and named else None


def _match(given: str) -> re.Match[str] | None:
    """The parts of a code as it was typed or scanned: in full width, in groups, with what was hung to its address."""
    text = unicodedata.normalize("NFKC", given).translate(DASHES).strip()
    return GIVEN.fullmatch(re.sub(r"[\s-]", "", text) if GROUPED.fullmatch(text) else text)


def qr_text(target_id: object, code: str, kind: CodeKind = CodeKind.SHIFT) -> str:
    """What the QR code says: an address that any phone's camera can open."""
    return f"{settings().public_base_url}/c/{LETTERS[kind]}/{target_id}/{code}"


def _was_shown(secret: bytes, code: str, steps: range) -> bool:
    """Whether the code is that of one of the steps, as RFC 4226 (5.3) cuts it from the digest.

    pyotp would take ten times as long for a day of steps, and a batch may hold a hundred wrong codes.
    """
    wanted = int(code)
    for step in steps:
        digest = hmac.digest(secret, step.to_bytes(8, "big"), hashlib.sha256)
        start = digest[-1] & 15
        if (int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF) % 10**DIGITS == wanted:
            return True
    return False


def _generators(target_id: object, kind: CodeKind) -> list[pyotp.TOTP]:
    return [
        pyotp.TOTP(base64.b32encode(secret).decode(), digits=DIGITS, digest=hashlib.sha256, interval=STEP_SECONDS)
        for secret in _secrets(target_id, kind)
    ]


def _secrets(target_id: object, kind: CodeKind) -> list[bytes]:
    """Under the application's present secret, and under the former one where it is known."""
    return keys.digests("presence code", kind.value, target_id)


def _step(moment: datetime) -> int:
    return int(moment.timestamp()) // STEP_SECONDS


def _code_of_step(generator: pyotp.TOTP, step: int) -> PresenceCode:
    starts_at = datetime.fromtimestamp(step * STEP_SECONDS, UTC)
    return PresenceCode(
        code=generator.generate_otp(step), valid_from=starts_at, valid_until=starts_at + timedelta(seconds=STEP_SECONDS)
    )
