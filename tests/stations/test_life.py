"""Planned, open, paused, closed: what may follow what, who may do it, what stands in the way, what is kept of it."""

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from tests.conftest import ApiClient, share_of
from tests.factories import make_volunteer, unit_of
from tests.inventory.factories import make_item
from tests.organizations.factories import District, make_district, make_grant
from tests.stations.factories import make_station
from volunteer_api.core import events, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.inventory import service as inventory
from volunteer_api.inventory.models import MovementReason, RecordableKind, StockEntry
from volunteer_api.organizations.models import Role
from volunteer_api.organizations.service import close_organization
from volunteer_api.stations import service
from volunteer_api.stations.events import StationClosing
from volunteer_api.stations.models import Station, StationStatus, StationStatusChange
from volunteer_api.stations.problems import StationClosed, StationNotEmpty, StationStatusConflict

PLANNED, OPEN, PAUSED, CLOSED = StationStatus
ALLOWED = {
    (PLANNED, OPEN),
    (PLANNED, CLOSED),
    (OPEN, PAUSED),
    (OPEN, CLOSED),
    (PAUSED, OPEN),
    (PAUSED, CLOSED),
    (CLOSED, OPEN),
}


@pytest.fixture
def district(app: Any) -> District:
    return make_district()


@pytest.fixture
def manager(district: District) -> Any:
    return make_volunteer(name="站长")


@pytest.fixture
def refuse_with_stock() -> Iterator[None]:
    """A handler as inventory would have it: a station with anything in its ledger does not close."""

    def handle(event: StationClosing) -> None:
        found = db.session.scalar(select(StockEntry.id).where(StockEntry.station_id == event.station_id).limit(1))
        if found is not None:
            raise StationNotEmpty(name="stock", members={"what": "stock"})
        # Long enough for whoever did not wait for the lock to read that the station is open still.
        time.sleep(0.05)

    events.on(StationClosing)(handle)
    yield
    events._handlers[StationClosing].remove(handle)


def body(status: str) -> dict[str, str]:
    return {"status": status} | ({"status_reason": "装修"} if status in (PAUSED, CLOSED) else {})


@pytest.mark.parametrize("former", StationStatus)
@pytest.mark.parametrize("status", StationStatus)
def test_what_may_follow_what(client: ApiClient, district: District, former: str, status: str) -> None:
    station = make_station(organization_id=district.office.id, status=former)
    answer = client.as_(district.organizer).patch(f"/stations/{station.id}", json=body(status), version=1)
    if former == status:
        assert answer.status_code == 200
        assert answer.json["status"] == status
    elif (former, status) in ALLOWED:
        assert (answer.status_code, answer.json["status"]) == (200, status)
        assert answer.json["status_reason"] == body(status).get("status_reason")
    else:
        assert (answer.status_code, answer.json["code"]) == (409, "station_status_conflict")
        assert (answer.json["from_status"], answer.json["to_status"]) == (former, status)


@pytest.mark.parametrize("former", StationStatus)
@pytest.mark.parametrize("status", StationStatus)
def test_a_manager_pauses_and_resumes_and_no_more(
    client: ApiClient, district: District, manager: Any, former: str, status: str
) -> None:
    station = make_station(organization_id=district.office.id, status=former)
    make_grant(manager, Role.STATION_MANAGER, station.id)
    answer = client.as_(manager).patch(f"/stations/{station.id}", json=body(status), version=1)
    allowed = former == status or (former, status) in {(OPEN, PAUSED), (PAUSED, OPEN)}
    assert answer.status_code == (200 if allowed else 403)
    if not allowed:
        assert answer.json["members"] == ["status"]


def test_pausing_and_closing_say_why(client: ApiClient, district: District) -> None:
    station = make_station(organization_id=district.office.id)
    organizer, path = client.as_(district.organizer), f"/stations/{station.id}"
    for status in ("paused", "closed"):
        answer = organizer.patch(path, json={"status": status}, version=1)
        assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "reason_needed")
    answer = organizer.patch(path, json={"status_reason": "装修"}, version=1)
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "reason_without_status")
    created = organizer.post(
        "/stations",
        json={
            "name": "服务台",
            "kind": "desk",
            "organization_id": str(district.office.id),
            "place": {"lat": 33.7, "lng": 113.3},
            "address": "1 号",
            "status": "closed",
        },
    )
    assert (created.status_code, created.json["errors"][0]["code"]) == (422, "not_first_status")


def test_its_history_is_kept_and_read_by_those_who_may(
    client: ApiClient, district: District, unit: Any, statements: Callable[[], Any]
) -> None:
    organizer = client.as_(district.organizer)
    made = organizer.post(
        "/stations",
        json={
            "name": "服务台",
            "kind": "desk",
            "organization_id": str(district.office.id),
            "place": {"lat": 33.7, "lng": 113.3},
            "address": "1 号",
            "status": "planned",
        },
    ).json
    path = f"/stations/{made['id']}"
    for version, status in enumerate(("open", "paused", "open", "closed", "open"), start=1):
        assert organizer.patch(path, json=body(status), version=version).status_code == 200
    assert organizer.patch(path, json=body("paused"), version=6).status_code == 200
    assert organizer.patch(path, json=body("paused") | {"status_reason": "停电"}, version=7).status_code == 200
    auditor = client.as_(district.auditor)
    with statements() as seen:
        answer = auditor.get(f"{path}/status-changes")
    # The session, the station, the caller's roles, the list.
    assert len(seen) == 4
    changes = answer.json["items"]
    assert [(one["from_status"], one["to_status"], one["reason"]) for one in changes] == [
        ("paused", "paused", "停电"),
        ("open", "paused", "装修"),
        ("closed", "open", None),
        ("open", "closed", "装修"),
        ("paused", "open", None),
        ("open", "paused", "装修"),
        ("planned", "open", None),
        (None, "planned", None),
    ]
    assert {one["changed_by"]["id"] for one in changes} == {str(district.organizer.id)}
    assert all("****" in one["changed_by"]["phone"] for one in changes)
    first = auditor.get(f"{path}/status-changes?limit=5").json
    rest = auditor.get(f"{path}/status-changes?cursor={first['next_cursor']}").json
    assert first["items"] + rest["items"] == changes
    recorded = unit(
        lambda: db.session.scalar(select(func.count()).where(AuditEntry.action == "station_status_changed"))
    )
    assert recorded == 6
    assert client.get(f"{path}/status-changes").status_code == 401
    assert client.as_(district.outsider).get(f"{path}/status-changes").status_code == 404


def test_what_still_lies_there_keeps_it_from_closing(
    client: ApiClient, district: District, unit: Any, refuse_with_stock: None
) -> None:
    station = make_station(organization_id=district.office.id)
    unit(lambda: stock(station, district))
    path, organizer = f"/stations/{station.id}", client.as_(district.organizer)
    refused = organizer.patch(path, json=body("closed"), version=1)
    assert (refused.status_code, refused.json["code"], refused.json["what"]) == (409, "station_not_empty", "stock")
    assert client.get(path).json["status"] == "open"
    assert organizer.patch(path, json=body("paused"), version=1).status_code == 200


def test_a_closed_station_is_held_by_nobody(district: District, unit: Any) -> None:
    station = make_station(organization_id=district.office.id, status=CLOSED)
    with pytest.raises(StationClosed):
        unit(lambda: service.hold(station.id))
    other = make_station(organization_id=district.office.id)
    assert unit(lambda: service.hold(other.id)) == other.code


def test_it_opens_again_only_below_an_open_organization(client: ApiClient, district: District, unit: Any) -> None:
    station = make_station(organization_id=district.practice_station.id, status=CLOSED)
    by = Principal(volunteer_id=district.administrator.id, session_id=ids.new_id())
    unit(lambda: close_organization(db.session.merge(district.practice_station), reason="撤销", by=by))
    answer = client.as_(district.administrator).patch(f"/stations/{station.id}", json=body("open"), version=1)
    assert (answer.status_code, answer.json["code"]) == (409, "organization_closed")


@settings(max_examples=share_of(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(StationStatus), max_size=12))
def test_whatever_is_tried_the_history_leads_to_the_status(app: Any, steps: list[StationStatus]) -> None:
    def work() -> None:
        station = make_station(organization_id=make_district().center.id, status=PLANNED)
        for step in steps:
            before = station.status
            try:
                service.change_station(station, status=step, status_reason="x")
            except StationStatusConflict:
                assert (before, step) not in ALLOWED
                assert station.status == before
            else:
                assert before == step or (before, step) in ALLOWED
        chain = db.session.execute(
            select(StationStatusChange.from_status, StationStatusChange.to_status)
            .where(StationStatusChange.station_id == station.id)
            .order_by(StationStatusChange.id)
        ).all()
        assert chain[0] == (None, PLANNED)
        assert all(later[0] == earlier[1] for earlier, later in pairwise(chain))
        assert chain[-1][1] == station.status
        db.session.rollback()

    unit_of(app)(work)


def stock(station: Station, district: District) -> None:
    """A receipt, as the ledger will make it: it holds the station first."""
    service.hold(station.id)
    inventory.record_movement(
        station_id=station.id,
        actor_id=district.organizer.id,
        kind=RecordableKind.RECEIPT,
        reason=MovementReason.OTHER,
        lines=[{"item_id": make_item(), "quantity": 1}],
    )


def test_of_closing_and_recording_at_once_one_wins(
    postgresql_client: ApiClient,
    postgresql_unit: Any,
    refuse_with_stock: None,
    race: Callable[[int, Callable[[int], Any]], list[Any]],
) -> None:
    """No station ends closed with something in its ledger, whoever comes first."""
    district = make_district()
    caller = postgresql_client.as_(district.organizer)
    closings = 0
    for number in range(12):
        station = make_station(organization_id=district.office.id)

        # The closing goes first in half of the rounds, and the others come while it is judged.
        head_start = number % 2 * 0.03

        def act(number: int, station: Station = station, head_start: float = head_start) -> Any:
            if number:
                time.sleep(head_start)
                return postgresql_unit(lambda: stock(station, district))
            return caller.patch(f"/stations/{station.id}", json=body("closed"), version=1)

        outcomes = race(3, act)
        closed = outcomes[0].status_code == 200
        closings += closed
        if closed:
            assert all(isinstance(one, StationClosed) for one in outcomes[1:]), outcomes
        else:
            assert outcomes[0].json["code"] == "station_not_empty"
            assert outcomes[1:] == [None, None]
    assert closings


def test_of_two_who_change_the_status_one_wins(
    postgresql_client: ApiClient, race: Callable[[int, Callable[[int], Any]], list[Any]]
) -> None:
    district = make_district()
    station = make_station(organization_id=district.office.id)
    caller = postgresql_client.as_(district.organizer)
    answers = race(
        6,
        lambda number: caller.patch(
            f"/stations/{station.id}", json=body("paused" if number % 2 else "closed"), version=1
        ),
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 5
    changes = caller.get(f"/stations/{station.id}/status-changes").json["items"]
    assert len(changes) == 2
