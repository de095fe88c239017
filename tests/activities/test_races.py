"""Real threads against PostgreSQL: what two leaders do at once."""

from datetime import timedelta
from typing import Any

from tests.activities.factories import make_activity
from tests.activities.test_endpoints import text_of
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
