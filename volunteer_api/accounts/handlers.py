"""What accounts and the audit log hold about a person, for the export."""

from typing import Any
from uuid import UUID

from sqlalchemy import case, false, func, or_, select

from volunteer_api.accounts import guardians, resident_ids
from volunteer_api.accounts.contacts import person_of
from volunteer_api.accounts.models import Consent, DeviceSession, Password, SignInCode, Volunteer
from volunteer_api.accounts.resident_numbers import masked
from volunteer_api.accounts.service import masked_phone
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.core.personal_data import exported, rows


@exported("account")
def account(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The account itself; that there is a password, never what it is."""
    return rows(
        select(
            Volunteer.id,
            Volunteer.volunteer_number,
            Volunteer.name,
            Volunteer.phone,
            Volunteer.phone_proven_at,
            Volunteer.birth_date,
            Volunteer.home_division,
            Volunteer.created_at,
            Volunteer.erases_at,
            Password.changed_at.label("password_changed_at"),
        )
        .outerjoin(Password, Password.volunteer_id == Volunteer.id)
        .where(Volunteer.id == volunteer_id)
    )


@exported(
    "profile",
    masks={"resident_id": masked, "emergency_contact_phone": masked_phone, "guardian_contact_phone": masked_phone},
)
def profile(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The profile, with the resident ID in full: its owner may see it here alone."""
    volunteer = db.session.get_one(Volunteer, volunteer_id)
    emergency = person_of(volunteer.emergency_contact, volunteer_id)
    guardian = person_of(volunteer.guardian_contact, volunteer_id)
    return [
        {
            "skills": volunteer.skills,
            "service_categories": volunteer.service_categories,
            "photo_id": volunteer.photo_id,
            "resident_id": resident_ids.number_of(volunteer_id),
            "emergency_contact_name": emergency.name if emergency is not None else None,
            "emergency_contact_phone": emergency.phone if emergency is not None else None,
            "guardian_contact_name": guardian.name if guardian is not None else None,
            "guardian_contact_phone": guardian.phone if guardian is not None else None,
        }
    ]


@exported("guardians", masks={"phone": masked_phone})
def guardian_history(volunteer_id: UUID) -> list[dict[str, Any]]:
    """Who consented for a minor."""
    return guardians.personal_data(volunteer_id)


@exported("devices")
def devices(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The phones on which the person is or was signed in, the one used last first."""
    return rows(
        select(
            DeviceSession.id,
            DeviceSession.device_id,
            DeviceSession.device_name,
            DeviceSession.platform,
            DeviceSession.created_at,
            DeviceSession.last_used_at,
            DeviceSession.expires_at,
            DeviceSession.ended_at,
        )
        .where(DeviceSession.volunteer_id == volunteer_id)
        .order_by(DeviceSession.last_used_at.desc(), DeviceSession.id)
    )


@exported("codes")
def sent_codes(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The codes sent to the person's phone in the last minutes, without the codes: only their digests are kept."""
    return rows(
        select(SignInCode.phone, SignInCode.purpose, SignInCode.created_at, SignInCode.expires_at, SignInCode.used_at)
        .join(Volunteer, Volunteer.phone == SignInCode.phone)
        .where(Volunteer.id == volunteer_id)
        .order_by(SignInCode.created_at.desc())
    )


@exported("consents")
def consents(volunteer_id: UUID) -> list[dict[str, Any]]:
    """What the person consented to, and took back."""
    return rows(
        select(Consent.kind, Consent.version, Consent.given_at, Consent.withdrawn_at)
        .where(Consent.volunteer_id == volunteer_id)
        .order_by(Consent.given_at.desc(), Consent.id)
    )


@exported("audit_entries")
def audit_entries(volunteer_id: UUID) -> list[dict[str, Any]]:
    """What the log says that the person did, and what others did to their data, the latest first.

    Another's network address and request are another's data: left out.
    """
    by_me = AuditEntry.actor_id == volunteer_id
    return rows(
        select(
            AuditEntry.created_at,
            AuditEntry.action,
            func.coalesce(by_me, false()).label("done_by_me"),
            AuditEntry.actor_id,
            AuditEntry.subject_id,
            AuditEntry.organization_id,
            case((by_me, AuditEntry.network)).label("network"),
            case((by_me, AuditEntry.request_id)).label("request_id"),
            AuditEntry.details,
        )
        .where(or_(by_me, AuditEntry.subject_id == volunteer_id))
        .order_by(AuditEntry.created_at.desc(), AuditEntry.id.desc())
    )
