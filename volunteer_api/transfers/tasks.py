"""Background work of transfers."""

from volunteer_api.core import clock
from volunteer_api.core.settings import rules
from volunteer_api.core.tasks import Every, task
from volunteer_api.transfers import journal, queries


@task("transfers.remind", every=Every.DAY)
def remind() -> int:
    """Remind both sides of what should have arrived, every seven* days again; returns of how many transfers."""
    days = rules().transfer_reminder_days
    late = queries.overdue(days)
    for transfer, shipped_at in late:
        under_way = (clock.now() - shipped_at).days
        journal.remind(transfer, days=under_way, turn=under_way // days)
    return len(late)
