"""Check-in by one statement, on PostgreSQL: the same answers and rows as by the general way, and nothing twice."""

from datetime import timedelta
from typing import Any

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from tests.attendance.factories import FAR, NEAR, PLACE, Scene, evidence, loaded_evidence, make_scene, soon
from tests.factories import unit_of
from volunteer_api.attendance import service
from volunteer_api.attendance.closing import close_forgotten
from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.schemas import AttendanceRead
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.idempotency import IdempotencyKey
from volunteer_api.sign_ups.queries import lock_volunteer

MINUTE = timedelta(minutes=1)
COLUMNS = [column.key for column in Attendance.__table__.columns if column.key != "id"]


def check_in(phone: Any, scene: Scene, sent: dict[str, Any], key: str = "") -> Any:
    body = {"shift_id": str(scene.shift.id), "evidence": sent}
    return phone.post("/attendances", json=body, key=key or str(ids.new_id()))


def only_row() -> dict[str, Any]:
    attendance = db.session.scalars(select(Attendance)).one()
    return {name: getattr(attendance, name) for name in COLUMNS}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    who=st.sampled_from(["volunteer", "unsigned", "stranger", "leader", "organizer"]),
    begins_in=st.sampled_from([-200, -30, 10, 200]),
    ago=st.sampled_from([0, 2, 90, -30]),
    delay=st.sampled_from([None, 0, 2, 90, "soon"]),
    place=st.sampled_from([None, PLACE, NEAR, FAR, {"lat": 0, "lng": 0}, "here"]),
    accuracy_m=st.sampled_from([None, 5, 5000]),
    code=st.sampled_from([None, "right", "000000"]),
)
def test_both_ways_are_one_rule(
    postgresql_app: Flask, postgresql_client: Any, statements: Any, begins_in: int, who: str, ago: int, **sent: Any
) -> None:
    unit = unit_of(postgresql_app)
    unit(lambda: db.session.execute(delete(Attendance)))
    scene = make_scene(starts_at=soon() + begins_in * MINUTE)
    volunteer, tapped_at = getattr(scene, who), clock.now() - ago * MINUTE
    delay = sent.pop("delay")
    sent["delay_ms"] = delay * 60_000 if isinstance(delay, int) else delay
    if sent["code"] == "right":
        with postgresql_app.app_context():
            sent["code"] = scene.code(tapped_at)
    phone = postgresql_client.as_(volunteer)
    with statements() as seen:
        answer = check_in(phone, scene, evidence(tapped_at, **sent))
    assert answer.status_code == 201
    assert any(statement.startswith("WITH plain") for statement in seen)

    def by_the_general_way() -> tuple[dict[str, Any], dict[str, Any], Any]:
        fast = only_row()
        db.session.execute(delete(Attendance))
        db.session.expunge_all()
        made = service.check_in(
            volunteer_id=volunteer.id,
            shift_id=scene.shift.id,
            evidence=loaded_evidence(tapped_at, **sent),
            received_at=fast["created_at"],
        )
        with postgresql_app.test_request_context():
            told = AttendanceRead().dump(made)
        db.session.expire_all()
        return fast, only_row(), told

    fast, general, told = unit(by_the_general_way)
    assert fast == general
    assert {**answer.json, "id": None} == {**told, "id": None}


def test_who_once_forgot_to_check_out_is_as_quick(
    postgresql_client: Any, postgresql_unit: Any, statements: Any
) -> None:
    starts_at = soon() - 600 * MINUTE
    before, scene = make_scene(starts_at=starts_at), make_scene()

    def forget() -> int:
        with clock.at(starts_at):
            sent = loaded_evidence(starts_at, place=NEAR, accuracy_m=5)
            service.check_in(volunteer_id=before.volunteer.id, shift_id=before.shift.id, evidence=sent)
        return close_forgotten()

    assert postgresql_unit(forget) == 1
    with statements() as seen:
        assert check_in(postgresql_client.as_(before.volunteer), scene, evidence(clock.now())).status_code == 201
    assert any(statement.startswith("WITH plain") for statement in seen)


def test_two_phones_of_one_volunteer(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    scene = postgresql_unit(make_scene)
    phone = postgresql_client.as_(scene.volunteer)
    answers = race(6, lambda _number: check_in(phone, scene, evidence(clock.now())))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    postgresql_unit(only_row)


def test_one_tap_sent_six_times(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    scene = postgresql_unit(make_scene)
    phone, key, sent = postgresql_client.as_(scene.volunteer), str(ids.new_id()), evidence(clock.now())
    answers = race(6, lambda _number: check_in(phone, scene, sent, key))
    assert [answer.status_code for answer in answers] == [201] * 6
    assert len({answer.json["id"] for answer in answers}) == 1
    postgresql_unit(only_row)
    assert postgresql_unit(lambda: db.session.query(IdempotencyKey).count()) == 1


def test_who_is_held_is_waited_for(
    postgresql_app: Flask, postgresql_client: Any, postgresql_unit: Any, race: Any, statements: Any
) -> None:
    scene = postgresql_unit(make_scene)
    phone = postgresql_client.as_(scene.volunteer)

    def hold_and_check_in(number: int) -> int:
        if number == 1:
            return int(check_in(phone, scene, evidence(clock.now())).status_code)
        unit_of(postgresql_app)(lambda: lock_volunteer(scene.volunteer.id))
        return 0

    assert sorted(race(2, hold_and_check_in)) == [0, 201]
    postgresql_unit(only_row)


def test_a_check_in_elsewhere_closes_the_one_before(postgresql_client: Any, postgresql_unit: Any) -> None:
    first, second = postgresql_unit(lambda: (make_scene(), make_scene()))
    phone = postgresql_client.as_(first.volunteer)
    assert check_in(phone, first, evidence(clock.now() - MINUTE)).status_code == 201
    assert check_in(phone, second, evidence(clock.now())).status_code == 201
    states = postgresql_unit(lambda: list(db.session.scalars(select(Attendance.state).order_by(Attendance.id))))
    assert states == ["held", "open"]
