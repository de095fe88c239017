"""What is kept of where a volunteer's phone was: nothing, where she does not consent to it; the grade stays."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.attendance.factories import NEAR, TWO_KM, Scene, evidence, make_scene, make_shift, soon
from tests.factories import make_volunteer
from tests.teams.factories import make_member, make_team
from volunteer_api.accounts import consents
from volunteer_api.accounts.consent_texts import ConsentKind
from volunteer_api.attendance.evidence import without_place
from volunteer_api.attendance.models import Attendance, Reason, WaitingCheckOut
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.idempotency import IdempotencyKey
from volunteer_api.sign_ups import service as sign_ups
from volunteer_api.sign_ups.models import SignUp, SignUpState

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SPOT: dict[str, Any] = {
    "place": NEAR,
    "accuracy_m": 12,
    "gpsFix": {"lat": NEAR["lat"]},
    "wifi": ["ab:cd"],
    "battery": {"level": 80, "location": "家"},
}
# What would give her away, wherever it stands.
TOLD = (str(NEAR["lat"]), "accuracy_m", "ab:cd", "家")


@pytest.fixture
def scene(app: Flask) -> Scene:
    return make_scene(starts_at=soon() - 2 * HOUR)


def withdraw(unit: Any, scene: Scene) -> None:
    unit(lambda: consents.withdraw(scene.volunteer.id, ConsentKind.LOCATION))


def rows(unit: Any, *models: Any) -> list[dict[str, Any]]:
    def read() -> list[dict[str, Any]]:
        return [dict(row._mapping) for model in models for row in db.session.execute(select(*model.__table__.columns))]

    found: list[dict[str, Any]] = unit(read)
    return found


def as_text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def require_no_place(unit: Any) -> None:
    """In no row of an attendance, of what waits, or of an answer under a key."""
    for row in rows(unit, Attendance, WaitingCheckOut, IdempotencyKey):
        text = json.dumps(row, default=as_text, ensure_ascii=False)
        assert not [one for one in TOLD if one in text], text


def attend(phone: Any, scene: Scene, came: datetime, left: datetime, **shown: Any) -> tuple[dict[str, Any], ...]:
    body = {"shift_id": str(scene.shift.id), "evidence": evidence(came, **shown)}
    begun = phone.post("/attendances", json=body, key="in")
    assert begun.status_code == 201, begun.json
    path = f"/attendances/{begun.json['id']}/check-out"
    ended = phone.post(path, json={"evidence": evidence(left, **shown)}, key="out")
    assert ended.status_code == 200, ended.json
    return begun.json, ended.json


def test_a_place_is_judged_and_not_kept(client: Any, unit: Any, scene: Scene) -> None:
    withdraw(unit, scene)
    phone, came = client.as_(scene.volunteer), scene.shift.starts_at
    begun, ended = attend(phone, scene, came, came + HOUR, **SPOT)
    assert (begun["grade"], ended["grade"], ended["credited_minutes"]) == ("medium", "medium", 60)
    assert [one["code"] for one in ended["check_in_remarks"]] == ["told_late", "place_not_kept"]
    [row] = rows(unit, Attendance)
    assert row["check_in_evidence"] | {"client_time": ""} == {
        "client_time": "",
        "battery": {"level": 80},
        "place": {"distance_m": 100},
    }
    require_no_place(unit)
    answer = phone.get("/me/export").json
    assert not [one for one in TOLD if one in json.dumps(answer["sections"]["attendances"], ensure_ascii=False)]


def test_a_reviewer_sees_how_far_it_was_and_no_point(client: Any, unit: Any, scene: Scene) -> None:
    withdraw(unit, scene)
    came = scene.shift.starts_at
    far = SPOT | {"place": TWO_KM}
    _, ended = attend(client.as_(scene.volunteer), scene, came, came + HOUR, **far)
    assert ended["state"] == "held"
    [found] = client.as_(scene.leader).get("/attendances").json["items"]
    assert [one["properties"]["role"] for one in found["map"]["features"]] == ["fence"]
    assert [found[end]["distance_m"] for end in ("check_in", "check_out")] == [2000, 2000]
    assert str(TWO_KM["lat"]) not in json.dumps(found)


@pytest.mark.parametrize("first", [("in", "out"), ("out", "in")])
def test_nothing_waits_with_a_place(client: Any, unit: Any, scene: Scene, first: Sequence[str]) -> None:
    """In one batch, or the check-out before its check-in: the same outcome, and a place in neither."""
    withdraw(unit, scene)
    phone, came = client.as_(scene.volunteer), scene.shift.starts_at
    shift_id = str(scene.shift.id)
    lines = {
        "in": {"key": "in", "kind": "check_in", "shift_id": shift_id, "evidence": evidence(came, **SPOT)},
        "out": {"key": "out", "kind": "check_out", "check_in_key": "in", "evidence": evidence(came + HOUR, **SPOT)},
    }
    for name in first:
        answer = phone.post("/attendances/batch", json={"operations": [lines[name]]}).json["results"]
        assert answer[0]["status"] in (200, 201, 202)
        require_no_place(unit)
    [row] = rows(unit, Attendance)
    assert (row["state"], row["grade"], row["credited_minutes"]) == ("credited", "medium", 60)
    assert "place_not_kept" in row["check_out_remarks"]


def test_what_waited_far_away_proves_nothing(client: Any, unit: Any, scene: Scene) -> None:
    withdraw(unit, scene)
    phone, came = client.as_(scene.volunteer), scene.shift.starts_at
    left = evidence(came + HOUR, place=TWO_KM, accuracy_m=5, code="")
    line = {"key": "out", "kind": "check_out", "check_in_key": "in", "evidence": left}
    assert phone.post("/attendances/batch", json={"operations": [line]}).json["results"][0]["status"] == 202
    body = {"shift_id": str(scene.shift.id), "evidence": evidence(came, place=NEAR, accuracy_m=5)}
    phone.post("/attendances", json=body, key="in")
    [row] = rows(unit, Attendance)
    assert (row["state"], row["check_out_grade"], row["reasons"]) == ("held", "weak", ["weak_evidence"])
    assert set(row["check_out_remarks"]) >= {"place_outside", "place_not_kept"}


def test_a_duty_that_waited_is_credited_too(client: Any, unit: Any) -> None:
    day = (soon() - timedelta(days=1)).replace(hour=3, minute=0)
    scene = make_scene(starts_at=day)

    def join() -> None:
        make_member(make_team(organization_id=scene.organization.id), scene.volunteer)
        consents.withdraw(scene.volunteer.id, ConsentKind.LOCATION)

    unit(join)
    phone, station_id = client.as_(scene.volunteer), str(scene.station.id)
    left = {"key": "out", "kind": "check_out", "check_in_key": "in", "evidence": evidence(day + HOUR, **SPOT)}
    came = {"key": "in", "kind": "check_in", "station_id": station_id, "evidence": evidence(day, **SPOT)}
    for line in (left, came):
        phone.post("/attendances/batch", json={"operations": [line]})
        require_no_place(unit)
    [row] = rows(unit, Attendance)
    assert (row["state"], row["grade"], row["credited_minutes"]) == ("credited", "medium", 60)


def test_withdrawing_clears_what_was_kept(client: Any, unit: Any, scene: Scene) -> None:
    phone, came = client.as_(scene.volunteer), scene.shift.starts_at
    _, ended = attend(phone, scene, came + 10 * MINUTE, came + HOUR, **SPOT)
    # A second tap of each end, and a check-out that waits.
    early = {"shift_id": str(scene.shift.id), "evidence": evidence(came, **SPOT)}
    assert phone.post("/attendances", json=early, key="in-2").status_code == 409
    waits = {"key": "w", "kind": "check_out", "check_in_key": "none", "evidence": evidence(came + HOUR, **SPOT)}
    assert phone.post("/attendances/batch", json={"operations": [waits]}).json["results"][0]["status"] == 202
    [before] = rows(unit, Attendance)
    assert before["check_in_latitude"] is not None
    assert before["taps"] is not None
    kept = [
        {"kind": one["kind"], "version": one["given_version"]}
        for one in phone.get("/me/consents").json["items"]
        if one["given_version"] and one["kind"] != "location"
    ]
    required = [
        {"kind": one["kind"], "version": one["version"]}
        for one in client.get("/consent-texts").json["items"]
        if one["required"]
    ]
    assert phone.put("/me/consents", json={"consents": kept + required}).status_code == 200
    require_no_place(unit)
    [after] = rows(unit, Attendance)
    same = ("state", "grade", "credited_minutes", "held_minutes", "reasons", "checked_in_at", "checked_out_at")
    assert [after[name] for name in same] == [before[name] for name in same]
    [waiting] = rows(unit, WaitingCheckOut)
    assert waiting["inside"] == [str(scene.shift.id), str(scene.station.id)]
    # A later tap finds no place of before, and fails for nothing.
    again = evidence(came + HOUR + 20 * MINUTE, **SPOT)
    answer = phone.post(f"/attendances/{ended['id']}/check-out", json={"evidence": again}, key="out-2")
    assert answer.status_code == 200, answer.json
    require_no_place(unit)


def test_who_consents_to_the_next_version_keeps_hers(client: Any, unit: Any, scene: Scene) -> None:
    came = scene.shift.starts_at
    attend(client.as_(scene.volunteer), scene, came, came + HOUR, **SPOT)
    unit(lambda: consents.set_consents(scene.volunteer.id, consents=[{"kind": "location", "version": "2020-01"}]))
    [row] = rows(unit, Attendance)
    assert row["check_in_latitude"] == NEAR["lat"]
    assert row["check_in_evidence"]["wifi"] == ["ab:cd"]


def test_nobody_travels_so_fast_where_no_place_is_kept(client: Any, unit: Any, scene: Scene) -> None:
    """A hundred kilometers in a minute: she was inside of both fences, whose middles are no secret of hers."""

    def there() -> Any:
        with clock.at(scene.shift.starts_at - 3 * HOUR):
            shift = make_shift(
                organization=scene.organization,
                created_by=scene.organizer,
                starts_at=scene.shift.starts_at + HOUR + MINUTE,
                place={"lat": 34.7, "lng": 113.33},
            )
            # By hand: nobody signs up for two at once.
            given = {"shift_id": shift.id, "volunteer_id": scene.volunteer.id, "created_at": clock.now()}
            db.session.add(SignUp(state=SignUpState.CONFIRMED, **given))
        return shift.id

    withdraw(unit, scene)
    far_id, phone, came = unit(there), client.as_(scene.volunteer), scene.shift.starts_at
    attend(phone, scene, came, came + HOUR, **SPOT)
    spot = {"place": {"lat": 34.7, "lng": 113.33}, "accuracy_m": 5}
    body = {"shift_id": str(far_id), "evidence": evidence(came + HOUR + MINUTE, **spot)}
    begun = phone.post("/attendances", json=body, key="there").json
    path = f"/attendances/{begun['id']}/check-out"
    ended = phone.post(path, json={"evidence": evidence(came + HOUR + 20 * MINUTE, **spot)}, key="left").json
    assert (ended["state"], ended["grade"]) == ("held", "medium")
    assert [one["code"] for one in ended["reasons"]] == [Reason.IMPOSSIBLE_TRAVEL]
    require_no_place(unit)


def test_who_never_consented_registers_and_attends(client: Any, unit: Any, scene: Scene) -> None:
    person = make_volunteer()

    def sign_up() -> None:
        with clock.at(scene.shift.starts_at - HOUR):
            sign_ups.sign_up(shift_id=scene.shift.id, volunteer_id=person.id)

    unit(sign_up)
    came = scene.shift.starts_at
    _, ended = attend(client.as_(person), scene, came, came + HOUR, **SPOT)
    assert ended["check_in_grade"] == "medium"
    require_no_place(unit)


def test_members_that_name_a_place_go_at_any_depth() -> None:
    sent = {
        "client_time": "t",
        "code": "12345678",
        "lastKnownLocation": 1,
        "lnglat": [113.33, 33.73],
        "GPSLatitude": 33.73,
        "当前位置": "五一路",
        "cell_id": 4,
        "platform": "android",
        "more": [{"bssid": "x", "app": "1.2"}],
    }
    kept = {"client_time": "t", "code": "12345678", "platform": "android", "more": [{"app": "1.2"}]}
    assert without_place(sent) == kept
    assert without_place(sent, 149.9) == kept | {"place": {"distance_m": 100}}
