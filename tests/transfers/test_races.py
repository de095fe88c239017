"""Real threads: against PostgreSQL, where locks are real, and once against a SQLite file too."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import event, func, select

from tests.inventory.factories import make_item
from tests.transfers.factories import (
    Pair,
    approve,
    ask,
    balances,
    make_manager,
    make_pair,
    receive,
    send,
    stock,
    undo_receipt,
    use,
)
from volunteer_api.core.database import db
from volunteer_api.core.problems import Problem
from volunteer_api.inventory.models import StockEntry
from volunteer_api.transfers import check_queries, queries
from volunteer_api.transfers.models import Transfer


def approved(pair: Pair, *lines: Any, back: bool = False) -> UUID:
    transfer_id = ask(pair, *lines, back=back)
    approve(pair, transfer_id)
    return transfer_id


def scene(quantity: int = 10) -> tuple[Pair, UUID]:
    pair, item_id = make_pair(), make_item()
    stock(pair.sender, item_id, quantity)
    return pair, item_id


def outcome(answer: Any) -> Any:
    body = answer.get_json()
    return body.get("code", body.get("state")) if answer.status_code < 500 else answer.status_code


def test_a_shipment_and_a_receipt_happen_once(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    pair, item_id = postgresql_unit(scene)
    transfer_id = postgresql_unit(lambda: approved(pair, {"item_id": item_id, "quantity": 4}))
    people = postgresql_unit(lambda: [[make_manager(side.station_id) for _ in range(6)] for side in sides(pair)])
    senders, receivers = ([postgresql_client.as_(one) for one in side] for side in people)

    def post(phones: Any, verb: str) -> Any:
        return lambda n: outcome(phones[n].post(f"/transfers/{transfer_id}/{verb}", json={}, key=f"{n}"))

    assert Counter(race(6, post(senders, "shipment"))) == {"shipped": 1, "transfer_already_shipped": 5}
    assert postgresql_unit(lambda: balances(pair.receiver.station_id)) == {("", ""): (0, 4)}
    assert Counter(race(6, post(receivers, "receipt"))) == {"received": 1, "transfer_already_received": 5}
    assert postgresql_unit(lambda: balances(pair.receiver.station_id)) == {("", ""): (4, 0)}
    assert postgresql_unit(lambda: balances(pair.sender.station_id)) == {("", ""): (6, 0)}


@pytest.mark.parametrize("turn", range(3))
def test_a_receipt_is_reversed_once_whatever_else_is_done(postgresql_unit: Any, race: Any, turn: int) -> None:
    """Of three taps one counts, unless what came is used first; the rest of the shipment arrives beside them."""
    pair, item_id = postgresql_unit(scene)
    transfer_id = postgresql_unit(lambda: send(pair, {"item_id": item_id, "quantity": 4}))
    postgresql_unit(lambda: receive(pair, transfer_id, [{"item_id": item_id, "quantity": 3}]))

    def act(number: int) -> Any:
        if number == 0:
            return postgresql_unit(lambda: receive(pair, transfer_id, [{"item_id": item_id, "quantity": 1}]))
        if number == 1 and turn:
            return postgresql_unit(lambda: use(pair.receiver, item_id, 2))
        return postgresql_unit(lambda: undo_receipt(pair, transfer_id, 0))

    outcomes = Counter(one.code if isinstance(one, Problem) else "done" for one in race(4, act))
    held = postgresql_unit(lambda: balances(pair.receiver.station_id))[("", "")]
    used_first = {"done": 2, "stock_too_low": 2}, (2, 0)
    reversed_first = {"done": 2, "receipt_reversed": 1, "stock_too_low": 1}, (1, 3)
    expected = [used_first, reversed_first] if turn else [({"done": 2, "receipt_reversed": 2}, (1, 3))]
    assert (outcomes, held) in expected
    assert postgresql_unit(lambda: check_queries.differences(10)) == []


def test_a_double_tap_with_one_key(client: Any, unit: Any, race: Any) -> None:
    pair, item_id = unit(scene)
    transfer_id = unit(lambda: approved(pair, {"item_id": item_id, "quantity": 4}))
    phone = client.as_(pair.sender.manager_id)
    answers = race(6, lambda _n: phone.post(f"/transfers/{transfer_id}/shipment", json={}, key="tap"))
    assert Counter(answer.status_code for answer in answers) == {200: 6}
    assert len({answer.get_data() for answer in answers}) == 1
    assert unit(lambda: balances(pair.sender.station_id)) == {("", ""): (6, 0)}


def test_approvals_at_once(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    pair, item_id = postgresql_unit(scene)
    transfer_id = postgresql_unit(lambda: ask(pair, {"item_id": item_id, "quantity": 4}))
    people = (pair.administrator_id, pair.sender.organizer_id, pair.sender.manager_id)
    phones = [postgresql_client.as_(one) for one in people]

    def act(number: int) -> Any:
        verb, body = ("approval", {}) if number % 2 else ("rejection", {"reason": "不"})
        return outcome(phones[number % 3].post(f"/transfers/{transfer_id}/{verb}", json=body, key=f"{number}"))

    outcomes = Counter(race(6, act))
    assert outcomes in (
        {"approved": 1, "transfer_already_approved": 5},
        {"rejected": 1, "transfer_rejected": 5},
    )
    assert len(postgresql_unit(lambda: queries.read_transfer(transfer_id)).steps) == 2


@pytest.mark.parametrize("turn", range(3))
def test_a_cancellation_races_a_shipment(postgresql_client: Any, postgresql_unit: Any, race: Any, turn: int) -> None:
    pair, item_id = postgresql_unit(scene)
    transfer_id = postgresql_unit(lambda: approved(pair, {"item_id": item_id, "quantity": 4}))
    sender, receiver = (postgresql_client.as_(side.manager_id) for side in sides(pair))

    def act(number: int) -> Any:
        if number == turn % 2:
            return outcome(sender.post(f"/transfers/{transfer_id}/shipment", json={}, key="s"))
        return outcome(receiver.post(f"/transfers/{transfer_id}/cancellation", json={"reason": "不"}, key="c"))

    outcomes = set(race(2, act))
    whole = postgresql_unit(lambda: queries.read_transfer(transfer_id))
    assert whole.state == "canceled"
    here, there = (postgresql_unit(lambda side=side: balances(side.station_id)) for side in sides(pair))
    if outcomes == {"canceled", "transfer_canceled"}:
        assert (whole.lots, here, there) == ([], {("", ""): (10, 0)}, {})
    else:
        # Shipped first: all of it is on its way back.
        assert outcomes == {"shipped", "canceled"}
        assert (here, there) == ({("", ""): (6, 4)}, {("", ""): (0, 0)})


def test_crossing_shipments_do_not_lock_each_other_out(
    postgresql_app: Flask, postgresql_client: Any, postgresql_unit: Any, race: Any
) -> None:
    def prepare() -> Any:
        pair, first = make_pair(), make_item()
        second = make_item()
        for side in sides(pair):
            for item_id in (first, second):
                stock(side, item_id, 50)
        lines = [{"item_id": first, "quantity": 1}, {"item_id": second, "quantity": 1}]
        return pair, [approved(pair, *lines[:: -1 if n % 3 else 1], back=bool(n % 2)) for n in range(12)]

    pair, transfer_ids = postgresql_unit(prepare)
    phones = {back: postgresql_client.as_(side.manager_id) for back, side in enumerate(sides(pair))}

    def ship(number: int) -> int:
        answer = phones[number % 2].post(f"/transfers/{transfer_ids[number]}/shipment", json={}, key=f"{number}")
        return int(answer.status_code)

    def receive(number: int) -> int:
        phone = phones[1 - number % 2]
        # Half of it goes back, which counts at the sender too.
        lines = [
            {"lot_id": str(lot.id), "quantity": 0, "shortfalls": [{"quantity": 1, "reason": "returned"}]}
            for lot in postgresql_unit(lambda: queries.read_transfer(transfer_ids[number])).lots[:1]
        ]
        answer = phone.post(f"/transfers/{transfer_ids[number]}/receipt", json={"lines": lines}, key=f"r{number}")
        return int(answer.status_code)

    # The unit of work would run a deadlock's victim again, and the phone would not notice.
    with refusals_of_the_database(postgresql_app) as states:
        assert race(12, ship) == [200] * 12
        assert race(12, receive) == [200] * 12
    assert "40P01" not in states
    assert postgresql_unit(lambda: check_queries.differences(10)) == []
    for side in sides(pair):
        found = postgresql_unit(
            lambda side=side: db.session.execute(
                select(StockEntry.item_id, func.sum(StockEntry.quantity))
                .where(StockEntry.station_id == side.station_id)
                .group_by(StockEntry.item_id)
            ).all()
        )
        assert [int(total) for _, total in found] == [44, 44]
    under_way = postgresql_unit(
        lambda: db.session.scalars(select(func.count()).select_from(Transfer).where(Transfer.state == "shipped")).one()
    )
    assert under_way == 24


def test_shipments_and_issues_of_the_last_pieces(client: Any, unit: Any, race: Any) -> None:
    pair, item_id = unit(lambda: scene(6))
    transfer_ids = [unit(lambda: approved(pair, {"item_id": item_id, "quantity": 1})) for _ in range(6)]
    phone = client.as_(pair.sender.manager_id)
    body = {"kind": "issue", "reason": "used", "lines": [{"item_id": str(item_id), "quantity": 1}]}

    def act(number: int) -> Any:
        # A phone waits out a busy database and asks again.
        for _ in range(20):
            if number < 6:
                answer = phone.post(f"/transfers/{transfer_ids[number]}/shipment", json={}, key=f"{number}")
            else:
                path = f"/stations/{pair.sender.station_id}/movements"
                answer = phone.post(path, json=body, key=f"{number}")
            if answer.status_code != 503:
                return answer.status_code, answer.get_json().get("code")
        return "never"

    outcomes = Counter(race(12, act))
    assert outcomes[409, "stock_too_low"] == 6
    assert outcomes[200, None] + outcomes[201, None] == 6
    assert unit(lambda: balances(pair.sender.station_id)) == {("", ""): (0, 0)}
    under_way = unit(lambda: balances(pair.receiver.station_id)).get(("", ""), (0, 0))
    assert under_way == (0, outcomes[200, None])


def test_receipts_in_part_never_take_more_than_came(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    pair, item_id = postgresql_unit(scene)
    transfer_id = postgresql_unit(lambda: send(pair, {"item_id": item_id, "quantity": 5}))
    phone = postgresql_client.as_(pair.receiver.manager_id)
    body = {"lines": [{"item_id": str(item_id), "quantity": 1}]}
    answers = race(8, lambda n: outcome(phone.post(f"/transfers/{transfer_id}/receipt", json=body, key=f"{n}")))
    assert Counter(answers) == {"shipped": 4, "received": 1, "transfer_already_received": 3}
    assert postgresql_unit(lambda: balances(pair.receiver.station_id)) == {("", ""): (5, 0)}


def sides(pair: Pair) -> tuple[Any, Any]:
    return pair.sender, pair.receiver


@contextmanager
def refusals_of_the_database(app: Flask) -> Iterator[list[str]]:
    """The SQL states of what the database refuses meanwhile."""
    states: list[str] = []

    def note(context: Any) -> None:
        states.append(getattr(context.original_exception, "sqlstate", None) or "")

    with app.app_context():
        engine = db.engine
    event.listen(engine, "handle_error", note)
    try:
        yield states
    finally:
        event.remove(engine, "handle_error", note)
