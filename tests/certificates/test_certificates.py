"""Certificates: from the ledger, by whoever recorded, frozen, verified by anybody, revoked with their hours."""

import threading
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, text

from tests.accounts.furnished import RESIDENT_ID
from tests.certificates.factories import DAY, make_record, take_back
from tests.conftest import share_of
from tests.factories import make_volunteer
from tests.organizations.factories import District, make_district
from tests.pdf import fonts_of, text_of, texts_of
from volunteer_api.accounts import consents, erasure, resident_ids
from volunteer_api.accounts.models import Volunteer
from volunteer_api.certificates import service
from volunteer_api.certificates.models import Certificate
from volunteer_api.core import clock, ids
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.hours import seals
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.organizations.models import Organization

Unit = Callable[[Callable[[], Any]], Any]
PERIOD = {"from": "2026-03-01", "to": "2026-03-31"}


@pytest.fixture
def district(unit: Unit) -> District:
    made: District = unit(make_district)
    return made


@pytest.fixture
def volunteer(app: Flask) -> Volunteer:
    return make_volunteer(name="王翠花")


def issue(client: Any, volunteer: Volunteer, **body: Any) -> Any:
    return client.as_(volunteer).post("/me/certificates", json=PERIOD | body)


def verified(client: Any, number: str) -> dict[str, Any]:
    answer = client.get(f"/verify/{number}", base="")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json
    return found


def test_hours_are_certified_and_verified(client: Any, district: District, volunteer: Volunteer) -> None:
    for day, minutes in ((2, 90), (9, 125), (16, 45)):
        made = make_record(volunteer.id, district.office.id, minutes=minutes, on=date(2026, 3, day))
    make_record(volunteer.id, district.office.id, on=date(2026, 4, 1))
    make_record(make_volunteer().id, district.office.id)
    take_back(made)
    answer = issue(client, volunteer)
    assert answer.status_code == 201, answer.json
    certificate = answer.json
    number = certificate["number"]
    assert certificate["verify_url"].endswith(f"/verify/{number}")
    assert [len(group) for group in number.split("-")] == [4, 4, 4]
    assert not set(number) & set("0O1IL")
    assert (certificate["credited_minutes"], certificate["organization_name"]) == (215, district.office.name)
    assert (certificate["from"], certificate["to"]) == ("2026-03-02", "2026-03-09")
    seen = verified(client, number)
    assert seen == {
        "state": "valid",
        "number": number,
        "masked_name": "王*",
        "credited_minutes": 215,
        # Of the records, not of what was asked for.
        "from": "2026-03-02",
        "to": "2026-03-09",
        "issuer": district.office.name,
        "issued_on": clock_today(client),
        "revoked_on": None,
        "revocation": None,
        "sealed_on": None,
        "root": None,
    }
    # Typed small, without hyphens, in full width, with spaces.
    spelled = number.lower().replace("-", "")
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in number.replace("-", ""))
    assert verified(client, spelled) == verified(client, wide) == seen
    phone = client.as_(volunteer)
    assert phone.get(f"/me/certificates/{certificate['id']}").json == certificate
    assert [one["id"] for one in phone.get("/me/certificates?limit=1").json["items"]] == [certificate["id"]]


def test_a_name_is_not_changed_for_a_certificate(
    client: Any, district: District, volunteer: Volunteer, unit: Unit
) -> None:
    """Hours would be sold so: renamed to the buyer, certified, and renamed back."""
    make_record(volunteer.id, district.office.id, on=date(2026, 3, 2))
    make_record(volunteer.id, district.office.id, on=date(2026, 3, 20))
    with client.app.app_context():
        noon = clock.start_of(date(2026, 3, 20)) + timedelta(hours=12)
    with clock.at(noon):
        assert client.as_(volunteer).patch("/me", json={"name": "李买时"}, version=1).status_code == 200
        assert client.as_(volunteer).patch("/me", json={"name": "李买时"}, version=2).status_code == 200
    entries = select(AuditEntry.actor_id, AuditEntry.subject_id, AuditEntry.details)
    changed = unit(lambda: db.session.execute(entries.where(AuditEntry.action == "name_changed")).all())
    assert changed == [(volunteer.id, volunteer.id, {})]
    with clock.at(noon + timedelta(days=29)):
        refused = issue(client, volunteer)
        assert (refused.status_code, refused.json["code"]) == (409, "name_changed_lately")
        assert refused.json["from"] in refused.json["detail"]
        assert refused.json["from"] == "2026-04-19"
        # What she did under this name is hers at once.
        assert issue(client, volunteer, **{"from": "2026-03-20"}).status_code == 201
    with clock.at(noon + timedelta(days=30)):
        assert issue(client, volunteer).status_code == 201


def clock_today(client: Any) -> str:
    with client.app.app_context():
        return clock.today().isoformat()


def test_an_unknown_number_is_told_in_the_same_shape(client: Any, change_settings: Any, volunteer: Volunteer) -> None:
    for number in ("ABCD-EFGH-JKMN", "x", "0000-0000-0000", "%00", "你" * 300):
        seen = verified(client, number)
        assert seen["state"] == "unknown"
        assert {value for name, value in seen.items() if name != "state"} == {None}
        assert len(seen) == 12
    change_settings(client.app, limits=True)
    statuses = [client.get("/verify/ABCD-EFGH-JKMN", base="").status_code for _ in range(61)]
    assert statuses == [200] * 60 + [429]


@pytest.mark.parametrize(
    ("language", "words"), [("zh-CN", ("有效", "王*", "1 小时 30 分钟")), ("en", ("Valid", "1 h 30 min"))]
)
def test_the_page_of_verification(
    client: Any, district: District, volunteer: Volunteer, language: str, words: tuple[str, ...]
) -> None:
    make_record(volunteer.id, district.office.id)
    number = issue(client, volunteer).json["number"]
    headers = {"Accept": "text/html,*/*;q=0.1", "Accept-Language": language}
    page = client.get(f"/verify/{number}?from=timeline", base="", headers=headers)
    assert page.content_type.startswith("text/html")
    assert {"Accept", "Accept-Language"} <= set(page.headers["Vary"].split(", "))
    assert page.headers["Cache-Control"] == "no-store"
    assert all(word in page.text for word in (*words, number, district.office.name))
    assert "翠花" not in page.text
    unknown = client.get("/verify/ABCD-EFGH-JKMN", base="", headers=headers)
    assert unknown.status_code == 200
    assert "ABCD" not in unknown.text


def test_each_organization_certifies_its_own(client: Any, district: District, volunteer: Volunteer) -> None:
    make_record(volunteer.id, district.office.id)
    make_record(volunteer.id, district.other_office.id, minutes=30)
    refused = issue(client, volunteer)
    assert (refused.status_code, refused.json["code"]) == (409, "several_organizations")
    assert {one["id"]: one["minutes"] for one in refused.json["organizations"]} == {
        str(district.office.id): 90,
        str(district.other_office.id): 30,
    }
    chosen = issue(client, volunteer, organization_id=str(district.other_office.id))
    assert (chosen.status_code, chosen.json["credited_minutes"]) == (201, 30)


def test_refusals(client: Any, district: District, volunteer: Volunteer) -> None:
    phone = client.as_(volunteer)

    def code(**body: Any) -> Any:
        answer = phone.post("/me/certificates", json=PERIOD | body)
        return answer.status_code, answer.json.get("code"), [error["code"] for error in answer.json.get("errors", [])]

    assert code() == (409, "nothing_to_certify", [])
    assert code(organization_id=str(ids.new_id())) == (409, "nothing_to_certify", [])
    assert code(to="2026-02-01") == (422, "invalid_payload", ["period_reversed"])
    assert code(to="2999-01-01") == (409, "period_not_over", [])
    assert code(with_resident_id=True) == (409, "resident_id_missing", [])
    made = make_record(volunteer.id, district.office.id)
    take_back(made)
    assert code() == (409, "nothing_to_certify", [])


def fill(volunteer_id: UUID, organization_id: UUID, count: int) -> None:
    """So many rows more like the one that is there."""
    row = (
        db.session.execute(select(ServiceRecord.__table__).where(ServiceRecord.volunteer_id == volunteer_id))
        .mappings()
        .first()
    )
    assert row is not None
    db.session.execute(insert(ServiceRecord), [dict(row) | {"id": ids.new_id()} for _ in range(count)])


def test_one_paper_holds_a_thousand_records(client: Any, unit: Unit, district: District, volunteer: Volunteer) -> None:
    make_record(volunteer.id, district.office.id, minutes=1)
    unit(lambda: fill(volunteer.id, district.office.id, 999))
    assert issue(client, volunteer).json["credited_minutes"] == 1000
    unit(lambda: fill(volunteer.id, district.office.id, 1))
    refused = issue(client, volunteer)
    assert (refused.status_code, refused.json["code"]) == (409, "too_many_records")


def test_lists_ask_once(client: Any, district: District, volunteer: Volunteer, statements: Callable[[], Any]) -> None:
    make_record(volunteer.id, district.office.id, minutes=6000)
    for _ in range(3):
        issue(client, volunteer)
    client.as_(volunteer).post("/me/star-level", json={"organization_id": str(district.office.id)})
    client.as_(district.organizer).post(f"/organizations/{district.office.id}/national-exports", json={}, key="one")
    for by, path in (
        (volunteer, "/me/certificates"),
        (district.organizer, f"/organizations/{district.office.id}/star-level-applications"),
        (district.organizer, f"/organizations/{district.office.id}/national-exports"),
    ):
        phone = client.as_(by)
        with statements() as seen:
            assert phone.get(path).json["items"]
        # The session, the right and the organization where there are any, and the list.
        assert len(seen) == (2 if by is volunteer else 4), seen


def test_paper_in_two_languages_is_the_same_each_time(client: Any, district: District, volunteer: Volunteer) -> None:
    make_record(volunteer.id, district.office.id, content="#panic() $清洁$ 湛河")
    certificate = issue(client, volunteer).json
    phone, path = client.as_(volunteer), f"/me/certificates/{certificate['id']}.pdf"
    first = phone.get(path)
    assert (first.status_code, first.content_type) == (200, "application/pdf")
    assert phone.get(path).data == first.data
    assert set(fonts_of(first.data)) == {"NotoSansSC-Regular"}
    text = text_of(first.data)
    facts = ("志愿服务记录证明", certificate["number"], "王翠花", volunteer.volunteer_number, "2026-03-02至2026-03-02")
    for fact in (*facts, "1小时30分钟", district.office.name, "09:00–10:30", "#panic()$清洁$湛河", "河西广场", "盖章"):
        assert "".join(fact.split()) in text, fact
    assert all(line in text for line in ("负责人（签字）", "经办人（签字）", "联系电话"))
    english = text_of(phone.get(f"{path}?language=en", headers={"Accept-Language": "zh-CN"}).data)
    assert all(words in english for words in ("CertificateofVolunteerServiceRecords", "Handledby(signed)"))
    assert "official" not in english.lower()
    assert "官方" not in text
    assert phone.get(f"{path}?language=fr").status_code == 422


def test_the_address_on_the_paper_is_copied_and_followed(
    client: Any, change_settings: Any, district: District, volunteer: Volunteer
) -> None:
    base = "https://volunteers.a-district-with-a-long-name.example.gov.cn"
    change_settings(client.app, public_base_url=base)
    make_record(volunteer.id, district.office.id)
    certificate = issue(client, volunteer).json
    pdf = client.as_(volunteer).get(f"/me/certificates/{certificate['id']}.pdf").data
    address = f"{base}/verify/{certificate['number']}"
    assert address in "".join(texts_of(pdf))
    assert address.encode() in pdf


def test_a_number_is_found_however_it_was_copied(client: Any, district: District, volunteer: Volunteer) -> None:
    make_record(volunteer.id, district.office.id)
    number = issue(client, volunteer).json["number"]
    for copied in ("\u200b".join(number), number.replace("-", "—"), number.replace("-", "\u2011").lower()):
        assert verified(client, copied)["state"] == "valid"


def test_a_certificate_is_frozen(client: Any, unit: Unit, district: District, volunteer: Volunteer) -> None:
    make_record(volunteer.id, district.office.id)
    certificate = issue(client, volunteer).json
    path = f"/me/certificates/{certificate['id']}.pdf"
    before = client.as_(volunteer).get(path).data

    def change() -> None:
        db.session.get_one(Volunteer, volunteer.id).name = "王改名"
        db.session.get_one(Organization, district.office.id).name = "另一实践所"
        make_record(volunteer.id, district.office.id, minutes=10)

    unit(change)
    assert client.as_(volunteer).get(path).data == before
    assert verified(client, certificate["number"])["credited_minutes"] == 90


def test_a_root_comes_with_the_night(
    client: Any, app: Flask, unit: Unit, district: District, volunteer: Volunteer
) -> None:
    def sealed(until: date) -> None:
        with app.app_context(), clock.at(clock.start_of(until) + timedelta(hours=1)):
            seals.seal_days()

    make_record(volunteer.id, district.office.id)
    waiting = issue(client, volunteer).json
    assert waiting["root"] is None
    sealed(DAY + timedelta(days=1))
    phone = client.as_(volunteer)
    seen = phone.get(f"/me/certificates/{waiting['id']}").json
    assert seen["sealed_on"] == DAY.isoformat()
    assert seen["root"] == verified(client, waiting["number"])["root"]
    assert seen["root"] in text_of(phone.get(f"/me/certificates/{waiting['id']}.pdf").data)
    # Of the days of its records, the last: its root vouches for those before.
    make_record(volunteer.id, district.office.id, on=DAY + timedelta(days=3))
    later = issue(client, volunteer).json
    assert later["root"] is None
    sealed(DAY + timedelta(days=4))
    assert issue(client, volunteer).json["sealed_on"] == (DAY + timedelta(days=3)).isoformat()
    assert phone.get(f"/me/certificates/{later['id']}").json["sealed_on"] == (DAY + timedelta(days=3)).isoformat()
    assert phone.get(f"/me/certificates/{waiting['id']}").json == seen


def test_hours_taken_back_revoke_and_a_new_one_can_be_made(
    client: Any, district: District, volunteer: Volunteer
) -> None:
    kept = make_record(volunteer.id, district.office.id)
    gone = make_record(volunteer.id, district.office.id, minutes=30, on=DAY + timedelta(days=1))
    certificate = issue(client, volunteer).json
    other = issue(client, volunteer, to=DAY.isoformat()).json
    take_back(gone)
    seen = verified(client, certificate["number"])
    assert (seen["state"], seen["revocation"], seen["masked_name"]) == ("revoked", "reversed", "王*")
    assert seen["revoked_on"] is not None
    assert verified(client, other["number"])["state"] == "valid"
    phone = client.as_(volunteer)
    refused = phone.get(f"/me/certificates/{certificate['id']}.pdf")
    assert (refused.status_code, refused.json["code"]) == (409, "certificate_revoked")
    [told] = [one for one in phone.get("/me/notifications").json["items"] if one["kind"] == "certificate_revoked"]
    assert certificate["number"] in told["body"]
    assert issue(client, volunteer).json["credited_minutes"] == 90
    assert kept != gone


def test_erasure_takes_the_name_off(
    client: Any, app: Flask, unit: Unit, district: District, volunteer: Volunteer
) -> None:
    make_record(volunteer.id, district.office.id)
    good, bad = issue(client, volunteer).json, issue(client, volunteer).json

    def erase() -> None:
        db.session.get_one(Certificate, UUID(bad["id"])).revoked_at = clock.now()
        db.session.get_one(Certificate, UUID(bad["id"])).revocation = "reversed"
        db.session.get_one(Volunteer, volunteer.id).erases_at = clock.now()
        db.session.flush()
        assert erasure.execute(volunteer.id)

    unit(erase)
    for number, revocation in ((good["number"], "erased"), (bad["number"], "reversed")):
        seen = verified(client, number)
        assert (seen["state"], seen["revocation"], seen["masked_name"]) == ("revoked", revocation, None)
        assert (seen["credited_minutes"], seen["issuer"]) == (90, district.office.name)


def test_a_resident_id_stands_masked_on_the_paper(client: Any, unit: Unit, district: District) -> None:
    def registered() -> Volunteer:
        made = make_volunteer(name="李志愿")
        consents.give(made.id, kind="resident_id", version="2026-11")
        db.session.flush()
        resident_ids.store(made.id, RESIDENT_ID)
        return made

    person = unit(registered)
    make_record(person.id, district.office.id)
    certificate = issue(client, person, with_resident_id=True).json
    text = text_of(client.as_(person).get(f"/me/certificates/{certificate['id']}.pdf").data)
    assert "410***********0021" in text
    assert RESIDENT_ID not in text


def test_others_certificates_are_not_there(client: Any, district: District, volunteer: Volunteer) -> None:
    made = make_record(volunteer.id, district.office.id)
    certificate_id = issue(client, volunteer).json["id"]
    stranger = client.as_(district.organizer)
    for path in (f"/me/certificates/{certificate_id}", f"/me/certificates/{certificate_id}.pdf"):
        assert stranger.get(path).status_code == 404
    assert stranger.get(f"/me/service-records/{made}/proof").status_code == 404


@settings(max_examples=share_of(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    history=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 300), st.booleans()), max_size=8),
    span=st.tuples(st.integers(0, 40), st.integers(0, 40)),
)
def test_a_certificate_says_what_the_ledger_says(
    unit: Unit, district: District, history: list[tuple[int, int, bool]], span: tuple[int, int]
) -> None:
    first, last = (DAY + timedelta(days=day) for day in sorted(span))

    def live() -> tuple[int | None, int]:
        volunteer_id = make_volunteer().id
        for day, minutes, is_reversed in history:
            made = make_record(volunteer_id, district.office.id, minutes=minutes, on=DAY + timedelta(days=day))
            if is_reversed:
                take_back(made)
        expected = sum(
            minutes
            for day, minutes, is_reversed in history
            if not is_reversed and first <= DAY + timedelta(days=day) <= last
        )
        if expected == 0:
            return 0, 0
        return service.issue(volunteer_id=volunteer_id, first=first, last=last).minutes, expected

    certified, expected = unit(live)
    assert certified == expected


def test_hours_taken_back_while_a_certificate_is_made(postgresql_client: Any, postgresql_unit: Unit, race: Any) -> None:
    """Whichever is first: no certificate stays good with hours that are gone."""
    made: District = postgresql_unit(make_district)
    person = make_volunteer()
    make_record(person.id, made.office.id, minutes=60)
    records = [make_record(person.id, made.office.id, minutes=30, on=DAY + timedelta(days=1)) for _ in range(6)]
    phone = postgresql_client.as_(person)
    for last, minutes in ((DAY, 60), (DAY + timedelta(days=1), 240)):
        body = PERIOD | {"to": last.isoformat()}
        assert phone.post("/me/certificates", json=body).json["credited_minutes"] == minutes

    def act(number: int) -> Any:
        if number % 2:
            return postgresql_unit(lambda: take_back(records[number // 2]))
        return phone.post("/me/certificates", json=PERIOD).status_code

    outcomes = race(12, act)
    assert set(outcomes[::2]) == {201}, outcomes
    assert set(outcomes[1::2]) == {None}, outcomes
    certificates = postgresql_unit(lambda: db.session.query(Certificate).all())
    assert len({one.number for one in certificates}) == 8
    # What has a record that is gone is good no more, and nothing else was revoked.
    assert all((one.revoked_at is None) == (one.minutes == 60) for one in certificates), [
        (one.minutes, one.revocation) for one in certificates
    ]


def test_a_certificate_waits_for_what_is_being_taken_back(postgresql_client: Any, postgresql_unit: Unit) -> None:
    """Without that, it would certify what is about to be gone, and nobody would revoke it."""
    made: District = postgresql_unit(make_district)
    person = make_volunteer()
    make_record(person.id, made.office.id, minutes=60)
    gone = make_record(person.id, made.office.id, minutes=30)
    phone, answers = postgresql_client.as_(person), []
    asking = threading.Thread(target=lambda: answers.append(phone.post("/me/certificates", json=PERIOD)))
    waiting = text("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE :own = ANY(pg_blocking_pids(pid)))")

    def take_back_meanwhile() -> None:
        take_back(gone)
        own = db.session.scalar(text("SELECT pg_backend_pid()"))
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as beside:
            asking.start()
            while asking.is_alive() and not beside.scalar(waiting, {"own": own}):
                asking.join(0.01)

    postgresql_unit(take_back_meanwhile)
    asking.join(30)
    assert [one.json["credited_minutes"] for one in answers] == [60]
