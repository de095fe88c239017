"""Sessions as a state machine: lost answers, parallel refreshes, stolen copies, idle days."""

from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.accounts.factories import DEVICE, PHONE, ask_code
from tests.factories import make_volunteer
from volunteer_api.accounts import sessions
from volunteer_api.accounts.models import DeviceSession
from volunteer_api.accounts.problems import RefreshTokenReused
from volunteer_api.core import clock
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.core.problems import SessionEnded

STEPS = st.lists(
    st.one_of(
        st.just(("refresh",)),
        st.tuples(st.just("repeat"), st.sampled_from([timedelta(0), timedelta(minutes=1), timedelta(days=1)])),
        st.tuples(st.just("reuse"), st.integers(1, 3)),
        st.tuples(st.just("wait"), st.integers(1, 61)),
        st.just(("end",)),
    ),
    max_size=12,
)


def open_one():
    volunteer = make_volunteer()
    tokens = sessions.open_session(volunteer, DEVICE, opened_by=None)
    return db.session.scalar(select(DeviceSession.id).where(DeviceSession.volunteer_id == volunteer.id)), tokens


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(steps=STEPS)
def test_a_session_is_what_its_model_says(unit, steps):
    """The model: the highest generation handed in, the day of the last use, and whether it was ended."""
    moment = clock.now()
    with clock.at(moment):
        session_id, _ = unit(open_one)
    used, last_use, is_ended = 0, moment, False

    def hand_in(generation):
        text = unit(lambda: sessions.make_refresh_token(session_id, generation))
        try:
            with clock.at(moment):
                return unit(lambda: sessions.refresh(refresh_token=text)).refresh_token
        except (RefreshTokenReused, SessionEnded) as error:
            return type(error)

    for step in steps:
        if step[0] == "wait":
            moment += timedelta(days=step[1])
            continue
        if step[0] == "end":
            unit(lambda: sessions.end_session(session_id))
            is_ended = True
            continue
        if step[0] == "repeat":
            moment += step[1]
        generation = {
            "refresh": used + 1,
            "repeat": max(used, 1),
            "reuse": used - step[-1] if step[0] == "reuse" else 0,
        }
        asked = generation[step[0]]
        if asked < 1:
            continue
        got = hand_in(asked)
        if is_ended or moment >= last_use + timedelta(days=60):
            assert got is SessionEnded
        elif asked < used:
            assert got is RefreshTokenReused
            is_ended = True
        else:
            assert got == unit(lambda asked=asked: sessions.make_refresh_token(session_id, asked + 1))
            if asked > used:
                used, last_use = asked, moment


def test_a_reused_token_and_the_end_are_in_the_audit_log(client, unit):
    session_id, tokens = unit(open_one)
    stolen = token = tokens.refresh_token
    for _ in range(2):
        token = client.post("/auth/refresh", json={"refresh_token": token}).json["refresh_token"]
    assert client.post("/auth/refresh", json={"refresh_token": stolen}).json["code"] == "refresh_token_reused"
    entries = unit(lambda: [(entry.action, entry.details) for entry in db.session.scalars(select(AuditEntry))])
    assert ("token_reused", {"session_id": str(session_id)}) in entries
    assert ("session_ended", {"session_id": str(session_id), "reason": "token_reused"}) in entries


def test_twenty_parallel_refreshes_give_one_successor(postgresql_client, postgresql_unit, race):
    session_id, tokens = postgresql_unit(open_one)
    body = {"refresh_token": tokens.refresh_token}
    answers = race(20, lambda _number: postgresql_client.post("/auth/refresh", json=body))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json["refresh_token"] for answer in answers}) == 1
    assert postgresql_unit(lambda: db.session.get(DeviceSession, session_id).used_generation) == 1


def test_of_two_sign_ins_with_one_code_one_wins(postgresql_client, postgresql_unit, race, capsys):
    postgresql_unit(lambda: make_volunteer(phone=PHONE))
    code = ask_code(postgresql_client, capsys)
    answers = race(
        2,
        lambda number: postgresql_client.post(
            "/auth/sign-in", json={"phone": PHONE, "code": code, "device": DEVICE | {"id": f"phone-{number}"}}
        ),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 401]
