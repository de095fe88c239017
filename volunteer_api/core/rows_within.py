"""Rows of one statement as a value of another: what a page needs to know beside its own rows comes with them.

A statement of its own costs more than what it reads where that is a few rows.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Boolean, ColumnElement, Date, Integer, Select, String, Uuid
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from volunteer_api.core.database import UtcDateTime


class RowsWithin:
    """A statement's rows as one value: `column`, to be read with another statement's.

    `read` makes of it rows whose members are the statement's columns.
    """

    def __init__(self, rows: Select[*tuple[Any, ...]]) -> None:
        columns = rows.selected_columns
        values = rows.with_only_columns(_row(*columns).label("value"), maintain_column_froms=True)
        self.column: ColumnElement[Any] = _rows(values.scalar_subquery())
        self._members = [(name, _conversion(column.type)) for name, column in columns.items()]

    def read(self, value: Iterable[Iterable[Any]]) -> list[SimpleNamespace]:
        """The rows of the column's value, in their order."""
        return [SimpleNamespace(**self._converted(row)) for row in value]

    def _converted(self, row: Iterable[Any]) -> dict[str, Any]:
        return {
            name: value if value is None or convert is None else convert(value)
            for (name, convert), value in zip(self._members, row, strict=True)
        }


class _row(FunctionElement[Any]):  # noqa: N801 - it is written as a function
    """The values of a row as an array of JSON."""

    type = JSON()
    inherit_cache = True


class _rows(FunctionElement[Any]):  # noqa: N801 - as above
    """The values that a statement finds as an array of JSON."""

    type = JSON()
    inherit_cache = True


@compiles(_row, "postgresql")
def _row_on_postgresql(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_build_array({compiler.process(element.clauses, **options)})"


@compiles(_rows, "postgresql")
def _rows_on_postgresql(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"to_json(ARRAY{compiler.process(element.clauses, **options)})"


@compiles(_row, "sqlite")
def _row_on_sqlite(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    # What is kept as JSON's text would be a text within.
    columns = ((compiler.process(one, **options), isinstance(one.type, JSON)) for one in element.clauses)
    return f"json_array({', '.join(f'json({text})' if is_json else text for text, is_json in columns)})"


@compiles(_rows, "sqlite")
def _rows_on_sqlite(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    found = compiler.process(element.clauses, **options)
    return f"(SELECT json_group_array(json(found.value)) FROM {found} AS found)"  # noqa: S608  # no value stands in it


def _conversion(kind: TypeEngine[Any]) -> Callable[[Any], Any] | None:
    """What makes a value of this type of what JSON has for it; None where it is the same."""
    match kind:
        case Uuid():
            return UUID
        case UtcDateTime():
            return _moment
        case Date():
            return date.fromisoformat
        case Boolean():
            return bool
        case String() | Integer() | JSON():
            return None
    raise TypeError(f"a {kind!r} is not told by JSON")


def _moment(text: str) -> datetime:
    # SQLite's have no zone: they are kept in UTC.
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
