"""`python -m benchmarks.metrics`: what it costs to count every request for `/metrics`.

The same requests with the counting and without it, in turn, in one process that keeps its counts in a folder as workers
do; processor time, because that is what a busy server runs out of. On SQLite and on PostgreSQL.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from unittest.mock import patch

from flask import Flask

from benchmarks.figures import note
from benchmarks.server import postgresql
from benchmarks.wsgi import blueprint
from tests.conftest import bearer_token
from tests.servers import close, make_settings, migrate
from volunteer_api.accounts import service
from volunteer_api.app import create_app
from volunteer_api.core import metrics, metrics_folder
from volunteer_api.core.unit_of_work import run_unit

CALLS = 200
ROUNDS = 9
PATH = "/api/v1/signed-in-only"


def main() -> None:
    """Print the ratio of processor time per call with the counting and without."""
    with tempfile.TemporaryDirectory(prefix="volunteer-bench-") as directory, postgresql() as url:
        for name, address in (("SQLite", f"sqlite:///{directory}/bench.db"), ("PostgreSQL", url)):
            app = create_app(make_settings(address, Path(directory)))
            app.register_blueprint(blueprint)
            migrate(app)
            times: dict[bool, list[float]] = {True: [], False: []}
            headers = signed_in(app)
            for _ in range(ROUNDS):
                for counts, seen in times.items():
                    with nullcontext() if counts else nothing_counted():
                        seen.append(microseconds(app, headers))
            # The least: what else the machine does only adds.
            with_it, without = min(times[True]), min(times[False])
            size = f"{ROUNDS * CALLS:,} calls each, {with_it:.0f} and {without:.0f} µs, {name}"
            note("signed in only, counted for /metrics", with_it / without, "× without (CPU)", size=size)
            close(app)


def signed_in(app: Flask) -> dict[str, str]:
    """The headers of somebody who is."""
    with app.app_context():
        volunteer_id = run_unit(lambda: service.create_volunteer(phone="+8613900000000", name="志愿者").id, writes=True)
    return {"Authorization": f"Bearer {bearer_token(app, volunteer_id)}"}


@contextmanager
def nothing_counted() -> Iterator[None]:
    """Answers and connections are not counted; a request that goes well counts nothing else."""
    with (
        patch.object(metrics, "count_answer", lambda *_: None),
        patch.object(metrics.CONNECTIONS.labels("sqlite"), "set", lambda *_: None),
        patch.object(metrics.CONNECTIONS.labels("postgresql"), "set", lambda *_: None),
    ):
        yield


def microseconds(app: Flask, headers: dict[str, str]) -> float:
    """Processor time of a call."""
    client = app.test_client()
    start = time.process_time()
    for _ in range(CALLS):
        assert client.get(PATH, headers=headers).status_code == 200
    return (time.process_time() - start) / CALLS * 1e6


if __name__ == "__main__":
    metrics_folder.open_folder(Path(tempfile.gettempdir()), 0)
    metrics.share_as("bench")
    main()
    metrics_folder.close_folder()
