"""What the catalogue takes and answers."""

from marshmallow import fields

from volunteer_api.catalog.models import ItemKind
from volunteer_api.core.schema import Choice, Count, Flag, FlagParameter, Id, PageQuery, Schema, Text
from volunteer_api.core.tables import CellErrorRead


class ItemFilter(PageQuery):
    """Which items."""

    kind = Choice(ItemKind)
    q = Text(max_length=50)


class ItemCreate(Schema):
    """A new item. A prohibited one is listed so that receipts of it are refused."""

    name = Text(max_length=100, required=True)
    kind = Choice(ItemKind, required=True)
    unit = Text(max_length=20, required=True)
    prohibited = Flag(load_default=False)
    days_once_opened = Count(minimum=1, maximum=3650)


class ItemUpdate(Schema):
    """What changes of an item. Its kind stays: the ledger was written by the rules of that kind."""

    name = Text(max_length=100)
    unit = Text(max_length=20)
    prohibited = Flag()
    days_once_opened = Count(minimum=1, maximum=3650, allow_none=True)


class ItemImportQuery(Schema):
    dry_run = FlagParameter(load_default=False)


class ItemImportRead(Schema):
    """What a table led to, or would lead to: `unchanged` were there just so. Nothing was made of `ignored_columns`."""

    dry_run = Flag(required=True)
    rows = Count(required=True)
    created = Count(required=True)
    unchanged = Count(required=True)
    ignored_columns = fields.List(fields.String(), required=True)
    errors = fields.List(fields.Nested(CellErrorRead), required=True)
    error_count = Count(required=True)


class ItemRead(Schema):
    """An item of the catalogue."""

    id = Id(required=True)
    version = Count(required=True)
    name = Text(max_length=100, required=True)
    kind = Choice(ItemKind, required=True)
    unit = Text(max_length=20, required=True)
    prohibited = Flag(required=True)
    days_once_opened = Count(required=True, allow_none=True)


class StockItemRead(Schema):
    """An item, as a row of stock names it."""

    id = Id(required=True)
    name = Text(max_length=100, required=True)
    unit = Text(max_length=20, required=True)
    kind = Choice(ItemKind, required=True)
