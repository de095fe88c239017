"""Lists in pages: at most 100 rows, totally ordered, with an opaque signed cursor bound to the filters."""

import hashlib
import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any
from uuid import UUID

import orjson
from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode, base64_encode
from sqlalchemy import BindParameter, ColumnElement, Integer, Row, Select, SQLColumnExpression, and_, bindparam, or_

from volunteer_api.core.database import db
from volunteer_api.core.keys import derive_key, secrets_known
from volunteer_api.core.prepared import all_rows
from volunteer_api.core.problems import InvalidCursor
from volunteer_api.core.statements import kept_with_statement

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
# Shapes of one list's SQL: by which filters it is asked, and by whom.
SHAPES_KEPT = 64


@dataclass(frozen=True, eq=False)
class Key:
    """One column of a list's order. The last key of a list must be unique, or pages tear."""

    column: SQLColumnExpression[Any]
    read: Any
    descending: bool = False

    @cached_property
    def text(self) -> str:
        """The column, as a cursor's binding names it."""
        return str(self.column)


@dataclass(frozen=True)
class Page:
    """What a list answers."""

    items: Sequence[Any]
    next_cursor: str | None


@dataclass(frozen=True)
class Wanted:
    """The first `count` rows of `statement`, which starts behind the cursor; `values` are those of its parameters.

    `first_rows` reads so many of it, or of a statement made from it, with the values that this one has beside.
    """

    statement: Select[*tuple[Any, ...]]
    count: int
    values: Mapping[str, Any]
    first_rows: Callable[[Select[*tuple[Any, ...]], Mapping[str, Any]], Sequence[Row[Any]]]

    def unless_gone(
        self, found: Sequence[Row[Any]], promised: int, whole: Callable[[], Select[*tuple[Any, ...]]]
    ) -> Sequence[Row[Any]]:
        """What was found of the rows that were there a moment ago, else the first rows of the `whole` statement.

        If one of those is gone, it is not certain that the others are the first.
        """
        return found if len(found) >= promised else self.first_rows(whole(), {})


# Gives the same rows as `wanted.first_rows(wanted.statement, {})`, and has the database read fewer to find them.
Narrow = Callable[[Wanted], Sequence[Row[Any]]]


def page(
    statement: Select[*tuple[Any, ...]],
    keys: Sequence[Key],
    query: Mapping[str, Any],
    *,
    scope: str = "",
    narrow: Narrow | None = None,
    values: Mapping[str, Any] = MappingProxyType({}),
    kept: Sequence[Any] = (),
) -> Page:
    """One page of `statement` in the order of `keys`.

    `query` has `limit` and `cursor` beside the filters; `scope` names what the path or the caller fixes, so that a
    cursor of one list opens no other. Each key's `read` takes an item and gives the value of its column. A statement
    of one entity gives that entity's objects, one of several columns gives rows. `narrow` spares the database what
    can't be on the page. `values` are those of the parameters in statement and keys; those that many requests share are
    put together once. What is `kept` goes into the cursor for the next page, and `cursor_values` finds it there.

    Raises InvalidCursor (400).
    """
    limit = query.get("limit") or DEFAULT_LIMIT
    binding = _bind(query, keys, scope)
    if query.get("cursor"):
        last = open_cursor(query["cursor"], binding, len(keys), len(kept))
        statement, values = _behind(statement, tuple(keys)), {**values, **marks(last[: len(keys)])}

    def first_rows(of: Select[*tuple[Any, ...]], more: Mapping[str, Any]) -> Sequence[Row[Any]]:
        # Of columns the session would make nothing else.
        asked, given = _in_order(of, tuple(keys)), {**values, **more, "page_rows": limit + 1}
        if _is_of_columns(statement):
            return all_rows(db.session.connection(), asked, given)
        return db.session.execute(asked, given).all()

    found = first_rows(statement, {}) if narrow is None else narrow(Wanted(statement, limit + 1, values, first_rows))
    rows = [row[0] if len(row) == 1 else row for row in found]
    items = rows[:limit]
    more = len(rows) > limit
    return Page(items, make_cursor([*(key.read(items[-1]) for key in keys), *kept], binding) if more else None)


@kept_with_statement
def _behind(statement: Select[*tuple[Any, ...]], keys: tuple[Key, ...]) -> Select[*tuple[Any, ...]]:
    return statement.where(lies_behind(keys))


@kept_with_statement
def _in_order(statement: Select[*tuple[Any, ...]], keys: tuple[Key, ...]) -> Select[*tuple[Any, ...]]:
    order = [key.column.desc() if key.descending else key.column.asc() for key in keys]
    return statement.order_by(*order).limit(bindparam("page_rows", type_=Integer()))


@kept_with_statement
def _is_of_columns(statement: Select[*tuple[Any, ...]]) -> bool:
    """Whether it reads plain columns, and no entity or bundle, which only the session puts together."""
    return all(isinstance(column["expr"], SQLColumnExpression) for column in statement.column_descriptions)


def cursor_values(keys: Sequence[Key], query: Mapping[str, Any], *, scope: str = "", kept: int = 0) -> list[Any] | None:
    """Of which values the query's cursor is, None without one: for a statement whose rows `page_of_rows` will order.

    Behind those of the keys stand so many that were `kept`, or none.

    Raises InvalidCursor (400).
    """
    cursor = query.get("cursor")
    return open_cursor(cursor, _bind(query, keys, scope), len(keys), kept) if cursor else None


def lies_behind(keys: Sequence[Key]) -> ColumnElement[bool]:
    """That a row comes after the values of the keys that `marks` binds.

    (a, b) > (x, y) as a > x or (a = x and b > y), since directions may differ.
    """
    # Compared with a column, a parameter is of its type.
    last: list[BindParameter[Any]] = [bindparam(name) for name in marks(keys)]
    clauses: list[ColumnElement[bool]] = []
    for position, key in enumerate(keys):
        equal = [earlier.column == value for earlier, value in zip(keys[:position], last, strict=False)]
        clauses.append(and_(*equal, key.column < last[position] if key.descending else key.column > last[position]))
    return or_(*clauses)


def marks(values: Iterable[Any]) -> dict[str, Any]:
    """The values of a cursor by the names of their parameters in `lies_behind`."""
    return {f"behind_{place}": value for place, value in enumerate(values)}


def page_of_rows(rows: Iterable[Any], keys: Sequence[Key], query: Mapping[str, Any], *, scope: str = "") -> Page:
    """One page of rows that are at hand, in the ascending order of `keys`: for what no database alone can order.

    Its cursors are those of `cursor_values`. Raises InvalidCursor (400).
    """
    limit = query.get("limit") or DEFAULT_LIMIT
    binding = _bind(query, keys, scope)
    keyed = (([key.read(row) for key in keys], row) for row in rows)
    values = cursor_values(keys, query, scope=scope)
    if values is not None:
        keyed = ((key, row) for key, row in keyed if key > values)
    found = heapq.nsmallest(limit + 1, keyed, key=lambda pair: pair[0])
    more = len(found) > limit
    return Page([row for _, row in found[:limit]], make_cursor(found[limit - 1][0], binding) if more else None)


def _bind(query: Mapping[str, Any], keys: Sequence[Key], scope: str) -> str:
    filters = sorted((name, str(value)) for name, value in query.items() if name not in ("limit", "cursor"))
    return binding_of(scope, filters, [key.text for key in keys])


def binding_of(*parts: object) -> str:
    """What a cursor is bound to, from all that must be the same where it is used."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()


@lru_cache(maxsize=4)
def _signer(*secrets: str) -> Signer:
    # The library signs with the last, and takes any.
    return Signer([derive_key(secret, "cursor") for secret in reversed(secrets)])


def make_cursor(values: Sequence[Any], binding: str) -> str:
    """An opaque signed text that holds the values."""
    content = orjson.dumps([binding, *(_pack(value) for value in values)])
    return _signer(*secrets_known()).sign(base64_encode(content)).decode()


def open_cursor(cursor: str, binding: str, length: int, kept: int = 0) -> list[Any]:
    """The values of a cursor, so many as there must be, and so many that were `kept`. Raises InvalidCursor (400).

    One of a release that kept nothing has none of these.
    """
    try:
        found_binding, *values = orjson.loads(base64_decode(_signer(*secrets_known()).unsign(cursor)))
        if found_binding != binding or len(values) not in (length, length + kept):
            raise InvalidCursor()
        return [_unpack(value) for value in values]
    except (BadData, ValueError, TypeError, UnicodeError) as error:
        raise InvalidCursor() from error


def _pack(value: Any) -> Any:
    match value:
        case datetime():
            return {"t": value.isoformat()}
        case date():
            return {"d": value.isoformat()}
        case UUID():
            return {"u": value.hex}
        case str() | int() | float():
            return value
    raise TypeError(f"a list can't be ordered by {type(value).__name__}")


def _unpack(value: Any) -> Any:
    match value:
        case {"t": text}:
            return datetime.fromisoformat(text)
        case {"d": text}:
            return date.fromisoformat(text)
        case {"u": text}:
            return UUID(text)
    return value
