"""Rate limits, counted across workers: in Valkey where it is configured, else in the database."""

import math
from datetime import datetime, timedelta
from ipaddress import IPv6Address, IPv6Network
from typing import Any, Protocol

from flask import current_app, g, has_request_context, request
from limits import RateLimitItem, parse
from limits.storage import RedisStorage
from sqlalchemy import Index, case, select, update
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.dml import ReturningInsert

from volunteer_api.core import clock, metrics
from volunteer_api.core.addresses import caller
from volunteer_api.core.database import BEGIN_IMMEDIATE, Base, db
from volunteer_api.core.keys import sign
from volunteer_api.core.logs import logger
from volunteer_api.core.problems import TooManyRequests
from volunteer_api.core.settings import settings
from volunteer_api.core.statements import delete_some, insert
from volunteer_api.core.tasks import Every, repeat, task

EXTENSION = "volunteer_api.counters"
PATIENCE_SECONDS = 0.5


class RateCounter(Base):
    """How often something was asked for in the running window."""

    __tablename__ = "rate_counters"
    __table_args__ = (Index("ix_rate_counters_expires_at", "expires_at"),)

    # A keyed digest: the table holds no address and no phone number.
    key: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    expires_at: Mapped[datetime]


class Counters(Protocol):
    """Where the counts live."""

    def hit(self, key: str, window_seconds: int) -> tuple[int, float]:
        """Count one; returns the count in this window and the seconds until the window ends."""


class DatabaseCounters:
    """Counts in a table, each in a short transaction of its own: a refused or failed request counts too."""

    def hit(self, key: str, window_seconds: int) -> tuple[int, float]:
        moment = clock.now()
        with db.engine.execution_options(**{BEGIN_IMMEDIATE: True}).begin() as connection:
            row = connection.execute(_count(key, window_seconds, moment, 1)).one()
        return row.amount, (row.expires_at - moment).total_seconds()


class ValkeyCounters:
    """Counts in Valkey."""

    def __init__(self, url: str) -> None:
        self._storage = RedisStorage(
            url, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS, key_prefix="limits"
        )

    def is_there(self) -> bool:
        """Whether it answers, in half a second."""
        return self._storage.check()

    def hit(self, key: str, window_seconds: int) -> tuple[int, float]:
        count = self._storage.incr(key, window_seconds)
        return count, self._storage.get_expiry(key) - clock.now().timestamp()


def check_limit(limit: str, scope: str, who: str | None = None) -> None:
    """Count this request against `limit`, like "60/10 minutes", under `scope`; per address, or per `who` where given.

    Leaves the RateLimit headers for the answer in `g.limit_headers`. Where the counters can't be reached, the request
    goes through: their loss costs the limit only. Raises TooManyRequests (429).
    """
    if not settings().limits:
        return
    item = parse(limit)
    window = item.get_expiry()
    key = _key(scope, who if who is not None else caller_address())
    try:
        count, seconds_left = _counters().hit(key, window)
    except Exception as error:
        metrics.LIMITS_SKIPPED.labels(scope).inc()
        logger().warning("limit_skipped", scope=scope, error=type(error).__name__)
        return
    seconds = max(1, math.ceil(seconds_left))
    counted = "address" if who is None else "person"
    headers = _headers(item, counted, window, max(0, item.amount - count), seconds)
    if count > item.amount:
        raise TooManyRequests(seconds=seconds, headers={"Retry-After": str(seconds), **headers})
    g.limit_headers = headers


def spend(limit: str, scope: str, who: str, *, amount: int = 1) -> int:
    """Count `amount` against `limit`, like "10/day", under `scope` for `who`, in the running unit; returns the count.

    For what only a service can tell apart: `check_limit` counts outside of the unit, where SQLite's only writer waits
    for itself. What the unit doesn't commit isn't counted; a refusal that must count has `keeps_writes`. Always in the
    database; off with LIMITS=0, and then 0. Raises TooManyRequests (429).
    """
    if not settings().limits:
        return 0
    item, moment = parse(limit), clock.now()
    row = db.session.execute(_count(_key(scope, who), item.get_expiry(), moment, amount)).one()
    if row.amount > item.amount:
        raise _spent(row.expires_at, moment)
    counted: int = row.amount
    return counted


def give_back(scope: str, who: str) -> None:
    """Take back one that was spent in the running window: what it was for did not come about."""
    db.session.execute(
        update(RateCounter)
        .where(RateCounter.key == _key(scope, who), RateCounter.count > 0, RateCounter.expires_at > clock.now())
        .values(count=RateCounter.count - 1)
    )


def spent(scope: str, who: str) -> int:
    """How many were spent in the running window."""
    which = RateCounter.key == _key(scope, who), RateCounter.expires_at > clock.now()
    return db.session.scalar(select(RateCounter.count).where(*which)) or 0


def require_left(limit: str, scope: str, who: str) -> None:
    """Raise TooManyRequests (429) where `spend` would; counts nothing."""
    if not settings().limits:
        return
    moment = clock.now()
    expires_at = db.session.scalar(
        select(RateCounter.expires_at).where(
            RateCounter.key == _key(scope, who),
            RateCounter.count >= parse(limit).amount,
            RateCounter.expires_at > moment,
        )
    )
    if expires_at is not None:
        raise _spent(expires_at, moment)


def warn_of_lost_counters() -> str | None:
    """What `/readyz` says while no limit is counted."""
    if not settings().limits:
        return None
    counters = _counters()
    if not isinstance(counters, ValkeyCounters) or counters.is_there():
        return None
    return "Limits are not counted: Valkey (VALKEY_URL) is not reached."


def caller_address(ipv6_bits: int = 64) -> str:
    """The caller's address; of IPv6 the network, /64: one household has all of it. "" outside of a request."""
    if not has_request_context():
        return ""
    address = caller()
    if address is None:
        return request.remote_addr or ""
    return str(IPv6Network((address, ipv6_bits), strict=False)) if isinstance(address, IPv6Address) else str(address)


@task("core.forget_rate_counters", every=Every.HOUR, unit=False)
def forget_rate_counters() -> None:
    """Delete the counters whose window is over."""
    repeat(lambda: delete_some(RateCounter, RateCounter.expires_at <= clock.now()))


def _key(scope: str, who: str) -> str:
    return sign("rate limit", scope, who).hex()


def _count(key: str, window_seconds: int, moment: datetime, amount: int) -> ReturningInsert[Any]:
    over = RateCounter.expires_at <= moment
    expires_at = moment + timedelta(seconds=window_seconds)
    counted: ReturningInsert[Any] = (
        insert(RateCounter)
        .values(key=key, count=amount, expires_at=expires_at)
        .on_conflict_do_update(
            index_elements=["key"],
            set_={
                "count": case((over, amount), else_=RateCounter.count + amount),
                "expires_at": case((over, expires_at), else_=RateCounter.expires_at),
            },
        )
        .returning(RateCounter.count.label("amount"), RateCounter.expires_at)
    )
    return counted


def _spent(expires_at: datetime, moment: datetime) -> TooManyRequests:
    seconds = max(1, math.ceil((expires_at - moment).total_seconds()))
    return TooManyRequests(seconds=seconds, headers={"Retry-After": str(seconds)})


def _counters() -> Counters:
    found: Counters | None = current_app.extensions.get(EXTENSION)
    if found is None:
        url = settings().valkey_url
        found = DatabaseCounters() if url is None else ValkeyCounters(url)
        current_app.extensions[EXTENSION] = found
    return found


def _headers(item: RateLimitItem, counted: str, window: int, remaining: int, seconds: int) -> dict[str, str]:
    # https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
    return {
        "RateLimit": f'"{counted}";r={remaining};t={seconds}',
        "RateLimit-Policy": f'"{counted}";q={item.amount};w={window}',
    }
