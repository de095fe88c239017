"""The encryption of web pushes (RFC 8291, on RFC 8188's aes128gcm): only the browser reads what the service carries.

Three derivations and one sealing by the library that we have; http-ece, which does the same, has not been touched for
years, and pywebpush brings two HTTP clients for it. Held to the RFC's own example by a test.
"""

import secrets

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CURVE = ec.SECP256R1()
POINT_BYTES = 65
AUTH_BYTES = 16
RECORD_BYTES = 4096
# Of a body of 4096 bytes (the least that a service must take), without head, tag and delimiter.
PLAIN_BYTES = RECORD_BYTES - (16 + 4 + 1 + POINT_BYTES) - 16 - 1
# Texts of about the same length look the same on the way.
PADDED_TO = 512


def encrypt(
    plain: bytes,
    *,
    p256dh: bytes,
    auth: bytes,
    private_key: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
    padded_to: int = PADDED_TO,
) -> bytes:
    """The body of a push for a browser's keys, which were judged. Key and salt are new for each, save in tests.

    Raises ValueError for more than `PLAIN_BYTES`.
    """
    if len(plain) > PLAIN_BYTES:
        raise ValueError("more than fits into one record")
    own, salt = private_key or ec.generate_private_key(CURVE), salt or secrets.token_bytes(16)
    point = own.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    shared = own.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(CURVE, p256dh))
    secret = _derive(shared, salt=auth, info=b"WebPush: info\0" + p256dh + point, length=32)
    key = _derive(secret, salt=salt, info=b"Content-Encoding: aes128gcm\0", length=16)
    nonce = _derive(secret, salt=salt, info=b"Content-Encoding: nonce\0", length=12)
    padding = min(-len(plain) % padded_to, PLAIN_BYTES - len(plain))
    sealed = AESGCM(key).encrypt(nonce, plain + b"\2" + bytes(padding), None)
    return salt + RECORD_BYTES.to_bytes(4, "big") + bytes((POINT_BYTES,)) + point + sealed


def is_point(encoded: bytes) -> bool:
    """Whether the bytes are an uncompressed point on the curve: one that is not could betray the key that meets it."""
    if len(encoded) != POINT_BYTES:
        return False
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(CURVE, encoded)
    except ValueError:
        return False
    return True


def _derive(material: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(material)
