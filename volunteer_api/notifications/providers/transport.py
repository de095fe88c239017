"""Calls to somebody else's server, which may be slow, never end, or stand where nobody should be sent.

No library of these: redirects are not followed, no proxy is asked, and the address that was judged is the one that is
called, which a library that looks the name up by itself does not promise.
"""

import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http.client import HTTPConnection, HTTPException
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from volunteer_api.notifications.providers.base import Blame, NotTaken

CONNECT_SECONDS = 3
PAUSE_SECONDS = 5
# From the look-up of the name, which alone may outlast it, to the last byte that is read.
WHOLE_SECONDS = 10
ANSWER_BYTES = 16 * 1024
LONGEST_WAIT_SECONDS = 6 * 3600
# IPv4 by IPv6 (RFC 6052): the last four bytes are the address that is reached.
NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True)
class Answer:
    """What a server answered: `content` is cut at 16 KiB; `headers` are those of HTTP, named in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def post(url: str, *, headers: Mapping[str, str], content: bytes, may_be_inside: bool = False) -> Answer:
    """Send a POST to an https URL; returns whatever is answered, a redirect too. Raises NotTaken where nothing is.

    `may_be_inside` is for an address that the deployment chose itself: it may be http, and on a network of its own.
    """
    parts = urlsplit(url)
    host, is_secure = parts.hostname or "", parts.scheme != "http"
    line = _Line(host, parts.port or (443 if is_secure else 80), is_secure=is_secure, may_be_inside=may_be_inside)
    # A server that sends a byte now and then keeps within every pause.
    alarm = threading.Timer(WHOLE_SECONDS, line.hang_up)
    alarm.daemon = True
    alarm.start()
    try:
        target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        line.request("POST", target, content, {**headers, "Connection": "close"})
        response = line.getresponse()
        told = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, told, response.read(ANSWER_BYTES))
    except UnicodeError as error:
        # A name that is none.
        raise NotTaken(type(error).__name__, blame=Blame.ADDRESS) from error
    except (OSError, HTTPException) as error:
        raise NotTaken(type(error).__name__) from error
    finally:
        alarm.cancel()
        line.close()


def wait_of(answer: Answer, now: datetime) -> int | None:
    """The seconds to wait that an answer asks for by `Retry-After`, at most six hours; None where it doesn't."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), LONGEST_WAIT_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    seconds = int((moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())
    return min(max(seconds, 0), LONGEST_WAIT_SECONDS)


class _Line(HTTPConnection):
    """A connection to an address that was judged, and by TLS to a server that proves to have the host's name."""

    def __init__(self, host: str, port: int, *, is_secure: bool, may_be_inside: bool) -> None:
        super().__init__(host, port)
        # It is left out of the Host header.
        self.default_port = 443 if is_secure else 80
        self._is_secure, self._may_be_inside = is_secure, may_be_inside
        self._opened: socket.socket | None = None
        self._ends_at = time.monotonic() + WHOLE_SECONDS

    def connect(self) -> None:
        """Raises OSError."""
        addresses = _addresses_of(self.host, self.port, may_be_inside=self._may_be_inside)
        self.sock = self._reach(addresses)
        # Of a TLS handshake it bounds the whole, which `hang_up` can't end.
        self.sock.settimeout(self._seconds_left(PAUSE_SECONDS))
        if self._is_secure:
            self.sock = _trust().wrap_socket(self.sock, server_hostname=self.host)
        self._opened = self.sock
        # Where the alarm came before there was anything to hang up, it will not come again.
        self._seconds_left(PAUSE_SECONDS)

    def _reach(self, addresses: list[str]) -> socket.socket:
        """A connection to the first address that answers: of two families this machine may have one. Raises OSError."""
        *others, last = addresses
        for address in others:
            try:
                return socket.create_connection((address, self.port), self._seconds_left(CONNECT_SECONDS))
            except OSError:
                continue
        return socket.create_connection((last, self.port), self._seconds_left(CONNECT_SECONDS))

    def _seconds_left(self, at_most: float) -> float:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(at_most, left)

    def hang_up(self) -> None:
        """End what is being sent or read, from another thread."""
        if self._opened is not None:
            try:
                # The method of a TLS connection would change what the other thread is using.
                socket.socket.shutdown(self._opened, socket.SHUT_RDWR)
            except OSError:
                # It was over already.
                return


def _addresses_of(host: str, port: int, *, may_be_inside: bool) -> list[str]:
    """The first address of each family that a host has; one inside of a network makes all suspect. Raises OSError."""
    found = [(one[0], str(one[4][0])) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not found or not (may_be_inside or all(_is_outside(address) for _, address in found)):
        raise OSError("the host has an address inside")
    first: dict[int, str] = {}
    for family, address in found:
        first.setdefault(family, address)
    return list(first.values())


def _is_outside(text: str) -> bool:
    address = ip_address(text.partition("%")[0])
    judged = (_embedded_in(address) if isinstance(address, IPv6Address) else None) or address
    return judged.is_global and not judged.is_multicast


def _embedded_in(address: IPv6Address) -> IPv4Address | None:
    if address in NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()
