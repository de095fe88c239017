"""What the hours ledger looks like to the phone."""

from typing import Any

from marshmallow import fields, validates_schema

from volunteer_api.activities.schemas import TurnoutRemarkRead
from volunteer_api.core.by_itself import ByItself
from volunteer_api.core.periods import ALL_TIME, PeriodField
from volunteer_api.core.schema import (
    Choice,
    Count,
    Day,
    FlagParameter,
    Id,
    ListOf,
    Moment,
    Nested,
    PageQuery,
    Phone,
    Schema,
    Text,
    fault,
)
from volunteer_api.core.tables import OutcomeRead
from volunteer_api.hours.models import HoursDecision, RecordState, Source

# A day has no more.
MOST_MINUTES = 24 * 60
MOST_RECORDS = 100


class OrganizationName(Schema):
    id = Id(required=True)
    name = Text(required=True)


class ServedVolunteer(Schema):
    """Of a backfill that is not approved, whoever is not known there is named only to those who decide on it.

    Others see no id and a name like 王*; known are who signed up for the shift and who is of the activity's team.
    """

    id = Id(required=True, allow_none=True)
    name = Text(required=True)


class ServiceRecordRead(Schema):
    """One row of the ledger. `minutes` is negative in a reversal; `on` is the local day of the shift's start.

    `source` backfilled stays for ever: then `recorder_name` recorded and `approver_name` approved it afterwards.
    `decision_reason` is why it was turned down, or approved over a day's limit.
    """

    id = Id(required=True)
    state = Choice(RecordState, required=True)
    minutes = Count(minimum=-(2**31), required=True)
    source = Choice(Source, required=True)
    on = Day(required=True)
    starts_at = Moment(required=True)
    ends_at = Moment(required=True)
    content = Text(required=True)
    place_name = Text(required=True, allow_none=True)
    activity_id = Id(required=True, allow_none=True)
    shift_id = Id(required=True, allow_none=True)
    attendance_id = Id(required=True, allow_none=True)
    station_id = Id(required=True, allow_none=True)
    team_id = Id(required=True, allow_none=True)
    team_name = Text(required=True, allow_none=True)
    organization = Nested(OrganizationName, required=True)
    leader_id = Id(required=True, allow_none=True)
    leader_name = Text(required=True, allow_none=True)
    recorder_id = Id(required=True, allow_none=True)
    recorder_name = Text(required=True, allow_none=True)
    approver_id = Id(required=True, allow_none=True)
    approver_name = Text(required=True, allow_none=True)
    reason = Text(required=True, allow_none=True)
    reverses_id = Id(required=True, allow_none=True)
    follows_id = Id(required=True, allow_none=True)
    recorded_at = Moment(required=True, allow_none=True)
    decision_reason = Text(required=True, allow_none=True)


class RecordRemarkRead(Schema):
    """What else is on record of the same service while hours of it wait: who said it, when and why.

    `code` is `attendance_rejected`, `attendance_held`, `marked_absent` or `marked_excused`, and there may be others.
    """

    code = Text(required=True)
    detail = Text(required=True)
    by_name = Text(required=True, allow_none=True)
    at = Moment(required=True, allow_none=True)
    reason = Text(required=True, allow_none=True)
    attendance_id = Id(required=True, allow_none=True)


class VolunteersRecordRead(ServiceRecordRead):
    """A record as those see it who answer for it; what waits or was turned down has no `recorded_at`.

    A backfill and the record that it becomes have one id. `due_on` is the last day on which it is decided in time (10
    working days after the service); `due_on_is_certain` is false where the holidays of that time are not announced yet.
    `remarks` are what else is on record of the same service while it is pending: an approval may stand against it.
    """

    volunteer = Nested(ServedVolunteer, required=True)
    remarks = fields.List(fields.Nested(RecordRemarkRead), required=True)
    due_on = Day(required=True, allow_none=True)
    due_on_is_certain = fields.Boolean(required=True, allow_none=True)
    late = fields.Boolean(required=True)


class BackfillCreate(Schema):
    """Somebody else's service, at a shift (from its start where `starts_at` is left out) or on duty at a station."""

    volunteer_id = Id()
    phone = Phone()
    shift_id = Id()
    station_id = Id()
    starts_at = Moment()
    ends_at = Moment()
    minutes = Count(minimum=1, maximum=MOST_MINUTES)
    team_id = Id()
    reason = Text(required=True, max_length=500)

    @validates_schema
    def check_choices(self, data: dict[str, Any], **_options: Any) -> None:
        if ("volunteer_id" in data) == ("phone" in data):
            raise fault("one_of", "Give either volunteer_id or phone.")
        if ("shift_id" in data) == ("station_id" in data):
            raise fault("one_of", "Give either shift_id or station_id.")
        if ("ends_at" in data) == ("minutes" in data):
            raise fault("one_of", "Give either ends_at or minutes.")
        if "station_id" in data and "starts_at" not in data:
            raise fault("required", "A duty needs starts_at.", "starts_at")
        if "ends_at" in data and "starts_at" in data and data["ends_at"] <= data["starts_at"]:
            raise fault("ends_before_start", "ends_at must be after starts_at.", "ends_at")


class BackfillBatchCreate(Schema):
    """Each record is judged by itself."""

    records = ListOf(ByItself(BackfillCreate), min_length=1, max_length=MOST_RECORDS, required=True)


class HoursFaultRead(Schema):
    # Empty where the line as a whole is meant.
    pointer = Text(required=True, min_length=0)
    code = Text(required=True)
    detail = Text(required=True)


class HoursRefusalRead(Schema):
    """Why one line was refused, with the members that its `code` has; `errors` of one that is not valid itself."""

    code = Text(required=True, metadata={"description": "One of those at `/docs/problems`."})
    detail = Text(required=True)
    service_record_id = Id()
    minutes = Count()
    limit_minutes = Count()
    state = Choice(RecordState)
    errors = ListOf(Nested(HoursFaultRead), max_length=100)


class BackfillResultRead(Schema):
    """What one line alone would have answered: `status` 201 with the record's id, or a refusal."""

    index = Count(required=True)
    status = Count(required=True)
    service_record_id = Id(required=True, allow_none=True)
    refusal = Nested(HoursRefusalRead, required=True, allow_none=True)


class BackfillResultsRead(Schema):
    """In the order of the request."""

    results = ListOf(Nested(BackfillResultRead), max_length=MOST_RECORDS, required=True)


class HoursApprovalCreate(Schema):
    """`reason` is needed where the day has more than its usual limit."""

    reason = Text(max_length=500)


class HoursReasonCreate(Schema):
    reason = Text(required=True, max_length=500)


class HoursDecisionLine(HoursApprovalCreate):
    """One decision: `reason` is what an approval or a rejection alone would take."""

    service_record_id = Id(required=True)
    decision = Choice(HoursDecision, required=True)

    @validates_schema
    def check_reason(self, data: dict[str, Any], **_options: Any) -> None:
        if data["decision"] == HoursDecision.REJECT and not data.get("reason"):
            raise fault("required", "A rejection needs a reason.", "reason")


class HoursDecisionsCreate(Schema):
    """Each decision is judged by itself."""

    decisions = ListOf(Nested(HoursDecisionLine), required=True, min_length=1, max_length=MOST_RECORDS)


class HoursDecisionRead(Schema):
    """What one decision alone would have answered: `status` 200 and the `state` that it led to, or a refusal."""

    service_record_id = Id(required=True)
    status = Count(required=True)
    state = Choice(RecordState, required=True, allow_none=True)
    refusal = Nested(HoursRefusalRead, required=True, allow_none=True)


class HoursDecisionsRead(Schema):
    """In the order of the request."""

    results = ListOf(Nested(HoursDecisionRead), max_length=MOST_RECORDS, required=True)


class HoursImportQuery(Schema):
    """A dry run names each bad cell and records nothing; `reason` is that of rows without one."""

    dry_run = FlagParameter(load_default=False)
    reason = Text(max_length=500)


class HoursImportRead(OutcomeRead):
    """What a table of hours led to, or would lead to. What waits or was approved just so is `already_recorded`."""

    recorded = Count(required=True)
    already_recorded = Count(required=True)
    remarks = fields.List(fields.Nested(TurnoutRemarkRead), required=True)


class MyRecordQuery(PageQuery):
    """`state` pending and rejected are what others recorded for me outside of the ledger; without it, the ledger."""

    state = Choice(RecordState)


class RecordQuery(PageQuery):
    """Which records. `state` pending and rejected are backfills outside of the ledger; without it, the ledger's rows.

    `late` is what waits past its ten working days. `recorded_from` and `recorded_to` are the local days on which the
    ledger took it, both included: what came after a ranking was closed, of whatever day it is.
    """

    organization_id = Id(metadata={"description": "With all below it, as each record keeps where it stood."})
    activity_id = Id()
    station_id = Id()
    team_id = Id(metadata={"description": "What was given for this team; of its members' other hours nothing."})
    volunteer_id = Id()
    recorder_id = Id()
    source = Choice(Source)
    state = Choice(RecordState)
    late = FlagParameter()
    first_day = Day(data_key="from")
    last_day = Day(data_key="to")
    recorded_first = Day(data_key="recorded_from")
    recorded_last = Day(data_key="recorded_to")

    @validates_schema
    def check_late(self, data: dict[str, Any], **_options: Any) -> None:
        if data.get("late") and data.get("state", RecordState.PENDING) != RecordState.PENDING:
            raise fault("one_of", "Only what is pending can be late.", "late")
        outside = data.get("state") in (RecordState.PENDING, RecordState.REJECTED) or data.get("late")
        if outside and data.get("source") == Source.ATTENDED:
            raise fault("one_of", "What is pending or rejected is backfilled.", "source")
        if outside and not {"recorded_first", "recorded_last"}.isdisjoint(data):
            raise fault("one_of", "What is pending or rejected was not recorded.", "recorded_from")


class SubjectTallyQuery(Schema):
    period = PeriodField(load_default=ALL_TIME, metadata={"description": "Like 2026-11-23, 2026-W47, 2026-Q4 or all."})


class OrganizationTallyQuery(SubjectTallyQuery):
    own = FlagParameter(load_default=False, metadata={"description": "Without what stands below it."})


class TallyPartRead(Schema):
    period = Text(required=True)
    credited_minutes = Count(minimum=-(2**31), required=True)
    held_minutes = Count(minimum=-(2**31), required=True)


class SubjectTallyRead(Schema):
    """The sum of the ledger over a period, exact at this moment, with what waits for review beside it.

    Both stay with the organizations that were above when it was served. What waits is decided by those above now: after
    a move the queue of `GET /attendances` may have more or less than `held_minutes`.
    The parts are days where the period has at most 31 of them, else months; they add up to the whole.
    """

    credited_minutes = fields.Integer(required=True)
    held_minutes = fields.Integer(required=True)
    by_period = ListOf(Nested(TallyPartRead), required=True, max_length=2000)


class CampaignPartRead(Schema):
    period = Text(required=True)
    credited_minutes = Count(minimum=-(2**31), required=True)


class CampaignTallyRead(Schema):
    """The sum of the ledger over a period, for everybody: what waits for review is not told."""

    credited_minutes = fields.Integer(required=True)
    by_period = ListOf(Nested(CampaignPartRead), required=True, max_length=2000)
