"""A program of shifts as phones live through it: time goes on, shifts are cut and canceled, people lose what they need.

Every step is a request. What the page announced must come, and after each step the promises of domain.md must hold.
"""

import dataclasses
from collections import Counter
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select

from tests.activities.factories import make_activity, make_scene
from tests.qualifications.factories import make_policy
from tests.sign_ups.factories import HOUR, make_person
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.settings import EXTENSION
from volunteer_api.core.tasks import run_task
from volunteer_api.sign_ups import unfit
from volunteer_api.sign_ups.models import ACTIVE_SIGN_UPS, SignUp

REST = HOUR
SKILL = "急救"
# Mode, first and last hour, capacity, what it asks for. The first two overlap; the third leaves too little rest after
# the first; the last one is a day later.
PLAN: tuple[tuple[str, float, float, int, dict[str, Any]], ...] = (
    ("open", 0, 3, 2, {}),
    ("open", 2, 5, 1, {"hazardous": True}),
    ("open", 3.5, 6, 2, {"required_skills": [SKILL]}),
    ("approval", 24, 26, 1, {}),
)
PEOPLE, SHIFTS, SIGN_UPS = st.integers(0, 4), st.integers(0, 3), st.integers(0, 19)


def too_near(one: Shift, other: Shift) -> bool:
    return one.starts_at < other.ends_at + REST and other.starts_at < one.ends_at + REST


def test_a_program_keeps_its_promises(
    app: Flask, client: Any, unit: Any, change_settings: Any, run_machine: Any
) -> None:
    rules = dataclasses.replace(app.extensions[EXTENSION].rules, rest_minutes=60)
    change_settings(app, rules=rules)
    seen: Counter[str] = Counter()

    class Program(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            # It is late, and all shifts are on later days: who is insured no more is so from the next day on.
            self.now = unit(lambda: clock.at_local(clock.today(), time(23, 30)))
            self.start = self.now + 7 * HOUR
            with clock.at(self.now):
                unit(self.prepare)
            self.skilled, self.insured, self.regained = set(self.people), set(self.people), set[UUID]()
            phones = unit(lambda: [db.session.get_one(Volunteer, one).phone for one in self.people])
            path = f"/insurance-policies/{self.policy_id}/insured-people"
            self.covers = {
                person: self.call(self.leader, "POST", path, json={"phones": [phone]})["items"][0]["id"]
                for person, phone in zip(self.people, phones, strict=True)
            }

        def prepare(self) -> None:
            scene = make_scene()
            self.leader = scene.organizer_id
            self.people = [make_person(skills=[SKILL]) for _ in range(5)]
            policy = make_policy(scene.office_id, days=30)
            self.policy_id, self.first, self.last = policy.id, policy.starts_on, policy.ends_on
            self.activity_ids, self.shift_ids = list[UUID](), list[UUID]()
            for mode, first, last, capacity, asks in PLAN:
                times = {"starts_at": self.start + first * HOUR, "ends_at": self.start + last * HOUR}
                made = make_activity(scene=scene, sign_up_mode=mode, shifts=[times | {"capacity": capacity}], **asks)
                self.activity_ids.append(made.id)
                self.shift_ids.append(made.shift_id)

        def call(self, caller: UUID, method: str, path: str, *expected: str, **options: Any) -> Any:
            """The answer's body: of what succeeded, or of a refusal with one of the codes that were expected."""
            with clock.at(self.now):
                phone = client.as_(caller)
                if method == "PATCH":
                    options["version"] = phone.get(path).get_json()["version"]
                answer = phone.open(method, path, key=uuid4().hex, **options)
            body = answer.get_json()
            assert answer.status_code < 300 or body["code"] in expected, (path, body)
            seen[body.get("code") or method] += 1
            return body

        def rows(self) -> list[SignUp]:
            """The active sign-ups, in a fixed order."""
            active = SignUp.shift_id.in_(self.shift_ids) & SignUp.state.in_(ACTIVE_SIGN_UPS)
            return list(unit(lambda: list(db.session.scalars(select(SignUp).where(active).order_by(SignUp.id)))))

        def shifts(self) -> dict[UUID, Shift]:
            found = unit(lambda: list(db.session.scalars(select(Shift).where(Shift.id.in_(self.shift_ids)))))
            return {one.id: one for one in found}

        def fits(self, mine: SignUp) -> bool:
            asks = PLAN[self.shift_ids.index(mine.shift_id)][4]
            able = self.insured if "hazardous" in asks else self.skilled if asks else self.people
            return mine.volunteer_id in able

        @initialize(pairs=st.lists(st.tuples(PEOPLE, SHIFTS), min_size=8, max_size=14, unique=True))
        def begin(self, pairs: list[tuple[int, int]]) -> None:
            for person, number in pairs:
                self.tap(person, number)

        @rule(person=PEOPLE, number=SHIFTS)
        def tap(self, person: int, number: int) -> None:
            """What the page says beforehand is what comes."""
            caller, path = self.people[person], f"/shifts/{self.shift_ids[number]}"
            page = self.call(caller, "GET", path)
            expected = page["refusal"]["code"] if page["refusal"] is not None else page["would_be"]
            made = self.call(caller, "POST", f"{path}/sign-ups", expected, json={})
            assert (made.get("code") or made["state"]) == expected

        @rule(person=PEOPLE, number=SHIFTS)
        def invite(self, person: int, number: int) -> None:
            body = {"volunteer_id": str(self.people[person])}
            refusals = ("canceled", "ended", "already_signed_up", "not_eligible")
            self.call(self.leader, "POST", f"/shifts/{self.shift_ids[number]}/sign-ups", *refusals, json=body)

        @rule(number=SIGN_UPS, verb=st.sampled_from(["withdrawal", "withdrawal", "acceptance", "decline"]))
        def answer(self, number: int, verb: str) -> None:
            if not (rows := self.rows()):
                return
            mine = rows[number % len(rows)]
            refusals = ["wrong_state", "ended", "shift_begun"]
            if verb == "acceptance":
                refusals += ["canceled", "not_eligible", "overlapping_shift", "shift_full"]
            said = self.call(mine.volunteer_id, "POST", f"/sign-ups/{mine.id}/{verb}", *refusals)
            if said.get("late"):
                shift = self.shifts()[mine.shift_id]
                assert mine.state == "confirmed"
                assert self.now > shift.starts_at - 3 * HOUR
                assert mine.decided_at is None or self.now > mine.decided_at + HOUR

        @rule(number=SIGN_UPS, verb=st.sampled_from(["approval", "approval", "rejection"]))
        def decide(self, number: int, verb: str) -> None:
            """On who asked, or on who waits: she has a free place out of her turn, where there is one."""
            asking = [one for one in self.rows() if one.state in ("pending", "waitlisted")]
            if not asking:
                return
            mine = asking[number % len(asking)]
            shift = self.shifts()[mine.shift_id]
            refusals = ("canceled", "ended", "not_eligible", "overlapping_shift", "shift_full")
            said = self.call(self.leader, "POST", f"/sign-ups/{mine.id}/{verb}", *refusals, json={})
            if verb == "rejection" or mine.state != "waitlisted":
                return
            seen["approval of who waits"] += 1
            is_full = shift.confirmed_count >= (shift.capacity or 0)
            assert said.get("state") == "confirmed" or "code" in said
            assert "code" in said or not is_full
            assert said.get("code") != "shift_full" or is_full or self.promotes(shift, self.now)

        @rule(number=SHIFTS, capacity=st.integers(1, 3))
        def cut_or_widen(self, number: int, capacity: int) -> None:
            """Never below those who have a place; more places call who waits."""
            shift_id = self.shift_ids[number]
            before = self.shifts()[shift_id]
            refusals = ("capacity_below_confirmed", "shift_over", "wrong_state")
            changed = self.call(
                self.leader, "PATCH", f"/shifts/{shift_id}", *refusals, json={"capacity": capacity, "minimum": None}
            )
            if capacity < before.confirmed_count:
                assert changed["code"] in refusals
            assert changed.get("code") != "capacity_below_confirmed" or capacity < before.confirmed_count

        @rule(number=SHIFTS, sure=st.integers(0, 2))
        def cancel(self, number: int, sure: int) -> None:
            if sure == 0:
                path = f"/shifts/{self.shift_ids[number]}/cancellation"
                self.call(self.leader, "POST", path, "shift_over", "wrong_state", json={"reason": "下雨"})

        @rule(person=PEOPLE, what=st.sampled_from(["skill", "insurance"]))
        def lose_or_regain(self, person: int, what: str) -> None:
            """Who has lost something has no place, once the worker looked, in what asks for it and has not begun."""
            one = self.people[person]
            able = self.skilled if what == "skill" else self.insured
            lost = one in able
            (able.discard if lost else able.add)(one)
            if not lost:
                self.regained.add(one)
            if what == "skill":
                self.call(one, "PATCH", "/me", json={"skills": [] if lost else [SKILL]})
            else:
                day = (self.first if lost else self.last).isoformat()
                self.call(self.leader, "POST", f"/insured-people/{self.covers[one]}/ending", json={"on": day})
            with clock.at(self.now):
                run_task(app, unfit.LOOK_AT_PEOPLE)
            shifts = self.shifts()
            for mine in self.rows():
                shift = shifts[mine.shift_id]
                if mine.state == "confirmed" and shift.starts_at > self.now and shift.canceled_at is None:
                    assert self.fits(mine)

        @rule(hours=st.sampled_from([0.5, 2, 4]))
        def wait(self, hours: float) -> None:
            self.now += timedelta(hours=hours)

        @invariant()
        def promises_are_kept(self) -> None:
            rows, shifts = self.rows(), self.shifts()
            states = unit(lambda: dict(db.session.execute(select(Activity.id, Activity.state)).all()))
            for shift in shifts.values():
                here = Counter(one.state for one in rows if one.shift_id == shift.id)
                assert (shift.confirmed_count, shift.waitlisted_count) == (here["confirmed"], here["waitlisted"])
                assert shift.confirmed_count <= (shift.capacity or 0)
            assert len({(one.volunteer_id, one.shift_id) for one in rows}) == len(rows)
            alive = [one for one in rows if one.state == "confirmed" and shifts[one.shift_id].canceled_at is None]
            for mine in rows:
                shift = shifts[mine.shift_id]
                busy = any(
                    one.volunteer_id == mine.volunteer_id
                    and one.id != mine.id
                    and too_near(shifts[one.shift_id], shift)
                    for one in alive
                )
                assert mine not in alive or not busy
                calls = self.promotes(shift, self.now) and states[shift.activity_id] == "published"
                if mine.state == "waitlisted" and calls and self.fits(mine) and mine.volunteer_id not in self.regained:
                    assert busy or shift.confirmed_count >= (shift.capacity or 0)

        def promotes(self, shift: Shift, now: datetime) -> bool:
            return shift.canceled_at is None and now < shift.starts_at - 2 * HOUR

    run_machine(Program, examples=8, steps=30)
    assert seen["PATCH"]
    assert seen["POST"]
    # Rare: of so few examples it comes about in those of one database.
    assert seen["approval of who waits"] or app.extensions[EXTENSION].database_url.startswith("postgresql")
