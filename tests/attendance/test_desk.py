"""A desk that checks in many by the codes of their own phones, with network and without."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from tests.attendance.factories import TWO_KM, Scene, evidence, make_scene, soon
from volunteer_api.attendance import presence_code
from volunteer_api.attendance import scans as desk_scans
from volunteer_api.attendance.closing import close_forgotten
from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.presence_code import CodeKind
from volunteer_api.attendance.scans import Scanned
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.hours.models import ServiceRecord

# What PostgreSQL does in one statement, SQLite does in several.
pytestmark = pytest.mark.both_databases

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def scene(app: Flask) -> Scene:
    return make_scene(starts_at=soon() - 90 * MINUTE)


def text_of(volunteer: Any, moment: datetime) -> str:
    """What the QR code of a volunteer's phone says at a moment; needs an application context."""
    number = volunteer.volunteer_number
    code = presence_code.code_at(number, moment, CodeKind.VOLUNTEER).code
    return presence_code.qr_text(number, code, CodeKind.VOLUNTEER)


def scan(app: Flask, volunteer: Any, ago: int, kind: str = "check_in", **members: Any) -> dict[str, Any]:
    """A scan of so many minutes ago."""
    moment = clock.now() - ago * MINUTE
    with app.app_context():
        members = {"code": text_of(volunteer, moment)} | members
    return {"key": f"{kind}-{ago}-{volunteer.name}", "kind": kind, "evidence": evidence(moment, **members)}


def send(phone: Any, scene: Scene, *scans: dict[str, Any]) -> list[dict[str, Any]]:
    """Send scans of a shift."""
    answer = phone.post(f"/shifts/{scene.shift.id}/scans", json={"scans": list(scans)})
    assert answer.status_code == 200, answer.json
    results: list[dict[str, Any]] = answer.json["results"]
    return results


def test_from_my_code_to_credited_hours(app: Flask, client: Any, scene: Scene) -> None:
    mine = client.as_(scene.volunteer).get("/me/presence-code").json
    assert mine["qr"].endswith(f"/c/v/{scene.volunteer.volunteer_number}/{mine['code']}")
    assert len(mine["codes"]) in (1440, 1441)
    desk = client.as_(scene.leader)
    came = {"key": "1", "kind": "check_in", "evidence": evidence(clock.now(), code=mine["qr"])}
    [result] = send(desk, scene, came)
    assert (result["status"], result["volunteer"]["name"]) == (201, "volunteer")
    assert (result["attendance"]["state"], result["attendance"]["grade"]) == ("open", "strong")
    # A photo of the same code is of no use later, nor at another end before its time.
    late = {"key": "2", "kind": "check_out", "evidence": evidence(clock.now() + 3 * MINUTE, code=mine["qr"])}
    assert send(desk, scene, late)[0]["problem"]["code"] == "personal_code_invalid"


def test_a_tablet_that_was_without_network(
    app: Flask, client: Any, unit: Any, scene: Scene, statements: Callable[[], Any]
) -> None:
    desk = client.as_(scene.leader)
    # Out of order, one of them twice, one of somebody who never came in.
    came = scan(app, scene.volunteer, 70)
    scans = [
        scan(app, scene.volunteer, 10, "check_out"),
        scan(app, scene.unsigned, 70),
        came,
        scan(app, scene.stranger, 5, "check_out"),
        scan(app, scene.unsigned, 20, "check_out"),
        came,
    ]
    with statements() as seen:
        results = send(desk, scene, *scans)
    # Four that do something, the savepoint of each, and what the request itself takes.
    assert len(seen) <= 4 * 10 + 6 * 2 + 6, len(seen)
    assert [one["status"] for one in results] == [200, 201, 201, 409, 200, 201]
    assert results[3]["problem"]["code"] == "not_checked_in"
    assert results[3]["volunteer"]["name"] == "stranger"
    left = results[0]["attendance"]
    assert (left["state"], left["grade"], left["credited_minutes"]) == ("credited", "strong", 60)
    assert [remark["code"] for remark in left["check_in_remarks"]] == ["told_late", "scanned"]
    walk_in = results[4]["attendance"]
    assert (walk_in["state"], [one["code"] for one in walk_in["reasons"]]) == ("held", ["not_signed_up"])
    # Whose scans they are does not also decide that they count: an organizer does.
    review = {"decision": "credit", "reason": "全程在场。"}
    path = f"/attendances/{walk_in['id']}/review"
    assert desk.post(path, json=review, key="own").json["code"] == "recorded_by_you"
    # The answer got lost: the same scans again are the same, in another order too.
    again = send(desk, scene, *reversed(scans))
    assert [one["status"] for one in again] == [201, 200, 409, 201, 201, 200]
    assert again[5]["attendance"] == left
    assert unit(lambda: db.session.query(Attendance).count()) == 2
    assert unit(lambda: [row.minutes for row in db.session.query(ServiceRecord)]) == [60]
    assert client.as_(scene.organizer).post(path, json=review, key="organizer").json["credited_minutes"] == 50


@pytest.mark.parametrize(
    "code",
    [
        None,
        12345678,
        "12345678",
        "http://localhost/c/v/ABCDEFGH23/12345678",
        "http://localhost/c/s/01990000-0000-7000-8000-000000000001/12345678",
    ],
)
def test_a_code_of_nobody_changes_nothing(client: Any, unit: Any, scene: Scene, code: Any) -> None:
    one = {"key": "1", "kind": "check_in", "evidence": evidence(clock.now(), code=code)}
    [result] = send(client.as_(scene.leader), scene, one)
    assert (result["status"], result["problem"]["code"]) == (409, "personal_code_invalid")
    assert result["volunteer"] is None
    assert unit(lambda: db.session.query(Attendance).count()) == 0


def test_her_number_alone_checks_nobody_in(app: Flask, client: Any, unit: Any, scene: Scene) -> None:
    stale = scan(app, scene.volunteer, 30)
    stale["evidence"] = evidence(clock.now(), code=stale["evidence"]["code"])
    guessed = scan(app, scene.volunteer, 0, code=f"http://localhost/c/v/{scene.volunteer.volunteer_number}/00000000")
    results = send(client.as_(scene.leader), scene, stale, guessed)
    assert [one["problem"]["code"] for one in results] == ["personal_code_invalid"] * 2
    assert unit(lambda: db.session.query(Attendance).count()) == 0


def test_wrong_codes_hold_nobody_and_come_to_an_end(
    app: Flask, client: Any, scene: Scene, monkeypatch: pytest.MonkeyPatch, change_settings: Any
) -> None:
    held: list[set[UUID]] = []
    monkeypatch.setattr(desk_scans, "lock_volunteers", held.append)
    monkeypatch.setattr(desk_scans, "WRONG_CODES", "2/hour")
    change_settings(app, limits=True)
    with app.app_context():
        wrong = presence_code.qr_text(scene.unsigned.volunteer_number, "00000000", CodeKind.VOLUNTEER)
    guesses = [scan(app, scene.unsigned, ago, code=wrong) for ago in (9, 8, 7)]
    desk = client.as_(scene.leader)
    results = send(desk, scene, *guesses)
    assert [one["status"] for one in results] == [409, 409, 429]
    assert {one["volunteer"] and one["volunteer"]["name"] for one in results} == {None}
    assert held == []
    # Who came is taken all the same, and alone held.
    results = send(desk, scene, *guesses, scan(app, scene.volunteer, 5))
    assert [one["status"] for one in results] == [429, 429, 429, 201]
    assert held == [{scene.volunteer.id}]


def test_nobody_scans_her_own(app: Flask, client: Any, unit: Any, scene: Scene) -> None:
    own = scan(app, scene.leader, 5)
    [result] = send(client.as_(scene.leader), scene, own)
    assert (result["status"], result["problem"]["code"]) == (403, "own_scan")
    [result] = send(client.as_(scene.organizer), scene, own)
    assert (result["status"], result["attendance"]["grade"]) == (201, "strong")


def test_a_tablet_far_away_is_held(app: Flask, client: Any, scene: Scene) -> None:
    desk = client.as_(scene.leader)
    far = {"place": TWO_KM, "accuracy_m": 10}
    results = send(desk, scene, scan(app, scene.volunteer, 30, **far), scan(app, scene.volunteer, 5, "check_out"))
    assert [one["code"] for one in results[1]["attendance"]["reasons"]] == ["code_elsewhere"]


def test_a_desk_at_a_station(app: Flask, client: Any, scene: Scene) -> None:
    path = f"/stations/{scene.station.id}/scans"
    body = {"scans": [scan(app, scene.stranger, 3)]}
    assert client.as_(scene.stranger).post(path, json=body).status_code == 404
    assert client.as_(scene.inspector).post(path, json=body).status_code == 403
    [result] = client.as_(scene.station_manager).post(path, json=body).json["results"]
    assert (result["status"], result["attendance"]["station_id"]) == (201, str(scene.station.id))
    assert result["attendance"]["frame_ends_at"] is not None


def code_of(scanned: Scanned) -> str | None:
    return None if scanned.problem is None else str(scanned.problem["code"])


def id_of(scanned: Scanned) -> UUID | None:
    return None if scanned.attendance is None else scanned.attendance.id


def test_a_check_out_at_a_station_ends_the_duty_it_was_of(unit: Any) -> None:
    now = unit(lambda: clock.start_of(clock.today())) + 11 * HOUR
    scene = make_scene(starts_at=now - HOUR)

    def at(moment: datetime, *scans: tuple[str, datetime]) -> list[Scanned]:
        """What comes of scans of some moments that are sent at another."""

        def take() -> list[Scanned]:
            taken = [
                {"key": f"{kind}-{when}", "kind": kind, "evidence": {"client_time": when, "code": text_of(who, when)}}
                for kind, when in scans
            ]
            return desk_scans.scan_at_station(scene.station, taken, by=scene.station_manager.id)

        who = scene.stranger
        with clock.at(moment):
            found: list[Scanned] = unit(take)
            return found

    yesterday, noon, three = now - 22 * HOUR, now + HOUR, now + 4 * HOUR
    [forgotten] = at(yesterday, ("check_in", yesterday))
    with clock.at(now):
        assert unit(close_forgotten) == 1
    # Neither what was forgotten yesterday nor what began later is ended by it: it waits for its check-in.
    [unmatched] = at(noon, ("check_out", noon))
    assert code_of(unmatched) == "not_checked_in"
    [afternoon] = at(three - HOUR, ("check_in", three - HOUR))
    [unmatched] = at(three - HOUR, ("check_out", noon))
    assert code_of(unmatched) == "not_checked_in"
    came, left = at(three - HOUR, ("check_in", now), ("check_out", noon))
    assert (came.status, id_of(left)) == (201, id_of(came))
    [left] = at(three, ("check_out", three))
    assert id_of(left) == id_of(afternoon)
    assert unit(lambda: db.session.get_one(Attendance, id_of(forgotten))).check_out_tapped_at is None


def test_the_list_is_bounded_and_its_lines_are_named(app: Flask, client: Any, scene: Scene) -> None:
    desk, one = client.as_(scene.leader), scan(app, scene.volunteer, 3)
    path = f"/shifts/{scene.shift.id}/scans"
    for scans, pointer in (([], "/scans"), ([one] * 101, "/scans"), ([one, one | {"kind": "out"}], "/scans/1/kind")):
        answer = desk.post(path, json={"scans": scans})
        assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, pointer)


def test_two_desks_at_once(
    postgresql_app: Flask, postgresql_client: Any, postgresql_unit: Any, race: Callable[..., list[Any]]
) -> None:
    scene = make_scene(starts_at=soon() - 30 * MINUTE)
    people = [scene.volunteer, scene.unsigned, scene.stranger]
    scans = [scan(postgresql_app, person, 4) for person in people]
    desks = [postgresql_client.as_(scene.leader), postgresql_client.as_(scene.organizer)]

    def go(number: int) -> list[int]:
        mine = scans if number % 2 else scans[::-1]
        return sorted(one["status"] for one in send(desks[number % 2], scene, *mine))

    answers = race(6, go)
    assert postgresql_unit(lambda: db.session.query(Attendance).count()) == 3
    scanned_by: set[UUID] = set(
        postgresql_unit(lambda: [row.check_in_scanned_by for row in db.session.query(Attendance)])
    )
    # Each desk sees its own scans as done, and those that the other was first with as 409.
    assert all(set(statuses) <= {201, 409} for statuses in answers)
    assert scanned_by <= {scene.leader.id, scene.organizer.id}


def test_what_a_camera_without_the_app_sees(client: Any, scene: Scene) -> None:
    for path in (f"/c/s/{scene.shift.id}/12345678", f"/c/v/{scene.volunteer.volunteer_number}/12345678"):
        page = client.at_root.get(path, headers={"Accept-Language": "zh-CN"})
        assert (page.status_code, page.mimetype) == (200, "text/html")
        assert "码" in page.text
        assert scene.volunteer.volunteer_number not in page.text
