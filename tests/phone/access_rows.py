"""Rows of the access matrix: sync, recommendations and calendar feeds."""

from tests.access_scene import PUBLIC, SIGNED_IN, Call, Entry, World
from tests.factories import make_volunteer
from volunteer_api.phone import feed


def opened(_world: World) -> Call:
    """The feed of somebody else each time: another one of the same person would end the first."""
    url = feed.open_feed(make_volunteer().id)["url"]
    return Call(at={"token": url.rpartition("/")[2].removesuffix(".ics")})


ROWS: dict[str, Entry] = {
    "GET /sync": SIGNED_IN(),
    "GET /me/recommended-activities": SIGNED_IN(),
    "GET /me/calendar-feed": SIGNED_IN(),
    "POST /me/calendar-feed": SIGNED_IN(),
    "DELETE /me/calendar-feed": SIGNED_IN(),
    "GET /c/cal/{token}.ics": PUBLIC(opened),
}
