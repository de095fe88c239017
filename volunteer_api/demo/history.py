"""The activities as they went: planned, signed up for, attended and completed, each at its own moment."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from volunteer_api.activities import service as activities
from volunteer_api.activities.models import Activity, Campaign
from volunteer_api.activities.queries import shift_ids_of
from volunteer_api.attendance import presence_code
from volunteer_api.attendance import service as attendance
from volunteer_api.attendance.models import Attendance
from volunteer_api.core import clock
from volunteer_api.demo import program
from volunteer_api.demo.program import CAMPAIGN, Planned
from volunteer_api.demo.stage import (
    ADMINISTRATOR,
    FOUNDED_DAYS_AGO,
    HOME_OFFICE,
    ORGANIZER,
    STATION_MANAGER,
    TEAM_LEADER,
    VOLUNTEER,
    Stage,
)
from volunteer_api.sign_ups import service as sign_ups

PUBLISHED_BEFORE = timedelta(days=4)
SIGNED_UP_BEFORE = timedelta(days=2)
# Of a hundred who signed up, so many do not come, and so many come without a code that proves it.
STAYING_AWAY = 8
WITHOUT_CODE = 6


def steps(stage: Stage) -> Iterator[Callable[[], None]]:
    """The campaign, one step for each past activity, and the coming week."""
    campaign_ids: list[UUID] = []
    plan: list[Planned] = []

    def start_campaign() -> None:
        campaign_ids.append(_start_campaign(stage).id)
        plan.extend(program.past(stage))

    def hold_next() -> None:
        _hold(stage, plan.pop(0), campaign_ids[0])

    yield start_campaign
    # The plan is made by the first step; how many activities it will have is known before.
    for _ in range(sum(program.PAST_ACTIVITIES)):
        yield hold_next
    yield lambda: _announce(stage, campaign_ids[0])


def _start_campaign(stage: Stage) -> Campaign:
    first = clock.local_date(stage.founded_at)
    with clock.at(stage.founded_at):
        return activities.create_campaign(
            name=CAMPAIGN,
            organization_id=stage.center.id,
            description="全区实践所、实践站组织居民清理楼道、河道和绿化带，共建清洁家园。",
            starts_on=first,
            ends_on=first + timedelta(days=2 * FOUNDED_DAYS_AGO),
            goals={"activities": 30, "attendances": 200, "minutes": 20_000},
        )


def _hold(stage: Stage, planned: Planned, campaign_id: UUID) -> None:
    """One past activity from its plan to its completion."""
    activity, shift_ids = _publish(stage, planned, campaign_id)
    people = _choose(stage, planned)
    for shift_id, (starts_at, ends_at) in zip(shift_ids, planned.shifts, strict=True):
        came = []
        for volunteer_id in people:
            _sign_up(stage, planned, shift_id, volunteer_id, starts_at - SIGNED_UP_BEFORE)
            if stage.random.randrange(100) >= STAYING_AWAY or volunteer_id == stage.volunteers[VOLUNTEER]:
                came.append(volunteer_id)
        here = [(person, _check_in(stage, planned, activity, shift_id, person, starts_at)) for person in came]
        for volunteer_id, attended in here:
            moment = ends_at + timedelta(minutes=stage.random.randint(0, 15))
            with clock.at(moment):
                evidence = _evidence(stage, planned, activity, shift_id, volunteer_id, moment)
                attendance.check_out(attendance=attended, evidence=evidence)
    kind, quantity, unit = planned.theme.outcome
    with clock.at(planned.shifts[-1][1] + timedelta(hours=1)):
        activities.complete(activity, outcomes=[{"kind": kind, "quantity": float(quantity), "unit": unit}])


def _announce(stage: Stage, campaign_id: UUID) -> None:
    """The coming week, and the district's own day at its end, to which the demo's accounts are signed up."""
    signed_up_at = stage.now - timedelta(hours=3)
    for planned in program.coming(stage):
        _, shift_ids = _publish(stage, planned, campaign_id, published_at=stage.now - timedelta(days=1))
        people = _choose(stage, planned)
        if planned.office.division_code == HOME_OFFICE:
            people = [stage.volunteers[VOLUNTEER], *(one for one in people if one != stage.volunteers[VOLUNTEER])]
        for volunteer_id in people:
            _sign_up(stage, planned, shift_ids[0], volunteer_id, signed_up_at)
    _announce_district_day(stage, campaign_id, signed_up_at)


def _announce_district_day(stage: Stage, campaign_id: UUID, signed_up_at: datetime) -> None:
    starts_at = stage.local(8, program.STARTS[1])
    administrator = stage.volunteers[ADMINISTRATOR]
    with clock.at(stage.now - timedelta(days=1)):
        activity = activities.create_activity(
            by=administrator,
            title=f"{CAMPAIGN}集中行动日",
            category=program.CLEANING.category,
            organization_id=stage.center.id,
            campaign_id=campaign_id,
            leader_ids=[administrator],
            place={"lat": 33.735, "lng": 113.335},
            place_name="鹰城广场",
            shifts=[{"starts_at": starts_at, "ends_at": starts_at + timedelta(hours=3), "capacity": 200}],
        )
        activities.publish(activity)
    with clock.at(signed_up_at):
        (shift_id,) = shift_ids_of(activity.id)
        for phone in (VOLUNTEER, TEAM_LEADER, STATION_MANAGER, ORGANIZER, ADMINISTRATOR):
            sign_ups.sign_up(shift_id=shift_id, volunteer_id=stage.volunteers[phone])


def _publish(
    stage: Stage, planned: Planned, campaign_id: UUID, published_at: datetime | None = None
) -> tuple[Activity, list[UUID]]:
    """The published activity, and its shifts in the order of their start."""
    crew = stage.crews[planned.office.division_code]
    is_home = planned.office.division_code == HOME_OFFICE
    creator = stage.volunteers[ORGANIZER if is_home else ADMINISTRATOR]
    with clock.at(published_at or planned.shifts[0][0] - PUBLISHED_BEFORE):
        activity = activities.create_activity(
            by=creator,
            title=planned.title,
            category=planned.theme.category,
            organization_id=(planned.station or planned.office).id,
            team_id=crew.team_id,
            station_id=stage.desks[planned.station.division_code] if planned.station else None,
            campaign_id=campaign_id if planned.theme.of_campaign else None,
            leader_ids=[crew.leader_id],
            place=None if planned.station else stage.middles[planned.office.division_code],
            place_name=f"{(planned.station or planned.office).title}党群服务中心",
            shifts=[
                {"starts_at": starts_at, "ends_at": ends_at, "capacity": planned.capacity}
                for starts_at, ends_at in planned.shifts
            ],
        )
        activities.publish(activity)
    # Ids sort by creation, and the shifts were created in the order of their start.
    return activity, shift_ids_of(activity.id)


def _choose(stage: Stage, planned: Planned) -> list[UUID]:
    """People of the office's team first, then others, all of them free at the time."""
    crew = stage.crews[planned.office.division_code]
    starts_at, ends_at = planned.shifts[0][0], planned.shifts[-1][1]
    others = [person for person in stage.volunteers.values() if person not in (crew.leader_id, *crew.member_ids)]
    members = stage.random.sample(crew.member_ids, min(len(crew.member_ids), 3))
    candidates = [crew.leader_id, *members, *stage.random.sample(others, 12)]
    if not planned.shows_code:
        # The demo's volunteer has something that waits for review.
        volunteer_id = stage.volunteers[VOLUNTEER]
        candidates = [volunteer_id, *(person for person in candidates if person != volunteer_id)]
    free = [person for person in candidates if stage.is_free(person, starts_at, ends_at)]
    chosen = free[: planned.people + (1 if planned.capacity is None else 0)]
    if planned.capacity == 4:
        # The smallest ones overflow into the waitlist.
        chosen = free[: planned.capacity + 1]
    for person in chosen:
        stage.engage(person, starts_at, ends_at)
    return chosen


def _sign_up(stage: Stage, planned: Planned, shift_id: UUID, volunteer_id: UUID, moment: datetime) -> None:
    crew = stage.crews[planned.office.division_code]
    is_member = volunteer_id in (crew.leader_id, *crew.member_ids)
    with clock.at(moment):
        sign_ups.sign_up(shift_id=shift_id, volunteer_id=volunteer_id, team_id=crew.team_id if is_member else None)


def _check_in(
    stage: Stage, planned: Planned, activity: Activity, shift_id: UUID, volunteer_id: UUID, starts_at: datetime
) -> Attendance:
    moment = starts_at + timedelta(minutes=stage.random.randint(-15, 10))
    with clock.at(moment):
        return attendance.check_in(
            volunteer_id=volunteer_id,
            shift_id=shift_id,
            evidence=_evidence(stage, planned, activity, shift_id, volunteer_id, moment),
        )


def _evidence(
    stage: Stage, planned: Planned, activity: Activity, shift_id: UUID, volunteer_id: UUID, moment: datetime
) -> dict[str, Any]:
    """A code for most, the place for those who can see the code themselves, neither for a few."""
    evidence: dict[str, Any] = {"client_time": moment, "delay_ms": stage.random.randint(100, 3000)}
    crew = stage.crews[planned.office.division_code]
    leads = volunteer_id in (
        crew.leader_id,
        crew.member_ids[-1],
        stage.volunteers[ADMINISTRATOR],
        stage.volunteers[ORGANIZER],
    )
    if leads:
        return evidence | {"place": activity.place, "accuracy_m": 12.0}
    if stage.random.randrange(100) < WITHOUT_CODE or not planned.shows_code:
        return evidence
    return evidence | {"code": presence_code.code_at(shift_id, moment).code}
