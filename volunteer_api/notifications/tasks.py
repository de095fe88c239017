"""Background work of notifications."""

import functools
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime

from flask import Flask

from volunteer_api.core import scrape
from volunteer_api.core.tasks import Every, enqueue, repeat, task, this_application
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.notifications import pushing, queries, service, subscriptions
from volunteer_api.notifications.handing_over import hand_over

# Each service has a thread; each holds a connection only between its calls.
SERVICES_AT_ONCE = 8
# Other background work waits for the thread that this runs in.
TURN_SECONDS = 15


@task(service.DELIVER, every=Every.MINUTE, unit=False)
def deliver() -> None:
    """Push what is due: nudged after each commit that notified somebody, and swept every minute.

    What a turn does not get done is asked for again, so that no service holds up the rest of the background work.
    Raises ExceptionGroup where a service could not be served, once the others were.
    """
    while run_unit(hand_over, writes=True):
        continue
    services = run_unit(pushing.services_due, writes=False)
    if not services:
        return
    app = this_application()
    ends_at = time.monotonic() + TURN_SECONDS
    with ThreadPoolExecutor(SERVICES_AT_ONCE, thread_name_prefix="push") as lanes:
        # With the context, for the moment that a test or the demo pinned.
        runs = [lanes.submit(copy_context().run, _serve, app, one, ends_at) for one in services]
    # What a failed one had claimed is due again in a minute.
    failures = [error for run in runs if isinstance(error := run.exception(), Exception)]
    if any(run.result() for run in runs if run.exception() is None):
        enqueue(service.DELIVER)
    if failures:
        raise ExceptionGroup("a push service could not be served", failures)


@task("notifications.forget", every=Every.DAY, unit=False)
def forget() -> None:
    """Delete what is too old to be of use."""
    repeat(service.forget)
    repeat(subscriptions.forget)


@scrape.reading(
    "volunteer_notifications_waiting", "Notifications and pushes that are to be sent, each counted up to 10,000."
)
def tell_waiting() -> int:
    """What `/metrics` says of the outbox."""
    return queries.waiting_count(scrape.COUNTED_AT_MOST)


@scrape.reading(
    "volunteer_notification_due_timestamp_seconds",
    "When what waits longest was due, or the next will be, as what waits for the morning; absent where none waits.",
)
def tell_next_due() -> datetime | None:
    """What `/metrics` says of the outbox's oldest."""
    return queries.next_due_at()


def _serve(app: Flask, service_name: str, ends_at: float) -> bool:
    """Push all that is due at one service; returns whether the turn ended before that."""

    def may_begin() -> bool:
        return time.monotonic() < ends_at

    with app.app_context():
        claim = functools.partial(pushing.claim, service_name)
        while (claimed := run_unit(claim, writes=True)) is not None:
            outcomes, fails = pushing.send(claimed, may_begin)
            run_unit(functools.partial(pushing.settle, service_name, outcomes, fails=fails), writes=True)
            if not may_begin():
                return True
    return False
