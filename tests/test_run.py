"""`volunteer-api serve` as a real process: what it answers, how it refuses a bad environment, what reaches a socket."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from tests.servers import SECRET, Databases, make_settings, processes_of, until
from volunteer_api.cli import main
from volunteer_api.config import DEVELOPMENT_SECRET, PROJECT_DIRECTORY, BadEnvironment, load_settings
from volunteer_api.core.database import sqlite_driver
from volunteer_api.core.environment import check_folder, open_to_others

PATIENCE_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """The command in a session of its own and in a folder of no meaning, its output in files' stead in pipes."""
    variables = {name: value for name, value in os.environ.items() if name not in ("APP_ENV", "VAR_DIR")}
    return subprocess.Popen(
        [sys.executable, "-m", "volunteer_api.cli", *(arguments or ("serve",))],
        cwd="/",
        env=variables | {"VAR_DIR": str(folder), "PYTHONUNBUFFERED": "1"} | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@dataclass
class Server:
    """A running server."""

    port: int
    process: subprocess.Popen[str]

    def get(self, path: str) -> tuple[int, dict[str, str], Any]:
        """Status, headers and parsed body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, dict(response.getheaders()), json.loads(body)

    def send(self, data: bytes, *, hang_up: bool = False) -> bytes:
        """All that the server answers to raw bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(data)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while not whole(answer) and (part := connection.recv(65536)):
                answer += part
            return answer


def whole(answer: bytes) -> bool:
    """Whether an answer has arrived with all of its body."""
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return bool(end) and length is not None and len(body) >= int(length[1])


def serve(folder: Path, **environment: str) -> Server:
    port = free_port()
    process = start(folder, PORT=str(port), **environment)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return Server(port, process)
        time.sleep(0.05)
    process.kill()
    raise AssertionError(process.communicate()[1])


def end(server: Server) -> int:
    """Send SIGTERM; returns the exit code. Nothing that it started may outlive it."""
    os.kill(server.process.pid, signal.SIGTERM)
    server.process.communicate(timeout=PATIENCE_SECONDS)
    assert processes_of(server.process.pid) == []
    return server.process.returncode


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Path:
    """A folder with a migrated database, which a start would need seconds for."""
    path = tmp_path_factory.mktemp("var")
    Path(str(make_url(databases.sqlite()).database)).rename(path / "volunteer.db")
    return path


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    running = serve(folder)
    yield running
    if running.process.poll() is None:
        end(running)


def problem(answer: bytes) -> tuple[int, dict[str, Any]]:
    """The status and the document of a raw refusal."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, answer
    document: dict[str, Any] = json.loads(body)
    assert {"type", "code", "title", "status", "detail", "instance", "request_id"} <= document.keys()
    return int(head.split(b" ")[1]), document


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST /api/v1{path} HTTP/1.1", "Host: phone", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_it_answers_and_is_ready(server: Server) -> None:
    status, headers, body = server.get("/readyz")
    assert (status, body["status"]) == (200, "ready")
    assert {"Date", "X-Request-Id"} <= headers.keys()


def test_the_worker_is_started_too(server: Server) -> None:
    until(lambda: server.get("/readyz")[2]["worker_last_seen_at"] is not None)
    assert server.get("/readyz")[2]["warnings"] == []


def counted(server: Server, sample: bytes) -> float:
    """What `/metrics` says of a sample."""
    answer = server.send(b"GET /metrics HTTP/1.1\r\nHost: monitor\r\n\r\n")
    found = re.search(re.escape(sample) + rb" (\S+)", answer)
    return float(found[1]) if found is not None else 0.0


ALIVE = b'volunteer_requests_total{method="GET",route="/livez",status="2xx"}'


def test_whichever_worker_is_asked_tells_what_all_processes_counted(server: Server) -> None:
    before = counted(server, ALIVE)
    for _ in range(12):
        server.get("/livez")
    assert {counted(server, ALIVE) for _ in range(4)} == {before + 12}
    until(lambda: counted(server, b'volunteer_task_runs_total{outcome="done",task="core.heartbeat"}') >= 1)
    # What alerts ask the rise of is told before the first.
    answer = server.send(b"GET /metrics HTTP/1.1\r\nHost: monitor\r\n\r\n")
    assert b'volunteer_messages_total{kind="code",outcome="failed",provider="console"} 0.0' in answer
    assert b'volunteer_refusals_total{code="no_more_codes_today"}' in answer


def test_a_body_that_ends_too_early_is_not_executed(server: Server) -> None:
    body = b'{"phone":"+8613900009901","purpose":"access"}'
    answer = server.send(post("/auth/codes", body, f"Content-Length: {len(body) + 40}"), hang_up=True)
    # gunicorn may also close without an answer: the point is that nobody is told that a code is on its way.
    assert not answer or problem(answer)[0] == 400
    whole = server.send(post("/auth/codes", body, f"Content-Length: {len(body)}"))
    assert whole.startswith(b"HTTP/1.1 202"), "the first one counted against the interval of codes, so it was executed"


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(b"ZZ\r\n{}\r\n0\r\n\r\n", id="size that is no number"),
        pytest.param(b"-5\r\n{}\r\n0\r\n\r\n", id="negative size"),
        pytest.param(b"2\r\n{}XX0\r\n\r\n", id="missing terminator"),
    ],
)
def test_a_bad_chunk_is_400(server: Server, chunks: bytes) -> None:
    status, _ = problem(server.send(post("/auth/codes", chunks, "Transfer-Encoding: chunked")))
    assert status == 400


def test_a_chunked_body_that_is_too_long_is_not_cut_and_executed(server: Server) -> None:
    body = b'{"phone":"+8613900009902","purpose":"access"}'
    padded = body + b" " * (1024 * 1024)
    status, document = problem(
        server.send(
            post(
                "/auth/codes", f"{len(padded):x}\r\n".encode() + padded + b"\r\n0\r\n\r\n", "Transfer-Encoding: chunked"
            )
        )
    )
    assert (status, document["code"]) == (413, "body_too_large")


def test_two_framings_at_once_are_refused(server: Server) -> None:
    status, _ = problem(
        server.send(post("/auth/codes", b"0\r\n\r\n", "Content-Length: 5", "Transfer-Encoding: chunked"))
    )
    assert status == 400


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * 20_000 + b"\r\n\r\n", 431, id="header"),
        pytest.param(b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, id="address"),
        pytest.param(b"\x00\xff\x00\r\n\r\n", 400, id="no HTTP at all"),
    ],
)
def test_what_gunicorn_refuses_is_a_problem_too(server: Server, request_bytes: bytes, expected: int) -> None:
    answer = server.send(request_bytes)
    status, document = problem(answer)
    assert status == document["status"] == expected
    assert len(document["request_id"]) == 32
    head = answer.partition(b"\r\n\r\n")[0].decode().splitlines()
    assert {f"X-Request-Id: {document['request_id']}", "Content-Language: en", "Cache-Control: no-store"} <= set(head)


def test_the_port_of_a_running_server_is_taken(server: Server, tmp_path: Path, refusal_of: Callable[..., str]) -> None:
    assert "port" in refusal_of("serve", PORT=str(server.port), VAR_DIR=str(tmp_path))


@pytest.fixture
def refusal_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """`refusal_of("serve", NAME="value")`: the one line that a command ends with, its exit code 2, no traceback."""

    def run(*command: str, **environment: str) -> str:
        monkeypatch.setattr(sys, "argv", ["volunteer-api", *command])
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("volunteer-api: ")
        return line

    return run


# What only the start finds out, and one that reading the settings finds.
@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({"DATABASE_URL": "mysql://somewhere/volunteers"}, "DATABASE_URL"),
        ({"DATABASE_URL": "sqlite:////no/such/folder/volunteers.db"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://volunteer:hidden@127.0.0.1:9/volunteers"}, "DATABASE_URL"),
        ({"VAR_DIR": "/dev/null/var"}, "VAR_DIR"),
    ],
)
def test_a_bad_environment_is_one_line(
    refusal_of: Callable[..., str], tmp_path: Path, environment: dict[str, str], word: str
) -> None:
    assert word in refusal_of("serve", **({"PORT": str(free_port()), "VAR_DIR": str(tmp_path)} | environment))


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({"DATABASE_URL": "mysql://somewhere/volunteers"}, "DATABASE_URL"),
        ({"DATABASE_URL": "no url"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://h:abc/db"}, "DATABASE_URL"),
        ({"DATABASE_URL": "sqlite:///file:foo?mode=memory&uri=true"}, "DATABASE_URL"),
        ({"DATABASE_URL_FILE": "/nonexist"}, "DATABASE_URL_FILE"),
        ({"SECRET_KEY_FILE": "/nonexist"}, "SECRET_KEY_FILE"),
        ({"SECRET_KEY": "\udcff\udcfe" * 20}, "SECRET_KEY"),
        ({"PORT_FILE": "/nonexist", "PORT": ""}, "PORT_FILE"),
        ({"VALKEY_URL": "redis://h:port"}, "VALKEY_URL"),
        ({"APP_ENV": "production", "SECRET_KEY": SECRET}, "SMS_SENDER"),
        (
            {"APP_ENV": "production", "SECRET_KEY": SECRET, "SMS_SENDER": "console", "FLASK_DEBUG": "maybe"},
            "FLASK_DEBUG",
        ),
        ({"APP_ENV": "production"}, "SECRET_KEY"),
        ({"APP_ENV": "production", "SECRET_KEY": DEVELOPMENT_SECRET}, "SECRET_KEY"),
        ({"APP_ENV": "production", "SECRET_KEY": SECRET, "LIMITS": "0"}, "LIMITS"),
        ({"APP_ENV": "elsewhere"}, "APP_ENV"),
        ({"TIME_ZONE": "Asia/Nowhere"}, "TIME_ZONE"),
        ({"VALKEY_URL": "nonsense"}, "VALKEY_URL"),
        ({"PORT": "eighty"}, "PORT"),
        ({"PORT": "70000"}, "PORT"),
    ],
)
def test_a_bad_setting_is_named_when_it_is_read(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], word: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadEnvironment, match=word) as refusal:
        load_settings()
    assert len(str(refusal.value).splitlines()) == 1


def test_the_demo_is_refused_in_production(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    environment = {
        "APP_ENV": "production",
        "SECRET_KEY": SECRET,
        "SMS_SENDER": "console",
        "TRUSTED_PROXIES": "1",
        "PUBLIC_BASE_URL": "https://volunteers.example.cn",
        "VAR_DIR": str(tmp_path),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["volunteer-api", "serve", "--demo"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "demo is refused in production" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_no_command_works_on_a_database_that_is_not_migrated(
    refusal_of: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "volunteer.db"
    for command in (["keys", "list"], ["stock", "verify"], ["organizations", "build", "410403"]):
        assert "is empty: run `volunteer-api migrate`" in refusal_of(*command, VAR_DIR=str(tmp_path))
    with closing(sqlite_driver.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999_12_31_later')")
    for command in (["keys", "list"], ["migrate"], ["worker"]):
        assert "is of a newer release, at version 9999_12_31_later" in refusal_of(*command, VAR_DIR=str(tmp_path))


class Waited(Exception):
    """The worker would sleep now."""


def test_a_worker_waits_for_the_migration_and_not_for_a_database(
    refusal_of: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def sleep(_seconds: float) -> None:
        raise Waited

    assert "can't be used" in refusal_of(
        "worker", DATABASE_URL="postgresql://somebody@127.0.0.1:9/volunteers", VAR_DIR=str(tmp_path)
    )
    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setattr(sys, "argv", ["volunteer-api", "worker"])
    with pytest.raises(Waited):
        main()
    assert "The worker waits: the database (DATABASE_URL) is empty" in capsys.readouterr().err


def test_a_waiting_worker_ends_where_its_database_goes(
    refusal_of: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()

    def sleep(_seconds: float) -> None:
        assert "The worker waits" in capsys.readouterr().err
        shutil.rmtree(folder)

    monkeypatch.setattr(time, "sleep", sleep)
    refused = refusal_of("worker", DATABASE_URL=f"sqlite:///{folder}/volunteer.db", VAR_DIR=str(tmp_path))
    assert f"the folder {folder} of the database file (DATABASE_URL) does not exist" in refused


def test_the_log_of_a_file_that_was_moved_away_is_kept(refusal_of: Callable[..., str], tmp_path: Path) -> None:
    log = tmp_path / "volunteer.db-wal"
    log.write_bytes(b"committed")
    assert str(log) in refusal_of("serve", PORT=str(free_port()), VAR_DIR=str(tmp_path))
    assert log.read_bytes() == b"committed"


def test_what_it_keeps_is_its_owners(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    made = make_settings(f"sqlite:///{folder}/volunteer.db", tmp_path / "var")
    check_folder(made)
    assert made.var_directory.stat().st_mode & 0o777 == 0o700
    assert open_to_others(made) is None
    folder.chmod(0o755)
    assert open_to_others(made) == folder
    made.var_directory.chmod(0o755)
    assert open_to_others(made) == made.var_directory


def test_a_line_names_no_password(tmp_path: Path) -> None:
    process = start(
        tmp_path, PORT=str(free_port()), DATABASE_URL="postgresql://volunteer:hidden@127.0.0.1:9/volunteers"
    )
    assert "hidden" not in process.communicate(timeout=PATIENCE_SECONDS)[1]


@pytest.mark.parametrize("command", ["worker", "migrate", "openapi"])
def test_every_command_refuses_a_bad_environment(refusal_of: Callable[..., str], tmp_path: Path, command: str) -> None:
    assert "DATABASE_URL" in refusal_of(command, DATABASE_URL="mysql://somewhere/volunteers", VAR_DIR=str(tmp_path))


def test_gunicorn_alone_refuses_a_missing_file_too(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"],
        cwd=PROJECT_DIRECTORY,
        env=os.environ | {"VAR_DIR": str(tmp_path), "PORT_FILE": "/nonexist"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert process.returncode == 2
    assert len(process.stderr.splitlines()) == 1
    assert "PORT_FILE" in process.stderr


def test_gunicorn_alone_refuses_it_too(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"],
        cwd=PROJECT_DIRECTORY,
        env=os.environ | {"APP_ENV": "production", "VAR_DIR": str(tmp_path), "PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert process.returncode == 2
    [told] = process.stderr.splitlines()
    assert told.startswith("volunteer-api: SECRET_KEY must be set to at least 32 random characters in production. ")
    assert "PUBLIC_BASE_URL must be set" in told


def test_the_next_start_finds_its_data_and_killed_workers_are_started_again(
    tmp_path: Path, databases: Databases
) -> None:
    # As the fixture `folder`: a first start of all on an empty folder is that of tests/test_readme.py.
    Path(str(make_url(databases.sqlite()).database)).rename(tmp_path / "volunteer.db")
    first = serve(tmp_path, WEB_WORKERS="2")
    # The supervisor, gunicorn's two workers with their master, our worker.
    until(lambda: len(processes_of(first.process.pid)) == 5)
    assert end(first) == 0
    database = tmp_path / "volunteer.db"
    written = database.stat().st_ino
    second = serve(tmp_path, WEB_WORKERS="3")
    try:
        assert second.get("/readyz")[0] == 200
        for _ in range(12):
            second.get("/livez")
        until(lambda: worker_of(second) is not None and len(processes_of(second.process.pid)) == 6)
        before, worker = processes_of(second.process.pid), worker_of(second)
        assert worker is not None
        for pid in (worker, max(pid for pid in before if pid != worker)):
            os.kill(pid, signal.SIGKILL)
        until(lambda: worker_of(second) not in (None, worker) and len(processes_of(second.process.pid)) == len(before))
        # Whoever took the dead one's place goes on where that stopped.
        for _ in range(12):
            second.get("/livez")
        assert counted(second, ALIVE) == 24
    finally:
        ended = end(second)
    assert ended == 0
    assert database.stat().st_ino == written


def worker_of(server: Server) -> int | None:
    for pid in processes_of(server.process.pid):
        try:
            if Path(f"/proc/{pid}/comm").read_text() == "api-worker\n":
                return pid
        except OSError:
            continue
    return None
