"""Numbers that the carrier gave to somebody else: their code alone does not open the former owner's account."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from volunteer_api.accounts import passwords, queries
from volunteer_api.accounts.codes import count_wrong_try
from volunteer_api.accounts.models import SignInCode, Volunteer
from volunteer_api.accounts.problems import SecondFactRequired, WrongSecondFact
from volunteer_api.core import audit, clock
from volunteer_api.core.settings import rules


@dataclass(frozen=True)
class Claim:
    """What somebody says beside a code to be the account's owner; `password_is_right` is judged already."""

    given: Mapping[str, Any]
    password_is_right: bool


def weigh(phone: str, second_fact: Mapping[str, Any] | None) -> Claim:
    """Judge what takes long of a second fact {password | name | birth_date}. To be called first in its unit."""
    given = second_fact or {}
    return Claim(given, "password" in given and passwords.is_right(phone, given["password"]))


def may_be_recycled(volunteer: Volunteer, device: Mapping[str, str]) -> bool:
    """Whether the account was unused for `recycled_after_days`, and was never used on this device."""
    unused = clock.now() - queries.last_used_at(volunteer)
    if unused <= timedelta(days=rules().recycled_after_days) or volunteer.phone is None:
        return False
    return not queries.was_signed_in(volunteer.phone, device["id"])


def require_owner(volunteer: Volunteer, device: Mapping[str, str], row: SignInCode, claim: Claim) -> None:
    """Let through who came by the right code `row` where the number has no new owner, or a second fact is right.

    Raises SecondFactRequired (409), WrongSecondFact (401; counted like a wrong code).
    """
    if not may_be_recycled(volunteer, device):
        return
    if not claim.given:
        facts = ["name"] + ["birth_date"] * (volunteer.birth_date is not None)
        facts += ["password"] * passwords.has_password(volunteer.id)
        raise SecondFactRequired(members={"facts": facts})
    is_right = {
        "password": claim.password_is_right,
        "name": claim.given.get("name") == volunteer.name,
        "birth_date": volunteer.birth_date is not None and claim.given.get("birth_date") == volunteer.birth_date,
    }
    if not all(is_right[name] for name in claim.given):
        count_wrong_try(row, device)
        audit.record(audit.AuditAction.SIGN_IN_FAILED, subject_id=volunteer.id, by="second_fact")
        raise WrongSecondFact()


def release_phone(volunteer: Volunteer) -> None:
    """Take the number from its former owner's account, which keeps everything else."""
    volunteer.phone = None
    audit.record(audit.AuditAction.PHONE_CHANGED, subject_id=volunteer.id, by="new_owner")
