"""Passwords: the second way to sign in, for where no short message arrives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from volunteer_api.accounts import hashing, queries
from volunteer_api.accounts.codes import REPEATED_FOR, require_tries_left, spend_try
from volunteer_api.accounts.models import Password, Volunteer
from volunteer_api.accounts.problems import WrongPassword
from volunteer_api.core import audit, clock
from volunteer_api.core.database import db
from volunteer_api.core.problems import InvalidPayload
from volunteer_api.core.schema import Fault, error_list
from volunteer_api.core.statements import insert
from volunteer_api.core.unit_of_work import outside

SCOPE = "wrong passwords"


@dataclass(frozen=True)
class _Found:
    volunteer_id: UUID | None
    hash: str | None


def right_owner(handle: str, password: str, device: Mapping[str, str]) -> Volunteer:
    """The account of an E.164 number or a volunteer number whose password this is.

    To be called first in its unit: it begins it anew. Takes as long for what has no account or no password. Raises
    WrongPassword (401), the try counted; TooManyRequests (429) after twenty wrong tries in a day from one address;
    Busy (503).
    """
    require_tries_left(SCOPE, handle, device, _find(handle).volunteer_id)
    seen, renewed = _compare(handle, password)
    # Looked at again: what was read before the hash may have changed, and parallel tries may have used the day up.
    found = _find(handle)
    require_tries_left(SCOPE, handle, device, found.volunteer_id)
    if found != seen or found.volunteer_id is None or renewed is None:
        spend_try(SCOPE, handle, device, found.volunteer_id)
        audit.record(audit.AuditAction.SIGN_IN_FAILED, subject_id=found.volunteer_id, by="password")
        raise WrongPassword()
    if renewed != found.hash:
        _write(found.volunteer_id, renewed)
    return db.session.get_one(Volunteer, found.volunteer_id)


def is_right(phone: str, password: str) -> bool:
    """Whether it is the password of the number's account; counts nothing. To be called first in its unit.

    For a fact beside a code, whose tries count. Raises Busy (503).
    """
    return _compare(phone, password)[1] is not None


def was_just_set(handle: str, password: str, device: Mapping[str, str]) -> bool:
    """Whether it became the account's password in the last ten minutes: the answer to that may have been lost.

    To be called first in its unit, and before `right_owner`, or `count_guess` and a code, which count the try where it
    was not. Raises TooManyRequests (429), Busy (503).
    """
    volunteer_id = _fresh_owner(handle)
    if volunteer_id is None:
        return False
    require_tries_left(SCOPE, handle, device, volunteer_id)
    return is_right(handle, password)


def count_guess(handle: str, device: Mapping[str, str]) -> None:
    """Count what was not just set where another one was: the proof beside it may be made up, to ask for this answer.

    To be called before a code is judged, whose refusal keeps it; `right_owner` counts by itself. Raises
    TooManyRequests (429).
    """
    volunteer_id = _fresh_owner(handle)
    if volunteer_id is not None:
        spend_try(SCOPE, handle, device, volunteer_id)


def accepted_hash(password: str, *, personal: Sequence[str], field_name: str) -> str:
    """The hash of a new password. To be called first in its unit: it begins it anew.

    `personal` is what everybody knows of its owner. Raises InvalidPayload (422) for one that is easily guessed, Busy.
    """
    made = outside(lambda: None if hashing.is_too_common(password, personal) else hashing.hash_of(password))
    if made is None:
        fault = Fault(
            "password_too_common",
            "This password is one of the first that a guesser would try: take words that do not belong together.",
        )
        raise InvalidPayload(error_list({field_name: [fault]}))
    return made


def personal_words(*, phone: str | None, name: str, volunteer_number: str | None = None) -> list[str]:
    """What a password must not have in it."""
    return [word for word in ((phone or "").removeprefix("+86"), name, volunteer_number or "") if word]


def keep(volunteer_id: UUID, made: str) -> None:
    """Let a hash be the account's password from now on."""
    _write(volunteer_id, made)
    audit.record(audit.AuditAction.PASSWORD_CHANGED, actor_id=volunteer_id, subject_id=volunteer_id)


def has_password(volunteer_id: UUID) -> bool:
    """Whether the account has one."""
    return db.session.get(Password, volunteer_id) is not None


def _fresh_owner(handle: str) -> UUID | None:
    """Whose password was set in the last ten minutes."""
    row = db.session.execute(
        select(Password.volunteer_id, Password.changed_at)
        .join(Volunteer, Volunteer.id == Password.volunteer_id)
        .where(queries.named_by(handle))
    ).one_or_none()
    return row.volunteer_id if row is not None and row.changed_at + REPEATED_FOR > clock.now() else None


def _compare(handle: str, password: str) -> tuple[_Found, str | None]:
    """What was found of the handle before, and the hash to keep where the password is right, else None."""
    seen = _find(handle)

    def compare() -> str | None:
        if not hashing.is_hash_of(seen.hash, password) or seen.hash is None:
            return None
        return hashing.hash_of(password) if hashing.is_outdated(seen.hash) else seen.hash

    return seen, outside(compare)


def _find(handle: str) -> _Found:
    row = db.session.execute(
        select(Volunteer.id, Password.hash)
        .outerjoin(Password, Password.volunteer_id == Volunteer.id)
        .where(queries.named_by(handle))
    ).one_or_none()
    return _Found(None, None) if row is None else _Found(row.id, row.hash)


def _write(volunteer_id: UUID, made: str) -> None:
    values = {"hash": made, "changed_at": clock.now()}
    db.session.execute(
        insert(Password)
        .values(volunteer_id=volunteer_id, **values)
        .on_conflict_do_update(index_elements=["volunteer_id"], set_=values)
    )
