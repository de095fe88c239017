"""Background work of the rankings."""

from volunteer_api.core.tasks import Every, task
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.rankings import checking, folding


@task("rankings.fold", every=Every.MINUTE, unit=False)
def fold() -> None:
    """Fold what has changed since into the sums, in transactions that are short."""
    while run_unit(folding.fold, writes=True):
        pass


@task("rankings.check", every=Every.DAY, unit=False)
def check() -> None:
    """Compare folded and live counts of a few days; fold all anew where they differ."""
    checking.check()
