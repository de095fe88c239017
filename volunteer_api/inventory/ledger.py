"""Posting to the ledger: one document with its entries, the balances moved in the same unit.

Everything that changes a shelf goes through `begin` and `Posting.write`: movements by hand, reversals, and whatever
features of stock come after them.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from volunteer_api.catalog.models import Item, ItemKind
from volunteer_api.catalog.service import load_items, named, prohibited_item
from volunteer_api.core import clock, events, ids, statements
from volunteer_api.core.codes import fold
from volunteer_api.core.database import db
from volunteer_api.core.events import publish
from volunteer_api.core.settings import rules
from volunteer_api.inventory import months, queries
from volunteer_api.inventory.events import DurablesTaken, PastCorrected, RecalledCameIn, StockMoved
from volunteer_api.inventory.models import (
    INSIDE_A_LOT,
    QUARANTINED,
    SEALED,
    DocumentCounter,
    LastCount,
    Movement,
    MovementKind,
    MovementReason,
    StockBalance,
    StockEntry,
)
from volunteer_api.inventory.problems import (
    BeforeLastCount,
    LotRecalled,
    OccurredInFuture,
    TooFarBack,
)
from volunteer_api.inventory.queries import Document
from volunteer_api.inventory.shelf import Change, Shelf, stock_too_low
from volunteer_api.stations import service as stations

# A phone's clock may run ahead of ours by this much.
CLOCK_TOLERANCE = timedelta(minutes=5)
# With six values each, far from what one statement may have (SQLite: 32,766).
RAISED_AT_ONCE = 500
SHELF_KEY = ["station_id", "item_id", "lot_number", "portion"]
# What brings a recalled lot by somebody's choice is refused; what has to come in nevertheless goes into quarantine.
REFUSED_OF_RECALLED = frozenset({MovementKind.RECEIPT, MovementKind.UNSEALING})
# What is recorded now and yet says that the books were wrong before.
CORRECTING = frozenset({MovementKind.REVERSAL, MovementKind.STOCKTAKE})


@dataclass(frozen=True)
class Posting:
    """A station's ledger, held by this unit: its items by id, and its shelf as a movement on that day finds it."""

    station_id: UUID
    station_code: str
    items: Mapping[UUID, Item]
    shelf: Shelf
    occurred_at: datetime
    recorded_at: datetime
    # Items with their lots, folded, that are called back from here.
    recalled: Set[tuple[UUID, str]] = frozenset()

    def write(
        self,
        changes: Sequence[Change],
        *,
        actor_id: UUID,
        kind: MovementKind,
        reason: MovementReason,
        note: str | None = None,
        reverses_id: UUID | None = None,
        counterparty: str | None = None,
        witness: str | None = None,
    ) -> Document:
        """Move the balances, then write the document and its entries.

        What comes in of a recalled lot or a prohibited item (by a transfer, a return, a count, a reversal) goes into
        quarantine, whatever portion the change names: a count that finds it on the shelf releases nothing. Raises
        StockTooLow, LotRecalled, ProhibitedItem or MonthClosed (409).
        """
        changes = self._keep_off_shelf(changes, kind)
        ordered = sorted(changes, key=lambda change: (change.item.id, change.lot_number, change.portion))
        balances = _move_balances(self.station_id, ordered)
        _tell_of_durables(self.station_id, ordered, reason)
        last = last_sequence(self.station_id)
        movement_id = ids.new_id()
        movement: dict[str, Any] = {
            "id": movement_id,
            "station_id": self.station_id,
            "kind": kind,
            "reason": reason,
            "note": note,
            "document_number": self._next_number(),
            "actor_id": actor_id,
            "occurred_at": self.occurred_at,
            "recorded_at": self.recorded_at,
            "reverses_id": reverses_id,
            "counterparty": counterparty,
            "witness": witness,
        }
        entries: list[Mapping[str, Any]] = [
            {
                "movement_id": movement_id,
                "station_id": self.station_id,
                "item_id": change.item.id,
                "lot_number": change.lot_number,
                "portion": change.portion,
                "expires_on": change.expires_on,
                "quantity": change.quantity,
                "balance": balance,
                "occurred_at": self.occurred_at,
                "sequence": sequence,
            }
            for sequence, (change, balance) in enumerate(zip(ordered, balances, strict=True), start=last + 1)
        ]
        db.session.execute(insert(Movement).values(movement))
        db.session.execute(insert(StockEntry), entries)
        publish(StockMoved(self.station_id))
        if self.occurred_at < self.recorded_at or kind in CORRECTING:
            publish(PastCorrected(self.station_id, frozenset(change.item.id for change in ordered)))
        if kind not in INSIDE_A_LOT:
            self._tell_of_recalled(ordered, movement["document_number"])
        return queries.read_movement(movement_id)

    def _next_number(self) -> str:
        """`CODE-YYYYMM-0001` of the local month in which it occurred, so that each month's book is without gaps.

        The statement itself refuses where that month, or one after it that opens with what this leaves, was closed
        since `begin` looked. Raises MonthClosed (409).
        """
        month, *later = months.touched(self.occurred_at, self.recorded_at)
        rows = [{"station_id": self.station_id, "month": name, "last": int(name == month)} for name in (month, *later)]
        counted = statements.insert(DocumentCounter).values(rows)
        numbers = {
            row.month: row.last
            for row in db.session.execute(
                counted.on_conflict_do_update(
                    index_elements=["station_id", "month"],
                    set_={"last": DocumentCounter.last + counted.excluded.last},
                    where=DocumentCounter.closed_at.is_(None),
                ).returning(DocumentCounter.month, DocumentCounter.last)
            )
        }
        for name in (month, *later):
            if name not in numbers:
                raise months.closed(name)
        return f"{self.station_code}-{month}-{numbers[month]:04d}"

    def require_not_recalled(self, change: Change) -> None:
        """What `write` says of a receipt of this lot, said of one change. Raises LotRecalled (409)."""
        if (change.item.id, fold(change.lot_number)) in self.recalled:
            raise _lot_recalled(change)

    def _tell_of_recalled(self, changes: Sequence[Change], document_number: str) -> None:
        came: dict[tuple[UUID, str], int] = {}
        for change in changes:
            lot = (change.item.id, fold(change.lot_number))
            if lot in self.recalled and change.quantity > 0:
                came[lot] = came.get(lot, 0) + change.quantity
        for (item_id, lot_number), quantity in came.items():
            publish(RecalledCameIn(self.station_id, item_id, lot_number, quantity, document_number))

    def _keep_off_shelf(self, changes: Sequence[Change], kind: MovementKind) -> list[Change]:
        released = {(change.item.id, fold(change.lot_number)) for change in changes if _leaves_quarantine(change)}
        heeded = []
        for change in changes:
            lot = (change.item.id, fold(change.lot_number))
            prohibited, recalled = change.item.prohibited, lot in self.recalled
            if change.quantity < 0 or change.portion == QUARANTINED or not (prohibited or recalled):
                heeded.append(change)
            elif prohibited and lot in released and kind != MovementKind.STOCKTAKE:
                raise prohibited_item(change.item)
            elif recalled and (kind in REFUSED_OF_RECALLED or (lot in released and kind != MovementKind.STOCKTAKE)):
                raise _lot_recalled(change)
            else:
                heeded.append(replace(change, portion=QUARANTINED))
        return heeded


def begin(station_id: UUID, item_ids: Iterable[UUID], *, occurred_at: datetime | None = None) -> Posting:
    """Hold a station's ledger until the unit ends, for a movement that occurred at `occurred_at` (None: now).

    Of several stations, take them in the order of their ids. Raises NotFound (404), ItemUnknown, OccurredInFuture,
    TooFarBack, MonthClosed or BeforeLastCount (409).
    """
    # One movement at a time comes into a station's ledger: that gives its entries their order.
    code = stations.hold(station_id)
    # Behind the lock, so that the times of recording follow the order of recording.
    recorded_at = clock.now()
    moment = occurred_at or recorded_at
    _check_moment(moment, recorded_at)
    items = load_items(item_ids)
    if occurred_at is not None:
        _check_past(station_id, items, moment, recorded_at)
    recalled = frozenset((row[0], fold(row[1])) for row in db.session.execute(queries.recalled_lots(station_id, items)))
    shelf = Shelf(station_id, items, clock.local_date(moment), recalled=recalled)
    return Posting(station_id, code, items, shelf, moment, recorded_at, recalled)


def last_sequence(station_id: UUID) -> int:
    """The number of the station's last entry, 0 where it has none."""
    return db.session.scalar(select(func.max(StockEntry.sequence)).where(StockEntry.station_id == station_id)) or 0


def mark_counted(station_id: UUID, counted: Mapping[UUID, datetime]) -> None:
    """Let nothing be recorded before these items were counted. The caller holds the station's ledger."""
    if not counted:
        return
    rows = [
        {"station_id": station_id, "item_id": item_id, "counted_at": moment}
        for item_id, moment in sorted(counted.items())
    ]
    marked = statements.insert(LastCount).values(rows)
    db.session.execute(
        marked.on_conflict_do_update(
            index_elements=["station_id", "item_id"],
            set_={"counted_at": marked.excluded.counted_at},
            where=LastCount.counted_at < marked.excluded.counted_at,
        )
    )


def count_beside(
    station_id: UUID,
    item_id: UUID,
    lot_number: str,
    *,
    expires_on: date | None = None,
    on_loan: int = 0,
    in_transit: int = 0,
) -> None:
    """Change what is counted beside a station's shelf of a sealed lot; the caller holds the station's ledger.

    The database refuses to count below zero: that is a fault of the caller's code.
    """
    publish(StockMoved(station_id))
    counted = {"on_loan": StockBalance.on_loan + on_loan, "in_transit": StockBalance.in_transit + in_transit}
    if min(on_loan, in_transit) < 0:
        # Not by the INSERT below: PostgreSQL checks its values before it looks for the row that is there.
        db.session.execute(
            update(StockBalance)
            .where(
                StockBalance.station_id == station_id,
                StockBalance.item_id == item_id,
                StockBalance.lot_number == lot_number,
                StockBalance.portion == SEALED,
            )
            .values(counted)
            .execution_options(synchronize_session=False)
        )
        return
    db.session.execute(
        statements.insert(StockBalance)
        .values(
            station_id=station_id,
            item_id=item_id,
            lot_number=lot_number,
            portion=SEALED,
            quantity=0,
            expires_on=expires_on,
            on_loan=on_loan,
            in_transit=in_transit,
        )
        .on_conflict_do_update(index_elements=SHELF_KEY, set_=counted)
    )


def _check_moment(moment: datetime, now: datetime) -> None:
    if moment > now + CLOCK_TOLERANCE:
        raise OccurredInFuture()
    days = rules().backdating_days
    day = clock.local_date(moment)
    if (clock.local_date(now) - day).days > days:
        raise TooFarBack(members={"occurred_on": day.isoformat()}, days=days)


def _check_past(station_id: UUID, items: Mapping[UUID, Item], moment: datetime, now: datetime) -> None:
    """What was closed or counted since is not changed any more."""
    month = months.month_of(moment)
    if month != months.month_of(now):
        months.require_open(station_id, month)
    _require_uncounted(station_id, items, LastCount.counted_at > moment)


def recount(station_id: UUID, counted: Mapping[UUID, datetime | None]) -> None:
    """Say when these items were last counted, as what was approved was undone; None is never. Holds as above."""
    db.session.execute(
        delete(LastCount)
        .where(LastCount.station_id == station_id, LastCount.item_id.in_(list(counted)))
        .execution_options(synchronize_session=False)
    )
    mark_counted(station_id, {item_id: moment for item_id, moment in counted.items() if moment is not None})


def require_uncounted_since(posting: Posting, movement: Movement) -> None:
    """Of a mistake that is undone: an approved count found the shelf as it is, whatever had been written before it.

    A count itself is not what it counted. Raises BeforeLastCount (409).
    """
    moment = movement.occurred_at
    is_count = movement.kind == MovementKind.STOCKTAKE
    since = LastCount.counted_at > moment if is_count else LastCount.counted_at >= moment
    _require_uncounted(posting.station_id, posting.items, since)


def _require_uncounted(station_id: UUID, items: Mapping[UUID, Item], since: ColumnElement[bool]) -> None:
    counted = db.session.execute(
        select(LastCount.item_id, LastCount.counted_at)
        .where(LastCount.station_id == station_id, LastCount.item_id.in_(items), since)
        .order_by(LastCount.item_id)
        .limit(1)
    ).one_or_none()
    if counted is not None:
        item = items[counted.item_id]
        counted_at = clock.stamp(counted.counted_at)
        raise BeforeLastCount(members={"item": named(item), "counted_at": counted_at}, item=item.name)


def _lot_recalled(change: Change) -> LotRecalled:
    return LotRecalled(members={"item": named(change.item), "lot_number": change.lot_number}, item=change.item.name)


def _leaves_quarantine(change: Change) -> bool:
    return change.quantity < 0 and change.portion == QUARANTINED


def _move_balances(station_id: UUID, changes: Sequence[Change]) -> list[int]:
    """Move the balance of each change, and return what it is after each: an import's thousand lines at once."""
    if all(change.quantity > 0 for change in changes):
        return _raise_balances(station_id, changes)
    return [
        _raise_balances(station_id, [change])[0] if change.quantity > 0 else _lower_balance(station_id, change)
        for change in changes
    ]


def _lower_balance(station_id: UUID, change: Change) -> int:
    """Lower one balance, and return it. The UPDATE itself refuses to go below zero, whatever was planned."""
    balance = db.session.scalar(
        update(StockBalance)
        .where(
            StockBalance.station_id == station_id,
            StockBalance.item_id == change.item.id,
            StockBalance.lot_number == change.lot_number,
            StockBalance.portion == change.portion,
            StockBalance.quantity + change.quantity >= 0,
        )
        .values(quantity=StockBalance.quantity + change.quantity)
        .returning(StockBalance.quantity)
        .execution_options(synchronize_session=False)
    )
    if balance is None:
        raise stock_too_low(change.item, change.lot_number, balance=0, requested=-change.quantity, quarantined=0)
    return balance


def _tell_of_durables(station_id: UUID, changes: Iterable[Change], reason: str) -> None:
    taken = {change.item.id for change in changes if change.quantity < 0 and change.item.kind == ItemKind.DURABLE}
    if taken:
        events.publish(DurablesTaken(station_id=station_id, item_ids=frozenset(taken), reason=reason))


def _raise_balances(station_id: UUID, changes: Sequence[Change]) -> list[int]:
    """Raise balances, a statement for each five hundred, and return each as it is after its change."""
    added: dict[tuple[UUID, str, str], int] = {}
    expiry: dict[tuple[UUID, str, str], date | None] = {}
    for change in changes:
        key = (change.item.id, change.lot_number, change.portion)
        added[key] = added.get(key, 0) + change.quantity
        expiry[key] = change.expires_on
    running: dict[tuple[UUID, str, str], int] = {}
    for first in range(0, len(added), RAISED_AT_ONCE):
        rows = [
            {
                "station_id": station_id,
                "item_id": key[0],
                "lot_number": key[1],
                "portion": key[2],
                "quantity": added[key],
                "expires_on": expiry[key],
            }
            for key in list(added)[first : first + RAISED_AT_ONCE]
        ]
        raised = statements.insert(StockBalance).values(rows)
        found = db.session.execute(
            raised.on_conflict_do_update(
                index_elements=SHELF_KEY,
                # An empty lot takes the date of what comes; another one's change has the lot's own.
                set_={
                    "quantity": StockBalance.quantity + raised.excluded.quantity,
                    "expires_on": raised.excluded.expires_on,
                },
            ).returning(StockBalance.item_id, StockBalance.lot_number, StockBalance.portion, StockBalance.quantity)
        )
        for item_id, lot_number, portion, quantity in found:
            running[item_id, lot_number, portion] = quantity - added[item_id, lot_number, portion]
    balances = []
    for change in changes:
        key = (change.item.id, change.lot_number, change.portion)
        running[key] += change.quantity
        balances.append(running[key])
    return balances
