"""Rows of the access matrix: loans and numbered pieces."""

import dataclasses
from typing import Any
from uuid import UUID

from tests.access_scene import (
    MANAGES_STATION,
    PASSES,
    PUBLIC,
    READS_STOCK,
    SIGNED_IN,
    Call,
    Entry,
    Rule,
    World,
    moment,
)
from tests.factories import next_number
from tests.inventory.factories import line_of
from tests.stations.factories import make_station
from volunteer_api.catalog.models import ItemKind
from volunteer_api.catalog.service import create_item
from volunteer_api.core.database import db
from volunteer_api.inventory import service as inventory
from volunteer_api.inventory.models import MovementReason, RecordableKind
from volunteer_api.loans import assets, returns, service
from volunteer_api.loans.models import Loan, ReturnCondition
from volunteer_api.loans.queries import AssetView, LoanView

# Loans come back to every desk, so every desk finds them.
LOOKS_UP = Rule("whoever moves stock somewhere", "manager", foreign_manager=PASSES, foreign_organizer=PASSES)
LISTS = Rule(
    "whoever reads stock somewhere, of the stations that she reads",
    "manager",
    foreign_manager=PASSES,
    foreign_organizer=PASSES,
    insider=PASSES,
)
MANAGES_BOTH = dataclasses.replace(MANAGES_STATION, name="whoever moves the stock of both stations", holder="organizer")


def umbrellas(world: World) -> UUID:
    """A durable, of which the station has ten."""
    item = create_item(name=f"雨伞{next_number()}", kind=ItemKind.DURABLE, unit="把")
    inventory.record_movement(
        station_id=world.station.id,
        actor_id=world.manager.id,
        kind=RecordableKind.RECEIPT,
        reason=MovementReason.DONATION,
        lines=[line_of(item.id, 10)],
    )
    return item.id


def lent(world: World, **borrower: Any) -> LoanView:
    """Two umbrellas that the station lent."""
    return service.lend(
        station_id=world.station.id,
        actor_id=world.manager.id,
        item_id=umbrellas(world),
        quantity=2,
        borrower=borrower or {"name": "王大爷", "phone": world.phone()},
    )


def numbered(world: World) -> AssetView:
    """One of the station's umbrellas with a number."""
    return assets.number_piece(station_id=world.station.id, item_id=umbrellas(world))


def lending(world: World) -> Call:
    """To somebody who passes by."""
    return Call(
        body={
            "item_id": str(umbrellas(world)),
            "quantity": 1,
            "borrower": {"name": "王大爷", "phone": world.phone()},
            "due_at": moment(48),
        }
    )


def bringing_back(world: World) -> Call:
    """To the station that lent it."""
    return Call(
        at={"loan_id": lent(world).id}, body={"station_id": str(world.station.id), "quantity": 1, "condition": "good"}
    )


def undoing_a_return(world: World) -> Call:
    """Of one piece that came back to the station that lent it."""
    loan_id = lent(world).id
    loan = returns.take_back(
        db.session.get_one(Loan, loan_id),
        station_id=world.station.id,
        actor_id=world.manager.id,
        condition=ReturnCondition.GOOD,
        quantity=1,
    )
    assert loan.returns
    return Call(at={"loan_id": loan_id, "return_id": loan.returns[0].id}, body={})


def of_a_loan(world: World) -> Call:
    """One of the station's."""
    return Call(at={"loan_id": lent(world).id})


def of_a_piece(world: World) -> Call:
    """One of the station's."""
    return Call(at={"asset_id": numbered(world).id})


def borrowed(world: World) -> Call:
    """What the caller borrowed herself."""
    return Call(at={"loan_id": lent(world, volunteer_id=world.caller.id).id})


def to_another_station(world: World) -> Call:
    """Of the same office."""
    there = make_station(organization_id=world.office.id)
    return Call(at={"asset_id": numbered(world).id}, body={"station_id": str(there.id)})


ROWS: dict[str, Entry] = {
    "POST /stations/{station_id}/loans": MANAGES_STATION(lending),
    "GET /loans": LISTS(),
    "GET /loans · of a station": READS_STOCK(lambda world: Call(query={"station_id": str(world.station.id)})),
    "GET /me/loans": SIGNED_IN(),
    "GET /loans/{loan_id}": READS_STOCK(of_a_loan),
    "GET /loans/{loan_id} · the borrower": Rule(
        "the borrower, and whoever reads the stock of the station", "member", insider=PASSES
    )(borrowed),
    "POST /loans/lookup": LOOKS_UP(lambda world: Call(body={"slip_number": lent(world).slip_number})),
    "POST /loans/{loan_id}/return": MANAGES_STATION(bringing_back),
    "POST /loans/{loan_id}/returns/{return_id}/reversal": MANAGES_STATION(undoing_a_return),
    "POST /loans/{loan_id}/extension": MANAGES_STATION(
        lambda world: Call(at={"loan_id": lent(world).id}, body={"due_at": moment(24 * 20)})
    ),
    "GET /loans/{loan_id}/borrower": MANAGES_STATION(of_a_loan),
    "GET /assets": LISTS(),
    "GET /assets · of a station": READS_STOCK(lambda world: Call(query={"station_id": str(world.station.id)})),
    "POST /assets": MANAGES_STATION(
        lambda world: Call(body={"station_id": str(world.station.id), "item_id": str(umbrellas(world))})
    ),
    "GET /stations/{station_id}/asset-labels.pdf": READS_STOCK(),
    "GET /assets/{asset_id}": READS_STOCK(of_a_piece),
    "GET /c/a/{code}": PUBLIC(lambda world: Call(at={"code": numbered(world).code})),
    "PATCH /assets/{asset_id}": MANAGES_STATION(
        lambda world: Call(at=of_a_piece(world).at, body={"note": "伞骨松动"}, version=1)
    ),
    "POST /assets/{asset_id}/relocation": MANAGES_BOTH(to_another_station),
}
