"""Whatever people do in whatever order, the waitlist keeps its promises."""

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import select

from tests.activities.factories import make_activity, make_volunteers
from volunteer_api.activities.models import Shift
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.sign_ups import service
from volunteer_api.sign_ups.models import ACTIVE_SIGN_UPS, SignUp
from volunteer_api.sign_ups.problems import AlreadySignedUp, OverlappingShift

PEOPLE = st.integers(0, 2)
# Three that overlap each other, and one that only follows.
SHIFTS = st.integers(0, 3)
HOURS = ((0, 3), (1, 4), (2, 5), (5, 7))
CAPACITIES = (1, 1, 1, 2)


def overlap(one: Shift, other: Shift) -> bool:
    return one.starts_at < other.ends_at and other.starts_at < one.ends_at


def test_the_waitlist_keeps_its_promises(unit: Any, run_machine: Any) -> None:
    class Waitlist(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            start = clock.now() + timedelta(days=1)
            given = [
                {
                    "starts_at": start + timedelta(hours=first),
                    "ends_at": start + timedelta(hours=last),
                    "capacity": capacity,
                }
                for (first, last), capacity in zip(HOURS, CAPACITIES, strict=True)
            ]
            self.people: list[UUID] = unit(lambda: make_volunteers(3))
            shift_ids = unit(lambda: make_activity(shifts=given)).shift_ids
            found = unit(lambda: list(db.session.scalars(select(Shift).where(Shift.id.in_(shift_ids)))))
            self.shifts: list[Shift] = sorted(found, key=lambda shift: shift.starts_at)

        def rows(self) -> list[SignUp]:
            ids = [shift.id for shift in self.shifts]
            statement = select(SignUp).where(SignUp.shift_id.in_(ids), SignUp.state.in_(ACTIVE_SIGN_UPS))
            return unit(lambda: list(db.session.scalars(statement.order_by(SignUp.position))))  # type: ignore[no-any-return]  # a fixture

        def busy(self, rows: list[SignUp], volunteer_id: UUID, shift: Shift) -> bool:
            times = {one.id: one for one in self.shifts}
            return any(
                row.volunteer_id == volunteer_id
                and row.state == "confirmed"
                and row.shift_id != shift.id
                and overlap(times[row.shift_id], shift)
                for row in rows
            )

        @rule(person=PEOPLE, number=SHIFTS)
        def sign_up(self, person: int, number: int) -> None:
            volunteer_id, shift = self.people[person], self.shifts[number]
            before = self.rows()
            has = any(row.volunteer_id == volunteer_id and row.shift_id == shift.id for row in before)
            confirmed = sum(row.shift_id == shift.id and row.state == "confirmed" for row in before)
            try:
                made = unit(lambda: service.sign_up(shift_id=shift.id, volunteer_id=volunteer_id))
            except AlreadySignedUp:
                assert has
            except OverlappingShift:
                assert not has
                assert self.busy(before, volunteer_id, shift)
            else:
                assert not has
                assert not self.busy(before, volunteer_id, shift)
                assert made.state == ("confirmed" if confirmed < (shift.capacity or 99) else "waitlisted")

        @rule(number=st.integers(0, 11))
        def withdraw(self, number: int) -> None:
            before = self.rows()
            if not before:
                return
            mine = before[number % len(before)]
            unit(lambda: service.withdraw(sign_up_id=mine.id))
            after = {row.id: row for row in self.rows()}
            assert mine.id not in after
            for row in before:
                if row.state != "waitlisted" or row.id == mine.id or after[row.id].state != "confirmed":
                    continue
                # Promoted: everybody who waited before them is promoted too, or busy elsewhere.
                place = next(one for one in self.shifts if one.id == row.shift_id)
                for earlier in before:
                    if earlier.shift_id == row.shift_id and earlier.state == "waitlisted" and earlier.id in after:
                        assert (
                            (earlier.position or 0) >= (row.position or 0)
                            or after[earlier.id].state == "confirmed"
                            or self.busy(list(after.values()), earlier.volunteer_id, place)
                        )

        @invariant()
        def counts_are_rows_and_nobody_waits_for_nothing(self) -> None:
            rows = self.rows()
            for known in self.shifts:
                shift = unit(lambda known=known: db.session.get(Shift, known.id))
                here = [row for row in rows if row.shift_id == shift.id]
                states = Counter(row.state for row in here)
                assert (shift.confirmed_count, shift.waitlisted_count) == (states["confirmed"], states["waitlisted"])
                assert shift.confirmed_count <= shift.capacity
                waiting = [row for row in here if row.state == "waitlisted"]
                assert [row.id for row in waiting] == sorted(row.id for row in waiting)
                if shift.confirmed_count < shift.capacity:
                    assert all(self.busy(rows, row.volunteer_id, shift) for row in waiting)
            for volunteer_id in self.people:
                own = [row for row in rows if row.volunteer_id == volunteer_id]
                for row in own:
                    place = next(one for one in self.shifts if one.id == row.shift_id)
                    assert row.state != "confirmed" or not self.busy(rows, volunteer_id, place)

    run_machine(Waitlist, examples=10, steps=40)
