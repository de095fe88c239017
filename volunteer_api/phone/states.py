"""The state of a phone's copy: how far it was told, as an opaque signed text that only its owner can go on from."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from volunteer_api.core.paging import binding_of, make_cursor, open_cursor
from volunteer_api.core.problems import InvalidCursor
from volunteer_api.phone.problems import StateTooOld, SyncStateInvalid

STATE_DAYS = 30


@dataclass(frozen=True)
class Place:
    """Where an answer in parts stopped: behind the row `row_id` of the type with this number.

    `since` is the position from which on changes are being told, None where all rows are.
    """

    since: int | None
    type: int
    row_id: UUID


@dataclass(frozen=True)
class State:
    """What a copy has: all that was committed below `position` of the log of `epoch`, as of `made_at`.

    Where the answer was in parts, that is so once those behind `place` have come; `position` and `made_at` are of the
    first part, so that what changed meanwhile is told afterwards.
    """

    epoch: str
    position: int
    made_at: datetime
    place: Place | None = None

    @property
    def since(self) -> int | None:
        """From which position on changes are to be told next; None: all rows are."""
        return self.place.since if self.place is not None else self.position


def sealed(state: State, *bound: object) -> str:
    """The text of a state, bound to what must be the same when it comes back."""
    place: list[Any] = []
    if state.place is not None:
        place = [state.place.type, state.place.row_id, -1 if state.place.since is None else state.place.since]
    return make_cursor([state.epoch, state.position, state.made_at, *(place or [0, 0, 0])], _binding(bound))


def opened(text: str, *bound: object) -> State:
    """The state of a text. Raises SyncStateInvalid (400) for what is none, or was given for something else."""
    try:
        epoch, position, made_at, type_, row_id, since = open_cursor(text, _binding(bound), 6)
    except InvalidCursor as error:
        raise SyncStateInvalid() from error
    place = Place(None if since == -1 else since, type_, row_id) if type_ else None
    return State(epoch, position, made_at, place)


def require_good(state: State, present: State) -> None:
    """Raise StateTooOld (410) where the state is too old, or of another log.

    How far the log reaches back stands beside the log (`changes.changed`): clocks may be wrong, and an answer in parts
    be gone on with long after the state that it is of.
    """
    # A position that the database has not come to is of a future that a restore took back.
    if state.epoch != present.epoch or state.position > present.position:
        raise StateTooOld.of_another_database()
    if state.made_at < present.made_at - timedelta(days=STATE_DAYS):
        raise StateTooOld()


def _binding(bound: tuple[object, ...]) -> str:
    return binding_of("sync", *bound)
