"""Check-in by one statement, on PostgreSQL: the same answers and rows as by the general way, and nothing twice."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from tests.attendance.factories import FAR, NEAR, PLACE, Scene, evidence, loaded_evidence, make_scene, soon
from tests.factories import unit_of
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance import service, waiting
from volunteer_api.attendance.closing import close_forgotten
from volunteer_api.attendance.models import Attendance, GivenCodes, State, WaitingCheckOut
from volunteer_api.core import at_once, clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.idempotency import IdempotencyKey
from volunteer_api.hours.models import HeldAttribution, TallyChange
from volunteer_api.sign_ups import service as sign_ups
from volunteer_api.sign_ups.models import SignUp
from volunteer_api.sign_ups.queries import lock_volunteer

MINUTE = timedelta(minutes=1)
SIGNED_UP = ("volunteer", "leader")
PEOPLE = (*SIGNED_UP, "unsigned", "stranger", "organizer")
COLUMNS = [column.key for column in Attendance.__table__.columns if column.key != "id"]


def check_in(phone: Any, scene: Scene, sent: dict[str, Any], key: str = "") -> Any:
    body = {"shift_id": str(scene.shift.id), "evidence": sent}
    return phone.post("/attendances", json=body, key=key or str(ids.new_id()))


def only_row() -> dict[str, Any]:
    [row] = rows()
    return row


def rows() -> list[dict[str, Any]]:
    """All attendances, without their ids."""
    found = db.session.execute(select(Attendance.__table__).order_by(Attendance.checked_in_at, Attendance.shift_id))
    return [{name: row._mapping[name] for name in COLUMNS} for row in found]


# What a check-in finds, and whether one statement does it: what it would change, or be refused for, goes the other way.
FOUND = {
    "nothing": True,
    "a completed activity": True,
    "an activity that was canceled after the shift": True,
    "one at this shift that was rejected": True,
    "another shift that is over": True,
    "another shift that is open": False,
    "one at this shift that is open": False,
    "a check-out that waits": False,
    "a canceled shift": False,
    "a canceled activity": False,
    "an activity that was canceled unpublished": False,
    "a draft": False,
    "a submitted activity": False,
}
PLAIN = [found for found, is_plain in FOUND.items() if is_plain]
LONG_BEFORE = timedelta(days=2)


@dataclass(frozen=True)
class Ways:
    """A check-in by both ways: what it is at, and who tries it."""

    app: Flask
    phones: Mapping[str, Any]
    scene: Scene
    other: Scene
    statements: Any
    monkeypatch: pytest.MonkeyPatch

    def arrange(self, found: str, who: str, sign_up: str, gave_to: str | None) -> None:
        """Let the database be as the check-in is to find it, whatever another one left."""
        for model in (TallyChange, HeldAttribution, Attendance, WaitingCheckOut, GivenCodes):
            db.session.execute(delete(model))
        activity = db.session.get_one(Activity, self.scene.activity.id)
        shift = db.session.get_one(Shift, self.scene.shift.id)
        words = set(found.split())
        activity.state = next((one for one in ("completed", "draft", "submitted") if one in words), "published")
        if "canceled" in words and "activity" in words:
            activity.state, activity.cancellation_reason = "canceled", "rain"
        is_public = words.isdisjoint({"draft", "submitted", "unpublished"})
        activity.published_at = self.scene.activity.published_at if is_public else None
        canceled_at = shift.starts_at - LONG_BEFORE if "canceled" in words and "after" not in words else None
        shift.canceled_at = canceled_at
        volunteer_id = getattr(self.scene, who).id
        mine = update(SignUp).where(SignUp.shift_id == shift.id, SignUp.volunteer_id == volunteer_id)
        db.session.execute(update(SignUp).values(position=None, state="confirmed"))
        db.session.execute(mine.values(state=sign_up, position=1 if sign_up == "waitlisted" else None))
        if gave_to is not None:
            given_to = volunteer_id if gave_to == "her" else self.scene.leader.id
            db.session.add(GivenCodes(volunteer_id=given_to, target_id=shift.id, good_until=shift.ends_at))
        if "waits" in words:
            before = shift.starts_at
            waiting.keep(
                volunteer_id=volunteer_id, key="out", check_in_key="in", evidence=evidence(before), received_at=before
            )
        if words & {"open", "over", "rejected"}:
            self._attend(volunteer_id, shift.id if "this" in words else self.other.shift.id, words)

    def _attend(self, volunteer_id: UUID, shift_id: UUID, words: set[str]) -> None:
        moment, starts_at = self.scene.shift.starts_at - LONG_BEFORE, self.scene.shift.starts_at
        sent = loaded_evidence(starts_at)
        with clock.at(starts_at):
            known = service.check_in(volunteer_id=volunteer_id, shift_id=shift_id, evidence=sent)
            if "open" not in words:
                service.check_out(attendance=known, evidence=sent)
                known.checked_out_at = known.check_out_tapped_at = moment
        # Long before all that is tried beside it.
        known.checked_in_at = moment
        if "rejected" in words:
            known.state = State.REJECTED.value

    def check_in(self, who: str, sent: dict[str, Any], *, one_statement: bool) -> tuple[Any, list[str]]:
        """The answer without what is by chance, and the statements of one that may be one, or may not."""
        with self.monkeypatch.context() as patch, self.statements() as seen:
            if not one_statement:
                patch.setattr(at_once, "is_possible", lambda: False)
            answer = check_in(self.phones[who], self.scene, sent)
        told = {**answer.json, "id": None, "request_id": None}
        if "attendance" in told:
            told["attendance"] = {**told["attendance"], "id": None}
        return (answer.status_code, told), seen


@pytest.fixture
def ways(postgresql_app: Flask, postgresql_client: Any, statements: Any, monkeypatch: pytest.MonkeyPatch) -> Ways:
    scene, other = make_scene(starts_at=soon()), make_scene(starts_at=soon())
    phones = {who: postgresql_client.as_(getattr(scene, who)) for who in PEOPLE}
    return Ways(postgresql_app, phones, scene, other, statements, monkeypatch)


def test_both_ways_are_one_rule(ways: Ways) -> None:
    tried: Counter[bool] = Counter()

    @settings(max_examples=20, deadline=None)
    @given(
        found=st.sampled_from([*FOUND, *PLAIN]),
        who=st.sampled_from([*PEOPLE, *SIGNED_UP, *SIGNED_UP, *SIGNED_UP]),
        sign_up=st.sampled_from([*["confirmed"] * 6, "pending", "waitlisted", "withdrawn"]),
        gave_to=st.sampled_from([None, None, "her", "the leader"]),
        begins_in=st.sampled_from([-200, -30, 10, 200]),
        ago=st.sampled_from([0, 2, 90, -30]),
        delay=st.sampled_from([None, 0, 2, 90, "soon"]),
        place=st.sampled_from([None, PLACE, NEAR, FAR, {"lat": 0, "lng": 0}, "here"]),
        accuracy_m=st.sampled_from([None, 5, 5000]),
        code=st.sampled_from([None, "right", "000000"]),
    )
    def check(
        found: str, who: str, sign_up: str, gave_to: str | None, begins_in: int, ago: int, delay: Any, **sent: Any
    ) -> None:
        unit, now = unit_of(ways.app), ways.scene.shift.starts_at - begins_in * MINUTE
        tapped_at = now - ago * MINUTE
        sent["delay_ms"] = delay * 60_000 if isinstance(delay, int) else delay
        if sent["code"] == "right":
            with ways.app.app_context():
                sent["code"] = ways.scene.code(tapped_at)
        outcomes = []
        with clock.at(now):
            for one_statement in (True, False):
                unit(lambda: ways.arrange(found, who, sign_up, gave_to))
                answer, seen = ways.check_in(who, evidence(tapped_at, **sent), one_statement=one_statement)
                written = any(statement.startswith("WITH plain") for statement in seen)
                # Of who is not signed up others are counted, and what is refused is refused by the general way.
                is_plain = FOUND[found] and who in SIGNED_UP and sign_up == "confirmed" and answer[0] == 201
                assert written is (one_statement and is_plain)
                outcomes.append((answer, unit(rows)))
        assert outcomes[0] == outcomes[1]
        tried[is_plain] += 1

    check()
    # By the draw, one in four; each of them was written by one statement.
    assert tried[True] >= sum(tried.values()) // 8


def test_who_once_forgot_to_check_out_is_as_quick(
    postgresql_client: Any, postgresql_unit: Any, statements: Any
) -> None:
    starts_at = soon() - 600 * MINUTE
    before, scene = make_scene(starts_at=starts_at), make_scene()

    def forget() -> int:
        sign_ups.sign_up(shift_id=scene.shift.id, volunteer_id=before.volunteer.id)
        with clock.at(starts_at):
            sent = loaded_evidence(starts_at, place=NEAR, accuracy_m=5)
            service.check_in(volunteer_id=before.volunteer.id, shift_id=before.shift.id, evidence=sent)
        return close_forgotten()

    assert postgresql_unit(forget) == 1
    with statements() as seen:
        assert check_in(postgresql_client.as_(before.volunteer), scene, evidence(clock.now())).status_code == 201
    assert any(statement.startswith("WITH plain") for statement in seen)


def test_two_phones_of_one_volunteer(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    scene = postgresql_unit(make_scene)
    phone = postgresql_client.as_(scene.volunteer)
    answers = race(6, lambda _number: check_in(phone, scene, evidence(clock.now())))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    postgresql_unit(only_row)


def test_one_tap_sent_six_times(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    scene = postgresql_unit(make_scene)
    phone, key, sent = postgresql_client.as_(scene.volunteer), str(ids.new_id()), evidence(clock.now())
    answers = race(6, lambda _number: check_in(phone, scene, sent, key))
    assert [answer.status_code for answer in answers] == [201] * 6
    assert len({answer.json["id"] for answer in answers}) == 1
    postgresql_unit(only_row)
    assert postgresql_unit(lambda: db.session.query(IdempotencyKey).count()) == 1


def test_who_is_held_is_waited_for(
    postgresql_app: Flask, postgresql_client: Any, postgresql_unit: Any, race: Any, statements: Any
) -> None:
    scene = postgresql_unit(make_scene)
    phone = postgresql_client.as_(scene.volunteer)

    def hold_and_check_in(number: int) -> int:
        if number == 1:
            return int(check_in(phone, scene, evidence(clock.now())).status_code)
        unit_of(postgresql_app)(lambda: lock_volunteer(scene.volunteer.id))
        return 0

    assert sorted(race(2, hold_and_check_in)) == [0, 201]
    postgresql_unit(only_row)


def test_a_check_in_elsewhere_closes_the_one_before(postgresql_client: Any, postgresql_unit: Any) -> None:
    first, second = postgresql_unit(lambda: (make_scene(), make_scene()))
    phone = postgresql_client.as_(first.volunteer)
    assert check_in(phone, first, evidence(clock.now() - MINUTE)).status_code == 201
    assert check_in(phone, second, evidence(clock.now())).status_code == 201
    states = postgresql_unit(lambda: list(db.session.scalars(select(Attendance.state).order_by(Attendance.id))))
    assert states == ["held", "open"]
