"""Named failures of teams and memberships."""

from collections.abc import Mapping
from typing import ClassVar

from volunteer_api.core.problems import Conflict, NotFound
from volunteer_api.core.tables import TableRefused


class AlreadyMember(Conflict):
    title = "This volunteer is a member of the team, or about to become one."
    # A leader who tries phones must not get the tries for nothing.
    keeps_writes = True


class MembershipSettled(Conflict):
    """Its body names the `state` that stands."""

    title = "This membership is not in a state that allows it."
    details: ClassVar[Mapping[str, str]] = {
        "requested": "The request to join still waits for an answer.",
        "invited": "The invitation still waits for an answer.",
        "active": "This is an active member already.",
        "rejected": "The request or invitation was turned down already.",
        "left": "The membership has ended already.",
        "expired": "The invitation has expired.",
    }

    def __init__(self, state: str) -> None:
        super().__init__(case=state, members={"state": str(state)})


class TeamNameTaken(Conflict):
    title = "The organization already has a team of this name."
    detail = "The organization already has a team with the name %(name)s."


class TeamClosed(Conflict):
    title = "This team is closed."


class TeamNotRecruiting(Conflict):
    title = "This team takes new members by invitation only."


class TeamsStandInTheWay(Conflict):
    title = "The organization still has teams; close them or move them first."


class LastLeader(Conflict):
    title = "The last leader can't leave a team that has other members."


class LeaderNeeded(Conflict):
    title = "A team needs a leader: name another one first."


class AlreadyLeader(Conflict):
    title = "This member leads the team already."


class NotInTeam(Conflict):
    title = "You are not an active member of this team."


class InvitationCodeUnknown(NotFound):
    title = "This invitation code is not valid, or not any more."
    # The try must be counted although it found nothing.
    keeps_writes = True


class RosterRefused(TableRefused):
    """Some rows are bad, so nobody was invited."""

    title = "Some rows are not valid; nobody was invited."
