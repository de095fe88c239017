"""What attendance hears of erasure, and holds about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, or_, select

from volunteer_api.accounts.consent_texts import ConsentKind
from volunteer_api.accounts.events import ConsentWithdrawn, VolunteerErased
from volunteer_api.activities.events import AddedLate, CampaignChanging
from volunteer_api.activities.models import Shift
from volunteer_api.activities.problems import CampaignFrozen
from volunteer_api.activities.turnout import register_attended
from volunteer_api.attendance import beside_backfills, given_codes, queries, scene, whereabouts
from volunteer_api.attendance import review_notices as notices
from volunteer_api.attendance.models import Attendance, GivenCodes, Reason, RollCallMark, State, WaitingCheckOut
from volunteer_api.attendance.settling import hold, set_held
from volunteer_api.core.database import db
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.hours.events import HoursRecorded, RecordReversed
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.hours.remarks import register_beside

register_attended(queries.somebody_attended)
register_beside(beside_backfills.beside)


@on(VolunteerErased)
def strip_evidence(event: VolunteerErased) -> None:
    """Delete where the person was and what their phone said; states, times and minutes stay, for the sums.

    One still open can't be checked out of any more: it is closed where it began and held with no minutes. It is not
    rejected, nor is any that waits for review: that would take somebody out of the numbers who was there.
    """
    mine = select(Attendance).where(Attendance.volunteer_id == event.volunteer_id).order_by(Attendance.id)
    for attendance in db.session.scalars(mine.with_for_update().execution_options(populate_existing=True)):
        if attendance.state == State.OPEN:
            attendance.checked_out_at = attendance.checked_in_at
            hold(attendance, {Reason.WEAK_EVIDENCE}, 0)
        attendance.check_in_evidence = {}
        attendance.check_in_latitude = attendance.check_in_longitude = None
        attendance.check_out_latitude = attendance.check_out_longitude = None
        if attendance.check_out_evidence is not None:
            attendance.check_out_evidence = {}
        # Each has a place and a phone's words.
        attendance.taps = None
        # Why she forgot to check out is in her own words; why a leader decided so is about her.
        attendance.claim_reason = attendance.decision_reason = None
    db.session.flush()
    for model in (WaitingCheckOut, GivenCodes):
        db.session.execute(delete(model).where(model.volunteer_id == event.volunteer_id))


@on(ConsentWithdrawn)
def forget_places(event: ConsentWithdrawn) -> None:
    """Delete where the person's phones said that she was, once she consents to that no more."""
    if event.kind == ConsentKind.LOCATION:
        whereabouts.forget(event.volunteer_id)


@on(RecordReversed)
def lose_minutes(event: RecordReversed) -> None:
    """Let an attendance whose minutes the ledger took back say so, and by whom; what waited of it is lost with them.

    It is one that a review turned down: no late tap credits it again, and a leader alone does not either; an organizer
    or a dispute can.
    """
    if event.attendance_id is None or db.session.get(Attendance, event.attendance_id) is None:
        return
    attendance, here = scene.load(event.volunteer_id, event.attendance_id)
    reversal = db.session.get_one(ServiceRecord, event.reversal_id)
    if attendance.held_minutes:
        # Of what was credited the ledger's own notice tells.
        notices.tell(notices.REJECTED, attendance, here, once=str(event.reversal_id), reason=reversal.reason or "")
    set_held(attendance, here, 0)
    attendance.state, attendance.credited_minutes, attendance.flagged = State.REJECTED, 0, False
    attendance.reviewed_by, attendance.reviewed_at = reversal.recorder_id, reversal.recorded_at
    attendance.decision_reason = reversal.reason
    db.session.flush()


@on(HoursRecorded)
def tell_who_rejected(event: HoursRecorded) -> None:
    """Let whoever rejected an attendance hear that somebody records hours of the same service."""
    beside_backfills.tell_who_rejected(event.backfill_ids)


@on(AddedLate)
def note_who_added(event: AddedLate) -> None:
    """Let her be known as somebody who leads that shift, though she may lead it no more when she comes to it."""
    given_codes.note(event.shift_id, to=event.by, good_until=event.ends_at)


@on(CampaignChanging)
def keep_campaign(event: CampaignChanging) -> None:
    """Refuse once somebody has checked in, whatever became of it: her minutes are held, or may be credited yet."""
    shift_ids = select(Shift.id).where(Shift.activity_id == event.activity_id)
    if db.session.scalar(select(exists().where(Attendance.shift_id.in_(shift_ids)))):
        raise CampaignFrozen()


@exported("waiting_check_outs")
def waiting_check_outs(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The check-outs that wait for their check-ins, with the evidence that the person's phones sent."""
    return rows(
        select(*WaitingCheckOut.__table__.columns)
        .where(WaitingCheckOut.volunteer_id == volunteer_id)
        .order_by(WaitingCheckOut.received_at, WaitingCheckOut.key)
    )


@exported("given_codes")
def codes_given(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The shifts and stations whose presence codes the person was given, the latest first."""
    return rows(
        select(*GivenCodes.__table__.columns)
        .where(GivenCodes.volunteer_id == volunteer_id)
        .order_by(GivenCodes.good_until.desc(), GivenCodes.target_id)
    )


@exported("attendances")
def attendances(volunteer_id: UUID) -> list[dict[str, Any]]:
    """When and where the person came, with the evidence that their phones sent, the latest first."""
    return rows(
        select(*Attendance.__table__.columns)
        .where(Attendance.volunteer_id == volunteer_id)
        .order_by(Attendance.id.desc())
    )


@exported("attendances_scanned")
def attendances_scanned(volunteer_id: UUID) -> list[dict[str, Any]]:
    """Others' attendances for which the person read a code at a desk: which, and when. Whose they are is another's."""
    return rows(
        select(
            Attendance.id,
            Attendance.shift_id,
            Attendance.station_id,
            (Attendance.check_in_scanned_by == volunteer_id).label("scanned_check_in"),
            (Attendance.check_out_scanned_by == volunteer_id).label("scanned_check_out"),
            Attendance.created_at,
        )
        .where(or_(Attendance.check_in_scanned_by == volunteer_id, Attendance.check_out_scanned_by == volunteer_id))
        .order_by(Attendance.id.desc())
    )


@exported("roll_call_marks")
def roll_call_marks(volunteer_id: UUID) -> list[dict[str, Any]]:
    """What leaders said of the person at roll-calls, the latest first."""
    return _marks(RollCallMark.volunteer_id == volunteer_id)


@exported("roll_calls_taken")
def roll_calls_taken(volunteer_id: UUID) -> list[dict[str, Any]]:
    """What the person, as a leader, said of others at roll-calls, the latest first; of whom is theirs to read."""
    return _marks(RollCallMark.marked_by == volunteer_id)


@exported("attendances_reviewed")
def attendances_reviewed(volunteer_id: UUID) -> list[dict[str, Any]]:
    """Others' attendances that the person decided on or recorded at a roll-call, the latest first."""
    return rows(
        select(
            Attendance.id,
            Attendance.shift_id,
            Attendance.station_id,
            Attendance.state,
            Attendance.reviewed_at,
            (Attendance.reviewed_by == volunteer_id).label("reviewed"),
            (Attendance.check_in_recorder_id == volunteer_id).label("recorded_check_in"),
            (Attendance.check_out_recorder_id == volunteer_id).label("recorded_check_out"),
        )
        .where(
            or_(
                Attendance.reviewed_by == volunteer_id,
                Attendance.check_in_recorder_id == volunteer_id,
                Attendance.check_out_recorder_id == volunteer_id,
            )
        )
        .order_by(Attendance.id.desc())
    )


def _marks(chosen: ColumnElement[bool]) -> list[dict[str, Any]]:
    return rows(
        select(
            RollCallMark.id,
            RollCallMark.shift_id,
            RollCallMark.status,
            RollCallMark.arrived_at,
            RollCallMark.left_at,
            RollCallMark.marked_at,
            RollCallMark.taken_at,
        )
        .where(chosen)
        .order_by(RollCallMark.marked_at.desc(), RollCallMark.id)
    )
