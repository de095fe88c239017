"""Named failures of stations."""

from volunteer_api.core.problems import Conflict


class StationCodeTaken(Conflict):
    title = "Another station has this code."
    detail = "Another station has the code %(code)s."
