"""Real threads against PostgreSQL: what two do to one alert or one assessment at once."""

import threading
from collections import Counter
from datetime import timedelta
from typing import Any

from sqlalchemy import event, func, select
from sqlalchemy.exc import IntegrityError

from tests.compliance.factories import Tree, make_tree
from volunteer_api.compliance import alerts, refresh
from volunteer_api.compliance.models import AlertKind, StationAssessment, StockAlert
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.events import publish
from volunteer_api.inventory.events import LedgerChecked
from volunteer_api.notifications.models import Notification


def count(unit: Any, *conditions: Any) -> int:
    return int(unit(lambda: db.session.scalar(select(func.count()).select_from(StockAlert).where(*conditions))))


def test_one_cause_found_by_many_is_one_alert_and_one_message(postgresql_unit: Any, race: Any) -> None:
    tree: Tree = postgresql_unit(make_tree)
    work = lambda: publish(LedgerChecked(tree.desks[0], 1))  # noqa: E731  # the same for every thread
    assert race(8, lambda _number: postgresql_unit(work)) == [None] * 8
    assert count(postgresql_unit, StockAlert.kind == AlertKind.LEDGER_MISMATCH) == 1
    told = select(func.count()).select_from(Notification).where(Notification.kind == "stock_ledger_mismatch")
    assert postgresql_unit(lambda: db.session.scalar(told)) == 1


def test_the_database_itself_refuses_a_second_open_alert(postgresql_unit: Any) -> None:
    tree: Tree = postgresql_unit(make_tree)

    def insert() -> None:
        db.session.add(StockAlert(station_id=tree.desks[0], kind=AlertKind.LOW, cause="a", details={}))
        db.session.flush()

    postgresql_unit(insert)

    def insert_again() -> bool:
        try:
            insert()
        except IntegrityError as error:
            return "uq_stock_alerts_open" in str(error.orig)
        return False

    assert refused_by_index(postgresql_unit, insert_again)


def refused_by_index(unit: Any, work: Any) -> bool:
    found: list[bool] = []

    def run() -> None:
        found.append(work())
        db.session.rollback()

    unit(run)
    return found[-1]


def test_an_alert_is_acknowledged_by_one(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    tree: Tree = postgresql_unit(make_tree)
    postgresql_unit(lambda: tree.require(tea=5))
    postgresql_unit(lambda: tree.fill(0, tea=1))
    postgresql_unit(refresh.refresh_batch)
    people = [postgresql_client.as_(one) for one in (tree.manager_id, tree.organizer_id, tree.administrator_id)]
    (alert,) = people[0].get("/stock/alerts").get_json()["items"]
    path = f"/stock/alerts/{alert['id']}/acknowledgement"
    statuses = race(6, lambda number: people[number % 3].post(path).status_code)
    assert sorted(statuses) == [200] + [409] * 5


def test_acknowledged_and_sent_up_at_once(postgresql_unit: Any, race: Any) -> None:
    """Whoever comes first: what was acknowledged before it went up never goes up."""
    tree: Tree = postgresql_unit(make_tree)
    postgresql_unit(lambda: tree.require(**{f"item{number}": 1 for number in range(12)}))
    postgresql_unit(lambda: tree.fill(0, other=1))
    postgresql_unit(refresh.refresh_batch)
    alert_ids = postgresql_unit(lambda: list(db.session.scalars(select(StockAlert.id))))
    later = clock_later(postgresql_unit)

    def act(number: int) -> None:
        with clock.at(later):
            if number % 3 == 2:
                postgresql_unit(alerts.escalate)
            else:
                for alert_id in alert_ids[number % 3 :: 2]:
                    postgresql_unit(lambda alert_id=alert_id: alerts.acknowledge(alert_id, by=tree.manager_id))

    assert race(3, act) == [None] * 3
    found = postgresql_unit(lambda: db.session.scalars(select(StockAlert)).all())
    assert all(alert.acknowledged_at is not None for alert in found)
    with clock.at(later + timedelta(days=30)):
        assert postgresql_unit(alerts.escalate) == 0
    told = Counter(postgresql_unit(lambda: list(db.session.scalars(select(Notification.kind)))))
    assert told["stock_alert_escalated"] == sum(alert.escalated_at is not None for alert in found)


def clock_later(unit: Any) -> Any:
    return unit(clock.now) + timedelta(days=4)


def test_no_movement_is_missed_by_a_look_at_the_same_time(postgresql_app: Any, postgresql_unit: Any, race: Any) -> None:
    """A movement that falls between a look at the shelf and the writing down of it waits, and marks the station."""
    tree: Tree = postgresql_unit(make_tree)
    postgresql_unit(lambda: tree.require(tea=40))
    postgresql_unit(lambda: tree.fill(0, tea=1))
    looked, moved = threading.Event(), threading.Event()

    def hold_up(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("UPDATE station_assessments") and not looked.is_set():
            looked.set()
            # As long as a movement takes that nothing keeps waiting, many times over.
            moved.wait(timeout=2)

    def act(number: int) -> None:
        if number == 0:
            postgresql_unit(refresh.refresh_batch)
        else:
            assert looked.wait(timeout=10)
            postgresql_unit(lambda: tree.fill(0, tea=1))
            moved.set()

    with postgresql_app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", hold_up)
    try:
        assert race(2, act) == [None] * 2
    finally:
        event.remove(engine, "before_cursor_execute", hold_up)
    row = postgresql_unit(lambda: db.session.get(StationAssessment, tree.desks[0]))
    # One of forty, as it was looked at; and what came since is not forgotten.
    assert (row.score, row.stale) == (2, True)
    postgresql_unit(refresh.refresh_batch)
    row = postgresql_unit(lambda: db.session.get(StationAssessment, tree.desks[0]))
    assert (row.score, row.stale) == (5, False)
