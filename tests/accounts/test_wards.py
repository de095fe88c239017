"""A guardian who ends her consent herself, and what follows for a child and for a teenager."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.accounts.factories import DEVICE, PHONE, ask_code, bearer, registration, wrong
from tests.accounts.test_guardians import (
    CHILD,
    GUARDIAN_PHONE,
    NOON,
    TEENAGER,
    child,
    guardian_code,
    guardian_consents,
)
from volunteer_api.accounts import tasks
from volunteer_api.accounts.models import Consent, DeviceSession, Guardian, Volunteer
from volunteer_api.core import clock
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.notifications.models import Notification, Push

OTHER_PHONE = "+8613900007777"


@pytest.fixture(autouse=True)
def noon():
    with clock.at(NOON):
        yield


def registered(client, capsys, **changes):
    answer = client.post("/auth/register", json=child(client, capsys, **changes))
    assert answer.status_code == 201, answer.json
    return answer.json


def withdraw(client, code, *numbers, phone=GUARDIAN_PHONE, **members):
    body = {"phone": phone, "code": code, "volunteer_numbers": list(numbers)} | members
    return client.post("/guardian/withdrawals", json=body)


def number_of(tokens):
    return tokens["volunteer"]["volunteer_number"]


def test_a_guardian_sees_for_whom_she_consents(client, capsys):
    tokens = registered(client, capsys)
    code = guardian_code(client, capsys)
    answer = client.post("/guardian/wards", json={"phone": GUARDIAN_PHONE, "code": code})
    assert answer.status_code == 200, answer.json
    (ward,) = answer.json["items"]
    assert (ward["volunteer_number"], ward["name"], ward["erases_at"]) == (number_of(tokens), "王*", None)
    # Looking uses nothing up.
    assert withdraw(client, code, number_of(tokens)).status_code == 200


def test_each_ward_can_see_that_a_guardian_looked(client, unit, capsys):
    tokens = registered(client, capsys)
    code = guardian_code(client, capsys)
    assert client.post("/guardian/wards", json={"phone": GUARDIAN_PHONE, "code": code}).status_code == 200
    read = select(AuditEntry).where(AuditEntry.action == "data_read")
    (entry,) = unit(lambda: db.session.scalars(read).all())
    assert (str(entry.subject_id), entry.actor_id, entry.details) == (tokens["volunteer"]["id"], None, {"what": "ward"})


def test_somebody_elses_code_shows_nothing(client, capsys):
    registered(client, capsys)
    code = guardian_code(client, capsys, OTHER_PHONE)
    assert client.post("/guardian/wards", json={"phone": OTHER_PHONE, "code": code}).json["items"] == []
    assert client.post("/guardian/wards", json={"phone": GUARDIAN_PHONE, "code": code}).status_code == 401


def test_a_child_is_signed_out_and_erased_without_a_new_consent(client, unit, capsys):
    tokens = registered(client, capsys)
    answer = withdraw(client, guardian_code(client, capsys), number_of(tokens))
    assert answer.status_code == 200, answer.json
    assert answer.json["items"][0]["erases_at"] == "2026-11-30T04:00:00Z"
    assert client.get("/me", headers=bearer(tokens)).status_code == 401
    refreshed = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert refreshed.json["code"] == "session_ended"
    refused = client.post("/auth/sign-in", json={"phone": PHONE, "code": ask_code(client, capsys), "device": DEVICE})
    assert (refused.status_code, refused.json["code"]) == (409, "guardian_needed")
    assert refused.json["erases_at"] == "2026-11-30T04:00:00Z"
    kinds = unit(lambda: db.session.scalars(select(AuditEntry.action)).all())
    assert {"guardian_changed", "session_ended", "erasure_requested"} <= set(kinds)
    live = unit(lambda: db.session.scalars(select(Consent.kind).where(Consent.withdrawn_at.is_(None))).all())
    assert "guardian" not in live
    with clock.at(NOON + timedelta(days=7, minutes=1)), client.app.app_context():
        tasks.erase()
    assert unit(lambda: db.session.scalar(select(Volunteer.name))) == "已注销用户"
    assert unit(lambda: db.session.scalars(select(Guardian)).all()) == []


def test_who_is_signed_out_so_hears_of_it_by_a_message_and_on_the_phone(client, unit, capsys):
    tokens = registered(client, capsys)
    subscribed = {"provider": "console", "token": "a-phone"}
    path = f"/me/push-subscriptions/{DEVICE['id']}"
    assert client.put(path, json=subscribed, headers=bearer(tokens)).status_code == 200
    code = guardian_code(client, capsys)
    assert withdraw(client, code, number_of(tokens)).status_code == 200
    assert f"notice guardian_needed for {PHONE}\n" in capsys.readouterr().out
    pushed = select(Notification.kind).join(Push, Push.notification_id == Notification.id)
    assert unit(lambda: db.session.scalars(pushed).all()) == ["guardian_needed"]


def test_a_new_consent_opens_the_account_again_and_keeps_it(client, unit, capsys):
    tokens = registered(client, capsys)
    withdraw(client, guardian_code(client, capsys), number_of(tokens))
    body = {"phone": PHONE, "code": ask_code(client, capsys), "device": DEVICE}
    guardian = {"name": "李梅", "phone": OTHER_PHONE, "code": guardian_code(client, capsys, OTHER_PHONE)}
    bad = body | {"guardian": guardian | {"code": wrong(guardian["code"])}}
    assert client.post("/auth/sign-in", json=bad).json["code"] == "wrong_code"
    answer = client.post("/auth/sign-in", json=body | {"guardian": guardian})
    assert answer.status_code == 200, answer.json
    me = client.get("/me", headers=bearer(answer.json)).json
    assert (me["guardian"]["name"], me["erases_at"]) == ("李梅", None)
    heard = {n["kind"]: n["body"] for n in client.get("/me/notifications", headers=bearer(answer.json)).json["items"]}
    # Nothing of what only an adult, or her guardian, could do.
    assert heard.keys() == {"guardian_needed", "erasure_taken_back"}
    assert "2026-11-30" in heard["guardian_needed"]


def test_who_got_the_guardians_number_ends_no_childs_account(client, capsys, change_settings):
    """A code to a number that may have a new owner is no proof by itself, here as at a sign-in."""
    change_settings(client.app, limits=True)
    tokens = registered(client, capsys)
    number = number_of(tokens)
    with clock.at(NOON + timedelta(days=91)):
        code = guardian_code(client, capsys)
        refused = withdraw(client, code, number)
        assert (refused.status_code, refused.json["code"]) == (409, "ward_names_required")
        assert refused.json["volunteer_numbers"] == [number]
        for names in (["王小"], ["王小花", "王小明"]):
            wrong_name = withdraw(client, code, number, names=names)
            assert (wrong_name.status_code, wrong_name.json["code"]) == (401, "wrong_second_fact")
            assert "监护" in wrong_name.json["detail"]
        (ward,) = client.post("/guardian/wards", json={"phone": GUARDIAN_PHONE, "code": code}).json["items"]
        assert (ward["withdrawn_at"], ward["erases_at"]) == (None, None)
        ended = withdraw(client, code, number, names=[tokens["volunteer"]["name"]])
        assert ended.json["items"][0]["erases_at"] is not None


def test_wrong_names_of_a_ward_are_counted(client, capsys, change_settings):
    change_settings(client.app, limits=True)
    number = number_of(registered(client, capsys))
    codes = []
    for day in range(6):
        with clock.at(NOON + timedelta(days=91 + day)):
            code = guardian_code(client, capsys)
            codes += [withdraw(client, code, number, names=["王"]).status_code for _ in range(2)]
    assert codes == [401] * 10 + [429] * 2


def test_the_password_does_not_get_past_it(client, capsys):
    tokens = registered(client, capsys, password="河边有三棵老柳树啊")
    withdraw(client, guardian_code(client, capsys), number_of(tokens))
    body = {"phone": PHONE, "password": "河边有三棵老柳树啊", "device": DEVICE}
    assert client.post("/auth/sign-in", json=body).json["code"] == "guardian_needed"
    body = {"volunteer_number": number_of(tokens), "password": "河边有三棵老柳树啊", "device": DEVICE}
    assert client.post("/auth/sign-in", json=body).json["code"] == "guardian_needed"


def test_a_teenagers_account_goes_on(client, capsys):
    code = guardian_code(client, capsys)
    body = registration(ask_code(client, capsys), birth_date=TEENAGER, consents=guardian_consents())
    tokens = client.post(
        "/auth/register", json=body | {"guardian": {"name": "王建国", "phone": GUARDIAN_PHONE, "code": code}}
    ).json
    answer = withdraw(client, guardian_code(client, capsys), number_of(tokens))
    assert answer.json["items"][0]["erases_at"] is None
    me = client.get("/me", headers=bearer(tokens)).json
    assert (me["guardian"], me["erases_at"]) == (None, None)
    (heard,) = client.get("/me/notifications", headers=bearer(tokens)).json["items"]
    assert heard["kind"] == "guardian_withdrew"


def test_who_still_has_somebody_to_call_is_asked_for_nobody(client, capsys):
    code = guardian_code(client, capsys)
    body = registration(ask_code(client, capsys), birth_date=TEENAGER, consents=guardian_consents())
    body |= {
        "guardian": {"name": "王建国", "phone": GUARDIAN_PHONE, "code": code},
        "guardian_contact": {"name": "李梅", "phone": OTHER_PHONE},
    }
    tokens = client.post("/auth/register", json=body).json
    assert withdraw(client, guardian_code(client, capsys), number_of(tokens)).status_code == 200
    assert client.get("/me/notifications", headers=bearer(tokens)).json["items"] == []


def test_a_lost_answer_and_a_used_code(client, capsys):
    tokens = registered(client, capsys)
    code = guardian_code(client, capsys)
    assert withdraw(client, code, number_of(tokens)).status_code == 200
    again = withdraw(client, code, number_of(tokens))
    assert (again.status_code, again.json["items"]) == (200, [])


def test_a_code_that_made_a_consent_ends_none(client, capsys):
    """The child was told it for the registration."""
    body = child(client, capsys)
    tokens = client.post("/auth/register", json=body).json
    code = body["guardian"]["code"]
    assert withdraw(client, code, number_of(tokens)).status_code == 401
    assert client.post("/guardian/wards", json={"phone": GUARDIAN_PHONE, "code": code}).status_code == 401
    assert client.get("/me", headers=bearer(tokens)).status_code == 200


def test_only_ones_own_wards(client, capsys):
    tokens = registered(client, capsys)
    code = guardian_code(client, capsys, OTHER_PHONE)
    refused = withdraw(client, code, number_of(tokens), phone=OTHER_PHONE)
    assert (refused.status_code, refused.json["code"]) == (409, "ward_unknown")
    code = guardian_code(client, capsys)
    assert withdraw(client, code, number_of(tokens), "2222222222").json["code"] == "ward_unknown"
    assert withdraw(client, wrong(code), number_of(tokens)).json["code"] == "wrong_code"
    assert client.get("/me", headers=bearer(tokens)).status_code == 200


def test_who_consented_hears_of_another_guardian(client, capsys):
    tokens = registered(client, capsys)
    code = guardian_code(client, capsys, OTHER_PHONE)
    answer = client.put(
        "/me/guardian", json={"name": "李梅", "phone": OTHER_PHONE, "code": code}, headers=bearer(tokens)
    )
    assert answer.status_code == 200, answer.json
    assert f"notice guardian_replaced for {GUARDIAN_PHONE}\n" in capsys.readouterr().out


def test_a_sign_in_at_the_moment_of_a_withdrawal_leaves_no_session(postgresql_client, postgresql_unit, race, capsys):
    for _ in range(5):
        postgresql_unit(lambda: db.session.execute(Volunteer.__table__.update().values(phone=None)))
        tokens = registered(postgresql_client, capsys)
        code = guardian_code(postgresql_client, capsys)
        own = {"phone": PHONE, "code": ask_code(postgresql_client, capsys), "device": DEVICE | {"id": "another"}}

        def act(number, code=code, own=own, tokens=tokens):
            with clock.at(NOON):
                if number == 0:
                    return withdraw(postgresql_client, code, number_of(tokens))
                return postgresql_client.post("/auth/sign-in", json=own)

        withdrawn, signed_in = race(2, act)
        assert withdrawn.status_code == 200, withdrawn.json
        assert signed_in.status_code in (200, 409)
        live = select(DeviceSession).where(DeviceSession.ended_at.is_(None))
        assert postgresql_unit(lambda live=live: db.session.scalars(live).all()) == []


def test_five_children_are_the_most_at_one_moment_too(postgresql_client, race, capsys):
    """One code row per guardian's phone: who consents for two at once needs two codes, and has one."""
    for number in range(4):
        phone = f"+861370000100{number}"
        code = guardian_code(postgresql_client, capsys)
        guardian = {"name": "王建国", "phone": GUARDIAN_PHONE, "code": code}
        body = registration(
            ask_code(postgresql_client, capsys, phone),
            phone=phone,
            birth_date=CHILD,
            guardian=guardian,
            consents=guardian_consents(),
            device=DEVICE | {"id": f"d{number}"},
        )
        assert postgresql_client.post("/auth/register", json=body).status_code == 201
    code = guardian_code(postgresql_client, capsys)
    bodies = []
    for number in range(4):
        phone = f"+861370000200{number}"
        bodies.append(
            registration(
                ask_code(postgresql_client, capsys, phone),
                phone=phone,
                birth_date=CHILD,
                guardian={"name": "王建国", "phone": GUARDIAN_PHONE, "code": code},
                consents=guardian_consents(),
                device=DEVICE | {"id": f"e{number}"},
            )
        )

    def act(number):
        with clock.at(NOON):
            return postgresql_client.post("/auth/register", json=bodies[number])

    answers = race(4, act)
    assert sorted(answer.status_code for answer in answers) == [201, 401, 401, 401]
