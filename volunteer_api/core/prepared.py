"""Statements that a crowd runs: put into the driver's words once, and run past what SQLAlchemy does on each call.

A statement is the same object for every request, and its values are bound by name.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ClauseElement, Connection, CursorResult, Row, Select
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

from volunteer_api.core.statements import kept_with_statement

# Named as the statement's columns are, which only it knows.
_named_row: Any = namedtuple


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


@dataclass
class Reading:
    """How a statement that reads is run: `prepared` and `make`, its row of the driver's, from its third time on."""

    times: int = 0
    prepared: Prepared | None = None
    make: Callable[[Iterable[Any]], Any] = tuple


def first_row(connection: Connection, statement: ClauseElement, values: Mapping[str, Any]) -> Row[Any] | None:
    """The first row of what a statement returns, None where there is none. Its values are as the driver gives them."""
    prepared = _prepared(statement, connection.dialect, tuple(values))
    return connection.exec_driver_sql(prepared.text, prepared.given(values)).first()


def all_rows(connection: Connection, statement: Select[*tuple[Any, ...]], values: Mapping[str, Any]) -> Sequence[Any]:
    """The rows of a statement that only reads, with its columns as their members.

    What is asked again and again, outside of a transaction, the driver is asked at once: SQLAlchemy's part in a list
    was a tenth of it. A statement that was built for one request is not put into the driver's words, which takes long.
    """
    reading = _reading(statement)
    if reading.prepared is not None and _is_alone(connection):
        return _from_driver(connection, reading.prepared, reading.make, values)
    result = connection.execute(statement, values)
    reading.times += 1
    if reading.times == 2 and _is_plain(statement, result, connection.dialect):
        reading.make = _named_row("Found", result.keys(), rename=True)._make
        reading.prepared = _prepared(statement, connection.dialect, tuple(values))
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
    if lacking := [name for name, value in constants.items() if value is None]:
        raise ValueError(f"the statement needs values of {lacking}")
    return Prepared(whole.statement, constants, {name: conversions[name] for name in names if name in conversions})


@kept_with_statement
def _reading(_statement: Select[*tuple[Any, ...]]) -> Reading:
    return Reading()


def _is_plain(statement: Select[*tuple[Any, ...]], result: CursorResult[Any], dialect: Dialect) -> bool:
    """Whether the driver gives each value as SQLAlchemy would hand it on: PostgreSQL's does for nearly all types."""
    columns, described = statement.selected_columns, result.cursor.description if result.cursor is not None else ()
    return dialect.name == "postgresql" and all(
        column.type.dialect_impl(dialect).result_processor(dialect, one[1]) is None
        for column, one in zip(columns, described, strict=True)
    )


def _is_alone(connection: Connection) -> bool:
    """Whether PostgreSQL runs each statement by itself, and nobody listens to them."""
    return (
        connection.dialect.name == "postgresql"
        and connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        and not connection.dispatch.before_cursor_execute
        and not connection.dispatch.after_cursor_execute
    )


def _from_driver(
    connection: Connection, prepared: Prepared, make: Callable[[Iterable[Any]], Any], values: Mapping[str, Any]
) -> list[Any]:
    driver, opened = connection.dialect.loaded_dbapi, connection.connection
    try:
        with closing(opened.cursor()) as cursor:
            cursor.execute(prepared.text, prepared.given(values))
            return list(map(make, cursor.fetchall()))
    except driver.Error as error:
        if connection.dialect.is_disconnect(error, opened.dbapi_connection, None):
            # Found broken by SQLAlchemy, it is not used again, and neither are the others.
            connection.exec_driver_sql(prepared.text, prepared.given(values))
        raise DBAPIError.instance(prepared.text, None, error, driver.Error, hide_parameters=True) from error
