"""What the app's first screen shows."""

from marshmallow import fields
from webargs.fields import DelimitedList

from volunteer_api.accounts.schemas import MeRead
from volunteer_api.activities.schemas import ActivitySummary
from volunteer_api.attendance.schemas import AttendanceRead
from volunteer_api.core.paging import MAX_LIMIT
from volunteer_api.core.schema import (
    Choice,
    Count,
    CountParameter,
    Flag,
    Id,
    ListOf,
    Moment,
    NearQuery,
    Nested,
    Schema,
    Text,
)
from volunteer_api.hours.schemas import ServiceRecordRead
from volunteer_api.loans.schemas import LoanSummaryRead
from volunteer_api.notifications.schemas import NotificationRead
from volunteer_api.organizations.schemas import HeldGrantRead
from volunteer_api.phone.models import SyncType
from volunteer_api.sign_ups.models import SignUpState
from volunteer_api.sign_ups.schemas import SignUpActivity, SignUpRead, SignUpRole, SignUpShift
from volunteer_api.stations.schemas import StationSummary
from volunteer_api.teams.schemas import OwnMembershipRead


class HomeQuery(NearQuery):
    """Where the volunteer stands; without it no stations are shown."""


class Profile(Schema):
    """The volunteer's own account; `phone` is E.164, null where the number belongs to a new owner now."""

    id = Id(required=True)
    volunteer_number = Text(required=True)
    name = Text(required=True)
    phone = Text(required=True, allow_none=True)


class NextSignUp(Schema):
    """A sign-up for a shift that is not over, and that she has not checked out of.

    Where `asked_at` is set the shift was moved then, and it is still to be said whether she comes.
    """

    id = Id(required=True)
    state = Choice(SignUpState, required=True)
    waitlist_position = Count(required=True, allow_none=True)
    team_id = Id(required=True, allow_none=True)
    role = Nested(SignUpRole, required=True, allow_none=True)
    asked_at = Moment(required=True, allow_none=True)
    shift = Nested(SignUpShift, required=True)
    activity = Nested(SignUpActivity, required=True)


class DutyStation(Schema):
    id = Id(required=True)
    name = Text(required=True)
    address = Text(required=True)


class OpenAttendance(AttendanceRead):
    """The attendance without a check-out: of a shift with its activity, or of a duty at a station; the rest is null."""

    shift = Nested(SignUpShift, required=True, allow_none=True)
    activity = Nested(SignUpActivity, required=True, allow_none=True)
    station = Nested(DutyStation, required=True, allow_none=True)


class HomeTally(Schema):
    """The sums of all time; `GET /me/tally` has their parts and tells what it counts.

    `star_level` is the one held, 0 where there is none.
    """

    credited_minutes = Count(minimum=-(2**31), required=True)
    held_minutes = Count(required=True)
    activity_count = Count(required=True)
    star_level = Count(maximum=5, required=True)


class HomeRead(Schema):
    """The first screen: the next three sign-ups by their start, the three nearest stations within 10 km of `near`."""

    profile = Nested(Profile, required=True)
    next_sign_ups = ListOf(Nested(NextSignUp), required=True)
    open_attendance = Nested(OpenAttendance, required=True, allow_none=True)
    tally = Nested(HomeTally, required=True)
    unread_count = fields.Integer(required=True)
    nearby_stations = ListOf(Nested(StationSummary), required=True)


class SyncQuery(Schema):
    """Which copy is to be brought up to date."""

    since = Text(max_length=2000, metadata={"description": "The state of the answer before. Left out: all of it."})
    types = DelimitedList(
        Choice(SyncType),
        metadata={"description": "With commas between them; all where none is named. The same each time."},
    )
    limit = CountParameter(
        minimum=1,
        maximum=MAX_LIMIT,
        load_default=MAX_LIMIT,
        metadata={"description": "How many at most; 100 without it."},
    )


class SyncedRows(Schema):
    """By type, each row as it is now, in the form of the list whose name is in brackets; a type without any is absent.

    `profile` (GET /me) has one row, `grants` (/me/grants, those of teams are in `memberships`), and of the same name
    under /me `sign_ups`, `attendances`, `notifications`, `memberships`, `loans` and `service_records`.
    """

    profile = ListOf(Nested(MeRead))
    sign_ups = ListOf(Nested(SignUpRead))
    attendances = ListOf(Nested(AttendanceRead))
    notifications = ListOf(Nested(NotificationRead))
    memberships = ListOf(Nested(OwnMembershipRead))
    grants = ListOf(Nested(HeldGrantRead))
    loans = ListOf(Nested(LoanSummaryRead))
    service_records = ListOf(Nested(ServiceRecordRead))


SyncedIds: type[Schema] = Schema.from_dict(  # type: ignore[assignment]  # from_dict is typed as marshmallow's Schema
    {kind.value: ListOf(Id()) for kind in SyncType}, name="SyncedIds"
)


class SyncRead(Schema):
    """Put each row of `changed` in the place of the one with its id, drop what `removed` names, and keep `state`.

    A row may come again without a change, and `removed` may name what the copy never had. With `has_more`, ask again
    at once with the new state.
    """

    state = Text(max_length=2000, required=True)
    changed = Nested(SyncedRows, required=True)
    removed = Nested(SyncedIds, required=True)
    has_more = Flag(required=True)


class CalendarFeedState(Schema):
    """`since` is null where there is no address."""

    since = Moment(required=True, allow_none=True)


class CalendarFeedRead(Schema):
    """The secret address; it is told this once. `subscribe_url` opens a phone's calendar where it can follow one."""

    url = Text(required=True)
    subscribe_url = Text(required=True)


class RecommendedQuery(NearQuery):
    """Where the volunteer stands, and how many she wants to see."""

    limit = CountParameter(
        minimum=1, maximum=20, load_default=10, metadata={"description": "How many at most; 10 without it."}
    )


class ReasonRead(Schema):
    """`code` is one of your_team, your_skill, near_you, your_field, near_home, team_before, served_before, soon,
    has_places.
    """

    code = Text(required=True)
    detail = Text(required=True)


class RecommendedActivity(ActivitySummary):
    """An activity with the reasons why it is recommended, at least one."""

    reasons = ListOf(Nested(ReasonRead), required=True)


class RecommendedActivities(Schema):
    """The best first; there are no further pages."""

    items = ListOf(Nested(RecommendedActivity), required=True)
