"""The resident ID: judged, sealed, masked, one to an account, sealed anew."""

import re
import time

import pytest
from sqlalchemy import select, text

from tests.accounts.factories import current_consents
from tests.factories import make_volunteer
from volunteer_api.accounts import consents, contacts, passwords, reencryption, resident_ids
from volunteer_api.accounts.consent_texts import current_texts
from volunteer_api.accounts.models import ResidentId, Volunteer
from volunteer_api.accounts.resident_numbers import normalized
from volunteer_api.core import keyring
from volunteer_api.core.database import Base, db

NUMBER = "11010519491231002X"
OTHER = "110105199003070017"
THIRD = "11010519750715002X"
MASKED = "110***********002X"
CHILDS = "110105201703070018"


def consent():
    return [*current_consents(), {"kind": "resident_id", "version": current_texts()["resident_id"].version}]


@pytest.fixture
def volunteer(unit):
    return unit(lambda: make_volunteer(consents=consent()))


def put(client, volunteer, number=NUMBER):
    return client.as_(volunteer).put("/me/resident-id", json={"resident_id": number})


def stored(application):
    """Every value of every row, as text."""
    with application.app_context(), db.engine.connect() as connection:
        values = [
            value
            for table in Base.metadata.sorted_tables
            for row in connection.execute(text(f'SELECT * FROM "{table.name}"'))  # our own tables' names
            for value in row
        ]
    return " ".join(repr(bytes(value)) if isinstance(value, bytes | memoryview) else repr(value) for value in values)


@pytest.mark.parametrize(
    "written", [NUMBER, "11010519491231002x", "１１０１０５１９４９１２３１００２Ｘ", "110105 19491231 002X"]
)
def test_it_is_stored_in_one_form_and_shown_masked(client, volunteer, written):
    answer = put(client, volunteer, written)
    assert answer.status_code == 200, answer.json
    assert answer.json["resident_id"] == MASKED
    assert answer.json["birth_date"] == "1949-12-31"
    assert client.as_(volunteer).get("/me").json["resident_id"] == MASKED


@pytest.mark.parametrize(
    "wrong",
    [
        "110105194912310021",
        "11010519491331002X",
        "110105491231002",
        "99999999999999999X",
        "1101052949123100" + "26",
        "١١٠١٠٥١٩٤٩١٢٣١٠٠٢X",
        "x" * 18,
        "x" * 41,
    ],
)
def test_a_wrong_one_is_named_by_its_field_only(client, volunteer, wrong):
    answer = put(client, volunteer, wrong)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/resident_id"
    assert wrong not in answer.get_data(as_text=True)
    assert client.as_(volunteer).get("/me").json["resident_id"] is None


def test_a_date_that_has_not_come_is_none(unit):
    body = "11010529991231002"
    assert unit(lambda: [normalized(body + check) for check in "0123456789X"]) == [None] * 11


def test_it_needs_its_consent(client, unit):
    plain = unit(lambda: make_volunteer(consents=current_consents()))
    answer = put(client, plain)
    assert (answer.status_code, answer.json["code"]) == (409, "resident_id_consent_needed")


def test_nobody_signed_in_has_none(client):
    assert client.put("/me/resident-id", json={"resident_id": NUMBER}).status_code == 401
    assert client.delete("/me/resident-id").status_code == 401


def test_one_is_one_account_and_the_answer_tells_nothing_of_it(client, unit, volunteer):
    other = unit(lambda: make_volunteer(consents=consent(), name="李四"))
    assert put(client, volunteer).status_code == 200
    assert put(client, volunteer).status_code == 200
    answer = put(client, other)
    assert (answer.status_code, answer.json["code"]) == (409, "resident_id_taken")
    body = answer.get_data(as_text=True)
    assert [secret for secret in (NUMBER, volunteer.name, str(volunteer.id)) if secret in body] == []
    assert client.as_(other).get("/me").json["birth_date"] is None
    assert client.as_(volunteer).delete("/me/resident-id").status_code == 204
    assert client.as_(volunteer).delete("/me/resident-id").status_code == 204
    assert put(client, other).status_code == 200


def test_without_phone_and_password_the_session_alone_does_not_lose_it(client, unit, volunteer):
    """Whoever stole the session would attach a number of his own next."""
    phone = client.as_(volunteer)
    number = volunteer.phone
    assert put(client, volunteer).status_code == 200
    unit(lambda: setattr(db.session.get(Volunteer, volunteer.id), "phone", None))
    unit(lambda: setattr(db.session.get(Volunteer, volunteer.id), "birth_date", None))
    without = {"consents": current_consents()}
    # The stored one gets the same answer as another: nobody finds it out by trying.
    refused = [
        put(client, volunteer, NUMBER),
        put(client, volunteer, OTHER),
        phone.delete("/me/resident-id"),
        phone.put("/me/consents", json=without),
    ]
    assert [(answer.status_code, answer.json["code"]) for answer in refused] == [(409, "phone_needed")] * 4
    assert phone.get("/me").json["resident_id"] == MASKED
    assert unit(lambda: consents.has(volunteer.id, "resident_id"))
    unit(lambda: setattr(db.session.get(Volunteer, volunteer.id), "phone", number))
    assert put(client, volunteer, OTHER).status_code == 200
    assert phone.delete("/me/resident-id").status_code == 204
    assert put(client, volunteer, OTHER).status_code == 200
    assert phone.put("/me/consents", json=without).status_code == 200
    assert phone.get("/me").json["resident_id"] is None


@pytest.mark.parametrize("stored", [True, False])
def test_without_a_phone_a_password_does_not_let_the_session_set_it(client, unit, volunteer, stored):
    """The stored number opens the account: see `POST /auth/recovery`."""
    if stored:
        assert put(client, volunteer).status_code == 200
    unit(lambda: setattr(db.session.get(Volunteer, volunteer.id), "phone", None))
    unit(lambda: setattr(db.session.get(Volunteer, volunteer.id), "birth_date", None))
    unit(lambda: passwords.keep(volunteer.id, "a hash"))
    refused = put(client, volunteer, OTHER)
    assert (refused.status_code, refused.json["code"]) == (409, "phone_needed")
    assert client.as_(volunteer).delete("/me/resident-id").status_code == (409 if stored else 204)


def test_trying_numbers_ends_after_ten(app, client, change_settings, unit, volunteer):
    change_settings(app, limits=True)
    owner = unit(lambda: make_volunteer(consents=consent()))
    assert put(client, owner).status_code == 200
    assert [put(client, volunteer).status_code for _ in range(11)] == [409] * 10 + [429]


def test_the_date_of_birth_must_be_its_own(client, unit, volunteer):
    unit(lambda: setattr(db.session.get(Volunteer, volunteer.id), "birth_date", None))
    phone = client.as_(volunteer)
    assert phone.patch("/me", json={"birth_date": "1949-12-30"}, version=1).status_code == 200
    answer = put(client, volunteer)
    assert (answer.status_code, answer.json["code"]) == (409, "birth_date_mismatch")
    version = phone.get("/me").json["version"]
    assert phone.patch("/me", json={"birth_date": "1949-12-31"}, version=version).status_code == 200
    version = put(client, volunteer).json["version"]
    for birth_date in ("1949-12-30", None):
        answer = phone.patch("/me", json={"birth_date": birth_date}, version=version)
        assert (answer.status_code, answer.json["code"]) == (409, "birth_date_mismatch")


def test_a_childs_needs_a_guardian_first(client, volunteer):
    answer = put(client, volunteer, CHILDS)
    assert (answer.status_code, answer.json["code"]) == (409, "guardian_needed")
    assert client.as_(volunteer).get("/me").json["birth_date"] is None


def test_no_row_and_no_log_has_it(app, client, volunteer, capfd):
    assert put(client, volunteer).status_code == 200
    assert put(client, volunteer, OTHER).status_code == 409
    phone = client.as_(volunteer)
    version = phone.get("/me").json["version"]
    contact = {"name": "赵大娘子", "phone": "13911112222"}
    assert phone.patch("/me", json={"emergency_contact": contact}, version=version).status_code == 200
    rows = stored(app)
    assert str(volunteer.volunteer_number) in rows
    printed = "".join(capfd.readouterr())
    for secret in (NUMBER, NUMBER[:17], OTHER, "13911112222", "赵大娘子"):
        assert secret not in rows
        assert repr(secret.encode())[2:-1] not in rows
        assert secret not in printed


def test_sealing_anew_uses_the_newest_key_and_can_be_started_again(app, client, unit):
    people = [unit(lambda: make_volunteer(consents=consent())) for _ in range(3)]
    for person, number in zip(people, (NUMBER, OTHER, THIRD), strict=True):
        assert put(client, person, number).status_code == 200
        version = client.as_(person).get("/me").json["version"]
        contact = {"name": "赵六", "phone": "13911112222"}
        body = {"emergency_contact": contact}
        assert client.as_(person).patch("/me", json=body, version=version).status_code == 200
    before = [client.as_(person).get("/me").json for person in people]
    unit(lambda: keyring.rotate("resident id"))
    unit(lambda: keyring.rotate(contacts.PURPOSE))
    with app.app_context():
        assert reencryption.reencrypt(reencryption.RESIDENT_IDS, batch=1) == 3
        assert reencryption.reencrypt(reencryption.RESIDENT_IDS, batch=1) == 0
        assert reencryption.reencrypt(reencryption.CONTACTS, batch=2) == 3
        assert reencryption.reencrypt(reencryption.CONTACTS) == 0
    newest = unit(lambda: keyring.newest_key_id("resident id"))
    for sealed in unit(lambda: db.session.scalars(select(ResidentId.sealed)).all()):
        assert keyring.key_id_of(sealed) == newest
    assert [client.as_(person).get("/me").json for person in people] == before
    assert all(re.fullmatch(r"\d{3}\*{11}\d{3}[\dX]", me["resident_id"]) for me in before)


def test_of_two_accounts_at_once_one_gets_it(postgresql_client, postgresql_unit, race):
    people = [postgresql_unit(lambda: make_volunteer(consents=consent())) for _ in range(6)]
    phones = [postgresql_client.as_(person) for person in people]
    answers = race(6, lambda number: phones[number].put("/me/resident-id", json={"resident_id": NUMBER}))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    assert {answer.json["code"] for answer in answers if answer.status_code == 409} == {"resident_id_taken"}
    assert len(postgresql_unit(lambda: db.session.scalars(select(ResidentId.id)).all())) == 1


def test_a_consent_withdrawn_while_a_number_is_stored_leaves_none(
    postgresql_client, postgresql_unit, race, monkeypatch
):
    """The number is written late, while the withdrawal looks for one to delete."""
    real = resident_ids.keyring.encrypt

    def slow(*arguments):
        time.sleep(0.3)
        return real(*arguments)

    monkeypatch.setattr(resident_ids.keyring, "encrypt", slow)
    volunteer = postgresql_unit(make_volunteer)
    postgresql_unit(lambda: consents.set_consents(volunteer.id, consents=with_resident_id()))
    phone = postgresql_client.as_(volunteer)

    def act(number):
        if number == 0:
            return phone.put("/me/resident-id", json={"resident_id": NUMBER})
        time.sleep(0.1)
        return phone.put("/me/consents", json={"consents": current_consents()})

    stored, withdrawn = race(2, act)
    assert (stored.status_code, withdrawn.status_code) == (200, 200), (stored.json, withdrawn.json)
    assert postgresql_unit(lambda: db.session.scalars(select(ResidentId)).all()) == []


def with_resident_id():
    text = current_texts()["resident_id"]
    return [*current_consents(), {"kind": "resident_id", "version": text.version}]
