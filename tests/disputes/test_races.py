"""Disputes struck by real threads: one outcome, and the ledger is that of the outcome."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.disputes.factories import Served, ledger_sum, make_served, tally_sum
from tests.disputes.test_endpoints import decide, filed, post

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def served(postgresql_unit: Unit) -> Served:
    made: Served = postgresql_unit(make_served)
    return made


@pytest.fixture
def client(postgresql_client: Any) -> Any:
    return postgresql_client


def test_of_two_deciders_one_decides(client: Any, postgresql_unit: Unit, race: Any, served: Served) -> None:
    made = filed(client, served.volunteer_id, attendance_id=served.attendance_id)
    deciders = (served.scene.organizer_id, served.scene.administrator_id)

    def tap(number: int) -> Any:
        return decide(client, deciders[number % 2], made, "partly", credited_minutes=10 + number)

    answers = race(4, tap)
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    minutes = next(answer.get_json()["credited_minutes"] for answer in answers if answer.status_code == 200)
    found = postgresql_unit(lambda: (ledger_sum(served.volunteer_id), tally_sum(served.volunteer_id)))
    assert found == (minutes, minutes)


def test_a_decision_and_a_withdrawal_exclude_each_other(
    client: Any, postgresql_unit: Unit, race: Any, served: Served
) -> None:
    made = filed(client, served.unknown_id, shift_id=served.shift_id)
    post(client, served.scene.leader_id, made, "confirmation", minutes=60, text="在场")
    taps = (
        lambda: decide(client, served.scene.organizer_id, made),
        lambda: post(client, served.unknown_id, made, "withdrawal"),
    )
    answers = race(2, lambda number: taps[number]())
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    state = client.as_(served.unknown_id).get(f"/disputes/{made['id']}").get_json()["state"]
    credited = postgresql_unit(lambda: ledger_sum(served.unknown_id))
    assert (state, credited) in (("upheld", 60), ("withdrawn", 0))


def test_two_taps_file_one_dispute(client: Any, race: Any, served: Served) -> None:
    phone = client.as_(served.volunteer_id)
    body = {"attendance_id": str(served.attendance_id), "text": "我在现场。"}
    answers = race(4, lambda number: phone.post("/disputes", json=body))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
