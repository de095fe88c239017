"""The shifts that are shown with an activity, and what there is to know of who asks: read together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Select, and_, bindparam, case, func, literal_column, null, or_, select

from volunteer_api.activities.models import Shift
from volunteer_api.activities.prospects import caller_facts, facts_values
from volunteer_api.core.database import db
from volunteer_api.core.prepared import all_rows
from volunteer_api.core.statements import among_given

SHIFTS_IN_A_LIST = 10


class ListedShift(NamedTuple):
    """What a list reads of a shift. The judgment looks at forty of them, and half of its time went to rows' members."""

    id: UUID
    version: int
    activity_id: UUID
    starts_at: datetime
    ends_at: datetime
    sign_up_closes_at: datetime | None
    canceled_at: datetime | None
    cancellation_reason: str | None
    capacity: int | None
    minimum: int | None
    confirmed_count: int
    waitlisted_count: int


SHIFT_MEMBERS = ListedShift._fields


@dataclass(frozen=True)
class Preferred:
    """Which of an activity's many shifts are rather shown: with `free`, those to come that have a free place.

    Before them stand those of days that are asked for: that end after `first` and start before `last`.
    """

    free: bool = False
    first: datetime | None = None
    last: datetime | None = None

    @property
    def days(self) -> dict[str, datetime]:
        """The moments that are asked for, by the names of their parameters."""
        return {name: moment for name in ("first", "last") if (moment := getattr(self, name)) is not None}


NONE_PREFERRED = Preferred()


def shifts_for_list(
    activity_ids: Sequence[UUID],
    caller_id: UUID | None,
    now: datetime,
    most: int = SHIFTS_IN_A_LIST,
    preferred: Preferred = NONE_PREFERRED,
) -> tuple[dict[UUID, list[ListedShift]], Any]:
    """The next shifts of each activity by their start, and canceled or past ones where not so many are to come.

    Those that are preferred take the places of others; those of days that are asked for also stand before others.

    And what there is to know of the caller for their judgment (`caller_facts`): read by a statement of its own, it cost
    as much as the shifts.
    """
    values = {"activity_ids": activity_ids, "now": now, "most": most} | preferred.days
    if caller_id is not None:
        values |= facts_values(caller_id, now)
    shifts: dict[UUID, list[ListedShift]] = {activity_id: [] for activity_id in activity_ids}
    connection = db.session.connection()
    # Fetched at once: row by row, the driver looks at its result anew for each.
    statement = _next_shifts(
        connection.dialect.name, frozenset(preferred.days), free_first=preferred.free, for_caller=caller_id is not None
    )
    found = all_rows(connection, statement, values)
    for *members, _ in found:
        shift = ListedShift._make(members)
        shifts[shift.activity_id].append(shift)
    return shifts, found[0].caller_facts if found else None


def next_first(now: Any) -> tuple[Any, ...]:
    """The order in which as many shifts are taken as there is room for: canceled and past ones behind those to come."""
    return _first(_is_to_come(now)), Shift.starts_at, Shift.id


def _first(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 0), else_=1)


def _is_to_come(now: Any) -> ColumnElement[bool]:
    return and_(Shift.ends_at > now, Shift.canceled_at.is_(None))


def _is_free(now: Any) -> ColumnElement[bool]:
    return and_(
        _is_to_come(now),
        or_(Shift.sign_up_closes_at.is_(None), Shift.sign_up_closes_at > now),
        or_(Shift.capacity.is_(None), Shift.confirmed_count < Shift.capacity),
    )


def _is_of_days(days: frozenset[str]) -> ColumnElement[bool]:
    asked: list[ColumnElement[bool]] = []
    if "first" in days:
        asked.append(Shift.ends_at > bindparam("first"))
    if "last" in days:
        asked.append(Shift.starts_at < bindparam("last"))
    return and_(*asked)


@cache
def _next_shifts(dialect: str, days: frozenset[str], *, free_first: bool, for_caller: bool) -> Select[*tuple[Any, ...]]:
    now: Any = bindparam("now")
    of_days = _first(_is_of_days(days)) if days else literal_column("0", Integer())
    order = [_first(_is_free(now))] if free_first else []
    order = [*([of_days] if days else []), *order, *next_first(now)]
    place = func.row_number().over(partition_by=Shift.activity_id, order_by=order)
    numbered = (
        select(
            *(getattr(Shift, name) for name in SHIFT_MEMBERS), place.label("place_in_line"), of_days.label("of_days")
        )
        .where(among_given(Shift.activity_id, "activity_ids", dialect))
        .subquery()
    )
    by_start = (*([numbered.c.of_days] if days else []), numbered.c.starts_at, numbered.c.id)
    # With the first row alone: somebody's hundred sign-ups would be sent, and read, as often as there are rows.
    is_first = func.row_number().over(order_by=by_start) == 1
    facts = case((is_first, caller_facts())) if for_caller else null()
    return (
        select(*(numbered.c[name] for name in SHIFT_MEMBERS), facts.label("caller_facts"))
        .where(numbered.c.place_in_line <= bindparam("most"))
        .order_by(*by_start)
    )
