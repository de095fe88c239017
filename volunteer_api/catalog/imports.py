"""Items from a table: the catalogue import, and the new items that a stock import may bring."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from volunteer_api.catalog.models import Item, ItemKind
from volunteer_api.catalog.service import add_items, new_item
from volunteer_api.core.access import Principal
from volunteer_api.core.bodies import Upload
from volunteer_api.core.codes import folded
from volunteer_api.core.database import db
from volunteer_api.core.downloads import XLSX, Download
from volunteer_api.core.schema import Fault
from volunteer_api.core.tables import (
    CellError,
    Column,
    Outcome,
    Record,
    Table,
    count_of,
    outcome,
    receive,
    refusal,
    template_of,
)

NAME = Column("物品名称", ("物品", "名称", "品名", "物资名称", "物资", "商品名称", "item", "name"), required=True)
KIND = Column("类别", ("分类", "种类", "类型", "物品类别", "物品类型", "kind"))
UNIT = Column("单位", ("计量单位", "unit"))
DAYS = Column("启用后有效天数", ("开封后有效天数", "开启后有效天数", "启用后天数", "开封后天数", "days_once_opened"))
PROHIBITED = Column("禁止存放", ("禁用", "禁止", "违禁", "是否禁止", "prohibited"))
COLUMNS = (
    NAME,
    Column(KIND.name, KIND.words, required=True),
    Column(UNIT.name, UNIT.words, required=True),
    DAYS,
    PROHIBITED,
)
KIND_WORDS = {
    **dict.fromkeys(("借用品", "耐用品", "可借用", "可借", "固定资产", "工具", "durable"), ItemKind.DURABLE),
    **dict.fromkeys(("消耗品", "耗材", "易耗品", "低值易耗品", "consumable"), ItemKind.CONSUMABLE),
    **dict.fromkeys(("药械", "药品", "医疗", "医疗器械", "医用", "急救", "急救药品", "medical"), ItemKind.MEDICAL),
}
YES, NO = ("是", "√", "✓", "y", "yes", "true", "1", "禁止"), ("", "否", "×", "x", "n", "no", "false", "0", "允许")
HINTS = (
    "带 * 的列必填；类别填：借用品、消耗品或药械。",
    "启用后有效天数：开封后还能用多少天，没有就空着。禁止存放：站点不得存放的物品（如处方药）填“是”。",
)
MAX_ROWS = 1000
MAX_NAME, MAX_UNIT, MAX_DAYS = 100, 20, 3650


@dataclass(kw_only=True)
class Imported(Outcome):
    """What a catalogue import led to, or would lead to: `unchanged` are there already just so."""

    created: int
    unchanged: int


@dataclass
class Catalog:
    """The items that a table may mean, by folded name, and the prohibited ones; new ones are held until `save`."""

    items: dict[str, Item] = field(default_factory=dict)
    prohibited: list[Item] = field(default_factory=list)
    new: list[Item] = field(default_factory=list)

    @classmethod
    def of(cls, names: Iterable[str]) -> "Catalog":
        """One statement, however many names."""
        asked = {folded(name) for name in names}
        found = db.session.scalars(
            select(Item).where(or_(Item.folded_name.in_(asked), Item.prohibited)).order_by(Item.name, Item.id)
        ).all()
        return cls({item.folded_name: item for item in found}, [item for item in found if item.prohibited])

    def find(self, name: str) -> Item | None:
        return self.items.get(folded(name))

    def add(self, values: Mapping[str, Any]) -> Item | Fault:
        """Hold a new item, or say why it can't be one."""
        if not values["prohibited"]:
            wanted = folded(values["name"])
            for item in self.prohibited:
                if item.folded_name in wanted:
                    return Fault("prohibited_item", "%(item)s is prohibited at stations.", item=item.name)
        item = new_item(**values)
        self.items[item.folded_name] = item
        self.new.append(item)
        if item.prohibited:
            self.prohibited.append(item)
        return item

    def save(self, *, by: UUID) -> None:
        """Put the new items into the catalogue. Two statements, the second for the audit log."""
        add_items(self.new, by=by)


def receive_items(principal: Principal, upload: Upload) -> Table:
    """The table of an upload; see `core.tables.receive`."""
    return receive(principal, upload, COLUMNS, max_rows=MAX_ROWS)


def import_items(table: Table, *, dry_run: bool, by: UUID, may_prohibit: bool) -> Imported:
    """Add a table's items to the catalogue, all or none; what is there just so is left as it is.

    Three statements, however many rows. A row may list what is prohibited where `may_prohibit`. Raises TableRefused
    (422) where it is no dry run.
    """
    catalog = Catalog.of(record.values[NAME.name] for record in table.records)
    known = set(catalog.items)
    rows: dict[str, int] = {}
    errors: list[CellError] = []
    unchanged = 0
    for record in table.records:
        values, faults = item_values(record)
        name = folded(record.values[NAME.name])
        if name and name in rows:
            faults.append(record.fault(NAME.name, repeated(rows[name])))
        rows.setdefault(name, record.row)
        if not faults and name in known:
            faults = _differences(record, catalog.items[name], values)
            unchanged += not faults
        elif values["prohibited"] and not may_prohibit:
            theirs = Fault("prohibiting_refused", "Only who manages all organizations may prohibit an item.")
            faults.append(record.fault(PROHIBITED.name, theirs))
        elif not faults and isinstance(added := catalog.add(values), Fault):
            faults = [record.fault(NAME.name, added)]
        errors += faults
    if errors and not dry_run:
        raise refusal(errors)
    if not dry_run:
        catalog.save(by=by)
    return Imported(created=len(catalog.new), unchanged=unchanged, **outcome(table, errors, dry_run=dry_run))


def item_values(record: Record) -> tuple[dict[str, Any], list[CellError]]:
    """What a row says of an item, and what is wrong with it."""
    name, unit = (" ".join(record.values.get(column.name, "").split()) for column in (NAME, UNIT))
    faults: dict[str, Fault] = {}
    for column, text, most in ((NAME.name, name, MAX_NAME), (UNIT.name, unit, MAX_UNIT)):
        if not text:
            faults[column] = Fault("required")
        elif len(text) > most:
            faults[column] = Fault("max_length", max=most)
    kind_word = folded(record.values.get(KIND.name, ""))
    kind = KIND_WORDS.get(kind_word)
    if kind is None:
        faults[KIND.name] = Fault("not_kind", "A kind is 借用品, 消耗品 or 药械.") if kind_word else Fault("required")
    days_text, prohibited = record.values.get(DAYS.name, ""), folded(record.values.get(PROHIBITED.name, ""))
    days = count_of(days_text, maximum=MAX_DAYS, unit="天") if days_text else None
    if isinstance(days, Fault):
        faults[DAYS.name] = days
    if prohibited not in YES + NO:
        faults[PROHIBITED.name] = Fault("not_yes_or_no", "This is neither 是 nor 否.")
    values = {
        "name": name,
        "unit": unit,
        "kind": kind,
        "days_once_opened": days,
        "prohibited": prohibited in YES,
    }
    return values, [record.fault(column, found) for column, found in faults.items()]


def repeated(row: int) -> Fault:
    """That an item stands in the table twice."""
    return Fault("repeated", "This stands in row %(row)s already.", row=row)


def template() -> Download:
    """An empty workbook with the columns that `import_items` reads."""
    return Download(template_of("物品目录", HINTS, COLUMNS), XLSX, "物品目录导入模板.xlsx")


def _differences(record: Record, item: Item, values: Mapping[str, Any]) -> list[CellError]:
    """Where a row says something else of an item than the catalogue does: an import changes nothing that is there."""
    said = {UNIT.name: "unit", KIND.name: "kind", DAYS.name: "days_once_opened", PROHIBITED.name: "prohibited"}
    return [
        record.error(column, fault.code, fault.sentence())
        for column, member in said.items()
        if column in record.places
        and getattr(item, member) != values[member]
        and (fault := Fault("differs", "The catalogue says something else of %(item)s.", item=item.name))
    ]
