"""What phones send and get about sign-ups."""

from volunteer_api.activities.models import ActivityState
from volunteer_api.core.schema import Choice, Count, Flag, Id, Moment, Nested, PageQuery, Place, Schema, Text
from volunteer_api.sign_ups.models import SignUpState


class Withdrawal(Schema):
    reason = Text(max_length=500, allow_none=True)


class SignUpCreate(Schema):
    team_id = Id(allow_none=True, metadata={"description": "The team that the hours are for."})


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


class SignUpRead(Schema):
    id = Id(required=True)
    created_at = Moment(required=True)
    shift = Nested(SignUpShift, required=True)
    activity = Nested(SignUpActivity, required=True)
    volunteer = Nested(SignUpVolunteer, required=True)
    team_id = Id(required=True, allow_none=True)
    state = Choice(SignUpState, required=True)
    waitlist_position = Count(required=True, allow_none=True)
    late = Flag(required=True)
    withdrawn_at = Moment(required=True, allow_none=True)


class SignUpFilter(PageQuery):
    state = Choice(SignUpState)
