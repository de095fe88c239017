"""Posting to the ledger: one document with its entries, the balances moved in the same unit.

Everything that changes a shelf goes through `begin` and `Posting.write`: movements by hand, reversals, and whatever
features of stock come after them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, update

from volunteer_api.catalog.models import Item
from volunteer_api.catalog.service import load_items
from volunteer_api.core import clock, ids, statements
from volunteer_api.core.database import db
from volunteer_api.core.events import publish
from volunteer_api.core.problems import NotFound
from volunteer_api.core.settings import rules
from volunteer_api.inventory import queries
from volunteer_api.inventory.events import StockMoved
from volunteer_api.inventory.models import (
    SEALED,
    DocumentCounter,
    Movement,
    MovementKind,
    MovementReason,
    StockBalance,
    StockEntry,
)
from volunteer_api.inventory.problems import OccurredInFuture, TooFarBack
from volunteer_api.inventory.queries import Document
from volunteer_api.inventory.shelf import Change, Shelf, stock_too_low
from volunteer_api.stations.models import Station

# A phone's clock may run ahead of ours by this much.
CLOCK_TOLERANCE = timedelta(minutes=5)
SHELF_KEY = ["station_id", "item_id", "lot_number", "portion"]


@dataclass(frozen=True)
class Posting:
    """A station's ledger, held by this unit: its items by id, and its shelf as a movement on that day finds it."""

    station_id: UUID
    station_code: str
    items: Mapping[UUID, Item]
    shelf: Shelf
    occurred_at: datetime
    recorded_at: datetime

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
        """Move the balances, then write the document and its entries. Raises StockTooLow (409)."""
        ordered = sorted(changes, key=lambda change: (change.item.id, change.lot_number, change.portion))
        balances = [_move_balance(self.station_id, change) for change in ordered]
        last = (
            db.session.scalar(select(func.max(StockEntry.sequence)).where(StockEntry.station_id == self.station_id))
            or 0
        )
        movement_id = ids.new_id()
        movement = {
            "id": movement_id,
            "station_id": self.station_id,
            "kind": kind,
            "reason": reason,
            "note": note,
            "document_number": _next_document_number(self.station_id, self.station_code, self.occurred_at),
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
        return queries.read_movement(movement_id)


def begin(station_id: UUID, item_ids: Iterable[UUID], *, occurred_at: datetime | None = None) -> Posting:
    """Hold a station's ledger until the unit ends, for a movement that occurred at `occurred_at` (None: now).

    Of several stations, take them in the order of their ids. Raises NotFound (404), ItemUnknown, OccurredInFuture,
    TooFarBack (409).
    """
    code = _lock_station(station_id)
    # Behind the lock, so that the times of recording follow the order of recording.
    recorded_at = clock.now()
    moment = occurred_at or recorded_at
    _check_moment(moment, recorded_at)
    items = load_items(item_ids)
    return Posting(station_id, code, items, Shelf(station_id, items, clock.local_date(moment)), moment, recorded_at)


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


def _lock_station(station_id: UUID) -> str:
    """Let one movement at a time into a station's ledger, which gives its entries their order; returns its code."""
    # Not a full lock: rows that refer to the station need not wait.
    code = db.session.scalar(select(Station.code).where(Station.id == station_id).with_for_update(key_share=True))
    if code is None:
        raise NotFound()
    return code


def _move_balance(station_id: UUID, change: Change) -> int:
    """Change one balance, and return it. The UPDATE itself refuses to go below zero, whatever was planned."""
    if change.quantity > 0:
        return _raise_balance(station_id, change)
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
        raise stock_too_low(change.item, change.lot_number, balance=0, requested=-change.quantity)
    return balance


def _raise_balance(station_id: UUID, change: Change) -> int:
    balance: int = db.session.execute(
        statements.insert(StockBalance)
        .values(
            station_id=station_id,
            item_id=change.item.id,
            lot_number=change.lot_number,
            portion=change.portion,
            quantity=change.quantity,
            expires_on=change.expires_on,
        )
        .on_conflict_do_update(
            index_elements=SHELF_KEY,
            # An empty lot takes the date of what comes; another one's change has the lot's own.
            set_={"quantity": StockBalance.quantity + change.quantity, "expires_on": change.expires_on},
        )
        .returning(StockBalance.quantity)
    ).scalar_one()
    return balance


def _next_document_number(station_id: UUID, station_code: str, occurred_at: datetime) -> str:
    """`CODE-YYYYMM-0001` of the local month in which it occurred, so that each month's book is without gaps."""
    month = clock.local_date(occurred_at).strftime("%Y%m")
    number = db.session.execute(
        statements.insert(DocumentCounter)
        .values(station_id=station_id, month=month, last=1)
        .on_conflict_do_update(index_elements=["station_id", "month"], set_={"last": DocumentCounter.last + 1})
        .returning(DocumentCounter.last)
    ).scalar_one()
    return f"{station_code}-{month}-{number:04d}"
