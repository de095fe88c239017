"""Two stations of two offices with their people. Call them inside a unit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from tests.factories import make_volunteer, next_number
from tests.inventory.factories import line_of, make_station
from volunteer_api.core.database import db
from volunteer_api.inventory.models import MovementReason, RecordableKind, StockBalance
from volunteer_api.inventory.queries import Document
from volunteer_api.inventory.service import record_movement
from volunteer_api.organizations.grants import grant
from volunteer_api.organizations.models import OrganizationKind, Role, ScopeType
from volunteer_api.organizations.service import create_organization
from volunteer_api.transfers import receipt_reversals, receiving, service
from volunteer_api.transfers.models import StepKind, Transfer, TransferStep


@dataclass(frozen=True)
class Side:
    """One station: its office, its manager and the organizer above."""

    office_id: UUID
    station_id: UUID
    code: str
    name: str
    manager_id: UUID
    organizer_id: UUID


@dataclass(frozen=True)
class Pair:
    """A sender and a receiver below one center, and the administrator of that center."""

    center_id: UUID
    sender: Side
    receiver: Side
    administrator_id: UUID


def make_pair() -> Pair:
    """A center with two offices, a desk in each."""
    center = create_organization(parent_id=None, kind=OrganizationKind.PRACTICE_CENTER, name=f"中心{next_number()}")
    administrator = make_volunteer()
    grant(
        volunteer_id=administrator.id,
        role=Role.ADMINISTRATOR,
        scope_type=ScopeType.ORGANIZATION,
        scope_id=center.id,
    )
    return Pair(center.id, make_side(center.id), make_side(center.id), administrator.id)


def make_side(center_id: UUID) -> Side:
    """An office with a desk, its manager and its organizer."""
    office = create_organization(
        parent_id=center_id, kind=OrganizationKind.PRACTICE_OFFICE, name=f"实践所{next_number()}"
    )
    station = make_station(office.id)
    organizer = make_volunteer()
    grant(volunteer_id=organizer.id, role=Role.ORGANIZER, scope_type=ScopeType.ORGANIZATION, scope_id=office.id)
    return Side(office.id, station.id, station.code, station.name, make_manager(station.id), organizer.id)


def make_manager(station_id: UUID) -> UUID:
    """One more manager of the station."""
    manager = make_volunteer()
    grant(volunteer_id=manager.id, role=Role.STATION_MANAGER, scope_type=ScopeType.STATION, scope_id=station_id)
    return manager.id


def stock(side: Side, item_id: UUID, quantity: int, **lot: Any) -> Document:
    """So much comes to the station."""
    return record_movement(
        station_id=side.station_id,
        actor_id=side.manager_id,
        kind=RecordableKind.RECEIPT,
        reason=MovementReason.DONATION,
        lines=[line_of(item_id, quantity, **lot)],
    )


def use(side: Side, item_id: UUID, quantity: int, **lot: Any) -> Document:
    """So much is handed out."""
    return record_movement(
        station_id=side.station_id,
        actor_id=side.manager_id,
        kind=RecordableKind.ISSUE,
        reason=MovementReason.HANDED_OUT,
        lines=[line_of(item_id, quantity, **lot)],
    )


def ask(pair: Pair, *lines: Mapping[str, Any], back: bool = False) -> UUID:
    """The receiver's manager asks; `back`: in the other direction. Returns the transfer's id."""
    sender, receiver = (pair.receiver, pair.sender) if back else (pair.sender, pair.receiver)
    return service.request(
        actor_id=receiver.manager_id,
        from_station_id=sender.station_id,
        to_station_id=receiver.station_id,
        lines=[line_of(**line) for line in lines],
        needs_organizer=False,
    ).id


def approve(pair: Pair, transfer_id: UUID, *lines: Mapping[str, Any]) -> None:
    """The administrator lets it go."""
    transfer = db.session.get_one(Transfer, transfer_id)
    service.approve(
        transfer, actor_id=pair.administrator_id, lines=[line_of(**line) for line in lines] if lines else None
    )


def ship(pair: Pair, transfer_id: UUID, *lines: Mapping[str, Any]) -> None:
    """The sender's manager sends it."""
    transfer = db.session.get_one(Transfer, transfer_id)
    side = pair.sender if transfer.from_station_id == pair.sender.station_id else pair.receiver
    service.ship(transfer, actor_id=side.manager_id, lines=[line_of(**line) for line in lines] if lines else None)


def receive(pair: Pair, transfer_id: UUID, lines: Sequence[Any] | None = None) -> None:
    """The receiver's manager takes it in."""
    transfer = db.session.get_one(Transfer, transfer_id)
    side = pair.sender if transfer.to_station_id == pair.sender.station_id else pair.receiver
    receiving.receive(transfer, actor_id=side.manager_id, lines=lines)


def undo_receipt(pair: Pair, transfer_id: UUID, number: int = -1, **values: Any) -> None:
    """The receiver's manager takes back the receipt of this number among all of them, the last one first."""
    receipts = db.session.scalars(
        select(TransferStep)
        .where(TransferStep.transfer_id == transfer_id, TransferStep.kind == StepKind.RECEIVED)
        .order_by(TransferStep.sequence)
    ).all()
    transfer = db.session.get_one(Transfer, transfer_id)
    side = pair.sender if transfer.to_station_id == pair.sender.station_id else pair.receiver
    receipt_reversals.reverse(receipts[number], actor_id=side.manager_id, **values)


def cancel(pair: Pair, transfer_id: UUID) -> None:
    """The sender's manager calls it off."""
    service.cancel(db.session.get_one(Transfer, transfer_id), actor_id=pair.sender.manager_id, reason="不需要了")


def send(pair: Pair, *lines: Mapping[str, Any], back: bool = False) -> UUID:
    """Asked for, approved and shipped."""
    transfer_id = ask(pair, *lines, back=back)
    approve(pair, transfer_id)
    ship(pair, transfer_id)
    return transfer_id


def balances(station_id: UUID) -> dict[tuple[str, str], tuple[int, int]]:
    """What the station has on its shelf and what is on its way there, by lot and portion."""
    rows = db.session.query(StockBalance).where(StockBalance.station_id == station_id)
    return {(row.lot_number, row.portion): (row.quantity, row.in_transit) for row in rows}
