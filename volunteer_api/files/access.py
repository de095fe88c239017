"""Who may see a photo: whoever knows its address, as the pictures in a phone's list are fetched without a token.

And who may send one: everybody, until too many of hers wait for a use.
"""

from volunteer_api.core.access import Principal, for_signed_in, open_to_all
from volunteer_api.core.problems import NotFound
from volunteer_api.files import queries
from volunteer_api.files.problems import TooManyUnusedPhotos
from volunteer_api.files.queries import FoundFile

# More than anybody photographs before she writes it up. In the week that they live it would be ten thousand.
UNUSED_AT_MOST = 200


@open_to_all
def by_name(_principal: Principal | None, name: str) -> FoundFile:
    """The photo or thumbnail of this name. Raises NotFound (404)."""
    found = queries.find_by_name(name)
    if found is None:
        raise NotFound()
    return found


@for_signed_in
def with_room(principal: Principal) -> None:
    """Asked before the photo is decoded, and again before it has its row: of those sent at once a few more may pass.

    Raises TooManyUnusedPhotos (409).
    """
    if queries.unused_count(principal.volunteer_id, UNUSED_AT_MOST) >= UNUSED_AT_MOST:
        raise TooManyUnusedPhotos(limit=UNUSED_AT_MOST, days=queries.UNUSED_DAYS)
