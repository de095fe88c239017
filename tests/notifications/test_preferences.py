"""What people want on their phones, by HTTP."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import share_of
from tests.factories import make_volunteer
from volunteer_api.core import clock
from volunteer_api.notifications.groups import SWITCHABLE
from volunteer_api.notifications.preferences import QuietHours

PATH = "/me/notification-preferences"


@pytest.fixture
def phone(client, unit):
    return client.as_(unit(make_volunteer))


def test_who_said_nothing_is_pushed_everything_but_not_at_night(phone):
    answer = phone.get(PATH).json
    assert answer["push"] == {group.value: True for group in SWITCHABLE}
    assert "security" not in answer["push"]
    assert answer["quiet_hours"] == {"from": "22:00", "to": "07:00"}
    assert answer["providers"] == [{"name": "console", "public_key": None}]


def test_the_whole_is_replaced(phone, client, unit):
    first = phone.put(PATH, json={"push": {"stock": False, "hours": False}, "quiet_hours": None})
    assert first.status_code == 200
    assert [group for group, pushed in first.json["push"].items() if not pushed] == ["hours", "stock"]
    assert first.json["quiet_hours"] is None
    quiet = {"from": "00:05", "to": "23:59"}
    phone.put(PATH, json={"push": {"teams": False, "stock": True}, "quiet_hours": quiet})
    answer = phone.get(PATH).json
    assert [group for group, pushed in answer["push"].items() if not pushed] == ["teams"]
    assert answer["quiet_hours"] == quiet
    assert all(client.as_(unit(make_volunteer)).get(PATH).json["push"].values())


def test_what_was_read_can_be_put_back(phone):
    read = phone.get(PATH).json
    answer = phone.put(PATH, json=read | {"push": read["push"] | {"stock": False}})
    assert answer.status_code == 200
    assert answer.json == read | {"push": read["push"] | {"stock": False}}
    # What a later server tells of its providers does not hinder it either.
    assert phone.put(PATH, json=answer.json | {"providers": [{"name": "new", "more": 1}]}).json == answer.json


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"push": {"gossip": False}, "quiet_hours": None}, "/push/gossip", "unknown"),
        ({"push": {"security": False}, "quiet_hours": None}, "/push/security", "unknown"),
        ({"push": {"stock": "no"}, "quiet_hours": None}, "/push/stock", "not_boolean"),
        ({"push": {}}, "/quiet_hours", "required"),
        ({"quiet_hours": None}, "/push", "required"),
        ({"push": {}, "quiet_hours": {"from": "22:00"}}, "/quiet_hours/to", "required"),
        ({"push": {}, "quiet_hours": {"from": "24:00", "to": "07:00"}}, "/quiet_hours/from", "pattern"),
        ({"push": {}, "quiet_hours": {"from": "07:00", "to": "07:00"}}, "/quiet_hours/to", "no_time"),
    ],
)
def test_what_is_no_preference_is_refused(phone, body, pointer, code):
    answer = phone.put(PATH, json=body)
    assert answer.status_code == 422
    assert {"pointer": pointer, "code": code}.items() <= answer.json["errors"][0].items()


@settings(max_examples=share_of(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(0, 1439), length=st.integers(1, 1439), minute=st.integers(0, 2 * 1440))
def test_quiet_hours_end_when_they_say_and_hold_nothing_outside(sqlite_app, start, length, minute):
    quiet = QuietHours(start, (start + length) % 1440)
    with sqlite_app.app_context():
        moment = clock.start_of(clock.today()) + timedelta(minutes=minute)
        end = quiet.end_after(moment)
        since_start = (minute - start) % 1440
        assert (end is None) == (since_start >= length)
        if end is not None:
            assert end == moment + timedelta(minutes=length - since_start)
