"""Rows of the access matrix: feedback."""

import dataclasses
from datetime import timedelta

from tests.access_scene import (
    LEADS_ACTIVITY,
    ORGANIZES,
    OWNER_SEEN_FROM_ABOVE,
    PUBLIC,
    SIGNED_IN,
    Call,
    Entry,
    World,
)
from tests.factories import make_volunteer
from tests.rankings.factories import Happening, Turn, write
from volunteer_api.activities.models import Activity
from volunteer_api.attendance.models import State
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.feedback import service
from volunteer_api.feedback.models import Feedback

# What is published is seen by all; that somebody was not there is what is refused.
ATTENDED = dataclasses.replace(
    OWNER_SEEN_FROM_ABOVE,
    name="whoever attended the activity and does not lead it",
    volunteer=403,
    foreign_leader=403,
    foreign_manager=403,
    foreign_organizer=403,
)


def past(world: World) -> Activity:
    """An activity of the team that is over; the member and others were there."""
    present = [world.member.id, *(make_volunteer().id for _ in range(3))]
    starts_at = clock.now() - timedelta(hours=3)
    turn = Turn(starts_at, present=[(number + 1, State.CREDITED, 0) for number in range(len(present))])
    people = [world.district.organizer.id, *present]
    return write(Happening(turns=[turn]), world.office, people, team_id=world.team.id, station_id=world.station.id)


def given(world: World) -> Feedback:
    """The member's, with words that wait."""
    return service.give(activity=past(world), volunteer_id=world.member.id, stars=4, words="水不够")


def approved(world: World) -> Feedback:
    """The member's, with words that everybody reads."""
    made = given(world)
    service.approve(made, by=world.district.organizer.id, version=made.version)
    db.session.flush()
    return made


ROWS: dict[str, Entry] = {
    "POST /activities/{activity_id}/feedback": ATTENDED(
        lambda world: Call(at={"activity_id": past(world).id}, body={"stars": 5})
    ),
    "GET /activities/{activity_id}/feedback": PUBLIC(
        lambda world: Call(at={"activity_id": approved(world).activity_id})
    ),
    "GET /feedback": SIGNED_IN(),
    "GET /me/feedback": SIGNED_IN(),
    "GET /feedback/{feedback_id}": OWNER_SEEN_FROM_ABOVE(lambda world: Call(at={"feedback_id": given(world).id})),
    "GET /feedback/{feedback_id} · by a leader": LEADS_ACTIVITY(
        lambda world: Call(at={"feedback_id": given(world).id})
    ),
    "PATCH /feedback/{feedback_id}": OWNER_SEEN_FROM_ABOVE(
        lambda world: Call(at={"feedback_id": given(world).id}, body={"stars": 3}, version=1)
    ),
    "POST /feedback/{feedback_id}/approval": ORGANIZES(
        lambda world: Call(at={"feedback_id": given(world).id}, body={"version": 1})
    ),
    "POST /feedback/{feedback_id}/rejection": ORGANIZES(
        lambda world: Call(at={"feedback_id": given(world).id}, body={"version": 1, "reason": "用语不当"})
    ),
    "POST /feedback/{feedback_id}/reply": LEADS_ACTIVITY(
        lambda world: Call(at={"feedback_id": given(world).id}, body={"text": "下次多带水"})
    ),
    "POST /feedback/{feedback_id}/reports": SIGNED_IN(
        lambda world: Call(at={"feedback_id": approved(world).id}, body={"reason": "骂人"}), holder="volunteer"
    ),
}
