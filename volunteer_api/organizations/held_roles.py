"""Who holds which role over what, as it is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select

from volunteer_api.accounts import service as accounts
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.organizations import queries
from volunteer_api.organizations.access import Permission, permitted_organization_ids
from volunteer_api.organizations.models import Grant, Organization, PendingGrant, ScopeType

# On one organization.
MOST_HELD = 1000


@dataclass(frozen=True)
class Scope:
    type: str
    id: UUID
    name: str


@dataclass(frozen=True)
class Grantee:
    """Who holds a grant, or the phone that it waits for; `phone` is masked; "" where she has none any more."""

    id: UUID | None
    name: str | None
    phone: str


@dataclass(frozen=True)
class GrantView:
    """`state` is granted or pending, None where the answer must not tell; `expires_at` ends the wait for a phone."""

    id: UUID
    role: str
    scope: Scope
    volunteer: Grantee
    granted_at: datetime
    state: str | None
    expires_at: datetime | None = None


@dataclass(frozen=True)
class HeldRoleView:
    role: str
    scope: Scope


@dataclass(frozen=True)
class HolderView:
    role: str
    volunteer: dict[str, Any]


@dataclass(frozen=True)
class HeldGrantView(HeldRoleView):
    id: UUID


def list_grants(*, by: Principal, query: Mapping[str, Any]) -> Page:
    """The live and the pending grants that `by` manages, oldest first. One statement; people's phones are masked.

    Here a grant by phone shows whether it took effect: who gives rights must see who has them.
    """
    reach = permitted_organization_ids(by.volunteer_id, Permission.GRANT_MANAGE)
    statement = queries.grants_in(reach, query.get("organization_id"), query.get("volunteer_id"), clock.now())
    keys = [Key(statement.selected_columns.id, read=lambda row: row.id)]
    found = page(statement, keys, query, scope=str(by.volunteer_id))
    views = [
        GrantView(
            id=row.id,
            role=row.role,
            scope=Scope(type=row.scope_type, id=row.scope_id, name=row.scope_name),
            volunteer=Grantee(
                id=row.volunteer_id,
                name=row.volunteer_name,
                phone=row.phone if row.volunteer_id is None else accounts.masked_phone(row.phone),
            ),
            granted_at=row.created_at,
            state="pending" if row.volunteer_id is None else "granted",
            expires_at=row.expires_at,
        )
        for row in found.items
    ]
    return Page(views, found.next_cursor)


def list_held_roles(*, by: Principal, query: Mapping[str, Any]) -> Page:
    """What the caller holds now, by grant or by membership. One statement."""
    statement = queries.held_by(by.volunteer_id)
    columns = statement.selected_columns
    keys = [
        Key(columns.scope_type, read=lambda row: row.scope_type),
        Key(columns.scope_id, read=lambda row: row.scope_id),
        Key(columns.role, read=lambda row: row.role),
    ]
    found = page(statement, keys, query, scope=str(by.volunteer_id))
    views = [
        HeldRoleView(role=row.role, scope=Scope(type=row.scope_type, id=row.scope_id, name=row.scope_name))
        for row in found.items
    ]
    return Page(views, found.next_cursor)


def own_grants(volunteer_id: UUID, *those: ColumnElement[bool], limit: int) -> list[HeldGrantView]:
    """The first of a volunteer's live grants, by their ids, that meet the conditions."""
    statement = queries.live_of(volunteer_id).where(*those).order_by(Grant.id).limit(limit)
    return [
        HeldGrantView(row.role, Scope(type=row.scope_type, id=row.scope_id, name=row.scope_name), row.id)
        for row in db.session.execute(statement)
    ]


def held_on(organization: Organization) -> list[HolderView]:
    """Who holds what by a grant that names this very organization; at most a thousand."""
    rows = db.session.execute(
        select(Grant.role, Volunteer.id, Volunteer.name)
        .join(Volunteer, Volunteer.id == Grant.volunteer_id)
        .where(
            Grant.scope_type == ScopeType.ORGANIZATION,
            Grant.scope_id == organization.id,
            Grant.revoked_at.is_(None),
        )
        .order_by(Grant.id)
        .limit(MOST_HELD)
    )
    return [HolderView(row.role, {"id": row.id, "name": row.name}) for row in rows]


def waiting_on(organization: Organization) -> Sequence[PendingGrant]:
    """What waits for a phone on this very organization, the first first; at most a thousand."""
    waiting = (
        select(PendingGrant)
        .where(
            PendingGrant.scope_type == ScopeType.ORGANIZATION,
            PendingGrant.scope_id == organization.id,
            PendingGrant.expires_at > clock.now(),
        )
        .order_by(PendingGrant.id)
        .limit(MOST_HELD)
    )
    return db.session.scalars(waiting).all()
