"""How the tree changes: organizations move with all that stands below them, merge, and close.

What was recorded keeps the path that its organization had. So every change of place gives new paths to the whole
subtree, and touches no old one.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Table, bindparam, or_, select, update
from sqlalchemy import insert as plain_insert
from sqlalchemy.orm.attributes import set_committed_value

from volunteer_api.core import audit, clock, events, ids
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.core.unit_of_work import Rerun
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.service import notify_each
from volunteer_api.notifications.templates import register
from volunteer_api.organizations import queries, words
from volunteer_api.organizations.access import Permission, holders_near
from volunteer_api.organizations.events import OrganizationClosing, OrganizationMerged
from volunteer_api.organizations.grants import end_all_on
from volunteer_api.organizations.holdings import register_holding
from volunteer_api.organizations.models import Organization, OrganizationKind, OrganizationPath, PathMember
from volunteer_api.organizations.problems import (
    DivisionTaken,
    OrganizationClosed,
    OrganizationInItself,
    OrganizationKindMisplaced,
    OrganizationNameTaken,
    OrganizationNotEmpty,
    RootStays,
)

KIND_ORDER = list(OrganizationKind)
TAKEN_OVER = register(
    "organization_taken_over",
    "An organization was merged into yours",
    "%(organization)s was merged into %(into)s: its stations, its teams and what waited there are yours to look after.",
    Group.ROLES,
)
register_holding("organizations", queries.open_children)


def check_place(parent: Organization, kind: str, name: str) -> None:
    """Raise where no organization of this kind or name can be under `parent`."""
    check_kind(parent, kind)
    check_names(parent.id, [name])


def check_kind(parent: Organization, kind: str) -> None:
    """Raise OrganizationKindMisplaced where the kind is not narrower than the parent's."""
    if KIND_ORDER.index(OrganizationKind(parent.kind)) >= KIND_ORDER.index(OrganizationKind(kind)):
        raise OrganizationKindMisplaced(kind=words.KINDS[kind], parent_kind=words.KINDS[parent.kind])


def check_names(parent_id: UUID, names: Sequence[str], *, apart_from: UUID | None = None) -> None:
    """Raise OrganizationNameTaken where two of the names are equal, or the parent has an organization of one."""
    twice = next((name for name in names if names.count(name) > 1), None)
    taken = twice or db.session.scalar(queries.taken_name(parent_id, names, apart_from))
    if taken is not None:
        raise OrganizationNameTaken(name=taken)


def check_division_free(parent_id: UUID, kind: str, code: str | None, *, apart_from: UUID | None = None) -> None:
    """Raise DivisionTaken where the parent has another open organization of this kind with the division.

    Rankings divide by who lives in it. Of units several stand in one community. Whoever gives a sibling a division at
    this moment waits.
    """
    if code is None or kind == OrganizationKind.UNIT:
        return
    _hold(select(Organization.id).where(Organization.id == parent_id))
    taken = db.session.scalar(queries.of_division(parent_id, kind, code, apart_from))
    if taken is not None:
        raise DivisionTaken(name=taken, code=code)


def insert_organizations(organizations: Sequence[Organization]) -> None:
    """Write siblings with their paths, in the order of the foreign keys. Their parents are there already."""
    if not organizations:
        return
    parent_ids = {organization.parent_id for organization in organizations if organization.parent_id is not None}
    if parent_ids:
        # A parent that moves at this moment would leave its new child on the old path.
        _hold(select(Organization.id).where(Organization.id.in_(parent_ids)), shared=True)
    above = _chains(queries.paths_of(Organization.id.in_(parent_ids)))
    db.session.execute(
        plain_insert(OrganizationPath),
        [{"id": organization.path_id, "organization_id": organization.id} for organization in organizations],
    )
    db.session.add_all(organizations)
    db.session.flush()
    _insert_members(
        (organization.path_id, [organization.id, *above.get(organization.parent_id or organization.id, [])])
        for organization in organizations
    )


def move(organization: Organization, *, parent_id: UUID, actor_id: UUID | None = None) -> None:
    """Put an organization with its subtree under another parent.

    Raises RootStays, NotFound for an unknown parent, OrganizationClosed for one of the two, OrganizationInItself,
    OrganizationKindMisplaced, DivisionTaken. The name is the caller's to check. Whoever changes the same branch waits.
    """
    if organization.parent_id is None:
        raise RootStays()
    hold_branches(organization.id, parent_id)
    parent = _fresh(parent_id)
    for one in (_fresh(organization.id), parent):
        if one.closed_at is not None:
            raise OrganizationClosed(name=one.name)
    refuse_below(organization.id, parent_id)
    check_kind(parent, organization.kind)
    check_division_free(parent_id, organization.kind, organization.division_code, apart_from=organization.id)
    former = _fresh(organization.parent_id)
    # Once on the path that it leaves and once on the new one: the auditors of both must see it.
    moved: dict[str, Any] = {
        "actor_id": actor_id,
        "name": organization.name,
        "from_id": str(former.id),
        "from_name": former.name,
        "to_id": str(parent_id),
        "to_name": parent.name,
    }
    audit.record(AuditAction.ORGANIZATION_MOVED, organization_id=organization.id, path="before", **moved)
    organization.parent_id = parent_id
    db.session.flush()
    repath(organization.id, [organization.id], parent_id)
    audit.record(AuditAction.ORGANIZATION_MOVED, organization_id=organization.id, path="after", **moved)


def merge(organization: Organization, *, into_id: UUID, actor_id: UUID | None = None) -> Organization:
    """Let `into_id` take over what an organization runs; the organization closes and stands below it from then on.

    Its open children, stations and teams go over. Its activities stay with it, for whoever organizes the successor to
    finish: nothing recorded changes. Grants on it end, for over what remains of it they would be less than was meant;
    people who should go on are granted their role anew. A second call for the same two changes nothing.

    Raises RootStays, NotFound, OrganizationClosed, OrganizationInItself, OrganizationKindMisplaced for a child,
    OrganizationNameTaken, and what features say whose own names collide.
    """
    if organization.merged_into_id == into_id:
        return organization
    if organization.parent_id is None:
        raise RootStays()
    hold_branches(organization.id, into_id)
    db.session.refresh(organization)
    into = _fresh(into_id)
    if organization.merged_into_id == into_id:
        return organization
    for one in (organization, into):
        if one.closed_at is not None:
            raise OrganizationClosed(name=one.name)
    refuse_below(organization.id, into_id)
    children = db.session.execute(queries.open_children(organization.id)).all()
    for child in children:
        check_kind(into, child.kind)
    check_names(into_id, [*(child.name for child in children), organization.name], apart_from=organization.id)
    child_ids = [child.id for child in children]
    db.session.execute(
        update(Organization)
        .where(Organization.id.in_(child_ids))
        .values(parent_id=into_id, version=Organization.version + 1)
        .execution_options(synchronize_session=False)
    )
    # As a move, for the auditors of both places.
    merged: dict[str, Any] = {
        "actor_id": actor_id,
        "name": organization.name,
        "into_id": str(into_id),
        "into_name": into.name,
    }
    audit.record(AuditAction.ORGANIZATION_MERGED, organization_id=organization.id, path="before", **merged)
    organization.parent_id = organization.merged_into_id = into_id
    organization.closed_at = clock.now()
    db.session.flush()
    repath(organization.id, [*child_ids, organization.id], into_id)
    end_all_on(organization, into=into, actor_id=actor_id)
    events.publish(OrganizationMerged(organization_id=organization.id, into_id=into_id))
    audit.record(AuditAction.ORGANIZATION_MERGED, organization_id=organization.id, path="after", **merged)
    db.session.refresh(organization)
    _tell_of_taking_over(organization, into, actor_id)
    return organization


def reopen(organization: Organization, *, parent_id: UUID, actor_id: UUID | None = None) -> Organization:
    """Let a closed organization go on, under `parent_id`. A second call changes nothing.

    What a merger took over stays with the successor, and grants that ended stay ended: what is to come back is moved
    and given anew. Raises NotFound for an unknown parent, OrganizationClosed for a closed one, OrganizationInItself,
    OrganizationKindMisplaced, OrganizationNameTaken, DivisionTaken.
    """
    # The parent too: it must not be closed meanwhile, for nothing open stands below what is closed.
    _hold(select(Organization.id).where(Organization.id.in_((organization.id, parent_id))))
    db.session.refresh(organization)
    if organization.closed_at is None:
        return organization
    parent = _fresh(parent_id)
    if parent.closed_at is not None:
        raise OrganizationClosed(name=parent.name)
    refuse_below(organization.id, parent_id)
    check_kind(parent, organization.kind)
    check_names(parent_id, [organization.name], apart_from=organization.id)
    check_division_free(parent_id, organization.kind, organization.division_code, apart_from=organization.id)
    organization.closed_at = organization.closing_reason = organization.merged_into_id = None
    audit.record(AuditAction.ORGANIZATION_REOPENED, actor_id=actor_id, organization_id=organization.id)
    db.session.flush()
    if parent_id != organization.parent_id:
        move(organization, parent_id=parent_id, actor_id=actor_id)
    db.session.flush()
    return organization


def _tell_of_taking_over(organization: Organization, into: Any, actor_id: UUID | None) -> None:
    """Tell those who manage the successor; those of what went hear of their grants that ended."""
    values = {"organization": organization.name, "into": into.name, "organization_id": str(into.id)}
    without = [actor_id] if actor_id is not None else []
    near = holders_near(into.id, Permission.ORGANIZATION_MANAGE, without=without)
    notify_each(near, TAKEN_OVER, values, once=str(organization.id))


def close(organization: Organization, *, reason: str, actor_id: UUID | None = None) -> Organization:
    """Close an organization that has nothing open below it. A second call changes nothing.

    Grants on it stay, so that who held them can still read there. Raises RootStays, OrganizationNotEmpty, which names
    what stands in the way: a child here, else what a feature's handler finds.
    """
    if organization.parent_id is None:
        raise RootStays()
    # Whoever sets up something in it holds it shared until that is there.
    _hold(select(Organization.id).where(Organization.id == organization.id))
    db.session.refresh(organization)
    if organization.closed_at is not None:
        return organization
    child = db.session.execute(queries.open_children(organization.id).limit(1)).first()
    if child is not None:
        raise OrganizationNotEmpty(name=child.name, members={"what": "organizations", "id": str(child.id)})
    events.publish(OrganizationClosing(organization_id=organization.id))
    organization.closed_at, organization.closing_reason = clock.now(), reason
    audit.record(AuditAction.ORGANIZATION_CLOSED, actor_id=actor_id, organization_id=organization.id)
    db.session.flush()
    return organization


def hold_branches(organization_id: UUID, into_id: UUID) -> None:
    """Lock the subtree that goes and everything above the place where it comes to stand, in the order of ids.

    Two moves that would make a circle together meet in one of these rows, however many stand between: each goes below
    something that the other takes along. What came in between makes the unit run again.
    """
    wanted = select(Organization.id).where(
        or_(
            Organization.id.in_(queries.subtree_ids(organization_id)),
            Organization.id.in_(queries.ancestor_ids(into_id)),
        )
    )
    held = _hold(wanted)
    if not held.issuperset(db.session.scalars(wanted)):
        raise Rerun()


def _hold(ids_wanted: Any, *, shared: bool = False) -> set[UUID]:
    # Not the strongest lock: rows that only name the organization may still be written.
    locking = ids_wanted.order_by(Organization.id).with_for_update(read=shared, key_share=not shared)
    return set(db.session.scalars(locking))


def _fresh(organization_id: UUID) -> Any:
    """Name, kind and closing as they stand now. The entity itself keeps the version that its editor read."""
    found = db.session.execute(queries.facts(organization_id)).one_or_none()
    if found is None:
        raise NotFound()
    return found


def refuse_below(organization_id: UUID, parent_id: UUID) -> None:
    if organization_id in set(db.session.scalars(queries.ancestor_ids(parent_id))):
        raise OrganizationInItself()


def repath(root_id: UUID, top_ids: Iterable[UUID], parent_id: UUID) -> None:
    """Give new paths to everything that stood under `root_id`, each below its nearest of `top_ids` under `parent_id`.

    Six statements, however many organizations there are.
    """
    tops = set(top_ids)
    above = _chains(queries.paths_of(Organization.id == parent_id))[parent_id]
    former = _chains(queries.paths_of(Organization.id.in_(queries.subtree_ids(root_id))))
    path_ids = {organization_id: ids.new_id() for organization_id in former}
    db.session.execute(
        plain_insert(OrganizationPath),
        [{"id": path_id, "organization_id": organization_id} for organization_id, path_id in path_ids.items()],
    )
    _insert_members(
        (path_ids[organization_id], [*_up_to(chain, tops), *above]) for organization_id, chain in former.items()
    )
    table: Table = Organization.__table__  # type: ignore[assignment]  # declared as a FromClause
    # Without a new version: nothing that a reader of these sees has changed.
    db.session.connection().execute(
        table.update().where(table.c.id == bindparam("moved_id")).values(path_id=bindparam("new_path_id")),
        [{"moved_id": organization_id, "new_path_id": path_id} for organization_id, path_id in path_ids.items()],
    )
    for known in list(db.session.identity_map.values()):
        if isinstance(known, Organization) and known.id in path_ids:
            set_committed_value(known, "path_id", path_ids[known.id])


def _up_to(chain: Sequence[UUID], tops: set[UUID]) -> list[UUID]:
    end = next(place for place, organization_id in enumerate(chain) if organization_id in tops)
    return list(chain[: end + 1])


def _chains(members: Any) -> Mapping[UUID, list[UUID]]:
    """Each organization with the ids of its path, itself first."""
    chains: dict[UUID, list[UUID]] = {}
    for organization_id, ancestor_id in db.session.execute(members):
        chains.setdefault(organization_id, []).append(ancestor_id)
    return chains


def _insert_members(chains: Iterable[tuple[UUID, Sequence[UUID]]]) -> None:
    members = [
        {"path_id": path_id, "ancestor_id": ancestor_id, "depth": depth}
        for path_id, chain in chains
        for depth, ancestor_id in enumerate(chain)
    ]
    db.session.execute(plain_insert(PathMember), members)
