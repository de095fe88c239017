"""Background work of the hours ledger."""

from volunteer_api.core import clock, health
from volunteer_api.core.database import db
from volunteer_api.core.tasks import Every, finding_of, task
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.hours import queries, seal_check, seals, tallies, verification
from volunteer_api.hours.deadlines import last_day_overdue
from volunteer_api.hours.notices import BACKFILLS_LATE
from volunteer_api.notifications import service as notifications


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
    for organization_id, name, count in db.session.execute(queries.late_by_organization(last_day_overdue())).all():
        depths = {row[0]: row[1] for row in db.session.execute(queries.reviewers_of(organization_id))}
        nearest = min(depths.values(), default=0)
        for volunteer_id in (one for one, depth in depths.items() if depth == nearest):
            notifications.notify(
                volunteer_id=volunteer_id,
                kind=BACKFILLS_LATE,
                values={"count": str(count), "organization": name, "organization_id": str(organization_id)},
                dedup_key=f"{BACKFILLS_LATE}:{organization_id}:{volunteer_id}:{clock.today()}",
            )


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
def warn_of_broken_seals() -> str | None:
    """What `/readyz` says from the night on that found rows or seals changed, until a night finds none."""
    found = finding_of(seal_check.CHECK)
    return f"The hours ledger does not fit its seals: {found}; see `volunteer-api ledger verify`." if found else None


@health.warning
def warn_of_faults() -> str | None:
    """What `/readyz` says while tallies differ from the ledger."""
    count = verification.fault_count()
    return f"{count} tallies differ from the hours ledger; see table tally_faults." if count else None
