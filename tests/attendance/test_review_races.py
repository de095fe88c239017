"""Real threads against PostgreSQL: reviewers, check-outs and the closing task at once."""

from datetime import timedelta
from typing import Any

from tests.attendance.factories import evidence, loaded_evidence, make_scene, soon
from tests.attendance.test_review import attend, make_organizer, sums
from volunteer_api.attendance import closing, service
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.hours.models import ServiceRecord

HOUR = timedelta(hours=1)


def test_of_reviewers_at_once_one_wins(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    scene = make_scene(starts_at=soon() - 3 * HOUR)
    attendance_id = postgresql_unit(lambda: attend(scene, scene.volunteer))
    others = postgresql_unit(lambda: [make_organizer(scene) for _ in range(2)])
    phones = [postgresql_client.as_(one) for one in (scene.leader, scene.organizer, *others)]

    def review(number: int) -> Any:
        body = {"decision": ("credit", "reject")[number % 2], "reason": f"{number}"}
        return phones[number].post(f"/attendances/{attendance_id}/review", json=body, key="review")

    answers = race(4, review)
    assert sorted(one.status_code for one in answers) == [200, 409, 409, 409]
    [won] = [one.json for one in answers if one.status_code == 200]
    lost = [one.json for one in answers if one.status_code == 409]
    assert {one["code"] for one in lost} == {"already_reviewed"}
    # Each of them is told what became of it.
    assert {one["attendance"]["state"] for one in lost} == {won["state"]}
    credited = 120 if won["state"] == "credited" else 0
    assert postgresql_unit(lambda: sums(scene.volunteer)) == (credited, 0)


def test_a_review_against_a_late_check_out(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    scene = make_scene(starts_at=soon() - 5 * HOUR)
    attendance_id = postgresql_unit(lambda: attend(scene, scene.volunteer, left=False))
    assert postgresql_unit(closing.close_forgotten) == 1
    leader, phone = postgresql_client.as_(scene.leader), postgresql_client.as_(scene.volunteer)

    def act(number: int) -> Any:
        if number == 0:
            body = {"decision": "credit", "credited_minutes": 30, "reason": "看见她了"}
            return leader.post(f"/attendances/{attendance_id}/review", json=body, key="review")
        left = evidence(scene.shift.starts_at + HOUR)
        return phone.post(f"/attendances/{attendance_id}/check-out", json={"evidence": left}, key="out")

    reviewed, left = race(2, act)
    # Whichever was first, the other one is named or heeds it: what is credited is in the ledger once.
    found = postgresql_unit(lambda: db.session.get_one(Attendance, attendance_id))
    assert reviewed.status_code == 200
    assert (left.status_code, left.json.get("code")) in ((200, None), (409, "already_reviewed"))
    assert (found.state, found.credited_minutes, found.held_minutes) == (State.CREDITED, 30, 0)
    assert postgresql_unit(lambda: sums(scene.volunteer)) == (30, 0)
    assert postgresql_unit(lambda: db.session.query(ServiceRecord).count()) == 1


def test_the_closing_task_against_check_outs_and_itself(postgresql_unit: Any, race: Any) -> None:
    scene = make_scene(starts_at=soon() - 4 * HOUR)
    people = (scene.volunteer, scene.unsigned, scene.stranger)
    ids = postgresql_unit(lambda: [attend(scene, one, left=False) for one in people])
    end = scene.shift.ends_at

    def check_out(attendance_id: Any) -> str:
        attendance = db.session.get_one(Attendance, attendance_id)
        return service.check_out(attendance=attendance, evidence=loaded_evidence(end)).state

    def act(number: int) -> Any:
        with clock.at(end + 2 * HOUR):
            if number < 2:
                return postgresql_unit(closing.close_forgotten)
            return postgresql_unit(lambda: check_out(ids[number - 2]))

    outcomes = race(5, act)
    assert not [one for one in outcomes if isinstance(one, Exception)]
    with clock.at(end + 2 * HOUR):
        assert postgresql_unit(closing.close_forgotten) == 0
    # Closed before or not: each check-out counts, and nothing waits twice.
    found = postgresql_unit(lambda: [db.session.get_one(Attendance, one) for one in ids])
    assert [(one.checked_out_at, one.held_minutes) for one in found] == [(end, 120)] * 3
    assert all("forgotten_check_out" not in one.reasons for one in found)
    assert postgresql_unit(lambda: [sums(one) for one in people]) == [(0, 120)] * 3


def test_a_roll_call_against_check_ins(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    scene = make_scene(starts_at=soon() - timedelta(minutes=10))
    leader, phone = postgresql_client.as_(scene.leader), postgresql_client.as_(scene.volunteer)

    def act(number: int) -> Any:
        if number % 2:
            entries = [{"volunteer_id": str(scene.volunteer.id), "status": "present"}]
            return leader.put(f"/shifts/{scene.shift.id}/roll-call", json={"entries": entries})
        body = {"shift_id": str(scene.shift.id), "evidence": evidence(clock.now())}
        return phone.post("/attendances", json=body, key=f"in-{number}")

    answers = race(6, act)
    assert {one.status_code for one in answers} <= {200, 201, 409}
    found = postgresql_unit(lambda: db.session.query(Attendance).filter_by(volunteer_id=scene.volunteer.id).one())
    assert (found.state, found.grade, found.reasons) == (State.OPEN, "strong", [])
