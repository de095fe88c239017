"""Real threads against PostgreSQL: what two leaders do at once."""

import threading
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from tests.activities.factories import make_activity, make_scene
from tests.activities.test_endpoints import body_of, text_of
from volunteer_api.activities.queries import lock_activity, lock_shifts
from volunteer_api.core import clock
from volunteer_api.core.database import db


def test_publications_at_once(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    made = postgresql_unit(lambda: make_activity(published=False))
    organizer = postgresql_client.as_(made.scene.organizer_id)
    statuses = race(6, lambda _number: organizer.post(f"/activities/{made.id}/publication").status_code)
    assert sorted(statuses) == [200] + [409] * 5


def test_one_of_two_edits_of_a_rule_is_stale(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    """The lock on the activity reads it anew: the other's edit must not be taken for what If-Match named."""
    start = clock.now() + timedelta(days=2)
    rule = {"starts_at": text_of(start), "ends_at": text_of(start + timedelta(hours=1))}
    made = postgresql_unit(make_activity)
    organizer = postgresql_client.as_(made.scene.organizer_id)
    version = organizer.get(f"/activities/{made.id}").get_json()["version"]
    body = [{"recurrence": rule | {"rrule": f"FREQ=DAILY;COUNT={count}"}} for count in (2, 3)]
    path = f"/activities/{made.id}"
    statuses = race(2, lambda number: organizer.patch(path, json=body[number], version=version).status_code)
    assert sorted(statuses) == [200, 412]


def test_who_joins_a_campaign_holds_the_activity_before_its_shifts(
    postgresql_client: Any, postgresql_unit: Any
) -> None:
    """As who moves a shift does: each would wait for the other."""
    made = postgresql_unit(make_activity)
    organizer, path = postgresql_client.as_(made.scene.organizer_id), f"/activities/{made.id}"
    body = {"name": "清洁家园", "organization_id": str(made.scene.office_id)}
    join = {"campaign_id": organizer.post("/campaigns", json=body).json["id"]}
    version, answers = organizer.get(path).json["version"], []
    joining = threading.Thread(target=lambda: answers.append(organizer.patch(path, json=join, version=version)))
    waiting = text("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE :own = ANY(pg_blocking_pids(pid)))")

    def move_meanwhile() -> None:
        lock_activity(made.id)
        own = db.session.scalar(text("SELECT pg_backend_pid()"))
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as beside:
            joining.start()
            while joining.is_alive() and not beside.scalar(waiting, {"own": own}):
                joining.join(0.01)
        db.session.execute(text("SET LOCAL lock_timeout = '200ms'"))
        lock_shifts([made.shift_id])

    postgresql_unit(move_meanwhile)
    joining.join(30)
    assert [one.status_code for one in answers] == [200]


def test_the_last_shift(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    start = clock.now() + timedelta(days=1)
    one = {"starts_at": start, "ends_at": start + timedelta(hours=1)}
    made = postgresql_unit(lambda: make_activity(shifts=[one] * 364))
    organizer = postgresql_client.as_(made.scene.organizer_id)
    body = {name: moment.isoformat() for name, moment in one.items()}
    path = f"/activities/{made.id}/shifts"
    statuses = race(6, lambda number: organizer.post(path, json=body | {"capacity": number + 1}).status_code)
    assert sorted(statuses) == [201] * 2 + [409] * 4


def test_one_shift_is_added_by_taps_at_once(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    start = clock.now() + timedelta(days=2)
    made = postgresql_unit(make_activity)
    organizer, path = postgresql_client.as_(made.scene.organizer_id), f"/activities/{made.id}/shifts"
    body = {"starts_at": text_of(start), "ends_at": text_of(start + timedelta(hours=1))}
    answers = [answer.json for answer in race(6, lambda _number: organizer.post(path, json=body))]
    assert sorted(one.get("code", "") for one in answers) == [""] + ["shift_just_added"] * 5
    assert len({one.get("shift_id") or one["id"] for one in answers}) == 1


def test_a_team_that_closes_while_it_plans_is_left_with_nothing(
    postgresql_client: Any, postgresql_unit: Any, race: Any
) -> None:
    scene = postgresql_unit(make_scene)
    organizer, team = postgresql_client.as_(scene.organizer_id), str(scene.team_id)
    plan = body_of(scene) | {"team_id": team}

    def act(number: int) -> Any:
        if number == 2:
            return organizer.post(f"/teams/{team}/closing")
        return organizer.post("/activities", json=plan)

    statuses = [answer.status_code for answer in race(6, act)]
    closed, planned = statuses.pop(2), set(statuses)
    # One after the other: either it closes, and the rest come too late, or something stands in the way.
    assert (closed, planned) in ((200, {409}), (409, {201}))
