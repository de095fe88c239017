"""The one judgment of whether somebody may sign up, for the pages that phones read and for the sign-up itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from volunteer_api.activities.models import ActivityState, Shift
from volunteer_api.core.problems import Problem
from volunteer_api.core.settings import rules
from volunteer_api.sign_ups.models import SignUpState
from volunteer_api.sign_ups.problems import (
    AlreadySignedUp,
    Canceled,
    Ended,
    NotEligible,
    NotPublished,
    OverlappingShift,
    ShiftFull,
    SignInRequired,
    SignUpClosed,
)


@dataclass(frozen=True)
class Engagement:
    """An active sign-up for a shift that is not over, with the shift's times."""

    sign_up_id: UUID
    shift_id: UUID
    state: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Standing:
    """What the judgment has to know of a volunteer, read once for any number of shifts."""

    engagements: Sequence[Engagement]
    is_member_of_team: bool = True


@dataclass(frozen=True)
class Judgment:
    """Either the state that a sign-up would get, or the first of the reasons why there would be none.

    `waiting_id` is the caller's own waitlisted sign-up where that one would take the place.
    """

    would_be: SignUpState | None
    refusal: Problem | None
    waiting_id: UUID | None = None


def judge_sign_up(activity_state: str, shift: Shift, standing: Standing | None, now: datetime) -> Judgment:
    """Judge what would come of a volunteer's signing up for the shift; `standing` is None for an anonymous caller.

    The order of the reasons is documented (domain.md, Activities 4), so that a phone always shows the same one.

    First in, first out: for everybody who waits a free place is kept, and only one beyond these is a newcomer's. While
    free places still promote, a newcomer would be waitlisted behind them; later a newcomer finds the shift full. Then
    nobody is called any more: whoever waits takes a free place by signing up again, the first of them to do so.
    """
    refusal = _refusal(activity_state, shift, standing, now)
    if refusal is not None:
        return Judgment(None, refusal)
    waiting = _taking(shift, standing, now)
    if waiting is not None:
        return Judgment(SignUpState.CONFIRMED, None, waiting.sign_up_id)
    return Judgment(SignUpState.CONFIRMED if has_place_for_newcomer(shift) else SignUpState.WAITLISTED, None)


def _refusal(activity_state: str, shift: Shift, standing: Standing | None, now: datetime) -> Problem | None:
    if standing is None:
        return SignInRequired()
    if activity_state in (ActivityState.DRAFT, ActivityState.SUBMITTED):
        return NotPublished()
    if activity_state == ActivityState.CANCELED or shift.canceled_at is not None:
        return Canceled()
    if activity_state == ActivityState.COMPLETED or shift.ends_at <= now:
        return Ended()
    if shift.sign_up_closes_at is not None and shift.sign_up_closes_at <= now:
        return SignUpClosed()
    waiting = _taking(shift, standing, now)
    for engagement in standing.engagements:
        if engagement.shift_id == shift.id and engagement is not waiting:
            return AlreadySignedUp(members={"sign_up_id": str(engagement.sign_up_id)})
    if not standing.is_member_of_team:
        return NotEligible()
    for engagement in standing.engagements:
        # Half-open: back-to-back is fine. A place on a waitlist binds nobody yet.
        if (
            engagement.state == SignUpState.CONFIRMED
            and engagement.starts_at < shift.ends_at
            and shift.starts_at < engagement.ends_at
        ):
            return OverlappingShift(members={"shift_id": str(engagement.shift_id)})
    if waiting is None and not has_place_for_newcomer(shift) and not waitlist_is_open(shift, now):
        return ShiftFull()
    return None


def _taking(shift: Shift, standing: Standing | None, now: datetime) -> Engagement | None:
    """The caller's place on the waitlist, where signing up again turns it into a free place."""
    if standing is None or waitlist_is_open(shift, now) or not has_place(shift):
        return None
    own = [one for one in standing.engagements if one.shift_id == shift.id and one.state == SignUpState.WAITLISTED]
    return own[0] if own else None


def has_place(shift: Shift) -> bool:
    """Whether somebody else can be confirmed."""
    return shift.capacity is None or shift.confirmed_count < shift.capacity


def has_place_for_newcomer(shift: Shift) -> bool:
    """Whether a place would be free even if everybody who waits had theirs."""
    return shift.capacity is None or shift.confirmed_count + shift.waitlisted_count < shift.capacity


def waitlist_is_open(shift: Shift, now: datetime) -> bool:
    """Whether a free place still promotes: later it would call somebody who no longer expects it."""
    return now < shift.starts_at - timedelta(minutes=rules().promotion_closes_minutes)
