"""Whoever has a calendar feed's address reads it: a calendar does not sign in."""

import re
from uuid import UUID

from volunteer_api.core.access import Principal, open_to_all
from volunteer_api.core.limits import check_limit
from volunteer_api.core.problems import NotFound
from volunteer_api.phone import feed

TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
# Per feed: a calendar's servers read thousands of feeds from one address.
READS = "60/hour"


@open_to_all
def to_read_feed(_principal: Principal | None, token: str) -> UUID:
    """Whose feed it is. Raises NotFound (404) for every other token, TooManyRequests (429)."""
    owner_id = feed.owner_of(token) if TOKEN.fullmatch(token) else None
    if owner_id is None:
        raise NotFound()
    check_limit(READS, "calendar feed", str(owner_id))
    return owner_id
