"""Who sees attendances, and who ends them."""

from uuid import UUID

from volunteer_api.activities.access import leads_activity
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance import queries
from volunteer_api.attendance.models import Attendance
from volunteer_api.core.access import Principal, for_signed_in, open_to_all
from volunteer_api.core.database import db
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.loans.access import register_presence
from volunteer_api.organizations.access import Permission, can, require
from volunteer_api.stations.models import Station


@for_signed_in
def to_see(principal: Principal, attendance_id: UUID) -> Attendance:
    """The volunteer, those who lead the activity, and whoever has attendance.read over it."""
    return _seen(principal, attendance_id)


@for_signed_in
def to_check_out(principal: Principal, attendance_id: UUID) -> Attendance:
    """Only the volunteer: those who may see the attendance may not end it by evidence (403)."""
    attendance = _seen(principal, attendance_id)
    if attendance.volunteer_id != principal.volunteer_id:
        raise Forbidden()
    return attendance


@for_signed_in
def to_see_of_shift(principal: Principal, shift_id: UUID) -> Shift:
    """Those who lead the activity, and whoever has attendance.read over it."""
    row = db.session.execute(queries.shift_with_activity(shift_id)).one_or_none()
    if row is None:
        raise NotFound()
    _require_reading(principal, row.Activity)
    shift: Shift = row.Shift
    return shift


@register_presence
def serves_now(volunteer_id: UUID, station_id: UUID | None) -> bool:
    """Whether the volunteer has an attendance open at the station, or at any: there she lends and takes back."""
    return db.session.scalar(queries.serving(volunteer_id, station_id)) is not None


@open_to_all
def to_read_code_page(principal: Principal | None, code: str, **_target: object) -> str:
    """Anybody; nothing is looked up."""
    return code


def _seen(principal: Principal, attendance_id: UUID) -> Attendance:
    row = db.session.execute(queries.with_activity(attendance_id)).one_or_none()
    if row is None:
        raise NotFound()
    attendance: Attendance = row.Attendance
    if attendance.volunteer_id != principal.volunteer_id:
        if row.Station is not None:
            _require_reading_of_duty(principal, row.Station)
        else:
            _require_reading(principal, row.Activity)
    return attendance


def _require_reading_of_duty(principal: Principal, station: Station) -> None:
    place = {"organization_id": station.organization_id, "station_id": station.id}
    if not can(principal.volunteer_id, Permission.STATION_MANAGE, **place):
        require(principal, Permission.ATTENDANCE_READ, **place)


def _require_reading(principal: Principal, activity: Activity) -> None:
    if not leads_activity(principal.volunteer_id, activity):
        require(
            principal,
            Permission.ATTENDANCE_READ,
            organization_id=activity.organization_id,
            station_id=activity.station_id,
        )
