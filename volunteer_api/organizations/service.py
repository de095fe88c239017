"""The verbs of organizations: set up, change, and a district's network from its divisions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.core import audit, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.events import publish
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.pinyin import spelled
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.core.unit_of_work import attempt
from volunteer_api.organizations import queries, structure
from volunteer_api.organizations.access import Permission, can, require, require_open
from volunteer_api.organizations.events import OrganizationRenamed
from volunteer_api.organizations.held_roles import held_on, waiting_on
from volunteer_api.organizations.holdings import holdings
from volunteer_api.organizations.models import Division, DivisionLevel, Organization, OrganizationKind
from volunteer_api.organizations.problems import DivisionOutside, DivisionUnknown, OrganizationClosed, RootStays
from volunteer_api.organizations.structure import check_division_free, check_names, check_place, insert_organizations

MANAGE = Permission.ORGANIZATION_MANAGE


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
    by: UUID | None = None,
) -> Organization:
    """Set up an organization under `parent_id`; None makes a root, which no request can.

    The audit log keeps who did (`by`).

    Raises NotFound for an unknown parent, OrganizationClosed, OrganizationKindMisplaced, OrganizationNameTaken,
    DivisionUnknown, DivisionOutside, DivisionTaken.
    """
    if parent_id is not None:
        check_place(require_open(parent_id), kind, name)
        check_division_free(parent_id, kind, division_code)
    _check_division(division_code, parent_id)
    organization = _new(parent_id=parent_id, kind=kind, name=name, division_code=division_code)
    organization.resident_count = resident_count
    insert_organizations([organization])
    if by is not None:
        audit.record(AuditAction.ORGANIZATION_ADDED, actor_id=by, organization_id=organization.id, kind=kind, name=name)
    return organization


def change_organization(organization: Organization, *, by: Principal, **changes: Any) -> Organization:
    """Rename an organization, give it another division or count of residents, or move it with its subtree.

    A move needs organization.manage over both the present and the new parent, and another division that over the
    parent: who holds an office alone can't take it away from the district above, nor choose what it is divided by in
    rankings. Raises NotFound, Forbidden, OrganizationClosed, OrganizationNameTaken, DivisionUnknown, DivisionOutside,
    DivisionTaken, and what `structure.move` raises.
    """
    if organization.closed_at is not None:
        raise OrganizationClosed(name=organization.name)
    name: str = changes.get("name", organization.name)
    # None at a root that stays where it is; the schema takes no null.
    parent_id: Any = changes.get("parent_id", organization.parent_id)
    moves = parent_id != organization.parent_id
    if moves:
        _require_rights_to_move(organization, parent_id, by)
    code = changes.get("division_code", organization.division_code)
    redivides = code != organization.division_code
    if parent_id is not None and redivides and not can(by.volunteer_id, MANAGE, organization_id=parent_id):
        raise Forbidden()
    if parent_id is not None and (moves or name != organization.name):
        check_names(parent_id, [name], apart_from=organization.id)
    if parent_id is not None and redivides and not moves:
        check_division_free(parent_id, organization.kind, code, apart_from=organization.id)
    _note_changes(organization, changes, by)
    if redivides:
        _check_division(code, parent_id)
        organization.division_code = code
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


def merge_organization(
    organization: Organization, *, into_id: UUID, by: Principal, dry_run: bool = False
) -> dict[str, Any]:
    """Merge it into another one: see `structure.merge`. The rights needed are those of a move there.

    A dry run is refused as the merger would be, else tells its `consequences`, and changes nothing.
    """
    if organization.merged_into_id != into_id:
        _require_rights_to_move(organization, into_id, by)
    merge = partial(structure.merge, organization, into_id=into_id, actor_id=by.volunteer_id)
    if not dry_run:
        return _seen(merge()) | {"consequences": None}
    merged = organization.merged_into_id == into_id
    consequences = {
        "holdings": [] if merged else holdings(organization.id),
        "ending_grants": [] if merged else held_on(organization),
        "lapsing_grants": [] if merged else _lapsing(organization),
    }
    _try(merge, organization)
    return _seen(organization) | {"consequences": consequences}


def close_organization(
    organization: Organization, *, reason: str, by: Principal, dry_run: bool = False
) -> Organization:
    """Close it: see `structure.close`. A dry run is refused as that would be, and changes nothing."""
    close = partial(structure.close, organization, reason=reason, actor_id=by.volunteer_id)
    if dry_run:
        _try(close, organization)
        return organization
    return close()


def reopen_organization(organization: Organization, *, by: Principal, parent_id: UUID | None = None) -> Organization:
    """Let a closed one go on: see `structure.reopen`. The rights needed are those of a move there.

    Without `parent_id` it stands where it stood when it closed; one that was merged, beside what it went into. Raises
    RootStays, Forbidden, NotFound, and what that raises.
    """
    if parent_id is None and organization.merged_into_id is not None:
        parent_id = db.session.get_one(Organization, organization.merged_into_id).parent_id
    target = parent_id or organization.parent_id
    if target is None:
        raise RootStays()
    _require_rights_to_move(organization, target, by)
    return structure.reopen(organization, parent_id=target, actor_id=by.volunteer_id)


def _note_changes(organization: Organization, changes: Mapping[str, Any], by: Principal) -> None:
    """Let the audit log have what was changed beside a move, before and after."""
    told: dict[str, Any] = {}
    for name in ("name", "division_code", "resident_count"):
        if name in changes and changes[name] != getattr(organization, name):
            told |= {f"{name}_before": getattr(organization, name), name: changes[name]}
    if told:
        audit.record(
            AuditAction.ORGANIZATION_CHANGED, actor_id=by.volunteer_id, organization_id=organization.id, **told
        )


def _lapsing(organization: Organization) -> list[dict[str, Any]]:
    told = ("role", "masked_phone", "expires_at")
    # Read before the merger is tried, which takes them away.
    return [{name: getattr(one, name) for name in told} for one in waiting_on(organization)]


class _Tried(Exception):
    """It would have been done."""


def _try(work: Callable[[], object], organization: Organization) -> None:
    """Do it, and take it back; raises what it raises."""

    def tried() -> None:
        work()
        raise _Tried

    try:
        attempt(tried)
    except _Tried:
        db.session.refresh(organization)


def _seen(organization: Organization) -> dict[str, Any]:
    return {column.key: getattr(organization, column.key) for column in Organization.__table__.columns}


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
    require(by, MANAGE, organization_id=target_id)
    if organization.parent_id is None:
        raise RootStays()
    if not can(by.volunteer_id, MANAGE, organization_id=organization.parent_id):
        raise Forbidden()


def _check_division(code: str | None, parent_id: UUID | None) -> None:
    """Raise where there is no such division, or it is not inside of the nearest one above: a station is no city."""
    if code is None:
        return
    division = db.session.get(Division, code)
    if division is None:
        raise DivisionUnknown(code=code)
    above = db.session.execute(queries.division_above(parent_id)).one_or_none() if parent_id is not None else None
    if above is not None and not code.startswith(above.code):
        raise DivisionOutside(division=division.name, code=code, above=above.name, organization=above.organization)


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
