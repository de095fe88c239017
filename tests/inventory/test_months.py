"""Months that are closed stay as they are."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.inventory.factories import make_depot, make_item, make_station, move, reverse
from volunteer_api.catalog.models import Item
from volunteer_api.catalog.service import change_item
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.problems import Problem
from volunteer_api.inventory import book as books
from volunteer_api.inventory import book_files, ledger, months, problems, queries, verification
from volunteer_api.inventory.models import (
    DocumentCounter,
    MonthBalance,
    MovementKind,
    MovementReason,
    StockBalance,
    StockEntry,
)
from volunteer_api.organizations.models import Organization, OrganizationKind
from volunteer_api.organizations.service import create_organization
from volunteer_api.stations import service as stations
from volunteer_api.stations.models import Station

pytestmark = pytest.mark.both_databases

Unit = Callable[[Callable[[], Any]], Any]
NOVEMBER = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 2, 4, 0, tzinfo=UTC)
# The one month that is so short that what happened before it is still written down after it.
JANUARY = datetime(2027, 1, 31, 4, 0, tzinfo=UTC)
FEBRUARY = datetime(2027, 2, 10, 4, 0, tzinfo=UTC)
MARCH = datetime(2027, 3, 1, 4, 0, tzinfo=UTC)


def close(depot: Any, month: str, organization_id: Any = None) -> queries.ClosedMonth:
    organization = db.session.get_one(Organization, organization_id or depot.office_id)
    return months.close_month(organization, month, by=depot.organizer_id)


def station_of(depot: Any) -> Station:
    return db.session.get_one(Station, depot.station_id)


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
        paper = unit(lambda: book_files._station_lines(books.read_station_book(station_of(depot), "2026-11")))
        assert "结账时间：2026-12-02 12:00" in paper[-1]
        assert book(unit, depot, "2026-12") == [(7, 1, 4, 4)]
        assert verify(unit, depot.station_id) == []


def test_a_closed_month_calls_its_items_as_it_did(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(lambda: make_item(name="口罩"))

    def names(month: str) -> list[set[str]]:
        office, station = (
            db.session.get_one(Organization, depot.office_id),
            db.session.get_one(Station, depot.station_id),
        )
        printed = books.read_station_book(station, month)
        return [
            {line.item for line in printed.lines},
            {line.item for line in printed.posted},
            {line.item for line in books.read_organization_book(office, month).lines},
            {row.item.name for row in queries.list_ledger(depot.station_id, {"month": month}).items},
        ]

    def rename(name: str) -> None:
        change_item(db.session.get_one(Item, item), name=name)

    with clock.at(NOVEMBER):
        unit(lambda: move(depot, "receipt", line(item, 9)))
    with clock.at(NOVEMBER + timedelta(hours=1)):
        unit(lambda: rename("一次性口罩"))
    with clock.at(DECEMBER):
        unit(lambda: close(depot, "2026-11"))
        unit(lambda: move(depot, "issue", line(item, 2)))
    for hours, name in ((1, "医用口罩"), (2, "外科口罩")):
        with clock.at(DECEMBER + timedelta(hours=hours)):
            unit(lambda name=name: rename(name))
    with clock.at(DECEMBER + timedelta(hours=3)):
        assert unit(lambda: names("2026-11")) == [{"一次性口罩"}] * 4
        assert unit(lambda: names("2026-12")) == [{"外科口罩"}] * 4


def verify(unit: Unit, station_id: Any) -> list[Any]:
    return list(unit(lambda: verification._finish(station_id, verification._Replay())))


def test_the_books_of_a_closed_month_are_what_it_kept(unit: Unit) -> None:
    depot, first, second = unit(make_depot), unit(make_item), unit(make_item)

    def printed() -> tuple[Any, ...]:
        station = books.read_station_book(db.session.get_one(Station, depot.station_id), "2026-11").lines
        office = books.read_organization_book(db.session.get_one(Organization, depot.office_id), "2026-11").lines
        return tuple(
            sorted((row.item, row.opening, row.incoming, row.outgoing, row.closing) for row in rows)
            for rows in (station, office)
        )

    with clock.at(NOVEMBER - timedelta(days=25)):
        unit(lambda: move(depot, "receipt", line(first, 9, lot_number="A"), line(second, 4)))
    with clock.at(NOVEMBER):
        unit(lambda: move(depot, "issue", line(first, 2)))
        unit(lambda: move(depot, "receipt", line(first, 1, lot_number="B")))
        unit(lambda: move(depot, "issue", line(second, 4)))
    with clock.at(DECEMBER):
        before = unit(printed)
        unit(lambda: close(depot, "2026-10"))
        unit(lambda: close(depot, "2026-11"))
        unit(lambda: move(depot, "issue", line(first, 3)))
        # Whatever happens to the shelf: what was closed stands.
        unit(lambda: db.session.execute(update(StockBalance).values(quantity=StockBalance.quantity + 10)))
        assert unit(printed) == before
    assert sorted(row[1:] for row in before[1]) == [(4, 0, 4, 0), (9, 1, 2, 8)]


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


def test_a_closed_month_is_not_changed_through_one_before_it(unit: Unit) -> None:
    """What a document of January leaves, February opens with: where February is closed, there is none any more."""
    depot, item = unit(make_depot), unit(make_item)
    with clock.at(FEBRUARY):
        unit(lambda: move(depot, "receipt", line(item, 5)))
    with clock.at(MARCH):
        unit(lambda: close(depot, "2027-02"))
        before = book(unit, depot, "2027-02")
        with pytest.raises(problems.MonthClosed) as caught:
            unit(lambda: move(depot, "receipt", line(item, 3), occurred_at=JANUARY))
        assert caught.value.members == {"month": "2027-02"}
        # Closed by the organization, before the station came.
        late = unit(lambda: make_station(depot.office_id))
        with pytest.raises(problems.MonthClosed):
            unit(lambda: ledger.begin(late.id, [item], occurred_at=JANUARY))
        assert book(unit, depot, "2027-02") == before == [(0, 5, 0, 5)]
        assert book(unit, depot, "2027-03") == [(5, 0, 0, 5)]


def test_the_number_itself_judges_the_months_after(unit: Unit) -> None:
    """A closing that comes between the look and the number is not overlooked."""
    depot, item = unit(make_depot), unit(make_item)

    def overtaken() -> None:
        posting = ledger.begin(depot.station_id, [item], occurred_at=JANUARY)
        close(depot, "2027-02")
        change = posting.shelf.put(posting.items[item], 1, lot_number=None, expires_on=None)
        posting.write([change], actor_id=depot.manager_id, kind=MovementKind.RECEIPT, reason=MovementReason.OTHER)

    with clock.at(MARCH), pytest.raises(problems.MonthClosed) as caught:
        unit(overtaken)
    assert caught.value.members == {"month": "2027-02"}


def test_a_closing_waits_for_a_document_of_a_month_before(
    postgresql_app: Any, postgresql_unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is being written while the next month is closed is either refused, or seen by the closing."""
    unit = postgresql_unit
    depot, item = unit(make_depot), unit(make_item)
    written, outcomes = threading.Event(), {}

    def attempt(name: str, act: Callable[[], Any]) -> None:
        try:
            with clock.at(MARCH):
                outcomes[name] = unit(act)
        except Problem as problem:
            outcomes[name] = problem

    def write_slowly() -> Any:
        document = move(depot, "receipt", line(item, 3), occurred_at=JANUARY)
        written.set()
        time.sleep(1)
        return document

    with clock.at(FEBRUARY):
        unit(lambda: move(depot, "receipt", line(item, 5)))
    writer = threading.Thread(target=attempt, args=("document", write_slowly))
    writer.start()
    assert written.wait(10)
    attempt("closing", lambda: close(depot, "2027-02"))
    writer.join(10)
    assert isinstance(outcomes["document"], queries.Document)
    assert isinstance(outcomes["closing"], problems.EarlierMonthOpen)
    assert outcomes["closing"].members == {"month": "2027-01"}


def test_a_station_that_came_with_an_open_month_is_closed_with_it(unit: Unit) -> None:
    depot, item = unit(make_depot), unit(make_item)
    october = NOVEMBER - timedelta(days=25)
    other = unit(lambda: make_depot())
    with clock.at(NOVEMBER):
        unit(lambda: move(depot, "receipt", line(item, 5), occurred_at=october))
        first = unit(lambda: close(other, "2026-10"))
        unit(
            lambda: stations.change_station(
                db.session.get_one(Station, depot.station_id), organization_id=other.office_id
            )
        )
        unit(lambda: move(depot, "issue", line(item, 1)))
    with clock.at(DECEMBER):
        with pytest.raises(problems.EarlierMonthOpen):
            unit(lambda: close(other, "2026-11"))
        # The closing that is there, which now has this station too.
        assert unit(lambda: close(other, "2026-10")) == first
        with pytest.raises(problems.MonthAlreadyClosed):
            unit(lambda: close(other, "2026-10"))
        assert unit(lambda: close(other, "2026-11")).station_count == 2
        kept = unit(lambda: db.session.execute(select(MonthBalance.month, MonthBalance.quantity)).all())
        assert sorted((row.month, row.quantity) for row in kept) == [("2026-10", 5), ("2026-11", 4)]
        assert (book(unit, depot, "2026-10"), book(unit, depot, "2026-11")) == ([(0, 5, 0, 5)], [(5, 0, 1, 4)])
        assert verify(unit, depot.station_id) == []


def test_a_station_that_moves_during_the_closing_keeps_its_balances(
    postgresql_app: Any, postgresql_unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = postgresql_unit
    depot, other, item = unit(make_depot), unit(make_depot), unit(make_item)
    keep = months._keep_balances

    def keep_late(*given: Any) -> None:
        move_away = threading.Thread(
            target=unit,
            args=(
                lambda: stations.change_station(
                    db.session.get_one(Station, depot.station_id), organization_id=other.office_id
                ),
            ),
        )
        move_away.start()
        move_away.join(10)
        assert not move_away.is_alive()
        keep(*given)

    with clock.at(NOVEMBER):
        unit(lambda: move(depot, "receipt", line(item, 5)))
    monkeypatch.setattr(months, "_keep_balances", keep_late)
    with clock.at(DECEMBER):
        unit(lambda: close(depot, "2026-11"))
        assert unit(lambda: db.session.scalars(select(MonthBalance.quantity)).all()) == [5]
        assert book(unit, depot, "2026-11") == [(0, 5, 0, 5)]


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
