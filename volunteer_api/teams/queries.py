"""How teams and their members are read."""

from uuid import UUID

from sqlalchemy import ScalarSelect, Select, func, literal, select
from sqlalchemy.orm import with_expression

from volunteer_api.accounts.models import Volunteer
from volunteer_api.organizations.queries import subtree_ids
from volunteer_api.teams.models import LEADING_ROLES, Membership, MembershipState, Team


def teams_counted() -> Select[Team]:
    """Teams with their `member_count`, the active ones."""
    return (
        select(Team)
        .options(with_expression(Team.member_count, _member_count()))
        .execution_options(populate_existing=True)
    )


def teams(organization_id: UUID | None, member_id: UUID | None, q: str | None) -> Select[Team]:
    """The teams of an organization's subtree, of which somebody is an active member, with `q` in the name."""
    statement = teams_counted()
    if organization_id is not None:
        statement = statement.where(Team.organization_id.in_(subtree_ids(organization_id)))
    if member_id is not None:
        statement = statement.where(
            Team.id.in_(
                select(Membership.team_id).where(
                    Membership.volunteer_id == member_id, Membership.state == MembershipState.ACTIVE
                )
            )
        )
    if q is not None:
        statement = statement.where(Team.name.icontains(q, autoescape=True))
    return statement


def members(team_id: UUID, state: str | None) -> Select[Membership, Volunteer]:
    """The memberships of a team with their volunteers."""
    statement = (
        select(Membership, Volunteer)
        .join(Volunteer, Volunteer.id == Membership.volunteer_id)
        .where(Membership.team_id == team_id)
    )
    return statement if state is None else statement.where(Membership.state == state)


def roles_in(volunteer_id: UUID, team_id: UUID) -> Select[str]:
    """The volunteer's role in the team, no row where there is no active membership."""
    return select(Membership.role).where(
        Membership.team_id == team_id,
        Membership.volunteer_id == volunteer_id,
        Membership.state == MembershipState.ACTIVE,
    )


def open_membership(volunteer_id: UUID, team_id: UUID, states: tuple[MembershipState, ...]) -> Select[UUID]:
    """The id of the volunteer's membership that is in one of `states`."""
    return select(Membership.id).where(
        Membership.team_id == team_id, Membership.volunteer_id == volunteer_id, Membership.state.in_(states)
    )


def others_active(membership: Membership) -> Select[str]:
    """The roles of the team's active members beside this one."""
    return select(Membership.role).where(
        Membership.team_id == membership.team_id,
        Membership.id != membership.id,
        Membership.state == MembershipState.ACTIVE,
    )


def led_by(volunteer_id: UUID) -> Select[str, str, UUID, str]:
    """Role, the word team, id and name of the teams that the volunteer leads: they count as held roles."""
    return (
        select(Membership.role, literal("team"), Team.id, Team.name)
        .join(Team, Team.id == Membership.team_id)
        .where(
            Membership.volunteer_id == volunteer_id,
            Membership.state == MembershipState.ACTIVE,
            Membership.role.in_(LEADING_ROLES),
        )
    )


def _member_count() -> ScalarSelect[int]:
    return (
        select(func.count())
        .select_from(Membership)
        .where(Membership.team_id == Team.id, Membership.state == MembershipState.ACTIVE)
        .correlate(Team)
        .scalar_subquery()
    )
