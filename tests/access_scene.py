"""Who acts in the generated access test, on what, and by which rules: what the rows of `tests/access_matrix` use."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from tests.accounts.factories import DEVICE
from tests.attendance.factories import loaded_evidence, make_shift
from tests.factories import make_volunteer, next_number
from tests.inventory.factories import line_of, make_item
from tests.organizations.factories import District, make_district, make_grant
from tests.stations.factories import make_station
from tests.teams.factories import make_member, make_team
from volunteer_api.accounts.categories import Category
from volunteer_api.accounts.models import DeviceSession, Volunteer
from volunteer_api.activities import service as activities
from volunteer_api.activities.models import Activity, Campaign, Shift
from volunteer_api.attendance import service as attendance
from volunteer_api.attendance.models import Attendance
from volunteer_api.core import clock
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.inventory import service as inventory
from volunteer_api.inventory.models import MovementReason, RecordableKind
from volunteer_api.inventory.queries import Document
from volunteer_api.organizations.models import Grant, Organization, Role
from volunteer_api.sign_ups import service as sign_ups
from volunteer_api.sign_ups.models import SignUp
from volunteer_api.stations.models import Station
from volunteer_api.teams import invitations
from volunteer_api.teams.models import Membership, MembershipRole, MembershipState, Team

# Stands in a body for the one-time code that was sent last while the call was arranged; a phone behind it chooses.
CODE = "<the code>"
PASSES = 200
ACTORS = ("anonymous", "volunteer", "foreign_leader", "foreign_manager", "foreign_organizer", "insider")


@dataclass(frozen=True)
class Rule:
    """Who gets which answer. 200 stands for any success; `holder` is who rightfully makes the call.

    `insider` is the auditor of the office that all this belongs to: she reads its stock, attendances and audit log.
    """

    name: str
    holder: str
    anonymous: int = 401
    volunteer: int = 404
    foreign_leader: int = 404
    foreign_manager: int = 404
    foreign_organizer: int = 404
    insider: int = 403

    def __call__(self, arrange: "Arrange | None" = None, *, holder: str | None = None) -> "Entry":
        """A row of the matrix under this rule; where nothing is arranged, the world as it is made will do."""
        rule = self if holder is None else dataclasses.replace(self, holder=holder)
        return Entry(rule, arrange or (lambda world: Call()))

    def answer(self, actor: str) -> int:
        """The status that the actor gets."""
        return int(getattr(self, actor))


@dataclass(frozen=True)
class Call:
    """A valid request of the right holder. Path arguments that `at` leaves out are those of the world's own things."""

    at: Mapping[str, Any] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    version: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    # name and bytes of the file of an upload
    file: tuple[str, bytes] | None = None


Arrange = Callable[["World"], Call]


@dataclass(frozen=True)
class Entry:
    """One row: the rule, and what makes a fresh call that nobody has made yet."""

    rule: Rule
    arrange: Arrange


OPEN = dict.fromkeys(ACTORS, PASSES)

PUBLIC = Rule("everybody", "member", **OPEN)
READS_THE_CODE = Rule("whoever reads the code that was sent to the phone", "member", **OPEN)
SIGNED_IN = Rule("everybody who is signed in, for herself", "member", **OPEN | {"anonymous": 401})
OWNER = Rule("only the person whom it concerns", "member", insider=404)
OWNER_SEEN_FROM_ABOVE = Rule("only the person whom it concerns; her organization learns that it is there", "member")
KNOWS_THE_CODE = Rule("everybody who is signed in and has the code", "member", **OPEN | {"anonymous": 401})
MANAGES_STATION = Rule("the station's managers and the organizers above", "manager")
READS_STOCK = Rule("whoever reads or moves the stock of the station", "manager", insider=PASSES)
ADDS_ITEMS = Rule(
    "whoever manages any organization",
    "organizer",
    volunteer=403,
    foreign_leader=403,
    foreign_manager=403,
    foreign_organizer=PASSES,
)
OWNS_CATALOG = Rule(
    "whoever manages all organizations",
    "administrator",
    volunteer=403,
    foreign_leader=403,
    foreign_manager=403,
    foreign_organizer=403,
)
ORGANIZES = Rule("the organizers of the organization", "organizer")
KEEPS_ORGANIZATION = Rule(
    "whoever manages an organization, of what is below it",
    "organizer",
    foreign_manager=403,
    foreign_organizer=PASSES,
)
READS_AUDIT_LOG = Rule(
    "auditors and administrators, of what lies below them",
    "administrator",
    foreign_manager=403,
    foreign_organizer=403,
    insider=PASSES,
)
LEADS_TEAM = Rule("the team's leaders and the organizers above", "leader")
LEADS_ACTIVITY = Rule("those who lead the activity", "leader")
READS_ATTENDANCE = Rule("those who lead the activity, or read its attendances", "leader", insider=PASSES)
# A draft is there only for those who work on it, so that to all others it is 404.
LEADS_DRAFT = Rule("those who lead the draft", "leader", insider=404)
SEES_DRAFT = Rule("those who lead the draft", "leader", anonymous=404, insider=404)
PUBLISHES = Rule("the organizers of the organization", "organizer", insider=404)


class World:
    """An office with a station, a team and an activity, and another office beside it; made as far as it is asked for.

    Everything is made inside one unit. `caller` is who makes the call that is being arranged.
    """

    def __init__(self) -> None:
        self.district: District = make_district()
        self.office: Organization = self.district.office
        self.outsider: Volunteer = self.district.outsider
        self.member, self.leader, self.manager, foreign_leader, foreign_manager = (
            make_volunteer(name=name) for name in ("队员", "队长", "管理者", "另一队长", "另一管理者")
        )
        make_team(organization_id=self.office.id, leader=foreign_leader)
        self.other_station: Station = make_station(organization_id=self.district.other_office.id)
        make_grant(foreign_manager, Role.STATION_MANAGER, self.other_station.id)
        make_grant(self.manager, Role.STATION_MANAGER, self.station.id)
        self.people: dict[str, Volunteer] = {
            "volunteer": self.outsider,
            "foreign_leader": foreign_leader,
            "foreign_manager": foreign_manager,
            "foreign_organizer": self.district.other_organizer,
            "insider": self.district.auditor,
            "administrator": self.district.administrator,
            "organizer": self.district.organizer,
            "manager": self.manager,
            "leader": self.leader,
            "member": self.member,
        }
        self.caller: Volunteer = self.member

    def path_argument(self, name: str) -> Any:
        """What stands in an address for this name where the row says nothing else."""
        return {
            "organization_id": lambda: self.office.id,
            "station_id": lambda: self.station.id,
            "team_id": lambda: self.team.id,
            "membership_id": lambda: self.membership.id,
            "item_id": lambda: self.item_id,
            "movement_id": lambda: self.receive().id,
            "campaign_id": lambda: self.campaign.id,
            "activity_id": lambda: self.activity.id,
            "shift_id": lambda: self.shift.id,
            "sign_up_id": lambda: self.sign_up.id,
            "attendance_id": lambda: self.attendance.id,
            "grant_id": lambda: self.grant.id,
        }[name]()

    @cached_property
    def station(self) -> Station:
        return make_station(organization_id=self.office.id)

    @cached_property
    def team(self) -> Team:
        return make_team(organization_id=self.office.id, leader=self.leader)

    @cached_property
    def membership(self) -> Membership:
        """That of the member."""
        return make_member(self.team, self.member)

    @cached_property
    def item_id(self) -> UUID:
        return make_item()

    @cached_property
    def campaign(self) -> Campaign:
        return activities.create_campaign(name="清洁湛河", organization_id=self.office.id)

    @cached_property
    def shift(self) -> Shift:
        """A shift of tomorrow, published, led by the team at the station."""
        return self._shift(timedelta(days=1))

    @cached_property
    def running_shift(self) -> Shift:
        """A shift that began a quarter of an hour ago."""
        with clock.at(clock.now() - timedelta(hours=3)):
            return self._shift(timedelta(hours=3, minutes=-15))

    @cached_property
    def activity(self) -> Activity:
        return db.session.get_one(Activity, self.shift.activity_id)

    @cached_property
    def sign_up(self) -> SignUp:
        """That of the member."""
        return sign_ups.sign_up(shift_id=self.shift.id, volunteer_id=self.member.id)

    @cached_property
    def attendance(self) -> Attendance:
        """That of the member, which she has not ended."""
        return attendance.check_in(
            volunteer_id=self.member.id, shift_id=self.running_shift.id, evidence=loaded_evidence(clock.now())
        )

    @cached_property
    def grant(self) -> Grant:
        """One that the organizer may take away."""
        return make_grant(self.member, Role.STATION_MANAGER, self.station.id)

    def stranger(self) -> Volunteer:
        """Somebody new."""
        return make_volunteer(name="新人")

    def phone(self) -> str:
        """A number that nobody has."""
        return f"+86137{next_number():08d}"

    def asking(self) -> Membership:
        """Of somebody new, who asks for the team."""
        return make_member(self.team, self.stranger(), state=MembershipState.REQUESTED)

    def invited(self) -> Membership:
        """Of the member, who is invited to the team."""
        return invitations.invite(self.team, {str(self.member.phone): MembershipRole.MEMBER})[0]

    def deputy(self) -> Membership:
        """The membership of somebody new who helps to lead the team."""
        return make_member(self.team, self.stranger(), role=MembershipRole.DEPUTY)

    def joined(self, volunteer: Volunteer) -> Membership:
        """The volunteer is in the team from now on."""
        return self.membership if volunteer.id == self.member.id else make_member(self.team, volunteer)

    def draft(self, *, submitted: bool = False) -> Activity:
        """An activity of the team that is not published."""
        starts_at = clock.now() + timedelta(days=1)
        made = activities.create_activity(
            by=self.leader.id,
            title="清洁家园",
            category=Category.ENVIRONMENT_PROTECTION,
            organization_id=self.office.id,
            team_id=self.team.id,
            shifts=[{"starts_at": starts_at, "ends_at": starts_at + timedelta(hours=2)}],
        )
        return activities.submit(made) if submitted else made

    def receive(self) -> Document:
        """Ten pieces come to the station."""
        return inventory.record_movement(
            station_id=self.station.id,
            actor_id=self.manager.id,
            kind=RecordableKind("receipt"),
            reason=MovementReason("donation"),
            lines=[line_of(self.item_id, 10)],
        )

    def acts(self, volunteer: Volunteer) -> Principal:
        """The volunteer, for services that ask who acts."""
        return Principal(volunteer_id=volunteer.id, session_id=self.session(volunteer).id)

    def session(self, volunteer: Volunteer) -> DeviceSession:
        """One more device session of the volunteer."""
        made = DeviceSession(
            volunteer_id=volunteer.id,
            device_id=f"phone-{next_number()}",
            device_name=DEVICE["name"],
            platform=DEVICE["platform"],
            used_generation=0,
            last_used_at=clock.now(),
            expires_at=clock.now() + timedelta(days=60),
        )
        db.session.add(made)
        db.session.flush()
        return made

    def _shift(self, begins_in: timedelta) -> Shift:
        return make_shift(
            organization=self.office,
            created_by=self.district.organizer,
            starts_at=clock.now() + begins_in,
            team_id=self.team.id,
            station_id=self.station.id,
        )


def moment(hours: float) -> str:
    """A moment in so many hours, as a phone sends it."""
    return (clock.now() + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")


def rows_of_all_tables(untold: frozenset[str]) -> dict[str, list[str]]:
    """Every table's rows in a fixed order, without the tables in `untold`; needs an application context.

    It is asked of the driver, for it is asked a thousand times: PostgreSQL in one round trip.
    """
    names = [table.name for table in db.metadata.sorted_tables if table.name not in untold]
    driver: Any = db.session.connection().connection.driver_connection
    reads = [f'SELECT * FROM "{name}"' for name in names]
    if db.engine.dialect.name == "sqlite":
        found = [driver.execute(read).fetchall() for read in reads]
    else:
        cursor = driver.execute(";".join(reads))
        found = [cursor.fetchall()] + [cursor.fetchall() for _ in reads[1:] if cursor.nextset()]
    return {name: sorted(map(repr, rows)) for name, rows in zip(names, found, strict=True)}
