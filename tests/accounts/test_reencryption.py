"""Sealing anew after a rotation: everything, in small units, resumable, and not what its owner changed meanwhile."""

from uuid import UUID

import pytest
from click.testing import CliRunner
from sqlalchemy import select, update

from tests.factories import make_volunteer
from volunteer_api.accounts import contacts, reencryption, resident_ids
from volunteer_api.accounts.models import Guardian, ResidentId, Volunteer
from volunteer_api.accounts.reencryption import CONTACTS, RESIDENT_IDS, reencrypt
from volunteer_api.cli import common
from volunteer_api.core import clock, keyring
from volunteer_api.core.database import db

PEOPLE = 7


def contact(number):
    return {"name": f"联系人{number}", "phone": f"+8613700000{number:03d}"}


@pytest.fixture
def people(unit):
    """Volunteers with an ID, both contacts and a guardian each; every third has no emergency contact."""

    def make():
        made = []
        for number in range(PEOPLE):
            volunteer = make_volunteer()
            if number % 3:
                volunteer.emergency_contact = contacts.seal(contact(number), volunteer.id)
            volunteer.guardian_contact = contacts.seal(contact(100 + number), volunteer.id)
            db.session.flush()
            sealed = keyring.encrypt(resident_ids.PURPOSE, f"41040319580308{number:04d}".encode(), volunteer.id.bytes)
            db.session.add_all(
                [
                    ResidentId(volunteer_id=volunteer.id, sealed=sealed, digest=bytes([number])),
                    Guardian(
                        volunteer_id=volunteer.id,
                        contact=contacts.seal(contact(200 + number), volunteer.id),
                        phone_digest=b"",
                        version="2026-11",
                        consented_at=clock.now(),
                    ),
                ]
            )
            made.append(volunteer.id)
        return made

    return unit(make)


def key_ids(unit, column):
    return {
        keyring.key_id_of(value)
        for value in unit(lambda: db.session.scalars(select(column).where(column.is_not(None))))
    }


def plain(unit):
    """Everything that is sealed, opened."""

    def read():
        volunteers = db.session.scalars(select(Volunteer).order_by(Volunteer.id)).all()
        guardians = db.session.scalars(select(Guardian).order_by(Guardian.volunteer_id)).all()
        return (
            [resident_ids.number_of(one.id) for one in volunteers],
            [contacts.person_of(one.emergency_contact, one.id) for one in volunteers],
            [contacts.person_of(one.guardian_contact, one.id) for one in volunteers],
            [contacts.unseal(one.contact, one.volunteer_id) for one in guardians],
        )

    return unit(read)


def versions(unit):
    return unit(lambda: db.session.scalars(select(Volunteer.version)).all())


@pytest.mark.parametrize("batch", [1, 2, 3, PEOPLE, 200])
def test_all_is_sealed_by_the_newest_key_and_says_the_same(app, unit, people, batch):
    before, seen = plain(unit), versions(unit)
    newest = unit(lambda: keyring.rotate(resident_ids.PURPOSE)), unit(lambda: keyring.rotate(contacts.PURPOSE))
    with app.app_context():
        assert reencrypt(RESIDENT_IDS, batch=batch) == PEOPLE
        assert reencrypt(CONTACTS, batch=batch) == PEOPLE + PEOPLE + 4
    assert key_ids(unit, ResidentId.sealed) == {newest[0]}
    for column in (Volunteer.emergency_contact, Volunteer.guardian_contact, Guardian.contact):
        assert key_ids(unit, column) == {newest[1]}
    assert plain(unit) == before
    # Nothing that anybody edits changed.
    assert versions(unit) == seen
    with app.app_context():
        assert reencrypt(RESIDENT_IDS, batch=batch) == reencrypt(CONTACTS, batch=batch) == 0


def test_broken_off_it_goes_on(app, unit, people, monkeypatch):
    unit(lambda: keyring.rotate(resident_ids.PURPOSE))
    real, calls = reencryption._seal_anew, []

    def fails_at_the_third(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(reencryption, "_seal_anew", fails_at_the_third)
    with app.app_context(), pytest.raises(KeyboardInterrupt):
        reencrypt(RESIDENT_IDS, batch=2)
    assert len(key_ids(unit, ResidentId.sealed)) == 2
    monkeypatch.setattr(reencryption, "_seal_anew", real)
    with app.app_context():
        assert reencrypt(RESIDENT_IDS, batch=2) == PEOPLE - 4
    assert len(key_ids(unit, ResidentId.sealed)) == 1


def test_what_its_owner_changed_meanwhile_stays(postgresql_app, postgresql_unit, monkeypatch):
    """Between the reading and the writing of a batch, somebody gives another contact."""
    volunteer_id: UUID = postgresql_unit(make_volunteer).id

    def give(name):
        sealed = contacts.seal({"name": name, "phone": "+8613700000001"}, volunteer_id)
        db.session.execute(update(Volunteer).where(Volunteer.id == volunteer_id).values(emergency_contact=sealed))

    postgresql_unit(lambda: give("旧"))
    postgresql_unit(lambda: keyring.rotate(contacts.PURPOSE))
    real = keyring.decrypt

    def slow(*arguments):
        found = real(*arguments)
        monkeypatch.setattr(keyring, "decrypt", real)
        with db.engine.begin() as apart:
            sealed = contacts.seal({"name": "新", "phone": "+8613700000002"}, volunteer_id)
            apart.execute(update(Volunteer).where(Volunteer.id == volunteer_id).values(emergency_contact=sealed))
        return found

    monkeypatch.setattr(keyring, "decrypt", slow)
    with postgresql_app.app_context():
        assert reencrypt(CONTACTS) == 0
    kept = postgresql_unit(lambda: db.session.get_one(Volunteer, volunteer_id).emergency_contact)
    assert postgresql_unit(lambda: contacts.unseal(kept, volunteer_id)).name == "新"


@pytest.mark.parametrize(("group", "count"), [("resident-ids", PEOPLE), ("contacts", PEOPLE + PEOPLE + 4)])
def test_the_commands(app, unit, people, monkeypatch, group, count):
    for purpose in (resident_ids.PURPOSE, contacts.PURPOSE):
        unit(lambda purpose=purpose: keyring.rotate(purpose))
    monkeypatch.setattr(common, "ready_app", lambda: app)
    for expected in (count, 0):
        done = CliRunner().invoke(common.group, [group, "reencrypt"])
        assert (done.exit_code, done.output) == (0, f"{expected} values sealed anew.\n")
