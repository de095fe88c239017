"""`python -m benchmarks.enumeration`: whether the time of an answer tells who is registered.

200 tries each, known and unknown numbers in turn, against the application on a SQLite file, without a network between.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from benchmarks.figures import note
from tests.servers import make_settings, migrate
from volunteer_api.accounts import passwords, service
from volunteer_api.app import create_app
from volunteer_api.core.unit_of_work import run_unit

TRIES = 200
PASSWORD = "河边有三棵老柳树啊"
DEVICE = {"id": "a stranger's", "name": "phone", "platform": "android"}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "codes": ("/auth/codes", {"purpose": "access"}),
    "wrong code": ("/auth/sign-in", {"code": "123456", "device": DEVICE}),
    "wrong password": ("/auth/sign-in", {"password": "purple-heron-over-9-lakes", "device": DEVICE}),
}


def main() -> None:
    """Print median milliseconds for known and unknown numbers, their ratio, and right passwords per second."""
    with tempfile.TemporaryDirectory(prefix="volunteer-bench-") as directory:
        app = create_app(make_settings(f"sqlite:///{directory}/bench.db", Path(directory)))
        migrate(app)
        with app.app_context():
            run_unit(_register_known, writes=True)
        client = app.test_client()
        print(f"{'':16}{'known ms':>10}{'unknown ms':>12}{'ratio':>8}")
        for name, (path, members) in CASES.items():
            known, unknown = _medians(client, path, members)
            print(f"{name:16}{known:10.2f}{unknown:12.2f}{known / unknown:8.3f}")
            note(f"{name} of a known number", known / unknown, "× an unknown one", size=f"{TRIES} tries each, SQLite")
        hasher = passwords.hashing.HASHER
        print(f"Argon2id: {hasher.memory_cost} KiB, {hasher.time_cost} passes, {hasher.parallelism} lane")
        print(f"sign-ins by password, one after the other: {_sign_ins_per_second(app):.1f}/s")


def _register_known() -> None:
    for number in range(TRIES):
        volunteer = service.create_volunteer(phone=_phone("1390000", number), name=f"志愿者{number}")
        if number == 0:
            made = passwords.hashing.hash_of(PASSWORD)
        passwords.keep(volunteer.id, made)


def _medians(client: FlaskClient, path: str, members: dict[str, Any]) -> tuple[float, float]:
    times: dict[str, list[float]] = {"1390000": [], "1380000": []}
    for number in range(TRIES):
        for prefix, seen in times.items():
            body = {"phone": _phone(prefix, number)} | members
            seen.append(_milliseconds(lambda body=body: client.post(f"/api/v1{path}", json=body)))
    return statistics.median(times["1390000"]), statistics.median(times["1380000"])


def _sign_ins_per_second(app: Flask, count: int = 60) -> float:
    client = app.test_client()
    start = time.perf_counter()
    for number in range(count):
        body = {"phone": _phone("1390000", number), "password": PASSWORD, "device": DEVICE}
        assert client.post("/api/v1/auth/sign-in", json=body).status_code == 200
    return count / (time.perf_counter() - start)


def _milliseconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    # The console sender prints; a terminal's speed is not what is measured.
    with redirect_stdout(StringIO()):
        work()
    return (time.perf_counter() - start) * 1000


def _phone(prefix: str, number: int) -> str:
    return f"+86{prefix}{number:04d}"


if __name__ == "__main__":
    main()
