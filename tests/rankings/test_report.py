"""What the monthly report of an organization says, before it is set on paper."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.factories import make_volunteer
from tests.organizations.factories import make_organization
from tests.rankings.factories import Happening, Turn, write
from tests.stations.factories import make_station
from tests.teams.factories import make_team
from volunteer_api.attendance.models import State
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.periods import parse_period
from volunteer_api.hours.models import ServiceRecord, Source
from volunteer_api.organizations import structure
from volunteer_api.organizations.models import Division, Organization, OrganizationKind
from volunteer_api.rankings import report, snapshots
from volunteer_api.stations import service as stations
from volunteer_api.stations.models import Station, StationStatus

Unit = Callable[..., Any]
NOW = datetime(2026, 12, 8, 4, 0, tzinfo=UTC)
# The first and the last hour of November, and the hours beside them, on the clock of Shanghai.
FIRST, LAST = datetime(2026, 10, 31, 16, 0, tzinfo=UTC), datetime(2026, 11, 30, 15, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def data_of(organization_id: UUID, month: str = "2026-11") -> dict[str, Any]:
    """What the template is given."""
    made = report.monthly_report(db.session.get_one(Organization, organization_id), parse_period(month))
    assert isinstance(made.content, partial)
    data: dict[str, Any] = made.content.args[1]
    return data


@pytest.fixture
def center_id(unit: Unit) -> UUID:
    """A center of 700 residents; of it an office held three activities in November, two in October, one in December."""

    def work() -> UUID:
        db.session.add(Division(code="4104", parent_code=None, level="city", name="市", initials="s", pinyin="shi"))
        db.session.flush()
        center = make_organization(name="卫东区实践中心")
        center.division_code, center.resident_count = "4104", 700
        office = make_organization(parent_id=center.id, kind=OrganizationKind.PRACTICE_OFFICE, name="五一路街道")
        people = [make_volunteer(home_division="4104").id, make_volunteer(home_division="4104").id]
        team = make_team(organization_id=office.id, name="鹰城大妈")
        for starts_at in (FIRST - 40 * HOUR, FIRST - HOUR, FIRST, FIRST + 48 * HOUR, LAST, LAST + HOUR):
            present = [(number, State.CREDITED, 30) for number in range(2)]
            write(Happening(turns=[Turn(starts_at, present=present)]), office, people, team_id=team.id)
        return center.id

    with clock.at(NOW):
        found: UUID = unit(work)
    return found


def test_figures_are_of_the_month_against_the_one_before(unit: Unit, center_id: UUID) -> None:
    with clock.at(NOW):
        data = unit(lambda: data_of(center_id))
    assert [(one["value"], one["change"]) for one in data["figures"]] == [
        ("3", "较上月 +1"),
        ("6", "较上月 +2"),
        ("2", "与上月持平"),
        ("180", "较上月 +60"),
    ]
    assert data["lines"][0] == "2026-11-01 至 2026-11-30"
    assert data["lines"][-1] == "目前注册志愿者 2 人，占常住人口 700 人的 0.2%"
    parts, activities, _, teams, desks = data["tables"]
    assert parts["rows"][0] == ["五一路街道", "3", "6", "2", "180"]
    assert parts["rows"][-1][1:] == ["3", "6", "2", "180"]
    assert [row[2] for row in activities["rows"]] == ["2", "2", "2"]
    assert (teams["rows"], desks["rows"]) == ([["1", "鹰城大妈", "6"]], [])


def test_what_was_published_stands_beside_the_figures_of_now(unit: Unit, center_id: UUID) -> None:
    def published(office_id: UUID) -> list[Any]:
        tables = unit(lambda: data_of(office_id))["tables"]
        return [tables[0]["heading"], *tables[0]["rows"]] if len(tables) == 6 else []

    def close() -> UUID:
        center = db.session.get_one(Organization, center_id)
        snapshots.close_period(scope=center, period=parse_period("2026-11"), by=make_volunteer().id)
        return db.session.scalars(select(Organization.id).where(Organization.parent_id == center_id)).one()

    def hold_late(office_id: UUID) -> None:
        office = db.session.get_one(Organization, office_id)
        turn = Turn(FIRST + 100 * HOUR, present=[(0, State.CREDITED, 45)])
        write(Happening(turns=[turn]), office, [make_volunteer().id])

    with clock.at(NOW):
        assert published(center_id) == []
        assert "暂定，至2026-12-14" in unit(lambda: data_of(center_id))["lines"]
        office_id = unit(close)
        unit(lambda: hold_late(office_id))
        for one in (center_id, office_id):
            assert published(one) == [
                "公布数 · 结榜于2026-12-08 12:00 · 暂定，至2026-12-14",
                ["活动场次", "3", "4", "+1"],
                ["服务人次", "6", "7", "+1"],
                ["参与人数", "2", "3", "+1"],
                ["计入时长（分钟）", "180", "225", "+45"],
            ]
    with clock.at(NOW + 240 * HOUR):
        unit(close)
        assert published(office_id)[:2] == ["公布数 · 结榜于2026-12-18 12:00", ["活动场次", "4", "4", "+0"]]
        assert not [line for line in unit(lambda: data_of(center_id))["lines"] if "暂定" in line]


def test_its_pictures_are_of_the_month_and_of_half_a_year(unit: Unit, center_id: UUID) -> None:
    with clock.at(NOW):
        bars, weeks = unit(lambda: data_of(center_id))["pictures"]
    assert "五一路街道" in bars
    assert ">3</text>" in bars
    days = [part.split("</title>")[0] for part in weeks.split("<title>")[2:]]
    assert [day for day in days if not day.endswith(": 0")] == [
        "2026-10-30: 1",
        "2026-10-31: 1",
        "2026-11-01: 1",
        "2026-11-03: 1",
        "2026-11-30: 1",
    ]
    assert days[-1] == "2026-11-30: 1"


def test_only_stations_that_were_open_in_the_month_are_told_as_idle(unit: Unit, center_id: UUID) -> None:
    def station(name: str, *changes: tuple[datetime, StationStatus], set_up: datetime, **values: Any) -> Station:
        with clock.at(set_up):
            made = make_station(organization_id=center_id, name=name, **values)
        for moment, status in changes:
            with clock.at(moment):
                stations.change_station(made, status=status, status_reason="装修")
        return made

    def work() -> None:
        long_ago, meanwhile, later = FIRST - 2000 * HOUR, FIRST + 50 * HOUR, LAST + 2 * HOUR
        station("一直开放", set_up=long_ago)
        station("月中开放", (meanwhile, StationStatus.OPEN), set_up=long_ago, status=StationStatus.PLANNED)
        station("月中停用", (meanwhile, StationStatus.PAUSED), set_up=long_ago)
        station("后来关闭", (later, StationStatus.CLOSED), set_up=long_ago)
        station("一直停用", (FIRST - HOUR, StationStatus.PAUSED), (later, StationStatus.OPEN), set_up=long_ago)
        station("后来设立", set_up=later)
        station("尚在筹建", (later, StationStatus.OPEN), set_up=long_ago, status=StationStatus.PLANNED)
        desk = station("有人值守", set_up=long_ago)
        center = db.session.get_one(Organization, center_id)
        values = {"source": Source.ATTENDED, "content": "值守", "on": clock.local_date(meanwhile)}
        db.session.add(
            ServiceRecord(
                volunteer_id=make_volunteer().id,
                minutes=2000,
                station_id=desk.id,
                organization_id=center.id,
                organization_path_id=center.path_id,
                starts_at=meanwhile,
                ends_at=meanwhile + 40 * HOUR,
                **values,
            )
        )
        busy = station("办了活动", set_up=long_ago)
        turn = Turn(FIRST + HOUR, present=[(0, State.CREDITED, 30)])
        write(Happening(turns=[turn]), center, [make_volunteer().id], station_id=busy.id)

    with clock.at(NOW):
        unit(work)
        told = unit(lambda: data_of(center_id))["idle"]["text"]
    assert sorted(told.split("、")) == sorted(
        ["一直开放", "月中开放", "月中停用", "后来关闭", "有人值守（值守 2,000 分钟）"]
    )


def test_a_station_that_moved_is_not_idle_where_it_came(unit: Unit, center_id: UUID) -> None:
    """What it held belongs to where it stood then; that it held nothing would be untrue wherever it stands now."""

    def work() -> None:
        center = db.session.get_one(Organization, center_id)
        with clock.at(FIRST - 2000 * HOUR):
            desk = make_station(organization_id=center_id, name="搬走的服务台")
        turn = Turn(FIRST + HOUR, present=[(0, State.CREDITED, 30)])
        write(Happening(turns=[turn]), center, [make_volunteer().id], station_id=desk.id)
        office = db.session.scalars(select(Organization).where(Organization.parent_id == center_id)).one()
        desk.organization_id = office.id

    with clock.at(NOW):
        unit(work)
        office_id = unit(lambda: db.session.scalar(select(Organization.id).where(Organization.parent_id == center_id)))
        for one in (office_id, center_id):
            assert unit(lambda: data_of(one))["idle"]["text"] == "无。", one  # noqa: B023


def test_what_came_later_is_not_listed_with_nothing(client: Any, unit: Unit, center_id: UUID) -> None:
    """In November the station stood below the other office: there it has its month, and here it would look idle."""

    def work() -> tuple[UUID, UUID]:
        before, after = (
            make_organization(parent_id=center_id, kind=OrganizationKind.PRACTICE_OFFICE) for _ in range(2)
        )
        place = make_organization(parent_id=before.id, kind=OrganizationKind.PRACTICE_STATION)
        desk = make_station(organization_id=place.id, name="社区服务台")
        turn = Turn(FIRST + HOUR, present=[(0, State.CREDITED, 30)])
        write(Happening(turns=[turn]), place, [make_volunteer().id], station_id=desk.id)
        make_station(organization_id=place.id, name="图书角")
        return before.id, after.id

    with clock.at(FIRST - 2000 * HOUR):
        before_id, after_id = unit(work)
    with clock.at(NOW - HOUR):
        unit(lambda: structure.merge(db.session.get_one(Organization, before_id), into_id=after_id))

    def listed(scope: UUID, more: str, period: str = "2026-11") -> list[tuple[str, int]]:
        items = client.get(f"/rankings?{more}&scope={scope}&period={period}").get_json()["items"]
        return [(row["subject"]["name"], row["value"]) for row in items]

    with clock.at(NOW):
        assert listed(after_id, "subject=station") == []
        assert listed(before_id, "subject=station") == [("社区服务台", 1), ("图书角", 0)]
        assert {name for name, _ in listed(after_id, "subject=station", "2026-12")} == {"社区服务台", "图书角"}
        assert listed(after_id, "subject=organization") == []
        assert len(listed(after_id, "subject=organization", "2026-12")) == 1


def test_what_was_not_founded_yet_is_in_no_past_month(unit: Unit, center_id: UUID) -> None:
    def found_late() -> None:
        make_organization(parent_id=center_id, kind=OrganizationKind.PRACTICE_OFFICE, name="新城街道")

    with clock.at(NOW):
        unit(found_late)
        november, december = (unit(partial(data_of, center_id, month))["tables"][0] for month in ("2026-11", "2026-12"))
    assert [row[0] for row in november["rows"]] == ["五一路街道", "本级", "合计"]
    assert [row[0] for row in december["rows"]] == ["五一路街道", "新城街道", "本级", "合计"]


def test_a_month_that_runs_is_drawn_to_today(unit: Unit, center_id: UUID) -> None:
    with clock.at(NOW):
        heat_map = unit(lambda: data_of(center_id, "2026-12"))["pictures"][-1]
    assert "<title>2026-12-08: " in heat_map
    assert "<title>2026-12-09: " not in heat_map


def test_what_was_merged_says_so_and_has_no_empty_picture(unit: Unit, center_id: UUID) -> None:
    def merge() -> UUID:
        office = db.session.scalars(select(Organization).where(Organization.parent_id == center_id)).one()
        successor = make_organization(parent_id=center_id, kind=OrganizationKind.PRACTICE_OFFICE, name="东环路街道")
        return structure.merge(office, into_id=successor.id).id

    with clock.at(NOW):
        office_id = unit(merge)
        data, whole = (unit(lambda: data_of(one)) for one in (office_id, center_id))  # noqa: B023
    assert [row[0] for row in whole["tables"][0]["rows"]] == ["五一路街道（已合并）", "本级", "合计"]
    assert "已于2026-12-08并入东环路街道" in data["lines"]
    assert len(data["pictures"]) == 1
