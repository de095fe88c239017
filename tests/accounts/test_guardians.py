"""Minors: who consents for them, who can be called, and how that is changed."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from tests.accounts.factories import DEVICE, PHONE, ask_code, bearer, current_consents, registration, wrong
from tests.factories import make_volunteer
from volunteer_api.accounts import guardians, profile, queries
from volunteer_api.accounts.ages import age_on, youngest_adult
from volunteer_api.accounts.consent_texts import current_texts
from volunteer_api.accounts.models import Consent, Guardian, SignInCode, Volunteer
from volunteer_api.core import clock
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db

GUARDIAN_PHONE = "+8613900009999"
CHILD, TEENAGER, ADULT = "2016-03-08", "2010-03-08", "1990-03-08"
NOON = datetime(2026, 11, 23, 4, tzinfo=UTC)


@pytest.fixture(autouse=True)
def noon():
    with clock.at(NOON):
        yield


def guardian_consents():
    return [*current_consents(), {"kind": "guardian", "version": current_texts()["guardian"].version}]


def guardian_code(client, capsys, phone=GUARDIAN_PHONE):
    answer = client.post("/auth/codes", json={"phone": phone, "purpose": "guardian"})
    assert answer.status_code == 202, answer.json
    return re.findall(rf"^code (\d{{6}}) for {re.escape(phone)} \(guardian\)$", capsys.readouterr().out, re.MULTILINE)[
        -1
    ]


def child(client, capsys, **changes):
    """A child's registration that is accepted."""
    code = guardian_code(client, capsys)
    guardian = {"name": "王建国", "phone": GUARDIAN_PHONE, "code": code}
    given = {"birth_date": CHILD, "guardian": guardian, "consents": guardian_consents()} | changes
    return registration(ask_code(client, capsys), **given)


def count(unit, model):
    return len(unit(lambda: db.session.scalars(select(model)).all()))


def test_ages_follow_from_the_date():
    born = date(2012, 2, 29)
    assert [age_on(born, date(2026, 2, 28)), age_on(born, date(2026, 3, 1))] == [13, 14]
    assert age_on(date(2012, 11, 23), date(2026, 11, 23)) == 14
    assert youngest_adult(date(2028, 2, 29)) == date(2010, 2, 28)
    for day in (date(2026, 2, 28), date(2026, 3, 1), date(2028, 2, 29), date(2026, 11, 23)):
        limit = youngest_adult(day)
        assert age_on(limit, day) == 18
        assert age_on(date.fromordinal(limit.toordinal() + 1), day) == 17


def test_a_child_is_registered_with_the_guardians_code(client, unit, capsys):
    answer = client.post("/auth/register", json=child(client, capsys))
    assert answer.status_code == 201, answer.json
    me = client.get("/me", headers=bearer(answer.json)).json
    assert me["guardian"] == {"name": "王建国", "phone": "139****9999"}
    rows = client.get("/me/consents", headers=bearer(answer.json)).json["items"]
    assert {row["kind"] for row in rows if row["given_version"]} == {"terms", "privacy", "guardian"}
    stored = unit(lambda: db.session.scalar(select(Guardian)))
    assert "王建国".encode() not in stored.contact
    assert GUARDIAN_PHONE[3:].encode() not in stored.contact
    contact = unit(lambda: profile.contact_of(stored.volunteer_id))
    assert (contact.guardian.name, contact.guardian.phone) == ("王建国", GUARDIAN_PHONE)


def test_a_lost_answer_of_a_childs_registration_is_given_again(client, unit, capsys):
    body = child(client, capsys)
    answers = [client.post("/auth/register", json=body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert count(unit, Guardian) == count(unit, Volunteer) == 1


def test_a_child_without_guardian_is_refused(client, unit, capsys):
    body = child(client, capsys, consents=current_consents())
    del body["guardian"]
    answer = client.post("/auth/register", json=body)
    assert (answer.status_code, answer.json["code"]) == (409, "guardian_needed")
    assert count(unit, Volunteer) == 0


def test_a_guardians_consent_without_a_code_is_none(client, capsys):
    body = registration(ask_code(client, capsys), consents=guardian_consents())
    answer = client.post("/auth/register", json=body)
    assert (answer.status_code, answer.json["code"]) == (409, "guardian_must_consent")


def test_a_wrong_guardian_code_leaves_no_account(client, unit, capsys):
    body = child(client, capsys)
    right = body["guardian"]["code"]
    body["guardian"] = body["guardian"] | {"code": wrong(right)}
    answer = client.post("/auth/register", json=body)
    assert (answer.status_code, answer.json["code"]) == (401, "wrong_code")
    assert count(unit, Volunteer) == count(unit, Guardian) == count(unit, Consent) == 0
    body["guardian"] = body["guardian"] | {"code": right}
    assert client.post("/auth/register", json=body).status_code == 201


def test_a_guardian_without_the_consent_is_told_what_is_missing(client, capsys):
    answer = client.post("/auth/register", json=child(client, capsys, consents=current_consents()))
    fault = answer.json["errors"][0]
    assert (answer.status_code, fault["pointer"], fault["code"]) == (422, "/consents", "consent_required")
    assert fault["detail"] == "缺少监护人对未成年人规则的同意。"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"birth_date": ADULT, "guardian_contact": {"name": "王", "phone": GUARDIAN_PHONE}}, "not_minor"),
        ({"birth_date": None, "guardian_contact": {"name": "王", "phone": GUARDIAN_PHONE}}, "not_minor"),
        ({"birth_date": TEENAGER, "guardian_contact": {"name": "王", "phone": PHONE}}, "own_phone"),
        ({"birth_date": CHILD, "guardian": {"name": "王", "phone": PHONE, "code": "123456"}}, "own_phone"),
    ],
)
def test_a_guardian_that_can_be_none_is_named(client, changes, code):
    answer = client.post("/auth/register", json=registration("123456", **changes))
    assert answer.status_code == 422
    assert answer.json["errors"][0]["code"] == code


def test_from_14_to_17_a_contact_is_enough(client, capsys):
    body = registration(ask_code(client, capsys), birth_date=TEENAGER)
    answer = client.post("/auth/register", json=body)
    assert (answer.status_code, answer.json["code"]) == (409, "guardian_contact_needed")
    body["guardian_contact"] = {"name": "王建国", "phone": "139 0000-9999"}
    tokens = client.post("/auth/register", json=body).json
    me = client.get("/me", headers=bearer(tokens)).json
    assert me["guardian_contact"] == {"name": "王建国", "phone": GUARDIAN_PHONE}
    answer = client.patch("/me", json={"guardian_contact": None}, version=me["version"], headers=bearer(tokens))
    assert (answer.status_code, answer.json["code"]) == (409, "guardian_contact_needed")


@pytest.mark.parametrize(("birth_date", "code"), [(CHILD, "guardian_needed"), (TEENAGER, "guardian_contact_needed")])
def test_a_correction_makes_nobody_a_minor_without_guardian(client, unit, birth_date, code):
    volunteer = unit(make_volunteer)
    answer = client.as_(volunteer).patch("/me", json={"birth_date": birth_date}, version=1)
    assert (answer.status_code, answer.json["code"]) == (409, code)


def test_contact_and_birth_date_are_corrected_together(client, unit):
    volunteer = unit(make_volunteer)
    contact = {"name": "王建国", "phone": GUARDIAN_PHONE}
    body = {"birth_date": TEENAGER, "guardian_contact": contact}
    answer = client.as_(volunteer).patch("/me", json=body, version=1)
    assert answer.status_code == 200, answer.json
    version = answer.json["version"]
    refused = client.as_(volunteer).patch("/me", json={"birth_date": None}, version=version)
    assert (refused.status_code, refused.json["code"]) == (409, "birth_date_kept")
    own = {"guardian_contact": {"name": "王", "phone": volunteer.phone}}
    refused = client.as_(volunteer).patch("/me", json=own, version=version)
    assert (refused.status_code, refused.json["code"]) == (409, "guardian_must_consent")


def test_an_adult_has_no_guardian_contact(client, unit):
    volunteer = unit(lambda: make_volunteer(birth_date=date(1990, 1, 1)))
    body = {"guardian_contact": {"name": "王建国", "phone": GUARDIAN_PHONE}}
    answer = client.as_(volunteer).patch("/me", json=body, version=1)
    assert (answer.status_code, answer.json["code"]) == (409, "not_minor")


def test_a_guardian_is_changed_and_the_one_before_is_kept(client, unit, capsys):
    volunteer = unit(lambda: make_volunteer(birth_date=date(2016, 3, 8)))
    phone = client.as_(volunteer)
    for owner, name in ((GUARDIAN_PHONE, "王建国"), ("+8613900008888", "李梅")):
        body = {"name": name, "phone": owner, "code": guardian_code(client, capsys, owner)}
        answers = [phone.put("/me/guardian", json=body) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200], answers[0].json
        assert answers[1].json["guardian"]["name"] == name
    history = unit(lambda: guardians.personal_data(volunteer.id))
    assert [(row["name"], row["withdrawn_at"] is None) for row in history] == [("王建国", False), ("李梅", True)]
    assert phone.delete("/me/guardian").json["code"] == "guardian_needed"


def test_grown_up_the_guardian_can_go(client, unit, capsys):
    volunteer = unit(lambda: make_volunteer(birth_date=date(2008, 11, 24)))
    phone = client.as_(volunteer)
    body = {"name": "王建国", "phone": GUARDIAN_PHONE, "code": guardian_code(client, capsys)}
    assert phone.put("/me/guardian", json=body).status_code == 200
    assert phone.delete("/me/guardian").json["code"] == "guardian_contact_needed"
    with clock.at(datetime(2026, 11, 24, 4, tzinfo=UTC)):
        phone = client.as_(volunteer)
        assert phone.delete("/me/guardian").status_code == 204
        assert phone.delete("/me/guardian").status_code == 204
        assert phone.get("/me").json["guardian"] is None
        rows = phone.get("/me/consents").json["items"]
        assert not [row for row in rows if row["kind"] == "guardian" and row["given_version"]]
        body["code"] = guardian_code(client, capsys)
        assert phone.put("/me/guardian", json=body).json["code"] == "not_minor"


def test_once_of_age_nobody_knows_who_the_guardian_was(client, unit, capsys):
    tokens = client.post("/auth/register", json=child(client, capsys)).json
    volunteer_id = unit(lambda: db.session.scalar(select(Volunteer.id)))
    grown = make_volunteer(birth_date=date(2000, 1, 1))
    unit(lambda: setattr(db.session.get_one(Volunteer, volunteer_id), "guardian_contact", b"sealed"))
    assert unit(guardians.forget_of_age) == 0

    def grow() -> None:
        db.session.get_one(Volunteer, volunteer_id).birth_date = youngest_adult(clock.today())

    unit(grow)
    assert [unit(guardians.forget_of_age) for _ in range(2)] == [1, 0]
    row = unit(lambda: db.session.scalar(select(Guardian)))
    assert (row.phone_digest, row.withdrawn_at is not None) == (b"", True)
    assert unit(lambda: db.session.get_one(Volunteer, volunteer_id)).guardian_contact is None
    [told] = unit(lambda: guardians.personal_data(volunteer_id))
    assert (told["name"], told["phone"], told["version"]) == (None, None, current_texts()["guardian"].version)
    assert client.get("/me", headers=bearer(tokens)).json["guardian"] is None
    assert client.get("/me/export", headers=bearer(tokens)).status_code == 200
    assert unit(lambda: db.session.get_one(Volunteer, grown.id)).birth_date == date(2000, 1, 1)


def test_guardians_that_can_be_none(client, unit, capsys):
    volunteer = unit(lambda: make_volunteer(birth_date=date(2016, 3, 8)))
    teenager = unit(lambda: make_volunteer(birth_date=date(2010, 3, 8)))
    phone = client.as_(volunteer)

    def refusal(owner, code):
        answer = phone.put("/me/guardian", json={"name": "王建国", "phone": owner, "code": code})
        return answer.status_code, answer.json["code"]

    code = guardian_code(client, capsys)
    assert refusal(GUARDIAN_PHONE, wrong(code)) == (401, "wrong_code")
    assert refusal(teenager.phone, guardian_code(client, capsys, teenager.phone)) == (409, "guardian_is_minor")
    assert refusal(volunteer.phone, guardian_code(client, capsys, volunteer.phone)) == (409, "guardian_must_consent")
    assert client.put("/me/guardian", json={"name": "王", "phone": PHONE, "code": "123456"}).status_code == 401


def test_a_code_is_good_for_one_child_and_a_phone_for_five(client, unit, capsys):
    children = [unit(lambda: make_volunteer(birth_date=date(2016, 3, 8))) for _ in range(6)]
    bodies = []
    for number, one in enumerate(children):
        bodies.append({"name": "王建国", "phone": GUARDIAN_PHONE, "code": guardian_code(client, capsys)})
        answer = client.as_(one).put("/me/guardian", json=bodies[-1])
        assert answer.status_code == (200 if number < 5 else 409), answer.json
    assert answer.json["code"] == "too_many_wards"
    body = {"name": "王建国", "phone": GUARDIAN_PHONE, "code": guardian_code(client, capsys)}
    assert client.as_(children[0]).put("/me/guardian", json=body).status_code == 200
    assert client.as_(children[5]).put("/me/guardian", json=body).json["code"] == "wrong_code"


def test_who_is_a_minor_follows_the_day(unit):
    volunteer = unit(lambda: make_volunteer(birth_date=date(2008, 11, 24)))
    assert guardians.is_minor(volunteer, date(2026, 11, 23))
    assert not guardians.is_minor(volunteer, date(2026, 11, 24))
    assert not guardians.is_minor(unit(make_volunteer), date(2026, 11, 24))


def test_a_guardians_code_is_good_for_one_child(client, unit, capsys):
    """A refused second child leaves no account behind: a wrong code commits what was written before it."""
    guardian = {"name": "王建国", "phone": GUARDIAN_PHONE, "code": guardian_code(client, capsys)}
    body = {"birth_date": CHILD, "guardian": guardian, "consents": guardian_consents()}
    assert client.post("/auth/register", json=registration(ask_code(client, capsys), **body)).status_code == 201
    phone, device = "+8613900007777", DEVICE | {"id": "another"}
    code = ask_code(client, capsys, phone)
    second = client.post("/auth/register", json=registration(code, phone=phone, device=device, **body))
    assert (second.status_code, second.json["code"]) == (401, "wrong_code")
    # Two codes were given: whose it was must be said.
    assert "监护人" in second.json["detail"]
    signed_in = client.post("/auth/sign-in", json={"phone": phone, "code": code, "device": device})
    assert (signed_in.status_code, signed_in.json["code"]) == (409, "registration_required")


def correct(client, volunteer, birth_date, **members):
    phone = client.as_(volunteer)
    return phone.patch("/me", json={"birth_date": birth_date, **members}, version=phone.get("/me").json["version"])


def actions(unit):
    return [(e.action, e.details) for e in unit(lambda: list(db.session.scalars(select(AuditEntry))))]


def name_guardian(client, capsys, volunteer, owner=GUARDIAN_PHONE):
    body = {"name": "王建国", "phone": owner, "code": guardian_code(client, capsys, owner)}
    assert client.as_(volunteer).put("/me/guardian", json=body).status_code == 200


@pytest.mark.parametrize("right", [TEENAGER, "2007-01-01"])
def test_the_guardian_corrects_a_mistyped_date_by_a_code(client, unit, capsys, right):
    volunteer = unit(lambda: make_volunteer(birth_date=date(2016, 3, 8)))
    name_guardian(client, capsys, volunteer)
    refused = correct(client, volunteer, right)
    assert (refused.status_code, refused.json["code"]) == (409, "birth_date_kept")
    assert "guardian_code" in refused.json["detail"]
    code = guardian_code(client, capsys)
    assert correct(client, volunteer, right, guardian_code=wrong(code)).json["code"] == "wrong_code"
    assert correct(client, volunteer, None, guardian_code=code).json["code"] == "birth_date_kept"
    answer = correct(client, volunteer, right, guardian_code=code)
    assert answer.status_code == 200, answer.json
    assert answer.json["birth_date"] == right
    assert ("birth_date_changed", {"by": "guardian"}) in actions(unit)
    used = select(SignInCode.used_at).where(SignInCode.phone == GUARDIAN_PHONE)
    assert unit(lambda: db.session.scalar(used)) is not None


def test_a_child_that_names_another_guardian_stays_a_child(client, unit, capsys):
    """The one before got a message, and time to object."""
    volunteer = unit(lambda: make_volunteer(birth_date=date(2016, 3, 8)))
    name_guardian(client, capsys, volunteer)
    friend = "+8613900008888"
    name_guardian(client, capsys, volunteer, friend)
    code = guardian_code(client, capsys, friend)
    refused = correct(client, volunteer, "2007-01-01", guardian_code=code)
    assert (refused.status_code, refused.json["code"]) == (409, "birth_date_kept")
    assert "90" in refused.json["detail"]
    with clock.at(NOON + timedelta(days=91)):
        code = guardian_code(client, capsys, friend)
        assert correct(client, volunteer, "2007-01-01", guardian_code=code).status_code == 200


def test_a_guardian_who_consents_again_is_no_other(client, unit, capsys):
    """As to a new text, or with her name mended."""
    volunteer = unit(lambda: make_volunteer(birth_date=date(2016, 3, 8)))
    name_guardian(client, capsys, volunteer)
    name_guardian(client, capsys, volunteer)
    assert unit(lambda: len(queries.guardians_of(volunteer.id))) == 2
    code = guardian_code(client, capsys)
    assert correct(client, volunteer, "2007-01-01", guardian_code=code).status_code == 200


def with_id_consent():
    text = current_texts()["resident_id"]
    return [*current_consents(), {"kind": "resident_id", "version": text.version}]


NINETEEN = "110105200701010017"


def give_number(client, volunteer):
    return client.as_(volunteer).put("/me/resident-id", json={"resident_id": NINETEEN})


def test_the_resident_id_corrects_a_date_that_made_a_minor(client, unit, capsys):
    """A 19-year-old typed 2009: nobody consented for her, somebody can be called."""
    volunteer = unit(lambda: make_volunteer(consents=with_id_consent()))
    contact = {"name": "王建国", "phone": GUARDIAN_PHONE}
    assert correct(client, volunteer, "2009-01-01", guardian_contact=contact).status_code == 200
    assert "身份证号码" in correct(client, volunteer, "2007-01-01").json["detail"]
    answer = give_number(client, volunteer)
    assert answer.status_code == 200, answer.json
    assert answer.json["birth_date"] == "2007-01-01"
    assert ("birth_date_changed", {"by": "resident_id"}) in actions(unit)
    assert f"notice birth_date_corrected for {GUARDIAN_PHONE}\n" in capsys.readouterr().out


def test_no_resident_id_escapes_a_guardian(client, unit, capsys):
    """Any number that adds up is taken: who consented, or did, decides."""
    volunteer = unit(lambda: make_volunteer(birth_date=date(2010, 3, 8), consents=with_id_consent()))
    name_guardian(client, capsys, volunteer)
    refused = give_number(client, volunteer)
    assert (refused.status_code, refused.json["code"]) == (409, "birth_date_mismatch")
    assert "guardian_code" in refused.json["detail"]
    contact = {"name": "李梅", "phone": "+8613900008888"}
    assert correct(client, volunteer, TEENAGER, guardian_contact=contact).status_code == 200
    assert client.as_(volunteer).delete("/me/guardian").status_code == 204
    assert give_number(client, volunteer).json["code"] == "birth_date_mismatch"
    assert correct(client, volunteer, "2007-01-01").json["code"] == "birth_date_kept"


@pytest.mark.parametrize("birth_date", ["1990-01-01", None])
def test_a_minor_does_not_become_an_adult_by_correction(client, unit, capsys, birth_date):
    tokens = client.post("/auth/register", json=child(client, capsys)).json
    version = client.get("/me", headers=bearer(tokens)).json["version"]
    refused = client.patch("/me", json={"birth_date": birth_date}, version=version, headers=bearer(tokens))
    assert (refused.status_code, refused.json["code"]) == (409, "birth_date_kept")
