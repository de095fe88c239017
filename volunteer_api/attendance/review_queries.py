"""What reviews, roll-calls and the closing of forgotten check-outs read."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, or_, select

from volunteer_api.activities.access import led_by
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance.models import Attendance, RollCallMark, RollCallStatus
from volunteer_api.core.database import db
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.organizations.access import Permission, permitted_organization_ids, roles_with
from volunteer_api.organizations.models import Grant, ScopeType
from volunteer_api.stations.models import Station

# Row of several columns, whose types the caller knows.
Rows = Select[*tuple[Any, ...]]


def reviewed_by(volunteer_id: UUID) -> ColumnElement[bool]:
    """The attendances, joined to their activity and their station, that the volunteer may decide on.

    Those at activities that she leads, or that lie where she has hours.review, and duty at stations that she manages.
    """
    organizes = permitted_organization_ids(volunteer_id, Permission.HOURS_REVIEW)
    return or_(
        led_by(volunteer_id),
        Activity.organization_id.in_(organizes),
        Attendance.station_id.in_(_managed_stations(volunteer_id)),
        Attendance.station_id.is_not(None) & Station.organization_id.in_(organizes),
    )


def placed(*columns: Any) -> Rows:
    """Attendances joined to what they were at: shift and activity, or the station of a duty."""
    return (
        select(*columns)
        .select_from(Attendance)
        .outerjoin(Shift, Shift.id == Attendance.shift_id)
        .outerjoin(Activity, Activity.id == Shift.activity_id)
        .outerjoin(Station, Station.id == Attendance.station_id)
    )


def reviewable(volunteer_id: UUID, attendance_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Those of the attendances that the volunteer may decide on, each with whose it is."""
    found = placed(Attendance.id, Attendance.volunteer_id).where(
        Attendance.id.in_(attendance_ids), reviewed_by(volunteer_id)
    )
    return {row.id: row.volunteer_id for row in db.session.execute(found)}


def other_records(attendance: Attendance, starts_at: datetime, ends_at: datetime) -> Sequence[Any]:
    """What the ledger holds of the volunteer's time between the moments for anything but this attendance.

    Rows of `starts_at`, `ends_at` and `minutes`, the sum of what is left after reversals.
    """
    return db.session.execute(
        select(ServiceRecord.starts_at, ServiceRecord.ends_at, func.sum(ServiceRecord.minutes).label("minutes"))
        .where(
            ServiceRecord.volunteer_id == attendance.volunteer_id,
            ServiceRecord.starts_at < ends_at,
            ServiceRecord.ends_at > starts_at,
            or_(ServiceRecord.attendance_id.is_(None), ServiceRecord.attendance_id != attendance.id),
        )
        .group_by(ServiceRecord.starts_at, ServiceRecord.ends_at)
        .having(func.sum(ServiceRecord.minutes) > 0)
    ).all()


def marked_absent(volunteer_id: UUID, shift_id: UUID) -> bool:
    """Whether the last roll-call of the shift marked the volunteer absent."""
    found = exists().where(
        RollCallMark.shift_id == shift_id,
        RollCallMark.volunteer_id == volunteer_id,
        RollCallMark.status == RollCallStatus.ABSENT,
    )
    return bool(db.session.scalar(select(found)))


def volunteer_of(attendance_id: UUID) -> UUID | None:
    """Whose attendance it is, None where there is none."""
    return db.session.scalar(select(Attendance.volunteer_id).where(Attendance.id == attendance_id))


def _managed_stations(volunteer_id: UUID) -> Select[UUID]:
    return select(Grant.scope_id).where(
        Grant.volunteer_id == volunteer_id,
        Grant.revoked_at.is_(None),
        Grant.scope_type == ScopeType.STATION,
        Grant.role.in_(roles_with(Permission.STATION_MANAGE)),
    )
