"""Statements that a crowd runs: put into the driver's words once, and run past what SQLAlchemy does on each call.

A statement is the same object for every request, and its values are bound by name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import ClauseElement, Connection, Row
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

STATEMENTS_KEPT = 16


@dataclass(frozen=True)
class Prepared:
    """A statement in the driver's words, the values that stand in it, and how others become the driver's."""

    text: str
    constants: Mapping[str, Any]
    conversions: Mapping[str, Callable[[Any], Any]]


def first_row(connection: Connection, statement: ClauseElement, values: Mapping[str, Any]) -> Row[Any] | None:
    """The first row of what a statement returns, None where there is none. Its values are as the driver gives them."""
    prepared = _prepared(statement, connection.dialect, tuple(values))
    given = {**prepared.constants, **values}
    for name, convert in prepared.conversions.items():
        given[name] = convert(given[name])
    return connection.exec_driver_sql(prepared.text, given).first()


@lru_cache(maxsize=STATEMENTS_KEPT)
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
