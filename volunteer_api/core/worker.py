"""gunicorn's threaded worker with patience that ends.

By default it waits for ever for the rest of a request, and eight silent connections occupy its eight threads. Here each
piece of a request has a time limit and the whole of it another, so a thread is always free again.

Who is refused before the end of a request may still be sending it, and reads nothing until that is done: most clients
on phones do. What still comes is thrown away, by the thread that accepts and whenever some of it is there, so that it
costs none of the others. Closed at once, the answer may be lost; not read, the client waits for minutes.
"""

import errno
import socket
import struct
import time
from concurrent.futures import Future
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn import http, util
from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.http.message import Request
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker

from volunteer_api.config import load_settings
from volunteer_api.core import metrics
from volunteer_api.core.framing import RequestTooSlow

FIRST_BYTE_SECONDS = 0.05  # then the connection waits in the poller, which costs no thread
WHOLE_REQUEST_FACTOR = 3
WHOLE_ANSWER_FACTOR = 6
# Of what is thrown away after a refusal: a photo that is a little too large, whatever else, and so much at a time.
MOST_THROWN_AWAY_BEYOND = 1024 * 1024
THROWN_AWAY_AT_ONCE = 64 * 1024
STOPPING_PAUSE_SECONDS = 1.0
RESET = struct.pack("ii", 1, 0)


class DeadlineUnreader(SocketUnreader):
    """Reads one connection's requests. Raises RequestTooSlow where a client pauses too long or drips."""

    def __init__(self, sock: socket.socket, pause_seconds: float) -> None:
        super().__init__(sock)
        self.too_slow = False
        self._pause_seconds = pause_seconds
        self.begin()

    def begin(self) -> None:
        """Start the time of the next request."""
        self._deadline = time.monotonic() + self._pause_seconds * WHOLE_REQUEST_FACTOR

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Some bytes, at most `size_hint` or gunicorn's usual size; b"" at the end of the connection."""
        before = self.sock.gettimeout()
        limits = [self._pause_seconds, self._deadline - time.monotonic(), *([] if before is None else [before])]
        if self.too_slow or min(limits) <= 0:
            self.too_slow = True
            raise RequestTooSlow()
        self.sock.settimeout(min(limits))
        try:
            data: bytes = super().chunk(size_hint)
        except TimeoutError as error:
            self.too_slow = True
            raise RequestTooSlow() from error
        finally:
            self.sock.settimeout(before)
        return data


class WholeRequest(Request):
    """A request whose connection ends with its answer where a part of its body was not read, and says so."""

    def should_close(self) -> bool:
        """Whether the answer is the connection's last one."""
        return bool(super().should_close()) or self._has_rest()

    def _has_rest(self) -> bool:
        reader = self.body.reader
        if isinstance(reader, LengthReader):
            return bool(reader.length > 0)
        return isinstance(reader, ChunkedReader) and reader.parser is not None


class PatientConnection(TConn):
    """A connection that hardly occupies a thread, neither before its first byte nor after its last answer."""

    # Since the last answer: what may still come of the request, until when, and since when nothing came.
    bytes_left = 0
    deadline = 0.0
    silent_since = 0.0

    def wait_for_data(self, timeout: float) -> bool:
        return bool(super().wait_for_data(min(timeout, FIRST_BYTE_SECONDS)))

    def begin_to_leave(self, most_bytes: int, seconds: float) -> None:
        """Tell the client that nothing follows the answer."""
        self.sock.setblocking(False)
        self.sock.shutdown(socket.SHUT_WR)
        self.silent_since = time.monotonic()
        self.bytes_left, self.deadline = most_bytes, self.silent_since + seconds

    def throw_away(self) -> bool:
        """Read some of what came; False where there is an end of it: the client's, or that of our patience."""
        try:
            size = len(self.sock.recv(THROWN_AWAY_AT_ONCE))
        except BlockingIOError:
            return time.monotonic() < self.deadline
        except OSError:
            return False
        self.silent_since = time.monotonic()
        self.bytes_left -= size
        if size > 0 and (self.bytes_left <= 0 or self.silent_since >= self.deadline):
            # Or a client whose window is closed keeps trying, for minutes, to send to somebody who is gone.
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            return False
        return size > 0

    def close(self, graceful: bool = False) -> None:
        """Never wait: the thread that closes is the one that accepts."""
        util.close(self.sock)


class DeadlineWorker(ThreadWorker):
    """Answers 408 to a client that does not finish its request, and gives its thread to the next.

    `place` is its name among the workers; whoever starts it gives it that.
    """

    place: str

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        settings = load_settings()
        self._pause_seconds = settings.read_timeout_seconds
        self._most_thrown_away = settings.upload_bytes + MOST_THROWN_AWAY_BEYOND
        self._leaving: list[PatientConnection] = []

    def init_process(self) -> None:
        """Begin in the new process: what it counts goes under the name of its place among the workers."""
        metrics.share_as(self.place)
        super().init_process()

    def accept(self, listener: socket.socket) -> None:
        """As gunicorn's, with our own connection."""
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        self.nr_conns += 1
        connection = PatientConnection(self.cfg, client, address, listener.getsockname())
        connection.parser = http.get_parser(self.cfg, client, address)
        connection.parser.mesg_class = WholeRequest
        connection.parser.unreader = DeadlineUnreader(client, self._pause_seconds)
        self.enqueue_req(connection)

    def handle(self, conn: Any) -> Any:
        """Serve one request. True keeps the connection, False closes it."""
        conn.parser.unreader.begin()
        return super().handle(conn)

    def finish_request(self, conn: Any, fs: Future[Any]) -> None:
        """As gunicorn's, but who was given the last answer may finish its request, and costs no thread meanwhile."""
        if fs.cancelled() or fs.exception() is not None or fs.result() is not False:
            super().finish_request(conn, fs)
            return
        try:
            conn.begin_to_leave(self._most_thrown_away, self._pause_seconds * WHOLE_REQUEST_FACTOR)
        except OSError:
            # The client was faster.
            self._forget(conn)
            return
        if not conn.throw_away():
            self._forget(conn)
            return
        self._leaving.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self._listen_on, conn))

    def murder_pending(self) -> None:
        """As gunicorn's, and let those go who have sent nothing for too long after their last answer."""
        super().murder_pending()
        pause = self._pause_seconds if self.alive else STOPPING_PAUSE_SECONDS
        now = time.monotonic()
        for conn in [one for one in self._leaving if now >= min(one.deadline, one.silent_since + pause)]:
            self._let_go(conn)

    def _listen_on(self, conn: PatientConnection, _file: Any) -> None:
        if not conn.throw_away():
            self._let_go(conn)

    def _let_go(self, conn: PatientConnection) -> None:
        self.poller.unregister(conn.sock)
        self._leaving.remove(conn)
        self._forget(conn)

    def _forget(self, conn: PatientConnection) -> None:
        self.nr_conns -= 1
        conn.close()

    def handle_request(self, req: Any, conn: Any) -> bool:
        """Run the application; a client that does not take its answer in time counts as gone."""
        conn.sock.settimeout(self._pause_seconds * WHOLE_ANSWER_FACTOR)
        try:
            return bool(super().handle_request(req, conn))
        except TimeoutError as error:
            raise BrokenPipeError(errno.EPIPE, "the client did not take its answer") from error

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what broke before the application ran."""
        if not isinstance(exc, RequestTooSlow):
            super().handle_error(req, client, addr, exc)
            return
        try:
            util.write_error(client, 408, "Request Timeout", "")
        except OSError:
            self.log.debug("A client that was too slow is gone.")
