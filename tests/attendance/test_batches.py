"""Batches: every operation with its own key and outcome, one namespace with single calls, and late check-ins."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from tests.attendance.factories import NEAR, Scene, evidence, make_scene, make_shift, soon
from volunteer_api.attendance import batches, tasks, waiting
from volunteer_api.attendance.models import Attendance, WaitingCheckOut
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.notifications.models import Notification
from volunteer_api.sign_ups import service as sign_ups

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def scene(app: Flask) -> Scene:
    return make_scene(starts_at=soon() - HOUR)


def into(key: str, shift_id: Any, at: datetime, **members: Any) -> dict[str, Any]:
    """A check-in's line."""
    given = evidence(at, **({"place": NEAR} | members))
    return {"key": key, "kind": "check_in", "shift_id": str(shift_id), "evidence": given}


def out(key: str, at: datetime, **members: Any) -> dict[str, Any]:
    """A check-out's line: `of` is the key of its check-in, `attendance_id` the attendance."""
    named = {"check_in_key": members.pop("of")} if "of" in members else {"attendance_id": members.pop("attendance_id")}
    return {"key": key, "kind": "check_out", **named, "evidence": evidence(at, **({"place": NEAR} | members))}


def send(phone: Any, *lines: Any, status: int = 200, language: str = "zh-CN") -> list[dict[str, Any]]:
    headers = {"Accept-Language": language}
    answer = phone.post("/attendances/batch", json={"operations": list(lines)}, headers=headers)
    assert answer.status_code == status, answer.json
    results: list[dict[str, Any]] = answer.json.get("results", [])
    return results


def statuses(results: list[dict[str, Any]]) -> list[int]:
    return [result["status"] for result in results]


def count(unit: Any, model: Any) -> int:
    return int(unit(lambda: db.session.query(model).count()))


def elsewhere(unit: Any, scene: Scene, starts_at: datetime) -> Any:
    """Another shift that the volunteer has a place in."""

    def make() -> Any:
        with clock.at(starts_at - 3 * HOUR):
            shift = make_shift(organization=scene.organization, created_by=scene.organizer, starts_at=starts_at)
            sign_ups.sign_up(shift_id=shift.id, volunteer_id=scene.volunteer.id)
        return shift.id

    return unit(make)


def test_results_stand_in_the_order_of_the_request(client: Any, unit: Any, scene: Scene) -> None:
    phone = client.as_(scene.volunteer)
    began = scene.shift.starts_at
    lines = [out("b", began + 50 * MINUTE, of="a"), into("a", scene.shift.id, began)]
    results = send(phone, *lines)
    assert [(result["key"], result["status"]) for result in results] == [("b", 200), ("a", 201)]
    ended, begun = (result["attendance"] for result in results)
    assert (begun["state"], ended["state"], ended["credited_minutes"]) == ("open", "credited", 50)
    assert ended["id"] == begun["id"]
    # Repeated, with other delays, in another order, next to something new.
    again = send(
        phone, into("a", scene.shift.id, began, delay_ms=3), into("c", scene.shift.id, began + MINUTE), lines[0]
    )
    assert [again[2], again[0]] == results
    assert (again[1]["status"], again[1]["problem"]["code"]) == (409, "already_checked_in")
    assert (count(unit, Attendance), count(unit, ServiceRecord)) == (1, 1)


def test_a_bad_line_costs_no_other(client: Any, unit: Any, scene: Scene) -> None:
    phone = client.as_(scene.volunteer)
    began, shift_id = scene.shift.starts_at, scene.shift.id
    stranger = client.as_(scene.stranger)
    foreign = send(stranger, into("s", shift_id, began))[0]["attendance"]["id"]
    lines: list[tuple[Any, str | None, int, str]] = [
        ("check_in", None, 422, "invalid_payload"),
        ([], None, 422, "invalid_payload"),
        ({}, None, 422, "invalid_payload"),
        ({"key": "k", "kind": "tea"}, "k", 422, "invalid_payload"),
        (into("汉", shift_id, began), None, 422, "invalid_payload"),
        (into(" x", shift_id, began), None, 422, "invalid_payload"),
        (into("no-shift", shift_id, began) | {"shift_id": None}, "no-shift", 422, "invalid_payload"),
        (into("unknown", shift_id, began) | {"colour": "red"}, "unknown", 422, "invalid_payload"),
        (into("minutes", shift_id, began) | {"credited_minutes": 600}, "minutes", 422, "invalid_payload"),
        (into("whose", shift_id, began) | {"volunteer_id": str(ids.new_id())}, "whose", 422, "invalid_payload"),
        (out("state", began, of="a") | {"state": "credited"}, "state", 422, "invalid_payload"),
        ({"key": "no-evidence", "kind": "check_in", "shift_id": str(shift_id)}, "no-evidence", 422, "invalid_payload"),
        (into("nul", shift_id, began, note="a\x00b"), "nul", 422, "invalid_payload"),
        (into("nowhere", ids.new_id(), began), "nowhere", 404, "not_found"),
        (out("ghost", began, attendance_id=str(ids.new_id())), "ghost", 404, "not_found"),
        (out("foreign", began, attendance_id=foreign), "foreign", 404, "not_found"),
        (out("both", began, of="a") | {"attendance_id": foreign}, "both", 422, "invalid_payload"),
        (out("odd", began, of="first"), "odd", 422, "invalid_payload"),
    ]
    good = [into("a", shift_id, began), out("first", began + 30 * MINUTE, of="a")]
    results = send(phone, good[0], *(line for line, *_ in lines), good[1])
    assert [(one["key"], one["status"], one["problem"]["code"]) for one in results[1:-1]] == [
        (key, status, code) for _, key, status, code in lines
    ]
    assert all(one["problem"]["detail"] for one in results[1:-1])
    assert results[13]["problem"]["errors"][0]["pointer"] == "/evidence"
    assert (results[0]["status"], results[-1]["status"]) == (201, 200)
    assert results[-1]["attendance"]["credited_minutes"] == 30
    # What was unreadable is no outcome: its key takes the repaired line.
    assert statuses(send(phone, into("nul", shift_id, began))) == [409]
    send(phone, status=422)
    send(phone, *good * 51, status=422)


def test_one_namespace_with_single_calls(client: Any, unit: Any, scene: Scene) -> None:
    phone = client.as_(scene.volunteer)
    began, shift_id = scene.shift.starts_at, scene.shift.id
    line = into("in", shift_id, began)
    body = {"shift_id": line["shift_id"], "evidence": line["evidence"]}
    [first] = send(phone, line)
    alone = phone.post("/attendances", json=body, key="in")
    assert (alone.status_code, alone.json) == (201, first["attendance"])
    assert alone.headers["Idempotency-Replayed"] == "true"
    left_at = began + 40 * MINUTE
    ended = phone.post(
        f"/attendances/{first['attendance']['id']}/check-out",
        json={"evidence": evidence(left_at, place=NEAR)},
        key="out",
    )
    assert ended.status_code == 200
    # By the attendance and by the key of its check-in it is the same check-out.
    assert send(phone, out("out", left_at, of="in", delay_ms=7))[0]["attendance"] == ended.json
    assert send(phone, out("out", left_at, attendance_id=ended.json["id"]))[0]["attendance"] == ended.json
    # Another body under the key costs only its own line; a refusal is remembered for both ways.
    other, twice = send(phone, out("out", left_at + MINUTE, of="in"), into("twice", shift_id, began + MINUTE))
    assert (other["status"], other["problem"]["code"]) == (422, "idempotency_key_reused")
    assert (twice["status"], twice["problem"]["code"]) == (409, "already_checked_in")
    again = phone.post("/attendances", json=body | {"evidence": evidence(began + MINUTE)}, key="twice")
    assert (again.status_code, again.json) == (409, twice["problem"])
    assert phone.post("/attendances", json=body, key="out").json["code"] == "idempotency_key_reused"
    assert (count(unit, Attendance), count(unit, ServiceRecord)) == (1, 1)


def test_one_key_twice_in_a_batch(client: Any, unit: Any, scene: Scene) -> None:
    phone = client.as_(scene.volunteer)
    began, shift_id = scene.shift.starts_at, scene.shift.id
    first, same, other = send(
        phone,
        into("a", shift_id, began),
        into("a", shift_id, began, delay_ms=4),
        into("a", shift_id, began - 2 * MINUTE),
    )
    assert first == same
    assert (other["status"], other["problem"]["code"]) == (422, "idempotency_key_reused")
    assert count(unit, Attendance) == 1


def test_a_check_out_before_its_check_in_waits(client: Any, unit: Any, scene: Scene) -> None:
    phone = client.as_(scene.volunteer)
    began = scene.shift.starts_at
    line = out("out", began + 20 * MINUTE, of="in")
    [kept] = send(phone, line)
    assert (kept["status"], set(kept)) == (202, {"key", "status", "kept_until", "detail"})
    assert send(phone, line) == [kept]
    assert count(unit, WaitingCheckOut) == 1
    # It arrives alone, by another way: carried out in the same transaction.
    arrived = phone.post(
        "/attendances", json={"shift_id": str(scene.shift.id), "evidence": evidence(began, place=NEAR)}, key="in"
    )
    assert arrived.status_code == 201
    shown = phone.get(f"/attendances/{arrived.json['id']}").json
    assert shown == arrived.json
    assert (shown["state"], shown["credited_minutes"]) == ("credited", 20)
    assert count(unit, WaitingCheckOut) == 0
    # What was acknowledged stays; the phone knows the attendance now, and means the same check-out.
    for again in (line, out("out", began + 20 * MINUTE, attendance_id=shown["id"])):
        [since] = send(phone, again)
        assert (since["status"], since["kept_until"]) == (202, kept["kept_until"])
        assert since["attendance"] == shown


def test_a_check_out_whose_check_in_was_refused(client: Any, unit: Any, scene: Scene) -> None:
    phone = client.as_(scene.volunteer)
    began = scene.shift.starts_at
    refused = elsewhere(unit, scene, soon() + HOUR)
    client.as_(scene.organizer).post(f"/shifts/{refused}/cancellation", json={"reason": "雨"})
    results = send(phone, into("in", refused, began), out("out", began + MINUTE, of="in"))
    assert [(one["status"], one["problem"]["code"]) for one in results] == [
        (409, "canceled"),
        (409, "check_in_refused"),
    ]
    # A second check-in is refused too, but the attendance is known.
    known = into("a", scene.shift.id, began)
    late = into("b", scene.shift.id, began + 5 * MINUTE)
    assert statuses(send(phone, known, late, out("c", began + 9 * MINUTE, of="b"))) == [201, 409, 200]


def test_what_waits_too_long_is_told(client: Any, unit: Any, scene: Scene) -> None:
    phone = client.as_(scene.volunteer)
    left_at = soon() - 10 * MINUTE
    send(phone, out("out", left_at, of="in"))
    assert unit(waiting.tell_unmatched) == 0

    def later() -> int:
        with clock.at(clock.now() + 73 * HOUR):
            return waiting.tell_unmatched() + waiting.tell_unmatched()

    assert unit(later) == 1
    assert count(unit, WaitingCheckOut) == 0
    [told] = [one for one in unit(lambda: db.session.query(Notification).all()) if one.kind == "check_out_unmatched"]
    local = left_at.astimezone(ZoneInfo("Asia/Shanghai"))
    assert told.values["time"] == f"{local:%Y-%m-%d %H:%M}"
    assert told.volunteer_id == scene.volunteer.id


def test_what_missed_its_check_in_is_carried_out(client: Any, unit: Any, scene: Scene) -> None:
    phone, began = client.as_(scene.volunteer), scene.shift.starts_at
    left_at = began + 50 * MINUTE
    assert statuses(send(phone, out("out", left_at, of="in"))) == [202]
    names = ("volunteer_id", "key", "check_in_key", "evidence", "received_at")

    # As a check-in of one statement leaves it, which looked before the batch ended and wrote after it.
    def take() -> dict[str, Any]:
        waited = db.session.query(WaitingCheckOut).one()
        db.session.delete(waited)
        return {name: getattr(waited, name) for name in names}

    kept = unit(take)
    line = into("in", scene.shift.id, began)
    body = {"shift_id": line["shift_id"], "evidence": line["evidence"]}
    assert phone.post("/attendances", json=body, key="in").status_code == 201
    unit(lambda: db.session.add(WaitingCheckOut(**kept)))

    def later() -> None:
        with clock.at(clock.now() + 80 * HOUR):
            tasks.close_forgotten()
            tasks.tell_unmatched_check_outs()

    assert [unit(tasks.carry_out_stranded) for _ in range(2)] == [1, 0]
    unit(later)
    attendance = unit(lambda: db.session.query(Attendance).one())
    assert (attendance.checked_out_at, attendance.closed_at) == (left_at, None)
    assert attendance.check_out_evidence is not None
    assert count(unit, WaitingCheckOut) == 0
    assert "check_out_unmatched" not in {one.kind for one in unit(lambda: db.session.query(Notification).all())}
    # Its phone asks again and has the same answer, in both words.
    assert statuses(send(phone, out("out", left_at, attendance_id=str(attendance.id)))) == [202]


def test_too_many_wait(client: Any, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MOST_WAITING", 2)
    phone = client.as_(scene.volunteer)
    lines = [out(f"out-{number}", scene.shift.starts_at, of=f"in-{number}") for number in range(3)]
    results = send(phone, *lines)
    assert sorted(statuses(results)) == [202, 202, 409]
    # No outcome: once there is room, the same key is taken.
    send(phone, into("in-0", scene.shift.id, scene.shift.starts_at))
    assert statuses(send(phone, *lines)) == [202, 202, 202]


def test_a_fault_of_ours_costs_one_operation(
    client: Any, unit: Any, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = client.as_(scene.volunteer)
    began = scene.shift.starts_at
    whole = batches.check_out

    def breaks(**given: Any) -> Any:
        whole(**given)
        raise RuntimeError("after it wrote")

    monkeypatch.setattr(batches, "check_out", breaks)
    lines = [into("in", scene.shift.id, began), out("out", began + 30 * MINUTE, of="in")]
    begun, failed = send(phone, *lines)
    assert (begun["status"], failed["status"], failed["problem"]["code"]) == (201, 500, "internal_error")
    assert count(unit, ServiceRecord) == 0
    monkeypatch.setattr(batches, "check_out", whole)
    assert statuses(send(phone, *lines)) == [201, 200]
    assert count(unit, ServiceRecord) == 1


def test_statements_of_a_batch(client: Any, unit: Any, scene: Scene, statements: Callable[[], Any]) -> None:
    phone = client.as_(scene.volunteer)
    began = scene.shift.starts_at
    lines = [line for number in range(10) for line in (into(f"in-{number}", ids.new_id(), began),)]
    with statements() as seen:
        send(phone, *lines)
    few = len(seen)
    lines = [into(f"more-{number}", ids.new_id(), began) for number in range(20)]
    with statements() as seen:
        send(phone, *lines)
    # A session, a lock, the keys; then each its own scene between its savepoint's ends.
    assert (len(seen) - few) / 10 <= 5


def test_the_earlier_of_two_taps_counts(client: Any, unit: Any, scene: Scene) -> None:
    phone = client.as_(scene.volunteer)
    began, shift_id = scene.shift.starts_at, scene.shift.id
    send(phone, into("late", shift_id, began + 20 * MINUTE), out("later", began + 50 * MINUTE, of="late"))
    earlier = into("early", shift_id, began + 5 * MINUTE), out("left", began + 45 * MINUTE, of="early")
    early, left = send(phone, *earlier, language="en")
    assert (early["status"], early["problem"]["attendance"]["checked_in_at"]) == (
        409,
        (began + 5 * MINUTE).isoformat().replace("+00:00", "Z"),
    )
    assert (left["status"], left["problem"]["attendance"]["credited_minutes"]) == (409, 40)
    records = unit(lambda: db.session.query(ServiceRecord).all())
    assert sum(record.minutes for record in records) == 40
    # In the language of the records, not in that of the phone.
    reasons = {record.reason for record in records if record.reverses_id is not None}
    assert reasons == {"又收到一次签到或签退，按全部签到签退重新核算。"}
    assert phone.get("/me/tally").json["credited_minutes"] == 40


def test_five_devices_at_once(
    postgresql_app: Flask, postgresql_client: Any, postgresql_unit: Any, race: Callable[..., list[Any]]
) -> None:
    scene = make_scene(starts_at=soon() - 3 * HOUR, hours=1)
    other = elsewhere(postgresql_unit, scene, soon() - 90 * MINUTE)
    began, next_at = scene.shift.starts_at, soon() - 90 * MINUTE
    lines = [
        into("a", scene.shift.id, began),
        out("b", began + 60 * MINUTE, of="a"),
        into("c", other, next_at),
        out("d", next_at + 70 * MINUTE, of="c"),
    ]
    phones = [postgresql_client.as_(scene.volunteer) for _ in range(5)]
    answers = race(10, lambda number: send(phones[number % 5], *(lines if number % 2 else reversed(lines))))
    assert not [one for one in answers if isinstance(one, Exception)]
    assert {tuple(sorted((one["key"], one["status"]) for one in answer)) for answer in answers} == {
        (("a", 201), ("b", 200), ("c", 201), ("d", 200))
    }
    assert (count(postgresql_unit, Attendance), count(postgresql_unit, ServiceRecord)) == (2, 2)
    assert phones[0].get("/me/tally").json["credited_minutes"] == 130


def test_singles_and_batches_at_once(
    postgresql_app: Flask, postgresql_client: Any, postgresql_unit: Any, race: Callable[..., list[Any]]
) -> None:
    scene = make_scene(starts_at=soon() - HOUR)
    phone = postgresql_client.as_(scene.volunteer)
    line, ends = into("in", scene.shift.id, soon() - 50 * MINUTE), out("out", soon() - 10 * MINUTE, of="in")
    body = {"shift_id": line["shift_id"], "evidence": line["evidence"]}

    def go(number: int) -> list[int]:
        if number % 3 == 0:
            return [phone.post("/attendances", json=body, key="in").status_code]
        return statuses(send(phone, ends if number % 3 == 1 else line))

    answers = race(9, go)
    assert not [one for one in answers if isinstance(one, Exception)]
    assert {status for answer in answers for status in answer} <= {200, 201, 202}
    [attendance] = postgresql_unit(lambda: db.session.query(Attendance).all())
    assert (attendance.state, attendance.credited_minutes) == ("credited", 40)
    assert count(postgresql_unit, WaitingCheckOut) == 0
