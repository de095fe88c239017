"""What the demo's steps hand on to each other."""

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from random import Random
from uuid import UUID

from volunteer_api.core import clock
from volunteer_api.core.settings import settings

ADMINISTRATOR = "+8613800000001"
ORGANIZER = "+8613800000002"
STATION_MANAGER = "+8613800000003"
TEAM_LEADER = "+8613800000004"
VOLUNTEER = "+8613800000005"

# The office and the station that the demo's accounts belong to.
HOME_OFFICE = "410403003"
HOME_STATION = "410403003001"
FOUNDED_DAYS_AGO = 35


@dataclass(frozen=True)
class Place:
    """An organization of the network, by its division; `title` is the division's own short name."""

    id: UUID
    division_code: str
    title: str


@dataclass(frozen=True)
class Crew:
    """An office's team."""

    team_id: UUID
    leader_id: UUID
    member_ids: tuple[UUID, ...]


@dataclass
class Stage:
    """The cast so far: ids by division code or by phone, where the offices lie, and when everybody is busy."""

    random: Random
    now: datetime
    center: Place = field(init=False)
    offices: list[Place] = field(default_factory=list)
    stations: list[Place] = field(default_factory=list)
    desks: dict[str, UUID] = field(default_factory=dict)
    volunteers: dict[str, UUID] = field(default_factory=dict)
    crews: dict[str, Crew] = field(default_factory=dict)
    # Where each office's stations lie around, by its division code.
    middles: dict[str, dict[str, float]] = field(default_factory=dict)
    busy: dict[UUID, list[tuple[datetime, datetime]]] = field(default_factory=dict)

    @property
    def founded_at(self) -> datetime:
        """When the network was set up: before all that is told of it."""
        return self.local(-FOUNDED_DAYS_AGO, time(9))

    def local(self, days: int, at: time) -> datetime:
        """A moment by the local clock, some days from today."""
        day = clock.local_date(self.now) + timedelta(days=days)
        return datetime.combine(day, at, settings().zone)

    @property
    def home_office(self) -> Place:
        """The office that the demo's accounts belong to."""
        return next(office for office in self.offices if office.division_code == HOME_OFFICE)

    def stations_of(self, office: Place) -> list[Place]:
        """The practice stations of an office."""
        return [station for station in self.stations if station.division_code.startswith(office.division_code)]

    def is_free(self, volunteer_id: UUID, starts_at: datetime, ends_at: datetime) -> bool:
        """Whether the volunteer has nothing else to do then."""
        return all(end <= starts_at or ends_at <= start for start, end in self.busy.get(volunteer_id, []))

    def engage(self, volunteer_id: UUID, starts_at: datetime, ends_at: datetime) -> None:
        """Remember that the volunteer is busy then."""
        self.busy.setdefault(volunteer_id, []).append((starts_at, ends_at))
