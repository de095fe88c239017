"""Background work of the rankings."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from volunteer_api.core import clock, health, scrape
from volunteer_api.core.database import db
from volunteer_api.core.tasks import Every, enqueue, finding_of, last_run, task
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.rankings import checking, folding, keeping
from volunteer_api.rankings.belonging import MEMBERS, REGISTERED
from volunteer_api.rankings.kept import KEEP

FOLD = "rankings.fold"
DROP_KEPT = "rankings.drop_kept"
# SQLite's one writer is whoever asks next: a fold that goes on at once leaves nobody else a turn.
PAUSE_SECONDS = 0.2
# After so many, whatever else is due comes first: the sweep runs one task at a time.
TURN_SECONDS = 20
# A crowd's marks are folded within a few minutes; a check is made each night.
LATE = timedelta(minutes=15)
CHECK_LATE = timedelta(days=2)


@task(FOLD, every=Every.MINUTE, unit=False)
def fold() -> None:
    """Fold what has changed since into the sums, in transactions that are short."""
    _work_off(FOLD, partial(run_unit, folding.fold, writes=True))


@task(KEEP, every=Every.MINUTE, unit=False)
def keep() -> None:
    """Keep what took long to count, one question in a transaction, and drop what is asked no more."""
    _work_off(KEEP, _keep_one)


def _keep_one() -> bool:
    number = run_unit(keeping.claim, writes=True)
    if number is None:
        return False
    run_unit(partial(keeping.make, number), writes=True)
    run_unit(keeping.drop, writes=True)
    # The fold of a minute leaves its work to whoever has the turn: here it has it.
    run_unit(folding.fold, writes=True)
    return True


def _work_off(name: str, some: Callable[[], bool]) -> None:
    """Do some of it while there may be more; after a while ask for another turn, which is the others' until then."""
    until = time.monotonic() + TURN_SECONDS
    while some():
        if time.monotonic() > until:
            enqueue(name)
            return
        if db.engine.dialect.name == "sqlite":
            time.sleep(PAUSE_SECONDS)


@task(DROP_KEPT, every=Every.DAY, unit=False)
def drop_kept() -> None:
    """Drop what nobody asks any more."""
    run_unit(keeping.drop, writes=True)


@task("rankings.fold_registered", every=Every.MINUTE, unit=False)
def fold_registered() -> None:
    """Fold who has registered, moved or gone since into the counts of the divisions, in transactions that are short."""
    while run_unit(REGISTERED.fold, writes=True):
        pass


@task("rankings.fold_members", every=Every.MINUTE, unit=False)
def fold_members() -> None:
    """Fold who has joined or left a team since into the counts of the teams, in transactions that are short."""
    while run_unit(MEMBERS.fold, writes=True):
        pass


@task(checking.CHECK, every=Every.DAY, unit=False)
def check() -> None:
    """Compare what is folded with live counts of some of it; fold anew where they differ."""
    checking.check()


@health.warning
def warn_of_late_folds() -> str | None:
    """What `/readyz` says while the sums fall behind, or are not made: rankings stay exact, and get slower."""
    at, now = folding.folded_at(), clock.now()
    if at is not None and at < now - LATE:
        return f"The rankings are folded until {at:%Y-%m-%dT%H:%M:%SZ} only, and get slower; see the worker's log."
    run = last_run(FOLD)
    is_stuck = run is not None and (run.error is not None or (run.finished_at is None and run.started_at < now - LATE))
    if at is None and is_stuck:
        return "The rankings are not folded and counted live, which takes long; see the worker's log."
    return None


@health.warning
def warn_of_differences() -> str | None:
    """What `/readyz` says from the night on that found sums wrong until a night finds none, or while no night ends."""
    if found := finding_of(checking.CHECK):
        return f"Folded rankings differed from what was recorded, and were folded anew: {found}; see the worker's log."
    run, ended = last_run(checking.CHECK), last_run(f"{checking.CHECK}.finding")
    if run is not None and run.error is not None:
        return f"The nightly check of the rankings failed ({run.error}); see the worker's log."
    if ended is not None and ended.started_at < clock.now() - CHECK_LATE:
        return f"The rankings were last checked on {ended.started_at:%Y-%m-%d}; see the worker's log."
    return None


@scrape.reading(
    "volunteer_rankings_folded_timestamp_seconds",
    "Until when rankings are folded into sums; absent where they are not, and are counted live.",
)
def tell_folded() -> datetime | None:
    """What `/metrics` says of the sums: rankings stay exact however late they are, and get slower."""
    return folding.folded_at()
