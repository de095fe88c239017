"""Rings of keys: sealing, look-up, rotation, a change of SECRET_KEY, and the race for the first key."""

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import select

from tests.factories import next_number
from tests.servers import SECRET
from volunteer_api.cli import common
from volunteer_api.config import BadEnvironment
from volunteer_api.core import clock, keyring, keys
from volunteer_api.core.database import db
from volunteer_api.core.keyring import KeyringKey, KeyringLocked, KeyUnknown, RingUnknown, SealBroken
from volunteer_api.core.problems import NotFound
from volunteer_api.core.unit_of_work import run_unit

Unit = Callable[[Callable[[], Any]], Any]
CONTEXT = b"volunteer 1, resident id"


@pytest.fixture
def purpose() -> str:
    """A ring that no other test knows: rings stay, like a real server's."""
    return f"test ring {next_number()}"


def test_sealed_bytes_open_in_their_context_only(unit: Unit, purpose: str) -> None:
    sealed = unit(lambda: keyring.encrypt(purpose, "张三".encode(), CONTEXT))
    assert unit(lambda: keyring.decrypt(purpose, sealed, CONTEXT)).decode() == "张三"
    assert "张三".encode() not in sealed
    with pytest.raises(SealBroken):
        unit(lambda: keyring.decrypt(purpose, sealed, b"volunteer 2, resident id"))


def test_the_layout(unit: Unit, purpose: str) -> None:
    first, second = unit(lambda: [keyring.encrypt(purpose, b"12345", CONTEXT) for _ in range(2)])
    key_id = unit(lambda: keyring.newest_key_id(purpose))
    assert first[:10] == bytes((1, 8)) + key_id.encode()
    assert len(first) == 10 + 12 + 5 + 16
    assert first[10:] != second[10:]
    assert keyring.key_id_of(first) == key_id


def test_each_changed_byte_is_noticed(unit: Unit, purpose: str) -> None:
    sealed = unit(lambda: keyring.encrypt(purpose, b"x", CONTEXT))

    def broken() -> list[int]:
        found = []
        for place in range(len(sealed)):
            changed = bytearray(sealed)
            changed[place] ^= 1
            try:
                keyring.decrypt(purpose, bytes(changed), CONTEXT)
            except SealBroken:
                found.append(place)
        return found

    assert unit(broken) == list(range(len(sealed)))


@pytest.mark.parametrize(
    "bytes_", [b"", b"\1", b"\1\x08abc", b"\2\x08" + b"a" * 50, b"\1\x04\xff\xff\xff\xff" + b"a" * 40]
)
def test_bytes_that_are_none_of_ours(bytes_: bytes) -> None:
    with pytest.raises(SealBroken):
        keyring.key_id_of(bytes_)


def test_another_ring_does_not_open_it(unit: Unit, purpose: str) -> None:
    sealed = unit(lambda: keyring.encrypt(purpose, b"x", CONTEXT))
    unit(lambda: keyring.encrypt(purpose + " two", b"x", CONTEXT))
    with pytest.raises(KeyUnknown):
        unit(lambda: keyring.decrypt(purpose + " two", sealed, CONTEXT))


def test_look_up_is_stable_keyed_and_apart_for_each_purpose(unit: Unit, purpose: str) -> None:
    digest = unit(lambda: keyring.look_up(purpose, "110101199003070214"))
    unit(keyring.forget)
    assert unit(lambda: keyring.look_up(purpose, "110101199003070214")) == digest
    assert len(digest) == 32
    assert unit(lambda: keyring.look_up(purpose, "110101199003070222")) != digest
    assert unit(lambda: keyring.look_up(purpose + " two", "110101199003070214")) != digest
    with pytest.raises(RingUnknown, match="does not rotate"):
        unit(lambda: keyring.rotate(purpose + keyring.LOOK_UP))


def test_a_normal_call_costs_no_statement(app: Flask, unit: Unit, purpose: str, statements: Callable[[], Any]) -> None:
    sealed = unit(lambda: keyring.encrypt(purpose, b"x", CONTEXT))
    unit(lambda: (keyring.decrypt(purpose, sealed, CONTEXT), keyring.look_up(purpose, "x")))
    unit(keyring.forget)
    unit(lambda: keyring.newest_key_id(purpose))
    with statements() as seen:
        unit(lambda: keyring.encrypt(purpose, b"x", CONTEXT))
        unit(lambda: keyring.decrypt(purpose, sealed, CONTEXT))
        unit(lambda: keyring.look_up(purpose, "x"))
    assert seen == []


def test_a_first_key_in_a_reading_unit_stays(app: Flask, purpose: str) -> None:
    with app.app_context():
        sealed = run_unit(lambda: keyring.encrypt(purpose, b"x", CONTEXT), writes=False)
        keyring.forget()
        assert run_unit(lambda: keyring.decrypt(purpose, sealed, CONTEXT), writes=False) == b"x"


def test_a_first_key_of_a_unit_that_fails_is_not_used_afterwards(app: Flask, purpose: str) -> None:
    def fail() -> None:
        keyring.encrypt(purpose, b"x", CONTEXT)
        raise NotFound()

    with app.app_context():
        with pytest.raises(NotFound):
            run_unit(fail, writes=True)
        sealed = run_unit(lambda: keyring.encrypt(purpose, b"x", CONTEXT), writes=True)
        keyring.forget()
        assert run_unit(lambda: keyring.decrypt(purpose, sealed, CONTEXT), writes=False) == b"x"


def test_a_first_key_opens_within_its_own_unit(unit: Unit, purpose: str) -> None:
    assert unit(lambda: keyring.decrypt(purpose, keyring.encrypt(purpose, b"x", CONTEXT), CONTEXT)) == b"x"


def test_rotation_seals_with_the_new_key_and_opens_with_the_old(unit: Unit, purpose: str) -> None:
    old = unit(lambda: keyring.encrypt(purpose, b"old", CONTEXT))
    key_id = unit(lambda: keyring.rotate(purpose))
    new = unit(lambda: keyring.encrypt(purpose, b"new", CONTEXT))
    assert keyring.key_id_of(new) == key_id == unit(lambda: keyring.newest_key_id(purpose))
    assert keyring.key_id_of(old) != key_id
    assert unit(lambda: keyring.decrypt(purpose, old, CONTEXT)) == b"old"


def test_a_key_of_another_process_is_found_at_once(app: Flask, unit: Unit, purpose: str) -> None:
    unit(lambda: keyring.encrypt(purpose, b"x", CONTEXT))
    with app.app_context():
        stale = keyring.read_again()
        unit(lambda: keyring.rotate(purpose))
        sealed = unit(lambda: keyring.encrypt(purpose, b"x", CONTEXT))
        app.extensions[keyring.EXTENSION] = stale
        assert unit(lambda: keyring.newest_key_id(purpose)) != keyring.key_id_of(sealed)
        assert unit(lambda: keyring.decrypt(purpose, sealed, CONTEXT)) == b"x"


def test_a_reading_past_its_time_is_read_again_before_sealing(app: Flask, unit: Unit, purpose: str) -> None:
    unit(lambda: keyring.encrypt(purpose, b"x", CONTEXT))
    with app.app_context():
        stale = keyring.read_again()
        key_id = unit(lambda: keyring.rotate(purpose))
        app.extensions[keyring.EXTENSION] = keyring.Reading(stale.keys, stale.read_at - keyring.FRESH_SECONDS - 1)
        assert unit(lambda: keyring.newest_key_id(purpose)) == key_id


def test_a_delayed_key_waits_for_its_moment(app: Flask, unit: Unit, purpose: str) -> None:
    first = unit(lambda: keyring.newest_key_id(purpose))
    now = clock.now()
    second = unit(lambda: keyring.rotate(purpose, delay=timedelta(seconds=60), overlap=timedelta(seconds=900)))
    assert unit(lambda: keyring.newest_key_id(purpose)) == first
    with clock.at(now + timedelta(seconds=62)):
        assert unit(lambda: keyring.newest_key_id(purpose)) == second
        assert not unit(lambda: keyring.find_key(purpose, first)).retired
    with clock.at(now + timedelta(seconds=965)):
        assert unit(lambda: keyring.find_key(purpose, first)).retired
    with clock.at(now - timedelta(days=30)):
        assert unit(lambda: keyring.newest_key_id(purpose)) == first


def test_a_misspelled_ring_is_not_rotated(unit: Unit, purpose: str) -> None:
    unit(lambda: keyring.newest_key_id(purpose))
    with pytest.raises(RingUnknown, match=purpose):
        unit(lambda: keyring.rotate("acess token"))


def test_secrets_are_wrapped(app: Flask, unit: Unit, purpose: str) -> None:
    key = unit(lambda: keyring.newest_key(purpose))
    row = unit(lambda: db.session.get(KeyringKey, key.id))
    assert len(key.secret) == 32
    assert key.secret not in row.sealed
    assert str(key.secret) not in repr(key)

    def move() -> None:
        # A key under another ring's name must not open: its purpose is a part of the wrapping.
        found = db.session.get(KeyringKey, key.id)
        assert found is not None
        found.purpose = purpose + " moved"

    def move_back() -> None:
        found = db.session.get(KeyringKey, key.id)
        assert found is not None
        found.purpose = purpose

    unit(move)
    try:
        with app.app_context(), pytest.raises(KeyringLocked):
            _ = keyring.read_again().keys[key.id].secret
    finally:
        unit(move_back)


OTHER_SECRET = "another-secret-for-tests-that-is-longer-than-thirty-two"


@contextmanager
def wrapped_by(app: Flask, unit: Unit, key_id: str, secret: str, *, started_anew: bool = True) -> Iterator[None]:
    """A key as a host wraps it that has another secret already; this one has read nothing yet, if `started_anew`."""

    def wrap(outer: str) -> None:
        row = db.session.get_one(KeyringKey, key_id)
        plain = keyring._unwrap(row)
        assert plain is not None
        present = app.extensions["volunteer_api.settings"]
        app.extensions["volunteer_api.settings"] = dataclasses.replace(present, secret_key=outer)
        try:
            row.sealed = keyring._wrap(plain, row.purpose, row.id)
        finally:
            app.extensions["volunteer_api.settings"] = present

    unit(lambda: wrap(secret))
    if started_anew:
        unit(keyring.forget)
    try:
        yield
    finally:
        present = app.extensions["volunteer_api.settings"]
        app.extensions["volunteer_api.settings"] = dataclasses.replace(present, secret_key_previous=secret)
        unit(lambda: wrap(SECRET))
        app.extensions["volunteer_api.settings"] = present
        unit(keyring.forget)


def test_a_key_of_a_host_with_another_secret_locks_nothing_else(
    app: Flask, unit: Unit, purpose: str, change_settings: Callable[..., None]
) -> None:
    """Hosts change their secret one after the other; one that is late must serve what it can."""
    old = unit(lambda: keyring.encrypt(purpose, b"old", CONTEXT))
    elsewhere = unit(lambda: keyring.encrypt(f"{purpose} beside", b"y", CONTEXT))
    newest = unit(lambda: keyring.rotate(purpose))
    new = unit(lambda: keyring.encrypt(purpose, b"new", CONTEXT))
    with wrapped_by(app, unit, newest, OTHER_SECRET):
        assert unit(lambda: keyring.decrypt(purpose, old, CONTEXT)) == b"old"
        assert unit(lambda: keyring.decrypt(f"{purpose} beside", elsewhere, CONTEXT)) == b"y"
        # New values get a key that is open here and everywhere.
        meanwhile = unit(lambda: keyring.encrypt(purpose, b"z", CONTEXT))
        assert keyring.key_id_of(meanwhile) == keyring.key_id_of(old)
        with pytest.raises(KeyringLocked, match="SECRET_KEY_PREVIOUS"):
            unit(lambda: keyring.decrypt(purpose, new, CONTEXT))
        unit(keyring.require_open)
        with pytest.raises(KeyringLocked):
            unit(keyring.rewrap)
        change_settings(app, secret_key_previous=OTHER_SECRET)
        unit(keyring.forget)
        assert unit(lambda: keyring.decrypt(purpose, new, CONTEXT)) == b"new"
        change_settings(app, secret_key_previous=None)
    assert unit(lambda: keyring.decrypt(purpose, new, CONTEXT)) == b"new"


def test_a_host_that_runs_keeps_the_keys_that_others_wrapped_anew(app: Flask, unit: Unit, purpose: str) -> None:
    """It reads the table again every half minute, and must not lose what it knew."""
    sealed = unit(lambda: keyring.encrypt(purpose, b"x", CONTEXT))
    key_id = unit(lambda: keyring.newest_key_id(purpose))
    unit(keyring.read_again)
    with wrapped_by(app, unit, key_id, OTHER_SECRET, started_anew=False):
        unit(keyring.read_again)
        assert unit(lambda: keyring.decrypt(purpose, sealed, CONTEXT)) == b"x"
        assert unit(lambda: keyring.newest_key_id(purpose)) == key_id


def test_a_ring_whose_every_key_is_locked_stops_the_start_and_is_not_begun_anew(
    app: Flask, unit: Unit, purpose: str
) -> None:
    unit(lambda: keyring.encrypt(purpose, b"x", CONTEXT))
    key_id = unit(lambda: keyring.newest_key_id(purpose))
    count = unit(lambda: len(db.session.scalars(select(KeyringKey)).all()))
    with wrapped_by(app, unit, key_id, OTHER_SECRET):
        for work in (
            keyring.require_open,
            lambda: keyring.encrypt(purpose, b"x", CONTEXT),
            lambda: keyring.newest_key_id(purpose),
        ):
            with pytest.raises(KeyringLocked):
                unit(work)
        assert unit(lambda: len(db.session.scalars(select(KeyringKey)).all())) == count


def test_hosts_take_what_each_other_signed(app: Flask, unit: Unit, change_settings: Callable[..., None]) -> None:
    """While the secret changes: refresh tokens, codes and cursors of both secrets are good on both."""
    mine = unit(lambda: keys.sign("refresh token", 1))
    change_settings(app, secret_key=OTHER_SECRET)
    assert not unit(lambda: keys.matches(mine, "refresh token", 1))
    change_settings(app, secret_key_previous=SECRET)
    assert unit(lambda: keys.matches(mine, "refresh token", 1))
    assert not unit(lambda: keys.matches(mine, "refresh token", 2))
    theirs = unit(lambda: keys.sign("refresh token", 1))
    change_settings(app, secret_key=SECRET, secret_key_previous=OTHER_SECRET)
    assert theirs != mine
    assert unit(lambda: keys.matches(theirs, "refresh token", 1))


def test_a_change_of_the_secret_key(app: Flask, unit: Unit, purpose: str, change_settings: Callable[..., None]) -> None:
    sealed = unit(lambda: keyring.encrypt(purpose, b"x", CONTEXT))
    other = "another-secret-for-tests-that-is-longer-than-thirty-two"
    change_settings(app, secret_key=other)
    unit(keyring.forget)
    with pytest.raises(KeyringLocked, match="SECRET_KEY_PREVIOUS"):
        unit(lambda: keyring.decrypt(purpose, sealed, CONTEXT))
    change_settings(app, secret_key_previous=SECRET)
    assert unit(lambda: keyring.decrypt(purpose, sealed, CONTEXT)) == b"x"
    assert unit(keyring.rewrap) == unit(lambda: len(db.session.scalars(select(KeyringKey)).all()))
    change_settings(app, secret_key_previous=None)
    unit(keyring.forget)
    try:
        assert unit(lambda: keyring.decrypt(purpose, sealed, CONTEXT)) == b"x"
    finally:
        change_settings(app, secret_key=SECRET, secret_key_previous=other)
        unit(keyring.rewrap)
        change_settings(app, secret_key=SECRET, secret_key_previous=None)
        unit(keyring.forget)


def first_keys(app: Flask, purpose: str, race: Callable[..., list[Any]], count: int) -> tuple[set[bytes], int]:
    """The digests that racing threads made, each on a cold reading, and how many keys there are in the end."""

    def look_up(number: int) -> bytes:
        with app.app_context():
            keyring.forget()
            return run_unit(lambda: keyring.look_up(purpose, "x"), writes=bool(number % 2))

    outcomes = race(count, look_up)
    assert all(isinstance(outcome, bytes) for outcome in outcomes), outcomes
    with app.app_context():
        statement = select(KeyringKey.id).where(KeyringKey.purpose == purpose + keyring.LOOK_UP)
        return set(outcomes), len(db.session.scalars(statement).all())


def test_racing_threads_agree_on_the_first_key(app: Flask, race: Callable[..., list[Any]]) -> None:
    for _ in range(5):
        digests, count = first_keys(app, f"test race {next_number()}", race, 8)
        assert (len(digests), count) == (1, 1)


def test_two_rotations_at_once_give_two_keys(
    postgresql_app: Flask, postgresql_unit: Unit, purpose: str, race: Callable[..., list[Any]]
) -> None:
    postgresql_unit(lambda: keyring.newest_key_id(purpose))
    outcomes = race(4, lambda _: postgresql_unit(lambda: keyring.rotate(purpose)))
    assert len({str(outcome) for outcome in outcomes}) == 4
    with postgresql_app.app_context():
        assert [key.number for key in keyring.read_again().ring(purpose)] == [1, 2, 3, 4, 5]


def test_a_writer_elsewhere_does_not_stop_a_reader(sqlite_app: Flask, purpose: str) -> None:
    with sqlite_app.app_context():
        sealed = run_unit(lambda: keyring.encrypt(purpose, b"x", CONTEXT), writes=True)
    inside, done = threading.Event(), threading.Event()

    def wait() -> None:
        inside.set()
        done.wait(10)

    def hold() -> None:
        with sqlite_app.app_context():
            run_unit(wait, writes=True)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(10)
    try:
        with sqlite_app.app_context():
            keyring.forget()
            assert run_unit(lambda: keyring.decrypt(purpose, sealed, CONTEXT), writes=False) == b"x"
    finally:
        done.set()
        thread.join()


@pytest.fixture
def command(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`command("list")`: the outcome of `volunteer-api keys list` on the test's database."""
    # In place of the environment only: the command, its unit and the database are the real ones.
    monkeypatch.setattr(common, "ready_app", lambda: app)
    return lambda *words: CliRunner().invoke(common.group, ["keys", *words])


def test_the_commands(app: Flask, unit: Unit, purpose: str, command: Callable[..., Any]) -> None:
    first = unit(lambda: keyring.newest_key(purpose))
    rotated = command("rotate", purpose)
    assert rotated.exit_code == 0, rotated.output
    second = unit(lambda: keyring.newest_key(purpose))
    assert second.id in rotated.output
    assert "within 30 seconds" in rotated.output
    assert second.id != first.id
    listed = command("list")
    lines = [line.split("  ") for line in listed.output.splitlines() if purpose in line.split("  ")]
    assert [(line[0], line[2], line[4]) for line in lines] == [(first.id, "1", "stays"), (second.id, "2", "stays")]
    for secret in (first.secret, second.secret):
        assert secret.hex() not in listed.output
    assert command("rewrap").output.endswith(" keys wrapped.\n")


def test_a_command_on_an_unknown_ring_or_under_another_secret_says_so(
    app: Flask, unit: Unit, purpose: str, command: Callable[..., Any], change_settings: Callable[..., None]
) -> None:
    unit(lambda: keyring.newest_key_id(purpose))
    refused = command("rotate", "no such ring")
    assert refused.exit_code == 1
    assert "there is no ring 'no such ring'" in refused.output
    change_settings(app, secret_key="x" * 40)
    unit(keyring.forget)
    assert "locked here" in command("list").output
    assert isinstance(command("rewrap").exception, BadEnvironment)
