"""Rows of the access matrix: the stock ledger."""

from tests.access_scene import MANAGES_STATION, PUBLIC, READS_STOCK, Call, Entry, World


def movement(world: World) -> Call:
    """A donation."""
    lines = [{"item_id": str(world.item_id), "quantity": 3}]
    return Call(body={"kind": "receipt", "reason": "donation", "lines": lines})


ROWS: dict[str, Entry] = {
    "GET /items/{item_id}/stations": PUBLIC(),
    "GET /stations/{station_id}/ledger": READS_STOCK(),
    "GET /stations/{station_id}/stock": READS_STOCK(),
    "GET /stations/{station_id}/stock/entries": READS_STOCK(),
    "POST /stations/{station_id}/movements": MANAGES_STATION(movement),
    "GET /movements/{movement_id}": READS_STOCK(),
    "POST /movements/{movement_id}/reversal": MANAGES_STATION(lambda world: Call(body={"reason": "mistake"})),
}
