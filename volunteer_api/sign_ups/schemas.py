"""What phones send and get about sign-ups."""

from typing import Any

from marshmallow import fields, validates_schema

from volunteer_api.activities.models import ActivityState
from volunteer_api.activities.shift_schemas import Refusal
from volunteer_api.core.schema import (
    Choice,
    Count,
    Flag,
    Id,
    ListOf,
    Moment,
    Nested,
    PageQuery,
    Place,
    Schema,
    Text,
    fault,
)
from volunteer_api.sign_ups.models import SignUpState

MOST_NAMED = 100


class WithReason(Schema):
    """A word of which one may say why."""

    reason = Text(max_length=500, allow_none=True)


class Acceptance(Schema):
    team_id = Id(
        allow_none=True,
        metadata={
            "description": "The team that the hours are for, null for none. Where it is left out: the one that was "
            "named with the invitation; of a stand-in, the team of whose place it is, where she is a member of it."
        },
    )


class SignUpCreate(Schema):
    team_id = Id(allow_none=True, metadata={"description": "The team that the hours are for."})
    role_id = Id(allow_none=True, metadata={"description": "The role in the shift; any where absent."})
    volunteer_id = Id(allow_none=True, metadata={"description": "Whom a leader invites; oneself where absent."})
    volunteer_number = Text(
        max_length=20, metadata={"description": "The same by the number that the person reads on her phone."}
    )

    @validates_schema
    def one_person(self, data: dict[str, Any], **_options: Any) -> None:
        if data.get("volunteer_id") is not None and "volunteer_number" in data:
            raise fault("one_of", "Name somebody by id or by number.", "volunteer_number")


class SignUpsCreate(Schema):
    """Several shifts, or several people, in one call: at most 500 pairs."""

    shift_ids = ListOf(Id(), min_length=1, max_length=MOST_NAMED)
    all_shifts = Flag(data_key="all", metadata={"description": "All shifts of the activity, instead of `shift_ids`."})
    team_id = Id(allow_none=True, metadata={"description": "The team that the hours are for."})
    volunteer_ids = ListOf(
        Id(), max_length=MOST_NAMED, metadata={"description": "Whom a leader invites; oneself where absent."}
    )
    whole_team = Flag(metadata={"description": "Invite all other active members of the team that is named."})

    @validates_schema
    def possible(self, data: dict[str, Any], **_options: Any) -> None:
        if bool(data.get("all_shifts")) == ("shift_ids" in data):
            raise fault("one_of", "Name shifts, or all of them.", "shift_ids")
        if data.get("whole_team") and data.get("team_id") is None:
            raise fault("without_team", "Name the team.", "team_id")
        if data.get("whole_team") and data.get("volunteer_ids"):
            raise fault("one_of", "Name people, or the whole team.", "volunteer_ids")


class StandInCreate(Schema):
    volunteer_number = Text(
        max_length=20, required=True, metadata={"description": "As the person who is asked reads it on her phone."}
    )


class SignUpShift(Schema):
    id = Id(required=True)
    starts_at = Moment(required=True)
    ends_at = Moment(required=True)
    canceled_at = Moment(required=True, allow_none=True)


class SignUpActivity(Schema):
    id = Id(required=True)
    title = Text(required=True)
    state = Choice(ActivityState, required=True)
    place = Place(required=True, allow_none=True)
    place_name = Text(required=True, allow_none=True)


class SignUpVolunteer(Schema):
    id = Id(required=True)
    name = Text(required=True)


class SignUpRole(Schema):
    id = Id(required=True)
    name = Text(required=True)


class SignUpRead(Schema):
    id = Id(required=True)
    created_at = Moment(required=True)
    shift = Nested(SignUpShift, required=True)
    activity = Nested(SignUpActivity, required=True)
    volunteer = Nested(SignUpVolunteer, required=True)
    team_id = Id(required=True, allow_none=True)
    role = Nested(SignUpRole, required=True, allow_none=True)
    stands_in_for_id = Id(
        required=True, allow_none=True, metadata={"description": "The sign-up whose place it is offered, or has taken."}
    )
    state = Choice(SignUpState, required=True)
    waitlist_position = Count(required=True, allow_none=True)
    late = Flag(required=True)
    asked_at = Moment(
        required=True,
        allow_none=True,
        metadata={"description": "The shift was moved then, and the volunteer has not said yet whether she comes."},
    )
    absent_at = Moment(required=True, allow_none=True)
    decided_at = Moment(required=True, allow_none=True)
    decision_reason = Text(max_length=500, required=True, allow_none=True)
    withdrawn_at = Moment(required=True, allow_none=True)
    withdrawal_reason = Text(max_length=500, required=True, allow_none=True)


class SignUpResult(Schema):
    """What came of one person and shift: `status` is what a call for these alone would have had.

    Whoever calls a team together reads no name, "", of somebody who is not in it.
    """

    volunteer_id = Id(required=True)
    volunteer = Nested(SignUpVolunteer, required=True)
    shift_id = Id(required=True)
    status = Count(required=True)
    sign_up_id = Id(required=True, allow_none=True)
    state = Choice(SignUpState, required=True, allow_none=True)
    refusal = Nested(Refusal, required=True, allow_none=True)


class SignUpResults(Schema):
    results = fields.List(fields.Nested(SignUpResult), required=True)


class WithdrawalResult(Schema):
    """What came of one shift: `status` is what a withdrawal from it alone would have had, `state` is that of now."""

    shift_id = Id(required=True)
    status = Count(required=True)
    sign_up_id = Id(required=True)
    state = Choice(SignUpState, required=True)
    late = Flag(required=True)
    refusal = Nested(Refusal, required=True, allow_none=True)


class WithdrawalResults(Schema):
    results = fields.List(fields.Nested(WithdrawalResult), required=True)


class SignUpFilter(PageQuery):
    state = Choice(SignUpState)


class ExportQuery(Schema):
    shift_id = Id(metadata={"description": "Of one shift alone."})
    state = Choice(SignUpState, metadata={"description": "Left out: pending, invited, confirmed and waitlisted ones."})
