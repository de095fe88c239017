"""However a history of taps arrives, it comes out as if every tap had been told when it was made.

One volunteer's taps come in order, one call each. The other's come shuffled, repeated, cut into batches and single
calls, from several devices. Both must end with the same attendances and the same hours.
"""

import dataclasses
import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.attendance.factories import NEAR, Scene, evidence, make_scene, make_shift, soon
from tests.factories import make_volunteer, unit_of
from volunteer_api.accounts.consent_texts import ConsentKind, current_texts
from volunteer_api.attendance.models import Attendance, WaitingCheckOut
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.sign_ups.models import SignUp, SignUpState

MINUTE = timedelta(minutes=1)
# Minutes of the history's four shifts: two that follow each other, and two across them.
LENGTH = 420
SHIFTS = ((30, 120), (120, 240), (60, 300), (200, 330))


@dataclass(frozen=True)
class Tap:
    """A check-in to a shift, or the check-out of the check-in at `of` in the history; `minute` of the history."""

    minute: int
    shift: int
    of: int | None = None
    good: bool = True


@st.composite
def histories(draw: st.DrawFn) -> list[Tap]:
    """Some check-ins, most in the time of their shift, each with up to three check-outs, most after it."""
    taps, good = [], st.integers(0, 4).map(bool)
    for _ in range(draw(st.integers(2, 6))):
        shift = draw(st.integers(0, len(SHIFTS) - 1))
        first, last = SHIFTS[shift]
        taps.append(Tap(draw(st.integers(first - 40, last - 20)), shift, good=draw(good)))
    for number, tap in enumerate(list(taps)):
        for _ in range(draw(st.sampled_from((0, 1, 1, 2, 3)))):
            later = draw(st.one_of(st.integers(-5, 10), st.integers(-5, 90)))
            taps.append(Tap(tap.minute + later, tap.shift, of=number, good=draw(good)))
    return taps


@dataclass(frozen=True)
class World:
    """What every example shares."""

    app: Flask
    client: Any
    scene: Scene
    shift_ids: list[UUID]
    began: datetime

    def line(self, number: int, tap: Tap) -> dict[str, Any]:
        """A tap as a batch carries it."""
        given = evidence(self.began + tap.minute * MINUTE, **({"place": NEAR} if tap.good else {}))
        if tap.of is None:
            named = {"kind": "check_in", "shift_id": str(self.shift_ids[tap.shift])}
        else:
            named = {"kind": "check_out", "check_in_key": f"tap-{tap.of}"}
        return {"key": f"tap-{number}", **named, "evidence": given}


@pytest.fixture
def world(app: Flask, client: Any, change_settings: Any) -> World:
    # So little that the day's limits matter.
    changed = dataclasses.replace(app.extensions["volunteer_api.settings"].rules, **LIMITS)
    change_settings(app, rules=changed)
    began = soon() - (LENGTH + 10) * MINUTE
    scene = make_scene(starts_at=began)

    def build() -> list[UUID]:
        with clock.at(began - timedelta(hours=3)):
            return [
                make_shift(
                    organization=scene.organization,
                    created_by=scene.organizer,
                    starts_at=began + first * MINUTE,
                    hours=(last - first) / 60,
                ).id
                for first, last in SHIFTS
            ]

    return World(app, client, scene, unit_of(app)(build), began)


LIMITS = {"credited_minutes_a_day": 60, "most_minutes_a_day": 90}


def make_person(world: World) -> UUID:
    """A volunteer with a place in all shifts but the last, who lets us keep where she is."""

    def make() -> UUID:
        location = {"kind": "location", "version": current_texts()[ConsentKind.LOCATION].version}
        volunteer = make_volunteer(consents=[location])
        # By hand: nobody signs up for shifts that overlap, but what was agreed before may be moved there.
        for shift_id in world.shift_ids[:3]:
            given = {"shift_id": shift_id, "volunteer_id": volunteer.id, "created_at": world.began - timedelta(hours=1)}
            db.session.add(SignUp(state=SignUpState.CONFIRMED, **given))
        return volunteer.id

    return unit_of(world.app)(make)


def outcome(world: World, volunteer_id: UUID) -> tuple[Any, ...]:
    """What is left of a history: the attendances, and the hours of each."""

    def read() -> tuple[Any, ...]:
        mine = db.session.query(Attendance).filter_by(volunteer_id=volunteer_id).all()
        sums: defaultdict[UUID | None, int] = defaultdict(int)
        for record in db.session.query(ServiceRecord).filter_by(volunteer_id=volunteer_id):
            sums[record.attendance_id] += record.minutes
        assert sum(one.state == "open" for one in mine) <= 1
        assert all(sums[one.id] == one.credited_minutes for one in mine)
        waiting = db.session.query(WaitingCheckOut).filter_by(volunteer_id=volunteer_id).count()
        return waiting, sorted(
            (
                world.shift_ids.index(one.shift_id),
                one.state,
                one.checked_in_at,
                str(one.checked_out_at),
                one.credited_minutes,
                one.held_minutes,
                one.grade,
                tuple(one.reasons),
                *(one.check_in_grade, str(one.check_out_grade), str(one.counts_from_at), str(one.counts_until_at)),
            )
            for one in mine
        )

    found: tuple[Any, ...] = unit_of(world.app)(read)
    return found


def tell_in_order(world: World, volunteer_id: UUID, taps: list[Tap]) -> None:
    """Each tap alone, in the order in which they were made."""
    phone = world.client.as_(volunteer_id)

    def turn(number: int) -> tuple[int, bool]:
        tap = taps[number]
        return max(tap.minute, taps[tap.of].minute if tap.of is not None else 0), tap.of is not None

    for number in sorted(range(len(taps)), key=turn):
        phone.post("/attendances/batch", json={"operations": [world.line(number, taps[number])]})


def tell_in_disorder(world: World, volunteer_id: UUID, taps: list[Tap], chance: random.Random) -> None:
    """All taps, most of them twice, shuffled, from three devices; every acknowledged outcome must repeat."""
    phones = [world.client.as_(volunteer_id) for _ in range(3)]
    left = [number for number in range(len(taps)) for _ in range(chance.choice((1, 2, 2)))]
    chance.shuffle(left)
    seen: dict[str, Any] = {}

    def note(key: str, status: int, content: Any) -> None:
        if status in (200, 201, 409):
            assert seen.setdefault(key, (status, content)) == (status, content)

    while left:
        size = chance.choice((1, 1, 2, 3, 5))
        now, left = left[:size], left[size:]
        phone, lines = chance.choice(phones), [world.line(number, taps[number]) for number in now]
        if len(lines) == 1 and lines[0]["kind"] == "check_in" and chance.random() < 0.7:
            [line] = lines
            body = {"shift_id": line["shift_id"], "evidence": line["evidence"]}
            answer = phone.post("/attendances", json=body, key=line["key"])
            note(line["key"], answer.status_code, answer.json)
            continue
        for result in phone.post("/attendances/batch", json={"operations": lines}).json["results"]:
            content = result.get("attendance") or result.get("problem") or result["kept_until"]
            note(result["key"], result["status"], content)


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(taps=histories(), seed=st.integers(0, 2**32))
def test_disorder_changes_nothing(world: World, taps: list[Tap], seed: int) -> None:
    orderly, disorderly = make_person(world), make_person(world)
    tell_in_order(world, orderly, taps)
    tell_in_disorder(world, disorderly, taps, random.Random(seed))
    assert outcome(world, disorderly) == outcome(world, orderly)
