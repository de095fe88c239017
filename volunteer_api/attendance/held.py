"""An attendance with what it is judged by, and the minutes of it that wait."""

from uuid import UUID

from volunteer_api.attendance import queries, scene
from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.scene import Scene
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.hours import tallies


def attendance_with_scene(volunteer_id: UUID, attendance_id: UUID) -> tuple[Attendance, Scene]:
    """An attendance as it is under its volunteer's lock, and its scene."""
    row = db.session.execute(queries.scene_of_check_out(volunteer_id, attendance_id)).one()
    return row.Attendance, scene.of_shift(row)


def organization_of(here: Scene) -> UUID:
    """The organization that answers for the attendance."""
    return here.activity.organization_id


def set_held(attendance: Attendance, here: Scene, minutes: int) -> None:
    """Let so many minutes of an attendance wait for review, and count the change beside the ledger."""
    change, attendance.held_minutes = minutes - (attendance.held_minutes or 0), minutes
    tallies.held(
        volunteer_id=attendance.volunteer_id,
        activity=here.activity,
        station=None,
        on=clock.local_date(here.starts_at),
        team_id=here.team_id,
        minutes=change,
        attendance_id=attendance.id,
    )
