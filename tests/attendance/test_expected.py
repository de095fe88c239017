"""Who checks in first and says yes a minute later: whether she was expected is judged when she leaves."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.attendance.factories import FAR, NEAR, Scene, loaded_evidence, make_scene, soon
from tests.attendance.test_batches import out, send
from tests.factories import make_volunteer
from volunteer_api.accounts.models import Volunteer
from volunteer_api.attendance import review, service
from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.problems import AlreadyCheckedIn, AlreadyCheckedOut
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.sign_ups import service as sign_ups

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
Outcome = tuple[str, str, int, int, list[str], list[str]]


@pytest.fixture
def scene(app: Any) -> Scene:
    """A shift of four hours that ended an hour ago."""
    return make_scene(starts_at=soon() - 5 * HOUR, hours=4)


@pytest.fixture
def late(unit: Any, scene: Scene) -> Volunteer:
    """Somebody who is invited, and has not answered."""
    person = make_volunteer(name="周建国")
    with clock.at(scene.shift.starts_at - 2 * HOUR):
        unit(lambda: sign_ups.invite(by=scene.leader.id, shift_id=scene.shift.id, volunteer_id=person.id))
    return person


def code(scene: Scene, moment: datetime) -> dict[str, Any]:
    return {"code": scene.code(moment)}


def check_in(scene: Scene, person: Volunteer, moment: datetime, **given: Any) -> Attendance:
    with clock.at(moment):
        return service.check_in(
            volunteer_id=person.id, shift_id=scene.shift.id, evidence=loaded_evidence(moment, **given)
        )


def check_out(scene: Scene, person: Volunteer, moment: datetime, **given: Any) -> None:
    with clock.at(moment):
        attendance = db.session.query(Attendance).filter_by(volunteer_id=person.id).one()
        service.check_out(attendance=attendance, evidence=loaded_evidence(moment, **given))


def say_yes(person: Volunteer, moment: datetime) -> None:
    with clock.at(moment):
        found = db.session.query(sign_ups.SignUp).filter_by(volunteer_id=person.id).one()
        sign_ups.accept(sign_up_id=found.id)


def sign_up(scene: Scene, person: Volunteer, moment: datetime) -> None:
    with clock.at(moment):
        sign_ups.sign_up(shift_id=scene.shift.id, volunteer_id=person.id)


def outcome(person: Volunteer) -> Outcome:
    one = db.session.query(Attendance).filter_by(volunteer_id=person.id).one()
    return (
        one.state,
        one.check_in_grade,
        one.credited_minutes,
        one.held_minutes,
        list(one.reasons),
        list(one.check_in_remarks),
    )


def test_by_the_code(unit: Any, scene: Scene, late: Volunteer) -> None:
    began = scene.shift.starts_at
    unit(lambda: check_in(scene, late, began, **code(scene, began)))
    assert unit(lambda: outcome(late)) == ("open", "strong", 0, 0, ["not_signed_up"], [])
    unit(lambda: say_yes(late, began + MINUTE))
    unit(lambda: check_out(scene, late, began + 2 * HOUR, **code(scene, began + 2 * HOUR)))
    assert unit(lambda: outcome(late)) == ("credited", "strong", 120, 0, [], [])


@pytest.mark.parametrize(
    ("place", "after"),
    [
        (NEAR, ("credited", "medium", 120, 0, [], ["place_not_kept"])),
        (FAR, ("held", "weak", 0, 120, ["weak_evidence"], ["place_outside", "place_not_kept"])),
    ],
)
def test_by_the_place(unit: Any, scene: Scene, late: Volunteer, place: Any, after: Outcome) -> None:
    began = scene.shift.starts_at
    unit(lambda: check_in(scene, late, began, place=place, accuracy_m=10))
    unit(lambda: say_yes(late, began + MINUTE))
    unit(lambda: check_out(scene, late, began + 2 * HOUR, place=NEAR, accuracy_m=10))
    assert unit(lambda: outcome(late)) == after


def test_a_sign_up_long_after_the_arrival_is_none_of_it(unit: Any, scene: Scene) -> None:
    """As at a roll-call: two hours, and no more."""
    person, other, began = make_volunteer(), make_volunteer(), scene.shift.starts_at
    for one, signed_up_at in ((person, began + 2 * HOUR), (other, began + 2 * HOUR + MINUTE)):
        unit(lambda one=one: check_in(scene, one, began, **code(scene, began)))
        unit(lambda one=one, at=signed_up_at: sign_up(scene, one, at))
        unit(lambda one=one: check_out(scene, one, began + 3 * HOUR, **code(scene, began + 3 * HOUR)))
    assert unit(lambda: outcome(person)) == ("credited", "strong", 180, 0, [], [])
    assert unit(lambda: outcome(other)) == ("held", "strong", 0, 180, ["not_signed_up"], [])


def test_several_check_ins(unit: Any, scene: Scene, late: Volunteer) -> None:
    """She says yes after the last of them: what they prove is what they would have proven had she done so before."""
    began = scene.shift.starts_at
    unit(lambda: check_in(scene, late, began, place=NEAR, accuracy_m=10))
    with pytest.raises(AlreadyCheckedIn):
        unit(lambda: check_in(scene, late, began + 10 * MINUTE, **code(scene, began + 10 * MINUTE)))
    unit(lambda: say_yes(late, began + 11 * MINUTE))
    unit(lambda: check_out(scene, late, began + 2 * HOUR, **code(scene, began + 2 * HOUR)))
    state, grade, credited, held, reasons, _ = unit(lambda: outcome(late))
    assert (state, grade, credited, held, reasons) == ("credited", "medium", 120, 0, [])


def test_a_leader_put_her_on_the_roll_before(client: Any, unit: Any, scene: Scene, late: Volunteer) -> None:
    began = scene.shift.starts_at
    with clock.at(began + MINUTE):
        body = {"entries": [{"volunteer_id": str(late.id), "status": "present", "arrived_at": clock.stamp(began)}]}
        client.as_(scene.leader).put(f"/shifts/{scene.shift.id}/roll-call", json=body)
    assert unit(lambda: outcome(late))[4] == ["not_signed_up"]
    unit(lambda: say_yes(late, began + 5 * MINUTE))
    unit(lambda: check_out(scene, late, began + 2 * HOUR, **code(scene, began + 2 * HOUR)))
    assert unit(lambda: outcome(late)) == ("credited", "strong", 120, 0, [], [])


def test_of_a_phone_without_network(client: Any, unit: Any, scene: Scene, late: Volunteer) -> None:
    """The check-in was sent before she said yes; the check-out comes by a batch."""
    began = scene.shift.starts_at
    unit(lambda: check_in(scene, late, began, place=NEAR, accuracy_m=10))
    unit(lambda: say_yes(late, began + MINUTE))
    attendance_id = unit(lambda: str(db.session.query(Attendance).filter_by(volunteer_id=late.id).one().id))
    send(client.as_(late), out("b", began + 2 * HOUR, attendance_id=attendance_id))
    assert unit(lambda: outcome(late))[:4] == ("credited", "medium", 120, 0)


def test_what_was_decided_keeps_its_evidence(unit: Any, scene: Scene, late: Volunteer) -> None:
    """Who decides looked at somebody who was not signed up: a check-out that is refused makes no other of it."""
    began = scene.shift.starts_at
    unit(lambda: check_in(scene, late, began, **code(scene, began)))
    unit(lambda: check_out(scene, late, began + HOUR, **code(scene, began + HOUR)))
    attendance_id = unit(lambda: db.session.query(Attendance).filter_by(volunteer_id=late.id).one().id)
    decision = {"decision": "reject", "reason": "没有报名"}
    unit(lambda: review.decide(attendance_id=attendance_id, reviewer_id=scene.leader.id, **decision))
    unit(lambda: say_yes(late, began + 90 * MINUTE))
    with pytest.raises(AlreadyCheckedOut):
        unit(lambda: check_out(scene, late, began + 2 * HOUR, **code(scene, began + 2 * HOUR)))
    one = unit(lambda: db.session.query(Attendance).filter_by(volunteer_id=late.id).one())
    assert (one.state, list(one.check_in_reasons)) == ("rejected", ["not_signed_up"])
