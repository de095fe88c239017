"""Push services on the loopback address, by real TLS; names of hosts lead to them at the edge, where sockets begin."""

import base64
import datetime
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

OUTSIDE = "93.184.215.14"
UNREACHABLE = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"


class PushService:
    """A server that keeps the requests that it got. `answer` is a status, headers and a body; it comes after `drips`
    single bytes, one in 50 ms."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: tuple[int, dict[str, str], bytes] = (201, {}, b"")
        self.drips = 0
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                service.requests.append((self.path, dict(self.headers.items()), body))
                status, headers, content = service.answer
                try:
                    for _ in range(service.drips):
                        self.wfile.write(b"a")
                        self.wfile.flush()
                        time.sleep(0.05)
                    self.send_response(status)
                    for name, value in {**headers, "Content-Length": str(len(content))}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:
                    # Whoever asked has hung up.
                    return

            def log_message(self, *_arguments: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_arguments: Any) -> None:
                """A client that does not trust the certificate is no news."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port

    @property
    def headers(self) -> dict[str, str]:
        """Of the last request."""
        return self.requests[-1][1]

    @property
    def body(self) -> bytes:
        """Of the last request."""
        return self.requests[-1][2]


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[PushService]:
    """A push service; by TLS where a file has its certificate and key."""
    service = PushService()
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        service.server.socket = context.wrap_socket(service.server.socket, server_side=True)
    thread = threading.Thread(target=service.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        service.server.shutdown()
        thread.join()
        service.server.server_close()


def write_certificate(path: Path, host: str) -> Path:
    """A file with a key and a certificate for the host, which signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(secret + certificate.public_bytes(Encoding.PEM))
    return path


def lead(patch: pytest.MonkeyPatch, port: int, addresses: tuple[str, ...] = (OUTSIDE,)) -> list[Any]:
    """Let every host have these addresses, and all lead to a port here; returns where connections were begun."""
    begun: list[Any] = []
    here = port

    def find(host: str, port: int, *_rest: Any, **_options: Any) -> list[Any]:
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
        both = zip(families, addresses, strict=True)
        return [(family, socket.SOCK_STREAM, 6, "", (address, port)) for family, address in both]

    def begin(address: Any, timeout: float) -> socket.socket:
        begun.append(address)
        if address[0] == UNREACHABLE:
            raise OSError("no route")
        opened = socket.socket()
        opened.settimeout(timeout)
        opened.connect(("127.0.0.1", here))
        return opened

    patch.setattr(socket, "getaddrinfo", find)
    patch.setattr(socket, "create_connection", begin)
    return begun


class Browser:
    """The keys of a browser's subscription, and how it reads a push (RFC 8291, written anew from its text)."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._auth = b"sixteen bytes of"
        self.point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    @property
    def keys(self) -> dict[str, str]:
        """As the app sends them."""
        return {"p256dh": base64.urlsafe_b64encode(self.point).decode(), "auth": base64url(self._auth)}

    def read(self, body: bytes) -> bytes:
        """The text of a push."""
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        sender, sealed = body[21 : 21 + length], body[21 + length :]
        assert len(sealed) <= size
        shared = self._key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
        secret = HKDF(hashes.SHA256(), 32, self._auth, b"WebPush: info\0" + self.point + sender).derive(shared)
        key = HKDF(hashes.SHA256(), 16, salt, b"Content-Encoding: aes128gcm\0").derive(secret)
        nonce = HKDF(hashes.SHA256(), 12, salt, b"Content-Encoding: nonce\0").derive(secret)
        text, delimiter, padding = AESGCM(key).decrypt(nonce, sealed, None).rpartition(b"\2")
        assert (delimiter, padding.strip(b"\0")) == (b"\2", b"")
        return text


def base64url(content: bytes) -> str:
    """Without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
