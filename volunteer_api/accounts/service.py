"""Registering, and how others name and find a person."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from uuid import UUID

from volunteer_api.accounts import consents as consent_rows
from volunteer_api.accounts import contacts, guardians, passwords, queries, recycling
from volunteer_api.accounts.ages import is_under_age
from volunteer_api.accounts.codes import right_code, unused_code
from volunteer_api.accounts.consent_texts import ConsentKind
from volunteer_api.accounts.events import PhoneProven
from volunteer_api.accounts.models import CodePurpose, Volunteer
from volunteer_api.accounts.problems import AlreadyRegistered, GuardianMustConsent
from volunteer_api.accounts.sessions import Tokens, open_session, repeat_outcome
from volunteer_api.core import audit, clock, events, ids, keyring
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.limits import spend

# Per account: who may invite by phone must not learn whose phones are registered.
PHONES_LOOKED_UP = "30/hour"


def register(
    *,
    phone: str,
    code: str,
    name: str,
    consents: Sequence[Mapping[str, str]],
    device: Mapping[str, str],
    birth_date: date | None = None,
    home_division: str | None = None,
    guardian: Mapping[str, str] | None = None,
    guardian_contact: Mapping[str, str] | None = None,
    password: str | None = None,
    replaces_former_owner: bool = False,
) -> Tokens:
    """Make an account for the owner of `phone` and open its first session.

    The same code from the same device gives the same account and session again for ten minutes: the answer may have
    been lost. Under 14 `guardian` {name, phone, code} consents too, with a code of her own; from 14 to 17
    `guardian_contact` {name, phone} may stand for her. With `replaces_former_owner` a number that was not proven for
    long is taken from the account that has it, which keeps all else. Raises InvalidPayload (422) for a common
    password, Busy (503), WrongCode (401), TooManyRequests (429), AlreadyRegistered, GuardianNeeded,
    GuardianContactNeeded and what guardians.set_guardian raises (409; the code stays good).
    """
    words = passwords.personal_words(phone=phone, name=name)
    # First, because the unit begins anew after it.
    made = None
    if password is not None:
        made = passwords.accepted_hash(password, personal=words, field_name="password")
    row = right_code(phone, code, device)
    volunteer = find_by_phone(phone)
    if row.used_at is not None:
        return repeat_outcome(row, volunteer, device)
    is_recycled = volunteer is not None and recycling.may_be_recycled(volunteer, device)
    if volunteer is not None and not (replaces_former_owner and is_recycled):
        raise AlreadyRegistered(case="recycled" if is_recycled else "")
    _check_guardian(birth_date, consents, guardian, guardian_contact)
    # Before anything is written: a wrong code commits.
    proof = None
    if guardian is not None:
        # A used one was another child's: a lost answer of this one's was repeated above.
        proof = unused_code(guardian["phone"], guardian["code"], device, CodePurpose.GUARDIAN)
    if volunteer is not None:
        recycling.release_phone(volunteer)
        db.session.flush()
    volunteer = create_volunteer(
        phone=phone, name=name, birth_date=birth_date, home_division=home_division, consents=_own(consents, birth_date)
    )
    if guardian is not None and proof is not None:
        guardians.set_guardian(volunteer, name=guardian["name"], phone=guardian["phone"], proof=proof)
    if guardian_contact is not None:
        volunteer.guardian_contact = contacts.seal(guardian_contact, volunteer.id)
        db.session.flush()
    audit.record(AuditAction.REGISTERED, actor_id=volunteer.id, subject_id=volunteer.id)
    if made is not None:
        passwords.keep(volunteer.id, made)
    events.publish(PhoneProven(volunteer_id=volunteer.id, phone=phone))
    return open_session(volunteer, device, opened_by=row)


def create_volunteer(
    *,
    phone: str,
    name: str,
    birth_date: date | None = None,
    home_division: str | None = None,
    consents: Sequence[Mapping[str, str]] = (),
) -> Volunteer:
    """Write the account with its consents [{kind, version}]. The unique phone judges a race."""
    volunteer = Volunteer(
        volunteer_number=ids.readable(10),
        phone=phone,
        phone_proven_at=clock.now(),
        name=name,
        birth_date=birth_date,
        home_division=home_division,
    )
    db.session.add(volunteer)
    db.session.flush()
    for consent in consents:
        consent_rows.give(volunteer.id, kind=consent["kind"], version=consent["version"])
    return volunteer


def find_by_phone(phone: str) -> Volunteer | None:
    """The account of an E.164 number, None where there is none."""
    return queries.volunteer_by_phone(phone)


def find_by_phones(phones: Collection[str]) -> dict[str, UUID]:
    """The ids of the accounts that these E.164 numbers have, by number. One statement."""
    return queries.ids_by_phone(phones)


def look_up(phone: str, *, by: Principal) -> Volunteer | None:
    """`find_by_phone` for somebody who names another's phone: counted, 30 an hour.

    The refusals that follow must have `keeps_writes`, or the count is lost with them. Raises TooManyRequests (429).
    """
    spend(PHONES_LOOKED_UP, "phones looked up", who=str(by.volunteer_id))
    return find_by_phone(phone)


def phone_digest(phone: str) -> bytes:
    """What an E.164 number that was only typed in is found by again, once its owner proves to have it."""
    return keyring.look_up("phones", phone)


def masked_name(name: str) -> str:
    """A name as those see it whom its owner has not accepted yet: `王*`."""
    return f"{name[:1]}*"


def masked_phone(phone: str | None) -> str:
    """A phone as others may see it: `138****0001`; "" where there is none."""
    if phone is None:
        return ""
    local = phone.removeprefix("+86")
    return f"{local[:3]}****{local[-4:]}"


def _check_guardian(
    birth_date: date | None,
    consents: Sequence[Mapping[str, str]],
    guardian: Mapping[str, str] | None,
    guardian_contact: Mapping[str, str] | None,
) -> None:
    """Raise what is missing for somebody of this age to register."""
    consented = any(consent["kind"] == ConsentKind.GUARDIAN for consent in consents)
    if guardian is None and consented:
        raise GuardianMustConsent()
    guardians.require_guardian(birth_date, has_guardian=guardian is not None, has_contact=guardian_contact is not None)


def _own(consents: Sequence[Mapping[str, str]], birth_date: date | None) -> list[Mapping[str, str]]:
    """The consents that the volunteer gives: the guardian's is written with the guardian, a minor is not named."""
    is_minor = is_under_age(birth_date, clock.today())
    left_out = {ConsentKind.GUARDIAN, *([ConsentKind.RANKING_NAME] if is_minor else [])}
    return [consent for consent in consents if consent["kind"] not in left_out]
