"""The main job as one story over HTTP, with the SQL statements that each call may cost."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from tests.factories import make_volunteer
from tests.organizations.factories import make_district, make_grant
from tests.stations.factories import make_station
from volunteer_api.catalog.models import ItemKind
from volunteer_api.catalog.service import create_item
from volunteer_api.core import clock
from volunteer_api.organizations.models import Role

PLACE = {"lat": 33.735, "lng": 113.335}
# The most that a call may send, session check and idempotency included, BEGIN and COMMIT not.
BUDGET = {
    "stations near me": 2,
    "create activity": 17,
    # One of them looks for co-organizers, who hear of it.
    "publish activity": 13,
    "sign up": 11,
    # One of them notes who has the codes now.
    "presence code": 4,
    "check in": 6,
    "check out": 12,
    "tally": 4,
    # The look-up of the session, and six.
    "home": 7,
    # One of them looks whether anybody came; two tell who serves that it ends; three hold these, who wait elsewhere.
    "complete activity": 21,
    "ranking": 5,
    "receive stock": 17,
    "ledger": 4,
}


@pytest.fixture
def spend(statements: Callable[[], Any]) -> Callable[..., Any]:
    """Make a call, hold it to its budget, and return its JSON."""

    def run(name: str, call: Callable[[], Any], status: int = 200) -> Any:
        with statements() as seen:
            answer = call()
        assert answer.status_code == status, answer.get_data(as_text=True)
        assert len(seen) <= BUDGET[name], "\n".join([name, *seen])
        return answer.get_json()

    return run


def test_from_a_plan_to_the_ranking(app: Flask, client: Any, unit: Any, spend: Callable[..., Any]) -> None:
    district = make_district()
    organizer, volunteer = client.as_(district.organizer), client.as_(make_volunteer())
    board = f"/rankings?subject=organization&metric=activity_count&scope={district.center.id}&period=all"

    def counts() -> dict[str, int]:
        found = spend("ranking", lambda: client.get(board))
        return {item["subject"]["id"]: item["value"] for item in found["items"]} | {"all": found["scope"]["value"]}

    before = counts()
    spend("stations near me", lambda: client.get("/stations?near=33.735,113.335"))
    begun = clock.now() - timedelta(minutes=50)
    plan = {
        "title": "清洁家园",
        "category": "environment_protection",
        "organization_id": str(district.office.id),
        "sign_up_mode": "open",
        "place": PLACE,
        "shifts": [
            {"starts_at": begun.isoformat(), "ends_at": (begun + timedelta(hours=2)).isoformat(), "capacity": 2}
        ],
    }
    activity = spend("create activity", lambda: organizer.post("/activities", json=plan, key="plan"), 201)
    path = f"/activities/{activity['id']}"
    shift = spend("publish activity", lambda: organizer.post(f"{path}/publication", key="publish"))["shifts"][0]
    sign_up = spend("sign up", lambda: volunteer.post(f"/shifts/{shift['id']}/sign-ups", json={}, key="up"), 201)
    assert sign_up["state"] == "confirmed"
    code = spend("presence code", lambda: organizer.get(f"/shifts/{shift['id']}/presence-code"))["code"]
    evidence = {"client_time": begun.isoformat(), "delay_ms": 45 * 60_000, "place": PLACE, "accuracy_m": 10}
    tap = {"shift_id": shift["id"], "evidence": evidence}
    attendance = spend("check in", lambda: volunteer.post("/attendances", json=tap, key="in"), 201)
    tap_out = {"evidence": {"client_time": clock.now().isoformat(), "delay_ms": 0, "code": code}}
    out = f"/attendances/{attendance['id']}/check-out"
    closed = spend("check out", lambda: volunteer.post(out, json=tap_out, key="out"))
    assert (closed["state"], closed["credited_minutes"], closed["grade"]) == ("credited", 45, "medium")
    assert spend("tally", lambda: volunteer.get("/me/tally?period=all"))["credited_minutes"] == 45
    spend("home", lambda: volunteer.get("/me/home?near=33.735,113.335"))
    completed = spend("complete activity", lambda: organizer.post(f"{path}/completion", json={}, key="done"))
    assert completed["state"] == "completed"
    after = counts()
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {str(district.office.id), "all"}
    assert after["all"] == before["all"] + 1


def test_from_a_receipt_to_the_ledger(app: Flask, client: Any, unit: Any, spend: Callable[..., Any]) -> None:
    district = make_district()
    station = make_station(organization_id=district.practice_station.id)
    manager_account = make_volunteer()
    make_grant(manager_account, Role.STATION_MANAGER, station.id)
    umbrella = unit(lambda: create_item(name="雨伞", kind=ItemKind.DURABLE, unit="把"))
    manager = client.as_(manager_account)

    def move(kind: str, reason: str, quantity: int) -> Any:
        lines = [{"item_id": str(umbrella.id), "quantity": quantity}]
        body = {"kind": kind, "reason": reason, "lines": lines}
        return manager.post(f"/stations/{station.id}/movements", json=body, key=f"{kind}-{quantity}")

    spend("receive stock", lambda: move("receipt", "donation", 10), 201)
    spend("receive stock", lambda: move("issue", "handed_out", 2), 201)
    month = unit(clock.today).strftime("%Y-%m")
    rows = spend("ledger", lambda: manager.get(f"/stations/{station.id}/ledger?month={month}"))["items"]
    assert [(row["opening"], row["incoming"], row["outgoing"], row["closing"]) for row in rows] == [(0, 10, 2, 8)]
