"""What is approved is what was seen, and a count that arrives twice was made once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.factories import make_volunteer
from tests.inventory.factories import Depot, make_depot, make_item, move
from tests.stocktakes.test_stocktakes import Counter, code, line
from volunteer_api.catalog.models import ItemKind
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.unit_of_work import Rerun
from volunteer_api.notifications.models import Notification
from volunteer_api.stocktakes import news, service
from volunteer_api.stocktakes.models import Stocktake

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def depot(unit: Unit) -> Depot:
    made: Depot = unit(make_depot)
    return made


@pytest.fixture
def item(unit: Unit, depot: Depot) -> Any:
    """Something medical, of which ten are there."""
    made = unit(lambda: make_item(kind=ItemKind.MEDICAL))
    expires_on = unit(clock.today) + timedelta(days=365)
    unit(lambda: move(depot, "receipt", {"item_id": made, "quantity": 10, "expires_on": expires_on}))
    return made


def test_a_line_that_comes_after_the_read_is_not_approved_unseen(client: Any, depot: Depot, item: Any) -> None:
    counter = Counter(client, depot)
    lot = counter.first["lines"][0]["lot_number"]
    counter.count(line(item, 10, lot_number=lot))
    read = counter.approver.get(counter.path)
    assert read.get_json()["variance"] == 0
    assert counter.count(line(item, 4, lot_number=lot, reason="used")).get_json()["variance"] == 6
    assert code(counter.approve(counter.approver, seen=read)) == "precondition_failed"
    assert code(counter.approve(counter.approver)) == "precondition_required"
    approved = counter.approve(counter.approver, seen=counter.approver.get(counter.path))
    assert (approved.status_code, approved.get_json()["lines"][0]["delta"]) == (200, -6)


def test_who_is_told_that_a_count_is_complete_approves_that(client: Any, depot: Depot, item: Any) -> None:
    counter = Counter(client, depot)
    lot = counter.first["lines"][0]["lot_number"]
    # Nobody was told of a count that is not complete.
    assert counter.count(line(item, 0)).status_code == 200
    assert code(counter.approve(counter.approver, skip_uncounted=True, reason="lost")) == "precondition_required"
    counter.count(line(item, 10, lot_number=lot))
    assert counter.approve(counter.approver).status_code == 200


def test_what_is_counted_while_an_approval_waits_is_compared_again(unit: Unit, depot: Depot, item: Any) -> None:
    def approve_late() -> None:
        stocktake_id = service.start_stocktake(station_id=depot.station_id, by=depot.manager_id, item_ids=[item])
        stocktake = db.session.get_one(Stocktake, stocktake_id)
        # As if by another connection: what this unit has read is not what is under the lock.
        db.session.execute(update(Stocktake).values(version=2).execution_options(synchronize_session=False))
        with pytest.raises(Rerun):
            service.approve(stocktake, by=depot.organizer_id, may_approve=True, names_version=True)

    unit(approve_late)


def test_a_count_that_arrives_twice_keeps_its_moment(client: Any, unit: Unit, depot: Depot) -> None:
    umbrella = unit(make_item)
    unit(lambda: move(depot, "receipt", {"item_id": umbrella, "quantity": 10}))
    counter = Counter(client, depot)
    first = counter.count(line(umbrella, 10)).get_json()
    with clock.at(clock.now() + timedelta(minutes=2)):
        unit(lambda: move(depot, "issue", {"item_id": umbrella, "quantity": 2}))
    with clock.at(clock.now() + timedelta(minutes=4)):
        # The answer was lost; the phone sends it again, without a key.
        again = counter.count(line(umbrella, 10)).get_json()
        assert (again["version"], again["variance"]) == (first["version"], 0)
        # Another count of the same number says so, by its moment, a reason, or the person.
        recount = counter.count(line(umbrella, 10, counted_at=clock.now().isoformat())).get_json()
        assert (recount["version"], recount["variance"]) == (first["version"] + 1, 2)
    with clock.at(clock.now() + timedelta(minutes=6)):
        organizer = counter.approver.put(f"{counter.path}/lines", json={"lines": [line(umbrella, 10)]}).get_json()
        assert organizer["version"] == first["version"] + 2


def test_whom_a_hand_over_names_hears_of_it(client: Any, unit: Unit, depot: Depot, item: Any) -> None:
    giver, taker = unit(make_volunteer), unit(make_volunteer)
    people = {"from_volunteer_id": str(giver.id), "to_volunteer_id": str(taker.id)}
    # The manager alone counts, and a hand-over without a variance closes itself.
    counter = Counter(client, depot, kind="handover", item_ids=[str(item)], **people)
    lot = counter.first["lines"][0]["lot_number"]
    assert counter.count(line(item, 10, lot_number=lot)).get_json()["state"] == "approved"
    told = select(Notification).where(Notification.kind == news.HANDOVER_SIGNED)
    heard = {row.volunteer_id: row.values["variance"] for row in unit(lambda: db.session.scalars(told).all())}
    assert heard == {giver.id: "0", taker.id: "0"}
    # Who closes her own knows of it.
    own = Counter(client, depot, kind="handover", item_ids=[str(item)], to_volunteer_id=str(taker.id))
    assert own.count(line(item, 10, lot_number=lot)).get_json()["state"] == "approved"
    assert [row.volunteer_id for row in unit(lambda: db.session.scalars(told).all())].count(taker.id) == 2
    assert len(unit(lambda: db.session.scalars(told).all())) == 3
