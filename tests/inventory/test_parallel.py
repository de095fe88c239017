"""Forty people take from one shelf, a dozen at a time."""

from collections import Counter
from typing import Any

from sqlalchemy import select

from tests.inventory.factories import make_depot, make_item, move
from volunteer_api.core.database import db
from volunteer_api.inventory import verification
from volunteer_api.inventory.models import Movement, StockBalance


def test_forty_issues_of_twenty_pieces(client: Any, unit: Any, race: Any) -> None:
    """On both databases: twenty get one, twenty hear that nothing is left, and each document has its number."""
    depot, item = unit(make_depot), unit(make_item)
    unit(lambda: move(depot, "receipt", {"item_id": item, "quantity": 20}))
    manager = client.as_(depot.manager_id)
    body = {"kind": "issue", "reason": "handed_out", "lines": [{"item_id": str(item), "quantity": 1}]}
    path = f"/stations/{depot.station_id}/movements"

    def tap(number: int) -> Any:
        key = f"issue-{number}"
        answer = manager.post(path, json=body, key=key)
        while answer.status_code == 503:
            # Busy is what a phone repeats, with its key.
            answer = manager.post(path, json=body, key=key)
        return answer.get_json().get("code", answer.status_code)

    assert Counter(race(40, tap)) == {201: 20, "stock_too_low": 20}

    def found() -> tuple[int, list[str]]:
        left = db.session.execute(select(StockBalance.quantity)).scalar_one()
        numbers = db.session.scalars(select(Movement.document_number).order_by(Movement.document_number)).all()
        return left, [number[-4:] for number in numbers]

    assert unit(found) == (0, [f"{number:04d}" for number in range(1, 22)])
    assert unit(lambda: verification._finish(depot.station_id, verification._Replay())) == []
