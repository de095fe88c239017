"""The resident ID: optional, sealed, found only by a keyed digest; one ID is one account."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import delete, select

from volunteer_api.accounts import queries
from volunteer_api.accounts.consent_texts import ConsentKind
from volunteer_api.accounts.models import ResidentId, Volunteer
from volunteer_api.accounts.problems import PhoneNeeded, ResidentIdConsentNeeded, ResidentIdTaken
from volunteer_api.accounts.resident_numbers import masked
from volunteer_api.core import audit, keyring, keys
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.limits import spend
from volunteer_api.core.statements import row_count

PURPOSE = "resident id"
# Per account: whose ID has an account must not be found out by trying.
NUMBERS_TRIED = "10/day"


def store(volunteer_id: UUID, number: str) -> None:
    """Let `number`, normalized, be this volunteer's. Nothing changes where it is already.

    Raises ResidentIdConsentNeeded, ResidentIdTaken, PhoneNeeded (409), TooManyRequests (429) after ten in a day.
    """
    # Held: a withdrawal at the same moment finds the number stored, and deletes it.
    if not queries.hold_consent(volunteer_id, ConsentKind.RESIDENT_ID):
        raise ResidentIdConsentNeeded()
    digest = keyring.look_up(PURPOSE, number)
    # Before it is compared: the answer must not tell whether the number is the stored one.
    _require_phone(volunteer_id)
    own = queries.resident_id_of(volunteer_id)
    if own is not None and own.digest == digest:
        return
    spend(NUMBERS_TRIED, "resident IDs tried", who=str(volunteer_id))
    if queries.resident_id_by_digest(digest) is not None:
        raise ResidentIdTaken()
    sealed = keyring.encrypt(PURPOSE, number.encode(), volunteer_id.bytes)
    if own is None:
        db.session.add(ResidentId(volunteer_id=volunteer_id, sealed=sealed, digest=digest))
    else:
        own.sealed, own.digest = sealed, digest
    db.session.flush()
    audit.record(AuditAction.RESIDENT_ID_CHANGED, actor_id=volunteer_id, subject_id=volunteer_id, stored=True)


def remove(volunteer_id: UUID) -> None:
    """Delete the stored number; nothing where there is none. Raises PhoneNeeded (409)."""
    if queries.resident_id_of(volunteer_id) is not None:
        _require_phone(volunteer_id)
    if row_count(db.session.execute(delete(ResidentId).where(ResidentId.volunteer_id == volunteer_id))):
        audit.record(AuditAction.RESIDENT_ID_CHANGED, actor_id=volunteer_id, subject_id=volunteer_id, stored=False)


def is_of(volunteer_id: UUID, number: str) -> bool:
    """Whether `number`, normalized, is the one stored for this volunteer."""
    row = queries.resident_id_of(volunteer_id)
    return row is not None and keys.same(row.digest, keyring.look_up(PURPOSE, number))


def number_of(volunteer_id: UUID) -> str | None:
    """The whole number: only for its owner's export, and for comparing. Everybody is shown `masked_number_of`."""
    row = queries.resident_id_of(volunteer_id)
    return keyring.decrypt(PURPOSE, row.sealed, volunteer_id.bytes).decode() if row is not None else None


def numbers_of(volunteer_ids: Collection[UUID]) -> dict[UUID, str]:
    """The whole numbers of those who gave one: only to be handed over where each consented to just that."""
    found = db.session.scalars(select(ResidentId).where(ResidentId.volunteer_id.in_(volunteer_ids)))
    return {row.volunteer_id: keyring.decrypt(PURPOSE, row.sealed, row.volunteer_id.bytes).decode() for row in found}


def masked_number_of(volunteer_id: UUID) -> str | None:
    """The number as its owner is shown it: `410***********1234`."""
    number = number_of(volunteer_id)
    return masked(number) if number is not None else None


def _require_phone(volunteer_id: UUID) -> None:
    """Raise PhoneNeeded (409) where the account has no number: its next one is judged by the resident ID.

    Whoever stole a session would store a number of his own choice, or take away what keeps him out.
    """
    if db.session.get_one(Volunteer, volunteer_id).phone is None:
        raise PhoneNeeded()
