"""Routes of check-in, check-out and what comes of them."""

from typing import Any

from volunteer_api.accounts.access import own_account
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.access import to_lead_shift
from volunteer_api.activities.models import Shift
from volunteer_api.attendance import (
    access,
    batches,
    claims,
    given_codes,
    review,
    review_queue,
    roll_call,
    scans,
    service,
    views,
)
from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.pages import code_page
from volunteer_api.attendance.presence_code import CodeKind
from volunteer_api.attendance.review_schemas import (
    ClaimCreate,
    HeldAttendanceRead,
    HeldQuery,
    ReviewCreate,
    ReviewResults,
    ReviewsCreate,
    RollCallRead,
    RollCallWrite,
    StationDayQuery,
)
from volunteer_api.attendance.sameness import same_check_in, same_check_out
from volunteer_api.attendance.schemas import (
    AttendanceCreate,
    AttendanceRead,
    BatchCreate,
    BatchRead,
    CheckOutCreate,
    PresenceCodeRead,
    ScansCreate,
    ScansRead,
    ShiftAttendanceRead,
    TallyQuery,
    TallyRead,
)
from volunteer_api.core.access import Principal, signed_in
from volunteer_api.core.downloads import HTML, Download
from volunteer_api.core.endpoint import NONE, REQUIRED, endpoint, feature_blueprint, page_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import PageQuery, page_of
from volunteer_api.core.written import Written
from volunteer_api.stations.access import to_manage as to_manage_station
from volunteer_api.stations.models import Station

blueprint = feature_blueprint("attendance", __name__, "Check-in and check-out, presence codes, tallies")
pages = page_blueprint("presence_code_pages", __name__, "What presence codes lead to without the app")


@endpoint(
    blueprint,
    "POST",
    "/attendances",
    access=signed_in,
    body=AttendanceCreate,
    returns=AttendanceRead,
    status=201,
    idempotency=REQUIRED,
    fingerprint=same_check_in,
    in_one_statement=service.check_in_at_once,
    refuses=(429,),
)
def check_in(principal: Principal, key: str, body: dict[str, Any]) -> Attendance:
    """Check in to a shift, or to a duty at a station."""
    return service.check_in(key=key, volunteer_id=principal.volunteer_id, **body)


@endpoint(
    blueprint,
    "POST",
    "/attendances/<uuid:attendance_id>/check-out",
    access=access.to_check_out,
    body=CheckOutCreate,
    returns=AttendanceRead,
    idempotency=REQUIRED,
    fingerprint=same_check_out,
)
def check_out(attendance: Attendance, body: dict[str, Any]) -> Attendance:
    """Check out; the minutes are credited, or held for review."""
    return service.check_out(attendance=attendance, **body)


@endpoint(
    blueprint,
    "POST",
    "/attendances/batch",
    access=signed_in,
    body=BatchCreate,
    returns=BatchRead,
    # Each operation has its own key.
    idempotency=NONE,
    in_units=True,
    refuses=(429,),
)
def apply_batch(principal: Principal, body: dict[str, Any]) -> Written:
    """Send what a phone collected without network: each operation has its own key and its own outcome.

    The results are in the order of the request, and each shows the attendance as it was after its operation: where
    several show the same one, keep the one whose end is known, or read it anew.
    """
    return Written({"results": batches.apply(principal=principal, lines=body["operations"])})


@endpoint(blueprint, "GET", "/attendances/<uuid:attendance_id>", access=access.to_see, returns=AttendanceRead)
def read_attendance(attendance: Attendance) -> Attendance:
    """Read an attendance: one's own, or one at an activity that one leads."""
    return attendance


@endpoint(blueprint, "GET", "/me/attendances", access=signed_in, query=PageQuery, returns=page_of(AttendanceRead))
def list_my_attendances(principal: Principal, query: dict[str, Any]) -> Page:
    """List my attendances, newest first."""
    return views.attendances_of(principal.volunteer_id, query)


@endpoint(blueprint, "GET", "/me/tally", access=signed_in, query=TallyQuery, returns=TallyRead)
def read_my_tally(principal: Principal, query: dict[str, Any]) -> views.FullTally:
    """Read the sum of my service over a period."""
    return views.tally(principal.volunteer_id, query["period"])


@endpoint(
    blueprint,
    "GET",
    "/shifts/<uuid:shift_id>/attendances",
    access=access.to_see_of_shift,
    query=PageQuery,
    returns=page_of(ShiftAttendanceRead),
)
def list_shift_attendances(shift: Shift, query: dict[str, Any]) -> Page:
    """List who came to a shift, for those who lead."""
    return views.attendances_at(shift, query)


@endpoint(
    blueprint,
    "GET",
    "/shifts/<uuid:shift_id>/presence-code",
    access=to_lead_shift,
    returns=PresenceCodeRead,
    audits=True,
)
def read_presence_code(shift: Shift, principal: Principal) -> views.ShownCodes:
    """Read the presence codes to show at a shift, for those who lead. They prove nothing of whoever has read them."""
    return given_codes.give(views.codes_of_shift(shift), target_id=shift.id, to=principal.volunteer_id)


@endpoint(
    blueprint,
    "GET",
    "/stations/<uuid:station_id>/presence-code",
    access=to_manage_station,
    returns=PresenceCodeRead,
    audits=True,
)
def read_station_presence_code(station: Station, principal: Principal) -> views.ShownCodes:
    """Read the presence codes to show at a station, for those who manage it; as those of a shift."""
    return given_codes.give(views.codes_of_station(station), target_id=station.id, to=principal.volunteer_id)


@endpoint(blueprint, "GET", "/me/presence-code", access=own_account, returns=PresenceCodeRead)
def read_my_presence_code(volunteer: Volunteer) -> views.ShownCodes:
    """Read my own codes, which I show to a desk that checks in many."""
    return views.own_codes(volunteer)


# A scan is its own key: whose, where, which end and when.
@endpoint(
    blueprint,
    "POST",
    "/shifts/<uuid:shift_id>/scans",
    access=to_lead_shift,
    body=ScansCreate,
    returns=ScansRead,
    idempotency=NONE,
)
def scan_at_shift(principal: Principal, shift: Shift, body: dict[str, Any]) -> dict[str, Any]:
    """Check volunteers in and out by the codes of their own phones, as a desk read them at a shift."""
    return {"results": scans.scan_at_shift(shift, body["scans"], by=principal.volunteer_id)}


@endpoint(
    blueprint,
    "POST",
    "/stations/<uuid:station_id>/scans",
    access=to_manage_station,
    body=ScansCreate,
    returns=ScansRead,
    idempotency=NONE,
)
def scan_at_station(principal: Principal, station: Station, body: dict[str, Any]) -> dict[str, Any]:
    """Check volunteers in and out of duty by the codes of their own phones, as a desk read them at a station."""
    return {"results": scans.scan_at_station(station, body["scans"], by=principal.volunteer_id)}


@endpoint(pages, "GET", "/c/s/<uuid:shift_id>/<string:code>", access=access.to_read_code_page, produces=HTML)
def show_shift_code(code: str) -> Download:
    """Read what a camera without the app sees of a shift's presence code: to scan it with the app."""
    return code_page(CodeKind.SHIFT)


@endpoint(pages, "GET", "/c/v/<string:volunteer_number>/<string:code>", access=access.to_read_code_page, produces=HTML)
def show_volunteer_code(code: str) -> Download:
    """Read what a camera without the app sees of a volunteer's own code: who may scan it, and with what."""
    return code_page(CodeKind.VOLUNTEER)


@endpoint(
    blueprint,
    "GET",
    "/attendances",
    access=signed_in,
    query=HeldQuery,
    returns=page_of(HeldAttendanceRead),
    audits=True,
)
def list_held_attendances(principal: Principal, query: dict[str, Any]) -> Page:
    """List what waits for your review, the oldest deadline first, with the evidence; each reading is audited."""
    return review_queue.waiting(principal.volunteer_id, query)


@endpoint(
    blueprint,
    "GET",
    "/stations/<uuid:station_id>/attendances",
    access=access.to_see_of_station,
    query=StationDayQuery,
    returns=page_of(HeldAttendanceRead),
    audits=True,
)
def list_station_attendances(principal: Principal, station: Station, query: dict[str, Any]) -> Page:
    """List who served at a station on a day, for those who manage it; each reading is audited."""
    return review_queue.at_station(station, principal.volunteer_id, query)


@endpoint(
    blueprint,
    "POST",
    "/attendances/<uuid:attendance_id>/review",
    access=access.to_review,
    body=ReviewCreate,
    returns=AttendanceRead,
    idempotency=REQUIRED,
)
def review_attendance(principal: Principal, attendance: Attendance, body: dict[str, Any]) -> Attendance:
    """Credit or reject what waits, or as an organizer correct what was decided; the volunteer hears why."""
    return review.decide(attendance_id=attendance.id, reviewer_id=principal.volunteer_id, **body)


@endpoint(
    blueprint,
    "POST",
    "/attendances/reviews",
    access=signed_in,
    body=ReviewsCreate,
    returns=ReviewResults,
    idempotency=REQUIRED,
)
def review_attendances(principal: Principal, body: dict[str, Any]) -> dict[str, Any]:
    """Decide on up to a hundred attendances, each for itself, with a result for each."""
    return review.reviewed_view(review.decide_several(principal.volunteer_id, body["decisions"]))


@endpoint(
    blueprint,
    "PUT",
    "/shifts/<uuid:shift_id>/roll-call",
    access=to_lead_shift,
    body=RollCallWrite,
    returns=RollCallRead,
)
def take_roll_call(principal: Principal, shift: Shift, body: dict[str, Any]) -> dict[str, Any]:
    """Say who was there, of those named; the same list again changes nothing."""
    return roll_call.marked_view(roll_call.take(shift=shift, by=principal.volunteer_id, **body))


@endpoint(
    blueprint,
    "POST",
    "/attendances/<uuid:attendance_id>/claim",
    access=access.to_check_out,
    body=ClaimCreate,
    returns=AttendanceRead,
    idempotency=REQUIRED,
)
def claim_check_out(attendance: Attendance, body: dict[str, Any]) -> Attendance:
    """Say when you left, where you forgot to check out; a leader decides."""
    return claims.claim(attendance=attendance, **body)
