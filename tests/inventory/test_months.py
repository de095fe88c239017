"""Months that are closed stay as they are."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.inventory.factories import make_depot, make_item, make_station, move, reverse
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.inventory import ledger, months, problems, queries, verification
from volunteer_api.inventory.models import DocumentCounter, MonthBalance, StockEntry
from volunteer_api.organizations.models import Organization, OrganizationKind
from volunteer_api.organizations.service import create_organization

Unit = Callable[[Callable[[], Any]], Any]
NOVEMBER = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 2, 4, 0, tzinfo=UTC)


def close(depot: Any, month: str, organization_id: Any = None) -> queries.ClosedMonth:
    organization = db.session.get_one(Organization, organization_id or depot.office_id)
    return months.close_month(organization, month, by=depot.organizer_id)


def line(item_id: Any, quantity: int, **lot: Any) -> dict[str, Any]:
    return {"item_id": item_id, "quantity": quantity} | lot


def book(unit: Unit, depot: Any, month: str) -> list[tuple[int, ...]]:
    rows = unit(lambda: queries.list_ledger(depot.station_id, {"month": month})).items
    return [(row.opening, row.incoming, row.outgoing, row.closing) for row in rows]


def test_a_closed_month_takes_nothing_and_prints_the_same(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(make_item)
    with clock.at(NOVEMBER):
        received = unit(lambda: move(depot, "receipt", line(item, 9)))
        with pytest.raises(problems.MonthNotOver):
            unit(lambda: close(depot, "2026-11"))
        with pytest.raises(problems.MonthNotOver):
            unit(lambda: close(depot, "2026-12"))
    with clock.at(DECEMBER):
        unit(lambda: move(depot, "issue", line(item, 2), occurred_at=NOVEMBER + timedelta(days=1)))
        before = book(unit, depot, "2026-11")
        closed = unit(lambda: close(depot, "2026-11"))
        assert (closed.month, closed.station_count) == ("2026-11", 1)
        for kind in ("receipt", "issue", "write_off", "quarantine"):
            with pytest.raises(problems.MonthClosed) as caught:
                unit(lambda kind=kind: move(depot, kind, line(item, 1), occurred_at=NOVEMBER + timedelta(days=2)))
            assert caught.value.members == {"month": "2026-11"}
        with pytest.raises(problems.MonthAlreadyClosed):
            unit(lambda: close(depot, "2026-11"))
        # A correction is a document of the month that is open.
        mistaken = unit(lambda: move(depot, "receipt", line(item, 1)))
        undone = unit(lambda: reverse(depot, mistaken.id))
        assert undone.document_number.startswith(f"{depot.code}-202612-")
        unit(lambda: move(depot, "issue", line(item, 3)))
        with pytest.raises(problems.StockTooLow):
            unit(lambda: reverse(depot, received.id))
        assert book(unit, depot, "2026-11") == before == [(0, 9, 2, 7)]
        assert book(unit, depot, "2026-12") == [(7, 1, 4, 4)]
        assert verify(unit, depot.station_id) == []


def verify(unit: Unit, station_id: Any) -> list[Any]:
    return list(unit(lambda: verification._finish(station_id, verification._Replay())))


def test_months_are_closed_in_order(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(make_item)
    with clock.at(NOVEMBER):
        unit(lambda: move(depot, "receipt", line(item, 9), occurred_at=NOVEMBER - timedelta(days=25)))
        unit(lambda: move(depot, "issue", line(item, 4)))
    with clock.at(DECEMBER):
        with pytest.raises(problems.EarlierMonthOpen) as caught:
            unit(lambda: close(depot, "2026-11"))
        assert caught.value.members == {"month": "2026-10"}
        unit(lambda: close(depot, "2026-10"))
        unit(lambda: close(depot, "2026-11"))
        assert [month.month for month in unit(lambda: queries.list_closed_months(depot.office_id, {})).items] == [
            "2026-11",
            "2026-10",
        ]
    kept = unit(lambda: db.session.execute(select(MonthBalance.month, MonthBalance.quantity)).all())
    assert sorted((row.month, row.quantity) for row in kept) == [("2026-10", 9), ("2026-11", 5)]
    assert (book(unit, depot, "2026-10"), book(unit, depot, "2026-11")) == ([(0, 9, 0, 9)], [(9, 0, 4, 5)])


def test_the_whole_subtree_is_closed_and_what_comes_under_it_later(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(make_item)
    below = unit(
        lambda: create_organization(parent_id=depot.office_id, kind=OrganizationKind.PRACTICE_STATION, name="河西社区")
    )
    with clock.at(NOVEMBER):
        station = unit(lambda: make_station(below.id))
    with clock.at(DECEMBER):
        assert unit(lambda: close(depot, "2026-11", below.id)).station_count == 1
        assert unit(lambda: close(depot, "2026-11")).station_count == 1
        late = unit(lambda: make_station(below.id))
        for station_id in (station.id, late.id, depot.station_id):
            with pytest.raises(problems.MonthClosed):
                unit(lambda station_id=station_id: ledger.begin(station_id, [item], occurred_at=NOVEMBER))


def test_a_closing_races_movements_of_its_month(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    """Whatever was accepted is in the closing balance; whatever came too late was refused by name."""
    last_month = clock_of_last_month(postgresql_unit)
    depot, item = postgresql_unit(make_depot), postgresql_unit(make_item)
    postgresql_unit(lambda: move(depot, "receipt", line(item, 1)))
    manager, organizer = postgresql_client.as_(depot.manager_id), postgresql_client.as_(depot.organizer_id)
    body = {"kind": "receipt", "reason": "other", "occurred_at": last_month.isoformat()}
    body["lines"] = [{"item_id": str(item), "quantity": 1}]
    month = months_of(postgresql_unit, last_month)

    def act(number: int) -> Any:
        if number == 5:
            path = f"/organizations/{depot.office_id}/stock-months/{month}/closing"
            return organizer.post(path, key="close").status_code
        answer = manager.post(f"/stations/{depot.station_id}/movements", json=body, key=f"{number}")
        return answer.get_json().get("code", answer.status_code)

    outcomes = race(16, act)
    assert outcomes[5] == 201
    accepted = Counter(outcomes[:5] + outcomes[6:])
    assert set(accepted) <= {201, "month_closed"}

    def rows() -> tuple[int, int, int]:
        kept = db.session.scalar(select(MonthBalance.quantity).where(MonthBalance.station_id == depot.station_id))
        begin, end = queries.month_bounds(month)
        entries = db.session.scalars(
            select(StockEntry.quantity).where(StockEntry.occurred_at >= begin, StockEntry.occurred_at < end)
        ).all()
        last = db.session.scalar(select(DocumentCounter.last).where(DocumentCounter.month == month.replace("-", "")))
        return kept or 0, sum(entries), last or 0

    assert postgresql_unit(rows) == (accepted[201],) * 3
    assert verify(postgresql_unit, depot.station_id) == []


def clock_of_last_month(unit: Unit) -> datetime:
    """A moment at the end of the month before."""
    first: datetime = unit(lambda: clock.start_of(clock.today().replace(day=1)))
    return first - timedelta(minutes=1)


def months_of(unit: Unit, moment: datetime) -> str:
    return str(unit(lambda: months.month_of(moment)))


def test_over_http(client: Any, unit: Unit) -> None:
    depot = unit(make_depot)
    organizer, path = client.as_(depot.organizer_id), f"/organizations/{depot.office_id}/stock-months"
    for month in ("2026-13", "2026-1", "now", "２０２６-01", "2026-01 "):
        assert organizer.post(f"{path}/{month}/closing", key="x").status_code == 404
    closed = organizer.post(f"{path}/2025-03/closing", key="c")
    assert closed.status_code == 201
    assert closed.get_json()["closed_by"]["id"] == str(depot.organizer_id)
    assert organizer.post(f"{path}/2025-03/closing", key="c").get_json() == closed.get_json()
    assert organizer.post(f"{path}/2025-03/closing", key="d").get_json()["code"] == "month_already_closed"
    assert organizer.get(path).get_json()["items"] == [closed.get_json()]
