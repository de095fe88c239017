"""Who leads a team, and who may do what to it."""

from uuid import UUID

from volunteer_api.core.access import Principal, for_signed_in
from volunteer_api.core.database import db
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.organizations import access as organizations
from volunteer_api.organizations import scopes
from volunteer_api.organizations.access import Permission
from volunteer_api.teams import queries
from volunteer_api.teams.models import LEADING_ROLES, Membership, MembershipRole, MembershipState, Team

scopes.register_held_roles("team", queries.led_by)


def leads(volunteer_id: UUID, team_id: UUID) -> bool:
    """Whether the volunteer is an active leader or deputy of the team. One statement."""
    return db.session.scalar(queries.roles_in(volunteer_id, team_id)) in LEADING_ROLES


def belongs(volunteer_id: UUID, team_id: UUID) -> bool:
    """Whether the volunteer is an active member of the team, in any role. One statement."""
    return db.session.scalar(queries.roles_in(volunteer_id, team_id)) is not None


def require_lead(principal: Principal, team: Team) -> None:
    """Let pass a leader or deputy of the team, or who has team.manage over its organization.

    Raises Forbidden (403) for other members and for grants without the permission, NotFound (404) for outsiders.
    """
    role = db.session.scalar(queries.roles_in(principal.volunteer_id, team.id))
    if role in LEADING_ROLES:
        return
    try:
        organizations.require(principal, Permission.TEAM_MANAGE, organization_id=team.organization_id)
    except NotFound:
        if role is not None:
            raise Forbidden() from None
        raise


@for_signed_in
def to_see(principal: Principal, team_id: UUID) -> Team:
    """Anybody who is signed in sees a team."""
    return load_team(team_id)


@for_signed_in
def to_lead(principal: Principal, team_id: UUID) -> Team:
    """Its leaders and the organizers above it."""
    team = load_team(team_id)
    require_lead(principal, team)
    return team


@for_signed_in
def to_answer(principal: Principal, membership_id: UUID) -> Membership:
    """Who may say yes or no: the volunteer where she is invited, else those who lead the team."""
    membership = _load_membership(membership_id)
    own = membership.volunteer_id == principal.volunteer_id
    if own and membership.state == MembershipState.INVITED:
        return membership
    _require_lead_of(principal, membership, own)
    if membership.state == MembershipState.INVITED:
        raise Forbidden()
    return membership


@for_signed_in
def to_leave(principal: Principal, membership_id: UUID) -> Membership:
    """The volunteer, for herself; else leaders and the organizers above, and for ordinary members deputies too."""
    membership = _load_membership(membership_id)
    if membership.volunteer_id == principal.volunteer_id:
        return membership
    team = load_team(membership.team_id)
    require_lead(principal, team)
    if membership.role in LEADING_ROLES and not _outranks_deputies(principal, team):
        raise Forbidden()
    return membership


def load_team(team_id: UUID) -> Team:
    """The team with its member_count. Raises NotFound (404)."""
    team = db.session.scalar(queries.teams_counted().where(Team.id == team_id))
    if team is None:
        raise NotFound()
    return team


def _load_membership(membership_id: UUID) -> Membership:
    # Locked, so that an acceptance and a rejection at the same moment follow each other.
    membership = db.session.get(Membership, membership_id, with_for_update=True)
    if membership is None:
        raise NotFound()
    return membership


def _outranks_deputies(principal: Principal, team: Team) -> bool:
    if db.session.scalar(queries.roles_in(principal.volunteer_id, team.id)) == MembershipRole.LEADER:
        return True
    return organizations.can(principal.volunteer_id, Permission.TEAM_MANAGE, organization_id=team.organization_id)


def _require_lead_of(principal: Principal, membership: Membership, own: bool) -> None:
    try:
        require_lead(principal, load_team(membership.team_id))
    except NotFound:
        if own:
            raise Forbidden() from None
        raise
