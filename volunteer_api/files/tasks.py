"""Background work of files."""

from volunteer_api.core.tasks import Every, task
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.files import service


@task("files.delete_unused", every=Every.HOUR, unit=False)
def delete_unused() -> None:
    """Delete photos that nothing has used for a week, in transactions that are short."""
    while run_unit(service.delete_unused, writes=True):
        pass


@task("files.delete_orphans", every=Every.DAY, unit=False)
def delete_orphans() -> None:
    """Delete bytes that no row knows."""
    service.delete_orphans()
