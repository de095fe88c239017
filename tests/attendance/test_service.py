"""From evidence to credited or held minutes, by the service."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.attendance.factories import FAR, NEAR, Scene, loaded_evidence, make_scene, make_shift, soon
from volunteer_api.activities import service as activities
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.activities.shifts import add_shift
from volunteer_api.attendance import service
from volunteer_api.attendance.models import Attendance, Grade, State
from volunteer_api.attendance.problems import AlreadyCheckedIn, AlreadyCheckedOut
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.notifications.models import Notification
from volunteer_api.sign_ups import service as sign_ups
from volunteer_api.sign_ups.models import SignUp
from volunteer_api.sign_ups.problems import Canceled

# What PostgreSQL does in one statement, SQLite does in several.
pytestmark = pytest.mark.both_databases

Unit = Callable[[Callable[[], Any]], Any]
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
# 10:00 in Shanghai, far from every midnight.
TEN = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


def check_in(scene: Scene, unit: Unit, at: datetime, *, who: str = "volunteer", **members: Any) -> Attendance:
    """Check in at a moment; `code=True` gives the code of the tap, a number that of so many minutes later."""
    attendance: Attendance = unit(lambda: _check_in(scene, at, getattr(scene, who).id, members))
    return attendance


def check_out(scene: Scene, unit: Unit, attendance: Attendance, at: datetime, **members: Any) -> Attendance:
    """Check out at a moment."""
    left: Attendance = unit(lambda: _check_out(scene, at, attendance, members))
    return left


def _check_in(scene: Scene, at: datetime, volunteer_id: Any, members: dict[str, Any]) -> Attendance:
    with clock.at(at):
        evidence = _evidence(scene, at, members)
        return service.check_in(volunteer_id=volunteer_id, shift_id=scene.shift.id, evidence=evidence)


def _check_out(scene: Scene, at: datetime, attendance: Attendance, members: dict[str, Any]) -> Attendance:
    with clock.at(at):
        found = db.session.get_one(Attendance, attendance.id)
        return service.check_out(attendance=found, evidence=_evidence(scene, at, members))


def _evidence(scene: Scene, at: datetime, members: dict[str, Any]) -> dict[str, Any]:
    tapped_at = at + members.get("offset", timedelta())
    made = {name: value for name, value in members.items() if name != "offset"}
    if isinstance(made.get("code"), int):
        made["code"] = scene.code(tapped_at + int(made["code"] is not True and made["code"]) * MINUTE)
    return loaded_evidence(tapped_at, **made)


def records(unit: Unit, volunteer_id: Any) -> list[ServiceRecord]:
    """The ledger's rows of a volunteer."""
    found: list[ServiceRecord] = unit(
        lambda: db.session.query(ServiceRecord).filter_by(volunteer_id=volunteer_id).order_by(ServiceRecord.id).all()
    )
    return found


def test_held_minutes_are_what_would_be_credited(unit: Unit) -> None:
    scene = make_scene(starts_at=TEN)
    attendance = check_in(scene, unit, TEN - 10 * MINUTE)
    attendance = check_out(scene, unit, attendance, TEN + HOUR)
    assert (attendance.held_minutes, attendance.credited_minutes) == (60, 0)


def test_the_record_freezes_its_attribution(unit: Unit) -> None:
    scene = make_scene(starts_at=TEN)
    attendance = check_in(scene, unit, TEN - 10 * MINUTE, code=True)
    check_out(scene, unit, attendance, TEN + 3 * HOUR, place=NEAR)
    [record] = records(unit, scene.volunteer.id)
    assert record.minutes == 120
    assert (record.starts_at, record.ends_at) == (scene.shift.starts_at, scene.shift.ends_at)
    assert (record.on, record.source) == (TEN.date(), "attended")
    assert (record.attendance_id, record.shift_id, record.activity_id) == (
        attendance.id,
        scene.shift.id,
        scene.activity.id,
    )
    assert (record.station_id, record.leader_id) == (scene.station.id, scene.leader.id)
    assert record.organization_id == scene.organization.id
    assert record.organization_path_id == scene.activity.organization_path_id
    assert (record.content, record.place_name) == (scene.activity.title, "河西广场")
    kinds = unit(lambda: [n.kind for n in db.session.query(Notification).filter_by(volunteer_id=scene.volunteer.id)])
    assert kinds.count("hours_credited") == 1


def test_zero_minutes_write_no_record(unit: Unit) -> None:
    scene = make_scene(starts_at=TEN)
    attendance = check_in(scene, unit, TEN, code=True)
    attendance = check_out(scene, unit, attendance, TEN + timedelta(seconds=59), code=True)
    assert (attendance.state, attendance.credited_minutes) == (State.CREDITED, 0)
    assert records(unit, scene.volunteer.id) == []


def test_what_is_over_eight_hours_a_day_is_held(unit: Unit) -> None:
    scene = make_scene(starts_at=TEN, hours=10)
    attendance = check_in(scene, unit, TEN, code=True)
    attendance = check_out(scene, unit, attendance, TEN + 10 * HOUR, code=True)
    assert (attendance.credited_minutes, attendance.held_minutes) == (480, 120)
    assert (attendance.state, attendance.reasons) == (State.HELD, ["daily_limit"])


def elsewhere(scene: Scene, unit: Unit, at: datetime, received_at: datetime | None = None) -> Attendance:
    """Check in to another shift, which begins at TEN too; `received_at` where it is synced late."""

    def go() -> Attendance:
        with clock.at(TEN - HOUR):
            other = make_shift(organization=scene.organization, created_by=scene.organizer, starts_at=TEN)
        with clock.at(received_at or at):
            evidence = loaded_evidence(at)
            return service.check_in(volunteer_id=scene.volunteer.id, shift_id=other.id, evidence=evidence)

    made: Attendance = unit(go)
    return made


def test_the_same_hour_is_not_credited_twice(unit: Unit) -> None:
    scene = make_scene(starts_at=TEN)
    first = check_in(scene, unit, TEN, code=True)
    assert check_out(scene, unit, first, TEN + HOUR, code=True).state == State.CREDITED
    # She was somewhere else by then, as it turns out.
    again = elsewhere(scene, unit, TEN + 30 * MINUTE, TEN + HOUR)
    again = check_out(scene, unit, again, TEN + 90 * MINUTE)
    assert (again.state, again.held_minutes) == (State.HELD, 60)
    cut: Attendance = unit(lambda: db.session.get_one(Attendance, first.id))
    assert (cut.state, cut.credited_minutes, cut.held_minutes) == (State.HELD, 0, 30)
    assert cut.reasons == ["checked_in_elsewhere"]
    assert [record.minutes for record in records(unit, scene.volunteer.id)] == [60, -60]


def test_a_shift_is_attended_once(unit: Unit) -> None:
    scene = make_scene(starts_at=TEN)
    first = check_in(scene, unit, TEN, code=True)
    check_out(scene, unit, first, TEN + HOUR, code=True)
    with pytest.raises(AlreadyCheckedIn):
        check_in(scene, unit, TEN + 70 * MINUTE, code=True)

    def reject() -> None:
        db.session.get_one(Attendance, first.id).state = State.REJECTED

    unit(reject)
    assert check_in(scene, unit, TEN + 80 * MINUTE, code=True).state == State.OPEN


def test_an_older_check_in_synced_late_leaves_the_open_one_open(unit: Unit) -> None:
    scene = make_scene(starts_at=TEN)
    now_here = check_in(scene, unit, TEN + HOUR, code=True)
    older = elsewhere(scene, unit, TEN + 10 * MINUTE, TEN + 90 * MINUTE)
    assert (older.state, older.checked_out_at, older.held_minutes) == (State.HELD, TEN + HOUR, 50)
    assert "checked_in_elsewhere" in older.reasons
    assert unit(lambda: db.session.get_one(Attendance, now_here.id)).state == State.OPEN


def test_an_odd_clock_orders_nothing(unit: Unit) -> None:
    scene = make_scene(starts_at=TEN)
    earlier = check_in(scene, unit, TEN, code=True)
    odd = elsewhere(scene, unit, TEN - 365 * 24 * HOUR, TEN + 30 * MINUTE)
    assert (odd.state, odd.checked_in_at) == (State.OPEN, TEN + 30 * MINUTE)
    assert unit(lambda: db.session.get_one(Attendance, earlier.id)).checked_out_at == TEN + 30 * MINUTE


@pytest.mark.parametrize(
    ("left", "state", "reasons", "minutes"),
    [(20, State.CREDITED, [], 20), (40, State.HELD, ["checked_in_elsewhere"], 30)],
)
def test_a_check_out_after_the_next_check_in(
    unit: Unit, left: int, state: State, reasons: list[str], minutes: int
) -> None:
    scene = make_scene(starts_at=TEN)
    earlier = check_in(scene, unit, TEN, code=True)
    elsewhere(scene, unit, TEN + 30 * MINUTE)
    offset = (left - 60) * MINUTE
    closed = check_out(scene, unit, earlier, TEN + HOUR, code=True, offset=offset)
    assert (closed.state, closed.reasons) == (state, reasons)
    assert (closed.credited_minutes + closed.held_minutes, closed.checked_out_at) == (minutes, TEN + minutes * MINUTE)
    assert closed.check_out_evidence is not None
    with pytest.raises(AlreadyCheckedOut):
        check_out(scene, unit, earlier, TEN + 2 * HOUR, code=True, offset=offset - HOUR)


@pytest.mark.parametrize("arriving", [-800 * 24 * HOUR, 4 * MINUTE, 800 * 24 * HOUR])
@pytest.mark.parametrize("leaving", [-800 * 24 * HOUR, -20 * MINUTE, 800 * 24 * HOUR])
def test_nobody_leaves_before_they_came(unit: Unit, arriving: timedelta, leaving: timedelta) -> None:
    scene = make_scene(starts_at=TEN)
    attendance = check_in(scene, unit, TEN, code=True, offset=arriving)
    attendance = check_out(scene, unit, attendance, TEN + 10 * MINUTE, code=True, offset=leaving)
    assert attendance.checked_out_at is not None
    assert TEN <= attendance.checked_in_at <= attendance.checked_out_at <= TEN + 10 * MINUTE
    assert attendance.state == State.HELD


def test_a_held_shift_of_a_canceled_activity_takes_late_check_ins(unit: Unit) -> None:
    scene = make_scene(starts_at=TEN)

    def cancel() -> None:
        with clock.at(TEN + 3 * HOUR):
            add_shift(scene.activity, starts_at=TEN + 24 * HOUR, ends_at=TEN + 25 * HOUR)
            activities.cancel(db.session.get_one(Activity, scene.activity.id), reason="暴雨")

    unit(cancel)
    assert check_in(scene, unit, TEN + 4 * HOUR, code=True, offset=-4 * HOUR).reasons == []


def test_a_check_in_elsewhere_closes_and_holds_the_earlier(unit: Unit) -> None:
    scene = make_scene(starts_at=TEN)
    earlier = check_in(scene, unit, TEN, code=True)

    def go_elsewhere() -> Attendance:
        with clock.at(TEN - HOUR):
            other = make_shift(organization=scene.organization, created_by=scene.organizer, starts_at=TEN)
        with clock.at(TEN + 30 * MINUTE):
            evidence = loaded_evidence(TEN + 30 * MINUTE)
            return service.check_in(volunteer_id=scene.volunteer.id, shift_id=other.id, evidence=evidence)

    assert unit(go_elsewhere).state == State.OPEN
    earlier = unit(lambda: db.session.get_one(Attendance, earlier.id))
    assert (earlier.state, earlier.reasons) == (State.HELD, ["checked_in_elsewhere"])
    assert (earlier.held_minutes, earlier.checked_out_at) == (30, TEN + 30 * MINUTE)
    assert records(unit, scene.volunteer.id) == []


def test_without_a_place_there_is_no_fence(unit: Unit) -> None:
    def forget_place() -> Scene:
        made = make_scene(starts_at=TEN)
        activity = db.session.get_one(Activity, made.activity.id)
        activity.latitude = activity.longitude = None
        return made

    scene = unit(forget_place)
    assert check_in(scene, unit, TEN, place=NEAR).grade == Grade.WEAK


def test_its_own_radius_makes_the_fence(unit: Unit) -> None:
    scene = make_scene(starts_at=TEN, radius_m=2000)
    assert check_in(scene, unit, TEN, place=FAR).grade == Grade.MEDIUM


def test_who_withdrew_meanwhile_is_held(unit: Unit) -> None:
    scene = make_scene(starts_at=TEN)
    attendance = check_in(scene, unit, TEN, code=True)

    def withdraw() -> None:
        sign_up = db.session.query(SignUp).filter_by(volunteer_id=scene.volunteer.id).one()
        with clock.at(TEN - HOUR):
            sign_ups.withdraw(sign_up_id=sign_up.id)

    unit(withdraw)
    attendance = check_out(scene, unit, attendance, TEN + HOUR, code=True)
    assert attendance.reasons == ["not_signed_up"]


def test_completion_leaves_open_attendances_to_be_checked_out(unit: Unit) -> None:
    scene = make_scene(starts_at=TEN)
    attendance = check_in(scene, unit, TEN, code=True)

    def complete() -> None:
        with clock.at(TEN + HOUR):
            activities.complete(db.session.get_one(Activity, scene.activity.id))

    unit(complete)
    attendance = check_out(scene, unit, attendance, TEN + 70 * MINUTE, code=True)
    assert (attendance.state, attendance.credited_minutes) == (State.CREDITED, 60)


def test_what_is_not_there_takes_nobody(unit: Unit) -> None:
    scene = make_scene(starts_at=soon() + HOUR)

    def plan() -> Any:
        draft = activities.create_activity(
            by=scene.organizer.id,
            title="草稿",
            category="environment_protection",
            organization_id=scene.organization.id,
            shifts=[{"starts_at": TEN, "ends_at": TEN + HOUR}],
        )
        return db.session.query(Shift).filter_by(activity_id=draft.id).one().id

    def come_to(shift_id: Any) -> None:
        evidence = loaded_evidence(clock.now())
        unit(lambda: service.check_in(volunteer_id=scene.volunteer.id, shift_id=shift_id, evidence=evidence))

    with pytest.raises(NotFound):
        come_to(ids.new_id())
    draft_shift_id = unit(plan)
    with pytest.raises(NotFound):
        come_to(draft_shift_id)
    unit(lambda: activities.cancel(db.session.get_one(Activity, scene.activity.id), reason="暴雨"))
    with pytest.raises(Canceled):
        come_to(scene.shift.id)
