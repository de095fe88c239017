"""Real threads: a count is approved once, and whatever moves meanwhile is in the books."""

from collections import Counter
from typing import Any

from tests.inventory.factories import make_depot, make_item, move
from volunteer_api.core.database import db
from volunteer_api.inventory import verification
from volunteer_api.inventory.models import StockBalance
from volunteer_api.stocktakes import service
from volunteer_api.stocktakes.models import Stocktake


def held(unit: Any, item: Any) -> int:
    return int(unit(lambda: db.session.query(StockBalance.quantity).filter_by(item_id=item).scalar()))


def begun(unit: Any, depot: Any, item: Any, counted: int, **options: Any) -> Any:
    def work() -> Any:
        stocktake_id = service.start_stocktake(
            station_id=depot.station_id, by=depot.manager_id, item_ids=[item], **options
        )
        stocktake = db.session.get_one(Stocktake, stocktake_id)
        service.count_lines(stocktake, [{"item_id": item, "quantity": counted}], by=depot.manager_id)
        return stocktake_id

    return unit(work)


def test_approvals_at_once_while_things_move(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    unit = postgresql_unit
    depot, item = unit(make_depot), unit(make_item)
    unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 100}))
    stocktake_id = begun(unit, depot, item, 97)
    manager = postgresql_client.as_(depot.manager_id)
    issue = {"kind": "issue", "reason": "used", "lines": [{"item_id": str(item), "quantity": 1}]}

    def act(number: int) -> Any:
        if number % 2:
            return manager.post(
                f"/stocktakes/{stocktake_id}/approval", json={"reason": "lost"}, key=f"{number}"
            ).status_code
        return manager.post(f"/stations/{depot.station_id}/movements", json=issue, key=f"{number}").status_code

    outcomes = race(16, act)
    assert Counter(outcomes[1::2]) == {200: 1, 409: 7}
    assert Counter(outcomes[::2]) == {201: 8}
    assert held(unit, item) == 97 - 8
    assert unit(lambda: list(verification._finish(depot.station_id, verification._Replay()))) == []


def test_two_counts_are_approved_at_once(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    unit = postgresql_unit
    depot, item = unit(make_depot), unit(make_item)
    unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 10}))
    counts = [begun(unit, depot, item, 8) for _ in range(4)]
    manager = postgresql_client.as_(depot.manager_id)
    outcomes = race(
        4,
        lambda number: (
            manager.post(f"/stocktakes/{counts[number]}/approval", json={"reason": "lost"}, key=f"{number}").status_code
        ),
    )
    assert 200 in outcomes
    assert set(outcomes) <= {200, 409}
    assert held(unit, item) == 8


def test_hand_overs_and_approvals_do_not_lock_each_other_out(
    postgresql_client: Any, postgresql_unit: Any, race: Any
) -> None:
    unit = postgresql_unit
    depot, item = unit(make_depot), unit(make_item)
    unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 10}))
    stocktake_id = begun(unit, depot, item, 9, kind="handover", to_volunteer_id=depot.organizer_id)
    manager = postgresql_client.as_(depot.manager_id)

    def act(number: int) -> Any:
        if number % 2:
            path, body = f"/stocktakes/{stocktake_id}/approval", {"reason": "lost"}
            return manager.post(path, json=body, key=f"{number}").status_code
        lines = {"lines": [{"item_id": str(item), "quantity": 10}]}
        return manager.put(f"/stocktakes/{stocktake_id}/lines", json=lines).status_code

    outcomes = race(8, act)
    assert set(outcomes) <= {200, 409}
    assert outcomes.count(200) == 1
    assert held(unit, item) in (9, 10)


def test_an_approval_posts_what_it_named_or_nothing(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    unit = postgresql_unit
    depot, item = unit(make_depot), unit(make_item)
    unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 100}))
    stocktake_id = begun(unit, depot, item, 97)
    manager = postgresql_client.as_(depot.manager_id)
    path = f"/stocktakes/{stocktake_id}"
    named = {"If-Match": manager.get(path).headers["ETag"]}

    def act(number: int) -> Any:
        if number == 0:
            approval = manager.post(f"{path}/approval", json={"reason": "lost"}, key="approval", headers=named)
            return approval.status_code
        lines = {"lines": [{"item_id": str(item), "quantity": 97 - number}]}
        return manager.put(f"{path}/lines", json=lines).status_code

    approved, *counted = race(4, act)
    if approved == 200:
        assert (set(counted), held(unit, item)) == ({409}, 97)
    else:
        assert (approved, held(unit, item)) == (412, 100)
        assert 200 in counted
