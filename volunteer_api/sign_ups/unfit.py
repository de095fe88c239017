"""Who has a place and can't take part any more: she is invited instead, and the place goes to who waits.

A leader's change is looked at as it is made (see changes.py). What is known of a person changes elsewhere, and in many
ways: an insurance ends, a training is revoked, a guardian or a skill is gone, somebody leaves the team. All of them are
found by looking at everybody who has a place in a shift to come, hourly, and at once after what must not wait.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from volunteer_api.activities.changes import changing
from volunteer_api.activities.leaders import who_hears_of
from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.activities.prospects import Planned
from volunteer_api.activities.queries import fresh_activity
from volunteer_api.core import clock
from volunteer_api.core.unit_of_work import Rerun
from volunteer_api.notifications.service import notify_all
from volunteer_api.sign_ups import notices, places, queries
from volunteer_api.sign_ups.judgment import Question, missing_of
from volunteer_api.sign_ups.models import SignUp, SignUpState
from volunteer_api.sign_ups.people import asks_for_credentials, demands_of, standings_of

LOOK_AT_PEOPLE = "sign_ups.look_at_people"
LOOK_AT_CREDENTIALS = "sign_ups.look_at_credentials"


def among(
    confirmed: Sequence[SignUp], shifts: Mapping[UUID, Shift], activities: Mapping[UUID, Activity], now: datetime
) -> dict[UUID, str]:
    """Those of the sign-ups whose volunteers can't take part in their shifts as these, and they, are now; with the code
    of what is missing first.

    The team that somebody named is none of it: who leaves it still comes.
    """
    if not confirmed:
        return {}
    standings = standings_of({one.volunteer_id for one in confirmed}, activities.values(), now)
    demands = demands_of(activities.values())
    found: dict[UUID, str] = {}
    for one in confirmed:
        shift = shifts[one.shift_id]
        question = Question(activities[shift.activity_id], shift, demands[shift.activity_id], now, chosen=True)
        standing = standings.get(one.volunteer_id)
        missing = missing_of(question, standing.person) if standing is not None else ()
        if missing:
            found[one.id] = missing[0].code
    return found


def take_places(
    active: Sequence[SignUp], shifts: Mapping[UUID, Shift], activity: Activity, now: datetime
) -> dict[UUID, str]:
    """Invite anew those of held shifts' active sign-ups who have a place and can't take part; returns them as `among`
    does.
    """
    confirmed = [one for one in active if one.state == SignUpState.CONFIRMED]
    _try_people({one.volunteer_id for one in confirmed})
    unfit = among(confirmed, shifts, {activity.id: activity}, now)
    for one in confirmed:
        if one.id in unfit:
            one.asked_at = now
            invite_anew(one, shifts[one.shift_id], now)
    return unfit


def invite_anew(mine: SignUp, shift: Shift, now: datetime) -> None:
    """Take a place in a held shift from a held volunteer, who may have it again by saying yes."""
    places.end_offer(mine, shift, now)
    mine.stands_in_for_id = None
    places.move(mine, shift, SignUpState.INVITED)


def _try_people(volunteer_ids: Collection[UUID]) -> None:
    """Here the shifts are held, and who was not held before them is only tried, as in `places.promote`."""
    if volunteer_ids and not queries.lock_volunteers(volunteer_ids, wait=False):
        raise Rerun()


def shifts_with_unfit(shift_ids: Collection[UUID], *, by_credentials: bool = False) -> dict[UUID, list[UUID]]:
    """Those of the shifts in which somebody has a place who can't take part, by their activity; nothing is held.

    `by_credentials`: only where an insurance or a training is asked for.
    """
    planned = [one for one in queries.planned(shift_ids) if not by_credentials or asks_for_credentials(one[0])]
    found = {one.shift_id for one in _unfit_of(planned)}
    of_each: dict[UUID, list[UUID]] = {}
    for activity, shift in planned:
        if shift.id in found:
            of_each.setdefault(activity.id, []).append(shift.id)
    return of_each


def _unfit_of(planned: Planned) -> list[SignUp]:
    if not planned:
        return []
    shifts = {shift.id: shift for _, shift in planned}
    confirmed = [one for one in queries.active_in(shifts) if one.state == SignUpState.CONFIRMED]
    unfit = among(confirmed, shifts, {activity.id: activity for activity, _ in planned}, clock.now())
    return [one for one in confirmed if one.id in unfit]


def look_again(shift_ids: Sequence[UUID]) -> None:
    """Take the places of those who can't take part in coming shifts of one activity any more.

    They hear of it, and so do those who lead, each once.
    """
    now = clock.now()
    losing = {one.volunteer_id for one in _unfit_of(queries.planned(shift_ids))}
    if not losing:
        return
    # Held before the shifts, with those who may be called: of many somebody always does something else.
    queries.lock_volunteers(losing | queries.people_of(shift_ids, SignUpState.WAITLISTED))
    with changing(places.activity_of(shift_ids[0]), shift_ids=shift_ids) as held:
        activity = fresh_activity(held[0].activity_id)
        if activity.state != ActivityState.PUBLISHED:
            return
        shifts = {one.id: one for one in held if one.starts_at > now and one.canceled_at is None}
        confirmed = [one for one in queries.active_in(shifts) if one.state == SignUpState.CONFIRMED]
        # Nobody else is held: who keeps her place goes on with what she does.
        unfit = among(confirmed, shifts, {activity.id: activity}, now)
        taken = take_places([one for one in confirmed if one.id in unfit], shifts, activity, now)
        lost = notices.first_of_each((one for one in confirmed if one.id in taken), shifts)
        once = now.isoformat()
        notify_all(
            [
                notices.notice(
                    notices.PLACE_LOST,
                    one,
                    shifts[one.shift_id],
                    activity,
                    once=once,
                    shift_count=count,
                    lacks=taken[one.id],
                )
                for one, count in lost
            ]
        )
        if lost:
            concerned = {shifts[one.shift_id] for one in confirmed if one.id in taken}
            first = min(concerned, key=lambda shift: (shift.starts_at, shift.id))
            told = {"count": len(lost), "shift_count": len(concerned)}
            notices.tell_of_lost_places(who_hears_of(activity), first, activity, now, **told)
