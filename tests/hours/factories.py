"""Hours that somebody records for somebody else, and people who may decide on them."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tests.attendance.factories import Scene
from tests.factories import factory, make_volunteer
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import ids
from volunteer_api.core.access import Principal
from volunteer_api.hours import backfills
from volunteer_api.hours.models import Backfill
from volunteer_api.organizations import grants
from volunteer_api.organizations.models import Role, ScopeType


def acting(volunteer: Volunteer) -> Principal:
    """The volunteer as who acts."""
    return Principal(volunteer_id=volunteer.id, session_id=ids.new_id())


@factory
def make_organizer(organization_id: UUID) -> Volunteer:
    """One more organizer of the organization."""
    organizer = make_volunteer(name="另一组织者")
    grants.grant(
        volunteer_id=organizer.id,
        role=Role.ORGANIZER,
        scope_type=ScopeType.ORGANIZATION,
        scope_id=organization_id,
        granted_by=None,
    )
    return organizer


@factory
def make_backfill(scene: Scene, *, by: Volunteer | None = None, **given: Any) -> Backfill:
    """The volunteer's hour at the shift, recorded by its leader."""
    values = {
        "volunteer_id": scene.volunteer.id,
        "shift_id": scene.shift.id,
        "minutes": 60,
        "reason": "手机没电",
    } | given
    if "station_id" in values:
        del values["shift_id"]
    return backfills.record(by=acting(by or scene.leader), **values)


def line(scene: Scene, **given: Any) -> dict[str, Any]:
    """A body of the same."""
    values = {
        "volunteer_id": str(scene.volunteer.id),
        "shift_id": str(scene.shift.id),
        "minutes": 60,
        "reason": "手机没电",
    } | given
    return {name: value for name, value in values.items() if value is not None}


def sent(moment: datetime, *, minutes: float = 0) -> str:
    """A moment so many minutes later, as a phone sends it."""
    return (moment + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")
