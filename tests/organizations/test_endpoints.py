"""Organizations, divisions and grants by HTTP."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import ApiClient
from tests.factories import make_volunteer
from tests.organizations.factories import District, make_district, make_grant
from tests.stations.factories import make_station
from tests.teams.factories import make_team
from volunteer_api.organizations.models import Role


@pytest.fixture
def district(app: Any) -> District:
    return make_district()


def test_anybody_lists_the_offices_of_a_center_in_one_statement(
    client: ApiClient, district: District, statements: Callable[[], Any]
) -> None:
    with statements() as seen:
        answer = client.get(f"/organizations?parent_id={district.center.id}&kind=practice_office")
    assert answer.status_code == 200
    assert [item["name"] for item in answer.json["items"]] == [
        "东安路街道新时代文明实践所",
        "五一路街道新时代文明实践所",
    ]
    assert answer.json["next_cursor"] is None
    assert len(seen) == 1


def test_a_division_takes_in_what_lies_in_it(client: ApiClient, district: District) -> None:
    answer = client.get("/organizations?division=410403003")
    assert [item["division_code"] for item in answer.json["items"]] == ["410403003", "410403003001", "410403003002"]


def test_pages_of_organizations_neither_skip_nor_repeat(client: ApiClient, district: District) -> None:
    found: list[str] = []
    path = "/organizations?limit=3"
    cursor = ""
    while True:
        page = client.get(path + cursor).json
        found += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(found) == len(set(found)) == 7


@pytest.mark.parametrize(("q", "names"), [("东安路", ["东安路街道"]), ("%", []), ("_", []), ("社区", 4)])
@pytest.mark.both_databases
def test_divisions_are_found_by_a_part_of_their_name(client: ApiClient, district: District, q: str, names: Any) -> None:
    answer = client.get("/divisions", query_string={"q": q})
    found = [item["name"] for item in answer.json["items"]]
    assert len(found) == names if isinstance(names, int) else found == names


def test_divisions_under_a_parent(client: ApiClient, district: District, statements: Callable[[], Any]) -> None:
    with statements() as seen:
        answer = client.get("/divisions?parent=410403")
    assert answer.json["items"][0] == {
        "code": "410403001",
        "parent_code": "410403",
        "level": "subdistrict",
        "name": "东安路街道",
    }
    assert len(seen) == 1


def test_read_an_organization_and_an_unknown_one(client: ApiClient, district: District) -> None:
    answer = client.get(f"/organizations/{district.office.id}")
    assert answer.json == {
        "id": str(district.office.id),
        "version": 1,
        "parent_id": str(district.center.id),
        "kind": "practice_office",
        "name": "东安路街道新时代文明实践所",
        "division_code": "410403001",
        "resident_count": None,
        "closed_at": None,
        "closing_reason": None,
        "merged_into_id": None,
    }
    assert client.get(f"/organizations/{district.outsider.id}").status_code == 404


class TestSetUpAnOrganization:
    def body(self, district: District, **changes: Any) -> dict[str, Any]:
        return {"parent_id": str(district.office.id), "kind": "unit", "name": "第一小学"} | changes

    def test_anonymous(self, client: ApiClient, district: District) -> None:
        assert client.post("/organizations", json=self.body(district)).status_code == 401

    @pytest.mark.parametrize("who", ["outsider", "other_organizer"])
    def test_outsider(self, client: ApiClient, district: District, who: str) -> None:
        caller = client.as_(getattr(district, who))
        assert caller.post("/organizations", json=self.body(district)).status_code == 404

    def test_wrong_role(self, client: ApiClient, district: District) -> None:
        assert client.as_(district.auditor).post("/organizations", json=self.body(district)).status_code == 403

    @pytest.mark.parametrize("who", ["organizer", "administrator"])
    def test_success(self, client: ApiClient, district: District, who: str) -> None:
        answer = client.as_(getattr(district, who)).post("/organizations", json=self.body(district))
        assert answer.status_code == 201
        assert client.get(f"/organizations/{answer.json['id']}").json == answer.json

    def test_residents_are_told_and_taken_back(self, client: ApiClient, district: District) -> None:
        organizer = client.as_(district.organizer)
        made = organizer.post("/organizations", json=self.body(district, resident_count=1200)).json
        assert made["resident_count"] == 1200
        path = f"/organizations/{made['id']}"
        for count in (1300, 0, None):
            made = organizer.patch(path, json={"resident_count": count}, version=made["version"]).json
            assert made["resident_count"] == count
        refused = organizer.patch(path, json={"resident_count": -1}, version=made["version"])
        assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (422, "/resident_count")
        assert client.as_(district.auditor).patch(path, json={"resident_count": 1}, version=1).status_code == 403

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"kind": "practice_center"}, "organization_kind_misplaced"),
            ({"name": "东苑社区新时代文明实践站"}, "organization_name_taken"),
            ({"division_code": "999999"}, "division_unknown"),
            ({"division_code": "4104"}, "division_outside"),
            ({"division_code": "410403003001"}, "division_outside"),
        ],
    )
    def test_refusals(self, client: ApiClient, district: District, changes: dict[str, Any], code: str) -> None:
        answer = client.as_(district.organizer).post("/organizations", json=self.body(district, **changes))
        assert (answer.status_code, answer.json["code"]) == (409, code)

    def test_a_division_is_that_of_the_organization_above_or_inside_of_it(
        self, client: ApiClient, district: District
    ) -> None:
        organizer = client.as_(district.organizer)
        made = organizer.post("/organizations", json=self.body(district, division_code="410403001003")).json
        path = f"/organizations/{made['id']}"
        # The nearest above that has one says it.
        below = self.body(district, parent_id=str(district.practice_station.id), division_code="410403001003")
        assert organizer.post("/organizations", json=below).json["code"] == "division_outside"
        refused = organizer.patch(path, json={"division_code": "410403003"}, version=made["version"]).json
        assert refused["code"] == "division_outside"
        assert "东安路街道" in refused["detail"]
        assert organizer.patch(path, json={"division_code": "410403001"}, version=made["version"]).status_code == 200

    def test_another_division_needs_the_rights_of_a_move_and_is_no_siblings(
        self, client: ApiClient, district: District
    ) -> None:
        """Rankings divide by who lives in it: nobody chooses that for her own."""
        path, free = f"/organizations/{district.office.id}", "410403003"
        change = {"division_code": free}
        other = f"/organizations/{district.other_office.id}"
        assert client.as_(district.organizer).patch(path, json=change, version=1).status_code == 403
        administrator = client.as_(district.administrator)
        taken = administrator.patch(path, json=change, version=1)
        assert (taken.status_code, taken.json["code"]) == (409, "division_taken")
        body = {"parent_id": str(district.center.id), "kind": "practice_office", "name": "新所"} | change
        assert administrator.post("/organizations", json=body).json["code"] == "division_taken"
        assert administrator.patch(other, json={"division_code": None}, version=1).status_code == 200
        assert administrator.patch(path, json=change, version=1).status_code == 200
        # Nor by a move.
        unit = {"kind": "practice_station", "name": "第一小学", "division_code": free}
        below, _ = (
            administrator.post("/organizations", json=unit | {"parent_id": str(parent.id)}).json
            for parent in (district.office, district.center)
        )
        move = {"parent_id": str(district.center.id), "name": "第二小学"}
        moved = administrator.patch(f"/organizations/{below['id']}", json=move, version=1)
        assert (moved.status_code, moved.json["code"]) == (409, "division_taken")

    def test_who_founded_and_who_renamed_it_is_in_the_audit_log(self, client: ApiClient, district: District) -> None:
        organizer = client.as_(district.organizer)
        made = organizer.post("/organizations", json=self.body(district)).json
        path = f"/organizations/{made['id']}"
        assert organizer.patch(path, json={"name": "第一小学", "resident_count": 9}, version=1).status_code == 200
        assert organizer.patch(path, json={"name": "一小", "resident_count": 9}, version=2).status_code == 200
        entries = client.as_(district.administrator).get(f"/audit-entries?organization_id={made['id']}").json["items"]
        found = [(one["action"], one["actor"]["id"], one["details"]) for one in entries if one["action"] != "data_read"]
        actor = str(district.organizer.id)
        assert found == [
            ("organization_changed", actor, {"name_before": "第一小学", "name": "一小"}),
            ("organization_changed", actor, {"resident_count_before": None, "resident_count": 9}),
            ("organization_added", actor, {"kind": "unit", "name": "第一小学"}),
        ]


class TestRenameAnOrganization:
    def test_anonymous(self, client: ApiClient, district: District) -> None:
        path = f"/organizations/{district.office.id}"
        assert client.patch(path, json={"name": "新名"}, version=1).status_code == 401

    def test_outsider(self, client: ApiClient, district: District) -> None:
        path = f"/organizations/{district.office.id}"
        assert client.as_(district.other_organizer).patch(path, json={"name": "新名"}, version=1).status_code == 404

    def test_wrong_role(self, client: ApiClient, district: District) -> None:
        path = f"/organizations/{district.office.id}"
        assert client.as_(district.auditor).patch(path, json={"name": "新名"}, version=1).status_code == 403

    def test_success_and_then_a_stale_version(self, client: ApiClient, district: District) -> None:
        organizer, path = client.as_(district.organizer), f"/organizations/{district.office.id}"
        answer = organizer.patch(path, json={"name": "新名"}, version=1)
        assert (answer.status_code, answer.json["version"], answer.json["name"]) == (200, 2, "新名")
        assert organizer.patch(path, json={"name": "旧名"}, version=1).status_code == 412
        assert organizer.patch(path, json={"name": "旧名"}).status_code == 428

    def test_a_sisters_name_is_taken(self, client: ApiClient, district: District) -> None:
        answer = client.as_(district.organizer).patch(
            f"/organizations/{district.office.id}", json={"name": district.other_office.name}, version=1
        )
        assert (answer.status_code, answer.json["code"]) == (409, "organization_name_taken")


class TestGrant:
    def body(self, district: District, **changes: Any) -> dict[str, Any]:
        scope = {"type": "organization", "id": str(district.practice_station.id)}
        return {"volunteer_id": str(district.outsider.id), "role": "organizer", "scope": scope} | changes

    def test_anonymous(self, client: ApiClient, district: District) -> None:
        assert client.post("/grants", json=self.body(district)).status_code == 401

    def test_outsider(self, client: ApiClient, district: District) -> None:
        assert client.as_(district.other_organizer).post("/grants", json=self.body(district)).status_code == 404

    def test_wrong_role(self, client: ApiClient, district: District) -> None:
        assert client.as_(district.auditor).post("/grants", json=self.body(district)).status_code == 403

    def test_success_counts_from_the_next_request_until_it_is_revoked(
        self, client: ApiClient, district: District
    ) -> None:
        organizer, newcomer = client.as_(district.organizer), client.as_(district.outsider)
        answer = organizer.post("/grants", json=self.body(district))
        assert answer.status_code == 201
        assert answer.json["scope"]["name"] == "东苑社区新时代文明实践站"
        assert answer.json["volunteer"]["phone"].startswith("139****")
        unit = {"parent_id": str(district.practice_station.id), "kind": "unit", "name": "一中"}
        assert newcomer.post("/organizations", json=unit).status_code == 201
        assert organizer.delete(f"/grants/{answer.json['id']}").status_code == 204
        assert newcomer.post("/organizations", json=unit | {"name": "二中"}).status_code == 404
        assert organizer.delete(f"/grants/{answer.json['id']}").status_code == 404

    def test_by_phone(self, client: ApiClient, district: District) -> None:
        body = self.body(district, phone=district.outsider.phone)
        del body["volunteer_id"]
        organizer = client.as_(district.organizer)
        known = organizer.post("/grants", json=body).json
        unknown = organizer.post("/grants", json=body | {"phone": "13700000000"}).json
        # Nothing in the answer tells which of the two is registered.
        assert known["volunteer"] == unknown["volunteer"] | {"phone": known["volunteer"]["phone"]}
        differing = ("id", "volunteer", "granted_at")
        assert {name: known[name] for name in known if name not in differing} == {
            name: unknown[name] for name in unknown if name not in differing
        }
        assert (known["state"], known["volunteer"]["id"], known["volunteer"]["name"]) == (None, None, None)
        for phone in (district.outsider.phone, "13700000000"):
            assert organizer.post("/grants", json=body | {"phone": phone}).json["code"] == "already_granted"
        both = organizer.post("/grants", json=self.body(district, phone=district.outsider.phone))
        assert (both.status_code, both.json["errors"][0]["code"]) == (422, "one_person")

    def test_thirty_phones_an_hour(
        self, client: ApiClient, district: District, change_settings: Callable[..., None]
    ) -> None:
        change_settings(client.app, limits=True)
        body = self.body(district)
        del body["volunteer_id"]
        organizer = client.as_(district.organizer)
        answers = [organizer.post("/grants", json=body | {"phone": f"137000000{n}"}).json for n in range(10, 41)]
        codes = [answer.get("code") for answer in answers]
        assert codes == [None] * 30 + ["too_many_requests"]
        assert organizer.post("/grants", json=self.body(district)).status_code == 201

    def test_twice(self, client: ApiClient, district: District) -> None:
        organizer = client.as_(district.organizer)
        organizer.post("/grants", json=self.body(district))
        answer = organizer.post("/grants", json=self.body(district))
        assert (answer.status_code, answer.json["code"]) == (409, "already_granted")

    @pytest.mark.parametrize(
        ("who", "role", "where", "status"),
        [
            ("organizer", "organizer", "office", 403),
            # Who is audited does not choose who audits her.
            ("organizer", "auditor", "office", 403),
            ("organizer", "inspector", "office", 201),
            ("administrator", "auditor", "office", 201),
            ("organizer", "administrator", "practice_station", 403),
            ("organizer", "organizer", "center", 404),
            ("administrator", "organizer", "center", 201),
            # Above her is nobody: she hands her post over herself.
            ("administrator", "administrator", "center", 201),
            ("administrator", "administrator", "office", 201),
        ],
    )
    def test_only_below_what_one_holds(
        self, client: ApiClient, district: District, who: str, role: str, where: str, status: int
    ) -> None:
        scope = {"type": "organization", "id": str(getattr(district, where).id)}
        answer = client.as_(getattr(district, who)).post("/grants", json=self.body(district, role=role, scope=scope))
        assert answer.status_code == status

    def test_a_station_has_managers_and_nothing_else_has(self, client: ApiClient, district: District) -> None:
        station = make_station(organization_id=district.practice_station.id)
        organizer = client.as_(district.organizer)
        scope = {"type": "station", "id": str(station.id)}
        answer = organizer.post("/grants", json=self.body(district, role="station_manager", scope=scope))
        assert (answer.status_code, answer.json["scope"]["name"]) == (201, station.name)
        for body in (self.body(district, scope=scope), self.body(district, role="station_manager")):
            assert organizer.post("/grants", json=body).json["code"] == "role_does_not_fit"
        other = client.as_(district.other_organizer)
        assert other.post("/grants", json=self.body(district, role="station_manager", scope=scope)).status_code == 404


class TestRevoke:
    def test_the_audited_cannot_dismiss_her_auditor(self, client: ApiClient, district: District) -> None:
        held = make_grant(district.outsider, Role.AUDITOR, district.office.id)
        assert client.as_(district.organizer).delete(f"/grants/{held.id}").status_code == 403
        assert client.as_(district.administrator).delete(f"/grants/{held.id}").status_code == 204

    def test_the_four(self, client: ApiClient, district: District) -> None:
        held = make_grant(district.outsider, Role.INSPECTOR, district.practice_station.id)
        path = f"/grants/{held.id}"
        assert client.delete(path).status_code == 401
        assert client.as_(district.other_organizer).delete(path).status_code == 404
        assert client.as_(district.auditor).delete(path).status_code == 403
        assert client.as_(district.organizer).delete(path).status_code == 204

    def test_nobody_takes_away_what_stands_beside_or_above(self, client: ApiClient, district: District) -> None:
        beside = make_grant(district.outsider, Role.ORGANIZER, district.office.id)
        above = make_grant(district.outsider, Role.ORGANIZER, district.center.id)
        assert client.as_(district.organizer).delete(f"/grants/{beside.id}").status_code == 403
        assert client.as_(district.organizer).delete(f"/grants/{above.id}").status_code == 404


class TestListGrants:
    def test_the_four(self, client: ApiClient, district: District) -> None:
        path = f"/grants?organization_id={district.office.id}"
        assert client.get(path).status_code == 401
        assert client.as_(district.other_organizer).get(path).status_code == 404
        assert client.as_(district.auditor).get(path).status_code == 403
        answer = client.as_(district.organizer).get(path)
        assert [item["role"] for item in answer.json["items"]] == ["organizer", "auditor"]

    def test_an_organizer_sees_her_subtree_in_two_statements(
        self, client: ApiClient, district: District, statements: Callable[[], Any]
    ) -> None:
        station = make_station(organization_id=district.practice_station.id)
        make_grant(make_volunteer(), Role.STATION_MANAGER, station.id)
        administrator, organizer = client.as_(district.administrator), client.as_(district.organizer)
        with statements() as seen:
            answer = organizer.get("/grants")
        assert [item["role"] for item in answer.json["items"]] == ["organizer", "auditor", "station_manager"]
        # One of them asks whether the session is still open.
        assert len(seen) == 2
        assert len(administrator.get("/grants").json["items"]) == 5
        assert client.as_(district.outsider).get("/grants").json["items"] == []


def test_my_grants_name_organizations_stations_and_teams(
    client: ApiClient, district: District, statements: Callable[[], Any]
) -> None:
    station = make_station(organization_id=district.practice_station.id)
    make_grant(district.organizer, Role.STATION_MANAGER, station.id)
    team = make_team(organization_id=district.office.id, leader=district.organizer, name="鹰城大妈")
    organizer = client.as_(district.organizer)
    with statements() as seen:
        answer = organizer.get("/me/grants")
    assert answer.json["items"] == [
        {
            "role": "organizer",
            "scope": {"type": "organization", "id": str(district.office.id), "name": "东安路街道新时代文明实践所"},
        },
        {"role": "station_manager", "scope": {"type": "station", "id": str(station.id), "name": station.name}},
        {"role": "leader", "scope": {"type": "team", "id": str(team.id), "name": "鹰城大妈"}},
    ]
    assert len(seen) == 2
    first = organizer.get("/me/grants?limit=2").json
    second = organizer.get(f"/me/grants?limit=2&cursor={first['next_cursor']}").json
    assert [item["role"] for item in second["items"]] == ["leader"]
    assert client.get("/me/grants").status_code == 401
