"""One attendance of a volunteer at a shift: whoever tells of it at once, and in what an older release left behind."""

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, true

from tests.attendance.factories import NEAR, evidence, make_scene, soon
from tests.attendance.test_batches import into, out, send, statuses
from tests.factories import unit_of
from tests.servers import migrate
from volunteer_api.accounts import sessions
from volunteer_api.attendance import batches, queries, review
from volunteer_api.attendance.models import Attendance
from volunteer_api.core import at_once, clock, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.periods import ALL_TIME
from volunteer_api.hours import tallies, verification
from volunteer_api.hours.models import SubjectKind

BEFORE = "2026_11_26_10_residents"
TABLE: Any = Attendance.__table__
MINUTE = timedelta(minutes=1)


def test_a_batch_that_ends_while_a_check_in_is_written(
    postgresql_client: Any, postgresql_unit: Any, race: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its snapshot has not seen the batch, whose lock is gone: the guard lets it pass, the constraint does not."""
    scene = postgresql_unit(lambda: make_scene(starts_at=soon() - 60 * MINUTE))
    phone = postgresql_client.as_(scene.volunteer)
    judged, told = threading.Event(), threading.Event()
    write, tried = at_once.write, []

    def write_late(*given: Any) -> bool:
        tried.append(given)
        judged.set()
        assert told.wait(30)
        return write(*given)

    monkeypatch.setattr(at_once, "write", write_late)
    monkeypatch.setattr(queries, "is_plain", true)

    def tell(number: int) -> Any:
        if number == 0:
            body = {"shift_id": str(scene.shift.id), "evidence": evidence(clock.now(), place=NEAR)}
            return phone.post("/attendances", json=body, key=str(ids.new_id()))
        assert judged.wait(30)
        lines = (
            into("in", scene.shift.id, clock.now() - 50 * MINUTE),
            out("out", clock.now() - 10 * MINUTE, of="in"),
        )
        try:
            return statuses(send(phone, *lines))
        finally:
            told.set()

    late, told_first = race(2, tell)
    assert told_first == [201, 200]
    assert len(tried) == 1
    assert late.status_code == 409
    assert late.json["code"] == "already_checked_in"
    postgresql_unit(lambda: db.session.scalars(select(Attendance)).one())


def test_a_session_that_ends_before_the_check_in_is_written(
    postgresql_client: Any, postgresql_unit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statement that writes asks for the session itself."""
    scene = postgresql_unit(make_scene)
    phone = postgresql_client.as_(scene.volunteer)
    write, outcomes = at_once.write, []

    def write_late(*given: Any) -> bool:
        postgresql_unit(lambda: sessions.end_sessions_of(scene.volunteer.id))
        outcomes.append(write(*given))
        return outcomes[-1]

    monkeypatch.setattr(at_once, "write", write_late)
    body = {"shift_id": str(scene.shift.id), "evidence": evidence(clock.now(), place=NEAR)}
    answer = phone.post("/attendances", json=body, key=str(ids.new_id()))
    assert (answer.status_code, answer.json["code"]) == (401, "session_ended")
    assert outcomes == [False]
    assert postgresql_unit(lambda: db.session.query(Attendance).count()) == 0


def test_phones_that_tell_alone_and_in_batches(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    scene = postgresql_unit(lambda: make_scene(starts_at=soon() - 60 * MINUTE))
    phone, began = postgresql_client.as_(scene.volunteer), clock.now() - 50 * MINUTE

    def tell(number: int) -> int:
        if number % 2:
            lines = (
                into(f"in-{number}", scene.shift.id, began),
                out(f"out-{number}", began + 40 * MINUTE, of=f"in-{number}"),
            )
            return statuses(send(phone, *lines))[0]
        body = {"shift_id": str(scene.shift.id), "evidence": evidence(began, place=NEAR)}
        return int(phone.post("/attendances", json=body, key=str(ids.new_id())).status_code)

    assert sorted(race(6, tell)) == [201] + [409] * 5
    one = postgresql_unit(lambda: db.session.scalars(select(Attendance)).one())
    assert one.checked_out_at - one.checked_in_at == 40 * MINUTE


def test_one_that_was_rejected_may_be_opened_beside_another(app: Flask, unit: Any) -> None:
    scene = make_scene(starts_at=soon() - 60 * MINUTE)

    def tell(key: str, since: int, until: int) -> UUID:
        lines = [
            into(key, scene.shift.id, clock.now() - since * MINUTE),
            out(f"{key}-out", clock.now() - until * MINUTE, of=key),
        ]
        with app.test_request_context():
            results = batches.apply(principal=Principal(scene.volunteer.id, ids.new_id()), lines=lines)
        assert statuses(results) == [201, 200]
        return UUID(str(results[0]["attendance"]["id"]))

    def decide(attendance_id: UUID, decision: str) -> str:
        return review.decide(
            attendance_id=attendance_id, reviewer_id=scene.organizer.id, decision=decision, reason="查过了"
        ).state

    first = tell("first", 55, 50)
    assert unit(lambda: decide(first, "reject")) == "rejected"
    second = tell("second", 40, 20)
    assert unit(lambda: decide(first, "credit")) == "credited"
    assert unit(lambda: decide(second, "credit")) == "credited"


def test_what_stood_twice(own_app: Flask) -> None:
    unit = unit_of(own_app)

    def stand(scene: Any, state: str, *, held: int = 0, credited: int = 0) -> UUID:
        graded = {"grade": "weak", "check_in_grade": "weak", "check_in_evidence": {}, "checked_in_at": clock.now()}
        counted = {"held_minutes": held, "credited_minutes": credited}
        whose = {"volunteer_id": scene.volunteer.id, "shift_id": scene.shift.id}
        attendance_id = ids.new_id()
        # By the table, which writes no column that came later.
        row = {"id": attendance_id, "state": state, **whose, **graded, **counted}
        db.session.execute(TABLE.insert().values(row))
        tallies.held(
            volunteer_id=scene.volunteer.id,
            activity=scene.activity,
            station=None,
            on=clock.today(),
            team_id=None,
            minutes=held,
            attendance_id=attendance_id,
        )
        return attendance_id

    def state_of(attendance_id: UUID) -> str:
        return unit(lambda: db.session.get_one(Attendance, attendance_id).state)

    opened, alone, twice = make_scene(), make_scene(), make_scene()
    migrate(own_app, BEFORE, down=True)
    held = unit(lambda: [stand(opened, "held", held=30), stand(alone, "held", held=20)])
    left_open = unit(lambda: stand(opened, "open"))
    both = unit(lambda: [stand(twice, "credited", credited=10), stand(twice, "credited", credited=10)])
    with pytest.raises(RuntimeError, match=str(both[1])):
        migrate(own_app)
    unit(lambda: db.session.execute(TABLE.update().where(TABLE.c.id == both[1]).values(state="rejected")))
    migrate(own_app)
    assert [state_of(one) for one in (*held, left_open)] == ["rejected", "held", "open"]
    for scene, minutes in ((opened, 0), (alone, 20)):
        whose = scene.volunteer.id
        sums = unit(lambda whose=whose: tallies.tally(SubjectKind.VOLUNTEER, whose, ALL_TIME))
        assert sums.held_minutes == minutes
    with own_app.app_context():
        assert verification.verify_tallies() == 0
