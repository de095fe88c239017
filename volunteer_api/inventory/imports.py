"""Stock from a table: what a station had before it used this system, or a donation with its packing list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from volunteer_api.catalog.imports import KIND, NAME, UNIT, Catalog, item_values, repeated
from volunteer_api.catalog.models import Item
from volunteer_api.catalog.problems import ProhibitedItem
from volunteer_api.core.access import Principal
from volunteer_api.core.bodies import Upload
from volunteer_api.core.codes import fold, folded
from volunteer_api.core.downloads import XLSX, Download
from volunteer_api.core.problems import Conflict
from volunteer_api.core.schema import Fault
from volunteer_api.core.tables import (
    CellError,
    Column,
    Outcome,
    Record,
    Table,
    count_of,
    day_of,
    outcome,
    receive,
    refusal,
    template_of,
)
from volunteer_api.inventory import ledger
from volunteer_api.inventory.models import MovementKind, MovementReason
from volunteer_api.inventory.problems import LotIsAnotherDay, LotRecalled, OpeningRepeated
from volunteer_api.inventory.receipts import opened_with, require_first_opening, same_receipt
from volunteer_api.inventory.schemas import MAX_LOT, MAX_QUANTITY
from volunteer_api.inventory.service import Line, plan_receipt
from volunteer_api.inventory.shelf import Change

QUANTITY = Column(
    "数量", ("库存数量", "库存", "入库数量", "期初数量", "结存数量", "现有数量", "quantity", "qty"), required=True
)
LOT = Column("批号", ("生产批号", "批次", "批次号", "产品批号", "lot"))
EXPIRES = Column(
    "有效期至", ("有效期", "有效期限", "失效日期", "失效期", "到期日", "到期日期", "截止有效期", "expires_on")
)
REASON = Column("来源", ("入库原因", "原因", "入库类型", "入库方式", "reason"))
COUNTERPARTY = Column("来源单位", ("捐赠单位", "捐赠人", "捐赠方", "供应商", "供货单位", "往来单位", "counterparty"))
COLUMNS = (NAME, QUANTITY, UNIT, LOT, EXPIRES, REASON, COUNTERPARTY, KIND)
REASON_WORDS = {
    **dict.fromkeys(("期初", "期初库存", "原有", "盘点", "opening"), MovementReason.OPENING),
    **dict.fromkeys(("捐赠", "捐献", "爱心捐赠", "受赠", "donation"), MovementReason.DONATION),
    **dict.fromkeys(("采购", "购买", "购置", "采买", "purchase"), MovementReason.PURCHASE),
    **dict.fromkeys(("其他", "其它", "other"), MovementReason.OTHER),
}
HINTS = (
    "带 * 的列必填；单位须与物品目录一致。药械必须填有效期，可写 2028-01-05、2028年1月5日，或 2028年1月（按月末计）；"
    "不要写 2028.1，Excel 里它与 2028.10 是同一个数。",
    "来源填：期初、捐赠、采购或其他，不填按导入时的选择。类别（借用品、消耗品、药械）只在新增物品时需要。",
)
MAX_ROWS = 2000
# Each source makes a document of its own; more are no sources any more but remarks.
MAX_DOCUMENTS = 50
MAX_COUNTERPARTY = 100


@dataclass(frozen=True)
class ImportedDocument:
    """A receipt that the import made, or would make: without id and number then.

    `repeats` is the number of a receipt with the same lines that was recorded in the last days.
    """

    id: UUID | None
    document_number: str | None
    reason: str
    counterparty: str | None
    lines: int
    quantity: int
    repeats: str | None


@dataclass(kw_only=True)
class Imported(Outcome):
    """What a stock import led to, or would lead to."""

    created_items: Sequence[str]
    documents: Sequence[ImportedDocument]


@dataclass
class _Row:
    """A row that can be understood; whether the shelf takes it is another question."""

    record: Record
    item: Item
    line: Line
    source: tuple[MovementReason, str | None]


@dataclass
class _Judged:
    catalog: Catalog
    rows: list[_Row] = field(default_factory=list)
    errors: list[CellError] = field(default_factory=list)


def receive_stock(principal: Principal, upload: Upload) -> Table:
    """The table of an upload; see `core.tables.receive`."""
    return receive(principal, upload, COLUMNS, max_rows=MAX_ROWS)


def import_stock(
    table: Table,
    *,
    station_id: UUID,
    actor_id: UUID,
    dry_run: bool,
    create_items: bool,
    reason: MovementReason,
    note: str | None = None,
    occurred_at: datetime | None = None,
) -> Imported:
    """Receive a table's rows into a station's stock, all or none: a receipt for each source that it names.

    A dry run writes nothing and answers with what would happen. `create_items` adds what the catalogue lacks. The
    statements do not grow with the rows but by the five hundred. Raises TableRefused (422) where it is no dry run,
    OccurredInFuture, TooFarBack (409).
    """
    judged = _judge(table, create_items=create_items, reason=reason)
    known = {row.item.id for row in judged.rows} - {item.id for item in judged.catalog.new}
    if not dry_run and not judged.errors:
        judged.catalog.save(by=actor_id)
        known |= {item.id for item in judged.catalog.new}
    posting = ledger.begin(station_id, known, occurred_at=occurred_at)
    opens = any(row.source[0] == MovementReason.OPENING for row in judged.rows)
    opened = opened_with(posting) if opens else {}
    sources: dict[tuple[MovementReason, str | None], list[Change]] = {}
    for row in judged.rows:
        # Of a new item nothing is on the shelf, and a dry run leaves it unsaved.
        posting.shelf.lots.setdefault(row.item.id, {})
        try:
            change = plan_receipt(posting.shelf, row.item, row.line)
            posting.require_not_recalled(change)
            if row.source[0] == MovementReason.OPENING:
                require_first_opening(change, opened)
            sources.setdefault(row.source, []).append(change)
        except Conflict as problem:
            judged.errors.append(row.record.error(_column_of(problem), problem.code, problem.sentence()))
    judged.errors.sort(key=lambda error: error.row)
    if judged.errors and not dry_run:
        raise refusal(judged.errors)
    documents = []
    for (source, counterparty), changes in sources.items():
        planned = ImportedDocument(
            id=None,
            document_number=None,
            reason=source,
            counterparty=counterparty,
            lines=len(changes),
            quantity=sum(change.quantity for change in changes),
            repeats=same_receipt(posting, source, counterparty, changes),
        )
        if not dry_run:
            written = posting.write(
                changes,
                actor_id=actor_id,
                kind=MovementKind.RECEIPT,
                reason=source,
                note=note,
                counterparty=counterparty,
            )
            planned = replace(planned, id=written.id, document_number=written.document_number)
        documents.append(planned)
    return Imported(
        created_items=[item.name for item in judged.catalog.new],
        documents=documents,
        **outcome(table, judged.errors, dry_run=dry_run),
    )


def template() -> Download:
    """An empty workbook with the columns that `import_stock` reads."""
    return Download(template_of("库存导入", HINTS, COLUMNS), XLSX, "库存导入模板.xlsx")


def _column_of(problem: Conflict) -> str:
    if isinstance(problem, LotRecalled | LotIsAnotherDay):
        return LOT.name
    return NAME.name if isinstance(problem, ProhibitedItem | OpeningRepeated) else EXPIRES.name


def _judge(table: Table, *, create_items: bool, reason: MovementReason) -> _Judged:
    """What the rows say, by themselves. One statement."""
    judged = _Judged(Catalog.of(record.values[NAME.name] for record in table.records))
    first_rows: dict[Any, int] = {}
    sources: set[Any] = set()
    for record in table.records:
        item, faults = _item(judged.catalog, record, create_items=create_items)
        line, source, others = _line(record, item, reason)
        faults += others
        if item is not None and line is not None:
            key = (item.id, line.get("lot_number", ""), line.get("expires_on"), source)
            if first_rows.setdefault(key, record.row) != record.row:
                faults.append(record.fault(NAME.name, repeated(first_rows[key])))
            sources.add(source)
            if len(sources) > MAX_DOCUMENTS:
                many = Fault("too_many_sources", "The table names more than %(most)s sources.", most=MAX_DOCUMENTS)
                faults.append(record.fault(COUNTERPARTY.name, many))
        judged.errors += faults
        if item is not None and line is not None and not faults:
            judged.rows.append(_Row(record, item, line, source))
    return judged


def _item(catalog: Catalog, record: Record, *, create_items: bool) -> tuple[Item | None, list[CellError]]:
    """The item that a row means, which must be counted in the unit and be of the kind that the row says."""
    name = record.values[NAME.name]
    if not name:
        return None, [record.fault(NAME.name, Fault("required"))]
    item = catalog.find(name)
    if item is not None:
        unit = record.values.get(UNIT.name, "")
        if unit and folded(unit) != folded(item.unit):
            differs = Fault("unit_differs", "%(item)s is counted in %(unit)s.", item=item.name, unit=item.unit)
            return item, [record.fault(UNIT.name, differs)]
        return item, []
    if not create_items:
        unknown = Fault("item_unknown", "The catalogue has no item of this name; ask your organizer to add it.")
        return None, [record.fault(NAME.name, unknown)]
    values, faults = item_values(record)
    if faults:
        return None, faults
    added = catalog.add(values)
    return (None, [record.fault(NAME.name, added)]) if isinstance(added, Fault) else (added, [])


def _line(
    record: Record, item: Item | None, default: MovementReason
) -> tuple[Line | None, tuple[MovementReason, str | None], list[CellError]]:
    """What comes of it, and from where."""
    values: Mapping[str, str] = record.values
    faults: dict[str, Fault] = {}
    unit = item.unit if item is not None else values.get(UNIT.name, "")
    quantity = count_of(values[QUANTITY.name], maximum=MAX_QUANTITY, unit=unit)
    if isinstance(quantity, Fault):
        faults[QUANTITY.name] = quantity if values[QUANTITY.name] else Fault("required")
    lot, counterparty = fold(values.get(LOT.name, "")), values.get(COUNTERPARTY.name, "")
    for column, text, most in ((LOT.name, lot, MAX_LOT), (COUNTERPARTY.name, counterparty, MAX_COUNTERPARTY)):
        if len(text) > most:
            faults[column] = Fault("max_length", max=most)
    expires_on: date | None = None
    if values.get(EXPIRES.name):
        expires_on = day_of(values[EXPIRES.name], month_end=True)
        if expires_on is None:
            faults[EXPIRES.name] = Fault("not_written_day", "This is not a day, like 2026-01-05 or 2026年1月5日.")
    word = folded(values.get(REASON.name, ""))
    reason = REASON_WORDS.get(word, default)
    if word and word not in REASON_WORDS:
        faults[REASON.name] = Fault("not_source", "A source is 期初, 捐赠, 采购 or 其他.")
    source = (reason, counterparty or None)
    errors = [record.fault(column, found) for column, found in faults.items()]
    if item is None or isinstance(quantity, Fault) or errors:
        return None, source, errors
    line: Line = {"item_id": item.id, "quantity": quantity}
    if lot:
        line["lot_number"] = lot
    if expires_on is not None:
        line["expires_on"] = expires_on
    return line, source, errors
