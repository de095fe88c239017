"""The review of what waits: a second person credits or rejects it, and says why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from volunteer_api.attendance import minutes as counting
from volunteer_api.attendance import queries, review_queries, scene
from volunteer_api.attendance import review_notices as notices
from volunteer_api.attendance.models import Attendance, Decision, Reason, State
from volunteer_api.attendance.problems import (
    AlreadyReviewed,
    BeyondAttendance,
    MinutesMissing,
    NeedsOrganizer,
    OwnReview,
    RecordedByYou,
    StillOpen,
)
from volunteer_api.attendance.scene import Scene
from volunteer_api.attendance.settling import says_the_same_as_rejected, set_held
from volunteer_api.core import audit, clock
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound, Problem
from volunteer_api.core.settings import rules, settings
from volunteer_api.hours import service as hours
from volunteer_api.hours.days import MINUTE, spread
from volunteer_api.hours.service import Credited
from volunteer_api.organizations.access import Permission, can
from volunteer_api.sign_ups.queries import lock_volunteer, lock_volunteers


@dataclass(frozen=True)
class Reviewed:
    """What came of one line of a bulk review: the attendance, or the refusal."""

    attendance_id: UUID | None
    attendance: Attendance | None
    refusal: Problem | None


@dataclass(frozen=True)
class Countable:
    """What of an attendance may count: an interval inside its frame, and at most so many minutes of it.

    `others` are what the ledger holds of the same local days for anything else: no minute is credited twice.
    `is_known`: taps or a claim say when it began and ended; else it may have been any part of the interval. `told` is
    what its ends say in any case, as the attendance shows them.
    """

    starts_at: datetime
    ends_at: datetime
    most: int
    others: Sequence[Credited]
    is_known: bool
    told: tuple[datetime, datetime]

    def interval(self, minutes: int) -> tuple[datetime, datetime]:
        """When so many of its minutes were."""
        if minutes <= self.room(*self.told):
            return self.told
        ends_at = self.ends_at if self.is_known else self.starts_at
        # Where nobody knows when she left, no more is said than is given beside what the ledger has for anything else.
        while (missing := minutes - self.room(self.starts_at, ends_at)) > 0 and ends_at < self.ends_at:
            ends_at = min(ends_at + missing * MINUTE, self.ends_at)
        return self.starts_at, ends_at

    def room(self, starts_at: datetime, ends_at: datetime) -> int:
        """How many minutes of an interval the ledger does not hold for anything else."""
        return hours.room_beside(self.others, starts_at, ends_at)


@dataclass(frozen=True)
class Word:
    """Whose word there is for service that an attendance does not show, and for how many minutes in all."""

    by: UUID
    minutes: int


def decide(
    *,
    attendance_id: UUID,
    reviewer_id: UUID,
    decision: Decision | str,
    credited_minutes: int | None = None,
    reason: str,
    correction: bool = True,
    word: Word | None = None,
    by_dispute: bool = False,
) -> Attendance:
    """Credit or reject an attendance that waits for review, or correct what was decided; tell the volunteer why.

    `credited_minutes` is what the attendance counts for in all, by default what it has and what waits; never more than
    it has inside its frame beside what the ledger credits for the same time; with somebody's `word`, who then stands
    for its end as at a roll-call, up to that and to the whole frame. One that was credited but flagged waits
    too: any decision ends the look at it, but only an organizer takes minutes away. With `correction` an organizer may
    also change one that was credited (the ledger takes the old minutes back and gets the new ones) or open one that was
    rejected; without it these are AlreadyReviewed, so that of two reviewers at once the second learns of the first.
    `by_dispute`: its decision tells her of what was taken back to be written anew.
    Whether the reviewer may decide there at all, the caller has judged; that it is not her own is judged here.

    Raises NotFound (404); OwnReview, RecordedByYou, NeedsOrganizer (403); StillOpen, AlreadyReviewed, MinutesMissing,
    BeyondAttendance (409). All of them before anything is written.
    """
    volunteer_id = review_queries.volunteer_of(attendance_id)
    if volunteer_id is None:
        raise NotFound()
    lock_volunteer(volunteer_id)
    return _decide(
        (volunteer_id, attendance_id),
        reviewer_id,
        Decision(decision),
        credited_minutes,
        reason,
        correction=correction,
        word=word,
        by_dispute=by_dispute,
    )


def decide_several(reviewer_id: UUID, lines: Sequence[Mapping[str, Any] | Problem]) -> list[Reviewed]:
    """Decide on up to a hundred attendances, each for itself; what can't be decided costs no other.

    The volunteers are held first, by one statement in the order of their ids. A line is what `decide` takes, or what
    is wrong with it. What the reviewer may not decide on is not there for her (404), except her own (403).
    """
    asked = [line["attendance_id"] for line in lines if not isinstance(line, Problem)]
    known = review_queries.reviewable(reviewer_id, asked)
    lock_volunteers(set(known.values()))
    return [_reviewed(reviewer_id, line, known) for line in lines]


def reviewed_view(results: Sequence[Reviewed]) -> dict[str, Any]:
    """The results of a bulk review as an answer shows them."""
    return {
        "results": [
            {
                "attendance_id": one.attendance_id,
                "status": one.refusal.status if one.refusal is not None else 200,
                "attendance": one.attendance,
                "problem": one.refusal.body() if one.refusal is not None else None,
            }
            for one in results
        ]
    }


def countable(attendance: Attendance, here: Scene) -> Countable:
    """What of an attendance may count at most; where nobody knows when it began or ended, the whole frame up to it."""
    came_at, left_at = _came_at(attendance), _left_at(attendance)
    frame = here.starts_at, here.ends_at
    starts_at, ends_at = counting.clip(came_at or here.starts_at, left_at or here.ends_at, *frame)
    shown_until = attendance.checked_out_at or attendance.claimed_left_at or attendance.checked_in_at
    told = counting.clip(attendance.checked_in_at, shown_until, *frame)
    days = clock.local_date(starts_at), clock.local_date(ends_at)
    others = hours.credited_on(attendance.volunteer_id, *days, besides={attendance.id})
    most = hours.room_beside(others, starts_at, ends_at)
    is_known = came_at is not None and left_at is not None
    return Countable(starts_at, ends_at, most, others, is_known, told)


def _in_whole_frame(attendance: Attendance, here: Scene) -> Countable:
    """What may count where somebody vouches for more than the ends show: from the check-in on, where that is enough.

    Of a shift that still runs, what is over of it.
    """
    ends_at = min(here.ends_at, clock.now())
    starts_at, _ = counting.clip(attendance.checked_in_at, ends_at, here.starts_at, ends_at)
    others = hours.credited_on(
        attendance.volunteer_id,
        clock.local_date(here.starts_at),
        clock.local_date(ends_at),
        besides={attendance.id},
    )
    most = hours.room_beside(others, here.starts_at, ends_at)
    return Countable(here.starts_at, ends_at, most, others, is_known=False, told=(starts_at, ends_at))


def _came_at(attendance: Attendance) -> datetime | None:
    """When it began, None where only an odd clock says so."""
    return None if Reason.CLOCK_ODD in attendance.check_in_reasons else attendance.checked_in_at


def _left_at(attendance: Attendance) -> datetime | None:
    """When it ended, None where nothing says so: a mistaken check-in elsewhere, or an odd clock, ended nothing."""
    if attendance.checked_out_at is None:
        return attendance.claimed_left_at
    if attendance.check_out_recorder_id is not None:
        return attendance.checked_out_at
    if Reason.CLOCK_ODD in (attendance.check_out_reasons or ()):
        return None
    tapped_at = attendance.check_out_tapped_at
    if tapped_at is not None:
        return tapped_at if tapped_at >= attendance.checked_in_at else None
    return None if Reason.CHECKED_IN_ELSEWHERE in attendance.reasons else attendance.checked_out_at


def _reviewed(reviewer_id: UUID, line: Mapping[str, Any] | Problem, known: Mapping[UUID, UUID]) -> Reviewed:
    if isinstance(line, Problem):
        return Reviewed(None, None, line)
    attendance_id = line["attendance_id"]
    try:
        if attendance_id not in known:
            raise NotFound()
        decided = _decide(
            (known[attendance_id], attendance_id),
            reviewer_id,
            line["decision"],
            line.get("credited_minutes"),
            line["reason"],
            correction=line["correction"],
        )
    except Problem as refusal:
        return Reviewed(attendance_id, None, refusal)
    return Reviewed(attendance_id, decided, None)


def _decide(
    whose: tuple[UUID, UUID],
    reviewer_id: UUID,
    decision: Decision,
    asked: int | None,
    reason: str,
    *,
    correction: bool,
    word: Word | None = None,
    by_dispute: bool = False,
) -> Attendance:
    """Decide on an attendance (`whose`: the held volunteer and the attendance)."""
    attendance, here = scene.load(*whose)
    before = attendance.state
    waited = attendance.credited_minutes + attendance.held_minutes
    _require_decidable(attendance, here, reviewer_id, decision, correction=correction)
    minutes, could, vouched = 0, None, None
    if decision is Decision.CREDIT:
        could = countable(attendance, here)
        if word is not None and asked is not None and could.most < asked <= word.minutes:
            vouched, could = word.by, _in_whole_frame(attendance, here)
        minutes = _minutes(attendance, could, asked)
        _require_room(here, reviewer_id, could, minutes)
    # What the ledger holds already is taken away only from above, and what a roll-call took back not by who took it.
    if minutes < attendance.credited_minutes or (minutes < waited and _took_back(attendance, reviewer_id)):
        _require_organizer(here, reviewer_id)
    if vouched is not None and could is not None:
        attendance.checked_in_at, attendance.checked_out_at = could.interval(minutes)
        attendance.check_out_recorder_id = vouched
    elif could is not None and attendance.checked_out_at is None:
        attendance.checked_out_at = attendance.claimed_left_at
    if minutes != attendance.credited_minutes:
        _write(attendance, here, could, minutes, reviewer_id, reason, tell=not by_dispute)
    set_held(attendance, here, 0)
    attendance.state = State.CREDITED if decision is Decision.CREDIT else State.REJECTED
    attendance.credited_minutes, attendance.flagged = minutes, False
    attendance.reviewed_by, attendance.reviewed_at = reviewer_id, clock.now()
    attendance.decision_reason = reason
    db.session.flush()
    _tell(attendance, here, reason, given_in_full=before != State.HELD or minutes >= waited)
    audit.record(
        AuditAction.ATTENDANCE_REVIEWED,
        actor_id=reviewer_id,
        subject_id=attendance.volunteer_id,
        organization_id=here.organization_id,
        attendance_id=str(attendance.id),
        decision=decision.value,
        before=before,
        minutes=minutes,
    )
    return attendance


def _require_decidable(
    attendance: Attendance, here: Scene, reviewer_id: UUID, decision: Decision, *, correction: bool
) -> None:
    if attendance.volunteer_id == reviewer_id:
        raise OwnReview()
    if attendance.state == State.OPEN:
        raise StillOpen(attendance)
    waits = attendance.state == State.HELD or attendance.flagged
    if not waits and not correction:
        raise AlreadyReviewed(attendance)
    if decision is Decision.CREDIT and reviewer_id in attendance.vouched_by:
        raise RecordedByYou()
    # Nor does a leader alone give what was decided against, told once more.
    if not waits or (decision is Decision.CREDIT and _was_rejected(attendance, here)):
        _require_organizer(here, reviewer_id)


def _was_rejected(attendance: Attendance, here: Scene) -> bool:
    """Whether somebody rejected the same before; also of an attendance that nobody checked out of, and none settled."""
    if attendance.check_out_tapped_at is not None:
        return Reason.REJECTED_BEFORE in attendance.reasons
    left_at = attendance.checked_out_at or attendance.claimed_left_at or here.ends_at
    return says_the_same_as_rejected(attendance, left_at, db.session.scalars(queries.around(attendance, left_at)))


def _took_back(attendance: Attendance, reviewer_id: UUID) -> bool:
    return Reason.MARKED_ABSENT in attendance.reasons and hours.was_taken_back_by(reviewer_id, attendance.id)


def _minutes(attendance: Attendance, could: Countable, asked: int | None) -> int:
    if asked is None:
        waits = attendance.credited_minutes + attendance.held_minutes
        if not could.is_known and waits > could.room(*could.told):
            # What it shows is credited for another one: whether it was before or after that, nobody knows.
            raise MinutesMissing()
        if attendance.state != State.REJECTED and (waits or could.is_known):
            asked = waits
        elif could.is_known:
            asked = could.most
        else:
            raise MinutesMissing()
    if asked > could.most:
        raise BeyondAttendance(could.most)
    return asked


def _require_room(here: Scene, reviewer_id: UUID, could: Countable, minutes: int) -> None:
    days = hours.minutes_by_day(could.others)
    for day, part in spread(minutes, *could.interval(minutes), settings().zone).items():
        if part and days.get(day, 0) + part > rules().most_minutes_a_day:
            _require_organizer(here, reviewer_id)


def _write(
    attendance: Attendance,
    here: Scene,
    could: Countable | None,
    minutes: int,
    reviewer_id: UUID,
    reason: str,
    *,
    tell: bool,
) -> None:
    """Let the ledger hold so many minutes for the attendance, and no others."""
    if attendance.credited_minutes:
        hours.take_back(
            attendance_id=attendance.id,
            reason=reason,
            actor_id=reviewer_id,
            minutes_to_follow=minutes if could is not None else 0,
            tell=tell,
        )
    if could is None:
        return
    starts_at, ends_at = could.interval(minutes)
    hours.credit(
        volunteer_id=attendance.volunteer_id,
        minutes=minutes,
        activity=here.activity,
        shift=here.shift,
        station=here.station,
        starts_at=starts_at,
        ends_at=ends_at,
        attendance_id=attendance.id,
        team_id=here.team_id,
        leader_id=here.leader_id,
        recorder_id=attendance.check_out_recorder_id or attendance.check_in_recorder_id,
        approver_id=reviewer_id,
        reason=reason,
    )


def _require_organizer(here: Scene, reviewer_id: UUID) -> None:
    if not can(reviewer_id, Permission.HOURS_REVIEW, organization_id=here.organization_id):
        raise NeedsOrganizer()


def _tell(attendance: Attendance, here: Scene, reason: str, *, given_in_full: bool) -> None:
    """Tell of what was not given; of minutes that were given or taken back the ledger's own notices tell."""
    once = str(attendance.reviewed_at)
    if attendance.state == State.REJECTED:
        notices.tell(notices.REJECTED, attendance, here, once=once, reason=reason)
    elif not given_in_full or attendance.credited_minutes == 0:
        minutes = str(attendance.credited_minutes)
        notices.tell(notices.REVIEWED, attendance, here, once=once, reason=reason, minutes=minutes)
