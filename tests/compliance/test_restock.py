"""Suggestions: the nearest surplus, each piece once, no donor below its own minimum."""

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.compliance.factories import Tree, in_days, make_tree
from volunteer_api.catalog.models import ItemKind
from volunteer_api.catalog.queries import NamedItem
from volunteer_api.catalog.standards import Requirement
from volunteer_api.compliance import restock
from volunteer_api.compliance.assessment import HeldLot, Holding
from volunteer_api.inventory import ledger
from volunteer_api.inventory.models import QUARANTINED

Unit = Callable[[Callable[[], Any]], Any]
TODAY = date(2026, 11, 23)


@pytest.fixture
def tree(unit: Unit) -> Tree:
    made: Tree = unit(make_tree)
    return made


def suggested(client: Any, tree: Tree, query: str = "") -> Any:
    path = f"/restock-suggestions?organization_id={tree.center_id}{query}"
    answer = client.as_(tree.administrator_id).get(path)
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def lines(found: Any, tree: Tree) -> list[tuple[int, int, int]]:
    """From desk, to desk, how many."""
    number = {str(desk): place for place, desk in enumerate(tree.desks)}
    return [
        (number[one["from_station"]["id"]], number[one["to_station"]["id"]], one["quantity"]) for one in found["items"]
    ]


def test_the_nearest_surplus_comes_first_and_each_piece_once(client: Any, unit: Unit, tree: Tree) -> None:
    unit(lambda: tree.require(tea=5))
    for desk, quantity in enumerate((1, 6, 4, 7)):
        unit(lambda desk=desk, quantity=quantity: tree.fill(desk, tea=quantity))
    found = suggested(client, tree)
    # The first desk is covered least, and the second has just one to spare; the last has two, for both.
    assert lines(found, tree) == [(1, 0, 1), (3, 0, 2)]
    assert [one["distance_m"] for one in found["items"]] == pytest.approx([998, 2994], abs=5)
    assert [(one["quantity"], one["station"]["id"]) for one in found["unmet"]] == [
        (1, str(tree.desks[0])),
        (1, str(tree.desks[2])),
    ]
    assert found["need_count"] == 2
    assert lines(suggested(client, tree, "&limit=1"), tree) == [(1, 0, 1)]
    office = client.as_(tree.organizer_id).get(f"/restock-suggestions?organization_id={tree.offices[0]}").get_json()
    assert lines(office, tree) == [(1, 0, 1)]


def test_critical_needs_come_first_and_what_is_under_way_counts(client: Any, unit: Unit, tree: Tree) -> None:
    unit(lambda: tree.require(tea=4, gauze_critical=4))
    unit(lambda: tree.fill(0, tea=1, gauze_critical=3))
    unit(lambda: tree.fill(3, tea=9, gauze_critical=9))
    unit(lambda: tree.fill(1, tea=4, gauze_critical=4))
    unit(lambda: tree.fill(2, tea=4, gauze_critical=4))
    found = suggested(client, tree)
    assert [(one["critical"], one["quantity"]) for one in found["items"]] == [(True, 1), (False, 3)]
    unit(lambda: ledger.count_beside(tree.desks[0], tree.items["tea"], "", in_transit=2))
    assert [(one["critical"], one["quantity"]) for one in suggested(client, tree)["items"]] == [(True, 1), (False, 1)]


def test_lots_that_expire_first_go_first_but_not_to_waste(client: Any, unit: Unit, tree: Tree) -> None:
    unit(lambda: tree.require(gauze=3))
    for days in (3, 20, 300):
        unit(lambda days=days: tree.move("receipt", 1, "gauze", 2, days=days))
    unit(lambda: tree.fill(2, gauze=3))
    unit(lambda: tree.fill(3, gauze=3))
    found = suggested(client, tree)["items"]
    # Of six three may go, and those of the third day would be of no use.
    assert [(one["quantity"], one["expires_on"], one["reason"]) for one in found] == [
        (2, unit(lambda: in_days(20)).isoformat(), "expires_soon"),
        (1, unit(lambda: in_days(300)).isoformat(), "surplus"),
    ]
    assert found[0]["lot_number"] == found[0]["expires_on"]


def test_a_suggestion_that_is_asked_for_is_off_the_list(client: Any, unit: Unit, tree: Tree) -> None:
    unit(lambda: tree.require(gauze=3))
    unit(lambda: tree.move("receipt", 1, "gauze", 6, days=300))
    unit(lambda: tree.fill(2, gauze=3))
    unit(lambda: tree.fill(3, gauze=3))
    administrator = client.as_(tree.administrator_id)
    (line,) = suggested(client, tree)["items"]
    transfer = {
        "from_station_id": line["from_station"]["id"],
        "to_station_id": line["to_station"]["id"],
        "lines": [
            {
                "item_id": line["item"]["id"],
                "quantity": line["quantity"],
                "lot_number": line["lot_number"],
                "expires_on": line["expires_on"],
            }
        ],
    }
    asked = administrator.post("/transfers", json=transfer, key="ask")
    assert asked.status_code == 201, asked.get_json()
    found = suggested(client, tree)
    assert (found["items"], found["need_count"]) == ([], 0)
    # A part of it was promised to somebody else: just the rest is there to give.
    unit(lambda: tree.move("issue", 2, "gauze", 2))
    found = suggested(client, tree)
    assert (found["items"], [one["quantity"] for one in found["unmet"]]) == ([], [2])


def test_a_tree_that_is_too_large_is_refused(
    client: Any, unit: Unit, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restock, "MOST_STATIONS", 3)
    path = f"/restock-suggestions?organization_id={tree.center_id}"
    refused = client.as_(tree.administrator_id).get(path)
    assert (refused.status_code, refused.get_json()["errors"][0]["code"]) == (422, "tree_too_large")
    assert client.as_(tree.administrator_id).get("/restock-suggestions").status_code == 422


def test_suggestions_take_four_statements(client: Any, unit: Unit, tree: Tree, statements: Any) -> None:
    unit(lambda: tree.require(tea=5))
    unit(lambda: tree.fill(0, tea=9))
    administrator = client.as_(tree.administrator_id)
    with statements() as sent:
        assert len(administrator.get(f"/restock-suggestions?organization_id={tree.center_id}").get_json()["items"]) == 1
    asks_for_right = 3
    assert len(sent) == asks_for_right + 4


ITEMS = [NamedItem(UUID(int=number), f"物品{number}", "件", kind) for number, kind in enumerate(ItemKind)]
lots = st.lists(
    st.tuples(
        st.integers(1, 9),
        st.one_of(st.none(), st.integers(-5, 60)),
        st.sampled_from(["", "", QUARANTINED, "2026-11-01"]),
    ),
    max_size=4,
)
shelves = st.fixed_dictionaries(
    {item.id: st.tuples(lots, st.integers(0, 3), st.integers(0, 3), st.integers(0, 8), st.booleans()) for item in ITEMS}
)
network = st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20), shelves), min_size=1, max_size=7)


@settings(max_examples=300, deadline=None)
@given(
    drawn=network,
    limit=st.integers(1, 100),
    asked=st.lists(
        st.tuples(
            st.integers(0, 6),
            st.integers(0, 6),
            st.sampled_from(ITEMS),
            st.sampled_from(["", "L0", "L1"]),
            st.integers(1, 5),
        ),
        max_size=4,
    ),
)
def test_no_donor_falls_under_its_minimum_and_nothing_is_given_twice(
    drawn: list[Any], limit: int, asked: list[Any], app_for_rules: Any
) -> None:
    places, required, held = {}, {}, {}
    for number, (x, y, shelf) in enumerate(drawn):
        station_id = UUID(int=1000 + number)
        places[station_id] = restock.Place(station_id, str(number), str(number), y / 1000, x / 1000, x, y)
        required[station_id], held[station_id] = {}, {}
        for item in ITEMS:
            drawn_lots, on_loan, in_transit, minimum, critical = shelf[item.id]
            held[station_id][item.id] = Holding(
                item,
                [
                    HeldLot(f"L{lot}", portion, None if days is None else TODAY + timedelta(days=days), quantity)
                    for lot, (quantity, days, portion) in enumerate(drawn_lots)
                ],
                on_loan,
                in_transit,
            )
            if minimum:
                required[station_id][item.id] = Requirement(item, minimum, critical, ("kit",))
    promises = [
        restock.Promise(UUID(int=1000 + giver), UUID(int=1000 + taker), item.id, lot, quantity)
        for giver, taker, item, lot, quantity in asked
    ]
    with app_for_rules.app_context():
        found = restock.match(places, required, held, promises, today=TODAY, limit=limit)
    assert len(found.items) <= limit
    promised_away: Counter[Any] = Counter()
    coming: Counter[Any] = Counter()
    for promise in promises:
        promised_away[promise.from_station_id, promise.item_id] += promise.quantity
        coming[promise.to_station_id, promise.item_id] += promise.quantity
    given_away: Counter[Any] = Counter()
    by_lot: Counter[Any] = Counter()
    received: Counter[Any] = Counter()
    for one in found.items:
        assert one.quantity > 0
        assert one.from_station.id != one.to_station.id
        given_away[one.from_station.id, one.item.id] += one.quantity
        received[one.to_station.id, one.item.id] += one.quantity
        by_lot[one.from_station.id, one.item.id, one.lot_number] += one.quantity
    for (station_id, item_id), quantity in given_away.items():
        minimum = required[station_id][item_id].minimum if item_id in required[station_id] else 0
        assert held[station_id][item_id].held(TODAY) - quantity - promised_away[station_id, item_id] >= minimum
        if (station_id, item_id) not in coming:
            assert (station_id, item_id) not in received
    for (station_id, item_id, lot_number), quantity in by_lot.items():
        (lot,) = [lot for lot in held[station_id][item_id].lots if lot.lot_number == lot_number]
        assert lot.portion == ""
        assert quantity <= lot.quantity
        assert lot.expires_on is None or lot.expires_on >= TODAY + timedelta(days=restock.LEAST_DAYS_LEFT)
    for (station_id, item_id), quantity in received.items():
        holding = held[station_id][item_id]
        there = holding.held(TODAY) + holding.in_transit + coming[station_id, item_id]
        assert there + quantity <= required[station_id][item_id].minimum
    if len(found.items) < limit and not promises:
        check_nothing_left_over(found, required, held, given_away, by_lot)


def check_nothing_left_over(
    found: restock.Restocking, required: Any, held: Any, given_away: Counter[Any], by_lot: Counter[Any]
) -> None:
    """What is unmet is so because nobody has a piece to spare of it."""
    left: dict[UUID, int] = defaultdict(int)
    for station_id, items in held.items():
        for item_id, holding in items.items():
            minimum = required[station_id][item_id].minimum if item_id in required[station_id] else 0
            spare = holding.held(TODAY) - minimum - given_away[station_id, item_id]
            pieces = sum(
                lot.quantity - by_lot[station_id, item_id, lot.lot_number]
                for lot in holding.sendable_lots(TODAY)
                if lot.expires_on is None or lot.expires_on >= TODAY + timedelta(days=restock.LEAST_DAYS_LEFT)
            )
            left[item_id] += max(min(spare, pieces), 0)
    for need in found.unmet:
        assert left[need.item.id] == 0


@pytest.fixture(scope="module")
def app_for_rules(backends: Any) -> Any:
    """An application, for its rules only."""
    return backends("sqlite").app
