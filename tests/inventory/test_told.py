"""Who has to take something off a shelf is told; what was mistyped or comes twice is asked for again."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.conftest import ApiClient
from tests.inventory.factories import Depot, line_of, make_depot, make_item, move, reverse
from tests.inventory.test_books import table_of
from tests.inventory.test_imports import send, workbook
from tests.inventory.test_ledger_property import NOON
from tests.transfers.factories import Pair, make_pair, receive, stock
from tests.transfers.factories import send as ship
from volunteer_api.catalog.models import Item, ItemKind
from volunteer_api.catalog.service import change_item
from volunteer_api.core import clock, events, ids
from volunteer_api.core.database import db
from volunteer_api.inventory import ledger, recalls
from volunteer_api.inventory.models import Movement, MovementKind, MovementReason
from volunteer_api.notifications.models import Notification
from volunteer_api.organizations.models import Organization
from volunteer_api.stations.events import StationClosing
from volunteer_api.stations.problems import StationNotEmpty

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def depot(unit: Unit) -> Depot:
    made: Depot = unit(make_depot)
    return made


def notes_of(unit: Unit, volunteer_id: Any, kind: str) -> list[dict[str, str]]:
    told = select(Notification.values).where(Notification.volunteer_id == volunteer_id, Notification.kind == kind)
    return list(unit(lambda: db.session.scalars(told.order_by(Notification.id)).all()))


def post(client: ApiClient, depot: Depot, kind: str, reason: str, **line: Any) -> Any:
    body = {"kind": kind, "reason": reason, "lines": [line]}
    return client.as_(depot.manager_id).post(f"/stations/{depot.station_id}/movements", json=body, key=ids.new_id().hex)


@pytest.mark.either_database
def test_who_receives_what_was_recalled_on_its_way_hears(client: ApiClient, unit: Unit) -> None:
    pair: Pair = unit(make_pair)
    item = unit(make_item)
    unit(lambda: stock(pair.sender, item, 4, lot_number="Q1"))
    transfer_id = unit(lambda: ship(pair, {"item_id": item, "quantity": 4, "lot_number": "Q1"}))

    def call_back() -> None:
        center = db.session.get_one(Organization, pair.center_id)
        recalls.recall_lot(
            organization=center, item_id=item, lot_number="Q1", reason="厂家召回", by=pair.administrator_id
        )

    unit(call_back)
    (awaited,) = notes_of(unit, pair.receiver.manager_id, recalls.RECALLED_UNDER_WAY)
    assert awaited["quantity"] == "4 件"
    assert notes_of(unit, pair.receiver.manager_id, recalls.RECALLED_CAME_IN) == []
    unit(lambda: receive(pair, transfer_id))
    (came,) = notes_of(unit, pair.receiver.manager_id, recalls.RECALLED_CAME_IN)
    assert (came["lot_number"], came["station"]) == ("Q1", pair.receiver.name)
    steps = client.as_(pair.receiver.manager_id).get(f"/transfers/{transfer_id}").get_json()["steps"]
    assert [step["quarantined"] for step in steps if step["kind"] == "received"] == [4]


@pytest.mark.either_database
def test_the_opening_stock_is_taken_over_once(client: ApiClient, unit: Unit, depot: Depot) -> None:
    item = unit(lambda: make_item(name="茶叶"))
    unit(lambda: make_item(name="雨伞"))
    phone = client.as_(depot.manager_id)
    table = workbook(["物品名称", "数量"], ["茶叶", 5], ["雨伞", 7])
    first = send(phone, depot, table).get_json()
    (document,) = first["documents"]
    assert document["repeats"] is None
    again = send(phone, depot, table, "?dry_run=true").get_json()
    assert [(error["row"], error["code"]) for error in again["errors"]] == [
        (2, "opening_repeated"),
        (3, "opening_repeated"),
    ]
    by_hand = post(client, depot, "receipt", "opening", item_id=str(item), quantity=1).get_json()
    assert (by_hand["code"], by_hand["document_number"]) == ("opening_repeated", document["document_number"])
    # Another delivery may look the same: who takes it is shown it.
    gift = send(phone, depot, table, "?reason=donation").get_json()["documents"][0]
    asked = send(phone, depot, table, "?reason=donation&dry_run=true").get_json()["documents"][0]
    assert (gift["repeats"], asked["repeats"]) == (None, gift["document_number"])
    # What was undone was not taken over.
    unit(lambda: reverse(depot, db.session.scalars(select(Movement.id).order_by(Movement.id)).first()))
    assert send(phone, depot, table).status_code == 200


def test_two_desks_take_over_one_opening(postgresql_client: ApiClient, postgresql_unit: Unit, race: Any) -> None:
    depot = postgresql_unit(make_depot)
    item = postgresql_unit(make_item)
    answers = race(
        4, lambda _: post(postgresql_client, depot, "receipt", "opening", item_id=str(item), quantity=5).status_code
    )
    assert sorted(answers) == [201, 409, 409, 409]


@pytest.mark.either_database
def test_the_book_prints_the_day_that_stands(client: ApiClient, unit: Unit, depot: Depot) -> None:
    item = unit(lambda: make_item(name="碘伏", kind=ItemKind.MEDICAL))
    wrong, right = date(unit(clock.today).year + 9, 11, 27), date(unit(clock.today).year + 1, 11, 30)
    typed = unit(lambda: move(depot, "receipt", line_of(item, 5, lot_number="T", expires_on=wrong)))
    unit(lambda: reverse(depot, typed.id))
    unit(lambda: move(depot, "receipt", line_of(item, 5, lot_number="T", expires_on=right)))
    book = client.as_(depot.manager_id).get(f"/stations/{depot.station_id}/ledger.xlsx")
    (row,) = table_of(book.data, 0)
    assert (row["有效期"].date(), row["期末"]) == (right, 5)


@pytest.mark.either_database
def test_what_is_written_down_later_on_a_day_says_when(client: ApiClient, unit: Unit, depot: Depot) -> None:
    item = unit(make_item)
    with clock.at(NOON):
        earlier = NOON - timedelta(hours=1)
        unit(lambda: move(depot, "receipt", line_of(item, 5), occurred_at=earlier))
        unit(lambda: move(depot, "issue", line_of(item, 1)))
        book = client.as_(depot.manager_id).get(f"/stations/{depot.station_id}/ledger.xlsx")
    assert [row["备注"] for row in table_of(book.data, 1)] == ["11:00 发生，12:00 补登", None]


@pytest.mark.either_database
def test_who_has_what_is_prohibited_hears(client: ApiClient, unit: Unit, depot: Depot) -> None:
    item = unit(make_item)
    unit(lambda: move(depot, "receipt", line_of(item, 3)))
    unit(lambda: change_item(db.session.get_one(Item, item), prohibited=True))
    (told,) = notes_of(unit, depot.manager_id, "item_prohibited")
    assert told["quantity"] == "3 件"
    phone = client.as_(depot.manager_id)
    for query in ("", "?state=quarantined"):
        (row,) = phone.get(f"/stations/{depot.station_id}/stock{query}").get_json()["items"]
        assert (row["state"], row["quarantined"]) == ("quarantined", False)


@pytest.mark.either_database
def test_what_is_mistyped_is_asked_for_again(client: ApiClient, unit: Unit, depot: Depot) -> None:
    item = unit(lambda: make_item(name="棉签", kind=ItemKind.MEDICAL))
    line = {"item_id": str(item), "quantity": 1}
    far = post(client, depot, "receipt", "donation", **line, expires_on="2226-11-27")
    assert far.get_json()["code"] == "expiry_too_far"
    other = post(client, depot, "receipt", "donation", **line, lot_number="2027-09-09", expires_on="2028-01-01")
    assert (other.status_code, other.get_json()["code"]) == (409, "lot_is_another_day")
    table = workbook(
        ["物品名称", "数量", "批号", "有效期至"],
        ["棉签", 1, "2027-09-09", "2028-01-01"],
        ["棉签", 1, "A", "2228-05-06"],
    )
    errors = send(client.as_(depot.manager_id), depot, table, "?dry_run=true").get_json()["errors"]
    assert [(error["column"], error["code"]) for error in errors] == [
        ("批号", "lot_is_another_day"),
        ("有效期至", "expiry_too_far"),
    ]


@pytest.mark.either_database
def test_more_of_what_lies_there_is_not_mistyped(client: ApiClient, unit: Unit, depot: Depot) -> None:
    item = unit(lambda: make_item(name="棉签", kind=ItemKind.MEDICAL))
    lots = (("2025-03-01", date(2028, 3, 1)), ("A", date(2099, 12, 31)))

    def keep() -> None:
        """As it was received before there was a rule."""
        for number, day in lots:
            posting = ledger.begin(depot.station_id, [item])
            change = posting.shelf.put(posting.items[item], 1, lot_number=number, expires_on=day)
            posting.write(
                [change], actor_id=depot.manager_id, kind=MovementKind.RECEIPT, reason=MovementReason.DONATION
            )

    unit(keep)
    table = workbook(["物品名称", "数量", "批号", "有效期至"], *(["棉签", 1, number, str(day)] for number, day in lots))
    assert send(client.as_(depot.manager_id), depot, table, "?reason=donation").status_code == 200
    for number, day in lots:
        more = {"item_id": str(item), "quantity": 1, "lot_number": number}
        assert post(client, depot, "receipt", "donation", **more, expires_on=str(day)).status_code == 201
        assert post(client, depot, "receipt", "donation", **more, expires_on="2028-03-02").status_code == 409


@pytest.mark.either_database
def test_what_is_good_is_not_written_off_as_expired(client: ApiClient, unit: Unit, depot: Depot) -> None:
    item = unit(make_item)
    today = unit(clock.today)
    with clock.at(clock.now() - timedelta(days=9)):
        unit(lambda: move(depot, "receipt", line_of(item, 2, lot_number="O", expires_on=today - timedelta(days=2))))
        unit(lambda: move(depot, "receipt", line_of(item, 5, lot_number="N", expires_on=today + timedelta(days=9))))
    refused = post(client, depot, "write_off", "expired", item_id=str(item), quantity=3).get_json()
    assert (refused["code"], refused["lot_number"], refused["expired"]) == ("not_expired", "N", 2)
    assert post(client, depot, "write_off", "expired", item_id=str(item), quantity=2).status_code == 201
    assert post(client, depot, "write_off", "expired", item_id=str(item), quantity=1).status_code == 409


@pytest.mark.either_database
def test_a_balance_of_a_day_gone_by(client: ApiClient, unit: Unit, depot: Depot) -> None:
    item = unit(make_item)
    phone, path = client.as_(depot.manager_id), f"/stations/{depot.station_id}"
    with clock.at(NOON):
        unit(lambda: move(depot, "receipt", line_of(item, 5), occurred_at=NOON - timedelta(days=2)))
        unit(lambda: move(depot, "issue", line_of(item, 2)))
        (row,) = phone.get(f"{path}/ledger?on=2026-11-22").get_json()["items"]
        (now,) = phone.get(f"{path}/ledger").get_json()["items"]
        entries = phone.get(f"{path}/stock/entries?until=2026-11-22").get_json()["items"]
        assert phone.get(f"{path}/ledger?on=2026-11-22&month=2026-11").status_code == 422
    assert (row["closing"], now["closing"]) == (5, 3)
    assert [entry["quantity"] for entry in entries] == [5]


@pytest.mark.either_database
def test_a_station_that_closes_says_how_much_is_left(unit: Unit, depot: Depot) -> None:
    for _ in range(3):
        item = unit(make_item)
        unit(lambda item=item: move(depot, "receipt", line_of(item, 2)))
    with pytest.raises(StationNotEmpty) as caught:
        unit(lambda: events.publish(StationClosing(station_id=depot.station_id)))
    members = caught.value.members
    assert (members["stock_items"], members["on_loan"], members["in_transit"]) == (3, 0, 0)
    assert "共3项" in unit(caught.value.sentence)


@pytest.mark.either_database
def test_who_approves_hears_of_much_that_is_lost(client: ApiClient, unit: Unit, depot: Depot) -> None:
    item = unit(make_item)
    unit(lambda: move(depot, "receipt", line_of(item, 20)))
    for quantity in (5, 6):
        assert post(client, depot, "write_off", "lost", item_id=str(item), quantity=quantity).status_code == 201
    (told,) = notes_of(unit, depot.organizer_id, "stock_lost")
    assert told["quantity"] == "6"
