"""When a station is open: by the clock, by exceptions, on holidays, through the night; in Python and in SQL alike."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.conftest import ApiClient, share_of
from tests.factories import unit_of
from tests.organizations.factories import make_district
from tests.stations.factories import WORKDAYS, make_station
from volunteer_api.core import clock, holidays
from volunteer_api.core.database import db
from volunteer_api.stations import opening, queries, service, views
from volunteer_api.stations.models import HolidayRule, Station, StationStatus

UNKNOWN = holidays.LAST_YEAR + 1
ZONE = ZoneInfo("Asia/Shanghai")
EVERY_DAY = [{"weekday": weekday, "opens": "08:00", "closes": "18:00"} for weekday in range(1, 8)]
NIGHTS = [{"weekday": weekday, "opens": "20:00", "closes": "02:00"} for weekday in range(1, 8)]
ALWAYS = [{"weekday": weekday, "opens": "00:00", "closes": "24:00"} for weekday in range(1, 8)]


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def outlook(
    hours: list[Any], moment: str, exceptions: Any = (), rule: HolidayRule = HolidayRule.REGULAR
) -> tuple[bool, str | None, str | None]:
    """Whether open, when it closes, when it opens, in local time."""
    found = opening.outlook(opening.Schedule(hours, exceptions, rule), local(moment), ZONE)
    shown = [None if at is None else f"{at.astimezone(ZONE):%m-%d %H:%M}" for at in (found.closes_at, found.opens_at)]
    return found.is_open, shown[0], shown[1]


def closed_on(first: str, last: str | None = None, hours: Any = ()) -> dict[str, Any]:
    return {"first_on": first, "last_on": last or first, "hours": list(hours), "note": None}


@pytest.mark.parametrize(
    ("hours", "moment", "expected"),
    [
        # 2026-11-23 is a Monday.
        (WORKDAYS, "2026-11-23T07:59", (False, None, "11-23 08:00")),
        (WORKDAYS, "2026-11-23T08:00", (True, "11-23 18:00", None)),
        (WORKDAYS, "2026-11-23T17:59:59", (True, "11-23 18:00", None)),
        (WORKDAYS, "2026-11-23T18:00", (False, None, "11-24 08:00")),
        (WORKDAYS, "2026-11-27T18:00", (False, None, "11-30 08:00")),
        (NIGHTS, "2026-11-23T23:59", (True, "11-24 02:00", None)),
        (NIGHTS, "2026-11-24T01:59", (True, "11-24 02:00", None)),
        (NIGHTS, "2026-11-24T02:00", (False, None, "11-24 20:00")),
        (ALWAYS, "2026-11-23T23:59", (True, None, None)),
        (ALWAYS[:2], "2026-11-23T12:00", (True, "11-25 00:00", None)),
        ([], "2026-11-23T12:00", (False, None, None)),
    ],
)
def test_weekly_hours(hours: list[Any], moment: str, expected: Any) -> None:
    assert outlook(hours, moment) == expected


@pytest.mark.parametrize(
    ("exceptions", "moment", "expected"),
    [
        ([closed_on("2026-11-23")], "2026-11-23T12:00", (False, None, "11-24 08:00")),
        ([closed_on("2026-11-23", "2026-11-25")], "2026-11-24T12:00", (False, None, "11-26 08:00")),
        (
            [closed_on("2026-11-23", hours=[{"opens": "13:00", "closes": "15:00"}])],
            "2026-11-23T12:00",
            (False, None, "11-23 13:00"),
        ),
        ([closed_on("2026-11-23", "2027-11-23")], "2026-11-23T12:00", (False, None, None)),
    ],
)
def test_an_exception_replaces_the_day(exceptions: Any, moment: str, expected: Any) -> None:
    assert outlook(EVERY_DAY, moment, exceptions) == expected


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    assert outlook(NIGHTS, "2026-11-24T01:00", [closed_on("2026-11-24")])[0]
    assert not outlook(NIGHTS, "2026-11-25T01:00", [closed_on("2026-11-24")])[0]


@pytest.mark.parametrize(
    ("rule", "day", "expected"),
    [
        # National Day, a Thursday; 10 October is a Saturday that is worked.
        (HolidayRule.REGULAR, "2026-10-01", 4),
        (HolidayRule.CLOSED, "2026-10-01", None),
        (HolidayRule.OFFICE, "2026-10-01", None),
        (HolidayRule.SUNDAY, "2026-10-01", 7),
        (HolidayRule.REGULAR, "2026-10-10", 6),
        (HolidayRule.CLOSED, "2026-10-10", 6),
        (HolidayRule.OFFICE, "2026-10-10", 1),
        (HolidayRule.SUNDAY, "2026-10-10", 1),
        (HolidayRule.OFFICE, "2026-10-08", 4),
        # Of a year that is not announced, the fixed dates count and nothing else does.
        (HolidayRule.OFFICE, f"{UNKNOWN}-10-01", None),
        (HolidayRule.OFFICE, f"{UNKNOWN}-02-06", date(UNKNOWN, 2, 6).isoweekday()),
    ],
)
def test_the_holiday_rule_says_whose_hours_a_day_has(rule: HolidayRule, day: str, expected: int | None) -> None:
    assert opening.weekday_of(rule, date.fromisoformat(day)) == expected


def test_an_exception_counts_on_a_holiday_too() -> None:
    special = [closed_on("2026-10-01", hours=[{"opens": "10:00", "closes": "12:00"}])]
    assert outlook(WORKDAYS, "2026-10-01T11:00", special, HolidayRule.OFFICE)[0]
    assert outlook(WORKDAYS, "2026-10-01T11:00", [], HolidayRule.OFFICE) == (False, None, "10-08 08:00")


time_of_day = st.integers(0, 1439).map(lambda minute: f"{minute // 60:02d}:{minute % 60:02d}")
span = st.tuples(time_of_day, st.one_of(time_of_day, st.just("24:00"))).filter(lambda pair: pair[0] != pair[1])
DAYS = [date(2026, 9, 28) + timedelta(days=number) for number in range(16)]


@st.composite
def schedules(draw: Any) -> dict[str, Any]:
    weekly = [
        {"weekday": weekday, "opens": pair[0], "closes": pair[1]}
        for weekday in range(1, 8)
        for pair in draw(st.lists(span, max_size=1))
    ]
    exceptions = []
    for number in draw(st.sets(st.integers(0, len(DAYS) - 2), max_size=3)):
        if not any(one["first_on"] <= DAYS[number] <= one["last_on"] for one in exceptions):
            hours = [{"opens": pair[0], "closes": pair[1]} for pair in draw(st.lists(span, max_size=1))]
            exceptions.append({"first_on": DAYS[number], "last_on": DAYS[number], "hours": hours, "note": None})
    return {"opening_hours": weekly, "hour_exceptions": exceptions, "holiday_rule": draw(st.sampled_from(HolidayRule))}


@settings(max_examples=share_of(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(schedule=schedules(), minutes=st.lists(st.integers(0, 15 * 1440), min_size=1, max_size=6))
def test_sql_and_python_agree(app: Flask, schedule: dict[str, Any], minutes: list[int]) -> None:
    """Over National Day 2026 with its moved workday, for any hours and exceptions."""

    def work() -> None:
        station = make_station(organization_id=make_district().center.id, **schedule)
        for minute in minutes:
            moment = datetime.combine(DAYS[0], datetime.min.time(), ZONE) + timedelta(minutes=minute)
            statement = select(Station.id).where(Station.id == station.id, *queries.filters(open_at=moment))
            in_sql = db.session.scalar(statement) is not None
            assert in_sql == opening.outlook(views.schedule_of(station), moment, ZONE).is_open, moment
        db.session.rollback()

    unit_of(app)(work)


@given(schedule=schedules(), minute=st.integers(0, 14 * 1440))
def test_what_is_promised_comes(schedule: dict[str, Any], minute: int) -> None:
    """At `closes_at` it is closed, at `opens_at` open, and in between nothing changes."""
    kept = [
        one | {name: one[name].isoformat() for name in ("first_on", "last_on")} for one in schedule["hour_exceptions"]
    ]
    plan = opening.Schedule(schedule["opening_hours"], kept, schedule["holiday_rule"])
    now = datetime.combine(DAYS[0], datetime.min.time(), ZONE) + timedelta(minutes=minute)
    found = opening.outlook(plan, now, ZONE)
    change = found.closes_at if found.is_open else found.opens_at
    if change is not None:
        assert change > now
        assert opening.outlook(plan, change, ZONE).is_open is not found.is_open
        for share in (0.1, 0.5, 0.99):
            assert opening.outlook(plan, now + (change - now) * share, ZONE).is_open is found.is_open


class TestByHttp:
    @pytest.mark.both_databases
    def test_the_list_knows_who_is_open_then(self, client: ApiClient) -> None:
        place = make_district().practice_station.id
        make_station(organization_id=place, code="DAY1", opening_hours=EVERY_DAY)
        make_station(organization_id=place, code="NIGHT1", opening_hours=NIGHTS)
        make_station(organization_id=place, code="PAUSED1", opening_hours=ALWAYS, status=StationStatus.PAUSED)

        def codes(moment: str, **query: str) -> list[str]:
            query |= {"open_at": local(moment).astimezone(UTC).isoformat().replace("+00:00", "Z")}
            return [item["code"] for item in client.get("/stations", query_string=query).json["items"]]

        assert codes("2026-11-23T12:00") == ["DAY1"]
        assert codes("2026-11-24T01:00") == ["NIGHT1"]
        assert codes("2026-11-24T01:00", near="33.7,113.3") == ["NIGHT1"]
        assert codes("2026-11-23T19:00") == []
        assert client.get("/stations?open_at=2026-11-23T12:00:00").status_code == 422

    @pytest.mark.both_databases
    def test_pages_by_time_neither_skip_nor_repeat(self, client: ApiClient) -> None:
        place = make_district().practice_station.id
        made = [
            make_station(
                organization_id=place, latitude=33.7 + number / 1000, opening_hours=NIGHTS if number % 3 else EVERY_DAY
            )
            for number in range(15)
        ]
        found: list[str] = []
        cursor = ""
        while True:
            path = f"/stations?near=33.7,113.33&limit=2&open_at=2026-11-23T04:00:00Z{cursor}"
            answer = client.get(path).json
            found += [item["id"] for item in answer["items"]]
            if answer["next_cursor"] is None:
                break
            cursor = f"&cursor={answer['next_cursor']}"
        assert found == [str(station.id) for station in made[::3]]

    @pytest.mark.both_databases
    def test_a_read_says_what_comes_next(self, client: ApiClient) -> None:
        station = make_station(organization_id=make_district().practice_station.id, opening_hours=NIGHTS)
        with clock.at(local("2026-11-23T21:00")):
            shown = client.get(f"/stations/{station.id}").json
        assert (shown["open_now"], shown["closes_at"], shown["opens_at"]) == (True, "2026-11-23T18:00:00Z", None)
        with clock.at(local("2026-11-23T12:00")):
            shown = client.get(f"/stations/{station.id}").json
        assert (shown["open_now"], shown["closes_at"], shown["opens_at"]) == (False, None, "2026-11-23T12:00:00Z")
        assert shown["holidays_known_through"] == holidays.known_through().isoformat()

    @pytest.mark.parametrize(
        ("body", "pointer", "code"),
        [
            ({"opening_hours": [{"weekday": 1, "opens": "08:00", "closes": "08:00"}]}, "/opening_hours/0/closes", None),
            ({"opening_hours": [{"weekday": 1, "opens": "08:00", "closes": "07:00"}]}, "/opening_hours/0/closes", None),
            (
                {"opening_hours": [*NIGHTS[:1], {"weekday": 2, "opens": "01:00", "closes": "09:00"}]},
                "/opening_hours",
                "hours_overlap",
            ),
            (
                {"opening_hours": [NIGHTS[6], {"weekday": 1, "opens": "01:00", "closes": "09:00"}]},
                "/opening_hours",
                "hours_overlap",
            ),
            ({"hour_exceptions": [{"from": "2026-12-02", "to": "2026-12-01"}]}, "/hour_exceptions/0/to", None),
            ({"hour_exceptions": [{"from": "2026-12-02", "to": "2028-12-01"}]}, "/hour_exceptions/0/to", None),
            (
                {"hour_exceptions": [{"from": "2026-12-01", "to": "2026-12-05"}, {"from": "2026-12-05"}]},
                "/hour_exceptions",
                "exceptions_overlap",
            ),
            ({"hour_exceptions": [{"to": "2026-12-01"}]}, "/hour_exceptions/0/from", "required"),
            ({"holiday_rule": "never"}, "/holiday_rule", "not_choice"),
        ],
    )
    def test_bad_hours(self, client: ApiClient, body: dict[str, Any], pointer: str, code: str | None) -> None:
        district = make_district()
        station = make_station(organization_id=district.practice_station.id)
        answer = client.as_(district.organizer).patch(f"/stations/{station.id}", json=body, version=1)
        assert answer.status_code == 422
        assert answer.json["errors"][0]["pointer"] == pointer
        assert code in (None, answer.json["errors"][0]["code"])

    def test_exceptions_come_back_as_they_were_given(self, client: ApiClient) -> None:
        district = make_district()
        station = make_station(organization_id=district.practice_station.id, opening_hours=EVERY_DAY)
        path, organizer = f"/stations/{station.id}", client.as_(district.organizer)
        given = [
            {"from": "2026-11-23", "to": "2026-11-24", "hours": [], "note": "盘点"},
            {"from": "2026-12-31", "to": "2026-12-31", "hours": [{"opens": "20:00", "closes": "02:00"}], "note": None},
        ]
        changed = organizer.patch(path, json={"hour_exceptions": given, "holiday_rule": "office"}, version=1)
        assert changed.status_code == 200, changed.json
        assert changed.json["hour_exceptions"] == given
        assert client.get(path).json["holiday_rule"] == "office"
        listed = "/stations?open_at=2026-11-23T04:00:00Z"
        assert client.get(listed).json["items"] == []
        assert organizer.patch(path, json={"hour_exceptions": []}, version=2).status_code == 200
        assert len(client.get(listed).json["items"]) == 1


def test_hours_can_be_changed_many_times(unit: Callable[[Callable[[], Any]], Any]) -> None:
    def work() -> list[int]:
        station = make_station(organization_id=make_district().center.id, opening_hours=EVERY_DAY)
        service.change_station(station, opening_hours=NIGHTS[:2])
        service.change_station(station, hour_exceptions=[closed_on("2026-11-23")])
        return [station.first_minute, station.last_minute]

    assert unit(work) == [1200, 1560]
