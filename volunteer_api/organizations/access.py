"""Who may do what where: roles, permissions, and the one question that every feature to the right asks."""

from collections.abc import Collection
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, select

from volunteer_api.core.access import Principal, for_signed_in, open_to_all
from volunteer_api.core.database import db
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.core.statements import among_constants
from volunteer_api.organizations import queries
from volunteer_api.organizations.models import Grant, Organization, PathMember, Role, ScopeType
from volunteer_api.organizations.problems import OrganizationClosed

MOST_HOLDERS = 100


class Permission(StrEnum):
    ORGANIZATION_MANAGE = "organization.manage"
    GRANT_MANAGE = "grant.manage"
    TEAM_MANAGE = "team.manage"
    STATION_MANAGE = "station.manage"
    STOCK_READ = "stock.read"
    STOCK_MOVE = "stock.move"
    # Second signatures: counts, transfers, closing a month, kit standards, recalls.
    STOCK_APPROVE = "stock.approve"
    ACTIVITY_CREATE = "activity.create"
    ACTIVITY_PUBLISH = "activity.publish"
    ACTIVITY_LEAD = "activity.lead"
    ATTENDANCE_READ = "attendance.read"
    HOURS_REVIEW = "hours.review"
    # Take records out for the national system, with names and, where consented, resident IDs.
    HOURS_EXPORT = "hours.export"
    RANKING_CLOSE = "ranking.close"
    AUDIT_READ = "audit.read"


READING = frozenset({Permission.STOCK_READ, Permission.ATTENDANCE_READ})

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.ADMINISTRATOR: frozenset(Permission),
    # Who is organized by somebody must not be watched by her too.
    Role.ORGANIZER: frozenset(Permission) - {Permission.AUDIT_READ},
    Role.INSPECTOR: READING,
    Role.AUDITOR: READING | {Permission.AUDIT_READ},
    Role.STATION_MANAGER: frozenset({Permission.STOCK_READ, Permission.STOCK_MOVE, Permission.STATION_MANAGE}),
}


def roles_with(permission: Permission) -> list[Role]:
    """The roles that have the permission."""
    return [role for role, permissions in ROLE_PERMISSIONS.items() if permission in permissions]


def require(
    principal: Principal, permission: Permission, *, organization_id: UUID, station_id: UUID | None = None
) -> None:
    """Let pass whose live grant on the organization, on one above it, or on the station has the permission.

    One statement. Raises Forbidden (403) for somebody whose grants reach the scope without this permission, NotFound
    (404) for everybody else: an outsider does not learn whether it exists.
    """
    judge(_covering_roles(principal.volunteer_id, organization_id, station_id), permission)


def judge(roles: Collection[Role], permission: Permission) -> None:
    """Let pass where one of the roles that reach a scope has the permission; raises as `require`."""
    if not roles:
        raise NotFound()
    if not _permit(roles, permission):
        raise Forbidden()


def require_anywhere(principal: Principal, permission: Permission) -> None:
    """Let pass whose live grants have the permission over any organization. One statement.

    Raises Forbidden (403) for other holders of a grant, NotFound (404) for everybody else.
    """
    judge({Role(found) for found in db.session.scalars(queries.live_roles(principal.volunteer_id))}, permission)


def holds_everything(volunteer_id: UUID, permission: Permission) -> ColumnElement[bool]:
    """Whether the volunteer's live grants with the permission name every open root: for what belongs to all of them."""
    scopes = granted_scope_ids(volunteer_id, permission)
    root_apart = exists().where(
        Organization.parent_id.is_(None), Organization.closed_at.is_(None), Organization.id.not_in(scopes)
    )
    return and_(~root_apart, exists().where(Organization.parent_id.is_(None), Organization.id.in_(scopes)))


def can(volunteer_id: UUID, permission: Permission, *, organization_id: UUID, station_id: UUID | None = None) -> bool:
    """Whether `require` would let the volunteer pass. One statement."""
    return _permit(_covering_roles(volunteer_id, organization_id, station_id), permission)


def permitted_organization_ids(volunteer_id: UUID, permission: Permission) -> Select[UUID]:
    """The ids of all organizations in which the volunteer's live grants have the permission; for `column.in_(...)`."""
    return (
        select(Organization.id)
        .join(PathMember, PathMember.path_id == Organization.path_id)
        .join(Grant, Grant.scope_id == PathMember.ancestor_id)
        .where(
            Grant.volunteer_id == volunteer_id,
            Grant.revoked_at.is_(None),
            Grant.scope_type == ScopeType.ORGANIZATION,
            among_constants(Grant.role, roles_with(permission)),
        )
    )


def granted_scope_ids(volunteer_id: UUID, permission: Permission) -> Select[UUID]:
    """The organizations that the volunteer's live grants with the permission name, without their subtrees."""
    return select(Grant.scope_id).where(
        Grant.volunteer_id == volunteer_id,
        Grant.revoked_at.is_(None),
        Grant.scope_type == ScopeType.ORGANIZATION,
        Grant.role.in_(roles_with(permission)),
    )


def holders_near(organization_id: UUID, permission: Permission, *, without: Collection[UUID] = ()) -> list[UUID]:
    """Who has the permission by a live grant on the nearest organization, from this one up, where anybody has it.

    Those `without` do not count. At most a hundred, in the order of their ids. One statement.
    """
    return _nearest(organization_id, roles_with(permission), without)


def holders_below(organization_id: UUID, permission: Permission) -> list[UUID]:
    """Who has the permission by a live grant on an organization below this one. One statement."""
    rows = select(Grant.volunteer_id).where(
        Grant.scope_type == ScopeType.ORGANIZATION,
        Grant.scope_id.in_(queries.subtree_ids(organization_id)),
        Grant.scope_id != organization_id,
        Grant.revoked_at.is_(None),
        Grant.role.in_(roles_with(permission)),
    )
    return list(db.session.scalars(rows.distinct().order_by(Grant.volunteer_id)))


def administrators_near(organization_id: UUID) -> list[UUID]:
    """The administrators of the nearest organization, from this one up, that has any: they give others their roles."""
    return _nearest(organization_id, [Role.ADMINISTRATOR], ())


def _nearest(organization_id: UUID, roles: Collection[Role], without: Collection[UUID]) -> list[UUID]:
    rows = db.session.execute(
        select(PathMember.depth, Grant.volunteer_id)
        .join(Organization, Organization.path_id == PathMember.path_id)
        .join(Grant, Grant.scope_id == PathMember.ancestor_id)
        .where(
            Organization.id == organization_id,
            Grant.scope_type == ScopeType.ORGANIZATION,
            Grant.revoked_at.is_(None),
            Grant.role.in_(roles),
            Grant.volunteer_id.not_in(without),
        )
        .distinct()
        .order_by(PathMember.depth, Grant.volunteer_id)
        .limit(MOST_HOLDERS)
    ).all()
    return [row.volunteer_id for row in rows if row.depth == rows[0].depth]


@open_to_all
def to_see(principal: Principal | None, organization_id: UUID) -> Organization:
    """Anybody sees an organization."""
    return load_organization(organization_id)


@for_signed_in
def to_manage(principal: Principal, organization_id: UUID) -> Organization:
    """Whoever has organization.manage over it."""
    require(principal, Permission.ORGANIZATION_MANAGE, organization_id=organization_id)
    return load_organization(organization_id)


@for_signed_in
def to_revoke(principal: Principal, grant_id: UUID) -> UUID:
    """Whoever could have granted it, and who holds it: the service judges, for it locks the row."""
    return grant_id


@for_signed_in
def to_read_audit_log(principal: Principal) -> None:
    """Whoever has audit.read somewhere; of what, the query says."""
    require_anywhere(principal, Permission.AUDIT_READ)


def load_organization(organization_id: UUID) -> Organization:
    """The organization. Raises NotFound (404)."""
    organization = db.session.get(Organization, organization_id)
    if organization is None:
        raise NotFound()
    return organization


def require_open(organization_id: UUID) -> Organization:
    """The organization, which can't close before this unit ends: for whoever is about to set up something in it.

    Raises NotFound (404), OrganizationClosed (409).
    """
    organization = db.session.get(Organization, organization_id, with_for_update={"read": True})
    if organization is None:
        raise NotFound()
    if organization.closed_at is not None:
        raise OrganizationClosed(name=organization.name)
    return organization


def require_all_open(organization_ids: Collection[UUID]) -> None:
    """`require_open` of several, in the order in which organizations are locked. One statement."""
    locked = (
        select(Organization)
        .where(Organization.id.in_(organization_ids))
        .order_by(Organization.id)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    )
    for organization in db.session.scalars(locked):
        if organization.closed_at is not None:
            raise OrganizationClosed(name=organization.name)


def _covering_roles(volunteer_id: UUID, organization_id: UUID, station_id: UUID | None) -> set[Role]:
    found = db.session.scalars(queries.covering_roles(volunteer_id, organization_id, station_id))
    return {Role(role) for role in found}


def _permit(roles: Collection[Role], permission: Permission) -> bool:
    return any(permission in ROLE_PERMISSIONS[role] for role in roles)
