"""The export of one's own data: all of it, one's own only, as JSON and as a page."""

import re
from datetime import timedelta
from html import escape

import pytest
from sqlalchemy import select

from tests.accounts.factories import ask_code, wrong
from tests.accounts.furnished import NAME, PHONE, RESIDENT_ID, furnish
from tests.activities.factories import make_scene
from tests.factories import make_volunteer
from volunteer_api.accounts import export, passwords
from volunteer_api.accounts.categories import Category
from volunteer_api.accounts.consent_texts import ConsentKind
from volunteer_api.accounts.models import CodePurpose, DeviceSession
from volunteer_api.attendance.models import Reason, Remark
from volunteer_api.attendance.models import State as AttendanceState
from volunteer_api.certificates.models import Revocation, StarState
from volunteer_api.compliance.models import AlertKind
from volunteer_api.core import clock, personal_data
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction, AuditEntry
from volunteer_api.core.database import db
from volunteer_api.core.idempotency import IdempotencyKey
from volunteer_api.core.ids import new_id
from volunteer_api.core.problems import TooManyRequests
from volunteer_api.disputes.models import DisputeState, StepKind
from volunteer_api.inventory.models import MovementKind, MovementReason
from volunteer_api.loans.models import ReturnCondition
from volunteer_api.notifications.groups import Group
from volunteer_api.organizations.models import Role, ScopeType
from volunteer_api.sign_ups.models import SignUpState
from volunteer_api.stations.models import StationStatus
from volunteer_api.stocktakes.models import StocktakeKind, StocktakeState
from volunteer_api.transfers import models as transfers

# What is exported of every table is tested on both in tests/test_personal_data.py.
pytestmark = pytest.mark.either_database


@pytest.fixture
def person(unit):
    return unit(lambda: furnish(make_scene()))


def test_all_that_is_known_in_json(client, unit, person):
    answer = client.as_(person).get("/me/export")
    assert answer.status_code == 200, answer.json
    sections = answer.json["sections"]
    assert sections["account"][0]["name"] == NAME
    profile = sections["profile"][0]
    assert (profile["emergency_contact_name"], profile["emergency_contact_phone"]) == (NAME, "138****7777")
    assert profile["resident_id"] == "410***********0021"
    assert sections["guardians"][0]["phone"] == "138****7777"
    assert sections["sign_ups"][0]["withdrawal_reason"] == f"{NAME}病了"
    assert any(row["check_in_evidence"] for row in sections["attendances"])
    assert sections["account"][0]["created_at"].endswith("Z")
    assert answer.json["truncated"] == []
    assert answer.json["as_of"].endswith("Z")
    entries = unit(lambda: db.session.scalars(select(AuditEntry.action).where(AuditEntry.subject_id == person)).all())
    assert entries.count("data_exported") == 1


class TestWhole:
    """A stolen session alone reads no resident ID, nor other people's numbers."""

    def test_a_code_to_the_own_phone_opens_it_once(self, client, unit, capsys, person):
        phone = client.as_(person)
        code = ask_code(client, capsys, PHONE, "export")
        assert phone.post("/me/export", json={"code": wrong(code)}).status_code == 401
        answer = phone.post("/me/export", json={"code": code}, key="k")
        assert answer.status_code == 200, answer.json
        profile = answer.json["sections"]["profile"][0]
        assert (profile["resident_id"], profile["emergency_contact_phone"]) == (RESIDENT_ID, PHONE)
        assert answer.json["sections"]["guardians"][0]["phone"] == PHONE
        assert phone.post("/me/export", json={"code": code}, key="k").status_code == 401
        stored = unit(lambda: [key.body for key in db.session.scalars(select(IdempotencyKey))])
        assert all(RESIDENT_ID.encode() not in body for body in stored)

    def test_a_code_for_something_else_does_not(self, client, capsys, person):
        code = ask_code(client, capsys, PHONE, "access")
        assert client.as_(person).post("/me/export", json={"code": code}).status_code == 401

    def test_the_password_opens_it(self, client, unit, person):
        password = "河边有三棵老柳树啊"
        unit(lambda: passwords.keep(person, passwords.hashing.hash_of(password)))
        phone = client.as_(person)
        assert phone.post("/me/export", json={"password": "不是这个密码啊啊"}).json["code"] == "wrong_password"
        answer = phone.post("/me/export", json={"password": password})
        assert answer.json["sections"]["profile"][0]["resident_id"] == RESIDENT_ID

    @pytest.mark.parametrize("body", [{}, {"code": "123456", "password": "x"}, {"code": "12345"}])
    def test_exactly_one_of_the_two(self, client, person, body):
        assert client.as_(person).post("/me/export", json=body).status_code == 422


def test_secrets_are_not_exported(client, person):
    text = client.as_(person).get("/me/export").get_data(as_text=True)
    assert "$argon2" not in text
    assert "code_hash" not in text


def test_only_ones_own(client, unit, person):
    stranger = client.as_(unit(make_volunteer))
    for path in ("/me/export", "/me/export.html"):
        assert client.get(path).status_code == 401
        text = stranger.get(path).get_data(as_text=True)
        assert NAME not in text
        assert PHONE not in text
        assert RESIDENT_ID not in text


def test_others_addresses_in_the_log_are_left_out(client, unit, person):
    def look() -> None:
        for actor_id in (person, unit_other):
            db.session.add(
                AuditEntry(
                    action="data_read",
                    actor_id=actor_id,
                    subject_id=person,
                    network=f"{'10.0.0' if actor_id == person else '10.9.9'}.0/24",
                    details={},
                )
            )

    unit_other = unit(make_volunteer).id
    unit(look)
    entries = client.as_(person).get("/me/export").json["sections"]["audit_entries"]
    read = {entry["done_by_me"]: entry["network"] for entry in entries if entry["action"] == "data_read"}
    assert read == {True: "10.0.0.0/24", False: None}


def test_a_page_to_read_and_print(client, unit, person):
    unit(
        lambda: db.session.add(
            DeviceSession(
                volunteer_id=person,
                device_id="evil",
                device_name="<script>alert(1)</script>",
                platform="android",
                last_used_at=clock.now(),
                expires_at=clock.now() + timedelta(days=1),
            )
        )
    )
    answer = client.as_(person).get("/me/export.html")
    page = answer.get_data(as_text=True)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "src=" not in page
    assert "服务记录" in page
    assert NAME in page


def test_a_long_section_is_cut_and_says_so(unit, person, monkeypatch):
    monkeypatch.setattr(personal_data, "MAXIMUM_ROWS", 1)
    principal = Principal(volunteer_id=person, session_id=new_id())
    found = unit(lambda: export.export_data(principal))
    assert {len(rows) for rows in found.sections.values()} <= {0, 1}
    assert "attendances" in found.truncated
    assert "account" not in found.truncated
    assert "只列出最近的 1 条" in unit(lambda: export.export_page(principal).content()).decode()


def test_ten_an_hour(app, unit, person, change_settings):
    change_settings(app, limits=True)
    principal = Principal(volunteer_id=person, session_id=new_id())
    for number in range(10):
        unit(lambda number=number: (export.export_page if number % 2 else export.export_data)(principal))
    with pytest.raises(TooManyRequests):
        unit(lambda: export.export_data(principal))
    unit(lambda: export.export_data(Principal(volunteer_id=make_volunteer().id, session_id=new_id())))


def test_the_page_tells_codes_in_words():
    row = {"state": "held", "reasons": ["weak_evidence", "a_new_one"], "title": "held"}
    assert [export.worded(member, value) for member, value in row.items()] == [
        "待核",
        ["到岗凭据不足", "a_new_one"],
        "held",
    ]


CODES = {
    "action": (AuditAction,),
    "check_in_remarks": (Remark,),
    "check_in_reasons": (Reason,),
    "condition": (ReturnCondition,),
    "from_status": (StationStatus,),
    "kind": (ConsentKind, StepKind, transfers.StepKind, MovementKind, AlertKind, StocktakeKind),
    "muted": (Group,),
    "purpose": (CodePurpose,),
    "reason": (MovementReason,),
    "revocation": (Revocation,),
    "role": (Role,),
    "scope_type": (ScopeType,),
    "service_categories": (Category,),
    "state": (AttendanceState, DisputeState, StarState, SignUpState, StocktakeState),
}


@pytest.mark.parametrize("member", CODES)
def test_no_code_is_without_its_word(member):
    codes = [code.value for kind in CODES[member] for code in kind]
    assert [code for code in codes if export.worded(member, code) == code] == []


def test_the_page_names_things_and_shows_no_ids(client, unit, person):
    sections = client.as_(person).get("/me/export").json["sections"]
    page = client.as_(person).get("/me/export.html", headers={"Accept-Language": "en"}).get_data(as_text=True)
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-7", page)
    for label in ("证明编号", "培训名称", "免打扰开始", "将要注销的时间"):
        assert f"<dt>{label}</dt>" in page
    assert "<dt>免打扰开始</dt><dd>01:00</dd>" in page
    # A notification reads as in the inbox.
    [notice, *_] = sections["notifications"]
    assert notice["title"]
    assert escape(notice["title"]) in page
    assert f"<dd>{notice['kind']}</dd>" not in page
    assert {row["done_by_me"] for row in sections["audit_entries"]} <= {True, False}
