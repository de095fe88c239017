"""Attendances that show less than there was: a check-out by mistake, and what leaders and organizers said before."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from tests.attendance.factories import NEAR, Scene, make_scene, soon
from tests.attendance.test_batches import into, out, send
from tests.disputes.factories import ledger_sum, tally_sum
from tests.disputes.test_endpoints import decide, filed, post, refused
from volunteer_api.core.database import db
from volunteer_api.hours.models import ServiceRecord

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def scene(app: Flask) -> Scene:
    """A shift of two hours that ended an hour ago."""
    return make_scene(starts_at=soon() - 3 * HOUR)


@pytest.mark.both_databases
def test_the_rest_of_a_shift_is_given_by_two_others(client: Any, unit: Any, scene: Scene) -> None:
    volunteer, leader, organizer = scene.volunteer.id, scene.leader.id, scene.organizer.id
    began = scene.shift.starts_at
    slip = [into("in", scene.shift.id, began, place=NEAR), out("slip", began + MINUTE, of="in")]
    attendance = send(client.as_(volunteer), *slip)[1]["attendance"]
    assert (attendance["state"], attendance["credited_minutes"]) == ("credited", 1)

    # Alone, nobody gives it; each way names the other one.
    entry = {"volunteer_id": str(volunteer), "status": "present", "left_at": (began + 2 * HOUR).isoformat()}
    called = client.as_(leader).put(f"/shifts/{scene.shift.id}/roll-call", json={"entries": [entry]}).json
    assert called["results"][0]["problem"]["code"] == "already_credited"
    body = {"decision": "credit", "credited_minutes": 100, "correction": True, "reason": "全程在场"}
    path = f"/attendances/{attendance['id']}/review"
    assert refused(client.as_(organizer).post(path, json=body, key="review")) == (409, "beyond_attendance")

    made = filed(client, volunteer, attendance_id=attendance["id"], claimed_minutes=110)
    [waits] = client.as_(leader).get("/disputes?unconfirmed=true").json["items"]
    assert waits["id"] == made["id"]
    assert refused(decide(client, organizer, made)) == (409, "needs_confirmation")
    assert refused(post(client, leader, made, "confirmation", minutes=121, text="在场")) == (409, "beyond_service")
    assert post(client, leader, made, "confirmation", minutes=100, text="误点签退，全程在场").status_code == 200
    assert client.as_(leader).get("/disputes?unconfirmed=true").json["items"] == []
    # Never more than was confirmed.
    assert refused(decide(client, organizer, made)) == (409, "beyond_service")
    answer = decide(client, organizer, made, "partly", credited_minutes=100)
    assert (answer.status_code, answer.json["credited_minutes"]) == (200, 100)
    assert unit(lambda: (ledger_sum(volunteer), tally_sum(volunteer))) == (100, 100)
    shown = client.as_(volunteer).get(f"/attendances/{attendance['id']}").json
    assert (shown["state"], shown["credited_minutes"]) == ("credited", 100)

    def people() -> list[tuple[Any, ...]]:
        columns = (ServiceRecord.recorder_id, ServiceRecord.approver_id, ServiceRecord.minutes)
        return [tuple(row) for row in db.session.query(*columns)]

    assert (leader, organizer, 100) in unit(people)


def test_who_turned_a_backfill_down_does_not_decide(client: Any, scene: Scene) -> None:
    """Nor who recorded it: both have said what they think of it."""
    unsigned = scene.unsigned.id
    body = {"volunteer_id": str(unsigned), "shift_id": str(scene.shift.id), "minutes": 60, "reason": "纸质签到表"}
    body["starts_at"] = scene.shift.starts_at.isoformat()
    recorded = client.as_(scene.leader).post("/service-records", json=body, key="record")
    assert recorded.status_code == 201, recorded.json
    path = f"/service-records/{recorded.json['id']}/rejection"
    assert client.as_(scene.organizer).post(path, json={"reason": "不在现场"}, key="no").status_code == 200
    made = filed(client, unsigned, shift_id=scene.shift.id)
    assert client.as_(scene.organizer).get(f"/disputes/{made['id']}").json["can_decide"] is False
    assert refused(decide(client, scene.organizer.id, made, "rejected")) == (403, "involved")
