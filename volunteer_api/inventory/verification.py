"""Replaying the ledger against everything that is kept of it. What does not add up is an alarm; nothing is repaired.

A station is read in chunks without any lock. Only what was recorded since the first of them, and the balances, are read
while its ledger is held, so that they belong together. On SQLite, a reading transaction is such a moment by itself.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, tzinfo
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, update

from volunteer_api.core import clock, events, ids, statements
from volunteer_api.core.database import db
from volunteer_api.core.logs import logger
from volunteer_api.core.settings import settings
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.inventory.events import LedgerChecked, LedgerMismatchFound
from volunteer_api.inventory.models import (
    DocumentCounter,
    LedgerFault,
    MonthBalance,
    Movement,
    StockBalance,
    StockEntry,
)
from volunteer_api.stations.models import Station

CHUNK = 5_000
STATIONS_AT_ONCE = 500
# More of one station tell nobody anything new.
MOST_FAULTS = 100

Place = tuple[UUID, str, str]  # item, lot, portion


@dataclass(frozen=True)
class Fault:
    """One thing that does not add up: what kind of, where, and what was expected and found."""

    kind: str
    subject: str
    details: Mapping[str, Any]


Check = Callable[[UUID], Iterable[Fault]]
_checks: list[Check] = []


def register_check(check: Check) -> Check:
    """Decorate a check of a feature to the right: of a station's id, it yields the faults that it finds.

    It runs after the replay, while the station's ledger is held: what is lent or under way can be compared with
    `on_loan` and `in_transit` of the balances.
    """
    _checks.append(check)
    return check


def verify_all(tell: Callable[[UUID, Fault], None] | None = None) -> int:
    """Check every station, record what was found, and return how many faults that are. Runs in no unit."""
    count = 0
    for station_id in _stations():
        for fault in verify_station(station_id):
            count += 1
            if tell is not None:
                tell(station_id, fault)
    return count


def verify_station(station_id: UUID) -> list[Fault]:
    """Check one station, record what was found (see `LedgerFault`) and what is no longer found. Runs in no unit."""
    replay = _Replay()
    while True:
        rows = run_unit(partial(_read_entries, station_id, replay.sequence), writes=False)
        replay.take(rows)
        if len(rows) < CHUNK:
            break
    faults = run_unit(partial(_finish, station_id, replay), writes=False)[:MOST_FAULTS]
    if run_unit(partial(_record, station_id, faults), writes=True):
        logger().error("ledger_mismatch", station_id=str(station_id), kinds=sorted({fault.kind for fault in faults}))
    return faults


def open_fault_count() -> int:
    """How many faults are known and have not ended. Needs an open session."""
    return len(db.session.execute(select(LedgerFault.id).where(LedgerFault.ended_at.is_(None)).limit(1000)).all())


@dataclass
class _Replay:
    """What a station's entries add up to, as far as they were read; faults as they were met."""

    # Once, and not for each of a million rows.
    zone: tzinfo = field(default_factory=lambda: settings().zone)
    sequence: int = 0
    balances: dict[Place, int] = field(default_factory=dict)
    days: dict[Place, dict[date, int]] = field(default_factory=dict)
    # The last number of each month, `YYYYMM`.
    numbers: dict[str, int] = field(default_factory=dict)
    faults: dict[tuple[str, str], Fault] = field(default_factory=dict)
    movement_id: UUID | None = None

    def take(self, rows: Sequence[Row[*tuple[Any, ...]]]) -> None:
        """Take the next entries, in the order of recording."""
        for row in rows:
            if row.sequence != self.sequence + 1:
                self.note("sequence_gap", str(row.sequence), expected=self.sequence + 1, found=row.sequence)
            self.sequence = row.sequence
            place = (row.item_id, row.lot_number, row.portion)
            balance = self.balances.get(place, 0) + row.quantity
            self.balances[place] = balance
            if row.balance != balance:
                self.note(
                    "running_balance", _subject(place), sequence=row.sequence, expected=balance, found=row.balance
                )
            days = self.days.setdefault(place, {})
            day = row.occurred_at.astimezone(self.zone).date()
            days[day] = days.get(day, 0) + row.quantity
            if row.movement_id != self.movement_id:
                self.movement_id = row.movement_id
                self._take_document(row.document_number, f"{day:%Y%m}")

    def note(self, kind: str, subject: str, **details: Any) -> None:
        """Remember a fault; of one kind and subject the first."""
        self.faults.setdefault((kind, subject), Fault(kind, subject, details))

    def _take_document(self, number: str, month: str) -> None:
        _, named_month, digits = number.rsplit("-", 2)
        if named_month != month:
            self.note("document_month", number, expected=month, found=named_month)
        expected = self.numbers.get(named_month, 0) + 1
        if int(digits) != expected:
            self.note("document_gap", number, expected=expected, found=int(digits))
        self.numbers[named_month] = int(digits)

    def compare_balances(self, stored: Mapping[Place, int]) -> None:
        """Compare the sums with the balances that are kept, and with 0 at the end of every day."""
        for place in sorted(self.balances.keys() | stored.keys()):
            expected, found = self.balances.get(place, 0), stored.get(place)
            if found != expected and (found is not None or expected != 0):
                self.note("balance", _subject(place), expected=expected, found=found)
        for place, days in self.days.items():
            running = 0
            for day in sorted(days):
                running += days[day]
                if running < 0:
                    self.note("day_below_zero", _subject(place), day=day.isoformat(), found=running)

    def compare_numbers(self, counters: Mapping[str, int]) -> None:
        """Compare the last numbers of documents with the counters that give them."""
        for month in sorted(self.numbers.keys() | counters.keys()):
            expected, found = self.numbers.get(month, 0), counters.get(month, 0)
            if expected != found:
                self.note("document_counter", month, expected=expected, found=found)

    def compare_months(self, kept: Mapping[str, Mapping[Place, int]]) -> None:
        """Compare what closed months kept, by `YYYY-MM`, with what the entries say of their last day."""
        for month, balances in kept.items():
            for place in sorted(self.days.keys() | balances.keys()):
                days = self.days.get(place, {})
                expected = sum(quantity for day, quantity in days.items() if f"{day:%Y-%m}" <= month)
                if expected != balances.get(place, 0):
                    self.note(
                        "closed_month", f"{month} {_subject(place)}", expected=expected, found=balances.get(place, 0)
                    )


def _finish(station_id: UUID, replay: _Replay) -> list[Fault]:
    """Read the rest while nothing is recorded, and compare."""
    db.session.execute(select(Station.id).where(Station.id == station_id).with_for_update(key_share=True)).one()
    while rows := _read_entries(station_id, replay.sequence):
        replay.take(rows)
    replay.compare_balances(
        {
            (row.item_id, row.lot_number, row.portion): row.quantity
            for row in db.session.execute(
                select(
                    StockBalance.item_id, StockBalance.lot_number, StockBalance.portion, StockBalance.quantity
                ).where(StockBalance.station_id == station_id)
            )
        }
    )
    counters = db.session.execute(
        select(DocumentCounter.month, DocumentCounter.last, DocumentCounter.closed_at).where(
            DocumentCounter.station_id == station_id
        )
    ).all()
    replay.compare_numbers({row.month: row.last for row in counters})
    kept: dict[str, dict[Place, int]] = {
        f"{row.month[:4]}-{row.month[4:]}": {} for row in counters if row.closed_at is not None
    }
    for row in db.session.execute(
        select(
            MonthBalance.month,
            MonthBalance.item_id,
            MonthBalance.lot_number,
            MonthBalance.portion,
            MonthBalance.quantity,
        ).where(MonthBalance.station_id == station_id)
    ):
        kept.setdefault(row.month, {})[row.item_id, row.lot_number, row.portion] = row.quantity
    replay.compare_months(kept)
    return [*replay.faults.values(), *(fault for check in _checks for fault in check(station_id))]


def _read_entries(station_id: UUID, after: int) -> Sequence[Row[*tuple[Any, ...]]]:
    return db.session.execute(
        select(
            StockEntry.sequence,
            StockEntry.movement_id,
            StockEntry.item_id,
            StockEntry.lot_number,
            StockEntry.portion,
            StockEntry.quantity,
            StockEntry.balance,
            StockEntry.occurred_at,
            Movement.document_number,
        )
        .join(Movement, Movement.id == StockEntry.movement_id)
        .where(StockEntry.station_id == station_id, StockEntry.sequence > after)
        .order_by(StockEntry.sequence)
        .limit(CHUNK)
    ).all()


def _record(station_id: UUID, faults: Sequence[Fault]) -> bool:
    """Keep the faults with those known before, and end what is no longer found; returns whether any is new."""
    now = clock.now()
    known = {
        (row.kind, row.subject): row.id
        for row in db.session.execute(
            select(LedgerFault.id, LedgerFault.kind, LedgerFault.subject).where(
                LedgerFault.station_id == station_id, LedgerFault.ended_at.is_(None)
            )
        )
    }
    found = {(fault.kind, fault.subject) for fault in faults}
    fresh = [fault for fault in faults if (fault.kind, fault.subject) not in known]
    for fault in fresh:
        written = db.session.scalar(
            statements.insert(LedgerFault)
            .values(
                id=ids.new_id(),
                created_at=now,
                station_id=station_id,
                kind=fault.kind,
                subject=fault.subject,
                details=dict(fault.details),
                last_seen_at=now,
            )
            .on_conflict_do_nothing()
            .returning(LedgerFault.id)
        )
        if written is not None:
            events.publish(LedgerMismatchFound(station_id, fault.kind, fault.subject, fault.details))
    for seen, values in ((True, {"last_seen_at": now}), (False, {"ended_at": now})):
        chosen = [fault_id for key, fault_id in known.items() if (key in found) is seen]
        if chosen:
            db.session.execute(
                update(LedgerFault)
                .where(LedgerFault.id.in_(chosen))
                .values(values)
                .execution_options(synchronize_session=False)
            )
    events.publish(LedgerChecked(station_id, len(faults)))
    return bool(fresh)


def _stations() -> Iterator[UUID]:
    after: UUID | None = None
    while found := run_unit(partial(_next_stations, after), writes=False):
        yield from found
        after = found[-1]


def _next_stations(after: UUID | None) -> Sequence[UUID]:
    statement = select(Station.id).order_by(Station.id).limit(STATIONS_AT_ONCE)
    if after is not None:
        statement = statement.where(Station.id > after)
    return db.session.scalars(statement).all()


def _subject(place: Place) -> str:
    return "/".join(str(part) for part in place)
