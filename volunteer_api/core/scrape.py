"""`/metrics`: what the server counted, and what its database says at this moment, in the text of Prometheus."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Flask, Response, request
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from sqlalchemy.exc import SQLAlchemyError

from volunteer_api.core import metrics, metrics_folder
from volunteer_api.core.addresses import caller
from volunteer_api.core.keys import same
from volunteer_api.core.logs import logger, seconds_so_far
from volunteer_api.core.problems import Busy, NotFound, Problem, Unauthorized
from volunteer_api.core.settings import settings
from volunteer_api.core.statements import set_limits
from volunteer_api.core.tasks import BACKUP, failing, finding_count, last_run, worker_last_seen
from volunteer_api.core.unit_of_work import run_unit

# Whoever scrapes waits ten seconds by default: no reading begins later than this, and none runs longer than that.
PATIENCE_SECONDS = 4.0
PATIENCE = {"statement_timeout": "2s"}
# Of what waits: enough to tell that it is far too much.
COUNTED_AT_MOST = 10_000
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")

Read = Callable[[], float | datetime | None]


@dataclass(frozen=True)
class Reading:
    """A figure that the database knows, a number or a moment; None where there is nothing to tell."""

    name: str
    meaning: str
    read: Read


READINGS: list[Reading] = []


def reading(name: str, meaning: str) -> Callable[[Read], Read]:
    """Decorate what a feature has to tell at each scrape, by one statement that is cheap however much there is."""

    def register_reading(read: Read) -> Read:
        READINGS.append(Reading(name, meaning, read))
        return read

    return register_reading


def register(app: Flask) -> None:
    """Count every answer, and add `/metrics`."""
    site = Blueprint("metrics", __name__)

    @site.get("/metrics")
    def read_metrics() -> Response:
        _require_reader()
        encode, media_type = choose_encoder(request.headers.get("Accept", ""))
        response = Response(encode(_gathered()), content_type=media_type)
        response.headers["Cache-Control"] = "no-store"
        return response

    app.register_blueprint(site)
    app.after_request(_count_answer)


def _require_reader() -> None:
    """Let in who knows METRICS_TOKEN. Without one, in development, who sits at this machine; in production nobody.

    A proxy on the same machine speaks from the loopback address too, for all the world. Raises Unauthorized (401), and
    NotFound (404) where there is nothing to be let in to.
    """
    token = settings().metrics_token
    if token is not None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not same(given.encode(), token.encode()):
            raise Unauthorized()
        return
    address = caller()
    is_near = address is not None and address.is_loopback and not any(name in request.headers for name in FORWARDED)
    if settings().production or settings().trusted_proxies or not is_near:
        raise NotFound()


def _count_answer(response: Response) -> Response:
    # What leads nowhere is one route, whatever its path and method are: they are the caller's words.
    rule = request.url_rule
    route, method = (rule.rule, request.method) if rule is not None else (metrics.NO_ROUTE, metrics.NO_ROUTE)
    metrics.count_answer(route, method, response.status_code, seconds_so_far())
    return response


def _gathered() -> CollectorRegistry:
    """What all processes of this server counted, and what the database says now."""
    registry = CollectorRegistry()
    registry.register(_Told(_read_counts()))
    registry.register(_Told(_read_database()))
    return registry


def _read_counts() -> list[Metric]:
    """What all processes counted, and what this one did where they have no folder or it can't be read."""
    if metrics.is_shared():
        try:
            collector = MultiProcessCollector(None, path=str(metrics_folder.folder()))  # type: ignore[no-untyped-call]  # it has no types
            return list(collector.collect())  # type: ignore[no-untyped-call]  # nor has this
        except Exception as error:  # whatever is wrong with a file, or that the folder was swept away
            logger().error("metrics_folder_not_read", error=type(error).__name__)
    return list(metrics.REGISTRY.collect())


class _Told:
    """Families of figures, as a registry collects them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _read_database() -> list[Metric]:
    """The readings, as many as it tells in time; where it is not there, that alone."""
    values: dict[Reading, float | datetime | None] = {}
    deadline = time.monotonic() + PATIENCE_SECONDS
    is_there = True
    # A scrape that failed would hide what the workers counted just when somebody looks for the reason.
    try:
        run_unit(lambda: _read_until(deadline, values), writes=False)
    except Busy:
        # A crowd is not an outage: what was read before it stands.
        logger().warning("database_read_in_part", readings=len(values))
    except (Problem, SQLAlchemyError) as error:
        logger().warning("database_not_read", error=type(error).__name__)
        values, is_there = {}, False
    is_up = GaugeMetricFamily(
        "volunteer_database_up",
        "Whether the database was there at this scrape; if not, what it would tell is left out. One that is only busy "
        "tells as much as it can in a few seconds.",
    )
    is_up.add_metric([], float(is_there))
    return [is_up, *(_family(one, value) for one, value in values.items() if value is not None)]


def _read_until(deadline: float, values: dict[Reading, float | datetime | None]) -> None:
    set_limits(PATIENCE)
    for one in READINGS:
        if time.monotonic() > deadline:
            raise Busy()
        values[one] = one.read()


def _family(one: Reading, value: float | datetime) -> Metric:
    family = GaugeMetricFamily(one.name, one.meaning)
    family.add_metric([], value.timestamp() if isinstance(value, datetime) else value)
    return family


@reading("volunteer_worker_seen_timestamp_seconds", "When a worker last swept through the background tasks.")
def _worker_seen() -> datetime | None:
    return worker_last_seen()


@reading("volunteer_tasks_failing", "Background tasks whose last run failed.")
def _tasks_failing() -> int:
    return len(failing())


@reading("volunteer_check_findings", "Nightly checks of ledgers, seals and sums that found something wrong.")
def _check_findings() -> int:
    return finding_count()


@reading("volunteer_backup_timestamp_seconds", "When the last `volunteer-api backup` ended well.")
def _backup() -> datetime | None:
    run = last_run(BACKUP)
    return run.finished_at if run is not None else None
