"""SQL that SQLite and PostgreSQL both speak, but that SQLAlchemy builds with each dialect's own construct."""

from typing import Any, cast

from sqlalchemy import CursorResult, Result, String
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from volunteer_api.core.database import db


def insert(table: Any) -> Any:
    """An INSERT that knows ON CONFLICT, for the database in use."""
    construct = sqlite.insert if db.engine.dialect.name == "sqlite" else postgresql.insert
    return construct(table)


class folded(FunctionElement[str]):  # noqa: N801 - it is written as a function
    """What `codes.fold` makes of a column, in SQL. SQLite asks `codes.fold` itself."""

    name = "fold_code"
    type = String()
    inherit_cache = True


@compiles(folded, "sqlite")
def _fold_on_sqlite(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"fold_code({compiler.process(element.clauses, **options)})"


@compiles(folded, "postgresql")
def _fold_on_postgresql(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"upper(regexp_replace(normalize({compiler.process(element.clauses, **options)}, NFKC), '\\s', '', 'g'))"


def row_count(result: Result[Any]) -> int:
    """How many rows an UPDATE or DELETE touched: what a conditional UPDATE is judged by."""
    return int(cast(CursorResult[Any], result).rowcount)
