"""Numbered pieces, and how they stay within the shelf."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from tests.inventory.factories import make_item, move
from tests.loans.factories import Desk, add_up, bring_back, documents, lend, make_desk, number, shelf, state_of
from tests.loans.test_service import refused, reverse
from volunteer_api.catalog.models import ItemKind
from volunteer_api.core import events
from volunteer_api.core.database import db
from volunteer_api.inventory.events import DurablesTaken
from volunteer_api.inventory.models import QUARANTINED, Movement, StockBalance
from volunteer_api.loans import assets, problems
from volunteer_api.loans.models import Asset, AssetState, LendingDocument
from volunteer_api.stations.models import Station, StationStatus

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def desk(unit: Unit) -> Desk:
    made: Desk = unit(lambda: make_desk(quantity=2))
    return made


def change(desk: Desk, asset_id: UUID, **changes: Any) -> Any:
    return assets.change_asset(db.session.get_one(Asset, asset_id), actor_id=desk.manager_id, **changes)


def held(unit: Unit, desk: Desk) -> Any:
    return unit(lambda: shelf(desk.station_id, desk.item_id))


def test_only_what_is_on_the_shelf_gets_a_number(unit: Unit, desk: Desk) -> None:
    first, second = unit(lambda: number(desk)), unit(lambda: number(desk, code="WD-0002"))
    assert (first.state, second.code, len(first.code)) == ("in_stock", "WD-0002", 8)
    assert second.qr.endswith("/c/a/WD-0002")
    problem = refused(unit, lambda: number(desk), problems.NoUnnumberedPiece)
    assert (problem.members["balance"], problem.members["numbered"]) == (2, 2)
    unit(lambda: move(desk.depot, "receipt", {"item_id": desk.item_id, "quantity": 1}))
    refused(unit, lambda: number(desk, code="WD-0002"), problems.AssetCodeTaken)
    unit(lambda: number(desk))
    assert held(unit, desk) == (3, 0, 0)


def test_only_durables_get_a_number(unit: Unit, desk: Desk) -> None:
    item = unit(lambda: make_item(kind=ItemKind.CONSUMABLE))
    unit(lambda: move(desk.depot, "receipt", {"item_id": item, "quantity": 1}))
    refused(unit, lambda: assets.number_piece(station_id=desk.station_id, item_id=item), problems.NotLendable)


@pytest.mark.parametrize(("kind", "reason"), [("issue", "other"), ("write_off", "lost")])
def test_no_movement_takes_numbered_pieces_unnamed(unit: Unit, desk: Desk, kind: str, reason: str) -> None:
    unit(lambda: number(desk))
    line = {"item_id": desk.item_id, "quantity": 1}
    unit(lambda: move(desk.depot, kind, line, reason=reason))
    problem = refused(unit, lambda: move(desk.depot, kind, line, reason=reason), problems.PiecesNumbered)
    assert (problem.members["balance"], problem.members["numbered"]) == (0, 1)
    assert problem.members["item"]["id"] == str(desk.item_id)
    refused(unit, lambda: lend(desk), problems.PiecesNumbered)
    assert held(unit, desk) == (1, 0, 0)


def test_the_receipt_of_a_numbered_piece_is_not_reversed(unit: Unit, desk: Desk) -> None:
    received = unit(lambda: move(desk.depot, "receipt", {"item_id": desk.item_id, "quantity": 1}))
    for _ in range(3):
        unit(lambda: number(desk))
    refused(unit, lambda: reverse(received.id, desk), problems.PiecesNumbered)


def test_a_piece_goes_and_comes_back_by_its_number(unit: Unit, desk: Desk) -> None:
    asset = unit(lambda: number(desk))
    loan = unit(lambda: lend(desk, asset_id=asset.id))
    assert (loan.asset.code, loan.quantity) == (asset.code, 1)
    assert held(unit, desk) == (1, 0, 1)
    unit(lambda: bring_back(desk, loan.id, elsewhere=True))
    assert unit(lambda: state_of(asset.id)) == ("in_stock", desk.other_station_id)
    assert unit(lambda: shelf(desk.other_station_id, desk.item_id)) == (1, 0, 0)
    refused(unit, lambda: lend(desk, asset_id=asset.id), problems.AssetElsewhere)
    unit(add_up)


@pytest.mark.parametrize(
    ("condition", "write_off", "state", "place"),
    [
        ("good", False, "in_stock", (2, 0, 0)),
        ("damaged", False, "repair", (1, 1, 0)),
        ("damaged", True, "retired", (1, 0, 0)),
        ("lost", False, "lost", (1, 0, 0)),
    ],
)
def test_how_a_piece_comes_back(
    unit: Unit, desk: Desk, condition: str, write_off: bool, state: str, place: tuple[int, int, int]
) -> None:
    asset = unit(lambda: number(desk))
    loan = unit(lambda: lend(desk, asset_id=asset.id))
    unit(lambda: bring_back(desk, loan.id, condition=condition, write_off=write_off, note="轮胎没气"))
    assert unit(lambda: state_of(asset.id)) == (state, desk.station_id)
    assert held(unit, desk) == place
    kept = unit(lambda: db.session.get_one(Asset, asset.id))
    # Who mends it reads there what is broken.
    assert (kept.condition, kept.note) == (("damaged", "轮胎没气") if condition == "damaged" else ("good", None))
    unit(add_up)


STATES = list(AssetState)
# From which state to which, and what the ledger then says: kind, reason, what is on the shelf and in quarantine.
ALLOWED = {
    ("in_stock", "repair"): (("quarantine", "damaged"), (1, 1)),
    ("in_stock", "retired"): (("write_off", "other"), (1, 0)),
    ("in_stock", "lost"): (("write_off", "lost"), (1, 0)),
    ("repair", "in_stock"): (("release", "other"), (2, 0)),
    ("repair", "retired"): (("write_off", "damaged"), (1, 0)),
    ("repair", "lost"): (("write_off", "lost"), (1, 0)),
    ("lost", "in_stock"): (("receipt", "other"), (2, 0)),
    ("retired", "in_stock"): (("receipt", "other"), (2, 0)),
}


@pytest.mark.parametrize("before", STATES)
def test_every_change_of_state_is_a_document_or_refused(unit: Unit, desk: Desk, before: str) -> None:
    for after in STATES:
        if after == before:
            continue
        fresh = unit(lambda: make_desk(quantity=2))
        asset = unit(lambda fresh=fresh: number(fresh))
        if before == "on_loan":
            unit(lambda fresh=fresh, asset=asset: lend(fresh, asset_id=asset.id))
        elif before != "in_stock":
            unit(lambda fresh=fresh, asset=asset: change(fresh, asset.id, state=AssetState(before)))
        work = lambda fresh=fresh, asset=asset, after=after: change(fresh, asset.id, state=AssetState(after))  # noqa: E731
        if (before, after) not in ALLOWED:
            problem = refused(unit, work, problems.AssetStateConflict)
            assert problem.members == {"from_state": before, "to_state": after}
            continue
        assert unit(work).state == after
        written, left = ALLOWED[before, after]
        last = unit(lambda fresh=fresh: last_document(fresh))
        assert (last.kind, last.reason, last.note) == (*written, asset.code)
        assert held(unit, fresh)[:2] == left
        refused(unit, lambda fresh=fresh, last=last: reverse(last.id, fresh), problems.UndoneByAsset)
        unit(add_up)


def last_document(desk: Desk) -> Movement:
    return db.session.scalars(
        select(Movement)
        .join(LendingDocument, LendingDocument.movement_id == Movement.id)
        .where(Movement.station_id == desk.station_id)
        .order_by(Movement.id.desc())
        .limit(1)
    ).one()


def test_a_piece_in_repair_is_not_lent(unit: Unit, desk: Desk) -> None:
    asset = unit(lambda: number(desk))
    unit(lambda: change(desk, asset.id, state=AssetState.REPAIR))
    problem = refused(unit, lambda: lend(desk, asset_id=asset.id), problems.AssetNotInStock)
    assert problem.members == {"state": "repair"}


def test_a_piece_is_carried_to_another_station(unit: Unit, desk: Desk) -> None:
    asset = unit(lambda: number(desk))

    def carry() -> Any:
        found = db.session.get_one(Asset, asset.id)
        return assets.relocate(found, actor_id=desk.depot.organizer_id, station_id=desk.other_station_id)

    assert unit(carry).station.id == desk.other_station_id
    assert held(unit, desk) == (1, 0, 0)
    assert unit(lambda: shelf(desk.other_station_id, desk.item_id)) == (1, 0, 0)
    assert unit(lambda: documents(desk.station_id)) == [("transfer_out", "other", -1)]
    assert unit(lambda: documents(desk.other_station_id)) == [("transfer_in", "other", 1)]
    # Asked for once more, it is there already.
    unit(carry)
    assert unit(lambda: shelf(desk.other_station_id, desk.item_id)) == (1, 0, 0)
    unit(add_up)
    unit(lambda: change(desk, asset.id, state=AssetState.REPAIR))

    def carry_back() -> Any:
        found = db.session.get_one(Asset, asset.id)
        return assets.relocate(found, actor_id=desk.depot.organizer_id, station_id=desk.station_id)

    refused(unit, carry_back, problems.AssetNotInStock)


def test_what_is_scanned_is_the_number_or_the_label() -> None:
    assert assets.code_of("wd-0002") == "WD-0002"
    assert assets.code_of("https://example.org/c/a/WD-0002") == "WD-0002"
    assert assets.code_of("http://127.0.0.1:8000/c/a/wd-0002") == "WD-0002"


def test_with_a_recalled_lot_its_numbered_pieces_go(unit: Unit, desk: Desk) -> None:
    first, second = unit(lambda: number(desk, code="A-1")), unit(lambda: number(desk, code="B-2"))

    def recall_one() -> None:
        """As the recall of a lot does it: a piece goes into quarantine, whatever its number."""
        db.session.execute(
            update(StockBalance).where(StockBalance.item_id == desk.item_id).values(quantity=StockBalance.quantity - 1)
        )
        db.session.add(
            StockBalance(
                station_id=desk.station_id, item_id=desk.item_id, portion=QUARANTINED, lot_number="", quantity=1
            )
        )
        db.session.flush()
        event = DurablesTaken(station_id=desk.station_id, item_ids=frozenset({desk.item_id}), reason="recalled")
        events.publish(event)

    unit(recall_one)
    assert unit(lambda: state_of(first.id))[0] == "repair"
    assert unit(lambda: state_of(second.id))[0] == "in_stock"
    unit(add_up)


def test_what_a_station_lost_that_closed_is_found_at_another(client: Any, unit: Unit, desk: Desk) -> None:
    asset = unit(lambda: number(desk))
    unit(lambda: change(desk, asset.id, state=AssetState.LOST))

    def close() -> None:
        db.session.get_one(Station, desk.station_id).status = StationStatus.CLOSED

    unit(close)
    path, body = f"/assets/{asset.id}/relocation", {"station_id": str(desk.other_station_id)}
    # Only who moves the stock of both.
    assert client.as_(desk.other_manager_id).post(path, json=body, key="1").status_code in (403, 404)
    found = client.as_(desk.depot.organizer_id).post(path, json=body, key="2")
    assert found.status_code == 200, found.get_json()
    assert unit(lambda: state_of(asset.id)) == ("in_stock", desk.other_station_id)
    assert unit(lambda: shelf(desk.other_station_id, desk.item_id)) == (1, 0, 0)
    assert unit(lambda: documents(desk.other_station_id)) == []
    unit(add_up)
