"""Comparing the ledger with its seals. What does not fit is named, by day and row; nothing is repaired.

The seals are compared with the roots on certificates, and a day that should have one must have it: who takes seals
away hides nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, tuple_

from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.keys import same
from volunteer_api.core.logs import logger
from volunteer_api.core.tasks import finding_of, keep_finding
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.hours.leaves import COLUMNS, record_leaf
from volunteer_api.hours.merkle import Frontier, leaf_digest
from volunteer_api.hours.models import DaySeal, SealLeaf, ServiceRecord
from volunteer_api.hours.seals import MAKE_UP, due_at, kept_roots, overdue_day, seal_digest, sign

CHUNK = 5_000
# Every sealed day is looked at once in so many days.
ROUND_DAYS = 30
CHECK = "hours.verify_seals"
# How far the clocks of two servers may be apart.
CLOCKS_APART = timedelta(minutes=1)


class FaultKind(StrEnum):
    """What does not fit."""

    RECORD_CHANGED = "record_changed"
    RECORD_DELETED = "record_deleted"
    # It has a seal of a later day than it claims to be from.
    RECORD_INSERTED_LATE = "record_inserted_late"
    # It claims to be from a sealed day, whose seal does not have it.
    RECORD_NOT_SEALED = "record_not_sealed"
    # It claims to be from a time that has not come, which no seal would look at for as long.
    RECORD_IN_FUTURE = "record_in_future"
    # The rows' digests and the day's root: somebody changed the one or the other.
    SEAL_CHANGED = "seal_changed"
    SEAL_MISSING = "seal_missing"
    SEAL_SIGNATURE = "seal_signature"
    ROOT_NOT_AS_KNOWN = "root_not_as_known"


@dataclass(frozen=True)
class Fault:
    """One thing that does not fit: on which sealed day, and which row (None: it can't be said which)."""

    kind: FaultKind
    on: date
    record_id: UUID | None = None


Tell = Callable[[Fault], None]
Show = Callable[[int, int], None]


@dataclass(frozen=True)
class Verified:
    """What was looked at. `late` of the days were sealed more than a day late, the last of them `last_late_on`: the
    worker stood still, or somebody took seals away and it sealed anew. Only roots kept elsewhere tell which."""

    days: int
    records: int
    faults: int
    last_on: date | None
    late: int
    last_late_on: date | None


def verify(
    *,
    first: date | None = None,
    last: date | None = None,
    known: Mapping[date, bytes] | None = None,
    tell: Tell = lambda _fault: None,
    show: Show = lambda _done, _total: None,
) -> Verified:
    """Compare the sealed days `first` to `last` (None: all) with the ledger; in memory that does not grow with it.

    `known` are roots that somebody kept elsewhere, on a certificate or in a log. `show` is told how many of how many
    days are done. Runs in no unit.
    """
    return _verify(partial(_numbers, first, last), (first, last), known or {}, tell, show)


def verify_some() -> int:
    """Compare a thirtieth of the sealed days, another one each day, and log what does not fit; returns how many.

    What was found is remembered, and all days are looked at until nothing is: `/readyz` says so as long.
    """
    first: Fault | None = None

    def tell(fault: Fault) -> None:
        nonlocal first
        first = first or fault
        record_id = str(fault.record_id) if fault.record_id is not None else None
        logger().error("ledger_seal_broken", kind=fault.kind, on=fault.on.isoformat(), record_id=record_id)

    turn = clock.today().toordinal()

    def numbers() -> list[int]:
        every = 1 if finding_of(CHECK) is not None else ROUND_DAYS
        return [number for number in _numbers(None, None) if (number + turn) % every == 0]

    count = _verify(numbers, (None, None), {}, tell, lambda _done, _total: None).faults
    finding = f"{count} faults, the first one {first.kind} of {first.on}" if first is not None else None
    run_unit(partial(keep_finding, CHECK, finding), writes=True)
    return count


def _verify(
    choose: Callable[[], list[int]],
    days: tuple[date | None, date | None],
    known: Mapping[date, bytes],
    tell: Tell,
    show: Show,
) -> Verified:
    numbers = run_unit(choose, writes=False)
    roots = run_unit(partial(_known_roots, known, days), writes=False)
    faults, records, late = 0, 0, []
    last_on = None
    for done, number in enumerate(numbers):
        show(done, len(numbers))
        day = _Day(number, roots)
        for fault in day.faults():
            faults += 1
            tell(fault)
        records += day.records
        last_on = day.seal.on
        if day.seal.sealed_at > run_unit(partial(due_at, last_on), writes=False) + MAKE_UP:
            late.append(last_on)
    for on in run_unit(partial(_without_seal, roots, days), writes=False):
        faults += 1
        tell(Fault(FaultKind.SEAL_MISSING, on))
    for rows in _chunks(_recorded_after, clock.now() + CLOCKS_APART):
        for row in rows:
            faults += 1
            tell(Fault(FaultKind.RECORD_IN_FUTURE, clock.local_date(row.recorded_at), row.id))
    return Verified(len(numbers), records, faults, last_on, len(late), max(late, default=None))


class _Day:
    """One sealed day, with the seal before."""

    def __init__(self, number: int, known: Mapping[date, set[bytes]]) -> None:
        self.seal, self.before = run_unit(partial(_seal_and_before, number), writes=False)
        self.known = known
        self.records = 0

    def faults(self) -> Iterator[Fault]:
        """What does not fit, rows first."""
        seal, frontier = self.seal, Frontier()
        if seal.form not in COLUMNS:
            yield Fault(FaultKind.SEAL_CHANGED, seal.on)
            return
        for rows in _chunks(_leaves, seal.id):
            for row in rows:
                frontier.add(row.digest)
                yield from self._judge(row)
            self.records += len(rows)
        for rows in _chunks(_without_leaf, (self.before.ends_at if self.before else None, seal.ends_at)):
            yield from (Fault(FaultKind.RECORD_NOT_SEALED, seal.on, row.id) for row in rows)
        count = frontier.size
        frontier.add(seal_digest(seal))
        if frontier.root() != seal.root or count != seal.record_count:
            yield Fault(FaultKind.SEAL_CHANGED, seal.on)
        yield from self._judge_chain()

    def _judge(self, row: Row[*tuple[Any, ...]]) -> Iterator[Fault]:
        if row.recorded_at is None:
            yield Fault(FaultKind.RECORD_DELETED, self.seal.on, row.leaf_id)
        elif leaf_digest(record_leaf(row, self.seal.form)) != row.digest:
            yield Fault(FaultKind.RECORD_CHANGED, self.seal.on, row.leaf_id)
        elif self.before is not None and row.recorded_at < self.before.ends_at:
            yield Fault(FaultKind.RECORD_INSERTED_LATE, self.seal.on, row.leaf_id)

    def _judge_chain(self) -> Iterator[Fault]:
        seal, before = self.seal, self.before
        if before is None and seal.id != 1:
            yield Fault(FaultKind.SEAL_MISSING, seal.on - timedelta(days=1))
        elif before is not None and (before.root != seal.previous_root or before.on != seal.on - timedelta(days=1)):
            yield Fault(FaultKind.SEAL_CHANGED, before.on)
        if not same(seal.signature, sign(seal.root, seal.sealed_at)):
            yield Fault(FaultKind.SEAL_SIGNATURE, seal.on)
        if self.known.get(seal.on, {seal.root}) != {seal.root}:
            yield Fault(FaultKind.ROOT_NOT_AS_KNOWN, seal.on)


def _numbers(first: date | None, last: date | None) -> list[int]:
    statement = select(DaySeal.id).order_by(DaySeal.id)
    if first is not None:
        statement = statement.where(DaySeal.on >= first)
    if last is not None:
        statement = statement.where(DaySeal.on <= last)
    return list(db.session.scalars(statement))


def _known_roots(known: Mapping[date, bytes], days: tuple[date | None, date | None]) -> dict[date, set[bytes]]:
    """The roots given, and those on certificates of the days looked at."""
    roots = {on: found for on, found in kept_roots().items() if _is_between(on, days)}
    for on, root in known.items():
        roots.setdefault(on, set()).add(root)
    return roots


def _without_seal(known: Mapping[date, set[bytes]], days: tuple[date | None, date | None]) -> list[date]:
    """The days of known roots that have no seal any more, and the first day that should have one and has none."""
    there = set(db.session.scalars(select(DaySeal.on).where(DaySeal.on >= min(known)))) if known else set()
    lost = set(known) - there
    overdue = overdue_day()
    if overdue is not None and _is_between(overdue, days):
        lost.add(overdue)
    return sorted(lost)


def _is_between(on: date, days: tuple[date | None, date | None]) -> bool:
    first, last = days
    return (first is None or on >= first) and (last is None or on <= last)


def _seal_and_before(number: int) -> tuple[DaySeal, DaySeal | None]:
    return db.session.get_one(DaySeal, number), db.session.get(DaySeal, number - 1)


def _chunks(
    read: Callable[[Any, Any], Sequence[Row[*tuple[Any, ...]]]], of: Any
) -> Iterable[Sequence[Row[*tuple[Any, ...]]]]:
    """Chunk after chunk, each in a unit of its own."""
    last: Row[*tuple[Any, ...]] | None = None
    while found := run_unit(partial(read, of, last), writes=False):
        yield found
        last = found[-1]


def _leaves(seal_id: int, last: Row[*tuple[Any, ...]] | None) -> Sequence[Row[*tuple[Any, ...]]]:
    """The next leaves of a seal, with their rows as far as these are there."""
    return db.session.execute(
        select(
            SealLeaf.id.label("leaf_id"),
            SealLeaf.position,
            SealLeaf.digest,
            *(ServiceRecord.__table__.c[name] for name in COLUMNS[max(COLUMNS)]),
        )
        .outerjoin(ServiceRecord, ServiceRecord.id == SealLeaf.id)
        .where(SealLeaf.seal_id == seal_id, SealLeaf.position > (last.position if last is not None else -1))
        .order_by(SealLeaf.position)
        .limit(CHUNK)
    ).all()


def _recorded_after(moment: datetime, last: Row[*tuple[Any, ...]] | None) -> Sequence[Row[*tuple[Any, ...]]]:
    """The next rows recorded after a moment."""
    rows = (
        select(ServiceRecord.id, ServiceRecord.recorded_at)
        .where(ServiceRecord.recorded_at > moment)
        .order_by(ServiceRecord.recorded_at, ServiceRecord.id)
        .limit(CHUNK)
    )
    if last is not None:
        rows = rows.where(tuple_(ServiceRecord.recorded_at, ServiceRecord.id) > (last.recorded_at, last.id))
    return db.session.execute(rows).all()


def _without_leaf(
    moments: tuple[datetime | None, datetime], last: Row[*tuple[Any, ...]] | None
) -> Sequence[Row[*tuple[Any, ...]]]:
    """The next rows recorded in these moments that no seal has."""
    since, before = moments
    rows = (
        select(ServiceRecord.id, ServiceRecord.recorded_at)
        .outerjoin(SealLeaf, SealLeaf.id == ServiceRecord.id)
        .where(SealLeaf.id.is_(None), ServiceRecord.recorded_at < before)
        .order_by(ServiceRecord.recorded_at, ServiceRecord.id)
        .limit(CHUNK)
    )
    if since is not None:
        rows = rows.where(ServiceRecord.recorded_at >= since)
    if last is not None:
        rows = rows.where(tuple_(ServiceRecord.recorded_at, ServiceRecord.id) > (last.recorded_at, last.id))
    return db.session.execute(rows).all()
