"""Background work of the hours ledger."""

from volunteer_api.core import clock, health
from volunteer_api.core.tasks import Every, finding_of, task
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.hours import queries, seal_check, seals, tallies, verification
from volunteer_api.hours.deadlines import REMINDED_BEFORE, falling_due, last_day_overdue
from volunteer_api.hours.notices import BACKFILLS_DUE, BACKFILLS_LATE, remind


@task("hours.fold_tallies", every=Every.MINUTE, unit=False)
def fold_tallies() -> None:
    """Fold what was written since into the totals, in transactions that are short."""
    while run_unit(tallies.fold, writes=True) == tallies.FOLDED_AT_ONCE:
        pass


@task("hours.verify_tallies", every=Every.DAY, unit=False)
def verify_tallies() -> None:
    """Compare every tally with the ledger, and raise an alarm where they differ."""
    verification.verify_tallies()


@task("hours.remind_of_late", every=Every.DAY)
def remind_of_late() -> None:
    """Tell the nearest reviewers of each organization, once a day, how many backfills wait past their deadline."""
    remind(BACKFILLS_LATE, queries.waiting_by_organization(None, last_day_overdue()), once=clock.today())


@task("hours.remind_of_due", every=Every.DAY)
def remind_of_due() -> None:
    """Tell them of what must be decided within three days, once for each of these days."""
    for due_on, first, last in falling_due(REMINDED_BEFORE):
        waiting = queries.waiting_by_organization(first, last)
        remind(BACKFILLS_DUE, waiting, once=due_on, due_on=due_on.isoformat())


@task("hours.seal_days", every=Every.HOUR, unit=False)
def seal_days() -> None:
    """Seal the days that are over."""
    seals.seal_days()


@task(seal_check.CHECK, every=Every.DAY, unit=False)
def verify_seals() -> None:
    """Compare a thirtieth of the sealed days with the ledger, log what does not fit, and remember that it was so."""
    seal_check.verify_some()


@health.warning
def warn_of_unsealed_days() -> str | None:
    """What `/readyz` says while days stay open that the worker should have sealed."""
    on = seals.overdue_day()
    return f"The hours ledger's day {on} has no seal yet; see the worker's log." if on is not None else None


@health.warning
def warn_of_days_ahead() -> str | None:
    """What `/readyz` says while days are sealed that are not over."""
    on = seals.day_ahead()
    if on is None:
        return None
    return (
        f"The hours ledger is sealed until {on}, which has not come: the worker's clock was ahead. Until then honest "
        "hours have no seal, and `volunteer-api ledger verify` names them as record_not_sealed."
    )


@health.warning
def warn_of_broken_seals() -> str | None:
    """What `/readyz` says from the night on that found rows or seals changed, until a night finds none."""
    found = finding_of(seal_check.CHECK)
    return f"The hours ledger does not fit its seals: {found}; see `volunteer-api ledger verify`." if found else None


@health.warning
def warn_of_faults() -> str | None:
    """What `/readyz` says while tallies differ from the ledger."""
    count = verification.fault_count()
    return f"{count} tallies differ from the hours ledger; see table tally_faults." if count else None
