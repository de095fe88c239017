"""Counts over HTTP: sheet, blind count, drift, offline batches, second person, hand-over."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.inventory.factories import Depot, make_depot, make_item, move, reverse
from tests.inventory.test_recalls import recall
from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.accounts.models import Volunteer
from volunteer_api.catalog.kits import issue_template
from volunteer_api.catalog.models import ItemKind
from volunteer_api.catalog.service import create_item
from volunteer_api.catalog.templates import KitTemplate
from volunteer_api.core import clock, events
from volunteer_api.core.database import db
from volunteer_api.inventory import problems, queries, verification

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def depot(unit: Unit) -> Depot:
    made: Depot = unit(make_depot)
    return made


@pytest.fixture
def item(unit: Unit, depot: Depot) -> Any:
    """An item of which ten are there."""
    made = unit(make_item)
    unit(lambda: move(depot, "receipt", {"item_id": made, "quantity": 10}))
    return made


class Counter:
    """The station's manager with a count."""

    def __init__(self, client: Any, depot: Depot, by: Any = None, **body: Any) -> None:
        self.phone = client.as_(by or depot.manager_id)
        self.approver = client.as_(depot.organizer_id)
        self.depot, self.keys = depot, iter(range(1000))
        answer = self.phone.post(
            f"/stations/{depot.station_id}/stocktakes", json=body or {"scope": "all"}, key=f"s-{id(self)}"
        )
        assert answer.status_code == 201, answer.get_json()
        self.first = answer.get_json()
        self.path = f"/stocktakes/{self.first['id']}"

    def count(self, *lines: dict[str, Any]) -> Any:
        return self.phone.put(f"{self.path}/lines", json={"lines": list(lines)})

    def approve(self, by: Any = None, *, seen: Any = None, **body: Any) -> Any:
        """`seen`: the read whose version is named."""
        headers = {} if seen is None else {"If-Match": seen.headers["ETag"]}
        key = f"a-{id(self)}-{next(self.keys)}"
        return (by or self.phone).post(f"{self.path}/approval", json=body, key=key, headers=headers)

    def read(self, by: Any = None) -> Any:
        return (by or self.phone).get(self.path).get_json()


def line(item_id: Any, quantity: int, **members: Any) -> dict[str, Any]:
    return {"item_id": str(item_id), "quantity": quantity} | members


def balance(unit: Unit, depot: Depot) -> dict[Any, int]:
    rows = unit(lambda: queries.list_stock(depot.station_id, {"limit": 100})).items
    sums: dict[Any, int] = {}
    for row in rows:
        sums[row.item.id] = sums.get(row.item.id, 0) + row.quantity
    return sums


def sound(unit: Unit, depot: Depot) -> bool:
    return not unit(lambda: list(verification._finish(depot.station_id, verification._Replay())))


def code(answer: Any) -> str:
    return str(answer.get_json()["code"])


def test_movements_during_the_count_survive(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    counter = Counter(client, depot)
    assert [(row["book"], row["counted"], row["listed"]) for row in counter.first["lines"]] == [(10, None, True)]
    assert code(counter.approve()) == "count_incomplete"
    counted = counter.count(line(item, 8)).get_json()
    assert (counted["variance"], counted["second_person_needed"], counted["counted_count"]) == (2, False, 1)
    unit(lambda: move(depot, "issue", {"item_id": item, "quantity": 3}))
    unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 1}))
    refused = counter.approve()
    assert (code(refused), len(refused.get_json()["lines"])) == ("variance_reason_missing", 1)
    approved = counter.approve(reason="lost", note="柜子后面没找到").get_json()
    (row,) = approved["lines"]
    assert (approved["state"], row["delta"], row["book"], row["reason"]) == ("approved", -2, 10, "lost")
    assert balance(unit, depot) == {item: 6}
    document = counter.phone.get(f"/movements/{row['movement_id']}").get_json()
    assert (document["kind"], document["reason"], document["entries"][0]["balance"]) == ("stocktake", "lost", 6)
    for again in (counter.approve(reason="lost"), counter.count(line(item, 8))):
        assert (again.status_code, code(again), again.get_json()["state"]) == (409, "stocktake_decided", "approved")
    assert sound(unit, depot)


def test_a_count_with_the_books_right_posts_nothing(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    counter = Counter(client, depot)
    counter.count(line(item, 10))
    approved = counter.approve().get_json()
    assert [(row["delta"], row["movement_id"]) for row in approved["lines"]] == [(0, None)]
    assert len(unit(lambda: queries.list_entries(depot.station_id, {})).items) == 1
    # And yet it is a count: nothing is recorded before it.
    with pytest.raises(problems.BeforeLastCount) as caught:
        unit(
            lambda: move(
                depot, "issue", {"item_id": item, "quantity": 1}, occurred_at=clock.now() - timedelta(minutes=5)
            )
        )
    assert caught.value.members["item"]["id"] == str(item)
    unit(lambda: move(depot, "issue", {"item_id": item, "quantity": 1}))
    other = unit(make_item)
    earlier = unit(clock.now) - timedelta(minutes=5)
    unit(lambda: move(depot, "receipt", {"item_id": other, "quantity": 1}, occurred_at=earlier))


def test_what_was_recorded_late_was_counted_already(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    """A phone without a network issued one at nine; the count of ten sees nine pieces; the issue arrives at eleven."""
    counter = Counter(client, depot)
    before = unit(clock.now)
    counter.count(line(item, 9))
    unit(lambda: move(depot, "issue", {"item_id": item, "quantity": 1}, occurred_at=before))
    approved = counter.approve().get_json()
    assert [(row["book"], row["delta"]) for row in approved["lines"]] == [(9, 0)]
    assert balance(unit, depot) == {item: 9}


def test_a_phone_whose_clock_runs_ahead(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    """What was recorded before the count is in it, also where its phone says that it happens in three minutes."""
    other = unit(make_item)
    counter = Counter(client, depot, item_ids=[str(item), str(other)])
    counter.count(line(item, 10))
    ahead = unit(clock.now) + timedelta(minutes=3)
    unit(lambda: move(depot, "receipt", {"item_id": other, "quantity": 4}, occurred_at=ahead))
    counter.count(line(other, 4))
    approved = counter.approve().get_json()
    assert sorted((row["book"], row["delta"]) for row in approved["lines"]) == [(4, 0), (10, 0)]
    assert balance(unit, depot) == {item: 10, other: 4}


def test_a_mistake_undone_after_the_count_is_not_counted_twice(
    client: Any, unit: Unit, depot: Depot, item: Any
) -> None:
    wrong = unit(lambda: move(depot, "issue", {"item_id": item, "quantity": 4}))
    counter = Counter(client, depot)
    counter.count(line(item, 10))
    unit(lambda: reverse(depot, wrong.id))
    approved = counter.approve().get_json()
    assert [(row["book"], row["delta"]) for row in approved["lines"]] == [(10, 0)]
    assert balance(unit, depot) == {item: 10}


def test_a_mistake_before_an_approved_count_stays(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    """The count found the shelf without it: undone, the books would no longer be what was counted."""
    wrong = unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 5}))
    inside = unit(lambda: move(depot, "quarantine", {"item_id": item, "quantity": 1}))
    lent = unit(lambda: move(depot, "issue", {"item_id": item, "quantity": 2}))
    counter = Counter(client, depot)
    counter.count(line(item, 8), line(item, 1, quarantined=True))
    approved = counter.approve(counter.approver, reason="mistake").get_json()
    with pytest.raises(problems.BeforeLastCount) as caught:
        unit(lambda: reverse(depot, wrong.id))
    assert caught.value.members["item"]["id"] == str(item)
    # She undoes; it is no backdating that is refused.
    assert "冲销盘点单" in unit(caught.value.sentence)
    assert balance(unit, depot) == {item: 9}
    # What really comes back, and what moves inside of a lot, comes after the count.
    unit(lambda: reverse(depot, lent.id, "other", note="退回2件"))
    unit(lambda: reverse(depot, inside.id))
    # And the count itself may have been the mistake.
    corrected = next(row["movement_id"] for row in approved["lines"] if row["movement_id"])
    unit(lambda: reverse(depot, UUID(corrected)))
    assert balance(unit, depot) == {item: 15}


def test_what_is_found_of_a_recalled_lot_goes_into_quarantine(client: Any, unit: Unit, depot: Depot) -> None:
    """Three of five are where they belong and two on the shelf: nothing is released by finding them."""
    item = unit(make_item)
    unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 5, "lot_number": "A"}))
    unit(lambda: recall(depot, item, "A"))
    counter = Counter(client, depot)
    counter.count(line(item, 3, lot_number="A", quarantined=True), line(item, 2, lot_number="A"))
    assert counter.approve(counter.approver, reason="mistake").status_code == 200
    rows = unit(lambda: queries.list_stock(depot.station_id, {})).items
    assert [(row.lot_number, row.state, row.quantity) for row in rows if row.quantity] == [("A", "quarantined", 5)]
    assert sound(unit, depot)


def test_two_counts_of_one_thing_correct_it_once(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    first, second = Counter(client, depot), Counter(client, depot)
    first.count(line(item, 8))
    second.count(line(item, 8))
    assert first.approve(reason="lost").status_code == 200
    approved = second.approve(reason="lost").get_json()
    assert [(row["book"], row["delta"]) for row in approved["lines"]] == [(8, 0)]
    assert balance(unit, depot) == {item: 8}
    # An older count must not undo a later one.
    early, late = Counter(client, depot), Counter(client, depot)
    early.count(line(item, 8))
    late.count(line(item, 7))
    assert late.approve(reason="lost").status_code == 200
    assert code(early.approve(reason="other")) == "stocktake_outdated"
    assert balance(unit, depot) == {item: 7}


def test_it_never_goes_below_zero(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    counter = Counter(client, depot)
    counter.count(line(item, 0))
    unit(lambda: move(depot, "issue", {"item_id": item, "quantity": 3}))
    refused = counter.approve(by=counter.approver, reason="lost")
    assert (refused.status_code, code(refused)) == (409, "stocktake_outdated")
    assert refused.get_json()["lines"][0]["item"]["id"] == str(item)
    counter.count(line(item, 0))
    assert code(counter.approve(by=counter.approver, reason="lost")) == "precondition_required"
    read = counter.approver.get(counter.path)
    assert counter.approve(by=counter.approver, seen=read, reason="lost").status_code == 200
    assert balance(unit, depot) == {item: 0}
    assert sound(unit, depot)


def test_a_blind_count_shows_what_the_books_say_to_approvers_only(
    client: Any, unit: Unit, depot: Depot, item: Any
) -> None:
    counter = Counter(client, depot, scope="all", blind=True)
    hidden = {"book": None, "variance": None}
    for answer in (counter.first, counter.count(line(item, 3)).get_json(), counter.read()):
        (row,) = answer["lines"]
        assert {name: row[name] for name in hidden} == hidden
        assert (answer["variance"], answer["second_person_needed"]) == (None, None)
    listed = counter.phone.get(f"{counter.path}/lines").get_json()["items"]
    assert [(row["book"], row["counted"]) for row in listed] == [(None, 3)]
    assert [row["book"] for row in counter.read(counter.approver)["lines"]] == [10]
    # Nor does a refusal say more than that something differs, where a second person is not needed at all.
    counter = Counter(client, depot, scope="all", blind=True)
    counter.count(line(item, 9))
    refused = counter.approve()
    assert (code(refused), refused.get_json().get("lines")) == ("variance_reason_missing", None)
    assert len(counter.approve(by=counter.approver).get_json()["lines"]) == 1
    # The organizer who counts something counts blindly too.
    counter.approver.put(f"{counter.path}/lines", json={"lines": [line(item, 4)]})
    assert [row["book"] for row in counter.read(counter.approver)["lines"]] == [None]
    third = client.as_(depot.auditor_id)
    assert [row["book"] for row in third.get(counter.path).get_json()["lines"]] == [None]


def test_a_second_person_approves_what_is_medical_or_much(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    many = Counter(client, depot)
    many.count(line(item, 4))
    assert many.read()["second_person_needed"] is True
    assert (code(many.approve(reason="lost")), balance(unit, depot)) == ("second_person_needed", {item: 10})
    told = many.approver.get("/me/notifications").get_json()["items"]
    assert [(note["kind"], note["values"]["stocktake_id"]) for note in told] == [
        ("stocktake_to_approve", many.first["id"])
    ]
    # Who counted is not the second person, whatever else she may do.
    own = Counter(client, depot, by=depot.organizer_id)
    own.count(line(item, 4))
    assert code(own.approve(reason="lost")) == "second_person_needed"
    assert many.approve(by=many.approver, reason="lost").status_code == 200
    medicine = unit(lambda: make_item(kind=ItemKind.MEDICAL))
    expiry = day(unit)
    unit(lambda: move(depot, "receipt", {"item_id": medicine, "quantity": 2, "expires_on": expiry}))
    medical = Counter(client, depot, item_ids=[str(medicine)])
    medical.count(line(medicine, 2, expires_on=expiry.isoformat()))
    assert code(medical.approve()) == "second_person_needed"
    assert medical.approve(by=medical.approver).status_code == 200


def day(unit: Unit) -> Any:
    return unit(clock.today) + timedelta(days=400)


def test_offline_counts_come_in_one_batch_and_in_any_order(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    counter = Counter(client, depot)
    first = unit(clock.now)
    unit(lambda: move(depot, "issue", {"item_id": item, "quantity": 4}))
    second = unit(clock.now)
    # Counted before the issue and uploaded after it: what the books said then.
    late = counter.count(line(item, 10, counted_at=first.isoformat())).get_json()
    assert [(row["book"], row["variance"]) for row in late["lines"]] == [(10, 0)]
    batch = [line(item, 6, counted_at=second.isoformat()), line(item, 10, counted_at=first.isoformat())]
    for lines in (batch, batch[::-1], batch[1:]):
        (row,) = counter.count(*lines).get_json()["lines"]
        assert (row["book"], row["counted"]) == (6, 6)
    ahead = (second + timedelta(hours=1)).isoformat()
    assert code(counter.count(line(item, 6, counted_at=ahead))) == "counted_in_future"
    long_ago = (second - timedelta(hours=73)).isoformat()
    assert code(counter.count(line(item, 6, counted_at=long_ago))) == "counted_too_long_ago"
    assert counter.approve().status_code == 200
    assert balance(unit, depot) == {item: 6}


def test_what_the_books_do_not_know_is_found(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    medicine = unit(lambda: make_item(kind=ItemKind.MEDICAL, days_once_opened=10))
    forbidden = unit(lambda: make_item(prohibited=True))
    counter = Counter(client, depot)
    counter.count(line(item, 10))
    assert code(counter.count(line(medicine, 1, lot_number="X"))) == "expiry_date_missing"
    assert code(counter.count(line(forbidden, 1))) == "prohibited_item"
    today = unit(clock.today)
    found = [
        line(medicine, 2, lot_number="X", expires_on=day(unit).isoformat()),
        line(medicine, 1, lot_number="X", expires_on=day(unit).isoformat(), opened_on=today.isoformat()),
        line(forbidden, 1, quarantined=True, reason="other"),
    ]
    answer = counter.count(*found).get_json()
    assert sorted((row["listed"], row["book"], row["counted"]) for row in answer["lines"]) == [
        (False, 0, 1),
        (False, 0, 1),
        (False, 0, 2),
        (True, 10, 10),
    ]
    approved = counter.approve(by=counter.approver, reason="donation")
    assert approved.status_code == 200
    # A document for each reason.
    assert len({row["movement_id"] for row in approved.get_json()["lines"]} - {None}) == 2
    rows = unit(lambda: queries.list_stock(depot.station_id, {})).items
    assert sorted((row.quantity, str(row.state), row.opened_on, row.expires_on) for row in rows) == [
        (1, "near_expiry", today, today + timedelta(days=10)),
        (1, "quarantined", None, None),
        (2, "ok", None, day(unit)),
        (10, "ok", None, None),
    ]
    assert sound(unit, depot)


def test_some_items_are_counted_also_where_none_are_there(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    missing, other = unit(make_item), unit(make_item)
    counter = Counter(client, depot, item_ids=[str(item), str(missing)])
    assert sorted(row["book"] for row in counter.first["lines"]) == [0, 10]
    refused = counter.count(line(other, 1))
    assert (code(refused), refused.get_json()["item"]["id"]) == ("item_not_in_count", str(other))
    counter.count(line(item, 10))
    assert code(counter.approve()) == "count_incomplete"
    assert counter.approve(skip_uncounted=True).status_code == 200


def test_a_hand_over_closes_itself_where_nothing_is_missing(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    body = {"kind": "handover", "item_ids": [str(item)], "to_volunteer_id": str(depot.auditor_id)}
    fine = Counter(client, depot, **body)
    people = [fine.first[f"{end}_volunteer"]["id"] for end in ("from", "to")]
    assert people == [str(depot.manager_id), str(depot.auditor_id)]
    closed = fine.count(line(item, 10)).get_json()
    assert (closed["state"], closed["decided_by"]["id"]) == ("approved", str(depot.manager_id))
    short = Counter(client, depot, **body)
    assert short.count(line(item, 9)).get_json()["state"] == "counting"
    assert short.approve(reason="lost").status_code == 200
    assert balance(unit, depot) == {item: 9}
    listed = short.phone.get(f"/stations/{depot.station_id}/stocktakes?kind=handover").get_json()["items"]
    assert [row["id"] for row in listed] == [short.first["id"], fine.first["id"]]


def test_a_count_is_given_up(client: Any, depot: Depot, item: Any) -> None:
    counter = Counter(client, depot)
    answer = counter.phone.post(f"{counter.path}/cancellation", json={"reason": "下雨"}, key="c").get_json()
    assert (answer["state"], answer["decision_note"]) == ("canceled", "下雨")
    assert code(counter.approve()) == "stocktake_decided"
    states = counter.phone.get(f"/stations/{depot.station_id}/stocktakes?state=counting").get_json()["items"]
    assert states == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"scope": "items"},
        {"scope": "all", "item_ids": ["0190a5a0-0000-7000-8000-000000000000"]},
        {"item_ids": []},
        {"scope": "all", "kind": "handover"},
        {"scope": "all", "to_volunteer_id": "0190a5a0-0000-7000-8000-000000000000"},
        {"scope": "all", "state": "approved"},
    ],
)
def test_payloads_are_judged(client: Any, depot: Depot, body: dict[str, Any]) -> None:
    answer = client.as_(depot.manager_id).post(f"/stations/{depot.station_id}/stocktakes", json=body, key="k")
    assert answer.status_code == 422


def test_reading_costs_few_statements(client: Any, depot: Depot, item: Any, unit: Unit, statements: Any) -> None:
    for _ in range(5):
        made = unit(make_item)
        unit(lambda made=made: move(depot, "receipt", {"item_id": made, "quantity": 1}))
    counter = Counter(client, depot)
    with statements() as sent:
        counter.read()
    # The session, the count, its station with the grants; may she approve, the count with its people, the lines, the
    # variance, whether something medical is among them.
    assert len(sent) <= 10


def test_what_a_count_corrected_is_undone_by_approvers(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    counter = Counter(client, depot)
    counter.count(line(item, 8))
    (row,) = counter.approve(reason="lost").get_json()["lines"]
    path = f"/movements/{row['movement_id']}/reversal"
    assert counter.phone.post(path, json={"reason": "mistake"}, key="u").status_code == 403
    assert counter.approver.post(path, json={"reason": "mistake"}, key="u").status_code == 201
    assert balance(unit, depot) == {item: 10}


def test_who_counted_is_named_after_her_erasure(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    counter = Counter(client, depot, by=depot.organizer_id)
    counter.count(line(item, 10))

    def erase() -> str:
        volunteer = db.session.get_one(Volunteer, depot.organizer_id)
        name = str(volunteer.name)
        events.publish(VolunteerErased(volunteer_id=volunteer.id, name=name))
        volunteer.name = "已注销用户"
        return name

    name = unit(erase)
    shown = counter.read(client.as_(depot.manager_id))
    assert (shown["started_by"]["name"], shown["lines"][0]["counted_by"]["name"]) == (name, name)


def test_what_is_scanned_is_counted(client: Any, unit: Unit, depot: Depot) -> None:
    barcode = "6901234567892"
    item = unit(lambda: create_item(name="碘伏棉签", kind=ItemKind.CONSUMABLE, unit="盒", barcodes=[barcode]).id)
    unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 4}))
    counter = Counter(client, depot)
    unknown = counter.count({"barcode": "6909999999999", "quantity": 4})
    assert (unknown.status_code, unknown.get_json()["code"]) == (409, "barcode_unknown")
    both = counter.count({"barcode": barcode, "item_id": str(item), "quantity": 4})
    assert both.get_json()["errors"][0]["pointer"] == "/lines/0/item_id"
    assert counter.count({"barcode": barcode, "quantity": 3}).status_code == 200
    assert counter.approve(reason="lost").status_code == 200
    assert balance(unit, depot) == {item: 3}


def test_a_hand_over_is_of_what_is_critical(client: Any, unit: Unit, depot: Depot) -> None:
    people = {"kind": "handover", "to_volunteer_id": str(depot.auditor_id)}
    manager = client.as_(depot.manager_id)
    path = f"/stations/{depot.station_id}/stocktakes"
    refused = manager.post(path, json=people, key="before")
    assert (refused.status_code, refused.get_json()["code"]) == (409, "nothing_critical")
    unit(lambda: issue_template(KitTemplate.FIRST_AID, organization_id=depot.office_id, issued_by=depot.organizer_id))
    begun = manager.post(path, json=people, key="after")
    assert begun.status_code == 201, begun.get_json()
    listed = manager.get(f"/stocktakes/{begun.get_json()['id']}/lines").get_json()["items"]
    critical = {"碘伏", "棉签"}
    assert critical <= {one["item"]["name"] for one in listed}
    assert len(listed) < 11
