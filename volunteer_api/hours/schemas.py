"""What the hours ledger looks like to the phone."""

from volunteer_api.core.schema import Choice, Count, Day, Id, Moment, Nested, Schema, Text
from volunteer_api.hours.models import Source


class OrganizationName(Schema):
    id = Id(required=True)
    name = Text(required=True)


class ServiceRecordRead(Schema):
    """One row of the ledger. `minutes` is negative in a reversal; `on` is the local day of the shift's start."""

    id = Id(required=True)
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
    reason = Text(required=True, allow_none=True)
    reverses_id = Id(required=True, allow_none=True)
    recorded_at = Moment(required=True)
