"""Background work of sign-ups."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from volunteer_api.core.logs import logger
from volunteer_api.core.tasks import Every, task
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.sign_ups import places, queries, unfit

CALL_WHO_WAITS = "sign_ups.call_who_waits"
SHIFTS_AT_ONCE = 50


class PlacesNotLookedAt(Exception):
    """Some shifts could not be looked at; the next run looks at them again."""


@task(unfit.LOOK_AT_PEOPLE, every=Every.HOUR, unit=False)
def look_at_people() -> None:
    """Find who has a place and can't take part any more, and give it to who waits.

    Raises PlacesNotLookedAt.
    """
    _look_at_coming_shifts(by_credentials=False)


@task(unfit.LOOK_AT_CREDENTIALS, every=Every.HOUR, unit=False)
def look_at_credentials() -> None:
    """The same where an insurance or a training is asked for: nudged when one counts no more, or not as long.

    Swept too, so that one that failed is taken up soon. Raises PlacesNotLookedAt.
    """
    _look_at_coming_shifts(by_credentials=True)


@task(CALL_WHO_WAITS, every=Every.HOUR, unit=False)
def call_who_waits() -> None:
    """Give free places to who waits and could have one only since something of hers changed, as a training renewed.

    Only where somebody waits beside a free place, a shift to a unit. Raises PlacesNotLookedAt.
    """
    failed, after = 0, None
    while shift_ids := run_unit(partial(queries.shifts_to_fill, after, SHIFTS_AT_ONCE), writes=False):
        failed += sum(not _is_looked_at(places.call_waiting, one) for one in shift_ids)
        after = shift_ids[-1]
    if failed:
        raise PlacesNotLookedAt(f"{failed} where somebody waits")


def _look_at_coming_shifts(*, by_credentials: bool) -> None:
    """Look at the shifts of an activity to a unit.

    An activity that can't be looked at holds up no other. Raises PlacesNotLookedAt where there was one.
    """
    shift_ids = run_unit(queries.coming_shifts_with_people, writes=False)
    found: dict[UUID, list[UUID]] = {}
    for first in range(0, len(shift_ids), SHIFTS_AT_ONCE):
        for whose, those in _with_unfit(shift_ids[first : first + SHIFTS_AT_ONCE], by_credentials).items():
            found.setdefault(whose, []).extend(those)
    failed = sum(not _is_looked_at(unfit.look_again, those) for those in found.values())
    if failed:
        raise PlacesNotLookedAt(f"{failed} of {len(found)}")


def _with_unfit(shift_ids: Sequence[UUID], by_credentials: bool) -> dict[UUID, list[UUID]]:
    """Those of the shifts in which somebody can't take part, by activity; each alone where that can't be told."""
    try:
        return run_unit(partial(unfit.shifts_with_unfit, shift_ids, by_credentials=by_credentials), writes=False)
    except Exception as error:
        logger().error("places_not_looked_at_together", error=type(error).__name__, exc_info=True)
        return {one: [one] for one in shift_ids}


def _is_looked_at(look: Callable[[Any], None], what: UUID | Sequence[UUID]) -> bool:
    try:
        run_unit(partial(look, what), writes=True)
    except Exception as error:  # whatever it is, the others' insurance ends all the same
        kind = type(error).__name__
        logger().error("places_not_looked_at", shifts=str(what), error=kind, exc_info=True)
        return False
    return True
