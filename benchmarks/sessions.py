"""`python -m benchmarks.sessions`: what it costs to look the device session up on every call.

The same signed-in requests with the look-up and without it, in turn, in one process; processor time, because that is
what a busy server runs out of. On SQLite and on PostgreSQL, without a network between phone and server.
"""

import os
import statistics
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

from flask.testing import FlaskClient

from benchmarks.figures import note
from benchmarks.server import postgresql
from tests.conftest import bearer_token
from tests.servers import close, make_settings, migrate
from volunteer_api.accounts import service
from volunteer_api.app import create_app
from volunteer_api.core.unit_of_work import run_unit

CALLS = 300
ROUNDS = 9
# One that reads little, and one that reads much.
PATHS = ("/api/v1/me/consents", "/api/v1/me/home")
LOOK_UP = "volunteer_api.core.endpoint.require_open_session"


def main() -> None:
    """Print microseconds of processor time per call with and without the look-up, and their ratio."""
    print(f"{'database':12}{'path':22}{'with us':>10}{'without us':>12}{'ratio':>8}")
    with tempfile.TemporaryDirectory(prefix="volunteer-bench-") as directory, postgresql() as url:
        for name, address in (("SQLite", f"sqlite:///{directory}/bench.db"), ("PostgreSQL", url)):
            app = create_app(make_settings(address, Path(directory)))
            migrate(app)
            with app.app_context():
                volunteer_id = run_unit(
                    lambda: service.create_volunteer(phone="+8613900000000", name="志愿者").id, writes=True
                )
            headers = {"Authorization": f"Bearer {bearer_token(app, volunteer_id)}"}
            for path in PATHS:
                times: dict[bool, list[float]] = {True: [], False: []}
                for _ in range(ROUNDS):
                    for looks_up, seen in times.items():
                        with nullcontext() if looks_up else patch(LOOK_UP, _every_session_is_open):
                            seen.append(_microseconds(app.test_client(), path, headers))
                with_it, without = statistics.median(times[True]), statistics.median(times[False])
                print(f"{name:12}{path:22}{with_it:10.0f}{without:12.0f}{with_it / without:8.3f}")
                size = f"{ROUNDS * CALLS:,} calls each, {name}"
                note(f"{path} with a look at the session", with_it / without, "× without (CPU)", size=size)
            close(app)


def _every_session_is_open(_principal: Any) -> None:
    return None


def _microseconds(client: FlaskClient, path: str, headers: dict[str, str]) -> float:
    start = time.process_time()
    for _ in range(CALLS):
        assert client.get(path, headers=headers).status_code == 200
    return (time.process_time() - start) / CALLS * 1e6


if __name__ == "__main__":
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    main()
