"""What activities hear from features to their left, and hold about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select

from volunteer_api.accounts.events import ErasureRequested, VolunteerErased
from volunteer_api.activities import handed_over, search_text
from volunteer_api.activities.models import Activity, ActivityLeader, Campaign, FormerLeader, Template
from volunteer_api.activities.problems import TeamHasActivities
from volunteer_api.activities.shifts import OVER
from volunteer_api.core.database import db
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.organizations.events import OrganizationClosing, OrganizationMerged, OrganizationRenamed
from volunteer_api.organizations.holdings import hand_over, register_holding
from volunteer_api.organizations.problems import OrganizationNotEmpty
from volunteer_api.teams.events import TeamClosing, TeamRenamed

# As many as a leader goes through before she asks again.
MOST_LISTED = 100

register_holding(
    "activities",
    lambda organization_id: select(Activity.id, Activity.title.label("name")).where(
        Activity.organization_id == organization_id, Activity.state.not_in(OVER)
    ),
    goes_over=False,
)


register_holding(
    "campaigns",
    lambda organization_id: select(Campaign.id, Campaign.name).where(Campaign.organization_id == organization_id),
)
register_holding(
    "activity_templates",
    lambda organization_id: select(Template.id, Template.name).where(Template.organization_id == organization_id),
)


@on(OrganizationMerged)
def go_over(event: OrganizationMerged) -> None:
    """Campaigns go on with the successor, which those below it still serve, and patterns stay of use.

    Of two patterns with one name, the former's says when it came.
    """
    hand_over(Campaign, event.organization_id, event.into_id)
    hand_over(Template, event.organization_id, event.into_id, one_of_a_name=True)


@on(OrganizationClosing)
def refuse_while_activities_run(event: OrganizationClosing) -> None:
    """An activity must be completed or canceled first, a draft too. Raises OrganizationNotEmpty."""
    running = db.session.execute(
        select(Activity.id, Activity.title)
        .where(Activity.organization_id == event.organization_id, Activity.state.not_in(OVER))
        .order_by(Activity.id)
        .limit(1)
    ).first()
    if running is not None:
        raise OrganizationNotEmpty(name=running.title, members={"what": "activities", "id": str(running.id)})


@on(TeamClosing)
def refuse_while_the_team_has_activities(event: TeamClosing) -> None:
    """As for an organization: nobody would be left who leads them. Raises TeamHasActivities, which lists them."""
    running = db.session.execute(
        select(Activity.id, Activity.title, Activity.state)
        .where(Activity.team_id == event.team_id, Activity.state.not_in(OVER))
        .order_by(Activity.id)
        .limit(MOST_LISTED)
    ).all()
    if running:
        listed = [{"id": str(one.id), "title": one.title, "state": one.state} for one in running]
        raise TeamHasActivities(count=len(running), name=running[0].title, members={"activities": listed})


@on(OrganizationRenamed)
def find_by_the_organizations_name(event: OrganizationRenamed) -> None:
    """Its activities are looked for by the name that it has now."""
    search_text.mark_renamed(event.organization_id)


@on(TeamRenamed)
def find_by_the_teams_name(event: TeamRenamed) -> None:
    """Its activities are looked for by the name that it has now."""
    search_text.mark_renamed(event.team_id)


@on(ErasureRequested)
def tell_who_will_lead(event: ErasureRequested) -> None:
    """Tell somebody who closes her account, and the organizers, what she leads that is not over."""
    handed_over.tell_before(event.volunteer_id, event.erases_at)


@on(VolunteerErased)
def lead_no_more(event: VolunteerErased) -> None:
    """Take the person off what is not over, and tell the organizers; that she led what is over stays."""
    handed_over.take_off(event.volunteer_id)


@exported("activities_created")
def activities_created(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The activities that the person planned, the latest first."""
    return _activities(Activity.created_by == volunteer_id)


@exported("activities_led")
def activities_led(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The activities that the person was named to lead, the latest first."""
    named = select(ActivityLeader.activity_id).where(ActivityLeader.volunteer_id == volunteer_id)
    return _activities(Activity.id.in_(named))


def _activities(hers: ColumnElement[bool]) -> list[dict[str, Any]]:
    found = select(Activity.id, Activity.title, Activity.state, Activity.created_at).where(hers)
    return rows(found.order_by(Activity.created_at.desc(), Activity.id))


@exported("activities_led_before")
def activities_led_before(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The activities that the person once led, the latest first."""
    return rows(
        select(Activity.id, Activity.title, FormerLeader.named_at, FormerLeader.left_at)
        .join(FormerLeader, FormerLeader.activity_id == Activity.id)
        .where(FormerLeader.volunteer_id == volunteer_id)
        .order_by(FormerLeader.left_at.desc(), Activity.id)
    )
