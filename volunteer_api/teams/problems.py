"""Named failures of teams and memberships."""

from volunteer_api.core.problems import Conflict


class AlreadyMember(Conflict):
    title = "This volunteer is a member of the team, or about to become one."


class MembershipSettled(Conflict):
    title = "This membership is not in a state that allows it."
    detail = "The membership is %(state)s."


class TeamNameTaken(Conflict):
    title = "The organization already has a team of this name."


class PhoneUnknown(Conflict):
    title = "No volunteer is registered with this phone."
