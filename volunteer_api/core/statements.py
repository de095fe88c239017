"""SQL that SQLite and PostgreSQL both speak, but that SQLAlchemy builds with each dialect's own construct."""

from typing import Any, cast

from sqlalchemy import CursorResult, Result
from sqlalchemy.dialects import postgresql, sqlite

from volunteer_api.core.database import db


def insert(table: Any) -> Any:
    """An INSERT that knows ON CONFLICT, for the database in use."""
    construct = sqlite.insert if db.engine.dialect.name == "sqlite" else postgresql.insert
    return construct(table)


def row_count(result: Result[Any]) -> int:
    """How many rows an UPDATE or DELETE touched: what a conditional UPDATE is judged by."""
    return int(cast(CursorResult[Any], result).rowcount)
