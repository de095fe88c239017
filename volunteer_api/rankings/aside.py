"""Tables that only one connection sees, for what is counted in several steps. They go with the transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column, MetaData, Table, insert, text

from volunteer_api.core.database import db
from volunteer_api.rankings.facts import Rows


class Aside:
    """Some tables that are made together, and gone together."""

    def __init__(self) -> None:
        self._metadata = MetaData()

    def table(self, name: str, *columns: Column[Any]) -> Table:
        """One of them, declared."""
        return Table(name, self._metadata, *columns, prefixes=["TEMPORARY"])

    @contextmanager
    def made(self) -> Iterator[None]:
        """All of them, empty, inside the block."""
        connection = db.session.connection()
        self._metadata.create_all(connection, checkfirst=False)
        yield
        # After an error there are none: they went with the transaction.
        self._metadata.drop_all(connection, checkfirst=False)


def fill(table: Table, rows: Rows, *, to_be_joined: bool = False) -> None:
    """Write the rows, whose columns stand in the table's order."""
    connection = db.session.connection()
    connection.execute(insert(table).from_select([column.name for column in table.columns], rows))
    if to_be_joined and connection.dialect.name == "postgresql":
        # Nobody else analyzes a table that only this connection sees.
        connection.execute(text(f"ANALYZE {table.name}"))
