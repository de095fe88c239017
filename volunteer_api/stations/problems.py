"""Named failures of stations."""

from volunteer_api.core.problems import Conflict


class StationCodeTaken(Conflict):
    title = "Another station has this code."
    detail = "Another station has the code %(code)s."


class StationNotEmpty(Conflict):
    """For who handles StationClosing: `members` say `what` stands in the way and which one, like {"what": "loans"}."""

    title = "The station still holds something that must be settled first."
    detail = "The station still holds something that must be settled first: %(name)s."


class StationClosed(Conflict):
    title = "The station is closed."
    detail = "The station %(name)s is closed."
