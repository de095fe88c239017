"""Background work of disputes."""

from volunteer_api.core.tasks import Every, task
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.disputes import service


@task("disputes.remind", every=Every.HOUR, unit=False)
def remind() -> None:
    """Remind of disputes that are due soon; a batch to a unit."""
    while run_unit(service.remind, writes=True):
        pass
