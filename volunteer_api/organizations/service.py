"""The verbs of organizations: set up, change, and a district's network from its divisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.core import ids
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.events import publish
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.pinyin import spelled
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.organizations import queries, structure
from volunteer_api.organizations.access import Permission, can, require, require_open
from volunteer_api.organizations.events import OrganizationRenamed
from volunteer_api.organizations.models import Division, DivisionLevel, Organization, OrganizationKind
from volunteer_api.organizations.problems import DivisionUnknown, OrganizationClosed, RootStays
from volunteer_api.organizations.structure import check_names, check_place, insert_organizations


@dataclass(frozen=True)
class Network:
    """A district's practice center with its offices and stations, in the order of their division codes."""

    center: Organization
    offices: Sequence[Organization]
    stations: Sequence[Organization]


def list_organizations(query: Mapping[str, Any]) -> Page:
    """Organizations in the order of their creation; closed ones where they are asked for. One statement."""
    statement = queries.organizations(
        query.get("parent_id"),
        query.get("kind"),
        query.get("division"),
        query.get("q"),
        closed_too=bool(query.get("closed")),
    )
    return page(statement, [Key(Organization.id, read=lambda organization: organization.id)], query)


def create_organization(
    *,
    parent_id: UUID | None,
    kind: OrganizationKind,
    name: str,
    division_code: str | None = None,
    resident_count: int | None = None,
) -> Organization:
    """Set up an organization under `parent_id`; None makes a root, which no request can.

    Raises NotFound for an unknown parent, OrganizationClosed, OrganizationKindMisplaced, OrganizationNameTaken,
    DivisionUnknown.
    """
    if parent_id is not None:
        check_place(require_open(parent_id), kind, name)
    _check_division(division_code)
    organization = _new(parent_id=parent_id, kind=kind, name=name, division_code=division_code)
    organization.resident_count = resident_count
    insert_organizations([organization])
    return organization


def change_organization(organization: Organization, *, by: Principal, **changes: Any) -> Organization:
    """Rename an organization, give it another division or count of residents, or move it with its subtree.

    A move needs organization.manage over both the present and the new parent: who holds an office alone can't take it
    away from the district above. Raises NotFound, Forbidden, OrganizationClosed, OrganizationNameTaken,
    DivisionUnknown, and what `structure.move` raises.
    """
    if organization.closed_at is not None:
        raise OrganizationClosed(name=organization.name)
    name: str = changes.get("name", organization.name)
    # None at a root that stays where it is; the schema takes no null.
    parent_id: Any = changes.get("parent_id", organization.parent_id)
    moves = parent_id != organization.parent_id
    if moves:
        _require_rights_to_move(organization, parent_id, by)
    if parent_id is not None and (moves or name != organization.name):
        check_names(parent_id, [name], apart_from=organization.id)
    if "division_code" in changes:
        _check_division(changes["division_code"])
        organization.division_code = changes["division_code"]
    if "resident_count" in changes:
        organization.resident_count = changes["resident_count"]
    if name != organization.name:
        spelling = spelled(name)
        organization.name, organization.initials, organization.pinyin = name, spelling.initials, spelling.pinyin
        publish(OrganizationRenamed(organization.id))
    if moves:
        structure.move(organization, parent_id=parent_id, actor_id=by.volunteer_id)
    db.session.flush()
    return organization


def merge_organization(organization: Organization, *, into_id: UUID, by: Principal) -> Organization:
    """Merge it into another one: see `structure.merge`. The rights needed are those of a move there."""
    if organization.merged_into_id != into_id:
        _require_rights_to_move(organization, into_id, by)
    return structure.merge(organization, into_id=into_id, actor_id=by.volunteer_id)


def close_organization(organization: Organization, *, reason: str, by: Principal) -> Organization:
    """Close it: see `structure.close`."""
    return structure.close(organization, reason=reason, actor_id=by.volunteer_id)


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
            or _new(
                parent_id=above.get(division.parent_code, parent_id),
                kind=kind,
                name=_organization_name(division.name, kind),
                division_code=division.code,
            )
            for division in found
            if division.level == level
        ]
        layers[level] = made
        insert_organizations([organization for organization in made if organization not in known.values()])
    return Network(
        center=layers[DivisionLevel.DISTRICT][0],
        offices=layers[DivisionLevel.SUBDISTRICT],
        stations=layers[DivisionLevel.COMMUNITY],
    )


def _new(*, parent_id: UUID | None, kind: str, name: str, division_code: str | None) -> Organization:
    spelling = spelled(name)
    return Organization(
        id=ids.new_id(),
        parent_id=parent_id,
        kind=kind,
        name=name,
        division_code=division_code,
        path_id=ids.new_id(),
        initials=spelling.initials,
        pinyin=spelling.pinyin,
    )


def _require_rights_to_move(organization: Organization, target_id: UUID, by: Principal) -> None:
    require(by, Permission.ORGANIZATION_MANAGE, organization_id=target_id)
    if organization.parent_id is None:
        raise RootStays()
    if not can(by.volunteer_id, Permission.ORGANIZATION_MANAGE, organization_id=organization.parent_id):
        raise Forbidden()


def _check_division(code: str | None) -> None:
    if code is not None and db.session.get(Division, code) is None:
        raise DivisionUnknown(code=code)


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
