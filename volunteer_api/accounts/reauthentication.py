"""Proof that an account's owner asks, and not somebody who has nothing but a session of hers."""

from collections.abc import Mapping

from volunteer_api.accounts import passwords, queries, resident_ids
from volunteer_api.accounts.codes import unused_code
from volunteer_api.accounts.models import CodePurpose, SignInCode, Volunteer
from volunteer_api.accounts.problems import PhoneNeeded, ReauthenticationRequired, WrongSecondFact
from volunteer_api.core import audit
from volunteer_api.core.limits import require_left, spend

# Per account: who is signed in sees all of the number but its middle, whose place in the city leaves few to try.
WRONG_NUMBERS = "3/30 days"
SCOPE = "wrong resident IDs"


def facts_without_phone(volunteer: Volunteer) -> list[str]:
    """What proves whose account it is where no code reaches it; empty where nothing tells the owner from a thief."""
    is_stored = queries.resident_id_of(volunteer.id) is not None
    return ["password"] * passwords.has_password(volunteer.id) + ["resident_id"] * is_stored


def prove_by_code(
    volunteer: Volunteer,
    device: Mapping[str, str],
    purpose: CodePurpose,
    *,
    code: str | None,
    password: str | None,
    resident_id: str | None,
) -> SignInCode | None:
    """The code to the own phone that proves it, to be used up; None where the password did.

    For what an account without a number must be able to do too: there, its password or its resident ID does. To be
    called first in its unit: it may begin it anew. Raises ReauthenticationRequired, PhoneNeeded (409), WrongPassword,
    WrongCode, WrongSecondFact (401), TooManyRequests (429), Busy (503).
    """
    if password is not None:
        passwords.right_owner(volunteer.phone or volunteer.volunteer_number, password, device)
        return None
    if volunteer.phone is None:
        facts = facts_without_phone(volunteer)
        if resident_id is None or "resident_id" not in facts:
            raise PhoneNeeded(case=" ".join(facts), members={"facts": facts})
        require_resident_id(volunteer, resident_id)
        return None
    if code is None:
        raise ReauthenticationRequired(case="code", members={"facts": ["code"]})
    return unused_code(volunteer.phone, code, device, purpose)


def require_resident_id(volunteer: Volunteer, resident_id: str) -> None:
    """Let through who knows the stored number. Raises WrongSecondFact (401), TooManyRequests (429) after three."""
    require_left(WRONG_NUMBERS, SCOPE, who=str(volunteer.id))
    if not resident_ids.is_of(volunteer.id, resident_id):
        spend(WRONG_NUMBERS, SCOPE, who=str(volunteer.id))
        audit.record(audit.AuditAction.SIGN_IN_FAILED, subject_id=volunteer.id, by="resident_id")
        raise WrongSecondFact()
