"""The one judgment of whether somebody may sign up, for the pages that phones read and the verbs that give a place."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from volunteer_api.activities.changes import UNPUBLISHED
from volunteer_api.activities.models import Activity, ActivityState, Shift, ShiftRole, SignUpMode
from volunteer_api.core.problems import Problem
from volunteer_api.core.schema import Fault
from volunteer_api.core.settings import rules
from volunteer_api.sign_ups.eligibility import Demands, Person, faults
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
    """A sign-up, active or rejected, for a shift that is not over, with the shift's times.

    `role_has_place`: the role that it names (`role_id`) has a free place; true where it names none.
    """

    sign_up_id: UUID
    shift_id: UUID
    state: str
    starts_at: datetime
    ends_at: datetime
    role_has_place: bool = True
    role_id: UUID | None = None


@dataclass(frozen=True)
class Standing:
    """What the judgment has to know of a volunteer, read once for any number of shifts."""

    engagements: Sequence[Engagement] = ()
    person: Person = field(default_factory=Person)


class Question(NamedTuple):
    """A place in a shift, or in a role of it, that somebody would have.

    `chosen`: a leader chose this person, and so decides about closed lists and no-shows. `by_team`: it was a leader of
    her team alone, whose word takes no decision from those who lead the activity. `answering` is the sign-up that would
    have the place, where there is one already. `kept` is how many free places those who wait could take, in the
    shift (None) and in each role: not known, for as many as they are (see `people.with_kept`).
    `called` are sign-ups that waited and get a place as soon as anybody asks for one.
    """

    activity: Activity
    shift: Shift
    demands: Demands
    now: datetime
    role: ShiftRole | None = None
    team_id: UUID | None = None
    chosen: bool = False
    by_team: bool = False
    answering: UUID | None = None
    kept: Mapping[UUID | None, int] | None = None
    called: Collection[UUID] = ()

    @property
    def has_room(self) -> bool:
        """Whether a sign-up made now would be confirmed.

        While free places promote, whoever still waits beside one can't have it. Later each who could keeps one, but
        those who lead the activity may give it to whom they choose.
        """
        if has_place_for_newcomer(self.shift, self.role, self.kept):
            return True
        is_given = waitlist_is_open(self.shift, self.now) or (self.chosen and not self.by_team)
        return is_given and has_place(self.shift, self.role)


class Judgment(NamedTuple):
    """Either the state that a sign-up would get, or the first of the reasons why there would be none.

    `waiting_id` is the caller's own waitlisted sign-up where that one would take the place.
    """

    would_be: SignUpState | None
    refusal: Problem | None
    waiting_id: UUID | None = None


def judge(question: Question, standing: Standing | None) -> Judgment:
    """Judge what would come of a volunteer's signing up; `standing` is None for an anonymous caller.

    The order of the reasons is documented (domain.md, Activities 4), so that a phone always shows the same one.

    First in, first out. While free places still promote, whoever waits has been called to each one that she could have:
    one that is free is a newcomer's, be it that others wait for a full role or are busy then. Later nobody is called
    any more, and for everybody who waits, and could take it, a free one is kept: whoever waits takes it by signing up
    again, the first of them to do so, or by a leader's choice, which needs no order; a newcomer has one beyond these,
    or hears for whom they are kept.
    """
    if standing is None:
        return Judgment(None, SignInRequired())
    waiting = _taking(question, standing)
    has_room = question.has_room
    refusal = refuse(question, standing, waiting)
    if refusal is None:
        refusal = _refuse_place(question, standing, has_room=has_room or waiting is not None)
    if refusal is not None:
        return Judgment(None, refusal)
    if waiting is not None:
        return Judgment(SignUpState.CONFIRMED, None, waiting.sign_up_id)
    if (question.by_team or not question.chosen) and _needs_approval(question, standing.person):
        return Judgment(SignUpState.PENDING, None)
    return Judgment(SignUpState.CONFIRMED if has_room else SignUpState.WAITLISTED, None)


def refuse(question: Question, standing: Standing, waiting: Engagement | None = None) -> Problem | None:
    """The reason why somebody may not even be asked, before any place is looked at; None where she may."""
    activity, shift = question.activity, question.shift
    if activity.state in UNPUBLISHED:
        return NotPublished()
    if activity.state == ActivityState.CANCELED or shift.canceled_at is not None:
        return Canceled()
    if activity.state == ActivityState.COMPLETED or shift.ends_at <= question.now:
        return Ended()
    if not question.chosen and shift.sign_up_closes_at is not None and shift.sign_up_closes_at <= question.now:
        return SignUpClosed()
    for engagement in standing.engagements:
        if (
            engagement.shift_id == shift.id
            and engagement is not waiting
            and engagement.sign_up_id != question.answering
            and engagement.state != SignUpState.REJECTED
        ):
            return AlreadySignedUp(engagement.sign_up_id, engagement.state)
    why = _why_not(question, standing, waiting)
    return NotEligible(why) if why else None


def _why_not(question: Question, standing: Standing, waiting: Engagement | None) -> list[Fault]:
    found = _faults(question, standing.person)
    if question.chosen or waiting is not None:
        return found
    if question.activity.sign_up_mode == SignUpMode.INVITATION and not _leads(question, standing.person):
        found.append(Fault("by_invitation", "A leader of this activity invites who takes part in it."))
    if standing.engagements and _was_rejected(question.shift, standing):
        found.append(Fault("rejected", "A leader turned a sign-up for this shift down."))
    return found


def _was_rejected(shift: Shift, standing: Standing) -> bool:
    return any(one.shift_id == shift.id and one.state == SignUpState.REJECTED for one in standing.engagements)


def _faults(question: Question, person: Person) -> list[Fault]:
    demands = question.demands
    if question.chosen:
        # Who chooses somebody decides about her no-shows; what the deployment allows minors is not theirs.
        demands = replace(demands, absences=None, turns_away=False)
    return faults(question.activity, demands, person, team_id=question.team_id, shift=question.shift)


def may_be_promoted(question: Question, person: Person) -> bool:
    """Whether somebody who waits is still eligible; that her time is free is looked at by the caller."""
    return not missing_of(question, person)


def missing_of(question: Question, person: Person) -> list[Fault]:
    """What somebody who waits, or has a place, lacks by now."""
    return _faults(question, person)


def not_of_the_team(question: Question, person: Person) -> NotEligible | None:
    """The refusal that somebody is not in the team named, None where she is or none is named."""
    strange = [one for one in _faults(question, person) if one.code == "team"]
    return NotEligible(strange) if strange else None


def _refuse_place(question: Question, standing: Standing, *, has_room: bool) -> Problem | None:
    in_the_way = overlapping(question.shift, standing.engagements)
    if in_the_way is not None:
        return in_the_way
    if has_room or waitlist_is_open(question.shift, question.now):
        return None
    return ShiftFull(case="kept" if has_place(question.shift, question.role) else "")


def overlapping(shift: Shift, engagements: Sequence[Engagement]) -> OverlappingShift | None:
    """What a confirmed sign-up at the same time, or with too little rest between, says against a place in the shift."""
    if not engagements:
        return None
    rest = timedelta(minutes=rules().rest_minutes)
    for one in engagements:
        # Half-open: back-to-back is fine. A place on a waitlist binds nobody yet.
        if one.state != SignUpState.CONFIRMED or one.shift_id == shift.id:
            continue
        members = {"shift_id": str(one.shift_id)}
        if one.starts_at < shift.ends_at and shift.starts_at < one.ends_at:
            return OverlappingShift(members=members)
        if one.starts_at < shift.ends_at + rest and shift.starts_at < one.ends_at + rest:
            why = Fault(
                "rest", "Between two shifts lie at least %(minutes)s minutes of rest.", minutes=rules().rest_minutes
            )
            return OverlappingShift([why], members=members)
    return None


def _needs_approval(question: Question, person: Person) -> bool:
    is_asked = question.activity.sign_up_mode != SignUpMode.OPEN and not _leads(question, person)
    return is_asked or question.demands.has_missed_too_much(person)


def _leads(question: Question, person: Person) -> bool:
    # Who invites the others needs nobody's invitation: she may be the only one who could.
    return question.activity.id in person.leads


def _taking(question: Question, standing: Standing) -> Engagement | None:
    """The caller's place on the waitlist, where signing up again turns it into a free place, or she is called to one.

    Who waits for one role asks for nothing else by it: another role is another sign-up, which this one forbids. Who
    waits for any place may take one in a role.
    """
    if not standing.engagements:
        return None
    shift, role = question.shift, question.role
    is_late = has_place(shift) and not waitlist_is_open(shift, question.now)
    for one in standing.engagements:
        waits = one.state == SignUpState.WAITLISTED and one.role_has_place
        if one.shift_id == shift.id and (one.sign_up_id in question.called or (is_late and waits)):
            is_asked = role is None or one.role_id == role.id or (one.role_id is None and _has_place_in(role))
            return one if is_asked else None
    return None


def has_place(shift: Shift, role: ShiftRole | None = None) -> bool:
    """Whether somebody else can be confirmed, in the role where one is named."""
    return (shift.capacity is None or shift.confirmed_count < shift.capacity) and (role is None or _has_place_in(role))


def _has_place_in(role: ShiftRole) -> bool:
    return role.confirmed_count < role.capacity


def has_place_for_newcomer(
    shift: Shift, role: ShiftRole | None = None, kept: Mapping[UUID | None, int] | None = None
) -> bool:
    """Whether a place would be free even if everybody who waits, or as many as are `kept`, had theirs."""
    waiting = shift.waitlisted_count if kept is None else kept.get(None, 0)
    if shift.capacity is not None and shift.confirmed_count + waiting >= shift.capacity:
        return False
    if role is None:
        return True
    in_role = role.waitlisted_count if kept is None else kept.get(role.id, 0)
    return role.confirmed_count + in_role < role.capacity


def could_take(question: Question, standing: Standing | None, sign_up_id: UUID) -> bool:
    """Whether somebody who waits for a shift that calls nobody any more takes a free place by signing up again."""
    return judge(question, standing).waiting_id == sign_up_id


def waitlist_is_open(shift: Shift, now: datetime) -> bool:
    """Whether a free place still promotes: later it would call somebody who no longer expects it."""
    return now < shift.starts_at - timedelta(minutes=rules().promotion_closes_minutes)
