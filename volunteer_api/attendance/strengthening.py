"""What a leader's word that somebody was there does to the attendance: its ends become strong, and it is settled."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from volunteer_api.activities.models import Shift
from volunteer_api.attendance import review_notices as notices
from volunteer_api.attendance import timeline
from volunteer_api.attendance.grading import weaker
from volunteer_api.attendance.memory import draft
from volunteer_api.attendance.models import Attendance, Grade, Reason, State
from volunteer_api.attendance.problems import AlreadyCredited, AlreadyReviewed, LeftBeforeArrival
from volunteer_api.attendance.roll_call_queries import Person
from volunteer_api.attendance.scene import Scene
from volunteer_api.attendance.settling import count_end, in_order, set_held, settle
from volunteer_api.core import ids
from volunteer_api.core.database import db

# What is looked at anew each time that an attendance is settled.
JUDGED_ANEW = {
    Reason.OVERLAPPING,
    Reason.DAILY_LIMIT,
    Reason.NEEDS_ORGANIZER,
    Reason.BELOW_MINIMUM,
    Reason.IMPOSSIBLE_TRAVEL,
    Reason.NOT_SIGNED_UP,
    Reason.MARKED_ABSENT,
    Reason.REJECTED_BEFORE,
    Reason.EARLIER_CHECK_IN,
    Reason.LATER_CHECK_OUT,
}
# What a phone's evidence gave to doubt.
OF_EVIDENCE = {Reason.WEAK_EVIDENCE, Reason.CLOCK_ODD, Reason.OUTSIDE_WINDOW, Reason.CODE_ELSEWHERE}


class RollCall(Protocol):
    """Who takes it, of which shift, and when."""

    @property
    def shift(self) -> Shift: ...
    @property
    def by(self) -> UUID: ...
    @property
    def now(self) -> datetime: ...
    def scene_of(self, person: Person, arrived_at: datetime | None = None) -> Scene: ...


@dataclass(frozen=True)
class _Ends:
    """When the person came and left once the leader's word counts, and which end it made strong."""

    arrived_at: datetime
    left_at: datetime | None
    vouches_arrival: bool
    vouches_leaving: bool
    # Where a check-in elsewhere closed it, the leader named a time before that.
    left_in_order: bool


def is_leaders_word(attendance: Attendance) -> bool:
    """Whether nobody but a leader ever said that the volunteer was there."""
    return (
        attendance.check_in_recorder_id is not None
        and not attendance.check_in_evidence
        and not attendance.check_out_evidence
        and attendance.claimed_at is None
    )


def begin(call: RollCall, person: Person, arrived_at: datetime, left_at: datetime | None) -> Attendance:
    """The attendance of somebody who gave no sign herself; open where nobody said when she left."""
    here = call.scene_of(person, arrived_at)
    doubts = set() if here.expected else {Reason.NOT_SIGNED_UP}
    # One that is open ends at what began elsewhere after it, which may change too.
    beside = person.beside if left_at is not None or person.elsewhere is None else None
    attendance = (Attendance if beside is None else draft)(
        id=ids.new_id(),
        volunteer_id=person.id,
        shift_id=call.shift.id,
        created_at=call.now,
        # Never open where it is over already: another one may be.
        state=State.OPEN if left_at is None else State.HELD,
        checked_in_at=arrived_at,
        check_in_grade=Grade.STRONG,
        grade=Grade.STRONG,
        credited_minutes=0,
        held_minutes=0,
        reasons=in_order(doubts),
        check_in_reasons=in_order(doubts),
        check_in_evidence={},
        check_in_remarks=[],
        check_out_remarks=[],
        check_in_recorder_id=call.by,
        flagged=False,
    )
    if left_at is None and beside is None:
        timeline.put_in_order(attendance, since=arrived_at, here=here, alone=person.elsewhere is None)
        return attendance
    if beside is None:
        # Written by what settles it, in one statement.
        db.session.add(attendance)
    else:
        beside.keep(attendance)
    if left_at is None:
        return attendance
    attendance.checked_out_at, attendance.check_out_grade = left_at, Grade.STRONG
    attendance.check_out_recorder_id = call.by
    settle(attendance, here, left_at, doubts, memory=beside)
    count_end(attendance)
    if attendance.state == State.HELD and beside is None:
        notices.tell(notices.HELD, attendance, here)
    elif attendance.state == State.HELD and beside is not None:
        beside.gathered.notices.append(notices.notice(notices.HELD, attendance, here))
    return attendance


def strengthen(
    call: RollCall,
    person: Person,
    attendance: Attendance,
    arrived_at: datetime | None,
    named_left_at: datetime | None,
    left_at: datetime | None,
) -> bool:
    """Let the leader's word count for an attendance that is not settled; whether it changed anything.

    What the volunteer proved herself stands: a time that the leader names replaces only a weak one, or one that a
    roll-call gave. `left_at` is what is assumed where `named_left_at` is None. Raises AlreadyReviewed or
    AlreadyCredited for other times of a settled attendance, LeftBeforeArrival (409); all before anything is written.
    """
    if attendance.reviewed_by is not None or attendance.credited_minutes or attendance.state == State.CREDITED:
        if _says_else(person, attendance, arrived_at, named_left_at):
            raise (AlreadyCredited if attendance.reviewed_by is None else AlreadyReviewed)(attendance)
        return False
    ends = _ends(call, attendance, arrived_at, named_left_at, left_at)
    if ends.left_at is not None and ends.left_at < ends.arrived_at:
        raise LeftBeforeArrival()
    if not (ends.vouches_arrival or ends.vouches_leaving or Reason.MARKED_ABSENT in attendance.reasons):
        return False
    _apply(call, person, attendance, ends)
    return True


def _says_else(
    person: Person, attendance: Attendance, arrived_at: datetime | None, named_left_at: datetime | None
) -> bool:
    """Whether the leader names other times than the attendance has, which she had not named before."""
    mark = person.mark
    if mark is not None and (mark.arrived_at, mark.left_at) == (arrived_at, named_left_at):
        return False
    return arrived_at not in (None, attendance.checked_in_at) or named_left_at not in (None, attendance.checked_out_at)


def _ends(
    call: RollCall,
    attendance: Attendance,
    arrived_at: datetime | None,
    named_left_at: datetime | None,
    left_at: datetime | None,
) -> _Ends:
    came = attendance.checked_in_at
    own_roll_call = attendance.check_in_recorder_id is not None and not attendance.check_in_evidence
    # What a better tap proved stands, and what lies beside it waits for somebody else to look at.
    is_proven = attendance.counts_from_at is not None and attendance.check_in_grade != Grade.WEAK
    vouches_arrival = not is_proven and (
        attendance.check_in_grade != Grade.STRONG
        or (own_roll_call and arrived_at not in (None, attendance.checked_in_at))
    )
    if vouches_arrival and attendance.check_in_grade != Grade.MEDIUM:
        came = arrived_at or (call.shift.starts_at if Reason.CLOCK_ODD in attendance.check_in_reasons else came)
    went = attendance.checked_out_at
    closed_at = went if Reason.CHECKED_IN_ELSEWHERE in attendance.reasons else None
    own_roll_call = attendance.check_out_recorder_id is not None and not attendance.check_out_evidence
    is_proven = attendance.counts_until_at is not None and attendance.check_out_grade != Grade.WEAK
    vouches_leaving = (
        left_at is not None
        and not is_proven
        and (
            attendance.check_out_grade != Grade.STRONG
            or (own_roll_call and named_left_at not in (None, attendance.checked_out_at))
        )
    )
    if vouches_leaving and attendance.check_out_grade != Grade.MEDIUM:
        said = _said_herself(attendance)
        went = named_left_at or (left_at if said is None else max(said, came))
    if closed_at is not None and went is not None:
        went = min(went, closed_at)
    in_order = closed_at is None or (named_left_at is not None and named_left_at <= closed_at)
    return _Ends(came, went, vouches_arrival, vouches_leaving, in_order)


def _said_herself(attendance: Attendance) -> datetime | None:
    """When the volunteer says that she left, by a check-out whose clock can be believed or a claim."""
    if attendance.check_out_evidence is None:
        return attendance.claimed_left_at
    return None if Reason.CLOCK_ODD in (attendance.check_out_reasons or ()) else attendance.check_out_tapped_at


def _apply(call: RollCall, person: Person, attendance: Attendance, ends: _Ends) -> None:
    here = call.scene_of(person, ends.arrived_at)
    doubts = {Reason(code) for code in attendance.reasons} - JUDGED_ANEW
    if not here.expected:
        doubts.add(Reason.NOT_SIGNED_UP)
    if ends.vouches_arrival:
        attendance.checked_in_at, attendance.check_in_grade = ends.arrived_at, Grade.STRONG
        attendance.check_in_recorder_id, attendance.counts_from_at = call.by, None
        # What came after the roll-call, as her own check-out, is judged beside this.
        came = {Reason(code) for code in attendance.check_in_reasons} - OF_EVIDENCE
        if not here.expected:
            came.add(Reason.NOT_SIGNED_UP)
        attendance.check_in_reasons = in_order(came)
    if ends.vouches_leaving:
        attendance.checked_out_at, attendance.check_out_grade = ends.left_at, Grade.STRONG
        attendance.check_out_recorder_id, attendance.counts_until_at = call.by, None
        doubts -= timeline.UNFINISHED
        if ends.left_in_order:
            doubts.discard(Reason.CHECKED_IN_ELSEWHERE)
    known = [Grade(one) for one in (attendance.check_in_grade, attendance.check_out_grade) if one is not None]
    attendance.grade = weaker(known[0], known[-1])
    if attendance.grade == Grade.STRONG:
        doubts -= OF_EVIDENCE
    else:
        # Of an end that stands as it was proven, what there is to doubt of it stays.
        stays = [] if ends.vouches_arrival else attendance.check_in_reasons
        stays = [*stays, *(() if ends.vouches_leaving else attendance.check_out_reasons or ())]
        doubts -= OF_EVIDENCE - {Reason(code) for code in stays}
    if attendance.checked_out_at is not None:
        beside = person.beside
        if beside is not None and beside.is_recorded(attendance):
            beside = None
        # Counted from nothing, as all that is settled.
        set_held(attendance, here, 0, memory=beside)
        settle(attendance, here, attendance.checked_out_at, doubts, memory=beside)
    else:
        attendance.reasons = in_order(doubts)
