"""What is counted adds up, on every level and in every form, whatever happened: against a plain count of the rows."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import openpyxl
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.factories import make_volunteer
from tests.rankings.factories import Happening, Turn, move, write
from tests.rankings.test_service import build_tree
from tests.stations.factories import make_station
from tests.teams.factories import make_team
from volunteer_api.activities import service as activities
from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.downloads import Download
from volunteer_api.core.periods import parse_period
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.hours import service as hours
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.organizations.models import Organization, OrganizationKind
from volunteer_api.rankings import files, service, snapshots, statistics
from volunteer_api.rankings.models import RankingSnapshot
from volunteer_api.rankings.schemas import Metric, Subject
from volunteer_api.stations.models import Station
from volunteer_api.teams.models import Team

pytestmark = pytest.mark.both_databases

# Half an hour before midnight in Shanghai.
BEGIN = datetime(2026, 10, 31, 15, 30, tzinfo=UTC)
ADDITIVE = (Metric.ACTIVITY_COUNT, Metric.ATTENDANCE_COUNT, Metric.CREDITED_MINUTES)
# At which level each metric of a snapshot is looked at: all of them are closed, and reading takes the time.
LEVELS = (
    OrganizationKind.PRACTICE_OFFICE,
    OrganizationKind.PRACTICE_STATION,
    OrganizationKind.PRACTICE_OFFICE,
    OrganizationKind.PRACTICE_CENTER,
)
PEOPLE = 4
PLACES = st.integers(min_value=0, max_value=5)
ANY = st.integers(min_value=0, max_value=30)
SHIFTS = st.builds(
    lambda hours_away, minutes, people: Turn(
        BEGIN + timedelta(hours=hours_away), minutes, present=[(person, State.CREDITED, 20) for person in people]
    ),
    st.integers(min_value=-12, max_value=6),
    st.sampled_from([30, 600, 600]),
    # Nobody attends a shift twice.
    st.lists(st.integers(min_value=0, max_value=PEOPLE - 1), min_size=1, max_size=3, unique=True),
)
HELD = st.tuples(st.just("hold"), PLACES, st.lists(SHIFTS, min_size=1, max_size=2), st.booleans(), st.booleans())
EVENTS = st.one_of(
    HELD,
    st.tuples(st.sampled_from(["reject", "reverse", "cancel", "complete"]), ANY),
    st.tuples(st.just("move_organization"), st.integers(min_value=0, max_value=2)),
    st.tuples(st.sampled_from(["move_team", "move_station"]), PLACES),
    st.tuples(st.just("pass"), st.integers(min_value=1, max_value=12)),
)
HISTORIES = st.builds(
    # What was running or to come when it was canceled is over at the end.
    lambda *parts: [*(event for part in parts for event in part), ("pass", 18)],
    st.lists(HELD, min_size=4, max_size=6),
    st.lists(EVENTS, min_size=10, max_size=16),
)


@dataclass
class City:
    """A tree of six with a team and a station, and for each activity whose it was as it was written, upwards."""

    tree: list[Organization]
    team: Team
    station: Station
    people: list[UUID]
    now: datetime = BEGIN
    paths: dict[UUID, tuple[UUID, ...]] = field(default_factory=dict)

    def path_of(self, organization: Organization) -> tuple[UUID, ...]:
        parents = {one.id: one.parent_id for one in self.tree}
        path, above = [organization.id], organization.parent_id
        while above is not None:
            path.append(above)
            above = parents[above]
        return tuple(path)


def build() -> City:
    tree = build_tree()
    return City(
        tree,
        make_team(organization_id=tree[1].id),
        make_station(organization_id=tree[1].id),
        [make_volunteer().id for _ in range(PEOPLE)],
    )


def happen(city: City, events: Sequence[tuple[Any, ...]]) -> None:
    for event in events:
        with clock.at(city.now):
            apply(city, event)


def apply(city: City, event: tuple[Any, ...]) -> None:
    """Let something happen; what is not possible does not."""
    match event:
        case ("hold", place, turns, by_team, at_station):
            organization = city.tree[place]
            values = {"team_id": city.team.id} if by_team else {}
            values |= {"station_id": city.station.id} if at_station else {}
            activity = write(Happening(ActivityState.PUBLISHED, turns), organization, city.people, **values)
            city.paths[activity.id] = city.path_of(organization)
        case ("reverse" | "reject", number):
            take_back(number, rejected=event[0] == "reject")
        case ("cancel" | "complete", number):
            end(city, number, canceled=event[0] == "cancel")
        case ("move_organization", place):
            # The last of them has none below it.
            move(city.tree[5], city.tree[place])
        case ("move_team", place):
            city.team.organization_id = city.tree[place].id
        case ("move_station", place):
            city.station.organization_id = city.tree[place].id
        case ("pass", count):
            city.now += timedelta(hours=count)
    db.session.flush()


def take_back(number: int, *, rejected: bool) -> None:
    attended = all_of(Attendance)
    if not attended:
        return
    attendance = attended[number % len(attended)]
    record = hours.standing_of(attendance.id)
    if record is not None:
        hours.reverse(record_id=record.id, reason="记错", actor_id=make_volunteer().id)
    if rejected:
        attendance.state, attendance.credited_minutes = State.REJECTED, 0


def end(city: City, number: int, *, canceled: bool) -> None:
    """Cancel an activity of which something is left, or complete it, before its time or long after it."""
    running = [one for one in all_of(Activity) if one.state == ActivityState.PUBLISHED]
    if not running:
        return
    activity = running[number % len(running)]
    shifts = [shift for shift in all_of(Shift) if shift.activity_id == activity.id]
    if canceled and any(shift.ends_at > city.now for shift in shifts):
        activities.cancel(activity, reason="下雨")
    elif not canceled and any(shift.starts_at < city.now for shift in shifts):
        activities.complete(activity, cancel_rest=True)


def all_of(model: type[Any]) -> Sequence[Any]:
    return db.session.scalars(select(model).order_by(model.id)).all()


def plain(
    metric: Metric, now: datetime, belongs: Callable[[Activity], bool], first: date = date.min, last: date = date.max
) -> int:
    """Rankings 2 of domain.md, word by word, over the rows of the activities that belong, on some local days."""
    own = {activity.id: activity for activity in all_of(Activity) if belongs(activity)}
    if metric is Metric.CREDITED_MINUTES:
        return sum(
            record.minutes
            for record in all_of(ServiceRecord)
            if record.activity_id in own and first <= record.on <= last
        )
    came: dict[UUID, set[UUID]] = {}
    for attendance in all_of(Attendance):
        if attendance.state != State.REJECTED:
            came.setdefault(attendance.shift_id, set()).add(attendance.volunteer_id)
    held = [
        shift
        for shift in all_of(Shift)
        if shift.activity_id in own
        and shift.canceled_at is None
        and (shift.ends_at <= now or own[shift.activity_id].state == ActivityState.COMPLETED)
        and shift.id in came
        and first <= clock.local_date(shift.starts_at) <= last
    ]
    match metric:
        case Metric.ACTIVITY_COUNT:
            return len({(shift.activity_id, clock.local_date(shift.starts_at)) for shift in held})
        case Metric.ATTENDANCE_COUNT:
            return sum(len(came[shift.id]) for shift in held)
        case _:
            return len({person for shift in held for person in came[shift.id]})


def query(subject: Subject, metric: Metric, scope: UUID) -> dict[str, Any]:
    return {"subject": subject, "metric": metric, "scope": scope, "limit": 100}


def check_drill_down(city: City, metric: Metric) -> None:
    """On every level: own + children = parent, and each is what the plain count says."""
    # The center, both offices, and the station that moves.
    for number in (0, 1, 2, 5):
        scope = city.tree[number].id
        ranking = service.rank(query(Subject.ORGANIZATION, metric, scope))
        assert ranking.scope is not None
        assert ranking.scope["value"] == plain(metric, city.now, lambda one, at=scope: at in city.paths[one.id])
        assert ranking.scope["own"] == plain(metric, city.now, lambda one, at=scope: city.paths[one.id][0] == at)
        for row in ranking.items:
            edge = (row.subject["id"], scope)
            assert row.value == plain(metric, city.now, lambda one, edge=edge: edge in pairs(city.paths[one.id]))
        if metric in ADDITIVE:
            assert ranking.scope["own"] + sum(row.value for row in ranking.items) == ranking.scope["value"]


def check_levels(city: City, metric: Metric) -> None:
    """At every level of the center, of some days: each is what the plain count says; with the rest they are its value.

    A month and a day are folded as such, two days are put together from what is.
    """
    center, day = city.tree[0].id, date(2026, 10, 31)
    for level, first, last in (
        (OrganizationKind.PRACTICE_CENTER, day, day),
        (OrganizationKind.PRACTICE_OFFICE, day, day + timedelta(days=1)),
        (OrganizationKind.PRACTICE_STATION, date(2026, 11, 1), date(2026, 11, 30)),
    ):
        asked = query(Subject.ORGANIZATION, metric, center) | {"level": level, "first": first, "last": last}
        ranking = service.rank(asked)
        assert ranking.items
        for row in ranking.items:
            above = {row.subject["id"], center}
            expected = plain(metric, city.now, lambda one, above=above: above <= set(city.paths[one.id]), first, last)
            assert row.value == expected
        check_remainder(metric, ranking)


def check_remainder(metric: Metric, ranking: service.Ranking) -> None:
    assert ranking.scope is not None
    assert ranking.additive == (metric in ADDITIVE)
    if ranking.additive:
        assert sum(row.value for row in ranking.items) + ranking.scope["elsewhere"] == ranking.scope["value"]
        assert ranking.scope["elsewhere"] >= 0


def pairs(path: tuple[UUID, ...]) -> Iterator[tuple[UUID, UUID]]:
    """Each with the one right above it."""
    return pairwise(path)


def check_places(city: City, metric: Metric) -> None:
    """A team and a station have what was published for them, below each scope as it was then."""
    for subject, name, place in ((Subject.TEAM, "team_id", city.team), (Subject.STATION, "station_id", city.station)):
        # The center, and the office where they were at first.
        for scope in (city.tree[0].id, city.tree[1].id):
            ranking = service.rank(query(subject, metric, scope))
            check_remainder(metric, ranking)
            found = {row.subject["id"]: row.value for row in ranking.items}
            expected = plain(
                metric,
                city.now,
                lambda one, at=scope, name=name, of=place.id: getattr(one, name) == of and at in city.paths[one.id],
            )
            assert found.get(place.id, 0) == expected
            assert set(found) <= {place.id}


def check_forms(city: City, metric: Metric) -> None:
    """The files, the picture and the statistics say what the ranking says."""
    asked = query(Subject.ORGANIZATION, metric, city.tree[0].id)
    ranking = service.rank(asked)
    rows = [[row.rank, row.subject["name"], row.value, row.own] for row in ranking.items]
    table = list(csv.reader(io.StringIO(content(files.ranking_csv(asked)).decode("utf-8-sig"))))
    assert [line[:4] for line in table[1:]] == [[str(cell) for cell in row] for row in rows]
    assert workbook_rows(asked, len(rows)) == rows
    picture = ET.fromstring(files.draw_ranking(service.question_of(asked), 20))  # our own picture
    told = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert [f"{row.value:,}" for row in ranking.items] == told[4 : 4 + 3 * len(rows) : 3]
    found = statistics.read_statistics({"scope": city.tree[0].id})
    assert ranking.scope is not None
    assert found.totals[metric] == ranking.scope["value"]
    if metric in ADDITIVE:
        assert sum(part[metric] for part in found.by_period) == ranking.scope["value"]
        assert sum(part[metric] for part in found.by_category) == ranking.scope["value"]


def workbook_rows(asked: dict[str, Any], count: int) -> list[list[Any]]:
    sheet = openpyxl.load_workbook(io.BytesIO(content(files.ranking_workbook(asked)))).worksheets[0]
    lines = [list(line) for line in sheet.iter_rows(values_only=True)]
    header = next(number for number, line in enumerate(lines) if line[0] == "名次")
    return lines[header + 1 : header + 1 + count]


def content(download: Download) -> bytes:
    return download.content() if callable(download.content) else download.content


def check_closing(city: City, afterwards: Sequence[tuple[Any, ...]]) -> None:
    """What is closed stands; whatever comes afterwards is told beside it, of each and so of all."""
    center, asked = city.tree[0], list(zip(Metric, LEVELS, strict=True))
    closed = snapshots.close_period(scope=center, period=parse_period("2026-10"), by=city.people[0])
    snapshot = db.session.get_one(RankingSnapshot, closed.id)
    then = {one: told(snapshot, *one) for one in asked}
    happen(city, afterwards)
    for metric, level in asked:
        with clock.at(city.now):
            now = told(snapshot, metric, level)
        assert {key: value for key, (value, _) in then[metric, level].items()} == {
            key: value for key, (value, _) in now.items() if key in then[metric, level]
        }
        for subject_id, (value, live) in now.items():
            above = {subject_id, center.id}
            assert live == plain(
                metric, city.now, lambda one, above=above: above <= set(city.paths[one.id]), last=date(2026, 10, 31)
            )
            assert (subject_id in then[metric, level]) or value == 0


def told(snapshot: RankingSnapshot, metric: Metric, level: OrganizationKind) -> dict[UUID, tuple[int, int]]:
    """Of each organization of a level what it had at the closing, and what it has now."""
    found = snapshots.read_whole(snapshot, {"subject": Subject.ORGANIZATION, "metric": metric, "level": level}, 100)
    assert all(item["adjustment"] == item["live"] - item["value"] for item in found.items)
    return {item["subject"]["id"]: (item["value"], item["live"]) for item in found.items}


def check(history: Sequence[tuple[Any, ...]], afterwards: Sequence[tuple[Any, ...]]) -> None:
    with clock.at(BEGIN - timedelta(days=60)):
        city = build()
    happen(city, history)
    with clock.at(city.now):
        for metric in Metric:
            check_drill_down(city, metric)
            check_levels(city, metric)
            check_places(city, metric)
            check_forms(city, metric)
        check_closing(city, afterwards)


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORIES, afterwards=st.lists(EVENTS, min_size=2, max_size=5))
def test_whatever_happens_it_adds_up(
    app: Flask, history: Sequence[tuple[Any, ...]], afterwards: Sequence[tuple[Any, ...]]
) -> None:
    with app.app_context():
        run_unit(lambda: check(history, afterwards), writes=False)
