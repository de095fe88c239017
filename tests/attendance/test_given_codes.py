"""Codes that somebody was given to show prove nothing of her, whoever she is by the time she uses them."""

from datetime import timedelta
from typing import Any

from tests.attendance.factories import Scene, evidence, make_scene
from tests.attendance.test_endpoints import check_in, check_out
from volunteer_api.attendance import given_codes
from volunteer_api.attendance.models import GivenCodes
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.organizations.models import Grant


def reading(client: Any, who: Any, scene: Scene) -> str:
    shown = client.as_(who).get(f"/shifts/{scene.shift.id}/presence-code")
    assert shown.status_code == 200
    return str(shown.json["code"])


def remarks(answer: Any) -> list[str]:
    return [one["code"] for one in answer.json["check_in_remarks"]]


def test_a_leader_who_steps_down_is_not_believed_her_codes(client: Any, unit: Any) -> None:
    scene = make_scene()
    leader, other = scene.leader, scene.unsigned
    code = reading(client, leader, scene)
    path = f"/activities/{scene.activity.id}"
    organizer = client.as_(scene.organizer)
    version = organizer.get(path).json["version"]
    assert organizer.patch(path, json={"leader_ids": [str(other.id)]}, version=version).status_code == 200
    assert client.as_(leader).get(f"/shifts/{scene.shift.id}/presence-code").status_code == 404
    phone = client.as_(leader)
    came = check_in(phone, scene, code=code)
    assert (came.json["check_in_grade"], remarks(came)) == ("weak", ["own_code"])
    left = check_out(phone, came.json["id"], code=code)
    assert (left.json["state"], left.json["credited_minutes"]) == ("held", 0)


def test_who_was_never_given_them_is_believed(client: Any, unit: Any) -> None:
    scene = make_scene()
    code = reading(client, scene.leader, scene)
    came = check_in(client.as_(scene.volunteer), scene, code=code)
    assert (came.json["check_in_grade"], remarks(came)) == ("strong", [])


def test_a_manager_who_gives_her_role_back_is_not_believed_the_days_codes(client: Any, unit: Any) -> None:
    scene = make_scene()
    manager, path = client.as_(scene.station_manager), f"/stations/{scene.station.id}/presence-code"
    code = manager.get(path).json["code"]
    grant_id = unit(lambda: db.session.query(Grant).filter_by(volunteer_id=scene.station_manager.id).one().id)
    assert manager.delete(f"/grants/{grant_id}").status_code == 204
    assert manager.get(path).status_code == 404
    body = {"station_id": str(scene.station.id), "evidence": evidence(clock.now(), code=code)}
    came = manager.post("/attendances", json=body, key="came")
    assert (came.json["check_in_grade"], remarks(came)) == ("weak", ["own_code"])


def test_they_are_noted_once_and_forgotten_in_time(client: Any, unit: Any) -> None:
    scene = make_scene()
    for _ in range(2):
        reading(client, scene.leader, scene)
    [row] = unit(lambda: db.session.query(GivenCodes).all())
    assert (row.volunteer_id, row.target_id) == (scene.leader.id, scene.shift.id)
    assert row.good_until > scene.shift.ends_at
    assert unit(given_codes.forget) == 0
    with clock.at(row.good_until + timedelta(days=40)):
        assert unit(given_codes.forget) == 1
