"""Kit standards: issued in versions, inherited down the tree, merged at a station."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.factories import make_volunteer, next_number
from tests.inventory.factories import Depot, make_depot, make_item
from tests.organizations.factories import make_grant, make_organization
from tests.stations.factories import make_station
from volunteer_api.catalog import kits, service, standards
from volunteer_api.catalog.models import Item, KitStandard
from volunteer_api.catalog.templates import TEMPLATES, KitTemplate
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.organizations.models import OrganizationKind, Role
from volunteer_api.stations.models import StationKind

Unit = Callable[[Callable[[], Any]], Any]
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


class Tree:
    """A center with an office with a desk; an item or two."""

    def __init__(self) -> None:
        self.center_id = make_organization().id
        self.office_id = make_organization(parent_id=self.center_id, kind=OrganizationKind.PRACTICE_OFFICE).id
        self.desk_id = make_station(organization_id=self.office_id).id
        self.post_id = make_station(organization_id=self.office_id, kind=StationKind.POST).id
        self.umbrella, self.pump = make_item(name="雨伞"), make_item(name="打气筒")

    def issue(
        self, organization_id: UUID, minimum: int, kit: str = "desk", item: UUID | None = None, **more: Any
    ) -> Any:
        return kits.issue_standard(
            organization_id=organization_id,
            kit=kit,
            name=f"标准{next_number()}",
            station_kinds=[StationKind.DESK],
            lines=[{"item_id": item or self.umbrella, "minimum": minimum, "critical": more.pop("critical", False)}],
            **more,
        )

    def required(self, station_id: UUID | None = None) -> dict[str, tuple[int, bool]]:
        found = standards.required_at(station_id or self.desk_id)
        return {one.item.name: (one.minimum, one.critical) for one in found.values()}


@pytest.fixture
def tree(unit: Unit) -> Tree:
    made: Tree = unit(Tree)
    return made


@pytest.fixture
def administrator(client: Any, unit: Unit, tree: Tree) -> Any:
    person = unit(make_volunteer)
    unit(lambda: make_grant(person, Role.ADMINISTRATOR, tree.center_id))
    return client.as_(person)


def body_of(tree: Tree, **changes: Any) -> dict[str, Any]:
    lines = [{"item_id": str(tree.umbrella), "minimum": 5, "critical": True}]
    body = {"organization_id": str(tree.center_id), "kit": "rain", "name": "雨具", "station_kinds": ["desk"]}
    return body | {"lines": lines} | changes


def test_who_stands_below_asks_for_more_and_never_for_less(unit: Unit, tree: Tree) -> None:
    unit(lambda: tree.issue(tree.center_id, 10))
    assert unit(tree.required) == {"雨伞": (10, False)}
    # For its kind of station only.
    assert unit(lambda: tree.required(tree.post_id)) == {}
    office = unit(lambda: tree.issue(tree.office_id, 2, item=tree.pump, critical=True))
    assert unit(tree.required) == {"雨伞": (10, False), "打气筒": (2, True)}

    def withdraw() -> None:
        kits.issue_version(db.session.get_one(KitStandard, office.id), withdrawn=True)

    unit(withdraw)
    assert unit(tree.required) == {"雨伞": (10, False)}
    unit(lambda: kits.issue_version(db.session.get_one(KitStandard, office.id), lines=[]))
    assert unit(tree.required) == {"雨伞": (10, False)}
    for minimum, counts in ((4, 10), (12, 12)):
        lines: Any = [{"item_id": tree.umbrella, "minimum": minimum, "critical": True}]
        unit(lambda lines=lines: kits.issue_version(db.session.get_one(KitStandard, office.id), lines=lines))
        assert unit(tree.required) == {"雨伞": (counts, True)}
    assert unit(lambda: next(iter(standards.required_at(tree.desk_id).values())).kits) == ("desk",)


def test_of_several_kits_the_greater_minimum_counts(unit: Unit, tree: Tree) -> None:
    unit(lambda: tree.issue(tree.center_id, 3, kit="desk"))
    unit(lambda: tree.issue(tree.office_id, 5, kit="rain", critical=True))
    unit(lambda: tree.issue(tree.office_id, 4, kit="storm"))
    assert unit(tree.required) == {"雨伞": (5, True)}
    assert unit(lambda: next(iter(standards.required_at(tree.desk_id).values())).kits) == ("desk", "rain", "storm")


def test_what_is_archived_or_prohibited_is_asked_of_nobody(unit: Unit, tree: Tree) -> None:
    unit(lambda: tree.issue(tree.center_id, 3))
    unit(lambda: service.change_item(db.session.get_one(Item, tree.umbrella), archived=True))
    assert unit(tree.required) == {}
    unit(lambda: service.change_item(db.session.get_one(Item, tree.umbrella), archived=False))
    assert unit(tree.required) == {"雨伞": (3, False)}


def test_a_version_counts_from_its_day(unit: Unit, tree: Tree) -> None:
    with clock.at(NOON):
        standard = unit(lambda: tree.issue(tree.center_id, 3))
        later = clock_day(10)
        lines = [{"item_id": tree.umbrella, "minimum": 8, "critical": False}]
        unit(
            lambda: kits.issue_version(db.session.get_one(KitStandard, standard.id), lines=lines, effective_from=later)
        )
        assert unit(tree.required) == {"雨伞": (3, False)}
        found, chain, kind = unit(lambda: standards.standards_at(tree.desk_id))
        assert unit(lambda: [day for day, _ in found.coming(chain, kind)]) == [later]
    with clock.at(NOON + timedelta(days=9)):
        assert unit(tree.required) == {"雨伞": (3, False)}
    with clock.at(NOON + timedelta(days=10)):
        assert unit(tree.required) == {"雨伞": (8, False)}


def clock_day(days: int) -> Any:
    return (NOON + timedelta(days=days)).date()


def test_a_standard_is_issued_and_read(client: Any, tree: Tree, administrator: Any) -> None:
    made = administrator.post("/kit-standards", json=body_of(tree))
    assert made.status_code == 201, made.get_json()
    standard = made.get_json()
    assert (standard["kit"], standard["station_kinds"], standard["latest"]["number"]) == ("rain", ["desk"], 1)
    (line,) = standard["in_force"]["lines"]
    assert (line["item"]["name"], line["minimum"], line["critical"]) == ("雨伞", 5, True)
    read = administrator.get(f"/kit-standards/{standard['id']}")
    assert read.get_json() == standard
    assert read.headers["ETag"].startswith('"1-')
    assert client.get("/kit-standards").status_code == 401
    again = administrator.post("/kit-standards", json=body_of(tree))
    assert (again.status_code, again.get_json()["code"]) == (409, "kit_standard_exists")
    assert again.get_json()["kit_standard_id"] == standard["id"]
    for query, count in (
        (f"organization_id={tree.center_id}", 1),
        (f"organization_id={tree.office_id}", 0),
        (f"organization_id={tree.office_id}&inherited=true", 1),
        ("kit=rain", 1),
        ("kit=other", 0),
        ("station_kind=desk", 1),
        ("station_kind=post", 0),
    ):
        assert len(administrator.get(f"/kit-standards?{query}").get_json()["items"]) == count, query
    assert administrator.get("/kit-standards?inherited=true").status_code == 422


def test_older_versions_stay_readable(tree: Tree, administrator: Any) -> None:
    standard = administrator.post("/kit-standards", json=body_of(tree)).get_json()
    path = f"/kit-standards/{standard['id']}/versions"
    body = {"lines": [{"item_id": str(tree.pump), "minimum": 1}], "supersedes": 1, "note": "换成打气筒"}
    second = administrator.post(path, json=body)
    assert second.status_code == 201
    assert (second.get_json()["version"], second.get_json()["latest"]["number"]) == (2, 2)
    stale = administrator.post(path, json=body)
    assert (stale.status_code, stale.get_json()["code"]) == (409, "newer_version_issued")
    assert administrator.post(path, json={"withdrawn": True}).status_code == 201
    versions = administrator.get(path).get_json()["items"]
    assert [(one["number"], one["withdrawn"], len(one["lines"])) for one in versions] == [
        (3, True, 0),
        (2, False, 1),
        (1, False, 1),
    ]
    first = administrator.get(f"{path}?limit=2").get_json()
    rest = administrator.get(f"{path}?limit=2&cursor={first['next_cursor']}").get_json()
    assert [one["number"] for one in first["items"] + rest["items"]] == [3, 2, 1]


def test_what_a_standard_must_not_say(unit: Unit, tree: Tree, administrator: Any) -> None:
    prohibited = unit(lambda: make_item(name="处方药", prohibited=True))
    archived = unit(lambda: make_item(name="旧物"))
    unit(lambda: service.change_item(db.session.get_one(Item, archived), archived=True))
    line = {"item_id": str(tree.umbrella), "minimum": 1}

    def code(**changes: Any) -> Any:
        answer = administrator.post("/kit-standards", json=body_of(tree, **changes))
        return answer.get_json()["code"] if answer.status_code == 409 else answer.status_code

    assert code(lines=[{"item_id": str(prohibited), "minimum": 1}]) == "prohibited_item"
    assert code(lines=[{"item_id": str(archived), "minimum": 1}]) == "item_archived"
    assert code(lines=[{"item_id": str(tree.center_id), "minimum": 1}]) == "item_unknown"
    assert code(effective_from="2020-01-01") == "effective_in_past"
    for wrong in (
        {"lines": [line, line]},
        {"lines": [line | {"minimum": 0}]},
        {"lines": [line | {"minimum": 1.5}]},
        {"lines": []},
        {"kit": "Rain Kit"},
        {"station_kinds": []},
        {"station_kinds": ["tent"]},
        {"template": "desk"},
    ):
        assert code(**wrong) == 422, wrong
    assert administrator.get("/kit-standards").get_json()["items"] == []


def test_the_products_own_standards(unit: Unit, tree: Tree, administrator: Any) -> None:
    for template in KitTemplate:
        body = {"organization_id": str(tree.center_id), "template": template}
        made = administrator.post("/kit-standards", json=body)
        assert made.status_code == 201, made.get_json()
        lines = made.get_json()["in_force"]["lines"]
        assert [one["item"]["name"] for one in lines] == [one.name for one in TEMPLATES[template].lines]
    required = unit(tree.required)
    # The newspaper's: what a desk keeps, and what is named of the first-aid box with its picture guide.
    assert {"打气筒", "轮椅", "拐杖", "茶叶", "扳手", "钳子", "螺丝刀", "雨伞", "针线包"} <= required.keys()
    assert {"碘伏", "棉签", "无菌纱布", "心肺复苏图示"} <= required.keys()
    medical = [one for one in TEMPLATES[KitTemplate.FIRST_AID].lines if one.name != "心肺复苏图示"]
    assert len(medical) == 10
    # What the catalogue had already is used, not doubled.
    assert unit(
        lambda: [one.item.id for one in standards.required_at(tree.desk_id).values() if one.item.name == "雨伞"]
    ) == [tree.umbrella]


def test_two_standards_for_one_kit_at_once(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    depot: Depot = postgresql_unit(make_depot)
    item = postgresql_unit(make_item)
    organizer = postgresql_client.as_(depot.organizer_id)
    body = {
        "organization_id": str(depot.office_id),
        "kit": "rain",
        "name": "雨具",
        "station_kinds": ["desk"],
        "lines": [{"item_id": str(item), "minimum": 1}],
    }

    def issue(_number: int) -> Any:
        answer = organizer.post("/kit-standards", json=body)
        return answer.status_code, answer.get_json().get("code")

    assert sorted(race(6, issue)) == [(201, None)] + [(409, "kit_standard_exists")] * 5


def test_versions_at_once_get_numbers_of_their_own(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    depot: Depot = postgresql_unit(make_depot)
    item = postgresql_unit(make_item)
    lines = [{"item_id": item, "minimum": 1}]
    standard = postgresql_unit(
        lambda: kits.issue_standard(
            organization_id=depot.office_id, kit="rain", name="雨具", station_kinds=[StationKind.DESK], lines=lines
        )
    )
    organizer = postgresql_client.as_(depot.organizer_id)
    path = f"/kit-standards/{standard.id}/versions"
    body = {"lines": [{"item_id": str(item), "minimum": 2}]}
    assert race(6, lambda _number: organizer.post(path, json=body).status_code) == [201] * 6
    assert [one["number"] for one in organizer.get(path).get_json()["items"]] == [7, 6, 5, 4, 3, 2, 1]
    once = body | {"supersedes": 7}
    assert sorted(race(6, lambda _number: organizer.post(path, json=once).status_code)) == [201] + [409] * 5
