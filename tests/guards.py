"""Loaded before everything else: no test reaches a network, and the environment of who runs it counts for nothing."""

import os
import socket
import tempfile
from typing import Any

_connect = socket.socket.connect
LOOPBACK = ("127.", "::1", "localhost")


def _connect_to_loopback(self: socket.socket, address: Any) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(LOOPBACK):
        raise RuntimeError(f"a test tried to reach {address!r}")
    _connect(self, address)


socket.socket.connect = _connect_to_loopback  # type: ignore[method-assign]  # the fence itself

for _name in (
    "DATABASE_URL",
    "VALKEY_URL",
    "SECRET_KEY",
    "PORT",
    "LIMITS",
    "TRUSTED_PROXIES",
    "LOG_LEVEL",
    "TIME_ZONE",
):
    os.environ.pop(_name, None)
# What an application made with no settings may write goes here, and not into the project's own var/.
_directory = tempfile.TemporaryDirectory(prefix="volunteer-tests-var-", ignore_cleanup_errors=True)
os.environ["VAR_DIR"] = _directory.name
os.environ["APP_ENV"] = "test"
