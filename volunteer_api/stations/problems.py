"""Named failures of stations."""

from volunteer_api.core.problems import Conflict, Problem


class StationCodeTaken(Conflict):
    title = "Another station has this code."
    detail = "Another station has the code %(code)s."


class StationCodeInUse(Conflict):
    title = "A station's code can't change any more: it stands on documents."
    detail = "The code %(code)s can't change any more: it stands on documents."


class StationStatusConflict(Conflict):
    """`members` name `from_status` and `to_status`."""

    title = "A station can't become this from what it is."


class StationNotEmpty(Conflict):
    """For who handles StationClosing: `members` say `what` stands in the way, and the `id` of one of them.

    Of stock, `stock_items` on the shelf, and how many pieces are `on_loan` and `in_transit`, stand there too.
    """

    title = "The station still holds something that must be settled first."
    detail = "The station still holds something that must be settled first: %(name)s, %(count)s in all."


class StationPaused(Conflict):
    """It takes back and receives, and lends nothing until it is open again."""

    title = "The station is paused."
    detail = "%(name)s is paused and lends nothing now."


class StationClosed(Conflict):
    title = "The station is closed."
    detail = "The station %(name)s is closed."


class TooManyLabels(Problem):
    status = 422
    title = "These are more stations than one sheet of labels takes."
    detail = "There are more than %(most)s stations here; choose an organization below."
