"""The one way to change what sign-ups depend on: when a shift is, whether it takes place, how many it takes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy.orm.attributes import flag_modified

from volunteer_api.activities import queries
from volunteer_api.activities.events import ShiftBefore, ShiftsChanged
from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.core.database import db
from volunteer_api.core.events import publish
from volunteer_api.core.unit_of_work import Rerun

UNPUBLISHED = (ActivityState.DRAFT, ActivityState.SUBMITTED)

Companions = Callable[[Sequence[UUID]], Sequence[UUID]]

HoldPeople = Callable[[Sequence[UUID]], None]

Taken = Callable[[Sequence[UUID]], set[UUID]]

_companions: list[Companions] = []
_hold_people: list[HoldPeople] = []
_taken: list[Taken] = []


def register_companions(companions: Companions) -> None:
    """`companions(shift_ids)` names the shifts that must be held together with these before they change."""
    _companions[:] = [companions]


def register_people(hold_people: HoldPeople) -> None:
    """`hold_people(shift_ids)` waits for all whose places a change of these shifts may take or give, and holds them."""
    _hold_people[:] = [hold_people]


def hold_people(shift_ids: Sequence[UUID]) -> None:
    """Hold all whose places a change of these shifts may take or give, before an activity or a shift is held.

    Later they can only be tried: of a hundred somebody is always signing up for something else.
    """
    if shift_ids:
        _hold_people[0](shift_ids)


def register_taken(taken: Taken) -> None:
    """`taken(shift_ids)` names those of held shifts that somebody has an active sign-up for, whatever its state."""
    _taken[:] = [taken]


def taken(shift_ids: Sequence[UUID]) -> set[UUID]:
    """Those of held shifts that somebody has an active sign-up for."""
    return _taken[0](shift_ids)


@contextmanager
def changing(
    activity: Activity,
    *,
    shift_ids: Sequence[UUID] | None = None,
    reason: str | None = None,
    lost: list[UUID] | None = None,
    by: UUID | None = None,
) -> Iterator[list[Shift]]:
    """Hold shifts of an activity, all of them where none are named, while the block changes them; then tell of it.

    `by` is who changes them, where she need not hear of it.
    `lost` is given where the activity asks for something else now: the sign-ups that lose their places are added to it.
    Yields them as they are now, in the order of their ids. They are held with their companions by one statement, so
    that the order of ids holds among them too. A companion may have come before that; then the unit runs again (Rerun).
    """
    own_ids = list(queries.shift_ids_of(activity.id) if shift_ids is None else shift_ids)
    held = queries.lock_shifts([*own_ids, *_companions[0](own_ids)])
    companion_ids = {shift.id for shift in held}.difference(own_ids)
    if not companion_ids.issuperset(set(_companions[0](own_ids)).difference(own_ids)):
        raise Rerun()
    own = [shift for shift in held if shift.id not in companion_ids]
    before = tuple(
        ShiftBefore(shift.id, shift.starts_at, shift.ends_at, shift.capacity, shift.canceled_at) for shift in own
    )
    yield own
    if activity.state in UNPUBLISHED:
        # Who is to publish it reads activity and shifts as one; a change of either is another version.
        flag_modified(activity, "title")
    db.session.flush()
    publish(ShiftsChanged(activity.id, before, tuple(sorted(companion_ids)), reason, lost, by))


def ask_otherwise(activity: Activity) -> Sequence[UUID]:
    """Tell of an activity that asks for something else of people; returns the sign-ups that lost their places."""
    lost: list[UUID] = []
    with changing(activity, lost=lost):
        """The shifts stay as they are."""
    return lost
