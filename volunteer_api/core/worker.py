"""gunicorn's threaded worker with patience that ends.

By default it waits for ever for the rest of a request, and eight silent connections occupy its eight threads. Here each
piece of a request has a time limit and the whole of it another, so a thread is always free again.
"""

import errno
import socket
import time
from typing import Any

from gunicorn import http, util
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker

from volunteer_api.config import load_settings
from volunteer_api.core import metrics
from volunteer_api.core.framing import RequestTooSlow

FIRST_BYTE_SECONDS = 0.05  # then the connection waits in the poller, which costs no thread
WHOLE_REQUEST_FACTOR = 3
WHOLE_ANSWER_FACTOR = 6


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


class PatientConnection(TConn):
    """A connection that hardly occupies a thread before its first byte."""

    def wait_for_data(self, timeout: float) -> bool:
        return bool(super().wait_for_data(min(timeout, FIRST_BYTE_SECONDS)))


class DeadlineWorker(ThreadWorker):
    """Answers 408 to a client that does not finish its request, and gives its thread to the next.

    `place` is its name among the workers; whoever starts it gives it that.
    """

    place: str

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._pause_seconds = load_settings().read_timeout_seconds

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
        connection.parser.unreader = DeadlineUnreader(client, self._pause_seconds)
        self.enqueue_req(connection)

    def handle(self, conn: Any) -> Any:
        """Serve one request. True keeps the connection, False closes it."""
        conn.parser.unreader.begin()
        result = super().handle(conn)
        if result is False:
            _hang_up(conn)
        return result

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


def _hang_up(connection: Any) -> None:
    """Say goodbye in this thread: gunicorn does it in the one that accepts, which then accepts nothing for 2 s."""
    try:
        if not connection.parser.unreader.too_slow:
            # Closes the copy only; what lingers is the connection itself.
            util.close_graceful(connection.sock.dup())
        connection.sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        # The client was faster.
        return
