"""Tables that people send and fetch: xlsx and csv in, bounded before anything is parsed; xlsx out, with inert cells."""

import csv
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from importlib import import_module
from io import BytesIO, StringIO
from typing import Any

from volunteer_api.core.problems import Problem

MAX_UNPACKED_BYTES = 20 * 1024 * 1024
# Real sheets, blank styled rows included, pack to a fiftieth at best; a bomb to a thousandth.
MAX_RATIO = 100
MAX_PARTS = 500
# Excel keeps styled blank rows below the data, up to the millionth; nobody's data goes on under so many.
BLANK_ROWS = 1000
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
MACROS = "vbaproject.bin"
# In every encoding that expat knows, which are UTF-16 and those that write ASCII as ASCII.
DECLARATIONS = tuple(
    word.encode(encoding) for word in ("<!DOCTYPE", "<!ENTITY") for encoding in ("ascii", "utf-16-le", "utf-16-be")
)
# An older Excel's own format, WPS's, and a file behind a password.
COMPOUND_FILE = b"\xd0\xcf\x11\xe0"
PASSWORD_STREAM = "EncryptedPackage".encode("utf-16-le")
# What many an office's website calls .xls is a web page, or Excel's XML of 2003.
WEB_PAGE = re.compile(rb"\s*<(\?xml|!doctype|html|table|meta|workbook)\b", re.IGNORECASE)
# How Excel is told which separator a csv has, and how it is kept from taking a phone for a number.
SEPARATOR_LINE = re.compile(r"sep=([,;\t])\r?\n?")
QUOTED_FORMULA = re.compile(r'="([^"]*)"')
SEPARATORS = ",\t;"
MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]{1,3}[0-9]{1,7}:[A-Z]{1,3}[0-9]{1,7})"')
# A title or two stand above the header, and have no separators.
LINES_JUDGED = 20

Row = list[str]


@dataclass(frozen=True)
class ReadTable:
    """The rows that are not blank, each with its number (the first is 1) and the trimmed text of its cells.

    `ignored_sheets` are the names of the workbook's other sheets that have something in them, `merged` the cells
    that are one over several, like A5:B6.
    """

    rows: list[tuple[int, Row]]
    ignored_sheets: list[str]
    merged: list[str]


class SpreadsheetUnreadable(Problem):
    status = 422
    title = "This is neither an xlsx workbook nor a csv table."


class SpreadsheetNotXlsx(SpreadsheetUnreadable):
    """An .xls, .et or .ods, or a web page that is named like one."""

    title = "This workbook has another format; open it and save it as xlsx."


class SpreadsheetLocked(SpreadsheetUnreadable):
    title = "This workbook has a password; save it without one."


class SpreadsheetTooLarge(Problem):
    status = 422
    title = "The table is larger than can be taken in."
    detail = "The table has more than %(rows)s rows or %(columns)s columns, or unpacks to more than is taken in."


class SpreadsheetHasMacros(Problem):
    status = 422
    title = "The workbook has macros; save it without them."


class SpreadsheetHasFormula(Problem):
    status = 422
    title = "The table has a formula where a value is expected."
    detail = "Cell %(cell)s has a formula; paste its value instead."


def read_table(content: bytes, *, max_rows: int, max_columns: int) -> ReadTable:
    """The table of a file.

    Of an xlsx workbook the first sheet that is shown; of a csv file the separator is found out, and the encoding is
    UTF-8, UTF-16 or GBK. A number without a fraction loses its ".0", a day becomes YYYY-MM-DD. Blank cells at the end
    are left out.

    Raises SpreadsheetUnreadable, SpreadsheetNotXlsx, SpreadsheetLocked, SpreadsheetTooLarge, SpreadsheetHasMacros,
    SpreadsheetHasFormula (all 422).
    """
    if content.startswith(b"PK\x03\x04"):
        lines, ignored_sheets, merged = _read_workbook(content, max_rows, max_columns)
    else:
        lines, ignored_sheets, merged = _csv_rows(content), [], []
    rows: list[tuple[int, Row]] = []
    blank = 0
    for number, cells in lines:
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            blank += 1
            if blank > BLANK_ROWS:
                break
            continue
        blank = 0
        if len(rows) == max_rows or len(cells) > max_columns:
            raise SpreadsheetTooLarge(rows=max_rows, columns=max_columns)
        rows.append((number, cells))
    return ReadTable(rows, ignored_sheets, merged)


def write_table(headers: Sequence[str], rows: Iterable[Sequence[str | int | float | None]], title: str) -> bytes:
    """An xlsx workbook of one sheet: a frozen header, and texts that no program takes for formulas."""
    library = _library()
    illegal, font = import_module("openpyxl.cell.cell").ILLEGAL_CHARACTERS_RE, library.styles.Font
    workbook = library.Workbook()
    sheet = workbook.worksheets[0]
    sheet.title = title[:31]
    widths = [len(header) for header in headers]
    for line, row in enumerate([headers, *rows], start=1):
        for column, value in enumerate(row, start=1):
            cell = sheet.cell(line, column)
            if isinstance(value, str):
                text = illegal.sub("", value)
                cell.value = text
                cell.data_type = "s"
                # The same as a typed apostrophe: it stays a text when somebody edits or copies the cell.
                cell.quotePrefix = text.startswith(FORMULA_STARTS)
                widths[column - 1] = max(widths[column - 1], len(text))
            else:
                cell.value = value
            if line == 1:
                cell.font = font(bold=True)
    for column, width in enumerate(widths, start=1):
        # A Chinese character is about two wide.
        sheet.column_dimensions[library.utils.get_column_letter(column)].width = min(60, 2 * width + 4)
    sheet.freeze_panes = "A2"
    output = BytesIO()
    workbook.save(output)
    return output.getvalue()


def write_csv(headers: Sequence[str], rows: Iterable[Sequence[str | int | float | date | None]]) -> bytes:
    """A csv table in UTF-8 with its mark, as Excel reads it, and with texts that no program takes for formulas."""
    output = StringIO()
    writer = csv.writer(output)
    for row in [headers, *rows]:
        writer.writerow([_inert(value) if isinstance(value, str) else value for value in row])
    return output.getvalue().encode("utf-8-sig")


def _inert(text: str) -> str:
    # Csv has no types: an apostrophe is what keeps a text a text.
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _library() -> Any:
    # It takes a quarter of a second to load, and few requests have a workbook: not at every start.
    return import_module("openpyxl")


def cell_name(row: int, column: int) -> str:
    """What Excel calls a cell; both count from 1."""
    letters = ""
    while column > 0:
        column, place = divmod(column - 1, 26)
        letters = chr(ord("A") + place) + letters
    return f"{letters}{row}"


def _read_workbook(
    content: bytes, max_rows: int, max_columns: int
) -> tuple[Iterator[tuple[int, Row]], list[str], list[str]]:
    """The rows of the first sheet that is shown, the names of the others that have something, and its merged cells."""
    _require_harmless(content, max_rows, max_columns)
    with _as_unreadable():
        sheets = _library().load_workbook(BytesIO(content), read_only=True, keep_links=False).worksheets
        for sheet in sheets:
            # What the file says of its own size may be a lie: a row would be filled up to the last column.
            sheet.reset_dimensions()
        chosen = next((sheet for sheet in sheets if sheet.sheet_state == "visible"), sheets[0])
        # A file may name one part as any number of sheets: each part is read once.
        others = {sheet._worksheet_path: sheet for sheet in sheets if sheet._worksheet_path != chosen._worksheet_path}
        ignored = [sheet.title for sheet in others.values() if _has_values(sheet, max_columns)]
        return _sheet_rows(chosen, max_columns), ignored, _merged(content, chosen._worksheet_path)


def _sheet_rows(sheet: Any, max_columns: int) -> Iterator[tuple[int, Row]]:
    with _as_unreadable():
        for number, cells in enumerate(sheet.iter_rows(max_col=max_columns + 1), start=1):
            yield number, [_text_of(cell, number, column) for column, cell in enumerate(cells, start=1)]


def _merged(content: bytes, path: str) -> list[str]:
    """The merged cells of a sheet, like A5:A6. A sheet that is read row by row does not tell them."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return [found.decode() for found in MERGED.findall(archive.read(path))]


def _has_values(sheet: Any, max_columns: int) -> bool:
    rows = sheet.iter_rows(max_row=BLANK_ROWS, max_col=max_columns, values_only=True)
    return any(value is not None for row in rows for value in row)


@contextmanager
def _as_unreadable() -> Iterator[None]:
    try:
        yield
    except Problem:
        raise
    except Exception as error:  # openpyxl fails of a broken file in every way that there is
        raise SpreadsheetUnreadable() from error


def _require_harmless(content: bytes, max_rows: int, max_columns: int) -> None:
    """Judge the parts of the zip before any is parsed: how much they unpack to, and what XML may not have here."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            parts = archive.infolist()
            # zipfile never gives more of a part than its entry says, so that a false size is no way around.
            unpacked = sum(part.file_size for part in parts)
            packed = max(1, sum(part.compress_size for part in parts))
            if len(parts) > MAX_PARTS or unpacked > MAX_UNPACKED_BYTES or unpacked / packed > MAX_RATIO:
                raise SpreadsheetTooLarge(rows=max_rows, columns=max_columns)
            if not any(part.filename.startswith("xl/") for part in parts):
                raise SpreadsheetNotXlsx()
            for part in parts:
                if part.filename.lower().endswith(MACROS):
                    raise SpreadsheetHasMacros()
                # The parser beneath openpyxl expands entities. Any part may be named as a sheet, whatever it is called.
                text = archive.read(part)
                is_markup = part.filename.lower().endswith((".xml", ".rels"))
                if any(word in text for word in DECLARATIONS) or (is_markup and b"\x00" in text):
                    raise SpreadsheetUnreadable()
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise SpreadsheetUnreadable() from error


def _text_of(cell: Any, row: int, column: int) -> str:
    value = cell.value
    if cell.data_type == "f":
        raise SpreadsheetHasFormula(cell=cell_name(row, column))
    match value:
        case None:
            return ""
        case bool():
            return "TRUE" if value else "FALSE"
        case float() if value.is_integer():
            return str(int(value))
        case datetime() if (value.hour, value.minute, value.second) == (0, 0, 0):
            return value.date().isoformat()
        case datetime():
            return value.isoformat(sep=" ", timespec="seconds")
        case date():
            return value.isoformat()
    return _clean(str(value))


def _csv_rows(content: bytes) -> Iterator[tuple[int, Row]]:
    text = _decode(content)
    told = SEPARATOR_LINE.match(text)
    separator = told[1] if told is not None else _separator(text)
    try:
        for number, row in enumerate(csv.reader(StringIO(text, newline=""), delimiter=separator), start=1):
            if told is None or number > 1:
                yield number, [_csv_cell(cell, number, column) for column, cell in enumerate(row, start=1)]
    except csv.Error as error:
        raise SpreadsheetUnreadable() from error


def _separator(text: str) -> str:
    """The separator that most of the first lines have; of equals, the one that they have most often."""
    lines = text.split("\n", LINES_JUDGED)[:LINES_JUDGED]
    return max(SEPARATORS, key=lambda one: (sum(one in line for line in lines), sum(line.count(one) for line in lines)))


def _csv_cell(text: str, row: int, column: int) -> str:
    value = _clean(text)
    if not value.startswith("="):
        return value
    quoted = QUOTED_FORMULA.fullmatch(value)
    if quoted is None:
        raise SpreadsheetHasFormula(cell=cell_name(row, column))
    return _clean(quoted[1])


def _decode(content: bytes) -> str:
    if content.startswith(COMPOUND_FILE):
        raise SpreadsheetLocked() if PASSWORD_STREAM in content else SpreadsheetNotXlsx()
    if WEB_PAGE.match(content):
        raise SpreadsheetNotXlsx()
    # What Excel calls "Unicode text" is UTF-16 with its mark; its "CSV" on a Chinese Windows is GBK.
    is_utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if is_utf16 else ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        return text
    raise SpreadsheetUnreadable()


def _clean(text: str) -> str:
    """Without the spaces around it, the full-width and the invisible ones included."""
    return text.strip().strip("\ufeff\u200b\u200e\u200f\u202a\u202c").strip()
