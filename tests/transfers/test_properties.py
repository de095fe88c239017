"""Whatever two stations send each other, in whatever order: nothing appears, nothing vanishes."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from tests.inventory.factories import make_item
from tests.transfers.factories import Pair, make_pair, use
from tests.transfers.factories import stock as stock_up
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.inventory.models import Movement, StockBalance, StockEntry
from volunteer_api.transfers import check_queries, queries
from volunteer_api.transfers.models import Transfer

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
LOTS: list[dict[str, Any]] = [{}, {"lot_number": "A", "expires_on": "2027-01-31"}, {"lot_number": "B"}]
SIDE, ITEM, LOT, QUANTITY = st.integers(0, 1), st.integers(0, 1), st.integers(0, 2), st.integers(1, 6)
WHICH, SELDOM = st.integers(0, 30), st.integers(0, 2)
# What may follow each state, and by which verb.
NEXT = {
    ("requested", "approval"): {"approved"},
    ("requested", "rejection"): {"rejected"},
    ("requested", "cancellation"): {"canceled"},
    ("approved", "shipment"): {"shipped"},
    ("approved", "cancellation"): {"canceled"},
    ("shipped", "receipt"): {"shipped", "received", "canceled"},
    ("shipped", "cancellation"): {"canceled"},
    ("shipped", "reversal"): {"shipped"},
    ("received", "reversal"): {"shipped"},
    ("canceled", "reversal"): {"shipped"},
}


def loaded(lot: dict[str, Any]) -> dict[str, Any]:
    return {name: date.fromisoformat(value) if name == "expires_on" else value for name, value in lot.items()}


def test_nothing_vanishes_between_two_stations(client: Any, unit: Any, run_machine: Any) -> None:
    class Traffic(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.pair: Pair = unit(make_pair)
            self.items: list[UUID] = unit(lambda: [make_item(), make_item()])
            self.sides = (self.pair.sender, self.pair.receiver)
            self.phones = [client.as_(side.manager_id) for side in self.sides]
            self.approver = client.as_(self.pair.administrator_id)
            self.came = self.gone = 0
            for side in (0, 1):
                for item in (0, 1):
                    self.comes(side, item, item, 6)
            self.transfers: list[str] = []

        def post(self, phone: Any, path: str, body: dict[str, Any]) -> Any:
            """Once, and once more: the second tap changes nothing."""
            key = ids.new_id().hex
            first = phone.post(path, json=body, key=key)
            assert first.status_code < 500, first.get_json()
            before = unit(lambda: self.rows())
            second = phone.post(path, json=body, key=key)
            if first.status_code in (200, 201, 409, 422):
                assert (second.status_code, second.get_json()) == (first.status_code, first.get_json())
            assert unit(lambda: self.rows()) == before
            return first

        def rows(self) -> Any:
            counts = [db.session.scalar(select(func.count()).select_from(table)) for table in (Transfer, Movement)]
            return counts, self.shelves()

        def shelves(self) -> Any:
            return [
                tuple(row)
                for row in db.session.execute(
                    select(
                        StockBalance.station_id,
                        StockBalance.item_id,
                        StockBalance.lot_number,
                        StockBalance.portion,
                        StockBalance.quantity,
                        StockBalance.in_transit,
                    )
                    .where(StockBalance.item_id.in_(self.items))
                    .order_by(
                        StockBalance.station_id, StockBalance.item_id, StockBalance.lot_number, StockBalance.portion
                    )
                )
            ]

        def pick(self, number: int, *states: str) -> dict[str, Any] | None:
            """A transfer in one of the states if there is one, else any."""
            wanted = [UUID(one) for one in self.transfers]
            rows = unit(
                lambda: db.session.execute(
                    select(Transfer.id, Transfer.state).where(Transfer.id.in_(wanted)).order_by(Transfer.id)
                ).all()
            )
            chosen = [row.id for row in rows if row.state in states] or [row.id for row in rows]
            if not chosen:
                return None
            found: dict[str, Any] = self.approver.get(f"/transfers/{chosen[number % len(chosen)]}").get_json()
            return found

        def act(self, phone: Any, transfer: dict[str, Any], verb: str, body: dict[str, Any]) -> Any:
            answer = self.post(phone, f"/transfers/{transfer['id']}/{verb}", body)
            after = self.approver.get(f"/transfers/{transfer['id']}").get_json()
            if answer.status_code == 200:
                assert after["state"] in NEXT[transfer["state"], verb.rpartition("/")[2]]
                # Two shortfalls that go back travel in one transfer.
                returns = [one["return_id"] for one in after["shortfalls"] if one["return_id"] is not None]
                self.transfers = list(dict.fromkeys([*self.transfers, *returns]))
            else:
                assert answer.status_code in (403, 409), answer.get_json()
                assert after == transfer
            return answer

        def side_of(self, transfer: dict[str, Any], end: str) -> int:
            return [str(side.station_id) for side in self.sides].index(transfer[end]["id"])

        @rule(side=SIDE, item=ITEM, lot=LOT, quantity=QUANTITY)
        def comes(self, side: int, item: int, lot: int, quantity: int) -> None:
            unit(lambda: stock_up(self.sides[side], self.items[item], 2 * quantity, **loaded(LOTS[lot])))
            self.came += 2 * quantity

        @rule(side=SIDE, item=ITEM, quantity=QUANTITY)
        def goes(self, side: int, item: int, quantity: int) -> None:
            held = sum(
                row[4]
                for row in unit(lambda: self.shelves())
                if row[0] == self.sides[side].station_id and row[1] == self.items[item]
            )
            if held >= quantity:
                unit(lambda: use(self.sides[side], self.items[item], quantity))
                self.gone += quantity

        @rule(side=SIDE, lines=st.lists(st.tuples(ITEM, LOT, QUANTITY), min_size=1, max_size=3))
        def is_asked_for(self, side: int, lines: list[tuple[int, int, int]]) -> None:
            body = {
                "from_station_id": str(self.sides[1 - side].station_id),
                "to_station_id": str(self.sides[side].station_id),
                "lines": [
                    {"item_id": str(self.items[item]), "quantity": quantity} | LOTS[lot]
                    for item, lot, quantity in {
                        (item, lot): (item, lot, quantity) for item, lot, quantity in lines
                    }.values()
                ],
            }
            self.transfers.append(self.post(self.phones[side], "/transfers", body).get_json()["id"])

        @rule(number=WHICH, lower=st.integers(0, 2))
        def is_approved(self, number: int, lower: int) -> None:
            transfer = self.pick(number, "requested")
            if transfer is not None:
                line = transfer["lines"][0]
                lowered = {"item_id": line["item"]["id"], "quantity": max(0, line["requested"] - lower)}
                named = {name: line[name] for name in ("lot_number", "expires_on") if line[name] is not None}
                self.act(self.approver, transfer, "approval", {"lines": [lowered | named]})

        @rule(side=SIDE, item=ITEM, quantity=QUANTITY)
        def is_sent(self, side: int, item: int, quantity: int) -> None:
            self.is_asked_for(1 - side, [(item, item, quantity)])
            for phone, verb in ((self.approver, "approval"), (self.phones[side], "shipment")):
                transfer = self.approver.get(f"/transfers/{self.transfers[-1]}").get_json()
                if transfer["state"] in ("requested", "approved"):
                    self.act(phone, transfer, verb, {})

        @rule(number=WHICH, seldom=SELDOM)
        def is_rejected(self, number: int, seldom: int) -> None:
            transfer = self.pick(number) if not seldom else None
            if transfer is not None:
                self.act(self.approver, transfer, "rejection", {"reason": "不"})

        @rule(number=WHICH, swap=st.integers(0, 9))
        def is_shipped(self, number: int, swap: int) -> None:
            transfer = self.pick(number, "approved")
            if transfer is not None:
                # Now and then the wrong side tries.
                sender = self.side_of(transfer, "from_station") ^ (swap == 9)
                answer = self.act(self.phones[sender], transfer, "shipment", {})
                assert (answer.status_code == 403) == (swap == 9)

        @rule(
            number=WHICH,
            received=st.integers(0, 6),
            missing=st.lists(
                st.tuples(st.sampled_from(["lost", "damaged", "other", "returned"]), st.integers(1, 3)), max_size=2
            ),
            all_of_it=st.booleans(),
        )
        def is_received(self, number: int, received: int, missing: list[tuple[str, int]], all_of_it: bool) -> None:
            transfer = self.pick(number, "shipped")
            if transfer is None:
                return
            phone = self.phones[self.side_of(transfer, "to_station")]
            if (all_of_it and number % 2) or not transfer["lots"] or not (received or missing):
                self.act(phone, transfer, "receipt", {})
                return
            lot = transfer["lots"][number % len(transfer["lots"])]
            shortfalls = [{"reason": reason, "quantity": quantity} for reason, quantity in missing]
            # Mostly what can be: the rest is refused.
            fitting = received if all_of_it else min(received, lot["in_transit"] - sum(part for _, part in missing))
            line = {"lot_id": lot["id"], "quantity": max(0, fitting), "shortfalls": shortfalls}
            if not line["quantity"] and not shortfalls:
                return
            self.act(phone, transfer, "receipt", {"lines": [line]})

        @rule(number=WHICH, which=st.integers(0, 3))
        def is_received_by_mistake(self, number: int, which: int) -> None:
            """One of its receipts, the last first, is taken back; what is reversed already, or gone, is refused."""
            transfer = self.pick(number, "received", *["shipped", "canceled"][: number % 3])
            receipts = [step for step in (transfer or {"steps": []})["steps"] if step["kind"] == "received"]
            if transfer is not None and receipts:
                phone = self.phones[self.side_of(transfer, "to_station")]
                receipt = receipts[-1 - which % len(receipts)]
                answer = self.act(phone, transfer, f"receipts/{receipt['id']}/reversal", {})
                assert receipt["reversed_at"] is None or answer.get_json()["code"] == "receipt_reversed"

        @rule(number=WHICH, side=SIDE, seldom=SELDOM)
        def is_canceled(self, number: int, side: int, seldom: int) -> None:
            transfer = self.pick(number) if not seldom else None
            if transfer is not None:
                self.act(self.phones[side], transfer, "cancellation", {"reason": "不"})

        @invariant()
        def everything_is_somewhere(self) -> None:
            shelves = unit(lambda: self.shelves())
            transfers = [unit(lambda one=one: queries.read_transfer(UUID(one))) for one in self.transfers]
            short = sum(lot.short for one in transfers for lot in one.lots)
            on_shelf, under_way = sum(row[4] for row in shelves), sum(row[5] for row in shelves)
            assert on_shelf + under_way + short == self.came - self.gone
            assert under_way == sum(lot.in_transit for one in transfers for lot in one.lots)
            assert unit(lambda: check_queries.differences(10)) == []
            for one in transfers:
                left = sum(lot.in_transit for lot in one.lots)
                assert (left > 0) == (one.state == "shipped")
                # What went back and was called back on its way is under way where it was.
                called_back = one.returns_id is not None and one.state == "canceled"
                assert called_back or short_of(one) == sum(lot.short + lot.returned for lot in one.lots)
                assert [step.kind for step in one.steps][:1] in (["requested"], ["shipped"])

        @invariant()
        def ledgers_agree(self) -> None:
            def sums() -> dict[str, int]:
                # A reversal takes away from what it reverses.
                original = aliased(Movement)
                kind = func.coalesce(original.kind, Movement.kind)
                found = db.session.execute(
                    select(kind, func.sum(StockEntry.quantity))
                    .select_from(Movement)
                    .join(StockEntry, StockEntry.movement_id == Movement.id)
                    .outerjoin(original, original.id == Movement.reverses_id)
                    .where(StockEntry.item_id.in_(self.items))
                    .group_by(kind)
                )
                return {kind: int(total) for kind, total in found}

            totals = unit(sums)
            shelves = unit(lambda: self.shelves())
            # What all stations sent is what all stations received, and what is under way.
            sent, arrived = -totals.get("transfer_out", 0), totals.get("transfer_in", 0)
            assert sent == arrived + sum(row[5] for row in shelves)
            assert sum(totals.values()) == sum(row[4] for row in shelves)

    with clock.at(NOON):
        run_machine(Traffic, examples=4, steps=35)


def short_of(transfer: queries.Whole) -> int:
    return sum(one.quantity for one in transfer.shortfalls)
