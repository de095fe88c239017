"""The way back into an account whose number the carrier gave to somebody else, without a password and a phone."""

from volunteer_api.accounts import queries, recycling, resident_ids
from volunteer_api.accounts.codes import count_wrong_try, unused_code
from volunteer_api.accounts.events import PhoneChanged, PhoneProven
from volunteer_api.accounts.models import CodePurpose, Volunteer
from volunteer_api.accounts.problems import WrongSecondFact
from volunteer_api.core import audit, clock, events
from volunteer_api.core.database import db
from volunteer_api.core.limits import require_left, spend

NO_DEVICE = {"id": ""}
# Per account and new phone, as for the second fact of a recycled number: a stranger with the number of a card does not
# close the way to its owner. All phones together count only once the name fits.
WRONG_PROOFS = "10/30 days"
WRONG_PROOFS_IN_ALL = "100/30 days"
SCOPE = "wrong recoveries"
SCOPE_IN_ALL = "wrong recoveries in all"


def recover(
    *, volunteer_number: str, name: str, resident_id: str, phone: str, code: str, replaces_former_owner: bool = False
) -> None:
    """Let `phone` be the number of an account that has none, for who knows its resident ID, name and volunteer number.

    The code (purpose `change_phone`) went to the new phone. Only an account that lost its number is opened so: a
    resident ID stands on too many copies to take a number from anybody who has it. All devices that are signed in hear
    of it. Asked for what is so already, does nothing. Raises WrongCode (401), WrongSecondFact (401; one answer for
    everything that does not fit), PhoneTaken (409), TooManyRequests (429).
    """
    row = unused_code(phone, code, NO_DEVICE, CodePurpose.CHANGE_PHONE)
    who = f"{volunteer_number} {phone}"
    require_left(WRONG_PROOFS, SCOPE, who=who)
    volunteer = queries.volunteer_without_phone(volunteer_number)
    is_named = volunteer is not None and volunteer.name == name
    if is_named:
        require_left(WRONG_PROOFS_IN_ALL, SCOPE_IN_ALL, who=volunteer_number)
    if volunteer is None or not is_named or not resident_ids.is_of(volunteer.id, resident_id):
        count_wrong_try(row, NO_DEVICE)
        spend(WRONG_PROOFS, SCOPE, who=who)
        if is_named:
            spend(WRONG_PROOFS_IN_ALL, SCOPE_IN_ALL, who=volunteer_number)
        audit.record(
            audit.AuditAction.SIGN_IN_FAILED, subject_id=volunteer.id if volunteer is not None else None, by="recovery"
        )
        raise WrongSecondFact()
    recycling.free_number(phone, NO_DEVICE, replaces_former_owner=replaces_former_owner)
    row.used_at = clock.now()
    attach(volunteer, phone, by="recovery")


def attach(volunteer: Volunteer, phone: str, *, by: str) -> None:
    """Let a number that was just proven be the account's, and tell its owner. The unique number judges a race."""
    volunteer.phone, volunteer.phone_proven_at = phone, clock.now()
    db.session.flush()
    audit.record(audit.AuditAction.PHONE_CHANGED, actor_id=volunteer.id, subject_id=volunteer.id, by=by)
    events.publish(PhoneChanged(volunteer_id=volunteer.id, phone=phone))
    events.publish(PhoneProven(volunteer_id=volunteer.id, phone=phone))
