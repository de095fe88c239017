"""Background work of sign-ups."""

from functools import partial

from volunteer_api.core.tasks import Every, task
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.sign_ups import queries, unfit

SHIFTS_AT_ONCE = 50


@task(unfit.LOOK_AT_PEOPLE, every=Every.HOUR, unit=False)
def look_at_people() -> None:
    """Find who has a place and can't take part any more, and give it to who waits; a shift to a unit."""
    shift_ids = run_unit(queries.coming_shifts_with_people, writes=False)
    for first in range(0, len(shift_ids), SHIFTS_AT_ONCE):
        look = partial(unfit.shifts_with_unfit, shift_ids[first : first + SHIFTS_AT_ONCE])
        for shift_id in run_unit(look, writes=False):
            run_unit(partial(unfit.look_again, shift_id), writes=True)
