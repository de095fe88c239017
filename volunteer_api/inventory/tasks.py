"""Background work of inventory."""

from volunteer_api.core.tasks import Every, task
from volunteer_api.inventory import retained_names


@task("inventory.forget_names", every=Every.DAY)
def forget_names() -> None:
    """Delete the names of erased people whose documents need not name them any more."""
    retained_names.forget_names()
