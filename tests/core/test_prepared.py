"""Statements that are asked again and again go to the driver: the same rows, and failures told as ever."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Integer, Row, Select, bindparam, column, func, literal, select, text, values
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeDecorator

from tests.factories import make_volunteer
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core.database import db
from volunteer_api.core.prepared import all_rows
from volunteer_api.core.problems import Busy
from volunteer_api.core.statements import among_given
from volunteer_api.core.unit_of_work import run_unit

BACKEND = select(func.pg_backend_pid().label("backend"), bindparam("number", type_=Integer()).label("number"))


class Doubled(TypeDecorator[int]):
    """A number that the driver alone would give wrong."""

    impl = Integer
    cache_ok = True

    def process_result_value(self, value: int | None, dialect: Any) -> int | None:
        return None if value is None else 2 * value


@pytest.fixture
def read(app: Flask) -> Callable[..., Any]:
    """`read(statement, …)`: all rows outside of a transaction, as a request that only reads has them."""
    return reader_of(app)


@pytest.fixture
def read_on_postgresql(postgresql_app: Flask) -> Callable[..., Any]:
    """`read`, of what only PostgreSQL does."""
    return reader_of(postgresql_app)


def reader_of(app: Flask) -> Callable[..., Any]:
    def run(statement: Select[Any], *, writes: bool = False, **given: Any) -> Any:
        with app.app_context():
            return run_unit(
                lambda: all_rows(db.session.connection(), statement, given), writes=writes, loose=not writes
            )

    return run


@pytest.mark.both_databases
def test_the_rows_are_the_same_however_often_they_are_asked(app: Flask, read: Any) -> None:
    made = sorted((make_volunteer(name=name) for name in ("甲", "乙", "丙")), key=lambda one: one.id)
    with app.app_context():
        dialect = db.engine.dialect.name
    statement = (
        select(
            Volunteer.id, Volunteer.created_at, Volunteer.skills, Volunteer.birth_date, Volunteer.name.label("called")
        )
        .where(among_given(Volunteer.id, "ids", dialect), Volunteer.version.in_((1, 2)))
        .order_by(Volunteer.id)
    )
    asked = [[one.id for one in made], [made[1].id], [], [one.id for one in made], [made[2].id]]
    found = [read(statement, ids=ids) for ids in asked]
    for ids, rows in zip(asked, found, strict=True):
        expected = [(one.id, one.created_at, one.skills, None, one.name) for one in made if one.id in ids]
        assert [tuple(row) for row in rows] == expected
        assert [(row.id, row.called) for row in rows] == [(one[0], one[4]) for one in expected]
    # Else this test would compare a way with itself.
    assert isinstance(found[0][0], Row)
    assert isinstance(found[3][0], Row) == (dialect == "sqlite")


def test_in_a_transaction_and_before_listeners_it_is_asked_as_all_are(
    postgresql_app: Flask, read_on_postgresql: Any, statements: Any
) -> None:
    for number in range(3):
        (row,) = read_on_postgresql(BACKEND, number=number)
    assert not isinstance(row, Row)
    (row,) = read_on_postgresql(BACKEND, writes=True, number=3)
    assert isinstance(row, Row)
    with statements() as seen:
        assert read_on_postgresql(BACKEND, number=4)[0].number == 4
    assert len(seen) == 1


def test_what_the_driver_gives_otherwise_is_left_to_sqlalchemy(read_on_postgresql: Any) -> None:
    some = values(column("one", Doubled()), name="some").data([(3,)])
    statement = select(some.c.one)
    assert [read_on_postgresql(statement)[0].one for _ in range(4)] == [6] * 4


def test_a_failure_is_told_as_ever(read_on_postgresql: Any) -> None:
    statement = select((literal(10) / bindparam("by", type_=Integer())).label("part"))
    assert [read_on_postgresql(statement, by=by)[0].part for by in (1, 2, 5)] == [10, 5, 2]
    with pytest.raises(DBAPIError) as failed:
        read_on_postgresql(statement, by=0)
    assert failed.value.orig.sqlstate == "22012"  # type: ignore[union-attr]  # the driver's
    assert read_on_postgresql(statement, by=10)[0].part == 1


def test_what_takes_too_long_is_busy(postgresql_app: Flask, read_on_postgresql: Any) -> None:
    statement = select(func.pg_sleep(bindparam("seconds")))
    for _ in range(3):
        read_on_postgresql(statement, seconds=0.0)

    def wait() -> None:
        connection = db.session.connection()
        connection.execute(text("SET statement_timeout = 20"))
        try:
            all_rows(connection, statement, {"seconds": 30.0})
        finally:
            connection.execute(text("SET statement_timeout = 30000"))

    with postgresql_app.app_context(), pytest.raises(Busy):
        run_unit(wait, writes=False, loose=True)


def test_a_connection_that_breaks_is_replaced(postgresql_app: Flask, read_on_postgresql: Any) -> None:
    for number in range(3):
        read_on_postgresql(BACKEND, number=number)
    used = []

    def read() -> Any:
        connection = db.session.connection()
        used.append(connection.execute(select(func.pg_backend_pid())).scalar_one())
        if len(used) == 1:
            with db.engine.connect() as another:
                another.execute(select(func.pg_terminate_backend(used[0])))
        return all_rows(connection, BACKEND, {"number": 7})[0]

    with postgresql_app.app_context():
        row = run_unit(read, writes=False, loose=True)
    assert (row.number, row.backend) == (7, used[1])
    assert not isinstance(row, Row)
    assert used[0] != used[1]
