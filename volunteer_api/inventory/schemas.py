"""What the ledger takes and answers."""

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
    Near,
    Nested,
    PageQuery,
    Place,
    Schema,
    Text,
    fault,
)
from volunteer_api.inventory.models import (
    REASONS,
    MovementKind,
    MovementReason,
    RecordableKind,
    StockState,
    name_of_lot,
)
from volunteer_api.stations.models import StationKind

MONTH = r"^(19|20)[0-9]{2}-(0[1-9]|1[0-2])$"
MAX_QUANTITY = 1_000_000


class StockRowRead(Schema):
    """What a station has on its shelf of one item and lot, without what is lent or under way."""

    item = Nested(StockItemRead, required=True)
    lot_number = Text(max_length=50, required=True, allow_none=True)
    expires_on = Day(required=True, allow_none=True)
    opened_on = Day(required=True, allow_none=True)
    quantity = fields.Integer(required=True)
    on_loan = fields.Integer(required=True)
    in_transit = fields.Integer(required=True)
    minimum = fields.Integer(required=True, allow_none=True)
    state = Choice(StockState, required=True)


class FreeFilter(PageQuery):
    """`near` puts the nearest first."""

    near = Near()


class FreeStationRead(Schema):
    """A station as a search for an item names it; `open_now` by its hours."""

    id = Id(required=True)
    code = Text(required=True)
    name = Text(required=True)
    kind = Choice(StationKind, required=True)
    place = Place(required=True)
    address = Text(required=True)
    open_now = Flag(required=True)


class FreeAtRead(Schema):
    """Where an item is free now: so many on the shelf, usable and in no quarantine."""

    station = Nested(FreeStationRead, required=True)
    quantity = fields.Integer(required=True)
    distance_m = Count(
        required=True, allow_none=True, metadata={"description": "Meters from `near`, null where it was not given."}
    )


class EntryFilter(PageQuery):
    """Which entries; `month` is the local month in which they occurred."""

    item_id = Id()
    month = Text(max_length=7, pattern=MONTH)


class ActorRead(Schema):
    """Who recorded it."""

    id = Id(required=True)
    name = Text(required=True)


class EntryRead(Schema):
    """One line of the ledger. `balance` is that of its item, lot and portion after it, in the order of recording.

    `opened_on` and `quarantined` say which portion of the lot it is about.
    """

    id = Id(required=True)
    movement_id = Id(required=True)
    sequence = fields.Integer(required=True)
    kind = Choice(MovementKind, required=True)
    item_id = Id(required=True)
    lot_number = Text(max_length=50, required=True, allow_none=True)
    opened_on = Day(required=True, allow_none=True)
    quarantined = Flag(required=True)
    expires_on = Day(required=True, allow_none=True)
    quantity = fields.Integer(required=True)
    balance = fields.Integer(required=True)
    document_number = Text(required=True)
    occurred_at = Moment(required=True)
    recorded_at = Moment(required=True)
    reason = Choice(MovementReason, required=True)
    note = Text(max_length=500, required=True, allow_none=True)
    actor = Nested(ActorRead, required=True)


class LedgerFilter(PageQuery):
    """Which local month; the present one where absent."""

    month = Text(max_length=7, pattern=MONTH)


class LedgerRowRead(Schema):
    """One item in one month: opening + incoming − outgoing = closing."""

    item = Nested(StockItemRead, required=True)
    month = Text(max_length=7, required=True)
    opening = fields.Integer(required=True)
    incoming = fields.Integer(required=True)
    outgoing = fields.Integer(required=True)
    closing = fields.Integer(required=True)


class LineCreate(Schema):
    """One item of a movement.

    A receipt without `lot_number` but with `expires_on` goes to a lot that is named by that day. Of a medical item that
    is not there yet, the expiry date is given. An issue or write-off with neither takes what expires first.
    """

    item_id = Id(required=True)
    lot_number = Text(max_length=50)
    expires_on = Day()
    quantity = Count(minimum=1, maximum=MAX_QUANTITY, required=True)


class MovementCreate(Schema):
    """A receipt, an issue or a write-off; `occurred_at` is now where absent.

    Reasons of a receipt: donation, purchase, opening; of an issue: handed_out, used; of a write-off: expired, damaged,
    lost; of each: other.
    """

    kind = Choice(RecordableKind, required=True)
    reason = Choice(MovementReason, required=True)
    note = Text(max_length=500)
    occurred_at = Moment()
    lines = ListOf(Nested(LineCreate), max_length=100, min_length=1, required=True)

    @validates_schema
    def check_reason(self, data: dict[str, Any], **_options: Any) -> None:
        _check_reason(MovementKind(data["kind"]), data["reason"])

    @validates_schema
    def check_lots(self, data: dict[str, Any], **_options: Any) -> None:
        dates: dict[Any, Any] = {}
        for line in data["lines"]:
            if "expires_on" not in line:
                continue
            lot = (line["item_id"], name_of_lot(line.get("lot_number"), line["expires_on"]))
            if dates.setdefault(lot, line["expires_on"]) != line["expires_on"]:
                raise fault("two_expiry_dates", "Two lines give one lot two expiry dates.", "lines")


class MovementRead(Schema):
    """A document of the ledger with its entries. `reversed_by_id` is the reversal, where there is one."""

    id = Id(required=True)
    station_id = Id(required=True)
    kind = Choice(MovementKind, required=True)
    reason = Choice(MovementReason, required=True)
    note = Text(max_length=500, required=True, allow_none=True)
    counterparty = Text(max_length=100, required=True, allow_none=True)
    witness = Text(max_length=100, required=True, allow_none=True)
    document_number = Text(required=True)
    occurred_at = Moment(required=True)
    recorded_at = Moment(required=True)
    actor = Nested(ActorRead, required=True)
    reverses_id = Id(required=True, allow_none=True)
    reversed_by_id = Id(required=True, allow_none=True)
    entries = fields.List(fields.Nested(EntryRead), required=True)


class ReversalCreate(Schema):
    """Why a movement is undone: mistake or other."""

    reason = Choice(MovementReason, required=True)
    note = Text(max_length=500)

    @validates_schema
    def check_reason(self, data: dict[str, Any], **_options: Any) -> None:
        _check_reason(MovementKind.REVERSAL, data["reason"])


def _check_reason(kind: MovementKind, reason: MovementReason) -> None:
    if reason not in REASONS[kind]:
        raise fault("reason_of_another_kind", "This is no reason for such a movement.", "reason")
