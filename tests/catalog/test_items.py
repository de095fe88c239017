"""Items as scanners, typists and cameras find them."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.factories import make_volunteer
from tests.inventory.factories import Depot, make_depot, make_item, move
from volunteer_api.core.database import db
from volunteer_api.files.models import StoredFile

Unit = Callable[[Callable[[], Any]], Any]
EAN, UPC = "6901234567892", "036000291452"


@pytest.fixture
def depot(unit: Unit) -> Depot:
    made: Depot = unit(make_depot)
    return made


@pytest.fixture
def organizer(client: Any, depot: Depot) -> Any:
    return client.as_(depot.organizer_id)


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


def test_an_item_is_found_by_each_of_its_barcodes(client: Any, organizer: Any) -> None:
    body = {"name": "雨伞", "kind": "durable", "unit": "把", "barcodes": [EAN, UPC]}
    made = organizer.post("/items", json=body).get_json()
    assert made["barcodes"] == sorted([EAN, f"0{UPC}"])
    for asked in (EAN, UPC, f"0{UPC}", "６９０１２３４５６７８９２"):
        found = client.get("/items", query_string={"barcode": asked}).get_json()["items"]
        assert [item["id"] for item in found] == [made["id"]], asked
    assert client.get("/items?barcode=4006381333931").get_json()["items"] == []
    for bad in ("ab", "12 34", "条码12345", "x" * 49):
        assert client.get("/items", query_string={"barcode": bad}).status_code == 422


def test_no_two_items_share_a_barcode(organizer: Any) -> None:
    first = organizer.post("/items", json={"name": "甲", "kind": "durable", "unit": "把", "barcodes": [EAN]}).get_json()
    other = {"name": "乙", "kind": "durable", "unit": "把", "barcodes": [EAN]}
    refused = organizer.post("/items", json=other)
    assert (refused.status_code, code_of(refused)) == (409, "barcode_taken")
    assert refused.get_json()["item"]["id"] == first["id"]
    # Given up by the one, it is free for the other; the version moves although the row itself does not.
    changed = organizer.patch(f"/items/{first['id']}", json={"barcodes": []}, version=1).get_json()
    assert (changed["version"], changed["barcodes"]) == (2, [])
    assert organizer.post("/items", json=other).status_code == 201
    refused = organizer.patch(f"/items/{first['id']}", json={"barcodes": [EAN]}, version=2)
    assert code_of(refused) == "barcode_taken"


def test_one_barcode_for_two_items_at_once(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    organizer = postgresql_client.as_(postgresql_unit(make_depot).organizer_id)

    def create(number: int) -> Any:
        body = {"name": f"物品甲{number}", "kind": "durable", "unit": "把", "barcodes": [EAN]}
        answer = organizer.post("/items", json=body)
        return answer.status_code, answer.get_json().get("code")

    assert sorted(race(6, create)) == [(201, None)] + [(409, "barcode_taken")] * 5
    assert len(organizer.get(f"/items?barcode={EAN}").get_json()["items"]) == 1


def test_an_item_is_found_as_it_is_typed(client: Any, unit: Unit, organizer: Any) -> None:
    item = unit(lambda: make_item(name="碘伏"))
    unit(lambda: make_item(name="N95口罩"))

    def found(q: str) -> list[str]:
        return [one["name"] for one in client.get("/items", query_string={"q": q}).get_json()["items"]]

    assert found("df") == found("dianfu") == found("DianF") == found("碘") == ["碘伏"]
    assert found("n95") == ["N95口罩"]
    assert organizer.patch(f"/items/{item}", json={"name": "酒精"}, version=1).status_code == 200
    assert (found("df"), found("jj")) == ([], ["酒精"])


def test_photos_are_the_keepers_own(client: Any, unit: Unit, depot: Depot, organizer: Any) -> None:
    mine = [unit(lambda name=name: photo_of(depot.organizer_id, name)) for name in ("a" * 32, "b" * 32)]
    stranger = unit(make_volunteer)
    others = unit(lambda: photo_of(stranger.id, "c" * 32))
    body = {"name": "雨伞", "kind": "durable", "unit": "把", "photo_ids": [str(mine[1]), str(mine[0])]}
    made = organizer.post("/items", json=body).get_json()
    assert [photo["id"] for photo in made["photos"]] == body["photo_ids"]
    path = f"/items/{made['id']}"
    refused = organizer.patch(path, json={"photo_ids": [str(others)]}, version=1)
    assert (refused.status_code, code_of(refused)) == (409, "photo_not_found")
    changed = organizer.patch(path, json={"photo_ids": [str(mine[0])]}, version=1).get_json()
    assert [photo["id"] for photo in changed["photos"]] == [str(mine[0])]
    assert client.get("/items").get_json()["items"][0]["photos"] == changed["photos"]


def test_what_is_archived_is_offered_no_more_and_stays(client: Any, unit: Unit, depot: Depot, organizer: Any) -> None:
    item = unit(lambda: make_item(name="雨伞"))
    unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 5}))
    body = {"archived": True, "barcodes": [EAN]}
    assert organizer.patch(f"/items/{item}", json=body, version=1).get_json()["archived"] is True
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
