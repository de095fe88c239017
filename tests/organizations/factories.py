"""A small district with its people, and single organizations."""

from dataclasses import dataclass
from uuid import UUID

from tests.factories import factory, make_volunteer, next_number
from volunteer_api.accounts.models import Volunteer
from volunteer_api.organizations import divisions, grants, service
from volunteer_api.organizations.models import Grant, Organization, OrganizationKind, Role, ScopeType

DISTRICT_ROWS: list[dict[str, str | None]] = [
    {"code": "4104", "parent_code": "", "level": "city", "name": "平顶山市"},
    {"code": "410403", "parent_code": "4104", "level": "district", "name": "卫东区"},
    {"code": "410403001", "parent_code": "410403", "level": "subdistrict", "name": "东安路街道"},
    {"code": "410403003", "parent_code": "410403", "level": "subdistrict", "name": "五一路街道"},
    {"code": "410403001001", "parent_code": "410403001", "level": "community", "name": "东苑社区居民委员会"},
    {"code": "410403001003", "parent_code": "410403001", "level": "community", "name": "鸿翔社区居民委员会"},
    {"code": "410403003001", "parent_code": "410403003", "level": "community", "name": "河西社区居民委员会"},
    {"code": "410403003002", "parent_code": "410403003", "level": "community", "name": "康复街社区居民委员会"},
]


@dataclass(frozen=True)
class District:
    """A practice center with two offices of two practice stations each.

    The administrator holds the center, the organizer the first office, other_organizer the second, the auditor the
    first (she may read there and nothing else). The outsider holds nothing.
    """

    center: Organization
    offices: list[Organization]
    practice_stations: list[Organization]
    division_codes: list[str]
    administrator: Volunteer
    organizer: Volunteer
    other_organizer: Volunteer
    auditor: Volunteer
    outsider: Volunteer

    @property
    def office(self) -> Organization:
        return self.offices[0]

    @property
    def other_office(self) -> Organization:
        return self.offices[1]

    @property
    def practice_station(self) -> Organization:
        """The first station of the first office."""
        return self.practice_stations[0]


@factory
def make_district() -> District:
    """The district; one per test, for its division codes are official."""
    divisions.import_divisions(DISTRICT_ROWS)
    network = service.build_network("410403")
    people = {
        name: make_volunteer(name=text)
        for name, text in (
            ("administrator", "管理员"),
            ("organizer", "组织者"),
            ("other_organizer", "另一组织者"),
            ("auditor", "审计员"),
            ("outsider", "路人"),
        )
    }
    office, other_office = network.offices
    make_grant(people["administrator"], Role.ADMINISTRATOR, network.center.id)
    make_grant(people["organizer"], Role.ORGANIZER, office.id)
    make_grant(people["other_organizer"], Role.ORGANIZER, other_office.id)
    make_grant(people["auditor"], Role.AUDITOR, office.id)
    return District(
        center=network.center,
        offices=list(network.offices),
        practice_stations=list(network.stations),
        division_codes=[str(row["code"]) for row in DISTRICT_ROWS],
        **people,
    )


@factory
def make_grant(volunteer: Volunteer, role: Role, scope_id: UUID) -> Grant:
    """A grant of the role over the organization, or over the station for a station manager."""
    scope_type = ScopeType.STATION if role == Role.STATION_MANAGER else ScopeType.ORGANIZATION
    return grants.grant(volunteer_id=volunteer.id, role=role, scope_type=scope_type, scope_id=scope_id)


@factory
def make_organization(
    *, parent_id: UUID | None = None, kind: OrganizationKind = OrganizationKind.PRACTICE_CENTER, name: str | None = None
) -> Organization:
    """An organization without a division; a root where no parent is named."""
    return service.create_organization(parent_id=parent_id, kind=kind, name=name or f"实践中心{next_number()}")
