"""Who may do what to a transfer: one of the two stations always has to be theirs."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select

from volunteer_api.core.access import Principal, for_signed_in
from volunteer_api.core.database import db
from volunteer_api.core.problems import Forbidden, NotFound, Problem
from volunteer_api.organizations import access as organizations
from volunteer_api.organizations.access import Permission, can, permitted_organization_ids
from volunteer_api.organizations.queries import subtree_ids
from volunteer_api.stations.access import load_station, require_at
from volunteer_api.stations.models import Station
from volunteer_api.transfers import queries
from volunteer_api.transfers.models import StepKind, Transfer, TransferStep
from volunteer_api.transfers.problems import OrganizerApproves


@for_signed_in
def to_read(principal: Principal, transfer_id: UUID) -> Transfer:
    """Whoever may read the stock of one of its stations."""
    transfer, stations = _load(transfer_id)
    _require_one(principal, Permission.STOCK_READ, stations)
    return transfer


@for_signed_in
def to_decide(principal: Principal, transfer_id: UUID) -> Transfer:
    """Whoever approves for the sender's organization; the sender's manager, unless only her desk asked for it.

    That it is not one's own request, the service says.
    """
    transfer, stations = _load(transfer_id)
    sender = stations[0]
    if _can(principal, Permission.STOCK_APPROVE, sender):
        return transfer
    if _can(principal, Permission.STOCK_MOVE, sender):
        if transfer.needs_organizer:
            raise OrganizerApproves()
        return transfer
    _require_one(principal, Permission.STOCK_READ, stations)
    raise Forbidden()


@for_signed_in
def to_ship(principal: Principal, transfer_id: UUID) -> Transfer:
    """Whoever moves the sender's stock."""
    transfer, stations = _load(transfer_id)
    return _moving(principal, transfer, stations, stations[:1])


@for_signed_in
def to_receive(principal: Principal, transfer_id: UUID) -> Transfer:
    """Whoever moves the receiver's stock."""
    transfer, stations = _load(transfer_id)
    return _moving(principal, transfer, stations, stations[1:])


@for_signed_in
def to_undo_receipt(principal: Principal, transfer_id: UUID, receipt_id: UUID) -> TransferStep:
    """Whoever moves the receiver's stock."""
    transfer, stations = _load(transfer_id)
    _moving(principal, transfer, stations, stations[1:])
    step = db.session.get(TransferStep, receipt_id)
    if step is None or step.transfer_id != transfer.id or step.kind != StepKind.RECEIVED:
        raise NotFound()
    return step


@for_signed_in
def to_cancel(principal: Principal, transfer_id: UUID) -> Transfer:
    """Whoever moves the stock of one of its stations."""
    transfer, stations = _load(transfer_id)
    _require_one(principal, Permission.STOCK_MOVE, stations)
    return transfer


def require_request(principal: Principal, *, from_station_id: UUID, to_station_id: UUID) -> bool:
    """Let pass who moves the stock of one of the stations; returns whether only an organizer may approve it.

    So it is where the sender's own desk asks: its managers are not two sides. Raises Forbidden (403), NotFound (404).
    """
    sender, receiver = load_station(from_station_id), load_station(to_station_id)
    if _can(principal, Permission.STOCK_MOVE, receiver):
        return False
    require_at(principal, Permission.STOCK_MOVE, sender)
    return not _can(principal, Permission.STOCK_APPROVE, sender)


def reach_of(principal: Principal, query: Mapping[str, Any]) -> ColumnElement[bool]:
    """Which transfers a list may show: those at the station or below the organization that the query names, else all
    that the caller may read. Raises Forbidden (403), NotFound (404).
    """
    if "station_id" in query:
        require_at(principal, Permission.STOCK_READ, load_station(query["station_id"]))
    if "organization_id" in query:
        organizations.require(principal, Permission.STOCK_READ, organization_id=query["organization_id"])
        below = select(Station.id).where(Station.organization_id.in_(subtree_ids(query["organization_id"])))
        found = queries.at_stations(below)
        return found & queries.at_station(query["station_id"]) if "station_id" in query else found
    if "station_id" in query:
        return queries.at_station(query["station_id"])
    permitted = permitted_organization_ids(principal.volunteer_id, Permission.STOCK_READ)
    return queries.at_stations(queries.readable_stations(principal.volunteer_id, permitted))


def _load(transfer_id: UUID) -> tuple[Transfer, list[Station]]:
    """The transfer, and its stations: the sender, then the receiver."""
    transfer = db.session.get(Transfer, transfer_id)
    if transfer is None:
        raise NotFound()
    return transfer, [load_station(transfer.from_station_id), load_station(transfer.to_station_id)]


def _moving(principal: Principal, transfer: Transfer, stations: Sequence[Station], side: Sequence[Station]) -> Transfer:
    if not any(_can(principal, Permission.STOCK_MOVE, station) for station in side):
        # The other side sees it and may not do this.
        _require_one(principal, Permission.STOCK_READ, stations)
        raise Forbidden()
    return transfer


def _can(principal: Principal, permission: Permission, station: Station) -> bool:
    return can(principal.volunteer_id, permission, organization_id=station.organization_id, station_id=station.id)


def _require_one(principal: Principal, permission: Permission, stations: Sequence[Station]) -> None:
    """Let pass whose grants have the permission at one of the stations. Raises Forbidden (403), NotFound (404)."""
    refusals: list[Problem] = []
    for station in stations:
        try:
            require_at(principal, permission, station)
        except (Forbidden, NotFound) as refusal:
            refusals.append(refusal)
        else:
            return
    raise next((refusal for refusal in refusals if isinstance(refusal, Forbidden)), refusals[0])
