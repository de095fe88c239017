"""How the tree is read: subtrees, paths, and the grants that reach a scope."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, cast, exists, func, null, or_, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.core.database import db
from volunteer_api.organizations import scopes
from volunteer_api.organizations.models import (
    Division,
    Grant,
    Organization,
    OrganizationPath,
    PathMember,
    PendingGrant,
    Role,
    ScopeType,
)
from volunteer_api.organizations.spelling import begins_with, is_typed, spelled_like


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


def ancestors_then_and_now(held: Collection[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], set[UUID]]:
    """Of each (organization, a path of it): who is on that path, or on its present one. One statement."""
    then = select(PathMember.path_id.label("id"), PathMember.ancestor_id).where(
        PathMember.path_id.in_({path_id for _, path_id in held})
    )
    now = (
        select(Organization.id, PathMember.ancestor_id)
        .join(PathMember, PathMember.path_id == Organization.path_id)
        .where(Organization.id.in_({organization_id for organization_id, _ in held}))
    )
    found: dict[UUID, set[UUID]] = {one: set() for pair in held for one in pair}
    for row in db.session.execute(union_all(then, now)):
        found[row.id].add(row.ancestor_id)
    return {pair: found[pair[0]] | found[pair[1]] for pair in held}


def ever_under(ancestors: Select[UUID]) -> Select[UUID]:
    """The ids of all organizations that stand or ever stood on or below one of these."""
    return (
        select(OrganizationPath.organization_id)
        .join(PathMember, PathMember.path_id == OrganizationPath.id)
        .where(PathMember.ancestor_id.in_(ancestors))
    )


def stood_under(
    organization_id: InstrumentedAttribute[Any], written_id: InstrumentedAttribute[UUID], ancestors: Select[UUID]
) -> ColumnElement[bool]:
    """That a row's organization stood on or below one of these when the row, which has a UUIDv7, was written."""
    then = (
        select(OrganizationPath.id)
        .where(OrganizationPath.organization_id == organization_id, OrganizationPath.id <= written_id)
        .order_by(OrganizationPath.id.desc())
        .limit(1)
        .correlate(organization_id.class_)
        .scalar_subquery()
    )
    # Where clocks of two hosts differ, a row may be older than its organization's first path.
    now = (
        select(Organization.path_id)
        .where(Organization.id == organization_id)
        .correlate(organization_id.class_)
        .scalar_subquery()
    )
    return exists().where(PathMember.path_id == func.coalesce(then, now), PathMember.ancestor_id.in_(ancestors))


def ancestor_ids(organization_id: UUID) -> Select[UUID]:
    """The ids of the organization and of everything above it now."""
    return (
        select(PathMember.ancestor_id)
        .join(Organization, Organization.path_id == PathMember.path_id)
        .where(Organization.id == organization_id)
    )


def division_above(organization_id: UUID) -> Select[str, str, str]:
    """The division of the organization, or of the nearest above it that has one: its `code` and `name`, and whose."""
    start = aliased(Organization)
    return (
        select(Division.code, Division.name, Organization.name.label("organization"))
        .join_from(PathMember, Organization, Organization.id == PathMember.ancestor_id)
        .join(Division, Division.code == Organization.division_code)
        .where(PathMember.path_id == select(start.path_id).where(start.id == organization_id).scalar_subquery())
        .order_by(PathMember.depth)
        .limit(1)
    )


def covering_roles(volunteer_id: UUID, organization_id: UUID, station_id: UUID | None = None) -> Select[str]:
    """The roles of the volunteer's live grants that reach the organization, or the station where one is named."""
    reaches = and_(Grant.scope_type == ScopeType.ORGANIZATION, Grant.scope_id.in_(ancestor_ids(organization_id)))
    if station_id is not None:
        reaches = or_(reaches, and_(Grant.scope_type == ScopeType.STATION, Grant.scope_id == station_id))
    return select(Grant.role).where(Grant.volunteer_id == volunteer_id, Grant.revoked_at.is_(None), reaches)


def divisions(parent: str | None, q: str | None) -> Select[Division]:
    """The divisions right under `parent`, and those that `q` finds.

    Digits are the beginning of a code, Latin letters that of the initials or the pinyin, all else a part of the name.
    """
    statement = select(Division)
    if parent is not None:
        statement = statement.where(Division.parent_code == parent)
    if q is None:
        return statement
    if q.isascii() and q.isdigit():
        return statement.where(begins_with(Division.code, q))
    if is_typed(q):
        return statement.where(spelled_like(Division, q))
    return statement.where(Division.name.contains(q, autoescape=True))


def organizations(
    parent_id: UUID | None, kind: str | None, division: str | None, q: str | None, *, closed_too: bool = False
) -> Select[Organization]:
    """The organizations that meet the filters given, without the closed ones unless these are asked for.

    A division takes in what lies in it, by the prefix of its code; `q` is Latin letters as the initials or the pinyin
    begin, or else a part of the name.
    """
    statement = select(Organization)
    if not closed_too:
        statement = statement.where(Organization.closed_at.is_(None))
    if parent_id is not None:
        statement = statement.where(Organization.parent_id == parent_id)
    if kind is not None:
        statement = statement.where(Organization.kind == kind)
    if division is not None:
        statement = statement.where(Organization.division_code.startswith(division, autoescape=True))
    if q is None:
        return statement
    if is_typed(q):
        return statement.where(spelled_like(Organization, q))
    return statement.where(Organization.name.icontains(q, autoescape=True))


def facts(organization_id: UUID) -> Select[UUID, str, str, datetime | None]:
    """Id, name, kind and closing of an organization, past what the session remembers of it."""
    return select(Organization.id, Organization.name, Organization.kind, Organization.closed_at).where(
        Organization.id == organization_id
    )


def places_below(organization_id: UUID) -> Select[*tuple[Any, ...]]:
    """Id, name, division code and closing of the organization and of everything below it, closed ones too."""
    return select(Organization.id, Organization.name, Organization.division_code, Organization.closed_at).where(
        Organization.id.in_(subtree_ids(organization_id))
    )


def open_children(organization_id: UUID) -> Select[UUID, str, str]:
    """Id, name and kind of the open organizations right under it, in the order of ids."""
    return (
        select(Organization.id, Organization.name, Organization.kind)
        .where(Organization.parent_id == organization_id, Organization.closed_at.is_(None))
        .order_by(Organization.id)
    )


def taken_name(parent_id: UUID, names: Sequence[str], apart_from: UUID | None) -> Select[str]:
    """The first of these names that another organization under the parent has, closed ones included."""
    statement = select(Organization.name).where(Organization.parent_id == parent_id, Organization.name.in_(names))
    if apart_from is not None:
        statement = statement.where(Organization.id != apart_from)
    return statement.order_by(Organization.name).limit(1)


def of_division(parent_id: UUID, kind: str, code: str, apart_from: UUID | None) -> Select[str]:
    """The name of another open organization of a kind under the parent that has the division."""
    statement = select(Organization.name).where(
        Organization.parent_id == parent_id,
        Organization.kind == kind,
        Organization.division_code == code,
        Organization.closed_at.is_(None),
    )
    if apart_from is not None:
        statement = statement.where(Organization.id != apart_from)
    return statement.order_by(Organization.id).limit(1)


def paths_of(chosen: ColumnElement[bool]) -> Select[UUID, UUID]:
    """Organization and ancestor, from the organization itself up to the root, of the organizations chosen."""
    return (
        select(Organization.id, PathMember.ancestor_id)
        .join(PathMember, PathMember.path_id == Organization.path_id)
        .where(chosen)
        .order_by(Organization.id, PathMember.depth)
    )


def live_roles(volunteer_id: UUID) -> Select[str]:
    """The roles that the volunteer holds over any organization now."""
    return (
        select(Grant.role)
        .where(
            Grant.volunteer_id == volunteer_id,
            Grant.revoked_at.is_(None),
        )
        .distinct()
    )


def live_grant(volunteer_id: UUID, scope_type: str, scope_id: UUID, role: str) -> Select[UUID]:
    """The id of the live grant that is exactly this."""
    return select(Grant.id).where(
        Grant.volunteer_id == volunteer_id,
        Grant.scope_type == scope_type,
        Grant.scope_id == scope_id,
        Grant.role == role,
        Grant.revoked_at.is_(None),
    )


def other_administrator(held: Grant) -> Select[UUID]:
    """The id of another live grant of administrator over the same organization."""
    return (
        select(Grant.id)
        .where(
            Grant.scope_type == held.scope_type,
            Grant.scope_id == held.scope_id,
            Grant.role == Role.ADMINISTRATOR,
            Grant.revoked_at.is_(None),
            Grant.id != held.id,
        )
        .limit(1)
    )


def same_pending(digest: bytes, scope_type: str, scope_id: UUID, role: str) -> Select[PendingGrant]:
    """The grant that waits for the phone and is exactly this, past its time or not."""
    return select(PendingGrant).where(
        PendingGrant.phone_digest == digest,
        PendingGrant.scope_type == scope_type,
        PendingGrant.scope_id == scope_id,
        PendingGrant.role == role,
    )


def live_at(scope_type: str, scope_ids: Collection[UUID], role: str) -> Select[UUID, UUID]:
    """Scope and volunteer of the live grants of a role over any of these scopes."""
    return select(Grant.scope_id, Grant.volunteer_id).where(
        Grant.scope_type == scope_type, Grant.scope_id.in_(scope_ids), Grant.role == role, Grant.revoked_at.is_(None)
    )


def pending_at(scope_type: str, scope_ids: Collection[UUID], role: str, now: datetime) -> Select[UUID, bytes]:
    """Scope and phone's digest of the grants of a role that wait over any of these scopes."""
    return select(PendingGrant.scope_id, PendingGrant.phone_digest).where(
        PendingGrant.scope_type == scope_type,
        PendingGrant.scope_id.in_(scope_ids),
        PendingGrant.role == role,
        PendingGrant.expires_at > now,
    )


def pending_for(digest: bytes, now: datetime) -> Select[PendingGrant]:
    """What waits for the phone, locked."""
    return (
        select(PendingGrant)
        .where(PendingGrant.phone_digest == digest, PendingGrant.expires_at > now)
        .order_by(PendingGrant.id)
        .with_for_update()
    )


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


def grants_in(
    reach: Select[UUID], organization_id: UUID | None, volunteer_id: UUID | None, now: datetime
) -> Select[*tuple[Any, ...]]:
    """The live grants with their places and people, over the organizations that `reach` selects; and the pending ones.

    Where `volunteer_id` is null the grant waits for `phone`, which is masked already; else it is the whole phone.
    """
    place = scopes.all_places().subquery()
    within: ColumnElement[bool] = place.c.organization_id.in_(reach)
    if organization_id is not None:
        within = and_(within, place.c.organization_id.in_(subtree_ids(organization_id)))
    live = (
        select(
            *_columns_of(Grant),
            place.c.name.label("scope_name"),
            Volunteer.id.label("volunteer_id"),
            Volunteer.name.label("volunteer_name"),
            Volunteer.phone.label("phone"),
            cast(null(), PendingGrant.expires_at.type).label("expires_at"),
        )
        .join(place, and_(place.c.scope_type == Grant.scope_type, place.c.id == Grant.scope_id))
        .join(Volunteer, Volunteer.id == Grant.volunteer_id)
        .where(Grant.revoked_at.is_(None), within)
    )
    if volunteer_id is not None:
        found = live.where(Grant.volunteer_id == volunteer_id).subquery()
        return select(found)
    pending = (
        select(
            *_columns_of(PendingGrant),
            place.c.name.label("scope_name"),
            cast(null(), Volunteer.id.type).label("volunteer_id"),
            cast(null(), Volunteer.name.type).label("volunteer_name"),
            PendingGrant.masked_phone.label("phone"),
            PendingGrant.expires_at,
        )
        .join(place, and_(place.c.scope_type == PendingGrant.scope_type, place.c.id == PendingGrant.scope_id))
        .where(PendingGrant.expires_at > now, within)
    )
    both = union_all(live, pending).subquery()
    return select(both)


def held_by(volunteer_id: UUID) -> Select[str, str, UUID, str]:
    """Role, scope type, scope id and scope name of everything that the volunteer holds now."""
    granted = live_of(volunteer_id).subquery()
    columns = granted.c.role, granted.c.scope_type, granted.c.scope_id, granted.c.scope_name
    held = union_all(select(*columns), *scopes.held_roles(volunteer_id)).subquery()
    return select(held.c.role, held.c.scope_type, held.c.scope_id, held.c.scope_name)


def live_of(volunteer_id: UUID) -> Select[UUID, str, str, UUID, str]:
    """Id, role, scope type, scope id and scope name of each grant that the volunteer holds now."""
    place = scopes.all_places().subquery()
    return (
        select(
            Grant.id,
            Grant.role.label("role"),
            Grant.scope_type.label("scope_type"),
            Grant.scope_id.label("scope_id"),
            place.c.name.label("scope_name"),
        )
        .join(place, and_(place.c.scope_type == Grant.scope_type, place.c.id == Grant.scope_id))
        .where(Grant.volunteer_id == volunteer_id, Grant.revoked_at.is_(None))
    )


def ever_held_by(volunteer_id: UUID) -> Select[*tuple[Any, ...]]:
    """Role, scope, and since and until when, of every grant that the volunteer has or had."""
    place = scopes.all_places().subquery()
    return (
        select(
            Grant.role,
            Grant.scope_type,
            Grant.scope_id,
            place.c.name.label("scope_name"),
            Grant.created_at.label("granted_at"),
            Grant.revoked_at,
        )
        .join(place, and_(place.c.scope_type == Grant.scope_type, place.c.id == Grant.scope_id))
        .where(Grant.volunteer_id == volunteer_id)
        .order_by(Grant.id)
    )


def place(scope_type: str, scope_id: UUID) -> Select[str, UUID]:
    """The `name` and the `organization_id` of one place that a grant can reach."""
    found = scopes.all_places().subquery()
    return select(found.c.name, found.c.organization_id).where(found.c.scope_type == scope_type, found.c.id == scope_id)


def _columns_of(model: type[Grant] | type[PendingGrant]) -> tuple[ColumnElement[Any], ...]:
    names = ("id", "role", "scope_type", "scope_id", "created_at")
    return tuple(getattr(model, name).label(name) for name in names)
