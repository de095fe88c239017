"""Rows of the access matrix: the catalogue."""

from tests.access_scene import KEEPS_CATALOG, PUBLIC, SIGNED_IN, Call, Entry, World
from tests.inventory.factories import make_item


def table(world: World) -> Call:
    """A table with one item."""
    return Call(file=("items.csv", f"物品名称,类别,单位\n毛巾 {world.phone()},消耗品,条\n".encode()))


ROWS: dict[str, Entry] = {
    "GET /items": PUBLIC(),
    "POST /items": KEEPS_CATALOG(
        lambda world: Call(body={"name": f"毛巾 {world.phone()}", "kind": "consumable", "unit": "条"})
    ),
    "GET /items-import-template.xlsx": SIGNED_IN(),
    "POST /items/import": KEEPS_CATALOG(table),
    "GET /items/{item_id}": PUBLIC(),
    # Each who may calls it once: the version is that of an item of her own.
    "PATCH /items/{item_id}": KEEPS_CATALOG(
        lambda world: Call(at={"item_id": make_item()}, body={"unit": "条"}, version=1)
    ),
}
