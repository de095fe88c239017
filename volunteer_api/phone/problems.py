"""Named refusals of the app's screens."""

from volunteer_api.core.problems import Problem


class StateTooOld(Problem):
    """The log no longer tells what changed since; without `since` all of it comes again."""

    status = 410
    title = "This state is too old to go on from."
    detail = "This state is too old to go on from. Ask without since, and put the answer in the place of what you have."


class SyncStateInvalid(Problem):
    status = 400
    title = "This state was not given to you, or for other types or another language."
