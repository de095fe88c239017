"""Background work of activities."""

from volunteer_api.activities import shifts
from volunteer_api.core.tasks import Every, task


@task("activities.tell_of_risk", every=Every.HOUR)
def tell_of_risk() -> None:
    """Tell leaders of shifts that begin soon with fewer people than they need."""
    shifts.tell_of_risk()
