"""Check-in: nobody is turned away for weak evidence."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.attendance import queries, scene, taps, timeline, waiting
from volunteer_api.attendance.judging import Told, judge, told
from volunteer_api.attendance.memory import Memory, NotPlain, Seen, draft
from volunteer_api.attendance.models import Attendance, Grade, ScanKind, State
from volunteer_api.attendance.problems import AlreadyCheckedIn, NotYet, TimeIsOver, TooManyAttendances, TooManyUnsigned
from volunteer_api.attendance.scene import Scene
from volunteer_api.attendance.settling import reopen
from volunteer_api.attendance.taps import Tap
from volunteer_api.attendance.timeline import Followers
from volunteer_api.core import clock, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.at_once import AtOnce
from volunteer_api.core.database import db
from volunteer_api.core.limits import spend
from volunteer_api.core.prepared import first_row
from volunteer_api.core.problems import NotFound
from volunteer_api.core.settings import rules
from volunteer_api.hours import deadlines
from volunteer_api.hours.days import MINUTE
from volunteer_api.sign_ups.problems import Canceled, NotPublished
from volunteer_api.sign_ups.queries import lock_volunteer

# Nobody is on duty so often, nor comes to so many shifts without a sign-up; whoever does by mistake or for fun must not
# fill the list of those who review it.
MOST_DUTIES_A_DAY, MOST_UNSIGNED_A_DAY = 24, 4
# A phone that comes back after days sends a hundred taps, and may have to send them again.
OPERATIONS = "300/minute"
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
    which the caller has judged. Raises NotFound (404), NotPublished, Canceled, NotYet or TimeIsOver where it was not
    about the time of the shift, TooManyAttendances, TooManyUnsigned or AlreadyCheckedIn (409), TooManyRequests (429).
    Of two check-ins to one shift AlreadyCheckedIn says which counts, whichever came first (taps.py): one in the time
    for it before one that was not, one that is proven before one that is not, else the earlier. Check-outs that waited
    for this check-in's `key` are carried out with it. `followers` has a batch look once at what comes after.

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
    tap = _tap(here, end, scanned_by)
    known: Attendance | None = row.same
    if followers is None and scanned_by is None and (known is not None or row.others or not here.expected):
        # The first one at a shift that waits for her changes nothing else, and is once.
        count_operations(volunteer_id)
    if known is not None:
        changed = _comes_again(known, tap, memory, followers)
        _end_too(known, row, key, followers)
        raise AlreadyCheckedIn(known, counts=changed)
    if shift_id is not None:
        _require_near(here, end, tap)
        if row.unsigned >= MOST_UNSIGNED_A_DAY and not here.expected and scanned_by is None:
            raise TooManyUnsigned()
    made = Attendance if memory is None else draft
    attendance = _new(volunteer_id, end, shift_id=shift_id, station_id=station_id, made=made)
    _begin(attendance, tap)
    timeline.put_in_order(attendance, since=moment, here=here, alone=not row.others, memory=memory, followers=followers)
    _end_too(attendance, row, key, followers)
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
    if row is None or row.busy or row.sign_up_id is None:
        return None
    # No name is in both: one row has the shift's columns and the activity's.
    _require_open_to_attendance(row, row, knows=False)
    here = scene.of_columns(row)
    tap = _tap(here, end, None)
    _require_near(here, end, tap)
    attendance = _new(volunteer_id, end, shift_id=shift_id, made=draft)
    _begin(attendance, tap)
    reopen(attendance)
    guard = queries.is_plain_and_consented() if here.keeps_place else queries.is_plain()
    return AtOnce(Attendance, attendance, guard)


def count_operations(volunteer_id: UUID, amount: int = 1) -> None:
    """Count check-ins, or lines of a batch, against what a phone may send. Raises TooManyRequests (429)."""
    spend(OPERATIONS, "attendance operations", str(volunteer_id), amount=amount)


def _comes_again(attendance: Attendance, tap: Tap, memory: Memory | None, followers: Followers | None) -> bool:
    """Let a check-in count that is not the first one here; whether it changed the attendance.

    What a leader vouches for, or somebody decided, no tap takes the place of. Raises NotPlain with `memory`.
    """
    known = taps.taps_of(attendance, ScanKind.CHECK_IN)
    changes = not any(tap.repeats(one) or (one.doubts <= tap.doubts and one.at <= tap.at) for one in known)
    came_back = attendance.check_out_tapped_at is not None and tap.at >= attendance.check_out_tapped_at
    if attendance.check_in_recorder_id is not None or timeline.is_fixed(attendance) or not (changes or came_back):
        return False
    if memory is not None:
        raise NotPlain()
    # What a tap of the wrong day, or one that is less proven, had closed may have gone on.
    since = min(tap.at, attendance.checked_in_at - MINUTE)
    return taps.keep(attendance, tap, known) and timeline.follow_taps(attendance, since=since, followers=followers)


def _require_near(here: Scene, end: Told, tap: Tap) -> None:
    """Let pass a check-in of the time around a shift: whoever comes somewhat too early or too late is looked at.

    From further away it would put somebody among those who came who can't have been there. An odd clock does not tell
    when it was: while hours are still recorded, what else speaks for her has it looked at. Raises NotYet, TimeIsOver
    (409).
    """
    opens_at, closes_at = _window(here)
    around = timedelta(minutes=rules().check_out_closes_minutes)
    if tap.at < opens_at - around:
        raise NotYet()
    if end.tapped.is_odd and (here.expected or tap.grade is not Grade.WEAK):
        if deadlines.due_on(clock.local_date(closes_at)).is_past():
            raise TimeIsOver()
    elif tap.at > closes_at + around:
        raise TimeIsOver()


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


def _tap(here: Scene, end: Told, scanned_by: UUID | None) -> Tap:
    frame = (here.starts_at, here.ends_at) if here.station is not None else None
    return taps.tap_of(ScanKind.CHECK_IN, end, judge(here, end, _window(here)), scanned_by, frame)


def _begin(attendance: Attendance, tap: Tap) -> None:
    taps.begin_with(attendance, tap)
    if tap.frame is not None:
        attendance.frame_starts_at, attendance.frame_ends_at = tap.frame


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
