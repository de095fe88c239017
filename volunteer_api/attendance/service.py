"""Check-in and check-out: nobody is turned away for weak evidence, and nothing weak is credited unseen."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.attendance import minutes, presence_code, queries
from volunteer_api.attendance.effective_time import EffectiveTime, effective_time
from volunteer_api.attendance.evidence import Usable, usable
from volunteer_api.attendance.grading import Fence, grade, weaker
from volunteer_api.attendance.models import Attendance, Grade, Reason, State
from volunteer_api.attendance.presence_code import PresenceCode
from volunteer_api.attendance.problems import AlreadyCheckedIn, AlreadyCheckedOut
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.periods import Period
from volunteer_api.core.problems import NotFound
from volunteer_api.core.settings import rules, settings
from volunteer_api.hours import service as hours
from volunteer_api.hours.tallies import Part
from volunteer_api.sign_ups.problems import Canceled, NotPublished
from volunteer_api.sign_ups.queries import lock_volunteer

NOT_YET_PUBLIC = (ActivityState.DRAFT, ActivityState.SUBMITTED)
CHECK_OUT_CLOSES = timedelta(hours=2)


@dataclass(frozen=True)
class ShownCodes:
    """What a leader's phone shows: the present code, and those for the rest of the shift."""

    code: str
    qr: str
    valid_from: datetime
    valid_until: datetime
    codes: list[PresenceCode]


@dataclass(frozen=True)
class FullTally:
    """The sum of the ledger over a period, with what still waits for review beside it."""

    credited_minutes: int
    held_minutes: int
    activity_count: int
    by_period: list[Part]


def check_in(*, volunteer_id: UUID, shift_id: UUID, evidence: dict[str, Any]) -> Attendance:
    """Begin an attendance at a shift; of two without a check-out the one begun earlier is closed and held.

    That may be this one, told late by a phone without network. `evidence` has `client_time` as an aware moment.
    Raises NotFound (404), NotPublished, Canceled or AlreadyCheckedIn (409).
    """
    received_at = clock.now()
    lock_volunteer(volunteer_id)
    scene = db.session.execute(queries.scene_of_check_in(volunteer_id, shift_id)).one_or_none()
    if scene is None:
        raise NotFound()
    shift: Shift = scene.Shift
    _require_open_to_attendance(shift, scene.Activity, knows=scene.leads or scene.Activity.created_by == volunteer_id)
    if scene.same is not None:
        raise AlreadyCheckedIn(scene.same)
    given = usable(evidence)
    tapped = _tapped(given, received_at)
    graded = _grade(scene, given, tapped)
    window = (shift.starts_at - timedelta(minutes=rules().check_in_opens_minutes), shift.ends_at)
    attendance = Attendance(
        volunteer_id=volunteer_id,
        shift_id=shift_id,
        created_at=received_at,
        checked_in_at=tapped.moment,
        check_in_grade=graded,
        grade=graded,
        reasons=_in_order(_doubts(scene, graded, tapped, window)),
        check_in_evidence=evidence,
    )
    known: Attendance | None = scene.Attendance
    if known is not None and tapped.moment < known.checked_in_at:
        _close_and_hold(attendance, shift, known.checked_in_at)
    elif known is not None:
        _close_and_hold(known, scene.open_shift, tapped.moment)
        # Now, or the unit of work inserts the new one first, against the rule of one open attendance.
        db.session.flush()
    db.session.add(attendance)
    db.session.flush()
    return attendance


def check_out(*, attendance: Attendance, evidence: dict[str, Any]) -> Attendance:
    """End an attendance: credit its minutes, or hold them for review with the reasons.

    One that a check-in elsewhere closed takes its check-out still, once. Raises AlreadyCheckedOut (409).
    """
    received_at = clock.now()
    volunteer_id = attendance.volunteer_id
    lock_volunteer(volunteer_id)
    scene = db.session.execute(queries.scene_of_check_out(volunteer_id, attendance.id)).one()
    if attendance.state != State.OPEN and not _waits_for_check_out(attendance):
        raise AlreadyCheckedOut(attendance)
    shift: Shift = scene.Shift
    given = usable(evidence)
    tapped = _tapped(given, received_at)
    left_at = max(tapped.moment, attendance.checked_in_at)
    doubts = {Reason(code) for code in attendance.reasons}
    if attendance.checked_out_at is not None:
        # It was closed by the next check-in: whoever left before that left in good order.
        if left_at <= attendance.checked_out_at:
            doubts.discard(Reason.CHECKED_IN_ELSEWHERE)
        left_at = min(left_at, attendance.checked_out_at)
    graded = _grade(scene, given, tapped)
    attendance.checked_out_at = left_at
    attendance.check_out_evidence = evidence
    attendance.check_out_grade = graded
    attendance.grade = weaker(Grade(attendance.check_in_grade), graded)
    window = (attendance.checked_in_at, shift.ends_at + CHECK_OUT_CLOSES)
    doubts |= _doubts(scene, graded, tapped, window)
    if shift.canceled_at is not None:
        doubts.add(Reason.OUTSIDE_WINDOW)
    _settle(attendance, left_at, scene, doubts)
    return attendance


def codes_to_show(shift: Shift) -> ShownCodes:
    """The presence codes of a shift from now, or from when check-in opens, to its end."""
    now = clock.now()
    present = presence_code.code_at(shift.id, now)
    opens_at = shift.starts_at - timedelta(minutes=rules().check_in_opens_minutes)
    return ShownCodes(
        code=present.code,
        qr=presence_code.qr_text(shift.id, present.code),
        valid_from=present.valid_from,
        valid_until=present.valid_until,
        codes=list(presence_code.codes_between(shift.id, max(now, opens_at), shift.ends_at)),
    )


def attendances_of(volunteer_id: UUID, query: dict[str, Any]) -> Page:
    """A volunteer's attendances, newest first."""
    keys = [Key(Attendance.id, read=lambda item: item.id, descending=True)]
    return page(queries.of_volunteer(volunteer_id), keys, query, scope=str(volunteer_id))


def attendances_at(shift: Shift, query: dict[str, Any]) -> Page:
    """A shift's attendances in the order in which they were received."""
    return page(queries.of_shift(shift.id), [Key(Attendance.id, read=lambda row: row.id)], query, scope=str(shift.id))


def tally(volunteer_id: UUID, period: Period) -> FullTally:
    """The sum of a volunteer's ledger over a period, and the minutes of its shifts that wait for review."""
    credited = hours.tally(volunteer_id, period)
    return FullTally(
        credited_minutes=credited.credited_minutes,
        held_minutes=int(db.session.scalars(queries.held_minutes(volunteer_id, period)).one()),
        activity_count=credited.activity_count,
        by_period=credited.by_period,
    )


def _require_open_to_attendance(shift: Shift, activity: Activity, *, knows: bool) -> None:
    # A completed activity takes check-ins still, and one canceled later those of the shifts that were held: a phone
    # without network tells late of what happened in time.
    if activity.state in NOT_YET_PUBLIC:
        raise NotPublished() if knows else NotFound()
    if shift.canceled_at is not None or activity.published_at is None:
        raise Canceled()


def _waits_for_check_out(attendance: Attendance) -> bool:
    """Whether a check-in elsewhere closed it, and its own check-out may still come from a phone without network."""
    return (
        attendance.state == State.HELD
        and Reason.CHECKED_IN_ELSEWHERE in attendance.reasons
        and attendance.check_out_evidence is None
    )


def _tapped(given: Usable, received_at: datetime) -> EffectiveTime:
    return effective_time(
        received_at=received_at,
        client_time=given.client_time,
        delay_ms=given.delay_ms,
        delay_is_odd=given.delay_is_odd,
        late_hours=rules().late_evidence_hours,
        future_seconds=rules().future_evidence_seconds,
    )


def _grade(scene: Any, given: Usable, tapped: EffectiveTime) -> Grade:
    activity: Activity = scene.Activity
    center = activity.place
    return grade(
        code_is_valid=given.code is not None and presence_code.is_valid(given.code, scene.Shift.id, tapped.said_at),
        sees_code=bool(scene.leads),
        signed_up=scene.sign_up_id is not None,
        fence=Fence((center["lat"], center["lng"]), activity.radius_m or rules().fence_m) if center else None,
        place=given.place,
        accuracy_m=given.accuracy_m,
        accuracy_cap_m=rules().accuracy_cap_m,
    )


def _doubts(scene: Any, graded: Grade, tapped: EffectiveTime, window: tuple[datetime, datetime]) -> set[Reason]:
    """What one end gives a reviewer to look at."""
    opens_at, closes_at = window
    found = {
        Reason.WEAK_EVIDENCE: graded is Grade.WEAK,
        Reason.NOT_SIGNED_UP: scene.sign_up_id is None,
        Reason.OUTSIDE_WINDOW: not opens_at <= tapped.moment <= closes_at,
        Reason.CLOCK_ODD: tapped.is_odd,
    }
    return {reason for reason, applies in found.items() if applies}


def _settle(attendance: Attendance, left_at: datetime, scene: Any, doubts: set[Reason]) -> None:
    """Credit or hold what the attendance was worth."""
    shift: Shift = scene.Shift
    starts_at, ends_at = minutes.clip(attendance.checked_in_at, left_at, shift.starts_at, shift.ends_at)
    known = hours.credited_on(attendance.volunteer_id, clock.local_date(starts_at), clock.local_date(ends_at))
    counted = minutes.count(
        starts_at,
        ends_at,
        already=hours.minutes_by_day(known),
        limit=rules().credited_minutes_a_day,
        zone=settings().zone,
    )
    if any(record.starts_at < ends_at and starts_at < record.ends_at for record in known):
        doubts = doubts | {Reason.OVERLAPPING}
    if doubts:
        attendance.state, attendance.held_minutes = State.HELD, counted.minutes
    else:
        attendance.state = State.HELD if counted.over_limit else State.CREDITED
        attendance.held_minutes, attendance.credited_minutes = counted.over_limit, counted.within_limit
        hours.credit(
            volunteer_id=attendance.volunteer_id,
            minutes=counted.within_limit,
            activity=scene.Activity,
            shift=shift,
            starts_at=starts_at,
            ends_at=ends_at,
            attendance_id=attendance.id,
            team_id=scene.team_id,
            leader_id=scene.leader_id,
        )
    if counted.over_limit:
        doubts = doubts | {Reason.DAILY_LIMIT}
    attendance.reasons = _in_order(doubts)
    db.session.flush()


def _close_and_hold(attendance: Attendance, shift: Shift | None, next_at: datetime) -> None:
    """End an attendance that nobody checked out of at the check-in elsewhere that came after it."""
    attendance.checked_out_at = next_at
    if shift is not None:
        starts_at, ends_at = minutes.clip(attendance.checked_in_at, next_at, shift.starts_at, shift.ends_at)
        attendance.held_minutes = minutes.count(
            starts_at, ends_at, already={}, limit=rules().credited_minutes_a_day, zone=settings().zone
        ).minutes
    attendance.state = State.HELD
    attendance.reasons = _in_order({Reason.CHECKED_IN_ELSEWHERE, *map(Reason, attendance.reasons)})


def _in_order(reasons: Iterable[Reason]) -> list[str]:
    chosen = set(reasons)
    return [reason.value for reason in Reason if reason in chosen]
