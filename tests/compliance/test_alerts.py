"""The life of alerts: raised once, acknowledged, sent up, closed by the ledger, raised anew."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.compliance.factories import Tree, make_tree
from tests.conftest import share_of
from tests.factories import make_volunteer
from volunteer_api.compliance import alerts, refresh
from volunteer_api.compliance.models import AlertKind, AlertState, StockAlert
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.events import publish
from volunteer_api.core.problems import Conflict
from volunteer_api.core.settings import rules
from volunteer_api.inventory.events import LedgerChecked
from volunteer_api.notifications.models import Notification

Unit = Callable[[Callable[[], Any]], Any]
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


@pytest.fixture
def tree(unit: Unit) -> Tree:
    made: Tree = unit(make_tree)
    return made


def look(unit: Unit) -> None:
    """What the task does, in one unit: in tests all is one batch."""
    unit(refresh.refresh_batch)


def listed(client: Any, volunteer_id: UUID, query: str = "") -> list[Any]:
    answer = client.as_(volunteer_id).get(f"/stock/alerts{query}")
    assert answer.status_code == 200, answer.get_json()
    items: list[Any] = answer.get_json()["items"]
    return items


def heard(unit: Unit, volunteer_id: UUID) -> list[str]:
    found = select(Notification.kind).where(Notification.volunteer_id == volunteer_id).order_by(Notification.id)
    return list(unit(lambda: db.session.scalars(found).all()))


def test_each_cause_is_raised_once_and_closed_by_the_ledger(client: Any, unit: Unit, tree: Tree) -> None:
    with clock.at(NOON):
        unit(lambda: tree.require(tea=5, gauze_critical=2))
        unit(lambda: tree.fill(0, tea=4))
        look(unit)
        look(unit)
        found = {one["kind"]: one for one in listed(client, tree.manager_id)}
        assert found.keys() == {"low", "missing_critical"}
        assert (found["low"]["details"]["held"], found["low"]["details"]["minimum"]) == (4, 5)
        assert found["low"]["state"] == "open"
        assert sorted(heard(unit, tree.manager_id)) == ["stock_low", "stock_missing_critical"]
        # The figures follow, nobody hears of it again.
        unit(lambda: tree.move("write_off", 0, "tea", 1))
        look(unit)
        low = next(one for one in listed(client, tree.manager_id) if one["kind"] == "low")
        assert (low["id"], low["details"]["held"]) == (found["low"]["id"], 3)
        unit(lambda: tree.fill(0, tea=2))
        look(unit)
        assert [one["kind"] for one in listed(client, tree.manager_id)] == ["missing_critical"]
        (closed,) = listed(client, tree.manager_id, "?state=closed")
        assert (closed["id"], closed["state"], closed["closed_at"]) == (low["id"], "closed", "2026-11-23T04:00:00Z")
        # It comes back: another alert, and news.
        unit(lambda: tree.move("write_off", 0, "tea", 1))
        look(unit)
        again = next(one for one in listed(client, tree.manager_id) if one["kind"] == "low")
        assert again["id"] != low["id"]
        assert sorted(heard(unit, tree.manager_id)) == ["stock_low", "stock_low", "stock_missing_critical"]


def test_dates_raise_alerts_of_lots_and_of_failures_to_come(client: Any, unit: Unit, tree: Tree) -> None:
    with clock.at(NOON):
        unit(lambda: tree.require(gauze=2))
        unit(lambda: tree.move("receipt", 0, "gauze", 5, days=31))
        unit(lambda: tree.move("receipt", 0, "other", 1, days=2))
        look(unit)
        assert [(one["kind"], one["details"]["quantity"]) for one in listed(client, tree.manager_id)] == [
            ("near_expiry", 1)
        ]
    expected = {
        1: {"near_expiry": 2},
        17: {"near_expiry": 1, "expired": 1},
        18: {"near_expiry": 1, "expired": 1, "will_fail": 1},
        32: {"expired": 2, "low": 1},
    }
    for days, kinds in expected.items():
        with clock.at(NOON + timedelta(days=days)):
            look(unit)
            found = [one["kind"] for one in listed(client, tree.manager_id)]
            assert {kind: found.count(kind) for kind in found} == kinds, days
    with clock.at(NOON + timedelta(days=32)):
        unit(lambda: tree.move("write_off", 0, "gauze", 5))
        look(unit)
        assert sorted(one["kind"] for one in listed(client, tree.manager_id)) == ["expired", "low"]


def test_many_new_alerts_are_one_message(unit: Unit, tree: Tree) -> None:
    unit(lambda: tree.require(a=1, b=1, c=1, d=1))
    unit(lambda: tree.fill(0, other=1))
    look(unit)
    assert heard(unit, tree.manager_id) == ["stock_alerts_raised"]


def test_an_alert_is_acknowledged_once(client: Any, unit: Unit, tree: Tree) -> None:
    unit(lambda: tree.require(tea=5))
    unit(lambda: tree.fill(0, tea=4))
    look(unit)
    (alert,) = listed(client, tree.manager_id)
    manager, path = client.as_(tree.manager_id), f"/stock/alerts/{alert['id']}/acknowledgement"
    done = manager.post(path, json={"note": "明天采购"})
    assert done.status_code == 200, done.get_json()
    found = done.get_json()
    assert (found["state"], found["note"], found["acknowledged_by"]["id"]) == (
        "acknowledged",
        "明天采购",
        str(tree.manager_id),
    )
    assert listed(client, tree.manager_id, "?state=acknowledged") == [found]
    assert listed(client, tree.manager_id, "?state=open") == []
    again = client.as_(tree.organizer_id).post(path)
    assert (again.status_code, again.get_json()["code"]) == (409, "alert_acknowledged")
    unit(lambda: tree.fill(0, tea=1))
    look(unit)
    late = client.as_(tree.organizer_id).post(path)
    assert (late.status_code, late.get_json()["code"]) == (409, "alert_closed")
    assert manager.post(path, json={"state": "closed"}).status_code == 422


def test_who_sees_which_alerts(client: Any, unit: Unit, tree: Tree) -> None:
    unit(lambda: tree.require(tea=5))
    for desk in range(4):
        unit(lambda desk=desk: tree.fill(desk, tea=1))
    look(unit)
    assert len(listed(client, tree.administrator_id)) == 4
    assert len(listed(client, tree.organizer_id)) == 2
    assert len(listed(client, tree.manager_id)) == 1
    assert listed(client, unit(make_volunteer).id) == []
    assert len(listed(client, tree.administrator_id, f"?organization_id={tree.offices[1]}")) == 2
    assert len(listed(client, tree.administrator_id, f"?station_id={tree.desks[3]}&kind=low")) == 1
    assert listed(client, tree.administrator_id, "?kind=expired") == []
    refused = client.as_(tree.organizer_id).get(f"/stock/alerts?organization_id={tree.offices[1]}")
    assert refused.status_code == 404
    first = client.as_(tree.administrator_id).get("/stock/alerts?limit=3").get_json()
    rest = client.as_(tree.administrator_id).get(f"/stock/alerts?limit=3&cursor={first['next_cursor']}").get_json()
    assert len({one["id"] for one in first["items"] + rest["items"]}) == 4


def test_what_nobody_acknowledges_goes_up_to_the_root(client: Any, unit: Unit, tree: Tree) -> None:
    with clock.at(NOON):
        unit(lambda: tree.require(tea=5))
        unit(lambda: tree.fill(0, tea=4))
        look(unit)
    steps = {2: (None, [], []), 3: (0, ["stock_alert_escalated"], []), 5: (0, ["stock_alert_escalated"], [])}
    place = {0: tree.offices[0], 1: tree.center_id}
    for days, (where, organizer, administrator) in {
        **steps,
        6: (1, ["stock_alert_escalated"], ["stock_alert_escalated"]),
        30: (1, ["stock_alert_escalated"], ["stock_alert_escalated"]),
    }.items():
        with clock.at(NOON + timedelta(days=days)):
            unit(alerts.escalate)
            unit(alerts.escalate)
            (alert,) = listed(client, tree.administrator_id)
            assert alert["state"] == ("open" if where is None else "escalated")
            assert (alert["escalated_to"] or {}).get("id") == (None if where is None else str(place[where])), days
            assert (heard(unit, tree.organizer_id), heard(unit, tree.administrator_id)) == (organizer, administrator)


def test_what_is_acknowledged_goes_up_no_further(client: Any, unit: Unit, tree: Tree) -> None:
    with clock.at(NOON):
        unit(lambda: tree.require(tea=5))
        unit(lambda: tree.fill(0, tea=4))
        look(unit)
        (alert,) = listed(client, tree.manager_id)
        client.as_(tree.manager_id).post(f"/stock/alerts/{alert['id']}/acknowledgement")
    with clock.at(NOON + timedelta(days=30)):
        assert unit(alerts.escalate) == 0


def test_a_ledger_that_does_not_add_up_alarms_until_it_does(client: Any, unit: Unit, tree: Tree) -> None:
    def check(mismatches: int) -> None:
        unit(lambda: publish(LedgerChecked(tree.desks[0], mismatches)))

    check(0)
    assert listed(client, tree.manager_id) == []
    check(2)
    check(3)
    (alert,) = listed(client, tree.manager_id)
    assert (alert["kind"], alert["details"]["mismatches"], alert["item"]) == ("ledger_mismatch", 3, None)
    assert heard(unit, tree.manager_id) == ["stock_ledger_mismatch"]
    # No look at the shelf closes it.
    unit(lambda: tree.fill(0, tea=1))
    look(unit)
    assert len(listed(client, tree.manager_id)) == 1
    check(0)
    assert listed(client, tree.manager_id) == []


@dataclass
class Model:
    """What should be: each cause's open alert, and how many were raised and closed."""

    state: dict[str, AlertState] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    closed: int = 0


operations = st.lists(
    st.one_of(
        st.tuples(st.just("look"), st.frozensets(st.sampled_from("abc"))),
        st.tuples(st.just("acknowledge"), st.sampled_from("abc")),
        st.tuples(st.just("wait"), st.integers(1, 4)),
        st.tuples(st.just("escalate"), st.none()),
    ),
    max_size=14,
)


@settings(max_examples=share_of(13), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=operations)
def test_whatever_happens_an_alert_is_where_it_should_be(unit: Unit, operations: list[tuple[str, Any]]) -> None:
    with clock.at(NOON):
        tree: Tree = unit(make_tree)
        unit(lambda: tree.require(a=1, b=1, c=1))
    held: dict[str, int] = dict.fromkeys("abc", 0)
    model, day = Model(), 0
    escalation_days = unit(lambda: rules().alert_escalation_days)
    for operation, argument in operations:
        with clock.at(NOON + timedelta(days=day)):
            if operation == "look":
                # What is named is missing, the rest is there.
                unit(lambda argument=argument: shift(tree, held, argument))
                look(unit)
                for name in "abc":
                    if name in argument and name not in model.state:
                        model.state[name], model.since[name] = AlertState.OPEN, day
                    elif name not in argument and name in model.state:
                        del model.state[name], model.since[name]
                        model.closed += 1
            elif operation == "acknowledge":
                alert_id = open_alerts(unit, tree).get(tree.items[argument])
                if argument in model.state and model.state[argument] != AlertState.ACKNOWLEDGED:
                    unit(lambda found=alert_id: alerts.acknowledge(found[0], by=tree.manager_id))
                    model.state[argument] = AlertState.ACKNOWLEDGED
                elif alert_id is not None:
                    with pytest.raises(Conflict):
                        unit(lambda found=alert_id: alerts.acknowledge(found[0], by=tree.manager_id))
            elif operation == "escalate":
                unit(alerts.escalate)
                for name, state in model.state.items():
                    if state != AlertState.ACKNOWLEDGED and day - model.since[name] >= escalation_days:
                        model.state[name] = AlertState.ESCALATED
            else:
                day += argument
            found = {item: state for item, (_, state) in open_alerts(unit, tree).items()}
            assert found == {tree.items[name]: state for name, state in model.state.items()}
            assert unit(lambda: count_closed(tree)) == model.closed


def shift(tree: Tree, held: dict[str, int], missing: frozenset[str]) -> None:
    for name in held:
        wanted = 0 if name in missing else 1
        if wanted != held[name]:
            tree.move("receipt" if wanted else "issue", 0, name, 1)
            held[name] = wanted
    refresh.mark(tree.desks[0])


def open_alerts(unit: Unit, tree: Tree) -> dict[Any, tuple[UUID, AlertState]]:
    found = unit(
        lambda: db.session.scalars(
            select(StockAlert).where(
                StockAlert.station_id == tree.desks[0],
                StockAlert.closed_at.is_(None),
                StockAlert.kind == AlertKind.LOW,
            )
        ).all()
    )
    assert len({alert.item_id for alert in found}) == len(found)
    return {alert.item_id: (alert.id, alert.state) for alert in found}


def count_closed(tree: Tree) -> int:
    found = select(StockAlert.id).where(
        StockAlert.station_id == tree.desks[0], StockAlert.closed_at.is_not(None), StockAlert.kind == AlertKind.LOW
    )
    return len(db.session.scalars(found).all())
