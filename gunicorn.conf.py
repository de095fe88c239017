"""How gunicorn serves: workers of four threads each, and its own refusals in the format of all others."""

import gc
import json
import sys
from itertools import count
from pathlib import Path
from typing import Any

from gunicorn import util

from volunteer_api.config import BadEnvironment, load_port, load_settings
from volunteer_api.core import metrics_folder
from volunteer_api.core.ids import new_id
from volunteer_api.core.problems import UNREAD

WORKERS_MEMORY = Path("/dev/shm")  # noqa: S108  # gunicorn's own advice: a heartbeat file on a disk can block a worker

# Python's own 700 has the collector run several times in each request, a quarter of a list's time.
COLLECTED_AFTER = (20_000, 20, 20)


def refuse(sock: Any, status_int: int, reason: str, mesg: str) -> None:
    """Answer what never reaches the application: problem+json, and nothing of the caller's bytes sent back."""
    code, title = UNREAD.get(status_int, ("internal_error", "Something went wrong on our side."))
    request_id = new_id().hex
    body = json.dumps(
        {
            "type": f"/docs/problems#{code}",
            "code": code,
            "title": title,
            "status": status_int,
            "detail": title,
            "instance": "",
            "request_id": request_id,
        }
    ).encode()
    head = (
        f"HTTP/1.1 {status_int} {reason}\r\nConnection: close\r\nDate: {util.http_date()}\r\n"
        f"X-Request-Id: {request_id}\r\nCache-Control: no-store\r\nContent-Language: en\r\n"
        f"Content-Type: application/problem+json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    util.write_nonblock(sock, head.encode("latin1") + body)


def stop_with_line(error: BadEnvironment) -> None:
    """Say what is wrong in one line, and end with code 2."""
    sys.stderr.write(f"volunteer-api: {error}\n")
    sys.exit(2)


# Until a worker is there: what is loaded stays, and to look through it meanwhile is a third of the time of a start.
gc.disable()


def on_starting(server: Any) -> None:
    """Open the folder of what the workers count; not while this file is read, which `--check-config` does too."""
    metrics_folder.open_folder(settings.var_directory, port)


def on_exit(server: Any) -> None:
    """Delete it, where it is this server's own and not `volunteer-api serve`'s."""
    metrics_folder.close_folder()


def pre_fork(server: Any, worker: Any) -> None:
    """Give the worker the first free place, and have the collector leave out what is loaded by now and stays."""
    taken = {other.place for other in server.WORKERS.values()}
    worker.place = next(name for number in count(1) if (name := f"web{number}") not in taken)
    gc.freeze()


def post_fork(server: Any, worker: Any) -> None:
    """Collect less often: a list of twenty makes thousands of objects, none of them in a cycle."""
    gc.enable()
    gc.set_threshold(*COLLECTED_AFTER)


def child_exit(server: Any, worker: Any) -> None:
    """Forget what a worker that is gone had in use."""
    metrics_folder.forget_process(worker.place)


util.write_error = refuse

# The environment is judged before any worker starts, or each of them would fail with a traceback, again and again.
try:
    port, settings = load_port(), load_settings()
except BadEnvironment as error:
    stop_with_line(error)
bind = f"127.0.0.1:{port}"
worker_class = "volunteer_api.core.worker.DeadlineWorker"
workers = settings.web_workers
threads = 4
# Without it one worker may take every keep-alive connection, and figures halve.
reuse_port = True
# Loaded once, then forked: a faster start and shared memory. Nothing is open yet, and uuid-utils seeds itself anew.
preload_app = True
keepalive = 75
timeout = 60
graceful_timeout = 30
worker_tmp_dir = str(WORKERS_MEMORY) if WORKERS_MEMORY.is_dir() else None
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190
# An access line for each request costs 15 to 24 % of the throughput; slow and failed ones are in the application's log.
accesslog = None
errorlog = "-"
# Warnings are about bad bytes from outside, and name addresses.
loglevel = "error"
control_socket_disable = True
