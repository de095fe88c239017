"""Who leads a team, and who may do what to it."""

from uuid import UUID

from sqlalchemy import select

from volunteer_api.core.access import Principal, for_signed_in, open_to_all
from volunteer_api.core.database import db
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.organizations import access as organizations
from volunteer_api.organizations import scopes
from volunteer_api.organizations.access import Permission
from volunteer_api.teams import codes, queries
from volunteer_api.teams.models import (
    LEADING_ROLES,
    InvitationCode,
    Membership,
    MembershipRole,
    MembershipState,
    Team,
)
from volunteer_api.teams.pages import CODE

scopes.register_held_roles("team", queries.led_by)


def leads(volunteer_id: UUID, team_id: UUID) -> bool:
    """Whether the volunteer is an active leader or deputy of the team. One statement."""
    return _role(volunteer_id, team_id) in LEADING_ROLES


def belongs(volunteer_id: UUID, team_id: UUID) -> bool:
    """Whether the volunteer is an active member of the team, in any role. One statement."""
    return _role(volunteer_id, team_id) is not None


def require_lead(principal: Principal, team: Team) -> None:
    """Let pass a leader or deputy of the team, or who has team.manage over its organization.

    Raises Forbidden (403) for other members and for grants without the permission, NotFound (404) for outsiders.
    """
    _require(principal, team, _role(principal.volunteer_id, team.id), LEADING_ROLES)


def require_direct(principal: Principal, team: Team) -> None:
    """As `require_lead`, but a deputy is not enough: for what decides who leads, and whether the team goes on."""
    _require(principal, team, _role(principal.volunteer_id, team.id), (MembershipRole.LEADER,))


def directs(principal: Principal, team: Team) -> bool:
    """Whether `require_direct` lets somebody pass."""
    try:
        require_direct(principal, team)
    except (Forbidden, NotFound):
        return False
    return True


@open_to_all
def to_read_page(principal: Principal | None, code: str) -> str:
    """Anybody who has what can be a code, as it is written; nothing is looked up. Raises NotFound (404)."""
    bare = code.upper()
    if not CODE.fullmatch(bare):
        raise NotFound()
    return bare


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
def to_direct(principal: Principal, team_id: UUID) -> Team:
    """Its leaders, without the deputies, and the organizers above it."""
    team = load_team(team_id)
    require_direct(principal, team)
    return team


@for_signed_in
def to_revoke_code(principal: Principal, team_id: UUID, code_id: UUID) -> InvitationCode:
    """Who leads the team of this code."""
    require_lead(principal, load_team(team_id))
    code = db.session.get(InvitationCode, code_id, with_for_update=True)
    if code is None or code.team_id != team_id or code.revoked_at is not None:
        raise NotFound()
    return code


@for_signed_in
def to_open_invitation(principal: Principal, code: str) -> InvitationCode:
    """Whoever has the code; tries are counted."""
    return codes.find_live(code, by=principal)


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
    if membership.role in LEADING_ROLES:
        require_direct(principal, team)
    else:
        require_lead(principal, team)
    return membership


@for_signed_in
def to_set_role(principal: Principal, membership_id: UUID) -> Membership:
    """The leaders of its team, without the deputies, and the organizers above."""
    membership = _load_membership(membership_id)
    try:
        require_direct(principal, load_team(membership.team_id))
    except NotFound:
        if membership.volunteer_id == principal.volunteer_id:
            raise Forbidden() from None
        raise
    return membership


@for_signed_in
def to_hand_over(principal: Principal, membership_id: UUID) -> Membership:
    """A leader of its team, for it is her own role that she hands over."""
    membership = _load_membership(membership_id)
    if _role(principal.volunteer_id, membership.team_id) != MembershipRole.LEADER:
        _require_lead_of(principal, membership, membership.volunteer_id == principal.volunteer_id)
        raise Forbidden()
    return membership


@for_signed_in
def to_contact(principal: Principal, membership_id: UUID) -> Membership:
    """Who leads the team, of those who are active members: an invitation tells nothing of whom it is for."""
    membership = db.session.get(Membership, membership_id)
    if membership is None:
        raise NotFound()
    _require_lead_of(principal, membership, membership.volunteer_id == principal.volunteer_id)
    if membership.state != MembershipState.ACTIVE:
        raise NotFound()
    return membership


def load_team(team_id: UUID) -> Team:
    """The team with its member_count. Raises NotFound (404)."""
    team = db.session.scalar(queries.teams_counted().where(Team.id == team_id))
    if team is None:
        raise NotFound()
    return team


def _role(volunteer_id: UUID, team_id: UUID) -> str | None:
    return db.session.scalar(queries.roles_in(volunteer_id, team_id))


def _load_membership(membership_id: UUID) -> Membership:
    """The membership, locked, so that an acceptance and a rejection at the same moment follow each other.

    Its team is locked first: of two leaders who step down together the second sees that the first is gone.
    """
    team_id = db.session.scalar(select(Membership.team_id).where(Membership.id == membership_id))
    if team_id is None:
        raise NotFound()
    # Not FOR UPDATE, which would wait for every sign-up that names the team.
    db.session.execute(select(Team.id).where(Team.id == team_id).with_for_update(key_share=True))
    membership = db.session.get(Membership, membership_id, with_for_update=True)
    if membership is None:
        raise NotFound()
    return membership


def _require(principal: Principal, team: Team, role: str | None, enough: tuple[MembershipRole, ...]) -> None:
    if role in enough:
        return
    try:
        organizations.require(principal, Permission.TEAM_MANAGE, organization_id=team.organization_id)
    except NotFound:
        if role is not None:
            raise Forbidden() from None
        raise


def _require_lead_of(principal: Principal, membership: Membership, own: bool) -> None:
    try:
        require_lead(principal, load_team(membership.team_id))
    except NotFound:
        if own:
            raise Forbidden() from None
        raise
