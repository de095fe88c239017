"""What transfers take and answer."""

from typing import Any

from marshmallow import fields, validates_schema

from volunteer_api.catalog.schemas import StockItemRead
from volunteer_api.core.schema import (
    Choice,
    Count,
    Day,
    Flag,
    Id,
    ListOf,
    Moment,
    Nested,
    PageQuery,
    Schema,
    Text,
    fault,
)
from volunteer_api.inventory.models import name_of_lot
from volunteer_api.inventory.schemas import MAX_QUANTITY, ActorRead, LotNumber
from volunteer_api.transfers.models import ShortfallReason, StepKind, TransferState

MAX_LINES = 100


class _WithLines(Schema):
    """What has lines of items and lots: none of them twice."""

    @validates_schema
    def lines_differ(self, data: dict[str, Any], **_options: Any) -> None:
        seen = set()
        for line in data.get("lines", ()):
            key = (line["item_id"], name_of_lot(line.get("lot_number"), line.get("expires_on")))
            if key in seen:
                raise fault("line_repeated", "Two lines name the same item and lot.", "lines")
            seen.add(key)


class TransferLineCreate(Schema):
    """One item of a transfer. Without `lot_number` and `expires_on`, what expires first is sent."""

    item_id = Id(required=True)
    lot_number = LotNumber()
    expires_on = Day()
    quantity = Count(minimum=1, maximum=MAX_QUANTITY, required=True)


class TransferCreate(_WithLines):
    """What is asked for, from which station, for which one; the caller's must be one of the two."""

    from_station_id = Id(required=True)
    to_station_id = Id(required=True)
    lines = ListOf(Nested(TransferLineCreate), max_length=MAX_LINES, min_length=1, required=True)
    note = Text(max_length=500)

    @validates_schema
    def two_stations(self, data: dict[str, Any], **_options: Any) -> None:
        if data["from_station_id"] == data["to_station_id"]:
            raise fault("same_station", "A transfer goes from one station to another.", "to_station_id")


class ApprovedLine(Schema):
    """How much of a line may go, 0 for none of it; `lot_number` and `expires_on` as in the request."""

    item_id = Id(required=True)
    lot_number = LotNumber()
    expires_on = Day()
    quantity = Count(minimum=0, maximum=MAX_QUANTITY, required=True)


class TransferApproval(_WithLines):
    """Lines that are not named go as asked for."""

    lines = ListOf(Nested(ApprovedLine), max_length=MAX_LINES, min_length=1)
    note = Text(max_length=500)


class TransferShipment(_WithLines):
    """What really goes; without `lines`, everything that was approved. What is not named does not go."""

    lines = ListOf(Nested(TransferLineCreate), max_length=MAX_LINES, min_length=1)
    note = Text(max_length=500)


class ShortfallCreate(Schema):
    """So much did not arrive. `returned` sends it back; everything else is written off by a document of its own."""

    quantity = Count(minimum=1, maximum=MAX_QUANTITY, required=True)
    reason = Choice(ShortfallReason, required=True)
    note = Text(max_length=500)


class ArrivalCreate(Schema):
    """What arrived of a lot: `quantity` in good order, and the shortfalls.

    The lot is named by `lot_id`, or by `item_id` and, where several lots of it are under way, `lot_number`.
    """

    lot_id = Id()
    item_id = Id()
    lot_number = LotNumber()
    quantity = Count(minimum=0, maximum=MAX_QUANTITY, required=True)
    shortfalls = ListOf(Nested(ShortfallCreate), max_length=10)

    @validates_schema
    def names_a_lot(self, data: dict[str, Any], **_options: Any) -> None:
        if ("lot_id" in data) == ("item_id" in data):
            raise fault("lot_or_item", "Give either lot_id or item_id.", "lot_id")
        if "lot_id" in data and "lot_number" in data:
            raise fault("lot_or_item", "Give either lot_id or item_id.", "lot_number")
        if not data["quantity"] and not data.get("shortfalls"):
            raise fault("nothing_said", "Say what arrived, or what did not and why.", "quantity")


class TransferReceipt(Schema):
    """What arrived; without `lines`, everything under way. What no line speaks of stays under way, for a later one."""

    lines = ListOf(Nested(ArrivalCreate), max_length=2 * MAX_LINES, min_length=1)
    note = Text(max_length=500)


class ReceiptReversalCreate(Schema):
    """Of a receipt that was a mistake. What takes a prohibited item off the shelf again names who saw it."""

    note = Text(max_length=500)
    witness = Text(max_length=100)


class TransferReason(Schema):
    """Why it does not happen."""

    reason = Text(max_length=500, required=True)


class TransferFilter(PageQuery):
    """From or to a station, or the stations below an organization; `movement_id` finds the transfer of a document."""

    station_id = Id()
    organization_id = Id()
    state = Choice(TransferState)
    movement_id = Id()


class DeskRead(Schema):
    """A station, as a transfer names it."""

    id = Id(required=True)
    code = Text(required=True)
    name = Text(required=True)


class DocumentRead(Schema):
    """A document of the ledger."""

    id = Id(required=True)
    document_number = Text(required=True)


class TransferLineRead(Schema):
    """What was asked for; `approved` is null until somebody decides.

    `free` is what the sender could ship of it now: sealed, unexpired, in no quarantine. Null once it is shipped.
    """

    item = Nested(StockItemRead, required=True)
    lot_number = Text(max_length=50, required=True, allow_none=True)
    expires_on = Day(required=True, allow_none=True)
    requested = fields.Integer(required=True)
    approved = fields.Integer(required=True, allow_none=True)
    free = fields.Integer(required=True, allow_none=True)


class TransferLotRead(Schema):
    """What was shipped of a lot: shipped = received + short + returned + in_transit."""

    id = Id(required=True)
    item = Nested(StockItemRead, required=True)
    lot_number = Text(max_length=50, required=True, allow_none=True)
    expires_on = Day(required=True, allow_none=True)
    shipped = fields.Integer(required=True)
    received = fields.Integer(required=True)
    short = fields.Integer(required=True)
    returned = fields.Integer(required=True)
    in_transit = fields.Integer(required=True)
    expired_on_arrival = Flag(required=True)


class TransferShortfallRead(Schema):
    """What did not arrive; `movement` wrote it off, or the transfer `return_id` brings it back."""

    lot_id = Id(required=True)
    quantity = fields.Integer(required=True)
    reason = Choice(ShortfallReason, required=True)
    note = Text(max_length=500, required=True, allow_none=True)
    at = Moment(required=True)
    movement = Nested(DocumentRead, required=True, allow_none=True)
    return_id = Id(required=True, allow_none=True)


class TransferStepRead(Schema):
    """Who did what, when, and by which document of the ledger. A receipt that is reversed was a mistake.

    `quarantined` pieces of what arrived are of a lot that is recalled or of a prohibited item, and stay off the shelf.
    """

    id = Id(required=True)
    kind = Choice(StepKind, required=True)
    at = Moment(required=True)
    actor = Nested(ActorRead, required=True)
    note = Text(max_length=500, required=True, allow_none=True)
    movement = Nested(DocumentRead, required=True, allow_none=True)
    quarantined = fields.Integer(required=True)
    reversed_at = Moment(required=True, allow_none=True)


class TransferSummaryRead(Schema):
    """A transfer in a list, with its first three lines. `returns_id` is the transfer whose stock it brings back."""

    id = Id(required=True)
    state = Choice(TransferState, required=True)
    from_station = Nested(DeskRead, required=True)
    to_station = Nested(DeskRead, required=True)
    needs_organizer = Flag(required=True)
    note = Text(max_length=500, required=True, allow_none=True)
    requested_at = Moment(required=True)
    returns_id = Id(required=True, allow_none=True)
    line_count = fields.Integer(required=True)
    lines = fields.List(fields.Nested(TransferLineRead), required=True)


class TransferRead(TransferSummaryRead):
    """A transfer with all its lines and all that happened to it."""

    lots = fields.List(fields.Nested(TransferLotRead), required=True)
    shortfalls = fields.List(fields.Nested(TransferShortfallRead), required=True)
    steps = fields.List(fields.Nested(TransferStepRead), required=True)
