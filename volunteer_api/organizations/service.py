"""The verbs of organizations: create, rename, grant, revoke; and divisions brought in from their official file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert as plain_insert
from sqlalchemy import select

from volunteer_api.accounts import service as accounts
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.core.statements import insert
from volunteer_api.organizations import queries
from volunteer_api.organizations.access import ROLE_PERMISSIONS, Permission, permitted_organization_ids
from volunteer_api.organizations.models import (
    Division,
    DivisionLevel,
    Grant,
    Organization,
    OrganizationKind,
    OrganizationPath,
    PathMember,
    Role,
    ScopeType,
)
from volunteer_api.organizations.problems import (
    AlreadyGranted,
    DivisionUnknown,
    ImportRefused,
    OrganizationKindMisplaced,
    OrganizationNameTaken,
    RoleDoesNotFit,
    VolunteerUnknown,
)

CODE_LENGTHS = {
    DivisionLevel.CITY: 4,
    DivisionLevel.DISTRICT: 6,
    DivisionLevel.SUBDISTRICT: 9,
    DivisionLevel.COMMUNITY: 12,
}
PARENT_LENGTHS = {4: 0, 6: 4, 9: 6, 12: 9}
KIND_ORDER = list(OrganizationKind)
# Who stands above whom: nobody grants a role above or beside what she holds.
ROLE_RANKS = {
    Role.ADMINISTRATOR: 3,
    Role.ORGANIZER: 2,
    Role.INSPECTOR: 1,
    Role.AUDITOR: 1,
    Role.STATION_MANAGER: 1,
}


@dataclass(frozen=True)
class Scope:
    type: str
    id: UUID
    name: str


@dataclass(frozen=True)
class Grantee:
    """Who holds a grant; `phone` is masked."""

    id: UUID
    name: str
    phone: str


@dataclass(frozen=True)
class GrantView:
    id: UUID
    role: str
    scope: Scope
    volunteer: Grantee
    granted_at: datetime


@dataclass(frozen=True)
class HeldRoleView:
    role: str
    scope: Scope


@dataclass(frozen=True)
class Network:
    """A district's practice center with its offices and stations, in the order of their division codes."""

    center: Organization
    offices: Sequence[Organization]
    stations: Sequence[Organization]


def list_divisions(query: Mapping[str, Any]) -> Page:
    """Divisions by code. One statement."""
    statement = queries.divisions(query.get("parent"), query.get("q"))
    return page(statement, [Key(Division.code, read=lambda division: division.code)], query)


def list_organizations(query: Mapping[str, Any]) -> Page:
    """Organizations in the order of their creation. One statement."""
    statement = queries.organizations(query.get("parent_id"), query.get("kind"), query.get("division"), query.get("q"))
    return page(statement, [Key(Organization.id, read=lambda organization: organization.id)], query)


def create_organization(
    *, parent_id: UUID | None, kind: OrganizationKind, name: str, division_code: str | None = None
) -> Organization:
    """Set up an organization under `parent_id`; None makes a root, which no request can.

    Raises NotFound for an unknown parent, OrganizationKindMisplaced, OrganizationNameTaken, DivisionUnknown.
    """
    if parent_id is not None:
        _check_place(parent_id, kind, name)
    if division_code is not None and db.session.get(Division, division_code) is None:
        raise DivisionUnknown(code=division_code)
    organization = Organization(
        id=ids.new_id(), parent_id=parent_id, kind=kind, name=name, division_code=division_code, path_id=ids.new_id()
    )
    _insert_organizations([organization])
    return organization


def rename_organization(organization: Organization, *, name: str) -> Organization:
    """Give it another name. Raises OrganizationNameTaken."""
    if organization.name != name and organization.parent_id is not None:
        _check_name(organization.parent_id, name)
    organization.name = name
    db.session.flush()
    return organization


def build_network(district_code: str, *, parent_id: UUID | None = None) -> Network:
    """Make a district's divisions into its network: center, an office per subdistrict, a station per community.

    What exists already (by kind and division) is kept, so that a second call changes nothing. Raises NotFound for a
    code that is no imported district.
    """
    found = db.session.scalars(
        select(Division).where(Division.code.startswith(district_code, autoescape=True)).order_by(Division.code)
    ).all()
    if not found or found[0].code != district_code or found[0].level != DivisionLevel.DISTRICT:
        raise NotFound()
    known = {
        (organization.kind, organization.division_code): organization
        for organization in db.session.scalars(
            select(Organization).where(Organization.division_code.in_([division.code for division in found]))
        )
    }
    layers: dict[str, list[Organization]] = {level: [] for level in DivisionLevel}
    for level, kind in (
        (DivisionLevel.DISTRICT, OrganizationKind.PRACTICE_CENTER),
        (DivisionLevel.SUBDISTRICT, OrganizationKind.PRACTICE_OFFICE),
        (DivisionLevel.COMMUNITY, OrganizationKind.PRACTICE_STATION),
    ):
        above = {organization.division_code: organization.id for layer in layers.values() for organization in layer}
        made = [
            known.get((kind, division.code))
            or Organization(
                id=ids.new_id(),
                parent_id=above.get(division.parent_code, parent_id),
                kind=kind,
                name=_organization_name(division.name, kind),
                division_code=division.code,
                path_id=ids.new_id(),
            )
            for division in found
            if division.level == level
        ]
        layers[level] = made
        _insert_organizations([organization for organization in made if organization not in known.values()])
    return Network(
        center=layers[DivisionLevel.DISTRICT][0],
        offices=layers[DivisionLevel.SUBDISTRICT],
        stations=layers[DivisionLevel.COMMUNITY],
    )


def import_divisions(rows: Iterable[Mapping[str, str | None]]) -> int:
    """Insert or rename divisions from rows with the columns code, parent_code, level, name; returns how many rows.

    All or nothing. Raises ImportRefused with the line of the first bad row; the first row is line 2, below the header.
    """
    divisions = list(_judged(rows))
    divisions.sort(key=lambda division: (len(division["code"] or ""), division["code"]))
    if divisions:
        statement = insert(Division)
        db.session.connection().execute(
            statement.on_conflict_do_update(
                index_elements=[Division.code],
                set_={name: statement.excluded[name] for name in ("parent_code", "level", "name")},
            ),
            divisions,
        )
    return len(divisions)


def list_grants(*, by: Principal, query: Mapping[str, Any]) -> Page:
    """The live grants that `by` manages, oldest first. One statement; people's phones are masked."""
    reach = permitted_organization_ids(by.volunteer_id, Permission.GRANT_MANAGE)
    statement = queries.live_grants(reach, query.get("organization_id"), query.get("volunteer_id"))
    found = page(statement, [Key(Grant.id, read=lambda row: row.id)], query, scope=str(by.volunteer_id))
    views = [
        GrantView(
            id=row.id,
            role=row.role,
            scope=Scope(type=row.scope_type, id=row.scope_id, name=row.scope_name),
            volunteer=Grantee(
                id=row.volunteer_id, name=row.volunteer_name, phone=accounts.masked_phone(row.volunteer_phone)
            ),
            granted_at=row.created_at,
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


def grant(
    *, volunteer_id: UUID, role: Role, scope_type: ScopeType, scope_id: UUID, granted_by: UUID | None = None
) -> Grant:
    """Record that the volunteer holds the role over the scope from now on. Who may do so is judged by `grant_below`.

    Raises RoleDoesNotFit (a station_manager has a station, everybody else an organization) and AlreadyGranted.
    """
    _require_fit(role, scope_type)
    held = db.session.scalar(
        select(Grant.id).where(
            Grant.volunteer_id == volunteer_id,
            Grant.scope_type == scope_type,
            Grant.scope_id == scope_id,
            Grant.role == role,
            Grant.revoked_at.is_(None),
        )
    )
    if held is not None:
        raise AlreadyGranted()
    granted = Grant(
        volunteer_id=volunteer_id, role=role, scope_type=scope_type, scope_id=scope_id, granted_by=granted_by
    )
    db.session.add(granted)
    db.session.flush()
    return granted


def grant_below(
    *,
    by: Principal,
    role: Role,
    scope: Mapping[str, object],
    volunteer_id: UUID | None = None,
    phone: str | None = None,
) -> GrantView:
    """Grant a role below what `by` holds: a lower role over her scope, or a role not above hers further down.

    Raises NotFound where her grants don't reach the scope, Forbidden where they do but not so far, VolunteerUnknown,
    RoleDoesNotFit, AlreadyGranted, TooManyRequests after thirty phones in an hour.
    """
    scope_type, scope_id = ScopeType(str(scope["type"])), UUID(str(scope["id"]))
    _require_above(by, role, scope_type, scope_id)
    _require_fit(role, scope_type)
    volunteer = accounts.look_up(phone, by=by) if phone is not None else db.session.get(Volunteer, volunteer_id)
    if volunteer is None:
        raise VolunteerUnknown()
    granted = grant(
        volunteer_id=volunteer.id, role=role, scope_type=scope_type, scope_id=scope_id, granted_by=by.volunteer_id
    )
    name = db.session.execute(queries.scope_name(scope_type, scope_id)).scalar_one()
    return GrantView(
        id=granted.id,
        role=granted.role,
        scope=Scope(type=scope_type, id=scope_id, name=name),
        volunteer=Grantee(id=volunteer.id, name=volunteer.name, phone=accounts.masked_phone(volunteer.phone)),
        granted_at=granted.created_at,
    )


def revoke(grant_id: UUID, *, by: Principal) -> None:
    """Take a grant away; it counts for nothing from the next request on.

    Raises NotFound and Forbidden as `grant_below` does. A grant that was taken away before is NotFound.
    """
    held = db.session.get(Grant, grant_id, with_for_update=True)
    if held is None or held.revoked_at is not None:
        raise NotFound()
    _require_above(by, Role(held.role), ScopeType(held.scope_type), held.scope_id)
    held.revoked_at = clock.now()


def _require_fit(role: Role, scope_type: ScopeType) -> None:
    if (role == Role.STATION_MANAGER) != (scope_type == ScopeType.STATION):
        raise RoleDoesNotFit(role=role, scope_type=scope_type)


def _require_above(by: Principal, role: Role, scope_type: ScopeType, scope_id: UUID) -> None:
    reach = db.session.execute(queries.reach_over(by.volunteer_id, scope_type, scope_id)).all()
    if not reach:
        raise NotFound()
    for held_role, distance in reach:
        may_grant = Permission.GRANT_MANAGE in ROLE_PERMISSIONS[Role(held_role)]
        rank, held_rank = ROLE_RANKS[role], ROLE_RANKS[Role(held_role)]
        if may_grant and (rank < held_rank or (rank == held_rank and distance > 0)):
            return
    raise Forbidden()


def _check_place(parent_id: UUID, kind: OrganizationKind, name: str) -> None:
    parent = db.session.get(Organization, parent_id)
    if parent is None:
        raise NotFound()
    if KIND_ORDER.index(OrganizationKind(parent.kind)) >= KIND_ORDER.index(OrganizationKind(kind)):
        raise OrganizationKindMisplaced(kind=kind, parent_kind=parent.kind)
    _check_name(parent_id, name)


def _check_name(parent_id: UUID, name: str) -> None:
    taken = select(Organization.id).where(Organization.parent_id == parent_id, Organization.name == name)
    if db.session.scalar(taken) is not None:
        raise OrganizationNameTaken()


def _insert_organizations(organizations: Sequence[Organization]) -> None:
    """Write siblings with their paths, in the order of the foreign keys. Their parents are there already."""
    if not organizations:
        return
    parent_ids = {organization.parent_id for organization in organizations if organization.parent_id is not None}
    above: dict[UUID, list[tuple[UUID, int]]] = {parent_id: [] for parent_id in parent_ids}
    for parent_id, ancestor_id, depth in db.session.execute(
        select(Organization.id, PathMember.ancestor_id, PathMember.depth)
        .join(PathMember, PathMember.path_id == Organization.path_id)
        .where(Organization.id.in_(parent_ids))
    ):
        above[parent_id].append((ancestor_id, depth))
    db.session.execute(
        plain_insert(OrganizationPath),
        [{"id": organization.path_id, "organization_id": organization.id} for organization in organizations],
    )
    db.session.add_all(organizations)
    db.session.flush()
    members = [
        {"path_id": organization.path_id, "ancestor_id": ancestor_id, "depth": depth}
        for organization in organizations
        for ancestor_id, depth in [
            (organization.id, 0),
            *((ancestor, depth + 1) for ancestor, depth in above.get(organization.parent_id or organization.id, [])),
        ]
    ]
    db.session.execute(plain_insert(PathMember), members)


def _organization_name(division_name: str, kind: OrganizationKind) -> str:
    """五一路街道 becomes 五一路街道新时代文明实践所, 吕庄村民委员会 becomes 吕庄村新时代文明实践站."""
    place = division_name.removesuffix("居民委员会")
    if place.endswith("村民委员会"):
        place = place.removesuffix("村民委员会")
        place = place if place.endswith("村") else f"{place}村"
    endings = {
        OrganizationKind.PRACTICE_CENTER: "中心",
        OrganizationKind.PRACTICE_OFFICE: "所",
        OrganizationKind.PRACTICE_STATION: "站",
    }
    return f"{place}新时代文明实践{endings[kind]}"


def _judged(rows: Iterable[Mapping[str, str | None]]) -> Iterator[dict[str, str | None]]:
    """The rows, cleaned, once they are known to be a forest. Raises ImportRefused."""
    lines: dict[str, int] = {}
    parents: dict[str, int] = {}
    for line, row in enumerate(rows, start=2):
        values = {name: (row.get(name) or "").strip() for name in ("code", "parent_code", "level", "name")}
        reason = _fault_of(values)
        if reason is None and values["code"] in lines:
            reason = f"the code {values['code']} stands on line {lines[values['code']]} already"
        if reason is not None:
            raise ImportRefused(line, reason)
        lines[values["code"]] = line
        parents.setdefault(values["parent_code"], line)
        yield {**values, "parent_code": values["parent_code"] or None}
    missing = {code: line for code, line in parents.items() if code and code not in lines}
    if missing:
        known = set(db.session.scalars(select(Division.code).where(Division.code.in_(missing))))
        for code, line in missing.items():
            if code not in known:
                raise ImportRefused(line, f"the parent {code} is neither in the file nor known")


def _fault_of(values: Mapping[str, str]) -> str | None:
    """What is wrong with one row, None where nothing is."""
    code, name = values["code"], values["name"]
    if values["level"] not in list(DivisionLevel):
        return f"the level {values['level']!r} is none of {', '.join(DivisionLevel)}"
    length = CODE_LENGTHS[DivisionLevel(values["level"])]
    if len(code) != length or not (code.isascii() and code.isdigit()):
        return f"the code {code!r} is not {length} digits, as a {values['level']}'s is"
    if values["parent_code"] != code[: PARENT_LENGTHS[length]]:
        return f"the parent of {code} must be {code[: PARENT_LENGTHS[length]] or 'empty'}"
    if not 1 <= len(name) <= 100 or not name.isprintable():
        return "the name is empty, longer than 100 characters, or has characters that can't be shown"
    return None
