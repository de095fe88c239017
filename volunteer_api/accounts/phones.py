"""Changing one's number: a code to the new one, and proof that the account's owner asks."""

from collections.abc import Mapping
from uuid import UUID

from volunteer_api.accounts import passwords, queries
from volunteer_api.accounts.codes import unused_code
from volunteer_api.accounts.events import PhoneProven
from volunteer_api.accounts.models import CodePurpose, SignInCode, Volunteer
from volunteer_api.accounts.problems import PhoneTaken, ReauthenticationRequired
from volunteer_api.accounts.sessions import end_sessions_of
from volunteer_api.core import audit, clock, events
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db


def change_phone(
    principal: Principal, *, phone: str, code: str, password: str | None = None, current_code: str | None = None
) -> None:
    """Let `phone` (E.164) be the caller's number. Asked for what is so already, as after a lost answer, does nothing.

    Ends the other sessions: who has the old number must not stay in. Raises ReauthenticationRequired, PhoneTaken (409),
    WrongPassword, WrongCode (401), TooManyRequests (429), Busy (503).
    """
    volunteer = db.session.get_one(Volunteer, principal.volunteer_id)
    former = volunteer.phone
    if former == phone:
        return
    device = queries.device_of(principal.session_id)
    proof = _reauthenticate(volunteer.id, former, device, password=password, current_code=current_code)
    # Read again: the comparison of a password begins the unit anew.
    volunteer = db.session.get_one(Volunteer, principal.volunteer_id)
    row = unused_code(phone, code, device, CodePurpose.CHANGE_PHONE)
    if queries.id_by_phone(phone) is not None:
        raise PhoneTaken()
    for used in (row, proof):
        if used is not None:
            used.used_at = clock.now()
    volunteer.phone = phone
    # The unique number judges a race.
    db.session.flush()
    end_sessions_of(volunteer.id, besides=principal.session_id)
    audit.record(audit.AuditAction.PHONE_CHANGED, actor_id=volunteer.id, subject_id=volunteer.id, by="owner")
    events.publish(PhoneProven(volunteer_id=volunteer.id, phone=phone))


def _reauthenticate(
    volunteer_id: UUID, former: str | None, device: Mapping[str, str], *, password: str | None, current_code: str | None
) -> SignInCode | None:
    """The code that proved it, None where a password did or where the account has no number to lose."""
    if former is None:
        return None
    if password is not None:
        passwords.right_owner(former, password, device)
        return None
    if current_code is not None:
        return unused_code(former, current_code, device, CodePurpose.CHANGE_PHONE)
    facts = ["current_code"] + ["password"] * passwords.has_password(volunteer_id)
    raise ReauthenticationRequired(members={"facts": facts})
