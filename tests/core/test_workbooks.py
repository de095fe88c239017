"""Workbooks to print: texts are inert, numbers are real, and rows are as high as needed."""

from datetime import date, datetime
from io import BytesIO
from zipfile import ZipFile

from openpyxl import load_workbook

from volunteer_api.core.workbooks import Column, Sheet, write_workbook

DANGEROUS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", '=HYPERLINK("http://x")']


def written(*rows: list[object], closing: tuple[str, ...] = ()) -> bytes:
    columns = [Column("名称", 10), Column("数量", 8), Column("日期", 12)]
    return write_workbook([Sheet("台账", ("=标题", "+第二行"), columns, rows, closing)])  # type: ignore[arg-type]


def test_texts_are_inert_wherever_they_stand() -> None:
    content = written(*[[text, None, None] for text in DANGEROUS], closing=("=签字",))
    sheet = load_workbook(BytesIO(content)).worksheets[0]
    assert all(cell.data_type in ("s", "n") for row in sheet.iter_rows() for cell in row)
    assert [sheet.cell(row, 1).value for row in range(4, 10)] == [*DANGEROUS[:4], "\tx", DANGEROUS[5]]
    assert all(sheet.cell(row, 1).quotePrefix for row in range(4, 10))
    assert b"<f>" not in ZipFile(BytesIO(content)).read("xl/worksheets/sheet1.xml")


def test_numbers_and_days_are_real() -> None:
    sheet = load_workbook(BytesIO(written(["伞", -3, date(2026, 11, 5)]))).worksheets[0]
    assert (sheet["B4"].value, sheet["B4"].data_type) == (-3, "n")
    assert (sheet["C4"].value, sheet["C4"].number_format) == (datetime.fromisoformat("2026-11-05"), "yyyy-mm-dd")


def test_a_row_is_as_high_as_its_longest_text() -> None:
    sheet = load_workbook(BytesIO(written(["伞", 1, None], ["长" * 20, 1, None], ["a" * 9, 1, None]))).worksheets[0]
    assert [sheet.row_dimensions[row].height for row in (4, 5, 6)] == [None, 75, None]


def test_it_is_set_up_for_paper() -> None:
    sheet = load_workbook(BytesIO(written(["王\x07秀英", 1, None]))).worksheets[0]
    assert sheet["A4"].value == "王秀英"
    assert (sheet.freeze_panes, sheet.print_title_rows) == ("A4", "$1:$3")
    assert (sheet.page_setup.orientation, sheet.page_setup.paperSize, sheet.page_setup.fitToHeight) == (
        "landscape",
        9,
        0,
    )
    assert sheet.column_dimensions["C"].width == 12
    assert sheet["A3"].font.bold
    assert not sheet.merged_cells.ranges
