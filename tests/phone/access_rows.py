"""Rows of the access matrix: calendar feeds."""

from tests.access_scene import PUBLIC, SIGNED_IN, Call, Entry, World
from volunteer_api.phone import feed


def opened(world: World) -> Call:
    """A feed of the member's."""
    url = feed.open_feed(world.member.id)["url"]
    return Call(at={"token": url.rpartition("/")[2].removesuffix(".ics")})


ROWS: dict[str, Entry] = {
    "GET /me/recommended-activities": SIGNED_IN(),
    "GET /me/calendar-feed": SIGNED_IN(),
    "POST /me/calendar-feed": SIGNED_IN(),
    "DELETE /me/calendar-feed": SIGNED_IN(),
    "GET /c/cal/{token}.ics": PUBLIC(opened),
}
