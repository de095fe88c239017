"""Named failures of stations."""

from volunteer_api.core.problems import Conflict, Problem


class StationCodeTaken(Conflict):
    title = "Another station has this code."
    detail = "Another station has the code %(code)s."


class TooManyLabels(Problem):
    status = 422
    title = "These are more stations than one sheet of labels takes."
    detail = "There are more than %(most)s stations here; choose an organization below."
