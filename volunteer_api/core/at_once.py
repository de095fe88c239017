"""A unit of one statement: a row and its idempotency key, written together without BEGIN and COMMIT.

For the few calls that a crowd makes in the same minute. What they look at is read in statements of their own; Python
judges; then one statement writes both rows, if its guard still holds and the caller's session is open. Whatever is not
plain (a key that is known, a guard that fails, a session that has ended, a constraint that refuses) leaves nothing
behind, and the general way finds out what it was.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flask import Response
from sqlalchemy import CTE, ColumnElement, Connection, Select, Table, bindparam, literal, select
from sqlalchemy.dialects.postgresql import insert

from volunteer_api.core.access import Principal
from volunteer_api.core.database import Base, db
from volunteer_api.core.idempotency import IdempotencyKey, Replayable
from volunteer_api.core.prepared import first_row
from volunteer_api.core.tokens import session_is_open, session_values

KEYS: Table = IdempotencyKey.__table__  # type: ignore[assignment]  # SQLAlchemy types it as any FROM clause
STATEMENTS_KEPT = 16


@dataclass(frozen=True)
class AtOnce:
    """A new row of a table, its columns as attributes, which is answered too; and the guard under which it is written.

    The guard may name the row's columns as parameters, `row_shift_id`; it is the same object for every request.
    """

    model: type[Base]
    row: Any
    guard: ColumnElement[bool]


def is_possible() -> bool:
    """Whether the database can: SQLite has one writer, and no INSERT within a SELECT."""
    return db.engine.dialect.name == "postgresql"


def connected() -> Connection:
    """A connection on which each statement is a transaction, past the session: it would cost as much as a statement."""
    return db.engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def write(connection: Connection, effect: AtOnce, principal: Principal, key: Replayable, response: Response) -> bool:
    """Write the row and the answer under its key; False where nothing was written. Raises what a constraint refuses."""
    table: Table = effect.model.__table__  # type: ignore[assignment]  # as above
    given = {name: value for name, value in vars(effect.row).items() if value is not None}
    values = {f"row_{name}": value for name, value in given.items()}
    values |= {f"key_{name}": value for name, value in key.columns(response).items()}
    values |= session_values(principal)
    statement = _statement(table, frozenset(given), effect.guard, session_is_open())
    return first_row(connection, statement, values) is not None


@lru_cache(maxsize=STATEMENTS_KEPT)
def _statement(table: Table, names: frozenset[str], *guards: ColumnElement[bool]) -> Select[Any]:
    plain = select(literal(1).label("one")).where(*guards).cte("plain")
    keyed = _inserted(KEYS, "key_", KEYS.columns.keys(), plain)
    keyed_rows = keyed.on_conflict_do_nothing().returning(KEYS.c.key).cte("keyed")
    made = _inserted(table, "row_", sorted(names), keyed_rows).returning(*table.primary_key.columns).cte("made")
    return select(*made.c)


def _inserted(table: Table, prefix: str, names: Iterable[str], source: CTE) -> Any:
    """An INSERT of parameters where the source has its row; the database fills in the columns that are not named."""
    values = [bindparam(f"{prefix}{name}", type_=table.columns[name].type) for name in names]
    return insert(table).from_select(list(names), select(*values).select_from(source), include_defaults=False)
