"""Named rings of keys that rotate: what is sealed or signed says by which key, and older keys go on opening it.

A key is 32 random bytes in `keyring_keys`, wrapped under a key derived from SECRET_KEY. A ring's first key is made when
it is first asked for. Rings are read once per process; a normal call costs no statement.

A key that this process can't unwrap, because another host wraps under a newer SECRET_KEY already, stays locked: what
other keys open goes on, new values get the newest key that is open, and only what needs the locked one is refused.
"""

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import current_app
from sqlalchemy import Connection, UniqueConstraint, func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core import clock
from volunteer_api.core.database import BEGIN_IMMEDIATE, Base, db
from volunteer_api.core.keys import derive_key, secrets_known
from volunteer_api.core.logs import logger
from volunteer_api.core.problems import Busy, Unavailable
from volunteer_api.core.settings import settings
from volunteer_api.core.statements import insert
from volunteer_api.core.unit_of_work import after_commit

EXTENSION = "volunteer_api.keyring"
LOOK_UP = " look-up"
LAYOUT = 1
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
# How old a process's reading may be when it chooses a key to seal or sign with. A key that becomes active later than
# this after its making is known to every process by then.
FRESH_SECONDS = 30.0


class SealBroken(Exception):
    """The sealed bytes were changed, belong to another context or purpose, or are none of ours."""


class KeyUnknown(SealBroken):
    """No key of this ring has the id that the sealed bytes name."""


class KeyringLocked(Unavailable):
    """503: neither SECRET_KEY nor SECRET_KEY_PREVIOUS unwraps a key that is needed. Its text, for who runs the server,
    names the key."""

    title = "This server can't open a key that it needs; nothing was changed."

    def __init__(self, key_id: str, purpose: str) -> None:
        super().__init__()
        self.key_id, self.purpose = key_id, purpose

    def __str__(self) -> str:
        return (
            f"SECRET_KEY does not open the key {self.key_id} ({self.purpose}); "
            "name the former secret in SECRET_KEY_PREVIOUS"
        )


class RingUnknown(Exception):
    """There is no such ring, or it is one that can't rotate; the text says which."""


class KeyringKey(Base):
    """One key of a ring. `sealed` is the nonce and the wrapped key; from `retires_at` on it opens nothing more."""

    __tablename__ = "keyring_keys"
    # Several processes that make a ring's first key together end with one.
    __table_args__ = (UniqueConstraint("purpose", "number"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    number: Mapped[int]
    sealed: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    active_at: Mapped[datetime]
    retires_at: Mapped[datetime | None]


@dataclass(frozen=True)
class Key:
    """A key, `unwrapped` where this process can. It seals and signs from `active_at` on, until a newer one does."""

    id: str
    purpose: str
    number: int
    unwrapped: bytes | None = field(repr=False)
    active_at: datetime
    retires_at: datetime | None

    @property
    def secret(self) -> bytes:
        """The 32 bytes. Raises KeyringLocked."""
        if self.unwrapped is None:
            raise KeyringLocked(self.id, self.purpose)
        return self.unwrapped

    @property
    def retired(self) -> bool:
        return self.retires_at is not None and self.retires_at <= clock.now()


@dataclass(frozen=True)
class Reading:
    """What the table held when this process last read it, and when that was (monotonic seconds)."""

    keys: dict[str, Key]
    read_at: float

    def ring(self, purpose: str) -> list[Key]:
        """The keys of a ring, oldest first."""
        return sorted((key for key in self.keys.values() if key.purpose == purpose), key=lambda key: key.number)


def encrypt(purpose: str, plaintext: bytes, context: bytes) -> bytes:
    """Seal with AES-256-GCM under the ring's newest key.

    `context` says whose and what the value is (like a row's id and a column's name): sealed bytes that were moved
    elsewhere don't open there. The layout: 1, the length of the key id, the key id, a nonce of 12 bytes, the
    ciphertext with its tag of 16.
    """
    key = newest_key(purpose)
    nonce = secrets.token_bytes(NONCE_BYTES)
    return _head(key.id) + nonce + AESGCM(key.secret).encrypt(nonce, plaintext, context)


def decrypt(purpose: str, sealed: bytes, context: bytes) -> bytes:
    """Open what `encrypt` sealed for the same purpose and context. Raises SealBroken, KeyUnknown."""
    key_id = key_id_of(sealed)
    key = find_key(purpose, key_id)
    if key is None:
        raise KeyUnknown(f"the ring {purpose!r} has no key {key_id!r}")
    start = len(_head(key_id))
    nonce, ciphertext = sealed[start : start + NONCE_BYTES], sealed[start + NONCE_BYTES :]
    try:
        return AESGCM(key.secret).decrypt(nonce, ciphertext, context)
    except InvalidTag as error:
        raise SealBroken(f"a value of the ring {purpose!r} does not open in this context") from error


def key_id_of(sealed: bytes) -> str:
    """The id of the key that sealed. Raises SealBroken where the bytes are none of ours."""
    if len(sealed) < 2 or sealed[0] != LAYOUT or len(sealed) < 2 + sealed[1] + NONCE_BYTES + TAG_BYTES:
        raise SealBroken("not a sealed value")
    try:
        return bytes(sealed[2 : 2 + sealed[1]]).decode("ascii")
    except UnicodeDecodeError as error:
        raise SealBroken("not a sealed value") from error


def newest_key_id(purpose: str) -> str:
    """The id of the key that `encrypt` uses now: a value under another one is due for sealing again."""
    return newest_key(purpose).id


def look_up(purpose: str, text: str) -> bytes:
    """A keyed digest (HMAC-SHA256, 32 bytes) to find a sealed value by, under a ring of its own that never rotates."""
    ring = _ring(purpose + LOOK_UP)
    return hmac.digest(ring[0].secret, text.encode(), hashlib.sha256)


def newest_key(purpose: str) -> Key:
    """The key to seal or sign with, of those that are open here; the ring's first is made where it has none.

    May read the table every 30 s. Raises KeyringLocked where none is open.
    """
    good = [key for key in _ring(purpose, FRESH_SECONDS) if not key.retired]
    ring = [key for key in good if key.unwrapped is not None]
    if good and not ring:
        raise KeyringLocked(good[-1].id, purpose)
    now = clock.now()
    active = [key for key in ring if key.active_at <= now]
    if active:
        return active[-1]
    # Only where the clock was set back (the demo's past weeks): the oldest is what everybody knows.
    return ring[0] if ring else _add_first(purpose)


def find_key(purpose: str, key_id: str) -> Key | None:
    """The ring's key with this id. One that this process doesn't know, or can't open, costs a look into the table."""
    key = reading().keys.get(key_id)
    if key is None or key.unwrapped is None:
        key = read_again().keys.get(key_id)
    if key is None and (connection := _own_writer()) is not None:
        key = _read(connection).keys.get(key_id)
    return key if key is not None and key.purpose == purpose else None


def reading(oldest_seconds: float | None = None) -> Reading:
    """What this process knows of the table, not older than `oldest_seconds` (None: as old as it may be)."""
    known: Reading | None = current_app.extensions.get(EXTENSION)
    if known is None or (oldest_seconds is not None and time.monotonic() - known.read_at > oldest_seconds):
        return read_again()
    return known


def read_again() -> Reading:
    """Read what is committed, on a connection apart: a key that its unit then takes back must not stay known.

    Raises Unavailable (503).
    """
    try:
        with db.engine.connect() as connection:
            found = _read(connection)
    except (DBAPIError, PoolTimeout) as error:
        raise Unavailable() from error
    known: Reading | None = current_app.extensions.get(EXTENSION)
    if known is not None:
        found = Reading({key.id: _remembered(key, known) for key in found.keys.values()}, found.read_at)
    current_app.extensions[EXTENSION] = found
    return found


def _remembered(key: Key, known: Reading) -> Key:
    """A key that another host wrapped anew, under a secret that this one lacks, is what it was before."""
    before = known.keys.get(key.id)
    if key.unwrapped is not None or before is None or before.purpose != key.purpose:
        return key
    return replace(key, unwrapped=before.unwrapped)


def require_open() -> None:
    """Raise KeyringLocked where a ring has no key that is open here: this server could serve nobody.

    That some keys are locked is said in the log: another host wraps under another secret.
    """
    known = read_again()
    for purpose in sorted({key.purpose for key in known.keys.values()}):
        ring = known.ring(purpose)
        locked = [key for key in ring if key.unwrapped is None]
        if len(locked) == len(ring):
            raise KeyringLocked(ring[-1].id, purpose)
        for key in locked:
            logger().warning("key_locked", key_id=key.id, ring=purpose)


def forget() -> None:
    """Let the next call read the table."""
    current_app.extensions.pop(EXTENSION, None)


def rotate(purpose: str, *, delay: timedelta = timedelta(), overlap: timedelta | None = None) -> str:
    """Add a key as a part of the running unit; returns its id.

    It is the newest from `delay` on. The older ones retire `overlap` after that; None: they open for ever. Raises
    RingUnknown for a ring without a key (a misspelling) and for one that digests are found by.
    """
    numbers = select(func.max(KeyringKey.number)).where(KeyringKey.purpose == purpose)
    last = db.session.scalar(numbers)
    if last is None:
        names = db.session.scalars(select(KeyringKey.purpose).distinct().order_by(KeyringKey.purpose))
        raise RingUnknown(f"there is no ring {purpose!r}; there are: {', '.join(names) or 'none'}")
    if purpose.endswith(LOOK_UP):
        raise RingUnknown(f"the ring {purpose!r} does not rotate: stored digests could not be found by a new key")
    active_at = clock.now() + delay
    if overlap is not None:
        db.session.execute(
            update(KeyringKey)
            .where(KeyringKey.purpose == purpose, KeyringKey.retires_at.is_(None))
            .values(retires_at=active_at + overlap)
            .execution_options(synchronize_session=False)
        )
    values = _new_key(purpose, last + 1, active_at)
    db.session.add(KeyringKey(**values))
    after_commit(forget)
    return str(values["id"])


def rewrap() -> int:
    """Wrap all keys under the present SECRET_KEY as a part of the running unit; returns how many there are.

    Raises KeyringLocked.
    """
    rows = db.session.scalars(select(KeyringKey)).all()
    for row in rows:
        secret = _unwrap(row)
        if secret is None:
            raise KeyringLocked(row.id, row.purpose)
        row.sealed = _wrap(secret, row.purpose, row.id)
    after_commit(forget)
    return len(rows)


def _ring(purpose: str, oldest_seconds: float | None = None) -> list[Key]:
    """The keys of a ring, oldest first; never empty."""
    return reading(oldest_seconds).ring(purpose) or read_again().ring(purpose) or [_add_first(purpose)]


def _add_first(purpose: str) -> Key:
    """Make the ring's first key, or find the one that another process made in this moment. Raises Busy (503)."""
    statement = insert(KeyringKey).values(**_new_key(purpose, 1, clock.now())).on_conflict_do_nothing()
    connection = _own_writer()
    if connection is not None:
        # Part of the unit, and known to the process once it is read after the commit.
        connection.execute(statement)
        return _read(connection).ring(purpose)[0]
    try:
        # Apart from the running unit: what two units seal under two first keys could not both stand.
        with db.engine.execution_options(**{BEGIN_IMMEDIATE: True}).begin() as apart:
            apart.execute(statement)
    except (DBAPIError, PoolTimeout) as error:
        raise Busy() from error
    return read_again().ring(purpose)[0]


def _own_writer() -> Connection | None:
    """The running unit's connection where it is SQLite's only writer: another would wait for it, and it for that."""
    if db.engine.dialect.name != "sqlite" or not db.session().in_transaction():
        return None
    connection = db.session.connection()
    return connection if connection.get_execution_options().get(BEGIN_IMMEDIATE) else None


def _read(connection: Connection) -> Reading:
    read_at = time.monotonic()
    rows = connection.execute(select(*KeyringKey.__table__.columns)).all()
    keys = (Key(row.id, row.purpose, row.number, _unwrap(row), row.active_at, row.retires_at) for row in rows)
    return Reading({key.id: key for key in keys}, read_at)


def _new_key(purpose: str, number: int, active_at: datetime) -> dict[str, Any]:
    key_id = secrets.token_hex(4)
    return {
        "id": key_id,
        "purpose": purpose,
        "number": number,
        "sealed": _wrap(secrets.token_bytes(KEY_BYTES), purpose, key_id),
        "created_at": clock.now(),
        "active_at": active_at,
        "retires_at": None,
    }


def _wrap(secret: bytes, purpose: str, key_id: str) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    wrapper = AESGCM(derive_key(settings().secret_key, "keyring"))
    return nonce + wrapper.encrypt(nonce, secret, _wrapping(purpose, key_id))


def _unwrap(row: Any) -> bytes | None:
    nonce, ciphertext = row.sealed[:NONCE_BYTES], row.sealed[NONCE_BYTES:]
    for outer in secrets_known():
        try:
            return AESGCM(derive_key(outer, "keyring")).decrypt(nonce, ciphertext, _wrapping(row.purpose, row.id))
        except InvalidTag:
            continue
    return None


def _wrapping(purpose: str, key_id: str) -> bytes:
    return f"{purpose}\0{key_id}".encode()


def _head(key_id: str) -> bytes:
    return bytes((LAYOUT, len(key_id))) + key_id.encode("ascii")
