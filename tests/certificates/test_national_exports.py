"""Batches for the national system: each row once, the file again, and numbers only of who consented to just that."""

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from openpyxl import load_workbook

from tests.accounts.furnished import RESIDENT_ID
from tests.certificates.factories import DAY, make_record, take_back
from tests.factories import make_volunteer
from tests.organizations.factories import District, make_district
from volunteer_api.accounts import consents, resident_ids
from volunteer_api.accounts.models import Volunteer
from volunteer_api.certificates.models import NationalExportRecord
from volunteer_api.core.audit import AuditAction, AuditEntry
from volunteer_api.core.database import db

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def district(unit: Unit) -> District:
    made: District = unit(make_district)
    return made


def make(phone: Any, organization_id: Any, key: str, **body: Any) -> Any:
    return phone.post(f"/organizations/{organization_id}/national-exports", json=body, key=key)


def table(phone: Any, export_id: str) -> list[dict[str, str]]:
    answer = phone.get(f"/national-exports/{export_id}.csv")
    assert answer.status_code == 200
    assert answer.data.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))


def test_each_row_is_exported_once(client: Any, district: District) -> None:
    person = make_volunteer(name="=王翠花")
    first = make_record(person.id, district.office.id, content="+清洁湛河")
    make_record(person.id, district.other_office.id)
    phone = client.as_(district.organizer)
    made = make(phone, district.office.id, "one")
    assert (made.status_code, made.json["record_count"], made.json["synced_at"]) == (201, 1, None)
    assert make(phone, district.office.id, "one").headers["Idempotency-Replayed"] == "true"
    [row] = table(phone, made.json["id"])
    assert (row["记录编号"], row["记录类型"], row["服务时长（分钟）"]) == (str(first), "记录", "90")
    assert (row["姓名"], row["服务内容"], row["证件号码"]) == ("'=王翠花", "'+清洁湛河", "")
    assert (row["开始时间"], row["服务时长（小时）"]) == ("2026-03-02 09:00", "1.5")
    empty = make(phone, district.office.id, "two")
    assert (empty.status_code, empty.json["code"]) == (409, "nothing_to_export")
    # What is taken back later is a row of the next batch; the first file can be had again.
    take_back(first)
    [reversal] = table(phone, make(phone, district.office.id, "three").json["id"])
    assert (reversal["记录类型"], reversal["被冲销记录编号"], reversal["服务时长（分钟）"]) == (
        "冲销",
        str(first),
        "-90",
    )
    assert table(phone, made.json["id"]) == [row]
    done = phone.post(f"/national-exports/{made.json['id']}/confirmation")
    assert (done.status_code, done.json["synced_by"]) == (200, str(district.organizer.id))
    assert phone.post(f"/national-exports/{made.json['id']}/confirmation").json["code"] == "already_synced"
    listed = phone.get(f"/organizations/{district.office.id}/national-exports").json["items"]
    assert [one["synced_at"] is None for one in listed] == [True, False]
    # From above, what the offices have not taken out.
    rest = make(client.as_(district.administrator), district.center.id, "four").json
    assert rest["record_count"] == 1


def test_the_workbook_has_texts_that_stay_texts(client: Any, district: District) -> None:
    make_record(make_volunteer(name="王翠花").id, district.office.id, content="=1+1")
    phone = client.as_(district.organizer)
    export_id = make(phone, district.office.id, "one").json["id"]
    sheet = load_workbook(io.BytesIO(phone.get(f"/national-exports/{export_id}.xlsx").data)).active
    assert sheet is not None
    header, row = list(sheet.iter_rows())
    cells = {name.value: cell for name, cell in zip(header, row, strict=True)}
    assert (cells["服务内容"].value, cells["服务内容"].data_type, cells["服务内容"].quotePrefix) == ("=1+1", "s", True)
    assert (cells["服务时长（分钟）"].value, cells["服务时长（小时）"].value) == (90, 1.5)
    assert cells["服务日期"].value.date() == DAY


@pytest.fixture
def people(unit: Unit, district: District) -> dict[str, Volunteer]:
    """Somebody who consented to both, and one who did to the storing alone."""

    def registered() -> dict[str, Volunteer]:
        made = {"both": make_volunteer(), "stored": make_volunteer()}
        for name, number in (("both", RESIDENT_ID), ("stored", "410403199001010012")):
            kinds = ("resident_id", "national_system") if name == "both" else ("resident_id",)
            for kind in kinds:
                consents.give(made[name].id, kind=kind, version="2026-11")
            db.session.flush()
            resident_ids.store(made[name].id, number)
            make_record(made[name].id, district.office.id)
        return made

    made: dict[str, Volunteer] = unit(registered)
    return made


def test_numbers_only_where_consented_and_asked_for(
    client: Any, unit: Unit, district: District, people: dict[str, Volunteer]
) -> None:
    phone = client.as_(district.organizer)
    export_id = make(phone, district.office.id, "one", with_resident_ids=True).json["id"]
    numbers = {row["志愿者编号"]: (row["证件类型"], row["证件号码"]) for row in table(phone, export_id)}
    assert numbers == {
        people["both"].volunteer_number: ("居民身份证", RESIDENT_ID),
        people["stored"].volunteer_number: ("", ""),
    }
    # She hears of it when the batch is made, and reads in her own log and export that it was fetched.
    mine = client.as_(people["both"])
    assert [one["kind"] for one in mine.get("/me/notifications").json["items"]] == ["resident_id_in_national_export"]
    assert client.as_(people["stored"]).get("/me/notifications").json["items"] == []
    [read] = [one for one in mine.get("/me/audit-entries").json["items"] if one["action"] == "data_exported"]
    assert read["by_me"] is False
    sections = mine.get("/me/export").json["sections"]
    [entry] = [one for one in sections["audit_entries"] if one["action"] == "data_exported" and not one["done_by_me"]]
    assert entry["details"] == {"what": "resident_id", "export_id": export_id}
    [batch] = sections["national_exports"]
    assert (batch["id"], batch["record_count"], batch["with_resident_ids"]) == (export_id, 1, True)
    # A consent that was taken back holds for files that are fetched again.
    given = [{"kind": "resident_id", "version": "2026-11"}]
    unit(lambda: consents.set_consents(people["both"].id, consents=given))
    assert {row["证件号码"] for row in table(phone, export_id)} == {""}
    entries = unit(
        lambda: db.session.query(AuditEntry).filter_by(action=AuditAction.DATA_EXPORTED).order_by(AuditEntry.id).all()
    )
    files = [one for one in entries if one.details.get("what") == "national_export"]
    assert [(one.actor_id, one.details["resident_ids"]) for one in files] == [
        (district.organizer.id, 1),
        (district.organizer.id, 0),
    ]
    assert RESIDENT_ID not in str([one.details for one in entries])


def test_numbers_stay_out_of_a_batch_that_does_not_ask(
    client: Any, district: District, people: dict[str, Volunteer]
) -> None:
    phone = client.as_(district.organizer)
    export_id = make(phone, district.office.id, "one").json["id"]
    assert {row["证件号码"] for row in table(phone, export_id)} == {""}
    assert len(people) == 2


def test_two_who_export_at_once(postgresql_client: Any, postgresql_unit: Unit, race: Any) -> None:
    made: District = postgresql_unit(make_district)
    person = make_volunteer()
    for day in range(4):
        make_record(person.id, made.office.id, on=DAY + timedelta(days=day))
    phones = [postgresql_client.as_(by) for by in (made.organizer, made.administrator)]

    def act(number: int) -> Any:
        answer = make(phones[number % 2], made.office.id, f"tap-{number}")
        return answer.status_code, answer.json.get("record_count")

    outcomes = race(6, act)
    assert sorted(outcomes, key=str) == [(201, 4), *[(409, None)] * 5]
    assert postgresql_unit(lambda: db.session.query(NationalExportRecord).count()) == 4
