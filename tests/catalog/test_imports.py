"""The catalogue from a table."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from openpyxl import Workbook
from werkzeug.test import TestResponse

from tests.catalog.factories import make_owner
from tests.conftest import ApiClient
from tests.inventory.factories import Depot, make_depot, make_item
from volunteer_api.catalog.models import ItemKind

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def depot(unit: Unit) -> Depot:
    made: Depot = unit(make_depot)
    return made


@pytest.fixture
def phone(client: ApiClient, unit: Unit, depot: Depot) -> ApiClient:
    return client.as_(unit(make_owner))


def workbook(*rows: list[Any]) -> bytes:
    book = Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    output = BytesIO()
    book.save(output)
    return output.getvalue()


def send(phone: ApiClient, content: bytes, query: str = "") -> TestResponse:
    return phone.post(f"/items/import{query}", data={"file": (BytesIO(content), "目录.xlsx")})


def test_items_are_added_and_those_there_stay(phone: ApiClient, unit: Unit) -> None:
    unit(lambda: make_item(name="雨伞", kind=ItemKind.DURABLE))
    table = workbook(
        ["物品目录", None],
        ["名称", "类别", "单位", "开封后天数", "禁用"],
        ["雨 伞", "借用品", "件", None, None],
        ["碘伏", "药械", "瓶", "30天", "否"],
        ["抗生素", "药品", "盒", None, "是"],
    )
    dry = send(phone, table, "?dry_run=true")
    assert (dry.json["created"], dry.json["unchanged"], dry.json["errors"]) == (2, 1, [])
    assert [item["name"] for item in phone.get("/items").json["items"]] == ["雨伞"]
    assert send(phone, table).json["created"] == 2
    found = {item["name"]: item for item in phone.get("/items").json["items"]}
    assert set(found) == {"雨伞", "碘伏", "抗生素"}
    assert (found["碘伏"]["days_once_opened"], found["抗生素"]["prohibited"]) == (30, True)
    again = send(phone, table).json
    assert (again["created"], again["unchanged"]) == (0, 3)


def test_every_fault_is_named_and_nothing_added(phone: ApiClient, unit: Unit) -> None:
    unit(lambda: (make_item(name="雨伞", kind=ItemKind.DURABLE), make_item(name="安定", prohibited=True)))
    table = workbook(
        ["名称", "类别", "单位", "启用后有效天数", "禁止存放"],
        ["雨伞", "消耗品", "把", None, None],
        ["安定片", "药械", "片", None, None],
        [None, "药械", "片", None, None],
        ["甲", "什么", None, "0", "也许"],
        ["乙", "药械", "片", "1.5", None],
        ["乙 ", "药械", "片", None, None],
        ["丙" * 101, "药械", "片" * 21, None, None],
    )
    dry = send(phone, table, "?dry_run=true").json
    assert {(error["cell"], error["code"]) for error in dry["errors"]} == {
        ("B2", "differs"),
        ("C2", "differs"),
        ("A3", "prohibited_item"),
        ("A4", "required"),
        ("B5", "not_kind"),
        ("C5", "required"),
        ("D5", "min"),
        ("E5", "not_yes_or_no"),
        ("D6", "not_whole"),
        ("A7", "repeated"),
        ("A8", "max_length"),
        ("C8", "max_length"),
    }
    assert dry["error_count"] == 12
    refused = send(phone, table)
    assert (refused.status_code, refused.json["code"]) == (422, "table_refused")
    assert len(phone.get("/items").json["items"]) == 2


def test_width_and_case_make_no_other_item(phone: ApiClient, unit: Unit) -> None:
    unit(lambda: [make_item(name=name, kind=ItemKind.MEDICAL) for name in ("创可贴（100片）", "CPR图示")])
    header = ["名称", "类别", "单位"]
    table = workbook(header, ["创可贴(100片)", "药械", "件"], ["cpr图示", "药械", "件"], ["ＣＰＲ图册", "药械", "件"])
    assert (send(phone, table).json["created"], send(phone, table).json["unchanged"]) == (1, 3)
    twice = workbook(header, ["绷带（大）", "药械", "件"], ["绷带(大)", "药械", "件"])
    assert [error["code"] for error in send(phone, twice, "?dry_run=true").json["errors"]] == ["repeated"]


def test_a_thousand_items_take_as_many_statements_as_ten(phone: ApiClient, statements: Callable[[], Any]) -> None:
    used = []
    for rows in (10, 1000):
        table = workbook(["名称", "类别", "单位"], *[[f"货{rows}-{number}", "耗材", "个"] for number in range(rows)])
        with statements() as seen:
            assert send(phone, table).json["created"] == rows
        used.append(len(seen))
    assert used[1] <= used[0] + 1
    assert used[0] < 10


def test_the_template_is_a_table_without_rows(phone: ApiClient) -> None:
    assert send(phone, phone.get("/items-import-template.xlsx").data).json["code"] == "table_empty"
