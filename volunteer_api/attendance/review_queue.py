"""The queue of what waits for a review, with all that a reviewer has to look at."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, and_, cast, func, or_, select, true
from sqlalchemy.orm import aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.accounts.service import masked_phone
from volunteer_api.activities.access import led_by
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance import taps, whereabouts
from volunteer_api.attendance.evidence import usable
from volunteer_api.attendance.models import Attendance, RollCallMark, State
from volunteer_api.attendance.review_queries import BEGAN_AT, ENDED_AT, Rows, placed, reviewed_by
from volunteer_api.core import audit, clock
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.geo import Place
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.settings import rules
from volunteer_api.hours import deadlines
from volunteer_api.organizations.access import Permission, permitted_organization_ids
from volunteer_api.organizations.models import Organization
from volunteer_api.organizations.queries import subtree_ids
from volunteer_api.sign_ups.models import SignUp
from volunteer_api.stations.models import Station

Marker = aliased(Volunteer, name="marker")
OWN_COLUMNS = [column.name for column in Attendance.__table__.columns]


def waiting(reviewer_id: UUID, query: Mapping[str, Any]) -> Page:
    """What the reviewer may decide on, but not her own, the oldest deadline first. One statement, and an audit row.

    `query` has the filters of `HeldQuery`.
    """
    statement = _looked_at(true()).where(
        Attendance.flagged if query.get("flagged") else Attendance.state == State.HELD,
        Attendance.volunteer_id != reviewer_id,
        reviewed_by(reviewer_id),
        *_filters(query),
    )
    # The deadline rises with the end, so that their order is one.
    keys = [Key(ENDED_AT, read=lambda row: row.ended_at), Key(Attendance.id, read=lambda row: row.Attendance.id)]
    return _shown(page(statement, keys, query, scope=f"waiting {reviewer_id}"), reviewer_id)


def at_station(station: Station, reader_id: UUID, query: Mapping[str, Any]) -> Page:
    """Who served at a station, on duty or at an activity there, in what began on a local day; in order of arrival.

    `query` has `on`, today where it is left out. Of an activity's attendances only those who may read them there see
    the evidence and the claim. One statement, and an audit row.
    """
    day = query.get("on") or clock.today()
    since, until = clock.days_between(day, day)
    # By an index each: one condition on both would look through everybody's attendances.
    shifts_there = (
        select(Shift.id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(Activity.station_id == station.id, Shift.starts_at >= since, Shift.starts_at < until)
    )
    reads = or_(
        Attendance.station_id == station.id,
        led_by(reader_id),
        Activity.organization_id.in_(permitted_organization_ids(reader_id, Permission.ATTENDANCE_READ)),
    )
    statement = _looked_at(reads).where(
        or_(Attendance.station_id == station.id, Attendance.shift_id.in_(shifts_there)),
        since <= BEGAN_AT,
        until > BEGAN_AT,
    )
    keys = [
        Key(Attendance.checked_in_at, read=lambda row: row.Attendance.checked_in_at),
        Key(Attendance.id, read=lambda row: row.Attendance.id),
    ]
    return _shown(page(statement, keys, query, scope=f"station {station.id} {day}"), reader_id)


def _looked_at(reads: ColumnElement[bool]) -> Rows:
    """Attendances with what is beside them; `reads` is whether their evidence is shown."""
    latest = aliased(SignUp)
    sign_up_state = (
        select(latest.state)
        .where(latest.shift_id == Attendance.shift_id, latest.volunteer_id == Attendance.volunteer_id)
        .order_by(latest.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return (
        placed(
            Attendance,
            Shift,
            Activity,
            Station,
            Organization.id.label("organization_id"),
            Organization.name.label("organization_name"),
            RollCallMark,
            Volunteer.name.label("volunteer_name"),
            Volunteer.phone.label("volunteer_phone"),
            Marker.name.label("marker_name"),
            sign_up_state.label("sign_up_state"),
            ENDED_AT.label("ended_at"),
            reads.label("reads"),
        )
        .join(Volunteer, Volunteer.id == Attendance.volunteer_id)
        .join(Organization, Organization.id == func.coalesce(Activity.organization_id, Station.organization_id))
        .outerjoin(
            RollCallMark,
            and_(RollCallMark.shift_id == Attendance.shift_id, RollCallMark.volunteer_id == Attendance.volunteer_id),
        )
        .outerjoin(Marker, Marker.id == RollCallMark.marked_by)
    )


def _filters(query: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.get("organization_id"):
        found.append(_under(query["organization_id"]))
    if query.get("activity_id"):
        found.append(Activity.id == query["activity_id"])
    if query.get("shift_id"):
        found.append(Attendance.shift_id == query["shift_id"])
    if query.get("station_id"):
        station_id = query["station_id"]
        found.append(or_(Attendance.station_id == station_id, Activity.station_id == station_id))
    if query.get("reason"):
        # A code has no character that JSON would write otherwise.
        found.append(cast(Attendance.reasons, String).contains(f'"{query["reason"]}"', autoescape=True))
    if query.get("grade"):
        found.append(Attendance.grade == query["grade"])
    if query.get("first_on"):
        found.append(clock.start_of(query["first_on"]) <= BEGAN_AT)
    if query.get("last_on"):
        found.append(clock.days_between(query["last_on"], query["last_on"])[1] > BEGAN_AT)
    if query.get("late") is not None:
        over = clock.days_between(deadlines.last_day_overdue(), deadlines.last_day_overdue())[1]
        found.append(over > ENDED_AT if query["late"] else over <= ENDED_AT)
    return found


def _under(organization_id: UUID) -> ColumnElement[bool]:
    """Whether those who may decide there now may decide on it: by where its organization stands today."""
    below = subtree_ids(organization_id)
    return or_(Activity.organization_id.in_(below), Station.organization_id.in_(below))


def _shown(found: Page, reader_id: UUID) -> Page:
    """The page as it is answered; that places of others were read is kept in the audit log."""
    if found.items:
        audit.record(
            AuditAction.DATA_READ,
            actor_id=reader_id,
            what="attendance_evidence",
            attendance_ids=",".join(str(row.Attendance.id) for row in found.items),
        )
    today = clock.today()
    return Page([_view(row, today) for row in found.items], found.next_cursor)


def _view(row: Any, today: Any) -> dict[str, Any]:
    attendance: Attendance = row.Attendance
    deadline = deadlines.due_on(clock.local_date(row.ended_at))
    evidence = (attendance.check_in_evidence, attendance.check_out_evidence) if row.reads else (None, None)
    center = whereabouts.center_of(row.Activity, row.Station)
    return {name: getattr(attendance, name) for name in OWN_COLUMNS} | {
        "volunteer": {
            "id": attendance.volunteer_id,
            "name": row.volunteer_name,
            "phone": masked_phone(row.volunteer_phone),
        },
        "shift": row.Shift,
        "activity": row.Activity,
        "station": row.Station,
        "organization": {"id": row.organization_id, "name": row.organization_name},
        "sign_up_state": row.sign_up_state,
        "roll_call": _mark_view(row.RollCallMark, row.marker_name),
        "claim": _claim_view(attendance) if row.reads else None,
        "check_in": _end(
            attendance.checked_in_at,
            attendance.check_in_grade,
            evidence[0],
            attendance.check_in_recorder_id,
            center,
        ),
        "check_out": _end(
            attendance.checked_out_at,
            attendance.check_out_grade,
            evidence[1],
            attendance.check_out_recorder_id,
            center,
        ),
        "taps": taps.shown(attendance) if row.reads else [],
        "map": _map(evidence, center, row.Activity),
        "due_on": deadline.on,
        "due_on_is_certain": deadline.is_certain,
        "is_late": deadline.is_past(today),
    }


def _mark_view(mark: RollCallMark | None, marker_name: str | None) -> dict[str, Any] | None:
    if mark is None:
        return None
    return {
        "status": mark.status,
        "arrived_at": mark.arrived_at,
        "left_at": mark.left_at,
        "marked_by": {"id": mark.marked_by, "name": marker_name},
        "marked_at": mark.marked_at,
    }


def _claim_view(attendance: Attendance) -> dict[str, Any] | None:
    if attendance.claimed_at is None:
        return None
    return {
        "left_at": attendance.claimed_left_at,
        "reason": attendance.claim_reason or "—",
        "claimed_at": attendance.claimed_at,
    }


def _end(
    moment: datetime | None,
    grade: str | None,
    evidence: dict[str, Any] | None,
    recorder_id: UUID | None,
    center: Place | None,
) -> dict[str, Any]:
    said = evidence or {}
    client_time = said.get("client_time")
    return {
        "at": moment,
        "grade": grade,
        "has_code": isinstance(said.get("code"), str),
        "client_time": client_time if isinstance(client_time, str) else None,
        "recorded_by": recorder_id,
        "distance_m": whereabouts.distance_m(said, center),
    }


def _map(ends: tuple[Any, Any], center: Place | None, activity: Activity | None) -> dict[str, Any]:
    """A GeoJSON FeatureCollection of the fence's center and the two places, as far as they are known."""
    features = []
    if center is not None:
        radius = (activity.radius_m if activity is not None else None) or rules().fence_m
        features.append(_feature(center, role="fence", radius_m=radius))
    for role, evidence in zip(("check_in", "check_out"), ends, strict=True):
        given = usable({"client_time": None} | (evidence or {}))
        if given.place is not None:
            distance = whereabouts.distance_m(evidence, center)
            features.append(_feature(given.place, role=role, accuracy_m=given.accuracy_m, distance_m=distance))
    return {"type": "FeatureCollection", "features": features}


def _feature(place: Place, **properties: Any) -> dict[str, Any]:
    latitude, longitude = place
    point = {"type": "Point", "coordinates": [longitude, latitude]}
    return {"type": "Feature", "geometry": point, "properties": properties}
