"""What people hear of teams. The kinds that are older than this module stand in notifications.templates."""

from collections.abc import Collection, Mapping
from uuid import UUID

from volunteer_api.core.database import db
from volunteer_api.core.texts import Word
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.models import NotificationKind
from volunteer_api.notifications.service import notify_each
from volunteer_api.notifications.templates import register, tell_in_words
from volunteer_api.teams.models import LEADING_ROLES, Membership, MembershipRole, Team

ACCEPTED = NotificationKind.MEMBERSHIP_ACCEPTED
INVITED = NotificationKind.MEMBERSHIP_INVITED
REJECTED = register(
    "membership_rejected",
    "Your request was turned down",
    "%(team)s did not take you in: %(reason)s",
    Group.TEAMS,
    without={"reason": "%(team)s did not take you in."},
)
ENDED = register("membership_ended", "You are no longer in the team", "A leader took you out of %(team)s.", Group.TEAMS)
LEFT = register("member_left", "A member has left", "%(name)s has left %(team)s.", Group.TEAMS)
CLOSED = register("team_closed", "The team is closed", "%(team)s is closed. What it did stays on record.", Group.TEAMS)
DEPUTY_NAMED = register(
    "deputy_named", "The team has a new deputy", "%(name)s is now a deputy of %(team)s.", Group.TEAMS
)
LEAD_ENDED = register(
    "lead_ended", "Somebody no longer leads the team", "%(name)s no longer leads %(team)s.", Group.TEAMS
)
ROLE_OFFERED = register(
    "team_role_offered",
    "You are asked to lead a team",
    "%(team)s asks you to be its %(team_role)s. Accept it or turn it down.",
    Group.TEAMS,
)
ROLE_CHANGED = register(
    "team_role_changed", "You have another role in the team", "In %(team)s you are now: %(team_role)s.", Group.TEAMS
)
LEAD_KINDS: Mapping[str, str] = {
    MembershipRole.LEADER: NotificationKind.LEADERSHIP_CHANGED,
    MembershipRole.DEPUTY: DEPUTY_NAMED,
}
tell_in_words(
    "team_role",
    {
        MembershipRole.LEADER: Word("leader"),
        MembershipRole.DEPUTY: Word("deputy"),
        MembershipRole.MEMBER: Word("member"),
    },
)


def tell(kind: str, membership: Membership, to: Collection[UUID | None], **values: str) -> None:
    """Tell people of a membership, once of what it has come to; who is not known (None) hears nothing."""
    team = db.session.get_one(Team, membership.team_id)
    values = {"membership_id": str(membership.id), **values}
    _tell(kind, team, to, once=f"{membership.id}:{membership.version}", **values)


def tell_of_invitation(membership: Membership, volunteer_id: UUID) -> None:
    """Tell who is invited, with the role where it is one that leads: nobody is to say yes to that unknowing."""
    if membership.role in LEADING_ROLES:
        tell(ROLE_OFFERED, membership, [volunteer_id], team_role=membership.role)
    else:
        tell(INVITED, membership, [volunteer_id])


def tell_of_closing(team: Team, to: Collection[UUID | None]) -> None:
    """Tell people that a team is closed."""
    _tell(CLOSED, team, to, once=str(team.id))


def _tell(kind: str, team: Team, to: Collection[UUID | None], *, once: str, **values: str) -> None:
    values = {"team": team.name, "team_id": str(team.id), **values}
    people = sorted({person for person in to if person is not None})
    notify_each(people, kind, values, once=once)
