"""Web Push (RFC 8030): by the service that the browser chose, encrypted (RFC 8291) and signed by VAPID (RFC 8292)."""

import base64
import binascii
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from volunteer_api.config import BadEnvironment, Settings
from volunteer_api.core import clock
from volunteer_api.core.problems import InvalidPayload
from volunteer_api.core.schema import Fault, error_list
from volunteer_api.notifications.providers import transport
from volunteer_api.notifications.providers.base import Blame, Gone, Message, NotTaken
from volunteer_api.notifications.providers.encryption import AUTH_BYTES, CURVE, encrypt, is_point

# RFC 8292 allows a day; the services' clocks may be off.
SIGNED_FOR = timedelta(hours=12)
KEY_BYTES = 32
# Google's service refuses more.
LONGEST_SECONDS = 28 * 86400
# What an address fails of whose host somebody made up under a domain that is known.
NO_SUCH_HOST = ("gaierror", "SSLCertVerificationError")


class WebPushProvider:
    """Sends to the endpoints that browsers give, at the hosts that are known as push services."""

    is_read_on_the_way = False

    def __init__(self, private_key: ec.EllipticCurvePrivateKey, contact: str, hosts: tuple[str, ...]) -> None:
        point = private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        # What a browser asks for as its `applicationServerKey`.
        self.public_key = base64.urlsafe_b64encode(point).rstrip(b"=").decode()
        self._private_key, self._contact, self._hosts = private_key, contact, hosts

    def service_for(self, address: Mapping[str, Any]) -> str:
        """The entry of WEB_PUSH_HOSTS that has the endpoint's host. Raises InvalidPayload: an endpoint is the caller's
        text, and must lead nowhere else; a key must be one."""
        keys = address["keys"]
        faults: dict[str, Any] = {}
        service = self._service_at(address["endpoint"])
        if service is None:
            faults["endpoint"] = [Fault("not_a_push_service", "This is no https address of a known push service.")]
        if not is_point(_decoded(keys["p256dh"])):
            faults["keys"] = {"p256dh": [Fault("not_a_key", "This is no key that a browser gave.")]}
        elif len(_decoded(keys["auth"])) != AUTH_BYTES:
            faults["keys"] = {"auth": [Fault("not_a_key", "This is no key that a browser gave.")]}
        if service is None or faults:
            raise InvalidPayload(error_list(faults))
        return service

    def send(self, address: Mapping[str, Any], message: Message) -> None:
        """Hand it to the browser's service. Raises Gone, NotTaken."""
        endpoint = address["endpoint"]
        service = self._service_at(endpoint)
        if service is None:
            raise NotTaken("host_not_known", blame=Blame.ADDRESS)
        text = orjson.dumps(
            {
                "id": str(message.notification_id),
                "kind": message.kind,
                "values": message.ids,
                "title": message.title,
                "body": message.body,
            }
        )
        keys = address["keys"]
        body = encrypt(text, p256dh=_decoded(keys["p256dh"]), auth=_decoded(keys["auth"]))
        try:
            answer = transport.post(endpoint, headers=self._headers(endpoint, message), content=body)
        except NotTaken as error:
            if service.startswith(".") and error.reason in NO_SUCH_HOST:
                error.blame = Blame.ADDRESS
            raise
        if answer.status in (404, 410):
            raise Gone
        if not 200 <= answer.status < 300:
            wait = transport.wait_of(answer, clock.now())
            raise NotTaken(f"status_{answer.status}", wait, blame=_blame_of(answer.status))

    def _headers(self, endpoint: str, message: Message) -> dict[str, str]:
        parts = urlsplit(endpoint)
        claims = {
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": int((clock.now() + SIGNED_FOR).timestamp()),
            "sub": self._contact,
        }
        token = jwt.encode(claims, self._private_key, algorithm="ES256")
        return {
            "Authorization": f"vapid t={token}, k={self.public_key}",
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(min(message.seconds, LONGEST_SECONDS)),
            # A push that is sent again takes the place of the first, where the service still has it.
            "Topic": base64.urlsafe_b64encode(message.notification_id.bytes).rstrip(b"=").decode(),
            "Urgency": "high" if message.urgent else "normal",
        }

    def _service_at(self, endpoint: str) -> str | None:
        try:
            parts = urlsplit(endpoint)
            host = parts.hostname or ""
        except ValueError:
            return None
        # Not what a browser gives, and what two readers of one address may read as two hosts.
        odd = parts.fragment or "\\" in endpoint or not endpoint.isascii()
        # One spelling of each, or the same browser could be told to two accounts.
        plain = parts.scheme == "https" and parts.netloc == host and parts.path.startswith("/")
        if not plain or odd or not endpoint.isprintable() or " " in endpoint:
            return None
        known = (one for one in self._hosts if host == one or (one.startswith(".") and host.endswith(one)))
        return next(known, None)


def make(settings: Settings) -> WebPushProvider | None:
    """The provider; none without a key. Raises BadEnvironment."""
    given = settings.push
    if not given.web_push_key:
        return None
    number = int.from_bytes(_decoded(given.web_push_key), "big")
    try:
        if len(_decoded(given.web_push_key)) != KEY_BYTES:
            raise ValueError
        private_key = ec.derive_private_key(number, CURVE)
    except ValueError as error:
        raise BadEnvironment(
            "WEB_PUSH_KEY is no private key of P-256 in base64url; `volunteer-api keys web-push` makes one."
        ) from error
    return WebPushProvider(private_key, given.web_push_contact, given.web_push_hosts)


def make_key() -> str:
    """A new private key, as WEB_PUSH_KEY takes it."""
    number = ec.generate_private_key(CURVE).private_numbers().private_value
    return base64.urlsafe_b64encode(number.to_bytes(KEY_BYTES, "big")).rstrip(b"=").decode()


def _blame_of(status: int) -> Blame:
    """Too many requests are those to one browser (RFC 8030, 8.4): nobody makes a service rest by calling her own."""
    if status == 429:
        return Blame.PUSH
    return Blame.SERVICE if status >= 500 or status == 408 else Blame.ADDRESS


def _decoded(text: str) -> bytes:
    """Base64url, with or without its padding; nothing where it is none."""
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
