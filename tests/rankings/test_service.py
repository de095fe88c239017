"""The counting rule: against a slow and plain count of the same history, and in its sums."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.activities.factories import make_scene
from tests.factories import make_volunteer
from tests.organizations.factories import make_organization
from tests.rankings.factories import Happening, Turn, move, write
from tests.stations.factories import make_station
from tests.teams.factories import make_team
from volunteer_api.accounts.categories import Category
from volunteer_api.activities import service as activities
from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.activities.queries import shift_ids_of
from volunteer_api.attendance import service as attendance
from volunteer_api.attendance.models import State
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.organizations.models import Organization, OrganizationKind
from volunteer_api.rankings import service
from volunteer_api.rankings.local_days import local_day, offsets
from volunteer_api.rankings.schemas import Metric, Subject
from volunteer_api.stations.models import StationStatus

NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
# Between two shifts lie minutes or days, and the local midnight of Shanghai is at 16:00.
MOMENTS = st.integers(min_value=-3 * 24 * 4, max_value=8).map(lambda quarters: NOW + timedelta(minutes=15 * quarters))
PRESENT = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=3),
        st.sampled_from([State.CREDITED, State.HELD, State.REJECTED]),
        st.integers(min_value=0, max_value=90),
    ),
    max_size=4,
)
TURNS = st.builds(Turn, starts_at=MOMENTS, minutes=st.sampled_from([30, 120]), canceled=st.booleans(), present=PRESENT)
HAPPENINGS = st.builds(
    Happening,
    state=st.sampled_from(
        [ActivityState.PUBLISHED, ActivityState.COMPLETED, ActivityState.COMPLETED, ActivityState.CANCELED]
    ),
    turns=st.lists(TURNS, max_size=3),
)
# Whose it is (0 the center, 1 and 2 the offices, 3 to 5 the stations), what it is, and whether the move came before.
HISTORIES = st.lists(st.tuples(st.integers(min_value=0, max_value=5), HAPPENINGS, st.booleans()), max_size=8)


def build_tree() -> list[Organization]:
    """A center, two offices, two stations of the first and one of the second."""
    center = make_organization()
    offices = [make_organization(parent_id=center.id, kind=OrganizationKind.PRACTICE_OFFICE) for _ in range(2)]
    parents = (offices[0], offices[0], offices[1])
    below = [make_organization(parent_id=office.id, kind=OrganizationKind.PRACTICE_STATION) for office in parents]
    return [center, *offices, *below]


def is_held(happening: Happening, turn: Turn) -> bool:
    """Rankings 2 of domain.md, word by word."""
    has_ended = turn.starts_at + timedelta(minutes=turn.minutes) <= NOW or happening.state == ActivityState.COMPLETED
    is_canceled = turn.canceled
    at_least_one_attended = any(state != State.REJECTED for _, state, _ in turn.present)
    return has_ended and not is_canceled and at_least_one_attended


def counted(metric: Metric, happenings: Sequence[Happening]) -> int:
    """The plain count of what belongs to one organization."""
    held = [(number, turn) for number, one in enumerate(happenings) for turn in one.turns if is_held(one, turn)]
    # 人次: a person at a shift is one, however often they checked in to it.
    by_shift = [{person for person, state, _ in turn.present if state != State.REJECTED} for _, turn in held]
    match metric:
        case Metric.ACTIVITY_COUNT:
            return len({(number, clock.local_date(turn.starts_at)) for number, turn in held})
        case Metric.ATTENDANCE_COUNT:
            return sum(len(people) for people in by_shift)
        case Metric.VOLUNTEER_COUNT:
            return len({person for people in by_shift for person in people})
        case _:
            return sum(minutes for one in happenings for turn in one.turns for _, _, minutes in turn.present)


def check_history(history: Sequence[tuple[int, Happening, bool]]) -> None:
    tree = build_tree()
    center, first, second, moving = tree[0], tree[1], tree[2], tree[3]
    volunteer_ids = [make_volunteer().id for _ in range(4)]
    # Who stood above whom when it was recorded.
    before = {0: (0,), 1: (1, 0), 2: (2, 0), 3: (3, 1, 0), 4: (4, 1, 0), 5: (5, 2, 0)}
    recorded: dict[int, list[Happening]] = {number: [] for number in before}
    for number, happening, after_move in sorted(history, key=lambda one: one[2]):
        if after_move and moving.parent_id == first.id:
            move(moving, second)
        write(happening, tree[number], volunteer_ids)
        path = (3, 2, 0) if after_move and number == 3 else before[number]
        for ancestor in path:
            recorded[ancestor].append(happening)
    for metric in Metric:
        ranking = service.rank({"subject": Subject.ORGANIZATION, "metric": metric, "scope": center.id, "limit": 100})
        values = {row.subject["id"]: row.value for row in ranking.items}
        assert values == {tree[number].id: counted(metric, recorded[number]) for number in (1, 2)}
        for organization, number in ((center, 0), (first, 1), (second, 2)):
            check_sums(metric, organization, counted(metric, recorded[number]))


def check_sums(metric: Metric, organization: Organization, expected: int) -> None:
    """own + children = parent, also where one has moved away since."""
    ranking = service.rank({"subject": Subject.ORGANIZATION, "metric": metric, "scope": organization.id, "limit": 100})
    assert ranking.scope is not None
    assert ranking.scope["value"] == expected
    assert ranking.additive == (metric is not Metric.VOLUNTEER_COUNT)
    if ranking.additive:
        assert ranking.scope["own"] + sum(row.value for row in ranking.items) == expected
        assert ranking.scope["elsewhere"] == ranking.scope["own"]


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORIES)
def test_every_metric_equals_the_plain_count_and_adds_up(
    app: Flask, history: Sequence[tuple[int, Happening, bool]]
) -> None:
    with app.app_context(), clock.at(NOW):
        run_unit(lambda: check_history(history), writes=False)


def test_ties_share_a_rank_and_zero_is_listed(unit: Callable[..., Any]) -> None:
    def work() -> list[tuple[int, int, int | None]]:
        tree = build_tree()
        volunteer_ids = [make_volunteer().id]
        yesterday = clock.now() - timedelta(days=1)
        once = Happening(turns=[Turn(yesterday, present=[(0, State.HELD, 0)])])
        for number in (3, 4):
            write(once, tree[number], volunteer_ids)
        level = OrganizationKind.PRACTICE_STATION
        query = {"subject": Subject.ORGANIZATION, "metric": Metric.ACTIVITY_COUNT, "level": level, "scope": tree[0].id}
        return [(row.rank, row.value, row.own) for row in service.rank(query).items]

    assert unit(work) == [(1, 1, 1), (1, 1, 1), (3, 0, 0)]


def test_one_activity_counts_once_for_each_local_day(unit: Callable[..., Any]) -> None:
    """15:30 and 16:30 UTC are two days in Shanghai, 16:30 and 20:00 one."""
    day = datetime(2026, 11, 2, tzinfo=UTC)
    moments = [day.replace(hour=15, minute=30), day.replace(hour=16, minute=30), day.replace(hour=20)]

    def value(**query: Any) -> int:
        row = service.rank({"subject": Subject.ORGANIZATION, "metric": Metric.ACTIVITY_COUNT, **query}).items[0]
        return row.value

    def work() -> tuple[int, int, int]:
        center = make_organization()
        happening = Happening(turns=[Turn(moment, 20, present=[(0, State.CREDITED, 20)]) for moment in moments])
        write(happening, center, [make_volunteer().id])
        level = {"level": OrganizationKind.PRACTICE_CENTER}
        return (
            value(**level),
            value(**level, first=date(2026, 11, 3), last=date(2026, 11, 3)),
            value(**level, first=date(2026, 11, 4)),
        )

    with clock.at(NOW):
        assert unit(work) == (2, 1, 0)


def value_of(metric: Metric, center_id: UUID) -> int:
    """What the scope has, of all time."""
    ranking = service.rank({"subject": Subject.ORGANIZATION, "metric": metric, "scope": center_id})
    assert ranking.scope is not None
    found: int = ranking.scope["value"]
    return found


def test_an_activity_canceled_for_the_rest_of_its_run_keeps_the_dates_it_held(unit: Callable[..., Any]) -> None:
    """A duty on two days, canceled on the second before its shift is over: the first day still counts."""
    first_day = NOW - timedelta(days=1)

    def plan() -> tuple[UUID, UUID]:
        scene = make_scene()
        shifts = [{"starts_at": start, "ends_at": start + timedelta(hours=1)} for start in (first_day, NOW)]
        activity = activities.create_activity(
            by=scene.leader_id,
            title="文明交通劝导",
            category=Category.TRAFFIC_GUIDANCE,
            organization_id=scene.office_id,
            shifts=shifts,
        )
        activities.publish(activity)
        return scene.center_id, activity.id

    def attend(activity_id: UUID) -> None:
        volunteer_id = make_volunteer().id
        evidence = {"client_time": clock.now()}
        shift_id = shift_ids_of(activity_id)[0]
        attended = attendance.check_in(volunteer_id=volunteer_id, shift_id=shift_id, evidence=evidence)
        with clock.at(first_day + timedelta(minutes=30)):
            attendance.check_out(attendance=attended, evidence={"client_time": clock.now()})

    with clock.at(first_day - timedelta(days=1)):
        center_id, activity_id = unit(plan)
    with clock.at(first_day):
        unit(lambda: attend(activity_id))
    with clock.at(NOW + timedelta(minutes=10)):
        before = unit(lambda: [value_of(metric, center_id) for metric in Metric])
        unit(lambda: activities.cancel(db.session.get_one(Activity, activity_id), reason="下雨"))
        assert unit(lambda: [value_of(metric, center_id) for metric in Metric]) == before
        assert unit(lambda: value_of(Metric.ACTIVITY_COUNT, center_id)) == 1


def test_checking_in_four_times_to_one_shift_is_one_attendance(unit: Callable[..., Any]) -> None:
    def work() -> tuple[int, int]:
        center = make_organization()
        turn = Turn(NOW - timedelta(days=1), present=[(0, State.HELD, 0)] * 4 + [(1, State.CREDITED, 30)])
        write(Happening(turns=[turn]), center, [make_volunteer().id, make_volunteer().id])
        return value_of(Metric.ATTENDANCE_COUNT, center.id), value_of(Metric.VOLUNTEER_COUNT, center.id)

    with clock.at(NOW):
        assert unit(work) == (2, 2)


@pytest.mark.parametrize("key", ["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"])
@pytest.mark.both_databases
def test_local_days_agree_with_the_zone(
    app: Flask, change_settings: Callable[..., None], unit: Callable[..., Any], key: str
) -> None:
    zone = ZoneInfo(key)
    change_settings(app, zone=zone)
    # Hours around the clocks' changes of Berlin, St. John's and, in 1986, Shanghai.
    begins = [
        datetime(*day, tzinfo=UTC) for day in ((1986, 5, 3), (1986, 9, 13), (2026, 3, 7), (2026, 3, 28), (2026, 10, 24))
    ]
    moments = [start + timedelta(minutes=30 * step) for start in begins for step in range(96)]

    def days() -> list[tuple[datetime, Any]]:
        center = make_organization()
        write(Happening(turns=[Turn(moment) for moment in moments]), center, [make_volunteer().id])
        return [(row[0], row[1]) for row in db.session.execute(select(Shift.starts_at, local_day(Shift.starts_at)))]

    found = unit(days)
    assert len(found) == len(moments)
    assert all(str(day) == moment.astimezone(zone).date().isoformat() for moment, day in found)


def test_offsets_of_a_zone_without_daylight_saving_are_one() -> None:
    assert offsets("Etc/GMT-8", 2027) == (8 * 3600, ())


def test_teams_and_stations_are_credited_with_what_was_theirs(unit: Callable[..., Any]) -> None:
    def work() -> list[tuple[int, int]]:
        scene = make_scene()
        office = db.session.get_one(Organization, scene.office_id)
        moment = clock.now() - timedelta(days=1)
        happening = Happening(turns=[Turn(moment, present=[(0, State.CREDITED, 40), (1, State.REJECTED, 0)])])
        write(happening, office, [scene.leader_id, scene.member_id], team_id=scene.team_id, station_id=scene.station_id)
        write(happening, office, [scene.leader_id, scene.member_id])
        query = {"scope": scene.center_id}
        return [
            (row.value, row.rank)
            for subject in (Subject.TEAM, Subject.STATION)
            for metric in Metric
            for row in service.rank(query | {"subject": subject, "metric": metric}).items
        ]

    assert unit(work) == [(1, 1), (1, 1), (1, 1), (40, 1)] * 2


def test_places_of_every_kind_add_up_to_their_scope(unit: Callable[..., Any]) -> None:
    """The center held three of its own, of which two for a team; an office two; two stations one each, one of
    them for the team."""

    def work() -> dict[str, tuple[int, int, int]]:
        tree = build_tree()
        team = make_team(organization_id=tree[0].id)
        for organization, for_team in ((0, True), (0, True), (0, False), (1, False), (1, False), (3, True), (5, False)):
            once = Happening(turns=[Turn(NOW - timedelta(days=1), present=[(0, State.HELD, 0)])])
            values = {"team_id": team.id} if for_team else {}
            write(once, tree[organization], [make_volunteer().id], **values)
        found = {}
        levels = [{"subject": Subject.ORGANIZATION, "level": level} for level in (None, *OrganizationKind)]
        for query in (*levels, {"subject": Subject.TEAM}, {"subject": Subject.STATION}):
            ranking = service.rank({**query, "metric": Metric.ACTIVITY_COUNT, "scope": tree[0].id})
            assert ranking.additive
            assert ranking.scope is not None
            told = sum(row.value for row in ranking.items), ranking.scope["elsewhere"], ranking.scope["value"]
            found[query.get("level", query["subject"]) or "children"] = told
        return found

    with clock.at(NOW):
        assert unit(work) == {
            "children": (4, 3, 7),
            "city_office": (0, 7, 7),
            "practice_center": (7, 0, 7),
            "practice_office": (4, 3, 7),
            "practice_station": (2, 5, 7),
            "unit": (0, 7, 7),
            "team": (3, 4, 7),
            "station": (0, 7, 7),
        }


def test_a_page_without_places_tells_what_all_of_them_have(unit: Callable[..., Any]) -> None:
    """A page behind the last place, whose row has gone since it was read."""

    def work() -> tuple[int, Any]:
        tree = build_tree()
        once = Happening(turns=[Turn(NOW - timedelta(days=1), present=[(0, State.HELD, 0)])])
        write(once, tree[1], [make_volunteer().id])
        query = {"subject": Subject.ORGANIZATION, "metric": Metric.ACTIVITY_COUNT, "scope": tree[0].id, "limit": 1}
        cursor = service.rank(query).next_cursor
        tree[2].closed_at = clock.now()
        db.session.flush()
        page = service.rank({**query, "cursor": cursor})
        return len(page.items), page.scope and page.scope["elsewhere"]

    with clock.at(NOW):
        assert unit(work) == (0, 0)


@pytest.mark.parametrize("subject", [Subject.TEAM, Subject.STATION])
def test_what_is_closed_keeps_its_place_only_with_something(unit: Callable[..., Any], subject: Subject) -> None:
    def make() -> tuple[UUID, list[UUID]]:
        center = make_organization()
        if subject is Subject.TEAM:
            several: list[Any] = [make_team(organization_id=center.id) for _ in range(3)]
        else:
            several = [make_station(organization_id=center.id) for _ in range(3)]
        name = "team_id" if subject is Subject.TEAM else "station_id"
        turn = Turn(clock.now() - timedelta(days=1), present=[(0, State.HELD, 0)])
        write(Happening(turns=[turn]), center, [make_volunteer().id], **{name: several[0].id})
        for one in several[:2]:
            if subject is Subject.TEAM:
                one.closed_at = clock.now()
            else:
                one.status = StationStatus.CLOSED
        return center.id, [one.id for one in several]

    center_id, ids = unit(make)
    query = {"scope": center_id, "subject": subject, "metric": Metric.ATTENDANCE_COUNT}
    items = unit(lambda: service.rank(query).items)
    assert [(row.subject["id"], row.value) for row in items] == [(ids[0], 1), (ids[2], 0)]
