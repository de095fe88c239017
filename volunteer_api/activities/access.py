"""Who sees, leads and publishes activities."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, and_, bindparam, or_, select

from volunteer_api.activities import queries
from volunteer_api.activities.changes import UNPUBLISHED
from volunteer_api.activities.leaders import leads_a_team_of, leads_by_name
from volunteer_api.activities.models import (
    PUBLIC_STATES,
    Activity,
    ActivityState,
    Campaign,
    CoOrganizer,
    Shift,
    Template,
)
from volunteer_api.activities.problems import TeamNeeded
from volunteer_api.core.access import Principal, for_signed_in, open_to_all
from volunteer_api.core.database import db
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.core.statements import among_constants
from volunteer_api.organizations.access import Permission, can, permitted_organization_ids, require
from volunteer_api.teams.access import belongs, leads
from volunteer_api.teams.models import Team

Found = TypeVar("Found")


def led_by(volunteer_id: UUID) -> ColumnElement[bool]:
    """The activities that the volunteer leads: by name, as leader or deputy of the team, or from above."""
    return or_(
        leads_by_name(volunteer_id),
        Activity.organization_id.in_(permitted_organization_ids(volunteer_id, Permission.ACTIVITY_LEAD)),
    )


def visible_to(principal: Principal | None) -> ColumnElement[bool]:
    """The activities that the caller may know of."""
    return known_to(principal.volunteer_id if principal is not None else None)


def known_to(volunteer_id: Any) -> ColumnElement[bool]:
    """The same for a volunteer's id, None for anybody, or a parameter that will hold an id."""
    # Nothing that was published is a draft again; a slip that was canceled as a draft is nobody else's matter.
    states = among_constants(Activity.state, [*PUBLIC_STATES, ActivityState.CANCELED])
    public = and_(states, Activity.published_at.is_not(None))
    if volunteer_id is None:
        return public
    return or_(public, Activity.created_by == volunteer_id, led_by(volunteer_id))


def leads_activity(volunteer_id: UUID, activity: Activity) -> bool:
    """Whether the volunteer leads the activity. One statement."""
    found = db.session.scalar(select(Activity.id).where(Activity.id == activity.id, led_by(volunteer_id)))
    return found is not None


def require_creation(principal: Principal, *, organization_id: UUID, team_id: UUID | None) -> None:
    """Let pass who may plan activities for the organization, and who leads the named team of that organization.

    Raises TeamNeeded (403) for who leads another team of it, else Forbidden (403) or NotFound (404) as
    `organizations.access.require` does.
    """
    if team_id is not None and leads(principal.volunteer_id, team_id):
        team = db.session.get(Team, team_id)
        if team is not None and team.organization_id == organization_id:
            return
    _require_planning(principal, organization_id, insider=TeamNeeded)


def _require_planning(principal: Principal, organization_id: UUID, *, insider: type[Forbidden] = Forbidden) -> None:
    """Let pass who may plan activities for the organization; who leads a team of it hears why not (`insider`)."""
    try:
        require(principal, Permission.ACTIVITY_CREATE, organization_id=organization_id)
    except NotFound:
        if leads_a_team_of(principal.volunteer_id, organization_id):
            raise insider() from None
        raise


def require_team(principal: Principal, activity: Activity, team_id: UUID | None) -> None:
    """Let pass who may plan activities of the team that a draft is to be of, as `require_creation` does.

    Raises Forbidden (403): nobody hands her draft to somebody else's team.
    """
    if team_id is None or team_id == activity.team_id:
        return
    try:
        require_creation(principal, organization_id=activity.organization_id, team_id=team_id)
    except NotFound:
        raise Forbidden() from None


def require_partners(activity: Activity, organization_ids: Collection[UUID] | None, *, publishes: bool) -> None:
    """Let pass co-organizers as they are, and others that are to be published, or are named by who could publish.

    Raises Forbidden (403): who leads does not list a public activity among those of anybody's organization.
    """
    if organization_ids is None or publishes or activity.state in UNPUBLISHED:
        return
    if set(organization_ids) - {activity.organization_id} != queries.partner_ids_of(activity.id):
        raise Forbidden()


def require_campaign_creation(principal: Principal, *, organization_id: UUID) -> None:
    """Let pass who may plan activities for the organization. Raises Forbidden (403) or NotFound (404)."""
    require(principal, Permission.ACTIVITY_CREATE, organization_id=organization_id)


@open_to_all
def to_see_campaign(_principal: Principal | None, campaign_id: UUID) -> Campaign:
    """Anybody sees a campaign."""
    return _found(db.session.get(Campaign, campaign_id))


@for_signed_in
def to_change_campaign(principal: Principal, campaign_id: UUID) -> Campaign:
    """Whoever may plan activities for its organization."""
    campaign = _found(db.session.get(Campaign, campaign_id))
    require_campaign_creation(principal, organization_id=campaign.organization_id)
    return campaign


@for_signed_in
def to_see_template(principal: Principal, template_id: UUID) -> Template:
    """Anybody who is signed in: a pattern names no people, and whoever plans may look at others' patterns."""
    return _found(db.session.get(Template, template_id))


@for_signed_in
def to_keep_template(principal: Principal, template_id: UUID) -> Template:
    """Whoever may plan activities for its organization."""
    template = _found(db.session.get(Template, template_id))
    require(principal, Permission.ACTIVITY_CREATE, organization_id=template.organization_id)
    return template


@open_to_all
def to_see(principal: Principal | None, activity_id: UUID) -> Activity:
    """Anybody sees what was published; a draft, and one that was canceled as such, only who made it or leads it."""
    return seen(principal, activity_id)


@for_signed_in
def to_copy(principal: Principal, activity_id: UUID) -> Activity:
    """Whoever sees it; for which organizations, `require_copying` judges."""
    return seen(principal, activity_id)


@for_signed_in
def to_lead(principal: Principal, activity_id: UUID) -> Activity:
    """Whoever leads the activity."""
    return _led(principal, seen(principal, activity_id))


@for_signed_in
def to_publish(principal: Principal, activity_id: UUID) -> Activity:
    """Whoever publishes for the activity's organization; its leader may not (403)."""
    activity = seen(principal, activity_id)
    try:
        require(principal, Permission.ACTIVITY_PUBLISH, organization_id=activity.organization_id)
    except NotFound:
        if activity.created_by == principal.volunteer_id or leads_activity(principal.volunteer_id, activity):
            raise Forbidden() from None
        raise
    return activity


@for_signed_in
def to_leave_as_partner(principal: Principal, activity_id: UUID, organization_id: UUID) -> CoOrganizer:
    """Whoever publishes for an organization that an activity, which she sees, names as a co-organizer."""
    seen(principal, activity_id)
    partner = _found(db.session.get(CoOrganizer, (activity_id, organization_id)))
    require(principal, Permission.ACTIVITY_PUBLISH, organization_id=organization_id)
    return partner


def publishes(principal: Principal, activity_id: UUID) -> bool:
    """Whether the caller publishes for the organization of an activity that she has seen. One statement."""
    organization_id = db.session.get_one(Activity, activity_id).organization_id
    return can(principal.volunteer_id, Permission.ACTIVITY_PUBLISH, organization_id=organization_id)


@open_to_all
def to_see_shift(principal: Principal | None, shift_id: UUID) -> Shift:
    """Whoever sees its activity."""
    return seen_shift(principal, shift_id)[0]


@for_signed_in
def to_lead_shift(principal: Principal, shift_id: UUID) -> Shift:
    """Whoever leads its activity."""
    shift, activity = seen_shift(principal, shift_id)
    _led(principal, activity)
    return shift


def require_copying(principal: Principal, organization_ids: Sequence[UUID], *, publish: bool) -> None:
    """Let pass who may plan activities for each of them, and `publish` them. Raises Forbidden (403), NotFound (404)."""
    for organization_id in dict.fromkeys(organization_ids):
        if publish:
            require(principal, Permission.ACTIVITY_PUBLISH, organization_id=organization_id)
        else:
            _require_planning(principal, organization_id)


def require_keeping(principal: Principal, *, organization_id: UUID, activity_id: UUID) -> Activity:
    """The activity, for whoever may see it and plan for the organization. Raises Forbidden (403) or NotFound (404)."""
    _require_planning(principal, organization_id)
    return seen(principal, activity_id)


def seen(principal: Principal | None, activity_id: UUID) -> Activity:
    """The activity, for whoever sees it. Raises NotFound (404)."""
    visible = select(Activity).where(Activity.id == activity_id, visible_to(principal))
    return _found(db.session.scalars(visible).one_or_none())


def _found(one: Found | None) -> Found:
    if one is None:
        raise NotFound()
    return one


def _led(principal: Principal, activity: Activity) -> Activity:
    if leads_activity(principal.volunteer_id, activity):
        return activity
    if activity.created_by == principal.volunteer_id:
        raise Forbidden()
    try:
        require(principal, Permission.ACTIVITY_LEAD, organization_id=activity.organization_id)
    except NotFound:
        if activity.team_id is not None and belongs(principal.volunteer_id, activity.team_id):
            raise Forbidden() from None
        raise
    return activity


@cache
def _seen_shift(*, by_whom: bool) -> Select[Shift, Activity]:
    # Built once: a crowd signs up, and to build it took longer than to ask it.
    known = known_to(bindparam("caller_id", type_=Uuid()) if by_whom else None)
    together = select(Shift, Activity).join(Activity, Activity.id == Shift.activity_id)
    return together.where(Shift.id == bindparam("shift_id", type_=Uuid()), known)


def seen_shift(principal: Principal | None, shift_id: UUID) -> tuple[Shift, Activity]:
    """The shift and its activity, for whoever sees that one. Raises NotFound (404)."""
    asked = {"shift_id": shift_id, "caller_id": principal.volunteer_id if principal is not None else None}
    found = _found(db.session.execute(_seen_shift(by_whom=principal is not None), asked).one_or_none())
    return found.Shift, found.Activity
