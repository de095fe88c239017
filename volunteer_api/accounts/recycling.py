"""Numbers that the carrier gave to somebody else: their code alone does not open the former owner's account.

What tells is when the number was last proven: a code that reached it. That somebody goes on using the app on an old
phone shows nothing, for a refresh needs no number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import update

from volunteer_api.accounts import passwords, queries, resident_ids
from volunteer_api.accounts.codes import count_wrong_try
from volunteer_api.accounts.events import PhoneReleased
from volunteer_api.accounts.models import SignInCode, Volunteer
from volunteer_api.accounts.problems import PhoneTaken, SecondFactRequired, WrongSecondFact
from volunteer_api.core import audit, clock, events
from volunteer_api.core.database import db
from volunteer_api.core.limits import require_left, spend
from volunteer_api.core.settings import rules

# Per account: who has the number must not find out the owner's date of birth by trying.
WRONG_FACTS = "10/30 days"
SCOPE = "wrong second facts"


@dataclass(frozen=True)
class Claim:
    """What somebody says beside a code to be the account's owner; `password_is_right` is judged already."""

    given: Mapping[str, Any]
    password_is_right: bool


def weigh(phone: str, second_fact: Mapping[str, Any] | None) -> Claim:
    """Judge what takes long of a second fact (see schemas.SecondFact). To be called first in its unit."""
    given = second_fact or {}
    return Claim(given, "password" in given and passwords.is_right(phone, given["password"]))


def note_proof(volunteer_id: Any) -> None:
    """Remember that a code reached the account's number just now. No version rises: nothing that is shown changes."""
    db.session.execute(
        update(Volunteer)
        .where(Volunteer.id == volunteer_id)
        .values(phone_proven_at=clock.now())
        .execution_options(synchronize_session=False)
    )


def may_be_recycled(volunteer: Volunteer, device: Mapping[str, str]) -> bool:
    """Whether the number was not proven for `recycled_after_days`, and its account was never used on this device."""
    proven_at = volunteer.phone_proven_at or volunteer.created_at
    if clock.now() - proven_at <= timedelta(days=rules().recycled_after_days) or volunteer.phone is None:
        return False
    return not queries.was_signed_in(volunteer.phone, device["id"])


def free_number(phone: str, device: Mapping[str, str], *, replaces_former_owner: bool) -> None:
    """Let the number, just proven by a code, be another account's from now on.

    Where an account has it, the caller says that it is not hers, and it must not have been proven for long: then its
    former owner keeps everything but the number. Raises PhoneTaken (409).
    """
    holder_id = queries.id_by_phone(phone)
    if holder_id is None:
        return
    holder = db.session.get_one(Volunteer, holder_id)
    if not (replaces_former_owner and may_be_recycled(holder, device)):
        raise PhoneTaken()
    release_phone(holder)
    db.session.flush()


def require_owner(volunteer: Volunteer, device: Mapping[str, str], row: SignInCode, claim: Claim) -> None:
    """Let through who came by the right code `row` where the number has no new owner, or a second fact is right.

    The number's new owner may well know the name: a call for her is enough. So a name counts only together with the
    date of birth or the volunteer number. Raises SecondFactRequired (409), WrongSecondFact (401; counted like a wrong
    code), TooManyRequests (429) after ten wrong ones in thirty days.
    """
    if not may_be_recycled(volunteer, device):
        return
    ways = _ways(volunteer)
    if not any(claim.given.keys() >= set(way) for way in ways):
        facts = sorted({name for way in ways for name in way})
        raise SecondFactRequired(members={"facts": facts, "ways": [list(way) for way in ways]})
    require_left(WRONG_FACTS, SCOPE, who=str(volunteer.id))
    if not all(_is_right(volunteer, name, claim) for name in claim.given):
        count_wrong_try(row, device)
        spend(WRONG_FACTS, SCOPE, who=str(volunteer.id))
        audit.record(audit.AuditAction.SIGN_IN_FAILED, subject_id=volunteer.id, by="second_fact")
        raise WrongSecondFact()


def release_phone(volunteer: Volunteer) -> None:
    """Take the number from its former owner's account, which keeps everything else, and tell its owner.

    Whoever is signed in there stays so: only the number is another's now, and a phone that is signed in gives the new
    one (PUT /auth/phone). The others sign in by password with the volunteer number, or prove the resident ID
    (POST /auth/recovery).
    """
    former = volunteer.phone or ""
    volunteer.phone = volunteer.phone_proven_at = None
    audit.record(audit.AuditAction.PHONE_CHANGED, subject_id=volunteer.id, by="new_owner")
    events.publish(PhoneReleased(volunteer_id=volunteer.id, phone=former))


def _ways(volunteer: Volunteer) -> list[tuple[str, ...]]:
    """What each suffices to be the owner, the strongest first."""
    ways: list[tuple[str, ...]] = []
    if passwords.has_password(volunteer.id):
        ways.append(("password",))
    if queries.resident_id_of(volunteer.id) is not None:
        ways.append(("resident_id",))
    if volunteer.birth_date is not None:
        ways.append(("name", "birth_date"))
    return [*ways, ("name", "volunteer_number")]


def _is_right(volunteer: Volunteer, name: str, claim: Claim) -> bool:
    value = claim.given[name]
    match name:
        case "password":
            return claim.password_is_right
        case "resident_id":
            return resident_ids.is_of(volunteer.id, value)
    return value is not None and value == getattr(volunteer, name)
