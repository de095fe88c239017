"""Rows of the access matrix: the catalogue."""

from tests.access_scene import ADDS_ITEMS, ORGANIZES, OWNS_CATALOG, PUBLIC, SIGNED_IN, Call, Entry, World
from tests.factories import next_number
from tests.inventory.factories import make_item
from volunteer_api.catalog import kits
from volunteer_api.catalog.models import KitStandard
from volunteer_api.stations.models import StationKind


def standard_of(world: World) -> KitStandard:
    """One of the office."""
    return kits.issue_standard(
        organization_id=world.office.id,
        kit=f"kit_{next_number()}",
        name="雨具标准",
        station_kinds=[StationKind.DESK],
        lines=[{"item_id": world.item_id, "minimum": 3}],
    )


def new_standard(world: World) -> Call:
    lines = [{"item_id": str(world.item_id), "minimum": 3, "critical": True}]
    body = {"kit": f"kit_{next_number()}", "name": "雨具标准", "station_kinds": ["desk"], "lines": lines}
    return Call(body=body | {"organization_id": str(world.office.id)})


def table(world: World) -> Call:
    """A table with one item."""
    return Call(file=("items.csv", f"物品名称,类别,单位\n毛巾 {world.phone()},消耗品,条\n".encode()))


ROWS: dict[str, Entry] = {
    "GET /items": PUBLIC(),
    "POST /items": ADDS_ITEMS(
        lambda world: Call(body={"name": f"毛巾 {world.phone()}", "kind": "consumable", "unit": "条"})
    ),
    "POST /items · a prohibited one": OWNS_CATALOG(
        lambda world: Call(body={"name": f"毛巾 {world.phone()}", "kind": "medical", "unit": "条", "prohibited": True})
    ),
    "GET /items-import-template.xlsx": SIGNED_IN(),
    "POST /items/import": ADDS_ITEMS(table),
    "GET /items/{item_id}": PUBLIC(),
    "GET /kit-standards": SIGNED_IN(),
    "POST /kit-standards": ORGANIZES(new_standard),
    "GET /kit-standards/{standard_id}": SIGNED_IN(lambda world: Call(at={"standard_id": standard_of(world).id})),
    "GET /kit-standards/{standard_id}/versions": SIGNED_IN(
        lambda world: Call(at={"standard_id": standard_of(world).id})
    ),
    "POST /kit-standards/{standard_id}/versions": ORGANIZES(
        lambda world: Call(
            at={"standard_id": standard_of(world).id},
            body={"lines": [{"item_id": str(world.item_id), "minimum": 5}]},
        )
    ),
    "PATCH /items/{item_id}": OWNS_CATALOG(
        lambda world: Call(at={"item_id": make_item()}, body={"unit": "条"}, version=1)
    ),
}
