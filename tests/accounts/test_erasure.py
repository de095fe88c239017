"""Erasure: asked for, taken back, carried out; what goes, what stays, and who wins a race."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.accounts.factories import registration
from tests.accounts.furnished import NAME, PHONE, RESIDENT_ID, everything, furnish
from tests.activities.factories import make_activity, make_scene
from tests.factories import make_volunteer, unit_of
from tests.inventory.factories import make_depot, make_item, move
from tests.teams.factories import make_team
from volunteer_api.accounts import codes, erasure, queries, tasks
from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.accounts.models import (
    CodePurpose,
    Consent,
    DeviceSession,
    Guardian,
    Password,
    ResidentId,
    SignInCode,
    Volunteer,
)
from volunteer_api.accounts.problems import NotRequested
from volunteer_api.attendance.models import Attendance, Reason, State
from volunteer_api.core import clock, events, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.core.idempotency import IdempotencyKey
from volunteer_api.core.problems import SessionEnded
from volunteer_api.core.tasks import run_task
from volunteer_api.inventory import queries as stock
from volunteer_api.inventory.models import RetainedName
from volunteer_api.inventory.tasks import forget_names
from volunteer_api.notifications.models import Notification
from volunteer_api.notifications.queries import inbox
from volunteer_api.notifications.service import notify
from volunteer_api.organizations.models import Grant
from volunteer_api.sign_ups import service as sign_ups
from volunteer_api.sign_ups.models import SignUp, SignUpState
from volunteer_api.teams import invitations
from volunteer_api.teams.models import Membership, MembershipState

METRICS = ("activity_count", "attendance_count", "volunteer_count", "credited_minutes")
AFTER = timedelta(days=7, minutes=1)
Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def person(unit: Unit) -> Volunteer:
    made: Volunteer = unit(lambda: make_volunteer(name=NAME, phone=PHONE))
    return made


def ask_code(unit: Unit, capsys: pytest.CaptureFixture[str], phone: str = PHONE) -> str:
    """A code for the erasure, as the console sender prints it."""
    unit(lambda: codes.send_code(phone=phone, purpose=CodePurpose.ERASE))
    return re.findall(rf"(\d{{6}}).*{re.escape(phone)}.*erase", capsys.readouterr().out)[-1]


def plan(volunteer_id: UUID) -> None:
    """Let the person's erasure be due now."""
    db.session.get_one(Volunteer, volunteer_id).erases_at = clock.now()


def carry_out(app: Flask, volunteer_id: UUID) -> None:
    """Erase the person by the task."""
    unit_of(app)(lambda: plan(volunteer_id))
    with app.app_context():
        tasks.erase()


def read(unit: Unit, volunteer_id: UUID) -> Volunteer:
    found: Volunteer = unit(lambda: db.session.get_one(Volunteer, volunteer_id))
    return found


def actions(unit: Unit, volunteer_id: UUID) -> list[str]:
    """What the audit log says of the person's erasure."""
    return list(
        unit(
            lambda: db.session.scalars(
                select(AuditEntry.action)
                .where(AuditEntry.subject_id == volunteer_id, AuditEntry.action.like("eras%"))
                .order_by(AuditEntry.id)
            ).all()
        )
    )


def test_asked_for_with_a_code_and_taken_back(client, unit, person, capsys):
    phone = client.as_(person)
    assert phone.get("/me").json["erases_at"] is None
    answer = phone.post("/me/erasure", json={"code": ask_code(unit, capsys)})
    assert answer.status_code == 202, answer.json
    erases_at = answer.json["erases_at"]
    assert phone.get("/me").json["erases_at"] == erases_at
    # Asked again, whatever the code: the same.
    assert phone.post("/me/erasure", json={"code": "000000"}).json == {"erases_at": erases_at}
    assert [item["kind"] for item in phone.get("/me/notifications").json["items"]] == ["erasure_requested"]
    assert phone.delete("/me/erasure").status_code == 204
    assert phone.get("/me").json["erases_at"] is None
    assert phone.get("/me/notifications").json["items"][0]["kind"] == "erasure_taken_back"
    again = phone.delete("/me/erasure")
    assert (again.status_code, again.json["code"]) == (409, "not_requested")
    assert actions(unit, person.id) == ["erasure_requested", "erasure_taken_back"]


def test_a_wrong_or_used_code_asks_for_nothing(client, unit, person, capsys):
    code = ask_code(unit, capsys)
    phone = client.as_(person)
    wrong = phone.post("/me/erasure", json={"code": f"{(int(code) + 1) % 10**6:06d}"})
    assert (wrong.status_code, wrong.json["code"]) == (401, "wrong_code")
    assert read(unit, person.id).erases_at is None
    assert phone.post("/me/erasure", json={"code": code}).status_code == 202
    assert phone.delete("/me/erasure").status_code == 204
    assert phone.post("/me/erasure", json={"code": code}).status_code == 401
    assert phone.post("/me/erasure", json={}).status_code == 422
    # A code to sign in with is none to be erased with.
    unit(lambda: codes.send_code(phone=PHONE, purpose=CodePurpose.ACCESS))
    access = re.findall(r"code (\d{6})", capsys.readouterr().out)[-1]
    assert phone.post("/me/erasure", json={"code": access}).status_code == 401


def test_strangers_and_others_get_nowhere(client, unit, person, capsys):
    code = ask_code(unit, capsys)
    assert client.post("/me/erasure", json={"code": code}).status_code == 401
    assert client.delete("/me/erasure").status_code == 401
    other = client.as_(unit(make_volunteer))
    assert other.post("/me/erasure", json={"code": code}).status_code == 401
    assert read(unit, person.id).erases_at is None


def test_the_wait_is_kept(app, client, unit, person, capsys):
    phone = client.as_(person)
    shift_id = unit(make_activity).shift_id
    phone.post(f"/shifts/{shift_id}/sign-ups", json={}, key="k")
    phone.post("/me/erasure", json={"code": ask_code(unit, capsys)})
    with app.app_context(), clock.at(clock.now() + timedelta(days=6, hours=23)):
        tasks.erase()
    assert phone.get("/me").json["name"] == NAME
    assert [item["state"] for item in phone.get("/me/sign-ups").json["items"]] == ["confirmed"]
    with app.app_context(), clock.at(clock.now() + AFTER):
        tasks.erase()
    assert phone.get("/me").status_code == 401
    assert phone.delete("/me/erasure").status_code == 401
    assert actions(unit, person.id) == ["erasure_requested", "erased"]


def test_taken_back_and_asked_anew_meanwhile_it_waits_again(app, unit, person):
    """The task found the person due; before her turn came she took it back and asked for it anew."""
    day = unit(lambda: clock.now()) + timedelta(days=7)
    unit(lambda: setattr(db.session.get_one(Volunteer, person.id), "erases_at", day))
    assert unit(lambda: erasure.execute(person.id)) is False
    assert unit(lambda: db.session.get_one(Volunteer, person.id).name) == person.name
    with clock.at(day):
        assert unit(lambda: erasure.execute(person.id)) is True


def test_reminded_once_a_day_before(app, unit, person):
    unit(lambda: plan(person.id))
    with clock.at(clock.now() - timedelta(hours=30)):
        unit(erasure.remind)
    kinds = select(Notification.kind).where(Notification.volunteer_id == person.id)
    assert unit(lambda: db.session.scalars(kinds).all()) == []
    for hours in (23, 22, 1):
        with clock.at(clock.now() - timedelta(hours=hours)):
            unit(erasure.remind)
    assert unit(lambda: db.session.scalars(kinds).all()) == ["erasure_near"]


def test_the_phone_can_register_anew(app, client, unit, person, capsys):
    carry_out(app, person.id)
    assert unit(lambda: queries.volunteer_by_phone(PHONE)) is None
    client.post("/auth/codes", json={"phone": PHONE, "purpose": "access"})
    code = re.findall(r"code (\d{6})", capsys.readouterr().out)[-1]
    answer = client.post("/auth/register", json=registration(code, phone=PHONE))
    assert answer.status_code == 201, answer.json
    assert answer.json["volunteer"]["id"] != str(person.id)


def test_refresh_tokens_end_too(app, client, unit, capsys):
    client.post("/auth/codes", json={"phone": PHONE, "purpose": "access"})
    code = re.findall(r"code (\d{6})", capsys.readouterr().out)[-1]
    tokens = client.post("/auth/register", json=registration(code, phone=PHONE)).json
    carry_out(app, UUID(tokens["volunteer"]["id"]))
    answer = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert (answer.status_code, answer.json["code"]) == (401, "session_ended")


def test_no_table_names_the_person_any_more(app, unit):
    scene = unit(make_scene)
    volunteer_id = unit(lambda: furnish(scene))
    number = read(unit, volunteer_id).volunteer_number
    leader = make_volunteer()
    team = make_team(organization_id=scene.office_id, leader=leader)
    unit(lambda: invitations.join(team, by=Principal(volunteer_id=volunteer_id, session_id=ids.new_id())))
    assert NAME in unit(lambda: inbox(leader.id, {"limit": 1})).items[0].body
    sought = (NAME, PHONE, PHONE.removeprefix("+86"), "138****7777", RESIDENT_ID, number)
    before = unit(everything)
    assert [text for text in sought if text not in before] == [RESIDENT_ID]
    carry_out(app, volunteer_id)
    after = unit(lambda: everything(leave_out=("retained_names.name",)))
    assert [line for line in after.split("\n") if any(text in line for text in sought)] == []
    volunteer = read(unit, volunteer_id)
    assert (volunteer.name, volunteer.phone, volunteer.birth_date) == ("已注销用户", None, None)
    assert (volunteer.emergency_contact, volunteer.home_division, volunteer.erases_at) == (None, None, None)
    assert volunteer.erased_at is not None
    # What others were told of her names nobody either.
    assert "已注销用户" in unit(lambda: inbox(leader.id, {"limit": 1})).items[0].body
    for table in (DeviceSession, Password, ResidentId, Guardian, Notification):
        assert unit(lambda table=table: db.session.scalar(count_of(table, volunteer_id))) == 0, table
    assert unit(lambda: db.session.scalar(select(func.count()).select_from(SignInCode))) == 0


def count_of(table: Any, volunteer_id: UUID) -> Any:
    return select(func.count()).select_from(table).where(table.volunteer_id == volunteer_id)


def test_consents_are_withdrawn_and_kept_and_rights_end(app, unit):
    scene = unit(make_scene)
    volunteer_id = unit(lambda: furnish(scene))
    carry_out(app, volunteer_id)
    consents = unit(lambda: db.session.scalars(select(Consent).where(Consent.volunteer_id == volunteer_id)).all())
    assert [consent.kind for consent in consents if consent.withdrawn_at is not None] == ["ranking_name"]
    live = select(Grant).where(Grant.volunteer_id == volunteer_id, Grant.revoked_at.is_(None))
    assert unit(lambda: db.session.scalars(live).all()) == []
    states = select(Membership.state).where(Membership.volunteer_id == volunteer_id)
    assert unit(lambda: db.session.scalars(states).all()) == [MembershipState.LEFT]


def test_the_last_leader_and_the_only_administrator_are_no_exception(app, unit):
    scene = unit(make_scene)
    carry_out(app, scene.leader_id)
    carry_out(app, scene.administrator_id)
    assert read(unit, scene.leader_id).erased_at is not None
    assert read(unit, scene.administrator_id).erased_at is not None


def test_sums_stay(app, client, unit):
    scene = unit(make_scene)
    volunteer_id = unit(lambda: furnish(scene))
    reader = client.as_(scene.administrator_id)

    def sums() -> list[Any]:
        return [
            [(row["subject"]["id"], row["value"], row["rank"]) for row in answer["items"]] + [answer["scope"]]
            for subject in ("organization", "team", "station")
            for metric in METRICS
            for answer in [reader.get(f"/rankings?subject={subject}&metric={metric}&scope={scene.center_id}").json]
        ]

    before = sums()
    assert any(value for rows in before for _, value, _ in rows[:-1])
    carry_out(app, volunteer_id)
    assert sums() == before


def test_evidence_goes_and_minutes_stay(app, unit):
    scene = unit(make_scene)
    volunteer_id = unit(lambda: furnish(scene))
    carry_out(app, volunteer_id)
    mine = select(Attendance).where(Attendance.volunteer_id == volunteer_id).order_by(Attendance.credited_minutes)
    was_open, credited = unit(lambda: db.session.scalars(mine).all())
    assert (credited.state, credited.credited_minutes) == (State.CREDITED, 60)
    assert (was_open.state, was_open.held_minutes, was_open.checked_out_at) == (State.HELD, 0, was_open.checked_in_at)
    assert was_open.reasons == [Reason.WEAK_EVIDENCE]
    assert [row.check_in_evidence for row in (was_open, credited)] == [{}, {}]
    assert [row.check_out_evidence for row in (was_open, credited)] == [{}, {}]


def test_who_waits_gets_the_place(app, unit):
    def build() -> tuple[UUID, UUID, UUID]:
        activity = make_activity(capacity=1)
        leaving, waiting = make_volunteer().id, make_volunteer().id
        for volunteer_id in (leaving, waiting):
            sign_ups.sign_up(shift_id=activity.shift_id, volunteer_id=volunteer_id)
        return leaving, waiting, activity.shift_id

    leaving, waiting, shift_id = unit(build)
    carry_out(app, leaving)
    states = select(SignUp.volunteer_id, SignUp.state).where(SignUp.shift_id == shift_id)
    found = {row.volunteer_id: row.state for row in unit(lambda: db.session.execute(states).all())}
    assert found == {leaving: SignUpState.WITHDRAWN, waiting: SignUpState.CONFIRMED}


def test_stock_documents_keep_their_name_for_five_years(app, unit):
    depot = unit(make_depot)
    unit(lambda: setattr(db.session.get_one(Volunteer, depot.manager_id), "name", NAME))
    document = unit(lambda: move(depot, "receipt", {"item_id": make_item(), "quantity": 3}))
    carry_out(app, depot.manager_id)
    assert read(unit, depot.manager_id).name == "已注销用户"
    assert unit(lambda: stock.read_movement(document.id)).actor.name == NAME
    assert NAME not in unit(lambda: everything(leave_out=("retained_names.name",)))
    with clock.at(clock.now() + timedelta(days=365 * 5 - 2)):
        unit(forget_names)
    assert unit(lambda: stock.list_entries(depot.station_id, {})).items[0].actor.name == NAME
    with clock.at(clock.now() + timedelta(days=365 * 5 + 3)):
        unit(forget_names)
    assert unit(lambda: stock.read_movement(document.id)).actor.name == "已注销用户"


def test_no_name_is_kept_of_who_handled_no_stock(app, unit, person):
    carry_out(app, person.id)
    assert unit(lambda: db.session.scalar(select(func.count()).select_from(RetainedName))) == 0


def test_a_late_request_leaves_nothing_behind(app, unit, person):
    """A request that had begun before ends after: the next turn of the task looks again."""
    carry_out(app, person.id)
    unit(lambda: notify(volunteer_id=person.id, kind="membership_accepted", values={"team": NAME}, dedup_key="late"))
    unit(
        lambda: db.session.add(
            IdempotencyKey(owner_id=person.id, key="k", fingerprint=b"", status=200, headers={}, body=NAME.encode())
        )
    )
    with app.app_context():
        tasks.erase()
    assert NAME not in unit(everything)
    assert actions(unit, person.id) == ["erased"]
    unit(lambda: notify(volunteer_id=person.id, kind="membership_accepted", values={"team": NAME}, dedup_key="later"))
    run_task(app, "notifications.forget")
    assert NAME not in unit(everything)


def test_one_who_fails_holds_up_nobody(app, unit, person):
    other = unit(make_volunteer)
    unit(lambda: (plan(person.id), plan(other.id)))

    def refuse(event: VolunteerErased) -> None:
        if event.volunteer_id == person.id:
            raise RuntimeError("a fault of this test's")

    handlers = events._handlers[VolunteerErased]
    handlers.append(refuse)
    try:
        with app.app_context(), pytest.raises(tasks.ErasureFailed):
            tasks.erase()
    finally:
        handlers.remove(refuse)
    assert read(unit, person.id).name == NAME
    assert read(unit, other.id).erased_at is not None
    with app.app_context():
        tasks.erase()
    assert read(unit, person.id).erased_at is not None


def test_taking_back_and_execution_have_one_winner(postgresql_app, postgresql_unit, race):
    outcomes = set()
    for _ in range(12):
        volunteer = postgresql_unit(make_volunteer)
        postgresql_unit(lambda volunteer=volunteer: plan(volunteer.id))
        principal = Principal(volunteer_id=volunteer.id, session_id=ids.new_id())

        def act(number: int, volunteer_id: UUID = volunteer.id, principal: Principal = principal) -> object:
            if number % 2:
                return postgresql_unit(lambda: erasure.execute(volunteer_id))
            return postgresql_unit(lambda: erasure.take_back(principal))

        found = race(4, act)
        taken_back = [outcome for outcome in found[::2] if outcome is None]
        executed = [outcome for outcome in found[1::2] if outcome is True]
        assert len(taken_back) + len(executed) == 1, found
        refusal = SessionEnded if executed else NotRequested
        assert all(isinstance(outcome, refusal) for outcome in found[::2] if outcome is not None), found
        after = read(postgresql_unit, volunteer.id)
        assert (after.erased_at is not None) == bool(executed)
        assert (after.phone is None) == bool(executed)
        outcomes.add(bool(executed))


def test_a_sign_up_that_races_the_execution_does_not_last(postgresql_app, postgresql_unit, race):
    activity = postgresql_unit(make_activity)
    for _ in range(6):
        volunteer = postgresql_unit(make_volunteer)
        postgresql_unit(lambda volunteer=volunteer: plan(volunteer.id))

        def act(number: int, volunteer_id: UUID = volunteer.id) -> object:
            if number:
                return postgresql_unit(lambda: erasure.execute(volunteer_id))
            return postgresql_unit(lambda: sign_ups.sign_up(shift_id=activity.shift_id, volunteer_id=volunteer_id))

        race(2, act)
    with postgresql_app.app_context():
        tasks.erase()
    states = select(SignUp.state).where(SignUp.shift_id == activity.shift_id)
    assert set(postgresql_unit(lambda: db.session.scalars(states).all())) <= {SignUpState.WITHDRAWN}


def test_old_sessions_and_notifications_are_forgotten(app, unit, person):
    now = clock.now()

    def build() -> None:
        for days, ended in ((181, True), (179, True), (400, False), (10, False)):
            moment = now - timedelta(days=days)
            db.session.add(
                DeviceSession(
                    volunteer_id=person.id,
                    device_id=str(days),
                    device_name="手机",
                    platform="android",
                    last_used_at=moment,
                    expires_at=moment + timedelta(days=60),
                    ended_at=moment if ended else None,
                )
            )
        for days in (364, 366):
            with clock.at(now - timedelta(days=days)):
                notify(volunteer_id=person.id, kind="membership_accepted", values={"team": "队"}, dedup_key=str(days))

    unit(build)
    run_task(app, "accounts.forget_sessions")
    run_task(app, "notifications.forget")
    left = select(DeviceSession.device_id).where(DeviceSession.volunteer_id == person.id)
    assert set(unit(lambda: db.session.scalars(left).all())) == {"179", "10"}
    kept = select(Notification.dedup_key).where(Notification.volunteer_id == person.id)
    assert unit(lambda: db.session.scalars(kept).all()) == ["364"]
