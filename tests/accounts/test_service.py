"""Codes, sessions and races of accounts, at the service."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from tests.accounts.factories import DEVICE, PHONE, ask_code, registration, sign_up_person
from tests.factories import make_volunteer
from volunteer_api.accounts import codes, service, sessions
from volunteer_api.accounts.models import CodePurpose, DeviceSession, SignInCode, Volunteer
from volunteer_api.accounts.problems import RefreshTokenInvalid, RefreshTokenReused
from volunteer_api.core import clock
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.problems import SessionEnded
from volunteer_api.core.tokens import require_open_session


@pytest.fixture
def session(unit):
    """An open session with no refresh token used yet."""
    return unit(make_session)


def make_session(volunteer=None):
    volunteer = volunteer or make_volunteer()
    now = clock.now()
    made = DeviceSession(
        volunteer_id=volunteer.id,
        device_id=DEVICE["id"],
        device_name=DEVICE["name"],
        platform=DEVICE["platform"],
        used_generation=0,
        last_used_at=now,
        expires_at=now + timedelta(days=60),
    )
    db.session.add(made)
    db.session.flush()
    return made


def token(unit, session, generation):
    return unit(lambda: sessions.make_refresh_token(session.id, generation))


def refresh(unit, text):
    return unit(lambda: sessions.refresh(refresh_token=text)).refresh_token


def used_generation(unit, session):
    return unit(lambda: db.session.get(DeviceSession, session.id).used_generation)


def test_each_token_gives_the_next(unit, session):
    text = token(unit, session, 1)
    for generation in range(2, 6):
        text = refresh(unit, text)
        assert text == token(unit, session, generation)
    assert used_generation(unit, session) == 4


def test_a_lost_answer_is_given_again_until_its_successor_is_used(unit, session):
    first = token(unit, session, 1)
    second = refresh(unit, first)
    assert [refresh(unit, first) for _ in range(3)] == [second] * 3
    assert used_generation(unit, session) == 1
    refresh(unit, second)
    with pytest.raises(RefreshTokenReused):
        refresh(unit, first)
    with pytest.raises(SessionEnded):
        refresh(unit, second)


def test_a_token_of_the_future_is_refused_and_ends_nothing(unit, session):
    with pytest.raises(RefreshTokenInvalid):
        refresh(unit, token(unit, session, 3))
    assert refresh(unit, token(unit, session, 1)) == token(unit, session, 2)


def test_a_changed_token_is_refused(unit, session):
    good = token(unit, session, 1)
    for position in (0, 30, 60):
        changed = good[:position] + ("A" if good[position] != "A" else "B") + good[position + 1 :]
        with pytest.raises(RefreshTokenInvalid):
            refresh(unit, changed)


def test_sixty_idle_days_end_a_session_and_each_refresh_begins_them_anew(unit, session):
    start = clock.now()
    with clock.at(start + timedelta(days=59)):
        second = refresh(unit, token(unit, session, 1))
    with clock.at(start + timedelta(days=118)):
        third = refresh(unit, second)
    with clock.at(start + timedelta(days=179)), pytest.raises(SessionEnded):
        refresh(unit, third)


def test_a_session_counts_only_for_its_volunteer(unit, session):
    mine = Principal(volunteer_id=session.volunteer_id, session_id=session.id)

    def ends(principal: Principal) -> None:
        with pytest.raises(SessionEnded):
            unit(lambda: require_open_session(principal))

    unit(lambda: require_open_session(mine))
    ends(Principal(volunteer_id=uuid4(), session_id=session.id))
    ends(Principal(volunteer_id=session.volunteer_id, session_id=uuid4()))
    with clock.at(clock.now() + timedelta(days=61)):
        ends(mine)
    unit(lambda: sessions.end_session(session.id))
    ends(mine)


def test_asking_whether_a_session_is_open_is_one_look_up(app, unit, session, statements):
    with statements() as seen:
        unit(lambda: require_open_session(Principal(volunteer_id=session.volunteer_id, session_id=session.id)))
    assert len(seen) == 1


def test_old_codes_are_forgotten_with_their_phones(unit, capsys):
    unit(lambda: codes.send_code(phone=PHONE, purpose=CodePurpose.ACCESS))
    with clock.at(clock.now() + timedelta(minutes=10)):
        assert unit(codes.forget_codes) == 0
    with clock.at(clock.now() + timedelta(minutes=16)):
        assert unit(codes.forget_codes) == 1
    assert unit(lambda: db.session.scalar(select(func.count()).select_from(SignInCode))) == 0


def test_a_phone_is_masked_for_others():
    assert service.masked_phone("+8613800000001") == "138****0001"


class TestRaces:
    """Struck with real threads on PostgreSQL."""

    def test_parallel_refreshes_give_one_successor(self, postgresql_unit, race):
        session = postgresql_unit(make_session)
        text = token(postgresql_unit, session, 1)
        outcomes = race(8, lambda _number: refresh(postgresql_unit, text))
        assert set(outcomes) == {token(postgresql_unit, session, 2)}
        assert used_generation(postgresql_unit, session) == 1

    def test_parallel_registers_give_one_volunteer(self, postgresql_client, postgresql_unit, race, capsys):
        code = ask_code(postgresql_client, capsys)
        answers = race(8, lambda _number: postgresql_client.post("/auth/register", json=registration(code)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json["refresh_token"] for answer in answers}) == 1
        assert postgresql_unit(lambda: db.session.scalar(select(func.count()).select_from(Volunteer))) == 1

    def test_parallel_registers_of_several_devices_give_one_volunteer(
        self, postgresql_client, postgresql_unit, race, capsys
    ):
        code = ask_code(postgresql_client, capsys)
        answers = race(
            6,
            lambda number: postgresql_client.post(
                "/auth/register", json=registration(code, device=DEVICE | {"id": f"phone-{number}"})
            ),
        )
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
        assert postgresql_unit(lambda: db.session.scalar(select(func.count()).select_from(Volunteer))) == 1

    def test_parallel_tries_are_all_counted(self, postgresql_client, postgresql_unit, race, capsys):
        code = ask_code(postgresql_client, capsys)
        guesses = [f"{(int(code) + 1 + number) % 10**6:06d}" for number in range(12)]
        answers = race(
            12,
            lambda number: postgresql_client.post(
                "/auth/sign-in", json={"phone": PHONE, "code": guesses[number], "device": DEVICE}
            ),
        )
        assert {answer.status_code for answer in answers} == {401}
        assert postgresql_unit(lambda: db.session.scalar(select(SignInCode.tries))) == 5

    def test_a_code_opens_one_session(self, postgresql_client, postgresql_unit, race, capsys):
        postgresql_unit(lambda: make_volunteer(phone=PHONE))
        code = ask_code(postgresql_client, capsys)
        answers = race(
            8,
            lambda number: postgresql_client.post(
                "/auth/sign-in", json={"phone": PHONE, "code": code, "device": DEVICE | {"id": f"phone-{number}"}}
            ),
        )
        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7

    def test_of_parallel_corrections_of_one_version_one_wins(self, postgresql_client, postgresql_unit, race):
        phone = postgresql_client.as_(postgresql_unit(make_volunteer))
        answers = race(6, lambda number: phone.patch("/me", json={"name": f"名字{number}"}, version=1))
        assert sorted(answer.status_code for answer in answers) == [200] + [412] * 5
        assert phone.get("/me").json["version"] == 2

    def test_of_parallel_requests_one_code_is_sent(
        self, postgresql_app, postgresql_client, race, capsys, change_settings
    ):
        change_settings(postgresql_app, limits=True)
        answers = race(
            6, lambda _number: postgresql_client.post("/auth/codes", json={"phone": PHONE, "purpose": "access"})
        )
        assert sorted(answer.status_code for answer in answers) == [202] + [429] * 5
        assert capsys.readouterr().out.count("\n") == 1


def test_registering_twice_one_after_the_other_is_one_account(client, unit, capsys):
    sign_up_person(client, capsys)
    refused = client.post("/auth/register", json=registration(ask_code(client, capsys)))
    assert refused.json["code"] == "already_registered"
