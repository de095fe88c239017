"""Stations in races."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import ApiClient
from tests.organizations.factories import make_district
from tests.stations.factories import make_station
from volunteer_api.core import ids
from volunteer_api.core.problems import NotFound


def test_a_station_needs_an_organization(app: Any) -> None:
    with pytest.raises(NotFound):
        make_station(organization_id=ids.new_id())


def test_of_editors_at_once_one_wins(
    postgresql_client: ApiClient, race: Callable[[int, Callable[[int], Any]], list[Any]]
) -> None:
    district = make_district()
    station = make_station(organization_id=district.practice_station.id)
    caller = postgresql_client.as_(district.organizer)
    answers = race(8, lambda number: caller.patch(f"/stations/{station.id}", json={"name": f"名{number}"}, version=1))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7


def test_one_code_at_once_is_taken_once(
    postgresql_client: ApiClient, race: Callable[[int, Callable[[int], Any]], list[Any]]
) -> None:
    district = make_district()
    caller = postgresql_client.as_(district.organizer)
    body = {
        "code": "WD-001",
        "name": "服务台",
        "kind": "desk",
        "organization_id": str(district.office.id),
        "place": {"lat": 33.7, "lng": 113.3},
        "address": "建设路1号",
    }
    answers = race(8, lambda _: caller.post("/stations", json=body))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert {answer.json["code"] for answer in answers if answer.status_code == 409} == {"station_code_taken"}
