"""gunicorn's worker as we run it: how long it waits for a request, and how it says goodbye."""

import http.client
import socket
import time
from collections.abc import Iterator

import pytest

from tests.test_run import Server, end, post, problem, serve, whole
from volunteer_api.config import Settings

UPLOAD_BYTES = Settings.upload_bytes
UPLOAD = "Content-Type: multipart/form-data; boundary=a"


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that waits one second for a piece of a request, and three for all of it."""
    running = serve(tmp_path_factory.mktemp("impatient"), READ_TIMEOUT_SECONDS="1")
    yield running
    end(running)


def answer_of(connection: socket.socket) -> bytes:
    answer = b""
    while part := connection.recv(65536):
        answer += part
    return answer


@pytest.mark.parametrize(
    ("stalled", "answers"),
    [
        pytest.param(post("/auth/codes", b"{", "Content-Length: 100"), True, id="unfinished body"),
        pytest.param(post("/auth/codes", b"5\r\n{", "Transfer-Encoding: chunked"), True, id="unfinished chunk"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: pho", True, id="unfinished header"),
        pytest.param(b"", False, id="nothing at all"),
    ],
)
def test_stalled_connections_give_their_threads_back(impatient: Server, stalled: bytes, answers: bool) -> None:
    connections = [socket.create_connection(("127.0.0.1", impatient.port), timeout=10) for _ in range(16)]
    try:
        for connection in connections:
            connection.sendall(stalled)
        time.sleep(0.2)
        began = time.monotonic()
        assert impatient.get("/livez")[0] == 200
        # Sixteen on eight threads, unevenly shared by two workers: a few turns of one second.
        assert time.monotonic() - began < 8
        for connection in connections if answers else ():
            assert problem(answer_of(connection))[0] == 408
    finally:
        for connection in connections:
            connection.close()


def test_a_dripping_body_is_given_up_after_all(impatient: Server) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=10) as connection:
        connection.sendall(post("/auth/codes", b"{", "Content-Length: 100"))
        began = time.monotonic()
        connection.settimeout(0.4)
        while time.monotonic() - began < 10:
            try:
                answer = connection.recv(65536)
                break
            except TimeoutError:
                connection.sendall(b" ")
        # Head and body may come apart.
        while not whole(answer) and (part := connection.recv(65536)):
            answer += part
        assert problem(answer)[0] == 408
        assert 2.5 < time.monotonic() - began < 5


def test_a_connection_is_kept_for_the_next_request_after_a_pause(impatient: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", impatient.port, timeout=10)
    for pause in (0, 1.5, 3.5):
        time.sleep(pause)
        connection.request("GET", "/livez")
        response = connection.getresponse()
        response.read()
        assert response.status == 200
        assert connection.sock is not None
    connection.close()


def refused(server: Server, path: str, content_type: str, body: bytes) -> tuple[bytes, int, str]:
    """Send all of a request before a byte of the answer is read, on a connection that was used before.

    Returns the head of the answer, its status and its code.
    """
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: phone\r\n\r\n")
        alive = b""
        while not whole(alive):
            alive += connection.recv(65536)
        lines = [f"POST /api/v1{path} HTTP/1.1", "Host: phone", content_type, f"Content-Length: {len(body)}"]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        connection.sendall(body)
        answer = answer_of(connection)
    status, document = problem(answer)
    return answer.partition(b"\r\n\r\n")[0], status, document["code"]


@pytest.mark.parametrize(
    ("path", "content_type", "body_bytes", "expected"),
    [
        pytest.param("/files", UPLOAD, UPLOAD_BYTES + 200, (413, "body_too_large"), id="photo"),
        pytest.param(
            "/auth/codes", "Content-Type: application/json", 1024 * 1024 + 3, (413, "body_too_large"), id="json"
        ),
        pytest.param("/files", "Content-Type: image/jpeg", 90_000, (415, "unsupported_media_type"), id="type"),
        pytest.param("/nowhere", "Content-Type: application/json", 90_000, (404, "not_found"), id="address"),
    ],
)
def test_who_sends_all_before_reading_hears_the_refusal_and_that_it_is_the_last_answer(
    impatient: Server, path: str, content_type: str, body_bytes: int, expected: tuple[int, str]
) -> None:
    # It came after a minute and more, or not at all.
    head, *told = refused(impatient, path, content_type, b"x" * body_bytes)
    assert tuple(told) == expected
    assert b"\r\nConnection: close\r\n" in head


def test_a_refusal_of_a_body_that_was_read_keeps_the_connection(impatient: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", impatient.port, timeout=10)
    for _ in range(2):
        connection.request("POST", "/api/v1/auth/codes", b"{}", {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        assert (response.status, response.headers["Connection"]) == (422, "keep-alive")
    connection.close()


def test_a_chunked_body_that_was_not_read_to_its_end_is_the_last_one(impatient: Server) -> None:
    chunk = b"186a0\r\n" + b"x" * 100_000 + b"\r\n"
    answer = impatient.send(post("/nowhere", chunk * 3 + b"0\r\n\r\n", "Transfer-Encoding: chunked"))
    assert problem(answer)[0] == 404
    assert b"\r\nConnection: close\r\n" in answer
    # Nothing of it is taken for the next request.
    assert answer.count(b"HTTP/1.1 ") == 1


def test_who_goes_on_sending_after_a_refusal_holds_no_thread_and_is_cut_off(impatient: Server) -> None:
    connections = [socket.create_connection(("127.0.0.1", impatient.port), timeout=10) for _ in range(16)]
    try:
        for connection in connections:
            connection.sendall(post("/nowhere", b"x", f"Content-Length: {10**9}"))
        began, gone = time.monotonic(), 0
        slowest = 0.0
        while gone < len(connections) and time.monotonic() - began < 20:
            gone = sum(drips(connection) for connection in connections)
            asked = time.monotonic()
            assert impatient.get("/livez")[0] == 200
            slowest = max(slowest, time.monotonic() - asked)
            time.sleep(0.3)
        assert gone == len(connections)
        # Three seconds for what may still come, each of them far from a second's silence.
        assert 2.5 < time.monotonic() - began < 10
        assert slowest < 1.5
    finally:
        for connection in connections:
            connection.close()


def drips(connection: socket.socket, more_bytes: int = 1) -> bool:
    """Send some more; whether the other end is gone."""
    try:
        connection.sendall(b"x" * more_bytes)
    except OSError:
        return True
    return False


def test_who_sends_without_end_after_a_refusal_is_cut_off_by_the_bytes(impatient: Server) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=10) as connection:
        connection.sendall(post("/files", b"", UPLOAD, f"Content-Length: {10**9}"))
        sent = 0
        while sent < 10 * UPLOAD_BYTES and not drips(connection, 65536):
            sent += 65536
        assert UPLOAD_BYTES < sent < 4 * UPLOAD_BYTES
