"""SQL that SQLite and PostgreSQL both speak, but that SQLAlchemy builds with each dialect's own construct."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from weakref import WeakKeyDictionary

import orjson
from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    CursorResult,
    Dialect,
    Integer,
    Result,
    Row,
    Select,
    String,
    Table,
    TextClause,
    TypeDecorator,
    Uuid,
    any_,
    bindparam,
    delete,
    func,
    literal,
    select,
    text,
    tuple_,
)
from sqlalchemy import cast as cast_to
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from volunteer_api.core.database import Base, db

DELETED_AT_ONCE = 5000

Statement = TypeVar("Statement")
Others = ParamSpec("Others")
Built = TypeVar("Built")


def kept_with_statement(
    build: Callable[Concatenate[Statement, Others], Built],
) -> Callable[Concatenate[Statement, Others], Built]:
    """Keep what `build` makes of a statement, and of hashable others, for as long as there is that statement.

    What is made of one that many requests share is made once. A statement that was built for a single request goes with
    it, and so does what was made of it: kept by number, some thousand of those were a worker's most memory.
    """
    kept: WeakKeyDictionary[Any, dict[Any, Built]] = WeakKeyDictionary()

    @wraps(build)
    def built(statement: Statement, /, *others: Others.args, **named: Others.kwargs) -> Built:
        made = kept.setdefault(statement, {})
        key = (others, tuple(named.items()))
        if key not in made:
            made[key] = build(statement, *others, **named)
        return made[key]

    return built


def insert(table: Any) -> Any:
    """An INSERT that knows ON CONFLICT, for the database in use."""
    construct = sqlite.insert if db.engine.dialect.name == "sqlite" else postgresql.insert
    return construct(table)


def insert_all(model: type[Base], rows: Sequence[Mapping[str, Any]], *, skip_known: bool = False) -> Sequence[Row[Any]]:
    """Insert rows that name the same columns, all that have no default in the database; returns the keys of the new.

    With `skip_known`, those that a unique constraint refuses are left out. PostgreSQL takes all rows as one parameter
    of one statement, which is always the same: to convert and send each value by itself costs more than to store it.
    """
    if not rows:
        return []
    table: Table = model.__table__  # type: ignore[assignment]  # SQLAlchemy types it as any FROM clause
    connection = db.session.connection()
    if connection.dialect.name == "postgresql":
        statement = _insert_of_json(table, tuple(rows[0]), skip_known)
        return connection.execute(
            statement, {"rows": orjson.dumps(rows, default=_as_hex, option=orjson.OPT_UTC_Z).decode()}
        ).all()
    one = insert(table).on_conflict_do_nothing() if skip_known else insert(table)
    return connection.execute(one.returning(*table.primary_key.columns), rows).all()


@lru_cache(maxsize=64)
def _insert_of_json(table: Table, names: tuple[str, ...], skip_known: bool) -> TextClause:
    quote = postgresql.dialect().identifier_preparer.quote  # type: ignore[no-untyped-call]  # it has no types
    into, columns = quote(table.name), ", ".join(map(quote, names))
    keys = ", ".join(quote(column.name) for column in table.primary_key.columns)
    return text(
        f"INSERT INTO {into} ({columns}) SELECT {columns} "  # noqa: S608  # names of our own tables
        f"FROM json_populate_recordset(CAST(NULL AS {into}), CAST(:rows AS json)) "
        f"{'ON CONFLICT DO NOTHING ' if skip_known else ''}RETURNING {keys}"
    )


def _as_hex(value: Any) -> str:
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    raise TypeError(f"a {type(value).__name__} is no value of a row")


def among(column: Any, values: Collection[Any]) -> ColumnElement[bool]:
    """Whether a column has one of the values, in a statement of one parameter, however many they are.

    As parameters of their own, more than 65,535 are refused by PostgreSQL and more than 32,766 by SQLite.
    """
    return _is_among(column, bindparam(None, list(values), type_=_listed(column, db.engine.dialect.name)))


def among_constants(column: Any, constants: Iterable[Any]) -> ColumnElement[bool]:
    """The same for a few that never change: SQLAlchemy writes the IN of a list anew on each call of its statement."""
    return cast(ColumnElement[bool], column.in_([literal(one, column.type) for one in constants]))


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


def among_given(column: Any, name: str, dialect: str) -> ColumnElement[bool]:
    """The same for the values of the parameter `name`, in a statement that is kept for the database in use."""
    return _is_among(column, bindparam(name, type_=_listed(column, dialect)))


class _JsonArray(TypeDecorator[list[Any]]):
    """Values of one type as SQLite takes them, which has no arrays."""

    impl = String
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def process_bind_param(self, value: Iterable[Any] | None, dialect: Dialect) -> str:
        convert = self.item.dialect_impl(dialect).bind_processor(dialect)
        return orjson.dumps([convert(one) if convert is not None else one for one in value or ()]).decode()


class PlainArray(TypeDecorator[list[Any]]):
    """Ids or numbers as PostgreSQL writes an array of them.

    To hand a list to the driver, which looks for the type of each value, takes longer than many a statement.
    """

    impl = ARRAY
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Any:
        return _in_braces


def _in_braces(values: Iterable[Any]) -> str:
    written = ",".join(map(str, values)).replace(str(None), "NULL")
    return f"{{{written}}}"


def _listed(column: Any, dialect: str) -> TypeEngine[Any]:
    if dialect != "postgresql":
        return _JsonArray(column.type)
    # Texts would have to be quoted, and others be written as the driver does.
    return (PlainArray if isinstance(column.type, Uuid | Integer) else ARRAY)(column.type)


def _is_among(column: Any, values: BindParameter[Any]) -> ColumnElement[bool]:
    if isinstance(values.type, _JsonArray):
        return cast(ColumnElement[bool], column.in_(select(func.json_each(values).table_valued("value").c.value)))
    return cast(ColumnElement[bool], column == any_(values))


def first_and_last(column: Any) -> tuple[ColumnElement[str], ColumnElement[str]]:
    """The first and the last of the ids in a group, as texts: not every database knows which UUID is less."""
    text_of = cast_to(column, String)
    return func.min(text_of), func.max(text_of)


def delete_some(model: type[Base], *conditions: ColumnElement[bool]) -> int:
    """Delete at most `DELETED_AT_ONCE` of the rows that meet the conditions, in the running unit; returns how many.

    What is deleted by its age may have become a lot: one statement for all of it could take longer than one may, and
    would then fail for ever. See `tasks.repeat`.
    """
    keys = model.__table__.primary_key.columns  # type: ignore[attr-defined]  # SQLAlchemy types it as any FROM clause
    some = select(*keys).where(*conditions).limit(DELETED_AT_ONCE)
    gone = delete(model).where(tuple_(*keys).in_(some)).execution_options(synchronize_session=False)
    return row_count(db.session.execute(gone))


def set_limits(limits: Mapping[str, str]) -> None:
    """Let PostgreSQL allow this unit more, or less, than a request. It takes no snapshot yet."""
    if db.engine.dialect.name == "postgresql":
        for name, value in limits.items():
            db.session.execute(text(f"SET LOCAL {name} = '{value}'"))


def count_some(which: Select[Any], most: int) -> int:
    """How many rows a statement finds, counted up to `most`: however many wait, it takes no longer."""
    some = which.limit(most).subquery()
    return db.session.scalar(select(func.count()).select_from(some)) or 0


def row_count(result: Result[Any]) -> int:
    """How many rows an UPDATE or DELETE touched: what a conditional UPDATE is judged by. For others, `insert_found`."""
    return int(cast(CursorResult[Any], result).rowcount)


def insert_found(model: type[Base], names: Sequence[str], found: Select[Any]) -> int:
    """Insert what a statement finds, in the order of the names; returns how many rows."""
    # Without being asked for it, SQLAlchemy does not keep what the driver tells of an INSERT.
    told = {"preserve_rowcount": True}
    return row_count(db.session.execute(insert(model).from_select(names, found), execution_options=told))
