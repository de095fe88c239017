"""Rows of the access matrix: the stock ledger."""

from tests.access_scene import MANAGES_STATION, PASSES, PUBLIC, READS_STOCK, SIGNED_IN, Call, Entry, Rule, World
from tests.factories import next_number
from volunteer_api.catalog.models import Item
from volunteer_api.core.database import db
from volunteer_api.inventory import recalls
from volunteer_api.inventory.models import Recall

APPROVES_STOCK = Rule("the organizers of the organization", "organizer")
READS_STOCK_BELOW = Rule("whoever reads the stock of all its stations", "organizer", insider=PASSES)


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


def opening(world: World) -> Call:
    """A bottle of something that is good for thirty days once it is open."""
    db.session.get_one(Item, world.item_id).days_once_opened = 30
    world.receive()
    return Call(body={"item_id": str(world.item_id)})


def closing(world: World) -> Call:
    """A month that is over and that nobody closed yet."""
    number = next_number()
    return Call(at={"month": f"{1950 + number // 12 % 70}-{number % 12 + 1:02d}"})


def recalled(world: World) -> Call:
    """A lot that nobody has recalled yet."""
    body = {"item_id": str(world.item_id), "lot_number": f"L{next_number()}", "reason": "厂家召回"}
    return Call(body=body)


def recall(world: World) -> Recall:
    """A recall by the office."""
    view = recalls.recall_lot(
        organization=world.office,
        item_id=world.item_id,
        lot_number=f"L{next_number()}",
        reason="厂家召回",
        by=world.district.organizer.id,
    )
    return db.session.get_one(Recall, view.id)


def of_recall(world: World) -> Call:
    """What there is to read of a recall."""
    return Call(at={"recall_id": recall(world).id})


def ended(world: World) -> Call:
    """A recall that was a mistake."""
    return Call(at={"recall_id": recall(world).id}, body={"reason": "批号有误"})


ROWS: dict[str, Entry] = {
    "GET /items/{item_id}/stations": PUBLIC(),
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
    "POST /stations/{station_id}/stock/openings": MANAGES_STATION(opening),
    "GET /stations/{station_id}/recalls": READS_STOCK(),
    "POST /organizations/{organization_id}/stock-months/{month}/closing": APPROVES_STOCK(closing),
    "GET /organizations/{organization_id}/stock-months": READS_STOCK_BELOW(),
    "POST /organizations/{organization_id}/recalls": APPROVES_STOCK(recalled),
    "GET /organizations/{organization_id}/recalls": READS_STOCK_BELOW(),
    "GET /recalls/{recall_id}": READS_STOCK(of_recall),
    "GET /recalls/{recall_id}/stations": READS_STOCK_BELOW(of_recall),
    "GET /recalls/{recall_id}/issues": READS_STOCK_BELOW(of_recall),
    "POST /recalls/{recall_id}/cancellation": APPROVES_STOCK(ended),
}
