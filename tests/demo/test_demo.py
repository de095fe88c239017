"""The demo district loads on both databases, once, and shows something on every screen."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from volunteer_api.accounts.service import find_by_phone
from volunteer_api.core.database import db
from volunteer_api.demo import load_demo
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


@pytest.fixture
def loaded(app: Flask, unit: Callable[..., Any]) -> list[tuple[int, int]]:
    """What was reported while the demo was loaded."""
    reports: list[tuple[int, int]] = []
    assert unit(lambda: load_demo(lambda done, total: reports.append((done, total)))) is True
    return reports


def test_the_demo_fills_every_screen(loaded: list[tuple[int, int]], client: Any, unit: Callable[..., Any]) -> None:
    # One test, because loading takes its seconds.
    check_progress(loaded)
    check_network(unit(count_rows))
    check_loaded_once(unit)
    for phone, (role, scope) in ROLES.items():
        check_screens(client.as_(unit(lambda phone=phone: find_by_phone(phone))), role, scope)
    check_rankings(client)
    check_home_desk(client.as_(unit(lambda: find_by_phone(STATION_MANAGER))))


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


def check_home_desk(manager: Any) -> None:
    desk = manager.get("/stations?q=河西社区").get_json()["items"][0]
    stock = manager.get(f"/stations/{desk['id']}/stock?limit=100").get_json()["items"]
    assert {"打气筒", "轮椅", "碘伏", "针线包"} <= {row["item"]["name"] for row in stock}
    kinds = {entry["kind"] for entry in manager.get(f"/stations/{desk['id']}/stock/entries").get_json()["items"]}
    assert {"receipt", "issue"} <= kinds
