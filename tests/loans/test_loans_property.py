"""Whatever people do at two desks, everything adds up: a state machine against a model that counts on its fingers."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.factories import unit_of
from tests.inventory.factories import move
from tests.loans.factories import (
    Desk,
    add_up,
    bring_back,
    extend,
    lend,
    make_desk,
    number,
    outstanding,
    shelf,
    state_of,
    undo_return,
)
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.problems import Conflict
from volunteer_api.loans import assets, borrowers, reminders
from volunteer_api.loans.models import Asset, AssetState, Loan
from volunteer_api.loans.service import next_reminder

START = datetime(2026, 11, 2, 4, 0, tzinfo=UTC)
PIECES = 6
QUANTITY = st.integers(min_value=1, max_value=4)
PICK = st.integers(min_value=0, max_value=50)
CONDITION = st.sampled_from(["good", "good", "damaged", "written off", "lost"])


@dataclass
class Lent:
    """A loan as the model knows it."""

    id: UUID
    asset_id: UUID | None
    outstanding: int
    closed_at: datetime | None = None


@dataclass
class Back:
    """A return as the model knows it; `moves` is how often its numbered piece had moved by then."""

    id: UUID
    loan: Lent
    taken: int
    condition: str
    elsewhere: bool
    moves: int
    reversed: bool = False


class TwoDesks(RuleBasedStateMachine):
    """One desk that lends and one that only takes back; `self.unit` commits each step."""

    app: Flask

    def __init__(self) -> None:
        super().__init__()
        self.unit = unit_of(self.app)
        self.now = START
        self.here, self.there = PIECES, 0
        self.quarantined = {False: 0, True: 0}
        self.written_off = 0
        self.loans: list[Lent] = []
        # State, and whether it is at the other desk.
        self.pieces: dict[UUID, tuple[str, bool]] = {}
        self.moves: Counter[UUID | None] = Counter()
        self.returns: list[Back] = []

    @initialize()
    def open_desk(self) -> None:
        with clock.at(self.now):
            self.desk: Desk = self.unit(lambda: make_desk(quantity=PIECES))
            for _ in range(2):
                self.pieces[self.unit(lambda: number(self.desk)).id] = ("in_stock", False)

    def do(self, work: Callable[[], Any], *, allowed: bool) -> Any:
        """Run it now; it must be refused exactly where the model says so."""
        with clock.at(self.now):
            if allowed:
                return self.unit(work)
            with pytest.raises(Conflict):
                self.unit(work)
            return None

    def put_piece(self, asset_id: UUID, state: str, elsewhere: bool = False) -> None:
        self.pieces[asset_id] = (state, elsewhere)
        self.moves[asset_id] += 1

    def numbered(self, state: str, elsewhere: bool = False) -> list[UUID]:
        return [asset_id for asset_id, known in self.pieces.items() if known == (state, elsewhere)]

    @property
    def unnumbered(self) -> int:
        """How many pieces without a number are on the shelf of the lending desk."""
        return self.here - len(self.numbered("in_stock"))

    @rule(quantity=QUANTITY)
    def lend_some(self, quantity: int) -> None:
        loan = self.do(lambda: lend(self.desk, quantity), allowed=quantity <= self.unnumbered)
        if loan is not None:
            self.here -= quantity
            self.loans.append(Lent(loan.id, None, quantity))

    @precondition(lambda self: self.numbered("in_stock"))
    @rule(pick=PICK)
    def lend_piece(self, pick: int) -> None:
        asset_id = self.numbered("in_stock")[pick % len(self.numbered("in_stock"))]
        loan = self.do(lambda: lend(self.desk, asset_id=asset_id), allowed=True)
        self.here -= 1
        self.put_piece(asset_id, "on_loan")
        self.loans.append(Lent(loan.id, asset_id, 1))

    @precondition(lambda self: any(known != ("in_stock", False) for known in self.pieces.values()))
    @rule(pick=PICK)
    def lend_piece_that_is_not_here(self, pick: int) -> None:
        gone = [asset_id for asset_id, known in self.pieces.items() if known != ("in_stock", False)]
        self.do(lambda: lend(self.desk, asset_id=gone[pick % len(gone)]), allowed=False)

    @rule()
    def number_one(self) -> None:
        made = self.do(lambda: number(self.desk), allowed=self.unnumbered > 0)
        if made is not None:
            self.pieces[made.id] = ("in_stock", False)

    @precondition(lambda self: self.loans)
    @rule(pick=PICK, quantity=st.none() | QUANTITY, condition=CONDITION, elsewhere=st.booleans())
    def take_back(self, pick: int, quantity: int | None, condition: str, elsewhere: bool) -> None:
        self.come_back(pick, quantity, condition, elsewhere)

    def come_back(self, pick: int, quantity: int | None, condition: str, elsewhere: bool) -> None:
        loan = self.loans[pick % len(self.loans)]
        taken = quantity or loan.outstanding
        allowed = 0 < taken <= loan.outstanding and not (condition == "lost" and elsewhere)
        write_off = condition == "written off"
        back = self.do(
            lambda: bring_back(
                self.desk,
                loan.id,
                quantity,
                condition="damaged" if write_off else condition,
                elsewhere=elsewhere,
                write_off=write_off,
            ),
            allowed=allowed,
        )
        if not allowed:
            return
        loan.outstanding -= taken
        if loan.outstanding == 0:
            loan.closed_at = self.now
        states = {"good": "in_stock", "damaged": "repair", "written off": "retired", "lost": "lost"}
        if loan.asset_id is not None:
            self.put_piece(loan.asset_id, states[condition], elsewhere)
        self.land(taken, condition, elsewhere)
        self.returns.append(Back(back.returns[-1].id, loan, taken, condition, elsewhere, self.moves[loan.asset_id]))

    def land(self, taken: int, condition: str, elsewhere: bool) -> None:
        if condition == "good":
            self.here += 0 if elsewhere else taken
            self.there += taken if elsewhere else 0
        elif condition == "damaged":
            self.quarantined[elsewhere] += taken
        else:
            self.written_off += taken

    def is_still_there(self, back: Back) -> bool:
        """Whether what a return brought can be taken away again: pieces without numbers are one like another."""
        if back.loan.asset_id is not None:
            return back.moves == self.moves[back.loan.asset_id]
        if back.condition == "good":
            held = self.there if back.elsewhere else self.here
            return back.taken <= held - len(self.numbered("in_stock", back.elsewhere))
        if back.condition == "damaged":
            return back.taken <= self.quarantined[back.elsewhere] - len(self.numbered("repair", back.elsewhere))
        return True

    @precondition(lambda self: self.returns)
    @rule(pick=PICK)
    def reverse_return(self, pick: int) -> None:
        """Any, though most are of pieces that are gone, or reversed already."""
        self.reverse(self.returns[-1 - pick % len(self.returns)])

    @precondition(lambda self: any(loan.outstanding for loan in self.loans))
    @rule(pick=PICK, condition=CONDITION, elsewhere=st.booleans())
    def mistake_a_return(self, pick: int, condition: str, elsewhere: bool) -> None:
        """All that is outstanding of a loan, or one of it, is typed in, and taken back at once."""
        places = [place for place, loan in enumerate(self.loans) if loan.outstanding]
        self.come_back(places[pick % len(places)], None if pick % 2 else 1, condition, elsewhere)
        if self.returns:
            self.reverse(self.returns[-1])

    def reverse(self, back: Back) -> None:
        loan = back.loan
        forgotten = loan.closed_at is not None and loan.closed_at + timedelta(days=30) <= self.now
        allowed = not back.reversed and not forgotten and self.is_still_there(back)
        self.do(lambda: undo_return(self.desk, back.id, elsewhere=back.elsewhere), allowed=allowed)
        if not allowed:
            return
        back.reversed, loan.closed_at = True, None
        loan.outstanding += back.taken
        self.land(-back.taken, back.condition, back.elsewhere)
        if loan.asset_id is not None:
            self.put_piece(loan.asset_id, "on_loan")

    @precondition(lambda self: self.numbered("on_loan"))
    @rule(pick=PICK, condition=CONDITION, elsewhere=st.booleans())
    def take_back_piece(self, pick: int, condition: str, elsewhere: bool) -> None:
        """A numbered piece comes back more often than chance among all loans would have it."""
        asset_id = self.numbered("on_loan")[pick % len(self.numbered("on_loan"))]
        places = [place for place, loan in enumerate(self.loans) if loan.asset_id == asset_id and loan.outstanding]
        self.come_back(places[0], None, condition, elsewhere)

    @rule(quantity=QUANTITY)
    def write_off_some(self, quantity: int) -> None:
        line = {"item_id": self.desk.item_id, "quantity": quantity}
        allowed = quantity <= self.unnumbered
        self.do(lambda: move(self.desk.depot, "write_off", line, reason="damaged"), allowed=allowed)
        if allowed:
            self.here -= quantity
            self.written_off += quantity

    @precondition(lambda self: self.numbered("in_stock"))
    @rule(pick=PICK)
    def send_to_repair(self, pick: int) -> None:
        asset_id = self.numbered("in_stock")[pick % len(self.numbered("in_stock"))]
        self.do(lambda: self.change(asset_id, AssetState.REPAIR), allowed=True)
        self.put_piece(asset_id, "repair")
        self.here -= 1
        self.quarantined[False] += 1

    @precondition(lambda self: self.numbered("repair"))
    @rule(pick=PICK)
    def repair(self, pick: int) -> None:
        asset_id = self.numbered("repair")[pick % len(self.numbered("repair"))]
        self.do(lambda: self.change(asset_id, AssetState.IN_STOCK), allowed=True)
        self.put_piece(asset_id, "in_stock")
        self.here += 1
        self.quarantined[False] -= 1

    @precondition(lambda self: self.numbered("in_stock", True))
    @rule(pick=PICK)
    def carry_home(self, pick: int) -> None:
        asset_id = self.numbered("in_stock", True)[pick % len(self.numbered("in_stock", True))]
        self.do(
            lambda: assets.relocate(
                db.session.get_one(Asset, asset_id),
                actor_id=self.desk.depot.organizer_id,
                station_id=self.desk.station_id,
            ),
            allowed=True,
        )
        self.put_piece(asset_id, "in_stock")
        self.there -= 1
        self.here += 1

    def change(self, asset_id: UUID, state: AssetState) -> Any:
        return assets.change_asset(db.session.get_one(Asset, asset_id), actor_id=self.desk.manager_id, state=state)

    @precondition(lambda self: self.loans)
    @rule(pick=PICK, days=st.integers(min_value=1, max_value=30))
    def extend(self, pick: int, days: int) -> None:
        loan = self.loans[pick % len(self.loans)]
        due_at = self.now + timedelta(days=days)
        allowed = loan.outstanding > 0 and due_at > self.unit(lambda: db.session.get_one(Loan, loan.id).due_at)
        self.do(lambda: extend(self.desk, loan.id, due_at), allowed=allowed)

    @rule(days=st.integers(min_value=1, max_value=20))
    def time_passes(self, days: int) -> None:
        self.now += timedelta(days=days, seconds=1)
        with clock.at(self.now):
            while self.unit(reminders.remind):
                pass
            self.unit(borrowers.forget)

    @invariant()
    def nothing_is_made_and_nothing_vanishes(self) -> None:
        here = self.unit(lambda: shelf(self.desk.station_id, self.desk.item_id))
        there = self.unit(lambda: shelf(self.desk.other_station_id, self.desk.item_id))
        out = sum(loan.outstanding for loan in self.loans)
        assert here == (self.here, self.quarantined[False], out)
        assert there == (self.there, self.quarantined[True], 0)
        assert sum(here) + sum(there) + self.written_off == PIECES

    @invariant()
    def loans_are_what_was_lent(self) -> None:
        for loan in self.loans:
            assert self.unit(lambda loan=loan: outstanding(loan.id)) == (loan.outstanding, loan.outstanding)
            stored = self.unit(lambda loan=loan: db.session.get_one(Loan, loan.id))
            assert stored.closed_at == loan.closed_at
            past = loan.closed_at is not None and loan.closed_at + timedelta(days=30) <= self.now
            assert (stored.borrower is None) <= past
            if loan.closed_at is None:
                with clock.at(self.now):
                    assert stored.remind_at is None or stored.remind_at == self.unit(
                        lambda stored=stored: next_reminder(stored.due_at, self.now)
                    )
            else:
                assert stored.remind_at is None

    @invariant()
    def pieces_are_where_they_are(self) -> None:
        stations = {False: self.desk.station_id, True: self.desk.other_station_id}
        for asset_id, (state, elsewhere) in self.pieces.items():
            assert self.unit(lambda asset_id=asset_id: state_of(asset_id)) == (state, stations[elsewhere])
        assert len(self.numbered("on_loan")) == sum(
            loan.outstanding for loan in self.loans if loan.asset_id is not None
        )

    @invariant()
    def the_nightly_check_is_silent(self) -> None:
        # Not at the desks of the examples before: each step would look at all of them.
        self.unit(lambda: add_up(self.desk.station_id, self.desk.other_station_id))


def test_everything_adds_up_at_two_desks(app: Flask, run_machine: Any) -> None:
    machine = type("Desks", (TwoDesks,), {"app": app})
    run_machine(machine, examples=5, steps=30)
