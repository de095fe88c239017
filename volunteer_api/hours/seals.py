"""Sealing the ledger day by day, so that no row can be changed, taken out or slipped in without showing.

A day is sealed an hour after its end: no transaction of ours is open for so long. A row that is committed later still
is not lost between two seals: the next one takes every row of the last seven days that has no seal, and `seal_check`
names it, as it names rows that never got a seal.

Who takes the newest seals away must not have the worker sign what was changed under them: what roots are kept
elsewhere (on certificates) is asked first, and when a day was sealed stands under its signature.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, insert, select, text, tuple_

from volunteer_api.core import clock, events, keyring
from volunteer_api.core.database import db
from volunteer_api.core.logs import logger
from volunteer_api.core.unit_of_work import after_commit, run_unit
from volunteer_api.hours.events import DaySealed
from volunteer_api.hours.leaves import FORMAT, closing_leaf, moment_text, record_leaf
from volunteer_api.hours.merkle import Frontier, inclusion_path, leaf_digest
from volunteer_api.hours.models import DaySeal, SealLeaf, ServiceRecord

SEALED_AFTER = timedelta(hours=1)
LOOK_BACK = timedelta(days=7)
# How long after that the worker may be away before somebody is told.
MAKE_UP = timedelta(days=1)
CHUNK = 2_000
KEYS = "ledger seals"


KeptRoots = Callable[[], Select[date | None, bytes | None]]
_kept: list[KeptRoots] = []


@dataclass(frozen=True)
class Proof:
    """That a row was in the ledger when its day was sealed: `leaf`, hashed with `path`, gives the `root`.

    The tree is that of RFC 6962 with SHA-256, of `size` leaves; the row's is at `index`, digests are in hexadecimal.
    """

    record_id: UUID
    on: date
    leaf: str
    index: int
    size: int
    path: list[str]
    root: str


def register_kept_roots(kept: KeptRoots) -> KeptRoots:
    """Decorate what selects the days and roots of seals that a feature to the right keeps."""
    _kept.append(kept)
    return kept


def kept_roots() -> dict[date, set[bytes]]:
    """The roots that are kept beside the seals, by the day that they are of."""
    found: dict[date, set[bytes]] = {}
    for kept in _kept:
        for on, root in db.session.execute(kept()):
            if on is not None and root is not None:
                found.setdefault(on, set()).add(root)
    return found


def seal_days() -> int:
    """Seal every day that is over and has no seal, each in a unit of its own; returns how many."""
    count = 0
    while run_unit(seal_next_day, writes=True) is not None:
        count += 1
    return count


def seal_next_day() -> DaySeal | None:
    """Seal the day after the last one sealed; None where none is due, or another worker is at it.

    Memory is bounded whatever the day holds.
    """
    if not _is_my_turn():
        return None
    before = last_seal()
    on = _day_after(before)
    if on is None or clock.now() < due_at(on) or _was_sealed(on):
        return None
    number, ends_at = (before.id + 1 if before else 1), clock.start_of(on + timedelta(days=1))
    frontier = Frontier()
    for rows in _unsealed(since=before.ends_at - LOOK_BACK if before else None, before=ends_at):
        leaves = []
        for row in rows:
            digest = leaf_digest(record_leaf(row))
            leaves.append({"id": row.id, "seal_id": number, "position": frontier.size, "digest": digest})
            frontier.add(digest)
        db.session.execute(insert(SealLeaf), leaves)
    seal = DaySeal(
        id=number,
        on=on,
        ends_at=ends_at,
        form=FORMAT,
        record_count=frontier.size,
        previous_root=before.root if before else None,
        sealed_at=clock.now(),
    )
    frontier.add(seal_digest(seal))
    seal.root = frontier.root()
    seal.signature = sign(seal.root, seal.sealed_at)
    db.session.add(seal)
    db.session.flush()
    events.publish(DaySealed(seal_id=number, on=on))
    # A copy of the root outside of the database: `volunteer-api ledger verify --root` compares.
    told = {"on": on.isoformat(), "root": seal.root.hex(), "records": seal.record_count}
    after_commit(lambda: logger().info("day_sealed", **told))
    return seal


def last_seal() -> DaySeal | None:
    """The newest seal."""
    return db.session.scalar(select(DaySeal).order_by(DaySeal.id.desc()).limit(1))


def overdue_day() -> date | None:
    """The first day without a seal that should have had one for a day; None where all is well."""
    on = _day_after(last_seal())
    if on is None or clock.now() < due_at(on) + MAKE_UP:
        return None
    return on


def day_ahead() -> date | None:
    """The last day that is sealed, where it was sealed before it was over: by a clock that was ahead.

    What is recorded until then has no seal, and `seal_check` names each row of it.
    """
    last = last_seal()
    return last.on if last is not None and clock.now() < last.ends_at else None


def due_at(on: date) -> datetime:
    """From when on a day may be sealed."""
    return clock.start_of(on + timedelta(days=1)) + SEALED_AFTER


def sign(root: bytes, sealed_at: datetime) -> bytes:
    """The keyed digest of a root and of when it was sealed: the database alone, without SECRET_KEY, can't make one."""
    return keyring.look_up(KEYS, f"{root.hex()} {moment_text(sealed_at)}")


def seal_digest(seal: DaySeal) -> bytes:
    """The digest of a seal's closing leaf."""
    return leaf_digest(
        closing_leaf(
            form=seal.form,
            on=seal.on,
            ends_at=seal.ends_at,
            count=seal.record_count,
            previous_root=seal.previous_root,
        )
    )


def prove(record_id: UUID) -> Proof | None:
    """The proof for a row of the ledger; None while its day has no seal. Takes time with the rows of its day."""
    found = db.session.execute(
        select(ServiceRecord, SealLeaf.position, DaySeal)
        .join(SealLeaf, SealLeaf.id == ServiceRecord.id)
        .join(DaySeal, DaySeal.id == SealLeaf.seal_id)
        .where(ServiceRecord.id == record_id)
    ).one_or_none()
    if found is None:
        return None
    record, position, seal = found
    digests = list(
        db.session.scalars(select(SealLeaf.digest).where(SealLeaf.seal_id == seal.id).order_by(SealLeaf.position))
    )
    digests.append(seal_digest(seal))
    return Proof(
        record_id=record.id,
        on=seal.on,
        leaf=record_leaf(record, seal.form).decode(),
        index=position,
        size=len(digests),
        path=[digest.hex() for digest in inclusion_path(digests, position)],
        root=seal.root.hex(),
    )


def _is_my_turn() -> bool:
    """Whether no other worker seals: on SQLite the unit is the only writer anyway."""
    if db.engine.dialect.name != "postgresql":
        return True
    return bool(db.session.scalar(text("SELECT pg_try_advisory_xact_lock(hashtext('hours.seal_days'))")))


def _was_sealed(on: date) -> bool:
    """Whether a root of this day or of a later one is kept: then somebody took seals away, and nothing is sealed."""
    kept = [subquery.c[0] for subquery in (one().subquery() for one in _kept)]
    newest = [found for found in (db.session.scalar(select(func.max(column))) for column in kept) if found is not None]
    if not newest or max(newest) < on:
        return False
    logger().error("seals_missing", since=on.isoformat(), known_until=max(newest).isoformat())
    return True


def _day_after(before: DaySeal | None) -> date | None:
    if before is not None:
        return before.on + timedelta(days=1)
    first = db.session.scalar(select(ServiceRecord.recorded_at).order_by(ServiceRecord.recorded_at).limit(1))
    return clock.local_date(first) if first is not None else None


def _unsealed(*, since: datetime | None, before: datetime) -> Iterator[Sequence[Row[*tuple[Any, ...]]]]:
    """The rows recorded in these moments that no seal has, in the order of recording, in chunks."""
    key = tuple_(ServiceRecord.recorded_at, ServiceRecord.id)
    rows = (
        select(*ServiceRecord.__table__.columns)
        .outerjoin(SealLeaf, SealLeaf.id == ServiceRecord.id)
        .where(SealLeaf.id.is_(None), ServiceRecord.recorded_at < before)
        .order_by(ServiceRecord.recorded_at, ServiceRecord.id)
        .limit(CHUNK)
    )
    if since is not None:
        rows = rows.where(ServiceRecord.recorded_at >= since)
    chunk = rows
    while found := db.session.execute(chunk).all():
        yield found
        chunk = rows.where(key > (found[-1].recorded_at, found[-1].id))
