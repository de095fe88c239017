"""What every simulated district stands on, whatever its size: the demo's network and people, teams, campaigns."""

from dataclasses import dataclass
from datetime import date, time, timedelta
from random import Random
from uuid import UUID

from sqlalchemy import select

from volunteer_api.accounts.consent_texts import current_texts
from volunteer_api.accounts.service import create_volunteer
from volunteer_api.activities.service import create_campaign
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.demo import network, people
from volunteer_api.demo.program import CAMPAIGN
from volunteer_api.demo.stage import ADMINISTRATOR, FOUNDED_DAYS_AGO, HOME_STATION, VOLUNTEER, Place, Stage
from volunteer_api.organizations.models import Organization
from volunteer_api.simulation.plan import Plan
from volunteer_api.teams.service import create_team

FOUNDED_BEFORE = timedelta(days=60)
# The first is of the whole two years, the others of a part each.
CAMPAIGNS = (CAMPAIGN, *(f"{name}（{part}）" for part in ("一期", "二期", "三期") for name in ("暖冬行动", "护河行动")))


@dataclass(frozen=True)
class Host:
    """Who activities are published for: an organization, with its team, its leader and, of a station, its desk.

    Ids are written as both databases read them. `communities` are the positions, among the district's, of those that
    its people mostly come from; `weight` says how often it holds something, beside the others.
    """

    organization_id: str
    path_id: str
    name: str
    title: str
    communities: tuple[int, ...]
    weight: int
    team_id: str | None
    team_name: str
    leader_id: str
    station_id: str | None
    place: tuple[float, float] | None


@dataclass(frozen=True)
class Effort:
    """A campaign, and from when to when activities are held for it."""

    campaign_id: str
    name: str
    first_on: date
    last_on: date


@dataclass(frozen=True)
class Ground:
    """The hosts, the campaigns, the codes of the communities, and who reviews: administrator and demo's volunteer."""

    hosts: tuple[Host, ...]
    efforts: tuple[Effort, ...]
    communities: tuple[str, ...]
    teams: tuple[tuple[str, str], ...]
    administrator_id: str
    volunteer_id: UUID
    volunteer_home: int
    people: int


def build(plan: Plan, random: Random) -> Ground:
    """Set up the network two months before the first activity, through the services, as the demo does."""
    founded = plan.first_on - FOUNDED_BEFORE
    moment = clock.start_of(founded + timedelta(days=FOUNDED_DAYS_AGO)) + timedelta(hours=12)
    stage = Stage(random, moment)
    network.build(stage)
    people.register(stage)
    network.open_stations(stage)
    people.appoint(stage)
    with clock.at(stage.founded_at):
        neighbors = [_found_neighbors(stage, number, station) for number, station in enumerate(stage.stations)]
        efforts = tuple(_efforts(stage, plan))
    codes = tuple(station.division_code for station in stage.stations)
    return Ground(
        hosts=tuple(_hosts(stage, neighbors, codes)),
        efforts=efforts,
        communities=codes,
        teams=tuple((team.hex, codes[number]) for number, (team, _) in enumerate(neighbors)),
        administrator_id=stage.volunteers[ADMINISTRATOR].hex,
        volunteer_id=stage.volunteers[VOLUNTEER],
        volunteer_home=codes.index(HOME_STATION),
        people=len(stage.volunteers) + len(neighbors),
    )


def moment_of(day: date, at: time) -> int:
    """Seconds since 1970 of a local time."""
    return int(clock.start_of(day).timestamp()) + at.hour * 3600 + at.minute * 60


def _found_neighbors(stage: Stage, number: int, station: Place) -> tuple[UUID, UUID]:
    """A team of a community, led by somebody of its own; the phone is invented, like all of the demo's."""
    consents = [
        {"kind": kind, "version": text.version} for kind, text in current_texts().items() if kind in people.GIVEN
    ]
    leader = create_volunteer(
        phone=f"+8613800000{200 + number}",
        name=stage.random.choice(people.SURNAMES) + stage.random.choice(people.GIVEN_NAMES),
        birth_date=date(stage.random.randint(1955, 1995), stage.random.randint(1, 12), 15),
        home_division=station.division_code,
        consents=consents,
    )
    team = create_team(name=_team_name(station), organization_id=station.id, leader_id=leader.id)
    return team.id, leader.id


def _team_name(station: Place) -> str:
    return f"{station.title}邻里志愿服务队"


def _efforts(stage: Stage, plan: Plan) -> list[Effort]:
    """The campaign of the two years, and the others one after the other."""
    each = plan.length // (len(CAMPAIGNS) - 1)
    found = []
    for number, name in enumerate(CAMPAIGNS):
        first = plan.first_on + timedelta(days=each * (number - 1) if number else 0)
        last = first + timedelta(days=each - 1) if number else plan.last_on
        goals = {"activities": 100, "attendances": 2000, "minutes": 200_000}
        campaign = create_campaign(
            name=name, organization_id=stage.center.id, starts_on=first, ends_on=last, goals=goals
        )
        found.append(Effort(campaign.id.hex, name, first, last))
    return found


def _hosts(stage: Stage, neighbors: list[tuple[UUID, UUID]], codes: tuple[str, ...]) -> list[Host]:
    rows = {row.id: row for row in db.session.scalars(select(Organization))}
    administrator = stage.volunteers[ADMINISTRATOR].hex
    everywhere = tuple(range(len(codes)))
    found = [_host(rows, stage.center, everywhere, 4, (None, "", administrator), None, network.MIDDLE)]
    for position, office in enumerate(stage.offices):
        crew = stage.crews[office.division_code]
        own = tuple(number for number, code in enumerate(codes) if code.startswith(office.division_code))
        middle = stage.middles[office.division_code]
        team = (crew.team_id.hex, people.TEAM_NAMES[position], crew.leader_id.hex)
        found.append(_host(rows, office, own, 3 + position % 4, team, None, (middle["lat"], middle["lng"])))
    for number, station in enumerate(stage.stations):
        team_id, leader_id = neighbors[number]
        team = (team_id.hex, _team_name(station), leader_id.hex)
        desk = stage.desks[station.division_code].hex
        found.append(_host(rows, station, (number,), 1 + number % 3, team, desk, None))
    return found


def _host(
    rows: dict[UUID, Organization],
    place: Place,
    communities: tuple[int, ...],
    weight: int,
    team: tuple[str | None, str, str],
    station_id: str | None,
    point: tuple[float, float] | None,
) -> Host:
    organization = rows[place.id]
    team_id, team_name, leader_id = team
    return Host(
        organization_id=organization.id.hex,
        path_id=organization.path_id.hex,
        name=organization.name,
        title=place.title,
        communities=communities,
        weight=weight,
        team_id=team_id,
        team_name=team_name,
        leader_id=leader_id,
        station_id=station_id,
        place=point,
    )
