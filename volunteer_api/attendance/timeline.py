"""Where a person was one after another, whatever order it was told in.

Phones without network tell late, and several of them in any order. So an attendance is a function of all taps that are
known, not of the order in which they came: it begins and ends by its own taps (taps.py), or ends at the next check-in
elsewhere where that was before. A tap that arrives out of turn lets those after it be looked at again; what the ledger
holds of them is taken back only where it comes out otherwise.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from volunteer_api.attendance import queries, scene, taps
from volunteer_api.attendance import review_notices as notices
from volunteer_api.attendance.memory import Memory
from volunteer_api.attendance.models import Attendance, Reason, State
from volunteer_api.attendance.problems import TooManyAttendances
from volunteer_api.attendance.scene import Scene
from volunteer_api.attendance.settling import hold, minutes_until, reopen, settle
from volunteer_api.core.database import db

# More than anybody has that others have decided on beside what may move.
MOST_IN_LINE = 400
# What tells somebody that a tap of hers changed something.
SHOWN = (
    *("checked_in_at", "checked_out_at", "check_in_grade", "check_out_grade"),
    *("state", "credited_minutes", "held_minutes", "reasons"),
)
UNFINISHED = frozenset({Reason.FORGOTTEN_CHECK_OUT, Reason.CLAIMED})


def is_fixed(attendance: Attendance) -> bool:
    """Whether more than the volunteer's taps has made it what it is: no tap that arrives late changes it any more."""
    if attendance.reviewed_by is not None or attendance.check_out_recorder_id is not None:
        return True
    if attendance.state == State.OPEN:
        return False
    if attendance.state == State.REJECTED:
        return True
    if Reason.FORGOTTEN_CHECK_OUT in attendance.reasons:
        return False
    return attendance.check_out_tapped_at is None and Reason.CHECKED_IN_ELSEWHERE not in attendance.reasons


class Followers:
    """What comes after the attendances that one request changes, to be looked at again once, after its last tap.

    Without it a hundred taps, each told before a hundred known attendances, would let each of these be settled anew a
    hundred times.
    """

    def __init__(self) -> None:
        self.since: datetime | None = None

    def note(self, moment: datetime) -> None:
        """Something of that moment has changed, and attendances follow it."""
        self.since = moment if self.since is None else min(self.since, moment)

    def settle(self, volunteer_id: UUID) -> None:
        """Let them be what they are, in their order. The volunteer is locked."""
        if self.since is None:
            return
        db.session.flush()
        line = sorted(db.session.scalars(queries.line_since(volunteer_id, self.since)), key=_place)
        for number, one in enumerate(line):
            if one.check_out_tapped_at is not None and not _stays(one):
                _bring_in_line(line, number, None, None, None)


def put_in_order(
    attendance: Attendance,
    *,
    since: datetime,
    here: Scene | None = None,
    alone: bool = False,
    memory: Memory | None = None,
    followers: Followers | None = None,
) -> None:
    """Let a volunteer's attendances be what they are, now that a tap has begun, moved or ended this one.

    It may be new and not stored yet; `here` is its scene where that is known. `since` is the moment from which
    something may be otherwise; `alone` where no other attendance began or was not over then. Those that follow are
    looked at again at once, or by `followers`. The volunteer is locked. With `memory`, the others are as remembered
    there, and what comes out is written with the rest of a batch. Raises TooManyAttendances (409).
    """
    others: Sequence[Attendance] = ()
    if not alone and memory is not None:
        others = [one for one in memory.line_since(since) if one is not attendance]
    elif not alone:
        if attendance in db.session:
            # What is read below is as it is stored.
            db.session.flush()
        found = db.session.scalars(queries.line_since(attendance.volunteer_id, since).limit(MOST_IN_LINE))
        others = [one for one in found if one is not attendance]
    if len(others) + 1 >= MOST_IN_LINE or sum(not _stays(one) for one in others) >= queries.MOST_AROUND:
        raise TooManyAttendances()
    line = sorted([attendance, *others], key=_place)
    brought = False
    for number, one in enumerate(line):
        follows = brought and one.check_out_tapped_at is not None
        if follows and followers is not None:
            followers.note(attendance.checked_in_at)
            follows = False
        if one is not attendance and (_stays(one) or not (follows or _differs(one, _next_at(line, number)))):
            continue
        _bring_in_line(line, number, here if one is attendance else None, memory, attendance)
        # What follows finds another rest of the day's limit, and may have been too far away.
        brought = True


def follow_taps(attendance: Attendance, *, since: datetime, followers: Followers | None = None) -> bool:
    """Let an attendance be what all its taps make of it, now that there is a further one; whether that changes it.

    `since` and `followers`: as of `put_in_order`.
    """
    before = _shown(attendance)
    taps.arrange(attendance)
    put_in_order(attendance, since=since, followers=followers)
    return _shown(attendance) != before


def _shown(attendance: Attendance) -> tuple[Any, ...]:
    return tuple(getattr(attendance, name) for name in SHOWN)


def _next_at(line: Sequence[Attendance], number: int) -> datetime | None:
    return line[number + 1].checked_in_at if number + 1 < len(line) else None


def _bring_in_line(
    line: Sequence[Attendance], number: int, here: Scene | None, memory: Memory | None, tapped: Attendance | None
) -> None:
    # What comes after is judged beside it; but what no tap changes stands, and it is judged beside that.
    later = [other.id for other in line[number + 1 :] if not is_fixed(other)]
    one = line[number]
    was_held = one.state == State.HELD
    _bring(one, _next_at(line, number), here, later=later, memory=memory)
    if memory is not None:
        memory.keep(one)
    else:
        db.session.add(one)
        # Each at once, and in this order: the one that is open comes last, after what was open is closed.
        db.session.flush()
    if one is not tapped and one.state == State.HELD and not was_held:
        _tell_held(one, memory)


def _tell_held(attendance: Attendance, memory: Memory | None) -> None:
    """Tell of what no answer to a tap of its own shows."""
    if memory is not None:
        here = memory.scene_of(attendance)
        memory.gathered.notices.append(notices.notice(notices.HELD_SINCE, attendance, here))
        return
    _, here = scene.load(attendance.volunteer_id, attendance.id)
    notices.tell(notices.HELD_SINCE, attendance, here)


def _stays(attendance: Attendance) -> bool:
    """Whether others' taps leave it as it is; one whose check-out was forgotten waits for its own."""
    return is_fixed(attendance) or Reason.FORGOTTEN_CHECK_OUT in attendance.reasons


def _place(attendance: Attendance) -> tuple[datetime, UUID | None]:
    # Of two at the same moment the order must not hang on which was told first.
    return attendance.checked_in_at, attendance.shift_id or attendance.station_id


def _end(attendance: Attendance, next_at: datetime | None) -> tuple[datetime | None, bool]:
    """When it ended, None where it is open, and whether that was a check-in elsewhere."""
    if attendance.check_out_tapped_at is None:
        return next_at, next_at is not None
    left_at = max(attendance.check_out_tapped_at, attendance.checked_in_at)
    if next_at is None or left_at <= next_at:
        return left_at, False
    # Where she had checked out before, only what she says of the time after that is cut.
    return next_at, (attendance.counts_until_at or left_at) > next_at


def _differs(attendance: Attendance, next_at: datetime | None) -> bool:
    known = (attendance.checked_out_at, Reason.CHECKED_IN_ELSEWHERE in attendance.reasons)
    return known != _end(attendance, next_at)


def _bring(
    attendance: Attendance,
    next_at: datetime | None,
    here: Scene | None,
    *,
    later: Collection[UUID],
    memory: Memory | None,
) -> None:
    """Let one attendance be what its taps and the next check-in make of it; `later` come after it."""
    left_at, elsewhere = _end(attendance, next_at)
    tapped_at = attendance.check_out_tapped_at
    unfinished = UNFINISHED.intersection(attendance.reasons)
    if tapped_at is None and unfinished:
        # An earlier check-in lets it begin earlier; that nobody checked out, and what she claims, stays.
        attendance.reasons = list(attendance.check_in_reasons)
        claimed_at = attendance.claimed_left_at
        if here is None:
            _, here = scene.load(attendance.volunteer_id, attendance.id)
        waits = minutes_until(attendance, here, claimed_at) if claimed_at is not None else 0
        hold(attendance, map(Reason, unfinished), waits, here)
        return
    if left_at is None:
        reopen(attendance)
        return
    if here is None and memory is not None:
        here = memory.scene_of(attendance)
    elif here is None:
        _, here = scene.load(attendance.volunteer_id, attendance.id)
    attendance.checked_out_at = left_at
    if tapped_at is None:
        attendance.reasons = list(attendance.check_in_reasons)
        held_minutes = minutes_until(attendance, here, left_at)
        hold(attendance, {Reason.CHECKED_IN_ELSEWHERE}, held_minutes, here, memory=memory)
        return
    doubts = {Reason(code) for code in (*attendance.check_in_reasons, *(attendance.check_out_reasons or ()))}
    if elsewhere:
        doubts.add(Reason.CHECKED_IN_ELSEWHERE)
    if tapped_at < attendance.checked_in_at:
        doubts.add(Reason.OUTSIDE_WINDOW)
    settle(attendance, here, left_at, doubts, later=later, memory=memory)
