"""Stock from tables: what people really have is read, every fault is named, and it is all or nothing."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from openpyxl import Workbook, load_workbook
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from tests.conftest import ApiClient
from tests.inventory.factories import Depot, line_of, make_depot, make_item, move
from tests.inventory.test_recalls import recall
from volunteer_api.catalog.models import Item, ItemKind
from volunteer_api.core import ids
from volunteer_api.core.database import db
from volunteer_api.inventory.models import Movement, StockBalance, StockEntry

ZONE = ZoneInfo("Asia/Shanghai")
Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def depot(unit: Unit) -> Depot:
    made: Depot = unit(make_depot)
    return made


@pytest.fixture
def phone(client: ApiClient, depot: Depot) -> ApiClient:
    return client.as_(depot.manager_id)


def workbook(*rows: list[Any]) -> bytes:
    book = Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    output = BytesIO()
    book.save(output)
    return output.getvalue()


def send(phone: ApiClient, depot: Depot, content: bytes, query: str = "", *, key: str | None = None) -> TestResponse:
    return phone.post(
        f"/stations/{depot.station_id}/stock/import{query}",
        key=key or str(ids.new_id()),
        data={"file": (BytesIO(content), "台账.xlsx")},
    )


def rows_of(unit: Unit, depot: Depot) -> dict[tuple[str, str], int]:
    def read() -> dict[tuple[str, str], int]:
        statement = (
            select(Item.name, StockBalance.lot_number, StockBalance.quantity)
            .join(Item, Item.id == StockBalance.item_id)
            .where(StockBalance.station_id == depot.station_id)
        )
        return {(row.name, row.lot_number): row.quantity for row in db.session.execute(statement)}

    found: dict[tuple[str, str], int] = unit(read)
    return found


def counts(unit: Unit) -> tuple[int, ...]:
    found: tuple[int, ...] = unit(
        lambda: tuple(
            db.session.scalar(select(func.count()).select_from(table)) for table in (Movement, StockEntry, Item)
        )
    )
    return found


@pytest.fixture
def items(unit: Unit) -> None:
    def make() -> None:
        make_item(name="雨伞", kind=ItemKind.DURABLE)
        make_item(name="棉签")
        make_item(name="碘伏", kind=ItemKind.MEDICAL)
        make_item(name="处方药", kind=ItemKind.MEDICAL, prohibited=True)

    unit(make)


def today() -> date:
    return datetime.now(ZONE).date()


def next_year() -> date:
    return (today() + timedelta(days=400)).replace(day=5)


def messy_csv() -> bytes:
    """A GBK csv with titles, remarks in its header, dates as text, full-width digits, a sum and signatures."""
    day = next_year()
    lines = [
        "五一路街道河西社区志愿服务站物资登记表,,,,,,",
        f"填表日期：{today():%Y年%m月%d日},,,,,,",
        ",,,,,,",
        "序号,物资名称*,数量（个）,单位,生产批号,有效期至（年月日）,捐赠单位",
        "1,雨伞,１２,件,,,",
        ",,,,,,",
        f"2,碘 伏,5件,件,A20261,{day.year}年{day.month}月{day.day}日,市红十字会",
        f'3,棉签,"1,000",件,,{day:%Y%m%d},',
        ",合计,1017,,,,",
        "制表人：王秀英,,,审核人：,,,",
        ",,,,,,",
    ]
    return "\r\n".join(lines).encode("gbk")


@pytest.mark.usefixtures("items")
class TestMessyFile:
    def test_a_dry_run_says_what_would_happen_and_changes_nothing(
        self, phone: ApiClient, depot: Depot, unit: Unit
    ) -> None:
        before = counts(unit)
        answer = send(phone, depot, messy_csv(), "?dry_run=true")
        assert answer.status_code == 200, answer.json
        assert (answer.json["rows"], answer.json["errors"], answer.json["dry_run"]) == (3, [], True)
        assert answer.json["ignored_columns"] == ["序号"]
        assert (answer.json["ignored_rows"], answer.json["ignored_sheets"]) == ([9, 10], [])
        assert [
            (one["counterparty"], one["lines"], one["quantity"], one["id"]) for one in answer.json["documents"]
        ] == [
            (None, 2, 1012, None),
            ("市红十字会", 1, 5, None),
        ]
        assert counts(unit) == before
        assert rows_of(unit, depot) == {}

    def test_it_is_received_with_lots_and_a_document_for_each_source(
        self, phone: ApiClient, depot: Depot, unit: Unit
    ) -> None:
        answer = send(phone, depot, messy_csv(), "?note=期初")
        assert answer.status_code == 200, answer.json
        day = next_year()
        assert rows_of(unit, depot) == {("雨伞", ""): 12, ("碘伏", "A20261"): 5, ("棉签", day.isoformat()): 1000}
        numbers = [one["document_number"] for one in answer.json["documents"]]
        month = f"{today():%Y%m}"
        assert numbers == [f"{depot.code}-{month}-0001", f"{depot.code}-{month}-0002"]
        second = phone.get(f"/movements/{answer.json['documents'][1]['id']}").json
        assert (second["kind"], second["reason"], second["counterparty"]) == ("receipt", "opening", "市红十字会")
        assert (second["note"], second["entries"][0]["expires_on"]) == ("期初", day.isoformat())

    def test_the_same_key_again_changes_nothing(self, phone: ApiClient, depot: Depot, unit: Unit) -> None:
        first = send(phone, depot, messy_csv(), key="k1")
        again = send(phone, depot, messy_csv(), key="k1")
        assert (again.status_code, again.json) == (200, first.json)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert sum(rows_of(unit, depot).values()) == 1017
        other = send(phone, depot, messy_csv() + b"\r\n", key="k1")
        assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")
        assert (
            phone.post(f"/stations/{depot.station_id}/stock/import", data={"file": (BytesIO(b"x"), "x")}).json["code"]
            == "idempotency_key_missing"
        )


@pytest.mark.usefixtures("items")
def test_nobody_guesses_which_quantity_is_meant(phone: ApiClient, depot: Depot, unit: Unit) -> None:
    ledger_of_hand = workbook(
        ["物品名称", "单位", "期初数量", "入库数量", "出库数量", "结存数量"], ["雨伞", "件", 10, 5, 8, 7]
    )
    refused = send(phone, depot, ledger_of_hand, "?dry_run=true")
    assert (refused.status_code, refused.json["code"]) == (422, "column_ambiguous")
    assert (refused.json["column"], refused.json["cells"]) == ("数量", ["C1", "D1", "F1"])
    assert rows_of(unit, depot) == {}


@pytest.mark.usefixtures("items")
class TestFaults:
    def bad(self) -> bytes:
        day = next_year().isoformat()
        return workbook(
            ["物品名称", "数量", "单位", "批号", "有效期", "来源"],
            ["雨伞", 3, "件", None, None, "捐赠"],
            ["雨伞", 0, "件", None, None, None],
            ["没有的", 1, "件", None, None, None],
            ["碘伏", 2, "件", "A1", None, None],
            ["碘伏", 2, "件", "A2", "2020-01-01", None],
            ["碘伏", 2, "件", "A3", day, None],
            ["碘伏", 2, "件", "A3", "2029/1/1", None],
            ["处方药", 1, "件", None, day, None],
            ["棉签", 1.5, "包", None, "长期", "天上"],
            [None, 5, None, None, None, None],
            ["雨伞", 4, None, None, None, "捐赠"],
            ["棉签", "=1+1"[1:], None, "9" * 51, None, None],
        )

    EXPECTED = [  # noqa: RUF012  # read only
        ("B3", "min"),
        ("A4", "item_unknown"),
        ("E5", "expiry_date_missing"),
        ("E6", "receipt_of_expired"),
        ("E8", "lot_expiry_differs"),
        ("A9", "prohibited_item"),
        ("B10", "not_whole"),
        ("C10", "unit_differs"),
        ("E10", "not_written_day"),
        ("F10", "not_source"),
        ("A11", "required"),
        ("A12", "repeated"),
        ("B13", "not_whole"),
        ("D13", "max_length"),
    ]

    def test_each_is_named_by_its_cell(self, phone: ApiClient, depot: Depot) -> None:
        answer = send(phone, depot, self.bad(), "?dry_run=true")
        assert answer.status_code == 200
        found = [(error["cell"], error["code"]) for error in answer.json["errors"]]
        assert sorted(found) == sorted(self.EXPECTED)
        assert [error["row"] for error in answer.json["errors"]] == sorted(
            error["row"] for error in answer.json["errors"]
        )
        assert answer.json["error_count"] == len(self.EXPECTED)

    def test_one_fault_lets_nothing_in(self, phone: ApiClient, depot: Depot, unit: Unit) -> None:
        before = counts(unit)
        answer = send(phone, depot, self.bad())
        assert (answer.status_code, answer.json["code"]) == (422, "table_refused")
        assert len(answer.json["errors"]) == len(self.EXPECTED)
        assert counts(unit) == before
        # Mended and sent again under the same key, it is taken: the refusal was about the file.
        key = str(ids.new_id())
        good = workbook(["物品名称", "数量"], ["雨伞", 3])
        assert send(phone, depot, workbook(["物品名称", "数量"], ["雨伞", 0]), key=key).status_code == 422
        assert send(phone, depot, good, key=key).status_code == 200

    def test_a_shelf_with_another_date_refuses(self, phone: ApiClient, depot: Depot, unit: Unit) -> None:
        def receive() -> None:
            item = db.session.scalars(select(Item.id).where(Item.name == "碘伏")).one()
            move(depot, "receipt", {"item_id": item, "quantity": 1, "lot_number": "A1", "expires_on": next_year()})

        unit(receive)
        table = workbook(["物品名称", "数量", "批号", "有效期"], ["碘伏", 2, "A1", "2031-01-01"])
        answer = send(phone, depot, table, "?dry_run=true")
        assert [(one["cell"], one["code"]) for one in answer.json["errors"]] == [("D2", "lot_expiry_differs")]

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (workbook(["物品名称", "数量"], ["雨伞", "=1+1"]), "spreadsheet_has_formula"),
            (b"\xd0\xcf\x11\xe0" + bytes(600), "spreadsheet_not_xlsx"),
            (workbook(["物品名称"], ["雨伞"]), "column_missing"),
            (workbook(["物品名称", "数量"]), "table_empty"),
            (workbook(["物品名称", "数量"], *[[f"物{n}", 1] for n in range(2001)]), "spreadsheet_too_large"),
        ],
    )
    def test_what_is_refused_whole(self, phone: ApiClient, depot: Depot, content: bytes, code: str) -> None:
        for query in ("", "?dry_run=true"):
            answer = send(phone, depot, content, query)
            assert (answer.status_code, answer.json["code"]) == (422, code)

    @pytest.mark.parametrize(
        ("query", "status"),
        [
            ("?reason=used", 422),
            ("?reason=mistake", 422),
            ("?dry_run=yes", 422),
            ("?x=1", 422),
            ("?reason=donation", 200),
        ],
    )
    def test_the_query_is_strict(self, phone: ApiClient, depot: Depot, query: str, status: int) -> None:
        assert send(phone, depot, workbook(["物品名称", "数量"], ["雨伞", 1]), query).status_code == status

    def test_a_day_too_far_back_is_refused(self, phone: ApiClient, depot: Depot) -> None:
        answer = send(phone, depot, workbook(["物品名称", "数量"], ["雨伞", 1]), "?occurred_at=2020-01-01T00:00:00Z")
        assert (answer.status_code, answer.json["code"]) == (409, "too_far_back")


@pytest.mark.usefixtures("items")
class TestNewItems:
    TABLE = workbook(
        ["名称", "数量", "单位", "类别", "有效期"],
        ["打气筒", 2, "个", "借用品", None],
        ["创可贴", 20, "片", "药械", "2031年1月"],
        ["雨伞", 1, None, None, None],
    )

    def test_only_those_who_keep_the_catalogue_add_to_it(
        self, client: ApiClient, depot: Depot, unit: Unit, phone: ApiClient
    ) -> None:
        refused = send(phone, depot, self.TABLE)
        assert [(one["cell"], one["code"]) for one in refused.json["errors"]] == [
            ("A2", "item_unknown"),
            ("A3", "item_unknown"),
        ]
        assert send(phone, depot, self.TABLE, "?create_items=true").status_code == 403
        organizer = client.as_(depot.organizer_id)
        before = counts(unit)
        dry = send(organizer, depot, self.TABLE, "?create_items=true&dry_run=true")
        assert (dry.json["created_items"], dry.json["errors"]) == (["打气筒", "创可贴"], [])
        assert counts(unit) == before
        done = send(organizer, depot, self.TABLE, "?create_items=true")
        assert (done.status_code, done.json["created_items"]) == (200, ["打气筒", "创可贴"])
        assert rows_of(unit, depot) == {("打气筒", ""): 2, ("创可贴", "2031-01-31"): 20, ("雨伞", ""): 1}

    def test_a_new_item_needs_all_that_an_item_has(self, client: ApiClient, depot: Depot) -> None:
        table = workbook(["名称", "数量", "类别"], ["打气筒", 2, "好东西"], ["复方处方药片", 1, "药械"])
        answer = send(client.as_(depot.organizer_id), depot, table, "?create_items=true&dry_run=true")
        found = {(one["cell"], one["code"]) for one in answer.json["errors"]}
        assert found == {("A2", "required"), ("C2", "not_kind"), ("A3", "required")}
        named = workbook(["名称", "数量", "类别", "单位"], ["复方处方药片", 1, "药械", "片"])
        answer = send(client.as_(depot.organizer_id), depot, named, "?create_items=true&dry_run=true")
        assert [(one["cell"], one["code"]) for one in answer.json["errors"]] == [("A2", "prohibited_item")]


def test_a_thousand_rows_take_as_many_statements_as_ten(
    phone: ApiClient, depot: Depot, unit: Unit, statements: Callable[[], Any]
) -> None:
    unit(lambda: [make_item(name=f"货{number}") for number in range(500)])
    used = []
    for rows in (10, 1000):
        table = workbook(
            ["物品名称", "数量", "批号"], *[[f"货{number % 500}", 1, f"L{rows}-{number}"] for number in range(rows)]
        )
        with statements() as seen:
            answer = send(phone, depot, table)
        assert answer.status_code == 200, answer.json
        used.append(len(seen))
    # One more for each five hundred balances.
    assert used[1] <= used[0] + 2
    assert used[0] <= 22
    assert sum(rows_of(unit, depot).values()) == 1010


def test_the_template_can_be_filled_and_sent(phone: ApiClient, depot: Depot) -> None:
    template = phone.get("/stock-import-template.xlsx")
    assert template.status_code == 200
    assert send(phone, depot, template.data).json["code"] == "table_empty"
    book = load_workbook(BytesIO(template.data))
    sheet = book.worksheets[0]
    assert [cell.value for cell in sheet[4]][:3] == ["物品名称*", "数量*", "单位"]
    sheet.append(["没有的", 3])
    filled = BytesIO()
    book.save(filled)
    answer = send(phone, depot, filled.getvalue(), "?dry_run=true")
    assert [(one["cell"], one["code"]) for one in answer.json["errors"]] == [("A5", "item_unknown")]


def test_two_lines_of_one_lot_keep_their_running_balances(unit: Unit, depot: Depot) -> None:
    def receive() -> list[int]:
        item = make_item()
        move(depot, "receipt", line_of(item, 5, lot_number="A"))
        document = move(
            depot, "receipt", line_of(item, 2, lot_number="A"), line_of(item, 4), line_of(item, 3, lot_number="A")
        )
        return [entry.balance for entry in document.entries]

    assert unit(receive) == [4, 7, 10]


class TestRaces:
    """Real threads on PostgreSQL."""

    def test_twins_under_one_key_receive_once(
        self,
        postgresql_client: ApiClient,
        postgresql_unit: Unit,
        race: Callable[[int, Callable[..., Any]], list[Any]],
    ) -> None:
        depot = postgresql_unit(make_depot)
        postgresql_unit(lambda: make_item(name="雨伞"))
        phone = postgresql_client.as_(depot.manager_id)
        table = workbook(["物品名称", "数量"], ["雨伞", 7])
        answers = race(6, lambda number: send(phone, depot, table, key="twin"))
        assert {answer.status_code for answer in answers} <= {200, 503}
        assert rows_of(postgresql_unit, depot) == {("雨伞", ""): 7}

    def test_two_stations_bring_the_same_new_item(
        self,
        postgresql_client: ApiClient,
        postgresql_unit: Unit,
        race: Callable[[int, Callable[..., Any]], list[Any]],
    ) -> None:
        depots = [postgresql_unit(make_depot) for _ in range(4)]
        phones = [postgresql_client.as_(depot.organizer_id) for depot in depots]
        table = workbook(["物品名称", "数量", "单位", "类别"], ["打气筒", 2, "个", "借用品"])
        answers = race(4, lambda number: send(phones[number], depots[number], table, "?create_items=true"))
        assert [answer.status_code for answer in answers if answer.status_code != 503] != []
        assert {answer.status_code for answer in answers} <= {200, 503}
        created = [answer.json["created_items"] for answer in answers if answer.status_code == 200]
        assert sorted(created) == [*([[]] * (len(created) - 1)), ["打气筒"]]


def test_a_recalled_lot_is_named_at_its_cell(unit: Unit, phone: ApiClient, depot: Depot) -> None:
    item = unit(lambda: make_item(name="棉签甲"))
    unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 5, "lot_number": "A1"}))
    unit(lambda: recall(depot, item, "A1"))
    table = workbook(["物品名称", "数量", "批号"], ["棉签甲", 3, "B1"], ["棉签甲", 3, "a1"])
    tried = send(phone, depot, table, "?dry_run=true")
    assert tried.status_code == 200
    found = tried.get_json()["errors"]
    assert [(error["row"], error["column"], error["code"]) for error in found] == [(3, "批号", "lot_recalled")]
    refused = send(phone, depot, table)
    assert refused.status_code == 422
    assert refused.get_json()["errors"] == found
    assert ("棉签甲", "B1") not in rows_of(unit, depot)


def test_cells_of_several_rows_are_to_be_split(unit: Unit, phone: ApiClient, depot: Depot, items: None) -> None:
    """Only the first of the rows has what people see over all of them. A title over several columns may stay."""
    book = Workbook()
    sheet = book.active
    for row in (["物资清单"], ["物品名称", "数量", "批号"], ["棉签", 3, "A"], [None, 2, "B"]):
        sheet.append(row)
    sheet.merge_cells("A1:C1")
    sheet.merge_cells("A3:A4")
    content = BytesIO()
    book.save(content)
    answer = send(phone, depot, content.getvalue(), "?dry_run=true")
    assert (answer.status_code, answer.get_json()["code"]) == (422, "cells_merged")
    assert (answer.get_json()["cells"], answer.get_json()["detail"]) == (
        ["A3:A4"],
        "单元格A3:A4跨行合并，请取消合并并逐行填写。",
    )


def test_errors_stand_in_the_order_of_the_rows(unit: Unit, phone: ApiClient, depot: Depot, items: None) -> None:
    expires = next_year().isoformat()
    rows = [
        ["物品名称", "数量", "批号", "有效期"],
        ["棉签", 1, "A", expires],
        ["棉签", 1, "A", "2031-01-31"],
        ["没有的", 1],
    ]
    refused = send(phone, depot, workbook(*rows)).get_json()
    assert [error["row"] for error in refused["errors"]] == [3, 4]
    # The other date is that of the row above, and the sentence says it.
    assert expires in refused["errors"][0]["detail"]


@pytest.mark.parametrize("merged", ["A4:A5", "A5:C7"])
def test_sums_and_signatures_may_share_cells(
    unit: Unit, phone: ApiClient, depot: Depot, items: None, merged: str
) -> None:
    book = Workbook()
    sheet = book.active
    for row in (["物资清单"], ["物品名称", "数量", "批号"], ["棉签", 3, "A"], ["合计：1项"], ["经办人："]):
        sheet.append(row)
    sheet.merge_cells(merged)
    content = BytesIO()
    book.save(content)
    answer = send(phone, depot, content.getvalue(), "?dry_run=true")
    assert answer.get_json().get("code") != "cells_merged"
    assert answer.get_json()["rows"] == 1
