"""Identifiers. UUIDv7 (RFC 9562): they sort by time of creation, so an index on them grows at its end."""

import secrets
from uuid import UUID

import uuid_utils.compat

# Letters and digits that nobody confuses when reading aloud (no 0/O, 1/I/L).
READABLE = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


def new_id() -> UUID:
    """A fresh UUIDv7."""
    return uuid_utils.compat.uuid7()


def readable(length: int) -> str:
    """An unguessable text of `length` characters that a person can read aloud."""
    return "".join(secrets.choice(READABLE) for _ in range(length))
