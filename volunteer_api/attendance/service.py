"""Check-in and check-out: nobody is turned away for weak evidence, and nothing weak is credited unseen."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.activities.problems import Canceled, NotPublished
from volunteer_api.activities.queries import lock_volunteer
from volunteer_api.attendance import minutes, presence_code, queries
from volunteer_api.attendance.effective_time import EffectiveTime, effective_time
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
from volunteer_api.hours.service import PeriodMinutes

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
    by_period: list[PeriodMinutes]


def check_in(*, volunteer_id: UUID, shift_id: UUID, evidence: dict[str, Any]) -> Attendance:
    """Begin an attendance at a shift; an open one at another shift is closed and held.

    Raises NotFound (404), NotPublished, Canceled or AlreadyCheckedIn (409).
    """
    received_at = clock.now()
    lock_volunteer(volunteer_id)
    scene = db.session.execute(queries.scene_of_check_in(volunteer_id, shift_id)).one_or_none()
    if scene is None:
        raise NotFound()
    shift: Shift = scene.Shift
    _require_open_to_attendance(shift, scene.Activity)
    tapped = _tapped(evidence, received_at)
    if scene.Attendance is not None:
        if scene.Attendance.shift_id == shift_id:
            raise AlreadyCheckedIn(scene.Attendance)
        _close_and_hold(scene.Attendance, scene.earlier_shift, tapped.moment)
    graded = _grade(scene, evidence, tapped)
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
    db.session.add(attendance)
    db.session.flush()
    return attendance


def check_out(*, attendance: Attendance, evidence: dict[str, Any]) -> Attendance:
    """End an attendance: credit its minutes, or hold them for review with the reasons.

    Raises AlreadyCheckedOut (409).
    """
    received_at = clock.now()
    volunteer_id = attendance.volunteer_id
    lock_volunteer(volunteer_id)
    scene = db.session.execute(queries.scene_of_check_out(volunteer_id, attendance.id)).one()
    if attendance.state != State.OPEN:
        raise AlreadyCheckedOut(attendance)
    shift: Shift = scene.Shift
    tapped = _tapped(evidence, received_at)
    attendance.checked_out_at = tapped.moment
    attendance.check_out_evidence = evidence
    attendance.check_out_grade = _grade(scene, evidence, tapped)
    attendance.grade = weaker(Grade(attendance.check_in_grade), Grade(attendance.check_out_grade))
    window = (attendance.checked_in_at, shift.ends_at + CHECK_OUT_CLOSES)
    doubts = _doubts(scene, Grade(attendance.check_out_grade), tapped, window)
    if shift.canceled_at is not None:
        doubts.add(Reason.OUTSIDE_WINDOW)
    _settle(attendance, tapped.moment, scene, doubts | {Reason(code) for code in attendance.reasons})
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


def _require_open_to_attendance(shift: Shift, activity: Activity) -> None:
    # A completed activity takes check-ins still: a phone without network tells late of what happened in time.
    if activity.state in NOT_YET_PUBLIC:
        raise NotPublished()
    if shift.canceled_at is not None or activity.state == ActivityState.CANCELED:
        raise Canceled()


def _tapped(evidence: dict[str, Any], received_at: datetime) -> EffectiveTime:
    return effective_time(
        received_at=received_at,
        client_time=evidence["client_time"],
        delay_ms=evidence.get("delay_ms"),
        late_hours=rules().late_evidence_hours,
        future_seconds=rules().future_evidence_seconds,
    )


def _grade(scene: Any, evidence: dict[str, Any], tapped: EffectiveTime) -> Grade:
    activity: Activity = scene.Activity
    code, place = evidence.get("code"), evidence.get("place")
    center = activity.place
    return grade(
        code_is_valid=code is not None and presence_code.is_valid(code, scene.Shift.id, tapped.moment),
        sees_code=bool(scene.leads),
        signed_up=scene.sign_up_id is not None,
        fence=Fence((center["lat"], center["lng"]), activity.radius_m or rules().fence_m) if center else None,
        place=(place["lat"], place["lng"]) if place else None,
        accuracy_m=evidence.get("accuracy_m") or 0.0,
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


def _close_and_hold(attendance: Attendance, shift: Shift | None, moment: datetime) -> None:
    """End an attendance that nobody checked out of, because its volunteer turned up elsewhere."""
    attendance.checked_out_at = max(moment, attendance.checked_in_at)
    if shift is not None:
        starts_at, ends_at = minutes.clip(
            attendance.checked_in_at, attendance.checked_out_at, shift.starts_at, shift.ends_at
        )
        attendance.held_minutes = minutes.count(
            starts_at, ends_at, already={}, limit=rules().credited_minutes_a_day, zone=settings().zone
        ).minutes
    attendance.state = State.HELD
    attendance.reasons = _in_order({Reason.CHECKED_IN_ELSEWHERE, *map(Reason, attendance.reasons)})
    # Now, or the unit of work inserts the new one first, against the rule of one open attendance.
    db.session.flush()


def _in_order(reasons: Iterable[Reason]) -> list[str]:
    chosen = set(reasons)
    return [reason.value for reason in Reason if reason in chosen]
