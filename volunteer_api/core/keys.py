"""Keys for one purpose each, derived from the one secret, so that a leak of one use opens no other."""

import hashlib
import hmac

from volunteer_api.core.settings import settings


def derive_key(secret: str, purpose: str) -> bytes:
    """32 bytes that only this secret and this purpose give."""
    return hmac.digest(secret.encode(), purpose.encode(), hashlib.sha256)


def sign(purpose: str, *parts: object) -> bytes:
    """A keyed digest (HMAC-SHA256, 32 bytes) over the parts, each with its length so that no two splits collide."""
    message = b"".join(len(text).to_bytes(4, "big") + text for text in (str(part).encode() for part in parts))
    return hmac.digest(derive_key(settings().secret_key, purpose), message, hashlib.sha256)


def same(left: bytes, right: bytes) -> bool:
    """Equality in constant time."""
    return hmac.compare_digest(left, right)
