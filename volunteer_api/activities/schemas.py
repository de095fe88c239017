"""What phones send and get about campaigns, activities and shifts."""

from datetime import datetime
from typing import Any

from marshmallow import fields, validates_schema

from volunteer_api.accounts.categories import Category
from volunteer_api.activities.models import LONGEST_SHIFT, ActivityState, Recipient, SignUpMode, Unit
from volunteer_api.activities.prospects import WouldBe
from volunteer_api.core.schema import (
    Choice,
    Count,
    CountParameter,
    Day,
    Flag,
    FlagParameter,
    Id,
    ListOf,
    Moment,
    Near,
    NearQuery,
    Nested,
    Number,
    PageQuery,
    Place,
    Schema,
    Text,
    fault,
)
from volunteer_api.files.schemas import FileRead

MAXIMUM_SHIFTS = 100
MAXIMUM_ROLES = 10
OLDEST = 120
MAXIMUM_CAPACITY = 100_000
# Half of the way around the earth: everything lies inside it.
WIDEST_RADIUS_M = 20_100_000


class Goals(Schema):
    """What a campaign wants to reach: activities held, attendances (人次), minutes served; each may be left out."""

    activities = Count(minimum=1, maximum=1_000_000, allow_none=True)
    attendances = Count(minimum=1, maximum=100_000_000, allow_none=True)
    minutes = Count(minimum=1, maximum=100_000_000_000, allow_none=True)


class _CampaignDays(Schema):
    """What a campaign's creation and its update have in common."""

    @validates_schema
    def days_in_order(self, data: dict[str, Any], **_options: Any) -> None:
        if data.get("starts_on") and data.get("ends_on") and data["starts_on"] > data["ends_on"]:
            raise fault("ends_before_it_starts", "It ends before it starts.", "ends_on")


class CampaignCreate(_CampaignDays):
    name = Text(max_length=100, required=True)
    description = Text(max_length=4000, allow_none=True)
    organization_id = Id(required=True)
    starts_on = Day(allow_none=True)
    ends_on = Day(allow_none=True)
    goals = Nested(Goals)


class CampaignUpdate(_CampaignDays):
    """What may be changed; null clears. `goals` are given whole."""

    name = Text(max_length=100)
    description = Text(max_length=4000, allow_none=True)
    starts_on = Day(allow_none=True)
    ends_on = Day(allow_none=True)
    goals = Nested(Goals, allow_none=True)


class CampaignRead(Schema):
    id = Id(required=True)
    version = Count(required=True)
    created_at = Moment(required=True)
    name = Text(required=True)
    description = Text(max_length=4000, required=True, allow_none=True)
    organization_id = Id(required=True)
    starts_on = Day(required=True, allow_none=True)
    ends_on = Day(required=True, allow_none=True)
    goals = Nested(Goals, required=True)


class CampaignFilter(PageQuery):
    organization_id = Id(metadata={"description": "Campaigns of this organization."})
    q = Text(max_length=100, metadata={"description": "A part of the name."})


class ShiftRoleCreate(Schema):
    """A part in a shift, such as guide or first-aider, with places of its own among those of the shift."""

    name = Text(max_length=30, required=True)
    capacity = Count(minimum=1, maximum=MAXIMUM_CAPACITY, required=True)


class ShiftRoleRead(ShiftRoleCreate):
    id = Id(required=True)
    confirmed_count = Count(required=True)
    waitlisted_count = Count(required=True)


class _ShiftTimes(Schema):
    """What a shift's creation and its update, and a recurrence, have in common."""

    @validates_schema
    def possible(self, data: dict[str, Any], **_options: Any) -> None:
        starts_at: datetime | None = data.get("starts_at")
        ends_at: datetime | None = data.get("ends_at")
        if starts_at is not None and ends_at is not None:
            if starts_at >= ends_at:
                raise fault("ends_before_it_starts", "It ends before it starts.", "ends_at")
            if ends_at - starts_at > LONGEST_SHIFT:
                raise fault("too_long", "A shift is at most 24 hours long.", "ends_at")
        if data.get("capacity") and data.get("minimum") and data["minimum"] > data["capacity"]:
            raise fault("more_than_capacity", "The minimum is more than the capacity.", "minimum")
        names = [role["name"] for role in data.get("roles", ())]
        if len(set(names)) < len(names):
            raise fault("twice", "Two roles have the same name.", "roles")
        if data.get("capacity") and any(role["capacity"] > data["capacity"] for role in data.get("roles", ())):
            raise fault("more_than_capacity", "A role has more places than the shift.", "roles")


class ShiftCreate(_ShiftTimes):
    starts_at = Moment(required=True)
    ends_at = Moment(required=True)
    sign_up_closes_at = Moment(
        allow_none=True, metadata={"description": "Sign-ups are taken until then; until the end where absent."}
    )
    capacity = Count(
        minimum=1, maximum=MAXIMUM_CAPACITY, allow_none=True, metadata={"description": "Unlimited where absent."}
    )
    minimum = Count(minimum=1, maximum=MAXIMUM_CAPACITY, allow_none=True)
    roles = ListOf(Nested(ShiftRoleCreate), max_length=MAXIMUM_ROLES)

    @validates_schema
    def roles_fit(self, data: dict[str, Any], **_options: Any) -> None:
        names = [role["name"] for role in data.get("roles", ())]
        if len(set(names)) < len(names):
            raise fault("twice", "Two roles have the same name.", "roles")
        if data.get("capacity") and any(role["capacity"] > data["capacity"] for role in data.get("roles", ())):
            raise fault("more_than_capacity", "A role has more places than the shift.", "roles")


class ShiftUpdate(_ShiftTimes):
    """What may be changed; null clears. A shift that has begun can end later, and take more people."""

    starts_at = Moment()
    ends_at = Moment()
    sign_up_closes_at = Moment(allow_none=True)
    capacity = Count(minimum=1, maximum=MAXIMUM_CAPACITY, allow_none=True)
    minimum = Count(minimum=1, maximum=MAXIMUM_CAPACITY, allow_none=True)


class Recurrence(_ShiftTimes):
    """Shifts by a rule of RFC 5545, such as `FREQ=WEEKLY;BYDAY=SA;COUNT=10`, expanded in local time.

    The first begins at `starts_at`; each is as long as the first. The rule has an end, by COUNT or UNTIL (a day is
    meant with its evening), within three years and 366 shifts; `except_on` are local days without a shift.
    """

    rrule = Text(max_length=200, required=True)
    starts_at = Moment(required=True)
    ends_at = Moment(required=True)
    capacity = Count(minimum=1, maximum=MAXIMUM_CAPACITY, allow_none=True)
    minimum = Count(minimum=1, maximum=MAXIMUM_CAPACITY, allow_none=True)
    except_on = ListOf(Day(), max_length=100)


class RefusalReason(Schema):
    code = Text(required=True)
    detail = Text(required=True)


class Refusal(Schema):
    """`detail` is the first of the `reasons` where there are any, as of not_eligible."""

    code = Text(required=True)
    detail = Text(required=True)
    reasons = fields.List(fields.Nested(RefusalReason), required=True)


class ShiftSummary(Schema):
    """A shift in a list of activities, with what would come of the caller's signing up for it now."""

    id = Id(required=True)
    version = Count(required=True)
    activity_id = Id(required=True)
    starts_at = Moment(required=True)
    ends_at = Moment(required=True)
    sign_up_closes_at = Moment(required=True, allow_none=True)
    canceled_at = Moment(required=True, allow_none=True)
    capacity = Count(required=True, allow_none=True)
    minimum = Count(required=True, allow_none=True)
    confirmed_count = Count(required=True)
    waitlisted_count = Count(required=True)
    can_sign_up = Flag(required=True)
    would_be = Choice(WouldBe, required=True, allow_none=True)
    refusal = Nested(Refusal, required=True, allow_none=True)


class ShiftRead(ShiftSummary):
    """A shift with its roles, by name."""

    roles = fields.List(fields.Nested(ShiftRoleRead), required=True)


class ShiftFilter(PageQuery):
    """A page of an activity's shifts, by their start."""


def check_ages(data: dict[str, Any]) -> None:
    """Raise a fault where nobody can have such an age."""
    lowest, highest = data.get("minimum_age"), data.get("maximum_age")
    if lowest is not None and highest is not None and lowest > highest:
        raise fault("ages_in_order", "The lowest age is above the highest.", "maximum_age")


class ActivityCreate(Schema):
    title = Text(max_length=100, required=True)
    category = Choice(Category, required=True)
    organization_id = Id(required=True)
    team_id = Id(allow_none=True)
    station_id = Id(allow_none=True)
    campaign_id = Id(allow_none=True)
    leader_ids = ListOf(Id(), max_length=50)
    place = Place(allow_none=True, metadata={"description": "The station's place where absent."})
    radius_m = Count(minimum=1, maximum=20_000, allow_none=True)
    place_name = Text(max_length=200, allow_none=True)
    description = Text(max_length=4000, allow_none=True)
    sign_up_mode = Choice(SignUpMode, load_default=SignUpMode.OPEN)
    minimum_age = Count(minimum=0, maximum=OLDEST, allow_none=True)
    maximum_age = Count(minimum=0, maximum=OLDEST, allow_none=True)
    members_only = Flag(metadata={"description": "Only for active members of `team_id`."})
    required_skills = ListOf(Text(max_length=30), max_length=20, metadata={"description": "All of them are needed."})
    required_training_ids = ListOf(
        Id(), max_length=20, metadata={"description": "All of them must be valid on the day of the shift."}
    )
    hazardous = Flag(metadata={"description": "Only for people whom a policy insures on the day of the shift."})
    recipients = ListOf(Choice(Recipient), max_length=10)
    co_organizer_ids = ListOf(Id(), max_length=20)
    photo_ids = ListOf(Id(), max_length=9)
    shifts = ListOf(Nested(ShiftCreate), min_length=1, max_length=MAXIMUM_SHIFTS)
    recurrence = Nested(Recurrence)

    @validates_schema
    def one_way(self, data: dict[str, Any], **_options: Any) -> None:
        if ("shifts" in data) == ("recurrence" in data):
            raise fault("shifts_or_recurrence", "Give either shifts or recurrence.", "shifts")

    @validates_schema
    def possible(self, data: dict[str, Any], **_options: Any) -> None:
        check_ages(data)


class ActivityUpdate(Schema):
    """What may be changed; null clears."""

    title = Text(max_length=100)
    category = Choice(Category)
    team_id = Id(allow_none=True)
    station_id = Id(allow_none=True)
    campaign_id = Id(allow_none=True)
    leader_ids = ListOf(Id(), max_length=50)
    place = Place(allow_none=True)
    radius_m = Count(minimum=1, maximum=20_000, allow_none=True)
    place_name = Text(max_length=200, allow_none=True)
    description = Text(max_length=4000, allow_none=True)
    recipients = ListOf(Choice(Recipient), max_length=10)
    co_organizer_ids = ListOf(Id(), max_length=20)
    photo_ids = ListOf(Id(), max_length=9)
    recurrence = Nested(
        Recurrence, metadata={"description": "Makes the recurring shifts anew; who signed up keeps hers."}
    )
    minimum_age = Count(minimum=0, maximum=OLDEST, allow_none=True)
    maximum_age = Count(minimum=0, maximum=OLDEST, allow_none=True)
    members_only = Flag(metadata={"description": "Only for active members of `team_id`."})
    required_skills = ListOf(Text(max_length=30), max_length=20, metadata={"description": "All of them are needed."})
    required_training_ids = ListOf(
        Id(), max_length=20, metadata={"description": "All of them must be valid on the day of the shift."}
    )
    hazardous = Flag(metadata={"description": "Only for people whom a policy insures on the day of the shift."})

    @validates_schema
    def possible(self, data: dict[str, Any], **_options: Any) -> None:
        check_ages(data)


class Outcome(Schema):
    """What came of it: 350 m of river cleaned is `{"kind": "river_cleaned", "quantity": 350, "unit": "m"}`.

    Units are few, so that sums add up: lengths in m, areas in m2, weights in kg. Quantities to a thousandth.
    """

    kind = Text(max_length=50, required=True)
    quantity = Number(minimum=0, maximum=1e12, required=True)
    unit = Choice(Unit, required=True)


class ActivitySummary(Schema):
    """An activity in a list, with its next ten shifts at most."""

    id = Id(required=True)
    version = Count(required=True)
    created_at = Moment(required=True)
    state = Choice(ActivityState, required=True)
    title = Text(required=True)
    category = Choice(Category, required=True)
    organization_id = Id(required=True)
    organization_name = Text(required=True)
    team_id = Id(required=True, allow_none=True)
    team_name = Text(required=True, allow_none=True)
    station_id = Id(required=True, allow_none=True)
    campaign_id = Id(required=True, allow_none=True)
    place = Place(required=True, allow_none=True)
    radius_m = Count(required=True, allow_none=True)
    place_name = Text(required=True, allow_none=True)
    description = Text(max_length=4000, required=True, allow_none=True)
    sign_up_mode = Choice(SignUpMode, required=True)
    recipients = fields.List(Choice(Recipient), required=True)
    minimum_age = Count(required=True, allow_none=True)
    maximum_age = Count(required=True, allow_none=True)
    members_only = Flag(required=True)
    required_skills = ListOf(Text(), required=True)
    required_training_ids = ListOf(Id(), required=True)
    hazardous = Flag(required=True)
    published_at = Moment(required=True, allow_none=True)
    completed_at = Moment(required=True, allow_none=True)
    canceled_at = Moment(required=True, allow_none=True)
    cancellation_reason = Text(max_length=500, required=True, allow_none=True)
    distance_m = Count(allow_none=True, metadata={"description": "Only where `near` was asked."})
    shifts = fields.List(fields.Nested(ShiftSummary), required=True)


class ActivityRead(ActivitySummary):
    """An activity with its next hundred shifts, by their start; `shift_count` is of all."""

    shifts = fields.List(fields.Nested(ShiftRead), required=True)
    shift_count = Count(required=True)
    recurrence = Nested(Recurrence, required=True, allow_none=True)
    copied_from_id = Id(required=True, allow_none=True)
    leader_ids = fields.List(Id(), required=True)
    co_organizer_ids = fields.List(Id(), required=True)
    photos = fields.List(fields.Nested(FileRead), required=True)
    outcome_photos = fields.List(fields.Nested(FileRead), required=True)
    completion_note = Text(max_length=2000, required=True, allow_none=True)
    outcomes = fields.List(fields.Nested(Outcome), required=True)


class ActivityFilter(PageQuery, NearQuery):
    first_day = Day(data_key="from", metadata={"description": "With a shift on this local day or later."})
    last_day = Day(data_key="to", metadata={"description": "With a shift on this local day or earlier."})
    near = Near(
        metadata={
            "description": "`lat,lng`: nearest first, without those that have no place; only published ones with a "
            "shift to come, unless `state`, `from` or `to` asks for others."
        }
    )
    radius_m = CountParameter(minimum=1, maximum=WIDEST_RADIUS_M, metadata={"description": "Only with `near`."})
    organization_id = Id(
        metadata={"description": "Of this organization or of one below it, by itself or together with others."}
    )
    team_id = Id()
    station_id = Id()
    campaign_id = Id()
    category = Choice(Category)
    state = Choice(ActivityState)
    open_for_sign_up = FlagParameter(
        data_key="open", metadata={"description": "With (or without) a shift that takes somebody else now."}
    )
    q = Text(
        max_length=100,
        metadata={
            "description": "Up to five words, each a part of the title, the place's name, the name of organization, "
            "team or campaign, or the beginning of the description; or the title's pinyin or initials."
        },
    )

    @validates_schema
    def possible(self, data: dict[str, Any], **_options: Any) -> None:
        if data.get("first_day") and data.get("last_day") and data["first_day"] > data["last_day"]:
            raise fault("ends_before_it_starts", "It ends before it starts.", "to")
        if "radius_m" in data and "near" not in data:
            raise fault("without_near", "A radius needs the place that it lies around.", "radius_m")


class GivenReason(Schema):
    reason = Text(max_length=500, required=True)


class Completion(Schema):
    outcomes = ListOf(Nested(Outcome), max_length=50)
    note = Text(max_length=2000, allow_none=True)
    photo_ids = ListOf(Id(), max_length=9)


class CopiesCreate(Schema):
    """For which organizations a draft is made."""

    organization_ids = ListOf(Id(), min_length=1, max_length=50, required=True)


class Copy(Schema):
    id = Id(required=True)
    organization_id = Id(required=True)


class Copies(Schema):
    """The drafts, in the order in which the organizations were given."""

    items = fields.List(fields.Nested(Copy), required=True)


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
    capacity = Count(required=True, allow_none=True)
    minimum = Count(required=True, allow_none=True)


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
    """On which local day the first shift begins, and what is not in the pattern."""

    on = Day(required=True)
    organization_id = Id(required=True)
    title = Text(max_length=100)
    team_id = Id()
    station_id = Id()
    campaign_id = Id()
    leader_ids = ListOf(Id(), max_length=50)


class OutcomeFilter(Schema):
    """Which completed activities; the days are local, both included, of their completion."""

    organization_id = Id(metadata={"description": "Of this organization or of one below it."})
    campaign_id = Id()
    category = Choice(Category)
    first_day = Day(data_key="from")
    last_day = Day(data_key="to")

    @validates_schema
    def in_order(self, data: dict[str, Any], **_options: Any) -> None:
        if data.get("first_day") and data.get("last_day") and data["first_day"] > data["last_day"]:
            raise fault("ends_before_it_starts", "It ends before it starts.", "to")


class OutcomeSum(Schema):
    kind = Text(required=True)
    unit = Text(required=True)
    quantity = Number(required=True)
    activity_count = Count(required=True)


class OutcomeSums(Schema):
    """The hundred outcomes with the most activities behind them; quantities of one kind and unit are added up."""

    items = fields.List(fields.Nested(OutcomeSum), required=True)
