"""Rows of the access matrix: transfers between two stations of the office."""

from functools import partial
from typing import Any
from uuid import UUID

from tests.access_scene import MANAGES_STATION, ORGANIZES, READS_STOCK, SIGNED_IN, Call, Entry, World
from tests.inventory.factories import line_of
from tests.stations.factories import make_station
from volunteer_api.core.database import db
from volunteer_api.transfers import queries, receiving, service
from volunteer_api.transfers.models import Transfer

REASON = {"reason": "不需要了"}


def request(world: World) -> Call:
    """The manager's station asks another one of the office."""
    lines = [{"item_id": str(world.item_id), "quantity": 1}]
    other = make_station(organization_id=world.office.id)
    return Call(body={"from_station_id": str(other.id), "to_station_id": str(world.station.id), "lines": lines})


def transfer(
    world: World, *, body: dict[str, Any] | None = None, outgoing: bool = False, state: str = "requested"
) -> Call:
    """One that the manager's station asked for; `outgoing`: that is asked of it by the office's organizer."""
    return Call(at={"transfer_id": make(world, outgoing=outgoing, state=state)}, body=body)


def make(world: World, *, outgoing: bool, state: str) -> UUID:
    world.receive()
    stations = [make_station(organization_id=world.office.id).id, world.station.id]
    sender, receiver = reversed(stations) if outgoing else stations
    asker = world.district.administrator if outgoing else world.manager
    made = service.request(
        actor_id=asker.id,
        from_station_id=sender,
        to_station_id=receiver,
        lines=[line_of(world.item_id, 1)],
        needs_organizer=not outgoing,
    )
    if state != "requested":
        service.approve(made, actor_id=world.district.organizer.id)
    if state == "shipped":
        # From the shelf of the other station, to which something comes first.
        stock_of(world, sender)
        service.ship(made, actor_id=world.district.organizer.id)
    return made.id


def undoing_a_receipt(world: World) -> Call:
    """Of what came to the manager's station."""
    transfer_id = make(world, outgoing=False, state="shipped")
    receiving.receive(db.session.get_one(Transfer, transfer_id), actor_id=world.manager.id)
    receipt_id = queries.read_transfer(transfer_id).steps[-1].id
    return Call(at={"transfer_id": transfer_id, "receipt_id": receipt_id}, body={})


def stock_of(world: World, station_id: UUID) -> None:
    """Something to send."""
    at_home, world.station = world.station, db.session.get_one(type(world.station), station_id)
    world.receive()
    world.station = at_home


def list_of_station(world: World) -> Call:
    return Call(query={"station_id": str(world.station.id)})


def list_of_organization(world: World) -> Call:
    return Call(query={"organization_id": str(world.office.id)})


ROWS: dict[str, Entry] = {
    "GET /transfers": SIGNED_IN(),
    "GET /transfers · of a station": READS_STOCK(list_of_station),
    "GET /transfers · of an organization": READS_STOCK(list_of_organization, holder="organizer"),
    "POST /transfers": MANAGES_STATION(request),
    "GET /transfers/{transfer_id}": READS_STOCK(transfer),
    "POST /transfers/{transfer_id}/approval": ORGANIZES(partial(transfer, body={})),
    "POST /transfers/{transfer_id}/approval · asked by the other side": MANAGES_STATION(
        partial(transfer, body={}, outgoing=True)
    ),
    "POST /transfers/{transfer_id}/rejection": ORGANIZES(partial(transfer, body=REASON)),
    "POST /transfers/{transfer_id}/shipment": MANAGES_STATION(
        partial(transfer, body={}, outgoing=True, state="approved")
    ),
    "POST /transfers/{transfer_id}/receipt": MANAGES_STATION(partial(transfer, body={}, state="shipped")),
    "POST /transfers/{transfer_id}/receipts/{receipt_id}/reversal": MANAGES_STATION(undoing_a_receipt),
    "POST /transfers/{transfer_id}/cancellation": MANAGES_STATION(partial(transfer, body=REASON)),
}
