"""What a change of shifts does to the sign-ups for them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from volunteer_api.activities.events import ActivityChanged, RolesChanging, ShiftBefore, ShiftsChanged
from volunteer_api.activities.models import Activity, ActivityState, Shift, ShiftRole
from volunteer_api.activities.problems import RoleTaken
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.notifications.service import Notice, notify_all
from volunteer_api.sign_ups import notices, places, queries, unfit
from volunteer_api.sign_ups.judgment import overlapping
from volunteer_api.sign_ups.models import SignUp, SignUpState
from volunteer_api.sign_ups.people import standings_of


def follow(event: ShiftsChanged) -> None:
    """Tell the people of shifts that were canceled or moved, and give every place that became free.

    Who had a place in a moved shift keeps it and is asked again, but for who moved it; only where she now has another
    shift at that time, she is invited anew and the place goes to who waits; so is who can't take part on that day, or
    by what the activity asks for now. Who serves in a shift that is made longer or shorter only hears of it.
    """
    now = clock.now()
    # Held and fresh, so that no statement is needed to have them.
    activity = db.session.get_one(Activity, event.activity_id)
    changed = [(before, db.session.get_one(Shift, before.id)) for before in event.before]
    companions = [db.session.get_one(Shift, shift_id) for shift_id in event.companion_ids]
    canceled = [shift for before, shift in changed if shift.canceled_at is not None and before.canceled_at is None]
    if canceled:
        _tell_of_cancellation(canceled, activity, event.reason, now)
    moved = [(before, shift) for before, shift in changed if _is_moved(before, shift, activity, now)]
    if coming := [(before, shift) for before, shift in moved if before.starts_at > now]:
        _ask_again(coming, activity, now, by=event.by)
    running = [(before, shift) for before, shift in moved if before.starts_at <= now]
    if activity.state == ActivityState.COMPLETED:
        running = [(before, shift) for before, shift in changed if shift.ends_at < before.ends_at]
    if running:
        _tell_of_end(running, activity)
    if event.lost is not None:
        event.lost.extend(_look_again([shift for _, shift in changed if shift.starts_at > now], activity, now))
    places.promote_all([*(shift for _, shift in changed), *companions], now)


def tell(event: ActivityChanged) -> None:
    """Tell the people of an activity's coming shifts that something of it is not as it was, once for each change.

    Another way of signing up concerns those alone who wait for a leader: their requests stay what they are.
    """
    activity = db.session.get_one(Activity, event.activity_id)
    coming = {shift.id: shift for shift in queries.coming_shifts(activity.id, clock.now())}
    there = queries.active_in(coming)
    kinds: list[tuple[str, list[SignUp]]] = []
    if set(event.fields) - {"sign_up_mode"}:
        kinds.append((notices.ACTIVITY_CHANGED, there))
    if "sign_up_mode" in event.fields:
        kinds.append((notices.MODE_CHANGED, [one for one in there if one.state == SignUpState.PENDING]))
    for kind, concerned in kinds:
        once = str(activity.version)
        notify_all(
            [
                notices.notice(kind, one, coming[one.shift_id], activity, once=once, shift_count=count)
                for one, count in notices.first_of_each(concerned, coming)
            ]
        )


def change_roles(event: RolesChanging) -> None:
    """Refuse to remove a role that somebody counts on; tell those in a renamed one.

    Sign-ups that are over let go of a role that goes. Raises RoleTaken (409).
    """
    in_the_way = queries.in_roles(event.removed)
    if in_the_way:
        role = db.session.get_one(ShiftRole, in_the_way[0].role_id)
        count = sum(one.role_id == role.id for one in in_the_way)
        raise RoleTaken(members={"role_id": str(role.id), "sign_up_count": count}, count=count, role=role.name)
    queries.let_go_of_roles(event.removed)
    names = {role_id: (before, now) for role_id, before, now in event.renamed}
    shift, activity = db.session.get_one(Shift, event.shift_id), db.session.get_one(Activity, event.activity_id)
    told: list[Notice] = []
    for one in queries.in_roles(names) if names else ():
        before, now = names[one.role_id] if one.role_id is not None else ("", "")
        once = f"{one.role_id}:{shift.version}"
        told.append(notices.notice(notices.ROLE_RENAMED, one, shift, activity, once=once, role=now, before=before))
    notify_all(told)


def _tell_of_cancellation(shifts: Sequence[Shift], activity: Activity, reason: str | None, now: datetime) -> None:
    kind = notices.SHIFT_CANCELED if activity.state == ActivityState.PUBLISHED else notices.CANCELED
    by_id = {shift.id: shift for shift in shifts}
    why = notices.ENDED_EARLY if activity.state == ActivityState.COMPLETED else reason
    # Who serves in it already hears of it at once.
    begins = {shift.id: max(shift.starts_at, now) for shift in shifts}
    notify_all(
        [
            notices.notice(
                kind,
                one,
                by_id[one.shift_id],
                activity,
                shift_count=count,
                happens_at=begins[one.shift_id],
                reason=why,
            )
            for one, count in notices.first_of_each(queries.active_in(by_id), by_id)
        ]
    )


def _is_moved(before: ShiftBefore, shift: Shift, activity: Activity, now: datetime) -> bool:
    times = (shift.starts_at, shift.ends_at)
    to_come = shift.canceled_at is None and shift.ends_at > now and activity.state == ActivityState.PUBLISHED
    return to_come and times != (before.starts_at, before.ends_at)


def _tell_of_end(moved: Sequence[tuple[ShiftBefore, Shift]], activity: Activity) -> None:
    """Whoever serves is not asked again, and keeps her place whatever she has after it."""
    by_id = {shift.id: (before, shift) for before, shift in moved}
    told = [(one, *by_id[one.shift_id]) for one in queries.active_in(by_id)]
    notify_all(
        [
            notices.notice(
                notices.SHIFT_END_CHANGED,
                one,
                shift,
                activity,
                once=str(shift.version),
                happens_at=shift.ends_at,
                moved_from=before,
            )
            for one, before, shift in told
        ]
    )


def _look_again(shifts: Sequence[Shift], activity: Activity, now: datetime) -> set[UUID]:
    """Tell everybody that the activity asks for something else; who can't take part any more loses the place.

    Returns the sign-ups that did.
    """
    by_id = {shift.id: shift for shift in shifts if shift.canceled_at is None}
    found = queries.active_in(by_id)
    lost = unfit.take_places(found, by_id, activity, now)
    losers = {one.volunteer_id for one in found if one.id in lost}
    told = [(notices.PLACE_LOST, [one for one in found if one.id in lost])]
    told.append((notices.DEMANDS_CHANGED, [one for one in found if one.volunteer_id not in losers]))
    notify_all(
        [
            notices.notice(
                kind,
                one,
                by_id[one.shift_id],
                activity,
                once=str(activity.version),
                shift_count=count,
                lacks=lost.get(one.id),
            )
            for kind, concerned in told
            for one, count in notices.first_of_each(concerned, by_id)
        ]
    )
    db.session.flush()
    return set(lost)


def _ask_again(
    moved: Sequence[tuple[ShiftBefore, Shift]], activity: Activity, now: datetime, *, by: UUID | None
) -> None:
    by_id = {shift.id: shift for _, shift in moved}
    before = {shift.id: known for known, shift in moved}
    found = queries.active_in(by_id)
    states = {one.id: one.state for one in found}
    unfit.take_places(found, by_id, activity, now)
    confirmed = [one for one in found if one.state == SignUpState.CONFIRMED]
    standings = standings_of({one.volunteer_id for one in confirmed}, (), now) if confirmed else {}
    for one in confirmed:
        if one.volunteer_id != by:
            one.asked_at = now
        others = [other for other in standings[one.volunteer_id].engagements if other.sign_up_id != one.id]
        if overlapping(by_id[one.shift_id], others) is not None:
            unfit.invite_anew(one, by_id[one.shift_id], now)
    notify_all(
        [
            notices.notice(
                notices.SHIFT_MOVED,
                one,
                by_id[one.shift_id],
                activity,
                # Neither the times nor the moment: each move is told of, there, back and there again.
                once=str(by_id[one.shift_id].version),
                moved_from=before[one.shift_id],
            )
            for one in found
            # Who moved it knows, unless she lost her place by it.
            if one.volunteer_id != by or one.state != states[one.id]
        ]
    )
    db.session.flush()
