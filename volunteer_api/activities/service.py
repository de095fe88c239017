"""The verbs of campaigns, activities and shifts."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, literal, or_, select
from sqlalchemy.orm.attributes import flag_modified

from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities import queries
from volunteer_api.activities.changes import changing
from volunteer_api.activities.models import (
    Activity,
    ActivityLeader,
    ActivityState,
    Campaign,
    Shift,
    ShiftRole,
    SignUpMode,
)
from volunteer_api.activities.problems import (
    FrozenAtPublication,
    NotBegun,
    TooManyShifts,
    WrongState,
)
from volunteer_api.activities.schemas import MAXIMUM_SHIFTS
from volunteer_api.core import clock
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.ids import new_id
from volunteer_api.core.problems import InvalidPayload
from volunteer_api.core.schema import Fault, error_list
from volunteer_api.notifications.service import notify
from volunteer_api.organizations.access import require_open
from volunteer_api.organizations.models import Organization
from volunteer_api.organizations.queries import ancestor_ids
from volunteer_api.qualifications.models import Training
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
AGES_IN_ORDER = "The lowest age is above the highest."
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
    minimum_age: int | None = None,
    maximum_age: int | None = None,
    members_only: bool = False,
    required_skills: Sequence[str] = (),
    required_training_ids: Sequence[UUID] = (),
    hazardous: bool = False,
) -> Activity:
    """Plan an activity as a draft, with 1 to 100 shifts ({starts_at, ends_at, capacity?, minimum?, roles?, …}).

    Ages are in full years. Without a place it has its station's. Raises NotFound (404) for an unknown organization,
    OrganizationClosed (409), InvalidPayload (422) for another reference that is unknown, or whose organization is
    neither above nor below this one, and for `members_only` without a team.
    """
    organization = require_open(organization_id)
    leaders = sorted(set(leader_ids))
    references = {"team_id": team_id, "station_id": station_id, "campaign_id": campaign_id, "leader_ids": leaders}
    _check_references(organization_id, references | {"required_training_ids": required_training_ids})
    _check_members_only(members_only, team_id)
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
        minimum_age=minimum_age,
        maximum_age=maximum_age,
        members_only=members_only,
        required_skills=list(required_skills),
        required_training_ids=_texts(required_training_ids),
        hazardous=hazardous,
        created_by=by.volunteer_id if isinstance(by, Principal) else by,
    )
    db.session.add(activity)
    db.session.flush()
    db.session.add_all([ActivityLeader(activity_id=activity.id, volunteer_id=leader_id) for leader_id in leaders])
    _add_shifts(activity.id, shifts)
    return activity


def update_activity(activity: Activity, **changes: Any) -> Activity:
    """Change what the members of `ActivityUpdate` name.

    Raises WrongState (409) once it is over, FrozenAtPublication (409), InvalidPayload (422) for unknown references.
    """
    if activity.state in OVER:
        raise WrongState(activity.state)
    frozen = [name for name in FROZEN_AT_PUBLICATION if name in changes and changes[name] != getattr(activity, name)]
    if frozen and activity.state == ActivityState.PUBLISHED:
        raise FrozenAtPublication(members={"fields": frozen})
    _check_references(activity.organization_id, changes)
    ages = [changes.get(name, getattr(activity, name)) for name in ("minimum_age", "maximum_age")]
    if None not in ages and ages[0] > ages[1]:
        raise InvalidPayload(error_list({"maximum_age": [Fault("ages_in_order", AGES_IN_ORDER)]}))
    _check_members_only(changes.get("members_only", activity.members_only), changes.get("team_id", activity.team_id))
    if "required_training_ids" in changes:
        changes["required_training_ids"] = _texts(changes["required_training_ids"])
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
        raise WrongState(activity.state)
    if len(queries.shift_ids_of(activity.id)) >= MAXIMUM_SHIFTS:
        raise TooManyShifts(maximum=MAXIMUM_SHIFTS)
    return _add_shifts(activity.id, [shift])[0]


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
    """Cancel it and the shifts that are not over; who signed up for these hears why. Raises WrongState (409)."""
    now = clock.now()
    activity.canceled_at, activity.cancellation_reason = now, reason
    _move(activity, "cancellation")
    with changing(activity, reason=reason) as shifts:
        _cancel_shifts([shift for shift in shifts if shift.ends_at > now], now)
    return activity


def complete(activity: Activity, *, outcomes: Sequence[Mapping[str, Any]] = (), note: str | None = None) -> Activity:
    """Complete it: running shifts end now, those that have not begun are canceled.

    `outcomes` are {kind, quantity, unit}. Raises WrongState (409), NotBegun (409) before its first shift.
    """
    now = clock.now()
    activity.completed_at, activity.completion_note = now, note
    activity.outcomes = [dict(outcome) for outcome in outcomes]
    _move(activity, "completion")
    with changing(activity, reason=note or activity.title) as held:
        shifts = [shift for shift in held if shift.canceled_at is None]
        if not any(shift.starts_at < now for shift in shifts):
            raise NotBegun()
        for shift in shifts:
            if shift.starts_at < now < shift.ends_at:
                shift.ends_at = now
        _cancel_shifts([shift for shift in shifts if shift.starts_at >= now], now)
    return activity


def _move(activity: Activity, verb: str) -> Activity:
    sources, target = TRANSITIONS[verb]
    if activity.state not in sources:
        raise WrongState(activity.state)
    activity.state = target
    # The UPDATE names the version that was read, so that of two moves at once one runs again and sees the other.
    db.session.flush()
    return activity


def _cancel_shifts(shifts: Sequence[Shift], now: datetime) -> None:
    for shift in shifts:
        if shift.canceled_at is None:
            shift.canceled_at = now


def _replace_leaders(activity: Activity, leader_ids: Iterable[UUID]) -> None:
    db.session.execute(delete(ActivityLeader).where(ActivityLeader.activity_id == activity.id))
    db.session.add_all(
        [ActivityLeader(activity_id=activity.id, volunteer_id=leader_id) for leader_id in sorted(set(leader_ids))]
    )
    # The leaders stand in a table of their own; the activity's version must still move.
    flag_modified(activity, "title")


def _add_shifts(activity_id: UUID, shifts: Sequence[Mapping[str, Any]]) -> list[Shift]:
    added: list[Shift] = []
    roles: list[ShiftRole] = []
    for given in shifts:
        shift = Shift(
            id=new_id(), activity_id=activity_id, **{name: value for name, value in given.items() if name != "roles"}
        )
        added.append(shift)
        roles += [ShiftRole(shift_id=shift.id, **role) for role in given.get("roles") or ()]
    db.session.add_all(added)
    db.session.flush()
    db.session.add_all(roles)
    db.session.flush()
    return added


def _texts(ids: Iterable[UUID]) -> list[str]:
    return [str(one) for one in sorted(set(ids))]


def _check_members_only(members_only: bool, team_id: UUID | None) -> None:
    """Raise InvalidPayload (422) where nobody could take part."""
    if members_only and team_id is None:
        fault = Fault("without_team", "An activity for members only needs its team.")
        raise InvalidPayload(error_list({"members_only": [fault]}))


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
    training_ids = set(references.get("required_training_ids") or ())
    if training_ids and not _are_known_trainings(training_ids, organization_id):
        faults["required_training_ids"] = [Fault("unknown_reference", UNKNOWN_REFERENCE)]
    if found != len(leader_ids):
        faults["leader_ids"] = [Fault("unknown_reference", "One of these is no volunteer.")]
    if faults:
        raise InvalidPayload(error_list(faults))


def _are_known_trainings(training_ids: Collection[UUID], organization_id: UUID) -> bool:
    owners = db.session.scalars(select(Training.organization_id).where(Training.id.in_(training_ids))).all()
    return len(owners) == len(training_ids) and all(_are_related(one, organization_id) for one in set(owners))


def _stands_on_one_branch(
    model: type[Team] | type[Station] | type[Campaign], referred_id: UUID, organization_id: UUID
) -> bool:
    owner_id = db.session.scalar(select(model.organization_id).where(model.id == referred_id))
    if owner_id is None:
        return False
    return _are_related(owner_id, organization_id)


def _are_related(owner_id: UUID, organization_id: UUID) -> bool:
    related = or_(
        literal(owner_id).in_(ancestor_ids(organization_id)), literal(organization_id).in_(ancestor_ids(owner_id))
    )
    return bool(db.session.scalar(select(related)))
