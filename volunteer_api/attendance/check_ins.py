"""Check-in: nobody is turned away for weak evidence."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.attendance import queries, scene
from volunteer_api.attendance.judging import Told, judge, told
from volunteer_api.attendance.models import Attendance, Reason, State
from volunteer_api.attendance.problems import AlreadyCheckedIn
from volunteer_api.attendance.scene import Scene
from volunteer_api.attendance.settling import hold, in_order, minutes_until
from volunteer_api.core import clock, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.at_once import AtOnce
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.core.settings import rules
from volunteer_api.sign_ups.problems import Canceled, NotPublished
from volunteer_api.sign_ups.queries import lock_volunteer

NOT_YET_PUBLIC = (ActivityState.DRAFT, ActivityState.SUBMITTED)


def check_in(
    *,
    volunteer_id: UUID,
    shift_id: UUID | None = None,
    station_id: UUID | None = None,
    evidence: dict[str, Any],
    received_at: datetime | None = None,
    scanned_by: UUID | None = None,
) -> Attendance:
    """Begin an attendance at a shift, or a duty at a station; of two without a check-out the earlier is held.

    That may be this one, told late by a phone without network. `evidence` has `client_time` as an aware moment;
    `received_at` is when the server had it, by default now. `scanned_by`: who read the volunteer's own code at a desk,
    which the caller has judged. Raises NotFound (404), NotPublished, Canceled or AlreadyCheckedIn (409).
    """
    end = told(evidence, received_at or clock.now(), scanned=scanned_by is not None)
    lock_volunteer(volunteer_id)
    here, known = _at_station(volunteer_id, station_id, end) if station_id else _at_shift(volunteer_id, shift_id)
    moment = end.tapped.moment
    attendance = _begun(volunteer_id, shift_id, station_id, here, end, scanned_by=scanned_by)
    if known is not None and moment < known.checked_in_at:
        close_at_next(attendance, here, known.checked_in_at)
    elif known is not None:
        close_at_next(known, scene.load(volunteer_id, known.id)[1], moment)
        # Now, or the unit of work inserts the new one first, against the rule of one open attendance.
        db.session.flush()
    db.session.add(attendance)
    db.session.flush()
    return attendance


def check_in_at_once(principal: Principal, body: dict[str, Any]) -> AtOnce | None:
    """The same for the plain case, which a crowd is at the start of a shift: nothing of hers is open, and this is new.

    None for all others. The judgment is the one of `check_in`; the volunteer's lock, which orders what happens to her,
    is held by the statement that writes.
    """
    volunteer_id, shift_id = principal.volunteer_id, body.get("shift_id")
    if shift_id is None:
        return None
    end = told(body["evidence"], clock.now())
    values = {"volunteer_id": volunteer_id, "shift_id": shift_id}
    row = db.session.execute(queries.plain_scene_of_check_in(), values).one_or_none()
    if row is None or row.open_id is not None or row.same_id is not None:
        return None
    _require_open_to_attendance(row.Shift, row.Activity, knows=False)
    attendance = _begun(volunteer_id, shift_id, None, scene.of_shift(row), end, scanned_by=None)
    return AtOnce(attendance, queries.nothing_else_open())


def _begun(
    volunteer_id: UUID,
    shift_id: UUID | None,
    station_id: UUID | None,
    here: Scene,
    end: Told,
    *,
    scanned_by: UUID | None,
) -> Attendance:
    """A new attendance, judged by its first end."""
    opens_at = here.starts_at - timedelta(minutes=rules().check_in_opens_minutes)
    judged = judge(here, end, (opens_at, here.ends_at))
    latitude, longitude = judged.place or (None, None)
    return Attendance(
        id=ids.new_id(),
        volunteer_id=volunteer_id,
        shift_id=shift_id,
        station_id=station_id,
        created_at=end.received_at,
        checked_in_at=end.tapped.moment,
        check_in_grade=judged.grade,
        grade=judged.grade,
        reasons=in_order(judged.doubts),
        state=State.OPEN.value,
        credited_minutes=0,
        held_minutes=0,
        flagged=False,
        check_out_remarks=[],
        check_in_evidence=end.evidence,
        check_in_remarks=judged.remarks,
        check_in_latitude=latitude,
        check_in_longitude=longitude,
        check_in_scanned_by=scanned_by,
        frame_starts_at=here.starts_at if station_id else None,
        frame_ends_at=here.ends_at if station_id else None,
    )


def _at_shift(volunteer_id: UUID, shift_id: UUID | None) -> tuple[Scene, Attendance | None]:
    """The scene of a shift, and what the volunteer has open."""
    if shift_id is None:
        raise ValueError("a check-in is to a shift or to a station")
    row = db.session.execute(queries.scene_of_check_in(volunteer_id, shift_id)).one_or_none()
    if row is None:
        raise NotFound()
    knows = row.leads or row.Activity.created_by == volunteer_id
    _require_open_to_attendance(row.Shift, row.Activity, knows=knows)
    if row.same is not None:
        raise AlreadyCheckedIn(row.same)
    return scene.of_shift(row), row.Attendance


def _at_station(volunteer_id: UUID, station_id: UUID, end: Told) -> tuple[Scene, Attendance | None]:
    """The scene of a duty, and what the volunteer has open."""
    moment = end.tapped.moment
    row = db.session.execute(queries.scene_of_duty(volunteer_id, station_id, moment)).one_or_none()
    if row is None:
        raise NotFound()
    if row.same is not None:
        raise AlreadyCheckedIn(row.same)
    return scene.of_duty(row, moment), row.Attendance


def _require_open_to_attendance(shift: Shift, activity: Activity, *, knows: bool) -> None:
    # A completed activity takes check-ins still, and one canceled later those of the shifts that were held: a phone
    # without network tells late of what happened in time.
    if activity.state in NOT_YET_PUBLIC:
        raise NotPublished() if knows else NotFound()
    if shift.canceled_at is not None or activity.published_at is None:
        raise Canceled()


def close_at_next(attendance: Attendance, here: Scene, next_at: datetime) -> None:
    """End an attendance that nobody checked out of at the check-in elsewhere that came after it."""
    attendance.checked_out_at = next_at
    hold(attendance, {Reason.CHECKED_IN_ELSEWHERE}, minutes_until(attendance, here, next_at), here)
