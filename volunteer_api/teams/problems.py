"""Named failures of teams and memberships."""

from volunteer_api.core.problems import Conflict


class AlreadyMember(Conflict):
    title = "This volunteer is a member of the team, or about to become one."
    # It tells that the phone is registered: that look-up must be counted too.
    keeps_writes = True


class MembershipSettled(Conflict):
    title = "This membership is not in a state that allows it."
    detail = "The membership is %(state)s."


class TeamNameTaken(Conflict):
    title = "The organization already has a team of this name."


class PhoneUnknown(Conflict):
    title = "No volunteer is registered with this phone."
    # The look-up must be counted although it found nobody.
    keeps_writes = True


class LastLeader(Conflict):
    title = "The last leader can't leave a team that has other members."
