"""The people and places of the attendance machine: three shifts, two of which overlap, and a station."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Flask

from tests.attendance.factories import PLACE, Scene, make_scene, make_shift
from tests.attendance.promises import Subject
from tests.attendance.taps import HOUR, MINUTE, Target
from tests.teams.factories import make_member, make_team
from volunteer_api.activities import service as activities
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.hours.models import SubjectKind
from volunteer_api.sign_ups.models import SignUp, SignUpState

# 8:00 in Shanghai, when the station opens, on a Monday.
EIGHT = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
# Minutes after eight: two shifts that overlap, and one 40 km away that begins ten minutes after them.
SHIFTS = ((60, 180), (120, 240), (250, 370))
AWAY = {"lat": PLACE["lat"] + 0.36, "lng": PLACE["lng"]}
PEOPLE = ("volunteer", "leader", "unsigned")


@dataclass(frozen=True)
class World:
    """What every run shares: the application, and how to make people and places."""

    app: Flask
    client: Any
    unit: Callable[[Callable[[], Any]], Any]


@dataclass
class Cast:
    """The people and the places of one run."""

    scene: Scene
    targets: list[Target]
    subjects: list[Subject]
    phones: dict[str, list[Any]] = field(default_factory=dict)

    def id_of(self, name: str) -> UUID:
        found: UUID = getattr(self.scene, name).id
        return found

    def name_of(self, volunteer_id: UUID) -> str:
        return next(name for name in PEOPLE if self.id_of(name) == volunteer_id)

    def where(self, row: Mapping[str, Any]) -> int:
        """The number of the target that an attendance is at."""
        return next(n for n, one in enumerate(self.targets) if one.id in (row["shift_id"], row["station_id"]))

    @property
    def people(self) -> list[UUID]:
        return [self.id_of(name) for name in PEOPLE]


def make_cast(world: World) -> Cast:
    """Three shifts and a station; the volunteer and the leader are signed up for all shifts, `unsigned` for none."""

    def make() -> Cast:
        scene = make_scene(starts_at=EIGHT + timedelta(days=30))
        team = make_team(organization_id=scene.organization.id, leader=scene.leader)
        make_member(team, scene.volunteer)
        campaign = activities.create_campaign(name="清洁家园", organization_id=scene.organization.id)
        db.session.flush()
        attributions = ({"station_id": scene.station.id}, {"campaign_id": campaign.id}, {"team_id": team.id})
        targets = []
        for number, ((first, last), attribution) in enumerate(zip(SHIFTS, attributions, strict=True)):
            place = AWAY if number == 2 else PLACE
            shift = make_shift(
                organization=scene.organization,
                created_by=scene.organizer,
                starts_at=EIGHT + first * MINUTE,
                hours=(last - first) / 60,
                leader_ids=[scene.leader.id],
                place=place,
                **attribution,
            )
            targets.append(Target(f"shift {number}", shift.id, place, shift.starts_at, shift.ends_at))
            # By hand: nobody signs up for shifts that overlap, but what was agreed before may be moved there.
            for one in (scene.volunteer, scene.leader):
                given = {"shift_id": shift.id, "volunteer_id": one.id, "created_at": EIGHT}
                db.session.add(SignUp(state=SignUpState.CONFIRMED, **given))
        targets.append(Target("station", scene.station.id, PLACE, EIGHT, EIGHT + 10 * HOUR))
        organization_id = scene.organization.id
        subjects: list[Subject] = [
            *((SubjectKind.VOLUNTEER, "volunteer_id", getattr(scene, name).id) for name in PEOPLE),
            (SubjectKind.ORGANIZATION, "organization_id", organization_id),
            (SubjectKind.ORGANIZATION_OWN, "organization_id", organization_id),
            (SubjectKind.STATION, "station_id", scene.station.id),
            (SubjectKind.CAMPAIGN, "campaign_id", campaign.id),
            (SubjectKind.TEAM, "team_id", team.id),
        ]
        return Cast(scene, targets, subjects)

    with clock.at(EIGHT - timedelta(days=2)):
        cast: Cast = world.unit(make)
        for name in (*PEOPLE, "organizer", "station_manager"):
            cast.phones[name] = [world.client.as_(cast.id_of(name)) for _ in range(2 if name in PEOPLE else 1)]
    return cast
