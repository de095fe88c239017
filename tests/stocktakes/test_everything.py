"""Whatever happens at a station, in whatever order: the ledger adds up, and no tap counts twice.

A state machine over HTTP: receipts, issues, write-offs, quarantines, releases, openings, reversals, backdating, counts
of what was lost without a word, closings of the month before, and repeated requests. `LEDGER_EXAMPLES` and
`LEDGER_STEPS` make it longer.
"""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import select

from tests.inventory.factories import make_depot, make_item
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.inventory import verification
from volunteer_api.inventory.models import StockBalance

Unit = Callable[[Callable[[], Any]], Any]
EXAMPLES = int(os.environ.get("LEDGER_EXAMPLES", "5"))
STEPS = int(os.environ.get("LEDGER_STEPS", "25"))
REFUSALS = {
    "stock_too_low",
    "lot_expired",
    "later_balance_negative",
    "too_far_back",
    "before_last_count",
    "month_closed",
    "already_reversed",
    "reversal_not_reversible",
    "month_already_closed",
    "earlier_month_open",
    "opening_changes_nothing",
    "stocktake_outdated",
    "receipt_of_expired",
    "lot_expiry_differs",
    "opened_in_quarantine",
}
items = st.integers(min_value=0, max_value=1)
some = st.integers(min_value=1, max_value=9)
plenty = st.integers(min_value=5, max_value=40)
days = st.sampled_from([0, 0, 0, 1, 5, 25, 29])


def test_the_ledger_adds_up_whatever_happens(client: Any, unit: Unit, run_machine: Any) -> None:
    counts = {"steps": 0, "accepted": 0, "refused": 0, "replayed": 0}

    class Station(Happenings):
        phone, run, seen = client, staticmethod(unit), counts

    run_machine(Station, examples=EXAMPLES, steps=STEPS)
    assert counts["accepted"] > 0


class Happenings(RuleBasedStateMachine):
    """One station. The first item has no lots and is counted; the second has lots and shorter days once opened."""

    phone: Any
    run: Unit
    seen: dict[str, int]

    def __init__(self) -> None:
        super().__init__()
        self.depot = self.run(make_depot)
        self.items = [self.run(make_item), self.run(lambda: make_item(days_once_opened=20))]
        self.manager = self.phone.as_(self.depot.manager_id)
        self.organizer = self.phone.as_(self.depot.organizer_id)
        self.sent: list[tuple[Any, str, Any, str, Any]] = []
        self.documents: list[dict[str, Any]] = []
        self.reversed: set[str] = set()
        self.balances: dict[tuple[str, Any, Any, bool], int] = {}
        # What happened to the first item since it was counted, as somebody who stands at the shelf sees it.
        self.counted: dict[str, Any] | None = None
        self.book: Any = None
        self.now = self.run(clock.now)
        self.lots = {
            "A": (self.run(clock.today) + timedelta(days=3)).isoformat(),
            "B": (self.run(clock.today) + timedelta(days=300)).isoformat(),
            "C": (self.run(clock.today) - timedelta(days=10)).isoformat(),
        }

    def send(self, path: str, body: Any, *, by: Any = None, seen: str | None = None) -> Any:
        """A request with a key of its own; None where it is refused, as only it may be."""
        key = f"k{len(self.sent)}-{self.depot.code}"
        phone = by or self.manager
        answer = phone.post(path, json=body, key=key, headers={} if seen is None else {"If-Match": seen})
        self.sent.append((phone, path, body, key, answer.get_json()))
        if answer.status_code == 409:
            assert answer.get_json()["code"] in REFUSALS, answer.get_json()
            self.seen["refused"] += 1
            return None
        assert answer.status_code in (200, 201), answer.get_json()
        self.seen["accepted"] += 1
        return answer.get_json()

    def move(self, kind: str, reason: str, line: dict[str, Any], back: int = 0) -> None:
        body = {"kind": kind, "reason": reason, "lines": [line]}
        if back:
            body["occurred_at"] = (self.now - timedelta(days=back)).isoformat()
        document = self.send(f"/stations/{self.depot.station_id}/movements", body)
        self.write(document, live=not back)

    def write(self, document: Any, *, live: bool) -> None:
        if document is None:
            return
        self.documents.append(document | {"live": live, "after_count": self.counted is not None and live})
        for entry in document["entries"]:
            place = (entry["item_id"], entry["lot_number"], entry["opened_on"], entry["quarantined"])
            self.balances[place] = self.balances.get(place, 0) + entry["quantity"]
            assert entry["balance"] == self.balances[place] >= 0
            if self.counted is not None and live and place == (str(self.items[0]), None, None, False):
                self.counted["since"] += entry["quantity"]

    @rule(item=items, quantity=plenty, lot=st.sampled_from("ABBC"), back=days)
    def receive(self, item: int, quantity: int, lot: str, back: int) -> None:
        line = {"item_id": str(self.items[item]), "quantity": quantity}
        if item:
            line |= {"lot_number": lot, "expires_on": self.lots[lot]}
        self.move("receipt", "donation", line, back)

    @rule(item=items, quantity=some, back=days)
    def issue(self, item: int, quantity: int, back: int) -> None:
        self.move("issue", "handed_out", {"item_id": str(self.items[item]), "quantity": quantity}, back)

    @rule(item=items, quantity=some, back=days)
    def write_off(self, item: int, quantity: int, back: int) -> None:
        self.move("write_off", "damaged", {"item_id": str(self.items[item]), "quantity": quantity}, back)

    @rule(item=items, quantity=some, back=days)
    def quarantine(self, item: int, quantity: int, back: int) -> None:
        self.move("quarantine", "damaged", {"item_id": str(self.items[item]), "quantity": quantity}, back)

    @rule(item=items, quantity=some)
    def write_off_what_is_quarantined(self, item: int, quantity: int) -> None:
        line = {"item_id": str(self.items[item]), "quantity": quantity, "quarantined": True}
        self.move("write_off", "damaged", line)

    @rule(item=items, quantity=some)
    def release(self, item: int, quantity: int) -> None:
        self.move("release", "other", {"item_id": str(self.items[item]), "quantity": quantity})

    @rule(item=items, quantity=st.integers(min_value=1, max_value=3), back=st.sampled_from([0, 0, 7]))
    def open_some(self, item: int, quantity: int, back: int) -> None:
        body = {"item_id": str(self.items[item]), "quantity": quantity}
        if back:
            body["opened_on"] = (self.run(clock.today) - timedelta(days=back)).isoformat()
        self.write(self.send(f"/stations/{self.depot.station_id}/stock/openings", body), live=not back)

    @precondition(lambda self: self.documents)
    @rule(number=st.integers(min_value=0))
    def reverse(self, number: int) -> None:
        undone = self.documents[number % len(self.documents)]
        body = {"reason": "mistake"}
        path = f"/movements/{undone['id']}/reversal"
        document = self.send(path, body, by=self.organizer)
        assert (document is not None) <= (undone["id"] not in self.reversed and undone["kind"] != "reversal")
        if document is not None:
            self.reversed.add(undone["id"])
            # Undoing a mistake that the counter could not see changes nothing that she counted. What only moved inside
            # of a lot was really there, and really moves back.
            inside = undone["kind"] in ("quarantine", "release", "unsealing")
            self.write(document, live=inside or (undone["after_count"] and undone["kind"] != "stocktake"))

    @precondition(lambda self: self.counted is None)
    @rule(lost=st.integers(min_value=-2, max_value=3), behind=st.sampled_from([None, 0, 15, 90]))
    def count(self, lost: int, behind: int | None) -> None:
        """Somebody counts the first item, of which some were lost, or found, without a word.

        Her phone's clock may be behind by so many minutes; how long ago the tap was, it knows nevertheless.
        """
        there = self.balances.get((str(self.items[0]), None, None, False), 0)
        begun = self.send(f"/stations/{self.depot.station_id}/stocktakes", {"item_ids": [str(self.items[0])]})
        counted = max(0, there - lost)
        line: dict[str, Any] = {"item_id": str(self.items[0]), "quantity": counted}
        if behind is not None:
            clock_says = self.run(clock.now) - timedelta(minutes=behind)
            line |= {"counted_at": clock_says.isoformat(), "delay_ms": 0}
        answer = self.manager.put(f"/stocktakes/{begun['id']}/lines", json={"lines": [line]})
        assert answer.status_code == 200
        self.counted = {"id": begun["id"], "counted": counted, "since": 0}
        for document in self.documents:
            document["after_count"] = False

    @precondition(lambda self: self.counted is not None)
    @rule()
    def approve(self) -> None:
        assert self.counted is not None
        body = {"reason": "lost", "skip_uncounted": True}
        path = f"/stocktakes/{self.counted['id']}/approval"
        # What is recorded late may make a variance of which nobody was told: she reads it first.
        read = self.organizer.get(f"/stocktakes/{self.counted['id']}")
        approved = self.send(path, body, by=self.organizer, seen=read.headers["ETag"])
        counted, self.counted = self.counted, None
        for document in self.documents:
            document["after_count"] = False
        if approved is None:
            assert counted["counted"] + counted["since"] < 0
            return
        for row in approved["lines"]:
            if row["movement_id"] is not None:
                self.write(self.manager.get(f"/movements/{row['movement_id']}").get_json(), live=False)
        now = self.balances.get((str(self.items[0]), None, None, False), 0)
        assert now == counted["counted"] + counted["since"]

    @precondition(lambda self: self.book is None)
    @rule()
    def close_the_month_before(self) -> None:
        month = f"{self.run(clock.today).replace(day=1) - timedelta(days=1):%Y-%m}"
        path = f"/organizations/{self.depot.office_id}/stock-months/{month}/closing"
        if self.send(path, None, by=self.organizer) is not None:
            self.book = (month, self.read_book(month))

    @precondition(lambda self: self.sent)
    @rule(number=st.integers(min_value=0))
    def tap_again(self, number: int) -> None:
        phone, path, body, key, first = self.sent[number % len(self.sent)]
        again = phone.post(path, json=body, key=key)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.get_json() == first
        self.seen["replayed"] += 1

    def read_book(self, month: str) -> Any:
        return self.manager.get(f"/stations/{self.depot.station_id}/ledger?month={month}").get_json()

    @invariant()
    def it_adds_up(self) -> None:
        """Sums = balances = running balances; no day below zero; numbers without gaps; closed months as they were."""
        self.seen["steps"] += 1
        assert self.run(lambda: verification._finish(self.depot.station_id, verification._Replay())) == []
        held = self.run(
            lambda: db.session.execute(
                select(
                    StockBalance.item_id, StockBalance.lot_number, StockBalance.portion, StockBalance.quantity
                ).where(StockBalance.station_id == self.depot.station_id, StockBalance.quantity != 0)
            ).all()
        )
        expected = {place: quantity for place, quantity in self.balances.items() if quantity}
        assert {place_of(row): row.quantity for row in held} == expected
        if self.book is not None:
            month, book = self.book
            assert self.read_book(month) == book


def place_of(row: Any) -> tuple[str, Any, Any, bool]:
    quarantined = row.portion == "quarantined"
    return str(row.item_id), row.lot_number or None, None if quarantined else row.portion or None, quarantined
