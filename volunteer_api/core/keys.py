"""Keys for one purpose each, derived from the one secret, so that a leak of one use opens no other."""

import hashlib
import hmac
from functools import lru_cache

from volunteer_api.core.settings import settings


@lru_cache(maxsize=64)
def derive_key(secret: str, purpose: str) -> bytes:
    """32 bytes that only this secret and this purpose give."""
    return hmac.digest(secret.encode(), purpose.encode(), hashlib.sha256)


def sign(purpose: str, *parts: object) -> bytes:
    """A keyed digest (HMAC-SHA256, 32 bytes) over the parts, each with its length so that no two splits collide."""
    return _digest(settings().secret_key, purpose, parts)


def digests(purpose: str, *parts: object) -> list[bytes]:
    """What `sign` gives, and would have given before the secret changed: to look up what is stored."""
    return [_digest(secret, purpose, parts) for secret in secrets_known()]


def matches(digest: bytes, purpose: str, *parts: object) -> bool:
    """Whether `sign` made this digest, under the present secret or the one that SECRET_KEY_PREVIOUS names.

    While the secret changes from host to host, each takes what the others sign.
    """
    return any(same(digest, known) for known in digests(purpose, *parts))


def secrets_known() -> list[str]:
    """The secret that signs, and the other one that is taken too where there is one."""
    previous = settings().secret_key_previous
    return [settings().secret_key, *([previous] if previous is not None else [])]


def same(left: bytes, right: bytes) -> bool:
    """Equality in constant time."""
    return hmac.compare_digest(left, right)


def _digest(secret: str, purpose: str, parts: tuple[object, ...]) -> bytes:
    message = b"".join(len(text).to_bytes(4, "big") + text for text in (str(part).encode() for part in parts))
    return hmac.digest(derive_key(secret, purpose), message, hashlib.sha256)
