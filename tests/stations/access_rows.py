"""Rows of the access matrix: stations."""

from tests.access_scene import MANAGES_STATION, ORGANIZES, PUBLIC, Call, Entry, World

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


ROWS: dict[str, Entry] = {
    "GET /stations": PUBLIC(),
    "POST /stations": ORGANIZES(station),
    "GET /organizations/{organization_id}/station-labels.pdf": ORGANIZES(),
    "GET /stations/{station_id}": PUBLIC(),
    "GET /stations/{station_id}/label.pdf": MANAGES_STATION(),
    "PATCH /stations/{station_id}": MANAGES_STATION(lambda world: Call(body={"address": "2 号"}, version=1)),
}
