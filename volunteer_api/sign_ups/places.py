"""Places: how sign-ups are counted, to whom a free place goes, and what must be held for that.

The order of locks is always: volunteers by id, then an activity, then shifts by id. Whom a change concerns is held
before the shift; who is found only then, as whoever is called to a place, is tried and never waited for.
A sign-up changes only under the lock of its shift, and somebody gets or loses a place only under the lock of the
volunteer too.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Table, bindparam, update
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.dml import ReturningUpdate

from volunteer_api.activities.models import Activity, ActivityState, Shift, ShiftRole
from volunteer_api.activities.problems import WrongState
from volunteer_api.activities.queries import fresh_activity, lock_shifts, version_of
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.problems import InvalidPayload, NotFound
from volunteer_api.core.schema import Fault, error_list
from volunteer_api.core.unit_of_work import Rerun
from volunteer_api.notifications.service import notify_all
from volunteer_api.sign_ups import notices, queries
from volunteer_api.sign_ups.judgment import Question, could_take, has_place, judge, waitlist_is_open
from volunteer_api.sign_ups.models import SignUp, SignUpState
from volunteer_api.sign_ups.people import (
    LINE,
    LONGEST_LINE,
    first_of,
    first_to_call,
    question_of,
    standing_of,
    standings_of,
    team_still_hers,
    with_kept,
)
from volunteer_api.sign_ups.problems import Ended, ShiftBegun, ShiftFull

OFFERED = (SignUpState.PENDING, SignUpState.INVITED)


@dataclass(frozen=True)
class Held:
    """A sign-up with its shift, held; for `others` somebody waits whom a place in this one keeps away."""

    mine: SignUp
    shift: Shift
    activity: Activity
    others: Sequence[Shift]

    def require_before_end(self, now: datetime) -> None:
        """Raise Ended (409) after the shift, ShiftBegun (409) where somebody serves in it: no word undoes that."""
        if self.shift.ends_at <= now:
            raise Ended()
        if self.mine.state == SignUpState.CONFIRMED and self.shift.starts_at <= now:
            raise ShiftBegun()


def activity_of(shift_id: UUID) -> Activity:
    """The activity of a shift, as it was read last: it may change until the shift is held. Raises NotFound (404)."""
    shift = db.session.get(Shift, shift_id)
    if shift is None:
        raise NotFound()
    return db.session.get_one(Activity, shift.activity_id)


def hold_shift(shift_id: UUID) -> tuple[Shift, Activity]:
    """The shift, held, and its activity. Raises NotFound (404)."""
    shift = _held(shift_id)
    return shift, fresh_activity(shift.activity_id)


def hold_shift_of(activity: Activity, shift_id: UUID) -> Shift:
    """The shift, held, of an activity that nobody edited since it was read; else the whole unit runs again."""
    shift = _held(shift_id)
    if version_of(activity.id) != activity.version:
        raise Rerun()
    return shift


def _held(shift_id: UUID) -> Shift:
    shifts = lock_shifts([shift_id])
    if not shifts:
        raise NotFound()
    return shifts[0]


def hold(sign_up_id: UUID, *, also: Collection[UUID] = ()) -> Held:
    """The sign-up as it is now, with all that its change touches, and the volunteers of `also`. Raises NotFound (404).

    Of an offer the one who gives the place is held too: both places change together.
    """
    known = db.session.get(SignUp, sign_up_id)
    if known is None:
        raise NotFound()
    is_offer = known.stands_in_for_id is not None and known.state in OFFERED
    giver = db.session.get_one(SignUp, known.stands_in_for_id) if is_offer else None
    queries.lock_volunteers({known.volunteer_id, *also} | ({giver.volunteer_id} if giver is not None else set()))
    leaving = [db.session.get_one(SignUp, one.id, populate_existing=True) for one in (known, giver) if one is not None]
    waits = [
        shift_id
        for one in leaving
        if one.state == SignUpState.CONFIRMED
        for shift_id in queries.waits_freed_by([one.shift_id], one.volunteer_id)
    ]
    shifts = lock_shifts([known.shift_id, *waits])
    shift = next(one for one in shifts if one.id == known.shift_id)
    activity = db.session.get_one(Activity, shift.activity_id, populate_existing=True)
    return Held(leaving[0], shift, activity, [one for one in shifts if one is not shift])


def hold_people(shift_ids: Sequence[UUID]) -> None:
    """Wait for all who have a place in these shifts or wait for one, where they are not over, and hold them.

    Whom a change sets free may have waited elsewhere for just that, also in a shift that is under way. Those who come
    after the look are tried once the shifts are held: nobody is passed over, but the unit runs again.
    """
    people = queries.people_of(shift_ids, SignUpState.CONFIRMED, SignUpState.WAITLISTED)
    if people:
        queries.lock_volunteers(people)


def hold_own(volunteer_id: UUID, now: datetime, *, activity_id: UUID | None = None) -> list[Held]:
    """All that a volunteer has of shifts which are not over, or of an activity's, by their start, each held as `hold`
    does it.

    All of it at once, so that the order of ids holds among them.
    """
    queries.lock_volunteer(volunteer_id)
    mine = {one.shift_id: one for one in queries.own_active(volunteer_id, now, activity_id=activity_id)}
    confirmed = [one.shift_id for one in mine.values() if one.state == SignUpState.CONFIRMED]
    waits = queries.waits_freed_by(confirmed, volunteer_id) if confirmed else []
    shifts = lock_shifts([*mine, *waits])
    if not mine:
        return []
    own = sorted((one for one in shifts if one.id in mine), key=lambda one: (one.starts_at, one.id))
    others = [one for one in shifts if one.id not in mine]
    activities = {one: fresh_activity(one) for one in {shift.activity_id for shift in own}}
    return [Held(mine[shift.id], shift, activities[shift.activity_id], others) for shift in own]


def by_activity(held: Iterable[Held]) -> list[list[Held]]:
    """What is held, in a list for each activity."""
    found: dict[UUID, list[Held]] = {}
    for one in held:
        found.setdefault(one.activity.id, []).append(one)
    return list(found.values())


def role_of(shift: Shift, role_id: UUID | None) -> ShiftRole | None:
    """The role of a held shift as it is now. Raises InvalidPayload (422) for one that the shift does not have."""
    if role_id is None:
        return None
    role = db.session.get(ShiftRole, role_id, populate_existing=True)
    if role is None or role.shift_id != shift.id:
        raise InvalidPayload(error_list({"role_id": [Fault("unknown_reference", "This shift has no such role.")]}))
    return role


def enter(shift: Shift, *, state: SignUpState, **values: Any) -> SignUp:
    """Add a sign-up in this state, and with these values, to a held shift."""
    made = queries.add_sign_up(
        {**values, "shift_id": shift.id, "state": state, "place_changes": int(state == SignUpState.CONFIRMED)}
    )
    _count(shift, made.role_id, None, made.state)
    return made


def move(mine: SignUp, shift: Shift, state: SignUpState) -> None:
    """Bring a sign-up of a held shift into another state."""
    before, mine.state = mine.state, state
    if state == SignUpState.WAITLISTED:
        mine.position = queries.next_position(shift.id)
    if (before == SignUpState.CONFIRMED) != (state == SignUpState.CONFIRMED):
        mine.place_changes += 1
    db.session.flush()
    _count(shift, mine.role_id, before, state)


def name_role(mine: SignUp, role: ShiftRole) -> None:
    """Let somebody who waits for any place in a held shift, or has one, be in this role of it."""
    mine.role_id = role.id
    db.session.flush()
    is_confirmed = mine.state == SignUpState.CONFIRMED
    _add(role, int(is_confirmed), int(not is_confirmed))


def settle(mine: SignUp, shift: Shift, activity: Activity, now: datetime, *, names_team: bool = False) -> None:
    """Give an accepted or approved sign-up its place, or its place on the waitlist, or let it wait for a leader.

    Whom a leader chose takes a free place that is kept for others, and who waits already one out of her turn.
    Raises the refusals of `judge` (409): the world may have changed since somebody was asked; ShiftFull (409) where who
    waits would only wait on. The team that she once named is judged no more, only one of now (`names_team`).
    """
    team_id = mine.team_id if names_team else None
    question = ask(
        shift,
        activity,
        now,
        mine.role_id,
        team_id=team_id,
        chosen=True,
        by_team=mine.asked_by_team,
        answering=mine.id,
    )
    if mine.state == SignUpState.CONFIRMED:
        # It was her turn.
        return
    standing = standing_of(mine.volunteer_id, activity, now, mine.team_id)
    if not names_team and not mine.place_changes:
        mine.team_id = team_still_hers(mine, standing)
    judgment = judge(question, standing)
    if judgment.refusal is not None or judgment.would_be is None:
        raise judgment.refusal or WrongState(mine.state)
    if mine.state == judgment.would_be == SignUpState.WAITLISTED:
        raise ShiftFull(case="waits")
    mine.asked_by_team = False
    move(mine, shift, judgment.would_be)


def ask(
    shift: Shift,
    activity: Activity,
    now: datetime,
    role_id: UUID | None,
    *,
    team_id: UUID | None,
    **how: Any,
) -> Question:
    """The question about a place in a held shift, once everybody who waits and could have one has it.

    They may have become eligible by something that promotes nobody: joining a team again.
    """
    called = promote(shift, activity, now) if shift.waitlisted_count else ()
    role = role_of(shift, role_id)
    question = question_of(activity, shift, now, role=role, team_id=team_id, called=called, **how)
    return with_kept([question])[0]


def free(held: Held, state: SignUpState, now: datetime) -> None:
    """Take a sign-up out; whom its place keeps waiting, here and elsewhere, gets one."""
    free_all([held], state, now)


def free_all(held: Sequence[Held], state: SignUpState, now: datetime) -> None:
    """The same for several of one volunteer, who gets none of the places that she leaves."""
    for one in held:
        end_offer(one.mine, one.shift, now)
        move(one.mine, one.shift, state)
    promote_all({shift.id: shift for one in held for shift in (one.shift, *one.others)}.values(), now)


def end_offer(mine: SignUp, shift: Shift, now: datetime) -> None:
    """Where a stand-in was asked for this place, tell her that it is no longer there."""
    offer = queries.open_offer(mine.id) if mine.state == SignUpState.CONFIRMED else None
    if offer is not None:
        offer.withdrawn_at = now
        move(offer, shift, SignUpState.WITHDRAWN)
        notices.send(notices.STAND_IN_GONE, offer, shift, db.session.get_one(Activity, shift.activity_id))


def promote_all(shifts: Iterable[Shift], now: datetime) -> None:
    """Give the free places of these held shifts to those who wait for them, or tell them once it is too late."""
    for shift in sorted(shifts, key=lambda one: one.id):
        if shift.waitlisted_count and has_place(shift):
            activity = fresh_activity(shift.activity_id)
            promote(shift, activity, now)
            _tell_of_places(shift, activity, now)


def call_waiting(shift_id: UUID) -> None:
    """Give the free places of a shift to who waits and became able to have one, or tell them once it is too late.

    Nothing is held where nobody could.
    """
    now, activity = clock.now(), activity_of(shift_id)
    shift = db.session.get_one(Shift, shift_id)
    if waitlist_is_open(shift, now):
        called = first_to_call(question_of(activity, shift, now))
        if not called:
            return
        queries.lock_volunteers({one.volunteer_id for one in called})
    shift, _ = hold_shift(shift_id)
    promote_all([shift], now)


def promote(shift: Shift, activity: Activity, now: datetime) -> list[UUID]:
    """Give the free places of a held shift to those who wait, the first first; returns the sign-ups that have them now.

    Here the shift is held before the volunteer. So that this never closes a circle of waiting, the volunteer is only
    tried, never waited for; where somebody else holds them, the whole unit runs again.
    """
    if activity.state != ActivityState.PUBLISHED or shift.canceled_at is not None or not waitlist_is_open(shift, now):
        return []
    question = question_of(activity, shift, now, chosen=True)
    given: list[UUID] = []
    after, limit = 0, LINE
    # One walk: whom a look passes over gets nothing by the places that it gives. Nearly always the first is taken;
    # where hundreds wait who can't be, ever more are looked at together.
    while has_place(shift) and shift.waitlisted_count and (line := queries.line(shift, after, limit)):
        if called := first_of(line, question):
            # They may have signed up for something else between the look and the lock.
            held = queries.lock_volunteers({one.volunteer_id for one in called}, wait=False)
            if not held or first_of(queries.line(shift, after, limit), question) != called:
                raise Rerun()
            for one, team_id in called.items():
                one.decided_at, one.team_id = now, team_id
                move(one, shift, SignUpState.CONFIRMED)
            notify_all([notices.notice(notices.PROMOTED, one, shift, activity, once=now.isoformat()) for one in called])
            given += [one.id for one in called]
        after, limit = line[-1].position or 0, min(limit * 5, LONGEST_LINE)
    return given


def _tell_of_places(shift: Shift, activity: Activity, now: datetime) -> None:
    """Tell who waits for a held shift that a free place is hers if she takes it: nobody is called any more.

    Each hears of it once, however many fall free, and who could not have one does not.
    """
    if activity.state != ActivityState.PUBLISHED or shift.canceled_at is not None or waitlist_is_open(shift, now):
        return
    question, begins, after = question_of(activity, shift, now), max(shift.starts_at, now), 0
    while line := queries.line(shift, after, LONGEST_LINE):
        standings = standings_of([one.volunteer_id for one in line], [activity], now)
        could = [one for one in line if could_take(question, standings.get(one.volunteer_id), one.id)]
        notify_all([notices.notice(notices.PLACE_FREE, one, shift, activity, happens_at=begins) for one in could])
        after = line[-1].position or 0


def _count(shift: Shift, role_id: UUID | None, before: str | None, after: str) -> None:
    """Change the counts of a held shift and of the role, past the `version`: that one is for what leaders edit."""
    counted = (SignUpState.CONFIRMED, SignUpState.WAITLISTED)
    confirmed, waitlisted = ((after == state) - (before == state) for state in counted)
    if not confirmed and not waitlisted:
        return
    _add(shift, confirmed, waitlisted)
    if role_id is not None:
        _add(db.session.get_one(ShiftRole, role_id), confirmed, waitlisted)


def _add(counted: Shift | ShiftRole, confirmed: int, waitlisted: int) -> None:
    changes = {"counted_id": counted.id, "confirmed": confirmed, "waitlisted": waitlisted}
    counts = db.session.connection().execute(_counting(type(counted)), changes).one()
    set_committed_value(counted, "confirmed_count", counts.confirmed_count)
    set_committed_value(counted, "waitlisted_count", counts.waitlisted_count)


@cache
def _counting(model: type[Shift | ShiftRole]) -> ReturningUpdate[Any]:
    # Past the session: it would add to the `version`.
    table: Table = model.__table__  # type: ignore[assignment]  # SQLAlchemy types it as any FROM clause
    counts = (table.c.confirmed_count, table.c.waitlisted_count)
    return (
        update(table)
        .where(table.c.id == bindparam("counted_id"))
        .values(
            confirmed_count=counts[0] + bindparam("confirmed"), waitlisted_count=counts[1] + bindparam("waitlisted")
        )
        .returning(*counts)
    )
