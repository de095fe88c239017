"""What a desk asks of its stock: what is held, what expires, where something is; each row says which portion it is."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.inventory.factories import Depot, make_depot, make_item, move
from volunteer_api.catalog import kits
from volunteer_api.catalog.models import ItemKind
from volunteer_api.core import clock
from volunteer_api.inventory.models import StockState
from volunteer_api.stations.models import StationKind

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def depot(unit: Unit) -> Depot:
    """A desk with something in each state."""

    def stock() -> Depot:
        depot, today = make_depot(), clock.today()
        swabs, tea, lamp, drug = (
            make_item(name=name, kind=kind)
            for name, kind in (
                ("棉签", ItemKind.MEDICAL),
                ("茶叶", ItemKind.CONSUMABLE),
                ("安全灯", ItemKind.DURABLE),
                ("创可贴", ItemKind.MEDICAL),
            )
        )
        kits.issue_standard(
            organization_id=depot.office_id,
            station_kinds=[StationKind.DESK],
            kit="desk",
            name="服务台",
            lines=[{"item_id": lamp, "minimum": 3, "critical": False}],
            issued_by=depot.organizer_id,
        )
        for item, days in ((swabs, 10), (drug, 400)):
            line = {"item_id": item, "quantity": 2, "lot_number": "A", "expires_on": today + timedelta(days=days)}
            move(depot, "receipt", line)
        with clock.at(clock.now() - timedelta(days=5)):
            line = {"item_id": drug, "quantity": 2, "lot_number": "B", "expires_on": today - timedelta(days=1)}
            move(depot, "receipt", line)
        move(depot, "quarantine", {"item_id": drug, "quantity": 1, "lot_number": "A"})
        for item in (tea, lamp):
            move(depot, "receipt", {"item_id": item, "quantity": 2})
        move(depot, "issue", {"item_id": tea, "quantity": 2})
        return depot

    made: Depot = unit(stock)
    return made


def rows(client: Any, depot: Depot, query: str = "") -> list[dict[str, Any]]:
    path = f"/stations/{depot.station_id}/stock?limit=100{query}"
    found: list[dict[str, Any]] = client.as_(depot.manager_id).get(path).get_json()["items"]
    return found


def test_each_state_is_found_by_its_name(client: Any, depot: Depot) -> None:
    everything = rows(client, depot)
    assert {row["state"] for row in everything} == set(StockState)
    for state in StockState:
        assert rows(client, depot, f"&state={state}") == [row for row in everything if row["state"] == state]
    assert rows(client, depot, "&held=true") == [row for row in everything if row["quantity"]]
    assert [row["item"]["name"] for row in rows(client, depot, "&held=false")] == ["茶叶"]


def test_items_are_found_and_ordered_as_they_are_spoken(client: Any, depot: Depot) -> None:
    names = list(dict.fromkeys(row["item"]["name"] for row in rows(client, depot)))
    assert names == ["安全灯", "茶叶", "创可贴", "棉签"]
    for asked in ("ckt", "chuangke", "可贴"):
        assert {row["item"]["name"] for row in rows(client, depot, f"&q={asked}")} == {"创可贴"}
    assert {row["item"]["name"] for row in rows(client, depot, "&kind=durable")} == {"安全灯"}
    assert [row["quarantined"] for row in rows(client, depot, "&q=ckt") if row["lot_number"] == "A"] == [False, True]


def test_entries_name_their_item(client: Any, depot: Depot) -> None:
    manager = client.as_(depot.manager_id)
    entries = manager.get(f"/stations/{depot.station_id}/stock/entries?kind=issue").get_json()["items"]
    assert [(entry["kind"], entry["item"]["name"], entry["item"]["unit"]) for entry in entries] == [
        ("issue", "茶叶", "件")
    ]
    document = manager.get(f"/movements/{entries[0]['movement_id']}").get_json()
    assert document["entries"] == entries
