"""Rows of the access matrix: the inbox, push subscriptions and preferences."""

from tests.access_scene import OWNER, SIGNED_IN, Call, Entry, World, moment

PREFERENCES = {"push": {"stock": False}, "quiet_hours": {"from": "21:30", "to": "06:30"}}


def device(world: World) -> Call:
    """One on which the member is signed in."""
    return Call(at={"device_id": world.session(world.member).device_id}, body={"provider": "console", "token": "a"})


ROWS: dict[str, Entry] = {
    "GET /me/notifications": SIGNED_IN(),
    "POST /me/notifications/read": SIGNED_IN(lambda _world: Call(body={"until": moment(0)})),
    "PUT /me/push-subscriptions/{device_id}": OWNER(device),
    "DELETE /me/push-subscriptions/{device_id}": OWNER(lambda world: Call(at=device(world).at)),
    "GET /me/notification-preferences": SIGNED_IN(),
    "PUT /me/notification-preferences": SIGNED_IN(lambda _world: Call(body=PREFERENCES)),
}
