"""Rows of the access matrix: the stock ledger."""

from tests.access_scene import MANAGES_STATION, READS_STOCK, SIGNED_IN, Call, Entry, World
from volunteer_api.catalog.models import Item
from volunteer_api.core.database import db


def movement(world: World) -> Call:
    """A donation."""
    lines = [{"item_id": str(world.item_id), "quantity": 3}]
    return Call(body={"kind": "receipt", "reason": "donation", "lines": lines})


def table(world: World) -> Call:
    """A table with one row."""
    item = db.session.get_one(Item, world.item_id)
    return Call(file=("stock.csv", f"物品名称,数量\n{item.name},3\n".encode()))


def new_item(world: World) -> Call:
    """A table with one row of an item that the catalogue lacks."""
    content = f"物品名称,数量,类别,单位\n毛巾 {world.phone()},3,消耗品,条\n".encode()
    return Call(file=("stock.csv", content), query={"create_items": "true"})


ROWS: dict[str, Entry] = {
    "GET /stations/{station_id}/ledger": READS_STOCK(),
    "GET /stations/{station_id}/ledger.xlsx": READS_STOCK(),
    "GET /stations/{station_id}/ledger.pdf": READS_STOCK(),
    "GET /organizations/{organization_id}/ledger.xlsx": READS_STOCK(holder="organizer"),
    "GET /organizations/{organization_id}/ledger.pdf": READS_STOCK(holder="organizer"),
    "GET /stations/{station_id}/stock": READS_STOCK(),
    "GET /stations/{station_id}/stock/entries": READS_STOCK(),
    "POST /stations/{station_id}/movements": MANAGES_STATION(movement),
    "GET /stock-import-template.xlsx": SIGNED_IN(),
    "POST /stations/{station_id}/stock/import": MANAGES_STATION(table),
    "POST /stations/{station_id}/stock/import · with new items": MANAGES_STATION(new_item, holder="organizer"),
    "GET /movements/{movement_id}": READS_STOCK(),
    "POST /movements/{movement_id}/reversal": MANAGES_STATION(lambda world: Call(body={"reason": "mistake"})),
}
