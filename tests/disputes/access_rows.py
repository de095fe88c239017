"""Rows of the access matrix: disputes."""

from datetime import timedelta

from sqlalchemy import select

from tests.access_scene import OWNER_SEEN_FROM_ABOVE, SIGNED_IN, Call, Entry, Rule, World
from tests.rankings.factories import Happening, Turn, write
from volunteer_api.activities.models import Shift
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.disputes import service
from volunteer_api.disputes.models import Dispute

DECIDES = Rule("organizers of the organization who have no part in what is disputed", "organizer")
CONFIRMS = Rule("those who lead the activity, or manage the station of a duty", "leader")


def past_shift(world: World) -> Shift:
    """A shift of the team that is over, of which nothing is recorded."""
    turn = Turn(clock.now() - timedelta(hours=3))
    people = [world.district.organizer.id]
    made = write(Happening(turns=[turn]), world.office, people, team_id=world.team.id, station_id=world.station.id)
    return db.session.scalars(select(Shift).where(Shift.activity_id == made.id)).one()


def filed(world: World) -> Dispute:
    """The member's."""
    return service.file(by=world.acts(world.member), text="我在现场。", shift_id=past_shift(world).id)


def words(world: World) -> Call:
    return Call(at={"dispute_id": filed(world).id}, body={"text": "有照片。"})


def decision(world: World) -> Call:
    return Call(at={"dispute_id": filed(world).id}, body={"decision": "rejected", "reason": "不在现场"})


ROWS: dict[str, Entry] = {
    "POST /disputes": SIGNED_IN(lambda world: Call(body={"shift_id": str(past_shift(world).id), "text": "我在现场。"})),
    "GET /disputes": SIGNED_IN(),
    "GET /disputes/{dispute_id}": OWNER_SEEN_FROM_ABOVE(lambda world: Call(at={"dispute_id": filed(world).id})),
    "GET /disputes/{dispute_id} · by who decides": DECIDES(lambda world: Call(at={"dispute_id": filed(world).id})),
    "POST /disputes/{dispute_id}/questions": DECIDES(words),
    "POST /disputes/{dispute_id}/answers": OWNER_SEEN_FROM_ABOVE(words),
    "POST /disputes/{dispute_id}/confirmation": CONFIRMS(
        lambda world: Call(at={"dispute_id": filed(world).id}, body={"minutes": 30, "text": "在场"})
    ),
    "POST /disputes/{dispute_id}/decision": DECIDES(decision),
    "POST /disputes/{dispute_id}/withdrawal": OWNER_SEEN_FROM_ABOVE(
        lambda world: Call(at={"dispute_id": filed(world).id})
    ),
}
