"""Sign-in, registration, sessions, consent and one's own data, by HTTP."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

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
from volunteer_api.accounts.models import DeviceSession, SignInCode, Volunteer
from volunteer_api.core import clock
from volunteer_api.core.database import db


def sign_in_body(code, **changes):
    return {"phone": PHONE, "code": code, "device": DEVICE} | changes


def count(unit, model):
    return unit(lambda: db.session.scalar(select(func.count()).select_from(model)))


class TestCodes:
    def test_the_answer_is_the_same_for_known_and_unknown(self, client, unit, capsys, change_settings):
        change_settings(client.app, limits=True)
        known = unit(make_volunteer).phone
        answers = [client.post("/auth/codes", json={"phone": phone, "purpose": "access"}) for phone in (known, PHONE)]
        assert [answer.status_code for answer in answers] == [202, 202]
        assert answers[0].json == answers[1].json == {"expires_in_seconds": 300, "retry_after_seconds": 60}

    def test_the_console_line_is_exact(self, client, capsys):
        client.post("/auth/codes", json={"phone": "13900001234", "purpose": "access"})
        line = capsys.readouterr().out
        assert line.startswith("code ")
        assert line.endswith(f" for {PHONE} (access)\n")
        assert line.count("\n") == 1

    def test_the_code_itself_is_not_stored(self, client, unit, capsys):
        code = ask_code(client, capsys)
        row = unit(lambda: db.session.scalar(select(SignInCode)))
        assert len(row.code_hash) == 32
        assert code.encode() not in row.code_hash

    def test_a_second_code_must_wait(self, client, capsys, change_settings):
        change_settings(client.app, limits=True)
        ask_code(client, capsys)
        refused = client.post("/auth/codes", json={"phone": PHONE, "purpose": "access"})
        assert (refused.status_code, refused.json["code"]) == (429, "code_sent_recently")
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert capsys.readouterr().out == ""
        with clock.at(clock.now() + timedelta(seconds=61)):
            ask_code(client, capsys)

    def test_the_newer_code_replaces_the_older(self, client, capsys):
        older = ask_code(client, capsys)
        newer = ask_code(client, capsys)
        if older != newer:
            assert client.post("/auth/register", json=registration(older)).status_code == 401
        assert client.post("/auth/register", json=registration(newer)).status_code == 201

    @pytest.mark.parametrize("purpose", ["sign_up", "", None, 1])
    def test_a_purpose_that_opens_nothing_is_refused(self, client, purpose):
        refused = client.post("/auth/codes", json={"phone": PHONE, "purpose": purpose})
        assert refused.status_code == 422
        assert refused.json["errors"][0]["pointer"] == "/purpose"

    @pytest.mark.parametrize("phone", ["12345", "+14155550100", "一三九", "", None])
    def test_what_is_no_mainland_mobile_is_refused(self, client, phone):
        assert client.post("/auth/codes", json={"phone": phone, "purpose": "access"}).status_code == 422


class TestSignIn:
    def test_a_right_code_gives_tokens_that_work(self, client, unit, capsys):
        person = unit(lambda: make_volunteer(phone=PHONE, name="李大妈"))
        tokens = client.post("/auth/sign-in", json=sign_in_body(ask_code(client, capsys)))
        assert tokens.status_code == 200
        assert tokens.json["expires_in"] == 900
        assert tokens.json["volunteer"] == {
            "id": str(person.id),
            "name": "李大妈",
            "volunteer_number": person.volunteer_number,
        }
        assert client.get("/me", headers=bearer(tokens.json)).json["phone"] == PHONE

    def test_a_code_is_used_up(self, client, unit, capsys):
        unit(lambda: make_volunteer(phone=PHONE))
        code = ask_code(client, capsys)
        assert client.post("/auth/sign-in", json=sign_in_body(code)).status_code == 200
        assert client.post("/auth/sign-in", json=sign_in_body(code)).status_code == 401

    def test_a_code_expires(self, client, unit, capsys):
        unit(lambda: make_volunteer(phone=PHONE))
        code = ask_code(client, capsys)
        with clock.at(clock.now() + timedelta(seconds=301)):
            assert client.post("/auth/sign-in", json=sign_in_body(code)).json["code"] == "wrong_code"

    def test_an_unknown_phone_keeps_its_code_for_registering(self, client, capsys):
        code = ask_code(client, capsys)
        for _ in range(6):
            refused = client.post("/auth/sign-in", json=sign_in_body(code))
            assert (refused.status_code, refused.json["code"]) == (409, "registration_required")
        assert client.post("/auth/register", json=registration(code)).status_code == 201

    @pytest.mark.parametrize("known", [True, False])
    def test_five_wrong_tries_end_a_code_alike_for_known_and_unknown(self, client, unit, capsys, known):
        if known:
            unit(lambda: make_volunteer(phone=PHONE))
        code = ask_code(client, capsys)
        answers = [client.post("/auth/sign-in", json=sign_in_body(wrong(code))) for _ in range(5)]
        answers.append(client.post("/auth/sign-in", json=sign_in_body(code)))
        assert {(answer.status_code, answer.json["code"]) for answer in answers} == {(401, "wrong_code")}
        assert unit(lambda: db.session.scalar(select(SignInCode.tries))) == 5

    def test_twenty_wrong_tries_end_a_day_but_not_for_the_owners_device(self, client, unit, capsys, change_settings):
        unit(lambda: make_volunteer(phone=PHONE))
        assert client.post("/auth/sign-in", json=sign_in_body(ask_code(client, capsys))).status_code == 200
        change_settings(client.app, limits=True)
        stranger, start = DEVICE | {"id": "stranger"}, clock.now()
        for number in range(1, 5):
            with clock.at(start + timedelta(minutes=15 * number)):
                code = ask_code(client, capsys)
                guesses = [sign_in_body(wrong(code), device=stranger) for _ in range(5)]
                assert [client.post("/auth/sign-in", json=guess).status_code for guess in guesses] == [401] * 5
        with clock.at(start + timedelta(minutes=90)):
            code = ask_code(client, capsys)
            refused = client.post("/auth/sign-in", json=sign_in_body(code, device=stranger))
            assert (refused.status_code, refused.json["code"]) == (429, "too_many_requests")
            assert int(refused.headers["Retry-After"]) > 22 * 3600
            assert client.post("/auth/sign-in", json=sign_in_body(code)).status_code == 200
        with clock.at(start + timedelta(days=1, minutes=16)):
            code = ask_code(client, capsys)
            assert client.post("/auth/sign-in", json=sign_in_body(code, device=stranger)).status_code == 200

    def test_the_fifth_try_may_be_right(self, client, unit, capsys):
        unit(lambda: make_volunteer(phone=PHONE))
        code = ask_code(client, capsys)
        for _ in range(4):
            client.post("/auth/sign-in", json=sign_in_body(wrong(code)))
        assert client.post("/auth/sign-in", json=sign_in_body(code)).status_code == 200

    def test_a_phone_that_never_asked_gets_the_same_refusal(self, client, unit):
        unit(lambda: make_volunteer(phone=PHONE))
        refused = [
            client.post("/auth/sign-in", json=sign_in_body("123456", phone=phone)).json
            for phone in (PHONE, "+8613900009999")
        ]
        assert {body["code"] for body in refused} == {"wrong_code"}
        assert refused[0]["detail"] == refused[1]["detail"]

    def test_signing_in_again_on_a_device_ends_its_older_session(self, client, unit, capsys):
        unit(lambda: make_volunteer(phone=PHONE))
        older = client.post("/auth/sign-in", json=sign_in_body(ask_code(client, capsys))).json
        newer = client.post("/auth/sign-in", json=sign_in_body(ask_code(client, capsys))).json
        assert client.get("/me", headers=bearer(older)).status_code == 401
        assert client.get("/me", headers=bearer(newer)).status_code == 200

    @pytest.mark.parametrize("code", ["12345", "1234567", "abcdef", 123456])
    def test_what_is_no_code_is_refused(self, client, code):
        refused = client.post("/auth/sign-in", json=sign_in_body(code))
        assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (422, "/code")


class TestRegister:
    def test_registering_makes_an_account_with_its_consents(self, client, capsys):
        tokens = sign_up_person(client, capsys)
        me = client.get("/me", headers=bearer(tokens)).json
        assert (me["name"], me["birth_date"], me["home_division"]) == ("王秀英", "1958-03-08", "410403001")
        assert len(me["volunteer_number"]) == 10
        given = client.get("/me/consents", headers=bearer(tokens)).json["items"]
        assert {item["kind"] for item in given if item["given_at"]} == {"terms", "privacy"}

    def test_a_lost_answer_is_repeated_for_ten_minutes(self, client, unit, capsys):
        code = ask_code(client, capsys)
        first = client.post("/auth/register", json=registration(code)).json
        with clock.at(clock.now() + timedelta(minutes=9)):
            again = client.post("/auth/register", json=registration(code))
        assert again.status_code == 201
        assert again.json["refresh_token"] == first["refresh_token"]
        assert again.json["volunteer"] == first["volunteer"]
        assert (count(unit, Volunteer), count(unit, DeviceSession)) == (1, 1)
        with clock.at(clock.now() + timedelta(minutes=11)):
            assert client.post("/auth/register", json=registration(code)).status_code == 401

    def test_another_device_does_not_get_the_outcome(self, client, capsys):
        code = ask_code(client, capsys)
        client.post("/auth/register", json=registration(code))
        refused = client.post("/auth/register", json=registration(code, device=DEVICE | {"id": "phone-2"}))
        assert (refused.status_code, refused.json["code"]) == (409, "already_registered")

    def test_a_known_phone_is_told_to_sign_in_and_can(self, client, unit, capsys):
        unit(lambda: make_volunteer(phone=PHONE))
        code = ask_code(client, capsys)
        refused = client.post("/auth/register", json=registration(code))
        assert (refused.status_code, refused.json["code"]) == (409, "already_registered")
        assert client.post("/auth/sign-in", json=sign_in_body(code)).status_code == 200

    def test_without_the_code_nobody_is_registered(self, client, unit, capsys):
        code = ask_code(client, capsys)
        assert client.post("/auth/register", json=registration(wrong(code))).json["code"] == "wrong_code"
        assert count(unit, Volunteer) == 0

    def test_children_need_a_guardian_first(self, client, unit, capsys):
        today = clock_today(client)
        nearly = today.replace(year=today.year - 14, day=1) + timedelta(days=40)
        code = ask_code(client, capsys)
        refused = client.post("/auth/register", json=registration(code, birth_date=nearly.isoformat()))
        assert (refused.status_code, refused.json["code"]) == (409, "guardian_needed")
        fourteen = today.replace(year=today.year - 14, day=1)
        assert (
            client.post(
                "/auth/register",
                json=registration(
                    code,
                    birth_date=fourteen.isoformat(),
                    guardian_contact={"name": "王建国", "phone": "+8613900005678"},
                ),
            ).status_code
            == 201
        )

    @pytest.mark.parametrize(
        ("change", "pointer", "code"),
        [
            ({"consents": []}, "/consents", "consent_required"),
            ({"consents": [{"kind": "terms", "version": "2019-01"}]}, "/consents", "version_not_current"),
            ({"consents": [{"kind": "fame", "version": "1"}]}, "/consents/0/kind", "not_choice"),
            ({"name": " "}, "/name", "min_length"),
            ({"birth_date": "2999-01-01"}, "/birth_date", "in_future"),
            ({"home_division": "卫东"}, "/home_division", "pattern"),
            ({"role": "administrator"}, "/role", "unknown"),
            ({"device": {"id": "a"}}, "/device/name", "required"),
        ],
    )
    def test_faults_are_pointed_at(self, client, change, pointer, code):
        refused = client.post("/auth/register", json=registration("123456", **change))
        assert refused.status_code == 422
        assert (pointer, code) in {(error["pointer"], error["code"]) for error in refused.json["errors"]}

    def test_a_consent_given_twice_is_refused(self, client):
        twice = registration("123456", consents=current_consents() * 2)
        assert client.post("/auth/register", json=twice).json["errors"][0]["code"] == "repeated"


class TestSessions:
    def test_signing_out_bites_at_the_next_request(self, client, capsys):
        tokens = sign_up_person(client, capsys)
        assert client.post("/auth/sign-out", headers=bearer(tokens)).status_code == 204
        refused = client.get("/me", headers=bearer(tokens))
        assert (refused.status_code, refused.json["code"]) == (401, "session_ended")
        refused = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert (refused.status_code, refused.json["code"]) == (401, "session_ended")

    def test_sessions_are_listed_and_ended(self, client, capsys):
        tokens = sign_up_person(client, capsys)
        other = client.post(
            "/auth/sign-in",
            json=sign_in_body(
                ask_code(client, capsys), device={"id": "phone-2", "name": "华为", "platform": "harmony"}
            ),
        ).json
        listed = client.get("/auth/sessions", headers=bearer(other)).json["items"]
        assert [(item["device"]["id"], item["is_current"]) for item in listed] == [
            ("phone-2", True),
            ("phone-1", False),
        ]
        path = f"/auth/sessions/{listed[1]['id']}"
        assert client.delete(path, headers=bearer(other)).status_code == 204
        assert client.get("/me", headers=bearer(tokens)).status_code == 401
        assert client.delete(path, headers=bearer(other)).status_code == 404

    def test_somebody_elses_session_does_not_exist(self, client, unit, capsys):
        tokens = sign_up_person(client, capsys)
        session = client.get("/auth/sessions", headers=bearer(tokens)).json["items"][0]
        outsider = client.as_(unit(make_volunteer))
        assert outsider.delete(f"/auth/sessions/{session['id']}").status_code == 404
        assert client.get("/me", headers=bearer(tokens)).status_code == 200

    @pytest.mark.parametrize("path", ["/me", "/me/consents", "/auth/sessions"])
    def test_strangers_sign_in_first(self, client, path):
        assert client.get(path).status_code == 401

    def test_refreshing_gives_tokens_that_work(self, client, capsys):
        tokens = sign_up_person(client, capsys)
        fresh = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert fresh.status_code == 200
        assert fresh.json["refresh_token"] != tokens["refresh_token"]
        assert client.get("/me", headers=bearer(fresh.json)).status_code == 200

    @pytest.mark.parametrize("token", ["x", "汉字", "A" * 70, "=" * 70, "A" * 199])
    def test_what_is_no_refresh_token_is_refused(self, client, token):
        refused = client.post("/auth/refresh", json={"refresh_token": token})
        assert (refused.status_code, refused.json["code"]) == (401, "refresh_token_invalid")

    def test_a_reused_token_ends_the_family(self, client, capsys):
        stolen = sign_up_person(client, capsys)["refresh_token"]
        second = client.post("/auth/refresh", json={"refresh_token": stolen}).json
        third = client.post("/auth/refresh", json={"refresh_token": second["refresh_token"]}).json
        refused = client.post("/auth/refresh", json={"refresh_token": stolen})
        assert (refused.status_code, refused.json["code"]) == (401, "refresh_token_reused")
        assert client.get("/me", headers=bearer(third)).status_code == 401
        assert client.post("/auth/refresh", json={"refresh_token": third["refresh_token"]}).status_code == 401
        other = client.as_(UUID(third["volunteer"]["id"]))
        assert [one["kind"] for one in other.get("/me/notifications").json["items"]] == ["token_reused"]


class TestMe:
    def test_correcting_needs_the_version_that_was_read(self, client, unit):
        phone = client.as_(unit(make_volunteer))
        assert phone.patch("/me", json={"name": "新名字"}).status_code == 428
        version = phone.get("/me").json["version"]
        changed = phone.patch("/me", json={"name": "新名字", "birth_date": "1960-01-01"}, version=version)
        assert (changed.status_code, changed.json["name"], changed.json["version"]) == (200, "新名字", version + 1)
        assert phone.patch("/me", json={"name": "x"}, version=version).status_code == 412

    def test_null_clears_what_may_be_empty(self, client, unit):
        phone = client.as_(unit(lambda: make_volunteer(home_division="410403001")))
        cleared = phone.patch("/me", json={"home_division": None}, version=1)
        assert cleared.json["home_division"] is None
        assert phone.patch("/me", json={"name": None}, version=2).status_code == 422

    def test_what_is_not_ones_own_to_write_is_refused(self, client, unit):
        phone = client.as_(unit(make_volunteer))
        for field in ("phone", "volunteer_number", "id", "version"):
            assert phone.patch("/me", json={field: "1"}, version=1).status_code == 422

    def test_a_child_by_correction_needs_a_guardian(self, client, unit):
        phone = client.as_(unit(make_volunteer))
        young = clock_today(client).replace(day=1) - timedelta(days=365)
        assert phone.patch("/me", json={"birth_date": young.isoformat()}, version=1).json["code"] == "guardian_needed"

    def test_what_was_read_is_not_sent_twice(self, client, unit):
        phone = client.as_(unit(make_volunteer))
        tag = phone.get("/me").headers["ETag"]
        assert tag.startswith('"1-')
        assert phone.get("/me", headers={"If-None-Match": tag}).status_code == 304


class TestConsents:
    def test_the_texts_can_be_read_by_everybody(self, client):
        listed = client.get("/consent-texts").json["items"]
        assert {item["kind"]: item["required"] for item in listed} == {
            "terms": True,
            "privacy": True,
            "location": False,
            "ranking_name": False,
            "resident_id": False,
            "guardian": False,
            "national_system": False,
        }
        for item in listed:
            text = client.get(item["url"].partition("/api/v1")[2]).json
            assert text["title"]
            assert len(text["text"]) > 100
        assert client.get("/consent-texts/terms/1999-01").status_code == 404

    def test_consents_are_given_and_withdrawn(self, client, unit):
        phone = client.as_(unit(lambda: make_volunteer(consents=current_consents())))
        version = client.get("/consent-texts").json["items"][0]["version"]
        wanted = [*current_consents(), {"kind": "location", "version": version}]
        given = phone.put("/me/consents", json={"consents": wanted}).json["items"]
        assert {item["kind"] for item in given if item["given_at"]} == {"terms", "privacy", "location"}
        assert phone.put("/me/consents", json={"consents": wanted}).json["items"] == given
        left = phone.put("/me/consents", json={"consents": current_consents()}).json["items"]
        assert {item["kind"] for item in left if item["given_at"]} == {"terms", "privacy"}

    def test_the_required_ones_stay(self, client, unit):
        phone = client.as_(unit(lambda: make_volunteer(consents=current_consents())))
        assert phone.put("/me/consents", json={"consents": []}).json["errors"][0]["code"] == "consent_required"


def clock_today(client):
    with client.app.app_context():
        return clock.today()


def test_no_phone_and_no_code_in_the_log(client, capsys):
    code = ask_code(client, capsys)
    client.post("/auth/sign-in", json=sign_in_body(wrong(code)))
    client.post("/auth/register", json=registration(code))
    shown = capsys.readouterr()
    assert code not in shown.out + shown.err
    assert PHONE[3:] not in shown.out + shown.err


def test_the_limit_is_per_address(client, capsys, change_settings):
    change_settings(client.app, limits=True)
    answers = [client.post("/auth/sign-in", json=sign_in_body("123456")).status_code for _ in range(61)]
    assert answers == [401] * 60 + [429]


def test_a_signed_in_request_costs_one_look_up_of_the_session(client, unit, statements):
    phone = client.as_(unit(make_volunteer))
    with statements() as seen:
        phone.get("/me")
    # The session; the account, its guardian and its resident ID.
    assert len(seen) == 4
