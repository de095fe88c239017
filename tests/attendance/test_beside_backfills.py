"""Hours recorded by hand beside what a check-in or a roll-call says of the same service."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from tests.attendance.factories import Scene, make_scene, soon
from tests.attendance.test_duty import begin, end
from tests.attendance.test_review import attend
from tests.factories import make_volunteer
from tests.hours.factories import acting, line, make_organizer, sent
from tests.hours.test_backfills import post, told
from tests.organizations.factories import make_grant
from volunteer_api.accounts.models import Volunteer
from volunteer_api.attendance import roll_call
from volunteer_api.attendance.models import RollCallStatus
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.hours import backfills
from volunteer_api.notifications.models import Notification
from volunteer_api.organizations.models import Role

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def scene(app: Flask) -> Scene:
    """A shift of two hours that was held yesterday."""
    return make_scene(starts_at=soon() - timedelta(days=1))


def test_whoever_decides_sees_what_was_rejected_and_who_rejected_hears(client: Any, unit: Unit, scene: Scene) -> None:
    """A backfill passed over a rejected check-in, and neither of the two people of the dual control knew of it."""
    second, reviewer = make_organizer(scene.organization.id), make_organizer(scene.organization.id)
    attendance_id = unit(lambda: attend(scene, scene.volunteer))
    decision = {"decision": "reject", "reason": "照片中没有本人"}
    status, _ = post(client, reviewer, f"/attendances/{attendance_id}/review", decision)
    assert status == 200
    status, made = post(client, scene.organizer, "/service-records", line(scene, minutes=30))
    assert (status, made["state"]) == (201, "pending")
    [waiting] = client.as_(second).get("/service-records?state=pending").json["items"]
    [remark] = waiting["remarks"]
    assert (remark["code"], remark["reason"]) == ("attendance_rejected", "照片中没有本人")
    assert (remark["by_name"], remark["attendance_id"]) == (reviewer.name, str(attendance_id))
    assert "照片中没有本人" in remark["detail"]
    heard = told(unit, reviewer)["backfilled_after_rejection"]
    assert (heard["minutes"], heard["service_record_id"]) == ("30", made["id"])
    # Whom it is about reads no more of it than before, and once it is decided there is nothing to decide beside.
    [mine] = client.as_(scene.volunteer).get("/me/service-records?state=pending").json["items"]
    assert "remarks" not in mine
    status, approved = post(client, second, f"/service-records/{made['id']}/approval", {})
    assert (status, approved["remarks"]) == (200, [])


def test_what_waits_and_who_did_not_come_is_said_too(client: Any, unit: Unit, scene: Scene) -> None:
    def happen() -> None:
        attend(scene, scene.volunteer)
        entry = {"volunteer_id": scene.volunteer.id, "status": RollCallStatus.ABSENT}
        [marked] = roll_call.take(shift=scene.shift, by=scene.leader.id, entries=[entry])
        assert marked.refusal is None

    unit(happen)
    assert post(client, scene.leader, "/service-records", line(scene, minutes=30))[0] == 201
    # A duty at the station is another service.
    starts_at = sent(scene.shift.starts_at, minutes=60)
    duty = line(scene, shift_id=None, station_id=str(scene.station.id), starts_at=starts_at, minutes=20)
    assert post(client, scene.station_manager, "/service-records", duty)[0] == 201
    items = client.as_(scene.organizer).get("/service-records?state=pending").json["items"]
    found = [[remark["code"] for remark in item["remarks"]] for item in items]
    assert found == [["attendance_held", "marked_absent"], []]
    # Nobody rejected anything.
    assert "backfilled_after_rejection" not in told(unit, scene.organizer)


def test_a_rejected_duty_is_said_of_hours_of_the_same_time(client: Any, app: Flask, unit: Unit, scene: Scene) -> None:
    with app.app_context():
        ten = clock.start_of(clock.today() - timedelta(days=1)) + timedelta(hours=10)
    duty = unit(lambda: end(scene, begin(scene, ten), ten + timedelta(hours=1)))
    decision = {"decision": "reject", "reason": "未见本人", "correction": True}
    assert post(client, scene.organizer, f"/attendances/{duty.id}/review", decision)[0] == 200
    for minutes in (0, 90):
        body = line(
            scene,
            volunteer_id=str(scene.stranger.id),
            shift_id=None,
            station_id=str(scene.station.id),
            starts_at=sent(ten, minutes=minutes),
            minutes=60,
        )
        assert post(client, scene.station_manager, "/service-records", body)[0] == 201
    items = client.as_(scene.organizer).get("/service-records?state=pending").json["items"]
    assert [[remark["code"] for remark in item["remarks"]] for item in items] == [["attendance_rejected"], []]


def make_administrator(scene: Scene) -> Volunteer:
    administrator = make_volunteer(name="区管理员")
    make_grant(administrator, Role.ADMINISTRATOR, scene.organization.id)
    return administrator


def test_where_nobody_is_left_to_decide_somebody_hears(client: Any, unit: Unit, scene: Scene) -> None:
    """The administrator's own hours, recorded by the one organizer: a refusal that says what to do, and a notice."""
    administrator = make_administrator(scene)
    own = line(scene, volunteer_id=str(administrator.id), minutes=30)
    status, made = post(client, scene.organizer, "/service-records", own)
    assert status == 201
    heard = told(unit, administrator)
    assert heard["nobody_decides"]["organization"] == scene.organization.name
    assert "backfills_wait" not in heard
    for person, code in ((administrator, "own_hours"), (scene.organizer, "own_backfill")):
        status, refusal = post(client, person, f"/service-records/{made['id']}/approval", {})
        assert (status, refusal["code"]) == (403, code)
        assert "组织者角色" in refusal["detail"]


def test_own_hours_among_others_are_told_of_too(unit: Unit, scene: Scene) -> None:
    administrator = make_administrator(scene)
    records = [
        {"volunteer_id": one.id, "shift_id": scene.shift.id, "minutes": 30, "reason": "手机没电"}
        for one in (administrator, scene.volunteer)
    ]
    unit(lambda: backfills.record_several(by=acting(scene.organizer), records=records))
    rows = unit(lambda: db.session.query(Notification).filter_by(volunteer_id=administrator.id).all())
    assert {"nobody_decides", "backfills_wait"} <= {row.kind for row in rows}
