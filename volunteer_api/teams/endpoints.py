"""Routes of teams and memberships."""

from typing import Any

from volunteer_api.accounts.profile import Contact
from volunteer_api.core.access import Principal, signed_in
from volunteer_api.core.downloads import HTML, XLSX, Download
from volunteer_api.core.endpoint import NONE, endpoint, feature_blueprint, page_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import PageQuery, page_of
from volunteer_api.core.tables import Table
from volunteer_api.organizations import access as organizations
from volunteer_api.organizations.access import Permission
from volunteer_api.teams import access, invitations, roster, schemas, service
from volunteer_api.teams.invitations import CodeView, TeamInvitationView
from volunteer_api.teams.models import InvitationCode, Membership, Team
from volunteer_api.teams.pages import invitation_page
from volunteer_api.teams.roster import Imported
from volunteer_api.teams.service import MembershipView

blueprint = feature_blueprint("teams", __name__, "Volunteer teams and who belongs to them")
pages = page_blueprint("team_pages", __name__, "What the address of an invitation shows")


@endpoint(blueprint, "GET", "/teams", access=signed_in, query=schemas.TeamFilter, returns=page_of(schemas.TeamRead))
def list_teams(principal: Principal, query: dict[str, Any]) -> Page:
    """List teams."""
    return service.list_teams(by=principal, query=query)


@endpoint(
    blueprint,
    "POST",
    "/teams",
    access=signed_in,
    body=schemas.TeamCreate,
    returns=schemas.TeamRead,
    status=201,
)
def create_team(principal: Principal, body: dict[str, Any]) -> Team:
    """Found a team in an organization that you manage."""
    organizations.require(principal, Permission.TEAM_MANAGE, organization_id=body["organization_id"])
    return service.create_team(**{"leader_id": principal.volunteer_id} | body, by=principal)


@endpoint(blueprint, "GET", "/teams/<uuid:team_id>", access=access.to_see, returns=schemas.TeamRead)
def read_team(team: Team) -> Team:
    """Read a team."""
    return team


@endpoint(
    blueprint,
    "PATCH",
    "/teams/<uuid:team_id>",
    access=access.to_lead,
    body=schemas.TeamUpdate,
    returns=schemas.TeamRead,
    edits=True,
)
def change_team(team: Team, body: dict[str, Any]) -> Team:
    """Change a team that you lead."""
    return service.change_team(team, **body)


@endpoint(blueprint, "POST", "/teams/<uuid:team_id>/closing", access=access.to_direct, returns=schemas.TeamRead)
def close_team(principal: Principal, team: Team) -> Team:
    """Close a team for good: its memberships end, what it did stays."""
    return service.close_team(team, by=principal)


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
    """Ask to join a team, join it by a code, or invite somebody by phone to the team that you lead."""
    return invitations.join(team, by=principal, **body)


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
    return roster.list_members(team, query)


@endpoint(
    blueprint,
    "GET",
    "/teams/<uuid:team_id>/members.xlsx",
    access=access.to_lead,
    query=schemas.ExportQuery,
    produces=XLSX,
    audits=True,
    limit="30/10 minutes",
)
def export_members(principal: Principal, team: Team, query: dict[str, Any]) -> Download:
    """Fetch the members of a team that you lead as a workbook, with what each served for it; it is recorded."""
    return roster.export_members(team, by=principal, **query)


@endpoint(blueprint, "GET", "/teams/<uuid:team_id>/members/template.xlsx", access=access.to_lead, produces=XLSX)
def read_import_template() -> Download:
    """Fetch the empty workbook that an import takes."""
    return roster.template()


@endpoint(
    blueprint,
    "POST",
    "/teams/<uuid:team_id>/members/import",
    access=access.to_lead,
    query=schemas.ImportQuery,
    returns=schemas.ImportRead,
    upload=True,
    prepare=roster.receive_members,
)
def import_members(principal: Principal, team: Team, query: dict[str, Any], upload: Table) -> Imported:
    """Invite the people of an xlsx or csv table, all or nobody; a dry run names each bad row and changes nothing."""
    return roster.import_members(team, upload, by=principal, dry_run=query["dry_run"])


# No key: a stored answer would keep the code that is told once. Who lost the answer makes another.
@endpoint(
    blueprint,
    "POST",
    "/teams/<uuid:team_id>/invitation-codes",
    access=access.to_lead,
    body=schemas.InvitationCodeCreate,
    returns=schemas.InvitationCodeMade,
    status=201,
    idempotency=NONE,
)
def make_invitation_code(principal: Principal, team: Team, body: dict[str, Any]) -> CodeView:
    """Make a code, for a QR code too, by which people join the team that you lead."""
    return invitations.make_code(team, by=principal, **body)


@endpoint(
    blueprint,
    "GET",
    "/teams/<uuid:team_id>/invitation-codes",
    access=access.to_lead,
    query=PageQuery,
    returns=page_of(schemas.InvitationCodeRead),
)
def list_invitation_codes(team: Team, query: dict[str, Any]) -> Page:
    """List the codes of a team that you lead, and whether each can still be used; not those taken back."""
    return invitations.list_codes(team, query)


@endpoint(
    blueprint,
    "DELETE",
    "/teams/<uuid:team_id>/invitation-codes/<uuid:code_id>",
    access=access.to_revoke_code,
    status=204,
)
def revoke_invitation_code(code: InvitationCode) -> None:
    """Take a code back; who joined by it stays."""
    invitations.revoke_code(code)


# It writes the count of the tries, so that nobody guesses codes.
@endpoint(
    blueprint,
    "GET",
    "/team-invitations/<code>",
    access=access.to_open_invitation,
    returns=schemas.TeamInvitationRead,
    limit="600/10 minutes",
    audits=True,
)
def read_team_invitation(code: InvitationCode) -> TeamInvitationView:
    """See the team that a code opens."""
    return invitations.show(code)


@endpoint(
    blueprint,
    "PATCH",
    "/memberships/<uuid:membership_id>",
    access=access.to_set_role,
    body=schemas.MembershipUpdate,
    returns=schemas.MembershipRead,
    edits=True,
)
def change_membership(principal: Principal, membership: Membership, body: dict[str, Any]) -> MembershipView:
    """Make a member of a team that you lead a deputy, a leader, or a member again."""
    return service.set_role(membership, by=principal, **body)


@endpoint(
    blueprint,
    "GET",
    "/memberships/<uuid:membership_id>/contact",
    access=access.to_contact,
    returns=schemas.MemberContactRead,
    limit="60/10 minutes",
    audits=True,
)
def read_member_contact(principal: Principal, membership: Membership) -> Contact:
    """See whom to call in an emergency of a member of your team; each look is recorded."""
    return roster.read_contact(membership, by=principal)


@endpoint(
    blueprint,
    "POST",
    "/memberships/<uuid:membership_id>/leadership",
    access=access.to_hand_over,
    returns=schemas.MembershipRead,
)
def hand_over_leadership(principal: Principal, membership: Membership) -> MembershipView:
    """Let this member lead in your place."""
    return service.hand_over(membership, by=principal)


@endpoint(
    blueprint,
    "POST",
    "/memberships/<uuid:membership_id>/acceptance",
    access=access.to_answer,
    returns=schemas.MembershipRead,
)
def accept_membership(principal: Principal, membership: Membership) -> MembershipView:
    """Accept a request to your team, or an invitation to you."""
    return service.accept(membership, by=principal)


@endpoint(
    blueprint,
    "POST",
    "/memberships/<uuid:membership_id>/rejection",
    access=access.to_answer,
    body=schemas.MembershipRejection,
    returns=schemas.MembershipRead,
)
def reject_membership(principal: Principal, membership: Membership, body: dict[str, Any]) -> MembershipView:
    """Turn down a request to your team, or an invitation to you."""
    return service.reject(membership, by=principal, **body)


@endpoint(
    blueprint,
    "POST",
    "/memberships/<uuid:membership_id>/leaving",
    access=access.to_leave,
    returns=schemas.MembershipRead,
)
def leave_team(principal: Principal, membership: Membership) -> MembershipView:
    """Leave a team, take a request back, or let a member of your team go."""
    return service.leave(membership, by=principal)


@endpoint(
    blueprint,
    "GET",
    "/me/memberships",
    access=signed_in,
    query=schemas.OwnMembershipFilter,
    returns=page_of(schemas.OwnMembershipRead),
)
def list_own_memberships(principal: Principal, query: dict[str, Any]) -> Page:
    """List your own memberships, the past ones too, the newest first."""
    return service.list_own(by=principal, query=query)


@endpoint(blueprint, "PUT", "/me/primary-team", access=signed_in, body=schemas.PrimaryTeam, status=204)
def set_primary_team(principal: Principal, body: dict[str, Any]) -> None:
    """Name the team that counts as your first, or none."""
    service.set_primary(by=principal, **body)


@endpoint(pages, "GET", "/c/j/<string:code>", access=access.to_read_page, produces=HTML)
def show_invitation(bare_code: str) -> Download:
    """Read what the address of an invitation is for, and how to use it in the app."""
    return invitation_page(bare_code)
