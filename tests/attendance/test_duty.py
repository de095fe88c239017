"""Duty at a station: its codes, its frame, and how it stands beside shifts."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from tests.attendance.factories import Scene, evidence, loaded_evidence, make_scene, soon
from tests.teams.factories import make_member, make_team
from volunteer_api.attendance import presence_code, service
from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.presence_code import CodeKind
from volunteer_api.attendance.problems import AlreadyCheckedIn
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.stations.models import Station
from volunteer_api.stations.opening import Schedule, spell_at

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
TEN = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
Unit = Callable[[Callable[[], Any]], Any]


def local(hour: int, minute: int = 0, day: int = 23) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=SHANGHAI)


def begin(scene: Scene, at: datetime, who: str = "stranger", station_id: UUID | None = None) -> Attendance:
    """Check in to duty with the station's code; inside a unit."""
    station_id = station_id or scene.station.id
    with clock.at(at):
        code = presence_code.code_at(station_id, at, CodeKind.STATION).code
        return service.check_in(
            volunteer_id=getattr(scene, who).id, station_id=station_id, evidence=loaded_evidence(at, code=code)
        )


def end(scene: Scene, attendance: Attendance, at: datetime) -> Attendance:
    with clock.at(at):
        code = presence_code.code_at(scene.station.id, at, CodeKind.STATION).code
        found = db.session.get_one(Attendance, attendance.id)
        return service.check_out(attendance=found, evidence=loaded_evidence(at, code=code))


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (local(8), (local(8), local(12))),
        (local(11, 59), (local(8), local(12))),
        (local(7, 30), (local(8), local(12))),
        (local(7, 29), None),
        # Back-to-back hours are one, a break is none.
        (local(13, 30), (local(14), local(20))),
        (local(12), None),
        # Sunday's night is Sunday's, past midnight too.
        (local(1, day=30), (local(20, day=29), local(2, day=30))),
        # Closed by an exception.
        (local(9, day=24), None),
    ],
)
def test_when_a_station_is_open_without_a_break(moment: datetime, expected: Any) -> None:
    weekly = [("08:00", "12:00"), ("14:00", "18:00"), ("18:00", "20:00")]
    hours: list[dict[str, Any]] = [
        {"weekday": weekday, "opens": opens, "closes": closes} for weekday in (1, 2) for opens, closes in weekly
    ]
    hours.append({"weekday": 7, "opens": "20:00", "closes": "02:00"})
    closed = {"first_on": date(2026, 11, 24).isoformat(), "last_on": date(2026, 11, 24).isoformat(), "hours": []}
    schedule = Schedule(hours, [closed], "regular")
    assert spell_at(schedule, moment, SHANGHAI, early=30 * MINUTE) == expected


def test_who_never_closes_has_an_end_far_ahead() -> None:
    always = [{"weekday": weekday, "opens": "00:00", "closes": "24:00"} for weekday in range(1, 8)]
    found = spell_at(Schedule(always, [], "regular"), TEN, SHANGHAI, early=30 * MINUTE)
    assert found is not None
    assert found[0] <= TEN
    assert found[1] > TEN + 8 * 24 * HOUR


def test_from_the_screen_at_the_desk_to_the_ledger(
    app: Flask, client: Any, unit: Unit, statements: Callable[[], Any]
) -> None:
    scene = make_scene()

    def open_always() -> None:
        station = db.session.get_one(Station, scene.station.id)
        station.opening_hours = [{"weekday": day, "opens": "00:00", "closes": "24:00"} for day in range(1, 8)]

    unit(open_always)
    path = f"/stations/{scene.station.id}/presence-code"
    assert client.as_(scene.stranger).get(path).status_code == 404
    assert client.as_(scene.inspector).get(path).status_code == 403
    shown = client.as_(scene.station_manager).get(path).json
    assert shown["qr"].endswith(f"/c/t/{scene.station.id}/{shown['code']}")
    assert len(shown["codes"]) == 1441
    phone = client.as_(scene.stranger)
    assert phone.get("/me/home").json["open_attendance"] is None
    body = {"station_id": str(scene.station.id), "evidence": evidence(clock.now(), code=shown["qr"])}
    with statements() as seen:
        came = phone.post("/attendances", json=body, key="in")
    # On PostgreSQL it is looked first whether it is a plain one, which no duty is.
    assert len(seen) <= 7, seen
    open_attendance = phone.get("/me/home").json["open_attendance"]
    assert (open_attendance["station"]["name"], open_attendance["shift"]) == (scene.station.name, None)
    assert (came.status_code, came.json["grade"], came.json["station_id"]) == (201, "strong", str(scene.station.id))
    assert phone.post("/attendances", json=body, key="in").json == came.json
    twice = phone.post("/attendances", json=body, key="again")
    assert (twice.status_code, twice.json["attendance"]["id"]) == (409, came.json["id"])
    for who, status in (("station_manager", 200), ("organizer", 200), ("inspector", 200), ("volunteer", 404)):
        assert client.as_(getattr(scene, who)).get(f"/attendances/{came.json['id']}").status_code == status
    for given in ({}, {"station_id": str(scene.station.id), "shift_id": str(scene.shift.id)}):
        answer = phone.post("/attendances", json=given | {"evidence": body["evidence"]}, key="x")
        assert [one["code"] for one in answer.json["errors"]] == ["one_of"]
    gone = body | {"station_id": str(ids.new_id())}
    assert phone.post("/attendances", json=gone, key="gone").status_code == 404
    with statements() as seen:
        out = phone.post(
            f"/attendances/{came.json['id']}/check-out",
            json={"evidence": evidence(clock.now(), code=shown["code"])},
            key="o",
        )
    assert len(seen) <= 9, seen
    assert (out.status_code, out.json["state"]) == (200, "credited")


def test_what_the_ledger_says_of_a_duty(unit: Unit) -> None:
    scene = make_scene(starts_at=TEN)
    came = unit(lambda: begin(scene, TEN))
    unit(lambda: end(scene, came, TEN + 90 * MINUTE))
    [record] = unit(lambda: db.session.query(ServiceRecord).all())
    assert (record.minutes, record.on, record.station_id) == (90, date(2026, 11, 23), scene.station.id)
    assert (record.activity_id, record.shift_id, record.organization_id) == (None, None, scene.organization.id)
    assert scene.station.name in record.content


def test_the_frame_is_the_hours_as_they_were_at_the_check_in(unit: Unit) -> None:
    scene = make_scene(starts_at=TEN)
    came = unit(lambda: begin(scene, TEN))
    assert (came.frame_starts_at, came.frame_ends_at) == (TEN, TEN + 8 * HOUR)

    def close_at_eleven() -> None:
        station = db.session.get_one(Station, scene.station.id)
        station.opening_hours = [{"weekday": 1, "opens": "08:00", "closes": "11:00"}]

    unit(close_at_eleven)
    assert unit(lambda: end(scene, came, TEN + 2 * HOUR)).credited_minutes == 120


def test_the_minutes_go_to_ones_first_team_only_where_it_is_of_here(unit: Unit) -> None:
    def serve(*, here: bool) -> UUID | None:
        scene, elsewhere = make_scene(), make_scene()
        team = make_team(organization_id=(scene if here else elsewhere).organization.id)
        make_member(team, scene.stranger).is_primary = True
        attendance = end(scene, begin(scene, TEN), TEN + HOUR)
        record = db.session.query(ServiceRecord).filter_by(attendance_id=attendance.id).one()
        assert record.team_id in (None, team.id)
        return record.team_id

    assert unit(lambda: serve(here=True)) is not None
    assert unit(lambda: serve(here=False)) is None


def test_a_station_that_is_paused_holds_what_is_done_there(unit: Unit) -> None:
    scene = make_scene(starts_at=TEN)

    def pause() -> None:
        db.session.get_one(Station, scene.station.id).status = "paused"

    unit(pause)
    came = unit(lambda: begin(scene, TEN))
    assert came.reasons == ["outside_window"]
    found = unit(lambda: end(scene, came, TEN + HOUR))
    assert (found.state, found.held_minutes) == ("held", 60)


def test_a_second_duty_on_the_same_day(unit: Unit) -> None:
    scene = make_scene(starts_at=TEN)
    morning = unit(lambda: begin(scene, TEN))
    for minutes in (-30, 0, 30):
        with pytest.raises(AlreadyCheckedIn):
            unit(lambda minutes=minutes: begin(scene, TEN + minutes * MINUTE))
    unit(lambda: end(scene, morning, TEN + HOUR))
    # The earliest of them counts, and none that was on its way when she had left already.
    with pytest.raises(AlreadyCheckedIn):
        unit(lambda: begin(scene, TEN + 30 * MINUTE))
    afternoon = unit(lambda: begin(scene, TEN + 3 * HOUR))
    assert unit(lambda: end(scene, afternoon, TEN + 4 * HOUR)).state == "credited"
    assert unit(lambda: sum(row.minutes for row in db.session.query(ServiceRecord))) == 150


def test_from_duty_to_a_shift_and_back(unit: Unit) -> None:
    scene = make_scene(starts_at=TEN)
    duty = unit(lambda: begin(scene, TEN - HOUR, "volunteer"))

    def go() -> Attendance:
        with clock.at(TEN):
            return service.check_in(
                volunteer_id=scene.volunteer.id,
                shift_id=scene.shift.id,
                evidence=loaded_evidence(TEN, code=scene.code(TEN)),
            )

    assert unit(go).state == "open"
    closed = unit(lambda: db.session.get_one(Attendance, duty.id))
    assert (closed.state, closed.reasons, closed.held_minutes) == ("held", ["checked_in_elsewhere"], 60)
    again = unit(lambda: begin(scene, TEN + 90 * MINUTE, "volunteer"))
    assert unit(lambda: db.session.query(Attendance).filter_by(state="open").one().id) == again.id
    # The duty's own check-out comes late: she had left in good order.
    left = unit(lambda: end(scene, duty, TEN - 10 * MINUTE))
    assert (left.state, left.credited_minutes, left.held_minutes) == ("credited", 50, 0)


def test_taps_at_once_at_a_desk(
    postgresql_app: Flask, postgresql_client: Any, postgresql_unit: Any, race: Callable[..., list[Any]]
) -> None:
    scene = make_scene(starts_at=soon())
    phone = postgresql_client.as_(scene.stranger)
    targets = [{"station_id": str(scene.station.id)}, {"shift_id": str(scene.shift.id)}]

    def go(number: int) -> int:
        body = targets[number % 2] | {"evidence": evidence(clock.now())}
        return int(phone.post("/attendances", json=body, key=f"go-{number}").status_code)

    statuses = race(8, go)
    assert set(statuses) <= {201, 409}
    states = postgresql_unit(lambda: sorted(row.state for row in db.session.query(Attendance)))
    assert states.count("open") == 1
    # One of each target; a duty that a check-in elsewhere closed may be begun again.
    assert statuses.count(201) == len(states)


def test_a_check_in_elsewhere_races_the_check_out(
    postgresql_app: Flask, postgresql_client: Any, postgresql_unit: Any, race: Callable[..., list[Any]]
) -> None:
    scene = make_scene(starts_at=soon() - 30 * MINUTE)
    phone = postgresql_client.as_(scene.volunteer)
    codes = {}
    with postgresql_app.app_context():
        codes = {ago: scene.code(clock.now() - ago * MINUTE) for ago in (0, 20)}
    came = phone.post(
        "/attendances",
        json={
            "shift_id": str(scene.shift.id),
            "evidence": evidence(clock.now(), code=codes[20], delay_ms=20 * 60_000),
        },
        key="in",
    ).json

    def go(number: int) -> int:
        if number % 2:
            body = {"station_id": str(scene.station.id), "evidence": evidence(clock.now())}
            return int(phone.post("/attendances", json=body, key=f"duty-{number}").status_code)
        path = f"/attendances/{came['id']}/check-out"
        body = {"evidence": evidence(clock.now(), code=codes[0])}
        return int(phone.post(path, json=body, key=f"out-{number}").status_code)

    statuses = race(6, go)
    assert sorted(statuses[0::2]) == [200, 409, 409]
    assert sorted(statuses[1::2]) == [201, 409, 409]
    left = postgresql_unit(lambda: db.session.get_one(Attendance, came["id"]))
    ledger = postgresql_unit(lambda: [row.minutes for row in db.session.query(ServiceRecord)])
    assert sum(ledger) == left.credited_minutes
    assert left.credited_minutes + left.held_minutes in (19, 20)
    assert left.state in ("credited", "held")
