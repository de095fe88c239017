"""The verbs of activities and of signing up for their shifts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, literal, or_, select, update
from sqlalchemy.orm.attributes import flag_modified, set_committed_value

from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities import queries
from volunteer_api.activities.judgment import has_place, judge_sign_up, waitlist_is_open
from volunteer_api.activities.models import (
    ACTIVE_SIGN_UPS,
    Activity,
    ActivityLeader,
    ActivityState,
    Campaign,
    Shift,
    SignUp,
    SignUpMode,
    SignUpState,
)
from volunteer_api.activities.problems import (
    Ended,
    FrozenAtPublication,
    NotBegun,
    ShiftBegun,
    TooManyShifts,
    WrongState,
)
from volunteer_api.activities.schemas import MAXIMUM_SHIFTS
from volunteer_api.core import clock
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.problems import InvalidPayload, NotFound
from volunteer_api.core.schema import Fault, error_list
from volunteer_api.core.settings import rules
from volunteer_api.core.unit_of_work import Rerun
from volunteer_api.notifications.service import notify
from volunteer_api.organizations.access import require_open
from volunteer_api.organizations.models import Organization
from volunteer_api.organizations.queries import ancestor_ids
from volunteer_api.stations.models import Station
from volunteer_api.teams.models import Team

# Every move that an activity can make: from which states, to which.
TRANSITIONS: dict[str, tuple[frozenset[str], ActivityState]] = {
    "submission": (frozenset({ActivityState.DRAFT}), ActivityState.SUBMITTED),
    "return": (frozenset({ActivityState.SUBMITTED}), ActivityState.DRAFT),
    "publication": (frozenset({ActivityState.DRAFT, ActivityState.SUBMITTED}), ActivityState.PUBLISHED),
    "cancellation": (
        frozenset({ActivityState.DRAFT, ActivityState.SUBMITTED, ActivityState.PUBLISHED}),
        ActivityState.CANCELED,
    ),
    "completion": (frozenset({ActivityState.PUBLISHED}), ActivityState.COMPLETED),
}
OVER = (ActivityState.COMPLETED, ActivityState.CANCELED)
FROZEN_AT_PUBLICATION = ("team_id", "station_id", "category")
UNKNOWN_REFERENCE = "This is unknown, or its organization is neither above nor below the activity's."


def create_campaign(
    *,
    name: str,
    organization_id: UUID,
    description: str | None = None,
    starts_on: date | None = None,
    ends_on: date | None = None,
) -> Campaign:
    """Start a campaign of an organization. Raises NotFound (404), OrganizationClosed (409)."""
    require_open(organization_id)
    campaign = Campaign(
        name=name, organization_id=organization_id, description=description, starts_on=starts_on, ends_on=ends_on
    )
    db.session.add(campaign)
    db.session.flush()
    return campaign


def create_activity(
    *,
    by: Principal | UUID,
    title: str,
    category: str,
    organization_id: UUID,
    shifts: Sequence[Mapping[str, Any]],
    team_id: UUID | None = None,
    station_id: UUID | None = None,
    campaign_id: UUID | None = None,
    leader_ids: Iterable[UUID] = (),
    place: Mapping[str, float] | None = None,
    radius_m: int | None = None,
    place_name: str | None = None,
    description: str | None = None,
    sign_up_mode: str = SignUpMode.OPEN,
) -> Activity:
    """Plan an activity as a draft, with 1 to 100 shifts ({starts_at, ends_at, capacity?, minimum?, …}).

    Without a place it has its station's. Raises NotFound (404) for an unknown organization, OrganizationClosed
    (409), InvalidPayload (422) for another reference that is unknown, or whose organization is neither above nor below
    this one.
    """
    organization = require_open(organization_id)
    leaders = sorted(set(leader_ids))
    references = {"team_id": team_id, "station_id": station_id, "campaign_id": campaign_id, "leader_ids": leaders}
    _check_references(organization_id, references)
    if place is None and station_id is not None:
        place = _place_of_station(station_id)
    activity = Activity(
        title=title,
        category=category,
        organization_id=organization_id,
        organization_path_id=organization.path_id,
        team_id=team_id,
        station_id=station_id,
        campaign_id=campaign_id,
        latitude=place["lat"] if place else None,
        longitude=place["lng"] if place else None,
        radius_m=radius_m,
        place_name=place_name,
        description=description,
        sign_up_mode=sign_up_mode,
        created_by=by.volunteer_id if isinstance(by, Principal) else by,
    )
    db.session.add(activity)
    db.session.flush()
    db.session.add_all([ActivityLeader(activity_id=activity.id, volunteer_id=leader_id) for leader_id in leaders])
    db.session.add_all([Shift(activity_id=activity.id, **shift) for shift in shifts])
    db.session.flush()
    return activity


def update_activity(activity: Activity, **changes: Any) -> Activity:
    """Change what the members of `ActivityUpdate` name.

    Raises WrongState (409) once it is over, FrozenAtPublication (409), InvalidPayload (422) for unknown references.
    """
    if activity.state in OVER:
        raise _wrong_state(activity.state)
    frozen = [name for name in FROZEN_AT_PUBLICATION if name in changes and changes[name] != getattr(activity, name)]
    if frozen and activity.state == ActivityState.PUBLISHED:
        raise FrozenAtPublication(members={"fields": frozen})
    _check_references(activity.organization_id, changes)
    if "place" in changes:
        place = changes.pop("place")
        activity.latitude, activity.longitude = (place["lat"], place["lng"]) if place else (None, None)
    if "leader_ids" in changes:
        _replace_leaders(activity, changes.pop("leader_ids"))
    for name, value in changes.items():
        setattr(activity, name, value)
    db.session.flush()
    return activity


def add_shift(activity: Activity, **shift: Any) -> Shift:
    """Add a shift. Raises WrongState (409) once the activity is over, TooManyShifts (409) beyond 100."""
    activity = queries.lock_activity(activity.id)
    if activity.state in OVER:
        raise _wrong_state(activity.state)
    if len(queries.shift_ids_of(activity.id)) >= MAXIMUM_SHIFTS:
        raise TooManyShifts(maximum=MAXIMUM_SHIFTS)
    added = Shift(activity_id=activity.id, **shift)
    db.session.add(added)
    db.session.flush()
    return added


def submit(activity: Activity) -> Activity:
    """Ask for publication. Raises WrongState (409)."""
    return _move(activity, "submission")


def send_back(activity: Activity, *, reason: str) -> Activity:
    """Return a submitted activity to its maker, who hears why. Raises WrongState (409)."""
    _move(activity, "return")
    notify(
        volunteer_id=activity.created_by,
        kind="activity_returned",
        values={"activity": activity.title, "activity_id": str(activity.id), "reason": reason},
        dedup_key=f"activity_returned:{activity.id}:{activity.version}",
    )
    return activity


def publish(activity: Activity) -> Activity:
    """Make it public, for the organizations that now stand above its own. Raises WrongState (409)."""
    organization = db.session.get_one(Organization, activity.organization_id)
    activity.published_at = clock.now()
    activity.organization_path_id = organization.path_id
    return _move(activity, "publication")


def cancel(activity: Activity, *, reason: str) -> Activity:
    """Cancel it and the shifts that are not over; who signed up for these hears why.

    Whom these kept from a place elsewhere for which they wait gets it. Raises WrongState (409).
    """
    now = clock.now()
    activity.canceled_at, activity.cancellation_reason = now, reason
    _move(activity, "cancellation")
    shifts, freed = _hold_all(activity)
    _cancel_shifts(activity, [shift for shift in shifts if shift.ends_at > now], now, reason)
    _promote_all(freed, now)
    return activity


def complete(activity: Activity, *, outcomes: Sequence[Mapping[str, Any]] = (), note: str | None = None) -> Activity:
    """Complete it: running shifts end now, those that have not begun are canceled.

    `outcomes` are {kind, quantity, unit}. Places elsewhere are given as by `cancel`. Raises WrongState (409),
    NotBegun (409) before its first shift.
    """
    now = clock.now()
    activity.completed_at, activity.completion_note = now, note
    activity.outcomes = [dict(outcome) for outcome in outcomes]
    _move(activity, "completion")
    held, freed = _hold_all(activity)
    shifts = [shift for shift in held if shift.canceled_at is None]
    if not any(shift.starts_at < now for shift in shifts):
        raise NotBegun()
    for shift in shifts:
        if shift.starts_at < now < shift.ends_at:
            shift.ends_at = now
    reason = note or activity.title
    _cancel_shifts(activity, [shift for shift in shifts if shift.starts_at >= now], now, reason)
    _promote_all(freed, now)
    return activity


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
        raise judgment.refusal or _wrong_state(activity.state)
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
        raise _wrong_state(mine.state)
    was_confirmed = mine.state == SignUpState.CONFIRMED
    waits = queries.waits_freed_by([mine.shift_id], mine.volunteer_id) if was_confirmed else []
    shifts = queries.lock_shifts([mine.shift_id, *waits])
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


def _hold(shift_id: UUID) -> tuple[Shift, Activity]:
    shifts = queries.lock_shifts([shift_id])
    if not shifts:
        raise NotFound()
    return shifts[0], queries.fresh_activity(shifts[0].activity_id)


def _hold_all(activity: Activity) -> tuple[list[Shift], list[Shift]]:
    """Hold an activity's shifts, and those elsewhere for which people wait whom these keep away.

    All are held by one statement, so that the order of ids holds among them too. Somebody may have begun to wait before
    that; then the unit runs again.
    """
    own_ids = queries.shift_ids_of(activity.id)
    held = queries.lock_shifts([*own_ids, *queries.waits_freed_by(own_ids)])
    if not {shift.id for shift in held}.issuperset(queries.waits_freed_by(own_ids)):
        raise Rerun()
    own = [shift for shift in held if shift.activity_id == activity.id]
    return own, [shift for shift in held if shift.activity_id != activity.id]


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
            _promote(shift, queries.fresh_activity(shift.activity_id), now)


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


def _move(activity: Activity, verb: str) -> Activity:
    sources, target = TRANSITIONS[verb]
    if activity.state not in sources:
        raise _wrong_state(activity.state)
    activity.state = target
    # The UPDATE names the version that was read, so that of two moves at once one runs again and sees the other.
    db.session.flush()
    return activity


def _wrong_state(state: str) -> WrongState:
    return WrongState(state=str(state), members={"state": str(state)})


def _cancel_shifts(activity: Activity, shifts: Sequence[Shift], now: datetime, reason: str) -> None:
    canceled = [shift for shift in shifts if shift.canceled_at is None]
    for shift in canceled:
        shift.canceled_at = now
    db.session.flush()
    for sign_up_id, volunteer_id in queries.people_of([shift.id for shift in canceled]):
        notify(
            volunteer_id=volunteer_id,
            kind="activity_canceled",
            values={"activity": activity.title, "activity_id": str(activity.id), "reason": reason},
            dedup_key=f"activity_canceled:{sign_up_id}",
        )


def _replace_leaders(activity: Activity, leader_ids: Iterable[UUID]) -> None:
    db.session.execute(delete(ActivityLeader).where(ActivityLeader.activity_id == activity.id))
    db.session.add_all(
        [ActivityLeader(activity_id=activity.id, volunteer_id=leader_id) for leader_id in sorted(set(leader_ids))]
    )
    # The leaders stand in a table of their own; the activity's version must still move.
    flag_modified(activity, "title")


def _place_of_station(station_id: UUID) -> dict[str, float]:
    station = db.session.get_one(Station, station_id)
    return {"lat": station.latitude, "lng": station.longitude}


def _check_references(organization_id: UUID, references: Mapping[str, Any]) -> None:
    """Raise InvalidPayload (422) for what does not exist or belongs to an organization on another branch.

    An activity counts for its team, station and campaign: a stranger must not be able to credit theirs with it.
    """
    faults: dict[str, list[Fault]] = {}
    for name, model in (("team_id", Team), ("station_id", Station), ("campaign_id", Campaign)):
        referred_id = references.get(name)
        if referred_id is not None and not _stands_on_one_branch(model, referred_id, organization_id):
            faults[name] = [Fault("unknown_reference", UNKNOWN_REFERENCE)]
    leader_ids = set(references.get("leader_ids") or ())
    found = db.session.scalar(select(func.count()).where(Volunteer.id.in_(leader_ids))) if leader_ids else 0
    if found != len(leader_ids):
        faults["leader_ids"] = [Fault("unknown_reference", "One of these is no volunteer.")]
    if faults:
        raise InvalidPayload(error_list(faults))


def _stands_on_one_branch(
    model: type[Team] | type[Station] | type[Campaign], referred_id: UUID, organization_id: UUID
) -> bool:
    owner_id = db.session.scalar(select(model.organization_id).where(model.id == referred_id))
    if owner_id is None:
        return False
    related = or_(
        literal(owner_id).in_(ancestor_ids(organization_id)), literal(organization_id).in_(ancestor_ids(owner_id))
    )
    return bool(db.session.scalar(select(related)))
