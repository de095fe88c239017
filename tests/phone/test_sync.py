"""`GET /sync`: what a phone gets of its owner's rows, by parts, late, and what it can't go on from."""

import gzip
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, insert, select, text, update

from tests.activities.factories import make_activity, make_scene
from tests.factories import make_volunteer, next_number
from tests.loans.factories import bring_back, lend, make_desk
from tests.phone.copy import Copy
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.tasks import run_task
from volunteer_api.notifications import service as outbox
from volunteer_api.notifications.models import Notification
from volunteer_api.notifications.queries import unread_count
from volunteer_api.notifications.service import mark_read, notify
from volunteer_api.phone import changes
from volunteer_api.phone.models import SyncChange, SyncType
from volunteer_api.phone.states import State, sealed
from volunteer_api.sign_ups import service as sign_ups
from volunteer_api.teams.service import add_member

# The look-up of the session, the position, what changed, and of the types below one each; profile has four.
STATEMENTS = 3 + 4
MOST_BYTES = 10_000


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


def test_rows_have_the_form_of_their_lists(client: Any, unit: Any) -> None:
    def prepare() -> Any:
        scene, desk = make_scene(), make_desk()
        made = make_activity(scene=scene, starts_at=clock.now() + timedelta(hours=2))
        sign_ups.sign_up(shift_id=made.shift_id, volunteer_id=scene.leader_id)
        lend(desk, borrower={"volunteer_id": scene.leader_id})
        values = {"minutes": "60", "activity": "清洁家园"}
        notify(volunteer_id=scene.leader_id, kind="hours_credited", values=values, dedup_key="a test's")
        return scene.leader_id

    phone = client.as_(unit(prepare))
    copy = Copy(phone)
    copy.sync()
    for kind, path in (("sign_ups", "sign-ups"), ("notifications",) * 2, ("memberships",) * 2, ("loans",) * 2):
        listed = phone.get(f"/me/{path}").get_json()["items"]
        assert len(listed) > 0, kind
        assert copy.rows[kind] == {row["id"]: row for row in listed}


def test_a_loan_is_told_until_it_is_back(client: Any, unit: Any, me: Volunteer) -> None:
    desk = unit(make_desk)
    loan = unit(lambda: lend(desk, borrower={"volunteer_id": me.id}))
    copy = Copy(client.as_(me), types="loans")
    copy.sync()
    unit(lambda: bring_back(desk, loan.id))
    copy.sync()
    assert [(row["state"], row["returned"]) for row in copy.of("loans")] == [("closed", 1)]


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
    claimed = unit(outbox.claim_due)
    unit(lambda: outbox.settle([delivery.notification_id for delivery in claimed], []))
    copy.sync()
    assert copy.told == 0


def test_what_changes_often_comes_once(client: Any, unit: Any, me: Volunteer) -> None:
    copy = Copy(client.as_(me), types="profile")
    copy.sync()
    for number in range(3):
        unit(lambda: setattr(db.session.get_one(Volunteer, me.id), "skills", [f"急救{number}"]))  # noqa: B023
    copy.sync()
    assert copy.told == 1
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


def test_what_is_committed_late_is_told_later(client: Any, postgresql_app: Flask) -> None:
    """A transaction that began before others, and ends after a phone was answered that had theirs."""
    me = make_volunteer()
    copy = Copy(client.as_(me), types="notifications")
    with postgresql_app.app_context(), db.engine.connect() as late:
        late.execute(insert(Notification).values(**notification(me)))
        with db.engine.connect() as early:
            early.execute(insert(Notification).values(**notification(me)))
            early.commit()
        copy.sync()
        assert len(copy.of("notifications")) == 1
        late.commit()
    copy.sync()
    assert len(copy.of("notifications")) == 2
    copy.sync()
    assert copy.told == 0


def notification(owner: Volunteer) -> dict[str, Any]:
    """The columns of one."""
    values = {"minutes": "60", "activity": "清洁家园"}
    return {"volunteer_id": owner.id, "kind": "hours_credited", "values": values, "dedup_key": str(ids.new_id())}


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Any:
    """Phones of the test's application."""
    from tests.conftest import ApiClient  # noqa: PLC0415

    name = "postgresql_app" if "postgresql_app" in request.fixturenames else "app"
    return ApiClient(request.getfixturevalue(name))


def test_a_day_away_is_one_small_answer(client: Any, unit: Any, statements: Callable[[], Any]) -> None:
    scene = unit(make_scene)
    me = unit(lambda: db.session.get_one(Volunteer, scene.member_id))
    start = clock.now() + timedelta(hours=1)
    shifts = [{"starts_at": start + timedelta(hours=2 * n), "ends_at": start + timedelta(hours=2 * n + 1)} for n in range(14)]
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
    assert not copy.take(answer.json or __import__("json").loads(gzip.decompress(answer.get_data())))
    assert copy.told >= 30
