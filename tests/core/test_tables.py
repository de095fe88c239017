"""Tables as people keep them: headers by many names, days and numbers as typed, faults named by cell."""

import re
from datetime import date
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest
from flask import Flask
from openpyxl import Workbook

from volunteer_api.core.schema import Fault
from volunteer_api.core.spreadsheets import (
    SpreadsheetHasFormula,
    SpreadsheetLocked,
    SpreadsheetNotXlsx,
    SpreadsheetTooLarge,
    read_table,
)
from volunteer_api.core.tables import Column, ColumnAmbiguous, ColumnMissing, TableEmpty, count_of, day_of, read_records

NAME = Column("物品名称", ("品名", "item"), required=True)
COUNT = Column("数量", ("库存数量",), required=True)
LOT = Column("批号", ("批次",))
COLUMNS = (NAME, COUNT, LOT)


def workbook(*rows: list[Any], merge: str | None = None) -> bytes:
    book = Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    if merge is not None:
        book.worksheets[0].merge_cells(merge)
    output = BytesIO()
    book.save(output)
    return output.getvalue()


def records(content: bytes, **bounds: int) -> list[tuple[int, dict[str, str]]]:
    table = read_records(content, COLUMNS, **{"max_rows": 100} | bounds)
    return [(record.row, dict(record.values)) for record in table.records]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-01-05", date(2026, 1, 5)),
        ("2026/1/5", date(2026, 1, 5)),
        ("2026.1.5", date(2026, 1, 5)),
        ("2026年1月5日", date(2026, 1, 5)),
        ("２０２６年１月５日", date(2026, 1, 5)),
        ("20260105", date(2026, 1, 5)),
        ("2026-01-05 00:00:00", date(2026, 1, 5)),
        ("46027", date(2026, 1, 5)),
        ("2028/2/29", date(2028, 2, 29)),
        ("2027/2/29", None),
        ("2026/13/1", None),
        ("20261301", None),
        ("26/1/5", None),
        ("5/1/2026", None),
        ("12345", None),
        ("2026", None),
        ("长期有效", None),
        ("2026-01-05 08:30:00", None),
        ("2026年1月", None),
        ("", None),
        ("9999-12-31", None),
    ],
)
def test_days_as_they_are_written(text: str, day: date | None) -> None:
    assert day_of(text) == day


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026年2月", date(2026, 2, 28)),
        ("2028.02", date(2028, 2, 29)),
        ("202612", date(2026, 12, 31)),
        # Typed into Excel, 2028.10 is kept as 2028.1.
        ("2028.1", None),
        ("2028.2", date(2028, 2, 29)),
        ("2028.11", date(2028, 11, 30)),
        ("2028.01", date(2028, 1, 31)),
        ("2028年1月", date(2028, 1, 31)),
        ("2026/13", None),
        ("202613", None),
        ("2026年2月3日", date(2026, 2, 3)),
    ],
)
def test_a_month_is_its_last_day_where_an_expiry_is_meant(text: str, day: date | None) -> None:
    assert day_of(text, month_end=True) == day


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("12", 12),
        ("１２", 12),
        ("1,200", 1200),
        ("1，200", 1200),
        ("12.0", 12),
        ("12把", 12),
        (" 12 把 ", 12),
        ("1000000", 1_000_000),
        ("1000001", "max"),
        ("0", "min"),
        ("-3", "min"),
        ("2.5", "not_whole"),
        ("12个", "not_whole"),
        ("十二", "not_whole"),
        ("1e3", "not_whole"),
        ("1_000", "not_whole"),
        ("12,00", "not_whole"),
        ("", "not_whole"),
        ("9" * 30, "not_whole"),
        ("٣", "not_whole"),
    ],
)
def test_counts_as_they_are_typed(text: str, count: int | str) -> None:
    found = count_of(text, maximum=1_000_000, unit="把")
    assert (found.code if isinstance(found, Fault) else found) == count


def test_titles_blank_rows_sums_and_signatures_are_no_records() -> None:
    content = workbook(
        ["河西社区志愿服务站物资登记表", None, None, None],
        ["填表日期：2026年11月25日"],
        [],
        ["序号", "品 名 *", "库存数量（件）", "批次"],
        [1, "雨伞", 12, None],
        [None, None, None, None],
        [2, " 碘\u200b伏\u200b ", "５", "A\nB"],
        [None, "合计", 17],
        ["制表人：王秀英", None, None, "审核人：李阿姨"],
        *([[None, " "]] * 50),
        merge="A1:D1",
    )
    assert records(content) == [
        (5, {"物品名称": "雨伞", "数量": "12", "批号": ""}),
        (7, {"物品名称": "碘伏", "数量": "５", "批号": "A B"}),
    ]
    table = read_records(content, COLUMNS, max_rows=9)
    assert (table.ignored_columns, table.ignored_rows, table.ignored_sheets) == (["序号"], [8, 9], [])


@pytest.mark.parametrize("name", ["审核用印章", "负责人胸牌", "制表尺", "合计器", "备注贴纸"])
def test_things_that_begin_like_a_signature_are_records(name: str) -> None:
    assert records(workbook(["品名", "数量"], [name, None], ["伞", 1])) == [
        (2, {"物品名称": name, "数量": ""}),
        (3, {"物品名称": "伞", "数量": "1"}),
    ]


@pytest.mark.parametrize(
    "text", ["合计", "小计（件）", "总计：17", "Total", "审核人", "负责人（签字）：", "填表日期：11月", "备注：无"]
)
def test_sums_and_signatures_are_left_out_and_told(text: str) -> None:
    table = read_records(workbook(["品名", "数量"], ["伞", 1], [text, None]), COLUMNS, max_rows=9)
    assert ([record.row for record in table.records], table.ignored_rows) == ([2], [3])


def test_two_columns_that_mean_the_same_are_refused() -> None:
    for header in (["品名", "数量", "库存数量"], ["品名", "库存数量", "出库", "数量（件）"], ["item", "品名", "数量"]):
        with pytest.raises(ColumnAmbiguous) as refused:
            records(workbook(["登记表"], header, ["伞", 5, 8, 7]))
        assert refused.value.members["column"] in ("数量", "物品名称")
    assert refused.value.members == {"column": "物品名称", "cells": ["A2", "B2"]}


def test_the_sheets_that_are_not_read_are_named() -> None:
    book = Workbook()
    hidden, store = book.worksheets[0], book.create_sheet("库房")
    hidden.title, hidden.sheet_state = "旧表", "hidden"
    for sheet, name in ((hidden, "旧伞"), (store, "伞"), (book.create_sheet("书屋"), "书")):
        sheet.append(["品名", "数量"])
        sheet.append([name, 1])
    book.create_sheet("Sheet3")
    output = BytesIO()
    book.save(output)
    table = read_records(output.getvalue(), COLUMNS, max_rows=9)
    assert [record.values["物品名称"] for record in table.records] == ["伞"]
    assert table.ignored_sheets == ["旧表", "书屋"]


def test_a_part_that_is_named_as_many_sheets_is_read_once() -> None:
    book = Workbook()
    for sheet in (book.worksheets[0], book.create_sheet("库房")):
        sheet.append(["品名", "数量"])
        sheet.append(["伞", 1])
    plain, output = BytesIO(), BytesIO()
    book.save(plain)
    with ZipFile(plain) as source, ZipFile(output, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "xl/workbook.xml":
                [second] = re.findall("<sheet [^>]*库房[^>]*/>".encode(), content)
                more = b"".join(
                    re.sub(rb'sheetId="2"', b'sheetId="%d"' % number, second).replace("库房".encode(), b"S%d" % number)
                    for number in range(3, 50)
                )
                content = content.replace(second, second + more)
            target.writestr(name, content)
    table = read_records(output.getvalue(), COLUMNS, max_rows=9)
    assert len(table.records) == 1
    assert len(table.ignored_sheets) == 1


def test_a_fault_names_its_cell() -> None:
    (record,) = read_records(
        workbook(["x"], ["a", "b", "数量", "品名"], [1, 2, "三", "伞"]), COLUMNS, max_rows=9
    ).records
    assert [record.error(name, "c", "d").cell for name in ("数量", "物品名称", "批号")] == ["C3", "D3", "A3"]


def test_a_missing_column_is_named() -> None:
    for rows, missing in (([["品名", "单位"], ["伞", "把"]], "数量"), ([["数量"]], "物品名称"), ([["x"]], "物品名称")):
        with pytest.raises(ColumnMissing) as refused:
            records(workbook(*rows))
        assert refused.value.values == {"column": missing}
    with pytest.raises(TableEmpty):
        records(workbook(["品名", "数量"], [None, None], ["合计"]))


def test_rows_are_bounded() -> None:
    rows = [["伞", 1]] * 11
    assert len(records(workbook(["品名", "数量"], *rows), max_rows=11)) == 11
    with pytest.raises(SpreadsheetTooLarge):
        records(workbook(["品名", "数量"], *rows), max_rows=10)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_csv_below_a_title(separator: str, encoding: str) -> None:
    text = f"河西社区，物资表\n品名{separator}数量\n雨伞{separator}12\n{separator}\n"
    assert records(text.encode(encoding)) == [(3, {"物品名称": "雨伞", "数量": "12"})]


def test_csv_as_excel_marks_it() -> None:
    assert records('sep=;\r\n品名;数量;批号\r\n伞;12;="007"\r\n'.encode()) == [
        (3, {"物品名称": "伞", "数量": "12", "批号": "007"})
    ]
    with pytest.raises(SpreadsheetHasFormula) as refused:
        read_table("品名,数量\n伞,=1+1\n".encode("gbk"), max_rows=9, max_columns=9)
    assert refused.value.values == {"cell": "B2"}


class TestOtherFormats:
    @pytest.mark.parametrize(
        "content",
        [
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 4096,
            b"<html><body><table><tr><td>x</td></tr></table>",
            b'\r\n<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>',
        ],
        ids=["xls", "html", "xml 2003"],
    )
    def test_say_how_to_save(self, content: bytes) -> None:
        with pytest.raises(SpreadsheetNotXlsx):
            records(content)

    def test_a_password_is_named(self) -> None:
        content = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600 + "EncryptedPackage".encode("utf-16-le")
        with pytest.raises(SpreadsheetLocked):
            records(content)

    def test_it_is_said_in_chinese(self, sqlite_app: Flask) -> None:
        with sqlite_app.test_request_context(headers={"Accept-Language": "zh-CN"}):
            assert "另存为" in SpreadsheetNotXlsx().sentence()
