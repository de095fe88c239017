"""The one commit site: what is retried, what is kept, what runs afterwards."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import NullPool

from tests.factories import make_volunteer
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import unit_of_work
from volunteer_api.core.database import db
from volunteer_api.core.problems import Busy, Conflict, Problem
from volunteer_api.core.unit_of_work import Rerun, after_commit, run_unit

pytestmark = pytest.mark.both_databases


class _Kept(Problem):
    keeps_writes = True
    title = "Refused, but written."


class _Dropped(Conflict):
    title = "Refused and not written."


@pytest.fixture
def volunteer(app: Flask) -> Volunteer:
    return make_volunteer(name="旧名")


def rename(volunteer: Volunteer, name: str) -> None:
    db.session.execute(text("UPDATE volunteers SET name = :name"), {"name": name})


def name_of(app: Flask) -> str:
    with app.app_context():
        return str(run_unit(lambda: db.session.execute(text("SELECT name FROM volunteers")).scalar_one(), writes=False))


@pytest.mark.parametrize(("problem", "name"), [(_Kept, "新名"), (_Dropped, "旧名")])
@pytest.mark.both_databases
def test_a_refusal_keeps_its_writes_only_if_it_says_so(
    app: Flask, volunteer: Volunteer, problem: type[Problem], name: str
) -> None:
    def work() -> None:
        rename(volunteer, "新名")
        raise problem()

    with app.app_context(), pytest.raises(problem):
        run_unit(work, writes=True)
    assert name_of(app) == name


def test_a_read_writes_nothing(app: Flask, volunteer: Volunteer) -> None:
    with app.app_context():
        run_unit(lambda: rename(volunteer, "新名"), writes=False)
    assert name_of(app) == "旧名"


def test_a_lost_race_runs_again_and_callbacks_once(app: Flask, volunteer: Volunteer) -> None:
    tries: list[int] = []
    called: list[int] = []

    def work() -> str:
        tries.append(1)
        after_commit(lambda: called.append(1))
        rename(volunteer, f"第{len(tries)}")
        if len(tries) < 3:
            raise Rerun()
        return "done"

    with app.app_context():
        assert run_unit(work, writes=True) == "done"
    assert (len(tries), len(called), name_of(app)) == (3, 1, "第3")


def test_a_race_that_is_never_won_ends(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_of_work, "ATTEMPTS", 3)

    def work() -> None:
        raise Rerun()

    with app.app_context(), pytest.raises(Busy):
        run_unit(work, writes=True)


def test_a_pool_without_a_free_connection_is_busy(app: Flask) -> None:
    def work() -> None:
        raise PoolTimeout()

    with app.app_context(), pytest.raises(Busy):
        run_unit(work, writes=False)


def test_a_callback_that_fails_hides_nothing(app: Flask, volunteer: Volunteer) -> None:
    called: list[str] = []

    def fail() -> None:
        raise BrokenPipeError

    def work() -> str:
        rename(volunteer, "新名")
        after_commit(fail)
        after_commit(lambda: called.append("next"))
        return "done"

    with app.app_context():
        assert run_unit(work, writes=True) == "done"
    assert (called, name_of(app)) == (["next"], "新名")


@pytest.mark.parametrize("statement", ["SELECT nothing FROM nowhere", "INSERT INTO volunteers (id) VALUES (NULL)"])
@pytest.mark.both_databases
def test_a_broken_statement_is_not_tried_again(app: Flask, statement: str) -> None:
    tries: list[int] = []

    def work() -> None:
        tries.append(1)
        db.session.execute(text(statement))

    with app.app_context(), pytest.raises((Problem, Exception)):
        run_unit(work, writes=True)
    assert len(tries) == 1


def test_a_busy_database_is_tried_again(app: Flask) -> None:
    tries: list[int] = []

    def work() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("", {}, Exception("database is locked"))
        return len(tries)

    with app.app_context():
        assert run_unit(work, writes=True) == 3


@pytest.mark.parametrize("writes", [True, False])
def test_a_connection_that_broke_in_the_pool_is_replaced(postgresql_app: Flask, writes: bool) -> None:
    def who() -> int:
        return int(db.session.execute(text("SELECT pg_backend_pid()")).scalar_one())

    with postgresql_app.app_context():
        before = run_unit(who, writes=writes)
        with create_engine(db.engine.url, poolclass=NullPool).connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": before})
        assert run_unit(who, writes=writes, loose=not writes) != before


def test_a_loose_unit_of_postgresql_opens_no_transaction(postgresql_app: Flask) -> None:
    def moments() -> list[Any]:
        return [db.session.execute(text("SELECT now()")).scalar_one() for _ in range(2)]

    with postgresql_app.app_context():
        first, second = run_unit(moments, writes=False, loose=True)
        assert first < second
        first, second = run_unit(moments, writes=False)
        assert first == second
