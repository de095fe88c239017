"""What rankings refuse."""

from volunteer_api.core.problems import Conflict, Problem


class RankingTooLong(Problem):
    status = 422
    title = "This ranking has more places than a file may have."
    detail = "At most %(most)s places go into one file; ask for a scope or a level."


class PeriodTooLong(Problem):
    status = 422
    title = "This period is too long for one picture."
    detail = "At most %(most)s frames or days go into one picture; ask for a shorter period or a longer step."


class MonthNotBegun(Conflict):
    title = "This month has not begun yet."


class PeriodStillRunning(Conflict):
    title = "Only a period that is over can be closed."


class PeriodBeforeScope(Conflict):
    title = "This period was over before the organization was founded, and nothing is recorded in it."


class OtherScope(Conflict):
    """The body has the `scope_id` of the other snapshot."""

    title = "The other snapshot is of another organization; only those of one can be compared."


class AlreadyClosed(Conflict):
    """The body has the `snapshot_id`."""

    title = "This period is closed already."


class OtherSnapshotUnknown(Conflict):
    title = "There is no such other snapshot."
