"""What teams do when features to the left publish news, and what they hold about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.accounts.events import PhoneProven, VolunteerErased
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.organizations.events import OrganizationClosing, OrganizationMerged
from volunteer_api.organizations.holdings import register_holding
from volunteer_api.teams import invitations, service
from volunteer_api.teams.models import InvitationCode, Membership, Team


@exported("memberships")
def export_memberships(volunteer_id: UUID) -> list[dict[str, Any]]:
    """Every team that the volunteer was, is, asked or is invited to be in."""
    return rows(
        select(
            Membership.id,
            Membership.team_id,
            Team.name.label("team"),
            Membership.role,
            Membership.state,
            Membership.is_primary,
            Membership.created_at,
            Membership.joined_at,
            Membership.left_at,
            Membership.rejection_reason,
        )
        .join(Team, Team.id == Membership.team_id)
        .where(Membership.volunteer_id == volunteer_id)
        .order_by(Membership.id)
    )


@exported("invitation_codes")
def export_invitation_codes(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The invitation codes that the volunteer made, without the codes: only their digests are kept."""
    return rows(
        select(
            InvitationCode.id,
            InvitationCode.team_id,
            InvitationCode.needs_acceptance,
            InvitationCode.uses_left,
            InvitationCode.created_at,
            InvitationCode.expires_at,
            InvitationCode.revoked_at,
        )
        .where(InvitationCode.created_by == volunteer_id)
        .order_by(InvitationCode.created_at.desc(), InvitationCode.id)
    )


@on(PhoneProven)
def give_waiting_invitations(event: PhoneProven) -> None:
    """An invitation that waited for this phone is now for this volunteer to answer."""
    invitations.take_effect(volunteer_id=event.volunteer_id, phone=event.phone)


@on(VolunteerErased)
def end_memberships(event: VolunteerErased) -> None:
    """Memberships end and keep their history; what she never joined is forgotten."""
    service.forget(event.volunteer_id)


register_holding(
    "teams",
    lambda organization_id: select(Team.id, Team.name).where(
        Team.organization_id == organization_id, Team.closed_at.is_(None)
    ),
)


@on(OrganizationMerged)
def move_teams(event: OrganizationMerged) -> None:
    """Teams go on under the organization that takes over. Raises TeamNameTaken where it has one of the same name."""
    service.move_teams(event.organization_id, event.into_id)


@on(OrganizationClosing)
def require_no_teams(event: OrganizationClosing) -> None:
    """An organization with open teams can't close. Raises TeamsStandInTheWay."""
    service.require_no_teams(event.organization_id)
