"""One's own data: seen, corrected, and shown in full to those few who may call somebody."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.accounts import consents, contacts, guardians, notices, queries, resident_ids
from volunteer_api.accounts.ages import is_under_age, needs_guardian
from volunteer_api.accounts.consent_texts import ConsentKind
from volunteer_api.accounts.contacts import Person, person_of
from volunteer_api.accounts.models import Volunteer
from volunteer_api.accounts.problems import (
    BirthDateKept,
    BirthDateMismatch,
    GuardianMustConsent,
    NotMinor,
    PhotoNotFound,
)
from volunteer_api.accounts.resident_numbers import birth_date_of
from volunteer_api.accounts.senders.base import Notice
from volunteer_api.accounts.service import masked_phone
from volunteer_api.core import audit, clock
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.files import queries as files
from volunteer_api.files.queries import FileView
from volunteer_api.files.service import load_own
from volunteer_api.files.uses import register_use

SEALED = ("emergency_contact", "guardian_contact")

register_use("accounts.photo", lambda: select(Volunteer.photo_id))


@dataclass(frozen=True)
class Me:
    """One's own data as one sees it: the own phone in full, the resident ID and the guardian's phone masked."""

    id: UUID
    version: int
    volunteer_number: str
    name: str
    phone: str | None
    birth_date: date | None
    home_division: str | None
    skills: list[str]
    service_categories: list[str]
    photo: FileView | None
    resident_id: str | None
    emergency_contact: Person | None
    guardian_contact: Person | None
    guardian: Person | None
    created_at: datetime
    erases_at: datetime | None


@dataclass(frozen=True)
class Contact:
    """Whom to call, with whole phones in E.164. `guardian` is who consented or, from 14 to 17, the contact named."""

    name: str
    phone: str | None
    emergency_contact: Person | None
    guardian: Person | None


def read(volunteer: Volunteer) -> Me:
    """All that somebody sees of the own account."""
    photos = files.views_of([volunteer.photo_id] if volunteer.photo_id is not None else [])
    guardian = guardians.guardian_person(volunteer.id)
    return Me(
        id=volunteer.id,
        version=volunteer.version,
        volunteer_number=volunteer.volunteer_number,
        name=volunteer.name,
        phone=volunteer.phone,
        birth_date=volunteer.birth_date,
        home_division=volunteer.home_division,
        skills=volunteer.skills,
        service_categories=volunteer.service_categories,
        photo=next(iter(photos.values()), None),
        resident_id=resident_ids.masked_number_of(volunteer.id),
        emergency_contact=person_of(volunteer.emergency_contact, volunteer.id),
        guardian_contact=person_of(volunteer.guardian_contact, volunteer.id),
        guardian=Person(guardian.name, masked_phone(guardian.phone)) if guardian is not None else None,
        created_at=volunteer.created_at,
        erases_at=volunteer.erases_at,
    )


def correct(volunteer: Volunteer, *, principal: Principal, guardian_code: str | None = None, **changes: Any) -> Me:
    """Change what is named of name, birth_date, home_division, skills, service_categories, photo_id and the contacts.

    None clears. By `guardian_code`, sent to the guardian's phone, a minor's date of birth becomes one with less
    protection. Raises (409) GuardianNeeded, GuardianContactNeeded, GuardianMustConsent, NotMinor, BirthDateKept,
    BirthDateMismatch, PhotoNotFound; WrongCode (401), TooManyRequests (429).
    """
    if "birth_date" in changes:
        _check_birth_date(volunteer, changes["birth_date"], guardian_code, principal)
    if changes.get("photo_id") is not None:
        _use_photo(principal, changes["photo_id"])
    if "birth_date" in changes or "guardian_contact" in changes:
        _check_guardian(volunteer, changes)
    if changes.get("name", volunteer.name) != volunteer.name:
        audit.record(AuditAction.NAME_CHANGED, actor_id=principal.volunteer_id, subject_id=volunteer.id)
    before = volunteer.birth_date
    if changes.get("birth_date", before) != before:
        less = _protection(changes["birth_date"], clock.today()) < _protection(before, clock.today())
        _note_birth_date(volunteer, changes["birth_date"], by="guardian" if less else "owner")
    for name, value in changes.items():
        if name in SEALED:
            _set_contact(volunteer, name, value)
        else:
            setattr(volunteer, name, [] if value is None and name in ("skills", "service_categories") else value)
    # The answer shows the version that the UPDATE gave.
    db.session.flush()
    return read(volunteer)


def set_resident_id(volunteer: Volunteer, *, resident_id: str) -> Me:
    """Store the resident ID, normalized. The date of birth is taken from it where none was told.

    It also corrects one that made a minor, where no guardian ever consented; who was named to call hears of it.
    Raises (409) ResidentIdConsentNeeded, BirthDateMismatch, GuardianNeeded, GuardianContactNeeded, ResidentIdTaken,
    PhoneNeeded; TooManyRequests (429).
    """
    born, told = birth_date_of(resident_id), volunteer.birth_date
    is_correction = told is not None and told != born
    if is_correction:
        _require_mistyped(volunteer, born)
    if told is None:
        _require_guardian(volunteer, born, has_contact=volunteer.guardian_contact is not None)
    resident_ids.store(volunteer.id, resident_id)
    if told != born:
        _note_birth_date(volunteer, born, by="resident_id")
    if is_correction:
        contact = person_of(volunteer.guardian_contact, volunteer.id)
        notices.tell_phone(contact.phone if contact is not None else None, Notice.BIRTH_DATE_CORRECTED)
    volunteer.birth_date = born
    db.session.flush()
    return read(volunteer)


def set_guardian(volunteer: Volunteer, *, principal: Principal, name: str, phone: str, code: str) -> Me:
    """Let somebody be the guardian who reads the code that was sent to `phone`. Raises as guardians.set_guardian."""
    # No device that the guardian ever signed in on: wrong tries count with all others of the guardian's phone.
    proof = guardians.prove(phone, code, {"id": str(principal.session_id)})
    guardians.set_guardian(volunteer, name=name, phone=phone, proof=proof)
    return read(volunteer)


def contact_of(volunteer_id: UUID) -> Contact:
    """Whom to call about somebody, and how: for those who answer for this person.

    Each reading belongs in the audit log. Raises NotFound (404).
    """
    volunteer = queries.volunteer_by_id(volunteer_id)
    if volunteer is None:
        raise NotFound()
    return Contact(
        name=volunteer.name,
        phone=volunteer.phone,
        emergency_contact=person_of(volunteer.emergency_contact, volunteer.id),
        guardian=guardians.guardian_person(volunteer.id) or person_of(volunteer.guardian_contact, volunteer.id),
    )


def _set_contact(volunteer: Volunteer, name: str, contact: Mapping[str, str] | None) -> None:
    """Seal a contact where it is another: sealing the same one again would be a change to whoever edits too."""
    before = person_of(getattr(volunteer, name), volunteer.id)
    if contact is None or before != Person(**contact):
        setattr(volunteer, name, contacts.seal(contact, volunteer.id) if contact is not None else None)


def _use_photo(principal: Principal, file_id: UUID) -> None:
    try:
        load_own(principal, file_id)
    except NotFound as error:
        # The page itself is there; what its body names is not.
        raise PhotoNotFound() from error


def _check_birth_date(
    volunteer: Volunteer, birth_date: date | None, guardian_code: str | None, principal: Principal
) -> None:
    number = resident_ids.number_of(volunteer.id)
    if number is not None and birth_date != birth_date_of(number):
        raise BirthDateMismatch(case="date")
    today = clock.today()
    if _protection(birth_date, today) >= _protection(volunteer.birth_date, today):
        return
    if birth_date is None:
        raise BirthDateKept(case="cleared")
    guardians.require_word(volunteer, guardian_code, {"id": str(principal.session_id)})


def _require_mistyped(volunteer: Volunteer, born: date) -> None:
    """Let a resident ID correct a date of birth that asked for more than the law asks for, where none is escaped.

    Nobody looks whether the number is her own: where a guardian consented, the guardian decides.
    """
    today = clock.today()
    if _protection(born, today) >= _protection(volunteer.birth_date, today):
        raise BirthDateMismatch(case="number")
    if queries.guardians_of(volunteer.id):
        raise BirthDateMismatch(case="guardian")


def _note_birth_date(volunteer: Volunteer, birth_date: date | None, *, by: str) -> None:
    """Record a changed date of birth. What a minor can't consent to is no consent of the adult that she becomes."""
    if is_under_age(birth_date, clock.today()):
        consents.withdraw(volunteer.id, ConsentKind.RANKING_NAME)
    audit.record(AuditAction.BIRTH_DATE_CHANGED, actor_id=volunteer.id, subject_id=volunteer.id, by=by)


def _protection(birth_date: date | None, today: date) -> int:
    """How much the law asks for at this age: 2 under 14, 1 from 14 to 17, 0 for the others and where it is unknown."""
    return needs_guardian(birth_date, today) + is_under_age(birth_date, today)


def _check_guardian(volunteer: Volunteer, changes: Mapping[str, Any]) -> None:
    birth_date = changes.get("birth_date", volunteer.birth_date)
    contact = changes.get("guardian_contact")
    if contact is not None:
        if not is_under_age(birth_date, clock.today()):
            raise NotMinor()
        if contact["phone"] == volunteer.phone:
            raise GuardianMustConsent()
    kept = volunteer.guardian_contact is not None if "guardian_contact" not in changes else contact is not None
    _require_guardian(volunteer, birth_date, has_contact=kept)


def _require_guardian(volunteer: Volunteer, birth_date: date | None, *, has_contact: bool) -> None:
    has_guardian = queries.guardian_of(volunteer.id) is not None
    guardians.require_guardian(birth_date, has_guardian=has_guardian, has_contact=has_contact)
