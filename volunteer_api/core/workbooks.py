"""Workbooks to print and file: titles, a frozen header repeated on each page, real numbers and days, inert texts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from io import BytesIO
from typing import Any

from volunteer_api.core.spreadsheets import FORMULA_STARTS

Value = str | int | float | date | None
# A4, in openpyxl's and Excel's counting.
A4 = "9"
# Write-only sheets are not measured: the title's letters are larger, a header may have two lines.
TITLE_POINTS, HEADER_POINTS, LINE_POINTS = 26, 32, 15
# Chinese characters and their punctuation.
WIDE_FROM = 0x2E80


@dataclass(frozen=True)
class Column:
    """A column's header, and its width in characters (a Chinese one counts two)."""

    header: str
    width: int


@dataclass(frozen=True)
class Sheet:
    """A sheet of a workbook: `titles` (the first is large) above the header, `closing` below the rows."""

    name: str
    titles: Sequence[str]
    columns: Sequence[Column]
    rows: Iterable[Sequence[Value]]
    closing: Sequence[str] = ()


def write_workbook(sheets: Sequence[Sheet]) -> bytes:
    """An xlsx workbook, written row by row: of its rows, only the packed bytes stay in memory.

    A text that a program could take for a formula stays a text, also where somebody copies its cell.
    """
    library = import_module("openpyxl")
    workbook = library.Workbook(write_only=True)
    for sheet in sheets:
        _write(workbook.create_sheet(sheet.name[:31]), sheet)
    output = BytesIO()
    workbook.save(output)
    return output.getvalue()


def _write(target: Any, sheet: Sheet) -> None:
    header_row = len(sheet.titles) + 1
    # Before the first row: a sheet is written from its top.
    target.freeze_panes = f"A{header_row + 1}"
    target.print_title_rows = f"1:{header_row}"
    target.page_setup.orientation = "landscape"
    target.page_setup.paperSize = A4
    target.page_setup.fitToWidth, target.page_setup.fitToHeight = 1, 0
    target.sheet_properties.pageSetUpPr = import_module("openpyxl.worksheet.properties").PageSetupProperties(
        fitToPage=True
    )
    target.print_options.horizontalCentered = True
    target.oddFooter.center.text = "第 &P 页 共 &N 页"
    for place, column in enumerate(sheet.columns, start=1):
        letter = import_module("openpyxl.utils").get_column_letter(place)
        target.column_dimensions[letter].width = column.width
    for row, height in ((1, TITLE_POINTS), (header_row, HEADER_POINTS)):
        target.row_dimensions[row].height = height
    cells = _Cells(target)
    for number, title in enumerate(sheet.titles):
        kind = "title" if number == 0 else "line"
        target.append([cells.styled(title, kind), *(cells.styled("", kind) for _ in sheet.columns[1:])])
    target.append([cells.styled(column.header, "header") for column in sheet.columns])
    widths = [column.width for column in sheet.columns]
    for row, values in enumerate(sheet.rows, start=header_row + 1):
        lines = max(map(_lines, values, widths))
        if lines > 1:
            target.row_dimensions[row].height = lines * LINE_POINTS
        target.append([cells.of(value) for value in values])
    for line in ("", *sheet.closing):
        target.append([cells.styled(line, "line")])


def _lines(value: Value, width: int) -> int:
    """How many lines a text takes in its column: not every program measures a row when it opens the file."""
    if not isinstance(value, str) or 2 * len(value) < width:
        return 1
    letters = sum(2 if ord(character) >= WIDE_FROM else 1 for character in value)
    # One letter's room is lost to the cell's edges.
    return -(-letters // (width - 1))


class _Cells:
    """Makes the cells of one sheet. Each kind's style is made once: openpyxl looks every style up that it is given."""

    def __init__(self, target: Any) -> None:
        styles = import_module("openpyxl.styles")
        self._target, self._make = target, import_module("openpyxl.cell").WriteOnlyCell
        self._illegal = import_module("openpyxl.cell.cell").ILLEGAL_CHARACTERS_RE
        thin = styles.Side(style="thin", color="00808080")
        box = styles.Border(left=thin, right=thin, top=thin, bottom=thin)
        bold, shade = styles.Font(bold=True), styles.PatternFill("solid", fgColor="00EBEBEB")
        align = styles.Alignment
        middle = align(horizontal="center", vertical="center", wrap_text=True)
        self._styles = {
            # Centered over the columns without merging them: merged cells can be neither sorted nor filtered.
            "title": self._style(
                font=styles.Font(bold=True, size=16), alignment=align(horizontal="centerContinuous", vertical="center")
            ),
            "line": self._style(),
            "header": self._style(font=bold, fill=shade, border=box, alignment=middle),
            "text": self._style(border=box, alignment=align(vertical="center", wrap_text=True)),
            "inert": self._style(border=box, alignment=align(vertical="center", wrap_text=True), quotePrefix=True),
            "number": self._style(border=box, alignment=align(vertical="center")),
            "day": self._style(
                border=box, alignment=align(horizontal="center", vertical="center"), number_format="yyyy-mm-dd"
            ),
        }

    def styled(self, text: str, kind: str) -> Any:
        """An inert text, whatever it begins with."""
        cell = self._make(self._target)
        if text:
            cell.value = self._illegal.sub("", text)
            cell.data_type = "s"
        cell._style = self._styles[kind]
        return cell

    def of(self, value: Value) -> Any:
        """The cell of a value: a real number or day, or a text that stays one when somebody edits or copies it."""
        if isinstance(value, str):
            return self.styled(value, "inert" if value.startswith(FORMULA_STARTS) else "text")
        cell = self._make(self._target, value=value)
        cell._style = self._styles["day" if isinstance(value, date) else "number"]
        return cell

    def _style(self, **members: Any) -> Any:
        cell = self._make(self._target)
        for name, member in members.items():
            setattr(cell, name, member)
        return cell._style
