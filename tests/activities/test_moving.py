"""What stays as people knew it: where they have to be; and days whose hours are not recorded any more are over."""

from collections.abc import Callable
from datetime import time, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.activities.factories import PLACE, make_activity, make_scene
from tests.activities.test_endpoints import body_of, text_of
from volunteer_api.core import clock
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.hours.deadlines import last_day_overdue
from volunteer_api.stations.models import StationKind
from volunteer_api.stations.service import create_station

Unit = Callable[[Callable[[], Any]], Any]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AWAY = {"lat": 39.9, "lng": 116.4}


def station_at(organization_id: UUID, place: dict[str, float]) -> UUID:
    made = create_station(
        name="东安路服务台", kind=StationKind.DESK, organization_id=organization_id, place=place, address="东安路 1 号"
    )
    return made.id


@pytest.mark.either_database
def test_once_a_shift_takes_check_ins_its_place_stands_for_who_leads(client: Any, unit: Unit) -> None:
    """Who leads could say that the shift is where her friend is, and put it back afterwards."""
    scene = unit(make_scene)
    leader, organizer = client.as_(scene.leader_id), client.as_(scene.organizer_id)
    made = unit(lambda: make_activity(scene=scene, team_id=scene.team_id, place=PLACE))
    path = f"/activities/{made.id}"

    def change(who: Any, **changes: Any) -> Any:
        return who.patch(path, json=changes, version=organizer.get(path).json["version"])

    assert change(leader, place=AWAY).status_code == 200
    began = {"starts_at": text_of(clock.now() + HOUR / 3), "ends_at": text_of(clock.now() + HOUR)}
    assert leader.post(f"{path}/shifts", json=began).status_code == 201
    refused = change(leader, place=PLACE, radius_m=20000)
    assert (refused.status_code, refused.json["code"], refused.json["fields"]) == (
        403,
        "place_stands",
        ["place", "radius_m"],
    )
    # As it is, she may say it with all else.
    assert change(leader, place=AWAY, title="改期").status_code == 200
    assert change(organizer, place=PLACE, radius_m=500).status_code == 200
    query = select(AuditEntry.details).filter_by(action="activity_moved").order_by(AuditEntry.id)
    moves = unit(lambda: db.session.scalars(query).all())
    assert [(one["place_before"], one["place"]) for one in moves] == [
        ("33.735000,113.335000", "39.900000,116.400000"),
        ("39.900000,116.400000", "33.735000,113.335000"),
    ]
    assert (moves[1]["radius_m_before"], moves[1]["radius_m"]) == (None, "500")


@pytest.mark.either_database
def test_days_whose_hours_are_not_recorded_any_more_are_not_planned(client: Any, unit: Unit) -> None:
    scene = unit(make_scene)
    organizer = client.as_(scene.organizer_id)
    last, over = unit(lambda: (last_day_overdue(), clock.at_local(last_day_overdue(), time(9))))
    times, still = ({"starts_at": text_of(one), "ends_at": text_of(one + HOUR)} for one in (over, over + DAY))
    coming = {"starts_at": text_of(clock.now() + HOUR), "ends_at": text_of(clock.now() + 2 * HOUR)}
    made = unit(lambda: make_activity(scene=scene))
    by_rule = body_of(scene, recurrence=times | {"rrule": "FREQ=DAILY;COUNT=3"})
    del by_rule["shifts"]
    for refused in (
        organizer.post("/activities", json=body_of(scene, shifts=[coming, times])),
        organizer.post("/activities", json=by_rule),
        organizer.post(f"/activities/{made.id}/shifts", json=times),
    ):
        assert (refused.status_code, refused.json["code"], refused.json["ends_on"]) == (
            409,
            "too_long_ago",
            last.isoformat(),
        ), refused.json
    assert organizer.post("/activities", json=body_of(scene, shifts=[still])).status_code == 201
    # A draft may have lain for too long.
    with clock.at(over - DAY):
        draft = unit(lambda: make_activity(scene=scene, starts_at=over, duration=HOUR, published=False))
    publication = f"/activities/{draft.id}/publication"
    assert organizer.post(publication, json={}).json["code"] == "too_long_ago"
    assert organizer.post(f"/activities/{draft.id}/shifts", json=coming).status_code == 201
    assert organizer.post(f"/shifts/{draft.shift_id}/cancellation", json={"reason": "过期"}).status_code == 200
    assert organizer.post(publication, json={}).status_code == 200


def test_a_plan_at_another_station_is_where_that_one_is(client: Any, unit: Any) -> None:
    """By the place of the first, whoever is at the right desk would be far from it."""
    scene, there = unit(make_scene), {"lat": 33.9, "lng": 113.9}
    other = unit(lambda: station_at(scene.office_id, there))
    organizer = client.as_(scene.organizer_id)
    draft = unit(lambda: make_activity(scene=scene, published=False, station_id=scene.station_id))
    path = f"/activities/{draft.id}"
    here = organizer.get(path).json["place"]
    own = {"lat": 33.8, "lng": 113.8}
    kept = {"organization_id": str(scene.office_id), "name": "服务台值守", "activity_id": str(draft.id)}
    template = organizer.post("/activity-templates", json=kept).json["id"]
    day = (unit(clock.today) + timedelta(days=9)).isoformat()

    def planned(**named: str) -> Any:
        body = {"organization_id": str(scene.office_id), "on": day, **named}
        return organizer.post(f"/activity-templates/{template}/activities", json=body).json["place"]

    assert planned(station_id=str(other)) == there
    assert planned() == planned(station_id=str(scene.station_id)) == here
    moved = organizer.patch(path, json={"station_id": str(other)}, version=organizer.get(path).json["version"])
    assert moved.json["place"] == there
    # A place of its own stays.
    placed = organizer.patch(path, json={"place": own}, version=moved.json["version"])
    back = organizer.patch(path, json={"station_id": str(scene.station_id)}, version=placed.json["version"])
    assert back.json["place"] == own
