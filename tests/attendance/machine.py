"""The machine that plays people's days of attendance: how it asks and what it knows, and what it holds to be true.

The rules are in `test_state_machine.py`.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hypothesis.stateful import RuleBasedStateMachine, invariant

from tests.attendance import promises
from tests.attendance.cast import EIGHT, World, make_cast
from tests.attendance.promises import Kept, Row, Subject
from tests.attendance.taps import MINUTE, OLDEST, SLIP, Sent, Tap
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.tasks import TaskRun, run_task
from volunteer_api.hours import verification
from volunteer_api.hours.days import whole_minutes
from volunteer_api.hours.models import Source

# So little that the limits of a day matter.
LIMITS = {"credited_minutes_a_day": 30, "most_minutes_a_day": 90}


@dataclass
class Operation:
    """A tap under its key; a check-out names an attendance, or its check-in's key. `sent`: as it was answered first."""

    key: str
    tap: Tap
    attendance_id: str | None = None
    check_in_key: str | None = None
    sent: Sent | None = None
    status: int = 0
    content: Any = None

    @property
    def shown_id(self) -> UUID | None:
        """The attendance that its answer shows."""
        found = self.content if self.status < 300 else self.content.get("attendance", {})
        return UUID(found["id"]) if "id" in found else None


class Machine(RuleBasedStateMachine):
    """One day or two of three people; `seen` counts what came about in all runs."""

    def __init__(self, world: World, seen: Counter[str]) -> None:
        super().__init__()
        self.world, self.seen = world, seen
        self.cast = make_cast(world)
        self.now = EIGHT + 130 * MINUTE
        self.count = 0
        # Every sending by its tag, with its evidence; what was acknowledged; what a phone keeps back.
        self.sendings: dict[str, Sent] = {}
        self.sent: dict[str, dict[str, Any]] = {}
        self.operations: list[Operation] = []
        self.later: list[Operation] = []
        self.scans: list[tuple[str, str, dict[str, Any], UUID]] = []
        # Who decided last on an attendance, whom roll-calls named present, who approved which backfill.
        self.decided: dict[UUID, UUID] = {}
        self.called: set[tuple[UUID, UUID]] = set()
        self.backfills: dict[UUID, tuple[str, str]] = {}
        self.approved: dict[UUID, UUID] = {}
        self.kept = self.read()
        self.steps = 0

    def teardown(self) -> None:
        for fold in (True, False):
            self.check(self.cast.subjects)
            if fold:
                self.work("hours.fold_tallies")
        self.work("hours.verify_tallies")

    # What a rule is made of.

    def read(self) -> Kept:
        found: Kept = self.world.unit(lambda: promises.read(self.cast.people))
        return found

    def key(self) -> str:
        self.count += 1
        return f"key-{self.count}"

    def ask(self, who: str, method: str, path: str, *, phone: int = 0, **options: Any) -> Any:
        """An answer, at the machine's time. None is the server's fault, nor a constraint's word."""
        phones = self.cast.phones[who]
        with clock.at(self.now):
            answer = phones[phone % len(phones)].open(method, path, **options)
        assert answer.status_code < 500, answer.json
        assert answer.json.get("code") != "conflict", answer.json
        return answer

    def post(self, who: str, path: str, body: Any, *, key: bool = True) -> Any:
        return self.ask(who, "POST", path, json=body, key=self.key() if key else None)

    def unless_refused(self, status: int) -> bool:
        """Whether it was done; what is refused has changed nothing, but that its key may be known."""
        if status < 300:
            return True
        self.seen["refused"] += 1
        assert dataclasses.replace(self.read(), key_count=self.kept.key_count) == self.kept
        return False

    @contextmanager
    def nothing_changes(self) -> Iterator[None]:
        before = self.read()
        yield
        assert self.read() == before

    def tap(self, who: str, where: int, end: str, shows: str, ago: int, clock_is: str = "right") -> Tap:
        target, known = self.cast.targets[where], who != "unsigned"
        leads = who == "leader" and target.is_shift
        return Tap(who, target, end, self.now - ago * MINUTE, shows, clock_is, leads, known, known)

    def line(self, operation: Operation) -> dict[str, Any]:
        """An operation as a batch carries it; each sending has evidence of its own."""
        tap = operation.tap
        self.count += 1
        tag = str(self.count)
        self.sendings[tag] = Sent(tap, self.now)
        with self.world.app.app_context():
            another = next(one for one in self.cast.targets if one.id != tap.target.id)
            given = self.sent[tag] = tap.evidence(self.now, tag, another)
        line = {"key": operation.key, "kind": f"check_{tap.end}", "evidence": given}
        if tap.end == "in":
            return line | tap.target.member
        if operation.attendance_id is not None:
            return line | {"attendance_id": operation.attendance_id}
        return line | {"check_in_key": operation.check_in_key}

    def send(self, who: str, lines: Sequence[dict[str, Any]], *, phone: int = 0, alone: bool = False) -> list[Any]:
        """The status and the content of each line's answer; one that can comes `alone`, past the batch."""
        [first, *others] = lines
        if alone and not others and "check_in_key" not in first:
            body = {name: first[name] for name in ("shift_id", "station_id", "evidence") if name in first}
            is_check_in = first["kind"] == "check_in"
            path = "/attendances" if is_check_in else f"/attendances/{first['attendance_id']}/check-out"
            body = body if is_check_in else {"evidence": first["evidence"]}
            answer = self.ask(who, "POST", path, json=body, key=first["key"], phone=phone)
            return [(answer.status_code, answer.json)]
        answer = self.ask(who, "POST", "/attendances/batch", json={"operations": lines}, phone=phone)
        assert answer.status_code == 200, answer.json
        assert [one["key"] for one in answer.json["results"]] == [line["key"] for line in lines]
        return [
            (one["status"], one.get("attendance") or one.get("problem") or one["kept_until"])
            for one in answer.json["results"]
        ]

    def tell(self, who: str, told: Sequence[Operation], *, phone: int = 0, alone: bool = False) -> None:
        """Send operations; who was answered before is answered the same."""
        for operation, (status, content) in zip(
            told, self.send(who, [self.line(one) for one in told], phone=phone, alone=alone), strict=True
        ):
            assert status in (200, 201, 202, 409), content
            self.seen[f"{operation.tap.end}: {status}"] += 1
            if operation.status:
                # What waited is shown as it is since its check-in has come.
                assert status == operation.status
                assert status == 202 or content == operation.content
                continue
            operation.status, operation.content, operation.sent = status, content, Sent(operation.tap, self.now)
            self.operations.append(operation)

    def work(self, name: str) -> None:
        with clock.at(self.now):
            run_task(self.world.app, name)
            error, faults = self.world.unit(
                lambda: (db.session.get_one(TaskRun, name).error, verification.fault_count())
            )
        assert (error, faults) == (None, 0)
        if name == "attendance.tell_unmatched_check_outs":
            gone = self.kept.waiting.keys() - self.read().waiting.keys()
            assert all(self.now - self.kept.waiting[one]["received_at"] >= OLDEST for one in gone)
            assert self.read().notification_count == self.kept.notification_count + len(gone)
            # They are new again, and were not acknowledged for longer.
            self.operations = [one for one in self.operations if (self.cast.id_of(one.tap.person), one.key) not in gone]

    # What is true after each step.

    @invariant()
    def every_promise_is_kept(self) -> None:
        # One tally after each step and all of them now and then: what is wrong with one stays wrong.
        self.steps += 1
        subjects = self.cast.subjects[self.steps % len(self.cast.subjects) :][:1]
        self.check(subjects)

    def check(self, subjects: Sequence[Subject]) -> None:
        def everything() -> tuple[Kept, Any]:
            return promises.read(self.cast.people), promises.tallies_of(subjects, clock.local_date(EIGHT))

        before = self.kept
        self.kept, sums = self.world.unit(everything)
        promises.ledger_only_grew(before, self.kept)
        promises.attendances_are_whole(self.kept)
        limits = {"limit": LIMITS["credited_minutes_a_day"], "most": LIMITS["most_minutes_a_day"]}
        with self.world.app.app_context():
            promises.minutes_fit(self.kept, self.cast.people, [self.cast.id_of("organizer")], **limits)
        promises.tallies_are_sums(self.kept, subjects, sums)
        for row in self.kept.attendances.values():
            self.is_justified(row)
        for operation in self.operations:
            self.is_still_there(operation)
        for record in self.kept.records.values():
            if record["source"] == Source.BACKFILLED and record["reverses_id"] is None:
                assert record["approver_id"] == self.approved[record["id"]]
                assert record["recorder_id"] not in (None, record["approver_id"])

    def is_justified(self, row: Row) -> None:
        """Credited by two ends that leave no doubt, or by somebody else's decision."""
        self.seen[row["state"]] += 1
        given = [one for one in (row["check_in_evidence"], row["check_out_evidence"]) if one]
        # It is kept as it came, but for how a moment is written.
        assert all({**one, "client_time": ""} == {**self.sent[one["tag"]], "client_time": ""} for one in given)
        ends = [self.sendings[one["tag"]] for one in given]
        assert all(one.tap.person == self.cast.name_of(row["volunteer_id"]) for one in ends)
        assert all(one.tap.target.id in (row["shift_id"], row["station_id"]) for one in ends)
        if row["reviewed_by"] is not None:
            assert row["reviewed_by"] == self.decided[row["id"]]
            return
        if row["credited_minutes"] == 0:
            return
        target = self.cast.targets[self.cast.where(row)]
        recorders = [row["check_in_recorder_id"], row["check_out_recorder_id"]]
        if any(recorders):
            assert (target.id, row["volunteer_id"]) in self.called
            assert row["volunteer_id"] != self.cast.id_of("unsigned")
        doubts = {
            doubt
            for one, recorder in zip(("in", "out"), recorders, strict=True)
            if recorder is None
            for sent in ends
            if sent.tap.end == one
            for doubt in sent.doubts(row["checked_in_at"])
        }
        if any(recorders):
            # The leader saw her: what is left is an end of which nobody knows anything.
            doubts &= {"weak", "not signed up", "closed"}
        assert not doubts, (doubts, dict(row))
        frame = target.frame(row["checked_in_at"])
        assert frame is not None
        if not any(recorders):
            came, left = ends
            inside = whole_minutes(max(came.moment, frame[0]), min(left.moment, frame[1]))
            assert 0 < row["credited_minutes"] <= inside

    def is_still_there(self, operation: Operation) -> None:
        """What was acknowledged has its attendance, or waits for it."""
        tap, sent = operation.tap, operation.sent
        assert sent is not None
        volunteer_id = self.cast.id_of(tap.person)
        if operation.status == 202:
            begun = next((one for one in self.operations if one.key == operation.check_in_key), None)
            shown_id = begun.shown_id if begun is not None else None
            assert ((volunteer_id, operation.key) in self.kept.waiting) is (shown_id is None)
            if shown_id is not None:
                row = self.kept.attendances[shown_id]
                decided = (row["reviewed_by"], row["check_out_recorder_id"])
                assert row["check_out_tapped_at"] is not None or any(decided)
            return
        if operation.shown_id is None:
            return
        row = self.kept.attendances[operation.shown_id]
        assert row["volunteer_id"] == volunteer_id
        if operation.status == 201:
            assert tap.target.id in (row["shift_id"], row["station_id"])
            replaced = row["check_in_recorder_id"] is not None or "early or late" in sent.doubts(sent.moment)
            # Of two within so many minutes the one that is proven tells when she came.
            assert replaced or row["checked_in_at"] - sent.moment < SLIP
        kept = [row["check_in_evidence"], row["check_out_evidence"], *(one["evidence"] for one in row["taps"] or ())]
        if operation.status in (200, 201):
            assert any(one and one["client_time"][:16] == tap.client_time.isoformat()[:16] for one in kept)
