"""Everybody has to do with their own inbox, preferences and devices alone."""

from volunteer_api.accounts.models import DeviceSession
from volunteer_api.accounts.queries import open_session_on
from volunteer_api.core.access import Principal, for_signed_in
from volunteer_api.core.problems import NotFound
from volunteer_api.core.schema import UNPRINTABLE


@for_signed_in
def own_device(principal: Principal, device_id: str) -> DeviceSession:
    """The caller's open session on a device. Raises NotFound for a device on which she is not signed in."""
    session = None if UNPRINTABLE.search(device_id) else open_session_on(principal, device_id)
    if session is None:
        raise NotFound()
    return session
