"""Changing one's number, and numbers that the carrier gave to somebody else."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from tests.accounts.factories import (
    DEVICE,
    PHONE,
    ask_code,
    bearer,
    current_consents,
    registration,
    sign_up_person,
    wrong,
)
from tests.factories import make_volunteer
from volunteer_api.accounts import consents, recovery, resident_ids, service
from volunteer_api.accounts.consent_texts import current_texts
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

    def test_a_recycled_number_is_taken_over(self, client, unit, capsys):
        """What the carrier gave to somebody new serves the account that she has already."""
        with clock.at(clock.now() - timedelta(days=100)):
            former_id = unit(lambda: make_volunteer(phone=NEW).id)
            unit(lambda: setattr(db.session.get_one(Volunteer, former_id), "phone_proven_at", clock.now()))
        tokens = sign_up_person(client, capsys)
        codes = codes_for(client, capsys)
        assert change(client, tokens, **codes).json["code"] == "phone_taken"
        assert change(client, tokens, **codes, replaces_former_owner=True).status_code == 204
        assert unit(lambda: db.session.get_one(Volunteer, former_id).phone) is None

    def test_a_living_number_is_not_taken_over(self, client, unit, capsys):
        unit(lambda: make_volunteer(phone=NEW))
        tokens = sign_up_person(client, capsys)
        refused = change(client, tokens, **codes_for(client, capsys), replaces_former_owner=True)
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


STRANGER = DEVICE | {"id": "new-owner"}
NAME_AND_BIRTH = {"name": "王秀英", "birth_date": "1958-03-08"}


def later(days):
    return clock.at(clock.now() + timedelta(days=days))


class TestRecycled:
    """An account whose number no code reached for 91 days."""

    @pytest.fixture
    def former(self, client, capsys):
        tokens = sign_up_person(client, capsys, password=GOOD)
        with later(91):
            yield tokens

    def test_a_code_alone_does_not_open_it(self, client, capsys, former):
        code = ask_code(client, capsys)
        refused = sign_in(client, code, STRANGER)
        assert (refused.status_code, refused.json["code"]) == (409, "second_fact_required")
        assert refused.json["facts"] == ["birth_date", "name", "password", "volunteer_number"]
        assert refused.json["ways"] == [["password"], ["name", "birth_date"], ["name", "volunteer_number"]]
        # The former owner's own phone needs no more than before.
        assert sign_in(client, code).status_code == 200

    def test_who_goes_on_using_the_app_on_the_old_number_is_as_safe(self, client, capsys):
        """The number is another's for long while her phone refreshes day after day."""
        tokens = sign_up_person(client, capsys)
        start = clock.now()
        for day in range(30, 120, 30):
            with clock.at(start + timedelta(days=day)):
                tokens = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).json
        with clock.at(start + timedelta(days=92)):
            refused = sign_in(client, ask_code(client, capsys), STRANGER)
            assert refused.json["code"] == "second_fact_required"

    def test_a_proof_of_the_number_counts_from_its_day(self, client, unit, capsys):
        sign_up_person(client, capsys)
        with later(80):
            # By a code, on her own phone: the number is still hers.
            assert sign_in(client, ask_code(client, capsys)).status_code == 200
        with later(91):
            assert sign_in(client, ask_code(client, capsys), STRANGER).status_code == 200

    def test_a_password_proves_no_number(self, client, capsys):
        sign_up_person(client, capsys, password=GOOD)
        body = {"phone": PHONE, "password": GOOD, "device": DEVICE}
        with later(80):
            assert client.post("/auth/sign-in", json=body).status_code == 200
        with later(91):
            assert sign_in(client, ask_code(client, capsys), STRANGER).json["code"] == "second_fact_required"

    def test_the_day_before_nothing_is_asked(self, client, capsys):
        sign_up_person(client, capsys)
        with later(89):
            assert sign_in(client, ask_code(client, capsys), STRANGER).status_code == 200

    @pytest.mark.parametrize("fact", [NAME_AND_BIRTH, {"password": GOOD}])
    def test_a_second_fact_opens_it(self, client, capsys, former, fact):
        assert sign_in(client, ask_code(client, capsys), STRANGER, second_fact=fact).status_code == 200

    def test_the_number_of_the_card_with_the_name_opens_it(self, client, capsys, former):
        fact = {"name": "王秀英", "volunteer_number": former["volunteer"]["volunteer_number"].lower()}
        assert sign_in(client, ask_code(client, capsys), STRANGER, second_fact=fact).status_code == 200

    def test_the_resident_id_opens_it(self, client, unit, capsys, former):
        give_resident_id(unit, former)
        code = ask_code(client, capsys)
        answer = sign_in(client, code, STRANGER, second_fact={"resident_id": "41040319580308005X"})
        assert answer.json["code"] == "wrong_second_fact"
        assert sign_in(client, code, STRANGER, second_fact={"resident_id": RESIDENT_ID}).status_code == 200

    @pytest.mark.parametrize("fact", [{"name": "王秀英"}, {"birth_date": "1958-03-08"}])
    def test_a_name_or_a_day_alone_is_none(self, client, capsys, former, fact):
        """Neither is judged, so that neither can be found out by itself."""
        code = ask_code(client, capsys)
        right = sign_in(client, code, STRANGER, second_fact=fact)
        other = sign_in(client, code, STRANGER, second_fact=dict.fromkeys(fact, "1958-03-09"))
        assert right.json["code"] == other.json["code"] == "second_fact_required"
        assert sign_in(client, code, STRANGER, second_fact=NAME_AND_BIRTH).status_code == 200

    @pytest.mark.parametrize("fact", [NAME_AND_BIRTH | {"birth_date": "1958-03-09"}, {"password": GOOD + "x"}])
    def test_a_wrong_one_counts_like_a_wrong_code(self, client, capsys, former, fact):
        code = ask_code(client, capsys)
        answers = [sign_in(client, code, STRANGER, second_fact=fact).json["code"] for _ in range(6)]
        assert answers == ["wrong_second_fact"] * 5 + ["wrong_code"]

    def test_ten_wrong_ones_are_a_month(self, client, capsys, change_settings, former):
        change_settings(client.app, limits=True)
        moment, seen = clock.now(), []
        for day in range(12):
            with clock.at(moment + timedelta(days=day)):
                fact = NAME_AND_BIRTH | {"birth_date": f"1958-04-{day + 1:02d}"}
                seen.append(sign_in(client, ask_code(client, capsys), STRANGER, second_fact=fact).status_code)
        assert seen == [401] * 10 + [429] * 2

    def test_a_new_password_needs_it_too(self, client, capsys, former):
        body = {
            "phone": PHONE,
            "code": ask_code(client, capsys, purpose="reset"),
            "new_password": "purple-heron-9-lakes",
        }
        assert client.put("/auth/password", json=body).json["code"] == "second_fact_required"
        assert client.put("/auth/password", json=body | {"second_fact": NAME_AND_BIRTH}).status_code == 204

    def test_a_living_account_is_not_taken_from_its_owner(self, client, capsys):
        sign_up_person(client, capsys)
        body = registration(ask_code(client, capsys), device=STRANGER, replaces_former_owner=True)
        refused = client.post("/auth/register", json=body)
        assert refused.json["code"] == "already_registered"
        assert "replaces_former_owner" not in refused.json["detail"]


RESIDENT_ID = "410403195803080025"


class TestReplaced:
    """The number's new owner registered; the former one must not be locked out of her account."""

    def replace(self, client, capsys):
        body = registration(ask_code(client, capsys), device=STRANGER, name="赵刚")
        refused = client.post("/auth/register", json=body)
        assert refused.json["code"] == "already_registered"
        # A sign-in tells her to register: this must tell how.
        assert "replaces_former_owner" in refused.json["detail"]
        answer = client.post("/auth/register", json=body | {"replaces_former_owner": True})
        assert answer.status_code == 201, answer.json
        return answer.json

    @pytest.fixture
    def former(self, client, capsys, request):
        tokens = sign_up_person(client, capsys, **getattr(request, "param", {"password": GOOD}))
        start = clock.now()
        for day in (30, 60, 90):
            with clock.at(start + timedelta(days=day)):
                tokens = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).json
        with clock.at(start + timedelta(days=91)):
            yield client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).json

    def test_the_account_keeps_all_but_the_number(self, client, unit, capsys, former):
        new = self.replace(client, capsys)
        people = unit(lambda: db.session.execute(select(Volunteer.name, Volunteer.phone)).all())
        assert sorted(map(tuple, people), key=str) == [("王秀英", None), ("赵刚", PHONE)]
        assert client.get("/me", headers=bearer(new)).json["name"] == "赵刚"
        assert client.get("/me/memberships", headers=bearer(new)).json["items"] == []

    def test_who_is_signed_in_stays_so_and_hears_of_it(self, client, capsys, former):
        self.replace(client, capsys)
        assert client.get("/me", headers=bearer(former)).json["phone"] is None
        (heard,) = client.get("/me/notifications", headers=bearer(former)).json["items"]
        assert heard["kind"] == "phone_released"

    def test_the_password_opens_it_with_the_volunteer_number(self, client, capsys, former):
        new = self.replace(client, capsys)
        number = former["volunteer"]["volunteer_number"]
        body = {"volunteer_number": number, "password": GOOD, "device": DEVICE | {"id": "another"}}
        tokens = client.post("/auth/sign-in", json=body)
        assert tokens.json["volunteer"]["id"] == former["volunteer"]["id"]
        # Not with the number that she has no more; nor does it open the new owner's.
        refused = client.post("/auth/sign-in", json={"phone": PHONE, "password": GOOD, "device": DEVICE})
        assert refused.json["code"] == "wrong_password"
        assert new["volunteer"]["id"] != former["volunteer"]["id"]
        given = {"phone": NEW, "code": ask_code(client, capsys, NEW, "change_phone")}
        assert change(client, tokens.json, **given).json["facts"] == ["password"]
        assert change(client, tokens.json, **given, password=GOOD).status_code == 204
        assert sign_in(client, ask_code(client, capsys, NEW), phone=NEW).status_code == 200

    @pytest.mark.parametrize("former", [{}], indirect=True)
    def test_without_a_password_the_session_gives_the_new_number(self, client, capsys, former):
        self.replace(client, capsys)
        given = {"phone": NEW, "code": ask_code(client, capsys, NEW, "change_phone")}
        assert change(client, former, **given).status_code == 204
        kinds = [n["kind"] for n in client.get("/me/notifications", headers=bearer(former)).json["items"]]
        assert kinds == ["phone_changed", "phone_released"]

    @pytest.mark.parametrize("former", [{}], indirect=True)
    def test_with_a_resident_id_the_session_alone_does_not(self, client, unit, capsys, former):
        give_resident_id(unit, former)
        self.replace(client, capsys)
        given = {"phone": NEW, "code": ask_code(client, capsys, NEW, "change_phone")}
        assert change(client, former, **given).json["facts"] == ["resident_id"]
        wrong_one = "41040319580308005X"
        assert change(client, former, **given, resident_id=wrong_one).json["code"] == "wrong_second_fact"
        assert change(client, former, **given, resident_id=RESIDENT_ID).status_code == 204

    @pytest.mark.parametrize("former", [{}], indirect=True)
    def test_its_middle_cannot_be_tried_out(self, client, unit, capsys, change_settings, former):
        """The rest of it stands in the account that a stolen session shows."""
        give_resident_id(unit, former)
        self.replace(client, capsys)
        given = {"phone": NEW, "code": ask_code(client, capsys, NEW, "change_phone")}
        change_settings(client.app, limits=True)
        tries = [change(client, former, **given, resident_id="41040319580308005X").status_code for _ in range(5)]
        assert tries == [401] * 3 + [429] * 2
        assert change(client, former, **given, resident_id=RESIDENT_ID).status_code == 429

    @pytest.mark.parametrize("former", [{}], indirect=True)
    def test_what_needs_a_code_asks_for_a_number_first(self, client, capsys, former):
        self.replace(client, capsys)
        for method, path, body in (
            ("POST", "/me/erasure", {"code": "123456"}),
            ("POST", "/me/export", {"code": "123456"}),
            ("PUT", "/auth/password", {"code": "123456", "new_password": GOOD}),
        ):
            answer = client.open(method, path, json=body, headers=bearer(former))
            assert (answer.status_code, answer.json["code"]) == (409, "phone_needed"), path
            assert answer.json.get("facts", []) == []

    @pytest.mark.parametrize("way", ["password", "resident_id"])
    @pytest.mark.parametrize("path", ["/me/erasure", "/me/export"])
    def test_what_is_stored_lets_its_owner_go_and_take_all_along(self, client, unit, capsys, former, path, way):
        """Leaving is possible without a number [PIPL 47]."""
        give_resident_id(unit, former)
        self.replace(client, capsys)

        def ask(**body):
            return client.post(path, json=body, headers=bearer(former))

        refused = ask(code="123456")
        assert (refused.status_code, refused.json["code"]) == (409, "phone_needed")
        assert refused.json["facts"] == ["password", "resident_id"]
        right, wrong_one = {"password": (GOOD, GOOD + "x"), "resident_id": (RESIDENT_ID, "41040319580308005X")}[way]
        assert ask(**{way: wrong_one}).status_code == 401
        assert ask(**{way: right}).status_code == (202 if path == "/me/erasure" else 200)
        assert client.post(path, json={}, headers=bearer(former)).status_code == 422

    def test_a_password_that_was_forgotten_is_not_the_only_way(self, client, unit, capsys, former):
        give_resident_id(unit, former)
        self.replace(client, capsys)
        given = {"phone": NEW, "code": ask_code(client, capsys, NEW, "change_phone")}
        refused = change(client, former, **given)
        assert refused.json["facts"] == ["password", "resident_id"]
        assert "number until now" not in refused.json["detail"]
        assert change(client, former, **given, resident_id=RESIDENT_ID).status_code == 204

    def test_a_session_alone_takes_no_account_over(self, client, unit, capsys, former):
        """Whoever holds the phone stores a number of his own choice, and would recover the account with it."""
        self.replace(client, capsys)
        version = current_texts()["resident_id"].version
        body = {"consents": [*current_consents(), {"kind": "resident_id", "version": version}]}
        assert client.put("/me/consents", json=body, headers=bearer(former)).status_code == 200
        put = client.put("/me/resident-id", json={"resident_id": RESIDENT_ID}, headers=bearer(former))
        assert (put.status_code, put.json["code"]) == (409, "phone_needed")
        assert self.recovery(client, capsys, former).json["code"] == "wrong_second_fact"

    def recovery(self, client, capsys, former, **changes):
        body = {
            "volunteer_number": former["volunteer"]["volunteer_number"],
            "name": "王秀英",
            "resident_id": RESIDENT_ID,
            "phone": NEW,
            "code": ask_code(client, capsys, NEW, "change_phone"),
        }
        return client.post("/auth/recovery", json=body | changes)

    @pytest.mark.parametrize("former", [{}], indirect=True)
    def test_the_resident_id_attaches_a_new_number(self, client, unit, capsys, former):
        give_resident_id(unit, former)
        self.replace(client, capsys)
        assert self.recovery(client, capsys, former).status_code == 204
        assert sign_in(client, ask_code(client, capsys, NEW), phone=NEW).json["volunteer"] == former["volunteer"]
        entries = unit(lambda: [(e.action, e.details) for e in db.session.scalars(select(AuditEntry))])
        assert ("phone_changed", {"by": "recovery"}) in entries

    @pytest.mark.parametrize("former", [{}], indirect=True)
    @pytest.mark.parametrize(
        "change", [{"name": "王秀"}, {"resident_id": "41040319580308005X"}, {"volunteer_number": "2222222222"}]
    )
    def test_what_does_not_fit_is_one_answer(self, client, unit, capsys, former, change):
        give_resident_id(unit, former)
        self.replace(client, capsys)
        answer = self.recovery(client, capsys, former, **change)
        assert (answer.status_code, answer.json["code"]) == (401, "wrong_second_fact")

    @pytest.mark.parametrize("former", [{}], indirect=True)
    def test_an_account_with_its_number_is_not_taken_so(self, client, unit, capsys, former):
        """A resident ID stands on too many copies."""
        give_resident_id(unit, former)
        assert self.recovery(client, capsys, former).json["code"] == "wrong_second_fact"

    @pytest.mark.parametrize("former", [{}], indirect=True)
    def test_ten_wrong_recoveries_are_a_month(self, client, unit, capsys, change_settings, former):
        give_resident_id(unit, former)
        self.replace(client, capsys)
        change_settings(client.app, limits=True)
        moment, seen = clock.now(), []
        for day in range(11):
            with clock.at(moment + timedelta(days=day)):
                seen.append(self.recovery(client, capsys, former, resident_id="41040319580308005X").status_code)
        assert seen == [401] * 10 + [429]

    @pytest.mark.parametrize("former", [{}], indirect=True)
    def test_a_strangers_wrong_recoveries_do_not_stop_the_owner(self, client, unit, capsys, change_settings, former):
        give_resident_id(unit, former)
        self.replace(client, capsys)
        change_settings(client.app, limits=True)
        moment, another = clock.now(), "+8613900008765"
        for day in range(11):
            with clock.at(moment + timedelta(days=day)):
                code = ask_code(client, capsys, another, "change_phone")
                wrong_ones = {"phone": another, "code": code, "resident_id": "41040319580308005X"}
                seen = self.recovery(client, capsys, former, **wrong_ones).status_code
        assert seen == 429
        with clock.at(moment + timedelta(days=11)):
            assert self.recovery(client, capsys, former).status_code == 204

    @pytest.mark.parametrize("former", [{}], indirect=True)
    def test_all_phones_together_have_an_end_once_the_name_fits(
        self, client, unit, capsys, change_settings, monkeypatch, former
    ):
        give_resident_id(unit, former)
        self.replace(client, capsys)
        change_settings(client.app, limits=True)
        monkeypatch.setattr(recovery, "WRONG_PROOFS_IN_ALL", "2/30 days")
        seen = []
        for number, change in enumerate([{"name": "王秀"}] * 3 + [{"resident_id": "41040319580308005X"}] * 3):
            phone = f"+861390000877{number}"
            code = ask_code(client, capsys, phone, "change_phone")
            body = {"volunteer_number": former["volunteer"]["volunteer_number"], "name": "王秀英"}
            body |= {"resident_id": RESIDENT_ID, "phone": phone, "code": code} | change
            seen.append(client.post("/auth/recovery", json=body).status_code)
        assert seen == [401] * 5 + [429]

    def test_a_race_for_the_number_has_one_new_owner(self, postgresql_client, postgresql_unit, race, capsys):
        former = postgresql_unit(lambda: make_volunteer(phone=PHONE))
        with postgresql_client.app.app_context():
            long_ago = clock.now() - timedelta(days=200)
        postgresql_unit(
            lambda: db.session.execute(
                update(Volunteer).where(Volunteer.id == former.id).values(phone_proven_at=long_ago)
            )
        )
        code = ask_code(postgresql_client, capsys)
        answers = race(
            6,
            lambda number: postgresql_client.post(
                "/auth/register",
                json=registration(code, device=STRANGER | {"id": f"new-{number}"}, replaces_former_owner=True),
            ),
        )
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5


def give_resident_id(unit, tokens):
    volunteer_id = UUID(tokens["volunteer"]["id"])
    unit(lambda: consents.give(volunteer_id, kind="resident_id", version=current_texts()["resident_id"].version))
    unit(lambda: resident_ids.store(volunteer_id, RESIDENT_ID))


class TestNotices:
    def test_the_old_number_and_the_inbox_hear_of_a_new_number(self, client, capsys):
        tokens = sign_up_person(client, capsys, password=GOOD)
        given = {"phone": NEW, "code": ask_code(client, capsys, NEW, "change_phone"), "password": GOOD}
        assert change(client, tokens, **given).status_code == 204
        assert f"notice phone_changed for {PHONE}\n" in capsys.readouterr().out
        (heard,) = client.get("/me/notifications", headers=bearer(tokens)).json["items"]
        assert heard["kind"] == "phone_changed"
        assert "139****5678" in heard["body"]

    def test_a_changed_password_is_told(self, client, capsys):
        tokens = sign_up_person(client, capsys, password=GOOD)
        body = {"current_password": GOOD, "new_password": "purple-heron-9-lakes"}
        assert client.put("/auth/password", json=body, headers=bearer(tokens)).status_code == 204
        assert f"notice password_changed for {PHONE}\n" in capsys.readouterr().out
        heard = client.get("/me/notifications", headers=bearer(tokens)).json["items"]
        assert [one["kind"] for one in heard] == ["password_changed"]

    def test_a_sign_in_on_a_new_device_is_told_to_the_others(self, client, capsys):
        tokens = sign_up_person(client, capsys, password=GOOD)

        def heard():
            return [n["kind"] for n in client.get("/me/notifications", headers=bearer(tokens)).json["items"]]

        body = {"phone": PHONE, "password": GOOD, "device": DEVICE | {"id": "thief"}}
        assert client.post("/auth/sign-in", json=body).status_code == 200
        assert heard() == ["signed_in_elsewhere"]
        # The device is known now; and a device that signs in where nobody is signed in tells nobody.
        again = client.post("/auth/sign-in", json=body).json
        assert heard() == ["signed_in_elsewhere"]
        for one in (tokens, again):
            assert client.post("/auth/sign-out", headers=bearer(one)).status_code == 204
        tokens = client.post("/auth/sign-in", json=body | {"device": DEVICE | {"id": "third"}}).json
        assert heard() == ["signed_in_elsewhere"]

    def test_five_messages_are_a_day(self, client, capsys, change_settings):
        tokens = sign_up_person(client, capsys, password=GOOD)
        change_settings(client.app, limits=True)
        capsys.readouterr()
        passwords = [GOOD, "purple-heron-9-lakes"]
        for number in range(8):
            body = {"current_password": passwords[number % 2], "new_password": passwords[(number + 1) % 2]}
            assert client.put("/auth/password", json=body, headers=bearer(tokens)).status_code == 204
        assert capsys.readouterr().out.count("notice password_changed") == 5
        assert len(client.get("/me/notifications", headers=bearer(tokens)).json["items"]) == 8

    def test_a_refused_change_is_not_told(self, client, capsys):
        tokens = sign_up_person(client, capsys, password=GOOD)
        body = {"current_password": GOOD + "x", "new_password": "purple-heron-9-lakes"}
        assert client.put("/auth/password", json=body, headers=bearer(tokens)).status_code == 401
        assert "notice" not in capsys.readouterr().out
        assert client.get("/me/notifications", headers=bearer(tokens)).json["items"] == []


def test_no_number_is_shown_as_nothing():
    assert service.masked_phone(None) == ""
