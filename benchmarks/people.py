"""Volunteers who are signed in."""

from datetime import timedelta
from uuid import UUID

from volunteer_api.accounts.models import DeviceSession
from volunteer_api.core import clock, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db


def signed_in(volunteer_id: UUID) -> Principal:
    """The volunteer on a device session of a day, within the running unit."""
    session = DeviceSession(
        id=ids.new_id(),
        volunteer_id=volunteer_id,
        device_id=f"bench-{volunteer_id}",
        device_name="bench",
        platform="bench",
        used_generation=0,
        last_used_at=clock.now(),
        expires_at=clock.now() + timedelta(days=1),
    )
    db.session.add(session)
    return Principal(volunteer_id, session.id)
