"""What the ledger takes and answers."""

from collections.abc import Iterable
from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from volunteer_api.catalog.models import ItemKind
from volunteer_api.catalog.schemas import StockItemRead
from volunteer_api.core.codes import fold
from volunteer_api.core.schema import (
    Choice,
    Count,
    Day,
    Fault,
    Flag,
    FlagParameter,
    Form,
    Id,
    ListOf,
    Moment,
    NearQuery,
    Nested,
    PageQuery,
    Place,
    Schema,
    Text,
    fault,
)
from volunteer_api.core.tables import OutcomeRead
from volunteer_api.inventory.models import (
    NEEDED,
    REASONS,
    MovementKind,
    MovementReason,
    RecallState,
    RecordableKind,
    StockState,
    name_of_lot,
)
from volunteer_api.stations.models import StationKind

MONTH = Form(r"^(19|20)[0-9]{2}-(0[1-9]|1[0-2])$", "2026-11")
MAX_QUANTITY = 1_000_000
MAX_LOT = 50
RECORDABLE = tuple(MovementKind(kind) for kind in RecordableKind)


def _reasons_of(kind: MovementKind) -> str:
    return ", ".join(reason for reason in MovementReason if reason in REASONS[kind])


def _reasons_of_kinds(kinds: Iterable[MovementKind]) -> str:
    """What each kind may give as its reason, for who reads the contract."""
    return "; ".join(f"{kind}: {_reasons_of(kind)}" for kind in kinds) + "."


class LotNumber(Text):
    """The number of a lot as it is printed on it, of at most 50 characters; width, case and white space don't matter.

    `ab 12`, `AB12` and `ＡＢ１２` are one lot: it is answered as `AB12`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_LOT, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        number = fold(super()._deserialize(value, attr, data, **kwargs))
        # One sign may be several, folded: ㈱ is (株).
        if len(number) > MAX_LOT:
            raise self.make_error("max_length", max=MAX_LOT)
        return number


class StockFilter(PageQuery):
    """Which rows: `held` those with anything on the shelf, lent or under way (true), or with nothing any more (false).

    `q` is Latin letters as the initials or the pinyin of the name begin, or a part of the name.
    """

    held = FlagParameter()
    state = Choice(StockState)
    kind = Choice(ItemKind)
    q = Text(max_length=50)


class StockRowRead(Schema):
    """What a station has on its shelf of one item, lot and portion, without what is lent or under way.

    `opened_on` and `quarantined` say which portion of the lot it is, also where nothing of it is left.
    """

    item = Nested(StockItemRead, required=True)
    lot_number = Text(max_length=50, required=True, allow_none=True)
    expires_on = Day(required=True, allow_none=True)
    opened_on = Day(required=True, allow_none=True)
    quarantined = Flag(required=True)
    quantity = fields.Integer(required=True)
    on_loan = fields.Integer(required=True)
    in_transit = fields.Integer(required=True)
    minimum = fields.Integer(required=True, allow_none=True)
    state = Choice(StockState, required=True)


class FreeFilter(PageQuery, NearQuery):
    """`near` puts the nearest first."""


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
    """Which entries; `month` is the local month in which they occurred, `until` the last local day."""

    item_id = Id()
    kind = Choice(MovementKind)
    month = Text(max_length=7, form=MONTH)
    until = Day()


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
    item = Nested(StockItemRead, required=True)
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
    """Which local month, the present one where absent; or the month of the day `on`, as it was at its end."""

    month = Text(max_length=7, form=MONTH)
    on = Day()

    @validates_schema
    def check_one(self, data: dict[str, Any], **_options: Any) -> None:
        if {"month", "on"} <= data.keys():
            raise fault("one_of", "Give either month or on.", "on")


class BookQuery(Schema):
    """Which local month; the present one where absent."""

    month = Text(max_length=7, form=MONTH)


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
    is not there yet, the expiry date is given. An issue, a write-off or a quarantine with neither takes what expires
    first. `quarantined` writes off what is in quarantine; without it, only what is not.

    A release takes from the quarantine alone. What of it was opened says so by `opened_on`, and expires by that day; as
    sealed only what never was opened comes out (409 `opened_in_quarantine`).
    """

    item_id = Id(required=True)
    lot_number = LotNumber()
    expires_on = Day()
    quantity = Count(minimum=1, maximum=MAX_QUANTITY, required=True)
    quarantined = Flag()
    opened_on = Day()


class MovementCreate(Schema):
    """A receipt, an issue, a write-off, a quarantine or a release; `occurred_at` is now where absent.

    A release takes out of quarantine what was found good or is mended, in part or all: not of a prohibited item or of a
    lot that is recalled or expired.

    `counterparty` is whom it came from or went to, `witness` who saw it, both by name as on the paper and both welcome
    on every document. Needed: both where a write-off's reason is handed_over; a witness for each quarantine and
    write-off of a prohibited item (409 `witness_missing`). The witness is not who records it.
    """

    kind = Choice(RecordableKind, required=True)
    reason = Choice(MovementReason, required=True, metadata={"description": _reasons_of_kinds(RECORDABLE)})
    note = Text(max_length=500)
    occurred_at = Moment()
    counterparty = Text(max_length=100)
    witness = Text(max_length=100)
    lines = ListOf(Nested(LineCreate), max_length=100, min_length=1, required=True)

    @validates_schema
    def check_reason(self, data: dict[str, Any], **_options: Any) -> None:
        _check_reason(MovementKind(data["kind"]), data["reason"])

    @validates_schema
    def check_evidence(self, data: dict[str, Any], **_options: Any) -> None:
        for name in NEEDED.get((MovementKind(data["kind"]), data["reason"]), ()):
            if name not in data:
                raise fault("required", "This is required.", name)

    @validates_schema
    def check_quarantined(self, data: dict[str, Any], **_options: Any) -> None:
        leaves = data["kind"] in (RecordableKind.WRITE_OFF, RecordableKind.RELEASE)
        if not leaves and any("quarantined" in line for line in data["lines"]):
            raise fault("only_written_off", "What is in quarantine is written off or released.", "lines")
        if data["kind"] != RecordableKind.RELEASE and any("opened_on" in line for line in data["lines"]):
            raise fault("only_released", "Only a release names the day of opening.", "lines")

    @validates_schema
    def check_lots(self, data: dict[str, Any], **_options: Any) -> None:
        dates: dict[Any, Any] = {}
        for line in data["lines"]:
            if "expires_on" not in line:
                continue
            lot = (line["item_id"], name_of_lot(line.get("lot_number"), line["expires_on"]))
            if dates.setdefault(lot, line["expires_on"]) != line["expires_on"]:
                raise fault("two_expiry_dates", "Two lines give one lot two expiry dates.", "lines")


class StockImportQuery(Schema):
    """How a table is received: `reason` (opening, donation, purchase or other) where the table names no source.

    `create_items` adds what the catalogue lacks, for those who keep the catalogue.
    """

    dry_run = FlagParameter(load_default=False)
    create_items = FlagParameter(load_default=False)
    reason = Choice(
        MovementReason,
        load_default=MovementReason.OPENING,
        metadata={"description": _reasons_of_kinds([MovementKind.RECEIPT])},
    )
    note = Text(max_length=500)
    occurred_at = Moment()

    @validates_schema
    def check_reason(self, data: dict[str, Any], **_options: Any) -> None:
        _check_reason(MovementKind.RECEIPT, data["reason"])


class ImportedDocumentRead(Schema):
    """A receipt; a dry run has no id and no number of it.

    `repeats` is the number of a receipt with the same lines from the same source in the last 30 days: the table may
    have been taken already.
    """

    id = Id(required=True, allow_none=True)
    document_number = Text(required=True, allow_none=True)
    reason = Choice(MovementReason, required=True)
    counterparty = Text(required=True, allow_none=True)
    lines = Count(required=True)
    quantity = fields.Integer(required=True)
    repeats = Text(required=True, allow_none=True)


class StockImportRead(OutcomeRead):
    """What a table led to, or would lead to. Nothing was made of `ignored_columns`."""

    created_items = fields.List(fields.String(), required=True)
    documents = fields.List(fields.Nested(ImportedDocumentRead), required=True)


class OpeningCreate(Schema):
    """That something of an item was opened, today or on a day gone by. Without a lot, what expires first."""

    item_id = Id(required=True)
    lot_number = LotNumber()
    expires_on = Day()
    quantity = Count(minimum=1, maximum=MAX_QUANTITY, load_default=1)
    opened_on = Day()
    note = Text(max_length=500)


class ClosedMonthRead(Schema):
    """A local month that an organization closed for its whole subtree; `station_count` is how many it closed.

    Stations whose month an organization below had closed before are not among them.
    """

    id = Id(required=True)
    organization_id = Id(required=True)
    month = Text(max_length=7, required=True)
    closed_at = Moment(required=True)
    closed_by = Nested(ActorRead, required=True)
    station_count = Count(required=True)


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
    """Why a movement is undone: mistake or other. What takes a prohibited item away names who saw it."""

    reason = Choice(MovementReason, required=True, metadata={"description": _reasons_of_kinds([MovementKind.REVERSAL])})
    note = Text(max_length=500)
    witness = Text(max_length=100)

    @validates_schema
    def check_reason(self, data: dict[str, Any], **_options: Any) -> None:
        _check_reason(MovementKind.REVERSAL, data["reason"])


class RecallFilter(PageQuery):
    """Which recalls: `open` keeps those that go on (true) or have ended (false)."""

    open = FlagParameter()


class RecallCreate(Schema):
    """A lot to be called back, and why."""

    item_id = Id(required=True)
    lot_number = LotNumber(required=True)
    reason = Text(max_length=500, required=True)


class RecallEnd(Schema):
    """Why a recall ends."""

    reason = Text(max_length=500, required=True)


class NamedStationRead(Schema):
    """A station, as a row names it."""

    id = Id(required=True)
    code = Text(required=True)
    name = Text(required=True)


class RecallRead(Schema):
    """A lot that is called back from all stations below an organization.

    `station_count` stations have, or had, something of it; `open_station_count` of them have something outside of
    quarantine still: on the shelf, lent or under way. `quarantined` is how much is in quarantine; once the recall
    has ended, each station releases what of it is good, by a movement.
    """

    id = Id(required=True)
    organization_id = Id(required=True)
    item = Nested(StockItemRead, required=True)
    lot_number = Text(max_length=50, required=True)
    reason = Text(max_length=500, required=True)
    recalled_at = Moment(required=True)
    recalled_by = Nested(ActorRead, required=True)
    ended_at = Moment(required=True, allow_none=True)
    ended_by = Nested(ActorRead, required=True, allow_none=True)
    end_reason = Text(max_length=500, required=True, allow_none=True)
    station_count = Count(required=True)
    open_station_count = Count(required=True)
    quarantined = fields.Integer(required=True)


class RecallStationRead(Schema):
    """What a station has of a recalled lot.

    `state` is open while something is outside of quarantine, then quarantined, then cleared.
    """

    station = Nested(NamedStationRead, required=True)
    on_shelf = fields.Integer(required=True)
    quarantined = fields.Integer(required=True)
    on_loan = fields.Integer(required=True)
    in_transit = fields.Integer(required=True)
    state = Choice(RecallState, required=True)


class RecallIssueRead(Schema):
    """An entry by which a recalled lot left a station: handed out, lent, or sent to another station."""

    id = Id(required=True)
    movement_id = Id(required=True)
    station = Nested(NamedStationRead, required=True)
    kind = Choice(MovementKind, required=True)
    document_number = Text(required=True)
    quantity = fields.Integer(required=True)
    occurred_at = Moment(required=True)
    counterparty = Text(max_length=100, required=True, allow_none=True)
    note = Text(max_length=500, required=True, allow_none=True)
    actor = Nested(ActorRead, required=True)


def _check_reason(kind: MovementKind, reason: MovementReason) -> None:
    if reason not in REASONS[kind]:
        raise ValidationError(
            Fault(
                "reason_of_another_kind",
                "This is no reason for such a movement; it takes one of: %(reasons)s.",
                reasons=_reasons_of(kind),
            ),
            "reason",
        )
