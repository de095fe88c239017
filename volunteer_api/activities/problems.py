"""Why an activity or a shift refuses something."""

from volunteer_api.core.problems import Conflict


class WrongState(Conflict):
    """Its body names the `state` that stands."""

    title = "The present state does not allow this."
    detail = "This is not possible while the state is %(state)s."

    def __init__(self, state: str) -> None:
        super().__init__(state=str(state), members={"state": str(state)})


class NotBegun(Conflict):
    title = "An activity is completed only after one of its shifts has begun."


class FrozenAtPublication(Conflict):
    """Its body names the `fields`: rankings count an activity for whom it was published."""

    title = "The team, the station and the category stay as they were published."


class TooManyShifts(Conflict):
    title = "The activity has too many shifts."
    detail = "An activity has at most %(maximum)s shifts."
