"""Background work of notifications."""

from volunteer_api.core.tasks import Every, task
from volunteer_api.notifications import service
from volunteer_api.notifications.channels import ConsoleChannel


@task(service.DELIVER, every=Every.MINUTE)
def deliver() -> None:
    """Send what is due: nudged after each commit that notified somebody, and swept every minute."""
    service.deliver(ConsoleChannel())
