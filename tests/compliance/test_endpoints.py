"""Compliance over HTTP: of a station, of a tree, and in a station's stock."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.compliance.factories import Tree, by_name, in_days, make_tree
from tests.stations.factories import make_station
from volunteer_api.catalog import kits
from volunteer_api.catalog import service as catalog
from volunteer_api.catalog.models import Item, ItemKind, KitStandard
from volunteer_api.compliance import refresh, tasks
from volunteer_api.compliance.models import StationAssessment
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.inventory import ledger
from volunteer_api.inventory.models import QUARANTINED, Movement, MovementReason, StockBalance
from volunteer_api.inventory.service import reverse_movement
from volunteer_api.organizations.models import Organization
from volunteer_api.organizations.structure import move as move_organization
from volunteer_api.stations.models import Station, StationKind, StationStatus

Unit = Callable[[Callable[[], Any]], Any]
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


@pytest.fixture
def tree(unit: Unit) -> Tree:
    made: Tree = unit(make_tree)
    return made


def station(client: Any, tree: Tree, desk: int = 0) -> Any:
    answer = client.as_(tree.administrator_id).get(f"/stations/{tree.desks[desk]}/compliance")
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def whole(client: Any, tree: Tree, query: str = "") -> Any:
    answer = client.as_(tree.administrator_id).get(f"/organizations/{tree.center_id}/compliance{query}")
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def test_a_station_of_which_nothing_is_asked_has_no_score(client: Any, tree: Tree) -> None:
    found = station(client, tree)
    assert (found["score"], found["compliant"], found["fails_on"], found["items"]) == (None, None, None, [])


def test_score_counts_critical_items_twice_and_rounds_down(client: Any, unit: Unit, tree: Tree) -> None:
    unit(lambda: tree.require(umbrella=5, pump=1, gauze_critical=4))
    assert station(client, tree)["score"] == 0
    unit(lambda: tree.fill(0, umbrella=9, gauze_critical=2))
    found = station(client, tree)
    # (1 + 0 + 2 * 2/4) of 4.
    assert (found["score"], found["compliant"]) == (50, False)
    missing = by_name(found["missing"])
    assert {name: (one["held"], one["missing"]) for name, one in missing.items()} == {
        "pump": (0, 1),
        "gauze_critical": (2, 2),
    }
    assert (found["fails_on"], found["fails_because"]) == (unit(clock.today).isoformat(), "missing")
    assert found["failing_item"]["name"].startswith("gauze_critical")
    unit(lambda: tree.fill(0, pump=1, gauze_critical=2))
    found = station(client, tree)
    assert (found["score"], found["compliant"], found["missing"], found["fails_on"]) == (100, True, [], None)


def test_what_counts_as_held(client: Any, unit: Unit, tree: Tree) -> None:
    unit(lambda: tree.item("pump", ItemKind.DURABLE))
    unit(lambda: tree.require(pump=10, gauze=10))

    def fill() -> None:
        tree.fill(0, pump=3)
        tree.move("receipt", 0, "gauze", 2, days=0)
        tree.move("receipt", 0, "gauze", 4, days=100)
        # Two are lent: they are not on the shelf, and count; what a transfer brings is not there yet.
        ledger.count_beside(tree.desks[0], tree.items["pump"], "", on_loan=2, in_transit=4)
        # Out of use, and opened.
        for portion, quantity, days in ((QUARANTINED, 16, 100), (in_days(-1).isoformat(), 1, 5)):
            db.session.add(
                StockBalance(
                    station_id=tree.desks[0],
                    item_id=tree.items["gauze"],
                    lot_number="L",
                    portion=portion,
                    quantity=quantity,
                    expires_on=in_days(days),
                    on_loan=0,
                    in_transit=0,
                )
            )

    unit(fill)
    found = by_name(station(client, tree)["items"])
    assert (found["pump"]["held"], found["gauze"]["held"]) == (5, 7)
    with clock.at(clock_now(unit) + timedelta(days=1)):
        found = station(client, tree)
    assert by_name(found["items"])["gauze"]["held"] == 5
    assert by_name(found["items"])["gauze"]["expired"] == 2
    assert [one["quantity"] for one in found["expired"]] == [2]
    assert [(one["quantity"], one["opened_on"]) for one in found["near_expiry"]] == [
        (1, unit(lambda: in_days(-1)).isoformat())
    ]


def clock_now(unit: Unit) -> datetime:
    moment: datetime = unit(clock.now)
    return moment


def test_the_day_of_failure_follows_from_issues_and_expiry(client: Any, unit: Unit, tree: Tree) -> None:
    with clock.at(NOON):
        unit(lambda: tree.require(tea=5, gauze=2))

        def run() -> Any:
            with clock.at(NOON - timedelta(days=300)):
                tree.fill(0, tea=20)
            tree.move("receipt", 0, "gauze", 3, days=40)
            wrong = tree.move("issue", 0, "tea", 3)
            reverse_movement(
                db.session.get_one(Movement, wrong.id), actor_id=tree.administrator_id, reason=MovementReason.MISTAKE
            )
            return tree.move("issue", 0, "tea", 9)

        unit(run)
        found = station(client, tree)
        items = by_name(found["items"])
        # 9 in 90 days: one in ten days. Eleven are left; after 70 days four.
        assert (items["tea"]["issued"], items["tea"]["issued_days"]) == (9, 90)
        assert items["tea"]["fails_on"] == unit(lambda: in_days(70)).isoformat()
        assert items["tea"]["fails_because"] == "consumption"
        # Good to the end of the 40th day.
        assert (found["fails_on"], found["fails_because"]) == (unit(lambda: in_days(41)).isoformat(), "expiry")
        assert found["failing_item"]["name"].startswith("gauze")


def test_use_is_reckoned_over_the_days_that_the_station_has_the_item(client: Any, unit: Unit, tree: Tree) -> None:
    with clock.at(NOON):
        unit(lambda: tree.require(tea=5, soap=5, salt=5))
        unit(lambda: db.session.execute(update(Station).values(created_at=NOON - timedelta(days=365))))
    for days, name, quantity in ((10, "tea", 110), (0, "soap", 10), (365, "salt", 10)):
        with clock.at(NOON - timedelta(days=days)):
            unit(lambda name=name, quantity=quantity: tree.fill(0, **{name: quantity}))
    for days in range(10, 0, -1):
        with clock.at(NOON - timedelta(days=days)):
            unit(lambda: tree.move("issue", 0, "tea", 5))
    with clock.at(NOON):
        unit(lambda: (tree.move("issue", 0, "soap", 1), tree.move("issue", 0, "salt", 1)))
        items = by_name(station(client, tree)["items"])
        assert {name: (one["issued"], one["issued_days"]) for name, one in items.items()} == {
            "tea": (50, 10),
            "soap": (1, 7),
            "salt": (1, 90),
        }
        # Sixty are left, five a day: on the twelfth day none, on the eleventh five.
        assert items["tea"]["fails_on"] == unit(lambda: in_days(12)).isoformat()


def test_what_is_announced_is_foreseen(client: Any, unit: Unit, tree: Tree) -> None:
    with clock.at(NOON):
        standard = unit(lambda: tree.require(tea=5, soap=2)).id
        unit(lambda: tree.fill(0, tea=8, soap=2))

        def announce(days: int, **minimums: int) -> None:
            kits.issue_version(
                db.session.get_one(KitStandard, standard),
                lines=[{"item_id": tree.item(name), "minimum": minimum} for name, minimum in minimums.items()],
                effective_from=in_days(days),
            )

        def days() -> dict[str, Any]:
            found = station(client, tree)
            (tree_found,) = [
                one for one in whole(client, tree)["items"] if one["station"]["id"] == found["station"]["id"]
            ]
            assert tree_found["fails_on"] == found["fails_on"]
            assert (found["score"], found["missing"]) == (100, [])
            return {name: one["fails_on"] for name, one in by_name(found["items"]).items()} | {
                "first": found["fails_on"],
                "item": found["failing_item"] and found["failing_item"]["name"].rstrip("0123456789"),
            }

        twelve, thirty = (unit(lambda ahead=ahead: in_days(ahead)).isoformat() for ahead in (12, 30))
        assert days() == {"tea": None, "soap": None, "first": None, "item": None}
        unit(lambda: announce(30, tea=9, soap=2))
        assert days() == {"tea": thirty, "soap": None, "first": thirty, "item": "tea"}
        # What is asked for from then on only: it is no part of today's score.
        unit(lambda: announce(12, tea=5, salt_critical=1))
        assert days() == {"tea": None, "soap": None, "first": twelve, "item": "salt_critical"}
        unit(refresh.discover)
        unit(refresh.refresh_batch)
        alerts = client.as_(tree.administrator_id).get(f"/stock/alerts?organization_id={tree.center_id}").get_json()
        of_desk = [one for one in alerts["items"] if one["station"]["id"] == str(tree.desks[0])]
        assert [(one["kind"], one["details"]["fails_on"]) for one in of_desk] == [("will_fail", twelve)]
    with clock.at(NOON + timedelta(days=12)):
        found = station(client, tree)
        assert (by_name(found["missing"])["salt_critical"]["missing"], found["fails_because"]) == (1, "missing")


def test_stock_names_the_minimum_and_what_is_low(client: Any, unit: Unit, tree: Tree, statements: Any) -> None:
    unit(lambda: tree.require(tea=5, gauze=5))

    def fill() -> None:
        tree.fill(0, tea=4, other=1)
        tree.move("receipt", 0, "gauze", 3, days=100)
        tree.move("receipt", 0, "gauze", 2, days=5)

    unit(fill)
    manager = client.as_(tree.manager_id)
    with statements() as sent:
        rows = manager.get(f"/stations/{tree.desks[0]}/stock").get_json()["items"]
    # The session, the station, the right; the stock itself takes two.
    assert len(sent) <= 5
    found = {
        (row["item"]["name"].rstrip("0123456789"), row["quantity"]): (row["minimum"], row["state"]) for row in rows
    }
    assert found == {
        ("tea", 4): (5, "low"),
        ("other", 1): (None, "ok"),
        ("gauze", 3): (5, "ok"),
        ("gauze", 2): (5, "near_expiry"),
    }
    unit(lambda: tree.move("issue", 0, "gauze", 1))
    rows = manager.get(f"/stations/{tree.desks[0]}/stock").get_json()["items"]
    assert [row["state"] for row in rows if row["item"]["name"].startswith("gauze")] == ["near_expiry", "low"]


def stored(unit: Unit) -> dict[Any, tuple[Any, ...]]:
    columns = (StationAssessment.station_id, StationAssessment.stale, StationAssessment.score)
    return {row[0]: tuple(row[1:]) for row in unit(lambda: db.session.execute(select(*columns)).all())}


def settle(app: Any) -> None:
    """What the worker does in an hour."""
    with app.app_context():
        tasks.refresh_assessments()


def test_a_tree_is_summed_up(app: Any, client: Any, unit: Unit, tree: Tree) -> None:
    unit(lambda: tree.require(umbrella=4, gauze_critical=1))
    unit(lambda: tree.fill(0, umbrella=4, gauze_critical=1))
    unit(lambda: tree.fill(1, umbrella=2, gauze_critical=1))
    unit(lambda: tree.fill(2, umbrella=4))
    unit(lambda: make_station(organization_id=tree.center_id, kind=StationKind.POST))
    unit(lambda: make_station(organization_id=tree.center_id, status=StationStatus.PLANNED))
    before = whole(client, tree)
    unit(refresh.discover)
    settle(app)
    found = whole(client, tree)
    assert {**found, "as_of": None} == {**before, "as_of": None}
    total = found["total"]
    # Of the second desk: half of its umbrellas, and the gauze twice, of three.
    assert [one["score"] for one in found["items"]] == [0, 33, 83, 100, None]
    assert (total["station_count"], total["scored_count"], total["compliant_count"]) == (5, 4, 1)
    assert (total["score"], total["critical_count"], total["missing_count"]) == (54.0, 2, 4)
    assert total["fails_on"] == unit(clock.today).isoformat()
    assert (found["own"]["station_count"], found["own"]["score"], found["child_count"]) == (1, None, 2)
    assert [(one["score"], one["station_count"]) for one in found["children"]] == [(16.5, 2), (91.5, 2)]
    for name in ("station_count", "compliant_count", "missing_count", "critical_count"):
        assert total[name] == found["own"][name] + sum(child[name] for child in found["children"])
    first = whole(client, tree, "?limit=2")
    rest = whole(client, tree, f"?limit=3&cursor={first['next_cursor']}")
    assert first["items"] + rest["items"] == found["items"]
    assert rest["next_cursor"] is None
    other = client.as_(tree.administrator_id).get(
        f"/organizations/{tree.offices[0]}/compliance?cursor={first['next_cursor']}"
    )
    assert (other.status_code, other.get_json()["code"]) == (400, "invalid_cursor")


def test_a_sum_is_never_behind_the_shelf(app: Any, client: Any, unit: Unit, tree: Tree) -> None:
    """Whatever changes what a station holds or must hold shows at once, before any task has run."""
    standard = unit(lambda: tree.require(umbrella=4))

    def scores() -> list[Any]:
        return sorted(one["score"] for one in whole(client, tree)["items"])

    unit(refresh.discover)
    settle(app)
    assert scores() == [0, 0, 0, 0]
    unit(lambda: tree.fill(0, umbrella=2))
    assert scores() == [0, 0, 0, 50]
    settle(app)
    assert scores() == [0, 0, 0, 50]
    lines = [{"item_id": tree.items["umbrella"], "minimum": 2}]
    unit(lambda: kits.issue_version(db.session.get_one(KitStandard, standard.id), lines=lines))
    assert scores() == [0, 0, 0, 100]
    settle(app)
    unit(lambda: tree.require(tree.offices[1], umbrella=4))
    unit(lambda: tree.fill(2, umbrella=4))
    settle(app)
    assert scores() == [0, 0, 100, 100]
    # Below the other office, more is asked of it.
    unit(lambda: move_desk(tree))
    assert [one["score"] for one in whole(client, tree)["items"]] == [0, 0, 50, 100]
    unit(lambda: catalog.change_item(db.session.get_one(Item, tree.items["umbrella"]), archived=True))
    assert [one["score"] for one in whole(client, tree)["items"]] == [None] * 4


def move_desk(tree: Tree) -> None:
    db.session.get_one(Station, tree.desks[0]).organization_id = tree.offices[1]
    db.session.flush()


def test_a_moved_organization_brings_its_stations_under_other_standards(
    app: Any, client: Any, unit: Unit, tree: Tree
) -> None:
    unit(lambda: tree.require(umbrella=1))
    unit(lambda: tree.require(tree.offices[1], kit="desk", umbrella=4))
    unit(lambda: tree.fill(0, umbrella=1))
    unit(refresh.discover)
    settle(app)
    assert station(client, tree)["score"] == 100
    unit(lambda: as_station_of(tree))
    found = {one["station"]["id"]: one["score"] for one in whole(client, tree)["items"]}
    assert found[str(tree.desks[0])] == station(client, tree)["score"] == 25


def as_station_of(tree: Tree) -> None:
    """Office 0 becomes a practice station of office 1."""
    office = db.session.get_one(Organization, tree.offices[0])
    office.kind = "practice_station"
    db.session.flush()
    move_organization(office, parent_id=tree.offices[1])


def test_what_expires_at_midnight_shows_at_midnight(app: Any, client: Any, unit: Unit, tree: Tree) -> None:
    with clock.at(NOON):
        unit(lambda: tree.require(gauze=2))
        unit(lambda: tree.move("receipt", 0, "gauze", 2, days=3))
        unit(refresh.discover)
        settle(app)
    for days, score in ((1, 100), (3, 100), (4, 0)):
        with clock.at(NOON + timedelta(days=days)):
            assert [one["score"] for one in whole(client, tree)["items"]][-1] == score, days


def test_a_tree_takes_one_statement_and_two_more_behind_the_shelf(
    app: Any, client: Any, unit: Unit, tree: Tree, statements: Any
) -> None:
    unit(lambda: tree.require(umbrella=4))
    unit(lambda: tree.fill(0, umbrella=2))
    administrator = client.as_(tree.administrator_id)
    path = f"/organizations/{tree.center_id}/compliance"
    asks_for_right = 3
    with statements() as sent:
        administrator.get(path)
    assert len(sent) == asks_for_right + 3
    unit(refresh.discover)
    settle(app)
    with statements() as sent:
        administrator.get(path)
    assert len(sent) == asks_for_right + 1
    with statements() as sent:
        administrator.get(f"/stations/{tree.desks[0]}/compliance")
    assert len(sent) == asks_for_right + 2


def test_stations_out_of_service_are_forgotten(app: Any, client: Any, unit: Unit, tree: Tree) -> None:
    unit(lambda: tree.require(umbrella=4))
    unit(refresh.discover)
    settle(app)
    assert len(stored(unit)) == 4
    alerts = f"/stock/alerts?station_id={tree.desks[3]}"
    assert len(client.as_(tree.administrator_id).get(alerts).get_json()["items"]) == 1
    unit(lambda: close_desk(tree))
    assert whole(client, tree)["total"]["station_count"] == 3
    unit(refresh.discover)
    assert len(stored(unit)) == 3
    assert client.as_(tree.administrator_id).get(alerts).get_json()["items"] == []


def close_desk(tree: Tree) -> None:
    db.session.get_one(Station, tree.desks[3]).status = StationStatus.CLOSED
    db.session.flush()


def test_what_a_count_finds_used_was_issued(client: Any, unit: Unit, tree: Tree) -> None:
    unit(lambda: tree.require(tea=5, gauze=5))
    unit(lambda: tree.fill(0, tea=20, gauze=20))
    lines = [
        {"item_id": str(tree.item("tea")), "quantity": 16, "reason": "used"},
        {"item_id": str(tree.item("gauze")), "quantity": 17, "reason": "lost"},
    ]
    manager = client.as_(tree.administrator_id)
    made = manager.post(f"/stations/{tree.desks[0]}/stocktakes", json={"scope": "all"}, key="s").get_json()
    assert manager.put(f"/stocktakes/{made['id']}/lines", json={"lines": lines}).status_code == 200
    approved = client.as_(tree.organizer_id).post(f"/stocktakes/{made['id']}/approval", json={}, key="a")
    assert approved.status_code == 200, approved.get_json()
    found = by_name(station(client, tree)["items"])
    assert (found["tea"]["issued"], found["gauze"]["issued"]) == (4, 0)
