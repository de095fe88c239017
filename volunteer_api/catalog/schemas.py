"""What the catalogue takes and answers."""

from typing import Any

from marshmallow import validates_schema

from volunteer_api.catalog.models import ItemKind
from volunteer_api.catalog.templates import KitTemplate
from volunteer_api.core.schema import (
    Choice,
    Count,
    Day,
    Flag,
    FlagParameter,
    Form,
    Id,
    ListOf,
    Nested,
    PageQuery,
    Schema,
    Text,
    fault,
    half_width,
)
from volunteer_api.core.tables import OutcomeRead
from volunteer_api.files.schemas import FileRead
from volunteer_api.stations.models import StationKind

KIT = Form(r"^[a-z][a-z0-9_]{1,39}$", "first_aid")
BARCODE = Form(r"^[0-9A-Za-z][0-9A-Za-z.\-]{2,47}$", "6901234567892")
MAX_BARCODES, MAX_PHOTOS, MAX_LINES = 20, 10, 100


class Barcode(Text):
    """What a scanner reads, in plain digits and letters. A UPC of twelve digits is the EAN-13 that begins with 0."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=48, form=BARCODE, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        plain = half_width(value) if isinstance(value, str) else value
        code = super()._deserialize(plain, attr, data, **kwargs)
        return f"0{code}" if len(code) == 12 and code.isdigit() else code


class ItemFilter(PageQuery):
    """Which items. Archived ones are left out unless `archived=true` or their `barcode` asks for them."""

    kind = Choice(ItemKind)
    q = Text(max_length=50)
    barcode = Barcode()
    archived = FlagParameter()


class ItemCreate(Schema):
    """A new item. A prohibited one is listed so that receipts of it are refused."""

    name = Text(max_length=100, required=True)
    kind = Choice(ItemKind, required=True)
    unit = Text(max_length=20, required=True)
    prohibited = Flag(load_default=False)
    days_once_opened = Count(minimum=1, maximum=3650)
    barcodes = ListOf(Barcode(), max_length=MAX_BARCODES)
    photo_ids = ListOf(Id(), max_length=MAX_PHOTOS)


class ItemUpdate(Schema):
    """What changes of an item; lists are replaced. Its kind stays: the ledger was written by the rules of that kind."""

    name = Text(max_length=100)
    unit = Text(max_length=20)
    prohibited = Flag()
    archived = Flag()
    days_once_opened = Count(minimum=1, maximum=3650, allow_none=True)
    barcodes = ListOf(Barcode(), max_length=MAX_BARCODES)
    photo_ids = ListOf(Id(), max_length=MAX_PHOTOS)


class ItemImportQuery(Schema):
    dry_run = FlagParameter(load_default=False)


class ItemImportRead(OutcomeRead):
    """What a table led to, or would lead to: `unchanged` were there just so. Nothing was made of `ignored_columns`."""

    created = Count(required=True)
    unchanged = Count(required=True)


class ItemRead(Schema):
    """An item of the catalogue. An archived one is no longer offered: no station receives it."""

    id = Id(required=True)
    version = Count(required=True)
    name = Text(max_length=100, required=True)
    kind = Choice(ItemKind, required=True)
    unit = Text(max_length=20, required=True)
    prohibited = Flag(required=True)
    archived = Flag(required=True)
    days_once_opened = Count(required=True, allow_none=True)
    barcodes = ListOf(Text(max_length=48), required=True)
    photos = ListOf(Nested(FileRead), required=True)


class StockItemRead(Schema):
    """An item, as a row of stock names it."""

    id = Id(required=True)
    name = Text(max_length=100, required=True)
    unit = Text(max_length=20, required=True)
    kind = Choice(ItemKind, required=True)


class KitStandardFilter(PageQuery):
    """Which standards: those that an organization issued, or with `inherited=true` also those above that reach it."""

    organization_id = Id()
    inherited = FlagParameter()
    kit = Text(max_length=40, form=KIT)
    station_kind = Choice(StationKind)

    @validates_schema
    def inherits_from_somewhere(self, data: dict[str, Any], **_options: Any) -> None:
        if "inherited" in data and "organization_id" not in data:
            raise fault("inherited_without_organization", "inherited needs organization_id.", "inherited")


class KitLineWrite(Schema):
    """How many of an item a station must hold; without a critical one it can't do its work."""

    item_id = Id(required=True)
    minimum = Count(minimum=1, maximum=1_000_000, required=True)
    critical = Flag(load_default=False)


class _KitLines(Schema):
    @validates_schema
    def items_once(self, data: dict[str, Any], **_options: Any) -> None:
        named = [line["item_id"] for line in data.get("lines") or ()]
        if len(named) != len(set(named)):
            raise fault("item_named_twice", "An item stands on two lines.", "lines")


class KitStandardCreate(_KitLines):
    """A new standard, from its lines or from a template of the product.

    A template gives kit, name and lines, and adds to the catalogue what is missing there; `name` and `station_kinds`
    may differ from it. `effective_from` is today where it is left out.
    """

    organization_id = Id(required=True)
    template = Choice(KitTemplate)
    kit = Text(max_length=40, form=KIT)
    name = Text(max_length=100)
    station_kinds = ListOf(Choice(StationKind), min_length=1, max_length=len(StationKind))
    lines = ListOf(Nested(KitLineWrite), min_length=1, max_length=MAX_LINES)
    effective_from = Day()
    note = Text(max_length=500)

    @validates_schema
    def template_or_lines(self, data: dict[str, Any], **_options: Any) -> None:
        for member in ("kit", "lines"):
            if ("template" in data) == (member in data):
                raise fault("template_or_lines", "Give a template, or kit, name, station_kinds and lines.", member)
        for member in ("name", "station_kinds"):
            if "template" not in data and member not in data:
                raise fault("template_or_lines", "Give a template, or kit, name, station_kinds and lines.", member)


class KitVersionCreate(_KitLines):
    """The next version of a standard: its lines, or `withdrawn` where it shall count no more.

    What is asked above counts beside it: a standard asks for more than those above, never for less. `supersedes` is the
    number of the version that the caller read: where a newer one was issued since, this is refused.
    """

    lines = ListOf(Nested(KitLineWrite), max_length=MAX_LINES)
    withdrawn = Flag(load_default=False)
    effective_from = Day()
    note = Text(max_length=500)
    supersedes = Count(minimum=1)

    @validates_schema
    def lines_or_withdrawn(self, data: dict[str, Any], **_options: Any) -> None:
        if ("lines" in data) == data["withdrawn"]:
            raise fault("lines_or_withdrawn", "Give lines, or withdraw the standard.", "lines")


class KitLineRead(Schema):
    """One line of a version."""

    item = Nested(StockItemRead, required=True)
    minimum = Count(required=True)
    critical = Flag(required=True)


class KitVersionRead(Schema):
    """A standard as it counts from a day on; of those that count already, the one with the highest number does."""

    id = Id(required=True)
    number = Count(required=True)
    effective_from = Day(required=True)
    withdrawn = Flag(required=True)
    note = Text(required=True, allow_none=True)
    lines = ListOf(Nested(KitLineRead), required=True)


class KitStandardRead(Schema):
    """A standard. `in_force` counts today (null before its first day), `latest` is the newest issued."""

    id = Id(required=True)
    version = Count(required=True)
    organization_id = Id(required=True)
    organization_name = Text(required=True)
    kit = Text(required=True)
    name = Text(required=True)
    station_kinds = ListOf(Choice(StationKind), required=True)
    in_force = Nested(KitVersionRead, required=True, allow_none=True)
    latest = Nested(KitVersionRead, required=True)
