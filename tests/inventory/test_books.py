"""出入库台账: what stands in the books of a month, on paper and in workbooks, and that it is what the ledger says."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from sqlalchemy import select

from tests.conftest import ApiClient, share_of
from tests.inventory.factories import Depot, line_of, make_depot, make_item, make_station, move
from tests.inventory.test_ledger_property import NOON, perform, recorded, reversed_
from tests.pdf import fonts_of, pages_of, text_of
from volunteer_api.core import clock
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.core.problems import Conflict
from volunteer_api.inventory import book, book_files, ledger, queries, service
from volunteer_api.inventory.models import QUARANTINED, Movement, MovementKind, MovementReason
from volunteer_api.inventory.problems import BookTooLarge
from volunteer_api.inventory.shelf import Change
from volunteer_api.organizations.models import Organization, OrganizationKind
from volunteer_api.organizations.service import create_organization
from volunteer_api.stations.models import Station

Unit = Callable[[Callable[[], Any]], Any]
MONTH = "2026-11"


@pytest.fixture
def depot(unit: Unit) -> Depot:
    made: Depot = unit(make_depot)
    return made


def opened(content: bytes) -> Workbook:
    return load_workbook(BytesIO(content))


def table_of(content: bytes, sheet: int) -> list[dict[str, Any]]:
    """The rows below the header of a sheet, up to the first blank one."""
    rows = [list(row) for row in opened(content).worksheets[sheet].iter_rows(values_only=True)]
    header = next(index for index, row in enumerate(rows) if "单位" in row)
    table = []
    for row in rows[header + 1 :]:
        if not any(row):
            break
        table.append(dict(zip(rows[header], row, strict=True)))
    return table


def write_month(depot: Depot) -> UUID:
    """A receipt in October; in November a receipt, an issue that is undone, a quarantine and a write-off."""
    item = make_item(name="碘伏")
    expiry = date(2027, 3, 31)
    lot = partial(line_of, lot_number="A1", expires_on=expiry)
    move(depot, "receipt", lot(item, 20), reason="donation", occurred_at=NOON - timedelta(days=25))
    move(depot, "receipt", lot(item, 5), reason="purchase", occurred_at=NOON - timedelta(days=20))
    issued = move(depot, "issue", line_of(item, 3), reason="used", occurred_at=NOON - timedelta(days=2))
    movement = db.session.get_one(Movement, issued.id)
    service.reverse_movement(movement, actor_id=depot.manager_id, reason=MovementReason.MISTAKE, note="=记错了")
    posting = ledger.begin(depot.station_id, [item])
    thing = posting.items[item]
    posting.write(
        [Change(thing, "A1", expiry, -4), Change(thing, "A1", expiry, 4, QUARANTINED)],
        actor_id=depot.manager_id,
        kind=MovementKind.QUARANTINE,
        reason=MovementReason.OTHER,
        witness="张三",
    )
    move(depot, "write_off", lot(item, 1), reason="damaged")
    return item


@pytest.fixture
def written(unit: Unit, depot: Depot) -> UUID:
    with clock.at(NOON):
        made: UUID = unit(lambda: write_month(depot))
    return made


@pytest.mark.usefixtures("written")
class TestStation:
    def test_the_workbook(self, client: ApiClient, depot: Depot, unit: Unit, statements: Callable[[], Any]) -> None:
        phone = client.as_(depot.manager_id)
        with statements() as seen:
            answer = phone.get(f"/stations/{depot.station_id}/ledger.xlsx?month={MONTH}")
        assert answer.status_code == 200
        assert len(seen) <= 8
        (line,) = table_of(answer.data, 0)
        assert {name: value for name, value in line.items() if value is not None} == {
            "物品": "碘伏",
            "批号": "A1",
            "有效期": datetime.fromisoformat("2027-03-31"),
            "单位": "件",
            "期初": 20,
            "入库": 5,
            "入库·冲销": 3,
            "入库合计": 8,
            "出库": 3,
            "出库·报损": 1,
            "出库合计": 4,
            "期末": 24,
        }
        posted = table_of(answer.data, 1)
        number = f"{depot.code}-202611-"
        assert [row["单号"] for row in posted] == [number + f"{place:04d}" for place in (1, 2, 3, 4, 4, 5)]
        assert [row["数量"] for row in posted] == [5, -3, 3, -4, 4, -1]
        assert [row["结存"] for row in posted] == [25, 22, 25, 21, 25, 24]
        assert [row["类型"] for row in posted] == ["入库", "出库", "冲销", "封存", "封存", "报损"]
        assert posted[1]["备注"] == "已被 0003 冲销；2026-11-23 补登"
        assert posted[2]["备注"] == "冲销 0002；=记错了"
        assert (posted[4]["批号"], posted[4]["见证人"]) == ("A1（封存）", "张三")

    def test_the_workbook_is_made_to_be_printed(self, client: ApiClient, depot: Depot) -> None:
        answer = client.as_(depot.manager_id).get(f"/stations/{depot.station_id}/ledger.xlsx?month={MONTH}")
        workbook = opened(answer.data)
        assert workbook.sheetnames == ["收发存汇总", "收发明细"]
        for sheet in workbook.worksheets:
            assert sheet.freeze_panes == "A6"
            assert sheet.print_title_rows == "$1:$5"
            assert (sheet.page_setup.orientation, sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight) == (
                "landscape",
                1,
                0,
            )
            assert "&P" in sheet.oddFooter.center.text
            texts = [cell.value for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)]
            whole = "".join(texts)
            assert depot.code in whole
            assert "2026 年 11 月" in whole
            assert all(who in whole for who in book_files.SIGNATURES)
        assert not any(cell.data_type == "f" for sheet in workbook for row in sheet.iter_rows() for cell in row)

    def test_the_paper(self, client: ApiClient, depot: Depot) -> None:
        answer = client.as_(depot.auditor_id).get(f"/stations/{depot.station_id}/ledger.pdf?month={MONTH}")
        assert answer.status_code == 200
        assert fonts_of(answer.data) == ["NotoSansSC-Regular"]
        assert pages_of(answer.data) == 1
        text = text_of(answer.data)
        title = ("志愿服务站点物资出入库台账", depot.code, "2026年11月", "打印时间")
        for shown in (*title, "期初", "期末", "盘盈", "盘亏", "制表人", "审核人", "站长"):
            assert shown in text
        assert f"{depot.code}-202611-0005" in text
        assert "第1页共1页" in text

    def test_a_month_without_anything(self, client: ApiClient, depot: Depot) -> None:
        phone = client.as_(depot.manager_id)
        assert book_files.NO_ROWS in text_of(phone.get(f"/stations/{depot.station_id}/ledger.pdf?month=2020-01").data)
        assert table_of(phone.get(f"/stations/{depot.station_id}/ledger.xlsx?month=2020-01").data, 0) == []

    def test_the_closing_of_a_month_is_the_opening_of_the_next(self, client: ApiClient, depot: Depot) -> None:
        phone = client.as_(depot.manager_id)
        months = [
            table_of(phone.get(f"/stations/{depot.station_id}/ledger.xlsx?month={month}").data, 0)
            for month in ("2026-10", "2026-11", "2026-12")
        ]
        assert [(rows[0]["期初"], rows[0]["期末"]) for rows in months] == [(0, 20), (20, 24), (24, 24)]

    def test_who_fetched_it_is_kept(self, client: ApiClient, depot: Depot, unit: Unit) -> None:
        client.as_(depot.auditor_id).get(f"/stations/{depot.station_id}/ledger.pdf?month={MONTH}")
        found = unit(
            lambda: db.session.scalars(select(AuditEntry.details).where(AuditEntry.actor_id == depot.auditor_id)).all()
        )
        assert [(one["what"], one["month"]) for one in found] == [("station_ledger", MONTH)]

    @pytest.mark.parametrize("month", ["2026-13", "2026-1", "abc", ""])
    def test_a_month_is_a_month(self, client: ApiClient, depot: Depot, month: str) -> None:
        answer = client.as_(depot.manager_id).get(f"/stations/{depot.station_id}/ledger.pdf?month={month}")
        assert answer.status_code == 422

    def test_a_book_is_bounded(self, client: ApiClient, depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
        phone, path = client.as_(depot.manager_id), f"/stations/{depot.station_id}/ledger"
        monkeypatch.setattr(book_files, "MOST_PDF_ROWS", 5)
        answer = phone.get(f"{path}.pdf?month={MONTH}")
        assert (answer.status_code, answer.json["code"]) == (422, "book_too_large")
        assert phone.get(f"{path}.xlsx?month={MONTH}").status_code == 200
        monkeypatch.setattr(book_files, "MOST_PDF_ROWS", 6)
        assert phone.get(f"{path}.pdf?month={MONTH}").status_code == 200


@pytest.mark.usefixtures("written")
class TestOrganization:
    def test_by_item_and_by_station(
        self, client: ApiClient, depot: Depot, unit: Unit, written: UUID, statements: Callable[[], Any]
    ) -> None:
        def receive() -> str:
            station = make_station(depot.office_id)
            with clock.at(NOON):
                service.record_movement(
                    station_id=station.id,
                    actor_id=depot.manager_id,
                    kind=service.RecordableKind.RECEIPT,
                    reason=MovementReason.OTHER,
                    lines=[line_of(written, 6, lot_number="Z", expires_on=date(2028, 1, 1))],
                )
            return station.code

        other = unit(receive)
        phone = client.as_(depot.organizer_id)
        with statements() as seen:
            answer = phone.get(f"/organizations/{depot.office_id}/ledger.xlsx?month={MONTH}")
        assert len(seen) <= 6
        (total,) = table_of(answer.data, 0)
        sums = ("期初", "入库", "出库", "期末")
        assert [total[name] for name in sums] == [20, 14, 4, 30]
        stations = {row["站点编号"]: [row[name] for name in sums] for row in table_of(answer.data, 1)}
        assert stations == {depot.code: [20, 8, 4, 24], other: [0, 6, 0, 6]}
        text = text_of(phone.get(f"/organizations/{depot.office_id}/ledger.pdf?month={MONTH}").data)
        assert "志愿服务站点物资出入库汇总台账" in text
        assert depot.code in text
        assert other in text

    def test_by_child_where_the_detail_is_too_large(
        self, client: ApiClient, depot: Depot, unit: Unit, written: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def receive(organization_id: UUID, quantity: int) -> None:
            station = make_station(organization_id)
            with clock.at(NOON):
                service.record_movement(
                    station_id=station.id,
                    actor_id=depot.manager_id,
                    kind=service.RecordableKind.RECEIPT,
                    reason=MovementReason.OTHER,
                    lines=[line_of(written, quantity)],
                )

        def grow() -> None:
            child = create_organization(
                parent_id=depot.office_id, kind=OrganizationKind.PRACTICE_STATION, name="河西社区实践站"
            )
            below = create_organization(parent_id=child.id, kind=OrganizationKind.UNIT, name="某单位")
            receive(child.id, 6)
            receive(below.id, 9)

        unit(grow)

        def read(most: int) -> book.OrganizationBook:
            office = db.session.get_one(Organization, depot.office_id)
            return book.read_organization_book(office, MONTH, most=most)

        office = unit(lambda: db.session.get_one(Organization, depot.office_id).name)
        assert (unit(lambda: read(3)).by_child, len(unit(lambda: read(3)).lines)) == (False, 3)
        found = unit(lambda: read(2))
        assert found.by_child
        assert [(line.organization, line.opening, line.incoming, line.outgoing) for line in found.lines] == [
            (office, 20, 8, 4),
            ("河西社区实践站", 0, 15, 0),
        ]
        assert [(line.opening, line.closing) for line in book.by_item(found.lines)] == [(20, 39)]
        with pytest.raises(BookTooLarge):
            unit(lambda: read(1))
        monkeypatch.setattr(book_files, "MOST_PDF_ROWS", 2)
        paper = client.as_(depot.organizer_id).get(f"/organizations/{depot.office_id}/ledger.pdf?month={MONTH}")
        assert "按下级组织汇总" in text_of(paper.data)

    def test_it_is_bounded(self, client: ApiClient, depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(book_files, "MOST_PDF_ROWS", 0)
        answer = client.as_(depot.organizer_id).get(f"/organizations/{depot.office_id}/ledger.pdf?month={MONTH}")
        assert (answer.status_code, answer.json["code"]) == (422, "book_too_large")


def test_every_kind_and_reason_has_its_word() -> None:
    assert set(book_files.KIND_WORDS) == set(MovementKind)
    assert set(book_files.REASON_WORDS) == set(MovementReason)


@settings(max_examples=share_of(6), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(st.one_of(recorded, recorded, reversed_), min_size=1, max_size=14))
def test_the_books_say_what_the_ledger_says(unit: Unit, operations: list[tuple[Any, ...]]) -> None:
    """Whatever was recorded: each month adds up, agrees with the JSON ledger, and goes on where the last one ended."""
    depot, items = unit(make_depot), [unit(make_item), unit(make_item)]
    done: list[UUID] = []
    with clock.at(NOON):
        for operation in operations:
            if operation[0] == "reversal" and not done:
                continue
            try:
                done.append(unit(partial(perform, depot, items, done, operation)).id)
            except Conflict:
                continue
        unit(lambda: compare(depot))


def compare(depot: Depot) -> None:
    station = db.session.get_one(Station, depot.station_id)
    office = db.session.get_one(Organization, depot.office_id)
    before: dict[str, int] = {}
    for month in ("2026-10", "2026-11", "2026-12"):
        read = book.read_station_book(station, month)
        sums: dict[str, list[int]] = {}
        for line in read.lines:
            held = sums.setdefault(line.item, [0, 0, 0, 0])
            for place, quantity in enumerate((line.opening, line.incoming, line.outgoing, line.closing)):
                held[place] += quantity
            ends = [one.balance for one in read.posted if (one.item, one.lot_number) == (line.item, line.lot_number)]
            assert line.closing == (ends[-1] if ends else line.opening)
        assert all(one.balance >= 0 for one in read.posted)
        page = queries.list_ledger(station.id, {"month": month, "limit": 100})
        said = {row.item.name: [row.opening, row.incoming, row.outgoing, row.closing] for row in page.items}
        assert sums == said
        rows = book.read_organization_book(office, month).lines
        assert {row.item: [row.opening, row.incoming, row.outgoing, row.closing] for row in rows} == said
        assert [[row.opening, row.incoming, row.outgoing, row.closing] for row in book.by_item(rows)] == [
            said[name] for name in sorted(said)
        ]
        assert {name: one[0] for name, one in sums.items() if one[0]} == {name: n for name, n in before.items() if n}
        before = {name: one[3] for name, one in sums.items()}
        numbers = list(dict.fromkeys(one.document_number for one in read.posted))
        assert numbers == [f"{station.code}-{month.replace('-', '')}-{n:04d}" for n in range(1, len(numbers) + 1)]
