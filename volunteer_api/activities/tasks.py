"""Background work of activities."""

from volunteer_api.activities import risks, search_text
from volunteer_api.core.tasks import Every, task


@task("activities.tell_of_risk", every=Every.HOUR)
def tell_of_risk() -> None:
    """Tell leaders of shifts that begin soon with fewer people than they need."""
    risks.tell_of_risk()


@task("activities.tell_of_holidays", every=Every.DAY)
def tell_of_holidays() -> None:
    """Tell leaders of shifts on holidays that were announced after their rules were given."""
    risks.tell_of_holidays()


@task(search_text.INDEX_RENAMED, every=Every.MINUTE, unit=False)
def index_renamed() -> None:
    """Make activities found by the new names of what was renamed: nudged by the renaming, and swept every minute."""
    search_text.index_renamed()


@task("activities.index_texts", every=Every.HOUR, unit=False)
def index_texts() -> None:
    """Make activities found that were not, or by names that nobody noted the change of."""
    search_text.index_what_is_stale()
