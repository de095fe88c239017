"""The verbs of campaigns and activities."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import delete, or_, select, true
from sqlalchemy.orm.attributes import flag_modified

from volunteer_api.activities import moving, notices, photos, queries, references, search_text
from volunteer_api.activities.changes import UNPUBLISHED, ask_otherwise, changing, hold_people
from volunteer_api.activities.events import ActivityChanged, CampaignChanging
from volunteer_api.activities.leaders import named_in, replace_named
from volunteer_api.activities.models import (
    Activity,
    ActivityLeader,
    ActivityState,
    Campaign,
    CoOrganizer,
    Outcome,
    PhotoOf,
    Shift,
)
from volunteer_api.activities.outcome_kinds import in_words, kind_of, sums_of
from volunteer_api.activities.problems import (
    CampaignExists,
    FrozenAtPublication,
    NotBegun,
    NothingToCancel,
    ShiftsToCome,
    WrongState,
)
from volunteer_api.activities.recurrence import stored
from volunteer_api.activities.renewal import Kept
from volunteer_api.activities.shifts import (
    OVER,
    repeat,
    require_in_campaign,
    require_recordable,
    require_some,
    shifts_of,
)
from volunteer_api.core import audit, clock
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.events import publish as publish_event
from volunteer_api.core.problems import InvalidPayload
from volunteer_api.core.schema import Fault, error_list
from volunteer_api.organizations.access import require_open
from volunteer_api.organizations.models import Organization

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
# What somebody who signed up must hear of, beside the times of shifts.
TOLD = ("title", "place", "place_name")
# What it asks of those who take part: who signed up before and can't any more has no place.
DEMANDS = ("minimum_age", "maximum_age", "members_only", "required_skills", "required_training_ids", "hazardous")
AGES_IN_ORDER = "The lowest age is above the highest."


def create_campaign(
    *,
    name: str,
    organization_id: UUID,
    description: str | None = None,
    starts_on: date | None = None,
    ends_on: date | None = None,
    goals: Mapping[str, int] | None = None,
    by: UUID | None = None,
) -> Campaign:
    """Start a campaign of an organization. Raises NotFound (404), OrganizationClosed, CampaignExists (409)."""
    require_open(organization_id)
    campaign = Campaign(
        name=name, organization_id=organization_id, description=description, starts_on=starts_on, ends_on=ends_on
    )
    _set_goals(campaign, goals or {})
    _require_one_of_its_name(campaign)
    db.session.add(campaign)
    db.session.flush()
    _audit_campaign(AuditAction.CAMPAIGN_STARTED, campaign, by, name=name)
    return campaign


def change_campaign(campaign: Campaign, *, by: UUID | None = None, **changes: Any) -> Campaign:
    """Change what `CampaignUpdate` names.

    Raises InvalidPayload (422) where it would end before it starts, CampaignExists (409).
    """
    before = {name: getattr(campaign, name) for name in ("name", "starts_on", "ends_on")}
    if "goals" in changes:
        goals = changes.pop("goals")
        _set_goals(campaign, dict.fromkeys(campaign.goals) if goals is None else goals)
    if changes.get("name", campaign.name) != campaign.name:
        search_text.mark_renamed(campaign.id)
    for name, value in changes.items():
        setattr(campaign, name, value)
    if campaign.starts_on is not None and campaign.ends_on is not None and campaign.starts_on > campaign.ends_on:
        raise InvalidPayload(error_list({"ends_on": [Fault("ends_before_it_starts", "It ends before it starts.")]}))
    told: dict[str, Any] = {}
    for name, value in before.items():
        if value != getattr(campaign, name):
            told |= {f"{name}_before": _written(value), name: _written(getattr(campaign, name))}
    if told:
        _require_one_of_its_name(campaign)
        _audit_campaign(AuditAction.CAMPAIGN_CHANGED, campaign, by, **told)
    return campaign


def _require_one_of_its_name(campaign: Campaign) -> None:
    """Raise CampaignExists where the organization has another one of this name in the same days.

    Next year's of the same name is another one. Whoever starts one for the organization at this moment waits.
    """
    with db.session.no_autoflush:
        db.session.get(Organization, campaign.organization_id, with_for_update={"key_share": True})
        same = select(Campaign.id).where(
            Campaign.organization_id == campaign.organization_id,
            Campaign.name == campaign.name,
            Campaign.id != campaign.id if campaign.id is not None else true(),
            or_(Campaign.ends_on.is_(None), Campaign.ends_on >= (campaign.starts_on or date.min)),
            or_(Campaign.starts_on.is_(None), Campaign.starts_on <= (campaign.ends_on or date.max)),
        )
        there = db.session.scalar(same.limit(1))
    if there is not None:
        raise CampaignExists(name=campaign.name, members={"campaign_id": str(there)})


def _audit_campaign(action: AuditAction, campaign: Campaign, by: UUID | None, **details: Any) -> None:
    if by is not None:
        audit.record(
            action,
            actor_id=by,
            organization_id=campaign.organization_id,
            campaign_id=str(campaign.id),
            **details,
        )


def _written(value: Any) -> str | None:
    return str(value) if value is not None else None


def create_activity(
    *,
    by: Principal | UUID,
    organization_id: UUID,
    shifts: Sequence[Mapping[str, Any]] | None = None,
    recurrence: Mapping[str, Any] | None = None,
    co_organizer_ids: Iterable[UUID] = (),
    photo_ids: Sequence[UUID] = (),
    leader_ids: Iterable[UUID] = (),
    place: Mapping[str, float] | None = None,
    **members: Any,
) -> Activity:
    """Plan an activity as a draft, with shifts ({starts_at, ends_at, capacity?, minimum?, roles?, …}) or a recurrence.

    `members` are the others of `ActivityCreate`; photos are those of `by`. Without a place it has its station's. Raises
    NotFound (404) for an unknown organization, OrganizationClosed (409), InvalidPayload (422) for another reference
    that is unknown, or whose organization is neither above nor below this one, for a rule that gives no shifts, for
    shifts outside of the campaign's days, and for `members_only` without a team.
    """
    organization = require_open(organization_id)
    leaders = sorted(set(leader_ids))
    given = require_some(shifts, recurrence, members.get("campaign_id"))
    named = {"leader_ids": leaders, "co_organizer_ids": co_organizer_ids}
    references.require_known(organization_id, members | named)
    _check_members_only(members.get("members_only", False), members.get("team_id"))
    if place is None and members.get("station_id") is not None:
        place = moving.place_of_station(members["station_id"])
    members["required_training_ids"] = _texts(members.get("required_training_ids", ()))
    activity = Activity(
        organization_id=organization_id,
        organization_path_id=organization.path_id,
        latitude=place["lat"] if place else None,
        longitude=place["lng"] if place else None,
        recurrence=stored(recurrence) if recurrence is not None else None,
        created_by=by.volunteer_id if isinstance(by, Principal) else by,
        **members,
    )
    db.session.add(activity)
    db.session.flush()
    db.session.add_all([ActivityLeader(activity_id=activity.id, volunteer_id=leader_id) for leader_id in leaders])
    db.session.add_all(_partners(activity, co_organizer_ids))
    shifts_of(activity.id, given)
    if isinstance(by, Principal) and photo_ids:
        photos.replace(activity.id, PhotoOf.PLAN, photo_ids, by=by)
    db.session.flush()
    search_text.index(activity, is_new=True)
    return activity


class Consequences(NamedTuple):
    """What else a change did: how many lost their places, and which shifts stay otherwise than a new rule has them."""

    places_lost: int
    kept: Sequence[Kept]


def update_activity(
    activity: Activity, *, by: Principal | None = None, publishes: bool = True, **changes: Any
) -> Consequences:
    """Change what the members of `ActivityUpdate` name; who signed up hears of what matters to them. Photos need `by`.

    `publishes`: whether who changes it could publish it.
    Raises WrongState (409) once it is over, FrozenAtPublication (409), CampaignFrozen (409) where somebody has served,
    PlaceStands (403) where the place of a shift that has begun is another's to change, InvalidPayload (422) for unknown
    references, and for shifts outside of the campaign's days.
    """
    if activity.state in OVER:
        raise WrongState(activity.state)
    if frozen := moving.frozen(activity, changes, publishes=publishes):
        raise FrozenAtPublication(members={"fields": frozen})
    references.require_known(activity.organization_id, changes, held=activity)
    if "required_training_ids" in changes:
        changes["required_training_ids"] = _texts(changes["required_training_ids"])
    asks_otherwise = activity.state == ActivityState.PUBLISHED and any(
        name in changes and changes[name] != getattr(activity, name) for name in DEMANDS
    )
    hold_people(queries.shift_ids_of(activity.id) if asks_otherwise else ())
    joins = changes.get("campaign_id", activity.campaign_id) != activity.campaign_id
    if joins and activity.state not in UNPUBLISHED:
        queries.bar_check_ins(activity.id)
        publish_event(CampaignChanging(activity.id))
    ages = [changes.get(name, getattr(activity, name)) for name in ("minimum_age", "maximum_age")]
    if None not in ages and ages[0] > ages[1]:
        raise InvalidPayload(error_list({"maximum_age": [Fault("ages_in_order", AGES_IN_ORDER)]}))
    _check_members_only(changes.get("members_only", activity.members_only), changes.get("team_id", activity.team_id))
    moving.go_with_station(activity, changes)
    moved = moving.what_moves(activity, changes, publishes=publishes)
    told = [name for name in (*TOLD, "sign_up_mode") if name in changes and changes[name] != getattr(activity, name)]
    activity.campaign_id = changes.pop("campaign_id", activity.campaign_id)
    given = changes.pop("recurrence", None)
    kept = repeat(activity, given, by=by.volunteer_id if by else None, publishes=publishes) if given is not None else []
    if joins:
        require_in_campaign(activity)
    if "photo_ids" in changes and by is not None:
        photos.replace(activity.id, PhotoOf.PLAN, changes.pop("photo_ids"), by=by)
    if "co_organizer_ids" in changes:
        _replace_co_organizers(activity, changes.pop("co_organizer_ids"), by=by)
    if "place" in changes:
        place = changes.pop("place")
        activity.stand_at((place["lat"], place["lng"]) if place else None)
    if "leader_ids" in changes:
        _replace_leaders(activity, changes.pop("leader_ids"), by=by)
    for name, value in changes.items():
        setattr(activity, name, value)
    if moved and by is not None:
        moving.note(activity, moved, by=by)
    # What stands in tables of its own must move the version too.
    flag_modified(activity, "title")
    db.session.flush()
    search_text.index(activity)
    if told and activity.state == ActivityState.PUBLISHED:
        publish_event(ActivityChanged(activity.id, tuple(told)))
    lost = ask_otherwise(activity) if asks_otherwise else ()
    return Consequences(len(lost), kept)


def submit(activity: Activity, *, by: UUID | None = None) -> Activity:
    """Ask for publication; those who could publish it hear of it. Raises WrongState (409)."""
    activity.returned_at = activity.return_reason = None
    _move(activity, "submission")
    notices.tell_of_submission(activity, by=by)
    return activity


def send_back(activity: Activity, *, reason: str) -> Activity:
    """Return a submitted activity to its maker, who hears why; the draft says it until it is submitted again.

    Raises WrongState (409).
    """
    activity.returned_at, activity.return_reason = clock.now(), reason
    _move(activity, "return")
    notices.tell_of_return(activity, reason=reason)
    return activity


def publish(activity: Activity, *, by: UUID | None = None) -> Activity:
    """Make it public, for the organizations that now stand above its own. Raises WrongState, TooLongAgo (409).

    Its maker hears of it, where it was somebody else, and those who are named to lead or to hold it.
    """
    organization = db.session.get_one(Organization, activity.organization_id)
    if clock.local_date(activity.created_at) < clock.today():
        # What was planned today was looked at then.
        require_recordable(activity.id)
    activity.published_at = clock.now()
    activity.returned_at = activity.return_reason = None
    activity.organization_path_id = organization.path_id
    _move(activity, "publication")
    notices.tell_of_publication(activity, by=by)
    leader_ids, partner_ids = named_in(activity.id)
    notices.tell_leaders(activity, leader_ids - {activity.created_by}, by=by)
    notices.tell_partners(activity, partner_ids, by=by)
    return activity


def cancel(activity: Activity, *, reason: str) -> Activity:
    """Cancel it and the shifts that are not over; who signed up for these hears why.

    Raises WrongState (409), NothingToCancel (409) where all it held is over: that counts, and stays.
    """
    hold_people(queries.shift_ids_of(activity.id))
    now, was_public = clock.now(), activity.state == ActivityState.PUBLISHED
    activity.canceled_at, activity.cancellation_reason = now, reason
    _move(activity, "cancellation")
    with changing(activity, reason=reason) as shifts:
        planned = [shift for shift in shifts if shift.canceled_at is None]
        left = [shift for shift in planned if shift.ends_at > now]
        if was_public and planned and not left:
            raise NothingToCancel()
        _cancel_shifts(left, now)
    return activity


def complete(
    activity: Activity,
    *,
    by: Principal | None = None,
    outcomes: Sequence[Mapping[str, Any]] = (),
    note: str | None = None,
    photo_ids: Sequence[UUID] = (),
    cancel_rest: bool = False,
) -> Activity:
    """Complete it: running shifts end now; nothing brings back those to come, which are canceled if `cancel_rest`.

    `outcomes` are {kind, quantity, unit}; photos are those of `by`.
    Raises WrongState (409), NotBegun (409) before its first shift, ShiftsToCome (409) where some have not begun.
    """
    hold_people(queries.shift_ids_of(activity.id))
    now = clock.now()
    activity.completed_at, activity.completion_note = now, note
    _move(activity, "completion")
    _set_outcomes(activity, outcomes)
    if by is not None and photo_ids:
        photos.replace(activity.id, PhotoOf.OUTCOME, photo_ids, by=by)
    with changing(activity) as held:
        shifts = [shift for shift in held if shift.canceled_at is None]
        if not any(shift.starts_at < now for shift in shifts):
            raise NotBegun()
        to_come = [shift for shift in shifts if shift.starts_at >= now]
        if to_come and not cancel_rest:
            raise ShiftsToCome(to_come)
        for shift in shifts:
            if shift.starts_at < now < shift.ends_at:
                shift.ends_at = now
        _cancel_shifts(to_come, now)
    return activity


def correct_outcomes(activity: Activity, *, by: Principal, **changes: Any) -> Activity:
    """Correct what a completed activity says of itself: `outcomes`, `note`, `photo_ids`, each as `complete` takes it.

    The audit log keeps what the outcomes were. Raises WrongState (409) where it is not completed.
    """
    if activity.state != ActivityState.COMPLETED:
        raise WrongState(activity.state)
    if "outcomes" in changes:
        before = in_words(activity.outcomes)
        db.session.execute(delete(Outcome).where(Outcome.activity_id == activity.id))
        _set_outcomes(activity, changes["outcomes"])
        audit.record(
            AuditAction.OUTCOMES_CORRECTED,
            actor_id=by.volunteer_id,
            organization_id=activity.organization_id,
            activity_id=str(activity.id),
            before=before,
            after=in_words(activity.outcomes),
        )
    if "note" in changes:
        activity.completion_note = changes["note"]
    if "photo_ids" in changes:
        photos.replace(activity.id, PhotoOf.OUTCOME, changes["photo_ids"], by=by)
    flag_modified(activity, "title")
    db.session.flush()
    return activity


def decline_partnership(partner: CoOrganizer, *, reason: str, by: UUID | None = None) -> Activity:
    """Let an organization hold the activity no longer, in whatever state it is; those who publish it hear why."""
    activity = db.session.get_one(Activity, partner.activity_id)
    db.session.delete(partner)
    # Its version moves too, so that of two who decline at once the second finds nothing to decline.
    flag_modified(activity, "title")
    db.session.flush()
    notices.tell_of_decline(activity, partner.organization_id, reason=reason, by=by)
    return activity


def _set_outcomes(activity: Activity, outcomes: Sequence[Mapping[str, Any]]) -> None:
    known = [{**outcome, "kind": kind_of(outcome["kind"]), "unit": str(outcome["unit"])} for outcome in outcomes]
    activity.outcomes = known
    db.session.add_all(sums_of(activity, known))


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


def _set_goals(campaign: Campaign, goals: Mapping[str, int | None]) -> None:
    for name, goal in goals.items():
        setattr(campaign, f"goal_{name}", goal)


def _replace_co_organizers(activity: Activity, organization_ids: Iterable[UUID], *, by: Principal | None) -> None:
    known, partners = queries.partner_ids_of(activity.id), _partners(activity, organization_ids)
    db.session.execute(delete(CoOrganizer).where(CoOrganizer.activity_id == activity.id))
    db.session.add_all(partners)
    if activity.state == ActivityState.PUBLISHED:
        added = {partner.organization_id for partner in partners} - known
        notices.tell_partners(activity, added, by=by.volunteer_id if by is not None else None)


def _partners(activity: Activity, organization_ids: Iterable[UUID]) -> list[CoOrganizer]:
    others = sorted(set(organization_ids) - {activity.organization_id})
    return [CoOrganizer(activity_id=activity.id, organization_id=other) for other in others]


def _replace_leaders(activity: Activity, leader_ids: Iterable[UUID], *, by: Principal | None) -> None:
    actor_id = by.volunteer_id if by is not None else None
    new = replace_named(activity, set(leader_ids), actor_id=actor_id)
    if activity.state == ActivityState.PUBLISHED:
        # Of a draft, in which anybody may be named, nobody hears before an organizer has read it.
        notices.tell_leaders(activity, new, by=actor_id)


def _texts(ids: Iterable[UUID]) -> list[str]:
    return [str(one) for one in sorted(set(ids))]


def _check_members_only(members_only: bool, team_id: UUID | None) -> None:
    """Raise InvalidPayload (422) where nobody could take part."""
    if members_only and team_id is None:
        fault = Fault("without_team", "An activity for members only needs its team.")
        raise InvalidPayload(error_list({"members_only": [fault]}))
