"""Routes of the app's screens."""

from typing import Any

from volunteer_api.accounts.access import own_account
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core.endpoint import endpoint, feature_blueprint
from volunteer_api.phone import service
from volunteer_api.phone.schemas import HomeQuery, HomeRead

blueprint = feature_blueprint("phone", __name__, "What the app's screens need in one answer")


@endpoint(blueprint, "GET", "/me/home", access=own_account, query=HomeQuery, returns=HomeRead)
def read_home(volunteer: Volunteer, query: dict[str, Any]) -> service.Home:
    """All that the app's first screen shows."""
    return service.home(volunteer, query.get("near"))
