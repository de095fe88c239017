"""Named refusals of the app's screens."""

import secrets

from volunteer_api.core.problems import Problem


class StateTooOld(Problem):
    """The log no longer tells what changed since; without `since` all of it comes again."""

    # Over so many seconds phones spread, where all of them have to ask for everything at once.
    SPREAD = 60

    status = 410
    title = "This state is too old to go on from."
    detail = "This state is too old to go on from. Ask without since, and put the answer in the place of what you have."

    @classmethod
    def of_another_database(cls) -> "StateTooOld":
        """As after a restore, for every phone: each shall wait for another time."""
        return cls(headers={"Retry-After": str(1 + secrets.randbelow(cls.SPREAD))})


class SyncStateInvalid(Problem):
    status = 400
    title = "This state was not given to you, or for other types or another language."
