"""Background work of loans."""

from volunteer_api.core.tasks import Every, task
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.loans import borrowers, reminders


@task("loans.remind", every=Every.HOUR, unit=False)
def remind() -> None:
    """Remind of what has become overdue, or a stage more so; a batch to a unit."""
    while run_unit(reminders.remind, writes=True):
        pass


@task("loans.forget_borrowers", every=Every.DAY)
def forget_borrowers() -> int:
    """Forget who borrowed what came back long enough ago."""
    return borrowers.forget()
