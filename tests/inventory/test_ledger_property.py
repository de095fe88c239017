"""Whatever is recorded, in whatever order: the ledger, the balances and the months say the same."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from tests.conftest import share_of
from tests.inventory.factories import Depot, make_depot, make_item, move
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.problems import Conflict
from volunteer_api.inventory import queries, service
from volunteer_api.inventory.models import Movement, MovementReason, StockBalance, StockEntry

Unit = Callable[[Callable[[], Any]], Any]
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
TODAY = date(2026, 11, 23)
LOTS = [None, ("A", date(2026, 11, 10)), ("B", date(2027, 1, 1))]
EXPIRY = {"A": date(2026, 11, 10), "B": date(2027, 1, 1), "": date.max}

recorded = st.tuples(
    st.sampled_from(["receipt", "receipt", "issue", "write_off"]),
    st.integers(min_value=0, max_value=1),
    st.sampled_from(LOTS),
    st.integers(min_value=1, max_value=9),
    st.integers(min_value=0, max_value=30),
)
reversed_ = st.tuples(st.just("reversal"), st.integers(min_value=0, max_value=20))


@dataclass
class Model:
    """What the ledger should hold and accept, kept the slow and simple way: all entries, summed anew for each day."""

    entries: list[tuple[int, str, int, int]] = field(default_factory=list)  # item, lot, days ago, quantity
    # What each movement did by item and lot; None once it is undone or where it undoes another.
    movements: list[dict[tuple[int, str], int] | None] = field(default_factory=list)

    def plan(self, operation: tuple[Any, ...]) -> tuple[dict[tuple[int, str], int], int] | None:
        """What the operation does by item and lot and how many days ago, or None where it must be refused."""
        if operation[0] == "reversal":
            undone = self.movements[operation[1] % len(self.movements)]
            if undone is None or any(self.free(*lot, 0) < quantity for lot, quantity in undone.items()):
                return None
            return {lot: -quantity for lot, quantity in undone.items()}, 0
        kind, item, lot, quantity, days = operation
        day = TODAY - timedelta(days=days)
        number = lot[0] if lot else ""
        if kind == "receipt":
            return None if EXPIRY[number] < day else ({(item, number): quantity}, days)
        # EXPIRY is in the order in which lots expire.
        usable = [name for name in EXPIRY if lot is None or name == number]
        if kind == "issue":
            usable = [name for name in usable if EXPIRY[name] >= day]
        taken: dict[tuple[int, str], int] = {}
        for name in usable:
            part = min(quantity, self.free(item, name, days))
            if part:
                taken[item, name] = -part
                quantity -= part
        return None if quantity else (taken, days)

    def free(self, item: int, number: str, days: int) -> int:
        """The least closing balance from that day to today."""
        return min(
            sum(entry[3] for entry in self.entries if entry[:2] == (item, number) and entry[2] >= closing)
            for closing in range(days + 1)
        )

    def write(self, operation: tuple[Any, ...], changes: dict[tuple[int, str], int], days: int) -> None:
        """Take over what was accepted."""
        if operation[0] == "reversal":
            self.movements[operation[1] % len(self.movements)] = None
        self.movements.append(None if operation[0] == "reversal" else changes)
        self.entries += [(*lot, days, quantity) for lot, quantity in changes.items()]


@settings(max_examples=share_of(8), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(st.one_of(recorded, recorded, reversed_), min_size=1, max_size=14))
def test_everything_adds_up(unit: Unit, operations: list[tuple[Any, ...]]) -> None:
    depot, items = unit(make_depot), [unit(make_item), unit(make_item)]
    done: list[UUID] = []
    model = Model()
    with clock.at(NOON):
        for operation in operations:
            if operation[0] == "reversal" and not done:
                continue
            work = partial(perform, depot, items, done, operation)
            planned = model.plan(operation)
            if planned is None:
                with pytest.raises(Conflict):
                    unit(work)
                continue
            document = unit(work)
            done.append(document.id)
            moved = {(items.index(entry.item_id), entry.lot_number or ""): entry.quantity for entry in document.entries}
            assert moved == planned[0]
            model.write(operation, *planned)
        unit(lambda: check(depot, len(done)))


def perform(depot: Depot, items: list[UUID], done: list[UUID], operation: tuple[Any, ...]) -> queries.Document:
    if operation[0] == "reversal":
        movement = db.session.get(Movement, done[operation[1] % len(done)])
        assert movement is not None
        return service.reverse_movement(movement, actor_id=depot.manager_id, reason=MovementReason.MISTAKE)
    kind, item, lot, quantity, days = operation
    line: dict[str, Any] = {"item_id": items[item], "quantity": quantity}
    if lot is not None:
        line |= {"lot_number": lot[0], "expires_on": lot[1]}
    return move(depot, kind, line, occurred_at=NOON - timedelta(days=days))


def check(depot: Depot, count: int) -> None:
    entries = db.session.scalars(
        select(StockEntry).where(StockEntry.station_id == depot.station_id).order_by(StockEntry.sequence)
    ).all()
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
    balances: dict[tuple[UUID, str], int] = {}
    by_day: dict[tuple[UUID, str], dict[date, int]] = {}
    for entry in entries:
        lot = (entry.item_id, entry.lot_number)
        balances[lot] = balances.get(lot, 0) + entry.quantity
        assert entry.balance == balances[lot] >= 0
        days = by_day.setdefault(lot, {})
        day = clock.local_date(entry.occurred_at)
        days[day] = days.get(day, 0) + entry.quantity
    for days in by_day.values():
        running = 0
        for day in sorted(days):
            running += days[day]
            assert running >= 0
    stored = db.session.scalars(select(StockBalance).where(StockBalance.station_id == depot.station_id)).all()
    assert {(row.item_id, row.lot_number): row.quantity for row in stored} == balances
    check_months(depot, entries, sum(balances.values()))
    check_documents(depot, count)


def check_months(depot: Depot, entries: Any, total: int) -> None:
    closing: dict[UUID, int] = {}
    for month in ("2026-10", "2026-11"):
        begin, end = queries.month_bounds(month)
        inside = [entry for entry in entries if begin <= entry.occurred_at < end]
        rows = {row.item.id: row for row in queries.list_ledger(depot.station_id, {"month": month}).items}
        for item_id in {entry.item_id for entry in inside} | rows.keys():
            moved = [entry.quantity for entry in inside if entry.item_id == item_id]
            row = rows[item_id]
            assert row.opening == closing.get(item_id, 0)
            assert row.incoming == sum(quantity for quantity in moved if quantity > 0)
            assert row.outgoing == -sum(quantity for quantity in moved if quantity < 0)
            assert row.opening + row.incoming - row.outgoing == row.closing
            closing[item_id] = row.closing
    assert sum(closing.values()) == total


def check_documents(depot: Depot, count: int) -> None:
    numbers = db.session.scalars(
        select(Movement.document_number)
        .where(Movement.station_id == depot.station_id)
        .order_by(select(func.min(StockEntry.sequence)).where(StockEntry.movement_id == Movement.id).scalar_subquery())
    ).all()
    assert len(numbers) == count
    for month in {number[:-4] for number in numbers}:
        mine = [number for number in numbers if number.startswith(month)]
        assert mine == [f"{month}{number:04d}" for number in range(1, len(mine) + 1)]
