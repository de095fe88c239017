"""Background work of the rankings."""

import time

from volunteer_api.core.database import db
from volunteer_api.core.tasks import Every, task
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.rankings import checking, folding, registered

# SQLite's one writer is whoever asks next: a fold that goes on at once leaves nobody else a turn.
PAUSE_SECONDS = 0.2


@task("rankings.fold", every=Every.MINUTE, unit=False)
def fold() -> None:
    """Fold what has changed since into the sums, in transactions that are short."""
    while run_unit(folding.fold, writes=True):
        if db.engine.dialect.name == "sqlite":
            time.sleep(PAUSE_SECONDS)


@task("rankings.fold_registered", every=Every.MINUTE, unit=False)
def fold_registered() -> None:
    """Fold who has registered, moved or gone since into the counts of the divisions, in transactions that are short."""
    while run_unit(registered.fold, writes=True):
        pass


@task("rankings.check", every=Every.DAY, unit=False)
def check() -> None:
    """Compare folded and live counts of a few days; fold all anew where they differ."""
    checking.check()
