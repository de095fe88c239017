"""Changing one's number, and numbers that the carrier gave to somebody else."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.accounts.factories import DEVICE, PHONE, ask_code, bearer, registration, sign_up_person, wrong
from tests.factories import make_volunteer
from volunteer_api.accounts import service
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db

NEW = "+8613900005678"
GOOD = "河边有三棵老柳树啊"


def change(client, tokens, **body):
    return client.put("/auth/phone", json=body, headers=bearer(tokens))


def codes_for(client, capsys):
    return {
        "phone": NEW,
        "code": ask_code(client, capsys, NEW, "change_phone"),
        "current_code": ask_code(client, capsys, PHONE, "change_phone"),
    }


def sign_in(client, code, device=DEVICE, **members):
    return client.post("/auth/sign-in", json={"phone": PHONE, "code": code, "device": device} | members)


class TestChange:
    @pytest.mark.parametrize("fact", ["password", "current_code"])
    def test_the_new_number_signs_in_and_the_old_one_does_not(self, client, unit, capsys, fact):
        tokens = sign_up_person(client, capsys, password=GOOD)
        other = sign_in(client, ask_code(client, capsys), DEVICE | {"id": "phone-2"}).json
        given = codes_for(client, capsys) | {"password": GOOD}
        given.pop({"password": "current_code", "current_code": "password"}[fact])
        assert change(client, tokens, **given).status_code == 204
        # A lost answer: the same again is no fault.
        assert change(client, tokens, **given).status_code == 204
        assert client.get("/me", headers=bearer(tokens)).json["phone"] == NEW
        assert client.get("/me", headers=bearer(other)).status_code == 401
        code = ask_code(client, capsys, NEW)
        answer = sign_in(client, code, phone=NEW)
        assert answer.json["volunteer"]["id"] == tokens["volunteer"]["id"]
        assert sign_in(client, ask_code(client, capsys)).json["code"] == "registration_required"
        entries = unit(lambda: [(e.action, e.details) for e in db.session.scalars(select(AuditEntry))])
        assert ("phone_changed", {"by": "owner"}) in entries

    def test_the_code_alone_is_not_enough(self, client, capsys):
        tokens = sign_up_person(client, capsys)
        given = codes_for(client, capsys)
        current = given.pop("current_code")
        refused = change(client, tokens, **given)
        assert (refused.status_code, refused.json["code"]) == (409, "reauthentication_required")
        assert refused.json["facts"] == ["current_code"]
        assert change(client, tokens, **given, password=GOOD).json["code"] == "wrong_password"
        assert change(client, tokens, **given, current_code=wrong(current)).json["code"] == "wrong_code"
        assert change(client, tokens, **given | {"code": wrong(given["code"])}, current_code=current).status_code == 401
        # Of all that nothing was used up.
        assert change(client, tokens, **given, current_code=current).status_code == 204

    def test_anothers_number_is_taken(self, client, unit, capsys):
        unit(lambda: make_volunteer(phone=NEW))
        tokens = sign_up_person(client, capsys)
        refused = change(client, tokens, **codes_for(client, capsys))
        assert (refused.status_code, refused.json["code"]) == (409, "phone_taken")

    def test_nobody_else_changes_it(self, client):
        assert client.put("/auth/phone", json={"phone": NEW, "code": "123456"}).status_code == 401

    def test_a_race_for_one_number_has_one_winner(self, postgresql_client, postgresql_unit, race, capsys):
        people = [postgresql_unit(make_volunteer) for _ in range(6)]
        code = ask_code(postgresql_client, capsys, NEW, "change_phone")
        current = [ask_code(postgresql_client, capsys, person.phone, "change_phone") for person in people]
        phones = [postgresql_client.as_(person) for person in people]
        answers = race(
            6,
            lambda number: phones[number].put(
                "/auth/phone", json={"phone": NEW, "code": code, "current_code": current[number]}
            ),
        )
        assert sorted(answer.status_code for answer in answers) == [204] + [401] * 5


class TestRecycled:
    STRANGER = DEVICE | {"id": "new-owner"}

    @pytest.fixture
    def later(self, client, capsys):
        """The account was registered, and nobody used it for 181 days."""
        sign_up_person(client, capsys, password=GOOD)
        with clock.at(clock.now() + timedelta(days=181)):
            yield

    def test_a_code_alone_does_not_open_it(self, client, capsys, later):
        code = ask_code(client, capsys)
        refused = sign_in(client, code, self.STRANGER)
        assert (refused.status_code, refused.json["code"]) == (409, "second_fact_required")
        assert refused.json["facts"] == ["name", "birth_date", "password"]
        # The former owner's own phone needs no more than before.
        assert sign_in(client, code).status_code == 200

    @pytest.mark.parametrize("fact", [{"name": "王秀英"}, {"birth_date": "1958-03-08"}, {"password": GOOD}])
    def test_a_second_fact_opens_it(self, client, capsys, later, fact):
        assert sign_in(client, ask_code(client, capsys), self.STRANGER, second_fact=fact).status_code == 200

    @pytest.mark.parametrize("fact", [{"name": "王*"}, {"birth_date": "1958-03-09"}, {"password": GOOD + "x"}])
    def test_a_wrong_one_counts_like_a_wrong_code(self, client, capsys, later, fact):
        code = ask_code(client, capsys)
        answers = [sign_in(client, code, self.STRANGER, second_fact=fact).json["code"] for _ in range(6)]
        assert answers == ["wrong_second_fact"] * 5 + ["wrong_code"]

    def test_a_new_password_needs_it_too(self, client, capsys, later):
        body = {
            "phone": PHONE,
            "code": ask_code(client, capsys, purpose="reset"),
            "new_password": "purple-heron-9-lakes",
        }
        assert client.put("/auth/password", json=body).json["code"] == "second_fact_required"
        assert client.put("/auth/password", json=body | {"second_fact": {"name": "王秀英"}}).status_code == 204

    def test_the_new_owner_registers_anew_and_the_account_keeps_all_but_the_number(self, client, unit, capsys, later):
        body = registration(ask_code(client, capsys), device=self.STRANGER, name="赵刚")
        assert client.post("/auth/register", json=body).json["code"] == "already_registered"
        answer = client.post("/auth/register", json=body | {"replaces_former_owner": True})
        assert answer.status_code == 201
        people = unit(lambda: db.session.execute(select(Volunteer.name, Volunteer.phone)).all())
        assert sorted(map(tuple, people), key=str) == [("王秀英", None), ("赵刚", PHONE)]

    def test_a_living_account_is_not_taken_from_its_owner(self, client, capsys):
        sign_up_person(client, capsys)
        body = registration(ask_code(client, capsys), device=self.STRANGER, replaces_former_owner=True)
        assert client.post("/auth/register", json=body).json["code"] == "already_registered"


def test_no_number_is_shown_as_nothing():
    assert service.masked_phone(None) == ""
