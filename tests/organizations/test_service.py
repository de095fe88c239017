"""The tree, its paths, the divisions' file, and rights in races."""

import csv
from collections.abc import Callable
from importlib import resources
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.conftest import ApiClient
from tests.factories import make_volunteer
from tests.organizations.factories import DISTRICT_ROWS, make_district, make_grant
from tests.stations.factories import make_station
from volunteer_api.core import ids
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.organizations import access, divisions, grants, queries, service
from volunteer_api.organizations.access import Permission
from volunteer_api.organizations.models import Division, Grant, Organization, PathMember, Role
from volunteer_api.organizations.problems import ImportRefused

Unit = Callable[[Callable[[], Any]], Any]


def city_rows() -> list[dict[str, str | None]]:
    """The rows of the file that the package brings along."""
    file = resources.files("volunteer_api.organizations") / "data" / "pingdingshan-divisions.csv"
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def test_the_whole_city_and_its_district_as_a_network(unit: Unit) -> None:
    assert unit(lambda: divisions.import_divisions(city_rows())) == 2989
    assert unit(lambda: divisions.import_divisions(city_rows())) == 2989
    assert unit(lambda: db.session.scalar(select(func.count()).select_from(Division))) == 2989
    network = unit(lambda: service.build_network("410403"))
    assert (len(network.offices), len(network.stations)) == (12, 58)
    again = unit(lambda: service.build_network("410403"))
    assert [station.id for station in again.stations] == [station.id for station in network.stations]
    names = {station.name for station in network.stations}
    assert {"河西社区新时代文明实践站", "吕庄村新时代文明实践站", "魏寨村新时代文明实践站"} <= names


def test_an_import_renames_what_is_known(unit: Unit) -> None:
    unit(lambda: divisions.import_divisions(DISTRICT_ROWS))
    unit(lambda: divisions.import_divisions([{**DISTRICT_ROWS[1], "name": "卫东新区"}]))
    assert unit(lambda: db.session.get(Division, "410403")).name == "卫东新区"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"code": "41040x", "parent_code": "4104", "level": "district", "name": "某区"}, "is not 6 digits"),
        ({"code": "410404", "parent_code": "4103", "level": "district", "name": "某区"}, "must be 4104"),
        ({"code": "410404", "parent_code": "4104", "level": "village", "name": "某区"}, "the level 'village'"),
        ({"code": "410404", "parent_code": "4104", "level": "district", "name": " "}, "the name is empty"),
        ({"code": "410403", "parent_code": "4104", "level": "district", "name": "某区"}, "stands on line 3 already"),
        ({"code": "510404", "parent_code": "5104", "level": "district", "name": "某区"}, "is neither in the file"),
        ({"code": "410404", "parent_code": None, "level": "district"}, "must be 4104"),
    ],
)
def test_a_bad_row_refuses_the_whole_file_and_names_its_line(
    unit: Unit, row: dict[str, str | None], reason: str
) -> None:
    with pytest.raises(ImportRefused, match=reason) as caught:
        unit(lambda: divisions.import_divisions([*DISTRICT_ROWS, row]))
    assert caught.value.line == len(DISTRICT_ROWS) + 2
    assert unit(lambda: db.session.scalar(select(func.count()).select_from(Division))) == 0


def test_a_network_needs_a_district(unit: Unit) -> None:
    unit(lambda: divisions.import_divisions(DISTRICT_ROWS))
    for code in ("410403001", "999999", "4104"):
        with pytest.raises(NotFound):
            unit(lambda code=code: service.build_network(code))


def test_every_organization_has_the_path_to_its_root(unit: Unit) -> None:
    district = make_district()
    station = district.practice_station
    path = unit(
        lambda: db.session.execute(
            select(PathMember.ancestor_id, PathMember.depth)
            .where(PathMember.path_id == station.path_id)
            .order_by(PathMember.depth)
        ).all()
    )
    assert [tuple(row) for row in path] == [(station.id, 0), (district.office.id, 1), (district.center.id, 2)]
    below = unit(lambda: set(db.session.scalars(queries.subtree_ids(district.office.id))))
    assert below == {district.office.id, *(one.id for one in district.practice_stations[:2])}
    assert len(unit(lambda: db.session.scalars(queries.path_ids_under(district.center.id)).all())) == 7


def test_rights_flow_down_and_never_up_or_sideways(unit: Unit) -> None:
    district = make_district()
    organizer = district.organizer.id
    expected = {
        district.office.id: True,
        district.practice_stations[1].id: True,
        district.center.id: False,
        district.other_office.id: False,
        district.practice_stations[2].id: False,
    }
    for organization_id, allowed in expected.items():
        can = unit(
            lambda place=organization_id: access.can(organizer, Permission.ACTIVITY_PUBLISH, organization_id=place)
        )
        assert can is allowed
    permitted = unit(
        lambda: set(db.session.scalars(access.permitted_organization_ids(organizer, Permission.TEAM_MANAGE)))
    )
    assert permitted == {place for place, allowed in expected.items() if allowed} | {district.practice_station.id}


def test_a_station_manager_has_her_station_only(unit: Unit, statements: Callable[[], Any]) -> None:
    district = make_district()
    station = make_station(organization_id=district.practice_station.id)
    other = make_station(organization_id=district.practice_station.id)
    manager = make_volunteer()
    make_grant(manager, Role.STATION_MANAGER, station.id)
    principal = Principal(volunteer_id=manager.id, session_id=ids.new_id())
    scope = {"organization_id": district.practice_station.id, "station_id": station.id}
    with statements() as seen:
        unit(lambda: access.require(principal, Permission.STOCK_MOVE, **scope))
    assert len(seen) == 1
    with pytest.raises(Forbidden):
        unit(lambda: access.require(principal, Permission.ACTIVITY_CREATE, **scope))
    with pytest.raises(NotFound):
        unit(lambda: access.require(principal, Permission.STOCK_MOVE, **scope | {"station_id": other.id}))


def test_every_role_has_its_permissions() -> None:
    assert set(access.ROLE_PERMISSIONS) == set(Role) == set(grants.ROLE_RANKS)
    assert access.roles_with(Permission.STOCK_READ) == list(Role)


def test_twenty_grants_at_once_are_one(
    postgresql_client: ApiClient,
    postgresql_unit: Unit,
    race: Callable[[int, Callable[[int], Any]], list[Any]],
) -> None:
    district = make_district()
    caller = postgresql_client.as_(district.organizer)
    body = {
        "volunteer_id": str(district.outsider.id),
        "role": "organizer",
        "scope": {"type": "organization", "id": str(district.practice_station.id)},
    }
    answers = race(20, lambda _: caller.post("/grants", json=body))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert {answer.json["code"] for answer in answers if answer.status_code == 409} == {"already_granted"}
    live = select(func.count()).select_from(Grant).where(Grant.volunteer_id == district.outsider.id)
    assert postgresql_unit(lambda: db.session.scalar(live)) == 1


def test_two_organizations_of_one_name_at_once(
    postgresql_client: ApiClient,
    postgresql_unit: Unit,
    race: Callable[[int, Callable[[int], Any]], list[Any]],
) -> None:
    district = make_district()
    caller = postgresql_client.as_(district.organizer)
    body = {"parent_id": str(district.office.id), "kind": "unit", "name": "第一小学"}
    answers = race(8, lambda _: caller.post("/organizations", json=body))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    made = select(func.count()).select_from(Organization).where(Organization.name == "第一小学")
    assert postgresql_unit(lambda: db.session.scalar(made)) == 1
