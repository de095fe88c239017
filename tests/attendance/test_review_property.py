"""Whatever leaders, volunteers, reviewers and the task do in whatever order: ledger, tally and attendance agree."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from tests.attendance.factories import Scene, loaded_evidence, make_scene, soon
from tests.attendance.test_review import sums
from tests.conftest import share_of
from tests.factories import unit_of
from volunteer_api.attendance import claims, closing, review, roll_call, service
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.core.database import db
from volunteer_api.core.problems import Problem
from volunteer_api.hours.models import ServiceRecord

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def last(scene: Scene) -> Attendance | None:
    """The volunteer's last attendance at the shift."""
    found = select(Attendance).where(Attendance.volunteer_id == scene.volunteer.id).order_by(Attendance.id.desc())
    return db.session.scalars(found.limit(1)).one_or_none()


def tap(scene: Scene, end: str, moment: Any, *, with_code: bool) -> None:
    evidence = loaded_evidence(moment, **({"code": scene.code(moment)} if with_code else {}))
    attendance = last(scene)
    if end == "in":
        service.check_in(volunteer_id=scene.volunteer.id, shift_id=scene.shift.id, evidence=evidence)
    elif attendance is not None:
        service.check_out(attendance=attendance, evidence=evidence)


def call(scene: Scene, status: str, **times: Any) -> None:
    entry = {"volunteer_id": scene.volunteer.id, "status": status, **times}
    roll_call.take(shift=scene.shift, by=scene.leader.id, entries=[entry])


def decide(scene: Scene, by: str, decision: str, **options: Any) -> None:
    attendance = last(scene)
    if attendance is not None:
        review.decide(
            attendance_id=attendance.id,
            reviewer_id=getattr(scene, by).id,
            decision=decision,
            reason="核实",
            **options,
        )


def claim(scene: Scene, left_at: Any) -> None:
    attendance = last(scene)
    if attendance is not None:
        claims.claim(attendance=attendance, left_at=left_at, reason="忘了")


STEPS: dict[str, Callable[[Scene, Any], None]] = {
    "in, proven": lambda scene, start: tap(scene, "in", start, with_code=True),
    "in, weak": lambda scene, start: tap(scene, "in", start + MINUTE, with_code=False),
    "out, proven": lambda scene, start: tap(scene, "out", start + 2 * HOUR, with_code=True),
    "out, weak": lambda scene, start: tap(scene, "out", start + HOUR, with_code=False),
    "present": lambda scene, start: call(scene, "present"),
    "present for an hour": lambda scene, start: call(scene, "present", arrived_at=start, left_at=start + HOUR),
    "absent": lambda scene, start: call(scene, "absent"),
    "excused": lambda scene, start: call(scene, "excused"),
    "closed": lambda scene, start: closing.close_forgotten() and None,
    "claimed": lambda scene, start: claim(scene, start + 90 * MINUTE),
    "credited by the leader": lambda scene, start: decide(scene, "leader", "credit", correction=False),
    "corrected": lambda scene, start: decide(scene, "organizer", "credit", credited_minutes=30),
    "rejected": lambda scene, start: decide(scene, "organizer", "reject"),
    "reviewed herself": lambda scene, start: decide(scene, "volunteer", "credit", credited_minutes=120),
}


@settings(max_examples=share_of(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(list(STEPS)), min_size=3, max_size=9))
def test_ledger_tally_and_attendance_agree(sqlite_app: Any, steps: list[str]) -> None:
    scene = make_scene(starts_at=soon() - 5 * HOUR)
    start = scene.shift.starts_at
    for step in steps:
        status = attempt(sqlite_app, lambda step=step: STEPS[step](scene, start))
        assert status in (200, 403, 409), step
        unit_of(sqlite_app)(lambda: agree(scene))


def agree(scene: Scene) -> None:
    found = db.session.scalars(select(Attendance).where(Attendance.volunteer_id == scene.volunteer.id)).all()
    assert sum(one.state != State.REJECTED for one in found) <= 1
    for one in found:
        ledger = select(func.coalesce(func.sum(ServiceRecord.minutes), 0)).where(ServiceRecord.attendance_id == one.id)
        assert db.session.scalars(ledger).one() == one.credited_minutes <= 120
        assert one.held_minutes == 0 or one.state == State.HELD
        assert one.credited_minutes == 0 or one.state in (State.CREDITED, State.HELD)
        assert scene.volunteer.id not in (one.reviewed_by, one.check_in_recorder_id, one.check_out_recorder_id)
    credited, held = sums(scene.volunteer)
    assert (credited, held) == (sum(one.credited_minutes for one in found), sum(one.held_minutes for one in found))


def attempt(app: Any, work: Callable[[], None]) -> int:
    """Try it as a unit of its own; the status of its refusal, 200 where there was none."""
    try:
        unit_of(app)(work)
    except Problem as refusal:
        return refusal.status
    return 200
