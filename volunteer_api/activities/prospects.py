"""What would come of the caller's signing up, shown on every shift; a feature to the right knows it.

Activities can't import sign-ups, so these register here the one judgment that the pages and the sign-up itself share.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from volunteer_api.activities.models import Activity, Shift, ShiftRole
from volunteer_api.core.problems import Problem


class WouldBe(StrEnum):
    """The state that a sign-up made now would have."""

    CONFIRMED = "confirmed"
    PENDING = "pending"
    WAITLISTED = "waitlisted"


class Prospect(Protocol):
    """Either the state that a sign-up would get, or the first of the reasons why there would be none."""

    @property
    def would_be(self) -> str | None: ...

    @property
    def refusal(self) -> Problem | None: ...


# Objects, or rows with all the columns of one: lists are read as rows.
Planned = Sequence[tuple[Activity | Any, Shift | Any]]
# Beside each shift the role of it that is asked for; none at all where only shifts are asked for.
Roles = Sequence[ShiftRole | None]
Judge = Callable[[UUID | None, Planned, datetime, Roles], Sequence[Prospect]]

_judges: list[Judge] = []


def register_judge(judge: Judge) -> None:
    """`judge(caller_id, planned, now, roles)` gives a prospect for each of `planned`.

    By a number of statements that does not grow with them; the id is None for an anonymous caller.
    """
    _judges[:] = [judge]


def prospects(caller_id: UUID | None, planned: Planned, now: datetime, roles: Roles = ()) -> Sequence[Prospect]:
    """What would come of the caller's signing up for each of these shifts, in their order; in roles where given."""
    return _judges[0](caller_id, planned, now, roles)
