"""Figures of several statements add up, whatever is written between these."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import event, update

from tests.factories import make_volunteer
from tests.organizations.factories import make_grant, make_organization
from tests.rankings.factories import Happening, Turn, write
from volunteer_api.activities.models import ActivityState
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.organizations.models import OrganizationKind, Role

NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
NIGHT_ENDS = datetime(2026, 10, 31, 18, 0, tzinfo=UTC)


@contextmanager
def something_after(app: Flask, word: str) -> Iterator[list[str]]:
    """Of what is served in the block, the statements behind the first with this word find all attendances rejected."""
    seen: list[str] = []
    with app.app_context():
        engine = db.engine

    def strike(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if word not in statement:
            return
        seen.append(statement)
        if len(seen) == 1:
            with engine.begin() as other:
                other.execute(update(Attendance).values(state=State.REJECTED, credited_minutes=0))

    event.listen(engine, "after_cursor_execute", strike)
    try:
        yield seen
    finally:
        event.remove(engine, "after_cursor_execute", strike)


@contextmanager
def later_after(app: Flask, word: str, moment: datetime) -> Iterator[None]:
    """Of what is served in the block, what follows the first statement with this word has the clock at `moment`."""
    with app.app_context():
        engine = db.engine
    with ExitStack() as clocks:

        def strike(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            if word in statement:
                clocks.enter_context(clock.at(moment))

        event.listen(engine, "after_cursor_execute", strike)
        try:
            yield
        finally:
            event.remove(engine, "after_cursor_execute", strike)


@pytest.fixture
def center(postgresql_unit: Callable[..., Any]) -> dict[str, UUID]:
    """A center whose one office held one activity in October 2026, and has a shift until 2:00 after its last day."""

    def work() -> dict[str, UUID]:
        root = make_organization()
        office = make_organization(parent_id=root.id, kind=OrganizationKind.PRACTICE_OFFICE)
        turn = Turn(NOON - timedelta(days=40), present=[(0, State.HELD, 0)])
        write(Happening(turns=[turn]), office, [make_volunteer().id])
        night = Turn(NIGHT_ENDS - timedelta(hours=4), 240, present=[(0, State.HELD, 0)])
        write(Happening(ActivityState.PUBLISHED, [night]), office, [make_volunteer().id])
        return {"id": root.id, "organizer": make_grant(make_volunteer(), Role.ORGANIZER, root.id).volunteer_id}

    with clock.at(NOON):
        found: dict[str, UUID] = postgresql_unit(work)
    return found


def test_a_ranking_adds_up_while_others_write(
    postgresql_app: Flask, postgresql_client: Any, center: dict[str, UUID]
) -> None:
    path = f"/rankings?subject=organization&scope={center['id']}&metric=attendance_count"
    with clock.at(NOON), something_after(postgresql_app, "path_members") as seen:
        body = postgresql_client.get(path).get_json()
        after = postgresql_client.get(path).get_json()
    assert len(seen) > 1
    for answer, value in ((body, 2), (after, 0)):
        assert answer["scope"]["value"] == value
        assert answer["scope"]["own"] + sum(row["value"] for row in answer["items"]) == value


def test_a_snapshot_is_of_one_moment(postgresql_app: Flask, postgresql_client: Any, center: dict[str, UUID]) -> None:
    phone = postgresql_client.as_(center["organizer"])
    with clock.at(NOON):
        with something_after(postgresql_app, "INSERT INTO ranking_snapshot_rows") as seen:
            closed = phone.post("/ranking-snapshots", json={"scope": str(center["id"]), "period": "2026-10"})
        values = [
            postgresql_client.get(
                f"/ranking-snapshots/{closed.get_json()['id']}?subject=organization&level={level}"
            ).get_json()["items"][0]["value"]
            for level in ("practice_center", "practice_office")
        ]
    assert len(seen) > 1
    assert (closed.status_code, values) == (201, [2, 2])


def test_a_shift_that_ends_while_its_period_is_closed_is_in_no_ranking(
    postgresql_app: Flask, postgresql_client: Any, center: dict[str, UUID]
) -> None:
    phone = postgresql_client.as_(center["organizer"])
    inserted = "INSERT INTO ranking_snapshot_rows"
    with clock.at(NIGHT_ENDS - timedelta(seconds=1)), later_after(postgresql_app, inserted, NIGHT_ENDS):
        closed = phone.post("/ranking-snapshots", json={"scope": str(center["id"]), "period": "2026-10"})
        assert clock.now() == NIGHT_ENDS
        path = f"/ranking-snapshots/{closed.get_json()['id']}?subject=organization"
        found = [
            postgresql_client.get(f"{path}&level={level}").get_json()["items"][0]
            for level in ("practice_center", "practice_office")
        ]
    assert [(row["value"], row["live"]) for row in found] == [(1, 2), (1, 2)]
