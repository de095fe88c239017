"""Background work of the app's screens."""

from volunteer_api.core.tasks import Every, repeat, task
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.phone import changes


@task("phone.forget_changes", every=Every.DAY, unit=False)
def forget_changes() -> None:
    """Delete what no phone asks for any more."""
    run_unit(changes.begin, writes=True)
    repeat(changes.forget_old)
    repeat(changes.forget_erased)
