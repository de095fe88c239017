"""A batch's plain taps are carried out together: the same answers and rows as one by one, in few statements."""

import dataclasses
import json
import random
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.attendance.factories import FAR, NEAR, evidence
from tests.attendance.test_order import MINUTE, SHIFTS, Tap, World, make_person, world
from tests.factories import unit_of
from volunteer_api.attendance import batches
from volunteer_api.attendance.memory import Memory
from volunteer_api.attendance.models import Attendance, WaitingCheckOut
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.idempotency import IdempotencyKey
from volunteer_api.hours.models import HeldAttribution, ServiceRecord, TallyChange
from volunteer_api.notifications.models import Notification

__all__ = ["world"]

DUTY, NOWHERE = len(SHIFTS), len(SHIFTS) + 1
UNKNOWN = ids.new_id()
# What two people's rows may differ in: names by chance, and fingerprints of what has such a name in it.
OWN = {"id", "key_id", "volunteer_id", "fingerprint", "dedup_key", "service_record_id", "request_id", "owner_id"}


@dataclasses.dataclass(frozen=True)
class Sent(Tap):
    """A tap of a history, with the place that the phone said."""

    place: str = "near"


@st.composite
def histories(draw: st.DrawFn) -> list[Sent]:
    """Check-ins to shifts, to a duty and to nothing, most of them with a check-out; most with good evidence."""
    taps, places = [], st.sampled_from(("near", "near", "near", "far", "none"))
    for _ in range(draw(st.integers(2, 8))):
        shift = draw(st.sampled_from((0, 0, 1, 1, 2, 3, DUTY, NOWHERE)))
        first, last = SHIFTS[shift] if shift < DUTY else (30, 330)
        taps.append(Sent(draw(st.integers(first - 40, last - 20)), shift, place=draw(places)))
    for number, tap in enumerate(list(taps)):
        for _ in range(draw(st.sampled_from((0, 1, 1, 1, 2)))):
            minute = tap.minute + draw(st.integers(-5, 90))
            taps.append(Sent(minute, tap.shift, of=number, place=draw(places)))
    return taps


def line_of(world: World, number: int, tap: Sent) -> dict[str, Any]:
    places: dict[str, Any] = {"near": {"place": NEAR}, "far": {"place": FAR, "accuracy_m": 10}, "none": {}}
    given = evidence(world.began + tap.minute * MINUTE, **places[tap.place])
    if tap.of is not None:
        return {"key": f"tap-{number}", "kind": "check_out", "check_in_key": f"tap-{tap.of}", "evidence": given}
    if tap.shift == DUTY:
        target = {"station_id": str(world.scene.station.id)}
    else:
        target = {"shift_id": str(UNKNOWN if tap.shift == NOWHERE else world.shift_ids[tap.shift])}
    return {"key": f"tap-{number}", "kind": "check_in", **target, "evidence": given}


def tell(world: World, volunteer_id: UUID, cut: list[list[dict[str, Any]]]) -> list[Any]:
    """The answers to some batches."""
    phone = world.client.as_(volunteer_id)
    answers = [phone.post("/attendances/batch", json={"operations": lines}) for lines in cut]
    assert {answer.status_code for answer in answers} == {200}
    return [answer.json["results"] for answer in answers]


def fails() -> Any:
    raise AssertionError("something was logged")


def left_by(world: World, volunteer_id: UUID, answers: list[Any]) -> Any:
    """Answers and rows of a person, without what is hers by chance; attendances are named by their place in time."""

    def read() -> Any:
        mine = {
            model.__tablename__: [
                {column.key: getattr(one, column.key) for column in model.__table__.columns}
                for one in db.session.query(model).filter_by(**{owner: volunteer_id})
            ]
            for model, owner in (
                (Attendance, "volunteer_id"),
                (ServiceRecord, "volunteer_id"),
                (TallyChange, "volunteer_id"),
                (HeldAttribution, "volunteer_id"),
                (WaitingCheckOut, "volunteer_id"),
                (Notification, "volunteer_id"),
                (IdempotencyKey, "owner_id"),
            )
        }
        attendances = sorted(
            mine["attendances"], key=lambda one: (one["checked_in_at"], str(one["shift_id"]), one["state"])
        )
        names = {str(one["id"]): f"attendance {number}" for number, one in enumerate(attendances)}
        names |= {str(one["id"]): f"record of {one['minutes']} minutes" for one in mine["service_records"]}
        for row in mine["idempotency_keys"]:
            row["body"] = json.loads(row["body"])
        found = {
            table: sorted(json.dumps(_named(row, names), default=str, sort_keys=True) for row in rows)
            for table, rows in mine.items()
        }
        return _named(answers, names), found

    return unit_of(world.app)(read)


def _named(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            name: names.get(str(inner), "?") if name == "id" else _named(inner, names)
            for name, inner in value.items()
            if name not in OWN or name == "id"
        }
    if isinstance(value, list):
        return [_named(inner, names) for inner in value]
    return names.get(str(value), value)


@pytest.fixture
def unsampled(world: World, change_settings: Any) -> World:
    """The lot falls by an attendance's id."""
    rules = world.app.extensions["volunteer_api.settings"].rules
    change_settings(world.app, rules=dataclasses.replace(rules, sampled_percent=0))
    return world


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(taps=[Sent(30 + 20 * (n // 2), n // 2 % 3, of=n - 1 if n % 2 else None) for n in range(6)], seed=1)
@given(taps=histories(), seed=st.integers(0, 2**32))
def test_together_is_as_one_by_one(unsampled: World, taps: list[Sent], seed: int) -> None:
    world, chance = unsampled, random.Random(seed)
    lines = [line_of(world, number, tap) for number, tap in enumerate(taps)]
    lines += [line for line in lines if chance.random() < 0.3]
    chance.shuffle(lines)
    cut = []
    while lines:
        size = chance.choice((2, 4, 8, 20))
        cut.append(lines[:size])
        lines = lines[size:]
    found = []
    with clock.at(clock.now()):
        for memories in (batches.MEMORIES, 0):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(batches, "MEMORIES", memories)
                # What follows is looked at at the end of each unit, and told of.
                patch.setattr(batches, "LONGEST_UNIT", 60)
                # Nor may it come out the same only because together failed.
                patch.setattr(batches, "logger", fails)
                volunteer_id = make_person(world)
                found.append(left_by(world, volunteer_id, tell(world, volunteer_id, cut)))
    together, one_by_one = found
    assert together[0] == one_by_one[0]
    for table, rows in together[1].items():
        assert (table, rows) == (table, one_by_one[1][table])


def pairs(world: World) -> list[dict[str, Any]]:
    """In and out at one shift, and then at the next."""
    taps = []
    for number, (first, last) in enumerate(SHIFTS[:2]):
        taps += [Sent(first, number), Sent(last - 1, number, of=2 * number)]
    return [line_of(world, number, tap) for number, tap in enumerate(taps)]


def test_few_statements(unsampled: World, statements: Callable[[], Any]) -> None:
    world, lines = unsampled, pairs(unsampled)
    with statements() as seen:
        [results] = tell(world, make_person(world), [lines])
    assert [one["status"] for one in results] == [201, 200, 201, 200]
    with world.app.app_context():
        days = {clock.local_date(world.began + minute * MINUTE) for pair in SHIFTS[:2] for minute in pair}
    # An hour of each day counts, and at night these are of two.
    credited = [one["attendance"]["credited_minutes"] for one in results[1::2]]
    assert credited == [60, 0] or (len(days) == 2 and 60 < sum(credited) <= 120)
    of_four = len(seen)
    more = [lines[number % 2 * 2] | {"key": f"more-{number}"} for number in range(20)]
    with statements() as seen:
        [results] = tell(world, make_person(world), [[*lines, *more]])
    assert sorted(one["status"] for one in results) == [200, 200, 201, 201, *[409] * 20]
    assert len(seen) <= of_four


def test_a_fault_of_writing_costs_nobody(unsampled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(self: Memory) -> None:
        db.session.flush()
        raise RuntimeError("after it wrote")

    monkeypatch.setattr(Memory, "write", breaks)
    world, volunteer_id = unsampled, make_person(unsampled)
    [results] = tell(world, volunteer_id, [pairs(world)])
    assert [one["status"] for one in results] == [201, 200, 201, 200]
    assert unit_of(world.app)(lambda: db.session.query(Attendance).filter_by(volunteer_id=volunteer_id).count()) == 2


def test_what_cannot_both_be_true_is_written(unsampled: World, statements: Callable[[], Any]) -> None:
    """Each of two attendances names the other; no row may be written before the one that it names."""
    world, volunteer_id = unsampled, make_person(unsampled)
    lines = pairs(world)
    for line in lines[2:]:
        line["evidence"] |= {"place": FAR | {"lng": FAR["lng"] + 5}, "accuracy_m": 10}
    with statements() as seen:
        [results] = tell(world, volunteer_id, [lines])
    assert sum(statement.startswith("INSERT INTO attendances") for statement in seen) == 1
    shown = [one["attendance"] for one in results]
    assert shown[3]["conflicts_with_id"] == shown[1]["id"]
