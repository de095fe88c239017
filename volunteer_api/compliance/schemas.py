"""What compliance takes and answers."""

from marshmallow import fields

from volunteer_api.catalog.schemas import StockItemRead
from volunteer_api.compliance.forecast import Because
from volunteer_api.compliance.models import AlertKind, AlertState
from volunteer_api.compliance.restock import RestockReason
from volunteer_api.core.paging import MAX_LIMIT
from volunteer_api.core.schema import (
    Choice,
    Count,
    CountParameter,
    Day,
    Flag,
    Id,
    ListOf,
    Moment,
    Nested,
    Number,
    PageQuery,
    Schema,
    Text,
)
from volunteer_api.organizations.models import OrganizationKind

SCORE = {
    "description": "0 to 100: how far the minimums are met, critical items counted twice, rounded down. "
    "Null where no standard asks for anything."
}
FAILS_ON = {
    "description": "The first day on which less than a minimum will be held if nothing is done, by expiry dates, the "
    "issues of the last days and the versions of standards that are issued ahead; "
    "today where it is less already, null where that is not within a year."
}


class ComplianceNamedRead(Schema):
    """Something by its name."""

    id = Id(required=True)
    name = Text(required=True)


class ComplianceStationRead(Schema):
    """A station by its code and name."""

    id = Id(required=True)
    code = Text(required=True)
    name = Text(required=True)


class ItemComplianceRead(Schema):
    """One item that a station must hold. `issued` in `issued_days` is how fast it is used up."""

    item = Nested(StockItemRead, required=True)
    kits = ListOf(Text(), required=True)
    minimum = Count(required=True)
    critical = Flag(required=True)
    held = Count(required=True, metadata={"description": "Usable today; of a durable also what is lent."})
    missing = Count(required=True)
    near_expiry = Count(required=True)
    expired = Count(required=True)
    issued = fields.Integer(required=True)
    issued_days = Count(required=True)
    fails_on = Day(required=True, allow_none=True, metadata=FAILS_ON)
    fails_because = Choice(Because, required=True, allow_none=True)


class DatedLotRead(Schema):
    """A lot, or what was opened of it, that expires soon or has expired."""

    item = Nested(StockItemRead, required=True)
    lot_number = Text(required=True, allow_none=True)
    opened_on = Day(required=True, allow_none=True)
    expires_on = Day(required=True)
    quantity = Count(required=True)


class StationComplianceRead(Schema):
    """What a station holds against its kit standards, at this moment; `missing` has what is too little of the items."""

    station = Nested(ComplianceStationRead, required=True)
    as_of = Moment(required=True)
    score = Count(required=True, allow_none=True, metadata=SCORE)
    compliant = Flag(required=True, allow_none=True)
    fails_on = Day(required=True, allow_none=True, metadata=FAILS_ON)
    fails_because = Choice(Because, required=True, allow_none=True)
    failing_item = Nested(StockItemRead, required=True, allow_none=True)
    missing = ListOf(Nested(ItemComplianceRead), required=True)
    items = ListOf(Nested(ItemComplianceRead), required=True)
    near_expiry = ListOf(Nested(DatedLotRead), required=True)
    expired = ListOf(Nested(DatedLotRead), required=True)


class ComplianceSummaryRead(Schema):
    """Stations summed up: counts add up over children and what stands directly in the organization."""

    station_count = Count(required=True)
    scored_count = Count(required=True, metadata={"description": "Stations of which a standard asks something."})
    compliant_count = Count(required=True, metadata={"description": "Stations that miss nothing."})
    critical_count = Count(required=True, metadata={"description": "Stations that miss something critical."})
    missing_count = Count(required=True, metadata={"description": "Items below their minimum, over all stations."})
    near_expiry_count = Count(required=True)
    expired_count = Count(required=True)
    score = Number(required=True, allow_none=True, metadata={"description": "The mean of the stations' scores."})
    fails_on = Day(required=True, allow_none=True, metadata={"description": "When the first station fails."})


class ComplianceOrganizationRead(ComplianceNamedRead):
    kind = Choice(OrganizationKind, required=True)


class ComplianceChildRead(ComplianceSummaryRead):
    """A child with all that lies below it."""

    organization = Nested(ComplianceOrganizationRead, required=True)


class StationStandingRead(Schema):
    """How one station of a tree stands."""

    station = Nested(ComplianceStationRead, required=True)
    organization = Nested(ComplianceNamedRead, required=True)
    score = Count(required=True, allow_none=True, metadata=SCORE)
    missing_count = Count(required=True)
    critical_missing_count = Count(required=True)
    near_expiry_count = Count(required=True)
    expired_count = Count(required=True)
    fails_on = Day(required=True, allow_none=True, metadata=FAILS_ON)
    fails_because = Choice(Because, required=True, allow_none=True)
    failing_item = Nested(StockItemRead, required=True, allow_none=True)


class TreeComplianceRead(Schema):
    """An organization with all below it: in all, by child (the worst hundred), and its stations, the worst first."""

    organization = Nested(ComplianceOrganizationRead, required=True)
    as_of = Moment(required=True)
    total = Nested(ComplianceSummaryRead, required=True)
    own = Nested(ComplianceSummaryRead, required=True)
    children = ListOf(Nested(ComplianceChildRead), required=True)
    child_count = Count(required=True)
    items = ListOf(Nested(StationStandingRead), required=True)
    next_cursor = Text(required=True, allow_none=True)


class AlertFilter(PageQuery):
    """Which alerts, of those that the caller may read. Without `state`, all that are not closed."""

    organization_id = Id()
    station_id = Id()
    kind = Choice(AlertKind)
    state = Choice(AlertState)


class StockAlertDetailsRead(Schema):
    """The figures of an alert as last seen; which of them there are depends on its kind."""

    held = Count(allow_none=True)
    minimum = Count(allow_none=True)
    fails_on = Text(allow_none=True)
    because = Choice(Because, allow_none=True)
    lot_number = Text(allow_none=True)
    expires_on = Text(allow_none=True)
    quantity = Count(allow_none=True)
    mismatches = Count(allow_none=True)


class StockAlertRead(Schema):
    """An alert: it goes up where nobody acknowledges it, and closes by itself when its cause is gone."""

    id = Id(required=True)
    kind = Choice(AlertKind, required=True)
    state = Choice(AlertState, required=True)
    station = Nested(ComplianceStationRead, required=True)
    item = Nested(StockItemRead, required=True, allow_none=True)
    details = Nested(StockAlertDetailsRead, required=True)
    raised_at = Moment(required=True)
    acknowledged_at = Moment(required=True, allow_none=True)
    acknowledged_by = Nested(ComplianceNamedRead, required=True, allow_none=True)
    note = Text(required=True, allow_none=True)
    escalated_at = Moment(required=True, allow_none=True)
    escalated_to = Nested(ComplianceNamedRead, required=True, allow_none=True)
    closed_at = Moment(required=True, allow_none=True)


class AcknowledgementCreate(Schema):
    """What is done about it."""

    note = Text(max_length=500)


class RestockQuery(Schema):
    """For which tree, and how many suggestions (20 where it is left out)."""

    organization_id = Id(required=True)
    limit = CountParameter(
        minimum=1, maximum=MAX_LIMIT, load_default=20, metadata={"description": "How many at most; 20 without it."}
    )


class SuggestionRead(Schema):
    """One line of a transfer that would help: `POST /transfers` takes its two stations, item, lot, day and quantity."""

    from_station = Nested(ComplianceStationRead, required=True)
    to_station = Nested(ComplianceStationRead, required=True)
    item = Nested(StockItemRead, required=True)
    critical = Flag(required=True)
    lot_number = Text(required=True, allow_none=True)
    expires_on = Day(required=True, allow_none=True)
    quantity = Count(required=True)
    distance_m = Count(required=True)
    reason = Choice(RestockReason, required=True)


class UnmetRead(Schema):
    """What no station of the tree can spare, and has to be bought."""

    station = Nested(ComplianceStationRead, required=True, attribute="place")
    item = Nested(StockItemRead, required=True)
    critical = Flag(required=True)
    quantity = Count(required=True)


class RestockRead(Schema):
    """Suggestions in the order of need. They don't change anything, and each piece is suggested once."""

    as_of = Moment(required=True)
    need_count = Count(required=True)
    items = ListOf(Nested(SuggestionRead), required=True)
    unmet = ListOf(Nested(UnmetRead), required=True)
