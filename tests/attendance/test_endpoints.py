"""Check-in, check-out and their readings over HTTP."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from tests.attendance.factories import NEAR, Scene, evidence, make_scene, make_shift, soon
from volunteer_api.activities.models import Activity
from volunteer_api.attendance.models import Attendance
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.hours.models import ServiceRecord

# What PostgreSQL does in one statement, SQLite does in several.
pytestmark = pytest.mark.both_databases

MINUTE = timedelta(minutes=1)


@pytest.fixture
def scene(app: Flask) -> Scene:
    return make_scene(starts_at=soon() - 30 * MINUTE)


def code_of(app: Flask, scene: Scene, moment: datetime) -> str:
    with app.app_context():
        return scene.code(moment)


def check_in(phone: Any, scene: Scene, *, key: str | None = None, at: datetime | None = None, **members: Any) -> Any:
    body = {"shift_id": str(scene.shift.id), "evidence": evidence(at or clock.now(), **members)}
    return phone.post("/attendances", json=body, key=key or str(ids.new_id()))


def check_out(phone: Any, attendance_id: str, *, key: str | None = None, **members: Any) -> Any:
    at = members.pop("at", None) or clock.now()
    return phone.post(
        f"/attendances/{attendance_id}/check-out",
        json={"evidence": evidence(at, **members)},
        key=key or str(ids.new_id()),
    )


def count(unit: Any, model: Any) -> int:
    return int(unit(lambda: db.session.query(model).count()))


def test_from_presence_code_to_tally(app: Flask, client: Any, scene: Scene) -> None:
    shown = client.as_(scene.leader).get(f"/shifts/{scene.shift.id}/presence-code")
    assert shown.status_code == 200
    assert shown.json["qr"].endswith(f"/c/s/{scene.shift.id}/{shown.json['code']}")
    assert shown.json["codes"][0]["code"] == shown.json["code"]
    # Half an hour longer, for a queue at the end and a leader's phone without network.
    last = datetime.fromisoformat(shown.json["codes"][-1]["valid_until"])
    assert timedelta(0) <= last - scene.shift.ends_at - 30 * MINUTE < MINUTE
    phone = client.as_(scene.volunteer)
    # The phone was offline: it tapped 20 minutes ago.
    code = code_of(app, scene, clock.now() - 20 * MINUTE)
    arrived = check_in(phone, scene, code=code, delay_ms=20 * 60_000, battery={"level": 0.4}, accuracy_m=None)
    assert arrived.status_code == 201
    assert (arrived.json["state"], arrived.json["grade"], arrived.json["reasons"]) == ("open", "strong", [])
    left = check_out(phone, arrived.json["id"], code=shown.json["qr"])
    assert left.status_code == 200
    assert (left.json["state"], left.json["grade"], left.json["credited_minutes"]) == ("credited", "strong", 20)
    tally = phone.get("/me/tally?period=all")
    assert (tally.json["credited_minutes"], tally.json["held_minutes"], tally.json["activity_count"]) == (20, 0, 1)
    [record] = phone.get("/me/service-records").json["items"]
    assert (record["minutes"], record["organization"]["name"]) == (20, scene.organization.name)
    assert (record["leader_name"], record["attendance_id"]) == ("leader", left.json["id"])
    assert phone.get("/me/attendances").json["items"] == [left.json]
    assert phone.get(f"/attendances/{left.json['id']}").json == left.json


def test_held_minutes_stand_beside_the_tally_with_their_reasons(client: Any, scene: Scene) -> None:
    phone = client.as_(scene.volunteer)
    arrived = check_in(phone, scene, delay_ms=10 * 60_000)
    left = check_out(phone, arrived.json["id"])
    assert (left.json["state"], left.json["held_minutes"]) == ("held", 10)
    assert [reason["code"] for reason in left.json["reasons"]] == ["weak_evidence"]
    assert left.json["reasons"][0]["detail"]
    with client.app.app_context():
        day = clock.local_date(scene.shift.starts_at)
    assert phone.get(f"/me/tally?period={day}").json == {
        "credited_minutes": 0,
        "held_minutes": 10,
        "activity_count": 0,
        "star_level": 0,
        "by_period": [{"period": str(day), "credited_minutes": 0, "held_minutes": 10}],
    }


def test_a_replay_gives_the_first_answer_and_adds_nothing(app: Flask, client: Any, unit: Any, scene: Scene) -> None:
    phone = client.as_(scene.volunteer)
    at = clock.now() - MINUTE
    first = check_in(phone, scene, key="in-1", at=at, place=NEAR)
    # A retry of the same tap: another delay, another fix of the place.
    again = check_in(phone, scene, key="in-1", at=at, place=NEAR, delay_ms=5000, accuracy_m=3)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json == first.json
    assert again.headers["Idempotency-Replayed"] == "true"
    other = check_in(phone, scene, key="in-1", at=at + MINUTE, place=NEAR)
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")
    left_at = clock.now()
    left = check_out(phone, first.json["id"], key="out-1", at=left_at, place=NEAR)
    left_again = check_out(phone, first.json["id"], key="out-1", at=left_at, place=NEAR, delay_ms=9000)
    assert left_again.json == left.json
    assert left_again.headers["Idempotency-Replayed"] == "true"
    # Even now that the attendance is closed, the first tap's replay is the first answer.
    assert check_in(phone, scene, key="in-1", at=at).json == first.json
    assert (count(unit, Attendance), count(unit, ServiceRecord)) == (1, 1)
    assert check_out(phone, first.json["id"], key="in-1").status_code == 422


def test_refusals(client: Any, scene: Scene) -> None:
    phone = client.as_(scene.volunteer)
    body = {"shift_id": str(scene.shift.id), "evidence": evidence(clock.now())}
    assert phone.post("/attendances", json=body).json["code"] == "idempotency_key_missing"
    unknown = phone.post("/attendances", json=body | {"shift_id": str(ids.new_id())}, key="a")
    assert unknown.status_code == 404
    arrived = phone.post("/attendances", json=body, key="b")
    twice = phone.post("/attendances", json=body, key="c")
    assert (twice.status_code, twice.json["code"]) == (409, "already_checked_in")
    assert twice.json["attendance"] == arrived.json
    left = check_out(phone, arrived.json["id"])
    again = check_out(phone, arrived.json["id"])
    assert (again.status_code, again.json["code"]) == (409, "already_checked_out")
    assert again.json["attendance"] == left.json


@pytest.mark.parametrize(
    ("given", "pointer", "code"),
    [
        ({}, "/evidence/client_time", "required"),
        ({"client_time": "2026-11-23T08:00:00"}, "/evidence/client_time", "not_moment"),
        ({"client_time": "2026-11-23T08:00:00Z", "note": "a\x00b"}, "/evidence", "unprintable"),
        ({"client_time": "2026-11-23T08:00:00Z", "deep": [{"n": 2**63}]}, "/evidence", "max"),
        ([], "/evidence", "not_object"),
    ],
)
def test_evidence_that_can_not_be_read(client: Any, scene: Scene, given: Any, pointer: str, code: str) -> None:
    body = {"shift_id": str(scene.shift.id), "evidence": given}
    answer = client.as_(scene.volunteer).post("/attendances", json=body, key="a")
    assert answer.status_code == 422
    assert [(error["pointer"], error["code"]) for error in answer.json["errors"]] == [(pointer, code)]


@pytest.mark.parametrize(
    ("given", "is_odd"),
    [
        ({"delay_ms": -1}, True),
        ({"delay_ms": 12.5}, False),
        ({"delay_ms": 10**12}, True),
        ({"delay_ms": "soon"}, True),
        ({"accuracy_m": -1}, False),
        ({"place": NEAR | {"datum": "GCJ-02", "altitude": 92.5}}, False),
        ({"place": {}}, False),
        ({"place": {"lat": 91, "lng": 0}}, False),
        ({"code": ""}, False),
        ({"code": "1" * 501}, False),
        ({"code": 12345678}, False),
        ({"client_time": "0001-01-01T00:00:00Z"}, True),
        ({"client_time": "0001-01-01T00:00:00+08:00"}, True),
        ({"client_time": "9999-12-31T23:59:59-08:00", "code": "12345678"}, True),
    ],
)
def test_nobody_is_refused_for_evidence(
    client: Any, unit: Any, scene: Scene, given: dict[str, Any], is_odd: bool
) -> None:
    body = {"shift_id": str(scene.shift.id), "evidence": evidence(clock.now()) | given}
    answer = client.as_(scene.volunteer).post("/attendances", json=body, key="a")
    assert answer.status_code == 201
    assert ("clock_odd" in [reason["code"] for reason in answer.json["reasons"]]) == is_odd
    kept = unit(lambda: db.session.query(Attendance).one().check_in_evidence)
    assert {name: kept[name] for name in given if name != "client_time"} == {
        name: value for name, value in given.items() if name != "client_time"
    }


def test_a_draft_is_not_there_for_outsiders(client: Any, unit: Any, scene: Scene) -> None:
    def unpublish() -> None:
        db.session.get_one(Activity, scene.activity.id).state = "draft"

    unit(unpublish)
    assert check_in(client.as_(scene.stranger), scene).status_code == 404
    assert check_in(client.as_(scene.leader), scene).json["code"] == "not_published"


def test_unknown_members_of_evidence_are_kept(client: Any, unit: Any, scene: Scene) -> None:
    extra: dict[str, Any] = {"network": "offline", "nested": [{"a": None}, 1.5], "mocked": False}
    assert check_in(client.as_(scene.volunteer), scene, **extra).status_code == 201
    kept = unit(lambda: db.session.query(Attendance).one().check_in_evidence)
    assert extra.items() <= kept.items()
    # As it was sent, and as the export tells it: moments end with Z.
    assert kept["client_time"].endswith("Z")


def test_a_code_of_another_shift_is_no_code(app: Flask, client: Any, scene: Scene) -> None:
    other = make_shift(
        organization=scene.organization, created_by=scene.organizer, starts_at=scene.shift.starts_at + MINUTE
    )
    shown = client.as_(scene.organizer).get(f"/shifts/{other.id}/presence-code").json
    arrived = check_in(client.as_(scene.volunteer), scene, code=shown["qr"])
    assert (arrived.json["grade"], arrived.json["reasons"][0]["code"]) == ("weak", "weak_evidence")


def test_who_may_show_the_code(client: Any, scene: Scene) -> None:
    path = f"/shifts/{scene.shift.id}/presence-code"
    assert client.get(path).status_code == 401
    assert client.as_(scene.stranger).get(path).status_code == 404
    assert client.as_(scene.volunteer).get(path).status_code == 404
    assert client.as_(scene.inspector).get(path).status_code == 403
    assert client.as_(scene.leader).get(path).status_code == 200
    assert client.as_(scene.organizer).get(path).status_code == 200
    assert client.as_(scene.leader).get(f"/shifts/{ids.new_id()}/presence-code").status_code == 404


def test_who_sees_an_attendance(client: Any, scene: Scene) -> None:
    attendance_id = check_in(client.as_(scene.volunteer), scene).json["id"]
    path = f"/attendances/{attendance_id}"
    assert client.get(path).status_code == 401
    assert client.as_(scene.stranger).get(path).status_code == 404
    assert client.as_(scene.station_manager).get(path).status_code == 403
    for who in (scene.volunteer, scene.leader, scene.organizer, scene.inspector):
        assert client.as_(who).get(path).status_code == 200


def test_who_checks_out(client: Any, scene: Scene) -> None:
    attendance_id = check_in(client.as_(scene.volunteer), scene).json["id"]
    assert check_out(client, attendance_id).status_code == 401
    assert check_out(client.as_(scene.stranger), attendance_id).status_code == 404
    assert check_out(client.as_(scene.leader), attendance_id).status_code == 403
    assert check_out(client.as_(scene.volunteer), str(ids.new_id())).status_code == 404
    assert check_out(client.as_(scene.volunteer), attendance_id).status_code == 200


def test_who_sees_the_attendances_of_a_shift(client: Any, scene: Scene) -> None:
    path = f"/shifts/{scene.shift.id}/attendances"
    for who in (scene.volunteer, scene.unsigned):
        check_in(client.as_(who), scene)
    assert client.get(path).status_code == 401
    assert client.as_(scene.volunteer).get(path).status_code == 404
    assert client.as_(scene.station_manager).get(path).status_code == 403
    listed = client.as_(scene.leader).get(path).json
    assert [item["volunteer"]["name"] for item in listed["items"]] == ["volunteer", "unsigned"]
    page = client.as_(scene.leader).get(f"{path}?limit=1").json
    rest = client.as_(scene.leader).get(f"{path}?limit=1&cursor={page['next_cursor']}").json
    assert page["items"] + rest["items"] == listed["items"]
    assert rest["next_cursor"] is None


def test_me_needs_a_token(client: Any) -> None:
    for path in ("/me/attendances", "/me/tally", "/me/service-records"):
        assert client.get(path).status_code == 401
    assert client.post("/attendances", json={}, key="a").status_code == 401


@pytest.mark.parametrize("period", ["2026-13", "yesterday", "", "2026-11-23&period=all"])
def test_a_bad_period(client: Any, scene: Scene, period: str) -> None:
    answer = client.as_(scene.volunteer).get(f"/me/tally?period={period}")
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/period")


def test_statements_of_the_main_calls(app: Flask, client: Any, scene: Scene, statements: Callable[[], Any]) -> None:
    phone = client.as_(scene.volunteer)
    code = code_of(app, scene, clock.now() - 10 * MINUTE)
    with statements() as seen:
        arrived = check_in(phone, scene, code=code, delay_ms=10 * 60_000)
    assert len(seen) <= 6, seen
    with statements() as seen:
        left = check_out(phone, arrived.json["id"], place=NEAR)
    assert left.json["state"] == "credited"
    assert len(seen) <= 12, seen
    with statements() as seen:
        phone.get("/me/tally?period=2026")
    assert len(seen) <= 4, seen
    with statements() as seen:
        phone.get("/me/service-records")
    assert len(seen) <= 2, seen


def test_lists_name_whose_and_where(client: Any, scene: Scene) -> None:
    phone = client.as_(scene.volunteer)
    arrived = check_in(phone, scene, place=NEAR, delay_ms=20 * 60_000)
    assert check_out(phone, arrived.json["id"], place=NEAR).status_code == 200
    [attended] = client.as_(scene.leader).get(f"/shifts/{scene.shift.id}/attendances").json["items"]
    assert attended["volunteer"] == {"id": str(scene.volunteer.id), "name": scene.volunteer.name}
    [record] = phone.get("/me/service-records").json["items"]
    assert record["organization"]["id"] == str(scene.activity.organization_id)
    [record] = client.as_(scene.organizer).get("/service-records?state=recorded").json["items"]
    assert record["organization"]["id"] == str(scene.activity.organization_id)
    assert record["volunteer"]["id"] == str(scene.volunteer.id)


def test_a_check_in_takes_no_parameters(client: Any, unit: Any, scene: Scene) -> None:
    body = {"shift_id": str(scene.shift.id), "evidence": evidence(clock.now(), place=NEAR)}
    answer = client.as_(scene.volunteer).post("/attendances?foo=1", json=body, key="once")
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "unknown")
    assert count(unit, Attendance) == 0


def test_many_taps_at_once_make_one_attendance(
    postgresql_app: Flask, postgresql_client: Any, postgresql_unit: Any, race: Callable[..., list[Any]]
) -> None:
    scene = make_scene()
    phone = postgresql_client.as_(scene.volunteer)
    answers = race(20, lambda number: check_in(phone, scene, key=f"tap-{number}", place=NEAR))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    [first] = [answer.json for answer in answers if answer.status_code == 201]
    assert all(answer.json["attendance"] == first for answer in answers if answer.status_code == 409)
    assert count(postgresql_unit, Attendance) == 1


def test_the_same_key_at_once_is_one_check_in(
    postgresql_app: Flask, postgresql_client: Any, postgresql_unit: Any, race: Callable[..., list[Any]]
) -> None:
    scene = make_scene()
    phone, at = postgresql_client.as_(scene.volunteer), clock.now()
    answers = race(10, lambda number: check_in(phone, scene, key="tap", at=at, delay_ms=number))
    assert [answer.status_code for answer in answers] == [201] * 10
    assert len({answer.json["id"] for answer in answers}) == 1
    assert count(postgresql_unit, Attendance) == 1


def test_check_outs_at_once_credit_once(
    postgresql_app: Flask, postgresql_client: Any, postgresql_unit: Any, race: Callable[..., list[Any]]
) -> None:
    scene = make_scene(starts_at=soon() - 30 * MINUTE)
    phone = postgresql_client.as_(scene.volunteer)
    arrived = check_in(phone, scene, place=NEAR, delay_ms=20 * 60_000).json
    answers = race(10, lambda number: check_out(phone, arrived["id"], key=f"out-{number}", place=NEAR))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
    assert count(postgresql_unit, ServiceRecord) == 1
    assert phone.get("/me/tally").json["credited_minutes"] == 20


def test_check_ins_at_two_places_at_once_leave_one_open(
    postgresql_app: Flask, postgresql_client: Any, postgresql_unit: Any, race: Callable[..., list[Any]]
) -> None:
    scene = make_scene()
    shifts = [scene.shift.id] + [
        make_shift(organization=scene.organization, created_by=scene.organizer, starts_at=soon() + MINUTE).id
        for _ in range(4)
    ]
    phone = postgresql_client.as_(scene.volunteer)

    def go(number: int) -> int:
        body = {"shift_id": str(shifts[number]), "evidence": evidence(clock.now())}
        status: int = phone.post("/attendances", json=body, key=f"go-{number}").status_code
        return status

    assert race(5, go) == [201] * 5
    states = postgresql_unit(lambda: [attendance.state for attendance in db.session.query(Attendance)])
    assert sorted(states) == ["held"] * 4 + ["open"]
