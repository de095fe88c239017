"""The verbs of disputes: file, ask, answer, confirm, withdraw, remind. What a decision does stands in decisions.py."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from volunteer_api.activities.access import seen_shift
from volunteer_api.attendance.models import State
from volunteer_api.core import clock
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.core.settings import rules
from volunteer_api.disputes import notices, problems, queries
from volunteer_api.disputes.models import Dispute, DisputeState, StepKind
from volunteer_api.disputes.parties import parties_to
from volunteer_api.disputes.queries import Matter
from volunteer_api.disputes.trail import hold_open, write_step
from volunteer_api.hours.days import whole_minutes
from volunteer_api.hours.service import DUTY_CONTENT
from volunteer_api.sign_ups.queries import lock_volunteer

# What is said to one dispute; the decision and the withdrawal find room in the trail behind it.
MOST_SAID = 100


def file(*, by: Principal, text: str, claimed_minutes: int | None = None, **subject: UUID) -> Dispute:
    """Dispute a record or an attendance of one's own, or that nothing is recorded of a shift.

    `subject` is one of service_record_id, attendance_id and shift_id. Raises NotFound (404), and RecordTakenBack,
    NotOverYet, AttendanceKnown, RecordKnown, DisputeTooLate, DisputeOpen (409), in this order.
    """
    lock_volunteer(by.volunteer_id)
    if "shift_id" in subject:
        seen_shift(by, subject["shift_id"])
    matter = queries.matter(**subject)
    happened_at = _happened_at(matter, by.volunteer_id)
    if clock.now() > happened_at + timedelta(days=rules().dispute_days):
        raise problems.DisputeTooLate(days=rules().dispute_days)
    shift_id = matter.shift.id if matter.shift is not None else None
    same = queries.open_about(by.volunteer_id, subject, shift_id)
    if same is not None:
        raise problems.DisputeOpen(members={"dispute_id": str(same)})
    dispute = Dispute(
        volunteer_id=by.volunteer_id,
        matter_shift_id=shift_id,
        claimed_minutes=claimed_minutes,
        due_on=clock.today() + timedelta(days=rules().dispute_answer_days),
        **subject,
        **_described(matter),
    )
    db.session.add(dispute)
    db.session.flush()
    step = write_step(dispute, StepKind.FILED, by.volunteer_id, text)
    notices.tell_volunteer(notices.FILED, dispute, step.id)
    notices.tell_deciders(notices.WAITS, dispute, dispute.id)
    known = _known_minutes(matter)
    if known is None or (claimed_minutes or 0) > known:
        notices.ask_to_confirm(dispute, queries.witnesses_of(matter), known)
    return dispute


def ask(dispute: Dispute, *, by: UUID, text: str) -> None:
    """Ask who filed it for evidence. Raises DisputeOver, TooManySteps (409)."""
    held = hold_open(dispute)
    step = write_step(held, StepKind.ASKED, by, text, most=MOST_SAID)
    notices.tell_volunteer(notices.ASKED, held, step.id, text=text)


def answer(dispute: Dispute, *, by: UUID, text: str) -> None:
    """Say something to it. Raises DisputeOver, TooManySteps (409)."""
    held = hold_open(dispute)
    step = write_step(held, StepKind.ANSWERED, by, text, most=MOST_SAID)
    notices.tell_deciders(notices.ANSWERED, held, step.id)


def confirm(dispute: Dispute, *, by: UUID, minutes: int, text: str) -> None:
    """Vouch for service that nobody recorded, or not all of it: the first of the two people that hours need, who can't
    decide then. `minutes` are those of the service in all. Until the decision, who confirmed may say it again: her last
    word counts, and the trail keeps all of them.

    Raises DisputeOver, NothingToConfirm, BeyondService, TooManySteps (409).
    """
    held = hold_open(dispute)
    frame = queries.subject_of(held).frame
    if frame is None or held.confirmed_by not in (None, by):
        raise problems.NothingToConfirm()
    most = whole_minutes(*frame)
    if minutes > most:
        raise problems.BeyondService(most)
    is_first = held.confirmed_by is None
    held.confirmed_by, held.confirmed_minutes = by, minutes
    db.session.flush()
    step = write_step(held, StepKind.CONFIRMED, by, text, most=None if is_first else MOST_SAID)
    notices.tell_confirmed(held, step.id, minutes)


def withdraw(dispute: Dispute, *, by: UUID, told: bool = True) -> None:
    """Take one's dispute back; nothing changes. An erased person is not `told`. Raises DisputeOver (409)."""
    held = hold_open(dispute)
    held.state, held.closed_at = DisputeState.WITHDRAWN, clock.now()
    db.session.flush()
    step = write_step(held, StepKind.WITHDRAWN, by)
    if told:
        notices.tell_volunteer(notices.WITHDRAWN, held, step.id)


def remind() -> int:
    """Remind those who can decide, once, of disputes that are due soon; returns of how many, at most a hundred."""
    due = queries.to_remind(clock.today())
    for dispute in due:
        notices.tell_deciders(notices.DUE, dispute, dispute.id)
        dispute.reminded_at = clock.now()
    db.session.flush()
    return len(due)


def tell_of_waiting(volunteer_id: UUID, organization_id: UUID) -> None:
    """Let somebody who may review hours of an organization from now on hear of the open disputes that wait for her."""
    waiting = [one for one in queries.open_below(organization_id) if volunteer_id not in parties_to(one)]
    if waiting:
        notices.tell_inherited(volunteer_id, waiting, organization_id)


def _known_minutes(matter: Matter) -> int | None:
    """How many minutes are recorded or wait, None where there is nothing: of more, somebody else must vouch for it."""
    if matter.attendance is not None:
        return matter.attendance.credited_minutes + matter.attendance.held_minutes
    return abs(matter.record.minutes) if matter.record is not None else None


def _happened_at(matter: Matter, volunteer_id: UUID) -> datetime:
    """From when on the days for a dispute run, once it is the volunteer's to dispute and over."""
    if matter.record is not None:
        if matter.record.volunteer_id != volunteer_id:
            raise NotFound()
        taken_back = queries.reversal_of(matter.record.id)
        if taken_back is not None:
            raise problems.RecordTakenBack(members={"service_record_id": str(taken_back)})
        return matter.record.recorded_at
    if matter.attendance is not None:
        if matter.attendance.volunteer_id != volunteer_id:
            raise NotFound()
        if matter.attendance.state == State.OPEN:
            raise problems.NotOverYet()
        moments = (matter.attendance.reviewed_at, matter.attendance.checked_out_at, matter.attendance.closed_at)
        return max((moment for moment in moments if moment is not None), default=matter.attendance.checked_in_at)
    if matter.shift is None:
        raise NotFound()
    if matter.shift.ends_at > clock.now():
        raise problems.NotOverYet()
    record_id = queries.standing_at(volunteer_id, matter.shift.id)
    if record_id is not None:
        raise problems.RecordKnown(members={"service_record_id": str(record_id)})
    attendance_id = queries.attendance_at(volunteer_id, matter.shift.id)
    if attendance_id is not None:
        raise problems.AttendanceKnown(members={"attendance_id": str(attendance_id)})
    return matter.shift.ends_at


def _described(matter: Matter) -> dict[str, Any]:
    if matter.record is not None:
        return {"organization_id": matter.record.organization_id, "content": matter.record.content}
    if matter.activity is not None:
        return {"organization_id": matter.activity.organization_id, "content": matter.activity.title}
    if matter.station is None:
        raise NotFound()
    content = DUTY_CONTENT.format(station=matter.station.name)
    return {"organization_id": matter.station.organization_id, "content": content}
