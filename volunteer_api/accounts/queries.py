"""What is read of accounts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, or_, select

from volunteer_api.accounts.ages import is_under_age, of_age_on
from volunteer_api.accounts.consent_texts import ConsentKind, current_texts
from volunteer_api.accounts.models import Consent, DeviceSession, Guardian, ResidentId, Volunteer
from volunteer_api.core import clock
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction, AuditEntry
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.settings import settings


@dataclass(frozen=True)
class Device:
    """What a phone said about itself."""

    id: str
    name: str
    platform: str


@dataclass(frozen=True)
class SessionView:
    """An open session as its owner sees it."""

    id: UUID
    device: Device
    created_at: datetime
    last_used_at: datetime
    is_current: bool


@dataclass(frozen=True)
class ConsentView:
    """A text in force, and what somebody said to it; `given_version` is None where there is no consent.

    `available_from` is the day from which somebody can say yes to it, None where that can be said now.
    """

    kind: ConsentKind
    version: str
    required: bool
    url: str
    given_version: str | None
    given_at: datetime | None
    available_from: date | None


def volunteer_by_id(volunteer_id: UUID) -> Volunteer | None:
    """The account, None where there is none."""
    return db.session.get(Volunteer, volunteer_id)


def name_changed_at(volunteer_id: UUID) -> datetime | None:
    """When the account got the name that it has, None where it has its first: the audit log says so."""
    changed = (AuditEntry.subject_id == volunteer_id) & (AuditEntry.action == AuditAction.NAME_CHANGED)
    return db.session.scalar(select(func.max(AuditEntry.created_at)).where(changed))


def volunteer_by_phone(phone: str) -> Volunteer | None:
    """The account of an E.164 number, None where there is none."""
    return db.session.scalar(select(Volunteer).where(Volunteer.phone == phone))


def ids_by_phone(phones: Collection[str]) -> dict[str, UUID]:
    """The accounts that these E.164 numbers have, by number."""
    found = db.session.execute(select(Volunteer.phone, Volunteer.id).where(Volunteer.phone.in_(phones)))
    return {str(row.phone): row.id for row in found}


def volunteer_without_phone(volunteer_number: str) -> Volunteer | None:
    """The account with this volunteer number that has no phone and is not erased, locked."""
    return db.session.scalar(
        select(Volunteer)
        .where(Volunteer.volunteer_number == volunteer_number, Volunteer.phone.is_(None), Volunteer.erased_at.is_(None))
        .with_for_update()
    )


def id_by_phone(phone: str) -> UUID | None:
    """Whose E.164 number it is, None where it is nobody's."""
    return db.session.scalar(select(Volunteer.id).where(Volunteer.phone == phone))


def named_by(handle: str) -> ColumnElement[bool]:
    """That an account is the one of a handle: an E.164 number, which begins with a plus sign, or a volunteer number."""
    return (Volunteer.phone if handle.startswith("+") else Volunteer.volunteer_number) == handle


def device_of(session_id: UUID) -> dict[str, str]:
    """The device of a session, as requests name it."""
    session = db.session.get_one(DeviceSession, session_id)
    return {"id": session.device_id, "name": session.device_name, "platform": session.platform}


def was_signed_in(handle: str, device_id: str) -> bool:
    """Whether the owner of an E.164 number or of a volunteer number was ever signed in on the device."""
    found = (
        select(DeviceSession.id)
        .join(Volunteer, Volunteer.id == DeviceSession.volunteer_id)
        .where(named_by(handle), DeviceSession.device_id == device_id)
    )
    return db.session.scalar(found.limit(1)) is not None


def is_elsewhere(volunteer_id: UUID, device_id: str) -> bool:
    """Whether somebody is signed in on a device now, and never was on this one."""
    own = DeviceSession.volunteer_id == volunteer_id
    known = exists().where(own, DeviceSession.device_id == device_id)
    return bool(db.session.scalar(select(exists().where(own, *is_open()) & ~known)))


def open_session(principal: Principal, session_id: UUID) -> DeviceSession | None:
    """One of the caller's own open sessions."""
    return db.session.scalar(
        select(DeviceSession).where(
            DeviceSession.id == session_id,
            DeviceSession.volunteer_id == principal.volunteer_id,
            *is_open(),
        )
    )


def open_session_on(principal: Principal, device_id: str) -> DeviceSession | None:
    """The caller's own open session on a device: this one before another that signed in there at the same moment."""
    return db.session.scalar(
        select(DeviceSession)
        .where(DeviceSession.volunteer_id == principal.volunteer_id, DeviceSession.device_id == device_id, *is_open())
        .order_by((DeviceSession.id == principal.session_id).desc(), DeviceSession.created_at.desc(), DeviceSession.id)
        .limit(1)
    )


def is_open() -> tuple[ColumnElement[bool], ...]:
    """The conditions that a device session is open now."""
    return DeviceSession.ended_at.is_(None), DeviceSession.expires_at > clock.now()


def open_sessions(principal: Principal, query: Mapping[str, Any]) -> Page:
    """The caller's open sessions, the one used last first."""
    found = page(
        select(DeviceSession).where(
            DeviceSession.volunteer_id == principal.volunteer_id,
            *is_open(),
        ),
        [
            Key(DeviceSession.last_used_at, read=lambda session: session.last_used_at, descending=True),
            Key(DeviceSession.id, read=lambda session: session.id, descending=True),
        ],
        query,
        scope=str(principal.volunteer_id),
    )
    return Page([_view(session, principal) for session in found.items], found.next_cursor)


def consents_of(volunteer_id: UUID) -> Page:
    """Every text in force with what this volunteer said to it; never more than one page."""
    rows = db.session.execute(
        select(Consent.kind, Consent.version, Consent.given_at).where(
            Consent.volunteer_id == volunteer_id, Consent.withdrawn_at.is_(None)
        )
    )
    given = {row.kind: row for row in rows}
    naming = naming_from(volunteer_by_id(volunteer_id))
    return Page(
        [
            ConsentView(
                kind=kind,
                version=current.version,
                required=current.required,
                url=consent_url(kind, current.version),
                given_version=given[kind].version if kind in given else None,
                given_at=given[kind].given_at if kind in given else None,
                available_from=naming if kind == ConsentKind.RANKING_NAME else None,
            )
            for kind, current in current_texts().items()
        ],
        None,
    )


def naming_from(volunteer: Volunteer | None) -> date | None:
    """From which day on a minor can consent to be named in rankings; None where somebody can now."""
    if volunteer is None or volunteer.birth_date is None or not is_under_age(volunteer.birth_date, clock.today()):
        return None
    return of_age_on(volunteer.birth_date)


def hold_consent(volunteer_id: UUID, kind: ConsentKind) -> bool:
    """Whether somebody consents to this kind now; if so, who withdraws it waits until this unit ends."""
    live = select(Consent.id).where(
        Consent.volunteer_id == volunteer_id, Consent.kind == kind, Consent.withdrawn_at.is_(None)
    )
    return db.session.scalar(live.with_for_update(read=True)) is not None


def has_consent(volunteer_id: UUID, kind: ConsentKind) -> bool:
    """Whether somebody consents to this kind now, in whatever version."""
    return bool(db.session.scalar(select(consents_to(volunteer_id, kind))))


def consents_to(volunteer_id: Any, kind: ConsentKind) -> ColumnElement[bool]:
    """The same as a condition; `volunteer_id` may be a column or a parameter."""
    return exists().where(Consent.volunteer_id == volunteer_id, Consent.kind == kind, Consent.withdrawn_at.is_(None))


def resident_id_of(volunteer_id: UUID) -> ResidentId | None:
    """The stored resident ID of an account, sealed."""
    return db.session.scalar(select(ResidentId).where(ResidentId.volunteer_id == volunteer_id))


def resident_id_by_digest(digest: bytes) -> ResidentId | None:
    """The stored resident ID with this keyed digest, whosever it is."""
    return db.session.scalar(select(ResidentId).where(ResidentId.digest == digest))


def guardian_of(volunteer_id: UUID) -> Guardian | None:
    """The guardian who consents for an account now."""
    return db.session.scalar(
        select(Guardian).where(Guardian.volunteer_id == volunteer_id, Guardian.withdrawn_at.is_(None))
    )


def hold_guardian(volunteer_id: UUID) -> Guardian | None:
    """`guardian_of`; who withdraws waits until this unit ends."""
    return db.session.scalar(
        select(Guardian)
        .where(Guardian.volunteer_id == volunteer_id, Guardian.withdrawn_at.is_(None))
        .with_for_update(read=True)
    )


def guardians_of(volunteer_id: UUID) -> list[Guardian]:
    """Every guardian that an account ever had; the oldest first."""
    rows = select(Guardian).where(Guardian.volunteer_id == volunteer_id).order_by(Guardian.consented_at, Guardian.id)
    return list(db.session.scalars(rows))


def grown_up_wards(youngest: date, limit: int) -> list[Volunteer]:
    """Who was born by then and has a guardian whose name is known still; held, but whom somebody else holds."""
    known = exists().where(Guardian.volunteer_id == Volunteer.id, Guardian.phone_digest != b"")
    found = (
        select(Volunteer)
        .where(Volunteer.birth_date <= youngest, or_(Volunteer.guardian_contact.is_not(None), known))
        .order_by(Volunteer.id)
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
    )
    return list(db.session.scalars(found))


def ward_count(phone_digest: bytes, besides: UUID | None) -> int:
    """For how many accounts this phone's owner consents now, one account left out."""
    wards = (
        select(func.count())
        .select_from(Guardian)
        .where(Guardian.phone_digest == phone_digest, Guardian.withdrawn_at.is_(None))
    )
    if besides is not None:
        wards = wards.where(Guardian.volunteer_id != besides)
    return db.session.scalar(wards) or 0


def wards_of(phone_digest: bytes) -> list[tuple[Guardian, Volunteer]]:
    """Everybody for whom this phone's owner consents now, the oldest consent first; both rows locked."""
    found = db.session.execute(
        select(Guardian, Volunteer)
        .join(Volunteer, Volunteer.id == Guardian.volunteer_id)
        .where(Guardian.phone_digest == phone_digest, Guardian.withdrawn_at.is_(None))
        .order_by(Guardian.consented_at, Guardian.id)
        .with_for_update()
    )
    return [(row.Guardian, row.Volunteer) for row in found]


def consent_text_list() -> Page:
    """The texts in force, each with its address."""
    return Page(
        [
            {"kind": kind, "version": text.version, "required": text.required, "url": consent_url(kind, text.version)}
            for kind, text in current_texts().items()
        ],
        None,
    )


def consent_url(kind: str, version: str) -> str:
    """Where a text can be read."""
    return f"{settings().public_base_url}/api/v1/consent-texts/{kind}/{version}"


def _view(session: DeviceSession, principal: Principal) -> SessionView:
    return SessionView(
        id=session.id,
        device=Device(session.device_id, session.device_name, session.platform),
        created_at=session.created_at,
        last_used_at=session.last_used_at,
        is_current=session.id == principal.session_id,
    )
