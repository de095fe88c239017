"""Insured people and trainings from tables, and the lists back: each bad cell is named, and it is all or nobody."""

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from tests.factories import make_volunteer
from tests.organizations.factories import District, make_district
from tests.qualifications.factories import make_policy, make_training
from tests.qualifications.test_qualifications import today
from volunteer_api.accounts.events import PhoneProven
from volunteer_api.core.events import publish
from volunteer_api.qualifications.models import Policy, Training
from volunteer_api.qualifications.queries import credentials_of

Unit = Callable[[Callable[[], Any]], Any]
# A number of the form, with a right check digit.
RESIDENT_ID = "11010519491231002X"


@pytest.fixture
def district(unit: Unit) -> District:
    made: District = unit(make_district)
    return made


@pytest.fixture
def policy(unit: Unit, district: District) -> Policy:
    made: Policy = unit(lambda: make_policy(district.office.id))
    return made


@pytest.fixture
def training(unit: Unit, district: District) -> Training:
    made: Training = unit(lambda: make_training(district.office.id, valid_days=10))
    return made


def workbook(*rows: list[Any]) -> bytes:
    book = Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    output = BytesIO()
    book.save(output)
    return output.getvalue()


def send(client: Any, district: District, path: str, content: bytes) -> Any:
    return client.as_(district.organizer).post(path, data={"file": (BytesIO(content), "名单.xlsx")})


def test_an_insurers_list(client: Any, unit: Unit, district: District, policy: Policy) -> None:
    """As it comes: a title, messy phones, numbers that Excel keeps as such, days in Excel's own form, a sum below."""
    known = unit(lambda: make_volunteer(phone="+8613755550001"))
    ends = today() + timedelta(days=30)
    content = workbook(
        ["志愿者意外险参保名单"],
        ["姓名", "被保险人证件号", "联系电话", "保险止期"],
        ["王一", RESIDENT_ID.lower(), 13755550001, ends],
        ["赵二", None, "１３７ ５５５５ ０００２", ""],
        ["李三", "", "86-137-5555-0003", f"{ends:%Y年%m月%d日}"],
        ["合计", "", "", "3人"],
    )
    path = f"/insurance-policies/{policy.id}/insured-people"
    tried = send(client, district, f"{path}/import?dry_run=true", content)
    assert (tried.status_code, tried.json.get("listed"), tried.json.get("errors")) == (200, 3, []), tried.json
    assert tried.json["ignored_columns"] == ["姓名"]
    organizer = client.as_(district.organizer)
    assert organizer.get(path).json["items"] == []
    made = send(client, district, f"{path}/import", content)
    assert (made.status_code, made.json["listed"], made.json["already_listed"]) == (200, 3, 0), made.json
    listed = {one["masked_phone"]: one["ends_on"] for one in organizer.get(path).json["items"]}
    assert listed == {
        "137****0001": ends.isoformat(),
        "137****0002": policy.ends_on.isoformat(),
        "137****0003": ends.isoformat(),
    }
    again = send(client, district, f"{path}/import", content)
    assert (again.status_code, again.json.get("listed"), again.json.get("already_listed")) == (200, 0, 3), again.json
    assert unit(lambda: credentials_of([known.id]))[known.id].is_insured([district.office.id], ends)
    # Who is not registered is not dropped: she is insured as soon as she has proven the number.
    later = unit(lambda: make_volunteer(phone="+8613755550002"))
    unit(lambda: publish(PhoneProven(later.id, "+8613755550002")))
    assert unit(lambda: credentials_of([later.id]))[later.id].is_insured([district.office.id], ends)


def test_every_bad_cell_is_named_and_nobody_is_listed(client: Any, district: District, policy: Policy) -> None:
    day = today()
    content = workbook(
        ["手机号", "身份证号", "起保日期", "终保日期"],
        ["13755550001", RESIDENT_ID, "", ""],
        ["", "", "", "2026-01-05 约"],
        ["1.37E+10", "110105194912310000", "", ""],
        ["137 5555 0001", "", "", ""],
        ["13755550004", "", "2001-01-01", ""],
        ["13755550005", "", (day + timedelta(days=9)).isoformat(), (day + timedelta(days=3)).isoformat()],
    )
    path = f"/insurance-policies/{policy.id}/insured-people"
    tried = send(client, district, f"{path}/import?dry_run=true", content)
    assert tried.status_code == 200
    assert [(error["cell"], error["code"]) for error in tried.json["errors"]] == [
        ("A3", "required"),
        ("D3", "not_day"),
        ("A4", "not_phone"),
        ("B4", "not_resident_id"),
        ("A5", "repeated"),
        ("C6", "outside_policy"),
        ("D7", "ends_before_start"),
    ]
    refused = send(client, district, f"{path}/import", content)
    assert (refused.status_code, refused.json["code"]) == (422, "table_refused")
    assert refused.json["errors"] == tried.json["errors"]
    assert client.as_(district.organizer).get(path).json["items"] == []
    listed = workbook(["手机号", "终保日期"], ["13755550001", day.isoformat()])
    assert send(client, district, f"{path}/import", listed).json["listed"] == 1
    other = workbook(["手机号", "终保日期"], ["13755550001", (day + timedelta(days=1)).isoformat()])
    assert send(client, district, f"{path}/import", other).json["errors"][0]["code"] == "listed_otherwise"
    formula = send(client, district, f"{path}/import", workbook(["手机号"], ["=1+1"]))
    assert (formula.status_code, formula.json["code"]) == (422, "spreadsheet_has_formula")
    nothing = send(client, district, f"{path}/import", workbook(["姓名"], ["王一"]))
    assert (nothing.status_code, nothing.json["code"]) == (422, "column_missing")


def test_whose_cover_has_ended_is_named(client: Any, unit: Unit, district: District) -> None:
    """She was told to be listed already, and was not insured."""
    first = today() - timedelta(days=100)
    policy = unit(lambda: make_policy(district.office.id, starts_on=first))
    path, organizer = f"/insurance-policies/{policy.id}/insured-people", client.as_(district.organizer)
    for phone, ended in (("13755550001", True), ("13755550002", False)):
        body = {"phones": [phone], "starts_on": first.isoformat()}
        [listed] = organizer.post(path, json=body).json["items"]
        if ended:
            ending = {"on": (today() - timedelta(days=1)).isoformat()}
            assert organizer.post(f"/insured-people/{listed['id']}/ending", json=ending).status_code == 200
    for row in (["13755550001", ""], ["13755550001", first.isoformat()]):
        content = workbook(["手机号", "起保日期"], row, ["13755550002", ""])
        refused = send(client, district, f"{path}/import", content)
        assert (refused.status_code, [(one["cell"], one["code"]) for one in refused.json["errors"]]) == (
            422,
            [("A2", "listed_otherwise")],
        )


def test_trainings(client: Any, unit: Unit, district: District, training: Training) -> None:
    path = f"/trainings/{training.id}/records"
    content = f"手机,培训日期\n13755550001,{today() - timedelta(days=20)}\n13755550002,\n13755550003,2999-01-01\n"
    tried = send(client, district, f"{path}/import?dry_run=true", content.encode("gb18030"))
    assert [(error["cell"], error["code"]) for error in tried.json["errors"]] == [
        ("B3", "required"),
        ("B4", "in_future"),
    ]
    good = "\n".join(content.splitlines()[:3]).encode()
    made = send(client, district, f"{path}/import?completed_on={today()}", good)
    assert (made.status_code, made.json["listed"]) == (200, 2), made.json
    again = send(client, district, f"{path}/import?completed_on={today()}", good)
    assert (again.json["listed"], again.json["already_listed"]) == (0, 2)
    answer = client.as_(district.organizer).get(f"{path}.xlsx")
    rows = list(load_workbook(BytesIO(answer.get_data())).worksheets[0].values)
    assert rows[0] == ("手机号", "完成日期", "有效期至", "状态")
    assert [(row[0], row[3]) for row in rows[1:]] == [("137****0002", "有效"), ("137****0001", "已过期")]


def test_the_list_back(client: Any, district: District, policy: Policy) -> None:
    day = today()
    path = f"/insurance-policies/{policy.id}/insured-people"
    later = (day + timedelta(days=5)).isoformat()
    send(client, district, f"{path}/import", workbook(["手机号", "起保日期"], [13755550001, ""], [13755550002, later]))
    answer = client.as_(district.organizer).get(f"{path}.xlsx")
    rows = list(load_workbook(BytesIO(answer.get_data())).worksheets[0].values)
    assert sorted((row[0], row[3]) for row in rows[1:]) == [("137****0001", "保障中"), ("137****0002", "未开始")]
    assert not any(str(cell).startswith(("=", "+", "-", "@")) for row in rows for cell in row)


@pytest.mark.parametrize("name", ["insured-people", "training"])
def test_a_template_is_read_back(client: Any, district: District, name: str) -> None:
    answer = client.as_(district.organizer).get(f"/{name}-import-template.xlsx")
    cells = [str(cell) for row in load_workbook(BytesIO(answer.get_data())).worksheets[0].values for cell in row]
    assert "手机号*" in cells
