"""出入库台账: the books of a month as workbooks and PDFs, to be signed, filed and audited."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from volunteer_api.core import clock
from volunteer_api.core.access import Principal
from volunteer_api.core.documents import PATIENCE_SECONDS, PLACES, typeset
from volunteer_api.core.downloads import PDF, XLSX, Download
from volunteer_api.core.exports import note_export
from volunteer_api.core.glyphs import breakable
from volunteer_api.core.settings import settings
from volunteer_api.core.turns import in_turn
from volunteer_api.core.workbooks import Column, Sheet, Value, write_workbook
from volunteer_api.inventory.book import (
    Line,
    OrganizationBook,
    OrganizationLine,
    Posted,
    StationBook,
    by_item,
    read_organization_book,
    read_station_book,
)
from volunteer_api.inventory.models import MovementKind, MovementReason
from volunteer_api.organizations.models import Organization
from volunteer_api.stations.models import Station

TEMPLATE = Path(__file__).resolve().parent / "book.typ"
# Some eighty pages: a core takes a second and a half for it, and 330 MB. Whoever has more has the workbook.
MOST_PDF_ROWS = 2000
# As book.typ has it: A4 across less its margins, both insets of a cell, and a digit of 8 points (0.555 of its size).
PAPER_MM, INSET_MM, LETTER_MM = 277, 1.1, 1.57
KIND_WORDS = {
    MovementKind.RECEIPT: "入库",
    MovementKind.ISSUE: "出库",
    MovementKind.WRITE_OFF: "报损",
    MovementKind.QUARANTINE: "封存",
    MovementKind.TRANSFER_OUT: "调出",
    MovementKind.TRANSFER_IN: "调入",
    MovementKind.STOCKTAKE: "盘点",
    MovementKind.LOAN_OUT: "借出",
    MovementKind.LOAN_RETURN: "归还",
    MovementKind.UNSEALING: "启用",
    MovementKind.RELEASE: "解封",
    MovementKind.REVERSAL: "冲销",
}
# What was written down so long after it happened, on the same day, says when.
LATER = timedelta(minutes=1)
REASON_WORDS = {
    MovementReason.DONATION: "捐赠",
    MovementReason.PURCHASE: "采购",
    MovementReason.HANDED_OUT: "发放",
    MovementReason.USED: "领用",
    MovementReason.EXPIRED: "过期",
    MovementReason.DAMAGED: "损坏",
    MovementReason.LOST: "丢失",
    MovementReason.MISTAKE: "差错",
    MovementReason.OPENING: "期初",
    MovementReason.RECALLED: "召回",
    MovementReason.HANDED_OVER: "移交",
    MovementReason.OTHER: "其他",
}
# The columns of the summary: what came, what went, and by which kind. What is none of these is "其他", so that the
# columns always add up to the sums.
INCOMING = (
    (MovementKind.RECEIPT, "入库"),
    (MovementKind.TRANSFER_IN, "调入"),
    (MovementKind.LOAN_RETURN, "归还"),
    (MovementKind.STOCKTAKE, "盘盈"),
    (MovementKind.REVERSAL, "冲销"),
)
OUTGOING = (
    (MovementKind.ISSUE, "出库"),
    (MovementKind.TRANSFER_OUT, "调出"),
    (MovementKind.LOAN_OUT, "借出"),
    (MovementKind.WRITE_OFF, "报损"),
    (MovementKind.STOCKTAKE, "盘亏"),
    (MovementKind.REVERSAL, "冲销"),
)
STATION_TITLE, ORGANIZATION_TITLE = "志愿服务站点物资出入库台账", "志愿服务站点物资出入库汇总台账"
SIGNATURES = ("制表人", "审核人", "站长")
ORGANIZATION_SIGNATURES = ("制表人", "审核人", "负责人")
NO_ROWS = "本月无结存，无收发。"
HINT = "结存为货架实存数，不含借出未还和调拨在途；期初 + 入库合计 − 出库合计 = 期末。"
CHILDREN_HINT = "站点明细超出一份文件的容量，此处按下级组织汇总；明细请从下级组织打印。"
DOCUMENTS_HINT = (
    "单据按登记先后编号，结存为该物品该批号在该单之后的累计数；数量入库为正、出库为负；备注中本月单据只写末段编号。"
)


@dataclass(frozen=True)
class _Table:
    """A table of a book: its header (for paper with groups above), what is a number, and its rows."""

    heading: str
    headers: Sequence[str]
    # Of each column its width in characters; the PDF shares the page's width in the same proportion.
    widths: Sequence[int]
    numeric: frozenset[int]
    rows: Sequence[Sequence[Value]]
    # (first column, columns, text) of what stands above several headers on paper.
    groups: Sequence[tuple[int, int, str]] = ()
    hint: str = ""


def station_workbook(station: Station, month: str | None, *, by: Principal) -> Download:
    """A station's month as a workbook of two sheets. Raises BookTooLarge (422)."""
    book = read_station_book(station, month or _present_month())
    _note(by, station.organization_id, "station_ledger", book.month, station=station)
    make = partial(_workbook, STATION_TITLE, _station_lines(book), _station_tables(book), SIGNATURES)
    return Download(make, XLSX, f"{book.code}-{book.station}-{book.month}-出入库台账.xlsx")


def station_pdf(station: Station, month: str | None, *, by: Principal) -> Download:
    """A station's month on paper. Raises BookTooLarge (422)."""
    book = read_station_book(station, month or _present_month(), most=MOST_PDF_ROWS)
    _note(by, station.organization_id, "station_ledger", book.month, station=station)
    make = _paper(STATION_TITLE, _station_lines(book), _station_tables(book), SIGNATURES, book.made_at)
    return Download(make, PDF, f"{book.code}-{book.station}-{book.month}-出入库台账.pdf")


def organization_workbook(organization: Organization, month: str | None, *, by: Principal) -> Download:
    """A month of an organization's stations as a workbook of two sheets. Raises BookTooLarge (422)."""
    book = read_organization_book(organization, month or _present_month())
    _note(by, organization.id, "organization_ledger", book.month)
    lines, tables = _organization_lines(book), _organization_tables(book)
    make = partial(_workbook, ORGANIZATION_TITLE, lines, tables, ORGANIZATION_SIGNATURES)
    return Download(make, XLSX, f"{book.organization}-{book.month}-出入库汇总台账.xlsx")


def organization_pdf(organization: Organization, month: str | None, *, by: Principal) -> Download:
    """A month of an organization's stations on paper. Raises BookTooLarge (422)."""
    book = read_organization_book(organization, month or _present_month(), most=MOST_PDF_ROWS)
    _note(by, organization.id, "organization_ledger", book.month)
    lines, tables = _organization_lines(book), _organization_tables(book)
    make = _paper(ORGANIZATION_TITLE, lines, tables, ORGANIZATION_SIGNATURES, book.made_at)
    return Download(make, PDF, f"{book.organization}-{book.month}-出入库汇总台账.pdf")


def _present_month() -> str:
    return f"{clock.today():%Y-%m}"


def _note(by: Principal, organization_id: UUID, what: str, month: str, station: Station | None = None) -> None:
    # It names who handled what: the audit log keeps who fetched it.
    note_export(what, organization_id, by=by, month=month, station_id=str(station.id) if station is not None else None)


def _workbook(title: str, lines: Sequence[str], tables: Sequence[_Table], signatures: Sequence[str]) -> bytes:
    signing = "　　　　　　".join(f"{who}：__________" for who in signatures)
    sheets = [
        Sheet(
            name=table.heading,
            titles=(f"{title}（{table.heading}）", *lines, *([table.hint] if table.hint else ())),
            columns=[Column(*column) for column in zip(_flat_headers(table), table.widths, strict=True)],
            rows=table.rows,
            closing=((NO_ROWS,) if not table.rows else ()) + (signing,),
        )
        for table in tables
    ]
    with in_turn(PLACES, PATIENCE_SECONDS):
        return write_workbook(sheets)


def _paper(
    title: str, lines: Sequence[str], tables: Sequence[_Table], signatures: Sequence[str], made_at: datetime
) -> Callable[[], bytes]:
    data = {
        "title": title,
        "lines": lines,
        "empty": NO_ROWS,
        "signatures": signatures,
        "tables": [
            {
                "heading": table.heading,
                "hint": table.hint,
                "header": _paper_header(table),
                "widths": table.widths,
                "numeric": sorted(table.numeric),
                "rows": [
                    [_text(value, width) for value, width in zip(row, _letters(table.widths), strict=True)]
                    for row in table.rows
                ],
            }
            for table in tables
        ],
    }
    return partial(typeset, TEMPLATE, data, made_at=made_at)


def _flat_headers(table: _Table) -> list[str]:
    """One row of headers, as a sheet that is sorted and filtered needs it: the group's name before the column's."""
    headers = list(table.headers)
    for first, count, text in table.groups:
        headers[first : first + count] = [
            header if header.startswith(text) else f"{text}·{header}" for header in headers[first : first + count]
        ]
    return headers


def _paper_header(table: _Table) -> list[list[dict[str, Any]]]:
    """The rows of the header, each cell with its spans."""
    grouped = {place for first, count, _ in table.groups for place in range(first, first + count)}
    if not grouped:
        return [[{"text": header, "columns": 1, "rows": 1} for header in table.headers]]
    starts = {first: (count, text) for first, count, text in table.groups}
    upper = []
    for place, header in enumerate(table.headers):
        if place in starts:
            upper.append({"text": starts[place][1], "columns": starts[place][0], "rows": 1})
        elif place not in grouped:
            upper.append({"text": header, "columns": 1, "rows": 2})
    return [upper, [{"text": table.headers[place], "columns": 1, "rows": 1} for place in sorted(grouped)]]


def _letters(widths: Sequence[int]) -> list[int]:
    """How many Latin letters and digits go on one line of each column."""
    return [int((width * PAPER_MM / sum(widths) - INSET_MM) / LETTER_MM) for width in widths]


def _text(value: Value, letters: int) -> str:
    return "" if value is None else breakable(str(value), letters)


def _made(made_at: datetime, month: str, closed_at: datetime | None = None) -> str:
    local = made_at.astimezone(settings().zone)
    state = "（本月尚未结束，数据截至打印时间）" if f"{local:%Y-%m}" <= month else ""
    if closed_at is not None:
        state = f"　　结账时间：{closed_at.astimezone(settings().zone):%Y-%m-%d %H:%M}"
    return f"打印时间：{local:%Y-%m-%d %H:%M}{state}"


def _month(month: str) -> str:
    year, number = month.split("-")
    return f"{year} 年 {int(number)} 月"


def _station_lines(book: StationBook) -> list[str]:
    return [
        f"组织：{book.organization}　　站点：{book.station}（{book.code}）　　月份：{_month(book.month)}",
        _made(book.made_at, book.month, book.closed_at),
    ]


def _organization_lines(book: OrganizationBook) -> list[str]:
    return [f"组织：{book.organization}　　月份：{_month(book.month)}", _made(book.made_at, book.month)]


def _station_tables(book: StationBook) -> list[_Table]:
    return [_summary(book.lines), _documents(book.posted)]


def _summary(lines: Sequence[Line]) -> _Table:
    incoming, outgoing = [*INCOMING, *_others(lines, 1, INCOMING)], [*OUTGOING, *_others(lines, -1, OUTGOING)]
    names = ("物品", "批号", "有效期", "单位")
    headers = [
        *names,
        "期初",
        *(word for _, word in incoming),
        "入库合计",
        *(word for _, word in outgoing),
        "出库合计",
        "期末",
    ]
    rows: list[list[Value]] = [
        [
            line.item,
            _lot(line.lot_number, line.expires_on),
            line.expires_on,
            line.unit,
            line.opening,
            *(line.moved.get((1, kind)) for kind, _ in incoming),
            line.incoming,
            *(line.moved.get((-1, kind)) for kind, _ in outgoing),
            line.outgoing,
            line.closing,
        ]
        for line in lines
    ]
    first = len(names)
    return _Table(
        heading="收发存汇总",
        headers=headers,
        widths=[24, 16, 12, 6, 8, *[8] * len(incoming), 10, *[8] * len(outgoing), 10, 8],
        numeric=frozenset(range(first, len(headers))),
        rows=rows,
        groups=[(first + 1, len(incoming) + 1, "入库"), (first + 2 + len(incoming), len(outgoing) + 1, "出库")],
        hint=HINT,
    )


def _others(
    lines: Sequence[Line], direction: int, known: Sequence[tuple[MovementKind, str]]
) -> list[tuple[MovementKind, str]]:
    """Kinds of movement that went this way although they have no column of their own."""
    kinds = {kind for kind, _ in known}
    moved = {MovementKind(kind) for line in lines for way, kind in line.moved if way == direction}
    return [(kind, KIND_WORDS[kind]) for kind in MovementKind if kind in moved - kinds]


def _documents(posted: Sequence[Posted]) -> _Table:
    headers = (
        "日期",
        "单号",
        "类型",
        "物品",
        "批号",
        "单位",
        "数量",
        "结存",
        "事由",
        "经手人",
        "来源去向",
        "见证人",
        "备注",
    )
    rows: list[list[Value]] = [
        [
            clock.local_date(line.occurred_at),
            line.document_number,
            KIND_WORDS[MovementKind(line.kind)],
            line.item,
            _portion(line),
            line.unit,
            line.quantity,
            line.balance,
            REASON_WORDS[MovementReason(line.reason)],
            line.handler,
            line.counterparty,
            line.witness,
            _remark(line),
        ]
        for line in posted
    ]
    return _Table(
        heading="收发明细",
        headers=headers,
        widths=[12, 26, 6, 20, 16, 6, 8, 8, 6, 16, 18, 10, 26],
        numeric=frozenset({6, 7}),
        rows=rows,
        hint=DOCUMENTS_HINT,
    )


def _lot(lot_number: str, expires_on: Any) -> str | None:
    """What is printed on the thing: a lot that is only named by its day has none."""
    return None if not lot_number or (expires_on is not None and lot_number == expires_on.isoformat()) else lot_number


def _portion(line: Posted) -> str | None:
    lot = line.lot_number or ""
    if line.quarantined:
        return f"{lot}（封存）"
    return f"{lot}（{line.opened_on} 启用）" if line.opened_on is not None else lot or None


def _remark(line: Posted) -> str | None:
    """What the document is to others, when it was recorded later, and the note."""
    parts = []
    if line.reverses is not None:
        parts.append(f"冲销 {_number(line, line.reverses)}")
    if line.reversed_by is not None:
        parts.append(f"已被 {_number(line, line.reversed_by)} 冲销")
    if line.recorded_at - line.occurred_at >= LATER:
        parts.append(_recorded_later(line))
    if line.note:
        parts.append(line.note)
    return "；".join(parts) or None


def _recorded_later(line: Posted) -> str:
    """When it was written down: of one day with both times, for a count may lie between them."""
    occurred, recorded = (moment.astimezone(settings().zone) for moment in (line.occurred_at, line.recorded_at))
    if occurred.date() != recorded.date():
        return f"{recorded.date()} 补登"
    return f"{occurred:%H:%M} 发生，{recorded:%H:%M} 补登"


def _number(line: Posted, other: str) -> str:
    """The number of another document; of the same station and month its last part, which goes on one line."""
    return other.removeprefix(line.document_number.rpartition("-")[0] + "-")


def _organization_tables(book: OrganizationBook) -> list[_Table]:
    """The sums by item, and the detail by station; by child where there is more of that than one file takes."""
    sums: list[list[Value]] = [[line.item, line.unit, *_sums(line)] for line in by_item(book.lines)]
    return [
        _Table(
            heading="按物品汇总",
            headers=("物品", "单位", "期初", "入库", "出库", "期末"),
            widths=[40, 10, 14, 14, 14, 14],
            numeric=frozenset(range(2, 6)),
            rows=sums,
            hint=HINT,
        ),
        _children(book) if book.by_child else _stations(book),
    ]


def _stations(book: OrganizationBook) -> _Table:
    return _Table(
        heading="按站点明细",
        headers=("站点编号", "站点", "组织", "物品", "单位", "期初", "入库", "出库", "期末"),
        widths=[14, 28, 32, 26, 8, 10, 10, 10, 10],
        numeric=frozenset(range(5, 9)),
        rows=[[line.code, line.station, line.organization, line.item, line.unit, *_sums(line)] for line in book.lines],
    )


def _children(book: OrganizationBook) -> _Table:
    return _Table(
        heading="按下级组织汇总",
        headers=("组织", "物品", "单位", "期初", "入库", "出库", "期末"),
        widths=[40, 34, 10, 12, 12, 12, 12],
        numeric=frozenset(range(3, 7)),
        rows=[[line.organization, line.item, line.unit, *_sums(line)] for line in book.lines],
        hint=CHILDREN_HINT,
    )


def _sums(line: OrganizationLine) -> tuple[int, int, int, int]:
    return line.opening, line.incoming, line.outgoing, line.closing
