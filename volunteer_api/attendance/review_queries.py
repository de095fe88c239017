"""What reviews, roll-calls and the closing of forgotten check-outs read."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, literal_column, or_, select

from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.access import led_by
from volunteer_api.activities.leaders import who_hears_of
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.attendance.scene import Scene
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.statements import count_some, first_and_last
from volunteer_api.organizations.access import Permission, permitted_organization_ids, roles_with
from volunteer_api.organizations.models import Grant, Organization, Role, ScopeType
from volunteer_api.stations.models import Station

# When the frame of an attendance ended, and when it began: that of a shift, or that of a duty.
ENDED_AT = func.coalesce(Shift.ends_at, Attendance.frame_ends_at)
BEGAN_AT = func.coalesce(Shift.starts_at, Attendance.frame_starts_at)
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
        Attendance.station_id.in_(managed_stations(volunteer_id)),
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


def hold_forgotten(ended_by: datetime, told_by: datetime, limit: int) -> list[tuple[UUID, UUID]]:
    """The open attendances whose frame ended and that were told by then, oldest first, each with its volunteer, held.

    Those whom somebody else holds are left out.
    """
    found = (
        placed(Attendance.id, Attendance.volunteer_id)
        .join(Volunteer, Volunteer.id == Attendance.volunteer_id)
        .where(Attendance.state == State.OPEN, ended_by >= ENDED_AT, Attendance.created_at <= told_by)
        .order_by(ENDED_AT, Attendance.id)
        .limit(limit)
        .with_for_update(of=Volunteer, key_share=True, skip_locked=True)
    )
    return [(row.id, row.volunteer_id) for row in db.session.execute(found)]


def due(last_day: date, days: int, limit: int) -> Sequence[Any]:
    """The shifts and duties of the local days up to this one that have attendances that wait, oldest first.

    Rows of `shift_id` and `activity_id` or `station_id`, `ended_at`, `title`.
    """
    since, until = clock.days_between(last_day - timedelta(days=days - 1), last_day)
    ended = func.max(ENDED_AT)
    return db.session.execute(
        placed(
            Attendance.shift_id,
            Attendance.station_id,
            Shift.activity_id,
            ended.label("ended_at"),
            func.coalesce(func.max(Activity.title), func.max(Station.name)).label("title"),
        )
        .where(Attendance.state == State.HELD, since <= ENDED_AT, until > ENDED_AT)
        .group_by(Attendance.shift_id, Attendance.station_id, Shift.activity_id)
        .order_by(ended, Attendance.shift_id, Attendance.station_id)
        .limit(limit)
    ).all()


def waiting_by_organization(first_on: date | None, last_on: date) -> Select[Organization, int, str, str]:
    """Where attendances wait of service that ended on these local days (None: ever), both included, and how many.

    With the first and the last of the ids of their volunteers: where these are one, nobody else's wait.
    """
    since, until = clock.days_between(first_on or last_on, last_on)
    return (
        placed(Organization, func.count(), *first_and_last(Attendance.volunteer_id))
        .join(Organization, Organization.id == func.coalesce(Activity.organization_id, Station.organization_id))
        .where(Attendance.state == State.HELD, until > ENDED_AT, *([] if first_on is None else [since <= ENDED_AT]))
        .group_by(Organization.id)
        .order_by(Organization.id)
    )


def responsible_for(here: Scene) -> list[UUID]:
    """Who hears of what waits at one shift or station."""
    if here.activity is not None:
        return who_hears_of(here.activity)
    return managers_of([here.target_id])[here.target_id]


def managers_of(station_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """Who manages these stations now."""
    found: dict[UUID, list[UUID]] = {one: [] for one in station_ids}
    rows = db.session.execute(
        select(Grant.scope_id, Grant.volunteer_id)
        .where(
            Grant.scope_type == ScopeType.STATION,
            Grant.scope_id.in_(station_ids),
            Grant.role == Role.STATION_MANAGER,
            Grant.revoked_at.is_(None),
        )
        .order_by(Grant.scope_id, Grant.volunteer_id)
    )
    for row in rows:
        found[row.scope_id].append(row.volunteer_id)
    return found


def volunteer_of(attendance_id: UUID) -> UUID | None:
    """Whose attendance it is, None where there is none."""
    return db.session.scalar(select(Attendance.volunteer_id).where(Attendance.id == attendance_id))


def managed_stations(volunteer_id: UUID) -> Select[UUID]:
    """The stations that the volunteer manages by a grant of her own."""
    return select(Grant.scope_id).where(
        Grant.volunteer_id == volunteer_id,
        Grant.revoked_at.is_(None),
        Grant.scope_type == ScopeType.STATION,
        Grant.role.in_(roles_with(Permission.STATION_MANAGE)),
    )


def held_count(most: int) -> int:
    """How many attendances wait for a review, counted up to `most`."""
    # As a value it would hide from SQLite that the index of what is held has all of them.
    return count_some(select(Attendance.id).where(Attendance.state == literal_column("'held'")), most)
