"""The demo district loads once, and shows something on every screen.

On PostgreSQL: tests/test_readme.py walks through it on SQLite.
"""

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from volunteer_api.accounts.models import Volunteer
from volunteer_api.accounts.service import find_by_phone
from volunteer_api.activities import outcome_kinds
from volunteer_api.activities.models import Activity, Unit
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.geo import meters_between
from volunteer_api.demo import load_demo
from volunteer_api.demo.program import THEMES
from volunteer_api.demo.stage import ADMINISTRATOR, ORGANIZER, STATION_MANAGER, TEAM_LEADER, VOLUNTEER
from volunteer_api.inventory.models import Movement
from volunteer_api.organizations.models import Division, Organization, OrganizationKind
from volunteer_api.stations.models import Station

NEAR = "near=33.735,113.335"
ROLES = {
    ADMINISTRATOR: ("administrator", "卫东区新时代文明实践中心"),
    ORGANIZER: ("organizer", "五一路街道新时代文明实践所"),
    STATION_MANAGER: ("station_manager", "河西社区志愿服务台"),
    TEAM_LEADER: ("leader", "鹰城大妈"),
    VOLUNTEER: ("member", "鹰城大妈"),
}
# The three that the newspaper names, the default seven, and the picture guide.
FIRST_AID_BOX = (
    *("碘伏", "棉签", "无菌纱布", "创可贴", "弹性绷带", "医用胶布", "一次性手套", "体温计", "冰袋", "剪刀"),
    "心肺复苏图示",
)
TODAY = "五一路街道文明交通劝导（今日班次）"


@pytest.fixture
def loaded(postgresql_unit: Callable[..., Any]) -> list[tuple[int, int]]:
    """What was reported while the demo was loaded."""
    reports: list[tuple[int, int]] = []
    assert postgresql_unit(lambda: load_demo(lambda done, total: reports.append((done, total)))) is True
    return reports


def test_the_demo_fills_every_screen(
    loaded: list[tuple[int, int]], postgresql_client: Any, postgresql_unit: Callable[..., Any]
) -> None:
    # One test, because loading takes its seconds.
    client, unit = postgresql_client, postgresql_unit
    check_progress(loaded)
    check_network(unit(count_rows))
    check_loaded_once(unit)
    for phone, (role, scope) in ROLES.items():
        check_screens(client.as_(unit(lambda phone=phone: find_by_phone(phone))), role, scope)
    check_rankings(client)
    check_home_desk(client.as_(unit(lambda: find_by_phone(STATION_MANAGER))), unit(clock.today))
    check_other_desks(client.as_(unit(lambda: find_by_phone(ADMINISTRATOR))))
    phones = {phone: client.as_(unit(lambda phone=phone: find_by_phone(phone))) for phone in ROLES}
    check_loans(phones[STATION_MANAGER], phones[VOLUNTEER])
    check_today(phones)
    check_volunteer(phones[VOLUNTEER])
    check_leader(phones[TEAM_LEADER])
    check_paper(phones)
    check_people(unit)
    check_places(unit)


def count_rows() -> dict[str, int]:
    """How much of the network there is."""
    kinds = db.session.execute(select(Organization.kind, func.count()).group_by(Organization.kind))
    counts = {str(kind): int(count) for kind, count in kinds}
    for model in (Division, Station, Movement):
        counts[model.__tablename__] = db.session.scalar(select(func.count()).select_from(model)) or 0
    return counts


def check_progress(reports: list[tuple[int, int]]) -> None:
    total = reports[0][1]
    assert reports == [(done, total) for done in range(total + 1)]


def check_network(counts: dict[str, int]) -> None:
    assert counts.pop("movements") > counts["stations"]
    assert counts == {
        OrganizationKind.PRACTICE_CENTER: 1,
        OrganizationKind.PRACTICE_OFFICE: 12,
        OrganizationKind.PRACTICE_STATION: 58,
        "divisions": 2989,
        "stations": 59,
    }


def check_loaded_once(unit: Callable[..., Any]) -> None:
    before = unit(count_rows)
    assert unit(lambda: load_demo(lambda _done, _total: None)) is False
    assert unit(count_rows) == before


def check_screens(phone: Any, role: str, scope: str) -> None:
    home = phone.get(f"/me/home?{NEAR}").get_json()
    assert home["next_sign_ups"]
    assert len(home["nearby_stations"]) == 3
    grants = phone.get("/me/grants").get_json()["items"]
    if role != "member":
        assert (role, scope) in {(grant["role"], grant["scope"]["name"]) for grant in grants}
    if role in ("leader", "member"):
        assert home["tally"]["credited_minutes"] > 0
        assert phone.get("/me/notifications").get_json()["items"]
        assert scope in {team["name"] for team in phone.get("/teams?mine=true").get_json()["items"]}


def check_rankings(client: Any) -> None:
    offices = client.get("/rankings?subject=organization&level=practice_office").get_json()["items"]
    assert len(offices) == 12
    assert len({item["value"] for item in offices}) > 3
    center = client.get("/rankings?subject=organization&level=practice_center").get_json()["items"][0]
    assert center["own"] + sum(item["value"] for item in offices) == center["value"]


def check_home_desk(manager: Any, today: date) -> None:
    desk = manager.get("/stations?q=河西社区").get_json()["items"][0]
    stock = manager.get(f"/stations/{desk['id']}/stock?limit=100").get_json()["items"]
    assert {"打气筒", "轮椅", "碘伏", "针线包"} <= {row["item"]["name"] for row in stock}
    assert set(FIRST_AID_BOX) <= {row["item"]["name"] for row in stock}
    states = Counter(row["state"] for row in stock)
    # Of one item a lot is used up, and another one is on its way.
    assert (states["near_expiry"], states["expired"], states["empty"]) == (1, 1, 2)
    near = next(row for row in stock if row["state"] == "near_expiry")
    assert date.fromisoformat(near["expires_on"]) == today + timedelta(days=20)
    assert {row["item"]["name"] for row in stock if row["state"] == "empty"} == {"弹性绷带"}
    (coming,) = manager.get(f"/transfers?station_id={desk['id']}").get_json()["items"]
    assert (coming["state"], coming["to_station"]["id"]) == ("shipped", desk["id"])
    assert {row["item"]["name"]: row["in_transit"] for row in stock if row["in_transit"]} == {
        "弹性绷带": 1,
        "针线包": 1,
    }
    kinds = {entry["kind"] for entry in manager.get(f"/stations/{desk['id']}/stock/entries").get_json()["items"]}
    assert {"receipt", "issue"} <= kinds


def check_paper(phones: dict[str, Any]) -> None:
    """Hours that wait for the organizer's word, and a volunteer who does not agree with hers."""
    (office,) = phones[ORGANIZER].get("/me/grants").get_json()["items"]
    waiting = phones[ORGANIZER].get(f"/service-records?organization_id={office['scope']['id']}&state=pending")
    assert [one["recorder_name"] for one in waiting.get_json()["items"]] == ["王桂兰"]
    (mine,) = phones[VOLUNTEER].get("/disputes").get_json()["items"]
    assert (mine["state"], mine["claimed_minutes"]) == ("open", 120)


def check_loans(manager: Any, volunteer: Any) -> None:
    loans = manager.get("/loans").get_json()["items"]
    assert Counter((loan["state"], loan["overdue"]) for loan in loans) == {
        ("open", True): 2,
        ("open", False): 1,
        ("closed", False): 1,
    }
    assert {loan["borrower"]["kind"] for loan in loans} == {"passer_by", "volunteer"}
    (wheelchair,) = manager.get("/assets").get_json()["items"]
    assert (wheelchair["item"]["name"], wheelchair["state"]) == ("轮椅", "in_stock")
    (mine,) = volunteer.get("/me/loans").get_json()["items"]
    assert mine["overdue"] is True


def check_other_desks(administrator: Any) -> None:
    desks = administrator.get("/stations?limit=100").get_json()["items"]
    states: Counter[str] = Counter()
    for desk in desks[:20]:
        rows = administrator.get(f"/stations/{desk['id']}/stock?limit=100").get_json()["items"]
        states.update(row["state"] for row in rows)
    assert states["near_expiry"] > 1
    assert states["expired"] > 1
    assert states["ok"] > states["near_expiry"] + states["expired"]


def check_today(phones: dict[str, Any]) -> None:
    """One shift runs now: the volunteer is there, its leader is awaited, and others can still come."""
    for phone in (VOLUNTEER, TEAM_LEADER):
        assert phones[phone].get("/me/home").get_json()["next_sign_ups"][0]["activity"]["title"] == TODAY
    for phone in (TEAM_LEADER, STATION_MANAGER, ORGANIZER, ADMINISTRATOR):
        assert phones[phone].get("/me/home").get_json()["open_attendance"] is None
    organizer = phones[ORGANIZER]
    grant = organizer.get("/me/grants").get_json()["items"][0]
    query = f"organization_id={grant['scope']['id']}&open=true&q=今日班次"
    (found,) = organizer.get(f"/activities?{query}").get_json()["items"]
    (shift,) = organizer.get(f"/activities/{found['id']}").get_json()["shifts"]
    assert (shift["capacity"], shift["confirmed_count"]) == (10, 4)
    assert shift["can_sign_up"] is True
    for phone in (ORGANIZER, TEAM_LEADER):
        present = phones[phone].get(f"/shifts/{shift['id']}/attendances").get_json()["items"]
        assert [one["state"] for one in present] == ["open"] * 3


def check_volunteer(phone: Any) -> None:
    home = phone.get("/me/home").get_json()
    attending = home["open_attendance"]
    assert (attending["activity"]["title"], attending["state"], attending["grade"]) == (TODAY, "open", "strong")
    assert home["tally"]["held_minutes"] > 0
    assert home["unread_count"] > 0
    held = [one for one in phone.get("/me/attendances").get_json()["items"] if one["state"] == "held"]
    assert any(reason["code"] == "weak_evidence" for one in held for reason in one["reasons"])
    assert sum(one["held_minutes"] for one in held) == home["tally"]["held_minutes"]
    kinds = {one["kind"] for one in phone.get("/me/notifications").get_json()["items"] if one["read_at"] is None}
    assert "activity_canceled" in kinds


def check_leader(phone: Any) -> None:
    assert phone.get("/me/home").get_json()["unread_count"] > 0
    kinds = {one["kind"] for one in phone.get("/me/notifications").get_json()["items"] if one["read_at"] is None}
    assert {"activity_canceled", "activity_returned"} <= kinds


def check_people(unit: Callable[..., Any]) -> None:
    names = unit(lambda: list(db.session.scalars(select(Volunteer.name))))
    assert len(set(names)) == len(names)


def check_places(unit: Callable[..., Any]) -> None:
    """An office's activities take place among its stations."""

    def farthest() -> float:
        found = []
        offices = select(Organization).where(Organization.kind == OrganizationKind.PRACTICE_OFFICE)
        for office in db.session.scalars(offices).all():
            below = select(Organization.id).where(Organization.parent_id == office.id)
            stations = db.session.scalars(select(Station).where(Station.organization_id.in_(below))).all()
            for activity in db.session.scalars(select(Activity).where(Activity.organization_id == office.id)):
                assert activity.latitude is not None
                assert activity.longitude is not None
                here = (activity.latitude, activity.longitude)
                found.append(max(meters_between(here, (one.latitude, one.longitude)) for one in stations))
        return max(found)

    assert unit(farthest) < 1000


def test_outcomes_of_the_demo_are_in_words_and_units_that_the_report_knows() -> None:
    assert {theme.outcome[2] for theme in THEMES} <= set(Unit)
    assert {theme.outcome[0] for theme in THEMES} <= outcome_kinds.KINDS.keys()
