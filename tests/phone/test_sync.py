"""`GET /sync`: what a phone gets of its owner's rows, by parts, late, and what it can't go on from."""

import dataclasses
import gzip
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from flask import Flask
from sqlalchemy import delete, event, func, insert, select, text, update

from tests.activities.factories import make_activity, make_scene
from tests.factories import current_app_is, make_volunteer, next_number
from tests.loans.factories import bring_back, lend, make_desk
from tests.phone.copy import Copy
from tests.servers import Databases, close, make_settings
from volunteer_api.accounts.models import Volunteer
from volunteer_api.app import create_app
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.tasks import run_task
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.loans.models import Loan
from volunteer_api.notifications.handing_over import hand_over
from volunteer_api.notifications.models import Notification
from volunteer_api.notifications.service import mark_read, notify
from volunteer_api.phone import changes
from volunteer_api.phone.models import SyncChange, SyncEpoch, SyncType
from volunteer_api.phone.states import State, opened, sealed
from volunteer_api.sign_ups import service as sign_ups
from volunteer_api.teams.service import add_member

pytestmark = pytest.mark.both_databases

# The look-up of the session, the position, what changed, and one for sign-ups and one for notifications.
STATEMENTS = 5
MOST_BYTES = 10_000
# Three thousand rows, as SQLite makes them.
SERIES = (
    "(WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < 3000) SELECT n FROM series)"
)


def hear(volunteer: Any, count: int = 1) -> None:
    """Notifications to a volunteer."""
    for _ in range(count):
        values = {"minutes": "60", "activity": f"百万市民清洁家园大行动{next_number()}"}
        notify(volunteer_id=volunteer.id, kind="hours_credited", values=values, dedup_key=f"{next_number()}")


@pytest.fixture
def me(app: Flask) -> Volunteer:
    return make_volunteer()


def test_a_newcomer_has_only_herself(client: Any, me: Volunteer) -> None:
    copy = Copy(client.as_(me))
    copy.sync()
    assert copy.all() == {"profile": {str(me.id): client.as_(me).get("/me").get_json()}}
    copy.sync()
    assert copy.told == 0


def test_a_loan_is_told_until_its_borrower_is_forgotten(client: Any, unit: Any, me: Volunteer) -> None:
    desk = unit(make_desk)
    loan = unit(lambda: lend(desk, borrower={"volunteer_id": me.id}))
    copy = Copy(client.as_(me), types="loans")
    copy.sync()
    unit(lambda: bring_back(desk, loan.id))
    copy.sync()
    assert [(row["state"], row["returned"]) for row in copy.of("loans")] == [("closed", 1)]
    unit(lambda: db.session.execute(update(Loan).values(volunteer_id=None, forgotten_at=clock.now())))
    copy.sync()
    assert copy.of("loans") == []


def test_what_is_old_is_left_out_until_it_changes(client: Any, unit: Any, me: Volunteer) -> None:
    with clock.at(clock.now() - timedelta(days=31)):
        unit(lambda: hear(me))
    copy = Copy(client.as_(me), types="notifications,attendances")
    copy.sync()
    assert copy.all() == {}
    unit(lambda: mark_read(me.id, until=clock.now()))
    copy.sync()
    assert [row["read_at"] is None for row in copy.of("notifications")] == [False]


def test_nothing_of_others_is_told(client: Any, unit: Any, me: Volunteer) -> None:
    scene = unit(make_scene)
    made = unit(lambda: make_activity(scene=scene, starts_at=clock.now() + timedelta(hours=2), capacity=1))
    copy = Copy(client.as_(me))
    copy.sync()
    unit(lambda: sign_ups.sign_up(shift_id=made.shift_id, volunteer_id=scene.outsider_id))
    unit(lambda: add_member(team_id=scene.team_id, volunteer_id=scene.outsider_id))
    unit(lambda: hear(make_volunteer()))
    copy.sync()
    assert copy.told == 0


def test_sending_a_notification_is_no_change(client: Any, unit: Any, me: Volunteer) -> None:
    unit(lambda: hear(me))
    copy = Copy(client.as_(me))
    copy.sync()
    assert unit(hand_over)
    copy.sync()
    assert copy.told == 0


def test_what_changes_often_comes_once(client: Any, unit: Any, me: Volunteer) -> None:
    copy = Copy(client.as_(me), types="profile")
    copy.sync()
    for number in range(3):
        unit(lambda: setattr(db.session.get_one(Volunteer, me.id), "skills", [f"急救{number}"]))  # noqa: B023
    copy.sync(limit=1)
    assert (copy.told, copy.answers) == (1, 1)
    assert [row["skills"] for row in copy.of("profile")] == [["急救2"]]


def test_parts_follow_each_other(client: Any, unit: Any, me: Volunteer) -> None:
    unit(lambda: hear(me, 3))
    copy = Copy(client.as_(me), types="notifications")
    copy.sync(limit=2, pages=1)
    assert len(copy.of("notifications")) == 2
    unit(lambda: mark_read(me.id, until=clock.now()))
    copy.sync(limit=2)
    # The third as it is now; what changed of the first two comes with the next question.
    assert sorted(row["read_at"] is None for row in copy.of("notifications")) == [False, True, True]
    copy.sync(limit=2)
    assert (copy.told, [row["read_at"] is None for row in copy.of("notifications")]) == (3, [False] * 3)


def test_what_is_committed_late_is_told_later(postgresql_client: Any, postgresql_app: Flask) -> None:
    """A transaction that began before others, and ends after a phone was answered that had theirs."""
    me = make_volunteer()
    copy = Copy(postgresql_client.as_(me), types="notifications")
    with postgresql_app.app_context(), db.engine.connect() as late:
        late.execute(insert(Notification).values(**notification(me)))
        with db.engine.connect() as early:
            early.execute(insert(Notification).values(**notification(me)))
            early.commit()
        copy.sync(waits=False)
        assert len(copy.of("notifications")) == 1
        late.commit()
    copy.sync()
    assert len(copy.of("notifications")) == 2
    copy.sync()
    assert copy.told == 0


def test_what_is_committed_while_an_answer_is_made_is_told_later(postgresql_client: Any, postgresql_app: Flask) -> None:
    me = make_volunteer()
    copy = Copy(postgresql_client.as_(me), types="notifications")
    copy.sync()
    with postgresql_app.app_context():
        engine = db.engine
    written: list[str] = []

    def write(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "FROM sync_changes" in statement and not written:
            written.append(statement)
            with engine.connect() as other:
                other.execute(insert(Notification).values(**notification(me)))
                other.commit()

    event.listen(engine, "after_cursor_execute", write)
    try:
        copy.sync()
    finally:
        event.remove(engine, "after_cursor_execute", write)
    assert copy.told == 0
    copy.sync()
    assert copy.told == 1


def notification(owner: Volunteer) -> dict[str, Any]:
    """The columns of one."""
    values = {"minutes": "60", "activity": "清洁家园"}
    return {"volunteer_id": owner.id, "kind": "hours_credited", "values": values, "dedup_key": str(ids.new_id())}


def test_a_day_away_is_one_small_answer(client: Any, unit: Any, statements: Callable[[], Any]) -> None:
    scene = unit(make_scene)
    me = unit(lambda: db.session.get_one(Volunteer, scene.member_id))
    start = clock.now() + timedelta(hours=1)
    times = [(start + timedelta(hours=2 * number), start + timedelta(hours=2 * number + 1)) for number in range(14)]
    shifts = [{"starts_at": starts_at, "ends_at": ends_at} for starts_at, ends_at in times]
    made = unit(lambda: make_activity(scene=scene, shifts=shifts))
    copy = Copy(client.as_(me))
    copy.sync()

    def day() -> None:
        for shift_id in made.shift_ids:
            sign_ups.sign_up(shift_id=shift_id, volunteer_id=me.id)
        hear(me, 16)

    unit(day)
    with statements() as seen:
        answer = copy.client.get(f"/sync?since={copy.state}", headers={"Accept-Encoding": "gzip"})
    assert len(seen) <= STATEMENTS, "\n".join(seen)
    assert len(answer.get_data()) <= MOST_BYTES
    assert not copy.take(orjson.loads(gzip.decompress(answer.get_data())))
    assert copy.told >= 30


def test_a_state_is_its_owners_for_the_same_types_and_language(client: Any, me: Volunteer) -> None:
    phone = client.as_(me)
    state = phone.get("/sync").get_json()["state"]
    of_some = phone.get("/sync?types=grants").get_json()["state"]
    assert phone.get(f"/sync?since={state}").status_code == 200
    assert phone.get(f"/sync?since={of_some}&types=grants").status_code == 200
    for asking, query, headers in (
        (client.as_(make_volunteer()), f"since={state}", {}),
        (phone, f"since={state}&types=grants", {}),
        (phone, f"since={of_some}", {}),
        (phone, f"since={state}", {"Accept-Language": "en"}),
        (phone, f"since={state[:-1]}", {}),
        (phone, "since=0", {}),
    ):
        answer = asking.get(f"/sync?{query}", headers={"Accept-Language": "zh-CN"} | headers)
        assert (answer.status_code, answer.get_json()["code"]) == (400, "sync_state_invalid")


def test_a_state_is_good_for_thirty_days(client: Any, me: Volunteer) -> None:
    phone = client.as_(me)
    copy, now = Copy(phone), clock.now()
    with clock.at(now):
        copy.sync()
    with clock.at(now + timedelta(days=30)):
        copy.client = client.as_(me)
        assert copy.ask().status_code == 200
    with clock.at(now + timedelta(days=30, minutes=1)):
        copy.client = client.as_(me)
        answer = copy.ask()
    assert (answer.status_code, answer.get_json()["code"]) == (410, "state_too_old")


def test_a_restored_database_goes_on_from_no_state(client: Any, unit: Any, me: Volunteer) -> None:
    copy = Copy(client.as_(me))
    copy.sync()
    unit(lambda: hear(me))
    unit(changes.begin_anew)
    assert unit(lambda: number_of_changes(me)) == 0
    answer = copy.ask()
    assert answer.status_code == 410
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    copy.state = None
    copy.sync()
    assert copy.ask().status_code == 200


def test_a_state_of_a_future_that_was_taken_back_is_refused(client: Any, app: Flask, me: Volunteer) -> None:
    copy = Copy(client.as_(me))
    copy.sync()
    alter(app, me, copy, lambda state: {"position": state.position + 1_000_000})
    assert copy.ask().status_code == 410


def test_a_copy_of_a_release_that_knew_fewer_types_is_begun_anew(client: Any, app: Flask, me: Volunteer) -> None:
    copy = Copy(client.as_(me))
    copy.sync()
    fewer = len(SyncType) - 1
    alter(app, me, copy, lambda state: {"epoch": f"{state.epoch.rpartition('/')[0]}/{fewer}"})
    assert copy.ask().status_code == 410


def alter(app: Flask, owner: Volunteer, copy: Copy, change: Callable[[State], dict[str, Any]]) -> None:
    """Let the copy, of all types, have another state."""
    bound = owner.id, "", "zh-CN"
    with app.app_context():
        state = opened(str(copy.state), *bound)
        copy.state = sealed(dataclasses.replace(state, **change(state)), *bound)


def test_a_database_that_was_copied_by_other_hands_is_another(postgresql_app: Flask, databases: Databases) -> None:
    here = postgresql_state(postgresql_app)
    copied = create_app(make_settings(databases.postgresql(), databases.own))
    with current_app_is(copied), copied.app_context():
        name = here.epoch.partition("/")[0]
        run_unit(lambda: db.session.execute(update(SyncEpoch).values(name=name)), writes=True)
    there = postgresql_state(copied)
    close(copied)
    assert here.epoch.partition("/")[0] == there.epoch.partition("/")[0]
    assert here.epoch != there.epoch


def postgresql_state(app: Flask) -> State:
    with app.app_context():
        return changes.present_state()


@pytest.mark.parametrize(
    ("query", "pointer"),
    [("types=sign_ups,dreams", "/types/1"), ("limit=0", "/limit"), ("limit=101", "/limit")],
)
def test_what_is_asked_wrongly_is_named(client: Any, me: Volunteer, query: str, pointer: str) -> None:
    answer = client.as_(me).get(f"/sync?{query}")
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["pointer"] == pointer


def test_the_log_is_kept_as_long_as_a_state_is_good(app: Flask, unit: Any, me: Volunteer) -> None:
    unit(lambda: hear(me, 2))
    unit(lambda: db.session.execute(update(SyncChange).values(changed_at=clock.now() - timedelta(days=32))))
    unit(lambda: hear(me))
    run_task(app, "phone.forget_changes")
    assert unit(lambda: number_of_changes(me)) == 1


def test_one_wrong_moment_keeps_nothing_older_than_it(app: Flask, unit: Any, me: Volunteer) -> None:
    def note(days: int) -> None:
        hear(me)
        newest = select(func.max(SyncChange.id)).scalar_subquery()
        moment = clock.now() + timedelta(days=days)
        db.session.execute(update(SyncChange).where(SyncChange.id == newest).values(changed_at=moment))

    for days in (30, -33, -32):
        unit(lambda: note(days))  # noqa: B023
    assert unit(changes.forget_old) >= 3
    assert unit(changes.forget_old) == 0
    assert unit(lambda: number_of_changes(me)) == 0


@pytest.mark.both_databases
@pytest.mark.parametrize("pages", [0, 1], ids=["late", "in parts"])
def test_what_was_forgotten_is_asked_for_in_vain(client: Any, app: Flask, unit: Any, me: Volunteer, pages: int) -> None:
    """Whatever clocks said, and however long ago the first part of the answer was."""
    copy = Copy(client.as_(me), types="notifications")
    copy.sync()
    unit(lambda: hear(me, 3))
    copy.sync(limit=1, pages=pages)
    unit(lambda: db.session.execute(update(SyncChange).values(changed_at=clock.now() - timedelta(days=32))))
    run_task(app, "phone.forget_changes")
    answer = copy.ask()
    assert (answer.status_code, answer.get_json()["code"]) == (410, "state_too_old")
    assert "Retry-After" not in answer.headers
    copy.state = None
    copy.sync()
    assert (len(copy.of("notifications")), copy.ask().status_code) == (3, 200)


def test_numbers_of_the_log_are_never_given_again(client: Any, unit: Any, me: Volunteer) -> None:
    """On SQLite, where they are positions, a state would take a new change for one that it knows."""
    unit(lambda: hear(me))
    copy = Copy(client.as_(me), types="notifications")
    copy.sync()
    unit(lambda: db.session.execute(delete(SyncChange)))
    unit(lambda: hear(me))
    copy.sync()
    assert len(copy.of("notifications")) == 2


def number_of_changes(volunteer: Volunteer) -> int:
    counted = select(func.count()).select_from(SyncChange).where(SyncChange.volunteer_id == volunteer.id)
    return db.session.scalars(counted).one()


def test_changes_are_found_by_indexes(app: Flask, unit: Any, me: Volunteer) -> None:
    def explain() -> str:
        sqlite = db.engine.dialect.name == "sqlite"
        new_id, numbers = (
            ("lower(hex(randomblob(16)))", SERIES) if sqlite else ("gen_random_uuid()", "generate_series(1, 3000)")
        )
        for whose in ("volunteer_id, row_id", "shown_id"):
            values = ", ".join([new_id] * len(whose.split(",")))
            db.session.execute(
                text(
                    f"INSERT INTO sync_changes (xid, type, changed_at, {whose})"
                    f" SELECT 0, 2, CURRENT_TIMESTAMP, {values} FROM {numbers}"
                )
            )
        db.session.execute(text("ANALYZE sync_changes"))
        statement = changes.changed(me.id, SyncType, 0, None).limit(101)
        told = str(statement.compile(db.engine, compile_kwargs={"literal_binds": True})).replace(":", r"\:")
        prefix = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN "
        return "\n".join(str(row) for row in db.session.execute(text(prefix + told)))

    plan = unit(explain)
    assert not re.search(r"(Seq Scan on|SCAN) sync_changes", plan), plan
    for column in ("volunteer_id", "shown_id"):
        assert re.search(rf"ix_sync_changes_{column}_xid.*\n?.*\({column} ?=", plan), plan
