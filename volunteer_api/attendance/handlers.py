"""What attendance hears of erasure, and holds about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.attendance.models import Attendance, Reason, State
from volunteer_api.attendance.settling import hold
from volunteer_api.core.database import db
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows


@on(VolunteerErased)
def strip_evidence(event: VolunteerErased) -> None:
    """Delete where the person was and what their phone said; states, times and minutes stay, for the sums.

    One still open can't be checked out of any more: it is closed where it began and held with no minutes. It is not
    rejected, nor is any that waits for review: that would take somebody out of the numbers who was there.
    """
    mine = select(Attendance).where(Attendance.volunteer_id == event.volunteer_id).order_by(Attendance.id)
    for attendance in db.session.scalars(mine.with_for_update().execution_options(populate_existing=True)):
        if attendance.state == State.OPEN:
            attendance.checked_out_at = attendance.checked_in_at
            hold(attendance, {Reason.WEAK_EVIDENCE}, 0)
        attendance.check_in_evidence = {}
        attendance.check_in_latitude = attendance.check_in_longitude = None
        attendance.check_out_latitude = attendance.check_out_longitude = None
        if attendance.check_out_evidence is not None:
            attendance.check_out_evidence = {}
    db.session.flush()


@exported("attendances")
def attendances(volunteer_id: UUID) -> list[dict[str, Any]]:
    """When and where the person came, with the evidence that their phones sent, the latest first."""
    return rows(
        select(*Attendance.__table__.columns)
        .where(Attendance.volunteer_id == volunteer_id)
        .order_by(Attendance.id.desc())
    )


@exported("attendances_scanned")
def attendances_scanned(volunteer_id: UUID) -> list[dict[str, Any]]:
    """Others' attendances for which the person read a code at a desk: which, and when. Whose they are is another's."""
    return rows(
        select(
            Attendance.id,
            Attendance.shift_id,
            Attendance.station_id,
            (Attendance.check_in_scanned_by == volunteer_id).label("scanned_check_in"),
            (Attendance.check_out_scanned_by == volunteer_id).label("scanned_check_out"),
            Attendance.created_at,
        )
        .where(or_(Attendance.check_in_scanned_by == volunteer_id, Attendance.check_out_scanned_by == volunteer_id))
        .order_by(Attendance.id.desc())
    )
