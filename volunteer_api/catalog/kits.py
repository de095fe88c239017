"""The verbs of kit standards: issue one, from lines or from a template; issue its next version."""

from collections.abc import Sequence
from datetime import date
from typing import NotRequired, TypedDict
from uuid import UUID

from sqlalchemy import insert, select

from volunteer_api.catalog.events import KitStandardIssued
from volunteer_api.catalog.models import (
    Item,
    KitStandard,
    KitStandardKind,
    KitStandardLine,
    KitStandardVersion,
)
from volunteer_api.catalog.problems import EffectiveInPast, ItemArchived, KitStandardExists, NewerVersionIssued
from volunteer_api.catalog.service import create_item, load_items, named, prohibited_item
from volunteer_api.catalog.templates import TEMPLATES, KitTemplate, TemplateLine
from volunteer_api.core import clock
from volunteer_api.core.codes import folded
from volunteer_api.core.database import db
from volunteer_api.core.events import publish
from volunteer_api.organizations.access import require_open
from volunteer_api.stations.models import StationKind


class KitLine(TypedDict):
    """How many of an item a station must hold."""

    item_id: UUID
    minimum: int
    critical: NotRequired[bool]


def issue_standard(
    *,
    organization_id: UUID,
    kit: str,
    name: str,
    station_kinds: Sequence[StationKind],
    lines: Sequence[KitLine],
    effective_from: date | None = None,
    note: str | None = None,
    issued_by: UUID | None = None,
) -> KitStandard:
    """Set up a standard of an organization with its first version, which counts from `effective_from` (None: today).

    Raises NotFound (404), OrganizationClosed, KitStandardExists, ItemUnknown, ProhibitedItem, ItemArchived,
    EffectiveInPast (409).
    """
    require_open(organization_id)
    kinds = sorted(set(station_kinds))
    present = db.session.scalar(
        select(KitStandard)
        .join(KitStandardKind, KitStandardKind.standard_id == KitStandard.id)
        .where(
            KitStandardKind.organization_id == organization_id,
            KitStandardKind.kit == kit,
            KitStandardKind.station_kind.in_(kinds),
        )
        .order_by(KitStandard.id)
        .limit(1)
    )
    if present is not None:
        raise KitStandardExists(members={"kit_standard_id": str(present.id)}, name=present.name)
    standard = KitStandard(organization_id=organization_id, kit=kit, name=name, latest_number=1)
    db.session.add(standard)
    db.session.flush()
    db.session.execute(
        insert(KitStandardKind),
        [
            {"organization_id": organization_id, "kit": kit, "station_kind": kind, "standard_id": standard.id}
            for kind in kinds
        ],
    )
    _write_version(standard, lines, False, effective_from, note, issued_by)
    return standard


def issue_template(
    template: KitTemplate,
    *,
    organization_id: UUID,
    name: str | None = None,
    station_kinds: Sequence[StationKind] = (),
    effective_from: date | None = None,
    note: str | None = None,
    issued_by: UUID | None = None,
) -> KitStandard:
    """Set up a standard that comes with the product; what the catalogue lacks of it is added there.

    Raises what `issue_standard` and `create_item` raise.
    """
    chosen = TEMPLATES[template]
    items = template_items(chosen.lines)
    return issue_standard(
        organization_id=organization_id,
        kit=template,
        name=name or chosen.name,
        station_kinds=station_kinds or chosen.station_kinds,
        lines=[
            KitLine(item_id=items[line.name].id, minimum=line.minimum, critical=line.critical) for line in chosen.lines
        ],
        effective_from=effective_from,
        note=note,
        issued_by=issued_by,
    )


def template_items(lines: Sequence[TemplateLine]) -> dict[str, Item]:
    """The items that the lines name, by name; those that the catalogue lacks are added. Raises ProhibitedItem (409)."""
    names = {folded(line.name): line.name for line in lines}
    items = {
        names[item.folded_name]: item for item in db.session.scalars(select(Item).where(Item.folded_name.in_(names)))
    }
    for line in lines:
        if line.name not in items:
            items[line.name] = create_item(
                name=line.name, kind=line.kind, unit=line.unit, days_once_opened=line.days_once_opened
            )
    return items


def issue_version(
    standard: KitStandard,
    *,
    lines: Sequence[KitLine] = (),
    withdrawn: bool = False,
    effective_from: date | None = None,
    note: str | None = None,
    supersedes: int | None = None,
    issued_by: UUID | None = None,
) -> KitStandardVersion:
    """Issue the next version, which replaces all before it from `effective_from` (None: today) on.

    Raises OrganizationClosed, NewerVersionIssued, ItemUnknown, ProhibitedItem, ItemArchived, EffectiveInPast (409).
    """
    require_open(standard.organization_id)
    if supersedes is not None and supersedes != standard.latest_number:
        raise NewerVersionIssued(members={"latest_number": standard.latest_number}, number=standard.latest_number)
    standard.latest_number += 1
    # Of two at once the second finds another version of the row, and begins anew.
    db.session.flush()
    return _write_version(standard, lines, withdrawn, effective_from, note, issued_by)


def _write_version(
    standard: KitStandard,
    lines: Sequence[KitLine],
    withdrawn: bool,
    effective_from: date | None,
    note: str | None,
    issued_by: UUID | None,
) -> KitStandardVersion:
    today = clock.today()
    first_day = effective_from or today
    if first_day < today:
        raise EffectiveInPast(members={"effective_from": first_day.isoformat()})
    _check_items(load_items(line["item_id"] for line in lines))
    version = KitStandardVersion(
        standard_id=standard.id,
        number=standard.latest_number,
        effective_from=first_day,
        withdrawn=withdrawn,
        note=note,
        issued_by=issued_by,
    )
    db.session.add(version)
    db.session.flush()
    if lines:
        db.session.execute(
            insert(KitStandardLine),
            [
                {
                    "version_id": version.id,
                    "item_id": line["item_id"],
                    "position": position,
                    "minimum": line["minimum"],
                    "critical": line.get("critical", False),
                }
                for position, line in enumerate(lines, start=1)
            ],
        )
    publish(KitStandardIssued(standard.organization_id))
    return version


def _check_items(items: dict[UUID, Item]) -> None:
    for item in items.values():
        if item.prohibited:
            raise prohibited_item(item)
        if item.archived:
            raise ItemArchived(members={"item": named(item)}, item=item.name)
