"""Whatever volunteers, leaders, organizers and the worker do, in whatever order, over HTTP: every promise is kept.

Phones tell in order, late, in batches, shuffled, again and again; with good evidence and bad, and clocks that are off.
After each step what the database keeps is held to the promises (`promises.py`), and to what the machine itself knows:
which taps were made (`taps.py`), what was acknowledged, who decided on what.
"""

import dataclasses
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from tests.attendance.cast import PEOPLE, SHIFTS, World
from tests.attendance.factories import evidence
from tests.attendance.machine import LIMITS, Machine, Operation
from tests.attendance.promises import Row
from tests.attendance.taps import CLOCKS, GOOD, MINUTE, SHOWS, Sent
from tests.factories import unit_of
from volunteer_api.attendance import batches, presence_code, waiting
from volunteer_api.attendance.presence_code import CodeKind
from volunteer_api.core.database import db

TASKS = (
    "attendance.close_forgotten",
    "attendance.carry_out_stranded",
    "attendance.tell_unmatched_check_outs",
    "attendance.record_absences",
    "hours.fold_tallies",
    "hours.verify_tallies",
)
NUMBER, SEED = st.integers(0, 20), st.integers(0, 2**16)
WHO, WHERE = st.sampled_from(("volunteer", "volunteer", "leader", "unsigned")), st.integers(0, len(SHIFTS))
SHOWN, CLOCK = st.sampled_from(GOOD * 4 + list(SHOWS)), st.sampled_from(["right"] * 8 + list(CLOCKS))
AGO = st.sampled_from((0, 0, 0, 2, 20, 50, 90))
LEADS = st.sampled_from(("leader", "organizer"))
REVIEWS = st.sampled_from(("organizer", "organizer", "leader", "leader", "station_manager", "volunteer", "unsigned"))
# Where, how long ago she came, how long she stayed (None: she forgets to check out), what she showed, and the clock.
VISIT = st.tuples(
    WHERE, st.sampled_from((30, 60, 90, 150, 240)), st.sampled_from((None, 20, 60, 60, 120)), SHOWN, CLOCK
)
MINUTES = st.sampled_from((None, None, 30, 60, 120))


@dataclass(frozen=True)
class Action:
    """Something that may happen: how often beside the others, where it can, and what is drawn for it."""

    does: Callable[..., None]
    times: int
    needs: Callable[[Any], Any]
    drawn: dict[str, st.SearchStrategy[Any]]


# All in one rule: of rules of their own, each run would leave half of them out.
ACTIONS: dict[str, Action] = {}


def action(
    times: int, *, needs: Callable[[Any], Any] = lambda _machine: True, **drawn: st.SearchStrategy[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a method as something that may happen."""

    def register(does: Callable[..., None]) -> Callable[..., None]:
        ACTIONS[does.__name__] = Action(does, times, needs, drawn)
        return does

    return register


class Story(Machine):
    """A day or two of three people, those who lead them, and the worker."""

    @rule(data=st.data())
    def something_happens(self, data: st.DataObject) -> None:
        possible = [name for name, one in ACTIONS.items() if one.needs(self) for _ in range(one.times)]
        name = data.draw(st.sampled_from(possible), "what")
        self.seen[name] += 1
        chosen = ACTIONS[name]
        chosen.does(self, **{part: data.draw(strategy, part) for part, strategy in chosen.drawn.items()})

    # What volunteers do.

    @action(3, minutes=st.sampled_from((1, 10, 10, 20, 45, 45, 120, 120, 300, 24 * 60, 73 * 60)))
    def time_passes(self, minutes: int) -> None:
        self.now += minutes * MINUTE

    @action(3, who=WHO, where=WHERE, shows=SHOWN, ago=AGO, clock_is=CLOCK, phone=NUMBER)
    def check_in(self, who: str, where: int, shows: str, ago: int, clock_is: str, phone: int) -> None:
        told = Operation(self.key(), self.tap(who, where, "in", shows, ago, clock_is))
        self.tell(who, [told], phone=phone, alone=True)

    @action(3, who=WHO, number=NUMBER, shows=SHOWN, ago=AGO, clock_is=CLOCK, phone=NUMBER)
    def check_out(self, who: str, number: int, shows: str, ago: int, clock_is: str, phone: int) -> None:
        mine = self.kept.of(self.cast.id_of(who))
        # Most often of the last one.
        for row in mine[::-1][number // 4 : number // 4 + 1]:
            where = self.cast.where(row)
            told = Operation(self.key(), self.tap(who, where, "out", shows, ago, clock_is), str(row["id"]))
            self.tell(who, [told], phone=phone, alone=True)

    @action(4, who=WHO, visits=st.lists(VISIT, min_size=1, max_size=3), seed=SEED, at_once=st.booleans())
    def collect(self, who: str, visits: Sequence[Any], seed: int, *, at_once: bool) -> None:
        """Phones without network send what they have, shuffled and repeated, and keep some of it back."""
        chance, told = random.Random(seed), []
        for where, came, stayed, shows, clock_is in visits:
            came_in = Operation(self.key(), self.tap(who, where, "in", shows, came, clock_is))
            told.append(came_in)
            if stayed is not None:
                left = self.tap(who, where, "out", chance.choice([shows, *GOOD]), came - stayed, "right")
                # No phone knows of a tap to come.
                left = dataclasses.replace(left, made_at=min(left.made_at, self.now))
                told.append(Operation(self.key(), left, check_in_key=came_in.key))
        told = [one for one in told for _ in range(chance.choice((1, 1, 2)))]
        chance.shuffle(told)
        if not at_once:
            cut = chance.randrange(len(told))
            told, self.later = told[cut:], self.later + told[:cut]
        while told:
            size = chance.choice((1, 2, 4, 8))
            now, told = told[:size], told[size:]
            self.tell(who, now, phone=chance.randrange(2), alone=True)

    @action(2, needs=lambda self: self.later, seed=SEED)
    def send_what_was_kept_back(self, seed: int) -> None:
        chance = random.Random(seed)
        who = chance.choice(self.later).tap.person
        told = [one for one in self.later if one.tap.person == who]
        self.later = [one for one in self.later if one.tap.person != who]
        chance.shuffle(told)
        self.tell(who, told, phone=chance.randrange(2))

    @action(
        2, needs=lambda self: self.operations, number=NUMBER, others=st.integers(0, 2), alone=st.booleans(), shows=SHOWN
    )
    def send_again(self, number: int, others: int, shows: str, *, alone: bool) -> None:
        """From another phone, with another delay and other evidence, by another way: the answer that it had."""
        last = self.operations[::-1][number % len(self.operations)]
        who = last.tap.person
        told = [last, *(one for one in self.operations if one.tap.person == who)][: 1 + others]
        self.seen["sent again"] += 1
        with self.nothing_changes():
            lines = [self.line(dataclasses.replace(one, tap=dataclasses.replace(one.tap, shows=shows))) for one in told]
            answers = self.send(who, lines, phone=number, alone=alone)
        assert [status for status, _ in answers] == [one.status for one in told]
        assert all(
            status == 202 or content == one.content for (status, content), one in zip(answers, told, strict=True)
        )

    @action(1, needs=lambda self: self.operations, number=NUMBER, alone=st.booleans(), another_time=st.booleans())
    def use_a_key_again(self, number: int, *, alone: bool, another_time: bool) -> None:
        """For another tap: that is refused."""
        last = self.operations[::-1][number % len(self.operations)]
        tap = last.tap
        if another_time or tap.end == "out":
            tap = dataclasses.replace(tap, made_at=tap.made_at - 7 * MINUTE)
        else:
            tap = dataclasses.replace(tap, target=next(one for one in self.cast.targets if one.id != tap.target.id))
        self.seen["key used again"] += 1
        with self.nothing_changes():
            lines = [self.line(dataclasses.replace(last, tap=tap))]
            [(status, content)] = self.send(tap.person, lines, phone=number, alone=alone)
        assert (status, content["code"]) == (422, "idempotency_key_reused")

    @action(1, who=WHO, number=NUMBER, ago=AGO)
    def claim(self, who: str, number: int, ago: int) -> None:
        mine = [row for row in self.kept.of(self.cast.id_of(who)) if row["check_out_tapped_at"] is None]
        for row in mine[number % max(1, len(mine)) :][:1]:
            body = {"left_at": evidence(self.now - ago * MINUTE)["client_time"], "reason": "忘了"}
            answer = self.post(who, f"/attendances/{row['id']}/claim", body)
            assert answer.status_code in (200, 409)
            self.seen["claimed"] += self.unless_refused(answer.status_code)

    # What happens at a desk, and what leaders say.

    @action(
        3,
        who=WHO,
        where=WHERE,
        by=LEADS,
        kind=st.sampled_from(("in", "in", "out")),
        ago=AGO,
        stale=st.sampled_from((0, 0, 0, 1)),
    )
    def scan(self, who: str, where: int, by: str, kind: str, ago: int, stale: int) -> None:
        """A desk reads the volunteer's own code, twice; one of another day proves nothing."""
        target = self.cast.targets[where]
        by = by if target.is_shift else "station_manager"
        tap = dataclasses.replace(self.tap(who, where, kind, "nothing", ago), scanned=True)
        self.count += 1
        tag = str(self.count)
        self.sendings[tag] = Sent(tap, self.now)
        number = getattr(self.cast.scene, who).volunteer_number
        with self.world.app.app_context():
            code = presence_code.code_at(number, tap.made_at - stale * 24 * 60 * MINUTE, CodeKind.VOLUNTEER).code
            text = presence_code.qr_text(number, code, CodeKind.VOLUNTEER)
        self.sent[tag] = evidence(tap.made_at, code=text, tag=tag)
        scan = {"key": tag, "kind": f"check_{kind}", "evidence": self.sent[tag]}
        first, second = self.send_scans(by, where, [scan, scan])
        assert first["status"] in (200, 201, 403, 409)
        if by == who or stale:
            assert first["status"] == second["status"] == (409 if stale else 403)
            assert not self.unless_refused(first["status"])
        elif first["status"] < 300:
            assert second == first
            self.seen[f"scanned {kind}"] += 1
            self.scans.append((by, str(where), scan, UUID(first["attendance"]["id"])))

    def send_scans(self, by: str, where: int, scans: Sequence[dict[str, Any]]) -> list[Any]:
        target = self.cast.targets[where]
        place = "shifts" if target.is_shift else "stations"
        answer = self.post(by, f"/{place}/{target.id}/scans", {"scans": scans}, key=False)
        assert answer.status_code == 200, answer.json
        results: list[Any] = answer.json["results"]
        return results

    @action(1, needs=lambda self: self.scans, number=NUMBER)
    def scan_again(self, number: int) -> None:
        """A tablet repeats what it sent: nothing changes."""
        by, where, scan, attendance_id = self.scans[::-1][number % len(self.scans)]
        with self.nothing_changes():
            [result] = self.send_scans(by, int(where), [scan])
        self.seen["scanned again"] += 1
        if result["attendance"] is not None:
            assert UUID(result["attendance"]["id"]) == attendance_id

    @action(
        2,
        by=LEADS,
        where=st.integers(0, len(SHIFTS) - 1),
        names=st.lists(WHO, min_size=1, max_size=3),
        status=st.sampled_from(("present", "present", "present", "absent", "excused")),
        arrived=st.sampled_from((None, 0, 40)),
        left=st.sampled_from((None, 60, 120)),
    )
    def call_the_roll(
        self, by: str, where: int, names: list[str], status: str, arrived: int | None, left: int | None
    ) -> None:
        target, named = self.cast.targets[where], {"present": {"arrived_at": arrived, "left_at": left}}.get(status, {})
        times = {
            name: evidence(target.starts_at + minutes * MINUTE)["client_time"]
            for name, minutes in named.items()
            if minutes is not None
        }
        entries = [{"volunteer_id": str(self.cast.id_of(one)), "status": status, **times} for one in names]
        answer = self.ask(by, "PUT", f"/shifts/{target.id}/roll-call", json={"entries": entries})
        assert answer.status_code == 200, answer.json
        for name, result in zip(names, answer.json["results"], strict=True):
            assert result["status"] in ((403,) if name == by else (200, 409)), result
            self.seen[f"{status}: {result['status']}"] += 1
            if (status, result["status"]) == ("present", 200):
                self.called.add((target.id, self.cast.id_of(name)))

    @action(
        3,
        needs=lambda self: self.kept.attendances,
        number=NUMBER,
        by=REVIEWS,
        decision=st.sampled_from(("credit", "credit", "reject")),
        minutes=MINUTES,
        again=st.booleans(),
    )
    def review(self, number: int, by: str, decision: str, minutes: int | None, *, again: bool) -> None:
        rows = sorted(self.kept.attendances.values(), key=lambda row: (row["state"] != "held", row["state"] == "open"))
        row = rows[number % len(rows)]
        body = self.decision(decision, minutes, again=again)
        answer = self.post(by, f"/attendances/{row['id']}/review", body)
        assert answer.status_code in (200, 403, 404, 409), answer.json
        if self.unless_refused(answer.status_code):
            self.note_decision(row, by)

    @action(
        1,
        needs=lambda self: self.kept.attendances,
        by=REVIEWS,
        decision=st.sampled_from(("credit", "credit", "reject")),
        again=st.booleans(),
    )
    def review_all(self, by: str, decision: str, *, again: bool) -> None:
        rows = list(self.kept.attendances.values())
        lines = [{"attendance_id": str(row["id"]), **self.decision(decision, None, again=again)} for row in rows]
        answer = self.post(by, "/attendances/reviews", {"decisions": lines})
        assert answer.status_code == 200, answer.json
        for row, result in zip(rows, answer.json["results"], strict=True):
            assert result["status"] in (200, 403, 404, 409), result
            if result["status"] == 200:
                self.note_decision(row, by)

    def decision(self, decision: str, minutes: int | None, *, again: bool) -> dict[str, Any]:
        some = {"credited_minutes": minutes} if minutes is not None and decision == "credit" else {}
        return {"decision": decision, "reason": "核实", "correction": again, **some}

    def note_decision(self, row: Row, by: str) -> None:
        """Only who leads there, and nobody on her own."""
        assert by in ("organizer", "leader") if row["shift_id"] is not None else ("organizer", "station_manager")
        assert self.cast.id_of(by) != row["volunteer_id"]
        self.decided[row["id"]] = self.cast.id_of(by)
        self.seen["decided"] += 1

    # What is written into the ledger by hand.

    @action(1, who=WHO, where=WHERE, by=LEADS, begins=st.sampled_from((0, 30)), minutes=st.sampled_from((30, 60, 90)))
    def record(self, who: str, where: int, by: str, begins: int, minutes: int) -> None:
        target = self.cast.targets[where]
        by = by if target.is_shift else "station_manager"
        starts_at = evidence(target.starts_at + begins * MINUTE)["client_time"]
        body = {"volunteer_id": str(self.cast.id_of(who)), "starts_at": starts_at, "minutes": minutes, "reason": "补录"}
        answer = self.post(by, "/service-records", body | target.member)
        # What can't be recorded of anybody yet is refused before whose it is.
        assert answer.status_code in ((403, 409) if who == by else (201, 409)), answer.json
        if self.unless_refused(answer.status_code):
            self.backfills[UUID(answer.json["id"])] = (who, by)

    @action(2, needs=lambda self: self.backfills, number=NUMBER, by=REVIEWS)
    def approve(self, number: int, by: str) -> None:
        record_id, (who, recorder) = list(self.backfills.items())[::-1][number % len(self.backfills)]
        answer = self.post(by, f"/service-records/{record_id}/approval", {"reason": "核实"})
        if by != "organizer" or by in (who, recorder):
            assert answer.status_code in (403, 404), answer.json
        assert answer.status_code in (200, 403, 404, 409), answer.json
        if self.unless_refused(answer.status_code):
            self.approved[record_id] = self.cast.id_of(by)
            self.seen["approved"] += 1

    @action(2, needs=lambda self: self.kept.records, number=NUMBER, by=REVIEWS)
    def take_back(self, number: int, by: str) -> None:
        row = list(self.kept.records.values())[::-1][number % len(self.kept.records)]
        answer = self.post(by, f"/service-records/{row['id']}/reversal", {"reason": "核实"})
        assert answer.status_code in ((201, 409) if by == "organizer" else (403, 404)), answer.json
        if self.unless_refused(answer.status_code):
            self.seen["taken back"] += 1
            self.decided[row["attendance_id"]] = self.cast.id_of(by)

    # What the worker does, and what everybody reads.

    @action(2, name=st.sampled_from(TASKS))
    def some_work(self, name: str) -> None:
        self.work(name)
        if name == "hours.fold_tallies":
            self.check(self.cast.subjects)

    @action(1)
    def look(self) -> None:
        """What people are shown is what is kept."""
        for who in PEOPLE:
            mine = self.kept.of(self.cast.id_of(who))
            told = self.ask(who, "GET", "/me/tally").json
            assert told["credited_minutes"] == sum(row["credited_minutes"] for row in mine) + sum(
                row["minutes"]
                for row in self.kept.records.values()
                if row["volunteer_id"] == self.cast.id_of(who) and row["attendance_id"] is None
            )
            assert told["held_minutes"] == sum(row["held_minutes"] for row in mine)
            assert len(self.ask(who, "GET", "/me/attendances?limit=100").json["items"]) == len(mine)
        waits = self.ask("organizer", "GET", "/attendances?state=held&limit=100").json["items"]
        held = {str(row["id"]) for row in self.kept.attendances.values() if row["state"] == "held"}
        assert {one["id"] for one in waits} == held


RUNS, STEPS = {"sqlite": 8, "postgresql": 4}, 25
COME_ABOUT = {
    "sqlite": ("credited", "held", "rejected", "in: 201", "out: 200", "out: 202", "sent again", "refused", "decided"),
    "postgresql": ("credited", "held", "in: 201", "out: 200", "sent again"),
}


def test_every_promise_is_kept(app: Flask, client: Any, change_settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> Any:
        raise AssertionError("what should have been plain was not")

    # What is made up for in silence is a fault here.
    for module in (batches, waiting):
        monkeypatch.setattr(module, "logger", fails)
    changed = dataclasses.replace(app.extensions["volunteer_api.settings"].rules, **LIMITS)
    change_settings(app, rules=changed)
    world, seen = World(app, client, unit_of(app)), Counter[str]()
    with app.app_context():
        name = db.engine.dialect.name

    class Here(Story):
        def __init__(self) -> None:
            super().__init__(world, seen)

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=RUNS[name], stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    # It would prove nothing of what never came about.
    assert set(COME_ABOUT[name]) <= seen.keys()
