"""The verbs of stations: set up, change, find."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.core import geo, ids
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.organizations.access import require_open
from volunteer_api.stations import queries
from volunteer_api.stations.models import Station, StationKind, StationStatus
from volunteer_api.stations.problems import StationCodeTaken

CODE_LENGTH = 6


def list_stations(query: Mapping[str, Any]) -> Page:
    """Stations, the nearest first where `near` is given, else by code. One statement."""
    statement = queries.stations(query.get("organization_id"), query.get("kind"), query.get("status"), query.get("q"))
    near = query.get("near")
    if near is None:
        return page(statement, [Key(Station.code, read=lambda station: station.code)], query)
    keys = [
        Key(
            geo.squared_distance_m(Station.latitude, Station.longitude, near),
            read=lambda station: station.squared_distance_m,
        ),
        Key(Station.id, read=lambda station: station.id),
    ]
    return page(queries.measured(statement, near, query.get("radius_m")), keys, query)


def create_station(
    *,
    name: str,
    kind: StationKind,
    organization_id: UUID,
    place: Mapping[str, float],
    address: str,
    code: str | None = None,
    status: StationStatus = StationStatus.OPEN,
    opening_hours: Sequence[Mapping[str, Any]] = (),
    services: Sequence[str] = (),
) -> Station:
    """Set up a station at a place in WGS-84 degrees.

    Raises NotFound for an unknown organization, OrganizationClosed, StationCodeTaken.
    """
    require_open(organization_id)
    if code is not None and db.session.scalar(select(Station.id).where(Station.code == code)) is not None:
        raise StationCodeTaken(code=code)
    station = Station(
        code=code or ids.readable(CODE_LENGTH),
        name=name,
        kind=kind,
        organization_id=organization_id,
        status=status,
        latitude=place["lat"],
        longitude=place["lng"],
        address=address,
        opening_hours=[dict(hours) for hours in opening_hours],
        services=list(services),
    )
    db.session.add(station)
    db.session.flush()
    return station


def change_station(station: Station, *, place: Mapping[str, float] | None = None, **changes: Any) -> Station:
    """Change what is given: name, kind, status, place, address, opening_hours, services.

    Raises OrganizationClosed where a closed station would open again below a closed organization.
    """
    if station.status == StationStatus.CLOSED and changes.get("status", StationStatus.CLOSED) != StationStatus.CLOSED:
        require_open(station.organization_id)
    if place is not None:
        station.latitude, station.longitude = place["lat"], place["lng"]
    for name, value in changes.items():
        setattr(station, name, value)
    db.session.flush()
    return station
