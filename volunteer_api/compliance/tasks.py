"""Background work of compliance."""

from volunteer_api.compliance import alerts, refresh
from volunteer_api.core.tasks import Every, task
from volunteer_api.core.unit_of_work import run_unit


@task(refresh.REFRESH, every=Every.MINUTE, unit=False)
def refresh_assessments() -> None:
    """Assess stations whose stock moved, and once a day all others; raise and close alerts."""
    refresh.refresh_all()


@task("compliance.discover", every=Every.HOUR)
def discover_stations() -> None:
    """Find stations that came into service, moved in the tree, or went out of service."""
    refresh.discover()


@task("compliance.escalate", every=Every.HOUR, unit=False)
def escalate_alerts() -> None:
    """Send up alerts that nobody acknowledged in time."""
    while run_unit(alerts.escalate, writes=True) == alerts.BATCH:
        pass
