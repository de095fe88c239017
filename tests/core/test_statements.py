"""SQL that both databases speak."""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import uuid4

from sqlalchemy import select

from tests.factories import make_volunteer
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core.database import db
from volunteer_api.core.statements import among

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
    assert unit(lambda: found(Volunteer.phone, wanted.phone, "+86138")) == [wanted.id]
    assert wanted.id in unit(lambda: found(Volunteer.created_at, wanted.created_at))
    assert unit(lambda: found(Volunteer.birth_date, date(1912, 1, 1))) == []
