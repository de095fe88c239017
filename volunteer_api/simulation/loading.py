"""Many rows at once: COPY on PostgreSQL, one executemany after the other on SQLite, in the transaction of the unit.

Rows are lines of tab-separated text, of which both databases make the same values: ids as 32 hexadecimal digits,
moments in UTC, `\\N` where there is none. On PostgreSQL foreign keys, indexes and our triggers step aside meanwhile and
are made again from their own definitions, which asks every row at once what it would have been asked alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from sqlalchemy import text

from volunteer_api.core.database import db

NULL = "\\N"
BYTES = "\\\\x"
LINES_AT_ONCE = 20_000

NOTES_ON_SQLITE = r"SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%\_sync\_%' ESCAPE '\'"
TRIGGERS = """
SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger
WHERE NOT tgisinternal AND tgrelid = ANY(CAST(:tables AS regclass[])) ORDER BY 1
"""
FOREIGN_KEYS = """
SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'f' AND conrelid = ANY(CAST(:tables AS regclass[])) ORDER BY conrelid::regclass::text, conname
"""
# Those that nothing refers to: a key that is made at once is made much faster.
KEYS = """
SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
WHERE (contype = 'u' OR contype = 'p' AND NOT EXISTS (SELECT 1 FROM pg_constraint AS other
    WHERE other.confrelid = pg_constraint.conrelid))
AND conrelid = ANY(CAST(:tables AS regclass[])) ORDER BY conrelid::regclass::text, conname
"""
INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid = ANY(CAST(:tables AS regclass[]))
AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid) ORDER BY indexrelid::regclass::text
"""


class Loader:
    """Gathers lines by table, and writes them as they become many. `columns` are each table's, in the lines' order;
    a table stands after those that it refers to.

    PostgreSQL reads one portion while the next is made: until `write_all` is back, nobody else may use the connection.
    """

    def __init__(self, columns: Mapping[str, Sequence[str]]) -> None:
        self.counts = dict.fromkeys(columns, 0)
        self._columns = columns
        self._lines: dict[str, list[str]] = {table: [] for table in columns}
        self._is_sqlite = db.engine.dialect.name == "sqlite"
        self._driver: Any = db.session.connection().connection.driver_connection
        self._thread = ThreadPoolExecutor(1)
        self._written: Future[None] | None = None

    def lines(self, table: str) -> list[str]:
        """Where a table's lines are added; call `write_some` now and then."""
        return self._lines[table]

    def write_some(self) -> None:
        """Write what there is, once there is much."""
        if max(map(len, self._lines.values())) >= LINES_AT_ONCE:
            self._write_each()

    def write_all(self) -> None:
        """Write what is left, and wait for it."""
        self._write_each()
        self._wait()

    def close(self) -> None:
        """Wait for what is being written, whatever became of it."""
        self._thread.shutdown()

    def _write_each(self) -> None:
        # In the order of the tables, so that SQLite finds what a row refers to: it would go through all rows otherwise.
        for table in self._lines:
            self._write(table)

    def _write(self, table: str) -> None:
        lines = self._lines[table]
        if not lines:
            return
        self.counts[table] += len(lines)
        names = ", ".join(f'"{column}"' for column in self._columns[table])
        if self._is_sqlite:
            marks = ", ".join("?" * len(self._columns[table]))
            rows = [tuple(map(_value, line.split("\t"))) for line in lines]
            # Names of our own tables.
            self._driver.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608
        else:
            portion = "\n".join(lines) + "\n"
            self._wait()
            self._written = self._thread.submit(self._copy, f"COPY {table} ({names}) FROM STDIN", portion)
        lines.clear()

    def _copy(self, statement: str, portion: str) -> None:
        with self._driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(portion)

    def _wait(self) -> None:
        """Until the portion before is written; raises what became of it."""
        if self._written is not None:
            written, self._written = self._written, None
            written.result()


@contextmanager
def set_aside(tables: Sequence[str]) -> Iterator[None]:
    """Let foreign keys, indexes and triggers of the tables step aside inside the block.

    On SQLite only the triggers that note what changed for phones, a million rows of no use. All of it in the
    transaction of the unit: whoever looks meanwhile waits, and a failure leaves everything as it was.
    """
    run = db.session.connection().exec_driver_sql
    if db.engine.dialect.name == "sqlite":
        notes = run(NOTES_ON_SQLITE).all()
        for name, _ in notes:
            run(f"DROP TRIGGER {name}")
        yield
        for _, definition in notes:
            run(definition)
        return
    for setting in ("statement_timeout", "idle_in_transaction_session_timeout"):
        run(f"SET LOCAL {setting} = 0")
    run("SET LOCAL maintenance_work_mem = '512MB'")
    run("SET LOCAL work_mem = '256MB'")
    # Other transactions may have written before: what they left to be asked at the end is asked now.
    run("SET CONSTRAINTS ALL IMMEDIATE")
    named = {"tables": list(tables)}
    triggers = [row[0] for row in db.session.execute(text(TRIGGERS), named)]
    foreign_keys = [tuple(row) for row in db.session.execute(text(FOREIGN_KEYS), named)]
    keys = [tuple(row) for row in db.session.execute(text(KEYS), named)]
    indexes = [tuple(row) for row in db.session.execute(text(INDEXES), named)]
    for table in triggers:
        run(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    for table, name, _ in (*foreign_keys, *keys):
        run(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for name, _ in indexes:
        run(f"DROP INDEX {name}")
    yield
    for _, definition in indexes:
        run(definition)
    for table, name, definition in (*keys, *foreign_keys):
        run(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    for table in triggers:
        run(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def _value(text_of_it: str) -> str | bytes | None:
    if text_of_it == NULL:
        return None
    if text_of_it.startswith(BYTES):
        return bytes.fromhex(text_of_it[len(BYTES) :])
    return text_of_it.replace("\\n", "\n")
