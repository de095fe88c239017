"""Rows of the access matrix: stations."""

from typing import Any

from tests.access_scene import (
    MANAGES_STATION,
    ORGANIZES,
    PUBLIC,
    READS_STOCK,
    SIGNED_IN,
    Arrange,
    Call,
    Entry,
    World,
)

PLACE = {"lat": 33.735, "lng": 113.33}


def station(world: World) -> Call:
    """A station of the office."""
    body = {
        "name": "新服务台",
        "kind": "desk",
        "organization_id": str(world.office.id),
        "place": PLACE,
        "address": "1 号",
    }
    return Call(body=body | {"opening_hours": [{"weekday": 1, "opens": "08:00", "closes": "18:00"}]})


def table(world: World) -> Call:
    """A table of one station of the office."""
    text = "名称,类别,地址,纬度,经度,坐标系\n新服务台,服务台,1 号,33.735,113.33,GPS\n"
    return Call(file=("stations.csv", text.encode()))


def changes(**members: Any) -> Arrange:
    """A change of the world's station."""
    return lambda world: Call(body=members, version=1)


ROWS: dict[str, Entry] = {
    "GET /stations": PUBLIC(),
    "POST /stations": ORGANIZES(station),
    "GET /stations-import-template.xlsx": SIGNED_IN(),
    "POST /organizations/{organization_id}/stations/import": ORGANIZES(table),
    "GET /organizations/{organization_id}/stations.xlsx": READS_STOCK(holder="organizer"),
    "GET /organizations/{organization_id}/station-labels.pdf": ORGANIZES(),
    "GET /stations/{station_id}": PUBLIC(),
    "GET /stations/{station_id}/label.pdf": MANAGES_STATION(),
    "PATCH /stations/{station_id}": MANAGES_STATION(changes(address="2 号")),
    "PATCH /stations/{station_id} · pauses": MANAGES_STATION(changes(status="paused", status_reason="装修")),
    "PATCH /stations/{station_id} · closes": ORGANIZES(changes(status="closed", status_reason="撤销")),
    "PATCH /stations/{station_id} · moves the place": ORGANIZES(changes(place={"lat": 33.7, "lng": 113.3})),
    "GET /stations/{station_id}/status-changes": READS_STOCK(),
    "GET /c/t/{station_id}": PUBLIC(),
    "GET /c/t/{station_id}/{code}": PUBLIC(lambda world: Call(at={"code": "12345678"})),
}
