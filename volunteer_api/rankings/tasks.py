"""Background work of the rankings."""

import time

from volunteer_api.core.database import db
from volunteer_api.core.tasks import Every, task
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.rankings import folding

# SQLite's one writer is whoever asks next: a fold that goes on at once leaves nobody else a turn.
PAUSE_SECONDS = 0.2


@task("rankings.fold", every=Every.MINUTE, unit=False)
def fold() -> None:
    """Fold what has changed since into the sums, in transactions that are short."""
    while run_unit(folding.fold, writes=True):
        if db.engine.dialect.name == "sqlite":
            time.sleep(PAUSE_SECONDS)
