"""Rows of the access matrix: compliance."""

from tests.access_scene import MANAGES_STATION, PASSES, READS_STOCK, Call, Entry, Rule, World
from tests.factories import next_number
from volunteer_api.compliance.models import AlertKind, StockAlert
from volunteer_api.core.database import db

READS_STOCK_BELOW = Rule("whoever reads the stock of the organization", "organizer", insider=PASSES)


def of_office(world: World) -> Call:
    return Call(query={"organization_id": str(world.office.id)})


def alert(world: World) -> Call:
    made = StockAlert(station_id=world.station.id, kind=AlertKind.LOW, cause=f"{next_number()}", details={})
    db.session.add(made)
    db.session.flush()
    return Call(at={"alert_id": made.id}, body={"note": "明天补货"})


ROWS: dict[str, Entry] = {
    "GET /stations/{station_id}/compliance": READS_STOCK(),
    "GET /organizations/{organization_id}/compliance": READS_STOCK_BELOW(),
    "GET /stock/alerts": READS_STOCK_BELOW(of_office),
    "GET /stock/alerts · of a station": READS_STOCK(lambda world: Call(query={"station_id": str(world.station.id)})),
    "POST /stock/alerts/{alert_id}/acknowledgement": MANAGES_STATION(alert),
    "GET /restock-suggestions": READS_STOCK_BELOW(of_office),
}
