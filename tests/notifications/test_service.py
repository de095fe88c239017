"""Notifying once and delivering once."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from tests.factories import make_volunteer
from volunteer_api.core import clock
from volunteer_api.core.database import db, sqlite_driver
from volunteer_api.core.tasks import run_task
from volunteer_api.notifications import queries, service, tasks
from volunteer_api.notifications.models import Notification, NotificationKind
from volunteer_api.notifications.templates import TEMPLATES


class Postbox:
    """A channel that remembers what it was given, and fails as often as it is told to."""

    def __init__(self, failures=0):
        self.sent = []
        self.failures = failures

    def send(self, delivery):
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the gateway is away")
        self.sent.append(delivery.notification_id)


def notify(volunteer, key="a", kind="membership_accepted", values=None):
    service.notify(
        volunteer_id=volunteer.id,
        kind=kind,
        values=values if values is not None else {"team": "鹰城大妈"},
        dedup_key=key,
    )


@pytest.fixture
def deliver(request):
    """`deliver(postbox)`: what the task does, through another channel."""
    name = "app" if "app" in request.fixturenames else "postgresql_app"
    app = request.getfixturevalue(name)

    def run(channel):
        with app.app_context():
            return tasks.deliver_through(channel)

    return run


def only_row(unit):
    return unit(lambda: db.session.scalars(select(Notification)).one())


def test_the_same_key_notifies_once(unit):
    reader = unit(make_volunteer)
    for _ in range(3):
        unit(lambda: notify(reader))
    assert unit(lambda: queries.unread_count(reader.id)) == 1


def test_what_is_not_committed_is_not_heard_of(unit, deliver):
    reader = unit(make_volunteer)

    def fail():
        notify(reader)
        raise RuntimeError("the unit fails")

    with pytest.raises(RuntimeError):
        unit(fail)
    assert unit(lambda: queries.unread_count(reader.id)) == 0
    assert deliver(Postbox()) == 0


def test_a_missing_value_and_an_unknown_kind_are_found_where_they_are_written(unit):
    reader = unit(make_volunteer)
    with pytest.raises(KeyError):
        unit(lambda: notify(reader, values={}))
    with pytest.raises(KeyError, match="gossip"):
        unit(lambda: notify(reader, kind="gossip"))


def test_each_is_delivered_once(unit, deliver):
    reader = unit(make_volunteer)
    for key in "abc":
        unit(lambda key=key: notify(reader, key))
    postbox = Postbox()
    assert [deliver(postbox) for _ in range(3)] == [3, 0, 0]
    assert len(set(postbox.sent)) == 3


def test_a_failure_is_tried_again_with_growing_delay(unit, deliver):
    reader = unit(make_volunteer)
    start = clock.now()
    with clock.at(start):
        unit(lambda: notify(reader))
        postbox = Postbox(failures=2)
        assert deliver(postbox) == 0
        assert deliver(postbox) == 0
    row = only_row(unit)
    assert (row.attempts, row.sent_at, row.next_attempt_at) == (1, None, start + timedelta(minutes=1))
    with clock.at(start + timedelta(minutes=1)):
        assert deliver(postbox) == 0
    assert only_row(unit).next_attempt_at == start + timedelta(minutes=3)
    with clock.at(start + timedelta(minutes=3)):
        assert deliver(postbox) == 1
    row = only_row(unit)
    assert (row.attempts, row.sent_at, row.next_attempt_at) == (3, start + timedelta(minutes=3), None)


def test_one_that_always_fails_is_given_up_and_holds_nobody_up(unit, deliver):
    reader = unit(make_volunteer)
    unit(lambda: notify(reader))
    moment = clock.now()
    for _ in range(service.MAX_ATTEMPTS):
        moment += service.LONGEST_DELAY
        with clock.at(moment):
            assert deliver(Postbox(failures=1)) == 0
    row = only_row(unit)
    assert (row.attempts, row.sent_at, row.next_attempt_at) == (service.MAX_ATTEMPTS, None, None)


def test_the_worker_delivers(app, unit):
    reader = unit(make_volunteer)
    unit(lambda: notify(reader))
    run_task(app, service.DELIVER)
    assert only_row(unit).sent_at is not None


@pytest.mark.parametrize("fails_at", [{1, 2}, {2, 3}], ids=["claiming", "recording"])
@pytest.mark.both_databases
def test_a_commit_that_is_run_again_sends_nothing_again(app, unit, deliver, monkeypatch, fails_at):
    reader = unit(make_volunteer)
    unit(lambda: notify(reader))
    commit, commits = db.session.commit, []

    def locked():
        commits.append(len(commits) + 1)
        if commits[-1] in fails_at:
            raise OperationalError("COMMIT", None, sqlite_driver.OperationalError("database is locked"))
        commit()

    postbox = Postbox()
    with monkeypatch.context() as patch:
        patch.setattr(db.session, "commit", locked)
        assert deliver(postbox) == 1
    assert len(commits) > max(fails_at)
    assert len(postbox.sent) == 1
    assert (only_row(unit).attempts, only_row(unit).next_attempt_at) == (1, None)


def test_a_channel_is_called_with_nothing_locked(app, unit, deliver):
    reader = unit(make_volunteer)
    unit(lambda: notify(reader))

    class Writer(Postbox):
        def send(self, delivery):
            # Another thread, for the session belongs to one: on SQLite it waits as long as somebody else writes.
            with ThreadPoolExecutor() as pool:
                pool.submit(unit, lambda: notify(reader, "meanwhile")).result(timeout=5)
            super().send(delivery)

    postbox = Writer()
    assert deliver(postbox) == 2
    assert len(set(postbox.sent)) == 2


def test_a_killed_worker_loses_nothing(app, unit, deliver):
    reader = unit(make_volunteer)
    unit(lambda: notify(reader))
    assert len(unit(service.claim_due)) == 1
    postbox = Postbox()
    assert deliver(postbox) == 0
    with clock.at(clock.now() + timedelta(minutes=2)):
        assert deliver(postbox) == 1


def test_what_is_left_when_the_claim_runs_out_waits_for_the_next(app, unit):
    reader = unit(make_volunteer)
    for key in "ab":
        unit(lambda key=key: notify(reader, key))
    claimed = unit(service.claim_due)
    start = clock.now()
    moments = iter([start, start, start + service.CLAIM_IS_SAFE])
    with pytest.MonkeyPatch.context() as patch, app.app_context():
        patch.setattr(clock, "now", lambda: next(moments, start + service.CLAIM_IS_SAFE))
        assert service.send(claimed, Postbox()) == ([claimed[0].notification_id], [])


def test_two_workers_never_send_the_same(postgresql_app, postgresql_unit, race, deliver):
    reader = postgresql_unit(make_volunteer)
    for number in range(40):
        postgresql_unit(lambda number=number: notify(reader, f"key-{number}"))
    postbox = Postbox()
    outcomes = race(6, lambda _number: deliver(postbox))
    assert sum(outcomes) == 40
    assert len(postbox.sent) == len(set(postbox.sent)) == 40


def test_parallel_twins_notify_once(postgresql_app, postgresql_unit, race):
    reader = postgresql_unit(make_volunteer)
    outcomes = race(6, lambda _number: postgresql_unit(lambda: notify(reader, "twin")))
    assert outcomes == [None] * 6
    assert postgresql_unit(lambda: queries.unread_count(reader.id)) == 1


def test_every_kind_says_something():
    assert set(TEMPLATES) >= set(NotificationKind)
    # These are of one's own account, and need no name of anything.
    unfilled = [kind for kind, template in TEMPLATES.items() if not re.findall(r"%\((\w+)\)s", template.body)]
    assert sorted(unfilled) == [
        "calendar_feed_opened",
        "erasure_taken_back",
        "guardian_withdrew",
        "password_changed",
        "token_reused",
    ]


def test_a_notification_needs_somebody(unit):
    with pytest.raises(Exception, match=r"conflict|foreign|FOREIGN"):
        unit(
            lambda: service.notify(
                volunteer_id=uuid4(), kind="membership_accepted", values={"team": "x"}, dedup_key="k"
            )
        )
