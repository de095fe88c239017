"""The verbs of signing up."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm.attributes import set_committed_value

from volunteer_api.activities.events import ShiftsChanged
from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.activities.problems import WrongState
from volunteer_api.activities.queries import fresh_activity, lock_shifts
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.core.settings import rules
from volunteer_api.core.unit_of_work import Rerun
from volunteer_api.notifications.service import notify
from volunteer_api.sign_ups import queries
from volunteer_api.sign_ups.judgment import has_place, judge_sign_up, waitlist_is_open
from volunteer_api.sign_ups.models import ACTIVE_SIGN_UPS, SignUp, SignUpState
from volunteer_api.sign_ups.problems import Ended, ShiftBegun


def sign_up(*, shift_id: UUID, volunteer_id: UUID, team_id: UUID | None = None) -> SignUp:
    """Sign a volunteer up: confirmed while there is a place, else at the end of the waitlist.

    Who waits goes first (see `judge_sign_up`): once free places no longer promote, whoever waits takes one by signing
    up again, and then the sign-up that stands is returned, confirmed.
    The volunteer is locked before the shift, always: the volunteer so that two overlapping sign-ups can't pass each
    other, the shift so that its counts hold. Raises the refusals of `judge_sign_up` (409) in their order.
    """
    now = clock.now()
    queries.lock_volunteer(volunteer_id)
    shift, activity = _hold(shift_id)
    if shift.waitlisted_count:
        # Who waits goes first, where they became eligible by something that promotes nobody: joining a team again.
        _promote(shift, activity, now)
    judgment = judge_sign_up(activity.state, shift, queries.standing_of(volunteer_id, now, team_id), now)
    if judgment.refusal is not None or judgment.would_be is None:
        raise judgment.refusal or WrongState(activity.state)
    if judgment.waiting_id is not None:
        return _take_place(judgment.waiting_id, shift, team_id)
    # Who still waits beside a free place can't take it: they were all looked at just now.
    waits = not has_place(shift)
    made = SignUp(
        shift_id=shift.id,
        volunteer_id=volunteer_id,
        team_id=team_id,
        state=SignUpState.WAITLISTED if waits else SignUpState.CONFIRMED,
        position=queries.next_position(shift.id) if waits else None,
        created_at=now,
    )
    db.session.add(made)
    db.session.flush()
    _count(shift, confirmed=0 if waits else 1, waitlisted=1 if waits else 0)
    return made


def withdraw(*, sign_up_id: UUID, reason: str | None = None) -> SignUp:
    """Take a sign-up back, and give its place to whoever waits first.

    It is late inside the last 3 hours, unless the place came from the waitlist in the last hour. The shifts for which
    the volunteer was waiting, and which this one kept them from, are looked at again too.
    Raises WrongState (409) where it is not active, Ended (409) after the shift, ShiftBegun (409) where it is confirmed
    and the shift runs: somebody who served must not become a late withdrawal.
    """
    now = clock.now()
    known = db.session.get(SignUp, sign_up_id)
    if known is None:
        raise NotFound()
    queries.lock_volunteer(known.volunteer_id)
    mine = db.session.get_one(SignUp, sign_up_id, populate_existing=True)
    if mine.state not in ACTIVE_SIGN_UPS:
        raise WrongState(mine.state)
    was_confirmed = mine.state == SignUpState.CONFIRMED
    waits = queries.waits_freed_by([mine.shift_id], mine.volunteer_id) if was_confirmed else []
    shifts = lock_shifts([mine.shift_id, *waits])
    shift = next(shift for shift in shifts if shift.id == mine.shift_id)
    if shift.ends_at <= now:
        raise Ended()
    if was_confirmed and shift.starts_at <= now:
        raise ShiftBegun()
    mine.late = was_confirmed and shift.canceled_at is None and _is_late(mine, shift, now)
    mine.state, mine.withdrawn_at, mine.withdrawal_reason = SignUpState.WITHDRAWN, now, reason
    db.session.flush()
    _count(shift, confirmed=-1 if was_confirmed else 0, waitlisted=0 if was_confirmed else -1)
    _promote_all(shifts, now)
    return mine


def follow_changes(event: ShiftsChanged) -> None:
    """Tell the people of shifts that were canceled why, and give whom these kept from a place elsewhere that place."""
    now = clock.now()
    # Held and fresh, so that no statement is needed to have them.
    activity = db.session.get_one(Activity, event.activity_id)
    shifts = [db.session.get_one(Shift, id_) for id_ in (*(one.id for one in event.before), *event.companion_ids)]
    was_canceled = {before.id for before in event.before if before.canceled_at is not None}
    canceled = [shift.id for shift in shifts if shift.canceled_at is not None and shift.id not in was_canceled]
    for sign_up_id, volunteer_id in queries.people_of(canceled):
        notify(
            volunteer_id=volunteer_id,
            kind="activity_canceled",
            values={"activity": activity.title, "activity_id": str(activity.id), "reason": event.reason or ""},
            dedup_key=f"activity_canceled:{sign_up_id}",
        )
    _promote_all(shifts, now)


def _hold(shift_id: UUID) -> tuple[Shift, Activity]:
    shifts = lock_shifts([shift_id])
    if not shifts:
        raise NotFound()
    return shifts[0], fresh_activity(shifts[0].activity_id)


def _take_place(sign_up_id: UUID, shift: Shift, team_id: UUID | None) -> SignUp:
    """Confirm a waitlisted sign-up of a held volunteer for a held shift, for the team named now."""
    mine = db.session.get_one(SignUp, sign_up_id, populate_existing=True)
    mine.state, mine.team_id = SignUpState.CONFIRMED, team_id
    db.session.flush()
    _count(shift, confirmed=1, waitlisted=-1)
    return mine


def _is_late(mine: SignUp, shift: Shift, now: datetime) -> bool:
    if mine.decided_at is not None and now <= mine.decided_at + timedelta(minutes=rules().promotion_grace_minutes):
        return False
    return now > shift.starts_at - timedelta(minutes=rules().late_withdrawal_minutes)


def _promote_all(shifts: Sequence[Shift], now: datetime) -> None:
    for shift in shifts:
        if shift.waitlisted_count:
            _promote(shift, fresh_activity(shift.activity_id), now)


def _promote(shift: Shift, activity: Activity, now: datetime) -> None:
    """Give the free places of a held shift to those who wait, the first first.

    Here the shift is held before the volunteer. So that this never closes a circle of waiting, the volunteer is only
    tried, never waited for; where somebody else holds them, the whole unit runs again.
    """
    if activity.state != ActivityState.PUBLISHED or shift.canceled_at is not None or not waitlist_is_open(shift, now):
        return
    while has_place(shift) and shift.waitlisted_count:
        candidate = queries.first_eligible(shift)
        if candidate is None:
            return
        if not queries.lock_volunteer(candidate.volunteer_id, wait=False):
            raise Rerun()
        # They may have signed up for something else between the look and the lock.
        again = queries.first_eligible(shift)
        if again is None or again.id != candidate.id:
            continue
        candidate.state, candidate.decided_at = SignUpState.CONFIRMED, now
        db.session.flush()
        _count(shift, confirmed=1, waitlisted=-1)
        notify(
            volunteer_id=candidate.volunteer_id,
            kind="sign_up_promoted",
            values={
                "activity": activity.title,
                "activity_id": str(activity.id),
                "sign_up_id": str(candidate.id),
                "starts_at": shift.starts_at.isoformat(),
            },
            dedup_key=f"sign_up_promoted:{candidate.id}",
        )


def _count(shift: Shift, *, confirmed: int, waitlisted: int) -> None:
    """Change a held shift's counts, past its `version`: that one is for what leaders edit."""
    table = Shift.__table__
    counts = db.session.execute(
        update(table)  # type: ignore[arg-type]  # a declarative class's __table__ is typed FromClause
        .where(table.c.id == shift.id)
        .values(
            confirmed_count=table.c.confirmed_count + confirmed,
            waitlisted_count=table.c.waitlisted_count + waitlisted,
        )
        .returning(table.c.confirmed_count, table.c.waitlisted_count)
    ).one()
    set_committed_value(shift, "confirmed_count", counts.confirmed_count)
    set_committed_value(shift, "waitlisted_count", counts.waitlisted_count)
