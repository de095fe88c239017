"""Identifiers. UUIDv7 (RFC 9562): they sort by time of creation, so an index on them grows at its end."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from random import Random
from uuid import UUID, uuid4

import uuid_utils.compat

# Letters and digits that nobody confuses when reading aloud (no 0/O, 1/I/L).
READABLE = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


class Seeded:
    """Identifiers that follow from a seed and the moments at which they are asked for."""

    def __init__(self, random: Random, now: Callable[[], datetime]) -> None:
        self.random = random
        self._now = now
        self._count = 0

    def next(self) -> UUID:
        """A UUIDv7 of the present moment; its count keeps those of one millisecond in order."""
        self._count = (self._count + 1) % 0x1000
        milliseconds = int(self._now().timestamp() * 1000)
        tail = 0b10 << 62 | self.random.getrandbits(62)
        return UUID(int=milliseconds << 80 | 0x7 << 76 | self._count << 64 | tail)


_seeded: ContextVar[Seeded | None] = ContextVar("seeded_ids", default=None)


def new_id() -> UUID:
    """A fresh UUIDv7."""
    source = _seeded.get()
    return uuid_utils.compat.uuid7() if source is None else source.next()


def timeless_id() -> UUID:
    """A fresh UUIDv4, for what does not tell the moment in which it was made."""
    source = _seeded.get()
    return uuid4() if source is None else UUID(int=source.random.getrandbits(128), version=4)


def readable(length: int) -> str:
    """An unguessable text of `length` characters that a person can read aloud."""
    source = _seeded.get()
    choose = secrets.choice if source is None else source.random.choice
    return "".join(choose(READABLE) for _ in range(length))


@contextmanager
def seeded(random: Random, now: Callable[[], datetime]) -> Iterator[None]:
    """Let identifiers follow from a seed inside the block, and be guessable: for made-up data, twice the same."""
    token = _seeded.set(Seeded(random, now))
    try:
        yield
    finally:
        _seeded.reset(token)
