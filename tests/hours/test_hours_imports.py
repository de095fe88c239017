"""Hours of a whole sheet of paper, and decisions on many: each bad cell and refusal named, nobody counted twice."""

from collections.abc import Callable
from datetime import time, timedelta
from io import BytesIO
from typing import Any

import pytest
from flask import Flask

from tests.attendance.factories import Scene, make_scene
from tests.factories import make_volunteer
from tests.hours.factories import line, make_backfill, make_organizer
from tests.hours.test_backfills import post
from tests.qualifications.test_imports import workbook
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.settings import settings
from volunteer_api.core.tables import time_of
from volunteer_api.hours.imports import _minutes
from volunteer_api.hours.models import Backfill

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def scene(app: Flask) -> Scene:
    """A shift of two hours that was held yesterday, in the morning: a sheet knows no other day."""
    with app.app_context():
        begun = clock.at_local(clock.today() - timedelta(days=1), time(10))
    return make_scene(starts_at=begun)


def send(client: Any, person: Volunteer, scene: Scene, content: bytes, *, query: str = "reason=手机没电") -> Any:
    path = f"/shifts/{scene.shift.id}/service-records/import?{query}"
    return client.as_(person).post(path, data={"file": (BytesIO(content), "签到表.xlsx")})


def of_day(app: Flask, scene: Scene, minutes: int) -> str:
    """The local time, so many minutes after the shift's start, as a person writes it."""
    with app.app_context():
        return f"{(scene.shift.starts_at + timedelta(minutes=minutes)).astimezone(settings().zone):%H:%M}"


def waiting(unit: Unit) -> list[Backfill]:
    rows: list[Backfill] = unit(lambda: db.session.query(Backfill).order_by(Backfill.minutes).all())
    return rows


def test_a_sheet_of_paper(app: Flask, client: Any, unit: Unit, scene: Scene) -> None:
    """Titles above, a sum below; some with times, some with a duration, some for the whole shift."""
    people = [unit(lambda number=number: make_volunteer(name=f"队员{number}")) for number in range(2)]
    content = workbook(
        ["湛河清洁签到表"],
        ["序号", "姓名", "联系电话", "签到时间", "签退时间", "时长"],
        [1, scene.volunteer.name, scene.volunteer.phone, of_day(app, scene, 10), of_day(app, scene, 40), ""],
        [2, "队员 0", people[0].phone.removeprefix("+86"), "", "", "1.5 小时"],
        [3, "", people[1].phone.removeprefix("+86"), "", "", ""],
        ["合计", "", "", "", "", "3人"],
    )
    tried = send(client, scene.leader, scene, content, query="reason=手机没电&dry_run=true")
    assert (tried.status_code, tried.json.get("recorded"), tried.json.get("errors")) == (200, 3, []), tried.json
    assert tried.json["ignored_columns"] == ["序号"]
    assert waiting(unit) == []
    made = send(client, scene.leader, scene, content)
    assert (made.status_code, made.json["recorded"], made.json["already_recorded"]) == (200, 3, 0), made.json
    # Nobody checked in there, and no list says who came.
    assert [one["code"] for one in made.json["remarks"]] == ["not_counted_as_held"]
    assert [(row.minutes, row.reason, row.recorder_id) for row in waiting(unit)] == [
        (minutes, "手机没电", scene.leader.id) for minutes in (30, 90, 120)
    ]
    again = send(client, scene.leader, scene, content)
    assert (again.json["recorded"], again.json["already_recorded"]) == (0, 3)
    assert len(waiting(unit)) == 3


def test_every_bad_row_is_named_and_nothing_is_recorded(app: Flask, client: Any, unit: Unit, scene: Scene) -> None:
    other = unit(lambda: make_volunteer(name="王秀英"))
    phone = scene.volunteer.phone
    content = workbook(
        ["手机号", "姓名", "开始时间", "结束时间", "服务时长", "补录原因"],
        [phone, "", "", "", "", "手机没电"],
        [phone, "", "", "", "", "手机没电"],
        ["13900000000", "", "", "", "", "手机没电"],
        [other.phone, "王秀兰", "", "", "", "手机没电"],
        [scene.unsigned.phone, "", "25:00", "", "", ""],
        [scene.stranger.phone, "", "", "", "90", "手机没电"],
        [scene.organizer.phone, "", "", of_day(app, scene, 60), "1小时", "手机没电"],
        [scene.inspector.phone, "", of_day(app, scene, -60), "", "", "手机没电"],
        [scene.leader.phone, "", "", "", "", "手机没电"],
        ["", "", "", "", "30分钟", "手机没电"],
    )
    expected = [
        ("A3", "repeated"),
        ("A4", "phone_unknown"),
        ("B5", "name_differs"),
        ("C6", "not_time"),
        ("F6", "required"),
        ("E7", "not_duration"),
        ("E8", "one_of"),
        ("C9", "backfill_outside_shift"),
        ("A10", "own_hours"),
        ("A11", "required"),
    ]
    tried = send(client, scene.leader, scene, content, query="dry_run=true")
    assert [(error["cell"], error["code"]) for error in tried.json["errors"]] == expected
    assert tried.json["recorded"] == 1
    refused = send(client, scene.leader, scene, content, query="")
    assert (refused.status_code, refused.json["code"]) == (422, "backfills_refused")
    assert refused.json["errors"] == tried.json["errors"]
    assert waiting(unit) == []
    formula = send(client, scene.leader, scene, workbook(["手机号"], ["=1+1"]))
    assert (formula.status_code, formula.json["code"]) == (422, "spreadsheet_has_formula")


def test_whom_a_table_names_is_counted_though_it_is_refused(client: Any, change_settings: Any, scene: Scene) -> None:
    """Else bad rows would tell whose phone is registered, sixty times in ten minutes."""
    change_settings(client.app, limits=True)
    content = workbook(["手机号"], *([f"1390000{number:04d}"] for number in range(20)))
    assert send(client, scene.leader, scene, content).json["code"] == "backfills_refused"
    assert send(client, scene.leader, scene, content).status_code == 429
    # Who signed up is known to the leader anyway.
    known = send(client, scene.leader, scene, workbook(["手机号"], [scene.volunteer.phone]))
    assert (known.status_code, known.json.get("recorded")) == (200, 1), known.json


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90分钟", 90), ("1.5小时", 90), ("２ 小时", 120), ("90", None), ("0分", None), ("25小时", None)],
)
def test_durations(text: str, minutes: int | None) -> None:
    assert _minutes(text) == minutes


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("8:30", "08:30"),
        ("０８：３０", "08:30"),
        ("08:30:00", "08:30"),
        ("8点", "08:00"),
        ("8时5分", "08:05"),
        ("24:00", None),
    ],
)
def test_times_of_day(text: str, told: str | None) -> None:
    found = time_of(text)
    assert (f"{found:%H:%M}" if found is not None else None) == told


def test_many_decisions_at_once(client: Any, unit: Unit, scene: Scene) -> None:
    """Each is judged for itself: what one may not decide costs no other."""
    first = make_backfill(scene)
    own = make_backfill(scene, volunteer_id=scene.organizer.id)
    second = make_backfill(scene, volunteer_id=scene.stranger.id)
    unknown = str(ids.new_id())
    decisions = [
        {"service_record_id": str(first.id), "decision": "approve"},
        {"service_record_id": str(own.id), "decision": "approve"},
        {"service_record_id": str(second.id), "decision": "reject", "reason": "无人见到"},
        {"service_record_id": str(first.id), "decision": "reject", "reason": "重复"},
        {"service_record_id": unknown, "decision": "approve"},
    ]
    status, answer = post(client, scene.organizer, "/service-records/decisions", {"decisions": decisions})
    assert status == 200, answer
    assert [(one["status"], one["state"], (one["refusal"] or {}).get("code")) for one in answer["results"]] == [
        (200, "recorded", None),
        (403, None, "own_hours"),
        (200, "rejected", None),
        (409, None, "backfill_decided"),
        (404, None, "not_found"),
    ]
    assert answer["results"][3]["refusal"]["state"] == "recorded"
    assert client.as_(scene.volunteer).get("/me/tally").json["credited_minutes"] == 60
    [silent] = [{"service_record_id": str(own.id), "decision": "reject"}]
    status, refused = post(client, scene.organizer, "/service-records/decisions", {"decisions": [silent]})
    assert (status, refused["errors"][0]["code"]) == (422, "required")
    # Of nobody's organization she decides nothing, and is not told that they exist.
    elsewhere = [{"service_record_id": str(own.id), "decision": "approve"}]
    status, answer = post(client, scene.stranger, "/service-records/decisions", {"decisions": elsewhere})
    assert [one["status"] for one in answer["results"]] == [404]


def test_two_lines_of_one_person_see_each_other(client: Any, unit: Unit, scene: Scene) -> None:
    """The day's limit counts what the line before has just approved."""
    made = [
        make_backfill(scene, minutes=60),
        make_backfill(scene, starts_at=scene.shift.starts_at + timedelta(hours=1)),
    ]
    second = make_organizer(scene.organization.id)
    decisions = [{"service_record_id": str(one.id), "decision": "approve"} for one in made]
    _, answer = post(client, second, "/service-records/decisions", {"decisions": decisions})
    assert [one["status"] for one in answer["results"]] == [200, 200]
    assert client.as_(scene.volunteer).get("/me/tally").json["credited_minutes"] == 120
    assert post(client, scene.leader, "/service-records", line(scene))[1]["code"] == "hours_overlap"
