"""Statements that a crowd runs: put into the driver's words once, and run past what SQLAlchemy does on each call.

A statement is the same object for every request, and its values are bound by name.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ClauseElement, Connection, CursorResult, Row, Select
from sqlalchemy.engine import Dialect, IteratorResult
from sqlalchemy.engine.result import ResultMetaData, SimpleResultMetaData
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

from volunteer_api.core.statements import kept_with_statement


@dataclass(frozen=True)
class Prepared:
    """A statement in the driver's words, the values that stand in it, and how others become the driver's."""

    text: str
    constants: Mapping[str, Any]
    conversions: Mapping[str, Callable[[Any], Any]]

    def given(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What the driver is given for these values."""
        given = {**self.constants, **values}
        for name, convert in self.conversions.items():
            given[name] = convert(given[name])
        return given


@dataclass(frozen=True)
class Way:
    """How a statement is read from the driver: `names` are those of its values, `members` tell rows of its columns."""

    prepared: Prepared
    names: Set[str]
    members: ResultMetaData


@dataclass
class Reading:
    """How often a statement that reads was run, and its way past SQLAlchemy, once that is known."""

    times: int = 0
    way: Way | None = None


def first_row(connection: Connection, statement: ClauseElement, values: Mapping[str, Any]) -> Row[Any] | None:
    """The first row of what a statement returns, None where there is none. Its values are as the driver gives them."""
    prepared = _prepared(statement, connection.dialect, tuple(values))
    return connection.exec_driver_sql(prepared.text, prepared.given(values)).first()


def all_rows(
    connection: Connection, statement: Select[*tuple[Any, ...]], values: Mapping[str, Any]
) -> Sequence[Row[*tuple[Any, ...]]]:
    """The rows of a statement that only reads.

    What is asked again and again, outside of a transaction, the driver is asked at once: SQLAlchemy's part in a list
    was a tenth of it. A statement that was built for one request is not put into the driver's words, which takes long.
    """
    reading = _reading(statement, connection.dialect)
    if reading.way is not None and reading.way.names == values.keys() and _is_alone(connection):
        return _from_driver(connection, reading.way, values)
    result = connection.execute(statement, values)
    reading.times += 1
    if reading.times == 2 and _is_plain(statement, result, connection.dialect):
        reading.way = _way(statement, result, connection.dialect, tuple(values))
    return result.all()


@kept_with_statement
def _prepared(statement: ClauseElement, dialect: Dialect, names: tuple[str, ...]) -> Prepared:
    compiled = cast(SQLCompiler, statement.compile(dialect=dialect))
    conversions = {
        name: convert
        for name, bind in compiled.binds.items()
        if (convert := bind.type.dialect_impl(dialect).bind_processor(dialect)) is not None
    }
    # Lists of constants become a parameter for each.
    whole = compiled.construct_expanded_state(dict.fromkeys(names))
    processors = {**conversions, **whole.processors}
    constants = {
        name: processors[name](value) if name in processors else value
        for name, value in whole.parameters.items()
        if name not in names
    }
    if lists := [name for name in names if name in compiled.binds and compiled.binds[name].expanding]:
        raise ValueError(f"the statement would need other words for each length of {lists}")
    if lacking := [name for name, value in constants.items() if value is None]:
        raise ValueError(f"the statement needs values of {lacking}")
    return Prepared(whole.statement, constants, {name: conversions[name] for name in names if name in conversions})


@kept_with_statement
def _reading(_statement: Select[*tuple[Any, ...]], _dialect: Dialect) -> Reading:
    return Reading()


def _is_plain(statement: Select[*tuple[Any, ...]], result: CursorResult[Any], dialect: Dialect) -> bool:
    """Whether the driver gives each value as SQLAlchemy would hand it on: PostgreSQL's does for nearly all types."""
    columns = [column.type for column in statement.selected_columns]
    described = result.cursor.description if dialect.name == "postgresql" and result.cursor is not None else ()
    return len(columns) == len(described) and all(
        kind.dialect_impl(dialect).result_processor(dialect, one[1]) is None
        for kind, one in zip(columns, described, strict=True)
    )


def _way(
    statement: Select[*tuple[Any, ...]], result: CursorResult[Any], dialect: Dialect, names: tuple[str, ...]
) -> Way | None:
    try:
        prepared = _prepared(statement, dialect, names)
    except ValueError:
        # It has no words that are the same each time: SQLAlchemy finds them anew.
        return None
    return Way(prepared, frozenset(names), SimpleResultMetaData(tuple(result.keys())))


def _is_alone(connection: Connection) -> bool:
    """Whether PostgreSQL runs each statement by itself, and nobody waits to hear of what the driver is asked."""
    return (
        connection.dialect.name == "postgresql"
        and connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        and not connection.dispatch.before_cursor_execute
        and not connection.dispatch.after_cursor_execute
    )


def _from_driver(connection: Connection, way: Way, values: Mapping[str, Any]) -> Sequence[Row[*tuple[Any, ...]]]:
    driver, opened = connection.dialect.loaded_dbapi, connection.connection
    text, given = way.prepared.text, way.prepared.given(values)
    try:
        with closing(opened.cursor()) as cursor:
            cursor.execute(text, given)
            return IteratorResult[Any](way.members, iter(cursor.fetchall())).all()
    except driver.Error as error:
        if connection.dialect.is_disconnect(error, opened.dbapi_connection, None):
            # Found broken by SQLAlchemy, it is not used again, and neither are the others.
            connection.exec_driver_sql(text, given)
        raise DBAPIError.instance(text, None, error, driver.Error, hide_parameters=True) from error
