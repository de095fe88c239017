"""Routes of teams and memberships."""

from typing import Any

from volunteer_api.core.access import Principal, signed_in
from volunteer_api.core.endpoint import endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import page_of
from volunteer_api.organizations import access as organizations
from volunteer_api.organizations.access import Permission
from volunteer_api.teams import access, schemas, service
from volunteer_api.teams.models import Membership, Team
from volunteer_api.teams.service import MembershipView

blueprint = feature_blueprint("teams", __name__, "Volunteer teams and who belongs to them")


@endpoint(blueprint, "GET", "/teams", access=signed_in, query=schemas.TeamFilter, returns=page_of(schemas.TeamRead))
def list_teams(principal: Principal, query: dict[str, Any]) -> Page:
    """List teams."""
    return service.list_teams(by=principal, query=query)


@endpoint(
    blueprint,
    "POST",
    "/teams",
    access=organizations.named_in_request,
    body=schemas.TeamCreate,
    returns=schemas.TeamRead,
    status=201,
)
def create_team(principal: Principal, body: dict[str, Any]) -> Team:
    """Found a team in an organization that you manage."""
    organizations.require(principal, Permission.TEAM_MANAGE, organization_id=body["organization_id"])
    return service.create_team(**{"leader_id": principal.volunteer_id} | body)


@endpoint(blueprint, "GET", "/teams/<uuid:team_id>", access=access.to_see, returns=schemas.TeamRead)
def read_team(team: Team) -> Team:
    """Read a team."""
    return team


@endpoint(
    blueprint,
    "POST",
    "/teams/<uuid:team_id>/memberships",
    access=access.to_see,
    body=schemas.MembershipCreate,
    returns=schemas.MembershipRead,
    status=201,
    limit="600/10 minutes",
)
def join_team(principal: Principal, team: Team, body: dict[str, Any]) -> MembershipView:
    """Ask to join a team, or invite somebody by phone to the team that you lead."""
    return service.join(team, by=principal, **body)


@endpoint(
    blueprint,
    "GET",
    "/teams/<uuid:team_id>/memberships",
    access=access.to_lead,
    query=schemas.MembershipFilter,
    returns=page_of(schemas.MembershipRead),
)
def list_memberships(team: Team, query: dict[str, Any]) -> Page:
    """List the members of a team that you lead, and who waits."""
    return service.list_members(team, query)


@endpoint(
    blueprint,
    "POST",
    "/memberships/<uuid:membership_id>/acceptance",
    access=access.to_answer,
    returns=schemas.MembershipRead,
)
def accept_membership(membership: Membership) -> MembershipView:
    """Accept a request to your team, or an invitation to you."""
    return service.accept(membership)


@endpoint(
    blueprint,
    "POST",
    "/memberships/<uuid:membership_id>/rejection",
    access=access.to_answer,
    returns=schemas.MembershipRead,
)
def reject_membership(membership: Membership) -> MembershipView:
    """Turn down a request to your team, or an invitation to you."""
    return service.reject(membership)


@endpoint(
    blueprint,
    "POST",
    "/memberships/<uuid:membership_id>/leaving",
    access=access.to_leave,
    returns=schemas.MembershipRead,
)
def leave_team(membership: Membership) -> MembershipView:
    """Leave a team, take a request back, or let a member of your team go."""
    return service.leave(membership)
