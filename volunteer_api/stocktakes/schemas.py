"""What counts take and answer."""

from typing import Any

from marshmallow import fields, validates_schema

from volunteer_api.catalog.schemas import Barcode, StockItemRead
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
from volunteer_api.inventory.schemas import MAX_QUANTITY, ActorRead, LotNumber
from volunteer_api.stocktakes.models import StocktakeKind, StocktakeScope, StocktakeState, VarianceReason

MOST_ITEMS = 500
MOST_LINES = 500
# A year: what is longer than a count may wait is refused by its moment.
LONGEST_DELAY_MS = 366 * 24 * 3600 * 1000


class StocktakeCreate(Schema):
    """A count of everything that the books say is there (`scope` all), or of `item_ids`.

    `blind` hides what the books say from those who count, until it is approved. A `handover` names to whom the shift
    is handed over; by whom is the caller where absent. With neither scope nor items it is of what the station's kit
    standards call critical.
    """

    kind = Choice(StocktakeKind, load_default=StocktakeKind.COUNT)
    scope = Choice(StocktakeScope)
    item_ids = ListOf(Id(), max_length=MOST_ITEMS, min_length=1)
    blind = Flag(load_default=False)
    from_volunteer_id = Id()
    to_volunteer_id = Id()
    note = Text(max_length=500)

    @validates_schema
    def check_scope(self, data: dict[str, Any], **_options: Any) -> None:
        by_items = "item_ids" in data
        scope = data.get("scope", StocktakeScope.ITEMS if by_items else None)
        if scope is None and data["kind"] == StocktakeKind.HANDOVER:
            return
        if scope is None or by_items != (scope == StocktakeScope.ITEMS):
            raise fault("one_of", "Give either scope all or item_ids.")

    @validates_schema
    def check_people(self, data: dict[str, Any], **_options: Any) -> None:
        if data["kind"] == StocktakeKind.HANDOVER:
            if "to_volunteer_id" not in data:
                raise fault("required", "This is required.", "to_volunteer_id")
        elif "to_volunteer_id" in data or "from_volunteer_id" in data:
            raise fault("only_handover", "Only a hand-over names the two people.", "to_volunteer_id")


class StocktakeFilter(PageQuery):
    """Which counts of a station."""

    state = Choice(StocktakeState)
    kind = Choice(StocktakeKind)


class CountedLine(Schema):
    """How many of an item, lot and portion were there, and when: `delay_ms` before this arrived, by the phone's
    monotonic clock, which is trusted before `counted_at`, what its clock of the day said; now where both are absent.

    What says again, without a moment, what the caller has said of the line, is that count sent twice. Who counts anew
    and finds as many says when. A moment before the count began is kept and marked (`before_start`): a second person
    approves such a count where the books differ from those of the start, for the phone's clock may be behind.

    The item comes as its id or as what a scanner reads on it.
    Of a lot that the books don't know, `expires_on` is its date. `opened_on` means what was opened on that day,
    `quarantined` what is in quarantine. `reason` says why it differs from the books, where it does.
    """

    item_id = Id()
    barcode = Barcode()
    lot_number = LotNumber()
    expires_on = Day()
    opened_on = Day()
    quarantined = Flag(load_default=False)
    quantity = Count(minimum=0, maximum=MAX_QUANTITY, required=True)
    counted_at = Moment()
    delay_ms = Count(
        minimum=0,
        maximum=LONGEST_DELAY_MS,
        metadata={"description": "Milliseconds from the counting to the sending, by the phone's monotonic clock."},
    )
    reason = Choice(VarianceReason)
    note = Text(max_length=500)

    @validates_schema
    def check_portion(self, data: dict[str, Any], **_options: Any) -> None:
        if data["quarantined"] and "opened_on" in data:
            raise fault("one_of", "Give either opened_on or quarantined.")
        if ("item_id" in data) == ("barcode" in data):
            raise fault("one_of", "Give either item_id or barcode.", "item_id")


class CountedLines(Schema):
    """What was counted, in any order and as often as is wanted: of each line the latest count holds."""

    lines = ListOf(Nested(CountedLine), max_length=MOST_LINES, min_length=1, required=True)


class StocktakeApproval(Schema):
    """`reason` is that of the lines which differ and have none of their own.

    `skip_uncounted` leaves alone what was not counted; without it, a count with such lines is refused.
    If-Match names the version that was read, and 412 says that something was counted since, or recorded of the time
    before. A second person needs it for what came after she was told that the count is complete, for what was counted
    before it began, and for a count that is not complete (428).
    """

    reason = Choice(VarianceReason)
    note = Text(max_length=500)
    skip_uncounted = Flag(load_default=False)


class StocktakeCancellation(Schema):
    """Why a count is given up."""

    reason = Text(max_length=500, required=True)


class StocktakeLineRead(Schema):
    """A line of a count. `book` and `variance` (counted − book) are null while they are hidden or not known.

    `book` is what the books say of the moment of counting, `book_at_start` what the sheet said when the count began,
    `book_when_counted` what they said as it was counted: where `book` is another, something of the time before was
    recorded later.
    `before_start` says that it was counted before that, by what the phone told: if its clock is behind, `book` is of
    the wrong moment. `delta` is what the approval posted, by `movement_id`.
    """

    id = Id(required=True)
    item = Nested(StockItemRead, required=True)
    lot_number = Text(max_length=50, required=True, allow_none=True)
    expires_on = Day(required=True, allow_none=True)
    opened_on = Day(required=True, allow_none=True)
    quarantined = Flag(required=True)
    listed = Flag(required=True)
    book = fields.Integer(required=True, allow_none=True)
    book_at_start = fields.Integer(required=True, allow_none=True)
    book_when_counted = fields.Integer(required=True, allow_none=True)
    counted = fields.Integer(required=True, allow_none=True)
    counted_at = Moment(required=True, allow_none=True)
    before_start = Flag(required=True)
    counted_by = Nested(ActorRead, required=True, allow_none=True)
    variance = fields.Integer(required=True, allow_none=True)
    reason = Choice(VarianceReason, required=True, allow_none=True)
    note = Text(max_length=500, required=True, allow_none=True)
    delta = fields.Integer(required=True, allow_none=True)
    movement_id = Id(required=True, allow_none=True)


class StocktakeSummaryRead(Schema):
    """A count as a list shows it."""

    id = Id(required=True)
    version = Count(required=True)
    station_id = Id(required=True)
    kind = Choice(StocktakeKind, required=True)
    scope = Choice(StocktakeScope, required=True)
    blind = Flag(required=True)
    state = Choice(StocktakeState, required=True)
    note = Text(max_length=500, required=True, allow_none=True)
    started_at = Moment(required=True)
    started_by = Nested(ActorRead, required=True)
    from_volunteer = Nested(ActorRead, required=True, allow_none=True)
    to_volunteer = Nested(ActorRead, required=True, allow_none=True)
    decided_at = Moment(required=True, allow_none=True)
    decided_by = Nested(ActorRead, required=True, allow_none=True)
    decision_note = Text(max_length=500, required=True, allow_none=True)
    line_count = Count(required=True)
    counted_count = Count(required=True)


class StocktakeRead(StocktakeSummaryRead):
    """A count with its first hundred lines; `next_cursor` goes on at `/stocktakes/{id}/lines`.

    `variance` is the sum of what each line differs by, `second_person_needed` whether somebody else must approve: who
    was told that it is complete decides, whatever is counted or recorded since. Both are null while they are hidden.
    """

    variance = fields.Integer(required=True, allow_none=True)
    second_person_needed = Flag(required=True, allow_none=True)
    lines = fields.List(fields.Nested(StocktakeLineRead), required=True)
    next_cursor = fields.String(required=True, allow_none=True)
