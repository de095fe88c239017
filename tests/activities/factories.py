"""Makers of activities with what they need around them. Call them inside a unit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from tests.factories import make_volunteer, next_number
from volunteer_api.accounts.categories import Category
from volunteer_api.activities import service
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.organizations.grants import grant as give_grant
from volunteer_api.organizations.models import Grant, OrganizationKind, Role, ScopeType
from volunteer_api.organizations.service import create_organization
from volunteer_api.stations.models import StationKind
from volunteer_api.stations.service import create_station
from volunteer_api.teams.service import add_member, create_team

PLACE = {"lat": 33.7350, "lng": 113.3350}


@dataclass(frozen=True)
class Scene:
    """A practice center with two offices; the people, the team and the station are those of the first office."""

    center_id: UUID
    office_id: UUID
    other_office_id: UUID
    administrator_id: UUID
    organizer_id: UUID
    inspector_id: UUID
    other_organizer_id: UUID
    leader_id: UUID
    member_id: UUID
    outsider_id: UUID
    team_id: UUID
    station_id: UUID


@dataclass(frozen=True)
class MadeActivity:
    """An activity and its shifts in the order in which they were given."""

    id: UUID
    shift_ids: tuple[UUID, ...]
    scene: Scene

    @property
    def shift_id(self) -> UUID:
        return self.shift_ids[0]


def make_scene() -> Scene:
    """The smallest district in which everybody's rights differ."""
    number = next_number()
    center = create_organization(parent_id=None, kind=OrganizationKind.PRACTICE_CENTER, name=f"实践中心{number}")
    office, other = [
        create_organization(parent_id=center.id, kind=OrganizationKind.PRACTICE_OFFICE, name=f"{name}实践所")
        for name in ("五一路街道", "建设路街道")
    ]
    administrator, organizer, inspector, other_organizer, leader, member, outsider = [
        make_volunteer().id for _ in range(7)
    ]
    for volunteer_id, role, organization_id in (
        (administrator, Role.ADMINISTRATOR, center.id),
        (organizer, Role.ORGANIZER, office.id),
        (inspector, Role.INSPECTOR, office.id),
        (other_organizer, Role.ORGANIZER, other.id),
    ):
        give_grant(volunteer_id=volunteer_id, role=role, scope_type=ScopeType.ORGANIZATION, scope_id=organization_id)
    team = create_team(name="鹰城大妈", organization_id=office.id, leader_id=leader)
    add_member(team_id=team.id, volunteer_id=member)
    station = create_station(
        name="河西社区服务台", kind=StationKind.DESK, organization_id=office.id, place=PLACE, address="五一路 1 号"
    )
    return Scene(
        center_id=center.id,
        office_id=office.id,
        other_office_id=other.id,
        administrator_id=administrator,
        organizer_id=organizer,
        inspector_id=inspector,
        other_organizer_id=other_organizer,
        leader_id=leader,
        member_id=member,
        outsider_id=outsider,
        team_id=team.id,
        station_id=station.id,
    )


def in_daylight() -> datetime:
    """Ten o'clock of the local day after tomorrow, when minors may take part."""
    return clock.at_local(clock.today() + timedelta(days=2), time(10))


def make_activity(
    *,
    published: bool = True,
    capacity: int | None = None,
    starts_at: datetime | None = None,
    duration: timedelta = timedelta(hours=2),
    shifts: Sequence[Mapping[str, Any]] | None = None,
    scene: Scene | None = None,
    **values: Any,
) -> MadeActivity:
    """An activity of the scene's office with one shift, tomorrow where no time is given."""
    scene = scene or make_scene()
    starts_at = starts_at or clock.now() + timedelta(days=1)
    given = shifts or [{"starts_at": starts_at, "ends_at": starts_at + duration, "capacity": capacity}]
    values = {
        "title": "清洁湛河",
        "category": Category.ENVIRONMENT_PROTECTION,
        "organization_id": scene.office_id,
    } | values
    activity = service.create_activity(by=scene.organizer_id, shifts=given, **values)
    made = service.queries.shift_ids_of(activity.id)
    if published:
        service.publish(activity)
    return MadeActivity(id=activity.id, shift_ids=tuple(made), scene=scene)


def make_volunteers(count: int) -> list[UUID]:
    """The ids of `count` new volunteers."""
    return [make_volunteer().id for _ in range(count)]


def take_grants_away(volunteer_id: UUID) -> None:
    """Revoke everything that the volunteer holds."""
    for grant in db.session.query(Grant).filter_by(volunteer_id=volunteer_id):
        grant.revoked_at = clock.now()
