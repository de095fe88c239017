"""How the tree is read: subtrees, paths, and the grants that reach a scope."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, and_, or_, select, union_all

from volunteer_api.accounts.models import Volunteer
from volunteer_api.organizations import scopes
from volunteer_api.organizations.models import Division, Grant, Organization, PathMember, ScopeType


def subtree_ids(organization_id: UUID) -> Select[UUID]:
    """The ids of the organization and of everything that stands below it now; for `column.in_(...)`."""
    return (
        select(Organization.id)
        .join(PathMember, PathMember.path_id == Organization.path_id)
        .where(PathMember.ancestor_id == organization_id)
    )


def path_ids_under(organization_id: UUID) -> Select[UUID]:
    """The ids of all paths, present and past, through the organization; for records' `organization_path_id`."""
    return select(PathMember.path_id).where(PathMember.ancestor_id == organization_id)


def ancestor_ids(organization_id: UUID) -> Select[UUID]:
    """The ids of the organization and of everything above it now."""
    return (
        select(PathMember.ancestor_id)
        .join(Organization, Organization.path_id == PathMember.path_id)
        .where(Organization.id == organization_id)
    )


def covering_roles(volunteer_id: UUID, organization_id: UUID, station_id: UUID | None = None) -> Select[str]:
    """The roles of the volunteer's live grants that reach the organization, or the station where one is named."""
    reaches = and_(Grant.scope_type == ScopeType.ORGANIZATION, Grant.scope_id.in_(ancestor_ids(organization_id)))
    if station_id is not None:
        reaches = or_(reaches, and_(Grant.scope_type == ScopeType.STATION, Grant.scope_id == station_id))
    return select(Grant.role).where(Grant.volunteer_id == volunteer_id, Grant.revoked_at.is_(None), reaches)


def divisions(parent: str | None, q: str | None) -> Select[Division]:
    """The divisions right under `parent` and with `q` in their name, as far as given."""
    statement = select(Division)
    if parent is not None:
        statement = statement.where(Division.parent_code == parent)
    if q is not None:
        statement = statement.where(Division.name.contains(q, autoescape=True))
    return statement


def organizations(
    parent_id: UUID | None, kind: str | None, division: str | None, q: str | None
) -> Select[Organization]:
    """The organizations that meet the filters given; a division takes in what lies in it, by the prefix of its code."""
    statement = select(Organization)
    if parent_id is not None:
        statement = statement.where(Organization.parent_id == parent_id)
    if kind is not None:
        statement = statement.where(Organization.kind == kind)
    if division is not None:
        statement = statement.where(Organization.division_code.startswith(division, autoescape=True))
    if q is not None:
        statement = statement.where(Organization.name.icontains(q, autoescape=True))
    return statement


def reach_over(volunteer_id: UUID, scope_type: str, scope_id: UUID) -> Select[str, int]:
    """Role and distance of the volunteer's live grants on organizations over a scope.

    The distance counts levels from the scope up: 0 where the grant is on the very organization; a station counts as one
    level below its organization.
    """
    place = scopes.all_places().subquery()
    below = 0 if scope_type == ScopeType.ORGANIZATION else 1
    return (
        select(Grant.role, PathMember.depth + below)
        .select_from(place)
        .join(Organization, Organization.id == place.c.organization_id)
        .join(PathMember, PathMember.path_id == Organization.path_id)
        .join(Grant, and_(Grant.scope_id == PathMember.ancestor_id, Grant.scope_type == ScopeType.ORGANIZATION))
        .where(
            place.c.scope_type == scope_type,
            place.c.id == scope_id,
            Grant.volunteer_id == volunteer_id,
            Grant.revoked_at.is_(None),
        )
    )


def live_grants(
    reach: Select[UUID], organization_id: UUID | None, volunteer_id: UUID | None
) -> Select[UUID, str, str, UUID, datetime, str, UUID, str, str]:
    """The live grants with their places and people, over the organizations that `reach` selects."""
    place = scopes.all_places().subquery()
    statement = (
        select(
            Grant.id,
            Grant.role,
            Grant.scope_type,
            Grant.scope_id,
            Grant.created_at,
            place.c.name.label("scope_name"),
            Volunteer.id.label("volunteer_id"),
            Volunteer.name.label("volunteer_name"),
            Volunteer.phone.label("volunteer_phone"),
        )
        .join(place, and_(place.c.scope_type == Grant.scope_type, place.c.id == Grant.scope_id))
        .join(Volunteer, Volunteer.id == Grant.volunteer_id)
        .where(Grant.revoked_at.is_(None), place.c.organization_id.in_(reach))
    )
    if organization_id is not None:
        statement = statement.where(place.c.organization_id.in_(subtree_ids(organization_id)))
    if volunteer_id is not None:
        statement = statement.where(Grant.volunteer_id == volunteer_id)
    return statement


def held_by(volunteer_id: UUID) -> Select[str, str, UUID, str]:
    """Role, scope type, scope id and scope name of everything that the volunteer holds now."""
    place = scopes.all_places().subquery()
    granted = (
        select(
            Grant.role.label("role"),
            Grant.scope_type.label("scope_type"),
            Grant.scope_id.label("scope_id"),
            place.c.name.label("scope_name"),
        )
        .join(place, and_(place.c.scope_type == Grant.scope_type, place.c.id == Grant.scope_id))
        .where(Grant.volunteer_id == volunteer_id, Grant.revoked_at.is_(None))
    )
    held = union_all(granted, *scopes.held_roles(volunteer_id)).subquery()
    return select(held.c.role, held.c.scope_type, held.c.scope_id, held.c.scope_name)


def scope_name(scope_type: str, scope_id: UUID) -> Select[str]:
    """The name of one place that a grant can reach."""
    place = scopes.all_places().subquery()
    return select(place.c.name).where(place.c.scope_type == scope_type, place.c.id == scope_id)
