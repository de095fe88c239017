"""Rows of the access matrix: sign-ups."""

import dataclasses

from tests.access_scene import LEADS_ACTIVITY, OWNER_SEEN_FROM_ABOVE, SIGNED_IN, Call, Entry, World
from volunteer_api.activities.models import SignUpMode
from volunteer_api.core.database import db
from volunteer_api.sign_ups import service

# What is published is seen by all; that one speaks for somebody else is what is refused.
INVITES = dataclasses.replace(
    LEADS_ACTIVITY, volunteer=403, foreign_leader=403, foreign_manager=403, foreign_organizer=403
)


def for_somebody(world: World) -> Call:
    """For another account than the caller's."""
    return Call(body={"volunteer_id": str(world.stranger().id)})


def several_people(world: World) -> Call:
    """For two others, and all shifts."""
    return Call(body={"all": True, "volunteer_ids": [str(world.stranger().id), str(world.stranger().id)]})


def invited(world: World) -> Call:
    """The member is asked to take part."""
    made = service.invite(by=world.leader.id, shift_id=world.shift.id, volunteer_id=world.member.id)
    return Call(at={"sign_up_id": made.id})


def pending(world: World) -> Call:
    """The member asks to take part."""
    world.activity.sign_up_mode = SignUpMode.APPROVAL
    db.session.flush()
    return Call(at={"sign_up_id": world.sign_up.id})


ROWS: dict[str, Entry] = {
    "GET /shifts/{shift_id}/sign-ups": LEADS_ACTIVITY(),
    "GET /activities/{activity_id}/sign-ups.xlsx": LEADS_ACTIVITY(),
    "POST /shifts/{shift_id}/sign-ups": SIGNED_IN(lambda world: Call(body={})),
    "POST /shifts/{shift_id}/sign-ups · of somebody else": INVITES(for_somebody),
    "POST /activities/{activity_id}/sign-ups": SIGNED_IN(lambda world: Call(body={"all": True})),
    "POST /activities/{activity_id}/sign-ups · of others": INVITES(several_people),
    "POST /activities/{activity_id}/sign-ups/withdrawal": SIGNED_IN(),
    "GET /sign-ups/{sign_up_id}": OWNER_SEEN_FROM_ABOVE(),
    "POST /sign-ups/{sign_up_id}/withdrawal": OWNER_SEEN_FROM_ABOVE(lambda world: Call(body={"reason": "生病"})),
    "POST /sign-ups/{sign_up_id}/acceptance": OWNER_SEEN_FROM_ABOVE(invited),
    "POST /sign-ups/{sign_up_id}/decline": OWNER_SEEN_FROM_ABOVE(invited),
    "POST /sign-ups/{sign_up_id}/approval": LEADS_ACTIVITY(pending),
    "POST /sign-ups/{sign_up_id}/rejection": LEADS_ACTIVITY(lambda world: Call(body={"reason": "已满"})),
    "POST /sign-ups/{sign_up_id}/stand-in": OWNER_SEEN_FROM_ABOVE(
        lambda world: Call(body={"volunteer_number": world.stranger().volunteer_number})
    ),
    "DELETE /sign-ups/{sign_up_id}/stand-in": OWNER_SEEN_FROM_ABOVE(),
}
