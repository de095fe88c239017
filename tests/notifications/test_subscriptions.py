"""Devices that are pushed to: whose they are, how long, and what is kept of them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.accounts.factories import DEVICE
from tests.factories import make_volunteer
from tests.notifications.factories import make_phone
from volunteer_api.accounts import reencryption, sessions
from volunteer_api.accounts import tasks as account_tasks
from volunteer_api.accounts.models import DeviceSession, Volunteer
from volunteer_api.core import clock, keyring
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.notifications import handing_over, service, subscriptions
from volunteer_api.notifications.handing_over import hand_over
from volunteer_api.notifications.models import Push, PushSubscription
from volunteer_api.notifications.providers.base import ProviderName

PHONE = {"phone": "138****0000"}
BODY = {"provider": "console", "token": "token-of-a-phone"}


@pytest.fixture
def owner(unit):
    return unit(make_volunteer)


def device_of(unit, volunteer):
    """The device of the client that `as_` made for her."""
    found = select(DeviceSession.device_id).where(DeviceSession.volunteer_id == volunteer.id)
    return unit(lambda: db.session.scalars(found.order_by(DeviceSession.created_at.desc())).first())


def subscribed(unit):
    """The owners of all subscriptions."""
    found = select(DeviceSession.volunteer_id).join(PushSubscription, PushSubscription.session_id == DeviceSession.id)
    return unit(lambda: list(db.session.scalars(found)))


def test_a_device_is_subscribed_and_no_more(client, unit, owner):
    phone = client.as_(owner)
    device_id = device_of(unit, owner)
    path = f"/me/push-subscriptions/{device_id}"
    answer = phone.put(path, json=BODY, headers={"Accept-Language": "en"})
    assert answer.status_code == 200
    told = {"device_id": device_id, "provider": "console", "language": "en"}
    assert told.items() <= answer.json.items()
    assert answer.json.keys() - told.keys() == {"created_at"}
    # The app tells it at each start; a new token takes the place of the old one.
    assert phone.put(path, json=BODY | {"token": "another"}).json["language"] == "zh-CN"
    assert subscribed(unit) == [owner.id]
    assert [phone.delete(path).status_code for _ in range(2)] == [204, 204]
    assert subscribed(unit) == []


@pytest.mark.either_database
def test_only_a_device_on_which_one_is_signed_in(client, unit, owner):
    client.as_(owner)
    other = client.as_(unit(make_volunteer))
    for device_id in (device_of(unit, owner), "nobody's", "%00", "x" * 300):
        assert other.put(f"/me/push-subscriptions/{device_id}", json=BODY).status_code == 404
        assert other.delete(f"/me/push-subscriptions/{device_id}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"provider": "pigeon", "token": "a"},
        {"provider": "console"},
        {"provider": "console", "token": "with space"},
        {"provider": "console", "token": "a", "endpoint": "https://fcm.googleapis.com/a"},
        {"provider": "webpush", "token": "a"},
        {"provider": "webpush", "endpoint": "https://fcm.googleapis.com/a"},
        {"provider": "webpush", "endpoint": "https://fcm.googleapis.com/a", "keys": {"p256dh": "a b", "auth": "a"}},
    ],
)
def test_what_is_no_address_is_refused(client, unit, owner, body):
    phone = client.as_(owner)
    assert phone.put(f"/me/push-subscriptions/{device_of(unit, owner)}", json=body).status_code == 422


@pytest.mark.parametrize("provider", ["webpush", "jpush"])
def test_a_provider_that_is_not_set_up_is_named(client, unit, owner, provider):
    address = {"token": "a"} if provider == "jpush" else {"endpoint": "https://a", "keys": {"p256dh": "a", "auth": "a"}}
    phone = client.as_(owner)
    answer = phone.put(f"/me/push-subscriptions/{device_of(unit, owner)}", json={"provider": provider} | address)
    assert (answer.status_code, answer.json["code"]) == (409, "push_provider_not_set_up")
    assert answer.json["providers"] == ["console"]


def test_a_phone_that_changed_hands_tells_the_news_of_one_owner(unit, owner):
    make_phone(owner, "shared")
    unit(lambda: service.notify(volunteer_id=owner.id, kind="password_changed", values={}, dedup_key="a"))
    unit(hand_over)
    other = unit(make_volunteer)
    make_phone(other, "shared")
    assert subscribed(unit) == [other.id]
    assert unit(lambda: db.session.scalars(select(Push)).all()) == []


def test_two_who_subscribe_one_phone_at_once_leave_one_owner(postgresql_app, postgresql_unit, race):
    people = [postgresql_unit(make_volunteer) for _ in range(6)]
    phones = [make_phone(one, f"own-{number}") for number, one in enumerate(people)]

    def take(number):
        return postgresql_unit(
            lambda: subscriptions.subscribe(phones[number], provider=ProviderName.CONSOLE, token="shared")
        )

    assert race(6, take) == [None] * 6
    digest = postgresql_unit(lambda: keyring.look_up(subscriptions.PURPOSE, "console:shared"))
    rows = postgresql_unit(lambda: db.session.scalars(select(PushSubscription)).all())
    assert [row.digest for row in rows] == [digest]


@pytest.mark.parametrize("race_is_lost", [True, False])
def test_who_signs_out_is_pushed_nothing(client, unit, owner, race_is_lost):
    phone = client.as_(owner)
    session = unit(lambda: db.session.scalars(select(DeviceSession)).one())
    if race_is_lost:
        # Loaded while the session was open, subscribed after it ended.
        phone.post("/auth/sign-out")
        with pytest.raises(NotFound):
            unit(lambda: subscribe(session))
    else:
        unit(lambda: subscribe(session))
        phone.post("/auth/sign-out")
    assert subscribed(unit) == []


@pytest.mark.parametrize("while_it", ["hands over", "subscribes"])
def test_who_signs_out_meanwhile_waits_and_then_ends_it(postgresql_app, postgresql_unit, monkeypatch, while_it):
    owner = postgresql_unit(make_volunteer)
    session = make_phone(owner, "a")
    postgresql_unit(lambda: service.notify(volunteer_id=owner.id, kind="phone_released", values=PHONE, dedup_key="a"))
    room, name = (handing_over, "insert_all") if while_it == "hands over" else (subscriptions, "insert")
    proceed, signing_out = getattr(room, name), []
    with ThreadPoolExecutor() as pool:

        def sign_out_first(*arguments, **options):
            if not signing_out:
                signing_out.append(pool.submit(postgresql_unit, lambda: sessions.end_session(session.id)))
                with pytest.raises(TimeoutError):
                    signing_out[0].result(timeout=0.3)
            return proceed(*arguments, **options)

        monkeypatch.setattr(room, name, sign_out_first)
        postgresql_unit(hand_over if while_it == "hands over" else lambda: subscribe(session))
        signing_out[0].result(timeout=5)
    rows = [postgresql_unit(lambda table=table: db.session.query(table).count()) for table in (PushSubscription, Push)]
    assert rows == [0, 0]


def subscribe(session):
    subscriptions.subscribe(session, provider=ProviderName.CONSOLE, token="a")


@pytest.mark.parametrize("ending", ["ended elsewhere", "account changed", "signed in again", "erased", "ran out"])
def test_a_subscription_ends_with_its_session(app, unit, owner, ending):
    session = make_phone(owner, "a")
    if ending == "ended elsewhere":
        unit(lambda: sessions.end_session(session.id))
    elif ending == "account changed":
        unit(lambda: sessions.end_sessions_of(owner.id))
    elif ending == "signed in again":
        device = {**DEVICE, "id": session.device_id}
        unit(lambda: sessions.open_session(owner, device, opened_by=None))
    elif ending == "erased":
        unit(lambda: setattr(db.session.get_one(Volunteer, owner.id), "erases_at", clock.now()))
        with app.app_context():
            account_tasks.erase()
    else:
        unit(lambda: setattr(db.session.get_one(DeviceSession, session.id), "expires_at", clock.now()))
        unit(lambda: service.notify(volunteer_id=owner.id, kind="password_changed", values={}, dedup_key="a"))
        unit(hand_over)
        assert unit(lambda: db.session.scalars(select(Push)).all()) == []
        with clock.at(clock.now() + timedelta(seconds=1)):
            assert unit(subscriptions.forget) == 1
    assert unit(lambda: db.session.scalars(select(PushSubscription)).all()) == []


def test_an_address_is_sealed_for_its_session_and_sealed_anew(app, unit, owner):
    session = make_phone(owner, "a-secret-token")
    make_phone(owner, "another")
    with app.app_context():
        row = unit(lambda: db.session.get_one(PushSubscription, session.id))
        assert b"secret" not in row.sealed + row.digest
        assert subscriptions.unseal(row.sealed, session.id) == {"token": "a-secret-token"}
        with pytest.raises(keyring.SealBroken):
            subscriptions.unseal(row.sealed, owner.id)
        unit(lambda: keyring.rotate(subscriptions.PURPOSE))
        assert [reencryption.reencrypt(subscriptions.SEALED) for _ in range(2)] == [2, 0]
        row = unit(lambda: db.session.get_one(PushSubscription, session.id))
        assert subscriptions.unseal(row.sealed, session.id) == {"token": "a-secret-token"}


@pytest.mark.either_database
def test_the_export_tells_of_devices_and_not_of_addresses(client, unit, owner):
    phone = client.as_(owner)
    phone.put(f"/me/push-subscriptions/{device_of(unit, owner)}", json=BODY)
    phone.put("/me/notification-preferences", json={"push": {"stock": False}, "quiet_hours": None})
    answer = phone.get("/me/export")
    assert answer.json["sections"]["push_subscriptions"][0]["provider"] == "console"
    assert answer.json["sections"]["notification_preferences"][0]["muted"] == ["stock"]
    assert BODY["token"] not in answer.text
