"""The verbs of one sign-up."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import update

from volunteer_api.activities.leaders import who_hears_of
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.activities.problems import WrongState
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.problems import InvalidPayload
from volunteer_api.core.schema import Fault, error_list
from volunteer_api.core.settings import rules
from volunteer_api.core.statements import among
from volunteer_api.notifications.service import Notice, notify_all
from volunteer_api.sign_ups import notices, places, queries, stand_ins
from volunteer_api.sign_ups.judgment import Question, Standing, has_place, judge, not_of_the_team, refuse
from volunteer_api.sign_ups.models import ACTIVE_SIGN_UPS, SignUp, SignUpState
from volunteer_api.sign_ups.people import question_of, standing_of, standings_of
from volunteer_api.sign_ups.problems import AlreadySignedUp


def sign_up(*, shift_id: UUID, volunteer_id: UUID, team_id: UUID | None = None, role_id: UUID | None = None) -> SignUp:
    """Sign a volunteer up: confirmed while there is a place, else at the end of the waitlist; pending for approval.

    Who waits goes first (see `judge`): whoever waits takes a free place by signing up again, while free places promote
    if it is hers by the order of the waitlist, and then the sign-up that stands is returned, confirmed.
    The volunteer is locked before the shift, always: the volunteer so that two overlapping sign-ups can't pass each
    other, the shift so that its counts hold. Raises the refusals of `judge` (409) in their order.
    """
    now = clock.now()
    queries.lock_volunteer(volunteer_id)
    # What is known of the volunteer is read before the shift is held: a crowd queues there, and each waits for all.
    activity = places.activity_of(shift_id)
    standing = standing_of(volunteer_id, activity, now, team_id)
    shift = places.hold_shift_of(activity, shift_id)
    return enter(places.ask(shift, activity, now, role_id, team_id=team_id), standing, volunteer_id)


def sign_up_or_invite(
    *,
    by: UUID,
    leading: bool,
    shift_id: UUID,
    whom: UUID | None,
    team_id: UUID | None = None,
    role_id: UUID | None = None,
) -> SignUp:
    """Sign oneself up, or ask somebody else to take part; `whom` is None for a number that is nobody's.

    Raises what `sign_up` and `invite` raise, InvalidPayload (422) for nobody.
    """
    whom = stand_ins.require_somebody(whom)
    if whom == by:
        return sign_up(shift_id=shift_id, volunteer_id=by, team_id=team_id, role_id=role_id)
    return invite(by=by, leading=leading, shift_id=shift_id, volunteer_id=whom, team_id=team_id, role_id=role_id)


def invite(
    *,
    by: UUID,
    leading: bool = True,
    shift_id: UUID,
    volunteer_id: UUID,
    team_id: UUID | None = None,
    role_id: UUID | None = None,
) -> SignUp:
    """Ask a volunteer to take part; only she can say yes [Henan 25: nobody is made to serve].

    The choice of those who lead the activity (`leading`) goes past a closed list, a former rejection and no-shows; that
    of her team's leader does not. Raises InvalidPayload (422) for nobody, the other refusals up to not_eligible (409):
    her time is her own matter.
    """
    now = clock.now()
    queries.lock_volunteer(volunteer_id)
    shift, activity = places.hold_shift(shift_id)
    role = places.role_of(shift, role_id)
    question = question_of(activity, shift, now, role=role, team_id=team_id, chosen=leading)
    standing = standings_of([volunteer_id], [activity], now, [team_id] if team_id else ()).get(volunteer_id)
    if standing is None:
        raise InvalidPayload(error_list({"volunteer_id": [Fault("unknown_reference", "There is no such volunteer.")]}))
    made = enter_invited(question, standing, volunteer_id, by)
    notices.send(notices.INVITED, made, shift, activity)
    return made


def withdraw(*, sign_up_id: UUID, reason: str | None = None) -> SignUp:
    """Take a sign-up back, and give its place to whoever waits first.

    It is late inside the last 3 hours, unless the place came from the waitlist or a leader in the last hour, or the
    shift was moved and the volunteer has not said since whether she comes. Of what is late, and of a no to a moved
    shift, the leaders hear. The shifts for which she was waiting, and which this one kept her from, are looked at again
    too.
    Raises WrongState (409) where it is not active, Ended (409) after the shift, ShiftBegun (409) where it is confirmed
    and the shift runs: somebody who served must not become a late withdrawal.
    """
    now = clock.now()
    held = places.hold(sign_up_id)
    mine = held.mine
    if mine.state not in ACTIVE_SIGN_UPS:
        raise WrongState(mine.state)
    held.require_before_end(now)
    take_back([held], reason, now)
    return mine


def take_back(held: Sequence[places.Held], reason: str | None, now: datetime) -> None:
    """Take sign-ups of one volunteer back, of which `require_before_end` refused none; see `withdraw`.

    Whoever waits for her word on an invitation, or a stand-in's place, hears of it as of a no.
    """
    missed: list[places.Held] = []
    offered = [one for one in held if one.mine.state in places.OFFERED]
    for one in held:
        mine = one.mine
        mine.late = _is_late(mine, one.shift, now)
        if mine.late or (mine.state == SignUpState.CONFIRMED and mine.asked_at is not None):
            missed.append(one)
        mine.withdrawn_at, mine.withdrawal_reason, mine.asked_at = now, reason, None
    places.free_all(held, SignUpState.WITHDRAWN, now)
    for of_one in places.by_activity(missed):
        _tell_of_leaving(of_one)
    for of_one in places.by_activity(offered):
        _tell_of_no(of_one)


def accept(*, sign_up_id: UUID, names_team: bool = False, team_id: UUID | None = None) -> SignUp:
    """Say yes: to an invitation, to standing in for somebody, or to a shift that was moved.

    `names_team`: she says for which team, or None, the hours are; else it stays as she was asked, but for a stand-in's
    (see `stand_ins.accept`). Everything is judged again: there may be a place on the waitlist only, and whom her team
    asked waits for a leader where leaders decide. Raises WrongState (409) where nothing was asked, StandInGone (409),
    the refusals of `judge` (409).
    """
    now = clock.now()
    held = places.hold(sign_up_id)
    mine = held.mine
    if mine.state == SignUpState.CONFIRMED and mine.asked_at is not None:
        # Also once it runs: who says that she comes undoes nothing.
        _require_fit(held, now, team_id)
        mine.asked_at, mine.team_id = None, team_id if names_team else mine.team_id
        db.session.flush()
        return mine
    if mine.state != SignUpState.INVITED:
        raise WrongState(mine.state)
    if mine.stands_in_for_id is not None:
        return stand_ins.accept(held, now, names_team=names_team, team_id=team_id)
    if names_team:
        mine.team_id = team_id
    places.settle(mine, held.shift, held.activity, now, names_team=names_team)
    mine.asked_at = None
    if mine.state == SignUpState.PENDING:
        _tell_leaders(mine, held.shift, held.activity, now)
    else:
        _tell_who_asked(notices.ACCEPTED if mine.state == SignUpState.CONFIRMED else notices.ACCEPTED_WAITING, [held])
    return mine


def decline(*, sign_up_id: UUID, reason: str | None = None) -> SignUp:
    """Say no to what `accept` says yes to; never late. Who leads, or asked, hears of it.

    Raises WrongState, Ended, ShiftBegun (409).
    """
    now = clock.now()
    held = places.hold(sign_up_id)
    mine = held.mine
    was_asked = mine.state == SignUpState.CONFIRMED and mine.asked_at is not None
    if mine.state != SignUpState.INVITED and not was_asked:
        raise WrongState(mine.state)
    held.require_before_end(now)
    mine.withdrawn_at, mine.withdrawal_reason, mine.asked_at = now, reason, None
    places.free(held, SignUpState.DECLINED, now)
    if was_asked:
        _tell_of_leaving([held])
    else:
        _tell_of_no([held])
    return mine


def approve(*, sign_up_id: UUID, by: UUID, reason: str | None = None) -> SignUp:
    """Let somebody who asked take part, confirmed where there is a place, else waitlisted; or who waits, out of turn.

    Everything is judged again. Raises WrongState (409) where it is neither pending nor waitlisted, StandInGone (409),
    the refusals of `judge` (409), ShiftFull (409) where who waits would only wait on.
    """
    now = clock.now()
    held = places.hold(sign_up_id)
    mine = held.mine
    if mine.state not in (SignUpState.PENDING, SignUpState.WAITLISTED):
        raise WrongState(mine.state)
    given = notices.PROMOTED if mine.state == SignUpState.WAITLISTED else notices.CONFIRMED
    if mine.stands_in_for_id is not None:
        stand_ins.swap(held, now)
    else:
        places.settle(mine, held.shift, held.activity, now)
    _decide(mine, by, reason, now)
    kind = given if mine.state == SignUpState.CONFIRMED else notices.WAITLISTED
    notices.send(kind, mine, held.shift, held.activity, once=now.isoformat())
    return mine


def reject(*, sign_up_id: UUID, by: UUID, reason: str | None = None) -> SignUp:
    """Turn a request down, or take somebody out who is invited, waits or has a place; she hears why.

    An invitation is only taken back (`withdrawn`): who never asked is not turned down by that, and may sign up by
    herself. Whom another volunteer offered her place is turned down, so that it is not offered to her again.
    Raises WrongState (409) where it is not active, Ended (409), ShiftBegun (409) for somebody who may be serving.
    """
    now = clock.now()
    held = places.hold(sign_up_id)
    mine = held.mine
    if mine.state not in ACTIVE_SIGN_UPS:
        raise WrongState(mine.state)
    held.require_before_end(now)
    _decide(mine, by, reason, now)
    kind, state = notices.REJECTED, SignUpState.REJECTED
    if mine.state == SignUpState.INVITED and mine.stands_in_for_id is None and not mine.place_changes:
        kind, state, mine.withdrawn_at = notices.INVITATION_ENDED, SignUpState.WITHDRAWN, now
    mine.asked_at = None
    places.free(held, state, now)
    notices.send(kind, mine, held.shift, held.activity, once=now.isoformat(), reason=reason)
    if mine.stands_in_for_id is not None:
        stand_ins.tell_giver(notices.STAND_IN_DECLINED, held)
    return mine


def record_absences(sign_up_ids: Collection[UUID], *, absent: bool) -> None:
    """Record that these confirmed volunteers did not come, or that they did after all."""
    db.session.execute(
        update(SignUp)
        .where(among(SignUp.id, sign_up_ids), SignUp.state == SignUpState.CONFIRMED)
        .values(absent_at=clock.now() if absent else None)
        .execution_options(synchronize_session=False)
    )


def enter(question: Question, standing: Standing, volunteer_id: UUID) -> SignUp:
    """Enter what a held volunteer asks for a held shift, after `places.ask`. Raises the refusals of `judge` (409)."""
    judgment = judge(question, standing)
    if judgment.refusal is not None or judgment.would_be is None:
        raise judgment.refusal or WrongState(question.activity.state)
    if judgment.waiting_id is not None:
        return _take_place(judgment.waiting_id, question)
    made = _enter(question, volunteer_id, judgment.would_be)
    if made.state == SignUpState.PENDING:
        _tell_leaders(made, question.shift, question.activity, question.now)
    return made


def enter_invited(question: Question, standing: Standing, volunteer_id: UUID, by: UUID) -> SignUp:
    """Enter an invitation of a held volunteer to a held shift, of which the caller lets her hear.

    Raises the refusals of `refuse` (409). Of somebody who is not in her team, a team's leader hears that alone.
    """
    if not question.chosen and (strange := not_of_the_team(question, standing.person)) is not None:
        raise strange
    refusal = refuse(question, standing)
    if refusal is not None:
        raise refusal
    asked = {"decided_by": by, "decided_at": question.now, "asked_by_team": not question.chosen}
    return _enter(question, volunteer_id, SignUpState.INVITED, **asked)


def _enter(question: Question, volunteer_id: UUID, state: SignUpState, **values: Any) -> SignUp:
    return places.enter(
        question.shift,
        state=state,
        volunteer_id=volunteer_id,
        team_id=question.team_id,
        role_id=question.role.id if question.role is not None else None,
        created_at=question.now,
        **values,
    )


def _take_place(sign_up_id: UUID, question: Question) -> SignUp:
    """Confirm a waitlisted sign-up of a held volunteer for a held shift, for the team named now.

    It may have been called to a place already, by this very word of hers (see `places.ask`).
    """
    mine = db.session.get_one(SignUp, sign_up_id, populate_existing=True)
    role = places.role_of(question.shift, mine.role_id) or question.role
    is_called = mine.state == SignUpState.CONFIRMED
    if not is_called and not has_place(question.shift, role):
        # Taken while this one waited for the shift.
        raise AlreadySignedUp(mine.id, mine.state)
    mine.team_id = question.team_id
    if role is not None and mine.role_id is None:
        places.name_role(mine, role)
    if not is_called:
        places.move(mine, question.shift, SignUpState.CONFIRMED)
    return mine


def _decide(mine: SignUp, by: UUID, reason: str | None, now: datetime) -> None:
    mine.decided_by, mine.decision_reason, mine.decided_at = by, reason, now
    db.session.flush()


def _is_late(mine: SignUp, shift: Shift, now: datetime) -> bool:
    if mine.state != SignUpState.CONFIRMED or shift.canceled_at is not None or mine.asked_at is not None:
        return False
    if mine.decided_at is not None and now <= mine.decided_at + timedelta(minutes=rules().promotion_grace_minutes):
        return False
    return now > shift.starts_at - timedelta(minutes=rules().late_withdrawal_minutes)


def _require_fit(held: places.Held, now: datetime, team_id: UUID | None) -> None:
    """Raise what speaks against somebody's keeping the place in a shift that was moved (409); see `unfit.among`.

    `team_id` is a team that she names now.
    """
    mine = held.mine
    question = question_of(held.activity, held.shift, now, team_id=team_id, chosen=True, answering=mine.id)
    refusal = refuse(question, standing_of(mine.volunteer_id, held.activity, now, team_id))
    if refusal is not None:
        raise refusal


def _tell_who_asked(kind: str, held: Sequence[places.Held]) -> None:
    """Tell whoever invited, each once, what one volunteer said to the invitations."""
    by_asker: dict[UUID, list[places.Held]] = {}
    for one in held:
        if one.mine.decided_by is not None:
            by_asker.setdefault(one.mine.decided_by, []).append(one)
    notify_all([_news(kind, asked, to=asker_id) for asker_id, asked in by_asker.items()])


def _tell_of_no(held: Sequence[places.Held]) -> None:
    for one in held:
        if one.mine.stands_in_for_id is not None:
            stand_ins.tell_giver(notices.STAND_IN_DECLINED, one)
    _tell_who_asked(notices.DECLINED, [one for one in held if one.mine.stands_in_for_id is None])


def _tell_of_leaving(held: Sequence[places.Held]) -> None:
    """Tell the leaders, who counted on her: of her reasons they read where the sign-up is."""
    hearers = [one for one in who_hears_of(held[0].activity) if one != held[0].mine.volunteer_id]
    notify_all([_news(notices.GIVEN_UP, held, to=one) for one in hearers])


def _news(kind: str, held: Sequence[places.Held], *, to: UUID) -> Notice:
    """What somebody hears of sign-ups of one volunteer and one activity, by the first of the shifts."""
    first = min(held, key=lambda one: (one.shift.starts_at, one.mine.id))
    # Who was asked anew says yes again.
    once = f"{to}:{first.mine.place_changes}"
    about = str(first.mine.volunteer_id)
    return notices.notice(
        kind, first.mine, first.shift, first.activity, to=to, once=once, shift_count=len(held), person_id=about
    )


def _tell_leaders(mine: SignUp, shift: Shift, activity: Activity, now: datetime) -> None:
    notices.tell_of_requests(who_hears_of(activity), mine, shift, activity, clock.local_date(now))
