"""Setting a password: by the old one, or by a code to one's phone, signed in or not."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from volunteer_api.accounts import notices, passwords, queries, recycling
from volunteer_api.accounts.codes import unused_code, was_just_used
from volunteer_api.accounts.events import PasswordChanged
from volunteer_api.accounts.models import CodePurpose, Volunteer
from volunteer_api.accounts.problems import PhoneNeeded, RegistrationRequired
from volunteer_api.accounts.senders.base import Notice
from volunteer_api.accounts.sessions import end_sessions_of
from volunteer_api.core import clock, events
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.problems import InvalidPayload, Unauthorized
from volunteer_api.core.schema import Fault, error_list

NO_DEVICE = {"id": "", "name": "", "platform": ""}


def change_password(
    principal: Principal | None,
    *,
    new_password: str,
    current_password: str | None = None,
    code: str | None = None,
    phone: str | None = None,
    device: Mapping[str, str] | None = None,
    second_fact: Mapping[str, Any] | None = None,
) -> None:
    """Set the password and end all other sessions.

    The caller gives the old password or a code (purpose `reset`) to the own phone; somebody who is not signed in gives
    `phone` and `code`, and may name the `device`. The phone and the inbox get a notice. Asked for what was done in the
    last ten minutes, as after a lost answer, does nothing. Raises Unauthorized, WrongPassword, WrongCode,
    WrongSecondFact (401), RegistrationRequired, SecondFactRequired, PhoneNeeded (409), InvalidPayload (422),
    TooManyRequests (429), Busy (503).
    """
    if principal is not None:
        _change_own(principal, new_password, current_password, code, phone)
    elif phone is None or code is None:
        raise Unauthorized()
    else:
        _reset(phone, code, new_password, device or NO_DEVICE, second_fact)


def _change_own(
    principal: Principal, new_password: str, current_password: str | None, code: str | None, phone: str | None
) -> None:
    volunteer = db.session.get_one(Volunteer, principal.volunteer_id)
    if phone is not None and phone != volunteer.phone:
        raise InvalidPayload(error_list({"phone": [Fault("not_own_phone", "This is not your own number.")]}))
    device = queries.device_of(principal.session_id)
    if code is not None and volunteer.phone is None:
        raise PhoneNeeded()
    own_phone, handle = volunteer.phone or "", volunteer.phone or volunteer.volunteer_number
    if passwords.was_just_set(handle, new_password, device):
        return
    made = _accepted(volunteer, new_password)
    if current_password is not None:
        passwords.right_owner(handle, current_password, device)
    elif code is not None:
        passwords.count_guess(handle, device)
        unused_code(own_phone, code, device, CodePurpose.RESET).used_at = clock.now()
        recycling.note_proof(principal.volunteer_id)
    _keep(principal.volunteer_id, own_phone or None, made)
    end_sessions_of(principal.volunteer_id, besides=principal.session_id)


def _reset(
    phone: str, code: str, new_password: str, device: Mapping[str, str], second_fact: Mapping[str, Any] | None
) -> None:
    if was_just_used(phone, code, CodePurpose.RESET) and passwords.is_right(phone, new_password):
        return
    claim = recycling.weigh(phone, second_fact)
    # Judged without the name, which only a right code may ask about, and hashed before anything is locked.
    made = passwords.accepted_hash(
        new_password, personal=passwords.personal_words(phone=phone, name=""), field_name="new_password"
    )
    row = unused_code(phone, code, device, CodePurpose.RESET)
    volunteer = queries.volunteer_by_phone(phone)
    if volunteer is None:
        raise RegistrationRequired()
    recycling.require_owner(volunteer, device, row, claim)
    row.used_at = clock.now()
    recycling.note_proof(volunteer.id)
    _keep(volunteer.id, phone, made)
    end_sessions_of(volunteer.id)


def _keep(volunteer_id: UUID, phone: str | None, made: str) -> None:
    passwords.keep(volunteer_id, made)
    events.publish(PasswordChanged(volunteer_id=volunteer_id))
    notices.tell_phone(phone, Notice.PASSWORD_CHANGED)


def _accepted(volunteer: Volunteer, new_password: str) -> str:
    words = passwords.personal_words(
        phone=volunteer.phone, name=volunteer.name, volunteer_number=volunteer.volunteer_number
    )
    return passwords.accepted_hash(new_password, personal=words, field_name="new_password")
