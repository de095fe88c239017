"""Limits per address, counted across workers: in Valkey where configured, in the database otherwise."""

import time
from functools import cache
from typing import Any

import limits
from flask import current_app, g, request
from limits.errors import StorageError
from limits.storage import Storage
from sqlalchemy import Float, case, delete, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core.database import BEGIN_IMMEDIATE, Base, db
from volunteer_api.core.problems import TooManyRequests
from volunteer_api.core.settings import settings
from volunteer_api.core.statements import insert


class RateCounter(Base):
    """How often a key was hit in its running window."""

    __tablename__ = "rate_counters"

    key: Mapped[str] = mapped_column(primary_key=True)
    hits: Mapped[int]
    # Seconds since the epoch: the limits library counts in them.
    expires_at: Mapped[float] = mapped_column(Float, index=True)


class DatabaseStorage(Storage):
    """limits' storage in a table, each hit its own short transaction before the request's own begins."""

    STORAGE_SCHEME = ["database"]

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = True, **options: Any) -> None:
        super().__init__(uri, wrap_exceptions=True)

    @property
    def base_exceptions(self) -> type[Exception]:
        return SQLAlchemyError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        now = time.time()
        statement = insert(RateCounter).values(key=key, hits=amount, expires_at=now + expiry)
        over = RateCounter.expires_at <= now
        statement = statement.on_conflict_do_update(
            index_elements=["key"],
            set_={
                "hits": case((over, amount), else_=RateCounter.hits + amount),
                "expires_at": case((over, now + expiry), else_=RateCounter.expires_at),
            },
        ).returning(RateCounter.hits)
        return int(self._run(statement))

    def get(self, key: str) -> int:
        return int(self._run(select(RateCounter.hits).where(RateCounter.key == key)) or 0)

    def get_expiry(self, key: str) -> float:
        return float(self._run(select(RateCounter.expires_at).where(RateCounter.key == key)) or time.time())

    def check(self) -> bool:
        return self._run(select(1)) == 1

    def reset(self) -> int | None:
        self._run(delete(RateCounter).returning(RateCounter.key))
        return None

    def clear(self, key: str) -> None:
        self._run(delete(RateCounter).where(RateCounter.key == key).returning(RateCounter.key))

    @staticmethod
    def _run(statement: Any) -> Any:
        with db.engine.connect().execution_options(**{BEGIN_IMMEDIATE: True}) as connection, connection.begin():
            return connection.execute(statement).scalar()


def check_limit(limit: str, scope: str) -> None:
    """Count this request against `limit` ("60/10 minutes") for its address.

    Raises TooManyRequests (429) with Retry-After, RateLimit and RateLimit-Policy. A storage that fails lets the
    request in: losing Valkey must cost speed, never service.
    """
    if not settings().limits:
        return
    item, strategy = limits.parse(limit), _strategy(settings().valkey_url)
    key = (scope, request.remote_addr or "unknown")
    try:
        allowed = strategy.hit(item, *key)
        window = strategy.get_window_stats(item, *key)
    except StorageError as error:
        current_app.extensions["volunteer_api.log"].warning("limit_storage_failed", error=type(error).__name__)
        return
    seconds = max(1, int(window.reset_time - time.time()) + 1)
    headers = {
        "RateLimit-Policy": f'"address";q={item.amount};w={item.get_expiry()}',
        "RateLimit": f'"address";r={max(0, window.remaining)};t={seconds}',
    }
    if not allowed:
        raise TooManyRequests(seconds=seconds, headers={**headers, "Retry-After": str(seconds)})
    g.limit_headers = headers


def forget_expired_counters() -> int:
    """Delete the counters whose window is over; returns how many."""
    gone = db.session.execute(delete(RateCounter).where(RateCounter.expires_at < time.time()))
    return int(gone.rowcount)


@cache
def _strategy(valkey_url: str | None) -> limits.strategies.FixedWindowRateLimiter:
    address = f"redis://{valkey_url.split('://', 1)[1]}" if valkey_url else "database://"
    return limits.strategies.FixedWindowRateLimiter(
        limits.storage.storage_from_string(address, wrap_exceptions=True)
    )
