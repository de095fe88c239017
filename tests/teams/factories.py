"""Teams and their members."""

from uuid import UUID

from tests.factories import factory, make_volunteer, next_number
from volunteer_api.accounts.models import Volunteer
from volunteer_api.teams import service
from volunteer_api.teams.models import Membership, MembershipRole, MembershipState, Team


@factory
def make_team(*, organization_id: UUID, leader: Volunteer | None = None, name: str | None = None) -> Team:
    """A team with its leader, somebody new where none is named."""
    leader = leader or make_volunteer(name="队长")
    return service.create_team(
        name=name or f"鹰城大妈{next_number()}", organization_id=organization_id, leader_id=leader.id
    )


@factory
def make_member(
    team: Team,
    volunteer: Volunteer,
    *,
    role: MembershipRole = MembershipRole.MEMBER,
    state: MembershipState = MembershipState.ACTIVE,
) -> Membership:
    """A membership, active where nothing else is said."""
    return service.add_member(team_id=team.id, volunteer_id=volunteer.id, role=role, state=state)
