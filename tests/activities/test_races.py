"""Real threads against PostgreSQL: what two leaders do at once."""

from datetime import timedelta
from typing import Any

from tests.activities.factories import make_activity
from volunteer_api.core import clock


def test_publications_at_once(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    made = postgresql_unit(lambda: make_activity(published=False))
    organizer = postgresql_client.as_(made.scene.organizer_id)
    statuses = race(6, lambda _number: organizer.post(f"/activities/{made.id}/publication").status_code)
    assert sorted(statuses) == [200] + [409] * 5


def test_the_last_shift(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    start = clock.now() + timedelta(days=1)
    one = {"starts_at": start, "ends_at": start + timedelta(hours=1)}
    made = postgresql_unit(lambda: make_activity(shifts=[one] * 364))
    organizer = postgresql_client.as_(made.scene.organizer_id)
    body = {name: moment.isoformat() for name, moment in one.items()}
    statuses = race(6, lambda _number: organizer.post(f"/activities/{made.id}/shifts", json=body).status_code)
    assert sorted(statuses) == [201] * 2 + [409] * 4
