"""Real threads against PostgreSQL: what two leaders do at once."""

from datetime import timedelta
from typing import Any

from tests.activities.factories import make_activity, make_scene
from tests.activities.test_endpoints import body_of, text_of
from volunteer_api.core import clock


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


def test_the_last_shift(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    start = clock.now() + timedelta(days=1)
    one = {"starts_at": start, "ends_at": start + timedelta(hours=1)}
    made = postgresql_unit(lambda: make_activity(shifts=[one] * 364))
    organizer = postgresql_client.as_(made.scene.organizer_id)
    body = {name: moment.isoformat() for name, moment in one.items()}
    statuses = race(6, lambda _number: organizer.post(f"/activities/{made.id}/shifts", json=body).status_code)
    assert sorted(statuses) == [201] * 2 + [409] * 4


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
