"""Tallies: whatever is written, folded and moved, they are the sum of the ledger; and nobody waits for another."""

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from tests.attendance.factories import loaded_evidence, make_scene, soon
from tests.conftest import share_of
from tests.factories import factory, make_volunteer, next_number
from tests.hours.test_service import FIRST, credit
from tests.teams.factories import make_team
from volunteer_api.activities import service as activities
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance import service as attendance
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.periods import ALL_TIME, parse_period
from volunteer_api.core.tasks import REGISTRY, run_task
from volunteer_api.hours import service, tallies, verification
from volunteer_api.hours.models import ServiceRecord, SubjectKind, TallyChange, TallyFault, TallyTotal
from volunteer_api.organizations import service as organizations
from volunteer_api.organizations import structure
from volunteer_api.organizations.models import Organization, OrganizationKind, PathMember
from volunteer_api.stations import service as stations
from volunteer_api.stations.models import Station, StationKind

pytestmark = pytest.mark.both_databases

Unit = Callable[[Callable[[], Any]], Any]
PLACE = {"lat": 33.735, "lng": 113.33}
PERIODS = ("2026-W01", "2026-01", "2026-Q1", "2026", "all")


@dataclass(frozen=True)
class City:
    """Two districts; a station and an activity of the office, which moves from one to the other."""

    root_id: UUID
    district_ids: list[UUID]
    office_id: UUID
    station_id: UUID
    activity_ids: list[UUID]
    team_id: UUID
    campaign_id: UUID
    volunteer_ids: list[UUID]
    organizer_id: UUID

    @property
    def subjects(self) -> list[tuple[SubjectKind, UUID]]:
        """Everything that has a tally."""
        organization_ids = [self.root_id, *self.district_ids, self.office_id]
        return [
            *((SubjectKind.VOLUNTEER, one) for one in self.volunteer_ids),
            *((SubjectKind.ORGANIZATION, one) for one in organization_ids),
            *((SubjectKind.ORGANIZATION_OWN, one) for one in organization_ids),
            (SubjectKind.TEAM, self.team_id),
            (SubjectKind.STATION, self.station_id),
            (SubjectKind.CAMPAIGN, self.campaign_id),
        ]


@factory
def make_city() -> City:
    """With two activities of the office: one for the campaign at the station, one for the team."""

    def organization(kind: OrganizationKind, parent: Organization | None) -> Organization:
        return organizations.create_organization(
            parent_id=parent.id if parent is not None else None,
            kind=kind,
            name=f"组织 {next_number()}",
            division_code=None,
        )

    root = organization(OrganizationKind.CITY_OFFICE, None)
    districts = [organization(OrganizationKind.PRACTICE_CENTER, root) for _ in range(2)]
    office = organization(OrganizationKind.PRACTICE_OFFICE, districts[0])
    organizer = make_volunteer()
    station = stations.create_station(
        code=f"TA{next_number():05d}",
        name="服务台",
        kind=StationKind.DESK,
        organization_id=office.id,
        place=PLACE,
        address="建设路 1 号",
    )
    team = make_team(organization_id=office.id, leader=organizer)
    campaign = activities.create_campaign(name="清洁湛河", organization_id=office.id)
    # Planned before they begin: what is long over is planned no more.
    with clock.at(clock.now() - timedelta(days=400)):
        made = [
            activities.create_activity(
                by=organizer.id,
                title="清洁家园",
                category="environment_protection",
                organization_id=office.id,
                shifts=[{"starts_at": FIRST, "ends_at": FIRST + timedelta(hours=2)}],
                **values,
            )
            for values in ({"station_id": station.id, "campaign_id": campaign.id}, {"team_id": team.id})
        ]
    return City(
        root_id=root.id,
        district_ids=[district.id for district in districts],
        office_id=office.id,
        station_id=station.id,
        activity_ids=[activity.id for activity in made],
        team_id=team.id,
        campaign_id=campaign.id,
        volunteer_ids=[make_volunteer().id for _ in range(2)],
        organizer_id=organizer.id,
    )


def sums_of_the_ledger(period: str) -> dict[tuple[SubjectKind, UUID], int]:
    """Row by row, in another way than the tallies'."""
    named = parse_period(period)
    above = defaultdict(list)
    for path_id, ancestor_id in db.session.execute(select(PathMember.path_id, PathMember.ancestor_id)):
        above[path_id].append(ancestor_id)
    sums: dict[tuple[SubjectKind, UUID], int] = defaultdict(int)
    for row in db.session.scalars(select(ServiceRecord)):
        if named.first is None or named.last is None or named.first <= row.on <= named.last:
            for subject in (
                (SubjectKind.VOLUNTEER, row.volunteer_id),
                (SubjectKind.TEAM, row.team_id),
                (SubjectKind.STATION, row.station_id),
                (SubjectKind.CAMPAIGN, row.campaign_id),
                (SubjectKind.ORGANIZATION_OWN, row.organization_id),
                *((SubjectKind.ORGANIZATION, one) for one in above[row.organization_path_id]),
            ):
                sums[subject] += row.minutes
    return sums


def check(city: City, held: dict[tuple[SubjectKind, UUID], int], periods: Sequence[str]) -> None:
    """Compare every subject's tally with the ledger, for every period."""
    for period in periods:
        named, expected = parse_period(period), sums_of_the_ledger(period)
        for kind, subject_id in city.subjects:
            shown = tallies.tally(kind, subject_id, named)
            assert shown.credited_minutes == expected[kind, subject_id], (kind, period)
            assert shown.credited_minutes == sum(part.credited_minutes for part in shown.by_period)
            if period == "all":
                assert shown.held_minutes == held[kind, subject_id], kind
            total = db.session.execute(tallies.total(kind, subject_id, named)).one()
            assert (total.credited_minutes, total.held_minutes) == (shown.credited_minutes, shown.held_minutes)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("credit"), st.integers(0, 1), st.integers(0, 2), st.integers(0, 400), st.integers(1, 600)),
        st.tuples(st.just("reverse"), st.integers(0, 20)),
        st.tuples(st.just("hold"), st.integers(0, 1), st.integers(0, 2), st.integers(0, 400), st.integers(1, 600)),
        st.tuples(st.just("release"), st.integers(0, 20)),
        st.tuples(st.just("fold")),
        st.tuples(st.just("move"), st.integers(0, 1)),
    ),
    max_size=14,
)


class World:
    """What happens in a city, step by step, and what is held in it."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.city: City = make_city()
        self.records: list[UUID] = []
        self.holds: list[tuple[dict[str, Any], int, list[tuple[SubjectKind, UUID]]]] = []
        self.held: dict[tuple[SubjectKind, UUID], int] = defaultdict(int)
        self.district = 0

    def take(self, step: tuple[Any, ...]) -> None:
        self.unit(lambda: getattr(self, step[0])(*step[1:]))

    def place(self, what: int) -> tuple[Activity | None, Station | None]:
        """An activity, or a duty at the station."""
        if what == 2:
            return None, db.session.get_one(Station, self.city.station_id)
        return db.session.get_one(Activity, self.city.activity_ids[what]), None

    def credit(self, who: int, what: int, day: int, minutes: int) -> None:
        activity, station = self.place(what)
        starts_at = FIRST + timedelta(days=day)
        shift = db.session.query(Shift).filter_by(activity_id=activity.id).one() if activity is not None else None
        if shift is not None:
            shift = Shift(id=shift.id, activity_id=shift.activity_id, starts_at=starts_at, ends_at=starts_at)
        record = service.credit(
            volunteer_id=self.city.volunteer_ids[who],
            minutes=minutes,
            activity=activity,
            shift=shift,
            station=station,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(minutes=minutes),
        )
        assert record is not None
        self.records.append(record.id)

    def reverse(self, which: int) -> None:
        if self.records:
            record_id = self.records.pop(which % len(self.records))
            service.reverse(record_id=record_id, reason="误记", actor_id=self.city.organizer_id)

    def hold(self, who: int, what: int, day: int, minutes: int) -> None:
        activity, station = self.place(what)
        given = {"volunteer_id": self.city.volunteer_ids[who], "on": date(2026, 1, 1) + timedelta(days=day)}
        whose = {"team_id": None, "attendance_id": ids.new_id()}
        tallies.held(activity=activity, station=station, minutes=minutes, **given, **whose)
        path = [self.city.office_id, self.city.root_id, self.city.district_ids[self.path_of(activity)]]
        subjects = [
            (SubjectKind.VOLUNTEER, given["volunteer_id"]),
            (SubjectKind.ORGANIZATION_OWN, self.city.office_id),
            *((SubjectKind.ORGANIZATION, one) for one in path),
            *([(SubjectKind.STATION, self.city.station_id)] if what != 1 else [(SubjectKind.TEAM, self.city.team_id)]),
            *([(SubjectKind.CAMPAIGN, self.city.campaign_id)] if what == 0 else []),
        ]
        self.holds.append((given | whose | {"what": what}, minutes, subjects))
        for subject in subjects:
            self.held[subject] += minutes

    def path_of(self, activity: Activity | None) -> int:
        """An activity keeps the district in which it was made; a station goes with its organization."""
        return 0 if activity is not None else self.district

    def release(self, which: int) -> None:
        if not self.holds:
            return
        given, minutes, subjects = self.holds.pop(which % len(self.holds))
        activity, station = self.place(given.pop("what"))
        tallies.held(activity=activity, station=station, minutes=-minutes, **given)
        for subject in subjects:
            self.held[subject] -= minutes

    def fold(self) -> None:
        tallies.fold()

    def move(self, district: int) -> None:
        if district != self.district:
            office = db.session.get_one(Organization, self.city.office_id)
            structure.move(office, parent_id=self.city.district_ids[district])
            self.district = district


@settings(max_examples=share_of(4), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_every_tally_is_the_sum_of_the_ledger(
    app: Flask, unit: Unit, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[Any, ...]]
) -> None:
    # What is held here has no attendances that it could be compared with: `check` knows it.
    monkeypatch.setattr(verification, "_held", [])
    world = World(unit)
    for step in steps:
        world.take(step)
    unit(lambda: check(world.city, world.held, ["2026", "all"]))
    unit(tallies.fold)
    assert unit(lambda: db.session.query(TallyChange).count()) == 0
    unit(lambda: check(world.city, world.held, PERIODS))
    with app.app_context():
        assert verification.verify_tallies() == 0


def test_the_check_finds_what_was_changed_by_hand(app: Flask, client: Any, unit: Unit) -> None:
    scene = make_scene(starts_at=FIRST)
    unit(lambda: credit(scene, scene.volunteer.id, 60, FIRST))
    for name in ("hours.fold_tallies", "hours.verify_tallies"):
        assert name in REGISTRY
        run_task(app, name)
    assert unit(lambda: db.session.query(TallyFault).count()) == 0
    of_volunteer = "subject_kind = 'volunteer' AND unit"
    unit(
        lambda: db.session.execute(text(f"UPDATE tally_totals SET credited_minutes = 61 WHERE {of_volunteer} = 'day'"))
    )
    run_task(app, "hours.verify_tallies")
    faults = {(fault.subject_kind, fault.unit): fault for fault in unit(lambda: db.session.query(TallyFault).all())}
    assert set(faults) == {("volunteer", "day"), ("volunteer", "month"), ("volunteer", "year"), ("volunteer", "all")}
    day = faults["volunteer", "day"]
    assert (day.subject_id, day.starts_on, day.credited_minutes) == (scene.volunteer.id, date(2026, 1, 1), 1)
    assert (faults["volunteer", "all"].credited_minutes, faults["volunteer", "year"].starts_on.year) == (-1, 2026)
    assert any("4 tallies differ" in warning for warning in client.at_root.get("/readyz").json["warnings"])
    # It alarms and repairs nothing; what is right again is no fault any more.
    unit(
        lambda: db.session.execute(text(f"UPDATE tally_totals SET credited_minutes = 60 WHERE {of_volunteer} = 'day'"))
    )
    run_task(app, "hours.verify_tallies")
    assert unit(lambda: db.session.query(TallyFault).count()) == 0
    # A change that somebody slipped in is found as well.
    unit(lambda: db.session.add(TallyChange(**tallies.attribution_of(one_record()), credited_minutes=5)))
    run_task(app, "hours.verify_tallies")
    assert {fault.subject_kind for fault in unit(lambda: db.session.query(TallyFault).all())} >= {
        "volunteer",
        "organization",
        "organization_own",
        "station",
    }


def one_record() -> ServiceRecord:
    return db.session.query(ServiceRecord).one()


def test_a_crowd_checks_out_while_it_is_folded(
    postgresql_app: Flask, postgresql_unit: Unit, race: Callable[[int, Callable[..., Any]], list[Any]]
) -> None:
    scene = make_scene(starts_at=FIRST)
    people = [make_volunteer().id for _ in range(9)]
    seen: list[int] = []

    def work(number: int) -> Any:
        if number < 9:
            for day in range(3):
                postgresql_unit(partial(credit, scene, people[number], 10, FIRST + timedelta(days=day)))
            return None
        for _ in range(8):
            if number == 9:
                tally = postgresql_unit(
                    lambda: tallies.tally(SubjectKind.ORGANIZATION, scene.organization.id, ALL_TIME)
                )
                seen.append(tally.credited_minutes)
            else:
                postgresql_unit(tallies.fold)
        return None

    assert race(12, work) == [None] * 12
    # Never too much at any moment, and never less than before: a fold shows no minute twice and loses none.
    assert seen == sorted(seen)
    assert all(minutes <= 270 for minutes in seen)
    for _ in range(2):
        for kind, subject_id in (
            (SubjectKind.ORGANIZATION, scene.organization.id),
            (SubjectKind.ORGANIZATION_OWN, scene.organization.id),
            (SubjectKind.STATION, scene.station.id),
        ):
            assert postgresql_unit(partial(tallies.tally, kind, subject_id, ALL_TIME)).credited_minutes == 270
        assert postgresql_unit(lambda: tallies.tally(SubjectKind.VOLUNTEER, people[7], ALL_TIME)).credited_minutes == 30
        while postgresql_unit(tallies.fold):
            pass
    with postgresql_app.app_context():
        assert verification.verify_tallies() == 0


def test_nobody_waits_for_an_open_transaction(postgresql_app: Flask, postgresql_unit: Unit) -> None:
    """A check-out that hangs before its commit holds up neither another one nor the fold, and is counted later."""
    scene = make_scene(starts_at=FIRST)
    postgresql_unit(lambda: credit(scene, scene.stranger.id, 1, FIRST))
    written, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        def work() -> None:
            credit(scene, scene.volunteer.id, 10, FIRST)
            written.set()
            go_on.wait(timeout=20)

        postgresql_unit(work)

    def total() -> int:
        return int(
            postgresql_unit(lambda: tallies.tally(SubjectKind.STATION, scene.station.id, ALL_TIME)).credited_minutes
        )

    late = threading.Thread(target=hang)
    late.start()
    try:
        assert written.wait(timeout=20)

        def impatient(work: Callable[[], Any]) -> Any:
            def limited() -> Any:
                db.session.execute(text("SET LOCAL lock_timeout = '200ms'"))
                return work()

            return postgresql_unit(limited)

        assert impatient(lambda: credit(scene, scene.unsigned.id, 20, FIRST)) is not None
        assert impatient(tallies.fold) == 2
        assert impatient(lambda: credit(scene, scene.leader.id, 30, FIRST)) is not None
        assert total() == 51
    finally:
        go_on.set()
        late.join(timeout=20)
    assert total() == 61
    assert postgresql_unit(tallies.fold) == 2
    assert total() == 61


def test_two_credits_of_one_corrected_attendance_race(
    postgresql_app: Flask, postgresql_unit: Unit, race: Callable[[int, Callable[..., Any]], list[Any]]
) -> None:
    scene = make_scene(starts_at=FIRST)
    attendance_id = ids.new_id()
    postgresql_unit(lambda: credit(scene, scene.volunteer.id, 60, FIRST, attendance_id=attendance_id))

    def correct(number: int) -> Any:
        def work() -> Any:
            service.take_back(attendance_id=attendance_id, reason="误记", actor_id=scene.organizer.id)
            return credit(scene, scene.volunteer.id, 10 + number, FIRST, attendance_id=attendance_id)

        return postgresql_unit(work)

    outcomes = race(6, correct)
    rows = postgresql_unit(lambda: db.session.query(ServiceRecord).all())
    reversed_ids = {row.reverses_id for row in rows}
    standing = [row for row in rows if row.reverses_id is None and row.id not in reversed_ids]
    assert len(standing) == 1, outcomes
    tally = postgresql_unit(lambda: service.tally(scene.volunteer.id, ALL_TIME))
    assert tally.credited_minutes == standing[0].minutes


def test_reading_costs_the_same_however_much_there_is(unit: Unit, client: Any, statements: Callable[[], Any]) -> None:
    scene = make_scene(starts_at=soon())
    phone = client.as_(scene.organizer)

    def read() -> int:
        with statements() as seen:
            answer = phone.get(f"/organizations/{scene.organization.id}/tally?period=2026")
        assert answer.status_code == 200
        return len(seen)

    before = read()
    for day in range(5):
        unit(lambda day=day: credit(scene, scene.volunteer.id, 60, FIRST + timedelta(days=40 * day)))
    assert read() == before
    unit(tallies.fold)
    assert read() == before
    assert unit(lambda: db.session.query(TallyTotal).count()) > 0


def test_tallies_as_they_are_read(unit: Unit, client: Any) -> None:
    scene = make_scene(starts_at=FIRST)
    unit(lambda: credit(scene, scene.volunteer.id, 60, datetime(2026, 1, 31, 2, 0, tzinfo=UTC)))
    unit(tallies.fold)
    unit(lambda: credit(scene, scene.unsigned.id, 30, datetime(2026, 2, 1, 2, 0, tzinfo=UTC)))

    def tally(path: str, person: Any = scene.organizer) -> Any:
        return client.as_(person).get(path).json

    whole = {
        "credited_minutes": 90,
        "held_minutes": 0,
        "by_period": [
            {"period": "2026-01", "credited_minutes": 60, "held_minutes": 0},
            {"period": "2026-02", "credited_minutes": 30, "held_minutes": 0},
        ],
    }
    assert tally(f"/organizations/{scene.organization.id}/tally") == whole
    assert tally(f"/organizations/{scene.organization.id}/tally?own=true&period=2026") == whole
    assert tally(f"/stations/{scene.station.id}/tally?period=2026-02", scene.station_manager)["by_period"] == [
        {"period": "2026-02-01", "credited_minutes": 30, "held_minutes": 0}
    ]
    assert tally(f"/organizations/{scene.organization.id}/tally?period=2025")["credited_minutes"] == 0
    team = make_team(organization_id=scene.organization.id, leader=scene.leader)
    assert tally(f"/teams/{team.id}/tally", scene.leader)["credited_minutes"] == 0
    campaign = unit(lambda: activities.create_campaign(name="清洁湛河", organization_id=scene.organization.id))
    assert client.get(f"/campaigns/{campaign.id}/tally").json == {"credited_minutes": 0, "by_period": []}
    assert client.as_(scene.organizer).get(f"/organizations/{scene.organization.id}/tally?period=x").status_code == 422


def test_a_part_without_minutes_is_left_out(unit: Unit) -> None:
    scene = make_scene(starts_at=FIRST)
    record = unit(lambda: credit(scene, scene.volunteer.id, 60, FIRST))
    unit(lambda: service.reverse(record_id=record.id, reason="误记", actor_id=scene.organizer.id))
    assert unit(lambda: service.tally(scene.volunteer.id, ALL_TIME)).by_period == []


def test_minutes_that_wait_are_compared_with_the_attendances(app: Flask, unit: Unit) -> None:
    with app.app_context():
        start = clock.now() - timedelta(hours=1)
    scene = make_scene(starts_at=start)

    def attend() -> Any:
        with clock.at(start):
            opened = attendance.check_in(
                volunteer_id=scene.volunteer.id, shift_id=scene.shift.id, evidence=loaded_evidence(start)
            )
        return attendance.check_out(attendance=opened, evidence=loaded_evidence(clock.now()))

    held = unit(attend)
    assert held.held_minutes == 60
    for _ in range(2):
        with app.app_context():
            assert verification.verify_tallies() == 0
        tally = unit(lambda: tallies.tally(SubjectKind.STATION, scene.station.id, ALL_TIME))
        assert (tally.credited_minutes, tally.held_minutes) == (0, 60)
        unit(tallies.fold)
    unit(lambda: db.session.execute(text("UPDATE attendances SET held_minutes = 61")))
    with app.app_context():
        assert verification.verify_tallies() == 4
    faults = unit(lambda: db.session.query(TallyFault).all())
    assert {(fault.unit, fault.held_minutes) for fault in faults} == {("day", -1)}
