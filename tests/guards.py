"""Loaded before everything else: no test reaches a network, and the environment of who runs it counts for nothing."""

import os
import re
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_connect = socket.socket.connect
LOOPBACK = ("127.", "::1", "localhost")
PROJECT = Path(__file__).resolve().parent.parent
# Whoever speaks of the environment names its variables in capitals; the libraries below read theirs by themselves.
READERS = re.compile(r"\b(environs|environ|getenv|EnvError)\b")
NAME = re.compile(r"""["']([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_?)["'{]""")
LIBRARIES = ("FLASK_", "WERKZEUG_", "GUNICORN_", "WEB_CONCURRENCY", "AWS_", "BOTO", "ALIBABA_", "TENCENTCLOUD_")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
OF_THE_SYSTEM = {"PATH", "HOME", "LANG", "TMPDIR", "USER"}


def _connect_to_loopback(self: socket.socket, address: Any) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(LOOPBACK):
        raise RuntimeError(f"a test tried to reach {address!r}")
    _connect(self, address)


def names_that_the_application_reads() -> Iterator[str]:
    """Every text in capitals in a module that reads the environment; one that ends in "_" begins a family of names."""
    for path in [*(PROJECT / "volunteer_api").rglob("*.py"), PROJECT / "gunicorn.conf.py", PROJECT / "wsgi.py"]:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if READERS.search(text):
            yield from NAME.findall(text)


def is_the_applications(name: str, read: set[str]) -> bool:
    """Whether a variable could reach the application, by itself or as the path of a file that holds its value."""
    families = tuple(one for one in read if one.endswith("_"))
    return (
        name.removesuffix("_FILE") in read - OF_THE_SYSTEM
        or name.startswith((*families, *LIBRARIES))
        or name.upper() in PROXIES
    )


socket.socket.connect = _connect_to_loopback  # type: ignore[method-assign]  # the fence itself

_read = set(names_that_the_application_reads())
for _name in [name for name in os.environ if is_the_applications(name, _read)]:
    del os.environ[_name]
# What an application made with no settings may write goes here, and not into the project's own var/.
_directory = tempfile.TemporaryDirectory(prefix="volunteer-tests-var-", ignore_cleanup_errors=True)
os.environ["VAR_DIR"] = _directory.name
os.environ["APP_ENV"] = "test"
# Each process would compile all of its modules anew: a minute and a half of a run on two cores.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
