"""What attendances and roll-calls say of service that somebody records by hand.

A backfill may stand against a rejection: whoever decides on it sees that, and whoever rejected hears of it.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select

from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import Activity
from volunteer_api.attendance import review_notices as notices
from volunteer_api.attendance.models import Attendance, RollCallMark, RollCallStatus, State
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.schema import Fault
from volunteer_api.hours.models import Backfill
from volunteer_api.notifications.service import Notice, notify_all
from volunteer_api.stations.models import Station

SENTENCES = {
    "attendance_rejected": "%(name)s rejected the attendance of the same service on %(on)s: %(reason)s",
    "attendance_held": "An attendance of the same service waits for a review.",
    "marked_absent": "%(name)s marked the volunteer absent at the roll-call on %(on)s.",
    "marked_excused": "%(name)s marked the volunteer excused at the roll-call on %(on)s.",
}


def beside(backfill_ids: Collection[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """What is on record beside each backfill: attendances that were rejected or wait, and what a roll-call said.

    Two statements.
    """
    found: dict[UUID, list[dict[str, Any]]] = {}
    attendances = (
        select(
            Backfill.id.label("backfill_id"),
            Attendance.id,
            Attendance.state,
            Attendance.reviewed_at,
            Attendance.decision_reason,
            Volunteer.name,
        )
        .join(Attendance, _of_the_same_service())
        .outerjoin(Volunteer, Volunteer.id == Attendance.reviewed_by)
        .where(Backfill.id.in_(backfill_ids), Attendance.state.in_((State.REJECTED, State.HELD)))
        .order_by(Attendance.id)
    )
    for row in db.session.execute(attendances):
        rejected = row.state == State.REJECTED
        remark = _remark(
            f"attendance_{row.state}",
            by=row.name if rejected else None,
            at=row.reviewed_at if rejected else None,
            reason=row.decision_reason if rejected else None,
            attendance_id=row.id,
        )
        found.setdefault(row.backfill_id, []).append(remark)
    marks = (
        select(Backfill.id.label("backfill_id"), RollCallMark.status, RollCallMark.marked_at, Volunteer.name)
        .join(
            RollCallMark,
            and_(RollCallMark.shift_id == Backfill.shift_id, RollCallMark.volunteer_id == Backfill.volunteer_id),
        )
        .join(Volunteer, Volunteer.id == RollCallMark.marked_by)
        .where(Backfill.id.in_(backfill_ids), RollCallMark.status != RollCallStatus.PRESENT)
    )
    for mark in db.session.execute(marks):
        remark = _remark(f"marked_{mark.status}", by=mark.name, at=mark.marked_at)
        found.setdefault(mark.backfill_id, []).append(remark)
    return found


def tell_who_rejected(backfill_ids: Sequence[UUID]) -> None:
    """Tell whoever rejected an attendance of the same service that hours of it are recorded now; once for each."""
    rows = db.session.execute(
        select(
            Backfill.id,
            Backfill.volunteer_id,
            Backfill.minutes,
            Attendance.id.label("attendance_id"),
            Attendance.reviewed_by,
            func.coalesce(Activity.title, Station.name).label("title"),
        )
        .join(Attendance, _of_the_same_service())
        .outerjoin(Activity, Activity.id == Backfill.activity_id)
        .outerjoin(Station, Station.id == Backfill.station_id)
        .where(
            Backfill.id.in_(backfill_ids),
            Attendance.state == State.REJECTED,
            Attendance.reviewed_by.is_not(None),
            Attendance.reviewed_by != Backfill.recorder_id,
        )
        .order_by(Backfill.id, Attendance.id)
    )
    notify_all(
        [
            Notice(
                row.reviewed_by,
                notices.BACKFILLED_AFTER_REJECTION,
                {
                    "person_id": str(row.volunteer_id),
                    "minutes": str(row.minutes),
                    "activity": row.title,
                    "attendance_id": str(row.attendance_id),
                    "service_record_id": str(row.id),
                },
                dedup_key=f"{notices.BACKFILLED_AFTER_REJECTION}:{row.id}:{row.reviewed_by}",
            )
            for row in rows
        ]
    )


def _of_the_same_service() -> ColumnElement[bool]:
    """Whether an attendance is of what a backfill is about: the same shift, or duty at the same station and time."""
    ended_at = func.coalesce(Attendance.checked_out_at, Attendance.frame_ends_at)
    on_duty = and_(
        Attendance.station_id == Backfill.station_id,
        Attendance.checked_in_at < Backfill.ends_at,
        ended_at > Backfill.starts_at,
    )
    return and_(
        Attendance.volunteer_id == Backfill.volunteer_id, or_(Attendance.shift_id == Backfill.shift_id, on_duty)
    )


def _remark(
    code: str,
    *,
    by: str | None,
    at: datetime | None,
    reason: str | None = None,
    attendance_id: UUID | None = None,
) -> dict[str, Any]:
    on = clock.local_date(at).isoformat() if at is not None else ""
    detail = Fault(code, SENTENCES[code], name=by or "", on=on, reason=reason or "").sentence()
    return {"code": code, "detail": detail, "by_name": by, "at": at, "reason": reason, "attendance_id": attendance_id}
