"""Statements that are asked again and again go to the driver: the same rows, and failures told as ever."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, Integer, Select, bindparam, column, func, literal, select, text, values
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeDecorator

from tests.activities.factories import PLACE, make_activity, make_scene
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


@pytest.fixture
def asked_of_sqlalchemy(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was not asked of the driver at once."""
    asked: list[Any] = []
    execute = Connection.execute

    def note(connection: Connection, statement: Any, *rest: Any, **options: Any) -> Any:
        asked.append(statement)
        return execute(connection, statement, *rest, **options)

    monkeypatch.setattr(Connection, "execute", note)
    return asked


def reader_of(app: Flask) -> Callable[..., Any]:
    def run(statement: Select[Any], *, writes: bool = False, **given: Any) -> Any:
        with app.app_context():
            return run_unit(
                lambda: all_rows(db.session.connection(), statement, given), writes=writes, loose=not writes
            )

    return run


@pytest.mark.both_databases
def test_the_rows_are_the_same_however_often_they_are_asked(
    app: Flask, read: Any, asked_of_sqlalchemy: list[Any]
) -> None:
    made = sorted((make_volunteer(name=name) for name in ("甲", "乙", "丙")), key=lambda one: one.id)
    with app.app_context():
        dialect = db.engine.dialect.name
    statement = (
        select(Volunteer.id, Volunteer.created_at, Volunteer.skills, Volunteer.birth_date)
        .add_columns(Volunteer.name.label("class"))
        .where(among_given(Volunteer.id, "ids", dialect), Volunteer.version.in_((1, 2)))
        .order_by(Volunteer.id)
    )
    asked_of_sqlalchemy.clear()
    for ids in ([one.id for one in made], [made[1].id], [], [one.id for one in made], [made[2].id]):
        rows = read(statement, ids=ids)
        expected = [(one.id, one.created_at, one.skills, None, one.name) for one in made if one.id in ids]
        assert [tuple(row) for row in rows] == expected
        assert [(row.id, row._mapping["class"]) for row in rows] == [(one[0], one[4]) for one in expected]
    # Else this test would compare a way with itself.
    assert len(asked_of_sqlalchemy) == {"sqlite": 5, "postgresql": 2}[dialect]


def test_each_database_has_its_own_way(
    sqlite_app: Flask, read_on_postgresql: Any, asked_of_sqlalchemy: list[Any]
) -> None:
    statement = select(bindparam("number", type_=Integer()).label("number"))
    for number in range(2):
        assert reader_of(sqlite_app)(statement, number=number)[0].number == number
    asked_of_sqlalchemy.clear()
    for number in range(4):
        assert read_on_postgresql(statement, number=number)[0].number == number
    assert len(asked_of_sqlalchemy) == 2


def test_in_a_transaction_and_before_listeners_it_is_asked_as_all_are(
    read_on_postgresql: Any, statements: Any, asked_of_sqlalchemy: list[Any]
) -> None:
    for number in range(3):
        read_on_postgresql(BACKEND, number=number)
    asked_of_sqlalchemy.clear()
    assert read_on_postgresql(BACKEND, writes=True, number=3)[0].number == 3
    with statements() as seen:
        assert read_on_postgresql(BACKEND, number=4)[0].number == 4
    assert len(seen) == 1
    assert len(asked_of_sqlalchemy) == 2


SOME = values(column("one", Doubled()), name="some").data([(3,)])
GIVEN = bindparam("given", value=5, type_=Integer())


@pytest.mark.parametrize(
    ("statement", "given", "found"),
    [
        pytest.param(select(SOME.c.one), [{}] * 4, [6] * 4, id="a type of ours"),
        pytest.param(
            select(literal(1)).where(literal(2).in_(bindparam("some", expanding=True))),
            [{"some": [2]}, {"some": [2]}, {"some": [1, 2]}, {"some": [2, 3, 4]}],
            [1] * 4,
            id="a list",
        ),
        pytest.param(select(literal(None, Integer())), [{}] * 4, [None] * 4, id="a constant null"),
        pytest.param(select(text("7 AS seven")), [{}] * 4, [7] * 4, id="a column that is no more than a text"),
        pytest.param(select(GIVEN), [{"given": 1}, {"given": 2}, {"given": 3}, {}], [1, 2, 3, 5], id="left out later"),
        pytest.param(select(GIVEN), [{}, {}, {}, {"given": 1}], [5, 5, 5, 1], id="given later"),
        pytest.param(select(GIVEN), [{"given": None}] * 4, [None] * 4, id="null"),
    ],
)
def test_what_is_not_plain_is_left_to_sqlalchemy(
    read_on_postgresql: Any, statement: Select[Any], given: list[dict[str, Any]], found: list[Any]
) -> None:
    assert [read_on_postgresql(statement, **one)[0][0] for one in given] == found


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
    used: list[int] = []

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
    assert used[0] != used[1]


def test_a_list_near_a_place_is_asked_of_the_driver(
    postgresql_app: Flask, postgresql_unit: Any, postgresql_client: Any, asked_of_sqlalchemy: list[Any]
) -> None:
    """It learns by the way whether the session is open."""
    scene = postgresql_unit(make_scene)
    places = [{"lat": PLACE["lat"] + step / 1000, "lng": PLACE["lng"]} for step in range(3)]
    postgresql_unit(lambda: [make_activity(scene=scene, place=place) for place in places])
    phone = postgresql_client.as_(scene.member_id)
    # The first has to look how far two are.
    for _ in range(5):
        asked_of_sqlalchemy.clear()
        answer = phone.get(f"/activities?near={PLACE['lat']},{PLACE['lng']}&limit=1")
        assert [one["distance_m"] for one in answer.get_json()["items"]] == [0]
    assert asked_of_sqlalchemy == []


def test_the_session_is_asked_of_the_driver(
    postgresql_app: Flask, postgresql_client: Any, asked_of_sqlalchemy: list[Any]
) -> None:
    phone = postgresql_client.as_(make_volunteer())
    for _ in range(4):
        asked_of_sqlalchemy.clear()
        assert phone.get("/auth/sessions").status_code == 200
    found = [str(one).partition(" ")[2] for one in asked_of_sqlalchemy]
    assert found
    assert not [one for one in found if one.startswith("EXISTS")]
