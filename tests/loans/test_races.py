"""Real threads: against PostgreSQL, where locks are real, and once against a SQLite file too."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.inventory.factories import move
from tests.loans.factories import (
    Desk,
    add_up,
    bring_back,
    lend,
    make_desk,
    number,
    outstanding,
    shelf,
    state_of,
    undo_return,
)
from volunteer_api.core import unit_of_work
from volunteer_api.core.database import db
from volunteer_api.core.problems import Problem
from volunteer_api.core.settings import EXTENSION
from volunteer_api.loans import assets, service
from volunteer_api.loans.models import Asset, AssetState

Unit = Callable[[Callable[[], Any]], Any]


def named(outcomes: list[Any]) -> Counter[str]:
    """How often each outcome: a refusal by its name, else "done"."""
    return Counter(outcome.code if isinstance(outcome, Problem) else type(outcome).__name__ for outcome in outcomes)


def loan_body(desk: Desk, number: int, **members: Any) -> dict[str, Any]:
    return {"borrower": {"name": "王大爷", "phone": f"+86137{number:08d}"}} | members


def test_one_piece_is_lent_once(postgresql_client: Any, postgresql_unit: Unit, race: Any) -> None:
    desk = postgresql_unit(make_desk)
    asset = postgresql_unit(lambda: number(desk))
    phones = [postgresql_client.as_(desk.manager_id) for _ in range(8)]

    def tap(count: int) -> Any:
        answer = phones[count].post(
            f"/stations/{desk.station_id}/loans", json=loan_body(desk, count, asset_id=str(asset.id)), key=f"{count}"
        )
        return answer.status_code, answer.get_json().get("code")

    assert Counter(race(8, tap)) == {(201, None): 1, (409, "asset_not_in_stock"): 7}
    assert postgresql_unit(lambda: shelf(desk.station_id, desk.item_id)) == (9, 0, 1)
    postgresql_unit(add_up)


def test_twenty_for_the_last_umbrella(client: Any, unit: Unit, race: Any) -> None:
    desk = unit(lambda: make_desk(quantity=1))
    phones = [client.as_(desk.manager_id) for _ in range(20)]
    # The first loans make the keys that seal borrowers, and read them on a second connection: more threads than any
    # worker has would wait for one.
    for _ in range(2):
        first = unit(lambda: lend(desk))
        unit(lambda first=first: bring_back(desk, first.id))

    def tap(count: int) -> Any:
        body = loan_body(desk, count, item_id=str(desk.item_id), quantity=1)
        answer = phones[count].post(f"/stations/{desk.station_id}/loans", json=body, key=f"{count}")
        return answer.status_code, answer.get_json().get("code")

    assert Counter(race(20, tap)) == {(201, None): 1, (409, "stock_too_low"): 19}
    assert unit(lambda: shelf(desk.station_id, desk.item_id)) == (0, 0, 1)
    unit(add_up)


def test_a_double_tap_lends_once(postgresql_client: Any, postgresql_unit: Unit, race: Any) -> None:
    desk = postgresql_unit(make_desk)
    phone = postgresql_client.as_(desk.manager_id)
    body = loan_body(desk, 1, item_id=str(desk.item_id), quantity=2)
    slips = race(
        6,
        lambda _: phone.post(f"/stations/{desk.station_id}/loans", json=body, key="tap").get_json()["slip_number"],
    )
    assert len(set(slips)) == 1
    assert postgresql_unit(lambda: shelf(desk.station_id, desk.item_id)) == (8, 0, 2)


def test_one_loan_comes_back_once(postgresql_unit: Unit, race: Any) -> None:
    desk = postgresql_unit(make_desk)
    loan = postgresql_unit(lambda: lend(desk, 3))
    outcomes = race(6, lambda count: postgresql_unit(lambda: bring_back(desk, loan.id, elsewhere=bool(count % 2))))
    assert named(outcomes) == {"LoanView": 1, "already_returned": 5}
    here = postgresql_unit(lambda: shelf(desk.station_id, desk.item_id))
    there = postgresql_unit(lambda: shelf(desk.other_station_id, desk.item_id))
    assert (here[0] + there[0], here[2]) == (10, 0)
    postgresql_unit(add_up)


def test_two_halves_at_once(postgresql_unit: Unit, race: Any) -> None:
    desk = postgresql_unit(make_desk)
    loan = postgresql_unit(lambda: lend(desk, 4))
    outcomes = race(3, lambda count: postgresql_unit(lambda: bring_back(desk, loan.id, 2, elsewhere=count == 1)))
    assert named(outcomes) == {"LoanView": 2, "already_returned": 1}
    assert postgresql_unit(lambda: outstanding(loan.id)) == (0, 0)
    postgresql_unit(add_up)


def test_returns_that_cross_each_other(postgresql_unit: Unit, race: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each desk takes back what the other one lent: both hold both ledgers, and neither waits for ever."""
    desk = postgresql_unit(lambda: make_desk(quantity=20))
    mine = [postgresql_unit(lambda: lend(desk)) for _ in range(8)]
    for loan in [postgresql_unit(lambda: lend(desk)) for _ in range(8)]:
        postgresql_unit(lambda loan=loan: bring_back(desk, loan.id, elsewhere=True))
    theirs = [postgresql_unit(lambda: lend_there(desk)) for _ in range(8)]

    # A deadlock would be run again, and nobody would see it.
    monkeypatch.setattr(unit_of_work, "ATTEMPTS", 1)

    def back(count: int) -> Any:
        if count % 2:
            return postgresql_unit(lambda: bring_back(desk, theirs[count // 2].id))
        return postgresql_unit(lambda: bring_back(desk, mine[count // 2].id, elsewhere=True))

    assert named(race(16, back)) == {"LoanView": 16}
    assert postgresql_unit(lambda: shelf(desk.station_id, desk.item_id)) == (12, 0, 0)
    assert postgresql_unit(lambda: shelf(desk.other_station_id, desk.item_id)) == (8, 0, 0)
    postgresql_unit(add_up)


def test_a_return_is_reversed_once_whatever_comes_back(
    postgresql_unit: Unit, race: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four taps one counts, and beside them the rest of the loan comes back, and another one at the other desk."""
    desk = postgresql_unit(make_desk)
    loan, other = postgresql_unit(lambda: lend(desk, 3)), postgresql_unit(lambda: lend(desk))
    wrong = postgresql_unit(lambda: bring_back(desk, loan.id, 1, elsewhere=True)).returns[0].id
    # A deadlock would be run again, and nobody would see it.
    monkeypatch.setattr(unit_of_work, "ATTEMPTS", 1)

    def act(count: int) -> Any:
        if count == 4:
            return postgresql_unit(lambda: bring_back(desk, loan.id, 2))
        if count == 5:
            return postgresql_unit(lambda: bring_back(desk, other.id, elsewhere=True))
        return postgresql_unit(lambda: undo_return(desk, wrong, elsewhere=True))

    assert named(race(6, act)) == {"LoanView": 3, "return_reversed": 3}
    assert postgresql_unit(lambda: outstanding(loan.id)) == (1, 1)
    assert postgresql_unit(lambda: shelf(desk.station_id, desk.item_id)) == (8, 0, 1)
    assert postgresql_unit(lambda: shelf(desk.other_station_id, desk.item_id)) == (1, 0, 0)
    postgresql_unit(add_up)


@pytest.mark.parametrize("attempt", range(3))
def test_a_piece_is_lent_again_or_was_never_back(postgresql_unit: Unit, race: Any, attempt: int) -> None:
    desk = postgresql_unit(make_desk)
    asset = postgresql_unit(lambda: number(desk))
    loan = postgresql_unit(lambda: lend(desk, asset_id=asset.id))
    wrong = postgresql_unit(lambda: bring_back(desk, loan.id)).returns[0].id

    def act(count: int) -> Any:
        return postgresql_unit(lambda: undo_return(desk, wrong) if count else lend(desk, asset_id=asset.id))

    assert named(race(2, act)) in (
        {"LoanView": 1, "asset_not_in_stock": 1},
        {"LoanView": 1, "piece_changed_since": 1},
    )
    assert postgresql_unit(lambda: state_of(asset.id))[0] == "on_loan"
    assert postgresql_unit(lambda: shelf(desk.station_id, desk.item_id)) == (9, 0, 1)
    postgresql_unit(add_up)


def lend_there(desk: Desk) -> Any:
    """The other desk lends one of what came to it."""
    return service.lend(
        station_id=desk.other_station_id,
        actor_id=desk.other_manager_id,
        borrower={"name": "李", "phone": "+8613700000001"},
        item_id=desk.item_id,
    )


@pytest.mark.parametrize("attempt", range(3))
def test_a_write_off_and_a_number_for_the_same_last_piece(postgresql_unit: Unit, race: Any, attempt: int) -> None:
    desk = postgresql_unit(lambda: make_desk(quantity=1))

    def act(count: int) -> Any:
        if count:
            line = {"item_id": desk.item_id, "quantity": 1}
            return postgresql_unit(lambda: move(desk.depot, "write_off", line, reason="lost"))
        return postgresql_unit(lambda: number(desk))

    outcomes = named(race(2, act))
    assert outcomes in ({"AssetView": 1, "pieces_numbered": 1}, {"Document": 1, "no_unnumbered_piece": 1})
    postgresql_unit(add_up)


@pytest.mark.parametrize("attempt", range(3))
def test_a_piece_is_lent_or_retired(postgresql_unit: Unit, race: Any, attempt: int) -> None:
    desk = postgresql_unit(make_desk)
    asset = postgresql_unit(lambda: number(desk))

    def retire() -> Any:
        found = db.session.get_one(Asset, asset.id)
        return assets.change_asset(found, actor_id=desk.manager_id, state=AssetState.RETIRED)

    outcomes = named(race(2, lambda count: postgresql_unit(retire if count else lambda: lend(desk, asset_id=asset.id))))
    assert outcomes in (
        {"LoanView": 1, "asset_state_conflict": 1},
        {"AssetView": 1, "asset_not_in_stock": 1},
    )
    assert postgresql_unit(lambda: state_of(asset.id))[0] in ("on_loan", "retired")
    held, _, on_loan = postgresql_unit(lambda: shelf(desk.station_id, desk.item_id))
    assert held == 9
    assert on_loan == (1 if "LoanView" in outcomes else 0)
    postgresql_unit(add_up)


def test_a_bound_borrower_gets_no_more_from_two_desks(
    postgresql_app: Any, postgresql_unit: Unit, race: Any, change_settings: Any
) -> None:
    settings = postgresql_app.extensions[EXTENSION]
    change_settings(postgresql_app, rules=dataclasses.replace(settings.rules, loans_per_borrower=2))
    desks = [postgresql_unit(make_desk) for _ in range(4)]
    outcomes = race(8, lambda count: postgresql_unit(lambda: lend(desks[count % 4])))
    assert named(outcomes) == {"LoanView": 2, "too_many_loans": 6}
