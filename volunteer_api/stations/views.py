"""Stations as they are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from volunteer_api.accounts.service import masked_phone
from volunteer_api.core import clock, holidays
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.geo import Place
from volunteer_api.core.nearby import Nearest, distance_to, meters
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.settings import settings
from volunteer_api.files.queries import FileView, file_view
from volunteer_api.organizations.access import Permission, can
from volunteer_api.stations import offers, opening, queries
from volunteer_api.stations.models import SPOT, Station, StationStatus

FILTERS = ("service", "open_at", "q")
# The orders of rows of `Station`, the second of those with `square` too.
BY_CODE = (Key(Station.code, read=lambda row: row.Station.code),)
NEAREST = (Key(distance_to(SPOT), read=lambda row: row.square), Key(Station.id, read=lambda row: row.Station.id))


@dataclass(frozen=True)
class Person:
    """`phone` is masked, "" where she has none any more."""

    id: UUID
    name: str
    phone: str


@dataclass(frozen=True)
class StatusChangeView:
    id: UUID
    at: datetime
    from_status: str | None
    to_status: str
    reason: str | None
    changed_by: Person | None


def page_of_stations(query: Mapping[str, Any]) -> Page:
    """Stations: the nearest first where `near` is given, in one to three statements; else by code, in one."""
    near = query.get("near")
    values = {name: query[name] for name in queries.BOUND if query.get(name) is not None}
    statement = queries.listed(frozenset(values), measured=near is not None)
    if others := queries.filters(**{name: query.get(name) for name in FILTERS}):
        statement = statement.where(*others)
    if near is None:
        found = page(statement, BY_CODE, query, values=values)
    else:
        narrow = Nearest(SPOT, Station.id, near, query.get("radius_m"), filters=tuple(values.values()))
        found = page(statement, NEAREST, query, narrow=narrow, values=values | narrow.values)
    return Page([_summary(row, getattr(row, "square", None)) for row in found.items], found.next_cursor)


def nearest(near: Place, *, radius_m: float, count: int) -> Sequence[dict[str, Any]]:
    """The nearest stations that the public sees. One statement to three, see `Nearest`."""
    return page_of_stations({"near": near, "radius_m": radius_m, "limit": count}).items


def read_station(station_id: UUID, principal: Principal | None) -> dict[str, Any]:
    """All that a station's page shows, with its managers where the caller reads its stock. At most four statements."""
    row = db.session.execute(queries.shown().where(Station.id == station_id)).one()
    photos = db.session.scalars(queries.photos_of(station_id)).all() if row.Cover is not None else []
    return _summary(row, None) | {
        "photos": [file_view(photo) for photo in photos],
        "managers": _managers(row.Station) if _is_insider(principal, row.Station) else None,
    }


def page_of_status_changes(station: Station, query: Mapping[str, Any]) -> Page:
    """What became of a station, the latest first."""
    statement = queries.status_changes(station.id)
    key = Key(statement.selected_columns.id, read=lambda row: row.StationStatusChange.id, descending=True)
    found = page(statement, [key], query, scope=str(station.id))
    return Page([_status_change(row) for row in found.items], found.next_cursor)


def page_url(station_id: UUID) -> str:
    """The address of a station's page for everybody: what its QR label says."""
    return f"{settings().public_base_url}/c/t/{station_id}"


def outlook_of(station: Station) -> opening.Outlook:
    """Whether it is open now and what comes next; nothing comes where it is not in service."""
    if station.status != StationStatus.OPEN:
        return opening.Outlook(is_open=False, closes_at=None, opens_at=None)
    return opening.outlook(schedule_of(station), clock.now(), settings().zone)


def schedule_of(station: Station) -> opening.Schedule:
    """What its hours depend on."""
    return opening.Schedule(station.opening_hours, station.hour_exceptions, station.holiday_rule)


def contact_of(station: Station) -> dict[str, str | None] | None:
    """`{name, phone}` of the desk."""
    return None if station.contact_phone is None else {"name": station.contact_name, "phone": station.contact_phone}


def _summary(row: Any, squared_m: float | None) -> dict[str, Any]:
    station: Station = row.Station
    outlook = outlook_of(station)
    return {
        "id": station.id,
        "version": station.version,
        "code": station.code,
        "name": station.name,
        "kind": station.kind,
        "organization_id": station.organization_id,
        "organization_name": row.organization_name,
        "status": station.status,
        "status_reason": station.status_reason,
        "status_since": station.status_since,
        "place": station.place,
        "address": station.address,
        "opening_hours": station.opening_hours,
        "hour_exceptions": [_exception(one) for one in station.hour_exceptions],
        "holiday_rule": station.holiday_rule,
        "services": station.services,
        "service_names": offers.shown(station.services),
        "contact": contact_of(station),
        "photo": _cover(row),
        "page_url": page_url(station.id),
        "open_now": outlook.is_open,
        "closes_at": outlook.closes_at,
        "opens_at": outlook.opens_at,
        "holidays_known_through": holidays.known_through(),
        "distance_m": meters(squared_m),
    }


def _cover(row: Any) -> FileView | None:
    return file_view(row.Cover) if row.Cover is not None else None


def _exception(kept: Mapping[str, Any]) -> dict[str, Any]:
    days = {name: date.fromisoformat(kept[name]) for name in ("first_on", "last_on")}
    return {**kept, **days}


def _is_insider(principal: Principal | None, station: Station) -> bool:
    return principal is not None and can(
        principal.volunteer_id,
        Permission.STOCK_READ,
        organization_id=station.organization_id,
        station_id=station.id,
    )


def _managers(station: Station) -> Sequence[Person]:
    found = db.session.execute(queries.managers_of(station.id))
    return [_person(row.id, row.name, row.phone) for row in found]


def _status_change(row: Any) -> StatusChangeView:
    change = row.StationStatusChange
    return StatusChangeView(
        id=change.id,
        at=change.created_at,
        from_status=change.from_status,
        to_status=change.to_status,
        reason=change.reason,
        changed_by=None if row.person_id is None else _person(row.person_id, row.name, row.phone),
    )


def _person(volunteer_id: UUID, name: str, phone: str | None) -> Person:
    return Person(volunteer_id, name, masked_phone(phone))
