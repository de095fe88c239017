"""SQL that both databases speak."""

import gc
import weakref
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import uuid4

from sqlalchemy import Select, select

from tests.factories import make_volunteer
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core.database import db
from volunteer_api.core.statements import among, kept_with_statement

Unit = Callable[[Callable[[], Any]], Any]


def test_however_many_values_are_one_parameter_of_one_statement(unit: Unit, statements: Any) -> None:
    """Each as a parameter of its own would be more than a database takes."""
    wanted, _ = unit(lambda: [make_volunteer() for _ in range(2)])

    def found(column: Any, *values: Any) -> list[Any]:
        return list(db.session.scalars(select(Volunteer.id).where(among(column, values))))

    with statements() as seen:
        assert unit(lambda: found(Volunteer.id, wanted.id)) == [wanted.id]
        assert unit(lambda: found(Volunteer.id, *(uuid4() for _ in range(2000)), wanted.id)) == [wanted.id]
        assert unit(lambda: found(Volunteer.id)) == []
    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert unit(lambda: found(Volunteer.id, None, wanted.id)) == [wanted.id]
    assert wanted.id in unit(lambda: found(Volunteer.version, None, -1, wanted.version))
    assert unit(lambda: found(Volunteer.phone, wanted.phone, "+86138")) == [wanted.id]
    assert wanted.id in unit(lambda: found(Volunteer.created_at, wanted.created_at))
    assert unit(lambda: found(Volunteer.birth_date, date(1912, 1, 1))) == []


def test_what_is_made_of_a_statement_is_made_once_and_goes_with_it() -> None:
    @kept_with_statement
    def first_rows(statement: Select[Any], count: int) -> Select[Any]:
        return statement.limit(count)

    statement = select(Volunteer.id)
    made = first_rows(statement, 2)
    assert first_rows(statement, 2) is made
    assert first_rows(statement, 3) is not made
    assert first_rows(select(Volunteer.id), 2) is not made
    is_there = weakref.ref(made)
    del statement, made
    gc.collect()
    assert is_there() is None


def test_lists_leave_no_statement_behind(unit: Unit, client: Any) -> None:
    """What a request built was kept once, hundreds of each list: a worker's memory grew with every caller."""
    phone = client.as_(unit(make_volunteer))
    paths = ("/me/sign-ups", "/me/notifications", "/activities?near=33.7,113.3", "/activities?q=清洁", "/stations")

    def statements_there() -> int:
        for path in paths:
            for limit in (5, 6):
                assert phone.get(f"{path}{'&' if '?' in path else '?'}limit={limit}").status_code == 200
        gc.collect()
        return sum(isinstance(one, Select) for one in gc.get_objects())

    statements_there()
    before = statements_there()
    statements_there()
    assert statements_there() == before
