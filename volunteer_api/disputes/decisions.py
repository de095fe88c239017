"""Deciding a dispute, and carrying the decision out in the same unit.

Nobody makes hours alone: whoever decides has neither recorded, approved, reviewed, led nor confirmed what is disputed.
An attendance is reviewed anew, and the ledger follows; of more than its ends show, who confirmed it stands for the end
as at a roll-call. A record without one is taken back and written anew; it keeps
its recorder, and who decided is its approver. Of a shift with nothing recorded, and of more than was recorded, who
confirmed the service is the recorder and who decides the approver: never of more than was confirmed.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from volunteer_api.activities.leaders import leaders_of_one
from volunteer_api.attendance import review
from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.problems import BeyondAttendance, MinutesMissing
from volunteer_api.core import audit, clock
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.disputes import notices, parties, problems, queries
from volunteer_api.disputes.models import Decision, Dispute, DisputeState, StepKind
from volunteer_api.disputes.queries import Matter
from volunteer_api.disputes.trail import hold_open, write_step
from volunteer_api.hours import service as hours
from volunteer_api.hours.days import MINUTE, whole_minutes
from volunteer_api.hours.models import ServiceRecord, Source
from volunteer_api.hours.queries import team_signed_up_for

NOTICES = {
    Decision.UPHELD: notices.UPHELD,
    Decision.PARTLY: notices.PARTLY,
    Decision.REJECTED: notices.REJECTED,
}


def decide(
    dispute: Dispute, *, by: UUID, decision: Decision, reason: str, credited_minutes: int | None = None
) -> Dispute:
    """Decide on an open dispute; what it gives stands in the ledger with the same commit.

    `credited_minutes` is what the service counts for in all, by default what was claimed (of an attendance: what it has
    and what waits). A rejection changes nothing. Raises DisputeOver (409), Involved (403), and what carrying it out
    raises: LessThanCounts, MinutesMissing, NeedsConfirmation, BeyondService, and the refusals of
    `attendance.review.decide` (409).
    """
    held = hold_open(dispute)
    matter = queries.subject_of(held)
    involved = parties.parties_of(matter, held.volunteer_id)
    if by in involved.everybody or by in (held.volunteer_id, held.confirmed_by):
        raise problems.Involved()
    if decision is not Decision.REJECTED:
        asked = credited_minutes if credited_minutes is not None else held.claimed_minutes
        _require_no_less(held, matter, asked)
        # What the ledger keeps is in the language of the records.
        held.credited_minutes = _carry_out(held, matter, by, asked, f"申诉：{reason}")
    held.recorder_id, held.approver_id, held.leader_id = (
        next(iter(people), None) for people in (involved.recorders, involved.approvers, involved.leaders)
    )
    held.decided_by, held.state, held.closed_at = by, DisputeState(decision), clock.now()
    db.session.flush()
    step = write_step(held, StepKind.DECIDED, by, reason)
    minutes = str(held.credited_minutes or 0)
    notices.tell_volunteer(NOTICES[decision], held, step.id, reason=reason, minutes=minutes)
    audit.record(
        AuditAction.DISPUTE_DECIDED,
        actor_id=by,
        subject_id=held.volunteer_id,
        organization_id=held.organization_id,
        dispute_id=str(held.id),
        decision=decision.value,
        minutes=held.credited_minutes,
    )
    return held


def _require_no_less(held: Dispute, matter: Matter, asked: int | None) -> None:
    """A dispute takes nothing away, but where the volunteer herself says that it was less. Raises LessThanCounts."""
    counts = 0
    if matter.attendance is not None:
        counts = matter.attendance.credited_minutes
    elif matter.record is not None and queries.reversal_of(matter.record.id) is None:
        counts = max(matter.record.minutes, 0)
    least = counts if held.claimed_minutes is None else min(counts, held.claimed_minutes)
    if asked is not None and asked < least:
        raise problems.LessThanCounts(least=least, members={"least": least})


def _carry_out(held: Dispute, matter: Matter, by: UUID, asked: int | None, reason: str) -> int:
    """Let the service count for so many minutes; returns how many."""
    if matter.attendance is not None:
        return _review(held, matter.attendance, matter, by, asked, reason)
    if matter.record is not None:
        return _correct(held, matter.record, matter, by, asked, reason)
    return _backfill(held, matter, by, asked, reason)


def _review(held: Dispute, attendance: Attendance, matter: Matter, by: UUID, asked: int | None, reason: str) -> int:
    """Let an attendance count for what is asked: for more than it shows, on the word of who confirmed it."""
    if asked is None and (held.confirmed_minutes or 0) > attendance.credited_minutes + attendance.held_minutes:
        # What was confirmed gives more, and takes nothing that nobody spoke of.
        asked = held.confirmed_minutes
    word = None
    if held.confirmed_by is not None and held.confirmed_minutes is not None:
        word = review.Word(held.confirmed_by, held.confirmed_minutes)
    try:
        decided = review.decide(
            attendance_id=attendance.id,
            reviewer_id=by,
            decision="credit",
            credited_minutes=asked,
            reason=reason,
            word=word,
            by_dispute=True,
        )
    except BeyondAttendance as refusal:
        # That tells to file a dispute: this is one.
        whole = whole_minutes(*matter.frame) if matter.frame is not None else None
        if asked is not None and whole is not None and asked > whole:
            raise problems.BeyondService(whole) from None
        if asked is not None and whole is not None:
            _confirmed_by(held, asked)
        raise problems.BeyondService(refusal.members["most_minutes"]) from None
    return decided.credited_minutes


def _correct(held: Dispute, record: ServiceRecord, matter: Matter, by: UUID, asked: int | None, reason: str) -> int:
    """Take a record that no attendance stands behind back, if that was not done, and write it anew."""
    original = record if record.reverses_id is None else db.session.get_one(ServiceRecord, record.reverses_id)
    if asked is None and (held.confirmed_minutes or 0) > (original.minutes if record.reverses_id is None else 0):
        asked = held.confirmed_minutes
    if asked is None:
        raise MinutesMissing()
    recorder_id = original.recorder_id
    if recorder_id is None or asked > original.minutes:
        recorder_id = _confirmed_by(held, asked)
    if record.reverses_id is not None:
        _require_nothing_recorded(original.volunteer_id, matter)
    elif queries.reversal_of(record.id) is None:
        hours.reverse(record_id=record.id, reason=reason, actor_id=by, minutes_to_follow=asked, tell=False)
    starts_at, ends_at = original.starts_at, original.ends_at
    if asked > whole_minutes(starts_at, ends_at) and matter.frame is not None:
        starts_at, ends_at = matter.frame
        if matter.shift is None:
            # Of a duty that was longer nobody knows when: no more is said than is given.
            ends_at = min(ends_at, starts_at + asked * MINUTE)
    _require_room(original.volunteer_id, starts_at, ends_at, asked)
    if asked:
        kept: dict[str, Any] = {name: getattr(original, name) for name in hours.KEPT_BY_REVERSAL}
        _write(
            **kept
            | {"source": Source.BACKFILLED, "starts_at": starts_at, "ends_at": ends_at, "minutes": asked}
            | {"recorder_id": recorder_id, "approver_id": by, "reason": reason}
        )
    return asked


def _backfill(held: Dispute, matter: Matter, by: UUID, asked: int | None, reason: str) -> int:
    """Write what nobody recorded, on the word of who confirmed it."""
    minutes = asked if asked is not None else held.confirmed_minutes
    if minutes is None or matter.shift is None or matter.activity is None:
        raise problems.NeedsConfirmation()
    confirmed_by = _confirmed_by(held, minutes)
    _require_nothing_recorded(held.volunteer_id, matter)
    starts_at, ends_at = matter.shift.starts_at, matter.shift.ends_at
    _require_room(held.volunteer_id, starts_at, ends_at, minutes)
    if minutes:
        _write(
            volunteer_id=held.volunteer_id,
            minutes=minutes,
            source=Source.BACKFILLED,
            starts_at=starts_at,
            ends_at=ends_at,
            recorder_id=confirmed_by,
            approver_id=by,
            reason=reason,
            **hours.described(
                matter.activity,
                matter.shift,
                None,
                starts_at,
                db.session.scalar(team_signed_up_for(held.volunteer_id, matter.shift.id)),
                leaders_of_one(matter.activity)[0],
            ),
        )
    return minutes


def _confirmed_by(held: Dispute, minutes: int) -> UUID:
    """Who vouches for so many minutes. Raises NeedsConfirmation, BeyondService (409)."""
    if held.confirmed_by is None or held.confirmed_minutes is None:
        raise problems.NeedsConfirmation()
    if minutes > held.confirmed_minutes:
        raise problems.BeyondService(held.confirmed_minutes)
    return held.confirmed_by


def _write(**values: Any) -> None:
    # The volunteer hears of the decision, with its minutes: that they were backfilled besides would sound like more.
    hours.write(ServiceRecord(**values), told=None)


def _require_nothing_recorded(volunteer_id: UUID, matter: Matter) -> None:
    """What was recorded since the dispute was filed is disputed by itself. Raises RecordKnown (409)."""
    known = queries.standing_at(volunteer_id, matter.shift.id) if matter.shift is not None else None
    if known is not None:
        raise problems.RecordKnown(members={"service_record_id": str(known)})


def _require_room(volunteer_id: UUID, starts_at: datetime, ends_at: datetime, minutes: int) -> None:
    """No minute is credited twice, and nothing counts for longer than it was. Raises BeyondService (409)."""
    known = hours.credited_on(volunteer_id, clock.local_date(starts_at), clock.local_date(ends_at))
    most = hours.room_beside(known, starts_at, ends_at)
    if minutes > most:
        raise problems.BeyondService(most)
