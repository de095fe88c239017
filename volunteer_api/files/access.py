"""Who may see a photo: whoever knows its address, as the pictures in a phone's list are fetched without a token."""

from volunteer_api.core.access import Principal, open_to_all
from volunteer_api.core.problems import NotFound
from volunteer_api.files import queries
from volunteer_api.files.queries import FoundFile


@open_to_all
def by_name(_principal: Principal | None, name: str) -> FoundFile:
    """The photo or thumbnail of this name. Raises NotFound (404)."""
    found = queries.find_by_name(name)
    if found is None:
        raise NotFound()
    return found
