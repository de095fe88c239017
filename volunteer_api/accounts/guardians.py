"""Minors [PIPL 31; 未成年人保护法 72, 73]: under 14 a guardian consents by a code, from 14 to 17 one can be called."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from volunteer_api.accounts import consents, contacts, erasure, notices, queries
from volunteer_api.accounts.ages import is_under_age, needs_guardian, youngest_adult
from volunteer_api.accounts.codes import right_code, unused_code
from volunteer_api.accounts.consent_texts import ConsentKind, current_texts
from volunteer_api.accounts.contacts import Person
from volunteer_api.accounts.models import CodePurpose, Guardian, SignInCode, Volunteer
from volunteer_api.accounts.problems import (
    BirthDateKept,
    GuardianContactNeeded,
    GuardianIsMinor,
    GuardianMustConsent,
    GuardianNeeded,
    NotMinor,
    TooManyWards,
    WrongCode,
)
from volunteer_api.accounts.senders.base import Notice
from volunteer_api.core import audit, clock
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.settings import rules

# One grown-up does not consent for a whole school class.
MOST_WARDS = 5
BATCH = 100
# In the place of a guardian who is forgotten: the columns are not empty, for the release before reads them.
NOBODY: Mapping[str, str] = {"name": "", "phone": ""}
NO_DIGEST = b""


def is_minor(volunteer: Volunteer, on: date) -> bool:
    """Whether somebody is under 18 on a day; not where the date of birth is unknown."""
    return is_under_age(volunteer.birth_date, on)


def require_guardian(birth_date: date | None, *, has_guardian: bool, has_contact: bool) -> None:
    """Raise GuardianNeeded under 14, GuardianContactNeeded from 14 to 17 (409) where what the law asks is missing."""
    today = clock.today()
    if has_guardian:
        return
    if needs_guardian(birth_date, today):
        raise GuardianNeeded()
    if is_under_age(birth_date, today) and not has_contact:
        raise GuardianContactNeeded()


def require_consent(volunteer: Volunteer, given: Mapping[str, str] | None, device: Mapping[str, str]) -> None:
    """Let somebody sign in who may consent herself, or for whom a guardian consents, if only by `given` {name, phone,
    code} now.

    Raises GuardianNeeded (409) and what `set_guardian` raises.
    """
    if not needs_guardian(volunteer.birth_date, clock.today()) or queries.hold_guardian(volunteer.id) is not None:
        return
    if given is None:
        erases_at = clock.stamp(volunteer.erases_at) if volunteer.erases_at is not None else None
        raise GuardianNeeded(members={"erases_at": erases_at})
    proof = unused_code(given["phone"], given["code"], device, CodePurpose.GUARDIAN)
    set_guardian(volunteer, name=given["name"], phone=given["phone"], proof=proof)


def prove(phone: str, code: str, device: Mapping[str, str]) -> SignInCode:
    """The guardian's code row, locked, if the code is right.

    Before anything else is written: the refusals of a wrong code are committed. Raises WrongCode (401),
    TooManyRequests (429).
    """
    return right_code(phone, code, device, CodePurpose.GUARDIAN)


def require_word(volunteer: Volunteer, code: str | None, device: Mapping[str, str]) -> None:
    """Let a date of birth become one with less protection where the guardian says so, by a code, which is used up.

    A child may name whom she likes: who took another's place has to have consented for so long that the one before,
    who got a message, could object. Before anything else is written: the refusal of a wrong code is committed. Raises
    BirthDateKept (409), WrongCode (401), TooManyRequests (429).
    """
    known, row = queries.guardians_of(volunteer.id), queries.guardian_of(volunteer.id)
    if row is None:
        raise BirthDateKept(case="guardian_gone" if known else "no_guardian")
    days = rules().recycled_after_days
    took_over = any(one.phone_digest != row.phone_digest for one in known)
    if took_over and row.consented_at > clock.now() - timedelta(days=days):
        raise BirthDateKept(case="new_guardian", days=days)
    if code is None:
        raise BirthDateKept()
    phone = contacts.unseal(row.contact, volunteer.id).phone
    unused_code(phone, code, device, CodePurpose.GUARDIAN).used_at = clock.now()


def set_guardian(volunteer: Volunteer, *, name: str, phone: str, proof: SignInCode) -> None:
    """Let the owner of `phone`, whose code `proof` is, be the guardian; the one before is kept as withdrawn.

    The guardian consents to the text in force. Handed in again, the same code and phone change nothing.
    Raises WrongCode (401) for a code used for another, NotMinor, GuardianMustConsent for the volunteer's own phone,
    GuardianIsMinor, TooManyWards (409; the code stays good).
    """
    today = clock.today()
    if volunteer.birth_date is not None and not is_minor(volunteer, today):
        raise NotMinor()
    if phone == volunteer.phone:
        raise GuardianMustConsent()
    digest = contacts.phone_digest(phone)
    before = queries.guardian_of(volunteer.id)
    if proof.used_at is not None:
        if before is not None and before.phone_digest == digest:
            return
        raise WrongCode(case=CodePurpose.GUARDIAN)
    other = queries.volunteer_by_phone(phone)
    if other is not None and is_minor(other, today):
        raise GuardianIsMinor()
    if queries.ward_count(digest, besides=volunteer.id) >= MOST_WARDS:
        raise TooManyWards()
    proof.used_at = clock.now()
    if before is not None:
        before.withdrawn_at = clock.now()
        db.session.flush()
        # A child may name whom she likes: who consented until now must hear of it.
        notices.tell_phone(contacts.unseal(before.contact, volunteer.id).phone, Notice.GUARDIAN_REPLACED)
    elif volunteer.erases_at is not None and needs_guardian(volunteer.birth_date, today):
        # Without a consent the account was to go.
        erasure.keep(volunteer)
    version = current_texts()[ConsentKind.GUARDIAN].version
    db.session.add(
        Guardian(
            volunteer_id=volunteer.id,
            contact=contacts.seal({"name": name, "phone": phone}, volunteer.id),
            phone_digest=digest,
            version=version,
            consented_at=clock.now(),
        )
    )
    consents.give_anew(volunteer.id, kind=ConsentKind.GUARDIAN, version=version)
    audit.record(AuditAction.GUARDIAN_CHANGED, actor_id=volunteer.id, subject_id=volunteer.id, stored=True)


def remove_guardian(volunteer: Volunteer) -> None:
    """Take the guardian's consent back; nothing where there is none.

    Raises GuardianNeeded, GuardianContactNeeded (409) while the law asks for a guardian.
    """
    row = queries.guardian_of(volunteer.id)
    if row is None:
        return
    require_guardian(volunteer.birth_date, has_guardian=False, has_contact=volunteer.guardian_contact is not None)
    row.withdrawn_at = clock.now()
    consents.withdraw(volunteer.id, ConsentKind.GUARDIAN)
    db.session.flush()
    audit.record(AuditAction.GUARDIAN_CHANGED, actor_id=volunteer.id, subject_id=volunteer.id, stored=False)


def forget_of_age() -> int:
    """Forget who the guardians of those were who are of age now; returns of how many, at most a batch.

    No law and no purpose needs these names any more. That somebody consented, to what and when, stays as proof.
    """
    found = queries.grown_up_wards(youngest_adult(clock.today()), BATCH)
    for volunteer in found:
        volunteer.guardian_contact = None
        for row in queries.guardians_of(volunteer.id):
            if row.withdrawn_at is None:
                row.withdrawn_at = clock.now()
                consents.withdraw(volunteer.id, ConsentKind.GUARDIAN)
            row.contact, row.phone_digest = contacts.seal(NOBODY, volunteer.id), NO_DIGEST
        audit.record(AuditAction.GUARDIAN_CHANGED, subject_id=volunteer.id, stored=False, by="age")
    db.session.flush()
    return len(found)


def guardian_person(volunteer_id: UUID) -> Person | None:
    """The guardian who consents for an account now, with the whole phone."""
    row = queries.guardian_of(volunteer_id)
    return contacts.unseal(row.contact, volunteer_id) if row is not None else None


def personal_data(volunteer_id: UUID) -> list[dict[str, Any]]:
    """Every guardian that somebody ever had: {name, phone, version, consented_at, withdrawn_at}.

    Name and phone are None of those forgotten since she is of age.
    """
    return [
        {
            "name": person.name or None,
            "phone": person.phone or None,
            "version": row.version,
            "consented_at": row.consented_at,
            "withdrawn_at": row.withdrawn_at,
        }
        for row in queries.guardians_of(volunteer_id)
        for person in [contacts.unseal(row.contact, volunteer_id)]
    ]
