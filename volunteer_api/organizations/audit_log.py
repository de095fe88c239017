"""The audit log, as auditors and the people whom it concerns read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.accounts.service import masked_name
from volunteer_api.core import audit
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction, AuditEntry
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.organizations.access import Permission, granted_scope_ids, holds_everything
from volunteer_api.organizations.models import Organization
from volunteer_api.organizations.queries import ever_under, stood_under


@dataclass(frozen=True)
class Person:
    id: UUID
    name: str


@dataclass(frozen=True)
class EntryView:
    id: UUID
    at: datetime
    action: str
    actor: Person | None
    subject: Person | None
    organization_id: UUID | None
    network: str | None
    request_id: str | None
    details: Mapping[str, Any]


@dataclass(frozen=True)
class OwnEntryView:
    id: UUID
    at: datetime
    action: str
    by_me: bool
    actor: str | None
    network: str | None


def list_entries(*, by: Principal, query: Mapping[str, Any]) -> Page:
    """The entries of the organizations over which `by` has audit.read, the newest first.

    An entry stays with those who were above its organization when it was written, wherever that moves. Those of no
    organization (sign-ins, and what people do to their own data) are for who has audit.read over every root: nothing
    says whose they are. Each page that is read becomes an entry itself, of the person looked for where one is named.
    One statement to read.
    """
    actor, subject = aliased(Volunteer), aliased(Volunteer)
    statement = (
        select(AuditEntry, actor.name.label("actor_name"), subject.name.label("subject_name"))
        .outerjoin(actor, actor.id == AuditEntry.actor_id)
        .outerjoin(subject, subject.id == AuditEntry.subject_id)
        .where(_visible(by.volunteer_id, query.get("organization_id")), *_filters(query))
    )
    found = page(statement, [_newest_first()], query, scope=str(by.volunteer_id))
    audit.record(
        AuditAction.DATA_READ,
        actor_id=by.volunteer_id,
        subject_id=query.get("subject_id"),
        organization_id=query.get("organization_id"),
        what="audit_entries",
    )
    return Page([_view(row) for row in found.items], found.next_cursor)


def list_own_entries(*, by: Principal, query: Mapping[str, Any]) -> Page:
    """What concerns the caller, the newest first; who did it with a masked name. One statement.

    The network address of another who is known is her data, and left out.
    """
    statement = (
        select(AuditEntry, Volunteer.name.label("actor_name"))
        .outerjoin(Volunteer, Volunteer.id == AuditEntry.actor_id)
        .where(AuditEntry.subject_id == by.volunteer_id)
    )
    found = page(statement, [_newest_first()], query, scope=str(by.volunteer_id))
    views = [
        OwnEntryView(
            id=row.AuditEntry.id,
            at=row.AuditEntry.created_at,
            action=row.AuditEntry.action,
            by_me=row.AuditEntry.actor_id == by.volunteer_id,
            actor=None if row.actor_name is None else masked_name(row.actor_name),
            network=row.AuditEntry.network if row.AuditEntry.actor_id in (None, by.volunteer_id) else None,
        )
        for row in found.items
    ]
    return Page(views, found.next_cursor)


def _newest_first() -> Key:
    return Key(AuditEntry.id, read=lambda row: row.AuditEntry.id, descending=True)


def _visible(volunteer_id: UUID, organization_id: UUID | None) -> ColumnElement[bool]:
    """`organization_id`, to which the caller may look, narrows what is visible, and adds nothing."""
    scopes = granted_scope_ids(volunteer_id, Permission.AUDIT_READ)
    visible = and_(
        # Said twice: the first serves the index, the second is the rule.
        AuditEntry.organization_id.in_(ever_under(scopes)),
        stood_under(AuditEntry.organization_id, AuditEntry.id, scopes),
    )
    if organization_id is not None:
        wanted = select(Organization.id).where(Organization.id == organization_id)
        return and_(visible, stood_under(AuditEntry.organization_id, AuditEntry.id, wanted))
    over_all = holds_everything(volunteer_id, Permission.AUDIT_READ)
    return or_(visible, and_(AuditEntry.organization_id.is_(None), over_all))


def _filters(query: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = [
        column == query[name]
        for name, column in (
            ("action", AuditEntry.action),
            ("actor_id", AuditEntry.actor_id),
            ("subject_id", AuditEntry.subject_id),
        )
        if name in query
    ]
    if "since" in query:
        wanted.append(AuditEntry.created_at >= query["since"])
    if "until" in query:
        wanted.append(AuditEntry.created_at < query["until"])
    return wanted


def _view(row: Any) -> EntryView:
    entry: AuditEntry = row.AuditEntry
    return EntryView(
        id=entry.id,
        at=entry.created_at,
        action=entry.action,
        actor=_person(entry.actor_id, row.actor_name),
        subject=_person(entry.subject_id, None if row.subject_name is None else masked_name(row.subject_name)),
        organization_id=entry.organization_id,
        network=entry.network,
        request_id=entry.request_id,
        details=entry.details,
    )


def _person(volunteer_id: UUID | None, name: str | None) -> Person | None:
    return None if volunteer_id is None else Person(volunteer_id, name or "")
