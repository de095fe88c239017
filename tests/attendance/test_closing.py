"""Check-outs that were forgotten: closed, claimed, made up for, reminded of."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.attendance.factories import Scene, loaded_evidence, make_scene, soon
from tests.attendance.test_review import attend, decide, sums, told
from volunteer_api.attendance import closing, service
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.attendance.problems import AlreadyReviewed
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.hours import deadlines

# What PostgreSQL does in one statement, SQLite does in several.
pytestmark = pytest.mark.both_databases

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def scene(app: Any) -> Scene:
    """A shift of two hours that ended two hours ago, to the minute."""
    return make_scene(starts_at=soon() - 4 * HOUR)


def load(attendance_id: UUID) -> Attendance:
    return db.session.get_one(Attendance, attendance_id)


def closed(unit: Any, scene: Scene) -> UUID:
    """An attendance without a check-out that the task closed."""
    attendance_id: UUID = unit(lambda: attend(scene, scene.volunteer, left=False))
    with clock.at(scene.shift.ends_at + 2 * HOUR):
        assert unit(closing.close_forgotten) == 1
    return attendance_id


def test_what_nobody_checked_out_of_is_closed_two_hours_after_the_end(unit: Any, scene: Scene) -> None:
    ids = unit(lambda: [attend(scene, one, left=False) for one in (scene.volunteer, scene.unsigned)])
    with clock.at(scene.shift.ends_at + 2 * HOUR - MINUTE):
        assert unit(closing.close_forgotten) == 0
    with clock.at(scene.shift.ends_at + 2 * HOUR):
        assert unit(closing.close_forgotten) == 2
        assert unit(closing.close_forgotten) == 0
    found = unit(lambda: [load(one) for one in ids])
    assert [(one.state, one.credited_minutes, one.held_minutes, one.checked_out_at) for one in found] == [
        (State.HELD, 0, 0, None)
    ] * 2
    assert all("forgotten_check_out" in one.reasons for one in found)
    assert unit(lambda: "check_out_forgotten" in told(scene.volunteer))
    # Their leader hears of both at once.
    assert unit(lambda: told(scene.leader).count("attendances_unfinished")) == 1


@pytest.mark.parametrize(("hours", "clock_is_odd"), [(71, False), (73, True)])
def test_a_check_out_that_comes_later_takes_its_place(unit: Any, scene: Scene, hours: int, clock_is_odd: bool) -> None:
    attendance_id = closed(unit, scene)
    left = loaded_evidence(scene.shift.starts_at + HOUR, code=unit(lambda: scene.code(scene.shift.starts_at + HOUR)))
    with clock.at(scene.shift.starts_at + HOUR + hours * HOUR):
        found = unit(lambda: service.check_out(attendance=load(attendance_id), evidence=left))
    assert "forgotten_check_out" not in found.reasons
    assert ("clock_odd" in found.reasons) is clock_is_odd
    assert (found.state, found.check_out_grade) == (State.HELD, "strong")
    if not clock_is_odd:
        assert (found.checked_out_at, found.held_minutes) == (scene.shift.starts_at + HOUR, 60)
        assert unit(lambda: sums(scene.volunteer)) == (0, 60)


def test_a_claim_waits_for_a_leader(client: Any, unit: Any, scene: Scene) -> None:
    attendance_id = closed(unit, scene)
    phone, path = client.as_(scene.volunteer), f"/attendances/{attendance_id}/claim"

    def claim(key: str, hours: float) -> Any:
        left_at = (scene.shift.starts_at + hours * HOUR).isoformat()
        return phone.post(path, json={"left_at": left_at, "reason": "手机没电了"}, key=key)

    assert claim("early", -1).json["code"] == "left_before_arrival"
    assert claim("late", 100).json["code"] == "not_yet"
    # Whoever stayed on claims no more than the shift.
    answer = claim("long", 3)
    assert (answer.status_code, answer.json["state"], answer.json["held_minutes"]) == (200, "held", 120)
    answer = claim("right", 1.5)
    assert (answer.json["held_minutes"], unit(lambda: sums(scene.volunteer))) == (90, (0, 90))
    [shown] = client.as_(scene.leader).get("/attendances?reason=claimed").json["items"]
    assert (shown["claim"]["reason"], shown["check_out"]["at"]) == ("手机没电了", None)
    assert unit(lambda: told(scene.leader).count("attendance_claimed")) == 1
    assert (
        client.as_(scene.leader)
        .post(path, json={"left_at": "2026-01-01T00:00:00Z", "reason": "!"}, key="x")
        .json["code"]
        == "forbidden"
    )
    decided = unit(lambda: decide(attendance_id, scene.leader))
    assert (decided.state, decided.credited_minutes) == (State.CREDITED, 90)
    assert decided.checked_out_at == scene.shift.starts_at + 1.5 * HOUR
    assert unit(lambda: sums(scene.volunteer)) == (90, 0)
    assert claim("again", 2).json["code"] == "nothing_to_claim"
    # What a person decided, no tap that arrives late decides anew.
    late = loaded_evidence(scene.shift.ends_at)
    with pytest.raises(AlreadyReviewed):
        unit(lambda: service.check_out(attendance=load(attendance_id), evidence=late))
    assert unit(lambda: sums(scene.volunteer)) == (90, 0)


def test_an_open_attendance_can_be_claimed_once_the_shift_is_over(client: Any, unit: Any, scene: Scene) -> None:
    attendance_id = unit(lambda: attend(scene, scene.volunteer, left=False))
    body = {"left_at": (scene.shift.starts_at + HOUR).isoformat(), "reason": "忘了"}
    phone = client.as_(scene.volunteer)
    answer = phone.post(f"/attendances/{attendance_id}/claim", json=body, key="claim")
    assert (answer.json["state"], answer.json["held_minutes"]) == ("held", 60)
    assert unit(closing.close_forgotten) == 0


def test_who_tells_late_of_a_check_in_has_time_for_the_check_out(unit: Any) -> None:
    scene = make_scene(starts_at=soon() - 6 * HOUR)
    sent = loaded_evidence(scene.shift.starts_at)
    unit(lambda: service.check_in(volunteer_id=scene.volunteer.id, shift_id=scene.shift.id, evidence=sent))
    assert unit(closing.close_forgotten) == 0
    with clock.at(clock.now() + HOUR / 4):
        assert unit(closing.close_forgotten) == 1


def test_reviewers_hear_before_it_is_late_and_daily_after(unit: Any, scene: Scene) -> None:
    unit(lambda: attend(scene, scene.volunteer))
    due_on = unit(lambda: deadlines.due_on(clock.local_date(scene.shift.ends_at)).on)
    for day, due, late in ((-4, 0, 0), (-3, 1, 0), (-2, 1, 0), (0, 1, 0), (1, 1, 1), (2, 1, 2)):
        with clock.at(unit(lambda day=day: clock.start_of(due_on + timedelta(days=day))) + HOUR):
            for _ in range(2):
                unit(closing.remind_reviewers)
        kinds = unit(lambda: told(scene.organizer))
        assert (kinds.count("attendances_due"), kinds.count("attendances_late")) == (due, late), day


def test_leaders_are_reminded_once_before_it_is_late(unit: Any, scene: Scene) -> None:
    unit(lambda: attend(scene, scene.volunteer))
    due_on = unit(lambda: deadlines.due_on(clock.local_date(scene.shift.ends_at)).on)
    for days, reminded in ((4, 0), (3, 1), (2, 1)):
        day = unit(lambda days=days: clock.start_of(due_on - timedelta(days=days)))
        with clock.at(day + HOUR):
            unit(closing.remind_of_reviews)
        assert unit(lambda: told(scene.leader).count("reviews_due")) == reminded
