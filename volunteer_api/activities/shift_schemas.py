"""What phones send and get about shifts, and the rules by which they come again."""

from datetime import datetime
from typing import Any

from marshmallow import fields, validates_schema

from volunteer_api.activities.models import LONGEST_SHIFT
from volunteer_api.activities.prospects import WouldBe
from volunteer_api.core.schema import (
    Choice,
    Count,
    Day,
    Flag,
    Id,
    ListOf,
    Moment,
    Nested,
    PageQuery,
    Schema,
    Text,
    fault,
)

MAXIMUM_ROLES = 10
MAXIMUM_CAPACITY = 100_000


class ShiftRoleCreate(Schema):
    """A part in a shift, such as guide or first-aider, with places of its own among those of the shift."""

    name = Text(max_length=30, required=True)
    capacity = Count(minimum=1, maximum=MAXIMUM_CAPACITY, required=True)


class ShiftRoleChange(ShiftRoleCreate):
    """A role of a shift as it is to be: one that is there by its `id`, or else by its name; otherwise a new one."""

    id = Id()


class _ShiftTimes(Schema):
    """What a shift's creation and its update, and a recurrence, have in common."""

    @validates_schema
    def possible(self, data: dict[str, Any], **_options: Any) -> None:
        starts_at: datetime | None = data.get("starts_at")
        ends_at: datetime | None = data.get("ends_at")
        if starts_at is not None and ends_at is not None:
            if starts_at >= ends_at:
                raise fault("ends_before_it_starts", "It must end after it starts.", "ends_at")
            if ends_at - starts_at > LONGEST_SHIFT:
                raise fault("too_long", "A shift is at most 24 hours long.", "ends_at")
        closes_at: datetime | None = data.get("sign_up_closes_at")
        if closes_at is not None and ends_at is not None and closes_at > ends_at:
            raise fault(
                "closes_after_it_ends", "Sign-ups can't be taken after the shift has ended.", "sign_up_closes_at"
            )
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


class ShiftUpdate(_ShiftTimes):
    """What may be changed; null clears. A shift that has begun can end later, and take more people.

    Where `sign_up_closes_at` is not given, it moves with `starts_at`, and is no later than `ends_at`. One that has
    passed stays, but for a draft's: a list that was closed is not opened by a move.
    `roles` are given whole: one that is left out is removed, which is refused while somebody is signed up for it.
    """

    starts_at = Moment()
    ends_at = Moment()
    sign_up_closes_at = Moment(allow_none=True)
    capacity = Count(minimum=1, maximum=MAXIMUM_CAPACITY, allow_none=True)
    minimum = Count(minimum=1, maximum=MAXIMUM_CAPACITY, allow_none=True)
    roles = ListOf(Nested(ShiftRoleChange), max_length=MAXIMUM_ROLES)


class RecurrenceCreate(_ShiftTimes):
    """Shifts by a rule of RFC 5545, such as `FREQ=WEEKLY;BYDAY=SA;COUNT=10`, expanded in local time.

    The first begins at `starts_at`; each is as long as the first, and has the same roles. The rule has an end, by COUNT
    or UNTIL (a day is meant with its evening), within three years and 366 shifts. Days that are left out count for
    COUNT: `except_on`, and those that `skip_holidays` and `skip_moved_workdays` find.
    """

    rrule = Text(max_length=200, required=True)
    starts_at = Moment(required=True)
    ends_at = Moment(required=True)
    capacity = Count(minimum=1, maximum=MAXIMUM_CAPACITY, allow_none=True)
    minimum = Count(minimum=1, maximum=MAXIMUM_CAPACITY, allow_none=True)
    roles = ListOf(Nested(ShiftRoleCreate), max_length=MAXIMUM_ROLES)
    except_on = ListOf(Day(), max_length=100, metadata={"description": "Local days without a shift."})
    skip_holidays = Flag(
        metadata={"description": "No shift begins on a day off of a public holiday, as the State Council announced it."}
    )
    skip_moved_workdays = Flag(
        metadata={"description": "No shift begins on a Saturday or Sunday that is worked in exchange for a holiday."}
    )


class RecurrenceRead(RecurrenceCreate):
    """A rule with what the calendar of holidays made of it, where it was asked to."""

    skipped_on = fields.List(
        Day(), metadata={"description": "The local days that `skip_holidays` and `skip_moved_workdays` left out."}
    )
    holidays_known_through = Day(
        metadata={
            "description": "Holidays were announced up to this day when the shifts were made. Of days after it, only "
            "the holidays that the law fixes to a date (1 January, 1 and 2 May, 1 to 3 October) are left out: give "
            "the rule again once the year is announced, usually in November before it."
        }
    )


class RefusalReason(Schema):
    code = Text(required=True, metadata={"description": "One of those at `/docs/problems#errors`."})
    detail = Text(required=True)


class Refusal(Schema):
    """`detail` is the first of the `reasons` where there are any, as of not_eligible."""

    code = Text(required=True, metadata={"description": "One of those at `/docs/problems`."})
    detail = Text(required=True)
    reasons = fields.List(fields.Nested(RefusalReason), required=True)
    sign_up_id = Id(
        required=True, allow_none=True, metadata={"description": "Of already_signed_up: the sign-up that stands."}
    )
    sign_up_state = Text(
        required=True,
        allow_none=True,
        metadata={"description": "Its state: pending, invited, confirmed or waitlisted."},
    )
    shift_id = Id(
        required=True, allow_none=True, metadata={"description": "Of overlapping_shift: the shift in the way."}
    )


class ShiftRoleRead(ShiftRoleCreate):
    """A role of a shift, with what would come of the caller's signing up for this role now."""

    id = Id(required=True)
    confirmed_count = Count(required=True)
    waitlisted_count = Count(required=True)
    can_sign_up = Flag(required=True)
    would_be = Choice(WouldBe, required=True, allow_none=True)
    refusal = Nested(Refusal, required=True, allow_none=True)


class ShiftSummary(Schema):
    """A shift in a list of activities, with what would come of the caller's signing up for it now."""

    id = Id(required=True)
    version = Count(required=True)
    activity_id = Id(required=True)
    starts_at = Moment(required=True)
    ends_at = Moment(required=True)
    sign_up_closes_at = Moment(required=True, allow_none=True)
    canceled_at = Moment(required=True, allow_none=True)
    cancellation_reason = Text(
        required=True,
        allow_none=True,
        metadata={"description": "Null where nobody gave one, as where a new rule canceled it."},
    )
    capacity = Count(required=True, allow_none=True)
    minimum = Count(required=True, allow_none=True)
    confirmed_count = Count(required=True)
    waitlisted_count = Count(required=True)
    can_sign_up = Flag(required=True)
    would_be = Choice(WouldBe, required=True, allow_none=True)
    refusal = Nested(Refusal, required=True, allow_none=True)


class ShiftRead(ShiftSummary):
    """A shift with its roles, in the order in which they were given."""

    roles = fields.List(fields.Nested(ShiftRoleRead), required=True)


class ShiftFilter(PageQuery):
    """A page of an activity's shifts, by their start."""
