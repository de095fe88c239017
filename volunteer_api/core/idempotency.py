"""First answers, kept under the client's key in the same transaction as their effect."""

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

from flask import Response, request
from sqlalchemy import ColumnElement, Index, LargeBinary, Select, and_, bindparam, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core import clock
from volunteer_api.core.access import Principal
from volunteer_api.core.database import JSON_TYPE, Base, db
from volunteer_api.core.keys import digests
from volunteer_api.core.problems import IdempotencyKeyInvalid, IdempotencyKeyMissing, IdempotencyKeyReused, SessionEnded
from volunteer_api.core.statements import among, delete_some, insert, insert_all
from volunteer_api.core.tokens import session_is_open, session_values
from volunteer_api.core.unit_of_work import Rerun

HEADER = "Idempotency-Key"
KEPT_DAYS = 30
VISIBLE = re.compile(r"[\x21-\x7e]{1,64}")
# What a body that may be left out is written as: one request, and its key may be known from either.
NOTHING = (b"", b"{}")
KEPT_HEADERS = ("Content-Type", "Content-Language", "ETag", "Location")


class IdempotencyKey(Base):
    """The first answer to a request, under its owner's key."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)

    owner_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int]
    headers: Mapped[dict[str, str]] = mapped_column(JSON_TYPE)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


# Built once, as what follows: every POST asks, and stores.
_ANSWER = (IdempotencyKey.fingerprint, IdempotencyKey.status, IdempotencyKey.headers, IdempotencyKey.body)
_KNOWN = and_(IdempotencyKey.owner_id == bindparam("owner_id"), IdempotencyKey.key == bindparam("key"))
_FIRST_ANSWER = select(*_ANSWER).where(_KNOWN)


@lru_cache(maxsize=1)
def _admission(condition: ColumnElement[bool]) -> Select[Any]:
    """Whether the session is open, and the first answer beside it: None where the key is new."""
    asked = select(condition.label("is_open")).subquery()
    return select(asked.c.is_open, *_ANSWER).select_from(asked.outerjoin(IdempotencyKey, _KNOWN))


@cache
def _storing(_dialect: str) -> Any:
    table = IdempotencyKey.__table__
    return insert(table).on_conflict_do_nothing().returning(table.c.key)


@dataclass(frozen=True)
class Answer:
    """A first answer as it is kept, with the fingerprint of its request."""

    fingerprint: bytes
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Replayable:
    """One request's key, and what must be equal for another request to be the same one."""

    owner_id: UUID
    key: str
    fingerprint: bytes
    # What it was, or would have been, under a former secret.
    former: Collection[bytes] = ()

    def admit(self, principal: Principal) -> Response | None:
        """`first_answer` for whom `require_open_session` lets in, asked in one statement. Raises what both do."""
        values = self._own_key() | session_values(principal)
        row = db.session.connection().execute(_admission(session_is_open()), values).one()
        if not row.is_open:
            raise SessionEnded()
        return self._replay(row) if row.status is not None else None

    def first_answer(self) -> Response | None:
        """The stored answer, None where the key is new. Raises IdempotencyKeyReused (422) for another request."""
        row = db.session.connection().execute(_FIRST_ANSWER, self._own_key()).one_or_none()
        return self._replay(row) if row is not None else None

    def _own_key(self) -> dict[str, Any]:
        return {"owner_id": self.owner_id, "key": self.key}

    def _replay(self, row: Any) -> Response:
        if row.fingerprint not in (self.fingerprint, *self.former):
            raise IdempotencyKeyReused()
        response = Response(row.body, status=row.status, headers=row.headers)
        response.headers["Idempotency-Replayed"] = "true"
        return response

    def store(self, response: Response) -> None:
        """Keep the answer. Raises Rerun where a twin was first: this effect is undone, the twin's answer replayed."""
        connection = db.session.connection()
        stored = connection.execute(_storing(connection.dialect.name), self.columns(response))
        if stored.one_or_none() is None:
            raise Rerun()

    def columns(self, response: Response) -> dict[str, Any]:
        """The row under which the answer is kept."""
        return {
            **self._own_key(),
            "fingerprint": self.fingerprint,
            "status": response.status_code,
            "headers": {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers},
            "body": response.get_data(),
            "created_at": clock.now(),
        }


def read_key(
    owner_id: UUID, body: bytes, *, required: bool, compared: tuple[Any, ...] | None = None
) -> Replayable | None:
    """The request's key, None where it sent none and needs none.

    Two requests are the same where method, address and body are, no body and `{}` being one; or, with `compared`, where
    those values are. Their
    fingerprint has a key: beside the stored answer, a mere hash would let whoever reads the database try which phone
    number stood in the request.

    Raises IdempotencyKeyMissing or IdempotencyKeyInvalid (400).
    """
    key = request.headers.get(HEADER)
    if key is None:
        if required:
            raise IdempotencyKeyMissing()
        return None
    if not VISIBLE.fullmatch(key):
        raise IdempotencyKeyInvalid()
    if compared is not None:
        same = [compared]
    else:
        bodies = (body, *(other for other in NOTHING if other != body)) if body in NOTHING else (body,)
        same = [(request.method, request.full_path, one) for one in bodies]
    fingerprint, *former = [one for request_compared in same for one in fingerprints(request_compared)]
    return Replayable(owner_id=owner_id, key=key, fingerprint=fingerprint, former=former)


def fingerprints(compared: tuple[Any, ...]) -> list[bytes]:
    """The fingerprint of a request by what is compared of it, then what it would have been under a former secret."""
    digest = hashlib.sha256()
    for part in (item if isinstance(item, bytes) else str(item).encode("utf-8", "replace") for item in compared):
        digest.update(len(part).to_bytes(8, "big") + part)
    # The last one is what was kept before fingerprints had a key; 30 days later there are none.
    return [*digests("idempotent request", digest.hexdigest()), digest.digest()]


def is_key(value: Any) -> bool:
    """Whether a value can be an operation's key: 1 to 64 visible ASCII characters."""
    return isinstance(value, str) and VISIBLE.fullmatch(value) is not None


def kept_answers(owner_id: UUID, keys: Collection[str]) -> dict[str, Answer]:
    """The first answers under those of the keys that are known."""
    rows = db.session.execute(
        select(
            IdempotencyKey.key,
            IdempotencyKey.fingerprint,
            IdempotencyKey.status,
            IdempotencyKey.headers,
            IdempotencyKey.body,
        ).where(IdempotencyKey.owner_id == owner_id, among(IdempotencyKey.key, keys))
    )
    return {row.key: Answer(row.fingerprint, row.status, row.headers, row.body) for row in rows}


def keep_answers(owner_id: UUID, answers: Mapping[str, Answer]) -> None:
    """Keep the answers of several operations, by their keys. Raises Rerun where a twin of one was first."""
    now = clock.now()
    rows = [
        {
            "owner_id": owner_id,
            "key": key,
            "fingerprint": answer.fingerprint,
            "status": answer.status,
            "headers": answer.headers,
            "body": answer.body,
            "created_at": now,
        }
        for key, answer in answers.items()
    ]
    stored = insert_all(IdempotencyKey, rows, skip_known=True)
    if len(stored) < len(rows):
        raise Rerun()


def rename_request(owner_id: UUID, key: str, compared: tuple[Any, ...]) -> None:
    """Let the answer under a key belong to a request that says the same in other words."""
    db.session.execute(
        update(IdempotencyKey)
        .where(IdempotencyKey.owner_id == owner_id, IdempotencyKey.key == key)
        .values(fingerprint=fingerprints(compared)[0])
        .execution_options(synchronize_session=False)
    )


def forget_key(owner_id: UUID, key: str) -> None:
    """Let a key be new again: what its answer promised does not hold any more."""
    db.session.execute(delete(IdempotencyKey).where(IdempotencyKey.owner_id == owner_id, IdempotencyKey.key == key))


def forget_old_keys() -> int:
    """Delete keys past their 30 days, some at a time; returns how many."""
    return delete_some(IdempotencyKey, IdempotencyKey.created_at < clock.now() - timedelta(days=KEPT_DAYS))
