"""A made-up district of any size, for benchmarks and for whoever wants to see the product at scale.

Network, teams, campaigns and the people who run it are the demo's and the same at every size; the rest is drawn from a
seed and written by bulk load, so that the same seed, size and last day give the same rows. Only what is encrypted
differs: a nonce is never drawn from a seed. It is one transaction: there is a whole district afterwards, or none.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from random import Random

from sqlalchemy import delete, func, select, text, update

from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.hours import seals
from volunteer_api.phone import changes
from volunteer_api.rankings import folding
from volunteer_api.rankings.belonging import BELONGING
from volunteer_api.rankings.models import RankingRule
from volunteer_api.simulation import ground, people, program, service, totals
from volunteer_api.simulation.loading import Loader, set_aside
from volunteer_api.simulation.plan import MOST_ON_SQLITE, Plan, SimulationRefused
from volunteer_api.simulation.texts import Moments

__all__ = ["Plan", "Simulated", "SimulationRefused", "fold_rankings", "refresh_statistics", "seal_days", "simulate"]

# Told, as it goes on, what is being done, and how many of how many are.
Report = Callable[[str, int, int], None]

COLUMNS = {**people.COLUMNS, **program.COLUMNS, **service.COLUMNS}
# Their foreign keys and indexes step aside as well.
ALSO_WRITTEN = ("tally_totals",)
BEFORE = timedelta(days=70)
AFTER = timedelta(days=3)


@dataclass
class Simulated:
    """How many rows of each table were written, and the seconds of each stage in its order."""

    rows: Mapping[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def simulate(plan: Plan, report: Report) -> Simulated:
    """Write the district. The caller runs it as one unit; `report` is told as it goes on.

    Raises SimulationRefused where there are volunteers already, days that are not over, or more records than SQLite is
    for.
    """
    _require_room(plan)
    found, stage, rows = Simulated(), _Stages(), partial(report, "Writing the district")
    whole = plan.volunteers + plan.records
    moments = Moments(plan.first_on - BEFORE, plan.last_on + AFTER)
    random = Random(plan.seed)
    with ids.seeded(random, clock.now):
        base = ground.build(plan, random)
    # The bulk load goes around the triggers that mark what rankings count: until the fold they count live.
    db.session.execute(delete(RankingRule))
    db.session.flush()
    stage.end("network")
    with set_aside([*COLUMNS, *ALSO_WRITTEN]):
        stage.end("indexes dropped")
        loader = Loader(COLUMNS)
        with closing(loader):
            pool = people.register(plan, base, random, loader, moments, lambda done: rows(done, whole))
            stage.end("volunteers")
            planned = program.Program(plan, base, random, loader, moments)
            crowd = service.Crowd(pool, len(base.communities), random)
            served = service.Service(plan, base, crowd, random, loader, moments)

            def day_is_done(_: date) -> None:
                loader.write_some()
                rows(plan.volunteers + served.records, whole)

            service.fill_days(plan, planned, crowd, served, day_is_done)
            loader.write_all()
            stage.end("activities and service")
        report("Adding up tallies", 0, 1)
        totals.sum_up()
        stage.end("tallies")
        report("Adding up tallies", 1, 1)
        # No trigger noted who registered or joined; nobody does meanwhile, for the load has their tables locked.
        for belonging in BELONGING.values():
            belonging.rebuild()
        # Nor what changed for phones.
        changes.begin_anew()
        report("Making indexes and foreign keys", 0, 1)
    # Nor when activities are over. By one join: to look it up for each did not end in ten minutes among 600,000 shifts.
    last_end = func.max(Shift.ends_at).label("at")
    standing = select(Shift.activity_id, last_end).where(Shift.canceled_at.is_(None))
    ends = standing.group_by(Shift.activity_id).subquery("ends")
    db.session.execute(update(Activity).where(Activity.id == ends.c.activity_id).values(over_at=ends.c.at))
    stage.end("indexes and foreign keys")
    report("Making indexes and foreign keys", 1, 1)
    found.rows, found.seconds = loader.counts, stage.seconds
    return found


def fold_rankings(report: Report) -> float:
    """Fold what rankings count; returns the seconds that it took. In no unit.

    Where a worker has begun to do it, this waits for him. Broken off, rankings count live until the worker folds them.
    """
    begun, show = time.perf_counter(), partial(report, "Folding the rankings")
    show(0, folding.STEPS)
    run_unit(lambda: folding.rebuild(show, only_missing=True), writes=True)
    return time.perf_counter() - begun


def seal_days(plan: Plan, report: Report) -> float:
    """Seal the days of the ledger, each at its hour; returns the seconds that it took. In no unit.

    Broken off, the worker seals the rest, as it does with every day.
    """
    begun, now = time.perf_counter(), clock.now()
    for number, (day, _) in enumerate(plan.days(), start=1):
        due_at = seals.due_at(day)
        if due_at > now:
            break
        with clock.at(due_at):
            run_unit(seals.seal_next_day, writes=True)
        report("Sealing the ledger", number, plan.length)
    return time.perf_counter() - begun


def refresh_statistics(report: Report) -> None:
    """Let PostgreSQL see what its tables have become, as autovacuum would within minutes. In no unit.

    What a worker has locked, like the tables that it folds into, is left out.
    """
    if db.engine.dialect.name != "postgresql":
        return
    report("Refreshing statistics", 0, 1)
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM (ANALYZE, SKIP_LOCKED)"))
        connection.execute(text("RESET statement_timeout"))
    report("Refreshing statistics", 1, 1)


class _Stages:
    """Takes the time of one stage after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._begun = time.perf_counter()

    def end(self, name: str) -> None:
        """The stage that ran until now was this one."""
        now = time.perf_counter()
        self.seconds[name], self._begun = now - self._begun, now


def _require_room(plan: Plan) -> None:
    if db.engine.dialect.name == "sqlite" and plan.records > MOST_ON_SQLITE:
        raise SimulationRefused(
            f"SQLite takes at most {MOST_ON_SQLITE:,} simulated records; set DATABASE_URL to a PostgreSQL for more."
        )
    if plan.last_on >= clock.today():
        raise SimulationRefused("The last day must be over: nobody has served in the future.")
    if db.session.scalars(select(Volunteer.id).limit(1)).first() is not None:
        raise SimulationRefused("The database has volunteers already; a district is simulated in an empty one.")
