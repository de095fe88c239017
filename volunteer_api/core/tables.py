"""Tables that people keep for themselves, read as records: titles above the header, columns by many names, dates and
numbers as they are typed, and every fault named by its cell."""

import calendar
import re
import threading
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from typing import Any

from marshmallow import ValidationError, fields

from volunteer_api.core import workbooks
from volunteer_api.core.access import Principal
from volunteer_api.core.bodies import Upload
from volunteer_api.core.codes import folded
from volunteer_api.core.limits import check_limit
from volunteer_api.core.problems import MAX_ERRORS, Problem
from volunteer_api.core.schema import UNPRINTABLE, Count, Fault, Flag, Phone, Schema, Text
from volunteer_api.core.spreadsheets import Row, SpreadsheetTooLarge, cell_name, read_table
from volunteer_api.core.turns import in_turn

# Of one person, dry runs included; each costs up to seconds.
LIMIT = "60/10 minutes"
# Parsing holds the interpreter: one at a time in a process.
READERS = threading.BoundedSemaphore(1)
PATIENCE_SECONDS = 3.0
MAX_COLUMNS = 50
TEMPLATE_WIDTH = 18
# Titles and notes stand above the header at most so far.
HEADER_WITHIN = 10
REMARK = re.compile(r"[(（\[【].*?[)）\]】]")
# A sum, and the line for signatures or a remark, folded: the word alone, or with what it says behind a colon.
# 负责人胸牌 is a thing to be counted.
SUM = r"(合计|总计|小计|共计|total)(\(.*\))?"
SIGNATURE = r"(制表|填表|审核|经手|经办|负责)(人|日期|时间|单位)?(\(?(签字|签名|签章)\)?)?"
CLOSING_LINE = re.compile(rf"(?P<sum>{SUM}(:.*)?)|{SIGNATURE}(:.*)?|(备注|说明|注):.*")
DAY_FORMS = (
    re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?: 0{1,2}:00(?::00)?)?"),
    re.compile(r"(\d{4})(\d{2})(\d{2})"),
)
TIME_FORM = re.compile(r"(\d{1,2})(?::(\d{2})(?::\d{2})?|[点时](?:(\d{1,2})分?)?)", re.ASCII)
# What Excel keeps of a typed 2028.10, and of a 2028.1: January or October.
TENTH = re.compile(r"\d{4}\.1")
MONTH_FORMS = (re.compile(r"(\d{4})[-/.年](\d{1,2})月?"), re.compile(r"(\d{4})(\d{2})"))
# A day in a column that is formatted as a number: days since 1899-12-30, here from 2000 to 2099.
SEPARATORS = re.compile(r"[\s\u00a0()\-‐-―.]")
COUNTRY_FIRST = re.compile(r"(?:00)?86(1\d{10})", re.ASCII)
CELL = re.compile(r"([A-Z]+)([0-9]+)", re.ASCII)
# As many cells as a sentence names.
MOST_NAMED = 5
SERIAL = re.compile(r"\d{5}")
SERIAL_BEGIN = date(1899, 12, 30)
SERIALS = range(36526, 73051)
WHOLE = re.compile(r"-?(\d{1,3}(,\d{3})+|\d{1,18})(\.0+)?", re.ASCII)


class ColumnMissing(Problem):
    status = 422
    title = "The table lacks a column."
    detail = "The table has no column %(column)s."


class ColumnAmbiguous(Problem):
    """Which of them is meant nobody guesses: opening, received and present quantity are three things."""

    status = 422
    title = "Two columns of the table mean the same."
    detail = "Cells %(cells)s all mean %(column)s; leave one of them in the header."


class TableRefused(Problem):
    """Some rows are bad, so nothing was taken in: `errors` names the first hundred, `error_count` has them all."""

    status = 422
    title = "Some rows are not valid; nothing was taken in."
    detail = "%(count)s cells are not valid; nothing was taken in."


class CellsMerged(Problem):
    """`cells` in the body are those that are merged over several rows, like A5:A6: only the first row has the text."""

    status = 422
    title = "Cells of several rows are merged; split them, and fill in each row."
    detail = "The cells %(cells)s are merged over several rows; split them, and fill in each row."


class TableEmpty(Problem):
    status = 422
    title = "The table has no rows below its header."


@dataclass(frozen=True)
class Column:
    """A column: its one name, and what else people write over it."""

    name: str
    words: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True)
class CellError:
    """One fault of a table. `row` and `cell` are those of the file, as Excel names them: the first row is 1."""

    row: int
    cell: str
    column: str
    code: str
    detail: str


class CellErrorRead(Schema):
    """One fault of a table."""

    row = Count(required=True, metadata={"description": "As the file counts; the first row is 1."})
    cell = Text(required=True, metadata={"description": "As Excel names it, like C7."})
    column = Text(required=True)
    code = Text(required=True)
    detail = Text(required=True)


@dataclass(frozen=True)
class Record:
    """One row below the header: its number, and the text of each known column; "" where the cell is blank."""

    row: int
    values: Mapping[str, str]
    places: Mapping[str, int]

    def error(self, column: str, code: str, detail: str) -> CellError:
        """A fault in a column of this row; where the table lacks the column, of the row's first cell."""
        return CellError(self.row, cell_name(self.row, self.places.get(column, 0) + 1), column, code, detail)

    def fault(self, column: str, found: Fault) -> CellError:
        """The same of a fault with its code and sentence."""
        return self.error(column, found.code, found.sentence())


@dataclass(kw_only=True)
class Outcome:
    """What any table led to, or would lead to; a feature adds what it made of the rows."""

    dry_run: bool
    rows: int
    ignored_columns: Sequence[str]
    ignored_rows: Sequence[int]
    ignored_sheets: Sequence[str]
    errors: Sequence[CellError]
    error_count: int


class OutcomeRead(Schema):
    """What a table led to, or would lead to.

    Nothing was made of `ignored_columns`, of `ignored_rows` (sums, signatures and remarks; the first hundred) and of
    `ignored_sheets`, the workbook's others that have something in them.
    """

    dry_run = Flag(required=True)
    rows = Count(required=True)
    ignored_columns = fields.List(fields.String(), required=True)
    ignored_rows = fields.List(
        Count(), required=True, metadata={"description": "As the file counts; the first row is 1."}
    )
    ignored_sheets = fields.List(fields.String(), required=True)
    errors = fields.List(fields.Nested(CellErrorRead), required=True)
    error_count = Count(required=True)


@dataclass
class Table:
    """What was read: the records, and the headers, rows and sheets that nothing was made of."""

    records: list[Record] = field(default_factory=list)
    ignored_columns: list[str] = field(default_factory=list)
    ignored_rows: list[int] = field(default_factory=list)
    ignored_sheets: list[str] = field(default_factory=list)


def receive(principal: Principal, upload: Upload, columns: Sequence[Column], *, max_rows: int) -> Table:
    """`read_records` of an upload, for a route's `prepare`: before the unit, in turn, and not too often.

    Raises TooManyRequests (429), Busy (503), and what `read_records` raises.
    """
    check_limit(LIMIT, "table imports", str(principal.volunteer_id))
    with in_turn(READERS, PATIENCE_SECONDS):
        return read_records(upload.content, columns, max_rows=max_rows)


def read_records(content: bytes, columns: Sequence[Column], *, max_rows: int) -> Table:
    """The records of an uploaded table. Sums and signatures below them are left out.

    Raises ColumnMissing, ColumnAmbiguous, TableEmpty, CellsMerged, and what `read_table` raises (422).
    """
    read = read_table(content, max_rows=max_rows + HEADER_WITHIN, max_columns=MAX_COLUMNS)
    rows = read.rows
    header, places = _header(rows, columns)
    names = [cell for place, cell in enumerate(rows[header][1]) if cell and place not in places.values()]
    table = Table(ignored_columns=[name[:50] for name in names], ignored_sheets=read.ignored_sheets)
    for number, cells in rows[header + 1 :]:
        values = {name: _plain(cells[place]) if place < len(cells) else "" for name, place in places.items()}
        if not any(values.values()) or _closes(cells, values, columns):
            table.ignored_rows.append(number)
        else:
            table.records.append(Record(number, values, places))
    if not table.records:
        raise TableEmpty()
    if len(table.records) > max_rows:
        raise SpreadsheetTooLarge(rows=max_rows, columns=MAX_COLUMNS)
    _require_unmerged(read.merged, rows[header][0], table.records, places)
    del table.ignored_rows[MAX_ERRORS:]
    return table


def template_of(title: str, hints: Sequence[str], columns: Sequence[Column]) -> bytes:
    """An empty workbook to fill in: hints above the header, in which what is required has a star."""
    headers = [
        workbooks.Column(f"{column.name}*" if column.required else column.name, TEMPLATE_WIDTH) for column in columns
    ]
    return workbooks.write_workbook([workbooks.Sheet(title, (title, *hints), headers, rows=())])


def refusal(errors: Sequence[CellError], kind: type[TableRefused] = TableRefused) -> TableRefused:
    """The refusal that names them."""
    members = {"errors": [vars(error) for error in errors[:MAX_ERRORS]], "error_count": len(errors)}
    return kind(members=members, count=len(errors))


def outcome(table: Table, errors: Sequence[CellError], *, dry_run: bool) -> dict[str, Any]:
    """The values of an Outcome; of the errors the first hundred are shown."""
    return {
        "dry_run": dry_run,
        "rows": len(table.records),
        "ignored_columns": table.ignored_columns,
        "ignored_rows": table.ignored_rows,
        "ignored_sheets": table.ignored_sheets,
        "errors": errors[:MAX_ERRORS],
        "error_count": len(errors),
    }


def day_of(text: str, *, month_end: bool = False) -> date | None:
    """The day that a cell means; None where it means none.

    2026-01-05, 2026/1/5, 2026.1.5, 2026年1月5日, 20260105, in full-width digits too, and Excel's serial number. With
    `month_end`, a month without a day is its last day: that is how far "有效期至2026年1月" reaches (药品说明书和标签
    管理规定, article 23). A year of two digits is none: 05/06/07 has six meanings. So is 2028.1, which has two.
    """
    plain = " ".join(unicodedata.normalize("NFKC", text).split())
    if TENTH.fullmatch(plain):
        return None
    for form in DAY_FORMS:
        if (found := form.fullmatch(plain)) is not None:
            return _day(*map(int, found.groups()))
    if SERIAL.fullmatch(plain) and int(plain) in SERIALS:
        return SERIAL_BEGIN + timedelta(days=int(plain))
    for form in MONTH_FORMS if month_end else ():
        if (found := form.fullmatch(plain)) is not None:
            first = _day(int(found[1]), int(found[2]), 1)
            return first and first.replace(day=calendar.monthrange(first.year, first.month)[1])
    return None


def time_of(text: str) -> time | None:
    """The time of day that a cell means: 8:30, 08:30:00, 8点, 8时30分, in full-width digits too; None where none."""
    found = TIME_FORM.fullmatch(folded(text))
    if found is None:
        return None
    hour, minute = int(found[1]), int(found[2] or found[3] or 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None


def phone_of(text: str) -> str | None:
    """A phone in E.164, typed in full-width digits or with separators, or kept as a number; None where it is none.

    The country may stand before a mainland mobile number without its plus: 86-138 0000 0001.
    """
    digits = SEPARATORS.sub("", unicodedata.normalize("NFKC", text).strip().removesuffix(".0"))
    if (found := COUNTRY_FIRST.fullmatch(digits)) is not None:
        digits = found[1]
    try:
        return str(Phone().deserialize(digits))
    except ValidationError:
        return None


def count_of(text: str, *, maximum: int, unit: str = "") -> int | Fault:
    """The whole number from 1 on that a cell means, thousands separated or not, its unit behind it or not."""
    plain = folded(text)
    if unit:
        plain = plain.removesuffix(folded(unit))
    if not WHOLE.fullmatch(plain):
        return Fault("not_whole")
    number = int(plain.partition(".")[0].replace(",", ""))
    if number < 1:
        return Fault("min", min=1)
    return Fault("max", max=maximum) if number > maximum else number


def _plain(text: str) -> str:
    """A cell's text in one line, without what can't be seen or stored."""
    return " ".join(UNPRINTABLE.sub("", text).split())


def _header(rows: Sequence[tuple[int, Row]], columns: Sequence[Column]) -> tuple[int, dict[str, int]]:
    """Which row is the header, and where each column stands. Raises ColumnMissing, ColumnAmbiguous."""
    known = {folded(word): column.name for column in columns for word in (column.name, *column.words)}
    required = [column.name for column in columns if column.required]
    best: dict[str, int] = {}
    for index, (number, cells) in enumerate(rows[:HEADER_WITHIN]):
        found: dict[str, list[int]] = {}
        for place, cell in enumerate(cells):
            name = known.get(_header_word(cell))
            if name is not None:
                found.setdefault(name, []).append(place)
        places = {name: at[0] for name, at in found.items()}
        if all(name in places for name in required):
            _require_clear(number, found)
            return index, places
        if len(places) > len(best):
            best = places
    raise ColumnMissing(column=next(name for name in required if name not in best))


def _require_unmerged(merged: Sequence[str], header: int, records: Sequence[Record], places: Mapping[str, int]) -> None:
    """Raise CellsMerged where a record shares a cell of a column that is read with a row above it.

    Sums and signatures may: nothing of them is read.
    """
    found = []
    columns = {cell_name(1, place + 1)[:-1] for place in places.values()}
    for cells in merged:
        first, last = (CELL.fullmatch(cell) for cell in cells.split(":"))
        if first is None or last is None:
            continue
        top, bottom = int(first[2]), int(last[2])
        if header < top and first[1] in columns and any(top < record.row <= bottom for record in records):
            found.append(cells)
    if found:
        raise CellsMerged(members={"cells": found[:MAX_ERRORS]}, cells=", ".join(found[:MOST_NAMED]))


def _require_clear(number: int, found: Mapping[str, Sequence[int]]) -> None:
    """Raises ColumnAmbiguous where several cells of the header mean one column."""
    for name, places in found.items():
        if len(places) > 1:
            cells = [cell_name(number, place + 1) for place in places]
            raise ColumnAmbiguous(members={"column": name, "cells": cells}, cells=", ".join(cells), column=name)


def _header_word(cell: str) -> str:
    return REMARK.sub("", folded(cell)).strip("*:※★")


def _closes(cells: Row, values: Mapping[str, str], columns: Sequence[Column]) -> bool:
    """Whether the row sums up, or is signed: its first text says so, and it lacks something that a record has."""
    lacks = any(column.required and not values[column.name] for column in columns)
    named = CLOSING_LINE.fullmatch(folded(next(cell for cell in cells if cell)))
    return named is not None and (lacks or named["sum"] is not None)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day) if 1900 <= year <= 2999 else None
    except ValueError:
        return None
