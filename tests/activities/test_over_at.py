"""When an activity is over, as triggers keep it: whatever happens to its shifts."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from tests.activities.factories import make_activity, make_scene
from tests.conftest import share_of
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.core import clock
from volunteer_api.core.database import db

HOUR = timedelta(hours=1)
pytestmark = pytest.mark.both_databases
WHAT = ("add", "end", "cancel", "resume", "delete", "move")
# What happens: to which shift, and how many hours later it ends then.
STEPS = st.lists(st.tuples(st.sampled_from(WHAT), st.integers(0, 5), st.integers(1, 9)), max_size=12)


@settings(max_examples=share_of(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_it_is_the_end_of_the_last_shift_that_is_not_canceled(unit: Any, steps: list[tuple[str, int, int]]) -> None:
    def prepare() -> list[UUID]:
        scene = make_scene()
        return [make_activity(scene=scene).id for _ in range(2)]

    ids: list[UUID] = unit(prepare)
    for what, which, hours in steps:
        unit(lambda: _happen(ids, what, which, hours))  # noqa: B023  # called at once
        told, true = unit(lambda: (_told(ids), _true(ids)))
        assert told == true, (what, which, hours)


def _happen(ids: list[UUID], what: str, which: int, hours: int) -> None:
    shifts = db.session.scalars(select(Shift).where(Shift.activity_id.in_(ids)).order_by(Shift.id)).all()
    starts_at = clock.now().replace(microsecond=0)
    if what == "add" or not shifts:
        new = [
            Shift(activity_id=activity_id, starts_at=starts_at, ends_at=starts_at + hours * HOUR) for activity_id in ids
        ]
        db.session.add_all(new[: 1 + which % 2])
        return
    shift = shifts[which % len(shifts)]
    match what:
        case "end":
            shift.ends_at = shift.starts_at + hours * HOUR
        case "cancel":
            shift.canceled_at = starts_at
        case "resume":
            shift.canceled_at = None
        case "delete":
            db.session.delete(shift)
        case "move":
            shift.activity_id = ids[which % 2]


def _told(ids: list[UUID]) -> dict[UUID, datetime | None]:
    rows = db.session.execute(select(Activity.id, Activity.over_at).where(Activity.id.in_(ids)))
    return {row.id: row.over_at for row in rows}


def _true(ids: list[UUID]) -> dict[UUID, datetime | None]:
    last = select(Shift.activity_id, func.max(Shift.ends_at).label("last")).where(
        Shift.activity_id.in_(ids), Shift.canceled_at.is_(None)
    )
    rows = db.session.execute(last.group_by(Shift.activity_id))
    return dict.fromkeys(ids) | {row.activity_id: row.last for row in rows}
