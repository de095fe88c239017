"""Whatever is recorded, in whatever order: the ledger, the balances and the months say the same."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from tests.inventory.factories import Depot, make_depot, make_item, move
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.problems import Conflict
from volunteer_api.inventory import queries, service
from volunteer_api.inventory.models import Movement, MovementReason, StockBalance, StockEntry

Unit = Callable[[Callable[[], Any]], Any]
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
LOTS = [None, ("A", date(2026, 11, 10)), ("B", date(2027, 1, 1))]

recorded = st.tuples(
    st.sampled_from(["receipt", "receipt", "issue", "write_off"]),
    st.integers(min_value=0, max_value=1),
    st.sampled_from(LOTS),
    st.integers(min_value=1, max_value=9),
    st.integers(min_value=0, max_value=30),
)
reversed_ = st.tuples(st.just("reversal"), st.integers(min_value=0, max_value=20))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(st.one_of(recorded, recorded, reversed_), min_size=1, max_size=14))
def test_everything_adds_up(unit: Unit, operations: list[tuple[Any, ...]]) -> None:
    depot, items = unit(make_depot), [unit(make_item), unit(make_item)]
    done: list[UUID] = []
    with clock.at(NOON):
        for operation in operations:
            try:
                done.append(unit(lambda operation=operation: perform(depot, items, done, operation)))
            except Conflict:
                continue
        unit(lambda: check(depot, len(done)))


def perform(depot: Depot, items: list[UUID], done: list[UUID], operation: tuple[Any, ...]) -> UUID:
    if operation[0] == "reversal":
        movement = db.session.get(Movement, done[operation[1] % len(done)]) if done else None
        if movement is None:
            raise Conflict()
        return service.reverse_movement(movement, actor_id=depot.manager_id, reason=MovementReason.MISTAKE).id
    kind, item, lot, quantity, days = operation
    line: dict[str, Any] = {"item_id": items[item], "quantity": quantity}
    if lot is not None:
        line |= {"lot_number": lot[0], "expires_on": lot[1]}
    return move(depot, kind, line, occurred_at=NOON - timedelta(days=days)).id


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
