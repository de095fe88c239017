"""Stations with stock, and the people who may and may not move it. Call them inside a unit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from tests.factories import make_volunteer, next_number
from volunteer_api.catalog import service as catalog
from volunteer_api.catalog.models import ItemKind
from volunteer_api.core.database import db
from volunteer_api.inventory import service
from volunteer_api.inventory.models import Movement, MovementReason, RecordableKind
from volunteer_api.inventory.queries import Document
from volunteer_api.organizations.grants import grant
from volunteer_api.organizations.models import OrganizationKind, Role, ScopeType
from volunteer_api.organizations.service import create_organization
from volunteer_api.stations.models import Station


@dataclass(frozen=True)
class Depot:
    """The ids of one station and of the people around it."""

    office_id: UUID
    station_id: UUID
    code: str
    manager_id: UUID
    organizer_id: UUID
    auditor_id: UUID
    # Manages a station of another office.
    outsider_id: UUID


def make_depot() -> Depot:
    """A center with two offices and a station each."""
    center = create_organization(parent_id=None, kind=OrganizationKind.PRACTICE_CENTER, name=f"中心{next_number()}")
    offices = [
        create_organization(parent_id=center.id, kind=OrganizationKind.PRACTICE_OFFICE, name=f"实践所{next_number()}")
        for _ in range(2)
    ]
    stations = [make_station(office.id) for office in offices]
    organizer, auditor = (make_volunteer() for _ in range(2))
    grant(volunteer_id=organizer.id, role=Role.ORGANIZER, scope_type=ScopeType.ORGANIZATION, scope_id=offices[0].id)
    grant(volunteer_id=auditor.id, role=Role.AUDITOR, scope_type=ScopeType.ORGANIZATION, scope_id=offices[0].id)
    return Depot(
        office_id=offices[0].id,
        station_id=stations[0].id,
        code=stations[0].code,
        manager_id=_manager_of(stations[0].id),
        organizer_id=organizer.id,
        auditor_id=auditor.id,
        outsider_id=_manager_of(stations[1].id),
    )


def make_station(organization_id: UUID) -> Station:
    """A desk."""
    number = next_number()
    station = Station(
        code=f"D{number:05d}",
        name=f"服务台{number}",
        kind="desk",
        organization_id=organization_id,
        latitude=33.73,
        longitude=113.33,
        address="河西社区",
        opening_hours=[],
        services=[],
    )
    db.session.add(station)
    db.session.flush()
    return station


def make_item(
    *,
    name: str | None = None,
    kind: ItemKind = ItemKind.CONSUMABLE,
    prohibited: bool = False,
    days_once_opened: int | None = None,
) -> UUID:
    """An item of the catalogue; returns its id."""
    return catalog.create_item(
        name=name or f"物品{next_number()}",
        kind=kind,
        unit="件",
        prohibited=prohibited,
        days_once_opened=days_once_opened,
    ).id


def move(
    depot: Depot,
    kind: str,
    *lines: Mapping[str, Any],
    reason: str = "other",
    occurred_at: datetime | None = None,
    **seen: str,
) -> Document:
    """A movement by the station's manager."""
    return service.record_movement(
        station_id=depot.station_id,
        actor_id=depot.manager_id,
        kind=RecordableKind(kind),
        reason=MovementReason(reason),
        lines=[line_of(**line) for line in lines],
        occurred_at=occurred_at,
        **seen,
    )


def reverse(depot: Depot, movement_id: UUID, reason: str = "mistake", note: str | None = None) -> Document:
    """The reversal of a movement by the station's manager."""
    movement = db.session.get_one(Movement, movement_id)
    return service.reverse_movement(movement, actor_id=depot.manager_id, reason=MovementReason(reason), note=note)


def line_of(
    item_id: UUID,
    quantity: int,
    *,
    lot_number: str | None = None,
    expires_on: date | None = None,
    quarantined: bool = False,
) -> service.Line:
    """A line of a movement."""
    line: service.Line = {"item_id": item_id, "quantity": quantity}
    if lot_number is not None:
        line["lot_number"] = lot_number
    if expires_on is not None:
        line["expires_on"] = expires_on
    if quarantined:
        line["quarantined"] = True
    return line


def _manager_of(station_id: UUID) -> UUID:
    manager = make_volunteer()
    grant(volunteer_id=manager.id, role=Role.STATION_MANAGER, scope_type=ScopeType.STATION, scope_id=station_id)
    return manager.id
