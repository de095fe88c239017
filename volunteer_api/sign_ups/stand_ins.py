"""Giving one's confirmed place to somebody who takes it: the swap is one step, and the place is never free between."""

from datetime import datetime
from uuid import UUID

from volunteer_api.activities.leaders import who_hears_of
from volunteer_api.activities.models import SignUpMode
from volunteer_api.activities.problems import WrongState
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.problems import InvalidPayload
from volunteer_api.core.schema import Fault, error_list
from volunteer_api.sign_ups import notices, places, queries
from volunteer_api.sign_ups.judgment import overlapping, refuse
from volunteer_api.sign_ups.models import SignUp, SignUpState
from volunteer_api.sign_ups.people import question_of, standing_of
from volunteer_api.sign_ups.problems import AlreadySignedUp, NotEligible, OwnPlace, ShiftBegun, StandInGone


def require_somebody(numbered: UUID | None) -> UUID:
    """Whose number was given. Raises InvalidPayload (422) where it is nobody's."""
    if numbered is None:
        unknown = Fault("unknown_reference", "There is no such volunteer.")
        raise InvalidPayload(error_list({"volunteer_number": [unknown]}))
    return numbered


def offer(*, sign_up_id: UUID, volunteer_number: str) -> SignUp:
    """Ask somebody, by the volunteer number that she gave, to take over one's confirmed place, and the role with it.

    An earlier offer of the place to somebody else ends; one to her stands, whatever she said to it since.

    Raises InvalidPayload (422) for an unknown number, WrongState (409) where one has no place, Ended, ShiftBegun,
    OwnPlace, AlreadySignedUp, NotEligible (409): the reasons of the last are not for the one who asks.
    """
    now = clock.now()
    stand_in_id = require_somebody(queries.by_number(volunteer_number))
    held = places.hold(sign_up_id, also=[stand_in_id])
    mine, shift = held.mine, held.shift
    if mine.state != SignUpState.CONFIRMED:
        raise WrongState(mine.state)
    held.require_before_end(now)
    if stand_in_id == mine.volunteer_id:
        raise OwnPlace()
    known = queries.open_offer(mine.id)
    if known is not None and known.volunteer_id == stand_in_id:
        # A second tap.
        return known
    places.end_offer(mine, shift, now)
    _require_somebody_fit(held, stand_in_id, now)
    made = places.enter(
        shift,
        state=SignUpState.INVITED,
        volunteer_id=stand_in_id,
        role_id=mine.role_id,
        stands_in_for_id=mine.id,
        created_at=now,
    )
    notices.send(notices.STAND_IN_ASKED, made, shift, held.activity, person_id=str(mine.volunteer_id))
    return made


def take_back(*, sign_up_id: UUID) -> None:
    """End the open offer of one's place; nothing where there is none."""
    held = places.hold(sign_up_id)
    places.end_offer(held.mine, held.shift, clock.now())


def accept(held: places.Held, now: datetime, *, names_team: bool, team_id: UUID | None) -> SignUp:
    """Take the place that one is offered; where a leader decides who takes part, ask the leader first.

    It is for the team that she names, or else for that of whose place it is, where she is an active member of it.
    Raises StandInGone (409) and the refusals of `swap`.
    """
    giver, mine = _require_offer(held), held.mine
    question = question_of(held.activity, held.shift, now)
    wanted = team_id if names_team else giver.team_id
    person = standing_of(mine.volunteer_id, held.activity, now, wanted).person
    if names_team or wanted in person.team_ids:
        mine.team_id = wanted
    if held.activity.sign_up_mode == SignUpMode.OPEN and not question.demands.has_missed_too_much(person):
        swap(held, now, team_id=team_id)
        return mine
    _require_fit(held, now, team_id)
    places.move(mine, held.shift, SignUpState.PENDING)
    notices.tell_of_requests(who_hears_of(held.activity), mine, held.shift, held.activity, clock.local_date(now))
    return mine


def swap(held: places.Held, now: datetime, *, team_id: UUID | None = None) -> None:
    """Let the stand-in have the place, in the same step in which the giver leaves it; that one is not late.

    `team_id` is a team that she names now. Raises StandInGone (409), NotEligible, OverlappingShift (409).
    """
    giver = _require_offer(held)
    _require_fit(held, now, team_id)
    giver.withdrawn_at, giver.asked_at = now, None
    places.move(giver, held.shift, SignUpState.WITHDRAWN)
    places.move(held.mine, held.shift, SignUpState.CONFIRMED)
    tell_giver(notices.STAND_IN_FOUND, held)
    places.promote_all(held.others, now)


def tell_giver(kind: str, held: places.Held) -> None:
    """Tell whose place it is or was."""
    giver = db.session.get_one(SignUp, held.mine.stands_in_for_id)
    stand_in = str(held.mine.volunteer_id)
    notices.send(kind, held.mine, held.shift, held.activity, to=giver.volunteer_id, person_id=stand_in)


def _require_offer(held: places.Held) -> SignUp:
    """Whose place it is. Raises StandInGone (409) where she has it no more."""
    giver = db.session.get_one(SignUp, held.mine.stands_in_for_id)
    if giver.state != SignUpState.CONFIRMED:
        raise StandInGone()
    return giver


def _require_fit(held: places.Held, now: datetime, team_id: UUID | None) -> None:
    """Raise what speaks against the stand-in's being in the shift (409), for a team; a place there is."""
    if held.shift.starts_at <= now < held.shift.ends_at:
        raise ShiftBegun()
    mine = held.mine
    question = question_of(held.activity, held.shift, now, team_id=team_id, chosen=True, answering=mine.id)
    standing = standing_of(mine.volunteer_id, held.activity, now, team_id)
    refusal = refuse(question, standing) or overlapping(held.shift, standing.engagements)
    if refusal is not None:
        raise refusal


def _require_somebody_fit(held: places.Held, stand_in_id: UUID, now: datetime) -> None:
    """Raise why somebody can't be asked, and no more than another volunteer may learn of her."""
    question = question_of(held.activity, held.shift, now, chosen=True)
    standing = standing_of(stand_in_id, held.activity, now)
    refusal = refuse(question, standing)
    turned_down = any(
        one.shift_id == held.shift.id and one.state == SignUpState.REJECTED for one in standing.engagements
    )
    stays_away = question.demands.turns_away and question.demands.has_missed_too_much(standing.person)
    if isinstance(refusal, AlreadySignedUp):
        raise AlreadySignedUp()
    if isinstance(refusal, NotEligible) or turned_down or stays_away:
        raise NotEligible()
    if refusal is not None:
        raise refusal
