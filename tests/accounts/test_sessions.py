"""Sessions as a state machine: lost answers, parallel refreshes, stolen copies, idle days."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from sqlalchemy import func, select

from tests.accounts.factories import DEVICE, PHONE, ask_code
from tests.conftest import ApiClient, clean
from tests.factories import make_volunteer, unit_of
from volunteer_api.accounts import sessions
from volunteer_api.accounts.models import DeviceSession, Volunteer
from volunteer_api.core import clock
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db


def open_one():
    volunteer = make_volunteer()
    tokens = sessions.open_session(volunteer, DEVICE, opened_by=None)
    return db.session.scalar(select(DeviceSession.id).where(DeviceSession.volunteer_id == volunteer.id)), tokens


class Sessions(RuleBasedStateMachine):
    """One account's sessions over HTTP, beside a model of what each of them must be.

    The model of a session: the highest generation of its refresh token that was handed in, the day of its last use, and
    whether it ended. Tokens that a phone got are kept, so that any may come again, late, twice at once or from a thief.
    """

    client: ClassVar[Any]
    unit: ClassVar[Any]
    race: ClassVar[Any]

    def __init__(self) -> None:
        super().__init__()
        self.moment = clock.now()
        self.volunteer = self.unit(make_volunteer)
        # By the session's number: refresh tokens by generation, the last access token, and the model.
        self.tokens: list[dict[int, str]] = []
        self.access: list[str] = []
        self.used: list[int] = []
        self.last_use: list[datetime] = []
        self.ended: list[bool] = []
        self.devices: list[str] = []

    number = st.integers(0, 3)

    @initialize()
    def begin(self) -> None:
        """There is one session from the start."""
        self.open_on("phone")

    @precondition(lambda self: len(self.tokens) < 4)
    @rule(device=st.sampled_from(["phone", "tablet"]))
    def sign_in(self, device: str) -> None:
        """A device that signs in again ends the session that it had."""
        self.open_on(device)

    def open_on(self, device: str) -> None:
        with clock.at(self.moment):
            given = self.unit(
                lambda: sessions.open_session(
                    db.session.get_one(Volunteer, self.volunteer.id), DEVICE | {"id": device}, opened_by=None
                )
            )
        for other, its_device in enumerate(self.devices):
            if its_device == device:
                self.ended[other] = True
        self.tokens.append({1: given.refresh_token})
        self.access.append(given.access_token)
        self.used.append(0)
        self.last_use.append(self.moment)
        self.ended.append(False)
        self.devices.append(device)

    @rule(number=number)
    def refresh(self, number: int) -> None:
        """The phone hands in the newest token that it has."""
        self.hand_in(number, lambda session: max(self.tokens[session]))

    @rule(number=number, away=st.sampled_from([timedelta(0), timedelta(minutes=1), timedelta(days=1)]))
    def lose_an_answer(self, number: int, away: timedelta) -> None:
        """The answer never arrived: the phone comes with the same token at once, a minute later, or a day later."""
        session = number % len(self.tokens)
        known = dict(self.tokens[session])
        generation = max(known)
        first = self.hand_in(number, lambda _session: generation)
        self.moment += away
        second = self.hand_in(number, lambda _session: generation)
        if second is not None and first is not None:
            assert second == first

    @rule(number=number, back=st.integers(1, 3))
    def reuse(self, number: int, back: int) -> None:
        """Somebody comes with an older token: the first time that is one the successor of which was used, it ends."""
        self.hand_in(number, lambda session: max(1, max(self.tokens[session]) - back))

    @rule(number=number, count=st.integers(2, 5))
    def refresh_in_parallel(self, number: int, count: int) -> None:
        """A phone's threads hand the same token in together: one successor for all."""
        session = number % len(self.tokens)
        generation = max(self.tokens[session])
        expected = self.expected(session, generation)

        def send(_number: int) -> Any:
            with clock.at(self.moment):
                return self.post(self.tokens[session][generation])

        answers = self.race(count, send)
        if expected is not None:
            assert {answer.json["code"] for answer in answers} == {expected}
            return
        assert {answer.status_code for answer in answers} == {200}, answers
        (successor,) = {answer.json["refresh_token"] for answer in answers}
        self.note(session, generation, successor, answers[0].json["access_token"])

    @rule(number=number)
    def sign_out(self, number: int) -> None:
        """With the last access token, as far as it is good."""
        session = number % len(self.tokens)
        with clock.at(self.moment):
            answer = self.client.post("/auth/sign-out", headers=self.bearer(session))
        if answer.status_code == 204:
            assert not self.ended[session]
            self.ended[session] = True

    @rule(number=number)
    def forge(self, number: int) -> None:
        """A changed token ends nothing and opens nothing."""
        token = self.tokens[number % len(self.tokens)][1]
        flipped = ("A" if token[-8] != "A" else "B").join([token[:-8], token[-7:]])
        with clock.at(self.moment):
            assert self.post(flipped).json["code"] == "refresh_token_invalid"

    @rule(number=number, days=st.sampled_from([1, 30, 59, 60, 61]))
    def wait(self, number: int, days: int) -> None:
        """Nobody does anything; then a phone comes back, at the edge of the sixty days too."""
        self.moment += timedelta(days=days)
        self.hand_in(number, lambda session: max(self.tokens[session]))

    @invariant()
    def what_is_open_is_open(self) -> None:
        """Who is signed in is what the model says, whatever tokens are about."""
        if not self.tokens:
            return
        with clock.at(self.moment):
            live = self.unit(
                lambda: db.session.scalar(
                    select(func.count())
                    .select_from(DeviceSession)
                    .where(
                        DeviceSession.volunteer_id == self.volunteer.id,
                        DeviceSession.ended_at.is_(None),
                        DeviceSession.expires_at > self.moment,
                    )
                )
            )
        assert live == sum(self.is_open(session) for session in range(len(self.tokens)))

    def hand_in(self, number: int, choose: Callable[[int], int]) -> str | None:
        """The successor that the token gives, None where it is refused as it must be."""
        session = number % len(self.tokens)
        generation = choose(session)
        expected = self.expected(session, generation)
        with clock.at(self.moment):
            answer = self.post(self.tokens[session][generation])
        if expected is not None:
            assert (answer.status_code, answer.json["code"]) == (401, expected)
            if expected == "refresh_token_reused":
                self.ended[session] = True
            return None
        assert answer.status_code == 200, answer.json
        self.note(session, generation, answer.json["refresh_token"], answer.json["access_token"])
        return str(answer.json["refresh_token"])

    def expected(self, session: int, generation: int) -> str | None:
        """The refusal that is due."""
        if not self.is_open(session):
            return "session_ended"
        return "refresh_token_reused" if generation < self.used[session] else None

    def note(self, session: int, generation: int, successor: str, access: str) -> None:
        known = self.tokens[session].setdefault(generation + 1, successor)
        # The same successor, however often and whenever.
        assert known == successor
        if generation > self.used[session]:
            self.used[session], self.last_use[session] = generation, self.moment
        self.access[session] = access
        with clock.at(self.moment):
            assert self.client.get("/me", headers=self.bearer(session)).status_code == 200

    def is_open(self, session: int) -> bool:
        return not self.ended[session] and self.moment < self.last_use[session] + timedelta(days=60)

    def post(self, token: str) -> Any:
        return self.client.post("/auth/refresh", json={"refresh_token": token})

    def bearer(self, session: int) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access[session]}"}


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_sessions_are_what_their_model_says(backend, backends, race, run_machine):
    with clean(backends(backend)) as application:
        Sessions.client = ApiClient(application)
        Sessions.unit, Sessions.race = staticmethod(unit_of(application)), staticmethod(race)
        run_machine(Sessions, examples=20, steps=20)


def test_a_crowd_behind_one_address_refreshes_and_one_session_has_its_limit(client, unit, change_settings):
    change_settings(client.app, limits=True)
    crowd = [unit(open_one)[1].refresh_token for _ in range(70)]
    assert {client.post("/auth/refresh", json={"refresh_token": token}).status_code for token in crowd} == {200}
    answers = [client.post("/auth/refresh", json={"refresh_token": crowd[0]}).status_code for _ in range(30)]
    assert answers == [200] * 29 + [429]
    assert client.post("/auth/refresh", json={"refresh_token": crowd[1]}).status_code == 200


def test_a_reused_token_and_the_end_are_in_the_audit_log(client, unit):
    session_id, tokens = unit(open_one)
    stolen = token = tokens.refresh_token
    for _ in range(2):
        token = client.post("/auth/refresh", json={"refresh_token": token}).json["refresh_token"]
    assert client.post("/auth/refresh", json={"refresh_token": stolen}).json["code"] == "refresh_token_reused"
    entries = unit(lambda: [(entry.action, entry.details) for entry in db.session.scalars(select(AuditEntry))])
    assert ("token_reused", {"session_id": str(session_id)}) in entries
    assert ("session_ended", {"session_id": str(session_id), "reason": "token_reused"}) in entries


def test_parallel_refreshes_give_one_successor(postgresql_client, postgresql_unit, race):
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
