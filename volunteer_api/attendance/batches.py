"""What phones collected without network: up to a hundred operations, each with its own key and its own outcome.

They are applied by the time of their taps, in units under the volunteer's lock: each operation with its answer. Where
the server dies in between, the phone sends all of them again, and those that were applied have their first outcomes. An
operation that is refused undoes only itself.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from marshmallow import ValidationError

from volunteer_api.attendance import access, waiting
from volunteer_api.attendance.check_ins import check_in, count_operations
from volunteer_api.attendance.check_outs import check_out
from volunteer_api.attendance.judging import Told, told
from volunteer_api.attendance.memory import Memory, NotPlain
from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.problems import CheckInRefused
from volunteer_api.attendance.sameness import same_check_in, same_check_out, same_check_out_by_key
from volunteer_api.attendance.schemas import CheckInOperation, CheckOutOperation, OperationKind, shown
from volunteer_api.attendance.timeline import Followers
from volunteer_api.core import clock, texts
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.idempotency import Answer, fingerprints, is_key, keep_answers, kept_answers
from volunteer_api.core.json_provider import written
from volunteer_api.core.logs import logger
from volunteer_api.core.problems import MEDIA_TYPE, IdempotencyKeyReused, InternalError, InvalidPayload, Problem
from volunteer_api.core.schema import Fault, Schema, error_list
from volunteer_api.core.settings import rules
from volunteer_api.core.unit_of_work import attempt, concerns_whole_unit, run_units
from volunteer_api.sign_ups.queries import lock_volunteer

SCHEMAS: Mapping[OperationKind, Schema] = {
    OperationKind.CHECK_IN: CheckInOperation(),
    OperationKind.CHECK_OUT: CheckOutOperation(),
}
# What makes a line whole, so that its members can be read one by one: the schemas judge all others.
WHOLE: Mapping[OperationKind, Collection[frozenset[str]]] = {
    kind: [frozenset({"key", "kind", "evidence", target}) for target in targets]
    for kind, targets in (
        (OperationKind.CHECK_IN, ("shift_id", "station_id")),
        (OperationKind.CHECK_OUT, ("attendance_id", "check_in_key")),
    )
}
# Each time that a tap was not plain, the rest of a batch is read again; so often it may be worth it.
MEMORIES = 3
# A unit takes no more operations at once, and no further one after so many seconds: on SQLite nobody else writes
# meanwhile.
MOST_TOGETHER, LONGEST_UNIT = 50, 0.25


@dataclass(frozen=True)
class Operation:
    """A line that could be read: as it was sent, its members loaded, and what its evidence says."""

    key: str
    kind: OperationKind
    sent: dict[str, Any]
    members: dict[str, Any]
    end: Told

    @property
    def tapped_at(self) -> datetime:
        return self.end.tapped.moment

    @property
    def check_in_key(self) -> str | None:
        named: str | None = self.members.get("check_in_key")
        return named

    def compared(self, attendance_id: UUID | None = None) -> tuple[Any, ...]:
        """What makes another request the same one; `attendance_id` where the check-in that it names is known."""
        if self.kind is OperationKind.CHECK_IN:
            return same_check_in(self.sent, {})
        attendance_id = attendance_id or self.members.get("attendance_id")
        if attendance_id is not None:
            return same_check_out(self.sent, {"attendance_id": attendance_id})
        return same_check_out_by_key(self.sent, self.members["check_in_key"])


@dataclass(frozen=True)
class Outcome:
    """What came of an operation. `content` is its answer's body, `is_kept` whether its key remembers it."""

    status: int
    content: dict[str, Any]
    compared: tuple[Any, ...] = ()
    is_kept: bool = False

    @property
    def attendance_id(self) -> UUID | None:
        """The attendance that it made, changed, or was refused for."""
        shown = self.content.get("attendance", self.content)
        found = shown.get("id")
        return UUID(str(found)) if found is not None else None

    def headers(self) -> dict[str, str]:
        """Those of its answer, had it come alone."""
        if self.status < 300:
            return {"Content-Type": "application/json"}
        return {"Content-Type": MEDIA_TYPE, "Content-Language": texts.language()}

    def result(self, key: str | None) -> dict[str, Any]:
        """The line of the answer."""
        if self.status == 202:
            return {"key": key, "status": self.status, **self.content}
        member = "attendance" if self.status < 300 else "problem"
        return {"key": key, "status": self.status, member: self.content}


def apply(*, principal: Principal, lines: Sequence[Any]) -> list[dict[str, Any]]:
    """Apply operations of one volunteer; the results (see OperationResult) are in the order of the lines.

    An operation whose key is known has its first outcome again; of two under one key in one batch the second is the
    same, or refused. Nothing that is wrong with one line costs another. Runs units of its own. Raises TooManyRequests
    (429).
    """
    batch = _Batch(principal, clock.now())
    read = [batch.read(line) for line in lines]
    run_units(batch.apply_some, Left(batch.in_order(), {}, MEMORIES, uncounted=len(lines)))
    return [
        batch.outcome(one).result(one.key) if isinstance(one, Operation) else one.result(_key_of(line))
        for one, line in zip(read, lines, strict=True)
    ]


@dataclass(frozen=True)
class Left:
    """What is left of a batch: operations in their order, what came of those before them, and how often the rest may
    still be read into a memory. `uncounted` are the lines that no limit has counted yet. `settling` is how many seconds
    it took to look again at what follows: the next unit works as long, or most of the work would be that."""

    operations: Sequence[Operation]
    outcomes: Mapping[str, Outcome]
    memories: int
    uncounted: int = 0
    settling: float = 0


class _Batch:
    """The operations of one request while they are applied."""

    def __init__(self, principal: Principal, received_at: datetime) -> None:
        self.principal = principal
        self.received_at = received_at
        self.followers = Followers()
        # The first operation under each key, and what came of it.
        self.owners: dict[str, Operation] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.known: dict[str, Answer] = {}
        self.memories_left = MEMORIES

    def read(self, line: Any) -> Operation | Outcome:
        """The operation of a line, or what is wrong with it."""
        if not isinstance(line, dict):
            return _refused(_unreadable(Fault("not_object")))
        kind = line.get("kind")
        if not isinstance(kind, str) or kind not in SCHEMAS:
            return _refused(_unreadable({"kind": [Fault("not_choice", choices=", ".join(OperationKind))]}))
        kind = OperationKind(kind)
        try:
            members = members_of(kind, line)
        except ValidationError as error:
            return _refused(_unreadable(error.messages))
        operation = Operation(line["key"], kind, line, members, told(members["evidence"], self.received_at))
        self.owners.setdefault(operation.key, operation)
        return operation

    def in_order(self) -> list[Operation]:
        """The operations by the time of their taps; a check-out comes after the check-in that it names."""

        def turn(operation: Operation) -> tuple[datetime, bool]:
            named = self.owners.get(operation.check_in_key) if operation.check_in_key is not None else None
            tapped_at = max(operation.tapped_at, named.tapped_at) if named is not None else operation.tapped_at
            return tapped_at, operation.kind is OperationKind.CHECK_OUT

        return sorted(self.owners.values(), key=turn)

    def apply_some(self, left: Left) -> Left | None:
        """Carry out the next operations, with their answers; what is left after them, None at the end.

        What is plain together, and what is not by itself, in a savepoint of its own. Raises TooManyRequests (429).
        """
        volunteer_id = self.principal.volunteer_id
        lock_volunteer(volunteer_id)
        if left.uncounted:
            count_operations(volunteer_id, left.uncounted)
        self.outcomes, self.memories_left, self.followers = dict(left.outcomes), left.memories, Followers()
        self._look_up(left.operations)
        rest, until = left.operations, time.monotonic() + max(LONGEST_UNIT, left.settling)
        while rest:
            done = self._apply_plain(rest[:MOST_TOGETHER])
            rest = rest[done:]
            if not rest or done == MOST_TOGETHER:
                break
            self.apply(rest[0])
            rest = rest[1:]
            if time.monotonic() > until:
                break
        worked_until = time.monotonic()
        self.followers.settle(volunteer_id)
        settling = time.monotonic() - worked_until
        self._keep(besides=left.outcomes)
        return Left(rest, self.outcomes, self.memories_left, settling=settling) if rest else None

    def apply(self, operation: Operation, memory: Memory | None = None) -> None:
        """Carry an operation out, or have its first outcome again.

        With `memory`, what comes of it is not written yet. Raises NotPlain, and then nothing is changed.
        """
        answer = self.known.get(operation.key)
        if answer is not None:
            self.outcomes[operation.key] = self._replayed(operation, answer)
            return
        try:
            outcome = self._perform(operation, memory) if memory else attempt(lambda: self._perform(operation))
        except Problem as problem:
            outcome = _refused(problem, operation.compared(self._named_if_known(operation)))
        except Exception as error:
            if memory is not None or concerns_whole_unit(error):
                raise
            logger().error("operation_failed", error=type(error).__name__, exc_info=True)
            outcome = _refused(InternalError())
        self.outcomes[operation.key] = outcome

    def _look_up(self, operations: Sequence[Operation]) -> None:
        """Read all first answers that these operations may ask for, at once."""
        named = {one.check_in_key for one in operations if one.check_in_key is not None}
        self.known |= kept_answers(self.principal.volunteer_id, {*(one.key for one in operations), *named})

    def _keep(self, *, besides: Collection[str]) -> None:
        """Keep the new answers under their keys."""
        keep_answers(
            self.principal.volunteer_id,
            {
                key: Answer(fingerprints(one.compared)[0], one.status, one.headers(), written(one.content))
                for key, one in self.outcomes.items()
                if one.is_kept and key not in self.known and key not in besides
            },
        )

    def outcome(self, operation: Operation) -> Outcome:
        """What came of an operation: its own, or that of the one before it under the same key."""
        owner = self.owners[operation.key]
        if operation is not owner:
            named, owners = self._named_if_known(operation), self._named_if_known(owner)
            if operation.compared(named) != owner.compared(owners):
                return _refused(IdempotencyKeyReused())
        return self.outcomes[operation.key]

    def _apply_plain(self, left: Sequence[Operation]) -> int:
        """Carry out the first of these operations together, as many as are plain; how many they were."""
        new = [operation for operation in left if operation.key not in self.known]
        if len(new) < 2 or self.memories_left == 0:
            return 0
        before = dict(self.outcomes)
        try:
            done = attempt(lambda: self._apply_together(left, new))
            self.memories_left -= done < len(left)
            return done
        except Exception as error:
            if concerns_whole_unit(error):
                raise
            # Whichever it was: each by itself, it costs but its own outcome.
            logger().warning("batch_in_single_steps", error=type(error).__name__)
            self.outcomes, self.memories_left = before, 0
            return 0

    def _apply_together(self, left: Sequence[Operation], new: Sequence[Operation]) -> int:
        shift_ids = {operation.members["shift_id"] for operation in new if "shift_id" in operation.members}
        first = min(operation.tapped_at for operation in new)
        memory = Memory(self.principal.volunteer_id, shift_ids, first, self.received_at)
        done = 0
        if memory.is_whole:
            for operation in left:
                try:
                    self.apply(operation, memory)
                except NotPlain:
                    break
                done += 1
            memory.write()
        return done

    def _perform(self, operation: Operation, memory: Memory | None = None) -> Outcome:
        if operation.kind is OperationKind.CHECK_IN:
            attendance = check_in(
                key=operation.key,
                volunteer_id=self.principal.volunteer_id,
                shift_id=operation.members.get("shift_id"),
                station_id=operation.members.get("station_id"),
                evidence=operation.end,
                received_at=self.received_at,
                memory=memory,
                followers=self.followers,
            )
            return _shown(201, attendance, operation.compared())
        attendance_id = self._named(operation)
        if attendance_id is None:
            return self._wait(operation, memory)
        # Only her own are remembered.
        attendance = (
            memory.attendance(attendance_id) if memory else access.to_check_out_of(self.principal, attendance_id)
        )
        check_out(
            attendance=attendance,
            evidence=operation.end,
            received_at=self.received_at,
            memory=memory,
            followers=self.followers,
        )
        return _shown(200, attendance, operation.compared(attendance_id))

    def _wait(self, operation: Operation, memory: Memory | None) -> Outcome:
        waiting.keep(
            volunteer_id=self.principal.volunteer_id,
            key=operation.key,
            check_in_key=operation.members["check_in_key"],
            evidence=operation.sent["evidence"],
            received_at=self.received_at,
        )
        if memory is not None:
            memory.waiting.add(operation.members["check_in_key"])
        hours = rules().late_evidence_hours
        content = {
            "kept_until": self.received_at + timedelta(hours=hours),
            "detail": texts.translate(
                "Its check-in has not arrived yet. It is kept for it, for %(hours)s hours.", hours=str(hours)
            ),
        }
        return Outcome(202, content, operation.compared(), is_kept=True)

    def _replayed(self, operation: Operation, answer: Answer) -> Outcome:
        same = fingerprints(operation.compared())
        named = self._named_if_known(operation)
        if named is not None:
            same += fingerprints(operation.compared(named))
        if answer.fingerprint not in same:
            return _refused(IdempotencyKeyReused())
        outcome = _outcome_of(answer)
        return self._since_carried_out(operation, outcome, named) if outcome.status == 202 else outcome

    def _since_carried_out(self, operation: Operation, outcome: Outcome, attendance_id: UUID | None) -> Outcome:
        """The answer of a check-out that waited: once its check-in has come, with the attendance as it is now."""
        if attendance_id is None or waiting.waits(self.principal.volunteer_id, operation.key):
            return outcome
        attendance = db.session.get(Attendance, attendance_id)
        if attendance is None:
            return outcome
        detail = texts.translate("Its check-in has arrived, and it was carried out with that.")
        return Outcome(202, outcome.content | {"detail": detail, "attendance": shown(attendance)}, is_kept=True)

    def _named(self, operation: Operation) -> UUID | None:
        """The attendance of a check-out, None where the check-in that it names is unknown yet.

        Raises CheckInRefused (409), and InvalidPayload (422) where it names something else.
        """
        key = operation.check_in_key
        if key is None:
            named: UUID = operation.members["attendance_id"]
            return named
        owner = self.owners.get(key)
        found = self.outcomes.get(key)
        if found is None and key in self.known:
            found = _outcome_of(self.known[key])
        ends = owner is not None and owner.kind is OperationKind.CHECK_OUT
        if ends or (found is not None and found.status in (200, 202)):
            fault = Fault("not_check_in", "This is the key of another operation, not of a check-in.")
            raise _unreadable({"check_in_key": [fault]})
        if found is None or not found.is_kept:
            return None
        if found.attendance_id is None:
            raise CheckInRefused()
        return found.attendance_id

    def _named_if_known(self, operation: Operation) -> UUID | None:
        if operation.kind is OperationKind.CHECK_IN:
            return None
        try:
            return self._named(operation)
        except Problem:
            return None


def members_of(kind: OperationKind, line: dict[str, Any]) -> dict[str, Any]:
    """The members of a line as its schema loads them. Raises ValidationError."""
    schema = SCHEMAS[kind]
    if line.keys() in WHOLE[kind]:
        with suppress(ValidationError):
            return {name: schema.fields[name].deserialize(value) for name, value in line.items()}
    members: dict[str, Any] = schema.load(line)
    return members


def _shown(status: int, attendance: Attendance, compared: tuple[Any, ...]) -> Outcome:
    return Outcome(status, shown(attendance), compared, is_kept=True)


def _refused(problem: Problem, compared: tuple[Any, ...] = ()) -> Outcome:
    return Outcome(problem.status, problem.body(), compared, is_kept=problem.is_outcome)


def _outcome_of(answer: Answer) -> Outcome:
    return Outcome(answer.status, orjson.loads(answer.body), is_kept=True)


def _unreadable(faults: Any) -> InvalidPayload:
    return InvalidPayload(error_list(faults))


def _key_of(line: Any) -> str | None:
    key = line.get("key") if isinstance(line, dict) else None
    return key if is_key(key) else None
