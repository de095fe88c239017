"""Whatever volunteers and leaders do in whatever order, with roles, approval, invitations, stand-ins, moved shifts."""

import contextlib
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select

from tests.activities.factories import make_activity, make_scene, make_volunteers
from tests.sign_ups.factories import move_shift, number_of
from volunteer_api.activities import service as activities
from volunteer_api.activities import shifts as shift_verbs
from volunteer_api.activities.changes import changing
from volunteer_api.activities.models import Activity, Shift, ShiftRole
from volunteer_api.activities.prospects import prospects
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.problems import Conflict, InvalidPayload
from volunteer_api.sign_ups import service, stand_ins
from volunteer_api.sign_ups.models import ACTIVE_SIGN_UPS, SignUp

PEOPLE, SHIFTS, SIGN_UPS = st.integers(0, 3), st.integers(0, 3), st.integers(0, 15)
# The first three overlap in pairs, and one of them asks for approval; the last one is moved into them, or they into it.
PLAN = (("open", 0, 3, 2), ("open", 2, 5, 1), ("approval", 1, 4, 1), ("open", 6, 8, 2))


def overlap(one: Shift, other: Shift) -> bool:
    return one.starts_at < other.ends_at and other.starts_at < one.ends_at


def test_sign_ups_keep_their_promises(unit: Any, run_machine: Any) -> None:
    class Program(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            unit(self.prepare)
            self.waited: list[SignUp] = []

        def prepare(self) -> None:
            scene, start = make_scene(), clock.now() + timedelta(days=2)
            self.leader = scene.organizer_id
            self.people = make_volunteers(4)
            self.activity_ids: list[UUID] = []
            self.shift_ids: list[UUID] = []
            for mode, first, last, capacity in PLAN:
                times = {"starts_at": start + timedelta(hours=first), "ends_at": start + timedelta(hours=last)}
                roles = [{"name": "讲解", "capacity": 1}]
                made = make_activity(
                    scene=scene, sign_up_mode=mode, shifts=[times | {"capacity": capacity, "roles": roles}]
                )
                self.activity_ids.append(made.id)
                self.shift_ids.append(made.shift_id)

        def rows(self) -> list[SignUp]:
            return self.known()[0]

        def known(self) -> tuple[list[SignUp], dict[UUID, Shift], dict[UUID, ShiftRole]]:
            """The active sign-ups, the shifts by id, and the role of each shift."""
            active = SignUp.shift_id.in_(self.shift_ids) & SignUp.state.in_(ACTIVE_SIGN_UPS)
            rows, shifts, roles = unit(
                lambda: [
                    list(db.session.scalars(statement))
                    for statement in (
                        select(SignUp).where(active).order_by(SignUp.position, SignUp.id),
                        select(Shift).where(Shift.id.in_(self.shift_ids)),
                        select(ShiftRole).where(ShiftRole.shift_id.in_(self.shift_ids)),
                    )
                ]
            )
            return rows, {one.id: one for one in shifts}, {one.shift_id: one for one in roles}

        def attempt(self, work: Callable[[], Any]) -> None:
            """A refusal is an answer like any other; what may not be is told by the invariants."""
            self.waited = [one for one in self.rows() if one.state == "waitlisted"]
            with contextlib.suppress(Conflict, InvalidPayload):
                unit(work)

        def busy(self, rows: list[SignUp], shifts: dict[UUID, Shift], mine: SignUp) -> bool:
            return any(
                one.volunteer_id == mine.volunteer_id
                and one.state == "confirmed"
                and one.id != mine.id
                and overlap(shifts[one.shift_id], shifts[mine.shift_id])
                for one in rows
            )

        @initialize(pairs=st.lists(st.tuples(PEOPLE, SHIFTS), min_size=8, max_size=16, unique=True))
        def begin(self, pairs: list[tuple[int, int]]) -> None:
            """Nothing happens to shifts that nobody wants."""
            for person, number in pairs:
                self.sign_up(person, number, as_guide=False)

        @rule(person=PEOPLE, number=SHIFTS, as_guide=st.booleans())
        def sign_up(self, person: int, number: int, as_guide: bool) -> None:
            shift_id, volunteer_id = self.shift_ids[number], self.people[person]
            role_id = self.known()[2][shift_id].id if as_guide else None
            announced = unit(lambda: self.announced(shift_id, volunteer_id, role_id))
            outcome: list[str] = []

            def work() -> None:
                made = service.sign_up(shift_id=shift_id, volunteer_id=volunteer_id, role_id=role_id)
                outcome[:] = [made.state]

            self.attempt(work)
            assert ([announced] if announced is not None else []) == outcome

        def announced(self, shift_id: UUID, volunteer_id: UUID, role_id: UUID | None) -> str | None:
            shift = db.session.get_one(Shift, shift_id)
            role = db.session.get_one(ShiftRole, role_id) if role_id is not None else None
            activity = db.session.get_one(Activity, shift.activity_id)
            return prospects(volunteer_id, [(activity, shift)], clock.now(), [role])[0].would_be

        @rule(person=PEOPLE, number=SHIFTS)
        def invite(self, person: int, number: int) -> None:
            self.attempt(
                lambda: service.invite(
                    by=self.leader, shift_id=self.shift_ids[number], volunteer_id=self.people[person]
                )
            )

        @rule(number=SIGN_UPS, verb=st.sampled_from(["accept", "accept", "decline", "withdraw"]))
        def answer(self, number: int, verb: str) -> None:
            if rows := self.rows():
                mine = rows[number % len(rows)].id
                self.attempt(lambda: getattr(service, verb)(sign_up_id=mine))

        @rule(number=SIGN_UPS, verb=st.sampled_from(["approve", "approve", "reject"]))
        def decide(self, number: int, verb: str) -> None:
            if rows := self.rows():
                mine = rows[number % len(rows)].id
                self.attempt(lambda: getattr(service, verb)(sign_up_id=mine, by=self.leader))

        @rule(number=SIGN_UPS, person=PEOPLE, takes_it=st.booleans())
        def stand_in(self, number: int, person: int, takes_it: bool) -> None:
            confirmed = [one for one in self.rows() if one.state == "confirmed"]
            if not confirmed:
                return
            mine = confirmed[number % len(confirmed)].id
            self.attempt(lambda: stand_ins.offer(sign_up_id=mine, volunteer_number=number_of(self.people[person])))
            asked = [one.id for one in self.rows() if one.stands_in_for_id == mine and one.state == "invited"]
            if takes_it and asked:
                self.attempt(lambda: service.accept(sign_up_id=asked[0]))

        @rule(number=SHIFTS, hours=st.sampled_from([-3, -2, 0, 2, 3]))
        def change(self, number: int, hours: int) -> None:
            """The shift is moved, or gets another place."""

            def work() -> None:
                activity = activities.queries.lock_activity(self.activity_ids[number])
                with changing(activity, shift_ids=[self.shift_ids[number]]) as shifts:
                    shifts[0].capacity = min((shifts[0].capacity or 0) + 1, 3)

            moved = timedelta(hours=hours)
            self.attempt(
                work if not hours else lambda: move_shift(self.shift_ids[number], self.activity_ids[number], moved)
            )

        @rule(number=SHIFTS, mode=st.sampled_from(["open", "approval", "invitation"]), guides=st.integers(1, 2))
        def plan_otherwise(self, number: int, mode: str, guides: int) -> None:
            """The leader lets people sign up in another way, and another number of them be guides."""
            shift_id, activity_id = self.shift_ids[number], self.activity_ids[number]
            self.attempt(
                lambda: activities.update_activity(db.session.get_one(Activity, activity_id), sign_up_mode=mode)
            )
            wanted = [{"name": "讲解", "capacity": guides}]
            self.attempt(lambda: shift_verbs.change_shift(db.session.get_one(Shift, shift_id), roles=wanted))

        @invariant()
        def promises_are_kept(self) -> None:
            rows, shifts, roles = self.known()
            self.counts_are_rows_and_fit(rows, shifts, roles)
            self.nobody_is_in_two_places(rows, shifts)
            self.nobody_waits_beside_a_place_and_nobody_is_passed(rows, shifts, roles)
            self.offers_are_of_places(rows)

        def counts_are_rows_and_fit(
            self, rows: list[SignUp], shifts: dict[UUID, Shift], roles: dict[UUID, ShiftRole]
        ) -> None:
            for shift in shifts.values():
                role = roles[shift.id]
                for counted, here in (
                    (shift, [one for one in rows if one.shift_id == shift.id]),
                    (role, [one for one in rows if one.role_id == role.id]),
                ):
                    states = Counter(one.state for one in here)
                    expected = (states["confirmed"], states["waitlisted"])
                    assert (counted.confirmed_count, counted.waitlisted_count) == expected
                    assert counted.confirmed_count <= counted.capacity

        def nobody_is_in_two_places(self, rows: list[SignUp], shifts: dict[UUID, Shift]) -> None:
            assert not any(one.state == "confirmed" and self.busy(rows, shifts, one) for one in rows)
            pairs = [(one.volunteer_id, one.shift_id) for one in rows]
            assert len(set(pairs)) == len(pairs)

        def nobody_waits_beside_a_place_and_nobody_is_passed(
            self, rows: list[SignUp], shifts: dict[UUID, Shift], roles: dict[UUID, ShiftRole]
        ) -> None:
            state = {one.id: one.state for one in rows}
            for mine in rows:
                if mine.state != "waitlisted":
                    continue
                shift, role = shifts[mine.shift_id], roles[mine.shift_id]
                role_is_full = mine.role_id is not None and role.confirmed_count >= role.capacity
                cannot = self.busy(rows, shifts, mine) or role_is_full
                assert cannot or shift.confirmed_count >= (shift.capacity or 0)
                # Who waited behind and was called up had what this one had not.
                for other in self.waited:
                    behind = other.shift_id == mine.shift_id and (other.position or 0) > (mine.position or 0)
                    assert not behind or state.get(other.id) != "confirmed" or cannot

        def offers_are_of_places(self, rows: list[SignUp]) -> None:
            confirmed = {one.id for one in rows if one.state == "confirmed"}
            asked = [one.stands_in_for_id for one in rows if one.state in ("pending", "invited")]
            offered = [one for one in asked if one is not None]
            assert set(offered) <= confirmed
            assert len(set(offered)) == len(offered)

    run_machine(Program, examples=9, steps=25)
