"""The second way to sign in, and how a password is set."""

import threading
import time
from datetime import timedelta

import pytest
import zxcvbn
from argon2 import PasswordHasher
from sqlalchemy import select, update

from tests.accounts.factories import DEVICE, PHONE, ask_code, bearer, registration, sign_up_person
from tests.conftest import FULL_HASHER
from tests.factories import make_volunteer
from volunteer_api.accounts import codes, hashing, passwords
from volunteer_api.accounts.models import Password
from volunteer_api.core import clock
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.core.limits import spend
from volunteer_api.notifications.models import Notification, Push

# What is judged is what Argon2 says, and how often it was asked.
pytestmark = pytest.mark.either_database

GOOD = "河边有三棵老柳树啊"
OTHER = "purple-heron-over-9-lakes"


def sign_in(client, password, device=DEVICE, phone=PHONE, **options):
    return client.post("/auth/sign-in", json={"phone": phone, "password": password, "device": device}, **options)


def stored(unit):
    return unit(lambda: db.session.scalar(select(Password.hash)))


@pytest.fixture
def tokens(client, capsys):
    """Somebody who registered with a password."""
    return sign_up_person(client, capsys, password=GOOD)


@pytest.fixture
def full_cost(monkeypatch):
    monkeypatch.setattr(hashing, "HASHER", FULL_HASHER)


class TestSignIn:
    def test_a_right_password_opens_a_session(self, client, unit, tokens):
        answer = sign_in(client, GOOD, DEVICE | {"id": "phone-2"})
        assert answer.status_code == 200
        assert answer.json["volunteer"] == tokens["volunteer"]
        assert client.get("/me", headers=bearer(answer.json)).status_code == 200
        actions = unit(lambda: [(entry.action, entry.details) for entry in db.session.scalars(select(AuditEntry))])
        assert ("signed_in", {"by": "password"}) in actions

    def test_the_hash_is_argon2id_above_the_floor(self, unit, full_cost, tokens):
        assert stored(unit).startswith("$argon2id$v=19$m=32768,t=2,p=1$")
        assert GOOD not in stored(unit)

    def test_two_ways_to_write_one_password_are_the_same(self, client, capsys):
        sign_up_person(client, capsys, password="ｃafe\u0301 柳树三棵河边")
        assert sign_in(client, "caf\u00e9 柳树三棵河边").status_code == 200

    @pytest.mark.parametrize("password", ["x", GOOD + " ", " " + GOOD, GOOD.upper() + "A", "a" * 128])
    def test_any_other_is_refused(self, client, unit, tokens, password):
        refused = sign_in(client, password)
        assert (refused.status_code, refused.json["code"]) == (401, "wrong_password")
        actions = unit(lambda: [entry.details for entry in db.session.scalars(select(AuditEntry))])
        assert {"by": "password"} in actions

    def test_without_a_password_or_an_account_it_is_refused_alike(self, client, unit):
        unit(lambda: make_volunteer(phone=PHONE))
        refused = [sign_in(client, GOOD, phone=phone) for phone in (PHONE, "+8613900009999")]
        assert {(answer.status_code, answer.json["code"]) for answer in refused} == {(401, "wrong_password")}

    @pytest.mark.parametrize("members", [{}, {"code": "123456", "password": GOOD}])
    def test_exactly_one_way_is_taken(self, client, members):
        refused = client.post("/auth/sign-in", json={"phone": PHONE, "device": DEVICE} | members)
        assert refused.status_code == 422

    def test_a_hash_of_older_parameters_is_renewed(self, client, unit, full_cost, tokens):
        older = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(GOOD)
        unit(lambda: db.session.execute(update(Password).values(hash=older)))
        assert sign_in(client, OTHER).status_code == 401
        assert stored(unit) == older
        assert sign_in(client, GOOD).status_code == 200
        assert stored(unit).startswith("$argon2id$v=19$m=32768,t=2,p=1$")
        assert sign_in(client, GOOD).status_code == 200

    def test_twenty_wrong_tries_end_a_day_but_not_for_the_owners_device(self, client, tokens, change_settings):
        change_settings(client.app, limits=True)
        stranger = DEVICE | {"id": "stranger"}
        statuses = [sign_in(client, OTHER, stranger).status_code for _ in range(21)]
        assert statuses == [401] * 20 + [429]
        assert sign_in(client, GOOD, stranger).status_code == 429
        assert sign_in(client, GOOD).status_code == 200
        with clock.at(clock.now() + timedelta(days=1, seconds=1)):
            assert sign_in(client, GOOD, stranger).status_code == 200

    def test_both_handles_share_the_tries_of_one_account(self, client, tokens, change_settings, monkeypatch):
        change_settings(client.app, limits=True)
        monkeypatch.setattr(codes, "WRONG_TRIES_IN_ALL", "4/day")
        stranger = DEVICE | {"id": "stranger"}
        handles = [{"phone": PHONE}, {"volunteer_number": tokens["volunteer"]["volunteer_number"]}]

        def guess(number, password=OTHER):
            body = handles[number % 2] | {"password": password, "device": stranger}
            return client.post("/auth/sign-in", json=body).status_code

        assert [guess(number) for number in range(6)] == [401] * 4 + [429] * 2
        assert [guess(number, GOOD) for number in range(2)] == [429] * 2
        assert sign_in(client, GOOD).status_code == 200

    def test_parallel_guesses_are_all_counted(
        self, postgresql_app, postgresql_client, race, capsys, change_settings, monkeypatch
    ):
        sign_up_person(postgresql_client, capsys, password=GOOD)
        change_settings(postgresql_app, limits=True)
        monkeypatch.setattr(hashing, "PATIENCE_SECONDS", 30)
        stranger = DEVICE | {"id": "stranger"}
        answers = race(30, lambda _number: sign_in(postgresql_client, OTHER, stranger).status_code)
        assert sorted(answers) == [401] * 20 + [429] * 10


class TestLoad:
    def test_a_full_house_is_busy_and_recovers(self, client, tokens, monkeypatch):
        monkeypatch.setattr(hashing, "PATIENCE_SECONDS", 0.1)
        for _ in range(hashing.AT_ONCE):
            assert hashing._slots.acquire(timeout=1)
        try:
            refused = sign_in(client, GOOD)
        finally:
            for _ in range(hashing.AT_ONCE):
                hashing._slots.release()
        assert (refused.status_code, refused.json["code"]) == (503, "busy")
        assert sign_in(client, GOOD).status_code == 200

    def test_nobody_waits_for_the_database_while_a_hash_is_made(self, client, unit, tokens, monkeypatch):
        """SQLite has one writer: while a password is compared, others write."""
        inside, may_go_on = threading.Event(), threading.Event()

        class Slow:
            def __getattr__(self, name):
                return getattr(PasswordHasher, name)

            def verify(self, _stored, _password):
                inside.set()
                assert may_go_on.wait(10)
                return True

            def check_needs_rehash(self, _stored):
                return False

        monkeypatch.setattr(hashing, "HASHER", Slow())
        answers = []
        thread = threading.Thread(target=lambda: answers.append(sign_in(client, GOOD)))
        thread.start()
        assert inside.wait(10)
        start = time.monotonic()
        unit(make_volunteer)
        waited = time.monotonic() - start
        may_go_on.set()
        thread.join()
        assert waited < 1
        assert answers[0].status_code == 200


class TestRules:
    @pytest.mark.parametrize(
        "password",
        [
            "12345678",
            "password1",
            "qwertyuiop",
            "aaaaaaaaaaaa",
            "iloveyou1",
            "1qaz2wsx",
            PHONE[3:] + "xyzxyz",
            "我是王秀英我很高兴呀",
        ],
    )
    def test_what_is_easily_guessed_is_refused(self, client, capsys, password):
        refused = client.post("/auth/register", json=registration(ask_code(client, capsys), password=password))
        assert refused.status_code == 422
        assert [(e["pointer"], e["code"]) for e in refused.json["errors"]] == [("/password", "password_too_common")]

    def test_the_volunteer_number_is_no_password(self, client, tokens):
        number = tokens["volunteer"]["volunteer_number"]
        body = {"current_password": GOOD, "new_password": f"zz{number}zz"}
        refused = client.put("/auth/password", json=body, headers=bearer(tokens))
        assert refused.json["errors"][0]["pointer"] == "/new_password"

    @pytest.mark.parametrize(
        ("password", "code"), [("短了的密码吧吧", "min_length"), ("a" * 129, "max_length"), (12345678, "not_text")]
    )
    def test_length_is_the_only_form(self, client, password, code):
        refused = client.post("/auth/register", json=registration("123456", password=password))
        assert (refused.json["errors"][0]["pointer"], refused.json["errors"][0]["code"]) == ("/password", code)

    def test_a_long_password_is_judged_quickly(self):
        start = time.perf_counter()
        hashing.is_too_common("1234567890" * 12, ["王秀英", "13900001234"])
        assert time.perf_counter() - start < 0.5

    def test_nothing_personal_stays_in_the_library(self):
        assert hashing.is_too_common("xiuyingwang", ["xiuyingwang"])
        assert "user_inputs" not in zxcvbn.matching.RANKED_DICTIONARIES


class TestChange:
    @pytest.mark.parametrize("way", ["current_password", "code"])
    def test_changing_it_ends_all_other_sessions(self, client, unit, capsys, tokens, way):
        other = sign_in(client, GOOD, DEVICE | {"id": "phone-2"}).json
        proof = GOOD if way == "current_password" else ask_code(client, capsys, purpose="reset")
        body = {way: proof, "new_password": OTHER}
        assert client.put("/auth/password", json=body, headers=bearer(tokens)).status_code == 204
        assert client.get("/me", headers=bearer(other)).status_code == 401
        assert client.get("/me", headers=bearer(tokens)).status_code == 200
        assert sign_in(client, GOOD, DEVICE | {"id": "phone-3"}).status_code == 401
        assert sign_in(client, OTHER, DEVICE | {"id": "phone-3"}).status_code == 200
        actions = unit(lambda: [entry.action for entry in db.session.scalars(select(AuditEntry))])
        assert {"password_changed", "session_ended"} <= set(actions)

    def test_who_is_not_signed_in_resets_it_by_code(self, client, unit, capsys, tokens):
        subscribed = {"provider": "console", "token": "a-phone"}
        path = f"/me/push-subscriptions/{DEVICE['id']}"
        assert client.put(path, json=subscribed, headers=bearer(tokens)).status_code == 200
        code = ask_code(client, capsys, purpose="reset")
        body = {"phone": PHONE, "code": code, "new_password": OTHER}
        assert client.put("/auth/password", json=body).status_code == 204
        assert client.get("/me", headers=bearer(tokens)).status_code == 401
        # Her phone is signed out, and hears of it: it may not have been she.
        pushed = select(Notification.kind).join(Push, Push.notification_id == Notification.id)
        assert unit(lambda: db.session.scalars(pushed).all()) == ["password_changed"]
        assert sign_in(client, OTHER).status_code == 200
        # The answer was lost.
        assert client.put("/auth/password", json=body).status_code == 204
        assert client.put("/auth/password", json=body | {"new_password": GOOD}).json["code"] == "wrong_code"
        with clock.at(clock.now() + timedelta(minutes=11)):
            assert client.put("/auth/password", json=body).json["code"] == "wrong_code"

    @pytest.mark.parametrize("way", ["current_password", "code"])
    def test_a_lost_answer_is_given_again(self, client, unit, capsys, tokens, way):
        proof = GOOD if way == "current_password" else ask_code(client, capsys, purpose="reset")
        body = {way: proof, "new_password": OTHER}
        assert client.put("/auth/password", json=body, headers=bearer(tokens)).status_code == 204
        assert client.put("/auth/password", json=body, headers=bearer(tokens)).status_code == 204
        other = client.put("/auth/password", json=body | {"new_password": GOOD + "x"}, headers=bearer(tokens))
        assert other.json["code"] == {"current_password": "wrong_password", "code": "wrong_code"}[way]
        with clock.at(clock.now() + timedelta(minutes=11)):
            assert client.put("/auth/password", json=body, headers=bearer(tokens)).status_code == 401

    def test_a_stolen_session_tries_no_passwords_by_it(self, client, tokens, change_settings):
        change_settings(client.app, limits=True)
        headers = bearer(tokens)
        tries = [
            client.put(
                "/auth/password", json={"current_password": "x", "new_password": f"{GOOD}{n}"}, headers=headers
            ).status_code
            for n in range(22)
        ]
        assert tries == [401] * 20 + [429] * 2

    def test_a_stolen_session_tries_no_new_password_by_made_up_codes(self, client, unit, tokens, change_settings):
        """What was just set is told to who repeats it: each guess is a try, whatever is said of the code."""
        change_settings(client.app, limits=True)
        headers = bearer(tokens)
        tried = {"code": "000000", "new_password": OTHER}
        who = f"{PHONE} {DEVICE['id']}"
        unit(lambda: spend(codes.WRONG_TRIES, passwords.SCOPE, who=who, amount=19))
        answers = [client.put("/auth/password", json=tried, headers=headers).json["code"] for _ in range(2)]
        assert answers == ["wrong_code", "too_many_requests"]

    def test_a_number_without_an_account_has_none_to_reset(self, client, capsys):
        code = ask_code(client, capsys, purpose="reset")
        body = {"phone": PHONE, "code": code, "new_password": OTHER}
        assert client.put("/auth/password", json=body).json["code"] == "registration_required"

    def test_wrong_proofs_are_refused(self, client, tokens):
        headers = bearer(tokens)
        body = {"current_password": OTHER, "new_password": OTHER}
        assert client.put("/auth/password", json=body, headers=headers).json["code"] == "wrong_password"
        body = {"code": "123456", "new_password": OTHER}
        assert client.put("/auth/password", json=body, headers=headers).json["code"] == "wrong_code"
        assert client.put("/auth/password", json=body).status_code == 401
        assert client.put("/auth/password", json={"new_password": OTHER}, headers=headers).status_code == 422
        body |= {"phone": "+8613900009999"}
        assert client.put("/auth/password", json=body, headers=headers).json["errors"][0]["code"] == "not_own_phone"
        assert sign_in(client, GOOD).status_code == 200
