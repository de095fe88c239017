"""Background work of feedback."""

from volunteer_api.core.tasks import Every, task
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.feedback import service


@task("feedback.ask", every=Every.HOUR, unit=False)
def ask() -> None:
    """Ask those who were at a shift that has ended; a batch to a unit."""
    while run_unit(service.ask, writes=True):
        pass
