"""Stations from a table: a district at once, each bad cell named, all or nothing."""

from io import BytesIO
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import func, select

from tests.factories import make_volunteer, unit_of
from tests.organizations.factories import District, make_district, make_grant
from tests.stations.factories import make_station
from tests.stations.tables import HEADER, Unit, cells_of_errors, row, send, stations_of, workbook
from volunteer_api.accounts.events import PhoneProven
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.core.events import publish
from volunteer_api.core.geo import Datum, to_wgs84
from volunteer_api.core.limits import spend
from volunteer_api.notifications.models import Notification
from volunteer_api.organizations import structure
from volunteer_api.organizations.models import Grant, Organization, PendingGrant, Role
from volunteer_api.stations import imports, service
from volunteer_api.stations.models import Station, StationHours, StationStatus, StationStatusChange


@pytest.fixture
def district(unit: Unit) -> District:
    made: District = unit(make_district)
    return made


def test_a_district_at_once(client: Any, unit: Unit, district: District) -> None:
    """As people keep it: a title, names cut short or codes, a map's coordinates, hours in words, phones as numbers."""
    known = unit(lambda: make_volunteer(phone="+8613755550001"))
    content = workbook(
        ["卫东区志愿服务站点一览表"],
        [name.replace("站点编号", "代码（可不填）") for name in HEADER],
        row(
            "河西社区服务台",
            纬度="33.7354",
            坐标系="高德",
            开放时间="周一至周五 8:00—18:00；周六、日 09：00～12:00,14:00-17:00",
            服务项目="热水、充电、理发",
            联系电话="0375-2861234",
            站长手机="13755550001；137 5555 0002",
        ),
        row("康复街书屋", 类别="智慧书屋", 所属组织="410403003002", 开放时间="每天 08:00-20:00", 站长手机=13755550001),
        row("五一路服务岗", 类别="服务岗", 站点编号="wd-007", 所属组织=district.other_office.name, 状态="筹备中"),
        ["合计", "3个"],
    )
    tried = send(client, district.administrator, district.center, content, "?dry_run=true")
    assert (tried.status_code, tried.json["errors"]) == (200, []), tried.json
    assert (tried.json["created"], tried.json["new_managers"], tried.json["ignored_rows"]) == (3, 3, [6])
    assert [(one["id"], one["code"]) for one in tried.json["stations"]] == [
        (None, None),
        (None, None),
        (None, "WD-007"),
    ]
    assert stations_of(unit) == []
    made = send(client, district.administrator, district.center, content)
    assert (made.status_code, made.json["created"], made.json["new_managers"]) == (200, 3, 3), made.json
    desk, room, post = stations_of(unit)
    assert [(one["row"], one["outcome"], one["id"]) for one in made.json["stations"]] == [
        (3, "created", str(desk.id)),
        (4, "created", str(room.id)),
        (5, "created", str(post.id)),
    ]
    assert made.json["stations"][0]["organization_name"] == "河西社区新时代文明实践站"
    assert [one.kind for one in (desk, room, post)] == ["desk", "reading_room", "post"]
    assert (post.code, post.status, desk.status, len(desk.code)) == ("WD-007", "planned", "open", 6)
    assert (desk.latitude, desk.longitude) == pytest.approx(to_wgs84((33.7354, 113.3301), Datum.GCJ02), abs=1e-8)
    assert desk.services == ["hot_water", "charging", "理发"]
    assert desk.contact_phone == "+863752861234"
    read = client.get(f"/stations/{desk.id}").json
    assert len(read["opening_hours"]) == 9
    assert {"weekday": 7, "opens": "14:00", "closes": "17:00"} in read["opening_hours"]
    # What the search by time reads is there as well, and how it all began.
    assert unit(lambda: db.session.scalar(select(func.count()).select_from(StationHours))) == 9 + 7
    assert unit(lambda: db.session.scalar(select(func.count()).select_from(StationStatusChange))) == 3
    organizations = dict(unit(lambda: db.session.execute(select(Organization.id, Organization.division_code)).all()))
    assert [organizations[one.organization_id] for one in (desk, room)] == ["410403003001", "410403003002"]
    # Who is registered manages at once and hears of it, for each station; the other once she has the phone.
    held = unit(
        lambda: db.session.execute(
            select(Grant.volunteer_id, Grant.scope_id).where(Grant.scope_type == "station")
        ).all()
    )
    assert {tuple(one) for one in held} == {(known.id, desk.id), (known.id, room.id)}
    told = unit(
        lambda: db.session.scalars(select(Notification.values).where(Notification.volunteer_id == known.id)).all()
    )
    assert sorted(one["scope"] for one in told) == ["康复街书屋", "河西社区服务台"]
    later = unit(lambda: make_volunteer(phone="+8613755550002"))
    unit(lambda: publish(PhoneProven(later.id, "+8613755550002")))
    assert client.as_(later).get("/me/grants").json["items"][0]["scope"]["name"] == "河西社区服务台"
    again = send(client, district.administrator, district.center, content)
    assert (again.json["created"], again.json["unchanged"], again.json["new_managers"]) == (0, 3, 0), again.json
    imported = select(AuditEntry).where(AuditEntry.action == "stations_imported").order_by(AuditEntry.id)
    entries = unit(lambda: db.session.scalars(imported).all())
    assert [(one.organization_id, one.details["created"]) for one in entries] == [
        (district.center.id, 3),
        (district.center.id, 0),
    ]
    assert entries[0].details["new_managers"] == 3
    granted = unit(lambda: db.session.scalars(select(AuditEntry).where(AuditEntry.action == "granted")).all())
    assert sum(one.details.get("pending", False) for one in granted) == 1


def test_every_bad_cell_is_named_and_nothing_is_made(client: Any, unit: Unit, district: District) -> None:
    unit(lambda: make_station(organization_id=district.other_office.id, code="TAKEN"))
    closed = district.practice_stations[1]
    unit(lambda: structure.close(db.session.get_one(Organization, closed.id), reason="撤并", actor_id=None))
    content = workbook(
        HEADER,
        row("好的"),
        row("", 类别="凉亭", 站点编号="甲", 所属组织=district.office.name, 地址=""),
        row("别处的", 所属组织=district.other_office.name),
        row("无坐标", 所属组织="东苑社区", 纬度="", 坐标系=""),
        row("坐标不对", 所属组织="东苑社区", 纬度=113.33, 经度="东经113度", 坐标系="某地图"),
        row(
            "时间不对", 所属组织="东苑社区", 开放时间="随时", 服务项目="理" * 41, 联系电话="12", 站长手机="138****0001"
        ),
        row("时间重叠", 所属组织="东苑社区", 开放时间="每天 08:00-12:00,11:00-13:00", 站长手机="13800000001;1380"),
        row("时间颠倒", 所属组织="东苑社区", 开放时间="周一 18:00-08:00", 状态="暂停服务"),
        row("已关的", 所属组织=closed.name, 状态="好"),
        row("重号", 所属组织="东苑社区", 站点编号="taken"),
        row("好的", 站点编号="NEW-1", 所属组织="东苑社区"),
        row("另一个", 站点编号="new-1", 所属组织="东苑社区"),
    )
    tried = send(client, district.organizer, district.office, content, "?dry_run=true")
    assert tried.status_code == 200
    assert cells_of_errors(tried) == [
        ("D2", "organization_unknown"),
        ("A3", "required"),
        ("B3", "not_station_kind"),
        ("C3", "pattern"),
        ("E3", "required"),
        ("D4", "organization_unknown"),
        ("F5", "required"),
        ("H5", "required"),
        ("G6", "not_degrees"),
        ("H6", "not_datum"),
        ("I7", "hours_unread"),
        ("J7", "max_length"),
        ("K7", "not_public_phone"),
        ("L7", "phone_masked"),
        ("I8", "hours_overlap"),
        ("L8", "not_phone"),
        ("M9", "not_first_status"),
        ("D10", "organization_closed"),
        ("M10", "not_status"),
        ("C11", "station_code_taken"),
        ("A13", "repeated"),
    ], cells_of_errors(tried)
    assert tried.json["error_count"] == 21
    assert all(any("\u4e00" <= sign <= "\u9fff" for sign in error["detail"]) for error in tried.json["errors"])
    assert (tried.json["created"], [one["row"] for one in tried.json["stations"]]) == (1, [12])
    refused = send(client, district.organizer, district.office, content)
    assert (refused.status_code, refused.json["code"]) == (422, "table_refused")
    assert refused.json["errors"] == tried.json["errors"]
    assert [one.code for one in stations_of(unit)] == ["TAKEN"]
    assert unit(lambda: db.session.scalar(select(func.count()).select_from(PendingGrant))) == 0


def test_what_is_no_table_of_stations(client: Any, district: District) -> None:
    formula = send(client, district.organizer, district.office, workbook(HEADER, row("=1+1")))
    assert (formula.status_code, formula.json["code"]) == (422, "spreadsheet_has_formula")
    nothing = send(client, district.organizer, district.office, workbook(["地址"], ["建设路"]))
    assert (nothing.status_code, nothing.json["code"]) == (422, "column_missing")
    large = "站点名称\n" + "某站\n" * 1001
    refused = send(client, district.organizer, district.office, large.encode())
    assert (refused.status_code, refused.json["code"]) == (422, "spreadsheet_too_large")


def test_an_update_changes_what_is_filled(client: Any, unit: Unit, district: District) -> None:
    home = district.practice_station
    manager = unit(lambda: make_volunteer(phone="+8613755550001"))
    contact = {"name": "刘姐", "phone": "+8613755550009"}
    desk = unit(lambda: make_station(organization_id=home.id, name="东苑服务台", code="WD-001", contact=contact))
    planned = StationStatus.PLANNED
    unit(lambda: make_station(organization_id=home.id, name="东苑服务岗", code="WD-002", status=planned))
    unit(lambda: make_grant(manager, Role.STATION_MANAGER, desk.id))
    content = workbook(
        HEADER,
        ["", "", "wd-001", "", "", "", "", "", "每天 09:00-17:00", "", "0375 286 1234", "13755550001;13755550002"],
        ["东苑服务岗", "岗亭", "WD-009", home.name, "新华路2号", "", "", "", "", "", "", "", "正常服务"],
        row("新的服务台", 所属组织=home.name),
    )
    kept = send(client, district.organizer, district.office, content)
    assert (kept.json["created"], kept.json["unchanged"], kept.json["new_managers"]) == (1, 2, 0), kept.json
    assert [one.code for one in stations_of(unit)][:2] == ["WD-001", "WD-002"]
    tried = send(client, district.organizer, district.office, content, "?update=true&dry_run=true")
    assert (tried.json["updated"], tried.json["unchanged"], tried.json["new_managers"]) == (2, 1, 1), tried.json
    changed = send(client, district.organizer, district.office, content, "?update=true")
    assert changed.json["stations"] == tried.json["stations"]
    assert [one["changed"] for one in changed.json["stations"]] == [
        ["开放时间", "联系电话", "站长手机"],
        ["类别", "站点编号", "地址", "状态"],
        [],
    ]
    desk, post, _ = stations_of(unit)
    assert (desk.name, desk.version, desk.services) == ("东苑服务台", 2, ["hot_water"])
    assert (desk.contact_name, desk.contact_phone) == ("刘姐", "+863752861234")
    assert [(one["weekday"], one["opens"]) for one in desk.opening_hours] == [(day, "09:00") for day in range(1, 8)]
    assert (post.code, post.kind, post.status, post.address) == ("WD-009", "post", "open", "新华路2号")
    minutes = select(StationHours.opens_minute).where(StationHours.station_id == desk.id).distinct()
    assert unit(lambda: db.session.scalars(minutes).all()) == [540]
    again = send(client, district.organizer, district.office, content, "?update=true")
    assert (again.json["updated"], again.json["unchanged"], again.json["new_managers"]) == (0, 3, 0), again.json


def test_an_update_is_judged_as_a_change_is(client: Any, unit: Unit, district: District) -> None:
    home = district.practice_station
    for name, code, status in (
        ("东苑服务台", "WD-001", StationStatus.OPEN),
        ("东苑服务岗", "WD-002", StationStatus.PLANNED),
        ("东苑书屋", "WD-003", StationStatus.OPEN),
    ):
        unit(
            lambda name=name, code=code, status=status: make_station(
                organization_id=home.id, name=name, code=code, status=status
            )
        )
    content = workbook(
        HEADER,
        ["东苑服务台", "", "WD-005", home.name],
        ["东苑书屋", "", "WD-002", home.name, "", "", "", "", "", "", "", "", "暂停"],
        ["", "", "WD-003", "", "", "", "", "", "", "", "", "", "已撤销"],
    )
    tried = send(client, district.organizer, district.office, content, "?update=true&dry_run=true")
    assert cells_of_errors(tried) == [("C2", "station_code_in_use"), ("N3", "reason_needed"), ("N4", "reason_needed")]
    content = workbook(
        HEADER,
        ["东苑书屋", "", "WD-002", home.name, "", "", "", "", "", "", "", "", "暂停", "装修"],
        ["", "", "WD-003", "", "", "", "", "", "", "", "", "", "已撤销", "撤并"],
    )
    tried = send(client, district.organizer, district.office, content, "?update=true&dry_run=true")
    assert cells_of_errors(tried) == [("A2", "name_taken"), ("M2", "station_status_conflict")]
    good = workbook(HEADER, ["", "", "WD-003", "康复街", "", "", "", "", "", "", "", "", "已撤销", "撤并"])
    # Below the office there is no such place; below the district there is.
    outside = send(client, district.organizer, district.office, good, "?update=true&dry_run=true")
    assert cells_of_errors(outside) == [("D2", "organization_unknown")]
    good = workbook(HEADER, ["", "", "WD-003", "康复街社区", "", "", "", "", "", "", "", "", "已撤销", "撤并"])
    made = send(client, district.administrator, district.center, good, "?update=true")
    assert (made.status_code, made.json["updated"]) == (200, 1), made.json
    moved = stations_of(unit)[2]
    assert (moved.status, moved.status_reason) == ("closed", "撤并")
    assert moved.organization_id == district.practice_stations[3].id


def test_a_name_is_that_of_the_living_station(client: Any, unit: Unit, district: District) -> None:
    home = district.practice_station
    closed = StationStatus.CLOSED
    names = (("WD-001", "东苑服务台"), ("WD-002", "东苑服务台"), ("WD-003", "东苑书屋"))
    for code, name in names:
        unit(lambda code=code, name=name: make_station(organization_id=home.id, name=name, code=code))
    for station in stations_of(unit)[::2]:
        unit(
            lambda station=station: service.change_station(
                db.session.get_one(Station, station.id), status=closed, status_reason="撤并"
            )
        )
    content = workbook(
        HEADER, row("东苑服务台", 所属组织=home.name, 地址="新华路2号"), row("东苑书屋", 所属组织=home.name)
    )
    kept = send(client, district.organizer, district.office, content)
    assert [(one["code"], one["outcome"], one["status"]) for one in kept.json["stations"]] == [
        ("WD-002", "unchanged", "open"),
        ("WD-003", "unchanged", "closed"),
    ]
    assert send(client, district.organizer, district.office, content, "?update=true").json["updated"] == 2
    assert {one.code: one.address for one in stations_of(unit)}["WD-002"] == "新华路2号"
    assert {one.code: one.address for one in stations_of(unit)}["WD-001"] != "新华路2号"


def test_what_is_named_without_an_organization_is_the_callers(client: Any, unit: Unit, district: District) -> None:
    content = workbook(HEADER, row("所里的服务台", 所属组织=""))
    assert send(client, district.organizer, district.office, content).json["created"] == 1
    assert stations_of(unit)[0].organization_id == district.office.id
    unit(
        lambda: structure.close(
            db.session.get_one(Organization, district.practice_stations[1].id), reason="撤并", actor_id=None
        )
    )
    closed = send(client, district.organizer, district.practice_stations[1], content)
    assert (closed.status_code, closed.json["code"]) == (409, "organization_closed")


@pytest.mark.both_databases
@pytest.mark.parametrize("query", ["", "?update=true"])
def test_the_statements_do_not_grow_with_the_rows(
    client: Any, unit: Unit, district: District, statements: Any, query: str
) -> None:
    def table(count: int, hours: str) -> bytes:
        rows = [
            row(f"服务台{count}-{number}", 所属组织="东苑社区", 开放时间=hours, 站长手机=f"1375555{number:04}")
            for number in range(count)
        ]
        return workbook(HEADER, *rows)

    for number in range(0, 100, 2):
        unit(lambda number=number: make_volunteer(phone=f"+861375555{number:04}"))
    counts = []
    for count in (4, 100):
        if query:
            send(client, district.organizer, district.office, table(count, "每天 08:00-09:00"))
        with statements() as seen:
            made = send(client, district.organizer, district.office, table(count, "每天 08:00-10:00"), query)
        assert (made.status_code, made.json["updated" if query else "created"]) == (200, count), made.json
        counts.append(len(seen))
    # Each station that changes has an UPDATE of its own, which names its version.
    updates = 96 if query else 0
    assert counts[1] <= counts[0] + updates + 2, counts
    assert counts[1] - updates < 45, counts


def test_a_key_is_answered_once(client: Any, unit: Unit, district: District) -> None:
    content = workbook(HEADER, row("东苑服务台", 所属组织="东苑社区"))
    first = send(client, district.organizer, district.office, content, key="table-1")
    second = send(client, district.organizer, district.office, content, key="table-1")
    assert (first.json, second.headers["Idempotency-Replayed"]) == (second.json, "true")
    other = send(
        client, district.organizer, district.office, workbook(HEADER, row("另", 所属组织="东苑社区")), key="table-1"
    )
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")
    assert len(stations_of(unit)) == 1


def test_phones_are_counted(client: Any, unit: Unit, district: District, change_settings: Any) -> None:
    """Three hundred a day, different ones; who looks whose phone stands at a station already, thirty times."""
    change_settings(client.app, limits=True)
    phones = [f"1375555{number:04}" for number in range(301)]
    rows = [
        row(f"服务台{number}", 所属组织="东苑社区", 站长手机=";".join(phones[20 * number : 20 * number + 20]))
        for number in range(16)
    ]
    assert (
        send(client, district.organizer, district.office, workbook(HEADER, *rows), "?dry_run=true").json["new_managers"]
        == 301
    )
    refused = send(client, district.organizer, district.office, workbook(HEADER, *rows))
    assert (refused.status_code, refused.json["code"]) == (429, "too_many_requests")
    assert stations_of(unit) == []
    made = send(client, district.organizer, district.office, workbook(HEADER, *rows[:15]))
    assert (made.status_code, made.json["new_managers"]) == (200, 300), made.json
    many = row("太多", 所属组织="东苑社区", 站长手机=";".join(phones[:21]))
    assert cells_of_errors(send(client, district.organizer, district.office, workbook(HEADER, many))) == [
        ("L2", "max_length")
    ]
    one = workbook(HEADER, *rows[:1])
    assert send(client, district.organizer, district.office, one, "?update=true&dry_run=true").status_code == 200
    who = str(district.organizer.id)
    unit(lambda: spend(imports.DRY_RUNS, "station imports tried", who=who, amount=29))
    assert send(client, district.organizer, district.office, one, "?update=true&dry_run=true").status_code == 429


def test_two_equal_tables_at_once(postgresql_client: Any, postgresql_app: Any, race: Any) -> None:
    """Without codes nothing in the database keeps their names apart."""
    unit = unit_of(postgresql_app)
    district = unit(make_district)
    known = unit(lambda: make_volunteer(phone="+8613755550001"))
    content = workbook(
        HEADER,
        *(row(f"服务台{number}", 所属组织="东苑社区", 站长手机="13755550001;13755550002") for number in range(20)),
    )
    answers = race(4, lambda _: send(postgresql_client, district.organizer, district.office, content))
    assert sorted((answer.status_code, answer.json["created"]) for answer in answers) == [(200, 0)] * 3 + [(200, 20)]
    assert len(stations_of(unit)) == 20
    held = select(func.count()).select_from(Grant).where(Grant.volunteer_id == known.id)
    assert unit(lambda: db.session.scalar(held)) == 20
    assert unit(lambda: db.session.scalar(select(func.count()).select_from(PendingGrant))) == 20


@pytest.mark.either_database
def test_the_template_is_read_back(client: Any, unit: Unit, district: District) -> None:
    answer = client.as_(district.outsider).get("/stations-import-template.xlsx")
    book = load_workbook(BytesIO(answer.get_data()))
    sheet = book.worksheets[0]
    header = next(cells for cells in sheet.iter_rows() if cells[0].value == "站点名称*")
    assert [cell.value.removesuffix("*") for cell in header] == HEADER
    assert [cell.value for cell in header if cell.value.endswith("*")] == [
        "站点名称*",
        "类别*",
        "地址*",
        "纬度*",
        "经度*",
        "坐标系*",
    ]
    for place, value in enumerate(row("东苑服务台", 所属组织="东苑社区"), start=1):
        sheet.cell(header[0].row + 1, place).value = value
    output = BytesIO()
    book.save(output)
    assert send(client, district.organizer, district.office, output.getvalue()).json["created"] == 1
