"""All stations as the table that an import takes back."""

from typing import Any

import pytest
from sqlalchemy import select

from tests.factories import make_volunteer
from tests.organizations.factories import District, make_district, make_grant
from tests.stations.factories import make_station
from tests.stations.tables import HEADER, Unit, cells_of_errors, exported, send, stations_of, workbook
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.organizations import structure
from volunteer_api.organizations.models import Organization, Role
from volunteer_api.stations import service
from volunteer_api.stations.models import Station, StationKind, StationStatus


@pytest.fixture
def district(unit: Unit) -> District:
    made: District = unit(make_district)
    return made


def test_the_table_back(client: Any, unit: Unit, district: District) -> None:
    """What is read can be put back: untouched it changes nothing, whatever stands in it."""
    home = district.practice_station
    manager = unit(lambda: make_volunteer(phone="+8613755550001"))
    unit(
        lambda: make_station(
            organization_id=home.id,
            name="=东苑  服务台",
            code="WD-001",
            latitude=33.73541234567,
            services=["hot_water", "书报、杂志"],
            contact={"name": None, "phone": "+8613755550009"},
        )
    )
    alone = unit(lambda: make_station(organization_id=district.other_office.id, code="WD-002", services=["书报，杂志"]))
    night = [{"weekday": 7, "opens": "20:00", "closes": "02:00"}, {"weekday": 1, "opens": "08:00", "closes": "24:00"}]
    paused = unit(
        lambda: make_station(
            organization_id=district.center.id, code="WD-003", kind=StationKind.POST, opening_hours=night, services=[]
        )
    )
    unit(
        lambda: service.change_station(
            db.session.get_one(Station, paused.id), status=StationStatus.PAUSED, status_reason="装修"
        )
    )
    unit(lambda: make_grant(manager, Role.STATION_MANAGER, alone.id))
    rows = exported(client, district.administrator, district.center)
    assert rows[0] == HEADER
    by_code = {cells[2]: dict(zip(HEADER, cells, strict=True)) for cells in rows[1:]}
    assert by_code["WD-001"] == {
        "站点名称": "=东苑  服务台",
        "类别": "服务台",
        "站点编号": "WD-001",
        "所属组织": home.name,
        "地址": "建设路1号",
        "纬度": 33.735412,
        "经度": 113.33,
        "坐标系": "WGS84",
        "开放时间": "周一至周五 08:00-18:00",
        "服务项目": "饮用热水;书报、杂志",
        "联系电话": "13755550009",
        "站长手机": None,
        "状态": "正常服务",
        "状态说明": None,
    }
    assert by_code["WD-002"]["站长手机"] == "13755550001"
    assert (by_code["WD-003"]["状态"], by_code["WD-003"]["状态说明"]) == ("暂停服务", "装修")
    before = stations_of(unit)
    path = f"/organizations/{district.center.id}/stations.xlsx"
    same = client.as_(district.administrator).get(path).get_data()
    back = send(client, district.administrator, district.center, same, "?update=true")
    assert (back.status_code, back.json["unchanged"], back.json["updated"]) == (200, 3, 0), back.json
    assert [(one.id, one.version) for one in stations_of(unit)] == [(one.id, one.version) for one in before]
    # One cell is edited, and only that changes; what stands beside an opening was the reason for the pause.
    by_code["WD-003"]["状态"] = "正常服务"
    by_code["WD-001"]["坐标系"] = "百度"
    edited = workbook(HEADER, *(list(cells.values()) for cells in by_code.values()))
    made = send(client, district.administrator, district.center, edited, "?update=true")
    assert made.status_code == 422  # a name that begins as a formula, written without its guard
    by_code["WD-001"]["站点名称"] = "东苑服务台"
    edited = workbook(HEADER, *(list(cells.values()) for cells in by_code.values()))
    made = send(client, district.administrator, district.center, edited, "?update=true")
    assert {one["code"]: one["changed"] for one in made.json["stations"]} == {
        "WD-001": ["站点名称", "纬度", "经度"],
        "WD-002": [],
        "WD-003": ["状态"],
    }
    after = {one.code: one for one in stations_of(unit)}
    assert (after["WD-003"].status, after["WD-003"].status_reason) == ("open", None)
    assert after["WD-003"].opening_hours == night


def test_the_table_back_with_what_is_closed(client: Any, unit: Unit, district: District) -> None:
    """Who manages a closed station of a closed organization stands in the table; another one is not appointed there."""
    home = district.practice_station
    desk = unit(lambda: make_station(organization_id=home.id, code="WD-001"))
    manager = unit(lambda: make_volunteer(phone="+8613755550001"))
    unit(lambda: make_grant(manager, Role.STATION_MANAGER, desk.id))
    closed = {"status": StationStatus.CLOSED, "status_reason": "撤并"}
    unit(lambda: service.change_station(db.session.get_one(Station, desk.id), **closed))
    unit(lambda: structure.close(db.session.get_one(Organization, home.id), reason="撤并", actor_id=None))
    rows = exported(client, district.administrator, district.center)
    assert rows[1][11] == "13755550001"
    back = send(client, district.administrator, district.center, workbook(*rows), "?update=true")
    assert (back.status_code, back.json["unchanged"]) == (200, 1), back.json
    assert back.json["stations"][0]["status"] == "closed"
    rows[1][11] = "13755550001;13755550002"
    tried = send(client, district.administrator, district.center, workbook(*rows), "?update=true&dry_run=true")
    assert cells_of_errors(tried) == [("L2", "organization_closed")]
    assert tried.json["stations"] == []
    refused = send(client, district.administrator, district.center, workbook(*rows), "?update=true")
    assert (refused.status_code, refused.json["errors"]) == (422, tried.json["errors"])


def test_whole_phones_are_for_who_appoints(client: Any, unit: Unit, district: District) -> None:
    desk = unit(lambda: make_station(organization_id=district.practice_station.id, code="WD-001"))
    manager = unit(lambda: make_volunteer(phone="+8613755550001"))
    unit(lambda: make_grant(manager, Role.STATION_MANAGER, desk.id))
    assert exported(client, district.organizer, district.office)[1][11] == "13755550001"
    assert exported(client, district.auditor, district.office)[1][11] == "137****0001"
    read = unit(
        lambda: db.session.scalars(
            select(AuditEntry).where(AuditEntry.subject_id == manager.id, AuditEntry.action == "data_read")
        ).all()
    )
    assert [(one.actor_id, one.details["what"]) for one in read] == [(district.organizer.id, "managers_phone")]
    exports = select(AuditEntry).where(AuditEntry.action == "data_exported").order_by(AuditEntry.id)
    fetched = unit(lambda: db.session.scalars(exports).all())
    assert [one.details["whole_phones"] for one in fetched] == [True, False]
    masked = client.as_(district.auditor).get(f"/organizations/{district.office.id}/stations.xlsx").get_data()
    refused = send(client, district.organizer, district.office, masked, "?update=true")
    assert (refused.status_code, cells_of_errors(refused)) == (422, [("L2", "phone_masked")])
    assert send(client, district.auditor, district.office, masked).status_code == 403
    assert send(client, manager, district.office, masked).status_code == 404
