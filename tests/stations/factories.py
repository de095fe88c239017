"""Service stations."""

from typing import Any
from uuid import UUID

from tests.factories import factory, next_number
from volunteer_api.stations import service
from volunteer_api.stations.models import Station, StationKind

WORKDAYS = [{"weekday": weekday, "opens": "08:00", "closes": "18:00"} for weekday in range(1, 6)]


@factory
def make_station(
    *,
    organization_id: UUID,
    latitude: float = 33.7350,
    longitude: float = 113.3300,
    kind: StationKind = StationKind.DESK,
    name: str = "河西社区服务台",
    **values: Any,
) -> Station:
    """A desk in 卫东区, open from eight to six on workdays."""
    return service.create_station(
        name=name,
        kind=kind,
        organization_id=organization_id,
        place={"lat": latitude, "lng": longitude},
        address="建设路1号",
        **{"code": f"T{next_number():05d}", "opening_hours": WORKDAYS, "services": ["hot_water"]} | values,
    )
