"""Routes of check-in, check-out and what comes of them."""

from typing import Any

from volunteer_api.activities.access import to_lead_shift
from volunteer_api.activities.models import Shift
from volunteer_api.attendance import access, service, views
from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.schemas import (
    AttendanceCreate,
    AttendanceRead,
    CheckOutCreate,
    PresenceCodeRead,
    ShiftAttendanceRead,
    TallyQuery,
    TallyRead,
)
from volunteer_api.core.access import Principal, signed_in
from volunteer_api.core.endpoint import REQUIRED, endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import PageQuery, page_of

blueprint = feature_blueprint("attendance", __name__, "Check-in and check-out, presence codes, tallies")


def same_check_in(body: Any, path: dict[str, Any]) -> tuple[Any, ...]:
    """A retry of a check-in may have another delay: only kind, target and the phone's time make it the same."""
    return ("check_in", _member(body, "shift_id"), _member(_member(body, "evidence"), "client_time"))


def same_check_out(body: Any, path: dict[str, Any]) -> tuple[Any, ...]:
    """The same for a check-out, whose target is in the path."""
    return ("check_out", path["attendance_id"], _member(_member(body, "evidence"), "client_time"))


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
)
def check_in(principal: Principal, body: dict[str, Any]) -> Attendance:
    """Check in to a shift."""
    return service.check_in(volunteer_id=principal.volunteer_id, **body)


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


@endpoint(blueprint, "GET", "/shifts/<uuid:shift_id>/presence-code", access=to_lead_shift, returns=PresenceCodeRead)
def read_presence_code(shift: Shift) -> views.ShownCodes:
    """Read the presence codes to show at a shift, for those who lead."""
    return views.codes_to_show(shift)


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
