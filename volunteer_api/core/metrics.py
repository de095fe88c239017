"""What the server counts of itself, for Prometheus; docs/operations.md says what to do with it.

A label has one of few values, all of which stand in the code: a route's template, a refusal's code, a task's name.
Never a path, an id, a phone or an address.
"""

from typing import Any, ClassVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values

from volunteer_api.core import metrics_folder

# Up to the second from which on a request is logged as slow, and the patience of phones.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
NO_ROUTE = "none"


class _Value:
    """One number of a metric: in this process's own memory, or in its file of the folder once it has begun one.

    The library asks once what a metric counts in, when the metric is made, and that is before the fork.
    """

    kind: ClassVar[Any] = values.MutexValue
    made: ClassVar[list["_Value"]] = []

    def __init__(self, *asked: Any, **more: Any) -> None:
        self._asked, self._more = asked, more
        self.made.append(self)
        self.begin()

    def begin(self) -> None:
        """Count in the kind of today, from what that holds."""
        real = self.kind(*self._asked, **self._more)
        self.inc, self.set, self.get = real.inc, real.set, real.get
        self.set_exemplar, self.get_exemplar = real.set_exemplar, real.get_exemplar


# Before the first metric, and whatever the environment says: a command must leave no files in a server's folder.
values.ValueClass = _Value

REGISTRY = CollectorRegistry()
REQUESTS = Counter(
    "volunteer_requests",
    "Requests that were answered, by the route's template, method and class of the status.",
    ("route", "method", "status"),
    registry=REGISTRY,
)
REQUEST_SECONDS = Histogram(
    "volunteer_request_seconds",
    "Seconds from the request's head to its answer, in the worker.",
    ("route", "method"),
    buckets=SECONDS,
    registry=REGISTRY,
)
REFUSALS = Counter(
    "volunteer_refusals",
    "Problems that were answered, by code: busy, unavailable, outcome_unknown, too_many_requests, shift_full, …",
    ("code",),
    registry=REGISTRY,
)
RERUNS = Counter(
    "volunteer_unit_reruns",
    "Units of work that lost a race or a connection and ran again, by what was raised.",
    ("error",),
    registry=REGISTRY,
)
LIMITS_SKIPPED = Counter(
    "volunteer_limits_skipped",
    "Requests that no rate limit was asked for, because its counters could not be reached, by the limit's name.",
    ("scope",),
    registry=REGISTRY,
)
MESSAGES = Counter(
    "volunteer_messages",
    "Short messages by provider, kind (code, notice) and outcome (sent, failed).",
    ("provider", "kind", "outcome"),
    registry=REGISTRY,
)
TASK_RUNS = Counter(
    "volunteer_task_runs", "Runs of background tasks by outcome (done, failed).", ("task", "outcome"), registry=REGISTRY
)
TASK_SECONDS = Counter(
    "volunteer_task_seconds", "Seconds that background tasks ran in all.", ("task",), registry=REGISTRY
)
ATTENDANCES = Counter(
    "volunteer_attendances_settled",
    "Attendances by what came of them as they ended: credited, or held for a review.",
    ("state",),
    registry=REGISTRY,
)
CONNECTIONS = Gauge(
    "volunteer_database_connections",
    "Connections to the database that are in use now in all workers, about.",
    ("database",),
    multiprocess_mode="livesum",
    registry=REGISTRY,
)


# To look a child up by its labels takes longer than to count.
_answers: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}


def count_answer(route: str, method: str, status: int, seconds: float) -> None:
    """Count an answer; `route` is the template of its address."""
    key = (route, method, f"{status // 100}xx")
    children = _answers.get(key)
    if children is None:
        children = _answers[key] = (REQUESTS.labels(*key), REQUEST_SECONDS.labels(route, method))
    children[0].inc()
    children[1].observe(seconds)


def count_run(task: str, outcome: str, seconds: float) -> None:
    """Count a run of a background task."""
    TASK_RUNS.labels(task, outcome).inc()
    TASK_SECONDS.labels(task).inc(seconds)


def share_as(name: str) -> None:
    """Count in the server's folder from now on; in a process just forked, before it has threads.

    By the name of its place and not by its number: a worker that takes a dead one's place goes on where that stopped,
    sums never fall, and there are as many files as workers, however often they die. What was counted before the fork is
    the parent's, and told by nobody. Where there is no folder, or no room in it, this process counts for itself.
    """
    if metrics_folder.begin_files(name):
        _Value.kind = values.MultiProcessValue(lambda: name)  # type: ignore[no-untyped-call]  # it has no types
        for one in _Value.made:
            one.begin()


def is_shared() -> bool:
    """Whether this process counts in the folder."""
    return _Value.kind is not values.MutexValue
