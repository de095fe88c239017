"""Items as scanners, typists and cameras find them."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.catalog.factories import make_owner
from tests.factories import make_volunteer
from tests.inventory.factories import Depot, make_depot, make_item, move
from volunteer_api.catalog import kits
from volunteer_api.catalog.models import Item
from volunteer_api.catalog.problems import ItemInUse
from volunteer_api.catalog.service import change_item
from volunteer_api.core.database import db
from volunteer_api.files.models import StoredFile
from volunteer_api.stations.models import StationKind
from volunteer_api.stocktakes import service as stocktakes

Unit = Callable[[Callable[[], Any]], Any]
EAN, UPC = "6901234567892", "036000291452"


@pytest.fixture
def depot(unit: Unit) -> Depot:
    made: Depot = unit(make_depot)
    return made


@pytest.fixture
def owner_id(unit: Unit, depot: Depot) -> UUID:
    made: UUID = unit(make_owner)
    return made


@pytest.fixture
def owner(client: Any, owner_id: UUID) -> Any:
    return client.as_(owner_id)


def photo_of(owner_id: UUID, name: str) -> UUID:
    stored = StoredFile(
        owner_id=owner_id,
        name=f"{name}.jpg",
        media_type="image/jpeg",
        width=1,
        height=1,
        byte_size=1,
        sha256=b"",
        thumbnails=[],
    )
    db.session.add(stored)
    db.session.flush()
    return stored.id


def code_of(answer: Any) -> str:
    return str(answer.get_json()["code"])


def test_an_item_is_found_by_each_of_its_barcodes(client: Any, owner: Any) -> None:
    body = {"name": "雨伞", "kind": "durable", "unit": "把", "barcodes": [EAN, UPC]}
    made = owner.post("/items", json=body).get_json()
    assert made["barcodes"] == sorted([EAN, f"0{UPC}"])
    for asked in (EAN, UPC, f"0{UPC}", "６９０１２３４５６７８９２"):
        found = client.get("/items", query_string={"barcode": asked}).get_json()["items"]
        assert [item["id"] for item in found] == [made["id"]], asked
    assert client.get("/items?barcode=4006381333931").get_json()["items"] == []
    for bad in ("ab", "12 34", "条码12345", "x" * 49):
        assert client.get("/items", query_string={"barcode": bad}).status_code == 422


def test_no_two_items_share_a_barcode(owner: Any) -> None:
    first = owner.post("/items", json={"name": "甲", "kind": "durable", "unit": "把", "barcodes": [EAN]}).get_json()
    other = {"name": "乙", "kind": "durable", "unit": "把", "barcodes": [EAN]}
    refused = owner.post("/items", json=other)
    assert (refused.status_code, code_of(refused)) == (409, "barcode_taken")
    assert refused.get_json()["item"]["id"] == first["id"]
    # Given up by the one, it is free for the other; the version moves although the row itself does not.
    changed = owner.patch(f"/items/{first['id']}", json={"barcodes": []}, version=1).get_json()
    assert (changed["version"], changed["barcodes"]) == (2, [])
    assert owner.post("/items", json=other).status_code == 201
    refused = owner.patch(f"/items/{first['id']}", json={"barcodes": [EAN]}, version=2)
    assert code_of(refused) == "barcode_taken"


def test_one_barcode_for_two_items_at_once(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    organizer = postgresql_client.as_(postgresql_unit(make_depot).organizer_id)

    def create(number: int) -> Any:
        body = {"name": f"物品甲{number}", "kind": "durable", "unit": "把", "barcodes": [EAN]}
        answer = organizer.post("/items", json=body)
        return answer.status_code, answer.get_json().get("code")

    assert sorted(race(6, create)) == [(201, None)] + [(409, "barcode_taken")] * 5
    assert len(organizer.get(f"/items?barcode={EAN}").get_json()["items"]) == 1


def test_an_item_is_found_as_it_is_typed(client: Any, unit: Unit, owner: Any) -> None:
    item = unit(lambda: make_item(name="碘伏"))
    unit(lambda: make_item(name="N95口罩"))

    def found(q: str) -> list[str]:
        return [one["name"] for one in client.get("/items", query_string={"q": q}).get_json()["items"]]

    assert found("df") == found("dianfu") == found("DianF") == found("碘") == ["碘伏"]
    assert found("n95") == ["N95口罩"]
    assert owner.patch(f"/items/{item}", json={"name": "酒精"}, version=1).status_code == 200
    assert (found("df"), found("jj")) == ([], ["酒精"])


def test_photos_are_the_keepers_own(client: Any, unit: Unit, owner_id: UUID, owner: Any) -> None:
    mine = [unit(lambda name=name: photo_of(owner_id, name)) for name in ("a" * 32, "b" * 32)]
    stranger = unit(make_volunteer)
    others = unit(lambda: photo_of(stranger.id, "c" * 32))
    body = {"name": "雨伞", "kind": "durable", "unit": "把", "photo_ids": [str(mine[1]), str(mine[0])]}
    made = owner.post("/items", json=body).get_json()
    assert [photo["id"] for photo in made["photos"]] == body["photo_ids"]
    path = f"/items/{made['id']}"
    refused = owner.patch(path, json={"photo_ids": [str(others)]}, version=1)
    assert (refused.status_code, code_of(refused)) == (409, "photo_not_found")
    changed = owner.patch(path, json={"photo_ids": [str(mine[0])]}, version=1).get_json()
    assert [photo["id"] for photo in changed["photos"]] == [str(mine[0])]
    assert client.get("/items").get_json()["items"][0]["photos"] == changed["photos"]


def test_what_is_archived_is_offered_no_more_and_stays(client: Any, unit: Unit, depot: Depot, owner: Any) -> None:
    item = unit(lambda: make_item(name="雨伞"))
    unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 5}))
    body = {"archived": True, "barcodes": [EAN]}
    assert owner.patch(f"/items/{item}", json=body, version=1).get_json()["archived"] is True
    assert client.get("/items").get_json()["items"] == []
    for query in ("archived=true", f"barcode={EAN}"):
        assert [one["name"] for one in client.get(f"/items?{query}").get_json()["items"]] == ["雨伞"]
    manager = client.as_(depot.manager_id)
    lines = [{"item_id": str(item), "quantity": 1}]
    path = f"/stations/{depot.station_id}/movements"
    receipt = {"kind": "receipt", "reason": "donation", "lines": lines}
    assert code_of(manager.post(path, json=receipt, key="in")) == "item_archived"
    issue = {"kind": "issue", "reason": "handed_out", "lines": lines}
    assert manager.post(path, json=issue, key="out").status_code == 201
    assert manager.get(f"/stations/{depot.station_id}/stock").get_json()["items"][0]["quantity"] == 4


def test_a_list_of_items_takes_three_statements(client: Any, unit: Unit, statements: Any) -> None:
    for _ in range(12):
        unit(make_item)
    with statements() as sent:
        assert len(client.get("/items?limit=10").get_json()["items"]) == 10
    assert len(sent) == 3


@pytest.mark.parametrize("use", ["receipt", "kit", "count"])
def test_the_unit_of_what_is_counted_stays(client: Any, unit: Unit, depot: Depot, owner: Any, use: str) -> None:
    item = unit(lambda: make_item(name="口罩"))
    path = f"/items/{item}"
    assert owner.patch(path, json={"unit": "只"}, version=1).get_json()["unit"] == "只"
    uses: dict[str, Callable[[], Any]] = {
        "receipt": lambda: move(depot, "receipt", {"item_id": item, "quantity": 200}),
        "kit": lambda: kits.issue_standard(
            organization_id=depot.office_id,
            kit="desk",
            name="服务台",
            station_kinds=[StationKind.DESK],
            lines=[{"item_id": item, "minimum": 200}],
        ),
        "count": lambda: stocktakes.start_stocktake(station_id=depot.station_id, by=depot.manager_id, item_ids=[item]),
    }
    unit(uses[use])
    refused = owner.patch(path, json={"unit": "盒"}, version=2)
    assert (refused.status_code, code_of(refused)) == (409, "item_in_use")
    assert refused.get_json()["item"] == {"id": str(item), "name": "口罩", "unit": "只"}
    kept = owner.patch(path, json={"unit": "只", "barcodes": [EAN], "name": "防护口罩"}, version=2)
    assert kept.status_code == 200


def test_the_unit_waits_for_the_first_receipt(postgresql_app: Any, postgresql_unit: Any) -> None:
    unit = postgresql_unit
    depot, item = unit(make_depot), unit(make_item)
    received, waits = threading.Event(), threading.Event()

    def receive() -> None:
        move(depot, "receipt", {"item_id": item, "quantity": 200})
        received.set()
        waits.wait(5)

    first = threading.Thread(target=lambda: unit(receive))
    first.start()
    assert received.wait(5)
    threading.Timer(0.2, waits.set).start()
    with pytest.raises(ItemInUse):
        unit(lambda: change_item(db.session.get_one(Item, item), unit="盒"))
    first.join()


def test_one_article_is_one_item_however_it_is_typed(client: Any, unit: Unit, depot: Depot, owner: Any) -> None:
    unit(lambda: (make_item(name="创可贴（100片）"), make_item(name="CPR图示")))
    for name, known in (("创可贴(100片)", "创可贴（100片）"), ("ＣＰＲ 图示", "CPR图示"), ("cpr图示", "CPR图示")):
        refused = owner.post("/items", json={"name": name, "kind": "medical", "unit": "件"})
        assert (refused.status_code, code_of(refused)) == (409, "item_exists")
        assert refused.get_json()["item"]["name"] == known
    other = unit(lambda: make_item(name="急救图示"))
    assert code_of(owner.patch(f"/items/{other}", json={"name": "cpr 图示"}, version=1)) == "item_exists"
    assert owner.patch(f"/items/{other}", json={"name": "急救 图示"}, version=1).status_code == 200


def test_one_name_in_two_widths_at_once(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    organizer = postgresql_client.as_(postgresql_unit(make_depot).organizer_id)

    def create(number: int) -> Any:
        body = {"name": "纱布（大）" if number % 2 else "纱布(大)", "kind": "medical", "unit": "块"}
        answer = organizer.post("/items", json=body)
        return answer.status_code, answer.get_json().get("code")

    assert sorted(race(6, create)) == [(201, None)] + [(409, "item_exists")] * 5
