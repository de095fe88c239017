"""Tables from strangers: messy ones are read, dangerous ones are refused before they are parsed."""

import zipfile
from datetime import date, datetime
from io import BytesIO
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from volunteer_api.core.problems import Problem
from volunteer_api.core.spreadsheets import (
    SpreadsheetHasFormula,
    SpreadsheetHasMacros,
    SpreadsheetTooLarge,
    SpreadsheetUnreadable,
    read_table,
    write_table,
)


def workbook(rows: list[list[Any]], merge: str | None = None) -> bytes:
    """An xlsx file with these rows."""
    book = Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(row)
    if merge is not None:
        sheet.merge_cells(merge)
    output = BytesIO()
    book.save(output)
    return output.getvalue()


def with_part(content: bytes, name: str, data: bytes, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The workbook with one part put in or replaced."""
    output = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as source, zipfile.ZipFile(output, "w", compression) as target:
        for part in source.infolist():
            if part.filename != name:
                target.writestr(part.filename, source.read(part))
        target.writestr(name, data)
    return output.getvalue()


def read(content: bytes, **bounds: int) -> list[tuple[int, list[str]]]:
    return read_table(content, **{"max_rows": 100, "max_columns": 10} | bounds).rows


def test_values_become_texts() -> None:
    content = workbook(
        [
            ["五一路街道志愿者名单", None, None],
            [],
            ["手机", "姓名", "日期"],
            [13800000001, " 王秀英\u3000", date(2026, 11, 23)],
            [13800000001.0, True, datetime.fromisoformat("2026-11-23 08:30")],
            ["138 0000 0001", 1.5, None],
            [None, None, None],
        ],
        merge="A1:C1",
    )
    assert read(content) == [
        (1, ["五一路街道志愿者名单"]),
        (3, ["手机", "姓名", "日期"]),
        (4, ["13800000001", "王秀英", "2026-11-23"]),
        (5, ["13800000001", "TRUE", "2026-11-23 08:30:00"]),
        (6, ["138 0000 0001", "1.5"]),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_of_any_office(encoding: str, separator: str) -> None:
    text = f'手机{separator}姓名\r\n13800000001{separator}"王{separator}秀\n英"\r\n{separator}\r\n'
    assert read(text.encode(encoding)) == [(1, ["手机", "姓名"]), (2, ["13800000001", f"王{separator}秀\n英"])]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 512,
        b"PK\x03\x04 broken",
        b"a,b\x00c",
        b"\xff\xff\xff\x80",
        b'"' + b"a" * 200_000,
        workbook([["a"]])[:-200],
    ],
    ids=["empty", "xls", "broken zip", "nul", "no encoding", "endless field", "cut"],
)
def test_what_is_no_table(content: bytes) -> None:
    if content == b"":
        assert read(content) == []
        return
    with pytest.raises(SpreadsheetUnreadable):
        read(content)


def test_a_zip_of_something_else_is_no_workbook() -> None:
    output = BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(SpreadsheetUnreadable):
        read(output.getvalue())


def test_a_formula_is_named() -> None:
    with pytest.raises(SpreadsheetHasFormula) as refused:
        read(workbook([["手机"], ["1"], ['="138"&"00000001"']]))
    assert refused.value.values == {"cell": "A3"}


def test_macros_are_refused() -> None:
    with pytest.raises(SpreadsheetHasMacros):
        read(with_part(workbook([["手机"]]), "xl/vbaProject.bin", b"x"))


class TestBombs:
    def refuse(self, content: bytes, problem: type[Problem], monkeypatch: pytest.MonkeyPatch) -> None:
        """The file is refused before openpyxl sees it."""

        parsed = []

        def parse(*_arguments: Any, **_options: Any) -> Any:
            # Raised alone it would be taken for one more broken file.
            parsed.append(content)
            raise AssertionError("it was parsed")

        monkeypatch.setattr("openpyxl.load_workbook", parse)
        with pytest.raises(problem):
            read(content)
        assert parsed == []

    def test_much_from_little(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bomb = with_part(workbook([["手机"]]), "xl/worksheets/sheet1.xml", b" " * (8 * 1024 * 1024))
        assert len(bomb) < 50_000
        self.refuse(bomb, SpreadsheetTooLarge, monkeypatch)

    def test_too_much_at_any_ratio(self, monkeypatch: pytest.MonkeyPatch) -> None:
        stored = with_part(workbook([["手机"]]), "xl/media/a.bin", b"x" * (21 * 1024 * 1024), zipfile.ZIP_STORED)
        self.refuse(stored, SpreadsheetTooLarge, monkeypatch)

    def test_too_many_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        output = BytesIO(workbook([["手机"]]))
        with zipfile.ZipFile(output, "a") as archive:
            for number in range(600):
                archive.writestr(f"xl/media/{number}", "x")
        self.refuse(output.getvalue(), SpreadsheetTooLarge, monkeypatch)

    def test_a_false_size_is_no_way_around(self) -> None:
        """The directory says ten bytes, the part unpacks to megabytes."""
        bomb = bytearray(with_part(workbook([["手机"]]), "xl/worksheets/sheet1.xml", b" " * (8 * 1024 * 1024)))
        size = (8 * 1024 * 1024).to_bytes(4, "little")
        assert bomb.count(size) >= 1
        with pytest.raises((SpreadsheetUnreadable, SpreadsheetTooLarge)):
            read(bytes(bomb.replace(size, (10).to_bytes(4, "little"))))

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
    @pytest.mark.parametrize(
        "part",
        [
            "xl/worksheets/sheet1.xml",
            "xl/sharedStrings.xml",
            "xl/_rels/workbook.xml.rels",
            # A workbook may say that its sheet is called so.
            "xl/worksheets/sheet1",
            "xl/media/image1.png",
        ],
    )
    def test_entities(self, part: str, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
        laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
        text = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "lol">{laughs}]><x>&a9;</x>'
        self.refuse(with_part(workbook([["手机"]]), part, text.encode(encoding)), SpreadsheetUnreadable, monkeypatch)

    def test_outer_entities(self, monkeypatch: pytest.MonkeyPatch) -> None:
        text = b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x>&f;</x>'
        self.refuse(with_part(workbook([["手机"]]), "xl/styles.xml", text), SpreadsheetUnreadable, monkeypatch)


class TestBounds:
    def test_rows(self) -> None:
        assert len(read(workbook([["1"]] * 100))) == 100
        with pytest.raises(SpreadsheetTooLarge):
            read(workbook([["1"]] * 101))
        with pytest.raises(SpreadsheetTooLarge):
            read(b"1\n" * 101)

    def test_columns(self) -> None:
        assert read(workbook([["1"] * 10]))
        for content in (workbook([["1"] * 11]), b"1," * 10 + b"1"):
            with pytest.raises(SpreadsheetTooLarge):
                read(content)

    def test_blank_rows_are_none(self) -> None:
        rows: list[list[Any]] = [["手机"], *([[None]] * 900), ["1"], *([[" "]] * 2000)]
        assert [number for number, _ in read(workbook(rows))] == [1, 902]

    def test_a_far_row_takes_no_time(self) -> None:
        sheet = (
            '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
            '<dimension ref="A1:XFD1048576"/>'
            '<sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>x</t></is></c></row>'
            '<row r="999999999"><c r="A999999999"><v>1</v></c></row></sheetData></worksheet>'
        )
        assert read(with_part(workbook([["手机"]]), "xl/worksheets/sheet1.xml", sheet.encode())) == [(1, ["x"])]


class TestWrite:
    def test_cells_are_inert(self) -> None:
        texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", '=HYPERLINK("http://x")', "王\x07秀英"]
        content = write_table(["姓名", "备注"], [[text, None] for text in texts], "名单")
        sheet = load_workbook(BytesIO(content)).worksheets[0]
        assert [cell.data_type for cell in sheet["A"]] == ["s"] * 8
        assert [cell.value for cell in sheet["A"]] == ["姓名", *texts[:-1], "王秀英"]
        assert [bool(cell.quotePrefix) for cell in sheet["A"]] == [False, *[True] * 6, False]
        assert b"<f>" not in zipfile.ZipFile(BytesIO(content)).read("xl/worksheets/sheet1.xml")

    def test_header_is_frozen(self) -> None:
        sheet = load_workbook(BytesIO(write_table(["姓名"], [["王秀英"], ["李阿姨"]], "很长的名字" * 20))).worksheets[0]
        assert sheet.freeze_panes == "A2"
        assert sheet["A1"].font.bold
        assert not sheet["A2"].font.bold
        assert len(sheet.title) == 31

    def test_what_is_written_can_be_read(self) -> None:
        assert read(write_table(["a", "b"], [["x", 3], [None, 2.5]], "t")) == [
            (1, ["a", "b"]),
            (2, ["x", "3"]),
            (3, ["", "2.5"]),
        ]
