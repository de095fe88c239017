"""How many statements it costs to plan and to read an activity: none of them grows with its shifts or roles."""

from datetime import timedelta
from typing import Any

from tests.activities.factories import make_scene
from tests.activities.test_endpoints import body_of, text_of
from volunteer_api.core import clock


def test_planning_and_reading_cost_the_same_with_many_shifts(client: Any, unit: Any, statements: Any) -> None:
    scene = unit(make_scene)
    organizer, start = client.as_(scene.organizer_id), clock.now() + timedelta(days=1)
    spent = []
    for count in (1, 30):
        roles = [{"name": f"岗位{number}", "capacity": 1} for number in range(3)]
        shifts = [
            {
                "starts_at": text_of(start + timedelta(days=day)),
                "ends_at": text_of(start + timedelta(days=day, hours=1)),
            }
            | {"roles": roles}
            for day in range(count)
        ]
        body = body_of(scene, shifts=shifts, team_id=str(scene.team_id), station_id=str(scene.station_id))
        with statements() as planning:
            made = organizer.post("/activities", json=body)
        assert made.status_code == 201, made.json
        with statements() as reading:
            assert len(organizer.get(f"/activities/{made.json['id']}").json["shifts"]) == count
        spent.append((len(planning), len(reading)))
    # One of them holds the team open: it may be closing.
    assert spent == [(17, 6), (17, 6)]
