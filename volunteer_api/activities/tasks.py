"""Background work of activities."""

from volunteer_api.activities import search_text, shifts
from volunteer_api.core.tasks import Every, task


@task("activities.tell_of_risk", every=Every.HOUR)
def tell_of_risk() -> None:
    """Tell leaders of shifts that begin soon with fewer people than they need."""
    shifts.tell_of_risk()


@task("activities.index_texts", every=Every.HOUR, unit=False)
def index_texts() -> None:
    """Make activities found by the names that their organizations, teams and campaigns have by now."""
    search_text.index_what_is_stale()
