"""What is read of accounts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.accounts.consent_texts import ConsentKind, current_texts
from volunteer_api.accounts.models import Consent, DeviceSession, Volunteer
from volunteer_api.core import clock
from volunteer_api.core.access import Principal
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
    """A text in force, and what somebody said to it; `given_version` is None where there is no consent."""

    kind: ConsentKind
    version: str
    required: bool
    url: str
    given_version: str | None
    given_at: datetime | None


def volunteer_by_id(volunteer_id: UUID) -> Volunteer | None:
    """The account, None where there is none."""
    return db.session.get(Volunteer, volunteer_id)


def volunteer_by_phone(phone: str) -> Volunteer | None:
    """The account of an E.164 number, None where there is none."""
    return db.session.scalar(select(Volunteer).where(Volunteer.phone == phone))


def was_signed_in(phone: str, device_id: str) -> bool:
    """Whether the owner of an E.164 number was ever signed in on the device."""
    found = (
        select(DeviceSession.id)
        .join(Volunteer, Volunteer.id == DeviceSession.volunteer_id)
        .where(Volunteer.phone == phone, DeviceSession.device_id == device_id)
    )
    return db.session.scalar(found.limit(1)) is not None


def open_session(principal: Principal, session_id: UUID) -> DeviceSession | None:
    """One of the caller's own open sessions."""
    return db.session.scalar(
        select(DeviceSession).where(
            DeviceSession.id == session_id,
            DeviceSession.volunteer_id == principal.volunteer_id,
            DeviceSession.ended_at.is_(None),
            DeviceSession.expires_at > clock.now(),
        )
    )


def open_sessions(principal: Principal, query: Mapping[str, Any]) -> Page:
    """The caller's open sessions, the one used last first."""
    found = page(
        select(DeviceSession).where(
            DeviceSession.volunteer_id == principal.volunteer_id,
            DeviceSession.ended_at.is_(None),
            DeviceSession.expires_at > clock.now(),
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
    return Page(
        [
            ConsentView(
                kind=kind,
                version=current.version,
                required=current.required,
                url=consent_url(kind, current.version),
                given_version=given[kind].version if kind in given else None,
                given_at=given[kind].given_at if kind in given else None,
            )
            for kind, current in current_texts().items()
        ],
        None,
    )


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
