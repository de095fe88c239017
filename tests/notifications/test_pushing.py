"""From the inbox to the phones: once to each, in time, and none held up by another."""

from concurrent.futures import ThreadPoolExecutor
from datetime import time, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from tests.factories import make_volunteer
from tests.notifications.factories import Postbox, make_phone
from volunteer_api.accounts import sessions
from volunteer_api.accounts.events import PasswordChanged
from volunteer_api.core import clock, events, keyring
from volunteer_api.core.database import db, sqlite_driver
from volunteer_api.core.tasks import run_task
from volunteer_api.notifications import handing_over, preferences, pushing, service, subscriptions, tasks
from volunteer_api.notifications.groups import SWITCHABLE
from volunteer_api.notifications.models import Notification, Push, PushSubscription
from volunteer_api.notifications.providers import EXTENSION
from volunteer_api.notifications.providers.base import Blame, Gone, NotTaken, ProviderName
from volunteer_api.notifications.templates import TEMPLATES


@pytest.fixture(autouse=True)
def noon(request):
    """The local noon of today: outside of everybody's quiet hours."""
    name = "app" if "app" in request.fixturenames else "postgresql_app"
    with request.getfixturevalue(name).app_context():
        moment = clock.at_local(clock.today(), time(12))
    with clock.at(moment):
        yield moment


@pytest.fixture
def postbox(request):
    """All pushes go there."""
    app = request.getfixturevalue("app" if "app" in request.fixturenames else "postgresql_app")
    before = app.extensions[EXTENSION]
    made = Postbox()
    app.extensions[EXTENSION] = {ProviderName.CONSOLE: made}
    yield made
    app.extensions[EXTENSION] = before


@pytest.fixture
def reader(unit, postbox):
    return unit(make_volunteer)


def tell(unit, reader, key="a", kind="activity_canceled", **more):
    values = {"activity": "清洁湛河", "reason": "下雨", "activity_id": "0190"} | more.pop("values", {})
    unit(lambda: service.notify(volunteer_id=reader.id, kind=kind, values=values, dedup_key=key, **more))


def deliver(app):
    with app.app_context():
        tasks.deliver()


def subscribed(unit):
    return unit(lambda: db.session.scalars(select(PushSubscription)).all())


def waiting(unit):
    return unit(lambda: db.session.scalars(select(Push).order_by(Push.session_id)).all())


def test_news_reaches_every_phone_in_its_language(app, unit, reader, postbox, noon):
    make_phone(reader, "north-1")
    make_phone(reader, "north-2", language="en")
    make_phone(unit(make_volunteer), "north-3")
    tell(unit, reader)
    run_task(app, service.DELIVER)
    assert postbox.tokens == ["north-1", "north-2"]
    texts = {token: (message.title, message.body) for token, message in postbox.sent}
    assert texts["north-2"] == ("Activity canceled", "清洁湛河 is canceled: 下雨")
    assert "取消" in texts["north-1"][0]
    message = postbox.sent[0][1]
    row = unit(lambda: db.session.scalars(select(Notification)).one())
    assert (message.notification_id, message.kind, message.ids) == (row.id, row.kind, {"activity_id": "0190"})
    assert message.seconds == 3 * 86400
    assert (row.sent_at, row.next_attempt_at, waiting(unit)) == (noon, None, [])


@pytest.mark.either_database
def test_each_is_pushed_once(app, unit, reader, postbox):
    make_phone(reader, "north-1")
    for key in "abc":
        tell(unit, reader, key)
    for _ in range(3):
        deliver(app)
    assert len({message.notification_id for _, message in postbox.sent}) == len(postbox.sent) == 3


def test_a_kind_of_a_release_beside_this_one_holds_up_nothing(app, unit, reader, postbox, monkeypatch):
    make_phone(reader, "north-1")
    with monkeypatch.context() as patch:
        patch.setitem(TEMPLATES, "of_tomorrow", TEMPLATES["password_changed"])
        for key in "ab":
            tell(unit, reader, key, kind="of_tomorrow")
            if key == "a":
                unit(handing_over.hand_over)
    tell(unit, reader, "c")
    deliver(app)
    assert [message.kind for _, message in postbox.sent] == ["activity_canceled"]


def test_who_has_no_phone_has_the_inbox(app, unit, reader, postbox):
    tell(unit, reader)
    deliver(app)
    make_phone(reader, "north-1")
    deliver(app)
    row = unit(lambda: db.session.scalars(select(Notification)).one())
    assert (postbox.sent, row.sent_at, row.next_attempt_at) == ([], None, None)


@pytest.mark.parametrize("on_the_way", [True, False])
def test_who_reads_on_the_way_reads_no_name(app, unit, reader, postbox, on_the_way):
    postbox.is_read_on_the_way = on_the_way
    make_phone(reader, "north-1", language="en")
    person = unit(lambda: make_volunteer(name="王秀英"))
    tell(unit, reader, kind="sign_up_accepted", values={"person_id": str(person.id)})
    deliver(app)
    message = postbox.sent[0][1]
    assert message.body == f"{'A volunteer' if on_the_way else '王秀英'} takes part in 清洁湛河."
    assert message.ids == {"activity_id": "0190"}


@pytest.mark.either_database
def test_nobody_has_more_than_ten_phones(app, unit, reader, postbox, noon, monkeypatch):
    monkeypatch.setattr(handing_over, "MOST_DEVICES", 2)
    for number in range(3):
        with clock.at(noon + timedelta(seconds=number)):
            make_phone(reader, f"north-{number}")
    tell(unit, reader)
    deliver(app)
    assert postbox.tokens == ["north-1", "north-2"]


@pytest.mark.either_database
def test_long_texts_are_cut(app, unit, reader, postbox):
    make_phone(reader, "north-1")
    tell(unit, reader, values={"reason": "雨" * 1000})
    deliver(app)
    assert len(postbox.sent[0][1].body) == pushing.BODY_CHARACTERS


def test_what_one_phone_got_is_not_sent_again_for_another(app, unit, reader, postbox, noon):
    for token in ("north-1", "north-2"):
        make_phone(reader, token)
    tell(unit, reader)
    postbox.fails = lambda token: NotTaken("away") if token == "north-2" else None
    deliver(app)
    assert postbox.tokens == ["north-1"]
    assert [(push.attempts, push.next_attempt_at) for push in waiting(unit)] == [(1, noon + timedelta(minutes=1))]
    with clock.at(noon + timedelta(minutes=1)):
        deliver(app)
    assert waiting(unit)[0].next_attempt_at == noon + timedelta(minutes=3)
    postbox.fails = lambda _token: None
    with clock.at(noon + timedelta(minutes=3)):
        deliver(app)
    assert (postbox.tokens, waiting(unit)) == (["north-1", "north-2"], [])


def test_a_service_is_left_alone_as_long_as_it_asks(app, unit, reader, postbox, noon):
    """With what is told meanwhile too, to whomever."""
    make_phone(reader, "north-1")
    tell(unit, reader)
    postbox.fails = lambda _token: NotTaken("status_503", wait_seconds=600)
    deliver(app)
    assert waiting(unit)[0].next_attempt_at == noon + timedelta(minutes=10)
    postbox.fails = lambda _token: None
    other = unit(make_volunteer)
    make_phone(other, "north-2")
    make_phone(other, "south-1")
    tell(unit, other, "b")
    with clock.at(noon + timedelta(minutes=9)):
        deliver(app)
    assert postbox.tokens == ["south-1"]
    with clock.at(noon + timedelta(minutes=10)):
        deliver(app)
    assert postbox.tokens == ["north-1", "north-2", "south-1"]


def test_nobodys_own_addresses_put_a_service_to_rest(app, unit, reader, postbox, noon):
    for number in range(5):
        make_phone(reader, f"north-bad{number}")
    tell(unit, reader)
    other = unit(make_volunteer)
    make_phone(other, "north-1")
    tell(unit, other, "b")
    blames = {"0": Blame.PUSH}
    postbox.fails = lambda token: (
        NotTaken("status_403", 600, blame=blames.get(token[-1], Blame.ADDRESS)) if "bad" in token else None
    )
    deliver(app)
    assert postbox.tokens == ["north-1"]
    tell(unit, other, "c")
    deliver(app)
    assert len(postbox.sent) == 2


@pytest.mark.either_database
@pytest.mark.parametrize("blame", Blame)
def test_an_address_at_which_nothing_is_taken_is_forgotten_in_the_end(app, unit, reader, postbox, noon, blame):
    make_phone(reader, "north-1")
    tell(unit, reader, happens_at=noon + timedelta(days=30))
    postbox.fails = lambda _token: NotTaken("status_403", blame=blame)
    for number in range(pushing.MAX_ATTEMPTS):
        assert len(subscribed(unit)) == 1
        with clock.at(noon + number * pushing.LONGEST_DELAY * 4):
            deliver(app)
    assert waiting(unit) == []
    assert len(subscribed(unit)) == (0 if blame is Blame.ADDRESS else 1)


@pytest.mark.either_database
def test_one_row_that_can_not_be_made_holds_up_no_other(app, unit, reader, postbox, monkeypatch, noon):
    locked = make_phone(reader, "north-1").id
    make_phone(reader, "north-2")
    tell(unit, reader, happens_at=noon + timedelta(days=30))
    unseal = subscriptions.unseal

    def refuse(sealed, session_id):
        if session_id == locked:
            raise keyring.KeyringLocked(1, subscriptions.PURPOSE)
        return unseal(sealed, session_id)

    monkeypatch.setattr(subscriptions, "unseal", refuse)
    deliver(app)
    assert postbox.tokens == ["north-2"]
    assert [push.attempts for push in waiting(unit)] == [1]
    for number in range(1, pushing.MAX_ATTEMPTS):
        with clock.at(noon + number * pushing.LONGEST_DELAY * 4):
            deliver(app)
    assert waiting(unit) == []


@pytest.mark.either_database
def test_a_service_that_could_not_be_served_is_a_run_that_failed(app, unit, reader, postbox, monkeypatch):
    make_phone(reader, "north-1")
    make_phone(reader, "south-1")
    tell(unit, reader)
    settle = pushing.settle

    def fail(service_name, outcomes, *, fails):
        if service_name == "north":
            raise ZeroDivisionError
        settle(service_name, outcomes, fails=fails)

    monkeypatch.setattr(pushing, "settle", fail)
    with pytest.raises(ExceptionGroup):
        deliver(app)
    assert [push.attempts for push in waiting(unit)] == [1]


@pytest.mark.either_database
def test_what_always_fails_is_given_up(app, unit, reader, postbox, noon):
    make_phone(reader, "north-1")
    tell(unit, reader, happens_at=noon + timedelta(days=30))
    postbox.fails = lambda _token: ValueError("a text that is not logged")
    for number in range(pushing.MAX_ATTEMPTS):
        assert len(waiting(unit)) == (1 if number else 0)
        with clock.at(noon + number * pushing.LONGEST_DELAY * 4):
            deliver(app)
    assert waiting(unit) == []


@pytest.mark.parametrize("renewed", [True, False])
def test_a_phone_that_the_service_knows_no_more_is_forgotten(app, unit, reader, postbox, noon, renewed):
    session = make_phone(reader, "north-1")
    tell(unit, reader)

    def gone(_token):
        if renewed:
            # Another thread, for the session belongs to one: the app tells a new token while the old one is tried.
            with ThreadPoolExecutor() as pool:
                pool.submit(unit, lambda: resubscribe(session)).result(timeout=5)
        return Gone()

    def resubscribe(session):
        subscriptions.subscribe(session, provider=ProviderName.CONSOLE, token="north-9")

    postbox.fails = gone
    deliver(app)
    assert unit(lambda: db.session.scalar(select(func.count()).select_from(PushSubscription))) == int(renewed)
    postbox.fails = lambda _token: None
    with clock.at(noon + pushing.FIRST_DELAY):
        deliver(app)
    assert postbox.tokens == ["north-9"] * renewed
    assert waiting(unit) == []


def test_a_dead_service_rests_and_holds_up_nobody(app, unit, reader, postbox, noon):
    tried = []
    for number in range(8):
        make_phone(reader, f"dead-{number}")
    make_phone(reader, "north-1")
    for key in "ab":
        tell(unit, reader, key)

    def fails(token):
        if token.startswith("dead"):
            tried.append(token)
            return NotTaken("TimeoutError")
        return None

    postbox.fails = fails
    deliver(app)
    assert postbox.tokens == ["north-1"] * 2
    # A few were on their way at once when the third failed.
    assert 3 <= len(tried) < 3 + pushing.SENT_AT_ONCE
    first = len(tried)
    tell(unit, reader, "c")
    with clock.at(noon + pushing.REST - timedelta(seconds=1)):
        deliver(app)
    assert len(tried) == first
    with clock.at(noon + pushing.REST):
        assert unit(pushing.services_due) == ["dead"]
    # Those that were not tried have lost none of their attempts.
    assert sorted(push.attempts for push in waiting(unit)) == [0] * (24 - first) + [1] * first


@pytest.mark.either_database
def test_a_turn_ends_and_asks_for_another(app, unit, reader, postbox, monkeypatch):
    make_phone(reader, "north-1")
    tell(unit, reader)
    asked = []
    monkeypatch.setattr(tasks, "TURN_SECONDS", -1)
    monkeypatch.setattr(tasks, "enqueue", asked.append)
    deliver(app)
    assert (postbox.sent, asked, waiting(unit)[0].attempts) == ([], [service.DELIVER], 0)
    monkeypatch.setattr(tasks, "TURN_SECONDS", 15)
    deliver(app)
    assert (postbox.tokens, len(asked)) == (["north-1"], 1)


@pytest.mark.parametrize("fails_at", [{1, 2}, {2, 3}, {4, 5}], ids=["handing over", "claiming", "recording"])
def test_a_commit_that_is_run_again_pushes_nothing_again(app, unit, reader, postbox, monkeypatch, fails_at):
    make_phone(reader, "north-1")
    tell(unit, reader)
    commit, commits = db.session.commit, []

    def locked():
        commits.append(len(commits) + 1)
        if commits[-1] in fails_at:
            raise OperationalError("COMMIT", None, sqlite_driver.OperationalError("database is locked"))
        commit()

    with monkeypatch.context() as patch:
        patch.setattr(db.session, "commit", locked)
        deliver(app)
    assert len(commits) > max(fails_at)
    assert (postbox.tokens, waiting(unit)) == (["north-1"], [])


def test_a_service_is_called_with_nothing_locked(app, unit, reader, postbox):
    session = make_phone(reader, "north-1")
    tell(unit, reader)

    def write(_token):
        # On SQLite it waits as long as somebody else writes.
        with ThreadPoolExecutor() as pool:
            pool.submit(unit, lambda: subscriptions.unsubscribe(session.id)).result(timeout=5)

    postbox.fails = write
    deliver(app)
    assert (postbox.tokens, waiting(unit)) == (["north-1"], [])


def test_a_killed_worker_loses_nothing(app, unit, reader, postbox, noon):
    make_phone(reader, "north-1")
    tell(unit, reader)
    assert unit(handing_over.hand_over) == 1
    assert len(unit(lambda: pushing.claim("north"))) == 1
    deliver(app)
    assert postbox.sent == []
    with clock.at(noon + timedelta(minutes=1)):
        deliver(app)
    assert postbox.tokens == ["north-1"]


def test_two_workers_never_push_the_same(postgresql_app, postgresql_unit, race, postbox, noon):
    reader = postgresql_unit(make_volunteer)
    make_phone(reader, "north-1")
    for number in range(30):
        tell(postgresql_unit, reader, str(number))

    def work(_number):
        # A thread of a race begins with a context of its own.
        with clock.at(noon):
            deliver(postgresql_app)

    assert race(4, work) == [None] * 4
    assert len(postbox.sent) == len({message.notification_id for _, message in postbox.sent}) == 30


def test_what_is_read_too_old_or_switched_off_is_not_pushed(app, unit, reader, postbox, noon):
    make_phone(reader, "north-1")
    tell(unit, reader, "read")
    unit(lambda: service.mark_read(reader.id, until=noon))
    tell(unit, reader, "over", happens_at=noon - handing_over.NEWS_AFTER_BEGINNING)
    with clock.at(noon - handing_over.NEWS_FOR):
        tell(unit, reader, "old")
    unit(lambda: preferences.replace(reader.id, push={"loans": False}, quiet_hours=None))
    tell(unit, reader, "muted", kind="loans_overdue_at_desk", values={"count": "1", "station": "河西"})
    deliver(app)
    assert postbox.sent == []
    tell(unit, reader, "account", kind="password_changed")
    deliver(app)
    assert [message.kind for _, message in postbox.sent] == ["password_changed"]


@pytest.mark.either_database
def test_what_is_read_or_over_before_the_service_is_back_is_dropped(app, unit, reader, postbox, noon):
    make_phone(reader, "north-1")
    tell(unit, reader, "read")
    tell(unit, reader, "over", happens_at=noon + timedelta(minutes=1) - handing_over.NEWS_AFTER_BEGINNING)
    postbox.fails = lambda _token: NotTaken("away")
    deliver(app)
    assert len(waiting(unit)) == 2
    postbox.fails = lambda _token: None
    with clock.at(noon + timedelta(minutes=2)):
        ids = unit(lambda: db.session.scalars(select(Notification.id).where(Notification.dedup_key == "read")).all())
        unit(lambda: service.mark_read(reader.id, ids=ids))
        deliver(app)
    assert (postbox.sent, waiting(unit)) == ([], [])


@pytest.mark.either_database
def test_at_night_only_what_can_not_wait_is_pushed(app, unit, reader, postbox, noon):
    night, morning = noon + timedelta(hours=11), noon + timedelta(hours=19)
    make_phone(reader, "north-1")
    with clock.at(night):
        tell(unit, reader, "later", happens_at=morning + timedelta(minutes=1))
        tell(unit, reader, "news")
        tell(unit, reader, "at six", happens_at=morning - timedelta(hours=1))
        tell(unit, reader, "account", kind="password_changed")
        deliver(app)
    assert sorted(message.kind for _, message in postbox.sent) == ["activity_canceled", "password_changed"]
    assert all(message.urgent for _, message in postbox.sent)
    with clock.at(morning - timedelta(seconds=1)):
        deliver(app)
    assert len(postbox.sent) == 2
    with clock.at(morning):
        deliver(app)
    assert len(postbox.sent) == 4


@pytest.mark.either_database
def test_who_is_up_late_has_what_waited(app, unit, reader, postbox, noon):
    make_phone(reader, "north-1")
    with clock.at(noon + timedelta(hours=11)):
        tell(unit, reader)
        deliver(app)
        assert postbox.sent == []
        unit(lambda: preferences.replace(reader.id, push={}, quiet_hours=None))
        deliver(app)
    assert postbox.tokens == ["north-1"]


@pytest.mark.either_database
def test_what_failed_in_the_evening_rings_nobody_at_night(app, unit, reader, postbox, noon):
    evening, morning = noon + timedelta(hours=10) - timedelta(seconds=30), noon + timedelta(hours=19)
    make_phone(reader, "north-1")
    with clock.at(evening):
        tell(unit, reader)
        postbox.fails = lambda _token: NotTaken("away")
        deliver(app)
    postbox.fails = lambda _token: None
    with clock.at(evening + pushing.FIRST_DELAY):
        deliver(app)
    assert (postbox.sent, [push.next_attempt_at for push in waiting(unit)]) == ([], [morning])
    with clock.at(morning):
        deliver(app)
    assert (postbox.tokens, waiting(unit)) == (["north-1"], [])


@pytest.mark.either_database
@pytest.mark.parametrize("switched", ["muted", "quiet hours"])
def test_what_failed_goes_by_what_its_reader_wants_now(app, unit, reader, postbox, noon, switched):
    evening = noon + timedelta(hours=10) - timedelta(seconds=30)
    make_phone(reader, "north-1")
    with clock.at(evening):
        tell(unit, reader)
        postbox.fails = lambda _token: NotTaken("away")
        deliver(app)
    postbox.fails = lambda _token: None
    with clock.at(evening + pushing.FIRST_DELAY):
        deliver(app)
        muted = dict.fromkeys(SWITCHABLE, False) if switched == "muted" else {}
        unit(lambda: preferences.replace(reader.id, push=muted, quiet_hours=None))
        deliver(app)
    assert (postbox.tokens, waiting(unit)) == (["north-1"] if switched == "quiet hours" else [], [])


def test_who_is_signed_out_by_a_new_password_hears_of_it_and_of_nothing_more(app, unit, reader, postbox):
    own = make_phone(reader, "north-own")
    make_phone(reader, "north-thief")
    tell(unit, reader)

    def change():
        events.publish(PasswordChanged(volunteer_id=reader.id))
        sessions.end_sessions_of(reader.id, besides=own.id)

    unit(handing_over.hand_over)
    unit(change)
    tell(unit, reader, "later")
    tell(unit, reader, "later still", kind="phone_released", values={"phone": "138****0000"})
    deliver(app)
    told = sorted((token, message.kind) for token, message in postbox.sent)
    assert told == [
        ("north-own", "activity_canceled"),
        ("north-own", "activity_canceled"),
        ("north-own", "password_changed"),
        ("north-own", "phone_released"),
        ("north-thief", "password_changed"),
    ]
    assert [one.session_id for one in subscribed(unit)] == [own.id]


@pytest.mark.either_database
def test_the_last_news_of_a_phone_is_forgotten_once_it_is_old(app, unit, reader, postbox, noon):
    make_phone(reader, "north-1")

    def change():
        events.publish(PasswordChanged(volunteer_id=reader.id))
        sessions.end_sessions_of(reader.id)

    unit(change)
    postbox.fails = lambda _token: NotTaken("away")
    deliver(app)
    assert unit(subscriptions.forget) == 0
    with clock.at(noon + handing_over.NEWS_FOR):
        deliver(app)
        assert unit(subscriptions.forget) == 1
    assert (subscribed(unit), waiting(unit)) == ([], [])
