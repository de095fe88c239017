"""The shifts that are shown with an activity, and what there is to know of who asks: read together."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, and_, bindparam, case, func, null, select

from volunteer_api.activities.models import Shift
from volunteer_api.activities.prospects import caller_facts, facts_values
from volunteer_api.core.database import db
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


def shifts_for_list(
    activity_ids: Sequence[UUID], caller_id: UUID | None, now: datetime, most: int = SHIFTS_IN_A_LIST
) -> tuple[dict[UUID, list[ListedShift]], Any]:
    """The next shifts of each activity by their start, and canceled or past ones where not so many are to come.

    And what there is to know of the caller for their judgment (`caller_facts`): read by a statement of its own, it cost
    as much as the shifts.
    """
    values = {"activity_ids": activity_ids, "now": now, "most": most}
    if caller_id is not None:
        values |= facts_values(caller_id, now)
    shifts: dict[UUID, list[ListedShift]] = {activity_id: [] for activity_id in activity_ids}
    connection = db.session.connection()
    # Fetched at once: row by row, the driver looks at its result anew for each.
    found = connection.execute(_next_shifts(connection.dialect.name, for_caller=caller_id is not None), values).all()
    for *members, _ in found:
        shift = ListedShift._make(members)
        shifts[shift.activity_id].append(shift)
    return shifts, found[0].caller_facts if found else None


def next_first(now: Any) -> tuple[Any, ...]:
    """The order in which as many shifts are taken as there is room for: canceled and past ones behind those to come."""
    is_over = case((and_(Shift.ends_at > now, Shift.canceled_at.is_(None)), 0), else_=1)
    return is_over, Shift.starts_at, Shift.id


@cache
def _next_shifts(dialect: str, *, for_caller: bool) -> Select[*tuple[Any, ...]]:
    order = next_first(bindparam("now"))
    place = func.row_number().over(partition_by=Shift.activity_id, order_by=order)
    numbered = (
        select(*(getattr(Shift, name) for name in SHIFT_MEMBERS), place.label("place_in_line"))
        .where(among_given(Shift.activity_id, "activity_ids", dialect))
        .subquery()
    )
    by_start = numbered.c.starts_at, numbered.c.id
    # With the first row alone: somebody's hundred sign-ups would be sent, and read, as often as there are rows.
    is_first = func.row_number().over(order_by=by_start) == 1
    facts = case((is_first, caller_facts())) if for_caller else null()
    return (
        select(*(numbered.c[name] for name in SHIFT_MEMBERS), facts.label("caller_facts"))
        .where(numbered.c.place_in_line <= bindparam("most"))
        .order_by(*by_start)
    )
