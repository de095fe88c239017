"""SQL that both databases speak."""

import gc
import weakref
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Select, select

from tests.activities.factories import PLACE, make_activity, make_scene
from tests.factories import make_volunteer
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import paging
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
    # Only the youngest: whatever else this process still knows is none of this test's, and takes seconds to look at.
    gc.collect(0)
    assert is_there() is None


def test_lists_leave_no_statement_behind(unit: Unit, client: Any) -> None:
    """What a request built was kept once, hundreds of each list: a worker's memory grew with every caller."""
    scene = unit(make_scene)
    for _ in range(3):
        unit(lambda: make_activity(scene=scene, title="清洁", place=PLACE))
    phone = client.as_(unit(make_volunteer))
    lists = ("/activities?near=33.7,113.3", "/activities?q=清洁")
    cursors = [phone.get(f"{path}&limit=1").json["next_cursor"] for path in lists]
    paths = ["/me/sign-ups?", "/me/notifications?", "/stations?", *(f"{path}&" for path in lists)]
    asked = [f"{path}limit={limit}" for path in paths for limit in (5, 6)]
    asked += [f"{path}&limit=1&cursor={cursor}" for path, cursor in zip(lists, cursors, strict=True)]

    def statements_there() -> int:
        for path in asked:
            assert phone.get(path).status_code == 200
        gc.collect()
        return sum(isinstance(one, Select) for one in gc.get_objects())

    # What this process knows from other tests takes seconds to look at, each time.
    gc.freeze()
    statements_there()
    before = statements_there()
    statements_there()
    assert statements_there() == before


@pytest.mark.parametrize("path", ["/activities?near=33.7,113.3", "/activities?", "/activities?open=true"])
def test_pages_behind_a_cursor_are_built_once(
    unit: Unit, client: Any, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """To build the SQL of each took longer than all else of the request."""
    scene = unit(make_scene)
    made = {str(unit(lambda: make_activity(scene=scene, place=PLACE)).id) for _ in range(4)}
    built, lies_behind = [], paging.lies_behind
    monkeypatch.setattr(paging, "lies_behind", lambda keys: built.append(keys) or lies_behind(keys))
    page = client.get(f"{path}&limit=1").json
    seen = [page["items"][0]["id"]]
    while page["next_cursor"]:
        page = client.get(f"{path}&limit=1&cursor={page['next_cursor']}").json
        seen.append(page["items"][0]["id"])
    assert (len(seen), set(seen)) == (4, made)
    assert len(built) <= 1
