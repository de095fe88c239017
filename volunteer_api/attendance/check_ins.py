"""Check-in: nobody is turned away for weak evidence."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.attendance import queries, scene, timeline, waiting
from volunteer_api.attendance.grading import weaker
from volunteer_api.attendance.judging import Judgment, Told, judge, told
from volunteer_api.attendance.memory import Memory, NotPlain, Seen, draft
from volunteer_api.attendance.models import Attendance, Grade, State
from volunteer_api.attendance.problems import AlreadyCheckedIn, TooManyAttendances
from volunteer_api.attendance.scene import Scene
from volunteer_api.attendance.settling import in_order, reopen
from volunteer_api.attendance.timeline import Followers
from volunteer_api.core import clock, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.at_once import AtOnce
from volunteer_api.core.database import db
from volunteer_api.core.prepared import first_row
from volunteer_api.core.problems import NotFound
from volunteer_api.core.settings import rules
from volunteer_api.hours.days import MINUTE
from volunteer_api.sign_ups.problems import Canceled, NotPublished
from volunteer_api.sign_ups.queries import lock_volunteer

# Nobody is on duty so often; whoever is by mistake or for fun must not fill the list of those who review it.
MOST_DUTIES_A_DAY = 24
NOT_YET_PUBLIC = (ActivityState.DRAFT, ActivityState.SUBMITTED)


def check_in(
    *,
    volunteer_id: UUID,
    shift_id: UUID | None = None,
    station_id: UUID | None = None,
    evidence: dict[str, Any] | Told,
    received_at: datetime | None = None,
    scanned_by: UUID | None = None,
    key: str | None = None,
    memory: Memory | None = None,
    followers: Followers | None = None,
) -> Attendance:
    """Begin an attendance at a shift, or a duty at a station; of two without a check-out the earlier is held.

    That may be this one, told late by a phone without network. `evidence` has `client_time` as an aware moment;
    `received_at` is when the server had it, by default now. `scanned_by`: who read the volunteer's own code at a desk,
    which the caller has judged. Raises NotFound (404), NotPublished, Canceled, TooManyAttendances or AlreadyCheckedIn
    (409); of two check-ins to one shift the earlier counts, whichever came first, but one in the time for it before one
    that was not: a tap on the wrong day costs nobody the right one. Check-outs that waited for this check-in's `key`
    are carried out with it. `followers` has a batch look once at what comes after.

    With `memory`, which is of this volunteer, whom the caller holds, it is written with the other taps of a batch;
    NotPlain is raised, and nothing changed, where it is none for that.
    """
    end = told(evidence, received_at or clock.now(), scanned=scanned_by is not None)
    if memory is None:
        lock_volunteer(volunteer_id)
    moment = end.tapped.moment
    if station_id is not None:
        row, here = _at_station(volunteer_id, station_id, moment, memory)
    else:
        row, here = _at_shift(volunteer_id, shift_id, moment, key, memory)
    known: Attendance | None = row.same
    if known is not None and (
        # What a leader vouches for no tap takes the place of.
        known.check_in_recorder_id is not None or not timeline.begins(known, moment, in_window=_in_window(here, moment))
    ):
        _end_too(known, row, key, followers)
        raise AlreadyCheckedIn(known)
    if known is not None and memory is not None:
        raise NotPlain()
    judged = judge(here, end, _window(here))
    made = Attendance if memory is None else draft
    attendance = known or _new(volunteer_id, end, shift_id=shift_id, station_id=station_id, made=made)
    # What the tap of the wrong day had closed may have gone on.
    since = moment if known is None else min(moment, known.checked_in_at - MINUTE)
    _begin(attendance, here, end, judged, scanned_by)
    # Of one that may be settled again, the timeline reads what a check-out looks at.
    timeline.put_in_order(
        attendance,
        since=since,
        here=here if known is None else None,
        alone=not row.others and since == moment,
        memory=memory,
        followers=followers,
    )
    _end_too(attendance, row, key, followers)
    if known is not None:
        raise AlreadyCheckedIn(known)
    return attendance


def check_in_at_once(principal: Principal, body: dict[str, Any], connection: Connection) -> AtOnce | None:
    """The same for the plain case, which a crowd is at the start of a shift: it changes nothing that is there.

    None for all others. The judgment is the one of `check_in`; the volunteer's lock, which orders what happens to her,
    is held by the statement that writes.
    """
    volunteer_id, shift_id = principal.volunteer_id, body.get("shift_id")
    if shift_id is None:
        return None
    end = told(body["evidence"], clock.now())
    values = {"volunteer_id": volunteer_id, "shift_id": shift_id, "moment": end.tapped.moment}
    row: Any = first_row(connection, queries.plain_scene_of_check_in(), values)
    if row is None or row.busy:
        return None
    # No name is in both: one row has the shift's columns and the activity's.
    _require_open_to_attendance(row, row, knows=False)
    here = scene.of_columns(row)
    attendance = _new(volunteer_id, end, shift_id=shift_id, made=draft)
    _begin(attendance, here, end, judge(here, end, _window(here)), None)
    reopen(attendance)
    return AtOnce(Attendance, attendance, queries.is_plain())


def _in_window(here: Scene, moment: datetime) -> bool:
    opens_at, closes_at = _window(here)
    return opens_at <= moment <= closes_at


def _window(here: Scene) -> tuple[datetime, datetime]:
    return here.starts_at - timedelta(minutes=rules().check_in_opens_minutes), here.ends_at


def _new(
    volunteer_id: UUID,
    end: Told,
    *,
    shift_id: UUID | None = None,
    station_id: UUID | None = None,
    made: Callable[..., Attendance] = Attendance,
) -> Attendance:
    return made(
        id=ids.new_id(),
        volunteer_id=volunteer_id,
        shift_id=shift_id,
        station_id=station_id,
        created_at=end.received_at,
        state=State.OPEN.value,
        credited_minutes=0,
        held_minutes=0,
        reasons=[],
        flagged=False,
        check_out_remarks=[],
    )


def _end_too(attendance: Attendance, row: Any, key: str | None, followers: Followers | None) -> None:
    if key is not None and row.waits:
        waiting.carry_out(key, attendance, followers)


def _begin(attendance: Attendance, here: Scene, end: Told, judged: Judgment, scanned_by: UUID | None) -> None:
    """Let an attendance begin by this check-in."""
    attendance.checked_in_at = end.tapped.moment
    attendance.check_in_grade = judged.grade
    attendance.grade = weaker(judged.grade, Grade(attendance.check_out_grade or judged.grade))
    attendance.check_in_reasons = in_order(judged.doubts)
    attendance.check_in_evidence = end.evidence
    attendance.check_in_remarks = judged.remarks
    attendance.check_in_latitude, attendance.check_in_longitude = judged.place or (None, None)
    attendance.check_in_scanned_by = scanned_by
    if here.station is not None:
        attendance.frame_starts_at, attendance.frame_ends_at = here.starts_at, here.ends_at


def _at_shift(
    volunteer_id: UUID, shift_id: UUID | None, moment: datetime, key: str | None, memory: Memory | None
) -> tuple[Any, Scene]:
    """What a check-in to a shift looks at, and the shift's scene."""
    if shift_id is None:
        raise ValueError("a check-in is to a shift or to a station")
    row: Any
    if memory is not None:
        row = memory.scene_of_check_in(shift_id, moment, key)
    else:
        row = db.session.execute(queries.scene_of_check_in(volunteer_id, shift_id, moment)).one_or_none()
    if row is None:
        raise NotFound()
    knows = row.leads or row.Activity.created_by == volunteer_id
    _require_open_to_attendance(row.Shift, row.Activity, knows=knows)
    return row, row.here if isinstance(row, Seen) else scene.of_shift(row)


def _at_station(volunteer_id: UUID, station_id: UUID, moment: datetime, memory: Memory | None) -> tuple[Any, Scene]:
    """What a check-in to a duty looks at, and the duty's scene."""
    if memory is not None:
        raise NotPlain()
    row = db.session.execute(queries.scene_of_duty(volunteer_id, station_id, moment)).one_or_none()
    if row is None:
        raise NotFound()
    if row.same is None and row.duties >= MOST_DUTIES_A_DAY:
        raise TooManyAttendances()
    return row, scene.of_duty(row, moment)


def _require_open_to_attendance(shift: Shift, activity: Activity, *, knows: bool) -> None:
    # A completed activity takes check-ins still, and one canceled later those of the shifts that were held: a phone
    # without network tells late of what happened in time.
    if activity.state in NOT_YET_PUBLIC:
        raise NotPublished() if knows else NotFound()
    if shift.canceled_at is not None or activity.published_at is None:
        raise Canceled()
