"""What reviews, roll-calls and claims take and answer."""

from enum import StrEnum
from typing import Any

from marshmallow import validates_schema

from volunteer_api.attendance.models import Decision, Grade, Reason, RollCallStatus, ScanKind
from volunteer_api.attendance.schemas import AttendanceRead, PersonName, Reasons, Remarks
from volunteer_api.core.by_itself import ByItself
from volunteer_api.core.schema import (
    Choice,
    Count,
    Day,
    Flag,
    FlagParameter,
    Id,
    ListOf,
    Moment,
    Nested,
    Number,
    Open,
    PageQuery,
    Phone,
    Schema,
    Text,
    fault,
)
from volunteer_api.hours.schemas import OrganizationName
from volunteer_api.sign_ups.models import SignUpState

MOST_REVIEWS = 100
MOST_ENTRIES = 200
DAY_MINUTES = 1440


class WaitingState(StrEnum):
    """What the queue lists."""

    HELD = "held"


class HeldQuery(PageQuery):
    """Which of the attendances that wait for a review."""

    state = Choice(WaitingState, load_default=WaitingState.HELD)
    organization_id = Id(metadata={"description": "Those of this organization and all below it."})
    activity_id = Id()
    shift_id = Id()
    station_id = Id(metadata={"description": "Duty at this station, and activities held there."})
    reason = Choice(Reason)
    grade = Choice(Grade)
    first_on = Day(data_key="from", metadata={"description": "That began on this local day or later."})
    last_on = Day(data_key="to", metadata={"description": "That began on this local day or earlier."})
    flagged = FlagParameter(metadata={"description": "Those that are credited but flagged for a look instead."})
    late = FlagParameter(metadata={"description": "Those past the ten working days, or those that are not."})


class StationDayQuery(PageQuery):
    on = Day(metadata={"description": "The local day, today where it is left out."})


class ShiftTimes(Schema):
    id = Id(required=True)
    starts_at = Moment(required=True)
    ends_at = Moment(required=True)


class ActivityTitle(Schema):
    id = Id(required=True)
    title = Text(required=True)


class StationName(Schema):
    id = Id(required=True)
    name = Text(required=True)


class Attendant(PersonName):
    """Whose attendance it is; `phone` is masked, "" where there is none any more."""

    phone = Text(required=True)


class EndRead(Schema):
    """One end of an attendance: what its grade rests on. `recorded_by` is the leader whose roll-call it is.

    `distance_m` is how far from the middle of the fence the phone said that it was, to a hundred meters where the place
    itself is not kept (`place_not_kept`).
    """

    at = Moment(required=True, allow_none=True)
    grade = Choice(Grade, required=True, allow_none=True)
    has_code = Flag(required=True)
    client_time = Text(required=True, allow_none=True, metadata={"description": "What the phone's clock said."})
    recorded_by = Id(required=True, allow_none=True)
    distance_m = Count(required=True, allow_none=True)


class ClaimRead(Schema):
    """When the volunteer says that she left, and why she did not check out."""

    left_at = Moment(required=True)
    reason = Text(required=True, max_length=500)
    claimed_at = Moment(required=True)


class RollCallMarkRead(Schema):
    status = Choice(RollCallStatus, required=True)
    arrived_at = Moment(required=True, allow_none=True)
    left_at = Moment(required=True, allow_none=True)
    marked_by = Nested(PersonName, required=True)
    marked_at = Moment(required=True)


class GeoPoint(Schema):
    """GeoJSON's point (RFC 7946): longitude before latitude, in WGS-84."""

    type = Text(required=True, metadata={"enum": ["Point"]})
    coordinates = ListOf(Number(), required=True, min_length=2, max_length=2)


class MapFeature(Schema):
    """A point with its `properties`: `role` is fence (with `radius_m`), check_in or check_out.

    These two have `accuracy_m`, the phone's own doubt, null where it said none, and `distance_m` from the fence's
    center, null where there is no fence.
    """

    type = Text(required=True, metadata={"enum": ["Feature"]})
    geometry = Nested(GeoPoint, required=True)
    properties = Open(required=True)


class EvidenceMap(Schema):
    """A GeoJSON FeatureCollection that a map draws as it is."""

    type = Text(required=True, metadata={"enum": ["FeatureCollection"]})
    features = ListOf(Nested(MapFeature), required=True, max_length=3)


class TapRead(Schema):
    """One of several taps of an end; `scanned_by` read the volunteer's own code at a desk."""

    end = Choice(ScanKind, required=True)
    at = Moment(required=True)
    grade = Choice(Grade, required=True)
    reasons = Reasons(required=True)
    remarks = Remarks(required=True)
    scanned_by = Id(required=True, allow_none=True)


class HeldAttendanceRead(AttendanceRead):
    """An attendance with all that a reviewer has to look at.

    `taps` are all those of an end that has more than one; what is shown of the end is that which is proven best.
    `due_on` is the last of the ten working days in which it must be recorded; `due_on_is_certain` is false where the
    calendar of that year is not announced yet. `sign_up_state` is that of the latest sign-up for the shift.
    `organization` is whose it is: those decide who stand above it now, wherever it stood when it was served.
    """

    volunteer = Nested(Attendant, required=True)
    shift = Nested(ShiftTimes, required=True, allow_none=True)
    activity = Nested(ActivityTitle, required=True, allow_none=True)
    station = Nested(StationName, required=True, allow_none=True)
    organization = Nested(OrganizationName, required=True)
    sign_up_state = Choice(SignUpState, required=True, allow_none=True)
    roll_call = Nested(RollCallMarkRead, required=True, allow_none=True)
    claim = Nested(ClaimRead, required=True, allow_none=True)
    check_in = Nested(EndRead, required=True)
    check_out = Nested(EndRead, required=True)
    taps = ListOf(Nested(TapRead), required=True, max_length=60)
    map = Nested(EvidenceMap, required=True)
    due_on = Day(required=True)
    due_on_is_certain = Flag(required=True)
    is_late = Flag(required=True)


class ReviewCreate(Schema):
    """A decision with its reason, which the volunteer reads.

    `credited_minutes` is what the attendance counts for in all. With `correction` an organizer changes what was
    decided before.
    """

    decision = Choice(Decision, required=True)
    credited_minutes = Count(maximum=DAY_MINUTES)
    reason = Text(max_length=500, required=True)
    correction = Flag(load_default=False)

    @validates_schema
    def minutes_are_credited(self, data: dict[str, Any], **_options: Any) -> None:
        if data.get("decision") == Decision.REJECT and data.get("credited_minutes"):
            raise fault("minutes_of_nothing", "What is rejected has no minutes.", "credited_minutes")


class ReviewLine(ReviewCreate):
    attendance_id = Id(required=True)


class ReviewsCreate(Schema):
    """Each decision is judged by itself."""

    decisions = ListOf(ByItself(ReviewLine), required=True, min_length=1, max_length=MOST_REVIEWS)


class ReviewResult(Schema):
    """What came of one decision; `problem` is what the decision alone would have been refused with."""

    attendance_id = Id(required=True, allow_none=True)
    status = Count(required=True)
    attendance = Nested(AttendanceRead, required=True, allow_none=True)
    problem = Open(required=True, allow_none=True)


class ReviewResults(Schema):
    """In the order of the request."""

    results = ListOf(Nested(ReviewResult), required=True, max_length=MOST_REVIEWS)


class RollCallEntry(Schema):
    """One person. Without times, who is present came at the start and, once the shift is over, stayed to its end."""

    volunteer_id = Id()
    phone = Phone()
    status = Choice(RollCallStatus, required=True)
    arrived_at = Moment()
    left_at = Moment()

    @validates_schema
    def names_one_person(self, data: dict[str, Any], **_options: Any) -> None:
        if ("volunteer_id" in data) == ("phone" in data):
            raise fault("one_of", "Give either volunteer_id or phone.")
        if data["status"] != RollCallStatus.PRESENT and ("arrived_at" in data or "left_at" in data):
            raise fault("absent_has_no_times", "Who was not there neither came nor left.", "status")


class RollCallWrite(Schema):
    """Who was there. People who are not named stay as they are; each entry is judged by itself.

    `taken_at` is when the list was written, where a phone without network sends it later: of two the later one stands.
    """

    taken_at = Moment()
    entries = ListOf(ByItself(RollCallEntry), required=True, min_length=1, max_length=MOST_ENTRIES)


class RollCallWhy(Schema):
    code = Text(required=True)
    detail = Text(required=True)


class RollCallResult(Schema):
    """What came of one entry: `changed` is false where all of it was known already, or (`why`) where a roll-call that
    was written later stands."""

    volunteer = Nested(PersonName, required=True, allow_none=True)
    status = Count(required=True)
    changed = Flag(required=True)
    attendance = Nested(AttendanceRead, required=True, allow_none=True)
    problem = Open(required=True, allow_none=True)
    why = Nested(RollCallWhy, required=True, allow_none=True)


class RollCallRead(Schema):
    """In the order of the request."""

    results = ListOf(Nested(RollCallResult), required=True, max_length=MOST_ENTRIES)


class ClaimCreate(Schema):
    """When the volunteer left, and why she did not check out."""

    left_at = Moment(required=True)
    reason = Text(max_length=500, required=True)
