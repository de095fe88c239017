"""Routes of transfers."""

from typing import Any

from volunteer_api.core.access import Principal, signed_in
from volunteer_api.core.endpoint import REQUIRED, endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import page_of
from volunteer_api.transfers import access, queries, receipt_reversals, receiving, schemas, service
from volunteer_api.transfers.models import Transfer, TransferStep

blueprint = feature_blueprint("transfers", __name__, "Stock on its way between stations")


@endpoint(
    blueprint,
    "GET",
    "/transfers",
    access=signed_in,
    query=schemas.TransferFilter,
    returns=page_of(schemas.TransferSummaryRead),
)
def list_transfers(principal: Principal, query: dict[str, Any]) -> Page:
    """List transfers that you may read, the latest first."""
    return queries.list_transfers(access.reach_of(principal, query), query, scope=str(principal.volunteer_id))


@endpoint(
    blueprint,
    "POST",
    "/transfers",
    access=signed_in,
    body=schemas.TransferCreate,
    returns=schemas.TransferRead,
    status=201,
    idempotency=REQUIRED,
)
def request_transfer(principal: Principal, body: dict[str, Any]) -> queries.Whole:
    """Ask for stock of one station for another."""
    stations = {name: body[name] for name in ("from_station_id", "to_station_id")}
    needs_organizer = access.require_request(principal, **stations)
    transfer = service.request(actor_id=principal.volunteer_id, needs_organizer=needs_organizer, **body)
    return queries.read_transfer(transfer.id)


@endpoint(blueprint, "GET", "/transfers/<uuid:transfer_id>", access=access.to_read, returns=schemas.TransferRead)
def read_transfer(transfer: Transfer) -> queries.Whole:
    """Read a transfer with its lots, shortfalls and steps."""
    return queries.read_transfer(transfer.id)


@endpoint(
    blueprint,
    "POST",
    "/transfers/<uuid:transfer_id>/approval",
    access=access.to_decide,
    body=schemas.TransferApproval,
    returns=schemas.TransferRead,
    idempotency=REQUIRED,
)
def approve_transfer(principal: Principal, transfer: Transfer, body: dict[str, Any]) -> queries.Whole:
    """Let a transfer go, or less of it."""
    service.approve(transfer, actor_id=principal.volunteer_id, **body)
    return queries.read_transfer(transfer.id)


@endpoint(
    blueprint,
    "POST",
    "/transfers/<uuid:transfer_id>/rejection",
    access=access.to_decide,
    body=schemas.TransferReason,
    returns=schemas.TransferRead,
    idempotency=REQUIRED,
)
def reject_transfer(principal: Principal, transfer: Transfer, body: dict[str, Any]) -> queries.Whole:
    """Turn a request down."""
    service.reject(transfer, actor_id=principal.volunteer_id, **body)
    return queries.read_transfer(transfer.id)


@endpoint(
    blueprint,
    "POST",
    "/transfers/<uuid:transfer_id>/shipment",
    access=access.to_ship,
    body=schemas.TransferShipment,
    returns=schemas.TransferRead,
    idempotency=REQUIRED,
)
def ship_transfer(principal: Principal, transfer: Transfer, body: dict[str, Any]) -> queries.Whole:
    """Send what was approved, from the sender's shelf."""
    service.ship(transfer, actor_id=principal.volunteer_id, **body)
    return queries.read_transfer(transfer.id)


@endpoint(
    blueprint,
    "POST",
    "/transfers/<uuid:transfer_id>/receipt",
    access=access.to_receive,
    body=schemas.TransferReceipt,
    returns=schemas.TransferRead,
    idempotency=REQUIRED,
)
def receive_transfer(principal: Principal, transfer: Transfer, body: dict[str, Any]) -> queries.Whole:
    """Take in what arrived, and say what did not."""
    receiving.receive(transfer, actor_id=principal.volunteer_id, **body)
    return queries.read_transfer(transfer.id)


@endpoint(
    blueprint,
    "POST",
    "/transfers/<uuid:transfer_id>/receipts/<uuid:receipt_id>/reversal",
    access=access.to_undo_receipt,
    body=schemas.ReceiptReversalCreate,
    returns=schemas.TransferRead,
    idempotency=REQUIRED,
)
def reverse_receipt(principal: Principal, receipt: TransferStep, body: dict[str, Any]) -> queries.Whole:
    """Undo a receipt that was recorded by mistake: what it spoke of is under way again."""
    receipt_reversals.reverse(receipt, actor_id=principal.volunteer_id, **body)
    return queries.read_transfer(receipt.transfer_id)


@endpoint(
    blueprint,
    "POST",
    "/transfers/<uuid:transfer_id>/cancellation",
    access=access.to_cancel,
    body=schemas.TransferReason,
    returns=schemas.TransferRead,
    idempotency=REQUIRED,
)
def cancel_transfer(principal: Principal, transfer: Transfer, body: dict[str, Any]) -> queries.Whole:
    """Call a transfer off; what is under way goes back to its sender."""
    service.cancel(transfer, actor_id=principal.volunteer_id, **body)
    return queries.read_transfer(transfer.id)
