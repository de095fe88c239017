"""Workbooks to print and file: titles, a frozen header repeated on each page, real numbers and days, inert texts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from io import BytesIO
from typing import Any

from volunteer_api.core.spreadsheets import FORMULA_STARTS

Value = str | int | date | None
# A4, in openpyxl's and Excel's counting.
A4 = "9"


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
    styles = import_module("openpyxl.styles")
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
    target.print_options.gridLines = True
    target.oddFooter.center.text = "第 &P 页 共 &N 页"
    for place, column in enumerate(sheet.columns, start=1):
        letter = import_module("openpyxl.utils").get_column_letter(place)
        target.column_dimensions[letter].width = column.width
    bold, large = styles.Font(bold=True), styles.Font(bold=True, size=16)
    middle = styles.Alignment(horizontal="center", vertical="center", wrap_text=True)
    # Centered over the columns without merging them: merged cells can be neither sorted nor filtered.
    across = styles.Alignment(horizontal="centerContinuous")
    cells = _Cells(target)
    blank = len(sheet.columns) - 1
    for number, title in enumerate(sheet.titles):
        if number == 0:
            target.append(
                [cells.text(title, font=large, alignment=across)] + [cells.text("", alignment=across)] * blank
            )
        else:
            target.append([cells.text(title)])
    target.append([cells.text(column.header, font=bold, alignment=middle) for column in sheet.columns])
    for row in sheet.rows:
        target.append(list(cells.row(row)))
    for line in ("", *sheet.closing):
        target.append([cells.text(line)])


class _Cells:
    """Makes the cells of one sheet; a plain value needs none of its own, which is six times as fast."""

    def __init__(self, target: Any) -> None:
        module = import_module("openpyxl.cell")
        self._target, self._make = target, module.WriteOnlyCell
        self._illegal = import_module("openpyxl.cell.cell").ILLEGAL_CHARACTERS_RE

    def text(self, text: str, **style: Any) -> Any:
        """An inert text. The same as a typed apostrophe: it stays a text when somebody edits or copies the cell."""
        clean = self._illegal.sub("", text)
        cell = self._make(self._target, value=None)
        cell.value = clean
        cell.data_type = "s"
        cell.quotePrefix = clean.startswith(FORMULA_STARTS)
        for name, value in style.items():
            setattr(cell, name, value)
        return cell

    def row(self, values: Sequence[Value]) -> Iterator[Any]:
        for value in values:
            if not isinstance(value, str):
                yield value
            elif value.startswith(FORMULA_STARTS):
                yield self.text(value)
            else:
                yield self._illegal.sub("", value)
