"""What phones send and get about campaigns and activities."""

from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from volunteer_api.accounts.categories import Category
from volunteer_api.activities.models import ActivityState, KeptFor, Recipient, SignUpMode, Unit
from volunteer_api.activities.outcome_kinds import KINDS
from volunteer_api.activities.shift_schemas import (
    RecurrenceCreate,
    RecurrenceRead,
    ShiftCreate,
    ShiftRead,
    ShiftSummary,
)
from volunteer_api.core.schema import (
    Choice,
    Count,
    CountParameter,
    Day,
    Fault,
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
OLDEST = 120
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
    """What may be changed; null clears. Of `goals`, one that is left out stays; null in their place clears them all."""

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


class ActivityMembers(Schema):
    """What is given of an activity when it is planned, and may be changed."""

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
    sign_up_mode = Choice(SignUpMode)
    minimum_age = Count(minimum=0, maximum=OLDEST, allow_none=True)
    maximum_age = Count(minimum=0, maximum=OLDEST, allow_none=True)
    members_only = Flag(metadata={"description": "Only for active members of `team_id`."})
    required_skills = ListOf(Text(max_length=30), max_length=20, metadata={"description": "All of them are needed."})
    required_training_ids = ListOf(
        Id(), max_length=20, metadata={"description": "All of them must be valid on every local day of the shift."}
    )
    hazardous = Flag(metadata={"description": "Only for people whom a policy insures on the day of the shift."})
    recipients = ListOf(Choice(Recipient), max_length=10)
    co_organizer_ids = ListOf(Id(), max_length=20)
    photo_ids = ListOf(Id(), max_length=9)

    @validates_schema
    def possible(self, data: dict[str, Any], **_options: Any) -> None:
        """A fault where nobody can have such an age."""
        lowest, highest = data.get("minimum_age"), data.get("maximum_age")
        if lowest is not None and highest is not None and lowest > highest:
            raise fault("ages_in_order", "The lowest age is above the highest.", "maximum_age")


class ActivityCreate(ActivityMembers):
    title = Text(max_length=100, required=True)
    category = Choice(Category, required=True)
    organization_id = Id(required=True)
    place = Place(allow_none=True, metadata={"description": "The station's place where absent."})
    sign_up_mode = Choice(SignUpMode, load_default=SignUpMode.OPEN)
    shifts = ListOf(Nested(ShiftCreate), min_length=1, max_length=MAXIMUM_SHIFTS)
    recurrence = Nested(RecurrenceCreate)

    @validates_schema
    def one_way(self, data: dict[str, Any], **_options: Any) -> None:
        if ("shifts" in data) == ("recurrence" in data):
            raise fault("shifts_or_recurrence", "Give either shifts or recurrence.", "shifts")

    @validates_schema
    def each_shift_once(self, data: dict[str, Any], **_options: Any) -> None:
        """A slip of the finger would need, and count, twice as many people."""
        given = data.get("shifts", [])
        twice = {place: [Fault("repeated")] for place, shift in enumerate(given) if shift in given[:place]}
        if twice:
            raise ValidationError({"shifts": twice})


class ActivityUpdate(ActivityMembers):
    """What may be changed; null clears.

    Another `sign_up_mode` is for sign-ups to come: those that are there keep their states.
    """

    recurrence = Nested(
        RecurrenceCreate,
        metadata={
            "description": "Makes the recurring shifts anew, by their local days: who signed up keeps hers, and what "
            "was moved or canceled by itself stays so on a day that the rule gives. `kept_shifts` names these."
        },
    )


class Outcome(Schema):
    """What came of it: 350 m of river cleaned is `{"kind": "river_cleaned", "quantity": 350, "unit": "m"}`.

    Units are few, so that sums add up: lengths in m, areas in m2, weights in kg. Quantities to a thousandth.
    """

    kind = Text(
        max_length=50,
        required=True,
        metadata={
            "description": "One of " + ", ".join(KINDS) + "; or any words. The name of one of these, in any language "
            "of the answers, is taken for it."
        },
    )
    # A hundred thousand activities that reach it in each of fifty outcomes add up to less than 2^63 thousandths.
    quantity = Number(minimum=0, maximum=1e9, required=True)
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


class LeaderRead(Schema):
    id = Id(required=True)
    name = Text(required=True)


class ActivityRead(ActivitySummary):
    """An activity with its next hundred shifts, by their start; `shift_count` is of all.

    `leaders` are whom `leader_ids` name, or else the leaders of its team, by names like 王* for who is not signed in;
    so are minors for everybody.
    """

    shifts = fields.List(fields.Nested(ShiftRead), required=True)
    shift_count = Count(required=True)
    recurrence = Nested(RecurrenceRead, required=True, allow_none=True)
    copied_from_id = Id(required=True, allow_none=True)
    leader_ids = fields.List(Id(), required=True)
    leaders = fields.List(fields.Nested(LeaderRead), required=True)
    co_organizer_ids = fields.List(Id(), required=True)
    photos = fields.List(fields.Nested(FileRead), required=True)
    outcome_photos = fields.List(fields.Nested(FileRead), required=True)
    completion_note = Text(max_length=2000, required=True, allow_none=True)
    outcomes = fields.List(fields.Nested(Outcome), required=True)
    returned_at = Moment(
        required=True,
        allow_none=True,
        metadata={"description": "A submitted draft came back then, and was not submitted since."},
    )
    return_reason = Text(max_length=500, required=True, allow_none=True)


class KeptShift(Schema):
    id = Id(required=True)
    starts_at = Moment(required=True)
    ends_at = Moment(required=True)
    canceled_at = Moment(required=True, allow_none=True)
    why = Choice(
        KeptFor,
        required=True,
        metadata={"description": "Somebody signed up for it; it was moved by itself; it was canceled by itself."},
    )


class ActivityChanged(ActivityRead):
    """`places_lost` is how many who had a place can't take part by what the activity asks for now; they are invited.

    `kept_shifts` are the first hundred of `kept_shift_count` to come that are otherwise than the new `recurrence` has
    them.
    """

    places_lost = Count(required=True)
    kept_shifts = fields.List(fields.Nested(KeptShift), required=True)
    kept_shift_count = Count(required=True)


class TurnoutRemarkRead(Schema):
    """What one may not expect; `code` is `not_counted_as_held`, and there may be others."""

    code = Text(required=True)
    detail = Text(required=True)


class ActivityCompleted(ActivityRead):
    remarks = fields.List(fields.Nested(TurnoutRemarkRead), required=True)


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
        metadata={
            "description": "Of this organization or of one below it, now or when it was published, by itself or "
            "together with others."
        }
    )
    team_id = Id()
    station_id = Id()
    campaign_id = Id()
    category = Choice(Category)
    state = Choice(ActivityState)
    open_for_sign_up = FlagParameter(
        data_key="open",
        metadata={
            "description": "With (or without) a shift that takes somebody else now, be it on its waitlist, on the days "
            "asked for if any are."
        },
    )
    has_places = FlagParameter(
        data_key="free",
        metadata={"description": "The same for a shift with a free place: whom it takes now does not only wait."},
    )
    q = Text(
        max_length=100,
        metadata={
            "description": "Up to ten words, each a part of the title, the place's name, the name of organization, "
            "team or campaign, or the beginning of the description; or the title's pinyin or initials. Spaces and "
            "punctuation part the words of what is looked for, and count nowhere else."
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


class OutcomesUpdate(Schema):
    """What is left out stays."""

    outcomes = ListOf(Nested(Outcome), max_length=50)
    note = Text(max_length=2000, allow_none=True)
    photo_ids = ListOf(Id(), max_length=9)


class Completion(OutcomesUpdate):
    """What came of it; each may be left out."""

    cancel_rest = Flag(
        metadata={"description": "Cancel the shifts that have not begun; without it they refuse the completion."}
    )


class CopiesCreate(Schema):
    """For which organizations a draft is made; with `publish` it is public at once, where one may publish in each.

    One that had to leave out a condition for taking part stays a draft all the same (`left_out`).
    An organization that has a copy which was not canceled gets no second one, unless `again` asks for it.
    """

    organization_ids = ListOf(Id(), min_length=1, max_length=200, required=True)
    publish = Flag(load_default=False)
    again = Flag(load_default=False)


class Copy(Schema):
    id = Id(required=True)
    organization_id = Id(required=True)
    left_out = fields.List(
        fields.String(),
        required=True,
        metadata={
            "description": "`campaign_id` or `required_training_ids`, where what the original names belongs to an "
            "organization that is neither above nor below this one, `members_only`, where the original is for its "
            "team: the copy names its own. Without the last two it takes whom the original does not, and stays a draft."
        },
    )


class CopyBefore(Schema):
    id = Id(required=True)
    organization_id = Id(required=True)


class Copies(Schema):
    """The copies, in the order in which the organizations were given, and those that organizations had already."""

    items = fields.List(fields.Nested(Copy), required=True)
    copied_before = fields.List(fields.Nested(CopyBefore), required=True)
