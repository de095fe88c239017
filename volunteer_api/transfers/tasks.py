"""Background work of transfers."""

from functools import partial
from uuid import UUID

from volunteer_api.core import clock
from volunteer_api.core.settings import rules
from volunteer_api.core.tasks import Every, task
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.transfers import journal, queries

BATCH = 200
FIRST = UUID(int=0)


@task("transfers.remind", every=Every.DAY, unit=False)
def remind() -> None:
    """Remind both sides of what should have arrived, every seven* days again; a batch to a unit."""
    last: UUID | None = FIRST
    while last is not None:
        last = run_unit(partial(remind_some, last), writes=True)


def remind_some(after: UUID = FIRST, *, most: int = BATCH) -> UUID | None:
    """Remind of up to so many transfers behind the one with this id; returns the last of them, None where none is."""
    days = rules().transfer_reminder_days
    late = queries.overdue(days, after=after, limit=most)
    for transfer, shipped_at in late:
        under_way = (clock.now() - shipped_at).days
        journal.remind(transfer, days=under_way, turn=under_way // days)
    return late[-1][0].id if late else None
