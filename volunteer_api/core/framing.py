"""A request executes only when all of its body has arrived.

By default a body that ends before its Content-Length is taken for the whole (werkzeug trusts a server that says
`wsgi.input_terminated`), and a broken chunk is an exception that only gunicorn knows: it would be a 500.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from werkzeug.exceptions import BadRequest, ClientDisconnected, RequestTimeout


class RequestTooSlow(Exception):
    """The client pauses too long in its request, or takes too long over all of it.

    No TimeoutError: gunicorn logs that with a traceback, as a fault of the server's socket.
    """


class CompleteBody:
    """WSGI middleware: a body that ends too early, or is framed wrongly, is a 400 where it is read."""

    def __init__(self, application: Callable[[Any, Any], Iterable[bytes]]) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        length = environ.get("CONTENT_LENGTH") or ""
        chunked = environ.get("HTTP_TRANSFER_ENCODING")
        if chunked or length not in ("", "0"):
            environ["wsgi.input"] = _Body(environ["wsgi.input"], None if chunked else int(length))
        return self._application(environ, start_response)


class _Body:
    def __init__(self, stream: Any, length: int | None) -> None:
        self._stream = stream
        self._missing = length

    def read(self, size: int = -1) -> bytes:
        return self._judge(lambda: self._stream.read(size), wanted=size)

    def readline(self, size: int = -1) -> bytes:
        return self._judge(lambda: self._stream.readline(size), wanted=1)

    def readlines(self, _hint: int = -1) -> list[bytes]:
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def _judge(self, read: Callable[[], bytes], wanted: int) -> bytes:
        try:
            data = read()
        except RequestTooSlow as error:
            raise RequestTimeout() from error
        except Exception as error:
            # gunicorn's parse errors share no public base class.
            raise BadRequest() from error
        if self._missing is not None:
            self._missing -= len(data)
            at_end = wanted != 0 and (not data or wanted < 0)
            if at_end and self._missing > 0:
                raise ClientDisconnected()
        return data
