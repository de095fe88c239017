"""Background work of notifications."""

import functools
from datetime import datetime

from volunteer_api.core import scrape
from volunteer_api.core.tasks import Every, repeat, task
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.notifications import queries, service
from volunteer_api.notifications.channels import Channel, ConsoleChannel


@task(service.DELIVER, every=Every.MINUTE, unit=False)
def deliver() -> None:
    """Send what is due: nudged after each commit that notified somebody, and swept every minute."""
    deliver_through(ConsoleChannel())


@task("notifications.forget", every=Every.DAY, unit=False)
def forget() -> None:
    """Delete what is too old to be of use."""
    repeat(service.forget)


def deliver_through(channel: Channel) -> int:
    """Send everything that is due through `channel`; returns how many went out. Runs in no unit: it has its own."""
    count = 0
    while claimed := run_unit(service.claim_due, writes=True):
        sent, failed = service.send(claimed, channel)
        run_unit(functools.partial(service.settle, sent, failed), writes=True)
        count += len(sent)
    return count


@scrape.reading("volunteer_notifications_waiting", "Notifications that are to be sent still, counted up to 10,000.")
def tell_waiting() -> int:
    """What `/metrics` says of the outbox."""
    return queries.waiting_count(scrape.COUNTED_AT_MOST)


@scrape.reading(
    "volunteer_notification_due_timestamp_seconds",
    "Since when the notification that waits longest has been due, or when the next one is; absent where none waits.",
)
def tell_next_due() -> datetime | None:
    """What `/metrics` says of the outbox's oldest."""
    return queries.next_due_at()
