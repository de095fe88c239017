"""What would come of the caller's signing up, shown on every shift; a feature to the right knows it.

Activities can't import sign-ups, so these register here the one judgment that the pages and the sign-up itself share.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement

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


class Judge(Protocol):
    """Who judges, by a number of statements that does not grow with what is judged."""

    def prospects(
        self, caller_id: UUID | None, planned: Planned, now: datetime, roles: Roles, facts: Any
    ) -> Sequence[Prospect]:
        """A prospect for each of `planned`; the id is None for an anonymous caller, `facts` where none were read."""

    def caller_facts(self) -> ColumnElement[Any]:
        """What there is to know of the caller as one value, to be read beside other columns. One object for all."""

    def facts_values(self, caller_id: UUID, now: datetime) -> Mapping[str, Any]:
        """The parameters of `caller_facts`."""


_judges: list[Judge] = []


def register_judge(judge: Judge) -> None:
    """Have this one judge: a module with the functions of `Judge`."""
    _judges[:] = [judge]


def prospects(
    caller_id: UUID | None, planned: Planned, now: datetime, roles: Roles = (), facts: Any = None
) -> Sequence[Prospect]:
    """What would come of the caller's signing up for each of these shifts, in their order; in roles where given.

    `facts` spare a statement: what was read of `caller_facts`.
    """
    return _judges[0].prospects(caller_id, planned, now, roles, facts)


def caller_facts() -> ColumnElement[Any]:
    """What the judgment has to know of the caller, as a column that another statement reads for it."""
    return _judges[0].caller_facts()


def facts_values(caller_id: UUID, now: datetime) -> Mapping[str, Any]:
    """The parameters of `caller_facts`."""
    return _judges[0].facts_values(caller_id, now)
