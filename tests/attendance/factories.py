"""A shift that is about to begin, with everybody whom attendance concerns."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.factories import factory, make_volunteer, next_number
from volunteer_api.accounts.categories import Category
from volunteer_api.accounts.consent_texts import ConsentKind, current_texts
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities import service as activities
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance import presence_code
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.organizations import grants
from volunteer_api.organizations import service as organizations
from volunteer_api.organizations.models import Organization, OrganizationKind, Role, ScopeType
from volunteer_api.sign_ups import service as sign_ups
from volunteer_api.stations import service as stations
from volunteer_api.stations.models import Station, StationKind

PLACE = {"lat": 33.7350, "lng": 113.3300}
# About 111 m for each thousandth of a degree of latitude.
NEAR = {"lat": 33.7360, "lng": 113.3300}
FAR = {"lat": 33.7450, "lng": 113.3300}
TWO_KM = {"lat": 33.7530, "lng": 113.3300}


@dataclass(frozen=True)
class Scene:
    """A published activity with one shift; `volunteer` is signed up, `stranger` has nothing to do with it.

    All of them consent to our keeping where they are.
    """

    organization: Organization
    station: Station
    activity: Activity
    shift: Shift
    volunteer: Volunteer
    unsigned: Volunteer
    stranger: Volunteer
    leader: Volunteer
    organizer: Volunteer
    inspector: Volunteer
    station_manager: Volunteer

    def code(self, moment: datetime) -> str:
        """The presence code at a moment; needs an application context."""
        return presence_code.code_at(self.shift.id, moment).code


def soon() -> datetime:
    """The present minute: fixtures that go over HTTP must lie near the real time, which tokens are judged by."""
    return clock.now().replace(second=0, microsecond=0)


@factory
def make_shift(
    *, organization: Organization, created_by: Volunteer, starts_at: datetime, hours: float = 2, **values: Any
) -> Shift:
    """A shift of a published activity of its own."""
    values = {"title": f"清洁家园 {next_number()}", "place": PLACE, "place_name": "河西广场"} | values
    # People know of it before it begins.
    with clock.at(min(clock.now(), starts_at - timedelta(hours=3))):
        activity = activities.create_activity(
            by=created_by.id,
            category=Category.ENVIRONMENT_PROTECTION,
            organization_id=organization.id,
            shifts=[{"starts_at": starts_at, "ends_at": starts_at + timedelta(hours=hours)}],
            **values,
        )
        activities.publish(activity)
        db.session.flush()
    shift: Shift = db.session.query(Shift).filter_by(activity_id=activity.id).one()
    return shift


@factory
def make_scene(*, starts_at: datetime | None = None, hours: float = 2, **activity: Any) -> Scene:
    """A shift that begins at `starts_at` (now), and its people."""
    starts_at = starts_at or soon()
    location = [{"kind": "location", "version": current_texts()[ConsentKind.LOCATION].version}]
    people = {
        name: make_volunteer(name=name, consents=location)
        for name in ("volunteer", "unsigned", "stranger", "leader", "organizer", "inspector", "station_manager")
    }
    organization = organizations.create_organization(
        parent_id=None, kind=OrganizationKind.PRACTICE_OFFICE, name=f"五一路街道 {next_number()}", division_code=None
    )
    station = stations.create_station(
        code=f"AT{next_number():05d}",
        name=f"河西服务台 {next_number()}",
        kind=StationKind.DESK,
        organization_id=organization.id,
        place=PLACE,
        address="建设路 1 号",
        opening_hours=[{"weekday": weekday, "opens": "08:00", "closes": "18:00"} for weekday in range(1, 8)],
    )
    for role, scope_type, scope_id in (
        (Role.ORGANIZER, ScopeType.ORGANIZATION, organization.id),
        (Role.INSPECTOR, ScopeType.ORGANIZATION, organization.id),
        (Role.STATION_MANAGER, ScopeType.STATION, station.id),
    ):
        grants.grant(
            volunteer_id=people[str(role)].id, role=role, scope_type=scope_type, scope_id=scope_id, granted_by=None
        )
    with clock.at(starts_at - timedelta(hours=3)):
        shift = make_shift(
            organization=organization,
            created_by=people["organizer"],
            starts_at=starts_at,
            hours=hours,
            station_id=station.id,
            leader_ids=[people["leader"].id],
            **activity,
        )
        for name in ("volunteer", "leader"):
            sign_ups.sign_up(shift_id=shift.id, volunteer_id=people[name].id)
    loaded = db.session.get_one(Activity, shift.activity_id)
    return Scene(organization=organization, station=station, activity=loaded, shift=shift, **people)


def evidence(moment: datetime, **members: Any) -> dict[str, Any]:
    """Evidence as a phone sends it."""
    return {"client_time": moment.isoformat().replace("+00:00", "Z"), **members}


def loaded_evidence(moment: datetime, **members: Any) -> dict[str, Any]:
    """Evidence as the service gets it."""
    return {"client_time": moment, **members}
