"""Rows of the access matrix: stocktakes."""

from uuid import UUID

from tests.access_scene import MANAGES_STATION, READS_STOCK, Call, Entry, World
from volunteer_api.core.database import db
from volunteer_api.stocktakes import service
from volunteer_api.stocktakes.models import Stocktake


def begun(world: World) -> UUID:
    """A count of the item."""
    world.receive()
    return service.start_stocktake(station_id=world.station.id, by=world.manager.id, item_ids=[world.item_id])


def started(world: World) -> Call:
    """A count of everything."""
    return Call(body={"scope": "all"})


def at_one(world: World) -> Call:
    """A count that has begun."""
    return Call(at={"stocktake_id": begun(world)})


def lines(world: World) -> Call:
    """Ten are there."""
    line = {"item_id": str(world.item_id), "quantity": 10}
    return Call(at={"stocktake_id": begun(world)}, body={"lines": [line]})


def approval(world: World) -> Call:
    """A count that agrees with the books."""
    stocktake_id = begun(world)
    stocktake = db.session.get_one(Stocktake, stocktake_id)
    balance = sum(row.book for row in service.queries.list_lines(stocktake_id, {}, hidden=False).items)
    service.count_lines(stocktake, [{"item_id": world.item_id, "quantity": balance}], by=world.manager.id)
    return Call(at={"stocktake_id": stocktake_id}, body={})


def cancellation(world: World) -> Call:
    """A count that nobody finishes."""
    return Call(at={"stocktake_id": begun(world)}, body={"reason": "下雨"})


ROWS: dict[str, Entry] = {
    "GET /stations/{station_id}/stocktakes": READS_STOCK(),
    "POST /stations/{station_id}/stocktakes": MANAGES_STATION(started),
    "GET /stocktakes/{stocktake_id}": READS_STOCK(at_one),
    "GET /stocktakes/{stocktake_id}/lines": READS_STOCK(at_one),
    "PUT /stocktakes/{stocktake_id}/lines": MANAGES_STATION(lines),
    "POST /stocktakes/{stocktake_id}/approval": MANAGES_STATION(approval),
    "POST /stocktakes/{stocktake_id}/cancellation": MANAGES_STATION(cancellation),
}
