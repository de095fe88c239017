"""An activity that is over, who was there, and who leads it. Call them inside a unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from tests.activities.factories import Scene, make_scene, make_volunteers
from tests.rankings.factories import Happening, Turn, write
from volunteer_api.attendance.models import State
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.organizations.models import Organization


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
    **values: Any,
) -> Past:
    """A shift of two hours that ended so long ago, planned by the organizer, led by the team's leader."""
    scene = scene or make_scene()
    present = make_volunteers(people)
    turn = Turn(
        clock.now() - ended - timedelta(hours=2),
        minutes=120,
        present=[(number + 1, state, 0) for number in range(people)],
    )
    office = db.session.get_one(Organization, scene.office_id)
    made = write(Happening(turns=[turn]), office, [scene.organizer_id, *present], **{"team_id": scene.team_id} | values)
    return Past(made.id, scene, present)
