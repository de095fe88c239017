"""How many codes go out, what each opens, and what a guesser gets."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.accounts.factories import DEVICE, PHONE, ask_code, registration, sent_code, sign_up_person, wrong
from tests.factories import make_volunteer
from volunteer_api.accounts import codes
from volunteer_api.accounts.models import CodeAllowance, CodePurpose
from volunteer_api.core import clock
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db

# What is judged is who may ask for a code and try one; the counters are tested on both in tests/core.
pytestmark = pytest.mark.either_database

BODY = {"phone": PHONE, "purpose": "access"}
STRANGER = DEVICE | {"id": "stranger"}
FROM = [{"REMOTE_ADDR": "203.0.113.1"}, {"REMOTE_ADDR": "203.0.113.2"}]
PAUSES = [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def sign_in(client, code, device=DEVICE, phone=PHONE):
    return client.post("/auth/sign-in", json={"phone": phone, "code": code, "device": device})


class TestAllowance:
    @pytest.mark.parametrize("known", [True, False])
    def test_the_pause_grows_and_ten_codes_are_a_day(self, client, unit, change_settings, known):
        if known:
            unit(lambda: make_volunteer(phone=PHONE))
        change_settings(client.app, limits=True)
        start = clock.now()
        moment = start
        for pause in PAUSES:
            with clock.at(moment):
                assert client.post("/auth/codes", json=BODY).json["retry_after_seconds"] == pause
            with clock.at(moment + timedelta(seconds=pause - 1)):
                refused = client.post("/auth/codes", json=BODY)
                assert (refused.status_code, refused.json["code"]) == (429, "code_sent_recently")
                assert refused.headers["Retry-After"] == "1"
            moment += timedelta(seconds=pause)
        with clock.at(moment):
            assert client.post("/auth/codes", json=BODY).status_code == 202
        with clock.at(moment + timedelta(hours=2)):
            refused = client.post("/auth/codes", json=BODY)
            assert (refused.status_code, refused.json["code"]) == (429, "too_many_requests")
            assert int(refused.headers["Retry-After"]) > 3600
            assert client.post("/auth/codes", json=BODY | {"phone": "13900005678"}).status_code == 202
        with clock.at(start + timedelta(days=1)):
            assert client.post("/auth/codes", json=BODY).json["retry_after_seconds"] == 60

    def test_all_purposes_share_the_pause(self, client, change_settings):
        change_settings(client.app, limits=True)
        assert client.post("/auth/codes", json=BODY).status_code == 202
        assert client.post("/auth/codes", json=BODY | {"purpose": "reset"}).status_code == 429

    def test_a_stranger_cannot_use_up_the_owners_codes(self, client, unit, capsys, change_settings):
        sign_up_person(client, capsys)
        change_settings(client.app, limits=True)
        moment = clock.now()
        for pause in [*PAUSES, 0]:
            with clock.at(moment):
                assert client.post("/auth/codes", json=BODY | {"device_id": "stranger"}).status_code == 202
            moment += timedelta(seconds=pause)
        with clock.at(moment):
            assert client.post("/auth/codes", json=BODY).status_code == 429
            assert client.post("/auth/codes", json=BODY | {"device_id": "stranger"}).status_code == 429
            code = ask_code(client, capsys, device_id=DEVICE["id"])
            assert sign_in(client, code).status_code == 200

    def test_old_counts_are_forgotten(self, client, unit, change_settings):
        change_settings(client.app, limits=True)
        client.post("/auth/codes", json=BODY)
        with clock.at(clock.now() + timedelta(hours=23)):
            unit(codes.forget_codes)
        # The address's, and that of all addresses.
        assert len(unit(lambda: db.session.scalars(select(CodeAllowance)).all())) == 2
        with clock.at(clock.now() + timedelta(hours=25)):
            unit(codes.forget_codes)
        assert unit(lambda: db.session.scalars(select(CodeAllowance)).all()) == []


class TestCeilings:
    """What strangers may spend of the district's money in a day."""

    @pytest.mark.parametrize(("address", "in_all"), [(3, 100), (100, 3)])
    def test_only_so_many_codes_go_out_but_a_known_device_gets_its_own(
        self, client, unit, capsys, change_settings, address, in_all
    ):
        sign_up_person(client, capsys)
        change_settings(client.app, limits=True, codes_a_day_per_address=address, codes_a_day=in_all)
        ask = lambda number, **more: client.post(  # noqa: E731
            "/auth/codes", json=BODY | {"phone": f"1390000{number:04d}"} | more, environ_base=FROM[number % len(FROM)]
        )
        elsewhere = 1 if in_all == 3 else 0
        start = clock.now()
        assert [ask(2 * number + elsewhere * (number % 2)).status_code for number in range(3)] == [202] * 3
        refused = ask(8)
        assert (refused.status_code, refused.json["code"]) == (429, "no_more_codes_today")
        assert int(refused.headers["Retry-After"]) > 86000
        assert unit(codes.are_spent) == (in_all == 3)
        assert ask(9).status_code == (429 if in_all == 3 else 202)
        assert sign_in(client, ask_code(client, capsys, device_id=DEVICE["id"])).status_code == 200
        with clock.at(start + timedelta(days=1, seconds=1)):
            assert ask(8).status_code == 202
            assert not unit(codes.are_spent)

    def test_lines_that_had_many_leave_the_last_fifth_to_all_others(self, client, unit, change_settings, monkeypatch):
        monkeypatch.setattr(codes, "FEW_OF_ADDRESS", 2)
        change_settings(client.app, limits=True, codes_a_day=10)

        def asked(number, address):
            body = BODY | {"phone": f"1390000{number:04d}"}
            return client.post("/auth/codes", json=body, environ_base={"REMOTE_ADDR": address}).status_code

        # One home line has 256 networks of /64.
        line = [f"2408:8000:0:{number:x}::1" for number in range(9)]
        assert [asked(number, address) for number, address in enumerate(line)] == [202] * 8 + [429]
        assert unit(codes.spent_share) == 0.8
        assert [asked(20 + number, "2408:8000:0:100::1") for number in range(3)] == [202, 202, 429]
        assert unit(codes.are_spent)

    def test_no_more_than_the_ceiling_go_out_together(self, postgresql_client, capsys, change_settings, race):
        change_settings(postgresql_client.app, limits=True, codes_a_day=3)
        outcomes = race(
            8, lambda number: postgresql_client.post("/auth/codes", json=BODY | {"phone": f"1390000{number:04d}"})
        )
        assert sorted(one.status_code for one in outcomes) == [202] * 3 + [429] * 5
        assert capsys.readouterr().out.count("code ") == 3


class TestPurposes:
    @pytest.mark.parametrize("purpose", [purpose for purpose in CodePurpose if purpose != "access"])
    def test_a_code_for_something_else_opens_no_account(self, client, unit, capsys, purpose):
        unit(lambda: make_volunteer(phone=PHONE))
        code = ask_code(client, capsys, purpose=purpose.value)
        assert sign_in(client, code).json["code"] == "wrong_code"
        assert client.post("/auth/register", json=registration(code)).json["code"] == "wrong_code"

    def test_a_code_for_signing_in_changes_nothing_else(self, client, capsys):
        tokens = sign_up_person(client, capsys)
        code = ask_code(client, capsys)
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        body = {"new_password": "河边有三棵老柳树啊", "code": code}
        assert client.put("/auth/password", json=body, headers=headers).json["code"] == "wrong_code"
        other = ask_code(client, capsys, phone="+8613900005678")
        body = {"phone": "+8613900005678", "code": other, "current_code": code}
        assert client.put("/auth/phone", json=body, headers=headers).json["code"] == "wrong_code"

    def test_codes_of_two_purposes_stand_beside_each_other(self, client, unit, capsys):
        unit(lambda: make_volunteer(phone=PHONE))
        code = ask_code(client, capsys)
        ask_code(client, capsys, purpose="reset")
        assert sign_in(client, code).status_code == 200


class TestGuessing:
    def test_hundreds_of_guesses_end_in_a_lock_but_not_for_the_owners_device(
        self, postgresql_client, postgresql_unit, capsys, change_settings
    ):
        client, unit = postgresql_client, postgresql_unit
        unit(lambda: make_volunteer(phone=PHONE))
        assert sign_in(client, ask_code(client, capsys)).status_code == 200
        change_settings(client.app, limits=True)
        moment, statuses = clock.now(), []
        for number in range(200):
            # A new code as often as can be, from ever new addresses: only the phone's own limits are left.
            moment += timedelta(seconds=15)
            with clock.at(moment):
                client.post(
                    "/auth/codes", json=BODY, environ_base={"REMOTE_ADDR": f"10.1.{number // 250}.{number % 250}"}
                )
                statuses.append(
                    client.post(
                        "/auth/sign-in",
                        json={"phone": PHONE, "code": f"{number:06d}", "device": STRANGER},
                        environ_base={"REMOTE_ADDR": f"10.2.{number // 250}.{number % 250}"},
                    ).status_code
                )
        # Sixty wrong codes of a day are judged; beside them, 401 is only said of codes that were used up already.
        assert 60 <= statuses.count(401) < 130
        assert set(statuses[statuses.index(429) :]) == {429}
        assert statuses.index(429) < 130
        capsys.readouterr()
        with clock.at(moment):
            code = ask_code(client, capsys, device_id=DEVICE["id"])
            assert sign_in(client, code, STRANGER).status_code == 429
            assert sign_in(client, code).status_code == 200

    def test_a_stranger_locks_no_new_device_out(self, client, unit, capsys, change_settings):
        """All that one address can do in a day, to codes and to tries, leaves another one both."""
        unit(lambda: make_volunteer(phone=PHONE))
        change_settings(client.app, limits=True)
        stranger, owner = {"REMOTE_ADDR": "198.51.100.7"}, {"REMOTE_ADDR": "203.0.113.9"}
        moment, answers = clock.now(), []
        for number in range(200):
            moment += timedelta(seconds=70)
            with clock.at(moment):
                sent = client.post("/auth/codes", json=BODY, environ_base=stranger).status_code
                guess = {"phone": PHONE, "code": f"{number:06d}", "device": STRANGER}
                answers.append((sent, client.post("/auth/sign-in", json=guess, environ_base=stranger).status_code))
        assert answers[-1] == (429, 429)
        assert sum(sent == 202 for sent, _ in answers) in (9, 10)
        capsys.readouterr()
        with clock.at(moment + timedelta(seconds=61)):
            assert client.post("/auth/codes", json=BODY, environ_base=owner).status_code == 202
            code = sent_code(capsys)
            body = {"phone": PHONE, "code": code, "device": DEVICE | {"id": "a new phone"}}
            assert client.post("/auth/sign-in", json=body, environ_base=stranger).status_code == 429
            assert client.post("/auth/sign-in", json=body, environ_base=owner).status_code == 200

    def test_failures_are_in_the_audit_log(self, client, unit, capsys):
        volunteer = unit(lambda: make_volunteer(phone=PHONE))
        sign_in(client, wrong(ask_code(client, capsys)))
        entry = unit(lambda: db.session.scalar(select(AuditEntry)))
        assert (entry.action, entry.subject_id, entry.actor_id) == ("sign_in_failed", volunteer.id, None)
        assert entry.details == {"by": "code", "purpose": "access"}


class TestEnumeration:
    """What is answered must not tell whether a number is registered."""

    def ask(self, client, method, path, body):
        answer = client.open(method, path, json=body)
        left_out = {"Date", "X-Request-Id", "Content-Length"}
        headers = {name: value for name, value in answer.headers.items() if name not in left_out}
        return answer.status_code, {k: v for k, v in answer.json.items() if k != "request_id"}, headers

    @pytest.mark.parametrize("limits", [True, False])
    @pytest.mark.parametrize(
        ("method", "path", "members"),
        [
            *[("POST", "/auth/codes", {"purpose": purpose.value}) for purpose in CodePurpose],
            ("POST", "/auth/codes", {"purpose": "access", "device_id": "phone-1"}),
            ("POST", "/auth/sign-in", {"code": "123456", "device": DEVICE}),
            ("POST", "/auth/sign-in", {"password": "不对的密码不对的密码", "device": DEVICE}),
            ("PUT", "/auth/password", {"code": "123456", "new_password": "河边有三棵老柳树啊"}),
        ],
    )
    def test_known_and_unknown_get_the_same(self, client, unit, change_settings, limits, method, path, members):
        unit(lambda: make_volunteer(phone=PHONE))
        change_settings(client.app, limits=limits)
        known, unknown = (
            self.ask(client, method, path, {"phone": phone} | members) for phone in (PHONE, "+8613900009999")
        )
        # The counter of the address goes on.
        for _, _, headers in (known, unknown):
            headers.pop("RateLimit", None)
        assert known == unknown


def test_of_many_requests_at_once_one_sends(postgresql_app, postgresql_client, race, capsys, change_settings):
    change_settings(postgresql_app, limits=True)
    answers = race(20, lambda _number: postgresql_client.post("/auth/codes", json=BODY))
    assert sorted(answer.status_code for answer in answers) == [202] + [429] * 19
    assert capsys.readouterr().out.count("\n") == 1
