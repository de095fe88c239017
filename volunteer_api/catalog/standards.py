"""How kit standards are read, and what they come to at a station.

All standards apply at once that the organizations above a station (its own among them) issued for the station's kind; a
withdrawn one does not. Where two ask for one item, whether for two kits or on two levels, the greater minimum counts,
and it is critical where either says so: one wrench serves two kits, and who stands below may ask for more than those
above, never for less. What is prohibited or no longer offered is asked of nobody.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, cast, func, null, or_, select, union_all

from volunteer_api.catalog.models import (
    Item,
    KitStandard,
    KitStandardKind,
    KitStandardLine,
    KitStandardVersion,
)
from volunteer_api.catalog.queries import NamedItem
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.organizations.models import Organization, PathMember
from volunteer_api.organizations.queries import ancestor_ids
from volunteer_api.stations.models import Station


@dataclass(frozen=True)
class LineView:
    """One line of a version."""

    item: NamedItem
    minimum: int
    critical: bool


@dataclass(frozen=True)
class VersionView:
    """A version with its lines in their order."""

    id: UUID
    number: int
    effective_from: date
    withdrawn: bool
    note: str | None
    lines: list[LineView] = field(default_factory=list)


@dataclass(frozen=True)
class StandardView:
    """A standard with the version that counts today, None before its first day, and the newest."""

    id: UUID
    version: int
    organization_id: UUID
    organization_name: str
    kit: str
    name: str
    station_kinds: list[str]
    in_force: VersionView | None
    latest: VersionView


@dataclass(frozen=True)
class Requirement:
    """What a station must hold of an item, and the kits that ask for it."""

    item: NamedItem
    minimum: int
    critical: bool
    kits: tuple[str, ...]


@dataclass
class _Version:
    effective_from: date
    withdrawn: bool
    lines: list[LineView] = field(default_factory=list)


# The versions of a standard that count or will count, by number.
_Versions = dict[int, _Version]


@dataclass
class Standards:
    """The standards of some organizations, by organization, kind of station and kit: in force, and issued ahead."""

    _found: dict[tuple[UUID, str], dict[str, _Versions]] = field(default_factory=dict)

    def coming(self, chain: Sequence[UUID], station_kind: str) -> list[tuple[date, dict[UUID, Requirement]]]:
        """The days to come on which a version begins to count, in their order, and what must be held from then on."""
        today = clock.today()
        versions = [
            version
            for organization_id in chain
            for found in self._found.get((organization_id, station_kind), {}).values()
            for version in found.values()
        ]
        days = sorted({version.effective_from for version in versions if version.effective_from > today})
        return [(day, self.required(chain, station_kind, on=day)) for day in days]

    def required(self, chain: Sequence[UUID], station_kind: str, *, on: date | None = None) -> dict[UUID, Requirement]:
        """What a station of this kind must hold on a day (None: today), by item.

        `chain` names the organizations above it that have a standard, its own among them.
        """
        day = on or clock.today()
        merged: dict[UUID, Requirement] = {}
        for organization_id in chain:
            for kit, versions in self._found.get((organization_id, station_kind), {}).items():
                counting = [number for number, version in versions.items() if version.effective_from <= day]
                if not counting or versions[max(counting)].withdrawn:
                    continue
                for line in versions[max(counting)].lines:
                    before = merged.get(line.item.id, Requirement(line.item, 0, False, ()))
                    merged[line.item.id] = Requirement(
                        line.item,
                        max(before.minimum, line.minimum),
                        before.critical or line.critical,
                        tuple(sorted({*before.kits, kit})),
                    )
        return merged

    def add(self, row: Row[Any]) -> None:
        """Take over a row of `_counting`."""
        versions = self._found.setdefault((row.organization_id, row.station_kind), {}).setdefault(row.kit, {})
        version = versions.setdefault(row.number, _Version(row.effective_from, row.withdrawn))
        if row.item_id is not None:
            item = NamedItem(row.item_id, row.item_name, row.item_unit, row.item_kind)
            version.lines.append(LineView(item, row.minimum, row.critical))


def required_at(station_id: UUID) -> dict[UUID, Requirement]:
    """What a station must hold today, by item. One statement."""
    standards, chain, station_kind = standards_at(station_id)
    return standards.required(chain, station_kind) if chain else {}


def standards_at(station_id: UUID) -> tuple[Standards, list[UUID], str]:
    """The standards above a station for its kind, the organizations that have one, and the kind.

    One statement; no organization and no kind where there is no standard.
    """
    above = (
        select(PathMember.ancestor_id, Station.kind)
        .join(Organization, Organization.path_id == PathMember.path_id)
        .join(Station, Station.organization_id == Organization.id)
        .where(Station.id == station_id)
        .subquery()
    )
    rows = db.session.execute(
        _counting().join(
            above,
            and_(above.c.ancestor_id == KitStandardKind.organization_id, above.c.kind == KitStandardKind.station_kind),
        )
    ).all()
    standards = Standards()
    for row in rows:
        standards.add(row)
    chain = list(dict.fromkeys(row.organization_id for row in rows))
    return standards, chain, rows[0].station_kind if rows else ""


def standards_on(path_ids: Collection[UUID]) -> tuple[Standards, dict[UUID, list[UUID]]]:
    """The standards that reach down these paths; and of each path the organizations that have one.

    One statement, however many paths.
    """
    standards, chains = Standards(), {path_id: list[UUID]() for path_id in path_ids}
    if not chains:
        return standards, chains
    on_paths = PathMember.path_id.in_(path_ids)
    counting = _counting().where(KitStandardKind.organization_id.in_(select(PathMember.ancestor_id).where(on_paths)))
    empty = [cast(null(), column.type).label(column.name) for column in counting.selected_columns]
    # The chains come along as rows of their own: with each line they would come as often as there are lines.
    members = select(*empty, PathMember.path_id, PathMember.ancestor_id).where(
        on_paths, PathMember.ancestor_id.in_(select(KitStandardKind.organization_id))
    )
    lines = counting.add_columns(
        cast(null(), PathMember.path_id.type).label("path_id"),
        cast(null(), PathMember.ancestor_id.type).label("ancestor_id"),
    )
    for row in db.session.execute(union_all(lines, members)):
        if row.path_id is None:
            standards.add(row)
        else:
            chains[row.path_id].append(row.ancestor_id)
    return standards, chains


def list_standards(query: Mapping[str, Any]) -> Page:
    """Standards in the order in which they were set up. Three statements."""
    statement = select(KitStandard, Organization.name.label("organization_name")).join(Organization)
    if "organization_id" in query:
        mine: ColumnElement[bool] = KitStandard.organization_id == query["organization_id"]
        if query.get("inherited"):
            mine = KitStandard.organization_id.in_(ancestor_ids(query["organization_id"]))
        statement = statement.where(mine)
    if "kit" in query:
        statement = statement.where(KitStandard.kit == query["kit"])
    if "station_kind" in query:
        of_kind = select(KitStandardKind.standard_id).where(KitStandardKind.station_kind == query["station_kind"])
        statement = statement.where(KitStandard.id.in_(of_kind))
    found = page(statement, [Key(KitStandard.id, lambda row: row.KitStandard.id)], query)
    return replace(found, items=_standard_views([(row.KitStandard, row.organization_name) for row in found.items]))


def standard_view(standard: KitStandard) -> StandardView:
    """A standard as the contract shows it. Three statements."""
    name = db.session.scalar(select(Organization.name).where(Organization.id == standard.organization_id))
    return _standard_views([(standard, str(name))])[0]


def list_versions(standard_id: UUID, query: Mapping[str, Any]) -> Page:
    """All versions of a standard, the newest first. Two statements."""
    statement = select(KitStandardVersion).where(KitStandardVersion.standard_id == standard_id)
    keys = [Key(KitStandardVersion.number, lambda version: version.number, descending=True)]
    found = page(statement, keys, query, scope=str(standard_id))
    return replace(found, items=version_views(found.items))


def version_views(versions: Sequence[KitStandardVersion]) -> list[VersionView]:
    """Versions with their lines. One statement, however many."""
    views = {
        version.id: VersionView(version.id, version.number, version.effective_from, version.withdrawn, version.note, [])
        for version in versions
    }
    lines = (
        select(
            KitStandardLine.version_id,
            KitStandardLine.minimum,
            KitStandardLine.critical,
            Item.id,
            Item.name,
            Item.unit,
            Item.kind,
        )
        .join(Item, Item.id == KitStandardLine.item_id)
        .where(KitStandardLine.version_id.in_(views))
        .order_by(KitStandardLine.version_id, KitStandardLine.position)
    )
    for row in db.session.execute(lines) if views else ():
        item = NamedItem(row.id, row.name, row.unit, row.kind)
        views[row.version_id].lines.append(LineView(item, row.minimum, row.critical))
    return list(views.values())


def is_required(item_id: UUID) -> bool:
    """Whether any version of any standard names the item."""
    found = select(KitStandardLine.version_id).where(KitStandardLine.item_id == item_id).limit(1)
    return db.session.scalar(found) is not None


def _standard_views(found: Sequence[tuple[KitStandard, str]]) -> list[StandardView]:
    if not found:
        return []
    asked = [standard.id for standard, _ in found]
    kinds: dict[UUID, list[str]] = {standard_id: [] for standard_id in asked}
    listed = select(KitStandardKind.standard_id, KitStandardKind.station_kind)
    for row in db.session.execute(
        listed.where(KitStandardKind.standard_id.in_(asked)).order_by(KitStandardKind.station_kind)
    ):
        kinds[row.standard_id].append(row.station_kind)
    # A newest one that counts from a later day stands beside the one that counts today.
    number = _number_in_force(KitStandardVersion.standard_id)
    chosen = (
        select(KitStandardVersion)
        .join(KitStandard, KitStandard.id == KitStandardVersion.standard_id)
        .where(
            KitStandardVersion.standard_id.in_(asked),
            or_(KitStandardVersion.number == KitStandard.latest_number, KitStandardVersion.number == number),
        )
        .order_by(KitStandardVersion.standard_id, KitStandardVersion.number)
    )
    versions = db.session.scalars(chosen).all()
    views = dict(zip((version.id for version in versions), version_views(versions), strict=True))
    of_standard: dict[UUID, list[VersionView]] = {standard_id: [] for standard_id in asked}
    for version in versions:
        of_standard[version.standard_id].append(views[version.id])
    return [_standard_view(standard, name, kinds[standard.id], of_standard[standard.id]) for standard, name in found]


def _standard_view(
    standard: KitStandard, organization_name: str, kinds: list[str], versions: Sequence[VersionView]
) -> StandardView:
    counting = [version for version in versions if version.effective_from <= clock.today()]
    return StandardView(
        id=standard.id,
        version=standard.version,
        organization_id=standard.organization_id,
        organization_name=organization_name,
        kit=standard.kit,
        name=standard.name,
        station_kinds=kinds,
        in_force=counting[-1] if counting else None,
        latest=versions[-1],
    )


def _number_in_force(standard_id: Any) -> Any:
    """The number of the version that counts today, as a subquery on a standard's id."""
    counted = KitStandardVersion.__table__.alias()
    return (
        select(func.max(counted.c.number))
        .where(counted.c.standard_id == standard_id, counted.c.effective_from <= clock.today())
        .scalar_subquery()
    )


def _counting() -> Select[*tuple[Any, ...]]:
    """The lines of all versions that count today or will, by organization, kind of station and kit.

    One row without an item where a version asks for nothing.
    """
    offered = and_(Item.id == KitStandardLine.item_id, Item.prohibited.is_(False), Item.archived.is_(False))
    return (
        select(
            KitStandardKind.organization_id,
            KitStandardKind.station_kind,
            KitStandardKind.kit,
            KitStandardVersion.number,
            KitStandardVersion.effective_from,
            KitStandardVersion.withdrawn,
            Item.id.label("item_id"),
            Item.name.label("item_name"),
            Item.unit.label("item_unit"),
            Item.kind.label("item_kind"),
            KitStandardLine.minimum,
            KitStandardLine.critical,
        )
        .select_from(KitStandardKind)
        .join(
            KitStandardVersion,
            and_(
                KitStandardVersion.standard_id == KitStandardKind.standard_id,
                # Those before the one in force count no more, whatever their day.
                KitStandardVersion.number >= func.coalesce(_number_in_force(KitStandardKind.standard_id), 0),
            ),
        )
        .outerjoin(KitStandardLine, KitStandardLine.version_id == KitStandardVersion.id)
        .outerjoin(Item, offered)
    )
