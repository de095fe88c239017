"""An activity that is over, who was there, and who leads it. Call them inside a unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from tests.activities.factories import Scene, make_scene, make_volunteers
from tests.rankings.factories import Happening, Turn, write
from volunteer_api.activities.models import ActivityState, Shift
from volunteer_api.attendance.models import Attendance, Grade, State
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.organizations.models import Organization
from volunteer_api.sign_ups.models import SignUp, SignUpState


@dataclass(frozen=True)
class Past:
    """An activity of the scene's team that ended, and the ids of those who were there."""

    activity_id: UUID
    scene: Scene
    people: Sequence[UUID]


def make_past(
    *,
    people: int = 3,
    ended: timedelta = timedelta(hours=1),
    state: State = State.CREDITED,
    scene: Scene | None = None,
    planned_by: UUID | None = None,
    **values: Any,
) -> Past:
    """A shift of two hours that ended so long ago, led by the team's leader, who planned it unless it is said."""
    scene = scene or make_scene()
    present = make_volunteers(people)
    turn = Turn(
        clock.now() - ended - timedelta(hours=2),
        minutes=120,
        present=[(number + 1, state, 0) for number in range(people)],
    )
    office = db.session.get_one(Organization, scene.office_id)
    made = write(
        Happening(turns=[turn], state=ActivityState.PUBLISHED),
        office,
        [planned_by or scene.leader_id, *present],
        **{"team_id": scene.team_id} | values,
    )
    return Past(made.id, scene, present)


def name_leaders(client: Any, caller: UUID, past: Past, *leader_ids: UUID) -> None:
    """Let the caller say by HTTP who leads the activity."""
    path = f"/activities/{past.activity_id}"
    version = client.as_(caller).get(path).get_json()["version"]
    named = {"leader_ids": [str(one) for one in leader_ids]}
    answer = client.as_(caller).patch(path, json=named, version=version)
    assert answer.status_code == 200, answer.get_json()


def come(
    past: Past, volunteer_id: UUID, state: State = State.HELD, *, signed_up: bool = False, ago: timedelta = timedelta()
) -> UUID:
    """An attendance that somebody told of so long ago; its id."""
    shift = db.session.query(Shift).filter_by(activity_id=past.activity_id).one()
    if signed_up:
        db.session.add(SignUp(shift_id=shift.id, volunteer_id=volunteer_id, state=SignUpState.CONFIRMED))
    attendance = Attendance(
        volunteer_id=volunteer_id,
        shift_id=shift.id,
        created_at=clock.now() - ago,
        state=state,
        grade=Grade.WEAK,
        check_in_grade=Grade.WEAK,
        checked_in_at=shift.starts_at,
        checked_out_at=shift.ends_at,
        check_in_evidence={},
    )
    db.session.add(attendance)
    db.session.flush()
    return attendance.id


def decide(attendance_id: UUID, state: State) -> None:
    """Let a reviewer come to this now."""
    attendance = db.session.get_one(Attendance, attendance_id)
    attendance.state, attendance.reviewed_at = state, clock.now()
    db.session.flush()


def decide_on(past: Past, volunteer_id: UUID, state: State) -> None:
    """The same, of the volunteer's only attendance."""
    found = db.session.query(Attendance).join(Shift, Shift.id == Attendance.shift_id)
    decide(found.filter(Shift.activity_id == past.activity_id, Attendance.volunteer_id == volunteer_id).one().id, state)
