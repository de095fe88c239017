"""The verbs of shifts: add, change, cancel, and make anew from a recurrence."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm.attributes import flag_modified

from volunteer_api.activities import queries, recurrence, roles
from volunteer_api.activities.changes import UNPUBLISHED, changing, hold_people, taken
from volunteer_api.activities.events import AddedLate
from volunteer_api.activities.models import (
    LATEST_WORD,
    LONGEST_SHIFT,
    Activity,
    ActivityState,
    Campaign,
    Shift,
    ShiftRole,
)
from volunteer_api.activities.problems import (
    MOST_NAMED,
    CapacityBelowConfirmed,
    EndsInThePast,
    ShiftJustAdded,
    ShiftOver,
    ShiftUnderWay,
    TooLongAgo,
    TooManyShifts,
    WrongState,
)
from volunteer_api.activities.renewal import RULED, Kept, is_as_given, renewal_of
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.events import publish
from volunteer_api.core.ids import new_id
from volunteer_api.core.problems import InvalidPayload, PreconditionFailed
from volunteer_api.core.schema import Fault, error_list

MOST_SHIFTS = recurrence.MOST_OCCURRENCES
# With canceled ones, which a rule that is given anew leaves behind.
MOST_KEPT = 10 * MOST_SHIFTS
OVER = (ActivityState.COMPLETED, ActivityState.CANCELED)
# Within this time the same once more is a second tap.
SECOND_TAP = timedelta(minutes=1)


_last_day_overdue: list[Callable[[], date]] = []


def register_last_day_overdue(last_day_overdue: Callable[[], date]) -> None:
    """`last_day_overdue()` is the latest local day of which no service can be recorded any more."""
    _last_day_overdue[:] = [last_day_overdue]


def add_shift(activity: Activity, *, by: UUID | None = None, publishes: bool = True, **shift: Any) -> Shift:
    """Add a shift; `publishes`: whether who adds it could publish the activity.

    Raises WrongState (409) once the activity is over, ShiftJustAdded, TooManyShifts (409) beyond 366, TooLongAgo (409),
    InvalidPayload (422) where it would have begun long ago, or is on no day of the activity's campaign.
    """
    activity = queries.lock_activity(activity.id)
    _require_going_on(activity)
    _require_recent(activity, shift["starts_at"], publishes=publishes)
    _require_start_in_campaign(activity, shift["starts_at"])
    _require_no_second_tap(activity, shift)
    alive, kept = queries.shift_counts(activity.id)
    _require_few(alive + 1, kept + 1)
    [added] = _added(activity, [shift], by)
    return added


def change_shift(shift: Shift, *, by: UUID | None = None, **changes: Any) -> Shift:
    """Change when a shift is, and how many it takes; who signed up hears of a move, and is asked again, but for `by`.

    Raises WrongState (409) once the activity is over, ShiftOver where the shift is canceled, or over and no draft's,
    ShiftUnderWay where such a one that has begun would begin at another time, EndsInThePast, TooLongAgo,
    CapacityBelowConfirmed, what `roles.replace` raises (409), PreconditionFailed (412) where somebody else changed it
    meanwhile, InvalidPayload (422) for what can't be, and where a public one would have begun, or it would be on no day
    of the activity's campaign.
    """
    known_version, now = shift.version, clock.now()
    wanted = changes.pop("roles", None)
    hold_people([shift.id])
    activity = queries.lock_activity(shift.activity_id)
    _require_going_on(activity)
    with changing(activity, shift_ids=[shift.id], by=by) as (held,):
        if held.version != known_version:
            raise PreconditionFailed()
        _require_changeable(held, changes, now, is_draft=activity.state in UNPUBLISHED)
        if changes.get("starts_at", held.starts_at) != held.starts_at:
            _require_to_come(activity, changes["starts_at"], now)
            _require_start_in_campaign(activity, changes["starts_at"])
            held.risk_told_at = None
        times = changes.get("starts_at", held.starts_at), changes.get("ends_at", held.ends_at)
        for name, value in ({"sign_up_closes_at": _closes_then(held, *times)} | changes).items():
            setattr(held, name, value)
        there = roles.roles_of([held.id])[held.id]
        _require_sense(held, there if wanted is None else wanted)
        if wanted is not None and roles.replace(held, wanted, there):
            # What stands in a table of its own must move the version too.
            flag_modified(held, "capacity")
    return held


def cancel_shift(shift: Shift, *, reason: str) -> Shift:
    """Cancel one shift; who signed up for it hears why. Raises WrongState, ShiftOver (409)."""
    hold_people([shift.id])
    activity = queries.lock_activity(shift.activity_id)
    _require_going_on(activity)
    with changing(activity, shift_ids=[shift.id], reason=reason) as (held,):
        # Nobody can have come to a draft's.
        is_over = held.ends_at <= clock.now() and activity.state not in UNPUBLISHED
        if is_over or held.canceled_at is not None:
            raise ShiftOver()
        held.canceled_at, held.cancellation_reason = clock.now(), reason
    return held


def repeat(
    activity: Activity, rule: Mapping[str, Any], *, by: UUID | None = None, publishes: bool = True
) -> Sequence[Kept]:
    """Make the activity's recurring shifts anew, one for each local day that the rule gives; see `renewal_of`.

    What goes is deleted with a draft, and canceled in a published activity. What began long ago is not made by somebody
    who could not publish it.
    Returns what stays to come and is otherwise than the rule has it, the soonest first.
    Raises WrongState, TooManyShifts (409), PreconditionFailed (412), and what `recurrence.expand` raises (422).
    """
    # The lock reads it anew, and past what is not written yet: the campaign that comes with the rule.
    db.session.flush()
    known_version = activity.version
    activity = queries.lock_activity(activity.id)
    if activity.version != known_version:
        # Somebody else changed it between the look at If-Match and the lock.
        raise PreconditionFailed()
    _require_going_on(activity)
    # Nobody can have signed up for a draft.
    is_draft = activity.state in UNPUBLISHED
    now, given = clock.now(), recurrence.expand(rule)
    with changing(activity) as shifts:
        ids = [shift.id for shift in shifts]
        there = roles.roles_of(ids)
        found = renewal_of(
            shifts,
            given,
            recurrence.gave(activity.recurrence),
            now,
            signed_up=taken(ids),
            roles=there,
            can_come=lambda one: one["ends_at"] > now and _is_recent(activity, one["starts_at"], publishes=publishes),
            is_draft=is_draft,
        )
        # What is there already stays, though the campaign's days may have changed.
        _require_rule_in_campaign(found.new, activity.campaign_id)
        more = len(found.new) - len(found.gone)
        alive = sum(shift.canceled_at is None for shift in shifts)
        _require_few(alive + more, len(shifts) + (more if is_draft else len(found.new)))
        for shift, again in found.known.items():
            shift.from_recurrence, shift.until_recurrence = again["from_recurrence"], again["until_recurrence"]
        for shift, again in found.ruled.items():
            _rule(shift, again, there[shift.id])
        for shift in found.gone if not is_draft else ():
            shift.canceled_at = now
        _added(activity, found.new, by)
        activity.recurrence = recurrence.stored(rule)
    if is_draft:
        _delete(found.gone, there)
    return found.kept


def _delete(shifts: Sequence[Shift], there: Mapping[UUID, Sequence[ShiftRole]]) -> None:
    for shift in shifts:
        for role in there[shift.id]:
            db.session.delete(role)
    db.session.flush()
    for shift in shifts:
        db.session.delete(shift)
    db.session.flush()


def consequences_view(places_lost: int, kept: Sequence[Kept]) -> dict[str, Any]:
    """What a change did beside itself, as it is answered."""
    times = ("id", "starts_at", "ends_at", "canceled_at")
    named = [{name: getattr(one.shift, name) for name in times} | {"why": one.why} for one in kept[:MOST_NAMED]]
    return {"places_lost": places_lost, "kept_shifts": named, "kept_shift_count": len(kept)}


def _rule(shift: Shift, again: Mapping[str, Any], parts: Sequence[ShiftRole]) -> None:
    """Let a shift be as the rule has it."""
    if shift.starts_at != again["starts_at"]:
        shift.risk_told_at = None
    shift.sign_up_closes_at = _closes_then(shift, again["starts_at"], again["ends_at"])
    for name in ("from_recurrence", "until_recurrence", *RULED):
        setattr(shift, name, again[name])
    roles.replace(shift, again["roles"], parts)


def _closes_then(shift: Shift, starts_at: datetime, ends_at: datetime) -> datetime | None:
    """Until when sign-ups are taken where the shift is moved and nobody says: as long before its start, to its end.

    What has passed stays: a list that was closed is not opened by a move. Nobody could sign up for a draft yet.
    """
    closes_at = shift.sign_up_closes_at
    if closes_at is None:
        return None
    if closes_at <= clock.now() and db.session.get_one(Activity, shift.activity_id).state not in UNPUBLISHED:
        return closes_at
    return min(closes_at + (starts_at - shift.starts_at), ends_at)


def _require_no_second_tap(activity: Activity, given: Mapping[str, Any]) -> None:
    """Let pass what differs from each shift that was added just now. Raises ShiftJustAdded (409).

    Two shifts at one time are two tasks where anything of them differs. Where nothing does, nobody could tell them
    apart, and one whose lost answer was asked for again is more likely than two.
    """
    same = select(Shift).where(
        Shift.activity_id == activity.id,
        Shift.starts_at == given["starts_at"],
        Shift.created_at > clock.now() - SECOND_TAP,
        Shift.canceled_at.is_(None),
    )
    found = db.session.scalars(same.order_by(Shift.id)).all()
    there = roles.roles_of([one.id for one in found]) if found else {}
    whole = {"capacity": None, "minimum": None, "roles": (), **given}
    for one in found:
        if one.sign_up_closes_at == given.get("sign_up_closes_at") and is_as_given(one, whole, there[one.id]):
            raise ShiftJustAdded(members={"shift_id": str(one.id)})


def _require_few(alive: int, kept: int) -> None:
    if alive > MOST_SHIFTS or kept > MOST_KEPT:
        raise TooManyShifts(maximum=MOST_SHIFTS)


def _added(activity: Activity, shifts: Sequence[Mapping[str, Any]], by: UUID | None) -> list[Shift]:
    """Add shifts to an activity that people know of; who adds one that has begun is noted."""
    added, now = shifts_of(activity.id, shifts), clock.now()
    for shift in added:
        if by is not None and shift.starts_at < now:
            publish(AddedLate(shift.id, shift.ends_at, by))
    return added


def shifts_of(activity_id: UUID, shifts: Sequence[Mapping[str, Any]]) -> list[Shift]:
    """Add shifts to an activity, each with its `roles` where it has some. Raises TooLongAgo (409)."""
    _require_recordable([given["ends_at"] for given in shifts])
    added: list[Shift] = []
    parts: list[ShiftRole] = []
    for given in shifts:
        shift = Shift(
            id=new_id(), activity_id=activity_id, **{name: value for name, value in given.items() if name != "roles"}
        )
        added.append(shift)
        in_order = enumerate(given.get("roles") or ())
        parts += [ShiftRole(shift_id=shift.id, position=place, **role) for place, role in in_order]
    db.session.add_all(added)
    db.session.flush()
    db.session.add_all(parts)
    db.session.flush()
    return added


def require_recordable(activity_id: UUID) -> None:
    """Let pass an activity whose shifts, but for canceled ones, may still be recorded. Raises TooLongAgo (409)."""
    alive = select(Shift.ends_at).where(Shift.activity_id == activity_id, Shift.canceled_at.is_(None))
    _require_recordable(db.session.scalars(alive).all())


def _require_recordable(ends: Sequence[datetime]) -> None:
    """Let pass shifts of whose service there is still time to record it. Raises TooLongAgo (409)."""
    last_day = _last_day_overdue[0]()
    days = {day for day in map(clock.local_date, ends) if day <= last_day}
    if days:
        raise TooLongAgo(min(days), last_day)


def require_some(
    shifts: Sequence[Mapping[str, Any]] | None, given: Mapping[str, Any] | None, campaign_id: UUID | None
) -> list[dict[str, Any]]:
    """The shifts of a new activity, given one by one or by a recurrence. Raises InvalidPayload (422)."""
    if given is not None:
        found: list[dict[str, Any]] = recurrence.expand(given)
        _require_rule_in_campaign(found, campaign_id)
        return found
    found = [dict(shift) for shift in shifts or ()]
    outside = outside_campaign(campaign_id, [shift["starts_at"] for shift in found])
    if outside:
        faults = {number: {"starts_at": [fault]} for number, fault in outside.items()}
        raise InvalidPayload(error_list({"shifts": faults}))
    return found


def require_in_campaign(activity: Activity) -> None:
    """Let an activity join a campaign on whose days its shifts are. Raises InvalidPayload (422)."""
    planned = select(Shift.starts_at).where(Shift.activity_id == activity.id, Shift.canceled_at.is_(None))
    for fault in outside_campaign(activity.campaign_id, db.session.scalars(planned).all()).values():
        raise InvalidPayload(error_list({"campaign_id": [fault]}))


def outside_campaign(campaign_id: UUID | None, starts: Sequence[datetime]) -> dict[int, Fault]:
    """Which of the starts, by their number, are on no day of the campaign, whose goals they would count towards."""
    campaign = db.session.get(Campaign, campaign_id) if campaign_id is not None else None
    if campaign is None:
        return {}
    first, last = campaign.starts_on or date.min, campaign.ends_on or date.max
    fault = Fault(
        "outside_campaign",
        "The campaign is from %(first)s to %(last)s; choose one of its days, or change the campaign's days before.",
        first=str(campaign.starts_on or "…"),
        last=str(campaign.ends_on or "…"),
    )
    return {number: fault for number, one in enumerate(starts) if not first <= clock.local_date(one) <= last}


def _require_rule_in_campaign(shifts: Sequence[Mapping[str, Any]], campaign_id: UUID | None) -> None:
    for fault in outside_campaign(campaign_id, [shift["starts_at"] for shift in shifts]).values():
        raise InvalidPayload(error_list({"recurrence": {"rrule": [fault]}}))


def _require_start_in_campaign(activity: Activity, starts_at: datetime) -> None:
    for fault in outside_campaign(activity.campaign_id, [starts_at]).values():
        raise InvalidPayload(error_list({"starts_at": [fault]}))


def _require_going_on(activity: Activity) -> None:
    if activity.state in OVER:
        raise WrongState(activity.state)


def _require_recent(activity: Activity, starts_at: datetime, *, publishes: bool) -> None:
    if not _is_recent(activity, starts_at, publishes=publishes):
        fault = Fault(
            "begun_long_ago", "It would have begun long ago; an organizer can plan it, or hours be backfilled."
        )
        raise InvalidPayload(error_list({"starts_at": [fault]}))


def _is_recent(activity: Activity, starts_at: datetime, *, publishes: bool) -> bool:
    """Whether a shift may begin then: whoever leads makes no hours backwards alone; a draft has yet to be published."""
    return publishes or activity.state in UNPUBLISHED or starts_at >= clock.now() - LATEST_WORD


def _require_to_come(activity: Activity, starts_at: datetime, now: datetime) -> None:
    """Let pass a move to a time to come: hours of what has begun are of a shift that was planned then."""
    if starts_at < now and activity.state not in UNPUBLISHED:
        fault = Fault("begins_in_the_past", "A shift is moved to a time to come; add another one for what has begun.")
        raise InvalidPayload(error_list({"starts_at": [fault]}))


def _require_changeable(shift: Shift, changes: Mapping[str, Any], now: datetime, *, is_draft: bool) -> None:
    if shift.canceled_at is not None or (shift.ends_at <= now and not is_draft):
        raise ShiftOver()
    if is_draft:
        # Its day may have passed while it waited for an organizer: nobody was there, and it gets another one.
        _require_recordable([changes.get("ends_at", shift.ends_at)])
        return
    if changes.get("starts_at", shift.starts_at) != shift.starts_at and shift.starts_at <= now:
        raise ShiftUnderWay()
    if changes.get("ends_at", shift.ends_at) <= now:
        raise EndsInThePast()


def _require_sense(shift: Shift, parts: Sequence[ShiftRole | Mapping[str, Any]]) -> None:
    """What the schema can't see of a change that names only some members."""
    if shift.starts_at >= shift.ends_at:
        raise InvalidPayload(error_list({"ends_at": [Fault("ends_before_it_starts", "It must end after it starts.")]}))
    if shift.ends_at - shift.starts_at > LONGEST_SHIFT:
        raise InvalidPayload(error_list({"ends_at": [Fault("too_long", "A shift is at most 24 hours long.")]}))
    if shift.sign_up_closes_at is not None and shift.sign_up_closes_at > shift.ends_at:
        fault = Fault("closes_after_it_ends", "Sign-ups can't be taken after the shift has ended.")
        raise InvalidPayload(error_list({"sign_up_closes_at": [fault]}))
    if shift.capacity is not None and shift.capacity < shift.confirmed_count:
        raise CapacityBelowConfirmed(members={"confirmed_count": shift.confirmed_count}, count=shift.confirmed_count)
    if shift.capacity is not None and shift.minimum is not None and shift.minimum > shift.capacity:
        fault = Fault("more_than_capacity", "The minimum is more than the capacity.")
        raise InvalidPayload(error_list({"minimum": [fault]}))
    capacities = [part.capacity if isinstance(part, ShiftRole) else part["capacity"] for part in parts]
    if shift.capacity is not None and any(capacity > shift.capacity for capacity in capacities):
        fault = Fault("more_than_capacity", "A role has more places than the shift.")
        raise InvalidPayload(error_list({"roles": [fault]}))
