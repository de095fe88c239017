"""When something was counted, whatever the phone's clock says."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.inventory.factories import Depot, make_depot, make_item, move
from tests.stocktakes.test_stocktakes import Counter, balance, code, line
from volunteer_api.core import clock

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def depot(unit: Unit) -> Depot:
    made: Depot = unit(make_depot)
    return made


@pytest.fixture
def item(unit: Unit, depot: Depot) -> Any:
    """An item of which twelve came a moment ago."""
    made = unit(make_item)
    unit(lambda: move(depot, "receipt", {"item_id": made, "quantity": 12}))
    return made


def behind(unit: Unit, **by: int) -> str:
    """What a clock says that is so far behind."""
    moment = unit(clock.now) - timedelta(**by)
    return str(moment.isoformat())


def test_the_time_since_the_tap_is_trusted_before_the_clock(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    counter = Counter(client, depot)
    said = line(item, 12, counted_at=behind(unit, minutes=15), delay_ms=0)
    (row,) = counter.count(said).get_json()["lines"]
    assert (row["book"], row["variance"], row["before_start"]) == (12, 0, False)
    # Nor does a clock that runs ahead matter, and how long ago it was is bounded as by the clock.
    ahead = line(item, 12, counted_at=behind(unit, hours=-3), delay_ms=0)
    assert counter.count(ahead).status_code == 200
    assert code(counter.count(line(item, 12, delay_ms=73 * 3600 * 1000))) == "counted_too_long_ago"
    assert counter.count(line(item, 12, delay_ms=-1)).status_code == 422
    assert counter.approve().status_code == 200
    assert balance(unit, depot) == {item: 12}


def test_a_retry_has_another_delay(client: Any, depot: Depot, item: Any) -> None:
    counter = Counter(client, depot)
    path = f"{counter.path}/lines"
    first = counter.phone.put(path, json={"lines": [line(item, 12, delay_ms=0)]}, key="n")
    again = counter.phone.put(path, json={"lines": [line(item, 12, delay_ms=4000)]}, key="n")
    assert (again.headers["Idempotency-Replayed"], again.get_json()) == ("true", first.get_json())
    other = counter.phone.put(path, json={"lines": [line(item, 11, delay_ms=4000)]}, key="n")
    assert code(other) == "idempotency_key_reused"


def test_nobody_alone_approves_what_was_counted_before_the_count_began(
    client: Any, unit: Unit, depot: Depot, item: Any
) -> None:
    counter = Counter(client, depot)
    early = behind(unit, minutes=15)
    counted = counter.count(line(item, 12, counted_at=early)).get_json()
    (row,) = counted["lines"]
    # The approver sees that it would be no find, had it been counted when the count went on.
    assert (row["book"], row["variance"], row["book_at_start"], row["before_start"]) == (0, 12, 12, True)
    assert counted["second_person_needed"] is True
    assert code(counter.approve(reason="other")) == "second_person_needed"
    # Not by what she heard alone: she reads it first.
    assert code(counter.approve(counter.approver, reason="other")) == "precondition_required"
    # Who says it again, now, has counted it now.
    again = counter.count(line(item, 12)).get_json()
    assert (again["lines"][0]["before_start"], again["variance"]) == (False, 0)
    # Who was told of it decides nevertheless.
    assert again["second_person_needed"] is True
    assert counter.approve(counter.approver, seen=counter.approver.get(counter.path)).status_code == 200
    assert balance(unit, depot) == {item: 12}


def test_what_was_counted_on_paper_before_is_approved_by_who_reads_it(
    client: Any, unit: Unit, depot: Depot, item: Any
) -> None:
    on_paper = behind(unit, seconds=0)
    unit(lambda: move(depot, "issue", {"item_id": item, "quantity": 2}))
    counter = Counter(client, depot, blind=True, scope="all")
    hidden = counter.count(line(item, 11, counted_at=on_paper)).get_json()["lines"][0]
    assert (hidden["book"], hidden["book_at_start"], hidden["before_start"]) == (None, None, True)
    read = counter.approver.get(counter.path)
    assert counter.approve(counter.approver, seen=read, reason="lost").status_code == 200
    assert balance(unit, depot) == {item: 9}


def test_a_hand_over_does_not_close_itself_by_a_clock_that_is_behind(
    client: Any, unit: Unit, depot: Depot, item: Any
) -> None:
    """All twelve are gone, and by the books of a quarter of an hour ago nothing is missing."""
    people = {"kind": "handover", "item_ids": [str(item)], "to_volunteer_id": str(depot.auditor_id)}
    counter = Counter(client, depot, **people)
    answer = counter.count(line(item, 0, counted_at=behind(unit, minutes=15))).get_json()
    assert (answer["state"], answer["variance"], answer["second_person_needed"]) == ("counting", 0, True)
    assert code(counter.approve()) == "second_person_needed"


def test_a_clock_some_seconds_behind_asks_for_nobody(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    """Nothing moved between: the books of that moment are those of the start."""
    slow = behind(unit, seconds=0)
    counter = Counter(client, depot)
    counted = counter.count(line(item, 12, counted_at=slow)).get_json()
    (row,) = counted["lines"]
    assert (row["before_start"], row["book"], row["book_at_start"]) == (True, 12, 12)
    assert counted["second_person_needed"] is False
    assert counter.approve().status_code == 200
