"""Many rows at once: COPY on PostgreSQL, one executemany after the other on SQLite, in the transaction of the unit.

Rows are lines of tab-separated text, of which both databases make the same values: ids as 32 hexadecimal digits,
moments in UTC, `\\N` where there is none. On PostgreSQL foreign keys, indexes and our triggers step aside meanwhile and
are made again from their own definitions, which asks every row at once what it would have been asked alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import text

from volunteer_api.core.database import db

NULL = "\\N"
BYTES = "\\\\x"
LINES_AT_ONCE = 20_000

TRIGGERS = """
SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger
WHERE NOT tgisinternal AND tgrelid = ANY(CAST(:tables AS regclass[])) ORDER BY 1
"""
FOREIGN_KEYS = """
SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'f' AND conrelid = ANY(CAST(:tables AS regclass[])) ORDER BY conrelid::regclass::text, conname
"""
UNIQUES = """
SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'u' AND conrelid = ANY(CAST(:tables AS regclass[])) ORDER BY conrelid::regclass::text, conname
"""
INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid = ANY(CAST(:tables AS regclass[]))
AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid) ORDER BY indexrelid::regclass::text
"""


class Loader:
    """Gathers lines by table, and writes them as they become many. `columns` are each table's, in the lines' order."""

    def __init__(self, columns: Mapping[str, Sequence[str]]) -> None:
        self.counts = dict.fromkeys(columns, 0)
        self._columns = columns
        self._lines: dict[str, list[str]] = {table: [] for table in columns}
        self._is_sqlite = db.engine.dialect.name == "sqlite"
        self._driver: Any = db.session.connection().connection.driver_connection

    def lines(self, table: str) -> list[str]:
        """Where a table's lines are added; call `write_some` now and then."""
        return self._lines[table]

    def write_some(self) -> None:
        """Write the tables of which many lines are there."""
        for table, lines in self._lines.items():
            if len(lines) >= LINES_AT_ONCE:
                self._write(table)

    def write_all(self) -> None:
        """Write what is left."""
        for table in self._lines:
            self._write(table)

    def _write(self, table: str) -> None:
        lines = self._lines[table]
        if not lines:
            return
        columns = self._columns[table]
        self.counts[table] += len(lines)
        names = ", ".join(f'"{column}"' for column in columns)
        if self._is_sqlite:
            marks = ", ".join("?" * len(columns))
            rows = [tuple(map(_value, line.split("\t"))) for line in lines]
            self._driver.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608
        else:
            with self._driver.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                copy.write("\n".join(lines) + "\n")
        lines.clear()


@contextmanager
def set_aside(tables: Sequence[str]) -> Iterator[None]:
    """Let foreign keys, indexes and triggers of the tables step aside inside the block, on PostgreSQL.

    All of it in the transaction of the unit: whoever looks meanwhile waits, and a failure leaves everything as it was.
    """
    if db.engine.dialect.name == "sqlite":
        # Triggers ask there all the same; what refers to what is asked at the commit.
        db.session.execute(text("PRAGMA defer_foreign_keys = ON"))
        yield
        return
    run = db.session.connection().exec_driver_sql
    for setting in ("statement_timeout", "idle_in_transaction_session_timeout"):
        run(f"SET LOCAL {setting} = 0")
    run("SET LOCAL maintenance_work_mem = '512MB'")
    run("SET LOCAL work_mem = '256MB'")
    # Other transactions may have written before: what they left to be asked at the end is asked now.
    run("SET CONSTRAINTS ALL IMMEDIATE")
    named = {"tables": list(tables)}
    triggers = [row[0] for row in db.session.execute(text(TRIGGERS), named)]
    foreign_keys = [tuple(row) for row in db.session.execute(text(FOREIGN_KEYS), named)]
    uniques = [tuple(row) for row in db.session.execute(text(UNIQUES), named)]
    indexes = [tuple(row) for row in db.session.execute(text(INDEXES), named)]
    for table in triggers:
        run(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    for table, name, _ in (*foreign_keys, *uniques):
        run(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for name, _ in indexes:
        run(f"DROP INDEX {name}")
    yield
    for _, definition in indexes:
        run(definition)
    for table, name, definition in (*uniques, *foreign_keys):
        run(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    for table in triggers:
        run(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def _value(text_of_it: str) -> str | bytes | None:
    if text_of_it == NULL:
        return None
    if text_of_it.startswith(BYTES):
        return bytes.fromhex(text_of_it[len(BYTES) :])
    return text_of_it.replace("\\n", "\n")
