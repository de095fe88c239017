"""Routes of campaigns, activities and shifts."""

from typing import Any
from uuid import UUID

from volunteer_api.activities import (
    access,
    calendar,
    copies,
    listing,
    queries,
    schemas,
    service,
    shift_schemas,
    shifts,
    template_schemas,
    turnout,
)
from volunteer_api.activities.models import Activity, Campaign, CoOrganizer, Shift, Template
from volunteer_api.core.access import Principal, public, signed_in
from volunteer_api.core.downloads import Download
from volunteer_api.core.endpoint import endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import page_of
from volunteer_api.core.written import Written

blueprint = feature_blueprint("activities", __name__, "Campaigns, activities and shifts")


@endpoint(
    blueprint,
    "GET",
    "/campaigns",
    access=public,
    query=schemas.CampaignFilter,
    returns=page_of(schemas.CampaignRead),
)
def list_campaigns(query: dict[str, Any]) -> Page:
    """List campaigns, the newest first."""
    return queries.page_of_campaigns(query)


@endpoint(
    blueprint, "GET", "/campaigns/<uuid:campaign_id>", access=access.to_see_campaign, returns=schemas.CampaignRead
)
def read_campaign(campaign: Campaign) -> Campaign:
    """Read a campaign."""
    return campaign


@endpoint(
    blueprint,
    "POST",
    "/campaigns",
    access=signed_in,
    body=schemas.CampaignCreate,
    returns=schemas.CampaignRead,
    status=201,
)
def create_campaign(principal: Principal, body: dict[str, Any]) -> Campaign:
    """Start a campaign."""
    access.require_campaign_creation(principal, organization_id=body["organization_id"])
    return service.create_campaign(by=principal.volunteer_id, **body)


@endpoint(
    blueprint,
    "PATCH",
    "/campaigns/<uuid:campaign_id>",
    access=access.to_change_campaign,
    body=schemas.CampaignUpdate,
    returns=schemas.CampaignRead,
    edits=True,
)
def change_campaign(principal: Principal, campaign: Campaign, body: dict[str, Any]) -> Campaign:
    """Change a campaign's name, days or goals."""
    return service.change_campaign(campaign, by=principal.volunteer_id, **body)


@endpoint(
    blueprint,
    "GET",
    "/activities",
    access=public,
    query=schemas.ActivityFilter,
    returns=page_of(schemas.ActivitySummary),
    learns_session=True,
)
def list_activities(principal: Principal | None, query: dict[str, Any]) -> Written:
    """List activities: soonest first by their next shift, or nearest first."""
    # By time, the next page's cursor keeps the moment of this one.
    return Written(listing.page_of_activities(query, principal), untagged=("next_cursor",))


@endpoint(
    blueprint,
    "POST",
    "/activities",
    access=signed_in,
    body=schemas.ActivityCreate,
    returns=schemas.ActivityRead,
    status=201,
)
def create_activity(principal: Principal, body: dict[str, Any]) -> dict[str, Any]:
    """Plan an activity as a draft."""
    access.require_creation(principal, organization_id=body["organization_id"], team_id=body.get("team_id"))
    activity = service.create_activity(by=principal, **body)
    return queries.read_activity(activity.id, principal.volunteer_id)


@endpoint(blueprint, "GET", "/activities/<uuid:activity_id>", access=access.to_see, returns=schemas.ActivityRead)
def read_activity(principal: Principal | None, activity: Activity) -> dict[str, Any]:
    """Read an activity with its shifts."""
    return queries.read_activity(activity.id, _caller_id(principal))


@endpoint(
    blueprint,
    "GET",
    "/activities/<uuid:activity_id>.ics",
    access=access.to_see,
    produces=calendar.MEDIA_TYPE,
)
def export_activity(activity: Activity) -> Download:
    """Read an activity's shifts as a calendar file."""
    return calendar.activity_calendar(activity)


@endpoint(
    blueprint,
    "PATCH",
    "/activities/<uuid:activity_id>",
    access=access.to_lead,
    body=schemas.ActivityUpdate,
    returns=schemas.ActivityChanged,
    edits=True,
)
def update_activity(principal: Principal, activity: Activity, body: dict[str, Any]) -> dict[str, Any]:
    """Change an activity that is not over."""
    access.require_team(principal, activity, body.get("team_id"))
    publishes = access.publishes(principal, activity.id)
    access.require_partners(activity, body.get("co_organizer_ids"), publishes=publishes)
    done = service.update_activity(activity, by=principal, publishes=publishes, **body)
    return queries.read_activity(activity.id, principal.volunteer_id) | shifts.consequences_view(*done)


@endpoint(
    blueprint, "POST", "/activities/<uuid:activity_id>/submission", access=access.to_lead, returns=schemas.ActivityRead
)
def submit_activity(principal: Principal, activity: Activity) -> dict[str, Any]:
    """Ask the organizers to publish a draft."""
    service.submit(activity, by=principal.volunteer_id)
    return queries.read_activity(activity.id, principal.volunteer_id)


@endpoint(
    blueprint,
    "POST",
    "/activities/<uuid:activity_id>/return",
    access=access.to_publish,
    body=schemas.GivenReason,
    returns=schemas.ActivityRead,
)
def return_activity(principal: Principal, activity: Activity, body: dict[str, Any]) -> dict[str, Any]:
    """Send a submitted activity back to its maker, with a reason."""
    service.send_back(activity, **body)
    return queries.read_activity(activity.id, principal.volunteer_id)


@endpoint(
    blueprint,
    "POST",
    "/activities/<uuid:activity_id>/publication",
    access=access.to_publish,
    returns=schemas.ActivityRead,
)
def publish_activity(principal: Principal, activity: Activity) -> dict[str, Any]:
    """Publish a submitted activity, or a draft directly."""
    service.publish(activity, by=principal.volunteer_id)
    return queries.read_activity(activity.id, principal.volunteer_id)


@endpoint(
    blueprint,
    "POST",
    "/activities/<uuid:activity_id>/cancellation",
    access=access.to_lead,
    body=schemas.GivenReason,
    returns=schemas.ActivityRead,
)
def cancel_activity(principal: Principal, activity: Activity, body: dict[str, Any]) -> dict[str, Any]:
    """Cancel an activity and tell everybody who signed up why."""
    service.cancel(activity, **body)
    return queries.read_activity(activity.id, principal.volunteer_id)


@endpoint(
    blueprint,
    "POST",
    "/activities/<uuid:activity_id>/completion",
    access=access.to_lead,
    body=schemas.Completion,
    returns=schemas.ActivityCompleted,
)
def complete_activity(principal: Principal, activity: Activity, body: dict[str, Any]) -> dict[str, Any]:
    """Complete an activity, with what came of it; what runs ends now."""
    service.complete(activity, by=principal, **body)
    remarks = turnout.remarks(Shift.activity_id == activity.id)
    return queries.read_activity(activity.id, principal.volunteer_id) | {"remarks": remarks}


@endpoint(
    blueprint,
    "POST",
    "/activities/<uuid:activity_id>/co-organizers/<uuid:organization_id>/decline",
    access=access.to_leave_as_partner,
    body=schemas.GivenReason,
    returns=schemas.ActivityRead,
)
def decline_co_organizing(principal: Principal, partner: CoOrganizer, body: dict[str, Any]) -> dict[str, Any]:
    """Take your organization off an activity that names it as a co-organizer, with a reason."""
    activity = service.decline_partnership(partner, by=principal.volunteer_id, **body)
    return queries.read_activity(activity.id, principal.volunteer_id)


@endpoint(
    blueprint,
    "PATCH",
    "/activities/<uuid:activity_id>/outcomes",
    access=access.to_lead,
    body=schemas.OutcomesUpdate,
    returns=schemas.ActivityRead,
    edits=True,
)
def correct_outcomes(principal: Principal, activity: Activity, body: dict[str, Any]) -> dict[str, Any]:
    """Correct what came of a completed activity; the audit log keeps what was said before."""
    service.correct_outcomes(activity, by=principal, **body)
    return queries.read_activity(activity.id, principal.volunteer_id)


@endpoint(
    blueprint,
    "POST",
    "/activities/<uuid:activity_id>/copies",
    access=access.to_copy,
    body=schemas.CopiesCreate,
    returns=schemas.Copies,
    status=201,
)
def copy_activity(principal: Principal, activity: Activity, body: dict[str, Any]) -> dict[str, Any]:
    """Plan the same for other organizations: a draft for each, all or none; what was copied before is named."""
    access.require_copying(principal, body["organization_ids"], publish=body["publish"])
    return copies.copy_to(activity, by=principal, **body)


@endpoint(
    blueprint,
    "GET",
    "/activity-templates",
    access=signed_in,
    query=template_schemas.TemplateFilter,
    returns=page_of(template_schemas.TemplateRead),
)
def list_templates(query: dict[str, Any]) -> Page:
    """List the patterns of an organization and of those above it."""
    return queries.page_of_templates(query)


@endpoint(
    blueprint,
    "POST",
    "/activity-templates",
    access=signed_in,
    body=template_schemas.TemplateCreate,
    returns=template_schemas.TemplateRead,
    status=201,
)
def create_template(principal: Principal, body: dict[str, Any]) -> dict[str, Any]:
    """Keep an activity as a pattern."""
    activity = access.require_keeping(
        principal, organization_id=body["organization_id"], activity_id=body["activity_id"]
    )
    made = copies.keep_as_template(activity, organization_id=body["organization_id"], name=body["name"])
    return queries.template_view(made)


@endpoint(
    blueprint,
    "PATCH",
    "/activity-templates/<uuid:template_id>",
    access=access.to_keep_template,
    body=template_schemas.TemplateUpdate,
    returns=template_schemas.TemplateRead,
    edits=True,
)
def rename_template(template: Template, body: dict[str, Any]) -> dict[str, Any]:
    """Give a pattern another name."""
    return copies.rename(template, **body)


@endpoint(
    blueprint,
    "DELETE",
    "/activity-templates/<uuid:template_id>",
    access=access.to_keep_template,
    status=204,
)
def delete_template(template: Template) -> None:
    """Delete a pattern; what was planned from it stays."""
    copies.delete_template(template)


@endpoint(
    blueprint,
    "POST",
    "/activity-templates/<uuid:template_id>/activities",
    access=access.to_see_template,
    body=template_schemas.PlanFromTemplate,
    returns=template_schemas.ActivityPlanned,
    status=201,
)
def plan_from_template(principal: Principal, template: Template, body: dict[str, Any]) -> dict[str, Any]:
    """Plan an activity after a pattern, as a draft."""
    access.require_creation(principal, organization_id=body["organization_id"], team_id=body.get("team_id"))
    made = copies.plan_from(template, by=principal, **body)
    return queries.read_activity(made.id, principal.volunteer_id) | {"left_out": made.left_out}


@endpoint(
    blueprint,
    "GET",
    "/activities/<uuid:activity_id>/shifts",
    access=access.to_see,
    query=shift_schemas.ShiftFilter,
    returns=page_of(shift_schemas.ShiftRead),
)
def list_shifts(principal: Principal | None, activity: Activity, query: dict[str, Any]) -> Page:
    """List an activity's shifts by their start."""
    return queries.page_of_shifts(activity, query, _caller_id(principal))


@endpoint(
    blueprint,
    "POST",
    "/activities/<uuid:activity_id>/shifts",
    access=access.to_lead,
    body=shift_schemas.ShiftCreate,
    returns=shift_schemas.ShiftRead,
    status=201,
)
def create_shift(principal: Principal, activity: Activity, body: dict[str, Any]) -> dict[str, Any]:
    """Add a shift to an activity that is not over; the same once more within a minute is taken for a second tap."""
    publishes = access.publishes(principal, activity.id)
    shift = shifts.add_shift(activity, by=principal.volunteer_id, publishes=publishes, **body)
    return queries.read_shift(shift, principal.volunteer_id)


@endpoint(
    blueprint,
    "PATCH",
    "/shifts/<uuid:shift_id>",
    access=access.to_lead_shift,
    body=shift_schemas.ShiftUpdate,
    returns=shift_schemas.ShiftRead,
    edits=True,
)
def change_shift(principal: Principal, shift: Shift, body: dict[str, Any]) -> dict[str, Any]:
    """Change when a shift is, or how many it takes; who signed up is asked again where it moves."""
    changed = shifts.change_shift(shift, by=principal.volunteer_id, **body)
    return queries.read_shift(changed, principal.volunteer_id)


@endpoint(
    blueprint,
    "POST",
    "/shifts/<uuid:shift_id>/cancellation",
    access=access.to_lead_shift,
    body=schemas.GivenReason,
    returns=shift_schemas.ShiftRead,
)
def cancel_shift(principal: Principal, shift: Shift, body: dict[str, Any]) -> dict[str, Any]:
    """Cancel one shift and tell everybody who signed up why."""
    return queries.read_shift(shifts.cancel_shift(shift, **body), principal.volunteer_id)


@endpoint(blueprint, "GET", "/shifts/<uuid:shift_id>", access=access.to_see_shift, returns=shift_schemas.ShiftRead)
def read_shift(principal: Principal | None, shift: Shift) -> dict[str, Any]:
    """Read a shift, and what would come of signing up for it."""
    return queries.read_shift(shift, _caller_id(principal))


def _caller_id(principal: Principal | None) -> UUID | None:
    return principal.volunteer_id if principal is not None else None
