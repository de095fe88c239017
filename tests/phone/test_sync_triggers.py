"""The triggers that note what changed: which there are, and that each column that a phone shows is told."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import delete, text, update

from tests.factories import make_volunteer
from tests.loans.factories import lend, make_desk
from tests.phone.copy import Copy
from tests.phone.test_sync_histories import World
from volunteer_api.accounts import contacts
from volunteer_api.accounts.models import Guardian, ResidentId
from volunteer_api.activities.models import ShiftRole
from volunteer_api.core import clock, keyring
from volunteer_api.core.database import db
from volunteer_api.organizations import grants
from volunteer_api.organizations.models import Role, ScopeType
from volunteer_api.teams.models import Membership

pytestmark = pytest.mark.both_databases

# SQLite forgets them without a word where a migration makes a table anew (a batch).
TRIGGERS = {
    *("volunteers_sync_update", "service_records_sync_insert"),
    *("guardians_sync_insert", "guardians_sync_update", "guardians_sync_delete"),
    *("resident_ids_sync_insert", "resident_ids_sync_update", "resident_ids_sync_delete"),
    *("sign_ups_sync_insert", "sign_ups_sync_update", "sign_ups_sync_delete"),
    *("attendances_sync_insert", "attendances_sync_update", "attendances_sync_delete"),
    *("notifications_sync_insert", "notifications_sync_update", "notifications_sync_delete"),
    *("memberships_sync_insert", "memberships_sync_update", "memberships_sync_delete"),
    *("grants_sync_insert", "grants_sync_update", "grants_sync_delete"),
    *("loans_sync_insert", "loans_sync_update", "loans_sync_delete"),
    *("shifts_sync_shown", "shift_roles_sync_shown", "activities_sync_shown", "sign_ups_sync_shown"),
    *("teams_sync_shown", "organizations_sync_shown", "stations_sync_shown"),
}
# Of each type: columns of which one that is written is told.
TOLD = {
    "profile": {
        "volunteers": "volunteer_number name phone birth_date home_division skills service_categories photo_id"
        " emergency_contact guardian_contact erases_at",
        "guardians": "phone_digest withdrawn_at",
        "resident_ids": "digest",
    },
    "sign_ups": {
        "sign_ups": "state asked_at",
        "shifts": "starts_at ends_at canceled_at",
        "shift_roles": "name",
        "activities": "title state latitude longitude place_name",
    },
    "attendances": {"attendances": "state"},
    "notifications": {"notifications": "read_at"},
    "memberships": {"memberships": "state", "teams": "name organization_id closed_at"},
    "grants": {"grants": "revoked_at", "organizations": "name", "stations": "name"},
    "loans": {"loans": "closed_at"},
}


def test_no_trigger_is_lost(app: Flask) -> None:
    with app.app_context():
        sqlite = db.engine.dialect.name == "sqlite"
        every = "SELECT name FROM sqlite_master WHERE type = 'trigger'" if sqlite else "SELECT tgname FROM pg_trigger"
        assert {name for name in db.session.scalars(text(every)) if "_sync_" in name} == TRIGGERS


class Furnished(World):
    """With a row of each type, and of each table that a row shows."""

    def __init__(self) -> None:
        super().__init__()
        for verb in (self.sign_up, self.wait, self.check_in, self.hear, self.join, self.grant):
            verb()
        grants.grant(
            volunteer_id=self.me.id,
            role=Role.STATION_MANAGER,
            scope_type=ScopeType.STATION,
            scope_id=self.scene.station_id,
        )
        lend(make_desk(), borrower={"volunteer_id": self.me.id})
        db.session.add_all(
            [
                ShiftRole(shift_id=self.full.shift_id, name="引导", capacity=1),
                resident_id(self.me.id),
                guardian(self.me.id),
            ]
        )
        db.session.flush()


def resident_id(owner_id: UUID) -> ResidentId:
    sealed = keyring.encrypt("resident id", b"11010519491231002X", owner_id.bytes)
    return ResidentId(volunteer_id=owner_id, sealed=sealed, digest=b"digest")


def guardian(owner_id: UUID) -> Guardian:
    contact = contacts.seal({"name": "王大雨", "phone": "+8613800000000"}, owner_id)
    mine = {"volunteer_id": owner_id, "version": "2026-11", "consented_at": clock.now()}
    return Guardian(contact=contact, phone_digest=b"digest", **mine)


def test_each_column_that_is_shown_is_told(client: Any, unit: Any) -> None:
    world = unit(Furnished)
    copy = Copy(client.as_(world.me))
    copy.sync()
    for kind, tables in TOLD.items():
        for table, columns in tables.items():
            for column in columns.split():
                unit(lambda: db.session.execute(text(f"UPDATE {table} SET {column} = {column}")))  # noqa: B023
                answer = copy.ask().get_json()
                assert kind in answer["changed"], f"{table}.{column}"
                copy.take(answer)


@pytest.mark.both_databases
@pytest.mark.parametrize("make", [guardian, resident_id])
def test_what_is_given_and_taken_of_a_profile_is_told(client: Any, unit: Any, make: Any) -> None:
    me = make_volunteer()
    copy = Copy(client.as_(me), types="profile")
    copy.sync()
    unit(lambda: db.session.add(make(me.id)))
    copy.sync()
    assert copy.told == 1
    unit(lambda: db.session.execute(delete(type(make(me.id)))))
    copy.sync()
    assert copy.told == 1


def test_an_invitation_by_phone_is_told_to_whom_it_comes_to(client: Any, unit: Any) -> None:
    def invite() -> Any:
        world = World()
        invited = {"state": "invited", "phone_digest": b"digest", "masked_phone": "138****7777"}
        membership = Membership(team_id=world.scene.team_id, expires_at=clock.now() + timedelta(days=1), **invited)
        db.session.add(membership)
        db.session.flush()
        return world.me.id, membership.id

    me, membership_id = unit(invite)
    copy = Copy(client.as_(me), types="memberships")
    copy.sync()
    assert copy.of("memberships") == []

    def come_to(owner_id: Any) -> None:
        db.session.execute(update(Membership).where(Membership.id == membership_id).values(volunteer_id=owner_id))

    unit(lambda: come_to(me))
    copy.sync()
    assert [row["id"] for row in copy.of("memberships")] == [str(membership_id)]
    unit(lambda: come_to(None))
    copy.sync()
    assert copy.of("memberships") == []
