"""What phones send and get about the patterns that activities are planned after."""

from datetime import timedelta

from marshmallow import fields

from volunteer_api.accounts.categories import Category
from volunteer_api.activities.models import LONGEST_SHIFT
from volunteer_api.activities.schemas import ActivityRead
from volunteer_api.activities.shift_schemas import ShiftRoleCreate
from volunteer_api.core.schema import Choice, Count, Day, Id, ListOf, PageQuery, Schema, Text

LONGEST_MINUTES = LONGEST_SHIFT // timedelta(minutes=1)


class TemplateCreate(Schema):
    """An activity to be kept as a pattern of an organization."""

    organization_id = Id(required=True)
    activity_id = Id(required=True)
    name = Text(max_length=100, required=True)


class TemplateUpdate(Schema):
    name = Text(max_length=100)


class TemplateFilter(PageQuery):
    organization_id = Id(required=True, metadata={"description": "Those of this organization and of those above it."})


class TemplateShift(Schema):
    """A shift of a pattern: on which day (0 is the first), at which local time, for how long."""

    day = Count(required=True)
    starts = Text(required=True)
    duration_minutes = Count(required=True)
    sign_up_closes_minutes = Count(
        minimum=-LONGEST_MINUTES,
        allow_none=True,
        metadata={"description": "How long before the start sign-ups close, negative after it; at the end where null."},
    )
    capacity = Count(required=True, allow_none=True)
    minimum = Count(required=True, allow_none=True)
    roles = fields.List(fields.Nested(ShiftRoleCreate), metadata={"description": "Absent from old patterns."})


class TemplateRead(Schema):
    id = Id(required=True)
    version = Count(required=True)
    organization_id = Id(required=True)
    name = Text(required=True)
    title = Text(required=True)
    category = Choice(Category, required=True)
    place_name = Text(max_length=200, required=True, allow_none=True)
    description = Text(max_length=4000, required=True, allow_none=True)
    shifts = fields.List(fields.Nested(TemplateShift), required=True)


class PlanFromTemplate(Schema):
    """On which local day the first shift begins, and what is not in the pattern, or otherwise."""

    on = Day(required=True)
    organization_id = Id(required=True)
    title = Text(max_length=100)
    team_id = Id()
    station_id = Id()
    campaign_id = Id()
    leader_ids = ListOf(Id(), max_length=50)
    required_training_ids = ListOf(
        Id(), max_length=20, metadata={"description": "Instead of those of the pattern, as where they are another's."}
    )


class ActivityPlanned(ActivityRead):
    left_out = fields.List(
        fields.String(),
        required=True,
        metadata={
            "description": "`members_only`, where the pattern is for the members of a team and none is named: the "
            "draft takes whom the pattern does not. Name their team in it, or let it be for all."
        },
    )
