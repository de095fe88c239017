"""Background work of organizations."""

from volunteer_api.core.tasks import Every, task
from volunteer_api.organizations import grants


@task("organizations.forget_pending_grants", every=Every.DAY)
def forget_pending_grants() -> int:
    """Delete the grants that waited for a phone past their time."""
    return grants.forget_expired()
