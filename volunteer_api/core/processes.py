"""Child processes of one server: started together, ended together, the replaceable one restarted when it dies.

They are forked from a process that has loaded the application, so none of them loads it again: a start takes half the
time, and what was loaded is in memory once. That process must have no threads and no open connection by then.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
FORKED = multiprocessing.get_context("fork")
# What `top` calls a process; on Linux only.
NAME = Path("/proc/self/comm")
POLL_SECONDS = 0.2
# Longer than gunicorn's own graceful timeout, so that it ends by itself.
PATIENCE_SECONDS = 40
LONGEST_DELAY_SECONDS = 60
HEALTHY_SECONDS = 60


class Child:
    """A process that is restarted when it ends by itself, later each time until it lived long enough."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self._name = name
        self._work = work
        self._delay = 1.0
        self._next_start = 0.0
        self._started_at = 0.0
        self._process: multiprocessing.process.BaseProcess | None = None

    def start(self) -> None:
        """Start it, in a process group of its own: a terminal's Ctrl-C must reach it once, through its parent."""
        self._started_at = time.monotonic()
        self._process = FORKED.Process(target=_become, args=(self._name, self._work))
        self._process.start()

    def ended(self) -> int | None:
        """The exit code, negative where a signal ended it; None while it runs."""
        return self._process.exitcode if self._process is not None else None

    def restart_if_dead(self) -> None:
        """Start it again where it ended, after a delay that grows from 1 to 60 seconds."""
        code = self.ended()
        moment = time.monotonic()
        if code is None:
            return
        if self._next_start == 0.0:
            if moment - self._started_at > HEALTHY_SECONDS:
                self._delay = 1.0
            self._next_start = moment + self._delay
            sys.stderr.write(f"volunteer-api: the worker ended with code {code}; again in {self._delay:.0f} s\n")
            self._delay = min(self._delay * 2, LONGEST_DELAY_SECONDS)
        elif moment >= self._next_start:
            self._next_start = 0.0
            self.start()

    def ask_to_end(self) -> None:
        """Send SIGTERM: what it holds is finished first."""
        if self._process is not None and self._process.is_alive():
            self._process.terminate()

    def wait(self, deadline: float) -> None:
        """Wait for its end; past the deadline, kill it."""
        if self._process is None:
            return
        self._process.join(max(0.0, deadline - time.monotonic()))
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def supervise(server: Child, helper: Child) -> int:
    """Run both until SIGTERM, SIGINT or SIGHUP, or until the server ends; returns the exit code.

    The helper is restarted when it dies. The server is not: it restarts its own workers; if it ends, there is a reason.
    """
    stop = threading.Event()
    for number in ENDING:
        signal.signal(number, lambda *_: stop.set())
    server.start()
    helper.start()
    code = None
    while code is None and not stop.wait(POLL_SECONDS):
        code = server.ended()
        helper.restart_if_dead()
    deadline = time.monotonic() + PATIENCE_SECONDS
    for child in (server, helper):
        child.ask_to_end()
    for child in (server, helper):
        child.wait(deadline)
    return code or 0


def _become(name: str, work: Callable[[], None]) -> None:
    """Do a child's work. A signal that comes before the work listens for it ends the child, as in any new process."""
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)
    os.setpgid(0, 0)
    with contextlib.suppress(OSError):
        NAME.write_text(name)
    work()
