"""Lots whose number stands for another expiry where they arrive: nothing gets stuck under way."""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from tests.inventory.factories import make_item
from tests.transfers.factories import Pair, approve, ask, balances, cancel, make_pair, receive, send, ship, stock
from volunteer_api.core.database import db
from volunteer_api.inventory import recalls
from volunteer_api.inventory import service as inventory
from volunteer_api.inventory.models import MovementReason, RecordableKind
from volunteer_api.inventory.problems import StockTooLow
from volunteer_api.organizations.models import Organization
from volunteer_api.transfers import problems, queries
from volunteer_api.transfers.handlers import in_transit_is_what_is_under_way
from volunteer_api.transfers.models import Transfer

Unit = Callable[[Callable[[], Any]], Any]
SENT, THERE = date(2038, 1, 31), date(2038, 2, 28)


@pytest.fixture
def pair(unit: Unit) -> Pair:
    made: Pair = unit(make_pair)
    return made


@pytest.fixture
def item(unit: Unit) -> UUID:
    made: UUID = unit(make_item)
    return made


@pytest.fixture
def transfer_id(unit: Unit, pair: Pair, item: UUID) -> UUID:
    """Five of lot L are under way, while the receiver gets two of another lot L."""
    unit(lambda: stock(pair.sender, item, 5, lot_number="L", expires_on=SENT))
    sent: UUID = unit(lambda: send(pair, {"item_id": item, "quantity": 5}))
    unit(lambda: stock(pair.receiver, item, 2, lot_number="L", expires_on=THERE))
    return sent


def held(unit: Unit, station_id: UUID) -> dict[tuple[str, str], tuple[int, int]]:
    found = unit(lambda: balances(station_id))
    assert unit(lambda: list(in_transit_is_what_is_under_way(station_id))) == []
    return {place: numbers for place, numbers in found.items() if any(numbers)}


def test_it_arrives_under_the_name_of_its_day(unit: Unit, pair: Pair, transfer_id: UUID) -> None:
    unit(lambda: receive(pair, transfer_id))
    assert held(unit, pair.receiver.station_id) == {("L", ""): (2, 0), ("2038-01-31", ""): (5, 0)}
    assert unit(lambda: db.session.get_one(Transfer, transfer_id).state) == "received"


def test_what_is_lost_of_it_is_written_off(unit: Unit, pair: Pair, item: UUID, transfer_id: UUID) -> None:
    shortfalls = [{"quantity": 2, "reason": "lost"}, {"quantity": 1, "reason": "damaged"}]
    unit(lambda: receive(pair, transfer_id, [{"item_id": item, "quantity": 2, "shortfalls": shortfalls}]))
    assert held(unit, pair.receiver.station_id) == {("L", ""): (2, 0), ("2038-01-31", ""): (2, 0)}


def test_it_comes_back_under_the_name_of_its_day(unit: Unit, pair: Pair, item: UUID, transfer_id: UUID) -> None:
    unit(lambda: stock(pair.sender, item, 1, lot_number="L", expires_on=THERE))
    unit(lambda: cancel(pair, transfer_id))
    back = unit(lambda: db.session.query(Transfer.id).where(Transfer.returns_id == transfer_id).scalar())
    if back is not None:
        unit(lambda: receive(pair, back))
    assert held(unit, pair.sender.station_id) == {("L", ""): (1, 0), ("2038-01-31", ""): (5, 0)}


def test_no_other_name_hides_a_recalled_lot(unit: Unit, pair: Pair, item: UUID, transfer_id: UUID) -> None:
    def recall() -> Any:
        center = db.session.get_one(Organization, pair.center_id)
        return recalls.recall_lot(
            organization=center, item_id=item, lot_number="L", reason="漏电", by=pair.administrator_id
        )

    unit(recall)
    unit(lambda: receive(pair, transfer_id))
    assert held(unit, pair.receiver.station_id) == {("L", "quarantined"): (7, 0)}


def test_it_is_sent_although_the_receiver_has_the_number_already(unit: Unit, pair: Pair, item: UUID) -> None:
    unit(lambda: stock(pair.sender, item, 5, lot_number="L", expires_on=SENT))
    unit(lambda: stock(pair.receiver, item, 2, lot_number="L", expires_on=THERE))
    sent = unit(lambda: send(pair, {"item_id": item, "quantity": 5}))
    unit(lambda: receive(pair, sent))
    assert held(unit, pair.receiver.station_id) == {("L", ""): (2, 0), ("2038-01-31", ""): (5, 0)}


def test_too_much_is_not_refused_for_what_is_in_quarantine(unit: Unit, pair: Pair) -> None:
    """Two are free and seven in quarantine: a hundred are too many, nine are not to be had."""
    item = unit(make_item)
    unit(lambda: stock(pair.sender, item, 9))
    unit(
        lambda: inventory.record_movement(
            station_id=pair.sender.station_id,
            actor_id=pair.sender.manager_id,
            kind=RecordableKind.QUARANTINE,
            reason=MovementReason.DAMAGED,
            lines=[{"item_id": item, "quantity": 7}],
        )
    )
    transfer_id = unit(lambda: ask(pair, {"item_id": item, "quantity": 100}))
    unit(lambda: approve(pair, transfer_id, {"item_id": item, "quantity": 100}))
    (line,) = unit(lambda: queries.read_transfer(transfer_id)).lines
    assert line.free == 2
    with pytest.raises(StockTooLow) as caught:
        unit(lambda: ship(pair, transfer_id))
    assert (caught.value.members["balance"], caught.value.members["quarantined"]) == (2, 7)
    with pytest.raises(problems.LotQuarantined) as quarantined:
        unit(lambda: ship(pair, transfer_id, {"item_id": item, "quantity": 9}))
    assert quarantined.value.members["balance"] == 2
    unit(lambda: ship(pair, transfer_id, {"item_id": item, "quantity": 2}))
    assert unit(lambda: queries.read_transfer(transfer_id)).lines[0].free is None
