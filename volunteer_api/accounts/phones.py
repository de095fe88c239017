"""Changing one's number: a code to the new one, and proof that the account's owner asks."""

from collections.abc import Mapping

from volunteer_api.accounts import notices, passwords, queries, recovery, recycling
from volunteer_api.accounts.codes import unused_code
from volunteer_api.accounts.models import CodePurpose, SignInCode, Volunteer
from volunteer_api.accounts.problems import ReauthenticationRequired
from volunteer_api.accounts.reauthentication import facts_without_phone, require_resident_id
from volunteer_api.accounts.senders.base import Notice
from volunteer_api.accounts.sessions import end_sessions_of
from volunteer_api.core import clock
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db


def change_phone(
    principal: Principal,
    *,
    phone: str,
    code: str,
    password: str | None = None,
    current_code: str | None = None,
    resident_id: str | None = None,
    replaces_former_owner: bool = False,
) -> None:
    """Let `phone` (E.164) be the caller's number. Asked for what is so already, as after a lost answer, does nothing.

    Ends the other sessions: who has the old number must not stay in. The old number gets a notice. Raises
    ReauthenticationRequired, PhoneTaken (409), WrongPassword, WrongCode, WrongSecondFact (401), TooManyRequests (429),
    Busy (503).
    """
    volunteer = db.session.get_one(Volunteer, principal.volunteer_id)
    former = volunteer.phone
    if former == phone:
        return
    device = queries.device_of(principal.session_id)
    proof = _reauthenticate(volunteer, device, password=password, current_code=current_code, resident_id=resident_id)
    # Read again: the comparison of a password begins the unit anew.
    volunteer = db.session.get_one(Volunteer, principal.volunteer_id)
    row = unused_code(phone, code, device, CodePurpose.CHANGE_PHONE)
    recycling.free_number(phone, device, replaces_former_owner=replaces_former_owner)
    for used in (row, proof):
        if used is not None:
            used.used_at = clock.now()
    recovery.attach(volunteer, phone, by="owner")
    end_sessions_of(volunteer.id, besides=principal.session_id)
    notices.tell_phone(former, Notice.PHONE_CHANGED)


def _reauthenticate(
    volunteer: Volunteer,
    device: Mapping[str, str],
    *,
    password: str | None,
    current_code: str | None,
    resident_id: str | None,
) -> SignInCode | None:
    """The code that proved it; None where something else did.

    An account whose number is another's now has no code to ask for: a stolen phone must not take it with nothing but
    its session, so the password or the resident ID is asked for, where there is one.
    """
    former = volunteer.phone
    if password is not None:
        passwords.right_owner(former or volunteer.volunteer_number, password, device)
        return None
    if former is not None:
        if current_code is not None:
            return unused_code(former, current_code, device, CodePurpose.CHANGE_PHONE)
        facts = ["current_code"] + ["password"] * passwords.has_password(volunteer.id)
    else:
        facts = facts_without_phone(volunteer)
        if resident_id is not None and "resident_id" in facts:
            require_resident_id(volunteer, resident_id)
            return None
    if facts:
        raise ReauthenticationRequired(case=" ".join(facts), members={"facts": facts})
    return None
