"""Stations by HTTP."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.conftest import ApiClient
from tests.factories import make_volunteer
from tests.organizations.factories import District, make_district, make_grant
from tests.stations.factories import make_station
from volunteer_api.core import clock
from volunteer_api.organizations.models import Role
from volunteer_api.stations.models import StationKind, StationStatus

HERE = "33.7350,113.3300"


@pytest.fixture
def district(app: Any) -> District:
    return make_district()


class TestNearMe:
    def test_the_nearest_first_with_distances_in_two_statements(
        self, client: ApiClient, district: District, statements: Callable[[], Any]
    ) -> None:
        far = make_station(organization_id=district.practice_station.id, latitude=33.79, longitude=113.41)
        near = make_station(organization_id=district.practice_station.id, latitude=33.736)
        here = make_station(organization_id=district.practice_station.id)
        with statements() as seen:
            answer = client.get(f"/stations?near={HERE}")
        found = [(item["id"], item["distance_m"]) for item in answer.json["items"]]
        # 111 m and 9,599 m by GeographicLib.
        assert found[:2] == [(str(here.id), 0), (str(near.id), 111)]
        assert found[2][0] == str(far.id)
        assert found[2][1] == pytest.approx(9599, abs=5)
        assert len(seen) == 2

    def test_a_radius_is_a_circle_and_no_box(self, client: ApiClient, district: District) -> None:
        # 0.006 degrees each way: 667 m north and 556 m east, 869 m away, inside the box of 800 m.
        make_station(organization_id=district.practice_station.id, latitude=33.741, longitude=113.336)
        inside = make_station(organization_id=district.practice_station.id, latitude=33.741)
        answer = client.get(f"/stations?near={HERE}&radius_m=800")
        assert [item["id"] for item in answer.json["items"]] == [str(inside.id)]

    @pytest.mark.parametrize("spread", [0.0, 0.0001])
    @pytest.mark.both_databases
    def test_pages_neither_skip_nor_repeat(self, client: ApiClient, district: District, spread: float) -> None:
        made = {
            str(make_station(organization_id=district.practice_station.id, latitude=33.7 + number * spread).id)
            for number in range(7)
        }
        found: list[str] = []
        distances: list[int] = []
        path, cursor = f"/stations?near={HERE}&limit=2", ""
        while True:
            answer = client.get(path + cursor).json
            found += [item["id"] for item in answer["items"]]
            distances += [item["distance_m"] for item in answer["items"]]
            if answer["next_cursor"] is None:
                break
            cursor = f"&cursor={answer['next_cursor']}"
        assert set(found) == made
        assert len(found) == 7
        assert distances == sorted(distances)

    def test_a_cursor_belongs_to_its_place(self, client: ApiClient, district: District) -> None:
        for _ in range(3):
            make_station(organization_id=district.practice_station.id)
        cursor = client.get(f"/stations?near={HERE}&limit=1").json["next_cursor"]
        assert client.get(f"/stations?near=33.7,113.3&limit=1&cursor={cursor}").status_code == 400

    @pytest.mark.parametrize("near", ["90,180", "-90,0", "0,-180", "89.999999,10"])
    @pytest.mark.both_databases
    def test_the_ends_of_the_world_are_answered(self, client: ApiClient, district: District, near: str) -> None:
        make_station(organization_id=district.practice_station.id)
        assert client.get(f"/stations?near={near}&radius_m=200000").status_code == 200

    @pytest.mark.parametrize(
        "query", ["near=91,0", "near=33.7", "near=33.7,x", "radius_m=500", "near=33.7,113.3&radius_m=0", "kind=tent"]
    )
    def test_bad_filters(self, client: ApiClient, query: str) -> None:
        assert client.get(f"/stations?{query}").status_code == 422


class TestFilters:
    def test_an_organization_takes_in_its_subtree(
        self, client: ApiClient, district: District, statements: Callable[[], Any]
    ) -> None:
        first = make_station(organization_id=district.practice_station.id, code="A1")
        second = make_station(organization_id=district.office.id, code="A2")
        third = make_station(organization_id=district.practice_stations[3].id, code="A3")
        expected = {
            district.practice_station.id: [first],
            district.office.id: [first, second],
            district.other_office.id: [third],
            district.center.id: [first, second, third],
        }
        for organization_id, stations in expected.items():
            with statements() as seen:
                answer = client.get(f"/stations?organization_id={organization_id}")
            assert [item["code"] for item in answer.json["items"]] == [station.code for station in stations]
            assert [item["distance_m"] for item in answer.json["items"]] == [None] * len(stations)
            assert len(seen) == 1

    def test_kind_status_and_text(self, client: ApiClient, district: District) -> None:
        place = district.practice_station.id
        make_station(organization_id=place, code="DESK1", name="50%_off")
        make_station(organization_id=place, code="ROOM1", kind=StationKind.READING_ROOM, name="鹰城书屋")
        make_station(organization_id=place, code="OLD1", status=StationStatus.CLOSED)

        def codes(**query: str) -> list[str]:
            return [item["code"] for item in client.get("/stations", query_string=query).json["items"]]

        assert codes() == ["DESK1", "ROOM1"]
        assert codes(kind="reading_room") == ["ROOM1"]
        assert codes(status="closed") == ["OLD1"]
        assert codes(q="书屋") == ["ROOM1"]
        assert codes(q="desk") == ["DESK1"]
        assert codes(q="%_") == ["DESK1"]
        assert codes(q="0_o") == []


@pytest.mark.parametrize(
    ("local", "status", "expected"),
    [
        ("2026-11-23T07:59", StationStatus.OPEN, False),
        ("2026-11-23T08:00", StationStatus.OPEN, True),
        ("2026-11-23T17:59", StationStatus.OPEN, True),
        ("2026-11-23T18:00", StationStatus.OPEN, False),
        ("2026-11-22T12:00", StationStatus.OPEN, False),
        ("2026-11-23T12:00", StationStatus.PAUSED, False),
    ],
)
@pytest.mark.both_databases
def test_open_now_goes_by_the_local_clock(
    client: ApiClient, district: District, local: str, status: StationStatus, expected: bool
) -> None:
    station = make_station(organization_id=district.practice_station.id, status=status)
    with clock.at(datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("Asia/Shanghai"))):
        assert client.get(f"/stations/{station.id}").json["open_now"] is expected


def test_a_read_carries_a_tag_and_is_not_sent_twice(client: ApiClient, district: District) -> None:
    station = make_station(organization_id=district.practice_station.id)
    first = client.get(f"/stations/{station.id}")
    assert first.headers["ETag"].startswith('"1-')
    again = client.get(f"/stations/{station.id}", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert client.get(f"/stations/{district.center.id}").status_code == 404


class TestSetUp:
    def body(self, district: District, **changes: Any) -> dict[str, Any]:
        return {
            "code": "WD-001",
            "name": "河西社区服务台",
            "kind": "desk",
            "organization_id": str(district.practice_station.id),
            "place": {"lat": 33.7350, "lng": 113.3300},
            "address": "建设路1号",
            "opening_hours": [{"weekday": 1, "opens": "08:00", "closes": "24:00"}],
            "services": ["hot_water", "wifi"],
        } | changes

    def test_anonymous(self, client: ApiClient, district: District) -> None:
        assert client.post("/stations", json=self.body(district)).status_code == 401

    @pytest.mark.parametrize("who", ["outsider", "other_organizer"])
    def test_outsider(self, client: ApiClient, district: District, who: str) -> None:
        assert client.as_(getattr(district, who)).post("/stations", json=self.body(district)).status_code == 404

    def test_wrong_role(self, client: ApiClient, district: District) -> None:
        assert client.as_(district.auditor).post("/stations", json=self.body(district)).status_code == 403

    def test_success(self, client: ApiClient, district: District) -> None:
        answer = client.as_(district.organizer).post("/stations", json=self.body(district))
        assert answer.status_code == 201
        members = self.body(district)
        assert {name: answer.json[name] for name in members} == members
        assert client.get(f"/stations/{answer.json['id']}").json["version"] == 1

    def test_a_code_is_made_up_and_taken_once(self, client: ApiClient, district: District) -> None:
        organizer, body = client.as_(district.organizer), self.body(district)
        assert organizer.post("/stations", json=body).status_code == 201
        taken = organizer.post("/stations", json=body)
        assert (taken.status_code, taken.json["code"]) == (409, "station_code_taken")
        del body["code"]
        assert len(organizer.post("/stations", json=body).json["code"]) == 6

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"place": {"lat": 91, "lng": 0}}, "/place/lat"),
            ({"code": "a b"}, "/code"),
            ({"opening_hours": [{"weekday": 8, "opens": "08:00", "closes": "18:00"}]}, "/opening_hours/0/weekday"),
            ({"opening_hours": [{"weekday": 1, "opens": "25:00", "closes": "18:00"}]}, "/opening_hours/0/opens"),
            ({"opening_hours": [{"weekday": 1, "opens": "18:00", "closes": "10:01"}]}, "/opening_hours/0/closes"),
            (
                {
                    "opening_hours": [
                        {"weekday": 1, "opens": "08:00", "closes": "12:00"},
                        {"weekday": 1, "opens": "11:00", "closes": "18:00"},
                    ]
                },
                "/opening_hours",
            ),
            ({"version": 1}, "/version"),
        ],
    )
    def test_bad_values(self, client: ApiClient, district: District, changes: dict[str, Any], pointer: str) -> None:
        answer = client.as_(district.organizer).post("/stations", json=self.body(district, **changes))
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


class TestChange:
    def test_the_four_and_the_manager(self, client: ApiClient, district: District) -> None:
        station = make_station(organization_id=district.practice_station.id)
        other = make_station(organization_id=district.practice_station.id)
        manager, neighbor = make_volunteer(), make_volunteer()
        make_grant(manager, Role.STATION_MANAGER, station.id)
        make_grant(neighbor, Role.STATION_MANAGER, other.id)
        path, body = f"/stations/{station.id}", {"status": "paused", "status_reason": "装修"}
        assert client.patch(path, json=body, version=1).status_code == 401
        for stranger in (district.other_organizer, neighbor, district.outsider):
            assert client.as_(stranger).patch(path, json=body, version=1).status_code == 404
        assert client.as_(district.auditor).patch(path, json=body, version=1).status_code == 403
        changed = client.as_(manager).patch(path, json=body, version=1)
        assert (changed.status_code, changed.json["status"], changed.json["version"]) == (200, "paused", 2)
        assert client.as_(district.organizer).patch(path, json={"name": "新名"}, version=2).status_code == 200

    def test_place_and_hours(self, client: ApiClient, district: District) -> None:
        station = make_station(organization_id=district.practice_station.id)
        body = {"place": {"lat": 33.8, "lng": 113.4}, "opening_hours": [], "services": []}
        answer = client.as_(district.organizer).patch(f"/stations/{station.id}", json=body, version=1)
        assert {name: answer.json[name] for name in body} == body

    def test_versions(self, client: ApiClient, district: District) -> None:
        station = make_station(organization_id=district.practice_station.id)
        organizer, path = client.as_(district.organizer), f"/stations/{station.id}"
        assert organizer.patch(path, json={"name": "一"}).status_code == 428
        assert organizer.patch(path, json={"name": "一"}, version=1).status_code == 200
        assert organizer.patch(path, json={"name": "二"}, version=1).status_code == 412

    @pytest.mark.parametrize(
        ("member", "value"),
        [
            ("code", "WD-NEW"),
            ("name", "另一个名字"),
            ("kind", "post"),
            ("organization_id", None),
            ("place", {"lat": 33.8, "lng": 113.4}),
        ],
    )
    def test_what_organizers_alone_change(self, client: ApiClient, district: District, member: str, value: Any) -> None:
        station = make_station(organization_id=district.practice_station.id, status=StationStatus.PLANNED)
        manager = make_volunteer()
        make_grant(manager, Role.STATION_MANAGER, station.id)
        path, body = f"/stations/{station.id}", {member: value or str(district.office.id)}
        refused = client.as_(manager).patch(path, json=body, version=1)
        assert (refused.status_code, refused.json["members"]) == (403, [member])
        assert client.get(path).json["version"] == 1
        changed = client.as_(district.organizer).patch(path, json=body, version=1)
        assert (changed.status_code, changed.json[member]) == (200, body[member])

    def test_what_a_manager_changes(self, client: ApiClient, district: District) -> None:
        station = make_station(organization_id=district.practice_station.id)
        manager = make_volunteer()
        make_grant(manager, Role.STATION_MANAGER, station.id)
        path = f"/stations/{station.id}"
        body = {
            # What is the same is no change.
            "name": station.name,
            "place": station.place,
            "status": "open",
            "address": "2 号",
            "opening_hours": [],
            "holiday_rule": "office",
            "services": ["wifi"],
            "contact": {"name": "值班台", "phone": "0375-2861234"},
        }
        changed = client.as_(manager).patch(path, json=body, version=1)
        assert changed.status_code == 200, changed.json
        assert changed.json["contact"] == {"name": "值班台", "phone": "+863752861234"}
        assert client.get(path).json["address"] == "2 号"

    def test_it_goes_to_another_organization_only_with_rights_there(
        self, client: ApiClient, district: District
    ) -> None:
        station = make_station(organization_id=district.office.id)
        path, body = f"/stations/{station.id}", {"organization_id": str(district.other_office.id)}
        assert client.as_(district.organizer).patch(path, json=body, version=1).status_code == 404
        changed = client.as_(district.administrator).patch(path, json=body, version=1)
        assert (changed.status_code, changed.json["organization_id"]) == (200, body["organization_id"])
        assert client.as_(district.organizer).patch(path, json={"address": "2"}, version=2).status_code == 404
        nowhere = {"organization_id": str(station.id)}
        assert client.as_(district.administrator).patch(path, json=nowhere, version=2).status_code == 404

    def test_a_code_is_fixed_once_it_may_stand_on_documents(self, client: ApiClient, district: District) -> None:
        make_station(organization_id=district.office.id, code="TAKEN")
        station = make_station(organization_id=district.office.id, code="OLD", status=StationStatus.PLANNED)
        path, organizer = f"/stations/{station.id}", client.as_(district.organizer)
        taken = organizer.patch(path, json={"code": "TAKEN"}, version=1)
        assert (taken.status_code, taken.json["code"]) == (409, "station_code_taken")
        opened = organizer.patch(path, json={"code": "NEW", "status": "open"}, version=1)
        assert (opened.status_code, opened.json["code"], opened.json["status"]) == (200, "NEW", "open")
        fixed = organizer.patch(path, json={"code": "NEWER"}, version=2)
        assert (fixed.status_code, fixed.json["code"]) == (409, "station_code_in_use")

    def test_null_is_refused_where_nothing_can_be_cleared(self, client: ApiClient, district: District) -> None:
        station = make_station(organization_id=district.practice_station.id)
        answer = client.as_(district.organizer).patch(f"/stations/{station.id}", json={"name": None}, version=1)
        assert answer.status_code == 422
