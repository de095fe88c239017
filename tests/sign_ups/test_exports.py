"""The list of who comes, as a workbook."""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from openpyxl import load_workbook
from sqlalchemy import select

from tests.activities.factories import make_activity
from tests.factories import make_volunteer
from tests.sign_ups.factories import HOUR, post
from volunteer_api.activities.models import SignUpMode
from volunteer_api.core import clock
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.sign_ups import exports, service

# 7:30 in Pingdingshan, where a night's shift ends on the next day.
START = datetime(2030, 11, 30, 23, 30, tzinfo=UTC)
NIGHT = START + timedelta(hours=14)


def sheet_of(client: Any, who: Any, path: str) -> list[list[Any]]:
    answer = client.as_(who).get(path)
    assert answer.status_code == 200, answer.get_json()
    assert answer.headers["Cache-Control"] == "no-store"
    return [[cell.value for cell in row] for row in load_workbook(BytesIO(answer.data)).worksheets[0].iter_rows()]


@pytest.mark.both_databases
def test_who_comes_shift_by_shift(client: Any, unit: Any) -> None:
    morning = {"starts_at": START, "ends_at": START + HOUR, "capacity": 2, "roles": [{"name": "讲解", "capacity": 1}]}
    night = {"starts_at": NIGHT, "ends_at": NIGHT + 4 * HOUR}
    made = unit(lambda: make_activity(shifts=[night, morning], title="晨间清扫"))
    night_id, morning_id = made.shift_ids
    organizer, member = made.scene.organizer_id, made.scene.member_id
    late, hostile, waits = [make_volunteer(name=name) for name in ("王芳", "=1+1", "李伟")]
    # Of another activity, of which the list tells nothing.
    elsewhere = unit(lambda: make_activity(scene=made.scene, starts_at=START))
    unit(lambda: service.sign_up(shift_id=elsewhere.shift_id, volunteer_id=made.scene.outsider_id))
    role = client.get(f"/shifts/{morning_id}").json["roles"][0]["id"]
    unit(lambda: service.invite(by=organizer, shift_id=night_id, volunteer_id=member))
    gone = post(client, late.id, f"/shifts/{morning_id}/sign-ups").json["id"]
    post(client, hostile.id, f"/shifts/{morning_id}/sign-ups", role_id=role)
    post(client, waits.id, f"/shifts/{morning_id}/sign-ups", role_id=role)
    path = f"/activities/{made.id}/sign-ups.xlsx"
    headers, *rows = sheet_of(client, organizer, path)
    assert headers[:6] == ["日期", "开始", "结束", "姓名", "志愿者编号", "手机"]
    assert [(row[0], row[1], row[2], row[3], row[6], row[8]) for row in rows] == [
        ("2030-12-01", "07:30", "08:30", "王芳", None, "已确认"),
        ("2030-12-01", "07:30", "08:30", "=1+1", "讲解", "已确认"),
        ("2030-12-01", "07:30", "08:30", "李伟", "讲解", "候补"),
        ("2030-12-01", "21:30", "12-02 01:30", rows[3][3], None, "已邀请"),
    ]
    assert rows[0][4:6] == [late.volunteer_number, f"{late.phone[3:6]}****{late.phone[-4:]}"]
    kept = unit(lambda: db.session.scalars(select(AuditEntry).where(AuditEntry.action == "data_exported")).one())
    assert (kept.actor_id, kept.details["what"], kept.details["rows"]) == (organizer, "sign_ups", 4)
    # Of one shift; of one state, those who left too.
    assert len(sheet_of(client, organizer, f"{path}?shift_id={night_id}")) == 2
    assert len(sheet_of(client, organizer, f"{path}?shift_id={elsewhere.shift_id}")) == 1
    post(client, late.id, f"/sign-ups/{gone}/withdrawal")
    [_, left] = sheet_of(client, organizer, f"{path}?state=withdrawn")
    assert (left[3], left[8]) == ("王芳", "已取消报名")


def test_what_is_said_beside_a_name(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(starts_at=START, sign_up_mode=SignUpMode.OPEN))
    organizer, person = made.scene.organizer_id, made.scene.outsider_id
    post(client, person, f"/shifts/{made.shift_id}/sign-ups")
    path, shift = f"/activities/{made.id}/sign-ups.xlsx", f"/shifts/{made.shift_id}"
    moved = client.as_(organizer).patch(
        shift, json={"ends_at": "2030-12-01T02:30:00Z"}, version=client.get(shift).json["version"]
    )
    assert moved.status_code == 200
    assert [row[9] for row in sheet_of(client, organizer, path)[1:]] == ["时间已变更，待本人确认"]
    post(client, organizer, f"{shift}/cancellation", reason="大风")
    assert [row[9] for row in sheet_of(client, organizer, path)[1:]] == ["班次已取消、时间已变更，待本人确认"]


@pytest.mark.both_databases
def test_who_was_called_stands_where_she_signed_up(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(starts_at=START, capacity=2))
    path = f"/shifts/{made.shift_id}/sign-ups"
    people = [make_volunteer(name=name) for name in "甲乙丙丁"]
    first, *_ = [post(client, one.id, path).json["id"] for one in people[:3]]
    post(client, people[0].id, f"/sign-ups/{first}/withdrawal")
    version = client.get(f"/shifts/{made.shift_id}").json["version"]
    client.as_(made.scene.organizer_id).patch(f"/shifts/{made.shift_id}", json={"capacity": 9}, version=version)
    post(client, people[3].id, path)
    rows = sheet_of(client, made.scene.organizer_id, f"/activities/{made.id}/sign-ups.xlsx")[1:]
    assert [row[3] for row in rows] == ["乙", "丙", "丁"]


def test_no_list_is_cut_without_a_word(client: Any, unit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = unit(lambda: make_activity(starts_at=START))
    for one in (made.scene.member_id, made.scene.outsider_id):
        post(client, one, f"/shifts/{made.shift_id}/sign-ups")
    organizer, path = client.as_(made.scene.organizer_id), f"/activities/{made.id}/sign-ups.xlsx"
    monkeypatch.setattr(exports, "MOST_ROWS", 2)
    assert organizer.get(path).status_code == 200
    monkeypatch.setattr(exports, "MOST_ROWS", 1)
    refused = organizer.get(path)
    assert (refused.status_code, refused.get_json()["code"]) == (422, "too_many_sign_ups")


def test_who_did_not_come_and_who_was_asked_in_vain(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(starts_at=START))
    organizer, absent, late, asked = made.scene.organizer_id, *(make_volunteer() for _ in range(3))
    path, workbook = f"/shifts/{made.shift_id}/sign-ups", f"/activities/{made.id}/sign-ups.xlsx"
    invited = post(client, organizer, path, volunteer_id=str(asked.id)).json["id"]
    post(client, organizer, f"/sign-ups/{invited}/rejection")
    missed, left = [post(client, one.id, path).json["id"] for one in (absent, late)]
    with clock.at(START - HOUR):
        post(client, late.id, f"/sign-ups/{left}/withdrawal")
    unit(lambda: service.record_absences([UUID(missed)], absent=True))
    assert [row[9] for row in sheet_of(client, organizer, workbook)[1:]] == ["缺席"]
    remarks = {row[4]: row[9] for row in sheet_of(client, organizer, f"{workbook}?state=withdrawn")[1:]}
    assert remarks == {asked.volunteer_number: "邀请已收回", late.volunteer_number: "临时取消"}
