"""What disputes take and answer."""

from typing import Any

from marshmallow import fields, validates_schema

from volunteer_api.core.schema import (
    Choice,
    Count,
    Day,
    Flag,
    FlagParameter,
    Id,
    Moment,
    Nested,
    PageQuery,
    Schema,
    Text,
    fault,
)
from volunteer_api.disputes.models import Decision, DisputeState, StepKind

LONGEST_TEXT = 2000
MINUTES_A_DAY = 1440
SUBJECTS = ("service_record_id", "attendance_id", "shift_id")


class DisputeCreate(Schema):
    """One of a service record, an attendance, or a shift of which nothing is recorded."""

    service_record_id = Id()
    attendance_id = Id()
    shift_id = Id()
    claimed_minutes = Count(minimum=0, maximum=MINUTES_A_DAY)
    text = Text(max_length=LONGEST_TEXT, required=True)

    @validates_schema
    def check_one(self, data: dict[str, Any], **_options: Any) -> None:
        if len(data.keys() & set(SUBJECTS)) != 1:
            raise fault("one_of", "Give one of service_record_id, attendance_id and shift_id.")


class DisputeWordsCreate(Schema):
    text = Text(max_length=LONGEST_TEXT, required=True)


class ServiceConfirmation(DisputeWordsCreate):
    """How many minutes somebody served in all, by one who was there; no decision gives more."""

    minutes = Count(minimum=1, maximum=MINUTES_A_DAY, required=True)


class DisputeDecisionCreate(Schema):
    """`credited_minutes` is what the service counts for in all; without it, what was claimed."""

    decision = Choice(Decision, required=True)
    credited_minutes = Count(minimum=0, maximum=MINUTES_A_DAY)
    reason = Text(max_length=LONGEST_TEXT, required=True)

    @validates_schema
    def check_minutes(self, data: dict[str, Any], **_options: Any) -> None:
        given = "credited_minutes" in data
        if data.get("decision") is Decision.PARTLY and not given:
            raise fault("required", "Say how many minutes count.", "credited_minutes")
        if data.get("decision") is Decision.REJECTED and given:
            raise fault("minutes_of_nothing", "A rejected dispute changes no minutes.", "credited_minutes")


class DisputeFilter(PageQuery):
    mine = FlagParameter(metadata={"description": "true: only your own; false: only those of others."})
    state = Choice(DisputeState)
    overdue = FlagParameter(metadata={"description": "true: open past the day on which they are due."})
    unconfirmed = FlagParameter(
        metadata={"description": "true: those of others that wait for somebody who vouches for the service."}
    )
    organization_id = Id(metadata={"description": "Of this organization or of one below it."})


class DisputeParticipant(Schema):
    id = Id(required=True)
    name = Text(required=True)


class DisputeSummaryRead(Schema):
    """`due_on` is the local day until which it is answered. `content` is what the service was."""

    id = Id(required=True)
    state = Choice(DisputeState, required=True)
    volunteer = Nested(DisputeParticipant, required=True)
    service_record_id = Id(required=True, allow_none=True)
    attendance_id = Id(required=True, allow_none=True)
    shift_id = Id(required=True, allow_none=True)
    organization_id = Id(required=True)
    content = Text(required=True)
    claimed_minutes = Count(required=True, allow_none=True)
    confirmed_minutes = Count(required=True, allow_none=True)
    credited_minutes = Count(required=True, allow_none=True)
    created_at = Moment(required=True)
    due_on = Day(required=True)
    overdue = Flag(required=True)
    closed_at = Moment(required=True, allow_none=True)


class DisputeStepRead(Schema):
    """One step of the trail; `text` is null where its words were erased with a person, or there were none."""

    kind = Choice(StepKind, required=True)
    at = Moment(required=True)
    actor = Nested(DisputeParticipant, required=True)
    text = Text(required=True, allow_none=True, max_length=LONGEST_TEXT)


class DisputeRead(DisputeSummaryRead):
    """A dispute with its trail, in order; `can_decide` and `can_confirm` say what the caller may."""

    can_decide = Flag(required=True)
    can_confirm = Flag(required=True)
    steps = fields.List(fields.Nested(DisputeStepRead), required=True)
