"""What a count found stays found: by entries dated earlier, by a cancellation, by doing it in three steps."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.inventory.factories import Depot, make_depot, make_item, move, reverse
from tests.stocktakes.test_stocktakes import Counter, balance, code, line
from volunteer_api.catalog.models import ItemKind
from volunteer_api.core import clock
from volunteer_api.core.audit import AuditAction, AuditEntry
from volunteer_api.core.database import db
from volunteer_api.inventory.problems import BeforeLastCount

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def depot(unit: Unit) -> Depot:
    made: Depot = unit(make_depot)
    return made


@pytest.fixture
def item(unit: Unit, depot: Depot) -> Any:
    """Something of which there are thirty."""
    made = unit(make_item)
    unit(lambda: move(depot, "receipt", {"item_id": made, "quantity": 30}))
    return made


def slip_in(unit: Unit, depot: Depot, kind: str, item: Any, quantity: int, before: Any) -> None:
    """An entry that is recorded now and dated before the counting."""
    unit(lambda: move(depot, kind, {"item_id": item, "quantity": quantity}, occurred_at=before))


def test_what_is_recorded_of_the_time_before_is_shown_and_not_approved_unseen(
    client: Any, unit: Unit, depot: Depot, item: Any
) -> None:
    before = unit(clock.now)
    counter = Counter(client, depot)
    counter.count(line(item, 23))
    read = counter.approver.get(counter.path)
    slip_in(unit, depot, "receipt", item, 50, before)
    assert code(counter.approve(counter.approver, seen=read, reason="lost")) == "precondition_failed"
    assert code(counter.approve(counter.approver, reason="lost")) == "precondition_required"
    now = counter.approver.get(counter.path)
    (row,) = now.get_json()["lines"]
    assert (row["book"], row["book_when_counted"], now.get_json()["variance"]) == (80, 30, 57)
    approved = counter.approve(counter.approver, seen=now, reason="lost").get_json()
    assert approved["lines"][0]["delta"] == -57
    assert balance(unit, depot) == {item: 23}


def test_who_counted_explains_nothing_away(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    """Neither once somebody was told, nor in a count that is not complete."""
    other = unit(make_item)
    unit(lambda: move(depot, "receipt", {"item_id": other, "quantity": 30}))
    before = unit(clock.now)
    told = Counter(client, depot, item_ids=[str(item)])
    told.count(line(item, 10))
    incomplete = Counter(client, depot, item_ids=[str(other), str(unit(make_item))])
    incomplete.count(line(other, 10))
    for made in (item, other):
        slip_in(unit, depot, "issue", made, 20, before)
    for counter in (told, incomplete):
        assert (counter.read()["variance"], counter.read()["second_person_needed"]) == (0, True)
        assert code(counter.approve(skip_uncounted=True)) == "second_person_needed"
    # Nor by counting again what is no longer missing.
    told.count(line(item, 10, counted_at=unit(clock.now).isoformat()))
    assert code(told.approve()) == "second_person_needed"
    assert told.approve(told.approver, seen=told.approver.get(told.path)).status_code == 200


def test_who_refuses_says_who_approves(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    counter = Counter(client, depot)
    counter.count(line(item, 10))
    refused = counter.approve(reason="lost").get_json()
    (name,) = refused["approvers"]
    assert name in refused["detail"]
    (told,) = counter.approver.get("/me/notifications").get_json()["items"]
    assert "20" in told["body"]
    assert told["values"]["person_id"] == str(depot.manager_id)


def test_those_who_were_told_hear_that_it_was_given_up(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    counter = Counter(client, depot)
    counter.count(line(item, 10))
    assert counter.phone.post(f"{counter.path}/cancellation", json={"reason": "不盘了"}, key="c").status_code == 200
    notes = counter.approver.get("/me/notifications").get_json()["items"]
    kept = next(note for note in notes if note["kind"] == "stocktake_canceled")
    assert (kept["values"]["variance"], kept["values"]["reason"]) == ("20", "不盘了")

    def recorded() -> Any:
        found = db.session.scalars(select(AuditEntry).where(AuditEntry.action == AuditAction.STOCKTAKE_CANCELED)).one()
        return found.details["variance"]

    assert unit(recorded) == 20


def test_three_times_a_little_is_much(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    for left in (28, 26):
        counter = Counter(client, depot)
        counter.count(line(item, left))
        assert counter.approve(reason="lost").status_code == 200
    third = Counter(client, depot)
    third.count(line(item, 24))
    assert code(third.approve(reason="lost")) == "second_person_needed"
    assert third.approve(third.approver, reason="lost").status_code == 200
    # Who approved it vouched for what was there.
    fourth = Counter(client, depot)
    fourth.count(line(item, 22))
    assert fourth.approve(reason="lost").status_code == 200


def test_what_differs_by_nothing_needs_nobody_for_what_was_before(
    client: Any, unit: Unit, depot: Depot, item: Any
) -> None:
    other = unit(make_item)
    unit(lambda: move(depot, "receipt", {"item_id": other, "quantity": 30}))
    for left in (27, 25):
        counter = Counter(client, depot, item_ids=[str(item)])
        counter.count(line(item, left))
        assert counter.approve(reason="lost").status_code == 200
    honest = Counter(client, depot)
    honest.count(line(item, 25), line(other, 29))
    assert honest.read()["second_person_needed"] is False
    assert honest.approve(reason="lost").status_code == 200
    # The next that is missing counts with what was missing before.
    again = Counter(client, depot, item_ids=[str(item)])
    again.count(line(item, 24))
    assert again.read()["second_person_needed"] is True


def test_a_colleague_who_approves_vouches_for_nothing(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    counter = Counter(client, depot)
    counter.count(line(item, 26))
    # It needed no second person: nobody was told.
    assert counter.approve(counter.approver, reason="lost").status_code == 200
    second = Counter(client, depot)
    second.count(line(item, 24))
    assert code(second.approve(reason="lost")) == "second_person_needed"


def test_nobody_hears_that_a_count_which_found_nothing_was_given_up(client: Any, unit: Unit, depot: Depot) -> None:
    drug, other = unit(lambda: make_item(kind=ItemKind.MEDICAL)), unit(make_item)
    unit(lambda: move(depot, "receipt", {"item_id": drug, "quantity": 3, "expires_on": date(2027, 12, 31)}))
    unit(lambda: move(depot, "receipt", {"item_id": other, "quantity": 3}))
    counter = Counter(client, depot)
    counter.count(line(drug, 3, expires_on="2027-12-31"))
    assert counter.read()["second_person_needed"] is True
    assert counter.phone.post(f"{counter.path}/cancellation", json={"reason": "不盘了"}, key="c").status_code == 200
    assert counter.approver.get("/me/notifications").get_json()["items"] == []


def test_who_undoes_a_count_undoes_its_mark(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    wrong = unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 3}))
    counter = Counter(client, depot)
    counter.count(line(item, 30))
    (row,) = counter.approve(reason="lost").get_json()["lines"]
    with pytest.raises(BeforeLastCount):
        unit(lambda: reverse(depot, wrong.id))
    phone = counter.phone
    other = phone.post(f"/movements/{wrong.id}/reversal", json={"reason": "other"}, key="o")
    assert code(other) == "reversal_not_explained"
    unit(lambda: reverse(depot, UUID(row["movement_id"])))
    unit(lambda: reverse(depot, wrong.id))
    assert balance(unit, depot) == {item: 30}


def test_the_count_before_it_holds_again(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    first, second = Counter(client, depot), Counter(client, depot)
    first.count(line(item, 30))
    assert first.approve().status_code == 200
    before = unit(clock.now)
    second.count(line(item, 29, counted_at=(unit(clock.now) + timedelta(seconds=1)).isoformat()))
    (row,) = second.approve(reason="lost").get_json()["lines"]
    unit(lambda: reverse(depot, UUID(row["movement_id"])))
    slip_in(unit, depot, "receipt", item, 1, before)
    with pytest.raises(BeforeLastCount):
        slip_in(unit, depot, "receipt", item, 1, before - timedelta(minutes=5))


def test_an_approval_and_an_entry_dated_before_it_at_once(
    postgresql_client: Any, postgresql_unit: Any, race: Any
) -> None:
    """Either the entry comes first and the approval is refused, or the count is approved as it was read."""
    unit = postgresql_unit
    depot, item = unit(make_depot), unit(make_item)
    unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 30}))
    before = unit(clock.now)
    counter = Counter(postgresql_client, depot)
    counter.count(line(item, 10))
    seen = counter.approver.get(counter.path)
    entry = {
        "kind": "receipt",
        "reason": "donation",
        "occurred_at": before.isoformat(),
        "lines": [{"item_id": str(item), "quantity": 50}],
    }

    def act(number: int) -> Any:
        if number:
            return counter.phone.post(f"/stations/{depot.station_id}/movements", json=entry, key="m").status_code
        return counter.approve(counter.approver, seen=seen, reason="lost").status_code

    approved, recorded = race(2, act)
    held = {(200, 409): 10, (412, 201): 80}
    assert balance(unit, depot) == {item: held[approved, recorded]}
